//! The other texts that come from outside: addresses, signatures, new passwords.

#![no_main]

use keys::{AccountId, Signature, check_strength};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<AccountId>() {
        Ok(account) => assert_eq!(account.to_string().parse(), Ok(account)),
        Err(error) => drop(error.to_string()),
    }
    match text.parse::<Signature>() {
        Ok(signature) => assert_eq!(signature.to_string().parse(), Ok(signature)),
        Err(error) => drop(error.to_string()),
    }
    if let Err(weak) = check_strength(text, &[]) {
        drop(weak.to_string());
    }
});
