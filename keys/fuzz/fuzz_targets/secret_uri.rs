//! Secret URIs, in both schemes.

#![no_main]

use keys::{CryptoType, Keypair};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for scheme in [CryptoType::Sr25519, CryptoType::Ed25519] {
        match Keypair::from_uri_with(scheme, text) {
            Ok(pair) => assert_eq!(pair.crypto_type(), scheme),
            Err(error) => drop(error.to_string()),
        }
    }
});
