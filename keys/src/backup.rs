//! Backups: a whole wallet in one file under a password.
//!
//! Inside, in JSON, are the wallet's files byte for byte: an encrypted coldkey stays under its own password, and making a
//! backup does not take it. Outside is the encryption of key files, `$NACL`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::keyfile::encryption::nacl;
use crate::keyfile::{self, Content, KeyfileError, PublicKey};
use crate::wallet::disk::{self, Folder};
use crate::wallet::{self, COLDKEY, COLDKEY_PUBLIC, HOTKEYS, PUBLIC_SUFFIX};
use crate::{Existing, Wallet, WalletError};

/// Largest backup that is made or read: some ten thousand hotkeys.
pub const MAX_BACKUP_BYTES: usize = 16 * 1024 * 1024;

const FORMAT: &str = "narrows-wallet-backup";
const VERSION: u32 = 1;

/// A wallet's files, each of them read and found good. Wiped from memory on drop.
pub struct Backup {
    wallet: String,
    files: Files,
}

/// Contents by path inside the wallet, `/` between folder and file.
type Files = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Why bytes are no backup. No message shows any of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Larger than any backup.
    #[error("it would have, or has, more than {MAX_BACKUP_BYTES} bytes")]
    TooLarge,
    /// It is sealed as no backup is.
    #[error("it is no backup of `keys backup`: it does not start with $NACL")]
    Foreign,
    /// The seal does not open.
    #[error(transparent)]
    Sealed(#[from] KeyfileError),
    /// What was sealed is something else.
    #[error("what is in it is no backup of a wallet; for a single key use `keys regen --from file`")]
    Content,
    /// A later version made it.
    #[error(
        "it has version {version}, and only version {VERSION} is known here; restore it with the program that made it"
    )]
    Version {
        /// Its version.
        version: u32,
    },
    /// A file in it has no place in a wallet.
    #[error("`{path}` in it is no file of a wallet")]
    Path {
        /// Where the file would go.
        path: String,
    },
    /// A file in it is damaged.
    #[error("its file `{path}` cannot be used: {source}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        source: KeyfileError,
    },
    /// A public half of another key.
    #[error("its file `{path}` belongs to another key than the one beside it")]
    Mismatch {
        /// The public file.
        path: String,
    },
    /// No key at all.
    #[error("there is no key in it")]
    Empty,
}

/// The JSON inside.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    wallet: String,
    /// Contents in base64.
    files: BTreeMap<String, String>,
}

impl Drop for Document {
    fn drop(&mut self) {
        self.files.values_mut().for_each(Zeroize::zeroize);
    }
}

impl Backup {
    /// Reads a wallet from disk. Every file must be good: a backup that cannot be restored would only seem to help.
    pub fn of(wallet: &Wallet) -> Result<Self, WalletError> {
        let mut paths = vec![(COLDKEY.to_owned(), wallet.coldkey_path())];
        paths.push((COLDKEY_PUBLIC.to_owned(), wallet.coldkeypub_path()));
        for name in wallet.hotkeys()? {
            paths.push((format!("{HOTKEYS}/{name}"), wallet.hotkey_path(&name)?));
            paths.push((format!("{HOTKEYS}/{name}{PUBLIC_SUFFIX}"), wallet.hotkeypub_path(&name)?));
        }
        let mut files = Files::new();
        for (inside, path) in paths {
            let too_large = || WalletError::Keyfile { path: path.clone(), source: KeyfileError::TooLarge };
            match disk::read(&path, keyfile::MAX_KEYFILE_BYTES) {
                Ok(bytes) => {
                    let bytes = bytes.ok_or_else(too_large)?;
                    wallet::parse(&path, &bytes)?;
                    files.insert(inside, bytes);
                }
                // A coldkey may be kept elsewhere, and the first versions wrote no public halves.
                Err(WalletError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let refused = |source| WalletError::Backup { path: wallet.directory(), source };
        if let Some(path) = left_out(&wallet.directory().join(HOTKEYS), &files)? {
            return Err(refused(BackupError::Path { path }));
        }
        Self::checked(wallet.name().to_owned(), files).map_err(refused)
    }

    /// Reads a backup that was opened; see [`open`](Self::open).
    pub fn parse(plain: &[u8]) -> Result<Self, BackupError> {
        // serde's messages quote values, which may be secrets.
        let document: Document = serde_json::from_slice(plain).map_err(|_| BackupError::Content)?;
        if document.format != FORMAT {
            return Err(BackupError::Content);
        }
        if document.version != VERSION {
            return Err(BackupError::Version { version: document.version });
        }
        let mut files = Files::new();
        for (path, text) in &document.files {
            let bytes = BASE64.decode(text).map_err(|_| BackupError::Content)?;
            files.insert(path.clone(), Zeroizing::new(bytes));
        }
        Self::checked(document.wallet.clone(), files)
    }

    /// Holds every file against its place, its format and its other half.
    fn checked(wallet: String, files: Files) -> Result<Self, BackupError> {
        wallet::check_name("wallet", &wallet).map_err(|_| BackupError::Content)?;
        let mut accounts = BTreeMap::new();
        let mut has_key = false;
        for (path, bytes) in &files {
            let secret = secret_of(path).ok_or_else(|| BackupError::Path { path: path.chars().take(200).collect() })?;
            let unusable = |source| BackupError::File { path: path.clone(), source };
            let is_secret_file = secret == *path;
            has_key |= is_secret_file;
            let account = match keyfile::parse(bytes).map_err(unusable)? {
                Content::Public(_) if is_secret_file => return Err(unusable(KeyfileError::PublicOnly)),
                Content::Public(PublicKey { account_id, .. }) => Some(account_id),
                _ if !is_secret_file => return Err(unusable(KeyfileError::SecretInPublic)),
                Content::Secret(key) => Some(key.public().account_id),
                Content::Encrypted(_) => None,
            };
            // In order of name the secret comes first, its public half later.
            if let Some(account) = account
                && *accounts.entry(secret).or_insert(account) != account
            {
                return Err(BackupError::Mismatch { path: path.clone() });
            }
        }
        if has_key { Ok(Self { wallet, files }) } else { Err(BackupError::Empty) }
    }

    /// The name of the wallet that it was made of.
    pub fn wallet(&self) -> &str {
        &self.wallet
    }

    /// The files in it, by path inside the wallet.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The bytes of the backup file. Takes seconds and 512 MiB, by design.
    pub fn seal(&self, password: &str) -> Result<Vec<u8>, BackupError> {
        let encoded = |bytes: &Zeroizing<Vec<u8>>| BASE64.encode(bytes.as_slice());
        let document = Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            wallet: self.wallet.clone(),
            files: self.files.iter().map(|(path, bytes)| (path.clone(), encoded(bytes))).collect(),
        };
        // Room for all of it at once: a buffer that grew would leave unwiped copies behind. JSON may spell a character
        // of a name in six.
        let capacity = document.files.iter().map(|(path, text)| 6 * path.len() + text.len() + 16).sum::<usize>() + 1024;
        let mut plain = Zeroizing::new(Vec::with_capacity(capacity));
        serde_json::to_writer(&mut *plain, &document).map_err(|_| BackupError::Content)?;
        if plain.len() > MAX_BACKUP_BYTES - nacl::OVERHEAD_BYTES {
            return Err(BackupError::TooLarge);
        }
        Ok(nacl::seal(&plain, password)?)
    }

    /// Opens the bytes of a backup file. Takes seconds and 512 MiB.
    pub fn open(bytes: &[u8], password: &str) -> Result<Self, BackupError> {
        if bytes.len() > MAX_BACKUP_BYTES {
            return Err(BackupError::TooLarge);
        }
        if !bytes.starts_with(nacl::MAGIC) {
            return Err(BackupError::Foreign);
        }
        Self::parse(&nacl::Sealed::parse(bytes)?.open(password)?)
    }

    /// Writes the backup file in one step, and reads it back before it gets its name.
    pub fn write(&self, path: &Path, password: &str, existing: Existing) -> Result<(), WalletError> {
        let refused = |source| WalletError::Backup { path: path.to_owned(), source };
        if existing == Existing::Keep && path.symlink_metadata().is_ok() {
            return Err(WalletError::AlreadyExists { path: path.to_owned() });
        }
        let sealed = self.seal(password).map_err(refused)?;
        let back = Self::open(&sealed, password).map_err(refused)?;
        if back.files != self.files {
            return Err(refused(BackupError::Content));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = Folder::shared(folder)?;
        let file = folder.prepare(&sealed)?;
        folder.place(file, path, existing)
    }

    /// Reads a backup file.
    pub fn read(path: &Path, password: &str) -> Result<Self, WalletError> {
        let refused = |source| WalletError::Backup { path: path.to_owned(), source };
        let bytes = disk::read(path, MAX_BACKUP_BYTES)?.ok_or_else(|| refused(BackupError::TooLarge))?;
        Self::open(&bytes, password).map_err(refused)
    }

    /// Puts the wallet back on disk as `wallet`, whole or not at all.
    ///
    /// With [`Existing::Replace`] a wallet of that name is moved aside in the same step; where to is returned. It may hold
    /// keys that are younger than the backup.
    pub fn restore(&self, wallet: &Wallet, existing: Existing) -> Result<Option<PathBuf>, WalletError> {
        let target = wallet.directory();
        let root = Folder::enter(target.parent().unwrap_or(Path::new(".")))?;
        let made = root.prepare_folder()?;
        let (top, hotkeys) = (Folder::enter(made.path())?, Folder::enter(&made.path().join(HOTKEYS))?);
        for (path, bytes) in &self.files {
            let folder = if path.contains('/') { &hotkeys } else { &top };
            folder.place(folder.prepare(bytes)?, &made.path().join(path), Existing::Keep)?;
        }
        // In the wallet that is moved aside nobody may be in the middle of writing.
        let turn = |folder: &Path| match folder.symlink_metadata() {
            Ok(found) if found.is_dir() && existing == Existing::Replace => Folder::enter_existing(folder),
            _ => Ok(None),
        };
        let _turns = [turn(&target)?, turn(&target.join(HOTKEYS))?];
        root.place_folder(made, &target, existing)
    }
}

/// A file among the hotkeys that none of the files is: one whose name no hotkey can have, or a public half alone. What
/// lies behind a dot is not the wallet's.
fn left_out(hotkeys: &Path, files: &Files) -> Result<Option<String>, WalletError> {
    let failed = |error| disk::explain(hotkeys, "list", error);
    let entries = match std::fs::read_dir(hotkeys) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let path = format!("{HOTKEYS}/{name}");
        if !name.starts_with('.') && !files.contains_key(&path) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The secret file that a path inside a wallet stands for or beside; `None` if a wallet has no such file.
fn secret_of(path: &str) -> Option<String> {
    if path == COLDKEY || path == COLDKEY_PUBLIC {
        return Some(COLDKEY.to_owned());
    }
    let name = path.strip_prefix(HOTKEYS)?.strip_prefix('/')?;
    let name = name.strip_suffix(PUBLIC_SUFFIX).unwrap_or(name);
    wallet::check_hotkey_name(name).ok().map(|()| format!("{HOTKEYS}/{name}"))
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backup({}, {} files)", self.wallet, self.files.len())
    }
}
