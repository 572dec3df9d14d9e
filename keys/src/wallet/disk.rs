//! Reading and creating key files so that neither a crash, a race nor a planted link costs a key.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::{Existing, WalletError};
use crate::keyfile::{KeyfileError, MAX_KEYFILE_BYTES};

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// Mode bits that let others than the owner at a file.
const OTHERS: u32 = 0o077;
/// Where a file's mode ends and its type begins.
const MODE_BITS: u32 = 0o7777;

/// Starts the names of files that are still being written. Listings skip every name with a dot in front.
const UNFINISHED_PREFIX: &str = ".unfinished-";

/// Who may read the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// It holds a secret: refused when others can read it.
    Secret,
    /// It holds a public key.
    Public,
}

/// Reads a key file whole, if it is a plain file of sane size and, where it is secret, of safe mode.
pub(super) fn read(path: &Path, privacy: Privacy) -> Result<Zeroizing<Vec<u8>>, WalletError> {
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
    let mode = metadata.permissions().mode() & MODE_BITS;
    if privacy == Privacy::Secret && mode & OTHERS != 0 {
        return Err(WalletError::TooOpen { path: path.to_owned(), mode });
    }
    let too_large = || WalletError::Keyfile { path: path.to_owned(), source: KeyfileError::TooLarge };
    if metadata.len() > MAX_KEYFILE_BYTES as u64 {
        return Err(too_large());
    }
    // The whole limit at once: a buffer that grew would leave unwiped copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEYFILE_BYTES + 1));
    file.take(MAX_KEYFILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| explain(path, "read", error))?;
    if bytes.len() > MAX_KEYFILE_BYTES {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Writes a key file in one step: whoever looks sees no file, the old one or the whole new one.
pub(super) fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), WalletError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
        .map_err(|error| explain(directory, "create", error))?;
    let mut unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED_PREFIX)
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(directory)
        .map_err(|error| explain(directory, "write in", error))?;
    unfinished
        .write_all(bytes)
        .and_then(|()| unfinished.as_file().sync_all())
        .map_err(|error| explain(unfinished.path(), "write", error))?;
    let placed = match existing {
        Existing::Keep => unfinished.persist_noclobber(path),
        Existing::Replace => unfinished.persist(path),
    };
    placed.map_err(|error| explain(path, "create", error.error))?;
    // The name is durable only once its directory is.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| explain(directory, "flush", error))
}

fn explain(path: &Path, action: &'static str, error: io::Error) -> WalletError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => WalletError::Missing { path },
        io::ErrorKind::AlreadyExists => WalletError::AlreadyExists { path },
        io::ErrorKind::PermissionDenied => WalletError::PermissionDenied { path, action },
        _ if error.raw_os_error() == Some(libc::ELOOP) => WalletError::Symlink { path },
        _ => WalletError::Io { path, action, source: error },
    }
}
