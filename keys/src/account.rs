//! Account ids and their SS58 form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sp_core::crypto::{AccountId32, PublicError, Ss58AddressFormat, Ss58Codec};

/// The SS58 network prefix of Bittensor, and of Substrate chains that claim none of their own.
///
/// An address of another network is refused rather than converted: whoever pasted it probably meant another chain.
pub const SS58_PREFIX: u16 = 42;

/// Longest text that is tried as an address. A 32-byte account takes 47 to 50 characters under any prefix; base58
/// decoding is quadratic, so longer input is turned away unread.
const MAX_SS58_CHARS: usize = 64;

/// An account on chain: a 32-byte public key, shown as SS58 with prefix 42.
///
/// The id does not say whether the key is sr25519 or ed25519; a [`Signature`](crate::Signature) does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct AccountId(pub [u8; 32]);

/// Why a text is not an [`AccountId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountIdError {
    /// No SS58 address is this long.
    #[error("an SS58 address has at most {MAX_SS58_CHARS} characters, this text has {bytes} bytes")]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// Not SS58, or not of a 32-byte account.
    #[error("`{text}` is not an SS58 address: {reason}")]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A good address, of another network.
    #[error(
        "`{text}` is an address with SS58 prefix {prefix}; this network uses prefix {SS58_PREFIX} (addresses starting with 5)"
    )]
    Prefix {
        /// What was given.
        text: String,
        /// The prefix it carries.
        prefix: u16,
    },
}

impl AccountId {
    /// The raw public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for AccountId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<AccountId> for [u8; 32] {
    fn from(account: AccountId) -> Self {
        account.0
    }
}

impl AsRef<[u8]> for AccountId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The version is given, not the process-wide default that other code could change.
        f.pad(&AccountId32::new(self.0).to_ss58check_with_version(Ss58AddressFormat::custom(SS58_PREFIX)))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_SS58_CHARS {
            return Err(AccountIdError::TooLong { bytes: text.len() });
        }
        let malformed = |reason| AccountIdError::Malformed { text: text.to_owned(), reason };
        let (account, format) = AccountId32::from_ss58check_with_version(text).map_err(|error| {
            malformed(match error {
                PublicError::BadBase58 => "it has characters outside base58",
                PublicError::InvalidChecksum => "its checksum does not match, a character is wrong or missing",
                PublicError::BadLength => "it does not hold a 32-byte account",
                PublicError::FormatNotAllowed => "its prefix is reserved (46 or 47)",
                _ => "its first bytes are no network prefix, it was cut short or garbled",
            })
        })?;
        let prefix = u16::from(format);
        if prefix != SS58_PREFIX {
            return Err(AccountIdError::Prefix { text: text.to_owned(), prefix });
        }
        Ok(Self(account.into()))
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    const ALICE_BYTES: &str = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

    fn alice() -> AccountId {
        AccountId(hex::decode(ALICE_BYTES).unwrap().try_into().unwrap())
    }

    #[test]
    fn ss58_both_ways() {
        assert_eq!(alice().to_string(), ALICE);
        assert_eq!(ALICE.parse::<AccountId>().unwrap(), alice());
        assert_eq!(format!("{:?}", alice()), format!("AccountId({ALICE})"));
        assert_eq!(format!("{:>50}|", alice()), format!("  {ALICE}|"));
    }

    #[test]
    fn other_prefixes_are_named() {
        for prefix in [0u16, 2, 13116] {
            let foreign = AccountId32::new(alice().0).to_ss58check_with_version(Ss58AddressFormat::custom(prefix));
            assert_eq!(
                foreign.parse::<AccountId>().unwrap_err(),
                AccountIdError::Prefix { text: foreign.clone(), prefix }
            );
            assert!(foreign.parse::<AccountId>().unwrap_err().to_string().contains(&format!("prefix {prefix}")));
        }
    }

    #[test]
    fn bad_text_is_refused_with_its_reason() {
        let wrong_character = ALICE.replace('z', "y");
        for (text, part) in [
            ("", "32-byte"),
            ("5Grw", "32-byte"),
            ("0OIl", "base58"),
            (&wrong_character, "checksum"),
            (&ALICE[..47], "cut short"),
            (&"1".repeat(65), "65 bytes"),
            (&format!("{ALICE} "), "base58"),
        ] {
            let message = text.parse::<AccountId>().unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn json_is_the_address() {
        let json = serde_json::to_string(&alice()).unwrap();
        assert_eq!(json, format!("\"{ALICE}\""));
        assert_eq!(serde_json::from_str::<AccountId>(&json).unwrap(), alice());
        assert!(serde_json::from_str::<AccountId>("\"5G\"").is_err());
    }

    #[test]
    fn the_wire_form_is_the_bare_key() {
        let bytes = bincode::encode_to_vec(alice(), bincode::config::standard()).unwrap();
        assert_eq!(hex::encode(&bytes), ALICE_BYTES);
        let (back, _) = bincode::decode_from_slice::<AccountId, _>(&bytes, bincode::config::standard()).unwrap();
        assert_eq!(back, alice());
    }
}
