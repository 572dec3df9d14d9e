//! The database of a chain in memory, which can be written out and read back whole.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{PoisonError, RwLock};

use codec::{Decode, Encode};
use sp_database::error::Result;
use sp_database::{Change, ColumnId, Database, Transaction};

/// A value and how often it is referred to.
type Counted = (u32, Vec<u8>);

/// Columns of reference-counted values. Commits are atomic towards readers and towards [`Memory::contents`].
#[derive(Default)]
pub(crate) struct Memory(RwLock<HashMap<ColumnId, HashMap<Vec<u8>, Counted>>>);

/// Everything in a database: column, key, references, value.
#[derive(Encode, Decode)]
pub(crate) struct Contents(Vec<(ColumnId, Vec<u8>, u32, Vec<u8>)>);

impl Memory {
    /// A copy of everything, sorted, so that equal chains have equal copies.
    pub(crate) fn contents(&self) -> Contents {
        let columns = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = columns
            .iter()
            .flat_map(|(column, values)| {
                values.iter().map(|(key, (count, value))| (*column, key.clone(), *count, value.clone()))
            })
            .collect();
        all.sort_unstable();
        Contents(all)
    }

    /// Take entries out, whatever refers to them.
    pub(crate) fn remove(&self, entries: Vec<(ColumnId, Vec<u8>)>) {
        let mut columns = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (column, key) in entries {
            columns.entry(column).or_default().remove(&key);
        }
    }
}

impl From<Contents> for Memory {
    fn from(Contents(all): Contents) -> Self {
        let mut columns: HashMap<ColumnId, HashMap<Vec<u8>, Counted>> = HashMap::new();
        for (column, key, count, value) in all {
            columns.entry(column).or_default().insert(key, (count, value));
        }
        Self(RwLock::new(columns))
    }
}

impl<H: Clone + AsRef<[u8]>> Database<H> for Memory {
    fn commit(&self, transaction: Transaction<H>) -> Result<()> {
        let mut columns = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in transaction.0 {
            match change {
                Change::Set(column, key, value) => {
                    columns.entry(column).or_default().insert(key, (1, value));
                }
                Change::Remove(column, key) => {
                    columns.entry(column).or_default().remove(&key);
                }
                Change::Store(column, hash, value) => match columns.entry(column).or_default().entry(key(&hash)) {
                    Entry::Occupied(mut stored) => stored.get_mut().0 += 1,
                    Entry::Vacant(free) => drop(free.insert((1, value))),
                },
                Change::Reference(column, hash) => {
                    if let Entry::Occupied(mut stored) = columns.entry(column).or_default().entry(key(&hash)) {
                        stored.get_mut().0 += 1;
                    }
                }
                Change::Release(column, hash) => {
                    if let Entry::Occupied(mut stored) = columns.entry(column).or_default().entry(key(&hash)) {
                        let count = &mut stored.get_mut().0;
                        *count = count.saturating_sub(1);
                        if *count == 0 {
                            stored.remove();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn get(&self, column: ColumnId, key: &[u8]) -> Option<Vec<u8>> {
        let columns = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(columns.get(&column)?.get(key)?.1.clone())
    }
}

fn key(hash: &impl AsRef<[u8]>) -> Vec<u8> {
    hash.as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_core::H256;

    fn commit(memory: &Memory, change: Change<H256>) {
        memory.commit(Transaction(vec![change])).expect("memory does not fail");
    }

    fn get(memory: &Memory, key: &[u8]) -> Option<Vec<u8>> {
        <Memory as Database<H256>>::get(memory, 3, key)
    }

    #[test]
    fn values_live_as_long_as_they_are_referred_to() {
        let memory = Memory::default();
        let hash = H256([7; 32]);
        commit(&memory, Change::Store(3, hash, vec![1]));
        commit(&memory, Change::Store(3, hash, vec![1]));
        commit(&memory, Change::Reference(3, hash));
        for _ in 0..2 {
            commit(&memory, Change::Release(3, hash));
            assert_eq!(get(&memory, &hash.0), Some(vec![1]));
        }
        commit(&memory, Change::Release(3, hash));
        assert_eq!(get(&memory, &hash.0), None);
        commit(&memory, Change::Release(3, hash));
        commit(&memory, Change::Reference(3, hash));
        assert_eq!(get(&memory, &hash.0), None, "what is gone stays gone");
    }

    #[test]
    fn what_is_written_out_reads_back_the_same() {
        let memory = Memory::default();
        let hash = H256([7; 32]);
        commit(&memory, Change::Set(3, b"a".to_vec(), vec![1]));
        commit(&memory, Change::Set(0, b"b".to_vec(), vec![]));
        commit(&memory, Change::Store(3, hash, vec![2]));
        commit(&memory, Change::Reference(3, hash));
        let bytes = memory.contents().encode();
        let again = Memory::from(Contents::decode(&mut &bytes[..]).expect("decodes"));
        assert_eq!(again.contents().encode(), bytes);
        assert_eq!(get(&again, b"a"), Some(vec![1]));
        commit(&again, Change::Release(3, hash));
        assert_eq!(get(&again, &hash.0), Some(vec![2]), "references are kept too");
        commit(&again, Change::Remove(3, b"a".to_vec()));
        assert_eq!(get(&again, b"a"), None);
    }
}
