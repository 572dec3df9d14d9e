//! The JSON inside key files: which fields there are, and what they say together.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Content, KeyfileError, PublicKey, StoredKey};
use crate::{AccountId, CryptoType, Keypair, Mnemonic};

/// Room for a key file's JSON, so that the buffer never grows and leaves an unwiped copy behind.
const PLAIN_CAPACITY_BYTES: usize = 2048;

/// The JSON of a key file. Every field is optional, since each writer leaves out others.
#[derive(Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_phrase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_seed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ss58_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[zeroize(skip)]
    pub(super) crypto_type: Option<serde_json::Value>,
}

/// Reads a plain key file: the JSON, or a lone seed or phrase as the first versions kept them.
pub(super) fn parse(bytes: &[u8]) -> Result<Content, KeyfileError> {
    if let Some(key) = lone_secret(bytes) {
        return Ok(Content::Secret(key));
    }
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(KeyfileError::Foreign { looks_like: "something that is not JSON" });
    }
    // serde's messages quote values, which may be secrets: only their kind is passed on.
    let fields: Fields = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Eof => KeyfileError::Truncated { bytes: bytes.len() },
        Category::Data => KeyfileError::Foreign { looks_like: "JSON whose fields have other types" },
        Category::Syntax | Category::Io => KeyfileError::Foreign { looks_like: "broken JSON" },
    })?;
    fields.interpret(bytes)
}

impl Fields {
    fn interpret(&self, bytes: &[u8]) -> Result<Content, KeyfileError> {
        let crypto_type = self.crypto_type()?;
        let stated = self.stated_accounts()?;
        let Some(key) = self.secret(crypto_type)? else {
            let Some(account_id) = Self::given(&self.ss58_address).and(stated.last()).map(|(_, account)| *account)
            else {
                return Err(if contains(bytes, b"\"encoded\"") {
                    KeyfileError::Foreign { looks_like: "an account exported from a browser wallet" }
                } else if stated.is_empty() {
                    KeyfileError::Foreign { looks_like: "JSON of some other kind" }
                } else {
                    KeyfileError::NoKey
                });
            };
            agree(account_id, &stated)?;
            return Ok(Content::Public(PublicKey { account_id, crypto_type }));
        };
        agree(key.keypair.account_id(), &stated)?;
        Ok(Content::Secret(key))
    }

    /// The scheme. Files of early versions leave it out; what is no number counts as left out, as it does for Bittensor.
    fn crypto_type(&self) -> Result<CryptoType, KeyfileError> {
        let number = self.crypto_type.as_ref().and_then(|value| match value {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let refused = KeyfileError::Field { field: "cryptoType", expected: "0 (ed25519) or 1 (sr25519)" };
        number.map_or(Ok(CryptoType::default()), |number| CryptoType::from_number(number).ok_or(refused))
    }

    /// A field that is there and not empty, as some writers leave it.
    fn given(field: &Option<String>) -> Option<&str> {
        field.as_deref().filter(|text| !text.is_empty())
    }

    /// The accounts that the file says it is about, the address last.
    fn stated_accounts(&self) -> Result<Vec<(&'static str, AccountId)>, KeyfileError> {
        let mut stated = Vec::new();
        for (field, text) in [("accountId", &self.account_id), ("publicKey", &self.public_key)] {
            if let Some(text) = Self::given(text) {
                let expected = "32 bytes of hex";
                let bytes = unhex::<32>(text).ok_or(KeyfileError::Field { field, expected })?;
                stated.push((field, AccountId(*bytes)));
            }
        }
        if let Some(text) = Self::given(&self.ss58_address) {
            let expected = "an SS58 address with prefix 42";
            let account = text.parse().map_err(|_| KeyfileError::Field { field: "ss58Address", expected })?;
            stated.push(("ss58Address", account));
        }
        Ok(stated)
    }

    /// The key, from whichever of its three forms are there; they must agree.
    fn secret(&self, crypto_type: CryptoType) -> Result<Option<StoredKey>, KeyfileError> {
        let mnemonic = match Self::given(&self.secret_phrase) {
            None => None,
            Some(phrase) => Some(phrase.parse::<Mnemonic>().map_err(|_| KeyfileError::Field {
                field: "secretPhrase",
                expected: "a recovery phrase of English BIP-39 words",
            })?),
        };
        let private = match Self::given(&self.private_key) {
            None => None,
            Some(text) => {
                let expected = "a private key of its crypto type, in hex";
                let refused = KeyfileError::Field { field: "privateKey", expected };
                let bytes = Zeroizing::new(hex::decode(bare(text)).map_err(|_| refused.clone())?);
                Some(private_pair(crypto_type, &bytes).ok_or(refused)?)
            }
        };
        let seed = match Self::given(&self.secret_seed) {
            None => None,
            Some(text) => match (unhex::<32>(text), &private) {
                (Some(seed), _) => Some(seed),
                // bittensor_wallet 4.1 writes a seed whose bytes happen to be text as that text, when it regenerates a
                // coldkey from it. The private key beside it is good, and says whether this is it.
                (None, Some(private)) => raw_seed(text)
                    .filter(|seed| Keypair::from_seed_with(crypto_type, **seed).account_id() == private.account_id()),
                (None, None) => {
                    return Err(KeyfileError::Field { field: "secretSeed", expected: "32 bytes of hex" });
                }
            },
        };

        let from_mnemonic = mnemonic.as_ref().map(|mnemonic| mnemonic.keypair(crypto_type));
        let from_seed = seed.as_ref().map(|seed| Keypair::from_seed_with(crypto_type, **seed));
        let made = [("secretPhrase", from_mnemonic), ("secretSeed", from_seed), ("privateKey", private)];
        let mut made = made.into_iter().filter_map(|(field, key)| key.map(|key| (field, key)));
        let Some((_, keypair)) = made.next() else { return Ok(None) };
        for (field, other) in made {
            if other.account_id() != keypair.account_id() {
                return Err(KeyfileError::Contradiction { field });
            }
        }
        Ok(Some(StoredKey { keypair, seed, mnemonic }))
    }
}

/// The seed that stands unencoded behind `0x`.
fn raw_seed(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    <[u8; 32]>::try_from(bare(text).as_bytes()).ok().map(Zeroizing::new)
}

/// The key of a file that is nothing but a seed in hex or a phrase.
fn lone_secret(bytes: &[u8]) -> Option<StoredKey> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    match unhex::<32>(text) {
        Some(seed) => Some(StoredKey::from_seed(*seed, CryptoType::default())),
        None => Some(StoredKey::from_mnemonic(text.parse().ok()?, CryptoType::default())),
    }
}

/// The key pair of a `privateKey`. Besides the usual forms some writers have the seed for sr25519 (32 bytes), or the seed
/// with the public key behind it for ed25519 (64).
fn private_pair(crypto_type: CryptoType, bytes: &[u8]) -> Option<Keypair> {
    match (crypto_type, bytes.split_first_chunk::<32>()?) {
        (CryptoType::Sr25519, (seed, [])) => Some(Keypair::from_seed_with(crypto_type, *seed)),
        (CryptoType::Ed25519, (seed, public @ [_, ..])) => {
            Some(Keypair::from_seed_with(crypto_type, *seed)).filter(|pair| pair.account_id().as_bytes() == public)
        }
        _ => Keypair::from_private_key(crypto_type, bytes).ok(),
    }
}

fn agree(account: AccountId, stated: &[(&'static str, AccountId)]) -> Result<(), KeyfileError> {
    match stated.iter().find(|(_, other)| *other != account) {
        None => Ok(()),
        Some((field, _)) => Err(KeyfileError::Contradiction { field }),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn bare(hex: &str) -> &str {
    hex.strip_prefix("0x").unwrap_or(hex)
}

fn unhex<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(bare(text), bytes.as_mut_slice()).ok().map(|()| bytes)
}

pub(super) fn hexed(bytes: &[u8]) -> String {
    let digits = Zeroizing::new(hex::encode(bytes));
    // `format!` would grow its buffer and leave part of a secret in the one it gave back.
    let mut text = String::with_capacity("0x".len() + digits.len());
    text.push_str("0x");
    text.push_str(&digits);
    text
}

impl Fields {
    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let mut json = Zeroizing::new(Vec::with_capacity(PLAIN_CAPACITY_BYTES));
        #[expect(clippy::expect_used, reason = "strings and a number always serialize, and memory takes them all")]
        serde_json::to_writer(&mut *json, self).expect("plain fields serialize");
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_buffer_never_grows() {
        let longest = Mnemonic::from_entropy(&[0x55; 32]).unwrap();
        let plain = StoredKey::from_mnemonic(longest, CryptoType::Sr25519).to_plain();
        assert_eq!(plain.capacity(), PLAIN_CAPACITY_BYTES);
    }
}
