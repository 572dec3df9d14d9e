//! Reading and writing files so that neither a crash, a race, a full disk nor a planted link costs a key.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempDir};
use zeroize::Zeroizing;

use super::{Existing, WalletError};

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Starts the names of files and folders that are still being written. Listings skip every name with a dot in front.
const UNFINISHED_PREFIX: &str = ".unfinished-";

/// Letters and digits after it, by chance.
const UNFINISHED_SUFFIX_CHARACTERS: usize = 6;

/// Lies in a restored wallet until it has taken the place of another: a folder behind a dot that holds it is not the old
/// wallet. Where it is left in the wallet itself, it is cleared like all that is unfinished.
const NOT_EXCHANGED: &str = ".unfinished-inside";

/// Reads a file whole, if it is a plain file of at most `limit_bytes`; `None` if it is larger.
pub(crate) fn read(path: &Path, limit_bytes: usize) -> Result<Option<Zeroizing<Vec<u8>>>, WalletError> {
    // NOFOLLOW: a link could make us read, and show, another file. NONBLOCK: opening a planted pipe must not hang.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| explain(path, "open", error))?;
    let metadata = file.metadata().map_err(|error| explain(path, "look at", error))?;
    if !metadata.is_file() {
        return Err(WalletError::NotAFile { path: path.to_owned() });
    }
    if metadata.len() > limit_bytes as u64 {
        return Ok(None);
    }
    // The whole file and a byte at once: a buffer that grew would leave unwiped copies of the secret behind.
    let capacity = usize::try_from(metadata.len()).unwrap_or(limit_bytes) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(capacity as u64).read_to_end(&mut bytes).map_err(|error| explain(path, "read", error))?;
    // One that grew under the reading is being written by somebody else.
    if bytes.len() == capacity { Err(WalletError::Changed { path: path.to_owned() }) } else { Ok(Some(bytes)) }
}

/// A folder that this process alone writes in, until dropped.
///
/// Files are written under a passing name and flushed to the disk before they get their own, so whoever looks sees no
/// file, the old one or the whole new one, also after a kill or a power cut at any instant.
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked: writers of this crate take turns. Released with the handle, so a killed one holds nobody up.
    handle: File,
}

impl Folder {
    /// Makes the folder where it is missing, waits for its turn in it, and clears what killed writers left unfinished.
    pub(crate) fn enter(path: &Path) -> Result<Self, WalletError> {
        make_directories(path)?;
        Self::enter_existing(path)?.ok_or_else(|| WalletError::Missing { path: path.to_owned() })
    }

    /// [`enter`](Self::enter) that makes nothing; `None` if there is no such folder.
    pub(crate) fn enter_existing(path: &Path) -> Result<Option<Self>, WalletError> {
        loop {
            let handle = match File::open(path) {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                opened => opened.map_err(|error| explain(path, "open", error))?,
            };
            match handle.lock() {
                // Whoever had the turn before may have moved the folder aside: then this turn is in the wrong one.
                Ok(()) if !is_at(&handle, path) => continue,
                Ok(()) => {}
                // File systems without locks on folders, as some network ones: passing names may belong to others.
                Err(error) if is_unsupported(&error) => return Ok(Some(Self { path: path.to_owned(), handle })),
                Err(error) => return Err(explain(path, "lock", error)),
            }
            let folder = Self { path: path.to_owned(), handle };
            folder.sweep()?;
            return Ok(Some(folder));
        }
    }

    /// Any folder, to put one file into: it may be shared with others and with other programs, so nobody waits for a turn
    /// in it, and nothing in it is cleared.
    pub(crate) fn shared(path: &Path) -> Result<Self, WalletError> {
        make_directories(path)?;
        let handle = File::open(path).map_err(|error| explain(path, "open", error))?;
        Ok(Self { path: path.to_owned(), handle })
    }

    fn sweep(&self) -> Result<(), WalletError> {
        let failed = |error| explain(&self.path, "list", error);
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let ours = entry.metadata().is_ok_and(|found| found.uid() == rustix::process::geteuid().as_raw());
            if ours && (is_unfinished(&entry.file_name()) || path.join(NOT_EXCHANGED).symlink_metadata().is_ok()) {
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let removed = if is_directory { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.map_err(|error| explain(&path, "remove", error))?;
            }
        }
        Ok(())
    }

    /// Writes a file under a passing name, and flushes it to the disk. Dropped, it is gone again.
    pub(crate) fn prepare(&self, bytes: &[u8]) -> Result<NamedTempFile, WalletError> {
        let mut unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .permissions(Permissions::from_mode(FILE_MODE))
            .tempfile_in(&self.path)
            .map_err(|error| explain(&self.path, "write in", error))?;
        unfinished
            .write_all(bytes)
            .and_then(|()| unfinished.as_file().sync_all())
            .map_err(|error| explain(unfinished.path(), "write", error))?;
        Ok(unfinished)
    }

    /// Gives a prepared file its name, in one step.
    pub(crate) fn place(&self, file: NamedTempFile, path: &Path, existing: Existing) -> Result<(), WalletError> {
        let placed = match existing {
            Existing::Keep => file.persist_noclobber(path),
            Existing::Replace => file.persist(path),
        };
        placed.map_err(|error| explain(path, "create", error.error))?;
        self.flush()
    }

    /// A folder under a passing name. Dropped, it is gone again.
    pub(crate) fn prepare_folder(&self) -> Result<TempDir, WalletError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .permissions(Permissions::from_mode(DIRECTORY_MODE))
            .tempdir_in(&self.path)
            .map_err(|error| explain(&self.path, "write in", error))
    }

    /// Gives a prepared folder its name, in one step. What had that name is moved aside; where to is returned.
    pub(crate) fn place_folder(
        &self,
        made: TempDir,
        path: &Path,
        existing: Existing,
    ) -> Result<Option<PathBuf>, WalletError> {
        match std::fs::rename(made.path(), path) {
            Ok(()) => {
                // It has its name now, and must not be removed under the passing one.
                let _ = made.keep();
                return self.flush().map(|()| None);
            }
            Err(error) if !is_taken(&error) => return Err(explain(path, "create", error)),
            Err(_) if existing == Existing::Keep => return Err(WalletError::AlreadyExists { path: path.to_owned() }),
            Err(_) => {}
        }
        // First out of reach of the next sweep: after the exchange, what has this name is the old wallet.
        let aside = self.path.join(replaced_name(path, made.path()));
        let mark = made.path().join(NOT_EXCHANGED);
        File::create_new(&mark).and_then(|mark| mark.sync_all()).map_err(|error| explain(&mark, "write", error))?;
        std::fs::rename(made.path(), &aside).map_err(|error| explain(&aside, "create", error))?;
        let _ = made.keep();
        if let Err(error) = rustix::fs::renameat_with(CWD, &aside, CWD, path, RenameFlags::EXCHANGE) {
            std::fs::remove_dir_all(&aside).map_err(|error| explain(&aside, "remove", error))?;
            return Err(match error {
                Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => WalletError::NoExchange { path: path.to_owned() },
                other => explain(path, "replace", other.into()),
            });
        }
        self.flush()?;
        let mark = path.join(NOT_EXCHANGED);
        std::fs::remove_file(&mark).map_err(|error| explain(&mark, "remove", error))?;
        Ok(Some(aside))
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), WalletError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(explain(path, "remove", error)),
            _ => self.flush(),
        }
    }

    /// Makes the names in this folder last: a name is durable only once its folder is.
    pub(crate) fn flush(&self) -> Result<(), WalletError> {
        self.handle.sync_all().map_err(|error| explain(&self.path, "flush", error))
    }
}

/// Makes a folder and those above it that are missing, each for its owner alone, and each durable.
fn make_directories(path: &Path) -> Result<(), WalletError> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err())
        .collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(DIRECTORY_MODE).create(folder) {
            // Another process was faster.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(explain(folder, "create", error)),
            _ => {}
        }
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(above).and_then(|above| above.sync_all()).map_err(|error| explain(above, "flush", error))?;
    }
    Ok(())
}

/// Whether an open file is the one that has this name now.
fn is_at(handle: &File, path: &Path) -> bool {
    match (handle.metadata(), path.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Whether a name is one of those under which this crate writes.
fn is_unfinished(name: &OsStr) -> bool {
    let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED_PREFIX)) else { return false };
    rest.len() == UNFINISHED_SUFFIX_CHARACTERS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether renaming a folder failed because something has the name.
fn is_taken(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory)
}

/// Where a replaced wallet goes: its own name and the passing one's random end, behind a dot.
fn replaced_name(path: &Path, passing: &Path) -> OsString {
    let mut name = OsString::from(".replaced-");
    name.push(path.file_name().unwrap_or_default());
    name.push("-");
    let passing = passing.file_name().unwrap_or_default().to_string_lossy();
    name.push(passing.strip_prefix(UNFINISHED_PREFIX).unwrap_or(&passing));
    name
}

fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(error.raw_os_error(), Some(libc::ENOLCK | libc::EBADF | libc::EINVAL | libc::ENOSYS))
}

pub(crate) fn explain(path: &Path, action: &'static str, error: io::Error) -> WalletError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => WalletError::Missing { path },
        io::ErrorKind::AlreadyExists => WalletError::AlreadyExists { path },
        io::ErrorKind::PermissionDenied => WalletError::PermissionDenied { path, action },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WalletError::DiskFull { path },
        _ if error.raw_os_error() == Some(libc::ELOOP) => WalletError::Symlink { path },
        _ => WalletError::Io { path, action, source: error },
    }
}
