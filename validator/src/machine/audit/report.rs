//! What came out of a window's audits.

use bincode::{Decode, Encode};
use neuron::message::commit::StageState;
use neuron::message::names::{Hash, StageId, WindowId};
use neuron::message::transfer::Direction;

use crate::machine::identity::Identity;

/// How a miner stands at the end of a window, before what its leaves say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub enum Standing {
    /// It posted, answered, and worked with the right weights.
    Sound,
    /// It posted no commitment by the cut: what is not posted is not paid.
    Absent,
    /// It did not show its commitment or its leaves in time, or a tensor that was to be opened; a list that is not under the
    /// committed root is no answer.
    Silent,
    /// What it committed to is not of this run, window and stage, or has more leaves than there can be, or two of one pass.
    BadCommitment,
    /// It says itself that it worked with other weights.
    OtherWeights,
    /// A drawn leaf of it claims inputs that nobody signed.
    UnsignedInputs,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub enum Fault {
    /// A leaf with true inputs and a false output.
    FalseLeaf {
        /// Of which microbatch.
        microbatch: u32,
        /// Activations or gradient.
        direction: Direction,
    },
    /// It said two things about one tensor.
    Contradiction,
    /// A leaf whose outputs are further from what its inputs come to than the run's tolerance.
    FarLeaf {
        /// Of which microbatch.
        microbatch: u32,
        /// Activations or gradient.
        direction: Direction,
    },
}

impl Fault {
    /// The microbatch in which a leaf was wrong.
    pub fn microbatch(&self) -> Option<u32> {
        match self {
            Self::FalseLeaf { microbatch, .. } | Self::FarLeaf { microbatch, .. } => Some(*microbatch),
            Self::Contradiction => None,
        }
    }
}

/// A fault with its proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// The name of the evidence.
    pub evidence: Hash,
}

/// A miner's window.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct MinerReport {
    /// Who.
    pub identity: Identity,
    /// The stage that it hosted.
    pub stage: StageId,
    /// How it stands.
    pub standing: Standing,
    /// Leaves that it committed to, as far as they are known.
    pub leaves: u32,
    /// Passes of it in settled paths, less those that the audit found corrupted or false.
    pub passes: u32,
    /// Drawn microbatches in which a leaf of it was judged true, forward at least.
    pub confirmed: u32,
    /// Its faults, one per microbatch at most, and one contradiction at most.
    pub findings: Vec<Finding>,
}

/// What a validator found in one window.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct WindowReport {
    /// The window.
    pub window: WindowId,
    /// What fell to this validator, suspects' draws included, ascending.
    pub drawn: Vec<u32>,
    /// Those of it that were computed again.
    pub audited: Vec<u32>,
    /// What every stage was computed with, as far as it could be known: the ground of everything above.
    pub states: Option<Vec<StageState>>,
    /// Microbatches that somebody settled.
    pub settled: u32,
    /// Every placed miner, by uid.
    pub miners: Vec<MinerReport>,
}

impl WindowReport {
    /// Whether the window may be paid on this report: something that could be audited was, or nothing fell to us. An
    /// auditor that could not look pays nobody for the window, which leaves everybody's share as it was.
    pub fn is_payable(&self) -> bool {
        self.drawn.is_empty() || !self.audited.is_empty()
    }
}
