//! Recovery phrases.

#![no_main]

use keys::{CryptoType, Mnemonic};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<Mnemonic>() {
        Ok(mnemonic) => {
            let again: Mnemonic = mnemonic.phrase().parse().expect("its own phrase");
            assert_eq!(again.seed(), mnemonic.seed());
            for scheme in [CryptoType::Sr25519, CryptoType::Ed25519] {
                assert_eq!(again.keypair(scheme).account_id(), mnemonic.keypair(scheme).account_id());
            }
        }
        Err(error) => drop(error.to_string()),
    }
});
