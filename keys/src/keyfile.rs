//! Key files: the formats, byte for byte as Bittensor's wallets read and write them. No disk here.
//!
//! | first bytes | format | read | written |
//! |---|---|---|---|
//! | `{` | one line of JSON | yes | yes: hotkeys, public keys, coldkeys made without a password |
//! | `$NACL` | that JSON under a password ([`encryption`]) | yes | yes: coldkeys |
//! | `$ANSIBLE_VAULT`, `gAAAAA` | encrypted by versions of 2023 and before | refused by name | no |

pub mod encryption;

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{AccountId, CryptoType, Keypair, Mnemonic};

/// Largest file that is read as a key file. Real ones have under 1 KiB.
pub const MAX_KEYFILE_BYTES: usize = 16 * 1024;

/// Room for a key file's JSON, so that the buffer never grows and leaves an unwiped copy behind.
const PLAIN_CAPACITY_BYTES: usize = 2048;

/// A key with its secret, as a key file holds it: the key pair and, where known, what it was made from.
#[derive(Clone)]
pub struct StoredKey {
    keypair: Keypair,
    seed: Option<Zeroizing<[u8; 32]>>,
    mnemonic: Option<Mnemonic>,
}

/// The public half, which lies unencrypted beside the secret one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    /// The account.
    pub account_id: AccountId,
    /// The scheme of its key.
    pub crypto_type: CryptoType,
}

/// What a key file turned out to hold.
#[derive(Debug)]
#[non_exhaustive]
pub enum Content {
    /// A key, in plain text.
    Secret(StoredKey),
    /// A public key only.
    Public(PublicKey),
    /// A key under a password.
    Encrypted(encryption::EncryptedKey),
}

/// Why bytes are no usable key file. No message shows any of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyfileError {
    /// Nothing in it.
    #[error("it is empty; restore it from a backup or regenerate the key from its phrase")]
    Empty,
    /// It ends early.
    #[error("it is cut short after {bytes} bytes; restore it from a backup or regenerate the key from its phrase")]
    Truncated {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Larger than any key file.
    #[error("it has more than {MAX_KEYFILE_BYTES} bytes, which no key file has")]
    TooLarge,
    /// Some other file.
    #[error("it is no Bittensor key file, but {looks_like}")]
    Foreign {
        /// What it seems to be.
        looks_like: &'static str,
    },
    /// An encryption of old versions.
    #[error(
        "it is encrypted as {format}, which is not read here: regenerate the key from its phrase with `keys regen`"
    )]
    Legacy {
        /// The old format.
        format: &'static str,
    },
    /// A field holds something else than it should.
    #[error("its field `{field}` is not {expected}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Neither a secret nor an address.
    #[error("it has none of `secretPhrase`, `secretSeed`, `privateKey` and `ss58Address`")]
    NoKey,
    /// Two fields speak of different keys.
    #[error("its field `{field}` belongs to another key than the rest of the file; do not use it, restore a backup")]
    Contradiction {
        /// The field that disagrees.
        field: &'static str,
    },
    /// A secret was asked for, the file has only the public key.
    #[error("it holds a public key only, it cannot sign")]
    PublicOnly,
    /// It is encrypted and no password was given.
    #[error("it is encrypted; a password is needed")]
    PasswordNeeded,
    /// The password does not open it.
    #[error("the password is wrong, or the file is damaged")]
    WrongPassword,
    /// A password must not be empty.
    #[error("the password is empty; use another, or `--no-password` to store the key in plain text")]
    EmptyPassword,
    /// Not enough memory to derive the encryption key.
    #[error("deriving the key from the password takes {mebibytes} MiB of memory, which this machine would not give")]
    Memory {
        /// What was asked for.
        mebibytes: usize,
    },
    /// The system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// The JSON of a key file. Every field is optional, since each writer leaves out others.
#[derive(Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_phrase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_seed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ss58_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crypto_type: Option<u64>,
}

/// Tells which format the bytes have, and reads it as far as that goes without a password.
pub fn parse(bytes: &[u8]) -> Result<Content, KeyfileError> {
    if bytes.len() > MAX_KEYFILE_BYTES {
        return Err(KeyfileError::TooLarge);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(KeyfileError::Empty);
    }
    if bytes.starts_with(encryption::MAGIC) {
        return Ok(Content::Encrypted(encryption::EncryptedKey::parse(bytes)?));
    }
    if encryption::MAGIC.starts_with(bytes) {
        return Err(KeyfileError::Truncated { bytes: bytes.len() });
    }
    if bytes.starts_with(b"$ANSIBLE_VAULT") {
        return Err(KeyfileError::Legacy { format: "an Ansible vault" });
    }
    if bytes.starts_with(b"gAAAAA") {
        return Err(KeyfileError::Legacy { format: "a Fernet token" });
    }
    parse_plain(bytes)
}

fn parse_plain(bytes: &[u8]) -> Result<Content, KeyfileError> {
    use serde_json::error::Category;
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
        let crypto_type = match self.crypto_type {
            // Files of early versions leave it out.
            None => CryptoType::default(),
            Some(number) => CryptoType::from_number(number)
                .ok_or(KeyfileError::Field { field: "cryptoType", expected: "0 (ed25519) or 1 (sr25519)" })?,
        };
        let stated = self.stated_accounts()?;
        let Some(key) = self.secret(crypto_type)? else {
            let Some(account_id) = self.ss58_address.as_ref().and(stated.last()).map(|(_, account)| *account) else {
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

    /// The accounts that the file says it is about, the address last.
    fn stated_accounts(&self) -> Result<Vec<(&'static str, AccountId)>, KeyfileError> {
        let mut stated = Vec::new();
        for (field, text) in [("accountId", &self.account_id), ("publicKey", &self.public_key)] {
            if let Some(text) = text {
                let expected = "32 bytes of hex";
                let bytes = unhex::<32>(text).ok_or(KeyfileError::Field { field, expected })?;
                stated.push((field, AccountId(*bytes)));
            }
        }
        if let Some(text) = &self.ss58_address {
            let expected = "an SS58 address with prefix 42";
            let account = text.parse().map_err(|_| KeyfileError::Field { field: "ss58Address", expected })?;
            stated.push(("ss58Address", account));
        }
        Ok(stated)
    }

    /// The key, from whichever of its three forms are there; they must agree.
    fn secret(&self, crypto_type: CryptoType) -> Result<Option<StoredKey>, KeyfileError> {
        let mnemonic = match &self.secret_phrase {
            None => None,
            Some(phrase) => Some(phrase.parse::<Mnemonic>().map_err(|_| KeyfileError::Field {
                field: "secretPhrase",
                expected: "a recovery phrase of English BIP-39 words",
            })?),
        };
        let seed = match self.secret_seed.as_deref().map(unhex::<32>) {
            None => None,
            Some(Some(seed)) => Some(seed),
            // bittensor_wallet 4.1 writes raw bytes here when it regenerates a coldkey from a seed. The private key beside
            // it is good.
            Some(None) if self.private_key.is_some() => None,
            Some(None) => return Err(KeyfileError::Field { field: "secretSeed", expected: "32 bytes of hex" }),
        };
        let private = match &self.private_key {
            None => None,
            Some(text) => {
                let expected = "a private key of its crypto type, in hex";
                let refused = KeyfileError::Field { field: "privateKey", expected };
                let bytes = Zeroizing::new(hex::decode(bare(text)).map_err(|_| refused.clone())?);
                Some(Keypair::from_private_key(crypto_type, &bytes).map_err(|_| refused)?)
            }
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

fn hexed(bytes: &[u8]) -> String {
    let digits = Zeroizing::new(hex::encode(bytes));
    // `format!` would grow its buffer and leave part of a secret in the one it gave back.
    let mut text = String::with_capacity("0x".len() + digits.len());
    text.push_str("0x");
    text.push_str(&digits);
    text
}

impl StoredKey {
    /// The key of a recovery phrase.
    pub fn from_mnemonic(mnemonic: Mnemonic, crypto_type: CryptoType) -> Self {
        let keypair = mnemonic.keypair(crypto_type);
        Self { keypair, seed: Some(mnemonic.seed()), mnemonic: Some(mnemonic) }
    }

    /// The key of a 32-byte seed.
    pub fn from_seed(seed: [u8; 32], crypto_type: CryptoType) -> Self {
        let seed = Zeroizing::new(seed);
        Self { keypair: Keypair::from_seed_with(crypto_type, *seed), seed: Some(seed), mnemonic: None }
    }

    /// A key whose phrase and seed are not known or not to be stored: one made from a secret URI.
    pub fn from_keypair(keypair: Keypair) -> Self {
        Self { keypair, seed: None, mnemonic: None }
    }

    /// What signs.
    pub fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    /// The recovery phrase, where the file has it.
    pub fn mnemonic(&self) -> Option<&Mnemonic> {
        self.mnemonic.as_ref()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey { account_id: self.keypair.account_id(), crypto_type: self.keypair.crypto_type() }
    }

    /// The bytes of a plain key file: anybody who reads them has the key.
    pub fn to_plain(&self) -> Zeroizing<Vec<u8>> {
        let mut fields = self.public().fields();
        fields.private_key = Some(hexed(&self.keypair.private_key()));
        fields.secret_phrase = self.mnemonic.as_ref().map(|mnemonic| mnemonic.phrase().to_owned());
        fields.secret_seed = self.seed.as_ref().map(|seed| hexed(seed.as_slice()));
        fields.to_json()
    }

    /// The bytes of a key file under a password. Takes seconds and 512 MiB, by design.
    pub fn to_encrypted(&self, password: &str) -> Result<Vec<u8>, KeyfileError> {
        encryption::encrypt(&self.to_plain(), password)
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredKey({:?})", self.keypair)
    }
}

impl PublicKey {
    fn fields(&self) -> Fields {
        // One by one: a type that wipes itself on drop cannot be taken apart by `..Fields::default()`.
        let mut fields = Fields::default();
        fields.account_id = Some(hexed(self.account_id.as_bytes()));
        fields.public_key = Some(hexed(self.account_id.as_bytes()));
        fields.ss58_address = Some(self.account_id.to_string());
        fields.crypto_type = Some(self.crypto_type.number().into());
        fields
    }

    /// The bytes of a public key file (`coldkeypub.txt`, `hotkeys/<name>pub.txt`).
    pub fn to_bytes(&self) -> Vec<u8> {
        self.fields().to_json().to_vec()
    }
}

impl Fields {
    fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let mut json = Zeroizing::new(Vec::with_capacity(PLAIN_CAPACITY_BYTES));
        #[expect(clippy::expect_used, reason = "strings and a number always serialize, and memory takes them all")]
        serde_json::to_writer(&mut *json, self).expect("plain fields serialize");
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> StoredKey {
        StoredKey::from_mnemonic(Mnemonic::from_entropy(&[3; 16]).unwrap(), CryptoType::Sr25519)
    }

    fn with_field(field: &str, value: serde_json::Value) -> Vec<u8> {
        let mut json: serde_json::Value = serde_json::from_slice(&sample().to_plain()).unwrap();
        json[field] = value;
        serde_json::to_vec(&json).unwrap()
    }

    fn failure(bytes: &[u8]) -> KeyfileError {
        parse(bytes).unwrap_err()
    }

    #[test]
    fn every_cut_of_a_plain_file_is_an_error() {
        let plain = sample().to_plain();
        assert_eq!(failure(b""), KeyfileError::Empty);
        assert_eq!(failure(b" \n"), KeyfileError::Empty);
        for bytes in 1..plain.len() {
            assert_eq!(failure(&plain[..bytes]), KeyfileError::Truncated { bytes });
        }
    }

    #[test]
    fn each_secret_alone_is_enough() {
        for keep in ["secretPhrase", "secretSeed", "privateKey"] {
            let all: serde_json::Value = serde_json::from_slice(&sample().to_plain()).unwrap();
            let one = serde_json::to_vec(&serde_json::json!({ keep: all[keep] })).unwrap();
            let Content::Secret(key) = parse(&one).unwrap() else { panic!("{keep} alone must make a key") };
            assert_eq!(key.public(), sample().public());
        }
    }

    #[test]
    fn fields_of_another_key_are_refused() {
        let other = StoredKey::from_seed([8; 32], CryptoType::Sr25519);
        let other: serde_json::Value = serde_json::from_slice(&other.to_plain()).unwrap();
        for field in ["accountId", "publicKey", "ss58Address", "secretSeed", "privateKey"] {
            assert_eq!(failure(&with_field(field, other[field].clone())), KeyfileError::Contradiction { field });
        }
    }

    #[test]
    fn damaged_fields_are_named_and_not_shown() {
        let marker = "zzsecretzz";
        for field in ["accountId", "publicKey", "ss58Address", "secretPhrase", "privateKey"] {
            let error = failure(&with_field(field, marker.into()));
            assert!(matches!(&error, KeyfileError::Field { field: named, .. } if *named == field), "{error}");
            assert!(!error.to_string().contains(marker), "{error}");
        }
        let error = failure(&with_field("cryptoType", 2.into()));
        assert!(error.to_string().contains("cryptoType"), "{error}");
        let error = failure(&with_field("cryptoType", marker.into()));
        assert!(!error.to_string().contains(marker), "{error}");
        let error = failure(br#"{"secretSeed":"0x12"}"#);
        assert!(error.to_string().contains("secretSeed"), "{error}");
    }

    #[test]
    fn foreign_files_are_told_apart() {
        for (bytes, part) in [
            (&b"-----BEGIN OPENSSH PRIVATE KEY-----"[..], "not JSON"),
            (b"\xff\xfe\x00", "not JSON"),
            (b"{]", "broken JSON"),
            (b"{\"a\":1}", "some other kind"),
            (br#"{"encoded":"MFMC","encoding":{"type":["scrypt"]},"address":"5G"}"#, "browser wallet"),
            (b"$ANSIBLE_VAULT;1.1;AES256\n6162", "Ansible"),
            (b"gAAAAABkKD", "Fernet"),
            (b"$NAC", "cut short"),
            (b"$NACL0123456789", "cut short"),
        ] {
            let message = failure(bytes).to_string();
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(failure(&vec![b'{'; MAX_KEYFILE_BYTES + 1]), KeyfileError::TooLarge);
        let hex = format!(r#"{{"publicKey":"0x{}"}}"#, "ab".repeat(32));
        assert_eq!(failure(hex.as_bytes()), KeyfileError::NoKey);
    }

    #[test]
    fn a_public_file_reads_back() {
        let public = sample().public();
        let Content::Public(back) = parse(&public.to_bytes()).unwrap() else { panic!("must be public") };
        assert_eq!(back, public);
    }

    #[test]
    fn the_plain_buffer_never_grows() {
        let longest = Mnemonic::from_entropy(&[0x55; 32]).unwrap();
        let plain = StoredKey::from_mnemonic(longest, CryptoType::Sr25519).to_plain();
        assert_eq!(plain.capacity(), PLAIN_CAPACITY_BYTES);
    }
}
