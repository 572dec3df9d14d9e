//! How many tensors and bytes a peer may have under way to us at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;

/// Limits on what is received at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct BudgetLimits {
    pub(super) peer_bytes: u64,
    pub(super) total_bytes: u64,
    pub(super) peer_tensors: usize,
}

#[derive(Default)]
struct Usage {
    total_bytes: u64,
    peers: HashMap<PeerId, PeerUsage>,
}

#[derive(Default)]
struct PeerUsage {
    bytes: u64,
    tensors: usize,
}

/// Shared by all receiving tasks.
#[derive(Clone)]
pub(super) struct Budget {
    limits: BudgetLimits,
    usage: Arc<Mutex<Usage>>,
}

/// A peer's place in line for one tensor; given back when dropped.
pub(super) struct Slot {
    budget: Budget,
    peer: PeerId,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(limits: BudgetLimits) -> Self {
        Self { limits, usage: Arc::default() }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        // Counters stay true even if a holder of the lock panicked.
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more tensor from `peer`, before anything is read of it.
    pub(super) fn slot(&self, peer: PeerId) -> Option<Slot> {
        let mut usage = self.usage();
        let peer_usage = usage.peers.entry(peer).or_default();
        if peer_usage.tensors >= self.limits.peer_tensors {
            return None;
        }
        peer_usage.tensors += 1;
        Some(Slot { budget: self.clone(), peer, bytes: 0 })
    }
}

impl Slot {
    /// Reserves the bytes that the tensor's header announces. False if they are over what the peer, or all peers, may have.
    pub(super) fn reserve(&mut self, bytes: u64) -> bool {
        let limits = self.budget.limits;
        let mut usage = self.budget.usage();
        let peer_bytes = usage.peers.get(&self.peer).map(|peer| peer.bytes).unwrap_or_default();
        let (Some(peer), Some(total)) = (peer_bytes.checked_add(bytes), usage.total_bytes.checked_add(bytes)) else {
            return false;
        };
        if peer > limits.peer_bytes || total > limits.total_bytes {
            return false;
        }
        usage.total_bytes = total;
        usage.peers.entry(self.peer).or_default().bytes = peer;
        drop(usage);
        self.bytes += bytes;
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut usage = self.budget.usage();
        usage.total_bytes = usage.total_bytes.saturating_sub(self.bytes);
        if let Some(peer) = usage.peers.get_mut(&self.peer) {
            peer.bytes = peer.bytes.saturating_sub(self.bytes);
            peer.tensors = peer.tensors.saturating_sub(1);
            if peer.tensors == 0 {
                usage.peers.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::peer::PeerName;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(BudgetLimits { peer_bytes: 100, total_bytes: 150, peer_tensors: 2 });
        let (one, two) = (PeerName::from_seed(&[1; 32]).0, PeerName::from_seed(&[2; 32]).0);
        let mut first = budget.slot(one).unwrap();
        assert!(first.reserve(100));
        let mut second = budget.slot(one).unwrap();
        assert!(!second.reserve(1), "over the peer's bytes");
        assert!(budget.slot(one).is_none(), "over the peer's tensors");
        let mut other = budget.slot(two).unwrap();
        assert!(!other.reserve(51), "over the bytes of all peers");
        assert!(other.reserve(50));
        assert!(!other.reserve(u64::MAX));
        drop(first);
        assert!(second.reserve(100));
        drop((second, other));
        assert!(budget.usage().peers.is_empty());
        assert_eq!(budget.usage().total_bytes, 0);
    }
}
