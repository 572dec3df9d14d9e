//! Wallets on disk, in Bittensor's layout.
//!
//! ```text
//! ~/.bittensor/wallets/<wallet>/coldkey                 owns stake; encrypted unless made without a password
//!                               coldkeypub.txt          its public half
//!                               hotkeys/<hotkey>        signs for a neuron; plain unless made under a password
//!                               hotkeys/<hotkey>pub.txt its public half
//! ```
//!
//! Files have mode 0600, directories 0700. A key is never overwritten unless [`Existing::Replace`] says so.

pub(crate) mod disk;
mod error;
mod names;
mod permissions;
mod place;

use std::path::{Path, PathBuf};

use crate::Keypair;
use crate::keyfile::encryption::Encryption;
use crate::keyfile::{PublicKey, StoredKey};
pub use error::WalletError;
use names::names_in;
pub(crate) use names::{check_hotkey_name, check_name};
pub use permissions::Exposed;
use place::Place;
pub(crate) use place::parse;
pub use place::{is_encrypted, read_keyfile};

pub(crate) const COLDKEY: &str = "coldkey";
pub(crate) const COLDKEY_PUBLIC: &str = "coldkeypub.txt";
pub(crate) const HOTKEYS: &str = "hotkeys";
pub(crate) const PUBLIC_SUFFIX: &str = "pub.txt";

/// Most entries that a listing looks at in one directory.
const MAX_LISTED_ENTRIES: usize = 100_000;

/// A coldkey with its hotkeys: one directory. Holds no key itself; each call reads the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    path: PathBuf,
    name: String,
}

/// What happens to a key that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and creating fails.
    Keep,
    /// It is replaced. Without a backup or its phrase it is gone for good.
    Replace,
}

/// How a secret key is stored.
#[derive(Clone, Copy)]
pub enum Protection<'a> {
    /// Encrypted under this password.
    Password(&'a str),
    /// In plain text, as hotkeys mostly are.
    Plain,
}

impl Wallet {
    /// The wallet `name` under the wallet directory `path`. Nothing is read or made yet.
    pub fn new(path: impl Into<PathBuf>, name: impl Into<String>) -> Result<Self, WalletError> {
        let name = name.into();
        check_name("wallet", &name)?;
        Ok(Self { path: path.into(), name })
    }

    /// All wallets under a wallet directory, by name. A directory that does not exist holds none.
    pub fn list(path: impl AsRef<Path>) -> Result<Vec<Self>, WalletError> {
        let path = path.as_ref();
        let names = names_in(path, |kind| kind.is_dir() || kind.is_symlink())?;
        Ok(names.into_iter().filter_map(|name| Self::new(path, name).ok()).collect())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of this wallet.
    pub fn directory(&self) -> PathBuf {
        self.path.join(&self.name)
    }

    /// Where its coldkey lies.
    pub fn coldkey_path(&self) -> PathBuf {
        self.directory().join(COLDKEY)
    }

    /// Where its coldkey's public half lies.
    pub fn coldkeypub_path(&self) -> PathBuf {
        self.directory().join(COLDKEY_PUBLIC)
    }

    /// Where the hotkey `name` lies.
    pub fn hotkey_path(&self, name: &str) -> Result<PathBuf, WalletError> {
        check_hotkey_name(name)?;
        Ok(self.directory().join(HOTKEYS).join(name))
    }

    /// Where the public half of the hotkey `name` lies.
    pub fn hotkeypub_path(&self, name: &str) -> Result<PathBuf, WalletError> {
        check_hotkey_name(name)?;
        Ok(self.directory().join(HOTKEYS).join(format!("{name}{PUBLIC_SUFFIX}")))
    }

    /// Names of its hotkeys, sorted.
    pub fn hotkeys(&self) -> Result<Vec<String>, WalletError> {
        self.refuse_links()?;
        let mut names = names_in(&self.hotkeys_path(), |kind| !kind.is_dir())?;
        names.retain(|name| check_hotkey_name(name).is_ok());
        Ok(names)
    }

    /// Whether there is a coldkey file of any kind.
    pub fn has_coldkey(&self) -> bool {
        self.coldkey_path().symlink_metadata().is_ok()
    }

    /// Whether there is a file for this hotkey.
    pub fn has_hotkey(&self, name: &str) -> Result<bool, WalletError> {
        Ok(self.hotkey_path(name)?.symlink_metadata().is_ok())
    }

    /// Stores a coldkey and its public half.
    pub fn create_coldkey(
        &self,
        key: &StoredKey,
        protection: Protection<'_>,
        existing: Existing,
    ) -> Result<(), WalletError> {
        self.coldkey_place()?.create(key, protection, existing)
    }

    /// Stores a hotkey and its public half. A process that signs with it unattended needs it in plain text.
    pub fn create_hotkey(
        &self,
        name: &str,
        key: &StoredKey,
        protection: Protection<'_>,
        existing: Existing,
    ) -> Result<(), WalletError> {
        self.hotkey_place(name)?.create(key, protection, existing)
    }

    /// Stores the coldkey anew under another protection; `password` is the one that it has now, if any.
    ///
    /// The old file stays until the new one is on the disk whole and was opened once.
    pub fn protect_coldkey(&self, password: Option<&str>, protection: Protection<'_>) -> Result<(), WalletError> {
        self.coldkey_place()?.protect(password, protection)
    }

    /// [`protect_coldkey`](Self::protect_coldkey) for a hotkey.
    pub fn protect_hotkey(
        &self,
        name: &str,
        password: Option<&str>,
        protection: Protection<'_>,
    ) -> Result<(), WalletError> {
        self.hotkey_place(name)?.protect(password, protection)
    }

    /// Whether the coldkey needs a password.
    pub fn coldkey_is_encrypted(&self) -> Result<bool, WalletError> {
        Ok(self.coldkey_encryption()?.is_some())
    }

    /// Whether the hotkey needs a password; few do.
    pub fn hotkey_is_encrypted(&self, name: &str) -> Result<bool, WalletError> {
        Ok(self.hotkey_encryption(name)?.is_some())
    }

    /// How the coldkey is encrypted; `None` if it is not.
    pub fn coldkey_encryption(&self) -> Result<Option<Encryption>, WalletError> {
        self.coldkey_place()?.encryption()
    }

    /// How a hotkey is encrypted; `None` if it is not.
    pub fn hotkey_encryption(&self, name: &str) -> Result<Option<Encryption>, WalletError> {
        self.hotkey_place(name)?.encryption()
    }

    /// Loads the coldkey. The password matters only if it is encrypted; opening then takes seconds.
    pub fn coldkey(&self, password: Option<&str>) -> Result<Keypair, WalletError> {
        self.coldkey_place()?.load(password)
    }

    /// Loads a hotkey. The password matters only if it is encrypted.
    pub fn hotkey(&self, name: &str, password: Option<&str>) -> Result<Keypair, WalletError> {
        self.hotkey_place(name)?.load(password)
    }

    /// The coldkey's public half, without a password.
    pub fn coldkeypub(&self) -> Result<PublicKey, WalletError> {
        self.coldkey_place()?.public()
    }

    /// A hotkey's public half.
    pub fn hotkeypub(&self, name: &str) -> Result<PublicKey, WalletError> {
        self.hotkey_place(name)?.public()
    }

    /// What of the coldkey others than its owner can get at: its file, its folder.
    pub fn exposed_coldkey(&self) -> Vec<Exposed> {
        [self.directory(), self.coldkey_path()].iter().filter_map(|path| Exposed::at(path)).collect()
    }

    /// What of a hotkey others than its owner can get at: its file, its folder.
    pub fn exposed_hotkey(&self, name: &str) -> Result<Vec<Exposed>, WalletError> {
        let paths = [self.hotkeys_path(), self.hotkey_path(name)?];
        Ok(paths.iter().filter_map(|path| Exposed::at(path)).collect())
    }

    fn hotkeys_path(&self) -> PathBuf {
        self.directory().join(HOTKEYS)
    }

    fn coldkey_place(&self) -> Result<Place, WalletError> {
        self.refuse_links()?;
        Ok(Place { secret: self.coldkey_path(), public: self.coldkeypub_path() })
    }

    fn hotkey_place(&self, name: &str) -> Result<Place, WalletError> {
        let place = Place { secret: self.hotkey_path(name)?, public: self.hotkeypub_path(name)? };
        self.refuse_links()?;
        Ok(place)
    }

    /// A link in place of a wallet's folders leads to keys that somebody else may have put there. The wallet directory
    /// itself, and what lies above it, are the user's to arrange.
    fn refuse_links(&self) -> Result<(), WalletError> {
        match [self.directory(), self.hotkeys_path()].into_iter().find(|path| path.is_symlink()) {
            Some(path) => Err(WalletError::Symlink { path }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_wallet_directory() {
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a\0b", "a\nb", &"x".repeat(129)] {
            let error = Wallet::new("/w", bad).unwrap_err();
            assert!(matches!(error, WalletError::Name { .. }), "{bad:?}");
            assert!(!error.to_string().contains('\0') && error.to_string().len() < 300);
        }
        let wallet = Wallet::new("/w", "ünïcode name").unwrap();
        assert_eq!(wallet.coldkey_path(), Path::new("/w/ünïcode name/coldkey"));
        assert_eq!(wallet.hotkeypub_path("h").unwrap(), Path::new("/w/ünïcode name/hotkeys/hpub.txt"));
        assert!(wallet.hotkey_path("hpub.txt").is_err());
    }
}
