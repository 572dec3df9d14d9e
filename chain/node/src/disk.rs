//! The database of a chain on disk: one file, in which what is dropped makes room for what comes.
//!
//! Substrate's own (ParityDB) spreads a chain over columns of hash tables, each with an index of 32 MiB that is taken up page
//! by page; here a file is little larger than what is in it, and memory is bounded.

use std::path::Path;
use std::sync::OnceLock;

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use sp_database::error::{DatabaseError, Result};
use sp_database::{ColumnId, Database, Transaction};

use crate::store::{Contents, Counted, Store, Update};

/// Column and key.
type Place = (ColumnId, &'static [u8]);
/// References and value.
type Stored = (u32, &'static [u8]);

/// The one table.
const VALUES: TableDefinition<'_, Place, Stored> = TableDefinition::new("values");

/// Bytes of pages kept in memory. The trie has a cache of its own above.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A file, open in one process at a time. A commit is on disk when it returns, so a crash loses no block.
pub(crate) struct Disk {
    database: redb::Database,
    failure: OnceLock<String>,
}

impl Disk {
    /// Open a file, or make it. What is not as it was written is refused.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut options = redb::Builder::new();
        options.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        Self::of(options.create(path).map_err(error)?)
    }

    fn of(database: redb::Database) -> Result<Self> {
        // So that readers find a table.
        let write = database.begin_write().map_err(error)?;
        write.open_table(VALUES).map_err(error)?;
        write.commit().map_err(error)?;
        Ok(Self { database, failure: OnceLock::new() })
    }

    /// Whether nothing was committed yet.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        let values = self.database.begin_read().map_err(error)?.open_table(VALUES).map_err(error)?;
        values.is_empty().map_err(error)
    }

    fn read(&self, column: ColumnId, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let values = self.database.begin_read().map_err(error)?.open_table(VALUES).map_err(error)?;
        let stored = values.get((column, key)).map_err(error)?;
        Ok(stored.map(|stored| stored.value().1.to_vec()))
    }

    fn change<H: AsRef<[u8]>>(&self, transaction: Transaction<H>) -> Result<()> {
        let write = self.database.begin_write().map_err(error)?;
        {
            let mut values = write.open_table(VALUES).map_err(error)?;
            for change in transaction.0 {
                let (column, key, update) = Update::of(change);
                let place = (column, &key[..]);
                let stored: Option<Counted> = if update.counts() {
                    let stored = values.get(place).map_err(error)?;
                    stored.map(|stored| (stored.value().0, stored.value().1.to_vec()))
                } else {
                    None
                };
                match update.apply(stored) {
                    Some((count, value)) => drop(values.insert(place, (count, &value[..])).map_err(error)?),
                    None => drop(values.remove(place).map_err(error)?),
                }
            }
        }
        write.commit().map_err(error)
    }
}

impl Store for Disk {
    fn contents(&self) -> Result<Contents> {
        let values = self.database.begin_read().map_err(error)?.open_table(VALUES).map_err(error)?;
        let mut all = Vec::new();
        for entry in values.iter().map_err(error)? {
            let (place, stored) = entry.map_err(error)?;
            let ((column, key), (count, value)) = (place.value(), stored.value());
            all.push((column, key.to_vec(), count, value.to_vec()));
        }
        Ok(Contents(all))
    }

    fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

impl<H: Clone + AsRef<[u8]>> Database<H> for Disk {
    fn commit(&self, transaction: Transaction<H>) -> Result<()> {
        self.change(transaction).inspect_err(|error| drop(self.failure.set(error.to_string())))
    }

    fn get(&self, column: ColumnId, key: &[u8]) -> Option<Vec<u8>> {
        // The trait has no place for it. Whoever asks fails for want of the value, and the chain stands still.
        self.read(column, key)
            .inspect_err(|error| tracing::error!(%error, "the chain's database cannot be read"))
            .ok()?
    }
}

fn error(error: impl Into<redb::Error>) -> DatabaseError {
    DatabaseError(Box::new(error.into()))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;
    use sp_core::H256;
    use sp_database::Change;

    use super::*;
    use crate::store::tests;

    /// A disk that may be full.
    #[derive(Debug)]
    struct Full {
        inner: InMemoryBackend,
        is_full: Arc<AtomicBool>,
    }

    impl Full {
        fn room(&self) -> io::Result<()> {
            if self.is_full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl StorageBackend for Full {
        fn len(&self) -> io::Result<u64> {
            self.inner.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.inner.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.room()?;
            self.inner.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.room()?;
            self.inner.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.room()?;
            self.inner.write(offset, data)
        }
    }

    fn disk() -> (tempfile::TempDir, Disk) {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Disk::open(&dir.path().join("chain")).expect("opens");
        (dir, disk)
    }

    #[test]
    fn values_live_as_long_as_they_are_referred_to() {
        tests::values_live_as_long_as_they_are_referred_to(&disk().1);
    }

    #[test]
    fn columns_are_apart_and_contents_in_order() {
        tests::columns_are_apart_and_contents_in_order(&disk().1);
    }

    #[test]
    fn what_was_committed_is_there_when_it_is_opened_again_and_one_at_a_time_may() {
        let (dir, disk) = disk();
        let path = dir.path().join("chain");
        assert!(disk.is_empty().expect("reads"));
        tests::columns_are_apart_and_contents_in_order(&disk);
        let contents = disk.contents().expect("reads");
        let again = Disk::open(&path).err().expect("it is open").to_string();
        assert!(again.contains("already open"), "{again}");
        drop(disk);
        let disk = Disk::open(&path).expect("opens again");
        assert!(!disk.is_empty().expect("reads"));
        assert_eq!(disk.contents().expect("reads"), contents);
    }

    #[test]
    fn a_file_that_is_none_or_was_changed_is_refused() {
        let (dir, disk) = disk();
        let path = dir.path().join("chain");
        tests::columns_are_apart_and_contents_in_order(&disk);
        drop(disk);
        let whole = std::fs::read(&path).expect("reads");
        let place = whole.windows(64).position(|bytes| bytes == [5; 64]).expect("a value");
        let mut changed = whole.clone();
        changed[place] ^= 1;
        let half = whole[..whole.len() / 2].to_vec();
        for broken in [b"something else".to_vec(), changed, half] {
            std::fs::write(&path, &broken).expect("writes");
            assert!(Disk::open(&path).is_err());
        }
    }

    #[test]
    fn a_full_disk_is_an_error_that_is_remembered() {
        let is_full = Arc::new(AtomicBool::new(false));
        let backend = Full { inner: InMemoryBackend::new(), is_full: is_full.clone() };
        let disk = Disk::of(redb::Builder::new().create_with_backend(backend).expect("opens")).expect("a table");
        let set = || Transaction(vec![Change::<H256>::Set(1, vec![1], vec![2])]);
        disk.commit(set()).expect("there is room");
        assert_eq!(disk.failure(), None);
        is_full.store(true, Ordering::SeqCst);
        let error = disk.commit(set()).expect_err("there is none").to_string();
        assert_eq!(disk.failure(), Some(&*error));
        assert!(disk.commit(set()).is_err());
        assert_eq!(disk.failure(), Some(&*error), "the first is the cause of those that follow");
    }

    /// A changed byte may be one that holds nothing; then all is there.
    #[test]
    fn a_changed_byte_anywhere_is_refused_or_changes_nothing() {
        let (dir, disk) = disk();
        let path = dir.path().join("chain");
        tests::columns_are_apart_and_contents_in_order(&disk);
        let contents = disk.contents().expect("reads");
        drop(disk);
        let whole = std::fs::read(&path).expect("reads");
        // The head of the file byte by byte, the rest here and there.
        for place in (0..512).chain((512..whole.len()).step_by(509)) {
            let mut changed = whole.clone();
            changed[place] ^= 0xff;
            std::fs::write(&path, &changed).expect("writes");
            if let Ok(disk) = Disk::open(&path) {
                assert_eq!(disk.contents().expect("reads"), contents, "changed at {place}");
            }
        }
    }
}
