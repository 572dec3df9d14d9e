//! Reads a corpus from disk: the bytes that a run trains on and holds out. The run's manifest names their hash, so every
//! neuron that reads the same text in the same order takes part, whatever its path is called here.

mod folder;
mod json_lines;
mod parquet;
mod plain;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use folder::walk;

/// Most bytes of a corpus that are read. They are held in memory.
pub const MAX_CORPUS_BYTES: usize = 256 * 1024 * 1024;

/// Fewest bytes of a corpus worth training on: both parts, trained on and held out, must hold whole sequences.
pub const MIN_CORPUS_BYTES: usize = 64 * 1024;

/// What stands for a document's text in files of records.
const TEXT_FIELD: &str = "text";

/// What follows each document of a file of records.
const AFTER_DOCUMENT: u8 = b'\n';

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file or folder cannot be read.
    #[error("cannot read the corpus at {path}: {error}; name a readable text file or folder with --corpus")]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The one file that was named is no text.
    #[error("{path} holds no text but binary data; name text, .jsonl or .parquet with --corpus")]
    Binary {
        /// Which.
        path: PathBuf,
    },
    /// A file of records is damaged or holds no text.
    #[error("{path}, {place}: {reason}; repair or remove the file")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Too little text.
    #[error(
        "the corpus at {path} holds {found_bytes} bytes of text, at least {MIN_CORPUS_BYTES} are needed; name more text with --corpus"
    )]
    TooSmall {
        /// Where.
        path: PathBuf,
        /// How much text was found.
        found_bytes: usize,
    },
    /// A folder without end.
    #[error("the folder {path} holds more than {} files; name a smaller one with --corpus", folder::MAX_FILES)]
    TooManyFiles {
        /// Where.
        path: PathBuf,
    },
}

impl CorpusError {
    fn malformed(path: &Path, place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), place: place.into(), reason: reason.to_string() }
    }
}

/// Reads the text at `path`: a file, or all files of a folder, sorted by path, until `max_bytes` are full.
///
/// Of `.jsonl` and `.ndjson` every line, and of `.parquet` every row, gives the text in its field `text` and a line feed.
/// Every other file is text as it is; in a folder, binary files (a NUL in their first 8 KiB), hidden files and links are
/// passed over.
///
/// # Errors
///
/// What cannot be read, is damaged, or holds too little text. A damaged file is never passed over: two neurons that read
/// the same folder read the same bytes, or one of them says why not.
pub fn load(path: &Path, max_bytes: usize) -> Result<Vec<u8>, CorpusError> {
    let unreadable = |error| CorpusError::Unreadable { path: path.to_owned(), error };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        let mut text = Text::new(max_bytes);
        if !text.read(path)? {
            return Err(CorpusError::Binary { path: path.to_owned() });
        }
        return text.finish(path);
    }
    let mut files = Vec::new();
    walk(path, &mut files)?;
    files.sort();
    load_files(&files, path, max_bytes)
}

/// Reads these files in their order, as [`load`] would those of a folder.
///
/// # Errors
///
/// As [`load`]; `name` stands for all of them.
pub fn load_files(files: &[PathBuf], name: &Path, max_bytes: usize) -> Result<Vec<u8>, CorpusError> {
    let mut text = Text::new(max_bytes);
    for file in files {
        if text.room() == 0 {
            break;
        }
        text.read(file)?;
    }
    text.finish(name)
}

/// Text that is being read, up to a bound.
struct Text {
    bytes: Vec<u8>,
    max_bytes: usize,
}

impl Text {
    fn new(max_bytes: usize) -> Self {
        Self { bytes: Vec::new(), max_bytes: max_bytes.min(MAX_CORPUS_BYTES) }
    }

    /// How much still fits.
    fn room(&self) -> usize {
        self.max_bytes - self.bytes.len()
    }

    /// Reads one file; `false` if it is binary, and nothing was taken from it.
    fn read(&mut self, path: &Path) -> Result<bool, CorpusError> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => json_lines::read(path, self).map(|()| true),
            "parquet" => parquet::read(path, self).map(|()| true),
            _ => plain::read(path, self),
        }
    }

    /// Adds a document, as much of it as fits.
    fn push_document(&mut self, document: &[u8]) {
        let whole = [document, &[AFTER_DOCUMENT]].concat();
        self.bytes.extend_from_slice(&whole[..whole.len().min(self.room())]);
    }

    fn finish(self, path: &Path) -> Result<Vec<u8>, CorpusError> {
        if self.bytes.len() < MIN_CORPUS_BYTES {
            return Err(CorpusError::TooSmall { path: path.to_owned(), found_bytes: self.bytes.len() });
        }
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests;
