//! What never changes about a block, remembered for a while: whoever follows the chain asks for it once.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::shape::Shape;
use crate::types::{BlockHash, BlockNumber};

/// Blocks that are remembered.
const MAX_BLOCKS: usize = 128;

/// A block's place and what its chain had then.
type Facts = (BlockNumber, Arc<Shape>);

#[derive(Default)]
struct Known {
    facts: HashMap<BlockHash, Facts>,
    order: VecDeque<BlockHash>,
    finalized: BTreeMap<BlockNumber, BlockHash>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Known>);

impl Recent {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn facts(&self, block: &BlockHash) -> Option<Facts> {
        self.known().facts.get(block).cloned()
    }

    pub(crate) fn remember(&self, block: BlockHash, number: BlockNumber, shape: Arc<Shape>) {
        let mut known = self.known();
        if known.facts.insert(block, (number, shape)).is_none() {
            known.order.push_back(block);
        }
        while known.order.len() > MAX_BLOCKS {
            if let Some(oldest) = known.order.pop_front() {
                known.facts.remove(&oldest);
            }
        }
    }

    /// The hash of a block that was seen finalized.
    pub(crate) fn finalized(&self, number: BlockNumber) -> Option<BlockHash> {
        self.known().finalized.get(&number).copied()
    }

    pub(crate) fn remember_finalized(&self, number: BlockNumber, hash: BlockHash) {
        let mut known = self.known();
        known.finalized.insert(number, hash);
        while known.finalized.len() > MAX_BLOCKS {
            known.finalized.pop_first();
        }
    }
}
