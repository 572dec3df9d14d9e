//! Reads a corpus from disk: the bytes that a run trains on and holds out. The run's manifest names their hash, so every
//! neuron that reads the same text in the same order takes part, whatever its path is called here.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most bytes of a corpus that are read. They are held in memory.
pub const MAX_CORPUS_BYTES: usize = 256 * 1024 * 1024;

/// Fewest bytes of a corpus worth training on: both parts, trained on and held out, must hold whole sequences.
pub const MIN_CORPUS_BYTES: usize = 64 * 1024;

/// How much of a file is looked at to tell text from anything else.
const SNIFF_BYTES: usize = 8 * 1024;

/// Most files of a folder that are looked at.
const MAX_CORPUS_FILES: usize = 200_000;

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
    #[error("the folder {path} holds more than {MAX_CORPUS_FILES} files; name a smaller one with --corpus")]
    TooManyFiles {
        /// Where.
        path: PathBuf,
    },
}

/// Reads the text at `path`: a file, or all text files of a folder, sorted by path, until `max_bytes` are full. Binary
/// files (a NUL in their first 8 KiB), hidden files and links are passed over.
pub fn load(path: &Path, max_bytes: usize) -> Result<Vec<u8>, CorpusError> {
    let unreadable = |error| CorpusError::Unreadable { path: path.to_owned(), error };
    let files = if fs::metadata(path).map_err(unreadable)?.is_dir() {
        let mut files = Vec::new();
        walk(path, &mut files)?;
        files.sort();
        files
    } else {
        vec![path.to_owned()]
    };
    let bytes = concatenate(&files, max_bytes)?;
    check(path, bytes)
}

/// Reads these files in their order, as [`load`] would.
pub fn load_files(files: &[PathBuf], name: &Path, max_bytes: usize) -> Result<Vec<u8>, CorpusError> {
    check(name, concatenate(files, max_bytes)?)
}

/// Lists the files below a folder, unsorted, without hidden ones and links.
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
        if files.len() > MAX_CORPUS_FILES {
            return Err(CorpusError::TooManyFiles { path: folder.to_owned() });
        }
    }
    Ok(())
}

fn check(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, CorpusError> {
    if bytes.len() < MIN_CORPUS_BYTES {
        return Err(CorpusError::TooSmall { path: path.to_owned(), found_bytes: bytes.len() });
    }
    Ok(bytes)
}

fn concatenate(files: &[PathBuf], max_bytes: usize) -> Result<Vec<u8>, CorpusError> {
    let max_bytes = max_bytes.min(MAX_CORPUS_BYTES);
    let mut corpus = Vec::new();
    for path in files {
        if corpus.len() >= max_bytes {
            break;
        }
        let unreadable = |error| CorpusError::Unreadable { path: path.clone(), error };
        let room = (max_bytes - corpus.len()) as u64;
        let start = corpus.len();
        File::open(path).and_then(|file| file.take(room).read_to_end(&mut corpus)).map_err(unreadable)?;
        let head = &corpus[start..corpus.len().min(start + SNIFF_BYTES)];
        if head.contains(&0) {
            corpus.truncate(start);
        }
    }
    Ok(corpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_the_order_of_its_paths_without_binaries() {
        let folder = tempfile::tempdir().unwrap();
        let text = |c: char| c.to_string().repeat(MIN_CORPUS_BYTES / 2);
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/x.txt"), text('x')).unwrap();
        fs::write(folder.path().join("a.txt"), text('a')).unwrap();
        fs::write(folder.path().join("0.bin"), b"\0\0\0").unwrap();
        fs::write(folder.path().join(".hidden"), text('h')).unwrap();
        let corpus = load(folder.path(), MAX_CORPUS_BYTES).unwrap();
        assert_eq!(corpus, [text('a'), text('x')].concat().into_bytes());
        let cut = load(folder.path(), MIN_CORPUS_BYTES - 1);
        assert!(matches!(cut, Err(CorpusError::TooSmall { .. })), "the bound holds");
    }

    #[test]
    fn what_cannot_be_trained_on_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = load(&folder.path().join("no"), MAX_CORPUS_BYTES).unwrap_err();
        assert!(matches!(&missing, CorpusError::Unreadable { .. }) && missing.to_string().contains("--corpus"));
        assert!(matches!(load(folder.path(), MAX_CORPUS_BYTES), Err(CorpusError::TooSmall { found_bytes: 0, .. })));
    }
}
