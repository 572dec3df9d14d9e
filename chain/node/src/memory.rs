//! The database of a chain in memory, which can be read back whole.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use sp_database::error::Result;
use sp_database::{ColumnId, Database, Transaction};

use crate::store::{Contents, Counted, Store, Update};

/// Columns of values.
#[derive(Default)]
pub(crate) struct Memory(RwLock<HashMap<ColumnId, HashMap<Vec<u8>, Counted>>>);

impl Store for Memory {
    fn contents(&self) -> Result<Contents> {
        let columns = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = columns
            .iter()
            .flat_map(|(column, values)| {
                values.iter().map(|(key, (count, value))| (*column, key.clone(), *count, value.clone()))
            })
            .collect();
        all.sort_unstable();
        Ok(Contents(all))
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
            let (column, key, update) = Update::of(change);
            let values = columns.entry(column).or_default();
            let stored = values.remove(&key);
            if let Some(counted) = update.apply(stored) {
                values.insert(key, counted);
            }
        }
        Ok(())
    }

    fn get(&self, column: ColumnId, key: &[u8]) -> Option<Vec<u8>> {
        let columns = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(columns.get(&column)?.get(key)?.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests;

    #[test]
    fn values_live_as_long_as_they_are_referred_to() {
        tests::values_live_as_long_as_they_are_referred_to(&Memory::default());
    }

    #[test]
    fn columns_are_apart_and_contents_in_order() {
        tests::columns_are_apart_and_contents_in_order(&Memory::default());
    }

    #[test]
    fn what_is_taken_out_whole_can_be_put_back() {
        let memory = Memory::default();
        tests::columns_are_apart_and_contents_in_order(&memory);
        let contents = || memory.contents().expect("reads");
        assert_eq!(Memory::from(contents()).contents().expect("reads"), contents());
    }
}
