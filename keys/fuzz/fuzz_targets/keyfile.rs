//! Key files, secret and public, of every format: plain, `$NACL`, vault and Fernet, as far as they go without a password.

#![no_main]

use keys::keyfile::{Content, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes) {
        // What was read must be what is written of it.
        Ok(Content::Secret(key)) => match parse(&key.to_plain()) {
            Ok(Content::Secret(back)) => assert_eq!(back.public(), key.public()),
            other => panic!("what was written is read as {other:?}"),
        },
        Ok(Content::Public(public)) => match parse(&public.to_bytes()) {
            Ok(Content::Public(back)) => assert_eq!(back, public),
            other => panic!("what was written is read as {other:?}"),
        },
        Ok(other) => drop(format!("{other:?}")),
        Err(error) => drop(error.to_string()),
    }
});
