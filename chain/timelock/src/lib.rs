//! Time-lock encryption to a round of a drand beacon: what is sealed opens with the beacon's signature of that round, and
//! before that with nothing.
//!
//! The beacon must be *unchained* with signatures in G1 and keys in G2 of BLS12-381, as drand's quicknet is. A sealed
//! message is, byte for byte, what Bittensor's chain opens, and what its clients make: identity-based encryption of a key
//! (Boneh and Franklin, "Identity-Based Encryption from the Weil Pairing", 2001, section 4.2, the scheme FullIdent) and
//! the message under that key with AES-256-GCM.
//!
//! With P the generator of G2, S = s·P the beacon's key, and Q = H1(round) in G1, so that the signature of the round is
//! s·Q:
//!
//! ```text
//! seal:  r = H3(σ ‖ key)   U = r·P   V = σ ⊕ H2(e(Q, r·S))   W = key ⊕ H4(σ)
//! open:  σ = V ⊕ H2(e(s·Q, U))   key = W ⊕ H4(σ)   and U = H3(σ ‖ key)·P, or it was made for another round
//! ```
//!
//! H1 hashes to the curve as RFC 9380 says, the message being SHA-256 of the round's eight bytes, as drand signs it. H2
//! and H4 are SHA-256, H3 is SHA-256 read as a big-endian number modulo the group's order.
//!
//! Randomness is passed in. Nothing here is constant in time: what is sealed is public soon, and what opens it already is.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod form;
mod identity;

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use alloc::vec::Vec;

pub use form::MAX_SEALED_BYTES;
use form::Sealed;

/// Bytes of a beacon's key, compressed.
pub const PUBLIC_KEY_BYTES: usize = 96;
/// Bytes of a beacon's signature, compressed.
pub const SIGNATURE_BYTES: usize = 48;
/// Bytes of AES-256-GCM's nonce.
const NONCE_BYTES: usize = 12;

/// The signatures of a beacon, as a chain knows them.
pub trait BeaconSignatures {
    /// The signature of a round, compressed, once the chain has it.
    fn signature(round: u64) -> Option<Vec<u8>>;
}

/// What must be random in one sealing, and used in no other.
pub struct Randomness {
    /// Encrypts the message.
    pub key: [u8; 32],
    /// Hides the key.
    pub sigma: [u8; 32],
    /// Nonce of the message's encryption.
    pub nonce: [u8; NONCE_BYTES],
}

/// Why something was not sealed or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The beacon's key is no point of G2.
    PublicKey,
    /// The signature is no point of G1.
    Signature,
    /// The message is longer than a sealed one may be.
    TooLong,
    /// The bytes are no sealed message.
    Malformed,
    /// Sealed for another round or another beacon, or changed since.
    WrongRound,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::PublicKey => "the beacon's public key is no point of G2",
            Self::Signature => "the beacon's signature is no point of G1",
            Self::TooLong => "the message is too long to be sealed",
            Self::Malformed => "the bytes are no time-locked message",
            Self::WrongRound => "the message is locked to another round or another beacon, or was changed",
        })
    }
}

impl core::error::Error for Error {}

/// Seals `message` so that the signature of `round` by the beacon with this key opens it.
///
/// # Errors
///
/// [`Error::PublicKey`]; [`Error::TooLong`] where the result would exceed [`MAX_SEALED_BYTES`].
pub fn seal(
    public_key: &[u8; PUBLIC_KEY_BYTES],
    round: u64,
    message: &[u8],
    randomness: &Randomness,
) -> Result<Vec<u8>, Error> {
    let header = identity::hide(public_key, round, &randomness.key, &randomness.sigma)?;
    let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&randomness.key));
    let ciphertext = cipher.encrypt(Nonce::from_slice(&randomness.nonce), message).map_err(|_| Error::TooLong)?;
    let bytes = Sealed { header, ciphertext, nonce: randomness.nonce }.to_bytes();
    if bytes.len() > MAX_SEALED_BYTES { Err(Error::TooLong) } else { Ok(bytes) }
}

/// Opens what was sealed for the round that `signature` signs.
///
/// # Errors
///
/// [`Error::Signature`], [`Error::Malformed`], [`Error::WrongRound`].
pub fn open(signature: &[u8; SIGNATURE_BYTES], sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let Sealed { header, ciphertext, nonce } = Sealed::from_bytes(sealed)?;
    let key = identity::find(signature, &header)?;
    let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&key));
    cipher.decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice()).map_err(|_| Error::WrongRound)
}
