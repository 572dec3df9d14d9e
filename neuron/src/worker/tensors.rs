//! Tensors of transfers, by hash, in memory: what came in until the engine has read it, and what goes out until its
//! receiver has it (and again, when it is re-routed or a pass is replayed).
//!
//! They need not outlive the process: a neuron that restarts sits out the window's work, and audits recompute tensors
//! from statements. So nothing waits for a disk on the way of a microbatch.
//!
//! Invariants: at most `limit_bytes`; a tensor of an older window makes room for one of a newer, never the reverse.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use thiserror::Error;

use crate::message::names::{Hash, WindowId};

/// There is no room for a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a tensor of {bytes} bytes does not fit beside {held_bytes} of at most {limit_bytes} bytes")]
pub struct TensorCacheFull {
    /// Its length.
    pub bytes: usize,
    /// What is held.
    pub held_bytes: usize,
    /// The limit.
    pub limit_bytes: usize,
}

#[derive(Debug, Default)]
struct Held {
    tensors: HashMap<Hash, (WindowId, Bytes)>,
    windows: BTreeMap<WindowId, Vec<Hash>>,
    bytes: usize,
}

impl Held {
    fn forget(&mut self, window: WindowId) {
        for hash in self.windows.remove(&window).unwrap_or_default() {
            // A tensor that a later window brought again stays.
            if self.tensors.get(&hash).is_some_and(|(of, _)| *of == window)
                && let Some((_, bytes)) = self.tensors.remove(&hash)
            {
                self.bytes -= bytes.len();
            }
        }
    }
}

/// See the module. Shared between the shell and the engine's thread.
#[derive(Debug)]
pub struct TensorCache {
    limit_bytes: usize,
    held: Mutex<Held>,
}

impl TensorCache {
    /// An empty cache.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a tensor of a window and returns its name.
    ///
    /// # Errors
    /// When it does not fit beside what this window and later ones hold.
    pub fn put(&self, window: WindowId, bytes: Bytes) -> Result<Hash, TensorCacheFull> {
        let hash = Hash::of(&bytes);
        let mut held = self.held();
        if let Some((of, _)) = held.tensors.get_mut(&hash) {
            let older = *of < window;
            *of = window.max(*of);
            if older {
                held.windows.entry(window).or_default().push(hash);
            }
            return Ok(hash);
        }
        while held.bytes.saturating_add(bytes.len()) > self.limit_bytes {
            match held.windows.first_key_value() {
                Some((oldest, _)) if *oldest < window => {
                    let oldest = *oldest;
                    held.forget(oldest);
                }
                _ => {
                    let (held_bytes, limit_bytes) = (held.bytes, self.limit_bytes);
                    return Err(TensorCacheFull { bytes: bytes.len(), held_bytes, limit_bytes });
                }
            }
        }
        held.bytes += bytes.len();
        held.windows.entry(window).or_default().push(hash);
        held.tensors.insert(hash, (window, bytes));
        Ok(hash)
    }

    /// A tensor, if it is here.
    pub fn get(&self, hash: &Hash) -> Option<Bytes> {
        self.held().tensors.get(hash).map(|(_, bytes)| bytes.clone())
    }

    /// Whether a tensor is here.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.held().tensors.contains_key(hash)
    }

    /// Drops one tensor.
    pub fn remove(&self, hash: &Hash) {
        let mut held = self.held();
        if let Some((_, bytes)) = held.tensors.remove(hash) {
            held.bytes -= bytes.len();
        }
    }

    /// Drops tensors of this window and those before.
    pub fn forget(&self, through: WindowId) {
        let mut held = self.held();
        while let Some((oldest, _)) = held.windows.first_key_value() {
            let oldest = *oldest;
            if oldest > through {
                return;
            }
            held.forget(oldest);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.held().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(fill: u8) -> Bytes {
        Bytes::from(vec![fill; 10])
    }

    #[test]
    fn older_windows_make_room_and_newer_ones_do_not() {
        let cache = TensorCache::new(30);
        let (w1, w2) = (WindowId(1), WindowId(2));
        let old = cache.put(w1, tensor(1)).unwrap();
        assert_eq!(cache.put(w1, tensor(1)).unwrap(), old);
        assert_eq!(cache.bytes(), 10);
        cache.put(w2, tensor(2)).unwrap();
        cache.put(w2, tensor(3)).unwrap();
        assert!(cache.put(w1, tensor(4)).is_err(), "a late one does not push out what is current");
        let new = cache.put(w2, tensor(5)).unwrap();
        assert_eq!(cache.get(&old), None);
        assert_eq!(cache.get(&new), Some(tensor(5)));
        assert!(cache.put(w2, tensor(6)).is_err());
        cache.forget(w2);
        assert_eq!((cache.bytes(), cache.get(&new)), (0, None));
    }

    #[test]
    fn what_a_later_window_brings_again_stays() {
        let cache = TensorCache::new(100);
        let hash = cache.put(WindowId(1), tensor(1)).unwrap();
        cache.put(WindowId(2), tensor(1)).unwrap();
        cache.forget(WindowId(1));
        assert_eq!(cache.get(&hash), Some(tensor(1)));
        cache.forget(WindowId(2));
        assert_eq!(cache.bytes(), 0);
    }
}
