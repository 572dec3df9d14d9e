//! A run's corpus: read from text on disk, kept in a cache in the form in which it is trained on, and mapped from there.
//! The run's manifest names its hash, so every neuron that reads the same text in the same order takes part, whatever its
//! path is called here.

mod cache;
mod folder;
mod json_lines;
mod map;
mod material;
mod parquet;
mod plain;
pub(crate) mod tokenizer;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use cache::Cache;
pub use folder::walk;
pub use material::Material;
pub use tokenizer::{Tokenizer, TokenizerError};

/// Most bytes of a corpus that are read. They are copied to the cache, and never all in memory.
pub const MAX_CORPUS_BYTES: u64 = 64 * 1024 * 1024 * 1024;

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
        found_bytes: u64,
    },
    /// A folder without end.
    #[error("the folder {path} holds more than {} files; name a smaller one with --corpus", folder::MAX_FILES)]
    TooManyFiles {
        /// Where.
        path: PathBuf,
    },
    /// It is not the text that it was a moment ago.
    #[error("the corpus at {path} changed while it was read; start again when nobody writes to it")]
    Changed {
        /// Where.
        path: PathBuf,
    },
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Nobody takes what was read.
    #[error("the corpus cannot be copied to this neuron's folder: {0}; make room there, or name another with --state")]
    NotCopied(io::Error),
    /// The cache fails.
    #[error(
        "the cache of corpora in {path} cannot be used: {error}; make room there, or name another folder with --state"
    )]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl CorpusError {
    fn malformed(path: &Path, place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), place: place.into(), reason: reason.to_string() }
    }
}

/// Text on disk: files in their order, and what they are called together.
///
/// Of `.jsonl` and `.ndjson` every line, and of `.parquet` every row, gives the text in its field `text` and a line feed.
/// Every other file is text as it is; in a folder, binary files (a NUL in their first 8 KiB), hidden files and links are
/// passed over.
#[derive(Clone, Debug)]
pub struct Source {
    files: Vec<PathBuf>,
    name: PathBuf,
    max_bytes: u64,
    /// The one file was named by somebody, who is told when it is no text.
    is_file: bool,
}

impl Source {
    /// The text at `path`: a file, or all files of a folder, sorted by path.
    ///
    /// # Errors
    /// When there is nothing, or a folder with too many files.
    pub fn at(path: &Path) -> Result<Self, CorpusError> {
        let unreadable = |error| CorpusError::Unreadable { path: path.to_owned(), error };
        if !fs::metadata(path).map_err(unreadable)?.is_dir() {
            let (files, name) = (vec![path.to_owned()], path.to_owned());
            return Ok(Self { files, name, max_bytes: MAX_CORPUS_BYTES, is_file: true });
        }
        let mut files = Vec::new();
        walk(path, &mut files)?;
        files.sort();
        Ok(Self::of_files(files, path))
    }

    /// These files in their order, as those of a folder; `name` stands for all of them.
    pub fn of_files(files: Vec<PathBuf>, name: &Path) -> Self {
        Self { files, name: name.to_owned(), max_bytes: MAX_CORPUS_BYTES, is_file: false }
    }

    /// The same, but the first `bytes` bytes at most.
    pub fn first(self, bytes: u64) -> Self {
        Self { max_bytes: self.max_bytes.min(bytes), ..self }
    }

    /// Reads all of it into `out`, and says how many bytes that were. Another time it gives the same bytes, unless somebody
    /// has changed the files.
    ///
    /// # Errors
    /// What cannot be read, is damaged, or holds too little text. A damaged file is never passed over: two neurons that
    /// read the same folder read the same bytes, or one of them says why not.
    fn read(&self, out: &mut dyn Write) -> Result<u64, CorpusError> {
        let mut text = Text { out, bytes: 0, max_bytes: self.max_bytes };
        for file in &self.files {
            if text.room() == 0 {
                break;
            }
            if !text.read(file)? && self.is_file {
                return Err(CorpusError::Binary { path: file.clone() });
            }
        }
        match text.bytes {
            found_bytes if found_bytes < MIN_CORPUS_BYTES as u64 => {
                Err(CorpusError::TooSmall { path: self.name.clone(), found_bytes })
            }
            bytes => Ok(bytes),
        }
    }
}

/// Text that is being read, up to a bound.
struct Text<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
    max_bytes: u64,
}

impl Text<'_> {
    /// How much still fits.
    fn room(&self) -> u64 {
        self.max_bytes - self.bytes
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

    /// Adds text, as much of it as fits. What fails is `out`.
    fn push(&mut self, text: &[u8]) -> Result<(), CorpusError> {
        let fits = usize::try_from(self.room()).unwrap_or(usize::MAX).min(text.len());
        self.out.write_all(&text[..fits]).map_err(CorpusError::NotCopied)?;
        self.bytes += fits as u64;
        Ok(())
    }

    /// Adds a document, as much of it as fits.
    fn push_document(&mut self, document: &[u8]) -> Result<(), CorpusError> {
        self.push(document)?;
        self.push(&[AFTER_DOCUMENT])
    }
}

#[cfg(test)]
mod tests;
