//! One key on disk: its secret and its public half, made, opened and put under another password.

use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::disk::{self, Folder};
use super::{Existing, Protection, WalletError};
use crate::Keypair;
use crate::keyfile::encryption::Encryption;
use crate::keyfile::{self, Content, KeyfileError, MAX_KEYFILE_BYTES, PublicKey, StoredKey};

/// Where one key lies: its secret and its public half.
pub(super) struct Place {
    pub(super) secret: PathBuf,
    pub(super) public: PathBuf,
}

impl Place {
    pub(super) fn create(
        &self,
        key: &StoredKey,
        protection: Protection<'_>,
        existing: Existing,
    ) -> Result<(), WalletError> {
        // Asked before the password is stretched, for a quick answer; asked again when the folder is ours.
        self.check_free(key, existing)?;
        let bytes = self.seal(key, protection)?;
        let folder = Folder::enter(self.folder())?;
        self.check_free(key, existing)?;
        // Both are on the disk before either gets its name: a full disk changes nothing.
        let secret = folder.prepare(&bytes)?;
        let public = folder.prepare(&key.public().to_bytes())?;
        if matches!(read_public(&self.public), Ok(stated) if stated != key.public()) {
            // A kill between the two names must not leave a key beside the public half of another.
            folder.remove(&self.public)?;
        }
        folder.place(secret, &self.secret, existing)?;
        // Second, so that no kill leaves a public key without its secret. Whoever placed the secret owns this name too.
        folder.place(public, &self.public, Existing::Replace)
    }

    fn check_free(&self, key: &StoredKey, existing: Existing) -> Result<(), WalletError> {
        let already = |path: &Path| Err(WalletError::AlreadyExists { path: path.to_owned() });
        if existing == Existing::Replace {
            return Ok(());
        }
        if self.secret.symlink_metadata().is_ok() {
            return already(&self.secret);
        }
        // A lone public file may watch a key that is kept elsewhere: only that key may join it.
        match read_public(&self.public) {
            Ok(public) if public == key.public() => Ok(()),
            Err(WalletError::Missing { .. }) => Ok(()),
            _ => already(&self.public),
        }
    }

    pub(super) fn protect(&self, password: Option<&str>, protection: Protection<'_>) -> Result<(), WalletError> {
        let before = read(&self.secret)?;
        let key = open(&self.secret, &before, password)?;
        let sealed = self.seal(&key, protection)?;
        // Opened once before the old file goes: from then on the new one is the only one.
        let new_password = match protection {
            Protection::Password(password) => Some(password),
            Protection::Plain => None,
        };
        let back = open(&self.secret, &sealed, new_password)?;
        if !bool::from(back.to_plain().ct_eq(&key.to_plain())) {
            return Err(self.damaged(KeyfileError::WrongPassword));
        }
        let folder = Folder::enter(self.folder())?;
        if !bool::from(read(&self.secret)?.ct_eq(&before)) {
            return Err(WalletError::Changed { path: self.secret.clone() });
        }
        // All is on the disk before anything gets its name: a full disk changes nothing.
        let secret = folder.prepare(&sealed)?;
        let public = match read_public(&self.public) {
            Err(WalletError::Missing { .. }) => Some(folder.prepare(&key.public().to_bytes())?),
            _ => None,
        };
        folder.place(secret, &self.secret, Existing::Replace)?;
        public.map_or(Ok(()), |public| folder.place(public, &self.public, Existing::Keep))
    }

    fn seal(&self, key: &StoredKey, protection: Protection<'_>) -> Result<Zeroizing<Vec<u8>>, WalletError> {
        match protection {
            Protection::Plain => Ok(key.to_plain()),
            Protection::Password(password) => {
                key.to_encrypted(password).map(Zeroizing::new).map_err(|source| self.damaged(source))
            }
        }
    }

    pub(super) fn load(&self, password: Option<&str>) -> Result<Keypair, WalletError> {
        let key = open(&self.secret, &read(&self.secret)?, password)?;
        let actual = key.keypair().account_id();
        match read_public(&self.public) {
            // Who exchanges the public file makes others pay to his own account.
            Ok(PublicKey { account_id: stated, .. }) if stated != actual => {
                Err(WalletError::PublicMismatch { path: self.public.clone(), stated, actual })
            }
            // Early versions wrote no public file for hotkeys.
            Ok(_) | Err(WalletError::Missing { .. }) => Ok(key.keypair().clone()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn public(&self) -> Result<PublicKey, WalletError> {
        match read_public(&self.public) {
            Err(WalletError::Missing { .. }) => {}
            found => return found,
        }
        match parse(&self.secret, &read(&self.secret)?)? {
            Content::Public(public) => Ok(public),
            Content::Secret(key) => Ok(key.public()),
            // The public half is what is missing, and the password would bring it back.
            Content::Encrypted(_) => Err(WalletError::Missing { path: self.public.clone() }),
        }
    }

    pub(super) fn encryption(&self) -> Result<Option<Encryption>, WalletError> {
        encryption(&self.secret)
    }

    fn folder(&self) -> &Path {
        self.secret.parent().unwrap_or(Path::new("."))
    }

    fn damaged(&self, source: KeyfileError) -> WalletError {
        WalletError::Keyfile { path: self.secret.clone(), source }
    }
}

/// The key of a file outside a wallet, such as a copy.
pub fn read_keyfile(path: &Path, password: Option<&str>) -> Result<StoredKey, WalletError> {
    open(path, &read(path)?, password)
}

/// Whether the key in a file needs a password.
pub fn is_encrypted(path: &Path) -> Result<bool, WalletError> {
    Ok(encryption(path)?.is_some())
}

fn encryption(path: &Path) -> Result<Option<Encryption>, WalletError> {
    Ok(match parse(path, &read(path)?)? {
        Content::Encrypted(key) => Some(key.encryption()),
        _ => None,
    })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, WalletError> {
    let too_large = || WalletError::Keyfile { path: path.to_owned(), source: KeyfileError::TooLarge };
    disk::read(path, MAX_KEYFILE_BYTES)?.ok_or_else(too_large)
}

/// What a key file's bytes are, their errors under its name.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Content, WalletError> {
    keyfile::parse(bytes).map_err(|source| WalletError::Keyfile { path: path.to_owned(), source })
}

fn open(path: &Path, bytes: &[u8], password: Option<&str>) -> Result<StoredKey, WalletError> {
    let in_file = |source| WalletError::Keyfile { path: path.to_owned(), source };
    match parse(path, bytes)? {
        Content::Secret(key) => Ok(key),
        Content::Public(_) => Err(in_file(KeyfileError::PublicOnly)),
        Content::Encrypted(key) => {
            key.open(password.ok_or_else(|| in_file(KeyfileError::PasswordNeeded))?).map_err(in_file)
        }
    }
}

fn read_public(path: &Path) -> Result<PublicKey, WalletError> {
    match parse(path, &read(path)?)? {
        Content::Public(public) => Ok(public),
        // Also a bare public key, which reads as a seed: its account would be one that everybody has the key of.
        Content::Secret(_) | Content::Encrypted(_) => {
            Err(WalletError::Keyfile { path: path.to_owned(), source: KeyfileError::SecretInPublic })
        }
    }
}
