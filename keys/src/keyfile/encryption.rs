//! Key files under a password, in each of the encryptions that Bittensor's wallets have had.
//!
//! Only `$NACL` is written. Opening takes seconds in all but the vault, by design: whoever guesses passwords pays that for
//! each guess.

mod fernet;
pub(crate) mod nacl;
mod vault;

use std::fmt;

pub(super) use nacl::seal;

use super::{Content, KeyfileError, StoredKey, fields};

/// A key file that needs a password.
#[derive(Clone)]
pub struct EncryptedKey(Sealed);

#[derive(Clone)]
enum Sealed {
    Nacl(nacl::Sealed),
    Vault(vault::Sealed),
    Fernet(fernet::Sealed),
}

/// How a key file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// Argon2i and XSalsa20-Poly1305, as written today.
    Nacl,
    /// An Ansible vault, of the first versions.
    Vault,
    /// A Fernet token, of versions since.
    Fernet,
}

impl Encryption {
    /// Whether current versions write it.
    pub const fn is_current(self) -> bool {
        matches!(self, Self::Nacl)
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nacl => "nacl",
            Self::Vault => "ansible-vault",
            Self::Fernet => "fernet",
        })
    }
}

impl EncryptedKey {
    /// Reads what can be read without a password; `None` if the bytes are no encrypted key file.
    pub(super) fn parse(bytes: &[u8]) -> Option<Result<Self, KeyfileError>> {
        let is = |magic: &[u8]| bytes.starts_with(magic);
        let sealed = if is(nacl::MAGIC) {
            nacl::Sealed::parse(bytes).map(Sealed::Nacl)
        } else if is(vault::MAGIC) {
            vault::Sealed::parse(bytes).map(Sealed::Vault)
        } else if is(fernet::MAGIC) {
            fernet::Sealed::parse(bytes).map(Sealed::Fernet)
        } else if [nacl::MAGIC, vault::MAGIC, fernet::MAGIC].iter().any(|magic| magic.starts_with(bytes)) {
            Err(KeyfileError::Truncated { bytes: bytes.len() })
        } else {
            return None;
        };
        Some(sealed.map(Self))
    }

    /// How it is encrypted.
    pub const fn encryption(&self) -> Encryption {
        match self.0 {
            Sealed::Nacl(_) => Encryption::Nacl,
            Sealed::Vault(_) => Encryption::Vault,
            Sealed::Fernet(_) => Encryption::Fernet,
        }
    }

    /// Opens it.
    pub fn open(&self, password: &str) -> Result<StoredKey, KeyfileError> {
        key_in(&match &self.0 {
            Sealed::Nacl(sealed) => sealed.open(password)?,
            Sealed::Vault(sealed) => sealed.open(password)?,
            Sealed::Fernet(sealed) => sealed.open(password)?,
        })
    }
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedKey({})", self.encryption())
    }
}

/// The key in the plain file that was sealed.
fn key_in(plain: &[u8]) -> Result<StoredKey, KeyfileError> {
    match fields::parse(plain)? {
        Content::Secret(key) => Ok(key),
        _ => Err(KeyfileError::PublicOnly),
    }
}
