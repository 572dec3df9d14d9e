//! Against what Bittensor's own client seals for drand's quicknet, whose signature of round 1000 is public.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's way to fail, also in what the tests share")]

use serde::Deserialize;
use timelock::{Error, MAX_SEALED_BYTES, Randomness, open, seal};

#[derive(Deserialize)]
struct Vectors {
    public_key: String,
    round: u64,
    signature: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
    sealed: String,
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).expect("hexadecimal").try_into().expect("of that length")
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/quicknet.json")).expect("the vectors")
}

fn randomness(n: u8) -> Randomness {
    Randomness { key: [n; 32], sigma: [n + 1; 32], nonce: [n + 2; 12] }
}

#[test]
fn what_bittensors_client_seals_is_opened() {
    let vectors = vectors();
    let signature = bytes(&vectors.signature);
    assert!(vectors.messages.len() >= 4);
    for Message { message, sealed } in &vectors.messages {
        let opened = open(&signature, &hex::decode(sealed).expect("hexadecimal"));
        assert_eq!(opened.expect("opens"), hex::decode(message).expect("hexadecimal"));
    }
}

#[test]
fn what_is_sealed_here_opens_in_its_round_only() {
    let vectors = vectors();
    let (key, signature) = (bytes(&vectors.public_key), bytes(&vectors.signature));
    for message in [&b""[..], b"weights", &[7; 4_000]] {
        let sealed = seal(&key, vectors.round, message, &randomness(1)).expect("seals");
        assert_eq!(open(&signature, &sealed).expect("opens"), message);
        assert_ne!(sealed, seal(&key, vectors.round, message, &randomness(9)).expect("seals"));
        let later = seal(&key, vectors.round + 1, message, &randomness(1)).expect("seals");
        assert_eq!(open(&signature, &later), Err(Error::WrongRound));
    }
    assert_eq!(seal(&key, 1, &[0; MAX_SEALED_BYTES], &randomness(1)), Err(Error::TooLong));
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let vectors = vectors();
    let signature = bytes(&vectors.signature);
    let sealed = hex::decode(&vectors.messages[1].sealed).expect("hexadecimal");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(open(&signature, &changed).is_err(), "byte {place}");
    }
    for length in 0..sealed.len() {
        assert_eq!(open(&signature, &sealed[..length]), Err(Error::Malformed), "cut at {length}");
    }
    let long = [sealed.as_slice(), &[0]].concat();
    assert_eq!(open(&signature, &long), Err(Error::Malformed));
    assert_eq!(open(&signature, &vec![0; MAX_SEALED_BYTES + 1]), Err(Error::Malformed));
    // A length that no memory holds.
    let mut endless = sealed.clone();
    endless[96..104].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(open(&signature, &endless), Err(Error::Malformed));
}

#[test]
fn keys_and_signatures_that_are_no_points_are_refused() {
    let vectors = vectors();
    let sealed = hex::decode(&vectors.messages[1].sealed).expect("hexadecimal");
    assert_eq!(open(&[0; 48], &sealed), Err(Error::Signature));
    assert_eq!(seal(&[0; 96], 1, b"m", &randomness(1)), Err(Error::PublicKey));
    let mut infinity = [0; 96];
    infinity[0] = 0xc0;
    assert_eq!(seal(&infinity, 1, b"m", &randomness(1)), Err(Error::PublicKey));
}
