//! Evidence on disk: one file per piece, named by its content, and an index that only grows.
//!
//! A piece is written to a file beside its place, made durable and renamed; then its entry is appended to the index and
//! made durable. A process killed at any instant leaves either no entry or a whole piece with its entry; a torn last
//! entry is cut off when the archive is opened, and a piece without an entry is found again when it is put again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};
use neuron::message::names::{Hash, WindowId};
use neuron::wire::{self, WireError};
use thiserror::Error;

use super::{Evidence, MAX_EVIDENCE_BYTES};
use crate::durable;
use crate::machine::identity::Identity;

/// Most pieces that one archive holds. A conviction takes two or three, of at most 64 KiB each; with opened tensors, of what
/// four of the run's tensors take more.
pub const MAX_ARCHIVE_ENTRIES: usize = 16 * 1024;

const INDEX_FILE: &str = "index";
/// Hash, hotkey, uid, registration block, window: fixed width, so that a place in the file is a number.
const ENTRY_BYTES: usize = 32 + 32 + 2 + 8 + 4;

/// A line of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// The evidence's name.
    pub name: Hash,
    /// Who is at fault.
    pub accused: Identity,
    /// In which window.
    pub window: WindowId,
}

/// Why evidence was not kept or not found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The disk.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// Too long, or not evidence.
    #[error(transparent)]
    Encoding(#[from] WireError),
    /// No room.
    #[error("the archive holds {MAX_ARCHIVE_ENTRIES} pieces of evidence; move the directory away to start a new one")]
    Full,
    /// The file is not what its name says.
    #[error("{path} does not contain what its name says; the disk or somebody changed it")]
    Altered {
        /// Which file.
        path: PathBuf,
    },
    /// Evidence of no window.
    #[error("the evidence names no window, so it proves nothing")]
    NoWindow,
}

/// A directory of evidence.
#[derive(Debug)]
pub struct Archive {
    directory: PathBuf,
    index: File,
    entries: Vec<Entry>,
    places: BTreeMap<Hash, usize>,
}

fn at(path: &Path) -> impl Fn(io::Error) -> ArchiveError + '_ {
    |error| ArchiveError::Io { path: path.to_owned(), error }
}

impl Archive {
    /// Opens the archive in a directory, which is made if there is none.
    ///
    /// # Errors
    /// When the directory or its index cannot be read or written.
    pub fn open(directory: &Path) -> Result<Self, ArchiveError> {
        fs::create_dir_all(directory).map_err(at(directory))?;
        let path = directory.join(INDEX_FILE);
        let mut index = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(at(&path))?;
        let most_bytes = (MAX_ARCHIVE_ENTRIES * ENTRY_BYTES) as u64;
        let mut bytes = Vec::new();
        (&mut index).take(most_bytes).read_to_end(&mut bytes).map_err(at(&path))?;
        let entries = bytes.chunks_exact(ENTRY_BYTES).map(wire::decode::<Entry, ENTRY_BYTES>);
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let whole_bytes = (entries.len() * ENTRY_BYTES) as u64;
        if bytes.len() as u64 != whole_bytes {
            index.set_len(whole_bytes).and_then(|()| index.sync_all()).map_err(at(&path))?;
        }
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.name, place)).collect();
        Ok(Self { directory: directory.to_owned(), index, entries, places })
    }

    /// Keeps a piece of evidence; keeping it again changes nothing.
    ///
    /// # Errors
    /// When there is no room, or the disk fails. Then the archive is as it was.
    pub fn put(&mut self, evidence: &Evidence) -> Result<Hash, ArchiveError> {
        let bytes = evidence.to_bytes()?;
        let name = Hash::of(&bytes);
        if self.places.contains_key(&name) {
            return Ok(name);
        }
        if self.entries.len() >= MAX_ARCHIVE_ENTRIES {
            return Err(ArchiveError::Full);
        }
        let window = evidence.window().ok_or(ArchiveError::NoWindow)?;
        let entry = Entry { name, accused: *evidence.accused(), window };
        let line = wire::encode::<_, ENTRY_BYTES>(&entry)?;
        let place = self.path_of(&name);
        durable::write(&place, &bytes).map_err(at(&place))?;
        let path = self.directory.join(INDEX_FILE);
        if let Err(error) = self.index.write_all(&line).and_then(|()| self.index.sync_all()) {
            // Half a line in the middle would shift all that follow; opening the archive cuts off what this cannot.
            let whole_bytes = (self.entries.len() * ENTRY_BYTES) as u64;
            let _ = self.index.set_len(whole_bytes);
            return Err(at(&path)(error));
        }
        self.places.insert(name, self.entries.len());
        self.entries.push(entry);
        Ok(name)
    }

    /// Whether there is a piece of that name.
    pub fn contains(&self, name: &Hash) -> bool {
        self.places.contains_key(name)
    }

    /// The piece of that name, checked against it; `None` when there is none.
    ///
    /// # Errors
    /// When the file cannot be read or is not what its name says.
    pub fn get(&self, name: &Hash) -> Result<Option<Evidence>, ArchiveError> {
        Ok(self.bytes(name)?.map(|bytes| Evidence::from_bytes(&bytes)).transpose()?)
    }

    /// The encoding of the piece of that name, as others fetch it.
    ///
    /// # Errors
    /// When the file cannot be read or is not what its name says.
    pub fn bytes(&self, name: &Hash) -> Result<Option<Vec<u8>>, ArchiveError> {
        if !self.places.contains_key(name) {
            return Ok(None);
        }
        let path = self.path_of(name);
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(at(&path))?;
        file.take(MAX_EVIDENCE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(at(&path))?;
        if Hash::of(&bytes) != *name {
            return Err(ArchiveError::Altered { path });
        }
        Ok(Some(bytes))
    }

    /// A piece of the encoding, with the length of the whole. Not checked: whoever puts the pieces together checks the whole.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn piece(&self, name: &Hash, offset_bytes: u64, len_bytes: usize) -> Result<(u64, Vec<u8>), ArchiveError> {
        let path = self.path_of(name);
        let mut file = File::open(&path).map_err(at(&path))?;
        let total_bytes = file.metadata().map_err(at(&path))?.len();
        file.seek(SeekFrom::Start(offset_bytes.min(total_bytes))).map_err(at(&path))?;
        let mut bytes = Vec::new();
        file.take(len_bytes as u64).read_to_end(&mut bytes).map_err(at(&path))?;
        Ok((total_bytes, bytes))
    }

    /// All entries, in the order in which they were kept.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn path_of(&self, name: &Hash) -> PathBuf {
        self.directory.join(format!("{name}.evidence"))
    }
}

#[cfg(test)]
mod tests {
    use neuron::message::signed::Network;

    use super::super::tests::contradiction;
    use super::*;

    const NETWORK: Network = Network { genesis: [1; 32], netuid: 2 };

    #[test]
    fn what_was_put_is_found_again_after_a_restart_and_a_torn_entry_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let pieces: Vec<_> = (0..3).map(|n| contradiction(&NETWORK, n)).collect();
        let mut archive = Archive::open(directory.path()).unwrap();
        let names: Vec<_> = pieces.iter().map(|piece| archive.put(piece).unwrap()).collect();
        assert_eq!(archive.put(&pieces[1]).unwrap(), names[1], "again");
        assert_eq!(archive.entries().len(), 3);
        drop(archive);

        let index = directory.path().join(INDEX_FILE);
        let length = fs::metadata(&index).unwrap().len();
        OpenOptions::new().write(true).open(&index).unwrap().set_len(length - 1).unwrap();
        let mut archive = Archive::open(directory.path()).unwrap();
        assert_eq!(archive.entries().iter().map(|entry| entry.name).collect::<Vec<_>>(), names[..2]);
        assert_eq!(archive.get(&names[2]).unwrap(), None);
        archive.put(&pieces[2]).unwrap();
        let archive = Archive::open(directory.path()).unwrap();
        for (name, piece) in names.iter().zip(&pieces) {
            assert_eq!(archive.get(name).unwrap().as_ref(), Some(piece));
            let bytes = piece.to_bytes().unwrap();
            let total = bytes.len() as u64;
            assert_eq!(archive.piece(name, 10, 20).unwrap(), (total, bytes[10..30].to_vec()));
            assert_eq!(archive.piece(name, total + 5, 20).unwrap(), (total, vec![]));
        }
        assert_eq!(archive.entries()[0].accused, *pieces[0].accused());
    }

    #[test]
    fn a_file_that_was_altered_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let mut archive = Archive::open(directory.path()).unwrap();
        let name = archive.put(&contradiction(&NETWORK, 0)).unwrap();
        let path = archive.path_of(&name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(archive.get(&name), Err(ArchiveError::Altered { .. })));
    }
}
