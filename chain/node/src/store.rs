//! What a chain is kept in: columns of reference-counted values, in memory or on disk.

use codec::{Decode, Encode};
use sp_core::H256;
use sp_database::error::Result;
use sp_database::{Change, ColumnId, Database};

/// A value and how often it is referred to.
pub(crate) type Counted = (u32, Vec<u8>);

/// A database whose contents can be taken out whole. Commits are atomic towards readers and towards [`Store::contents`].
pub(crate) trait Store: Database<H256> {
    /// A copy of everything, sorted, so that equal chains have equal copies.
    fn contents(&self) -> Result<Contents>;

    /// Why a commit failed, once one has: nothing can be committed any more until the store is opened anew.
    fn failure(&self) -> Option<&str> {
        None
    }
}

/// Everything in a database: column, key, references, value.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Contents(pub(crate) Vec<(ColumnId, Vec<u8>, u32, Vec<u8>)>);

/// What becomes of one value.
pub(crate) enum Update {
    /// It is this, whatever was there.
    Set(Vec<u8>),
    /// It is gone, whatever refers to it.
    Remove,
    /// One more refers to it; it is this if nobody did.
    Store(Vec<u8>),
    /// One more refers to it, if it is there.
    Reference,
    /// One less refers to it; it is gone with the last.
    Release,
}

impl Update {
    /// Where the value is, and what becomes of it.
    pub(crate) fn of<H: AsRef<[u8]>>(change: Change<H>) -> (ColumnId, Vec<u8>, Self) {
        match change {
            Change::Set(column, key, value) => (column, key, Self::Set(value)),
            Change::Remove(column, key) => (column, key, Self::Remove),
            Change::Store(column, hash, value) => (column, hash.as_ref().to_vec(), Self::Store(value)),
            Change::Reference(column, hash) => (column, hash.as_ref().to_vec(), Self::Reference),
            Change::Release(column, hash) => (column, hash.as_ref().to_vec(), Self::Release),
        }
    }

    /// Whether the outcome depends on what was there.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self, Self::Set(_) | Self::Remove)
    }

    /// What is there afterwards.
    pub(crate) fn apply(self, stored: Option<Counted>) -> Option<Counted> {
        match (self, stored) {
            (Self::Set(value), _) | (Self::Store(value), None) => Some((1, value)),
            (Self::Remove, _) | (Self::Reference | Self::Release, None) => None,
            (Self::Store(_) | Self::Reference, Some((count, value))) => Some((count.saturating_add(1), value)),
            (Self::Release, Some((count, value))) => (count > 1).then(|| (count - 1, value)),
        }
    }
}

/// What holds for every store.
#[cfg(test)]
pub(crate) mod tests {
    use sp_database::Transaction;

    use super::*;

    const HASH: H256 = H256([7; 32]);

    pub(crate) fn commit(store: &dyn Store, changes: impl Into<Vec<Change<H256>>>) {
        store.commit(Transaction(changes.into())).expect("commits");
    }

    pub(crate) fn values_live_as_long_as_they_are_referred_to(store: &dyn Store) {
        let get = || store.get(3, &HASH.0);
        commit(store, [Change::Store(3, HASH, vec![1]), Change::Store(3, HASH, vec![1]), Change::Reference(3, HASH)]);
        for _ in 0..2 {
            commit(store, [Change::Release(3, HASH)]);
            assert_eq!(get(), Some(vec![1]));
        }
        commit(store, [Change::Release(3, HASH)]);
        assert_eq!(get(), None);
        commit(store, [Change::Release(3, HASH), Change::Reference(3, HASH)]);
        assert_eq!(get(), None, "what is gone stays gone");
    }

    pub(crate) fn columns_are_apart_and_contents_in_order(store: &dyn Store) {
        let set = |column, key: &[u8], value: &[u8]| Change::Set(column, key.to_vec(), value.to_vec());
        commit(store, [set(3, b"b", &[1]), set(0, b"b", &[]), set(3, b"", &[4]), set(3, b"ab", &[5; 10_000])]);
        commit(store, [Change::Store(3, HASH, vec![2]), Change::Reference(3, HASH)]);
        assert_eq!((store.get(0, b"b"), store.get(3, b"b"), store.get(1, b"b")), (Some(vec![]), Some(vec![1]), None));
        let expected = vec![
            (0, b"b".to_vec(), 1, vec![]),
            (3, vec![], 1, vec![4]),
            (3, HASH.0.to_vec(), 2, vec![2]),
            (3, b"ab".to_vec(), 1, vec![5; 10_000]),
            (3, b"b".to_vec(), 1, vec![1]),
        ];
        assert_eq!(store.contents().expect("reads"), Contents(expected));
        commit(store, [set(3, b"b", &[6]), Change::Remove(3, HASH.0.to_vec())]);
        assert_eq!((store.get(3, b"b"), store.get(3, &HASH.0)), (Some(vec![6]), None), "whatever refers to it");
    }
}
