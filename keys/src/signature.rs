//! Signatures, and what it takes to believe one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sp_core::{Pair as _, ed25519, sr25519};

use crate::{AccountId, CryptoType};

/// Browser wallets refuse to sign raw bytes, lest a page pass off a transaction as a message: they sign it between these.
const WRAP_OPEN: &[u8] = b"<Bytes>";
const WRAP_CLOSE: &[u8] = b"</Bytes>";

/// A signature together with the scheme that made it.
///
/// As text: the scheme, a colon, and the 64 bytes in hex, `sr25519:0x…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum Signature {
    /// Schnorrkel over Ristretto25519, signing context `substrate`.
    Sr25519([u8; 64]),
    /// Ed25519, verified by ZIP-215's rules as on chain.
    Ed25519([u8; 64]),
}

/// Why a text is not a [`Signature`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSignatureError {
    /// The part before the colon names no scheme we know.
    #[error("a signature reads `sr25519:0x…` or `ed25519:0x…`, this one starts with `{start}`")]
    Scheme {
        /// The first characters of what was given.
        start: String,
    },
    /// The rest is not 64 bytes of hex.
    #[error("a signature has 64 bytes, 128 hex digits; this one has {chars} characters{}", if *.is_hex { "" } else { " that are not all hex digits" })]
    Bytes {
        /// Characters after an optional `0x`.
        chars: usize,
        /// Whether all of them are hex digits.
        is_hex: bool,
    },
}

impl Signature {
    /// Builds a signature from its scheme and bytes.
    pub const fn new(crypto_type: CryptoType, bytes: [u8; 64]) -> Self {
        match crypto_type {
            CryptoType::Sr25519 => Self::Sr25519(bytes),
            CryptoType::Ed25519 => Self::Ed25519(bytes),
        }
    }

    /// Reads the 64 bytes from hex, with or without `0x`.
    pub fn from_hex(crypto_type: CryptoType, text: &str) -> Result<Self, ParseSignatureError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = [0; 64];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseSignatureError::Bytes {
            chars: digits.chars().count(),
            is_hex: digits.bytes().all(|b| b.is_ascii_hexdigit()),
        })?;
        Ok(Self::new(crypto_type, bytes))
    }

    /// The scheme that made it.
    pub const fn crypto_type(&self) -> CryptoType {
        match self {
            Self::Sr25519(_) => CryptoType::Sr25519,
            Self::Ed25519(_) => CryptoType::Ed25519,
        }
    }

    /// The bare signature.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        match self {
            Self::Sr25519(bytes) | Self::Ed25519(bytes) => bytes,
        }
    }

    /// The bare signature as `0x…`, the form that Bittensor's tools print.
    pub fn to_hex(&self) -> String {
        format!("0x{}", hex::encode(self.as_bytes()))
    }

    /// Whether `account` signed exactly `message`.
    ///
    /// What protocols between machines use. For a message that a person may have signed in a browser, see [`verify`].
    pub fn verifies(&self, account: &AccountId, message: &[u8]) -> bool {
        match self {
            Self::Sr25519(bytes) => {
                sr25519::Pair::verify(&sr25519::Signature::from(*bytes), message, &sr25519::Public::from(account.0))
            }
            Self::Ed25519(bytes) => {
                ed25519::Pair::verify(&ed25519::Signature::from(*bytes), message, &ed25519::Public::from(account.0))
            }
        }
    }
}

/// Whether `account` signed `message`, as such or wrapped as `<Bytes>message</Bytes>`.
///
/// Bittensor's clients accept both. Between machines use [`Signature::verifies`]: there, one meaning should have one form.
pub fn verify(account: &AccountId, signature: &Signature, message: &[u8]) -> bool {
    signature.verifies(account, message) || signature.verifies(account, &[WRAP_OPEN, message, WRAP_CLOSE].concat())
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.crypto_type(), self.to_hex())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = ParseSignatureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || ParseSignatureError::Scheme { start: text.chars().take(16).collect() };
        let (scheme, digits) = text.split_once(':').ok_or_else(unknown)?;
        Self::from_hex(scheme.parse().map_err(|_| unknown())?, digits)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keypair;

    #[test]
    fn text_both_ways() {
        for crypto_type in [CryptoType::Sr25519, CryptoType::Ed25519] {
            let signature = Signature::new(crypto_type, [0xab; 64]);
            assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
            let json = serde_json::to_string(&signature).unwrap();
            assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
            assert_eq!(Signature::from_hex(crypto_type, &signature.to_hex()).unwrap(), signature);
        }
    }

    #[test]
    fn bad_text_is_refused_with_its_reason() {
        for (text, part) in [
            ("0xab", "starts with `0xab`"),
            ("ecdsa:0xab", "starts with `ecdsa:0xab`"),
            ("sr25519:0xab", "2 characters"),
            (&format!("sr25519:0x{}", "g".repeat(128)), "not all hex"),
            (&format!("sr25519:{}", "a".repeat(130)), "130 characters"),
        ] {
            let message = text.parse::<Signature>().unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn the_wire_form_is_the_scheme_and_the_bytes() {
        let config = bincode::config::standard();
        for (signature, scheme) in [(Signature::Sr25519([7; 64]), 0), (Signature::Ed25519([7; 64]), 1)] {
            let bytes = bincode::encode_to_vec(signature, config).unwrap();
            assert_eq!(bytes, [&[scheme][..], &[7; 64]].concat());
            assert_eq!(bincode::decode_from_slice::<Signature, _>(&bytes, config).unwrap(), (signature, 65));
        }
        assert!(bincode::decode_from_slice::<Signature, _>(&[2; 65], config).is_err());
    }

    #[test]
    fn wrapped_messages_pass_only_the_lenient_check() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let wrapped = alice.sign(b"<Bytes>hello</Bytes>");
        assert!(verify(&alice.account_id(), &wrapped, b"hello"));
        assert!(verify(&alice.account_id(), &wrapped, b"<Bytes>hello</Bytes>"));
        assert!(!wrapped.verifies(&alice.account_id(), b"hello"));
        assert!(!verify(&alice.account_id(), &wrapped, b"hell"));
    }

    #[test]
    fn a_signature_counts_for_its_own_scheme_and_signer_only() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let bob = Keypair::from_uri("//Bob").unwrap();
        let signature = alice.sign(b"m");
        assert!(!verify(&bob.account_id(), &signature, b"m"));
        assert!(!verify(&alice.account_id(), &Signature::Ed25519(*signature.as_bytes()), b"m"));
        // Bytes that are no curve point, from a hostile peer.
        assert!(!verify(&AccountId([0xff; 32]), &signature, b"m"));
        assert!(!verify(&alice.account_id(), &Signature::Sr25519([0xff; 64]), b"m"));
        assert!(!verify(&alice.account_id(), &Signature::Ed25519([0xff; 64]), b"m"));
    }
}
