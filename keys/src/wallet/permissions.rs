//! Whether others than its owner can get at a wallet.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Mode bits that let others than the owner at a file.
const OTHERS: u32 = 0o077;
/// Mode bits that let others than the owner change a folder, and so exchange what is in it.
const OTHERS_WRITE: u32 = 0o022;
/// Where a file's mode ends and its type begins.
const MODE_BITS: u32 = 0o7777;

/// A secret key's file, or a wallet's folder, that others than its owner can get at. Shown, it says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// The file or folder.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// Whether it is a folder.
    pub is_directory: bool,
}

impl Exposed {
    /// `None` if only the owner gets at it, or if nothing is there.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = path.symlink_metadata().ok()?;
        let mode = metadata.permissions().mode() & MODE_BITS;
        // The mode of a link says nothing; reading refuses links.
        (mode & OTHERS != 0 && !metadata.is_symlink()).then(|| Self {
            path: path.to_owned(),
            mode,
            is_directory: metadata.is_dir(),
        })
    }

    /// Whether others can learn or exchange a key, rather than only see its name.
    pub fn is_serious(&self) -> bool {
        !self.is_directory || self.mode & OTHERS_WRITE != 0
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode, is_directory } = self;
        let path = path.display();
        if *is_directory {
            write!(f, "others can look into {path} (mode {mode:o}); run `chmod 700 {path}`")
        } else {
            write!(
                f,
                "others can get at {path} (mode {mode:o}); run `chmod 600 {path}`, and count a plain key in it as known"
            )
        }
    }
}
