//! One miner's protocol as a state machine: events in, actions out, nothing else.
//!
//! No clock, no randomness, no network, no disk, no engine: the shell brings the time and what happened, and carries out
//! what is asked, in order. The digital twin drives the same machine under virtual time.
//!
//! ```text
//!            chain                 peers                    engine              store
//!   Block, Members, Beacon,  Transfer, Receipt,     Computed, ComputeFailed,  Fetched,
//!   Posts, PostFailed        Refusal, Progress,     Sealed, Loaded,           FetchFailed
//!        │                   Estimate                LoadFailed, Merged,          │
//!        │                      │                    MergeFailed   │              │
//!        ▼                      ▼                                  ▼              ▼
//!   ┌──────────────────── Machine::on(now, event) -> Vec<Action> ─────────────────────┐
//!   │ chain_view   window   placement   draw   work/   custody   commit   merge       │
//!   │                        catch_up   blobs   state                                 │
//!   └──────────────────────────────────────────────────────────────────────────────────┘
//!        │                      │                                  │              │
//!        ▼                      ▼                                  ▼              ▼
//!   ReadMembers, ReadBeacon, SendTransfer,          Compute, Discard, Seal,   Persist, Publish,
//!   ReadPosts, Post          SendReceipt,           Initialise, Load, Merge   KeepLeaves, Fetch,
//!                            SendRefusal, Announce                            Forget, Accuse
//!                                                                     (Blame, Note: count and show)
//! ```
//!
//! A window, seen by one replica (`phase` is the finalized head's):
//!
//! | phase | in | out |
//! |---|---|---|
//! | any | `Block` | `ReadMembers`, `ReadBeacon` → placement, our stage |
//! | any, when behind | `Posts`, `Fetched`, `Loaded` | `ReadPosts`, `Fetch`, `Load` or `Initialise`, `Merge` |
//! | Work | `Transfer`, `Computed`, `Receipt`, `Refusal`, `Progress` | `Persist`, then `Compute`, `SendTransfer`, … |
//! | Commit | `Sealed` | `Seal`, then `KeepLeaves`, `Persist`, `Publish`, `Post` |
//! | Exchange, Bitmap | `Posts`, `Fetched` | `ReadPosts`, `Fetch`, then `Persist`, `Post` |
//! | Merge | `Posts`, `Merged` | `ReadPosts`, `Merge`, then `Persist` |
//!
//! The shell's side of the bargain:
//! - carry out a list's actions in order; a `Persist` is durable before a later action is begun;
//! - verify signatures, sizes and hashes of what peers send before it becomes an event; give `Transfer` only with its
//!   tensor stored;
//! - answer every `Read*`, `Fetch` and engine action once, with success or failure (an unanswered `Read*` is repeated
//!   with the next block);
//! - call [`Machine::on`] with [`Event::Tick`] at [`Machine::wake_at`];
//! - give each engine action to the engine in the order given, and report each with its event.
//!
//! Invariants:
//! - what is signed or posted was persisted before: a restart posts the same commitment, never another, and signs no
//!   second transfer of a window in which it had begun to sign;
//! - the machine is *level-triggered*: after each event it looks at everything it knows and does what is due, so an event
//!   lost, doubled or late changes when things happen, not what;
//! - one event yields a bounded number of actions: those due for the passes in flight, the blobs wanted and one step each
//!   of work, commit, exchange and catch-up;
//! - nothing a peer sends panics, allocates without bound, or changes state before placement allows it.

mod advance;
mod blobs;
mod catch_up;
mod chain_view;
mod commit;
mod custody;
mod draw;
mod event;
mod merge;
mod placement;
mod state;
mod window;
mod work;

use std::collections::BTreeMap;

use keys::AccountId;
use thiserror::Error;

use self::advance::Pending;
use self::blobs::Blobs;
use self::work::{Work, WorkPlan};
use crate::manifest::{Manifest, ManifestError};
use crate::message::commit::{Commitment, Upload};
use crate::message::names::{BlockNumber, Hash, Millis, RunId, StageId, WindowId};
use crate::message::transfer::{Refusal, RefusalReason, Signed, Transfer};

pub use self::catch_up::Standing;
pub use self::chain_view::ChainView;
pub use self::custody::{Equivocation, LeafTree, Ledger, contradict, verify_leaf};
pub use self::draw::{owners, ranking};
pub use self::event::{
    Action, Blob, Contribution, Event, Job, JobKind, MergeOrder, Misstep, Note, Post, PostKind, Tensor,
};
pub use self::merge::{SMALL_STAGE_REPLICAS, bitmap, included};
pub use self::placement::{MAX_MEMBERS, Member, MoverDraw, Placement, PlacementError, Replica, place};
pub use self::state::{MAX_STATE_BYTES, Persisted};
pub use self::window::{BlockClock, Phase, Position, epoch_start, work_slot};

/// Why a machine cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The run is not one.
    #[error("the run's manifest is not valid: {0}")]
    Manifest(#[from] ManifestError),
    /// The state on disk is another run's.
    #[error(
        "the state on disk belongs to run {found}, this is run {expected}; give each run a state directory of its own"
    )]
    OtherRun {
        /// The run that was asked for.
        expected: RunId,
        /// The run of the state.
        found: RunId,
    },
    /// The state on disk is of another version.
    #[error("the state on disk has a layout that this program does not read; use the program that wrote it")]
    OtherVersion,
}

/// Whether a post is on its way or has to be made again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PostStatus {
    Sent,
    /// It failed while this block was the head; it is made again at a later one.
    Failed(Option<BlockNumber>),
}

/// How far the sealing of a window's gradient is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sealing {
    Asked,
    Done(Option<Upload>),
}

/// See the module.
#[derive(Debug)]
pub struct Machine {
    manifest: Manifest,
    run: RunId,
    me: AccountId,
    chain: ChainView,
    blobs: Blobs,
    persisted: Persisted,
    work: Option<Work>,
    /// The window that we had begun to work in when we were restarted.
    interrupted: Option<WindowId>,
    /// What the engine was asked to do to the state.
    pending: Option<Pending>,
    /// Whether the engine stands on `persisted.standing`.
    loaded: bool,
    /// Whether the standing was taken or merged on the way to now: see `catch_up`.
    on_the_way: bool,
    /// A window that our engine could not merge.
    unmergeable: Option<WindowId>,
    sealing: Option<(WindowId, Sealing)>,
    posts: BTreeMap<Vec<u8>, PostStatus>,
    current: Option<WindowId>,
    noted: Option<WindowId>,
}

impl Machine {
    /// A machine for `me` in a run, from the state that it persisted last, or from [`Persisted::fresh`].
    ///
    /// # Errors
    /// When the manifest is not valid or the state not of this run.
    pub fn new(manifest: Manifest, me: AccountId, persisted: Persisted) -> Result<Self, MachineError> {
        let run = manifest.run_id()?;
        if !persisted.is_current() {
            return Err(MachineError::OtherVersion);
        }
        if persisted.run() != run {
            return Err(MachineError::OtherRun { expected: run, found: persisted.run() });
        }
        Ok(Self {
            chain: ChainView::new(&manifest, run),
            manifest,
            run,
            me,
            blobs: Blobs::default(),
            interrupted: persisted.worked,
            persisted,
            work: None,
            pending: None,
            loaded: false,
            on_the_way: false,
            unmergeable: None,
            sealing: None,
            posts: BTreeMap::new(),
            current: None,
            noted: None,
        })
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The state that we stand on, if any.
    pub fn standing(&self) -> Option<Standing> {
        self.persisted.standing
    }

    /// Where the finalized head is.
    pub fn position(&self) -> Option<Position> {
        self.chain.position()
    }

    /// How many replicas a stage has at most in the windows that are kept: as many gradients a merge may take in.
    pub fn replicas(&self, stage: StageId) -> usize {
        self.chain.most_replicas(stage)
    }

    /// The commitment that we made for a window, as long as it is kept.
    pub fn commitment(&self, window: WindowId) -> Option<&Commitment> {
        self.persisted.commitments.get(&window)
    }

    /// When to call [`on`](Self::on) with [`Event::Tick`] if nothing happens before.
    pub fn wake_at(&self) -> Option<Millis> {
        [self.work.as_ref().and_then(Work::wake_at), self.blobs.wake_at()].into_iter().flatten().min()
    }

    /// Takes an event and says what is to be done.
    #[must_use = "actions are to be carried out, in order"]
    pub fn on(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.take(now, event, &mut out);
        self.drive(now, &mut out);
        out
    }

    fn take(&mut self, now: Millis, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Block(block) => self.chain.on_block(block),
            Event::Members { window, members } => self.chain.on_members(window, members),
            Event::Beacon { slot, beacon } => self.chain.on_beacon(slot, beacon),
            Event::Posts { window, kind, posts } => self.chain.on_posts(window, kind, &posts),
            Event::PostFailed { payload } => {
                if let Some(status) = self.posts.get_mut(&payload) {
                    *status = PostStatus::Failed(self.chain.head());
                }
            }
            Event::Transfer(signed) => self.on_transfer(now, &signed, out),
            Event::Receipt(receipt) => self.with_work(|work| work.on_receipt(now, &receipt, out)),
            Event::Refusal(refusal) => self.with_work(|work| work.on_refusal(now, &refusal.statement, out)),
            Event::Progress { from, progress } => self.with_work(|work| {
                if work.window() == progress.window {
                    work.on_progress(now, from, &progress, out);
                }
            }),
            Event::Computed { job, output } => self.with_work(|work| work.on_computed(now, &job, output, out)),
            Event::ComputeFailed { job } => self.with_work(|work| work.on_compute_failed(now, &job, out)),
            Event::Sealed { window, upload } => {
                if self.sealing == Some((window, Sealing::Asked)) {
                    self.sealing = Some((window, Sealing::Done(upload)));
                }
            }
            Event::Loaded { stage, state } => self.on_loaded(stage, state, out),
            Event::LoadFailed { stage, state } => self.on_load_failed(now, stage, &state, out),
            Event::Merged { window, stage, state } => self.on_merged(window, stage, state, out),
            Event::MergeFailed { window, stage } => self.on_merge_failed(window, stage),
            Event::Fetched { blob, hash, bytes } => self.on_fetched(now, blob, hash, &bytes),
            Event::FetchFailed { hash } => self.blobs.failed(&hash, now, self.manifest.work.retry_ms),
            Event::Estimate { peer, latency_ms } => self.with_work(|work| work.estimate(peer, latency_ms)),
        }
    }

    fn with_work(&mut self, act: impl FnOnce(&mut Work)) {
        if let Some(work) = self.work.as_mut() {
            act(work);
        }
    }

    fn on_transfer(&mut self, now: Millis, signed: &Signed<Transfer>, out: &mut Vec<Action>) {
        let transfer = &signed.statement;
        match self.work.as_mut().filter(|work| work.window() == transfer.window) {
            Some(work) => work.on_transfer(now, signed, out),
            None => {
                let refusal = Refusal { transfer: transfer.id(), by: self.me, reason: RefusalReason::Closed };
                out.push(Action::SendRefusal { to: transfer.from, refusal });
            }
        }
    }

    fn on_fetched(&mut self, now: Millis, blob: Blob, hash: Hash, bytes: &[u8]) {
        if blob != Blob::Commitment {
            return self.blobs.stored(hash);
        }
        match Commitment::from_bytes(bytes) {
            Ok(commitment) if Hash::of(bytes) == hash => self.blobs.read(hash, commitment),
            // Whoever posted this name committed to nothing readable: after a few tries nobody waits for it.
            _ => self.blobs.failed(&hash, now, self.manifest.work.retry_ms),
        }
    }

    /// Does everything that is due.
    fn drive(&mut self, now: Millis, out: &mut Vec<Action>) {
        let Some(here) = self.chain.position() else { return };
        self.turn_to(here.window, out);
        self.blobs.begin();
        if here.phase != Phase::Work {
            self.with_work(Work::close);
        }
        let placement = self.chain.placement(&self.manifest, here.window, out);
        let Some(stage) = placement.map(|placement| placement.stage_of(&self.me)) else { return self.blobs.end() };
        match stage {
            Some(stage) => self.drive_stage(now, here, stage, out),
            None => self.note_once(here.window, Note::Unplaced { window: here.window }, out),
        }
        self.blobs.end();
    }

    fn drive_stage(&mut self, now: Millis, here: Position, stage: StageId, out: &mut Vec<Action>) {
        let window = here.window;
        if matches!(here.phase, Phase::Exchange | Phase::Bitmap) {
            self.compare_with_majority(window, stage, out);
        }
        // Once the list is known, the state to reach is the next window's.
        let target = if here.phase == Phase::Merge { window.next() } else { window };
        self.advance(now, stage, target, out);
        match here.phase {
            Phase::Work => self.drive_work(now, here, stage, out),
            Phase::Commit => self.drive_commit(window, stage, out),
            Phase::Exchange | Phase::Bitmap => self.drive_exchange(now, here, stage, out),
            Phase::Merge => {}
        }
    }

    /// Leaves the windows before behind.
    fn turn_to(&mut self, window: WindowId, out: &mut Vec<Action>) {
        if self.current == Some(window) {
            return;
        }
        self.current = Some(window);
        self.work = None;
        self.sealing = None;
        self.posts.clear();
        if let Some(through) = window.0.checked_sub(self.manifest.retention_windows.saturating_add(2)) {
            let (through, oldest) = (WindowId(through), WindowId(through).next());
            self.chain.forget(oldest, self.manifest.placement.epoch_windows);
            self.persisted.forget(oldest);
            out.push(Action::Forget { through });
        }
    }

    fn drive_work(&mut self, now: Millis, here: Position, stage: StageId, out: &mut Vec<Action>) {
        if self.work.is_none() {
            self.open_work(here.window, stage, out);
        }
        self.with_work(|work| work.poll(now, here.offset, out));
    }

    fn open_work(&mut self, window: WindowId, stage: StageId, out: &mut Vec<Action>) {
        if self.interrupted == Some(window) {
            return self.note_once(window, Note::SittingOut { window }, out);
        }
        if !self.stands_on(stage, window) {
            return;
        }
        let Some(beacon) = self.chain.beacon(work_slot(window), out) else { return };
        let Some(placement) = self.chain.placement(&self.manifest, window, out) else { return };
        if !placement.is_complete() {
            return;
        }
        let placement = placement.clone();
        self.persisted.worked = Some(window);
        if !self.save(out) {
            return;
        }
        let plan = WorkPlan { run: self.run, window, stage, me: self.me, placement, beacon };
        self.work = Some(Work::new(&self.manifest, plan));
        out.push(Action::Note(Note::WindowOpened { window, stage }));
    }

    /// Whether the engine stands on what a stage starts a window with.
    fn stands_on(&self, stage: StageId, window: WindowId) -> bool {
        let standing = self.persisted.standing;
        self.loaded
            && self.pending.is_none()
            && standing.is_some_and(|standing| standing.stage == stage && standing.window == window)
    }

    /// Has the state made durable. Nothing that depends on it may follow when this fails.
    fn save(&mut self, out: &mut Vec<Action>) -> bool {
        match self.persisted.to_bytes() {
            Ok(bytes) => {
                out.push(Action::Persist(bytes));
                true
            }
            Err(_) => false,
        }
    }

    fn note_once(&mut self, window: WindowId, note: Note, out: &mut Vec<Action>) {
        if self.noted != Some(window) {
            self.noted = Some(window);
            out.push(Action::Note(note));
        }
    }

    /// Posts a payload unless it is on its way; one that failed is tried again with the next block.
    fn post(&mut self, payload: Vec<u8>, out: &mut Vec<Action>) {
        let due = match self.posts.get(&payload) {
            None => true,
            Some(PostStatus::Sent) => false,
            Some(PostStatus::Failed(at)) => *at < self.chain.head(),
        };
        if due {
            self.posts.insert(payload.clone(), PostStatus::Sent);
            out.push(Action::Post(payload));
        }
    }
}
