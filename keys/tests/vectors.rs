//! Phrases, URIs and signatures against vectors recorded from Bittensor's own wallet.

#![expect(clippy::unwrap_used, reason = "set-up outside of test functions may fail loudly too")]

use keys::{AccountId, CryptoType, Keypair, Mnemonic, Signature, verify};
use serde_json::Value;

fn vectors(file: &str) -> Value {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn crypto_type(vector: &Value) -> CryptoType {
    CryptoType::from_number(vector["crypto_type"].as_u64().unwrap()).unwrap()
}

fn account(vector: &Value) -> AccountId {
    let account: AccountId = vector["ss58_prefix42"].as_str().unwrap().parse().unwrap();
    assert_eq!(format!("0x{}", hex::encode(account.as_bytes())), vector["public_key"].as_str().unwrap());
    account
}

#[test]
fn phrases_make_the_keys_that_bittensor_makes() {
    let all = vectors("mnemonic_uri_vectors.json");
    let phrases: Vec<_> = all.as_array().unwrap().iter().filter(|vector| vector["mnemonic"].is_string()).collect();
    assert_eq!(phrases.len(), 18);
    for vector in phrases {
        let phrase = vector["mnemonic"].as_str().unwrap();
        let mnemonic: Mnemonic = phrase.parse().unwrap();
        assert_eq!(mnemonic.phrase(), phrase);
        assert_eq!(phrase.split(' ').count() as u64, vector["words"].as_u64().unwrap());
        assert_eq!(format!("0x{}", hex::encode(*mnemonic.seed())), vector["mini_secret_seed"].as_str().unwrap());

        let from_phrase = mnemonic.keypair(crypto_type(vector));
        assert_eq!(from_phrase.account_id(), account(vector), "{phrase}");
        let private = hex::decode(&vector["private_key"].as_str().unwrap()[2..]).unwrap();
        let from_private = Keypair::from_private_key(crypto_type(vector), &private).unwrap();
        assert_eq!(from_private.account_id(), account(vector), "{phrase}");
        if crypto_type(vector) == CryptoType::Sr25519 {
            assert_eq!(Keypair::from_mnemonic(phrase).unwrap().account_id(), account(vector));
        }
    }
}

#[test]
fn secret_uris_make_the_keys_that_bittensor_makes() {
    let all = vectors("mnemonic_uri_vectors.json");
    let uris: Vec<_> = all.as_array().unwrap().iter().filter(|vector| vector["uri"].is_string()).collect();
    assert_eq!(uris.len(), 18);
    let mut refused = 0;
    for vector in uris {
        let made = Keypair::from_uri_with(crypto_type(vector), vector["uri"].as_str().unwrap());
        if vector["error"].is_string() {
            assert!(made.is_err(), "{vector}");
            refused += 1;
        } else {
            assert_eq!(made.unwrap().account_id(), account(vector), "{vector}");
        }
    }
    assert_eq!(refused, 3);
}

#[test]
fn signatures_hold_as_they_do_for_bittensor() {
    let all = vectors("signature_vectors.json");
    let all = all["vectors"].as_array().unwrap();
    assert_eq!(all.len(), 16);
    for vector in all {
        let scheme = crypto_type(vector);
        let signer = Keypair::from_uri_with(scheme, vector["signer_uri"].as_str().unwrap()).unwrap();
        let public = signer.account_id();
        assert_eq!(format!("0x{}", hex::encode(public.as_bytes())), vector["public_key"].as_str().unwrap());
        let message = hex::decode(vector["message_hex"].as_str().unwrap()).unwrap();
        let read = |field: &str| Signature::from_hex(scheme, vector[field].as_str().unwrap()).unwrap();

        assert_eq!(verify(&public, &read("signature"), &message), vector["valid"].as_bool().unwrap());
        assert_eq!(verify(&public, &read("tampered_signature"), &message), vector["tampered_valid"].as_bool().unwrap());
        assert!(verify(&public, &signer.sign(&message), &message));
        if scheme == CryptoType::Ed25519 {
            assert_eq!(signer.sign(&message), read("signature"), "ed25519 signs alike every time");
        }
    }
}

#[test]
fn a_signature_over_the_wrapped_message_counts() {
    let all = vectors("signature_vectors.json");
    let wrapped = hex::encode("<Bytes>hello bittensor</Bytes>");
    let mut seen = 0;
    for vector in all["vectors"].as_array().unwrap() {
        if vector["message_hex"].as_str() == Some(&wrapped) {
            let signature = Signature::from_hex(crypto_type(vector), vector["signature"].as_str().unwrap()).unwrap();
            let public = hex::decode(&vector["public_key"].as_str().unwrap()[2..]).unwrap();
            let public = AccountId(public.try_into().unwrap());
            assert!(verify(&public, &signature, b"hello bittensor"));
            assert!(!signature.verifies(&public, b"hello bittensor"));
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
}

#[test]
fn generated_phrases_have_the_words_asked_for_and_read_back() {
    for words in keys::WORD_COUNTS {
        let mnemonic = Mnemonic::generate(words).unwrap();
        assert_eq!(mnemonic.phrase().split(' ').count(), words);
        let shouted = format!("  {}\n", mnemonic.phrase().to_uppercase().replace(' ', "   "));
        let back: Mnemonic = shouted.parse().unwrap();
        assert_eq!(back.phrase(), mnemonic.phrase());
        assert!(!format!("{mnemonic:?}").contains(mnemonic.phrase().split(' ').next().unwrap()));
    }
    assert!(Mnemonic::generate(13).is_err());
}

#[test]
fn bad_phrases_are_explained_without_showing_them() {
    let good = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
    let swapped = "drive bottom obey lake curtain smoke basket hold race lonely fit walk";
    for (phrase, part) in [
        ("".to_owned(), "0 words"),
        ("bottom drive".to_owned(), "2 words"),
        (good.replace("lake", "lakke"), "word 4"),
        (swapped.to_owned(), "checksum"),
        ("bottom ".repeat(1000), "7000"),
    ] {
        let message = phrase.parse::<Mnemonic>().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(!message.contains("lakke") && !message.contains("bottom"), "{message}");
    }
}
