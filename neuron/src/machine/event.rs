//! What goes into the machine and what comes out; the picture of how a shell drives it is in the module above.

use keys::AccountId;

use super::custody::Equivocation;
use super::placement::Member;
use crate::message::commit::{StageState, Upload};
use crate::message::leaf::LeafRecord;
use crate::message::names::{Beacon, BeaconSlot, BlockNumber, Codec, Hash, StageId, Uid, WindowId};
use crate::message::transfer::{PassId, Progress, Receipt, Refusal, Signed, Transfer};

/// Something that happened. Everything in it is bounded and well-formed: signatures were verified, blobs hashed and
/// sizes checked by the shell. Whether it makes sense is for the machine to judge.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Time passed: to be sent at [`Machine::wake_at`](super::Machine::wake_at), and harmless at any other time.
    Tick,
    /// A block was finalized. Blocks may be skipped, never go back.
    Block(BlockNumber),
    /// Answer to [`Action::ReadMembers`]: the subnet as it stood at the end of the window's anchor block.
    Members {
        /// The window.
        window: WindowId,
        /// Everybody.
        members: Vec<Member>,
    },
    /// Answer to [`Action::ReadBeacon`]: the verified randomness of the round that the slot's block fixes.
    Beacon {
        /// Which.
        slot: BeaconSlot,
        /// Its randomness.
        beacon: Beacon,
    },
    /// Answer to [`Action::ReadPosts`]: *all* posts of the subnet in those blocks, in the chain's order.
    Posts {
        /// The window.
        window: WindowId,
        /// Which of its posts.
        kind: PostKind,
        /// The posts.
        posts: Vec<Post>,
    },
    /// A post of ours will not be in a block: rejected, dropped or expired. The machine posts it again if there is time.
    PostFailed {
        /// The payload that was to be posted.
        payload: Vec<u8>,
    },
    /// A signed transfer for us and its tensor arrived; signature, length and hash are right.
    Transfer(Signed<Transfer>),
    /// A signed receipt arrived.
    Receipt(Signed<Receipt>),
    /// A signed refusal arrived.
    Refusal(Signed<Refusal>),
    /// Another replica of the first stage told how far it is, over its proven connection.
    Progress {
        /// Who.
        from: AccountId,
        /// What.
        progress: Progress,
    },
    /// The engine finished a job. A tensor that leaves this neuron comes with it, stored under its hash.
    Computed {
        /// The job.
        job: Job,
        /// What is to be sent on: nothing for a backward pass in the first stage.
        output: Option<Tensor>,
    },
    /// The engine could not do a job: the bytes were no tensor of the right shape, or not finite.
    ComputeFailed {
        /// The job.
        job: Job,
    },
    /// Answer to [`Action::Seal`].
    Sealed {
        /// The window.
        window: WindowId,
        /// The gradient's names; nothing when no gradient was accumulated.
        upload: Option<Upload>,
    },
    /// Answer to [`Action::Initialise`] and [`Action::Load`]: the engine stands on this state of this stage.
    Loaded {
        /// The stage.
        stage: StageId,
        /// The state.
        state: StageState,
    },
    /// The engine could not load a state: its blob is not what it should be.
    LoadFailed {
        /// The stage.
        stage: StageId,
        /// The state.
        state: StageState,
    },
    /// Answer to [`Action::Merge`]: the engine stands on the state after the window, and its blob is stored.
    Merged {
        /// The window that was merged.
        window: WindowId,
        /// The stage.
        stage: StageId,
        /// The state at the start of the next window.
        state: StageState,
    },
    /// The engine could not merge: the machine fetches the state that others reached instead.
    MergeFailed {
        /// The window.
        window: WindowId,
        /// The stage.
        stage: StageId,
    },
    /// A blob is stored and its hash is right; a gradient was also decoded once and found to fit the stage.
    Fetched {
        /// What it is.
        blob: Blob,
        /// Its hash.
        hash: Hash,
        /// The bytes, for [`Blob::Commitment`] only.
        bytes: Vec<u8>,
    },
    /// Nobody who was asked had the blob, or what they gave did not fit.
    FetchFailed {
        /// Its hash.
        hash: Hash,
    },
    /// What the network knows about a peer: a hint for the choice between the first two.
    Estimate {
        /// The peer.
        peer: AccountId,
        /// Round trip.
        latency_ms: u32,
    },
}

/// What the shell is to do, *in the order given*.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Make these bytes durable before any later action of any list is begun. They are what [`Machine::new`] takes.
    ///
    /// [`Machine::new`]: super::Machine::new
    Persist(Vec<u8>),
    /// Post this payload as a `Raw` field of the chain's `Commitments`.
    Post(Vec<u8>),
    /// Read the subnet at the end of a block.
    ReadMembers {
        /// For which window.
        window: WindowId,
        /// At which block.
        at: BlockNumber,
    },
    /// Read the beacon round that a block fixes; wait for it if it has not been published.
    ReadBeacon {
        /// Which slot.
        slot: BeaconSlot,
        /// The block that fixes the round.
        block: BlockNumber,
    },
    /// Read all posts of the subnet in finalized blocks `from..=through`.
    ReadPosts {
        /// For which window.
        window: WindowId,
        /// Which of its posts are looked for.
        kind: PostKind,
        /// First block.
        from: BlockNumber,
        /// Last block.
        through: BlockNumber,
    },
    /// Have the engine do this after what it was given before. At most one is outstanding.
    Compute(Job),
    /// Have the engine forget the activations of a pass that will not come back.
    Discard {
        /// The window.
        window: WindowId,
        /// The pass.
        pass: PassId,
    },
    /// Close the window's gradient sum, compress and store it: answer with [`Event::Sealed`].
    Seal {
        /// The window.
        window: WindowId,
    },
    /// Make the stage's first weights from the run's seed, store and stand on them.
    Initialise {
        /// The stage.
        stage: StageId,
    },
    /// Stand on a state whose blob is stored.
    Load {
        /// The stage.
        stage: StageId,
        /// The state.
        state: StageState,
    },
    /// Merge stored gradients into the state the engine stands on.
    Merge(MergeOrder),
    /// Sign a transfer and send it with the stored tensor that it names.
    SendTransfer(Transfer),
    /// Sign a receipt and send it.
    SendReceipt {
        /// To whom.
        to: AccountId,
        /// What.
        receipt: Receipt,
    },
    /// Sign a refusal and send it.
    SendRefusal {
        /// To whom.
        to: AccountId,
        /// What.
        refusal: Refusal,
    },
    /// Tell the other replicas of the first stage.
    Announce {
        /// To whom.
        to: Vec<AccountId>,
        /// What.
        progress: Progress,
    },
    /// Store these bytes as a blob under their BLAKE3, and give them to whoever asks.
    Publish(Vec<u8>),
    /// Keep a window's leaves until its audits close, to be opened on demand.
    KeepLeaves {
        /// The window.
        window: WindowId,
        /// The leaves in the order of their tree.
        records: Vec<LeafRecord>,
    },
    /// Get a blob: from the own store, else from one of these in turn. Asking again for one under way changes nothing.
    Fetch {
        /// What it is.
        blob: Blob,
        /// Its hash.
        hash: Hash,
        /// Who should have it, likeliest first.
        from: Vec<AccountId>,
    },
    /// Keep and spread proof of somebody's fault.
    Accuse(Box<Equivocation>),
    /// A peer sent what no honest neuron sends in this place: count it against its budget.
    Blame {
        /// Who.
        peer: AccountId,
        /// What.
        fault: Misstep,
    },
    /// Nothing of this window and those before is needed any longer, but for the state that we stand on: with empty lists
    /// it may be older.
    Forget {
        /// The last window that may go.
        through: WindowId,
    },
    /// Something an operator or a dashboard wants to know; nothing depends on it.
    Note(Note),
}

/// Which of a window's posts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PostKind {
    /// From the window's first block through the cut.
    Commits,
    /// After the cut, through the set block.
    Bitmaps,
}

/// A `Raw` field posted to the chain's `Commitments`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Post {
    /// Who posted.
    pub hotkey: AccountId,
    /// In which block.
    pub block: BlockNumber,
    /// What.
    pub payload: Vec<u8>,
}

/// A blob's purpose, which decides what "fits" means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Blob {
    /// An encoded [`Commitment`](crate::message::commit::Commitment).
    Commitment,
    /// A compressed gradient of a stage.
    Gradient(StageId),
    /// Weights and optimizer state of a stage.
    State(StageId),
}

/// A tensor on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tensor {
    /// How to read the bytes.
    pub codec: Codec,
    /// Their BLAKE3.
    pub hash: Hash,
    /// Their number.
    pub bytes: u32,
}

/// One thing for the engine to compute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Job {
    /// The window.
    pub window: WindowId,
    /// The stage.
    pub stage: StageId,
    /// The pass.
    pub pass: PassId,
    /// What is computed.
    pub kind: JobKind,
}

/// What a job computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobKind {
    /// Forward through the stage, keeping activations. Without input: from the microbatch's tokens, in the first stage.
    Forward {
        /// What came from the stage before.
        input: Option<Tensor>,
    },
    /// Forward, loss and backward at once, in the last stage; adds to the window's gradient sum. Without input when the
    /// first stage is the last.
    Loss {
        /// What came from the stage before.
        input: Option<Tensor>,
    },
    /// Backward through the stage; adds to the window's gradient sum.
    Backward {
        /// What came from the stage after.
        gradient: Tensor,
    },
}

/// One gradient that is merged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contribution {
    /// Whose.
    pub uid: Uid,
    /// Whose.
    pub hotkey: AccountId,
    /// The stored blob.
    pub gradient: Hash,
    /// Its weight.
    pub tokens: u64,
}

/// What the engine is to merge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeOrder {
    /// The window.
    pub window: WindowId,
    /// The stage.
    pub stage: StageId,
    /// What the engine stands on.
    pub state: StageState,
    /// The agreed contributions in uid order; never empty.
    pub contributions: Vec<Contribution>,
    /// Whether our own is among them. If not, it stays in our error-feedback residual.
    pub includes_own: bool,
}

/// What an honest neuron never does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Misstep {
    /// A transfer that placement, ownership or the run rule out.
    MisplacedTransfer,
    /// A tensor that the engine could not read.
    BadPayload,
    /// A reply to something that was not sent to its signer.
    StrayReply,
    /// Progress on what it does not own.
    StrayProgress,
    /// A commitment that does not say what its post says.
    BadCommitment,
}

/// What an operator wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Note {
    /// Work of a window begins.
    WindowOpened {
        /// The window.
        window: WindowId,
        /// Our stage.
        stage: StageId,
    },
    /// We own no stage in this window.
    Unplaced {
        /// The window.
        window: WindowId,
    },
    /// We restarted in the middle of a window's work and leave the rest of it to others.
    SittingOut {
        /// The window.
        window: WindowId,
    },
    /// One of our microbatches came back.
    Settled {
        /// The window.
        window: WindowId,
        /// The pass.
        pass: PassId,
    },
    /// A transfer went to another receiver than the one before.
    Rerouted {
        /// The window.
        window: WindowId,
        /// The pass.
        pass: PassId,
    },
    /// Nobody took a pass.
    Abandoned {
        /// The window.
        window: WindowId,
        /// The pass.
        pass: PassId,
    },
    /// Our commitment of a window is made.
    Committed {
        /// The window.
        window: WindowId,
        /// Leaves in it.
        leaves: u32,
    },
    /// We stand on the state of a stage at the start of a window.
    Standing {
        /// The window.
        window: WindowId,
        /// The stage.
        stage: StageId,
        /// The state.
        state: StageState,
        /// Contributions merged to get there; none when it was fetched, made or carried over.
        merged: u16,
    },
    /// Our state is not the one that most committed replicas name; we fetch theirs.
    Diverged {
        /// The window.
        window: WindowId,
        /// The stage.
        stage: StageId,
    },
    /// No replica of the stage has committed in all windows that are kept: it starts from the seed again.
    StageLost {
        /// The stage.
        stage: StageId,
    },
}
