//! What can go wrong with a wallet on disk.

use std::io;
use std::path::PathBuf;

use super::MAX_LISTED_ENTRIES;
use crate::AccountId;
use crate::backup::BackupError;
use crate::keyfile::KeyfileError;

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
    #[error("{} exists already and is left as it is; choose another name, or give `--force` where the command has it", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link where a key or a wallet's folder should be.
    #[error("{} is a symbolic link, and keys are not reached through links; put the real one there", path.display())]
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
    /// The disk has no room, or this user's share of it is used up.
    #[error("no room left on the disk for {}; what is there is whole, make room and try again", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The file was written by somebody else meanwhile.
    #[error("{} was changed by another program meanwhile, and is left as it is now; try again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file system cannot swap two folders in one step.
    #[error(
        "the file system of {} cannot exchange two folders in one step; restore under another name with `--wallet`",
        path.display()
    )]
    NoExchange {
        /// The folder that would have been replaced.
        path: PathBuf,
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
    /// The file is no backup that can be restored.
    #[error("{} cannot be restored: {source}", path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BackupError,
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
