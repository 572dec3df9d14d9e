//! Blobs that are here, and blobs that are asked for.
//!
//! The shell stores blobs; this remembers which are known to be stored, keeps the few commitments that were read, and
//! asks for missing ones again at growing intervals. What nothing wants any more is no longer asked for.
//!
//! Invariants: at most [`MAX_KNOWN_BLOBS`] and [`MAX_WANTED_BLOBS`]; forgetting that a blob is here costs one look into
//! the shell's store, never anything else.

use std::collections::{BTreeMap, BTreeSet};

use keys::AccountId;

use super::event::{Action, Blob};
use crate::message::commit::Commitment;
use crate::message::names::{Hash, Millis};

/// Most blobs remembered to be stored.
const MAX_KNOWN_BLOBS: usize = 16 * 1024;
/// Most blobs asked for at once.
const MAX_WANTED_BLOBS: usize = 1024;
/// Failures after which others need not wait for a blob. It is still asked for.
const PATIENCE_FAILURES: u32 = 3;
/// Doublings of the pause between two tries.
const MAX_DOUBLINGS: u32 = 5;

#[derive(Clone, Copy, Debug)]
struct Want {
    failures: u32,
    /// When to ask again; `None` while an answer is awaited.
    again_at: Option<Millis>,
    wanted_now: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blobs {
    stored: BTreeSet<Hash>,
    commitments: BTreeMap<Hash, Commitment>,
    wanted: BTreeMap<Hash, Want>,
}

impl Blobs {
    pub(crate) fn has(&self, hash: &Hash) -> bool {
        self.stored.contains(hash)
    }

    pub(crate) fn commitment(&self, hash: &Hash) -> Option<&Commitment> {
        self.commitments.get(hash)
    }

    /// A blob is stored.
    pub(crate) fn stored(&mut self, hash: Hash) {
        if self.stored.len() >= MAX_KNOWN_BLOBS {
            self.stored.clear();
        }
        self.stored.insert(hash);
        self.wanted.remove(&hash);
    }

    /// A commitment was read.
    pub(crate) fn read(&mut self, hash: Hash, commitment: Commitment) {
        if self.commitments.len() >= MAX_KNOWN_BLOBS {
            self.commitments.clear();
        }
        self.commitments.insert(hash, commitment);
        self.wanted.remove(&hash);
    }

    /// A blob was not to be had, or was no good.
    pub(crate) fn failed(&mut self, hash: &Hash, now: Millis, retry_ms: u32) {
        self.stored.remove(hash);
        if let Some(want) = self.wanted.get_mut(hash) {
            want.failures = want.failures.saturating_add(1);
            want.again_at = Some(now.plus(retry_ms.saturating_mul(1 << want.failures.min(MAX_DOUBLINGS))));
        }
    }

    /// Whether a blob was asked for in vain often enough that others need not wait for it.
    pub(crate) fn is_given_up(&self, hash: &Hash) -> bool {
        self.wanted.get(hash).is_some_and(|want| want.failures >= PATIENCE_FAILURES)
    }

    /// Asks for a blob unless it was asked for lately.
    pub(crate) fn want(&mut self, now: Millis, blob: Blob, hash: Hash, from: Vec<AccountId>, out: &mut Vec<Action>) {
        if !self.wanted.contains_key(&hash) && self.wanted.len() >= MAX_WANTED_BLOBS {
            return;
        }
        let want = self.wanted.entry(hash).or_insert(Want { failures: 0, again_at: Some(now), wanted_now: true });
        want.wanted_now = true;
        if want.again_at.is_some_and(|at| at <= now) {
            want.again_at = None;
            out.push(Action::Fetch { blob, hash, from });
        }
    }

    /// Before a look at what is wanted.
    pub(crate) fn begin(&mut self) {
        self.wanted.values_mut().for_each(|want| want.wanted_now = false);
    }

    /// After it: the rest is dropped, but for its answers, which are still welcome.
    pub(crate) fn end(&mut self) {
        self.wanted.retain(|_, want| want.wanted_now);
    }

    pub(crate) fn wake_at(&self) -> Option<Millis> {
        self.wanted.values().filter_map(|want| want.again_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_asked_for_once_then_at_growing_intervals_until_nobody_wants_it() {
        let (mut blobs, hash) = (Blobs::default(), Hash([1; 32]));
        let asks = |blobs: &mut Blobs, now| {
            let mut out = Vec::new();
            blobs.begin();
            blobs.want(Millis(now), Blob::Commitment, hash, vec![], &mut out);
            blobs.end();
            out.len()
        };
        assert_eq!((asks(&mut blobs, 0), asks(&mut blobs, 0)), (1, 0));
        let mut now = 0;
        for pause in [200, 400, 800, 1600, 3200, 3200] {
            assert_eq!(blobs.is_given_up(&hash), pause >= 1600);
            blobs.failed(&hash, Millis(now), 100);
            assert_eq!((asks(&mut blobs, now + pause - 1), asks(&mut blobs, now + pause)), (0, 1));
            now += pause;
        }
        blobs.failed(&hash, Millis(now), 100);
        assert!(blobs.wake_at().is_some());
        blobs.begin();
        blobs.end();
        assert_eq!(blobs.wake_at(), None);
        blobs.stored(hash);
        assert!(blobs.has(&hash));
    }
}
