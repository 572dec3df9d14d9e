//! What a miner keeps on disk besides blobs: the machine's state, the leaves, and which window each blob belongs to.
//!
//! All of it blocks; the shell calls it on threads that may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::machine::{MAX_STATE_BYTES, Persisted};
use crate::manifest::{MAX_ATTEMPTS, MAX_MICROBATCHES};
use crate::message::leaf::{LeafRecord, MAX_LEAF_RECORD_BYTES};
use crate::message::names::{Hash, RunId, WindowId};
use crate::store::{Shelf, Store, StoreError};

/// Room for the encoding of a byte string's length around the state.
const MAX_STATE_ENTRY_BYTES: usize = MAX_STATE_BYTES + 16;
/// Most windows that are looked through for blobs after a restart: the longest retention, and the windows in work.
const MAX_KEPT_WINDOWS: u64 = 260;
/// Most blobs of one window: a commitment, a gradient and a state for each of many replicas, and the tensors of its passes.
const MAX_BLOBS_PER_WINDOW: usize = 128 * 1024;

/// Most leaves of one window: every attempt at every microbatch.
const MAX_LEAVES_PER_WINDOW: usize = MAX_MICROBATCHES as usize * MAX_ATTEMPTS as usize;

/// See the module.
pub(super) struct Keeping {
    store: Arc<Store>,
    run: RunId,
    state: Shelf<Vec<u8>, MAX_STATE_ENTRY_BYTES>,
    leaves: Shelf<LeafRecord, MAX_LEAF_RECORD_BYTES>,
    blobs: Shelf<u8, 8>,
    held: Mutex<BTreeMap<WindowId, BTreeSet<Hash>>>,
}

impl Keeping {
    pub(super) fn open(store: Arc<Store>, run: RunId) -> Result<Self, StoreError> {
        let (state, leaves, blobs) = (store.shelf("machine")?, store.shelf("leaves")?, store.shelf("window blobs")?);
        let keeping = Self { store, run, state, leaves, blobs, held: Mutex::default() };
        if let Some(last) = keeping.blobs.last_height()? {
            for height in last.saturating_sub(MAX_KEPT_WINDOWS)..=last {
                let hashes = keeping.blobs.at(height, MAX_BLOBS_PER_WINDOW)?;
                let hashes = hashes.into_iter().filter_map(|(key, _)| Some(Hash(key.try_into().ok()?))).collect();
                keeping.held().insert(WindowId(u32::try_from(height).unwrap_or(u32::MAX)), hashes);
            }
        }
        Ok(keeping)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<WindowId, BTreeSet<Hash>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was persisted last for this run.
    pub(super) fn state(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.state.get(0, &self.run.0.0)
    }

    /// Makes the machine's state durable.
    pub(super) fn persist(&self, bytes: &Vec<u8>) -> Result<(), StoreError> {
        debug_assert!(Persisted::from_bytes(bytes).is_ok());
        self.state.put(0, &self.run.0.0, bytes)?;
        self.state.flush()
    }

    /// Keeps a window's leaves in their order. On disk at the latest with the state that speaks of them: one database.
    pub(super) fn keep_leaves(&self, window: WindowId, records: &[LeafRecord]) -> Result<(), StoreError> {
        for (index, record) in records.iter().enumerate() {
            self.leaves.put(u64::from(window.0), &(index as u64).to_be_bytes(), record)?;
        }
        Ok(())
    }

    /// How many leaves are kept of a window, and those from `first` on, at most `limit`; `None` when there are none.
    pub(super) fn leaf_page(
        &self,
        window: WindowId,
        first: u32,
        limit: usize,
    ) -> Result<Option<(u32, Vec<LeafRecord>)>, StoreError> {
        let kept = self.leaves.at(u64::from(window.0), MAX_LEAVES_PER_WINDOW)?;
        if kept.is_empty() {
            return Ok(None);
        }
        let total = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        let records = kept.into_iter().map(|(_, record)| record);
        Ok(Some((total, records.skip(first as usize).take(limit).collect())))
    }

    /// Notes that a blob is of use in a window.
    pub(super) fn note(&self, window: WindowId, hash: Hash) -> Result<(), StoreError> {
        if self.held().entry(window).or_default().insert(hash) {
            self.blobs.put(u64::from(window.0), &hash.0, &0)?;
        }
        Ok(())
    }

    /// Lets go what only these windows needed, but for `standing`.
    pub(super) fn forget(&self, through: WindowId, standing: Option<Hash>) -> Result<(), StoreError> {
        let next = u64::from(through.0).saturating_add(1);
        self.leaves.forget_before(next)?;
        let mut held = self.held();
        let kept = held.split_off(&through.next());
        let old: BTreeSet<Hash> = std::mem::replace(&mut *held, kept).into_values().flatten().collect();
        for hash in old {
            if Some(hash) != standing && !held.values().any(|hashes| hashes.contains(&hash)) {
                self.store.blobs().remove(&hash.0)?;
            }
        }
        drop(held);
        // After the files: what a kill leaves is found again by the next start.
        self.blobs.forget_before(next)?;
        if let Some(standing) = standing {
            self.note(through.next(), standing)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::BlobLimits;

    #[test]
    fn blobs_go_with_their_last_window_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let limits = BlobLimits { max_blob_bytes: 100, max_total_bytes: 1000 };
        let run = RunId(Hash([1; 32]));
        let names = {
            let store = Arc::new(Store::open(folder.path(), limits).unwrap());
            let keeping = Keeping::open(store.clone(), run).unwrap();
            let names = [b"old", b"kep", b"new"].map(|bytes| Hash(store.blobs().put(bytes).unwrap()));
            keeping.note(WindowId(1), names[0]).unwrap();
            keeping.note(WindowId(1), names[1]).unwrap();
            keeping.note(WindowId(1), names[2]).unwrap();
            keeping.note(WindowId(2), names[2]).unwrap();
            let state = Persisted::fresh(run).to_bytes().unwrap();
            keeping.persist(&state).unwrap();
            assert_eq!(keeping.state().unwrap(), Some(state));
            names
        };
        let store = Arc::new(Store::open(folder.path(), limits).unwrap());
        let keeping = Keeping::open(store.clone(), run).unwrap();
        assert!(keeping.state().unwrap().is_some());
        let here = |store: &Store| names.map(|name| store.blobs().contains(&name.0));
        keeping.forget(WindowId(1), Some(names[1])).unwrap();
        assert_eq!(here(&store), [false, true, true]);
        keeping.forget(WindowId(2), None).unwrap();
        assert_eq!(here(&store), [false; 3]);
    }
}
