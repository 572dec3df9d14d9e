//! What happens in a localnet, as stable machine events. The live view, the summary and the invariants are folds over
//! this one stream; nothing else tells them anything.

use keys::AccountId;
use neuron::message::names::Hash;
use serde::Serialize;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The chain finalized a block.
    Block {
        /// Its height.
        number: u64,
        /// The subnet's epoch counter at it.
        epoch: u64,
        /// The block that ends the running epoch.
        epoch_end: u64,
    },
    /// An epoch ended: what the subnet's neurons got, and how consensus sees them.
    Epoch {
        /// The block that ran it.
        block: u64,
        /// Every neuron, by uid.
        standing: Vec<Place>,
    },
    /// A validator's weight commit is on chain.
    WeightsCommitted {
        /// The block it is in.
        block: u64,
        /// The validator's hotkey.
        hotkey: AccountId,
    },
    /// A validator's commit was opened on chain.
    WeightsRevealed {
        /// The block it is in.
        block: u64,
        /// The validator's hotkey.
        hotkey: AccountId,
    },
    /// A neuron proved its hotkey to another.
    PeerProven {
        /// Who checked the proof.
        by: AccountId,
        /// Whose proof it was.
        peer: AccountId,
    },
    /// A proven peer is gone.
    PeerLost {
        /// Who lost it.
        by: AccountId,
        /// Who is gone.
        peer: AccountId,
    },
    /// A miner stands on the state of its stage at the start of a window.
    Standing {
        /// The miner.
        by: AccountId,
        /// The window.
        window: u32,
        /// The stage.
        stage: u16,
        /// The name of its weights.
        theta: Hash,
        /// The name of the blob that holds them.
        blob: Hash,
    },
    /// A microbatch that a miner worked on came back.
    PassSettled {
        /// The miner.
        by: AccountId,
    },
    /// What a miner sent in tensors over its whole life.
    Sent {
        /// Tensors that were taken.
        tensors: u64,
        /// Their bytes on the wire, without framing.
        bytes: u64,
    },
    /// What the passes that ended with a miner of the last stage cost in a window.
    Loss {
        /// The window.
        window: u32,
        /// Mean loss in nats per byte.
        nats: f64,
        /// Bytes.
        tokens: u64,
    },
}

/// One neuron after an epoch, as the metagraph shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// Its uid.
    pub uid: u16,
    /// Its hotkey.
    pub hotkey: AccountId,
    /// Whether the chain knows where it listens.
    pub serving: bool,
    /// Whether it may set weights.
    pub validator_permit: bool,
    /// Stake on the hotkey, in rao of alpha.
    pub stake_rao: u64,
    /// Share of the miners' emission, of 65,535.
    pub incentive: u16,
    /// Share of the validators' emission, of 65,535.
    pub dividends: u16,
    /// What this epoch paid it, in rao of alpha.
    pub emission_rao: u64,
}
