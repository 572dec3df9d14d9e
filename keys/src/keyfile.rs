//! Key files: the formats, byte for byte as Bittensor's wallets read and write them. No disk here.
//!
//! | first bytes | format | read | written |
//! |---|---|---|---|
//! | `{` | one line of JSON | yes | yes: hotkeys, public keys, coldkeys made without a password |
//! | `$NACL` | that JSON under a password ([`encryption`]) | yes | yes: coldkeys |
//! | `$ANSIBLE_VAULT`, `gAAAAA` | that JSON, encrypted by early versions | yes | no: `keys passwd` renews them |
//! | hex or words | a seed or a phrase and nothing else, of the first versions | yes | no |

pub mod encryption;
mod error;
mod fields;

use std::fmt;

use zeroize::Zeroizing;

use crate::{AccountId, CryptoType, Keypair, Mnemonic};
pub use error::KeyfileError;
use fields::{Fields, hexed};

/// Largest file that is read as a key file. Real ones have under 1 KiB.
pub const MAX_KEYFILE_BYTES: usize = 16 * 1024;

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

/// Tells which format the bytes have, and reads it as far as that goes without a password.
pub fn parse(bytes: &[u8]) -> Result<Content, KeyfileError> {
    if bytes.len() > MAX_KEYFILE_BYTES {
        return Err(KeyfileError::TooLarge);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(KeyfileError::Empty);
    }
    match encryption::EncryptedKey::parse(bytes) {
        Some(encrypted) => encrypted.map(Content::Encrypted),
        None => fields::parse(bytes),
    }
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
        encryption::seal(&self.to_plain(), password)
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
            (b"$ANSIBLE_VAULT;1.1;AES\n6162", "vault"),
            (b"$ANSIBLE_VAULT;1.1;AES256\n6162", "cut short"),
            (b"gAAAAABkKD", "cut short"),
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
    fn what_other_writers_leave_out_or_write_otherwise_is_read() {
        let phrase = sample().mnemonic().unwrap().phrase().to_owned();
        let seed = hex::encode(*sample().mnemonic().unwrap().seed());
        let private = hex::encode(sample().keypair.private_key());
        for text in [
            phrase.clone(),
            format!("{phrase}\n"),
            seed.clone(),
            format!("0x{seed}\n"),
            format!(r#"{{"secretPhrase":"{phrase}","secretSeed":null,"privateKey":null,"ss58Address":null}}"#),
            format!(r#"{{"secretPhrase":"{phrase}","secretSeed":"","privateKey":""}}"#),
            format!(r#"{{"secretPhrase":"{phrase}","cryptoType":"1","more":{{"a":[1]}}}}"#),
            format!(r#"{{"secretPhrase":"{phrase}","cryptoType":1.0}}"#),
            format!(r#"{{"secretPhrase":"{phrase}","cryptoType":null}}"#),
            format!("{{\n  \"secretSeed\" : \"{}\"\n}}\n", seed.to_uppercase()),
            format!(r#"{{"privateKey":"{private}"}}"#),
            format!(r#"{{"privateKey":"0x{seed}"}}"#),
        ] {
            let Content::Secret(key) = parse(text.as_bytes()).unwrap() else { panic!("{text} must be a key") };
            assert_eq!(key.public(), sample().public(), "{text}");
        }
    }

    #[test]
    fn an_ed25519_key_may_have_its_public_half_behind_it() {
        let key = StoredKey::from_seed([4; 32], CryptoType::Ed25519);
        let file = |public: &[u8]| {
            format!(r#"{{"cryptoType":0,"privateKey":"0x{}{}"}}"#, hex::encode([4; 32]), hex::encode(public))
        };
        let public = key.public().account_id;
        let Content::Secret(read) = parse(file(public.as_bytes()).as_bytes()).unwrap() else { panic!("a key") };
        assert_eq!(read.public(), key.public());
        assert!(matches!(failure(file(&[9; 32]).as_bytes()), KeyfileError::Field { field: "privateKey", .. }));
        assert!(matches!(failure(file(&[]).replace("0x0404", "0x").as_bytes()), KeyfileError::Field { .. }));
    }

    #[test]
    fn a_seed_written_as_the_text_it_happens_to_be_is_read() {
        for seed in [[0x11; 32], [b'x'; 32], *b"\xc3\xa9a quote \" and a backslash \\...", [0; 32]] {
            let key = StoredKey::from_seed(seed, CryptoType::Sr25519);
            let mut json: serde_json::Value = serde_json::from_slice(&key.to_plain()).unwrap();
            json["secretSeed"] = format!("0x{}", std::str::from_utf8(&seed).unwrap()).into();
            let Content::Secret(read) = parse(&serde_json::to_vec(&json).unwrap()).unwrap() else { panic!("a key") };
            // Mended: what is written of it is a good file.
            assert_eq!(read.to_plain(), key.to_plain());
        }
    }
}
