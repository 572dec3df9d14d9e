//! What happens in a localnet, as stable machine events. The live view, the summary and the invariants are folds over
//! this one stream; nothing else tells them anything.

use keys::AccountId;
use neuron::events::{FetchedKind, MinerAudit, RulingKind};
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
        /// The commit's hash.
        hash: Hash,
    },
    /// A validator's commit was opened on chain.
    WeightsRevealed {
        /// The block it is in.
        block: u64,
        /// The validator's hotkey.
        hotkey: AccountId,
        /// The commit's hash.
        hash: Hash,
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
        /// The window.
        window: u32,
        /// The microbatch.
        microbatch: u32,
    },
    /// What a miner sent in tensors over its whole life.
    Sent {
        /// Tensors that were taken.
        tensors: u64,
        /// Their bytes on the wire, without framing.
        bytes: u64,
    },
    /// A neuron got from a peer what it lacked.
    Fetched {
        /// What it is.
        kind: FetchedKind,
        /// Its bytes in plain f32.
        raw: u64,
        /// Its bytes as sent, without framing.
        wire: u64,
    },
    /// A miner proved to a validator what its machine can do, or failed to.
    HardwareProved {
        /// The validator.
        by: AccountId,
        /// The miner.
        miner: AccountId,
        /// Why it failed; nothing when the proof holds.
        fault: Option<String>,
    },
    /// A validator's audits of a window are closed.
    Audited {
        /// The validator.
        by: AccountId,
        /// The window.
        window: u32,
        /// Microbatches that fell to it.
        drawn: u32,
        /// Those that it computed again.
        recomputed: u32,
        /// Every placed miner.
        miners: Vec<MinerAudit>,
    },
    /// A validator ruled on a miner.
    Ruled {
        /// The validator.
        by: AccountId,
        /// The miner.
        miner: AccountId,
        /// The window in which it happened.
        window: u32,
        /// What.
        ruling: RulingKind,
        /// The names of the evidence.
        evidence: Vec<Hash>,
    },
    /// A validator measured the model on held-out bytes.
    HeldOut {
        /// The validator.
        by: AccountId,
        /// The window at whose start the model stood so.
        window: u32,
        /// Nats per byte.
        nats: f64,
    },
    /// A neuron was killed on purpose: from here on nothing is expected of it.
    Killed {
        /// The neuron.
        hotkey: AccountId,
    },
    /// What the passes that ended with a miner of the last stage cost in a window.
    Loss {
        /// The miner.
        by: AccountId,
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
