//! Key pairs: what signs.

use std::fmt;
use std::str::FromStr;

use ed25519_zebra::SigningKey;
use sp_core::crypto::SecretStringError;
use sp_core::{Pair as _, ed25519, sr25519};
use zeroize::{Zeroize, Zeroizing};

use crate::{AccountId, Signature};

/// A signature scheme. The numbers are those of Bittensor's key files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CryptoType {
    /// Ed25519.
    Ed25519 = 0,
    /// Schnorrkel over Ristretto25519, which Bittensor uses unless told otherwise.
    #[default]
    Sr25519 = 1,
}

impl CryptoType {
    /// The number that key files carry as `cryptoType`.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The scheme with this number in key files.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Ed25519),
            1 => Some(Self::Sr25519),
            _ => None,
        }
    }
}

impl fmt::Display for CryptoType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ed25519 => "ed25519",
            Self::Sr25519 => "sr25519",
        })
    }
}

impl FromStr for CryptoType {
    type Err = KeypairError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ed25519" => Ok(Self::Ed25519),
            "sr25519" => Ok(Self::Sr25519),
            _ => Err(KeypairError::CryptoType(text.chars().take(32).collect())),
        }
    }
}

/// Why secret material makes no key pair. No message shows any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeypairError {
    /// No such scheme.
    #[error("`{0}` is no signature scheme here; use `sr25519` or `ed25519`")]
    CryptoType(String),
    /// The secret URI cannot be read.
    #[error("the secret URI is malformed; it reads `PHRASE//hard/soft///password`, or `//Name` for a development key")]
    Uri,
    /// The words are not a recovery phrase.
    #[error("the phrase in the secret URI is not a valid recovery phrase: {0}")]
    Phrase(#[from] crate::MnemonicError),
    /// The path cannot be derived.
    #[error("the derivation path cannot be followed: ed25519 has no soft junctions (`/x`), use hard ones (`//x`)")]
    SoftJunction,
    /// Seeds are 32 bytes.
    #[error("a seed in a secret URI has 32 bytes, 64 hex digits")]
    Seed,
    /// Not a private key of that scheme.
    #[error("{bytes} bytes are no {crypto_type} private key; it has {} bytes", private_key_bytes(*.crypto_type))]
    PrivateKey {
        /// Length of what was given.
        bytes: usize,
        /// The scheme it was given for.
        crypto_type: CryptoType,
    },
    /// The system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// Bytes of a private key as stored in key files: sr25519's is scalar and nonce, ed25519's is its seed.
const fn private_key_bytes(crypto_type: CryptoType) -> usize {
    match crypto_type {
        CryptoType::Sr25519 => 64,
        CryptoType::Ed25519 => 32,
    }
}

/// A key pair that signs; sr25519 unless made `_with` another scheme.
///
/// The secret is wiped from memory when the last owner drops it, and nothing prints it.
///
/// sr25519 signatures mix in fresh randomness from the operating system: two signatures over one message differ, and both
/// are good.
#[derive(Clone)]
pub struct Keypair {
    account_id: AccountId,
    // Boxed: moving a key pair then moves a pointer, and leaves no copy of the secret on the stack.
    secret: Box<Secret>,
}

#[derive(Clone)]
enum Secret {
    /// Wiped on drop by schnorrkel.
    Sr25519(sr25519::Pair),
    /// ed25519-zebra's key does not wipe itself.
    Ed25519(Zeroizing<SigningKey>),
}

impl Keypair {
    /// From a secret URI: `//Alice`, `PHRASE//hard/soft///password` or `0xSEED//hard`. sr25519.
    ///
    /// A URI that starts with `/` derives from the public development phrase: anybody has these keys.
    pub fn from_uri(uri: &str) -> Result<Self, KeypairError> {
        Self::from_uri_with(CryptoType::default(), uri)
    }

    /// [`from_uri`](Self::from_uri) in the given scheme.
    pub fn from_uri_with(crypto_type: CryptoType, uri: &str) -> Result<Self, KeypairError> {
        let explain = |error| match error {
            SecretStringError::InvalidPhrase => KeypairError::Phrase(crate::MnemonicError::of_uri(uri)),
            SecretStringError::InvalidPath => KeypairError::SoftJunction,
            SecretStringError::InvalidSeed | SecretStringError::InvalidSeedLength => KeypairError::Seed,
            _ => KeypairError::Uri,
        };
        match crypto_type {
            CryptoType::Sr25519 => Ok(Self::sr25519(sr25519::Pair::from_string(uri, None).map_err(explain)?)),
            CryptoType::Ed25519 => {
                let seed = Zeroizing::new(ed25519::Pair::from_string(uri, None).map_err(explain)?.seed());
                Ok(Self::ed25519(&seed))
            }
        }
    }

    /// From a recovery phrase of 12, 15, 18, 21 or 24 English words. sr25519.
    pub fn from_mnemonic(phrase: &str) -> Result<Self, crate::MnemonicError> {
        Ok(phrase.parse::<crate::Mnemonic>()?.keypair(CryptoType::default()))
    }

    /// From a 32-byte seed. sr25519.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self::from_seed_with(CryptoType::default(), seed)
    }

    /// From a 32-byte seed, in the given scheme.
    pub fn from_seed_with(crypto_type: CryptoType, seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        match crypto_type {
            CryptoType::Sr25519 => Self::sr25519(sr25519::Pair::from_seed(&seed)),
            CryptoType::Ed25519 => Self::ed25519(&seed),
        }
    }

    /// A new key from the operating system's randomness. sr25519.
    ///
    /// It cannot be recovered: for a wallet make a [`Mnemonic`](crate::Mnemonic) first.
    pub fn generate() -> Result<Self, KeypairError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        Ok(Self::from_seed(*seed))
    }

    /// From the `privateKey` of a key file: 64 bytes (scalar, nonce) for sr25519, 32 for ed25519.
    pub fn from_private_key(crypto_type: CryptoType, bytes: &[u8]) -> Result<Self, KeypairError> {
        let refused = || KeypairError::PrivateKey { bytes: bytes.len(), crypto_type };
        if bytes.len() != private_key_bytes(crypto_type) {
            return Err(refused());
        }
        match crypto_type {
            CryptoType::Sr25519 => Ok(Self::sr25519(sr25519::Pair::from_seed_slice(bytes).map_err(|_| refused())?)),
            CryptoType::Ed25519 => {
                let seed = Zeroizing::new(<[u8; 32]>::try_from(bytes).map_err(|_| refused())?);
                Ok(Self::ed25519(&seed))
            }
        }
    }

    /// The `privateKey` of a key file; see [`from_private_key`](Self::from_private_key).
    pub(crate) fn private_key(&self) -> Zeroizing<Vec<u8>> {
        match &*self.secret {
            Secret::Sr25519(pair) => Zeroizing::new(pair.to_raw_vec()),
            Secret::Ed25519(key) => Zeroizing::new(key.as_ref().to_vec()),
        }
    }

    fn sr25519(pair: sr25519::Pair) -> Self {
        Self { account_id: AccountId(pair.public().0), secret: Box::new(Secret::Sr25519(pair)) }
    }

    fn ed25519(seed: &[u8; 32]) -> Self {
        let mut key = SigningKey::from(*seed);
        let account_id = AccountId(ed25519_zebra::VerificationKeyBytes::from(&key).into());
        let secret = Box::new(Secret::Ed25519(Zeroizing::new(key)));
        key.zeroize();
        Self { account_id, secret }
    }

    /// The account this key speaks for.
    pub const fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// Its scheme.
    pub fn crypto_type(&self) -> CryptoType {
        match *self.secret {
            Secret::Sr25519(_) => CryptoType::Sr25519,
            Secret::Ed25519(_) => CryptoType::Ed25519,
        }
    }

    /// Signs exactly these bytes.
    pub fn sign(&self, message: &[u8]) -> Signature {
        match &*self.secret {
            Secret::Sr25519(pair) => Signature::Sr25519(pair.sign(message).0),
            Secret::Ed25519(key) => Signature::Ed25519(key.sign(message).into()),
        }
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({} {})", self.crypto_type(), self.account_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_account_and_nothing_secret() {
        for crypto_type in [CryptoType::Sr25519, CryptoType::Ed25519] {
            let pair = Keypair::from_seed_with(crypto_type, [7; 32]);
            let shown = format!("{pair:?} {pair:#?}");
            assert!(shown.contains(&pair.account_id().to_string()));
            assert!(!shown.contains(&hex::encode(&pair.private_key()[..8])));
            assert!(!shown.contains("[7"));
        }
    }

    #[test]
    fn private_keys_round_trip() {
        for crypto_type in [CryptoType::Sr25519, CryptoType::Ed25519] {
            let pair = Keypair::from_seed_with(crypto_type, [9; 32]);
            let back = Keypair::from_private_key(crypto_type, &pair.private_key()).unwrap();
            assert_eq!(back.account_id(), pair.account_id());
            assert!(back.sign(b"x").verifies(&pair.account_id(), b"x"));
        }
    }

    #[test]
    fn bad_private_keys_are_refused() {
        // Not a canonical scalar: above the group order.
        assert!(Keypair::from_private_key(CryptoType::Sr25519, &[0xff; 64]).is_err());
        let error = Keypair::from_private_key(CryptoType::Sr25519, &[1; 32]).unwrap_err();
        assert_eq!(error.to_string(), "32 bytes are no sr25519 private key; it has 64 bytes");
        assert!(Keypair::from_private_key(CryptoType::Ed25519, &[1; 64]).is_err());
    }

    #[test]
    fn bad_uris_are_explained_without_showing_them() {
        for (uri, part) in [
            ("0x1234", "32 bytes"),
            ("gloom gloom//hard", "2 words"),
            ("bottom drive obey lake curtain smoke basket hold race lonely fit secretword", "word 12"),
        ] {
            let message = Keypair::from_uri(uri).unwrap_err().to_string();
            assert!(message.contains(part), "{uri}: {message}");
            assert!(!message.contains("gloom") && !message.contains("secretword"), "{message}");
        }
        let soft = Keypair::from_uri_with(CryptoType::Ed25519, "//hard/soft").unwrap_err();
        assert_eq!(soft, KeypairError::SoftJunction);
    }

    #[test]
    fn generated_keys_differ() {
        let (one, two) = (Keypair::generate().unwrap(), Keypair::generate().unwrap());
        assert_ne!(one.account_id(), two.account_id());
        assert!(one.sign(b"x").verifies(&one.account_id(), b"x"));
    }
}
