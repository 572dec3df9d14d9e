//! The database of a chain on disk: one file, in which what is dropped makes room for what comes.
//!
//! Substrate's own (ParityDB) spreads a chain over columns of hash tables, each with an index of 32 MiB that is taken up page
//! by page; here a file is little larger than what is in it, and memory is bounded.

use std::path::Path;

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
pub(crate) struct Disk(redb::Database);

impl Disk {
    /// Open a file, or make it. What is not as it was written is refused.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut options = redb::Builder::new();
        options.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = options.create(path).map_err(error)?;
        // So that readers find a table.
        let write = database.begin_write().map_err(error)?;
        write.open_table(VALUES).map_err(error)?;
        write.commit().map_err(error)?;
        Ok(Self(database))
    }

    /// Whether nothing was committed yet.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        let values = self.0.begin_read().map_err(error)?.open_table(VALUES).map_err(error)?;
        values.is_empty().map_err(error)
    }

    fn read(&self, column: ColumnId, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let values = self.0.begin_read().map_err(error)?.open_table(VALUES).map_err(error)?;
        let stored = values.get((column, key)).map_err(error)?;
        Ok(stored.map(|stored| stored.value().1.to_vec()))
    }
}

impl Store for Disk {
    fn contents(&self) -> Result<Contents> {
        let values = self.0.begin_read().map_err(error)?.open_table(VALUES).map_err(error)?;
        let mut all = Vec::new();
        for entry in values.iter().map_err(error)? {
            let (place, stored) = entry.map_err(error)?;
            let ((column, key), (count, value)) = (place.value(), stored.value());
            all.push((column, key.to_vec(), count, value.to_vec()));
        }
        Ok(Contents(all))
    }
}

impl<H: Clone + AsRef<[u8]>> Database<H> for Disk {
    fn commit(&self, transaction: Transaction<H>) -> Result<()> {
        let write = self.0.begin_write().map_err(error)?;
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
    use super::*;
    use crate::store::tests;

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
}
