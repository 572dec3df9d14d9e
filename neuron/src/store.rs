//! What a neuron keeps on disk.
//!
//! ```text
//! STATE/
//!   sled/               small state, in typed [`Shelf`]s
//!   blobs/ab/cdef…      files named by the BLAKE3 of their content: weights, evidence, manifests ([`Blobs`])
//! ```
//!
//! A process may be killed at any instant. What was promised to others is on disk before it is said ([`Shelf::put_once`]), and a
//! file is either whole under its name or not there.

mod blobs;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};

pub use blobs::{BlobError, BlobHash, BlobLimits, Blobs};

use crate::wire::{self, WireError};

/// Memory for sled's page cache.
const SLED_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// What is not flushed explicitly is on disk within this.
const SLED_FLUSH_MS: u64 = 500;

/// Why state cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory cannot be opened as a store.
    #[error("the state in {} cannot be opened: {reason}; is another neuron using it? Give each its own --state", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The database failed.
    #[error("the state database failed: {0}")]
    Database(#[from] sled::Error),
    /// An entry is not what its shelf holds.
    #[error("an entry of `{shelf}` cannot be used: {source}")]
    Entry {
        /// The shelf.
        shelf: &'static str,
        /// What is wrong with it.
        source: WireError,
    },
    /// Files failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// A neuron's state directory.
pub struct Store {
    database: sled::Db,
    blobs: Blobs,
}

impl Store {
    /// Opens or creates the state in a directory. One process at a time can have it open.
    pub fn open(path: &Path, limits: BlobLimits) -> Result<Self, StoreError> {
        let database = sled::Config::new()
            // A folder of its own: sled keeps a `blobs` beside its database, too.
            .path(path.join("sled"))
            .cache_capacity(SLED_CACHE_BYTES)
            .flush_every_ms(Some(SLED_FLUSH_MS))
            .open()
            .map_err(|error| StoreError::Open { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { database, blobs: Blobs::open(path.join("blobs"), limits)? })
    }

    /// The files.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A shelf of entries of one type, by name.
    pub fn shelf<V: Encode + Decode<()>, const LIMIT_BYTES: usize>(
        &self,
        name: &'static str,
    ) -> Result<Shelf<V, LIMIT_BYTES>, StoreError> {
        Ok(Shelf { tree: self.database.open_tree(name)?, name, entry: PhantomData })
    }
}

/// Entries of one type, each of at most `LIMIT_BYTES`, in order of height (a block or a window) and then of key.
///
/// **Retention** is by height: whoever fills a shelf calls [`forget_before`](Self::forget_before) as time goes on.
pub struct Shelf<V, const LIMIT_BYTES: usize> {
    tree: sled::Tree,
    name: &'static str,
    entry: PhantomData<fn() -> V>,
}

/// Big-endian, so that byte order is height order.
fn full_key(height: u64, key: &[u8]) -> Vec<u8> {
    [&height.to_be_bytes(), key].concat()
}

impl<V: Encode + Decode<()>, const LIMIT_BYTES: usize> Shelf<V, LIMIT_BYTES> {
    fn encode(&self, value: &V) -> Result<Vec<u8>, StoreError> {
        wire::encode::<V, LIMIT_BYTES>(value).map_err(|source| StoreError::Entry { shelf: self.name, source })
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, StoreError> {
        wire::decode::<V, LIMIT_BYTES>(bytes).map_err(|source| StoreError::Entry { shelf: self.name, source })
    }

    /// Writes an entry; on disk soon.
    pub fn put(&self, height: u64, key: &[u8], value: &V) -> Result<(), StoreError> {
        self.tree.insert(full_key(height, key), self.encode(value)?)?;
        Ok(())
    }

    /// Writes an entry unless there is one, and returns what is there now: on disk, for good.
    ///
    /// For what must not be said twice in two ways, such as the root of a window: write it here first, then sign what this
    /// returns.
    pub fn put_once(&self, height: u64, key: &[u8], value: V) -> Result<V, StoreError> {
        let bytes = self.encode(&value)?;
        let outcome = self.tree.compare_and_swap(full_key(height, key), None::<&[u8]>, Some(bytes))?;
        // Also when it was there before: whoever wrote it may have died before it was on disk.
        self.tree.flush()?;
        match outcome {
            Ok(()) => Ok(value),
            Err(sled::CompareAndSwapError { current, .. }) => match current {
                Some(earlier) => self.decode(&earlier),
                None => Ok(value),
            },
        }
    }

    /// Reads an entry.
    pub fn get(&self, height: u64, key: &[u8]) -> Result<Option<V>, StoreError> {
        self.tree.get(full_key(height, key))?.map(|bytes| self.decode(&bytes)).transpose()
    }

    /// All entries of a height, by key, at most `limit` of them.
    pub fn at(&self, height: u64, limit: usize) -> Result<Vec<(Vec<u8>, V)>, StoreError> {
        self.tree
            .scan_prefix(height.to_be_bytes())
            .take(limit)
            .map(|entry| {
                let (key, bytes) = entry?;
                Ok((key.get(8..).unwrap_or_default().to_vec(), self.decode(&bytes)?))
            })
            .collect()
    }

    /// The highest height that has entries.
    pub fn last_height(&self) -> Result<Option<u64>, StoreError> {
        let last = self.tree.last()?;
        Ok(last.and_then(|(key, _)| key.first_chunk().map(|height| u64::from_be_bytes(*height))))
    }

    /// Removes all entries below a height. Returns how many.
    pub fn forget_before(&self, height: u64) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for entry in self.tree.range(..height.to_be_bytes()) {
            self.tree.remove(entry?.0)?;
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Returns once everything written so far is on disk.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.tree.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BlobLimits = BlobLimits { max_blob_bytes: 1000, max_total_bytes: 1500 };

    #[test]
    fn entries_survive_and_are_forgotten_by_height() {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Store::open(dir.path(), LIMITS).unwrap();
            let shelf = store.shelf::<u32, 16>("leaves").unwrap();
            for height in [1, 2, 300] {
                shelf.put(height, b"a", &(height as u32)).unwrap();
                shelf.put(height, b"b", &0).unwrap();
            }
            shelf.flush().unwrap();
        }
        let store = Store::open(dir.path(), LIMITS).unwrap();
        let shelf = store.shelf::<u32, 16>("leaves").unwrap();
        assert_eq!(shelf.at(300, 10).unwrap(), [(b"a".to_vec(), 300), (b"b".to_vec(), 0)]);
        assert_eq!(shelf.last_height().unwrap(), Some(300));
        assert_eq!(shelf.forget_before(300).unwrap(), 4);
        assert_eq!(shelf.get(2, b"a").unwrap(), None);
        assert_eq!(shelf.get(300, b"a").unwrap(), Some(300));
    }

    #[test]
    fn the_first_word_stands() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), LIMITS).unwrap();
        let shelf = store.shelf::<u32, 16>("roots").unwrap();
        assert_eq!(shelf.put_once(7, b"", 1).unwrap(), 1);
        assert_eq!(shelf.put_once(7, b"", 2).unwrap(), 1);
        assert_eq!(shelf.put_once(8, b"", 2).unwrap(), 2);
    }

    #[test]
    fn a_store_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Store::open(dir.path(), LIMITS).unwrap();
        let error = Store::open(dir.path(), LIMITS).err().unwrap();
        assert!(error.to_string().contains("--state"), "{error}");
    }

    #[test]
    fn an_entry_of_another_type_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), LIMITS).unwrap();
        store.shelf::<u32, 16>("mixed").unwrap().put(1, b"", &1).unwrap();
        assert!(matches!(store.shelf::<u64, 16>("mixed").unwrap().get(1, b""), Err(StoreError::Entry { .. })));
    }
}
