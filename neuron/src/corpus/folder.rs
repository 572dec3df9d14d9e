//! The files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::CorpusError;

/// Most files of a folder that are looked at.
pub(super) const MAX_FILES: usize = 200_000;

/// Lists the files below a folder, unsorted, without hidden ones and links.
///
/// # Errors
///
/// A folder that cannot be listed, or one with too many files.
pub fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CorpusError> {
    let unreadable = |error| CorpusError::Unreadable { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
        if files.len() > MAX_FILES {
            return Err(CorpusError::TooManyFiles { path: folder.to_owned() });
        }
    }
    Ok(())
}
