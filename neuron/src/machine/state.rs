//! What a machine must not forget: the small state that survives a kill at any instant.
//!
//! It is written, whole, *before* anything that it speaks of leaves the neuron. So after a restart a neuron
//! - posts the commitment that it had made for a window, and never another one;
//! - does no work in a window in which it had begun to sign transfers: the gradients it summed are gone, and a second pass
//!   could contradict a first. It costs the rest of that window, and saves keeping a record of every transfer;
//! - goes on from the state that it stood on.
//!
//! Invariants: at most the retention's windows are kept; the run's name is inside, so that another run's file is refused.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

use super::catch_up::Standing;
use crate::message::commit::Commitment;
use crate::message::names::{RunId, WindowId};
use crate::wire::{self, WireError};

/// Most bytes of the persisted state.
pub const MAX_STATE_BYTES: usize = 512 * 1024;
/// The layout that this code writes and reads.
const STATE_VERSION: u16 = 1;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Persisted {
    version: u16,
    run: RunId,
    /// The last window in which transfers may have been signed.
    pub(crate) worked: Option<WindowId>,
    /// What the engine stood on.
    pub(crate) standing: Option<Standing>,
    /// Commitments made, posted or about to be.
    pub(crate) commitments: BTreeMap<WindowId, Commitment>,
    /// Payloads of bitmaps made, posted or about to be.
    pub(crate) bitmaps: BTreeMap<WindowId, Vec<u8>>,
}

impl Persisted {
    /// The state of a neuron that has done nothing in a run.
    pub fn fresh(run: RunId) -> Self {
        Self {
            version: STATE_VERSION,
            run,
            worked: None,
            standing: None,
            commitments: BTreeMap::new(),
            bitmaps: BTreeMap::new(),
        }
    }

    /// The run that it belongs to.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Whether this code reads the layout.
    pub fn is_current(&self) -> bool {
        self.version == STATE_VERSION
    }

    /// The encoding.
    ///
    /// # Errors
    /// When it is longer than [`MAX_STATE_BYTES`], which the retention prevents.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        wire::encode::<_, MAX_STATE_BYTES>(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes are not a state.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode::<_, MAX_STATE_BYTES>(bytes)
    }

    pub(crate) fn forget(&mut self, oldest: WindowId) {
        self.commitments.retain(|window, _| *window >= oldest);
        self.bitmaps.retain(|window, _| *window >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use keys::AccountId;

    use super::*;
    use crate::message::commit::StageState;
    use crate::message::names::{Hash, StageId};

    #[test]
    fn golden_and_read_back() {
        let state = StageState { theta: Hash([1; 32]), blob: Hash([2; 32]) };
        let mut persisted = Persisted::fresh(RunId(Hash([3; 32])));
        persisted.worked = Some(WindowId(4));
        persisted.standing = Some(Standing { stage: StageId(5), window: WindowId(6), state });
        let commitment = Commitment {
            run: RunId(Hash([3; 32])),
            window: WindowId(4),
            stage: StageId(5),
            hotkey: AccountId([7; 32]),
            state,
            leaves_root: Hash([8; 32]),
            leaves: 9,
            upload: None,
            residual: Hash::ZERO,
        };
        persisted.commitments.insert(WindowId(4), commitment);
        persisted.bitmaps.insert(WindowId(4), vec![10]);
        let bytes = persisted.to_bytes().unwrap();
        assert_eq!(Persisted::from_bytes(&bytes).unwrap(), persisted);
        assert_eq!(Hash::of(&bytes).to_string(), "79966a578e60b53c05d7d3575d51f4d350e56f98e411875ff03da5079fa02260");
        // 256 windows, the longest retention, fit.
        for window in 0..256 {
            persisted.commitments.insert(WindowId(window), commitment);
            persisted.bitmaps.insert(WindowId(window), vec![0; 100]);
        }
        assert!(persisted.to_bytes().is_ok());
        persisted.forget(WindowId(250));
        assert_eq!((persisted.commitments.len(), persisted.bitmaps.len()), (6, 6));
    }
}
