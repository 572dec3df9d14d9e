//! The path audit of a window, sans-IO: ask everybody for their leaves, recompute what the beacon drew, compare.
//!
//! ```text
//! cut of w, beacon of slot w+1        answers in, or deadline          all recomputed, or deadline
//! ------------ Opened ------------> asking ----------------> recomputing -----------------------> Closed
//!                                   FetchCommitment             Recompute, one at a time            Keep, Closed
//!                                   FetchLeaves
//! ```
//!
//! Leaves are asked for *in full*, from every replica that posted, and checked against the root that it committed:
//! they are small, the answer is the same for everybody, and both the audit and the pay (`path`) need them. Nothing
//! about what was drawn is told to those who are asked, unless tensors are opened, in a run with a tolerance: then it is, after
//! all leaves are here.
//!
//! The shell calls [`Audit::on`] with what happened and carries out what is returned. Questions are repeated until their
//! deadline, so a lost answer needs no report. Every wait has a deadline in blocks: a window always closes.
//!
//! Invariants: at most [`MAX_OPEN_WINDOWS`] windows are held; an answer that does not hash to what was posted changes
//! nothing; a miner is found at fault only with evidence that [`Evidence::verify`](crate::evidence::Evidence::verify)
//! accepts.

mod close;
mod report;
#[cfg(test)]
pub(crate) mod tests;
mod window;

use std::collections::BTreeMap;

use keys::AccountId;
use neuron::machine::{Member, Placement};
use neuron::manifest::Tolerance;
use neuron::message::commit::{CommitPost, StageState};
use neuron::message::leaf::LeafRecord;
use neuron::message::names::{Beacon, BlockNumber, Hash, RunId, WindowId};
use neuron::message::signed::Network;

pub use self::report::{Fault, Finding, MinerReport, Standing, WindowReport};

use self::window::{Found, WindowAudit};
use super::draw::DrawRules;
use super::hop::{ClaimedHop, OpenedHop};
use super::judge::Recomputed;
use crate::evidence::Evidence;

/// Most windows whose audits are open at once; the oldest is closed as it stands when there is one more.
pub const MAX_OPEN_WINDOWS: usize = 8;
/// Most leaves that are read of one replica, whatever it committed to.
pub const MAX_LEAVES: usize = 16 * 1024;
/// Most microbatches that are drawn in a window on account of suspects, all of them together.
pub const MAX_SUSPECT_DRAWS: usize = 64;
/// Most hops of one microbatch that are opened.
pub const MAX_OPENED_HOPS: usize = 1024;

/// What an audit goes by. Consensus-relevant numbers come from the manifest and the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRules {
    /// The run.
    pub run: RunId,
    /// Where signatures count.
    pub network: Network,
    /// Our hotkey.
    pub me: AccountId,
    /// Stages of the model.
    pub stages: u16,
    /// Microbatches of a window.
    pub microbatches: u32,
    /// Attempts that can be made at each.
    pub attempts: u8,
    /// How far off work may be; without, it is compared by hashes.
    pub tolerance: Option<Tolerance>,
    /// How much is drawn.
    pub draw: DrawRules,
    /// Microbatches that are drawn from each suspect's own leaves.
    pub suspect_draws: u32,
    /// Blocks from opening a window until those who have not answered are silent.
    pub answer_blocks: u32,
    /// Blocks between two questions to the same replica.
    pub retry_blocks: u32,
    /// Blocks from opening a window until its audits close, whatever is missing. Within the manifest's retention.
    pub close_blocks: u32,
}

/// A window whose cut is finalized, with everything that judges it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The window.
    pub window: WindowId,
    /// The beacon of the window's own slot, which drew its owners.
    pub work_beacon: Beacon,
    /// The beacon of the slot after, which nobody knew before the cut.
    pub audit_beacon: Beacon,
    /// The members at the window's anchor block.
    pub members: Vec<Member>,
    /// Where they were placed.
    pub placement: Placement,
    /// Posts of commits for this window and run by its cut, in the chain's order. The first of each hotkey counts.
    pub commits: Vec<(AccountId, CommitPost)>,
    /// θ(s,w) by name for each stage, where this validator follows the merges. Without, the weights that more than half
    /// of a stage's commitments name: a dishonest majority then passes for honest.
    pub thetas: Vec<Option<Hash>>,
    /// Miners with a strike: more of their work is drawn.
    pub suspects: Vec<AccountId>,
}

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A block was finalized.
    Block(BlockNumber),
    /// A window is ready to be audited.
    Opened(Box<Opened>),
    /// The bytes of a commitment arrived, from whomever.
    Commitment {
        /// The window.
        window: WindowId,
        /// Whose commitment it is said to be.
        hotkey: AccountId,
        /// The blob.
        bytes: Vec<u8>,
    },
    /// All leaves of a replica arrived, from whomever.
    Leaves {
        /// The window.
        window: WindowId,
        /// Whose.
        hotkey: AccountId,
        /// The leaves, in any order.
        records: Vec<LeafRecord>,
    },
    /// A microbatch was computed again.
    Recomputed {
        /// The window.
        window: WindowId,
        /// The microbatch.
        microbatch: u32,
        /// What honest stages send.
        truth: Recomputed,
    },
    /// The hops of a microbatch were opened and computed again.
    Compared {
        /// The window.
        window: WindowId,
        /// The microbatch.
        microbatch: u32,
        /// As many as were asked for, in that order; `None` where somebody did not open what its leaf names.
        hops: Vec<Option<OpenedHop>>,
    },
    /// A microbatch could not be computed again: weights or corpus are missing.
    RecomputeFailed {
        /// The window.
        window: WindowId,
        /// The microbatch.
        microbatch: u32,
    },
}

/// What the shell is to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Get the blob of this name: the replica's commitment.
    FetchCommitment {
        /// The window.
        window: WindowId,
        /// Whose it is.
        hotkey: AccountId,
        /// Its BLAKE3, as posted.
        name: Hash,
        /// Who may have it, likeliest first.
        from: Vec<AccountId>,
    },
    /// Get all leaves of a replica.
    FetchLeaves {
        /// The window.
        window: WindowId,
        /// Whose.
        hotkey: AccountId,
        /// How many there are; more are not to be read.
        leaves: u32,
        /// Who may have them, likeliest first. Other validators may: the root makes a list as good from anybody.
        from: Vec<AccountId>,
    },
    /// Compute a microbatch again through all stages.
    Recompute {
        /// The window.
        window: WindowId,
        /// The microbatch.
        microbatch: u32,
        /// The state of every stage.
        states: Vec<StageState>,
        /// What the settled path claims, if there is one; for the log.
        claimed: Option<Recomputed>,
    },
    /// Open the tensors that these leaves name and compute each hop again, in a run with a tolerance.
    Compare {
        /// The window.
        window: WindowId,
        /// The microbatch.
        microbatch: u32,
        /// The state of every stage.
        states: Vec<StageState>,
        /// The leaves.
        hops: Vec<ClaimedHop>,
    },
    /// Keep this evidence, durably, before the report that names it.
    Keep(Box<Evidence>),
    /// A window's audits are closed.
    Closed(Box<WindowReport>),
}

/// The auditor.
#[derive(Debug)]
pub struct Audit {
    rules: AuditRules,
    now: BlockNumber,
    windows: BTreeMap<WindowId, WindowAudit>,
}

impl Audit {
    /// An auditor that has seen nothing yet.
    pub fn new(rules: AuditRules) -> Self {
        Self { rules, now: BlockNumber(0), windows: BTreeMap::new() }
    }

    /// Takes in what happened.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Block(block) => self.now = self.now.max(block),
            Event::Opened(opened) => self.open(*opened, &mut out),
            Event::Commitment { window, hotkey, bytes } => {
                if let Some(audit) = self.windows.get_mut(&window) {
                    audit.on_commitment(&self.rules, &hotkey, &bytes);
                }
            }
            Event::Leaves { window, hotkey, records } => {
                if let Some(audit) = self.windows.get_mut(&window) {
                    audit.on_leaves(&hotkey, records);
                }
            }
            Event::Recomputed { window, microbatch, truth } => {
                if let Some(audit) = self.windows.get_mut(&window) {
                    let fits = self.rules.tolerance.is_none() && truth.has_stages(self.rules.stages);
                    audit.on_recomputed(microbatch, fits.then_some(Found::Names(truth)));
                }
            }
            Event::Compared { window, microbatch, hops } => {
                if let Some(audit) = self.windows.get_mut(&window).filter(|_| self.rules.tolerance.is_some()) {
                    audit.on_compared(microbatch, hops);
                }
            }
            Event::RecomputeFailed { window, microbatch } => {
                if let Some(audit) = self.windows.get_mut(&window) {
                    audit.on_recomputed(microbatch, None);
                }
            }
        }
        self.poll(&mut out);
        out
    }

    /// Windows whose audits are open.
    pub fn open_windows(&self) -> impl Iterator<Item = WindowId> {
        self.windows.keys().copied()
    }

    /// The state of every stage in an open window, once it is known.
    pub fn states(&self, window: WindowId) -> Option<&[StageState]> {
        self.windows.get(&window)?.recomputation.as_ref()?.states.as_deref()
    }

    /// All leaves of a replica of an open window, once they are here and checked: for others who audit it.
    pub fn leaves(&self, window: WindowId, hotkey: &AccountId) -> Option<&[LeafRecord]> {
        let lists = &self.windows.get(&window)?.lists;
        lists.iter().find(|list| list.hotkey == *hotkey).map(|list| list.records.as_slice())
    }

    fn open(&mut self, opened: Opened, out: &mut Vec<Action>) {
        let window = opened.window;
        if self.windows.contains_key(&window) {
            return;
        }
        while self.windows.len() >= MAX_OPEN_WINDOWS {
            let Some((_, oldest)) = self.windows.pop_first() else { break };
            oldest.close(&self.rules, out);
        }
        self.windows.insert(window, WindowAudit::new(&self.rules, self.now, opened));
    }

    fn poll(&mut self, out: &mut Vec<Action>) {
        let mut done = Vec::new();
        for (window, audit) in &mut self.windows {
            if audit.poll(&self.rules, self.now, out) {
                done.push(*window);
            }
        }
        for window in done {
            if let Some(audit) = self.windows.remove(&window) {
                audit.close(&self.rules, out);
            }
        }
    }
}
