//! Files that are whole or not there: written beside their place, made durable, renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces a file's contents. A process killed at any instant leaves the old contents or the new ones.
///
/// # Errors
/// When the disk fails; then the file is as it was.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    // The rename itself lives in the directory.
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
