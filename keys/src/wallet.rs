//! Wallets on disk, in Bittensor's layout.
//!
//! ```text
//! ~/.bittensor/wallets/<wallet>/coldkey                 owns stake; encrypted unless made without a password
//!                               coldkeypub.txt          its public half
//!                               hotkeys/<hotkey>        signs for a neuron; plain
//!                               hotkeys/<hotkey>pub.txt its public half
//! ```
//!
//! Files have mode 0600, directories 0700. A key is never overwritten unless [`Existing::Replace`] says so.

mod disk;

use std::io;
use std::path::{Path, PathBuf};

use crate::keyfile::{self, Content, KeyfileError, PublicKey, StoredKey};
use crate::{AccountId, Keypair};
use disk::Privacy;

const COLDKEY: &str = "coldkey";
const COLDKEY_PUBLIC: &str = "coldkeypub.txt";
const HOTKEYS: &str = "hotkeys";
const PUBLIC_SUFFIX: &str = "pub.txt";

/// Longest wallet or hotkey name: file systems take 255 bytes, and the public file's name is longer than the hotkey's.
const MAX_NAME_BYTES: usize = 128;

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

/// How a coldkey is stored.
#[derive(Clone, Copy)]
pub enum Protection<'a> {
    /// Encrypted under this password.
    Password(&'a str),
    /// In plain text, as hotkeys are.
    Plain,
}

/// Why a wallet could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// Not a name for a wallet or hotkey.
    #[error("`{name}` is no name for a {what}: {reason}")]
    Name {
        /// `wallet` or `hotkey`.
        what: &'static str,
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no such file.
    #[error("{} does not exist; `keys list` shows the wallets there are, `keys new` makes one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The key is there already.
    #[error("{} exists already and is left as it is; choose another name", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link where a key should be.
    #[error("{} is a symbolic link, and keys are not read through links; put the file itself there", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A directory, pipe or device where a key should be.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What is in its place.
        path: PathBuf,
    },
    /// Others than its owner can read a secret.
    #[error("{} can be read by others (mode {mode:o}); run `chmod 600` on it, and consider the key known", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The system denies access.
    #[error("this user may not {action} {}", path.display())]
    PermissionDenied {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
    },
    /// The file is there and is no usable key file.
    #[error("{} cannot be used: {source}", path.display())]
    Keyfile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyfileError,
    },
    /// The public file is not that of the secret one.
    #[error("{} says {stated}, but the key beside it is {actual}; one of the two was exchanged", path.display())]
    PublicMismatch {
        /// The public file.
        path: PathBuf,
        /// The account in it.
        stated: AccountId,
        /// The account of the secret key.
        actual: AccountId,
    },
    /// Too many entries to list.
    #[error("{} has more than {MAX_LISTED_ENTRIES} entries; that is no wallet directory", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// Anything else that the system reports.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
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
        let mut names = names_in(&self.directory().join(HOTKEYS), |kind| !kind.is_dir())?;
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
        create(&self.coldkey_path(), &self.coldkeypub_path(), key, protection, existing)
    }

    /// Stores a hotkey and its public half, in plain text: the process that signs with it must start unattended.
    pub fn create_hotkey(&self, name: &str, key: &StoredKey, existing: Existing) -> Result<(), WalletError> {
        create(&self.hotkey_path(name)?, &self.hotkeypub_path(name)?, key, Protection::Plain, existing)
    }

    /// Whether the coldkey needs a password.
    pub fn coldkey_is_encrypted(&self) -> Result<bool, WalletError> {
        is_encrypted(&self.coldkey_path())
    }

    /// Whether the hotkey needs a password: not one made here, but other tools can encrypt them.
    pub fn hotkey_is_encrypted(&self, name: &str) -> Result<bool, WalletError> {
        is_encrypted(&self.hotkey_path(name)?)
    }

    /// Loads the coldkey. The password matters only if it is encrypted; opening then takes seconds.
    pub fn coldkey(&self, password: Option<&str>) -> Result<Keypair, WalletError> {
        load(&self.coldkey_path(), &self.coldkeypub_path(), password)
    }

    /// Loads a hotkey. The password matters only if it is encrypted.
    pub fn hotkey(&self, name: &str, password: Option<&str>) -> Result<Keypair, WalletError> {
        load(&self.hotkey_path(name)?, &self.hotkeypub_path(name)?, password)
    }

    /// The coldkey's public half, without a password.
    pub fn coldkeypub(&self) -> Result<PublicKey, WalletError> {
        public(&self.coldkeypub_path(), &self.coldkey_path())
    }

    /// A hotkey's public half.
    pub fn hotkeypub(&self, name: &str) -> Result<PublicKey, WalletError> {
        public(&self.hotkeypub_path(name)?, &self.hotkey_path(name)?)
    }
}

/// The key of a file outside a wallet, such as a backup.
pub fn read_keyfile(path: &Path, password: Option<&str>) -> Result<StoredKey, WalletError> {
    let in_file = |source| WalletError::Keyfile { path: path.to_owned(), source };
    match parse(path, Privacy::Secret)? {
        Content::Secret(key) => Ok(key),
        Content::Public(_) => Err(in_file(KeyfileError::PublicOnly)),
        Content::Encrypted(key) => {
            key.open(password.ok_or_else(|| in_file(KeyfileError::PasswordNeeded))?).map_err(in_file)
        }
    }
}

/// Whether the key in a file needs a password.
pub fn is_encrypted(path: &Path) -> Result<bool, WalletError> {
    Ok(matches!(parse(path, Privacy::Secret)?, Content::Encrypted(_)))
}

fn parse(path: &Path, privacy: Privacy) -> Result<Content, WalletError> {
    let bytes = disk::read(path, privacy)?;
    keyfile::parse(&bytes).map_err(|source| WalletError::Keyfile { path: path.to_owned(), source })
}

fn create(
    secret_path: &Path,
    public_path: &Path,
    key: &StoredKey,
    protection: Protection<'_>,
    existing: Existing,
) -> Result<(), WalletError> {
    let already = |path: &Path| WalletError::AlreadyExists { path: path.to_owned() };
    if existing == Existing::Keep {
        // Asked before the password is stretched, for a quick answer; the write below is what guarantees it.
        if secret_path.symlink_metadata().is_ok() {
            return Err(already(secret_path));
        }
        // A lone public file may watch a key that is kept elsewhere: only that key may join it.
        match read_public(public_path) {
            Ok(public) if public == key.public() => {}
            Err(WalletError::Missing { .. }) => {}
            _ => return Err(already(public_path)),
        }
    }
    let in_file = |source| WalletError::Keyfile { path: secret_path.to_owned(), source };
    match protection {
        Protection::Plain => disk::write(secret_path, &key.to_plain(), existing)?,
        Protection::Password(password) => {
            disk::write(secret_path, &key.to_encrypted(password).map_err(in_file)?, existing)?;
        }
    }
    // Second, so that no crash leaves a public key without its secret. Whoever placed the secret owns this name too.
    disk::write(public_path, &key.public().to_bytes(), Existing::Replace)
}

fn load(secret_path: &Path, public_path: &Path, password: Option<&str>) -> Result<Keypair, WalletError> {
    let key = read_keyfile(secret_path, password)?;
    let actual = key.keypair().account_id();
    match read_public(public_path) {
        // Who exchanges the public file makes others pay to his own account.
        Ok(PublicKey { account_id: stated, .. }) if stated != actual => {
            Err(WalletError::PublicMismatch { path: public_path.to_owned(), stated, actual })
        }
        // Early versions wrote no public file for hotkeys.
        Ok(_) | Err(WalletError::Missing { .. }) => Ok(key.keypair().clone()),
        Err(error) => Err(error),
    }
}

fn read_public(path: &Path) -> Result<PublicKey, WalletError> {
    match parse(path, Privacy::Public)? {
        Content::Public(public) => Ok(public),
        Content::Secret(key) => Ok(key.public()),
        Content::Encrypted(_) => {
            Err(WalletError::Keyfile { path: path.to_owned(), source: KeyfileError::PasswordNeeded })
        }
    }
}

fn public(public_path: &Path, secret_path: &Path) -> Result<PublicKey, WalletError> {
    match read_public(public_path) {
        Err(WalletError::Missing { .. }) => {}
        found => return found,
    }
    match parse(secret_path, Privacy::Secret)? {
        Content::Public(public) => Ok(public),
        Content::Secret(key) => Ok(key.public()),
        // The public half is what is missing, and the password would bring it back.
        Content::Encrypted(_) => Err(WalletError::Missing { path: public_path.to_owned() }),
    }
}

fn names_in(directory: &Path, wanted: impl Fn(std::fs::FileType) -> bool) -> Result<Vec<String>, WalletError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => WalletError::PermissionDenied { path: directory.to_owned(), action: "list" },
        _ => WalletError::Io { path: directory.to_owned(), action: "list", source },
    };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for (index, entry) in entries.enumerate() {
        if index == MAX_LISTED_ENTRIES {
            return Err(WalletError::TooMany { path: directory.to_owned() });
        }
        let entry = entry.map_err(failed)?;
        // Names that are not UTF-8 were not made by a wallet.
        if let Ok(name) = entry.file_name().into_string()
            && wanted(entry.file_type().map_err(failed)?)
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn check_hotkey_name(name: &str) -> Result<(), WalletError> {
    check_name("hotkey", name)?;
    if name.ends_with(PUBLIC_SUFFIX) {
        let reason = "names ending in `pub.txt` are those of public halves";
        return Err(WalletError::Name { what: "hotkey", name: name.to_owned(), reason });
    }
    Ok(())
}

/// Names become file names: they must stay inside the wallet directory.
fn check_name(what: &'static str, name: &str) -> Result<(), WalletError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "it is longer than 128 bytes"
    } else if name.starts_with('.') {
        "it starts with a dot"
    } else if name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control()) {
        "it contains a slash or a control character"
    } else {
        return Ok(());
    };
    // Shown back to a terminal: cut, and without what could steer it.
    let name = name.chars().take(MAX_NAME_BYTES).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Err(WalletError::Name { what, name, reason })
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
