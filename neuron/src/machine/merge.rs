//! Which gradients are merged: what was committed, what is held, what the bitmaps say.
//!
//! A [`Round`] is one stage's exchange in one window, put together afresh from the chain's posts and the blobs at hand
//! whenever it is looked at; so there is nothing in it that a restart could lose. Its list is a function of posts on chain:
//! a contribution is in when it was committed by the cut and more than half of the bitmaps in time name it. Stages of fewer
//! than [`SMALL_STAGE_REPLICAS`] count validators' bitmaps too, because one silent replica of two is half of them.
//!
//! Invariants: every honest replica that has read the same posts gets the same list, in uid order; one voter, one vote
//! (its first post in time); bits that stand for another list of replicas are not read; nobody's contribution is in
//! without a commitment that names its hotkey, window and stage.

use keys::AccountId;

use super::blobs::Blobs;
use super::event::Contribution;
use super::placement::{Placement, Replica};
use crate::manifest::Manifest;
use crate::message::commit::{CommitPost, Commitment, StageState, Upload};
use crate::message::merge::{BitmapPost, list_name};
use crate::message::names::{Hash, RunId, StageId, Uid, WindowId};

/// Stages with fewer replicas count validators' bitmaps too.
pub const SMALL_STAGE_REPLICAS: usize = 4;

/// Replicas of a run of stages, stage by stage in uid order: what a bitmap's bits stand for.
fn covered(placement: &Placement, first_stage: StageId, stages: u16) -> Vec<(StageId, Replica)> {
    let last = first_stage.0.saturating_add(stages).min(placement.stages());
    let stages = (first_stage.0..last).map(StageId);
    stages.flat_map(|stage| placement.replicas(stage).iter().map(move |replica| (stage, *replica))).collect()
}

/// The bitmap that says for which replicas of `stages` stages from `first_stage` on `holds` is true. A replica covers its
/// own stage, a validator all.
pub fn bitmap(
    run: RunId,
    window: WindowId,
    placement: &Placement,
    (first_stage, stages): (StageId, u16),
    holds: impl Fn(StageId, &Replica) -> bool,
) -> BitmapPost {
    let covered = covered(placement, first_stage, stages);
    let hotkeys: Vec<_> = covered.iter().map(|(_, replica)| replica.hotkey).collect();
    let bits = covered.iter().map(|(stage, replica)| holds(*stage, replica)).collect();
    BitmapPost { run: run.prefix(), window, first_stage, stages, list: list_name(&hotkeys), bits }
}

/// The uids of a stage that a bitmap names; `None` when it speaks of another placement or not of this stage.
fn named(post: &BitmapPost, placement: &Placement, stage: StageId) -> Option<Vec<Uid>> {
    let covered = covered(placement, post.first_stage, post.stages);
    let hotkeys: Vec<_> = covered.iter().map(|(_, replica)| replica.hotkey).collect();
    let speaks_of_it = stage >= post.first_stage && stage.0 - post.first_stage.0 < post.stages;
    if !speaks_of_it || post.bits.len() != covered.len() || post.list != list_name(&hotkeys) {
        return None;
    }
    let bits = covered.iter().zip(&post.bits);
    Some(bits.filter(|((of, _), bit)| *of == stage && **bit).map(|((_, replica), _)| replica.uid).collect())
}

/// The uids of a stage that more than half of the counted bitmaps name, in order. `bitmaps` holds the first post in time
/// of each poster.
pub fn included(placement: &Placement, stage: StageId, bitmaps: &[(AccountId, BitmapPost)]) -> Vec<Uid> {
    let replicas = placement.replicas(stage);
    let judges: &[Replica] = if replicas.len() < SMALL_STAGE_REPLICAS { placement.validators() } else { &[] };
    let votes: Vec<_> = replicas
        .iter()
        .chain(judges)
        .filter_map(|voter| bitmaps.iter().find(|(poster, _)| *poster == voter.hotkey))
        .filter_map(|(_, post)| named(post, placement, stage))
        .collect();
    let backers = |uid: &Uid| votes.iter().filter(|named| named.contains(uid)).count();
    replicas.iter().map(|replica| replica.uid).filter(|uid| backers(uid) * 2 > votes.len()).collect()
}

/// What one replica committed, as far as is known here.
#[derive(Clone, Debug)]
struct Entry {
    replica: Replica,
    /// The posted name of its commitment.
    posted: Option<Hash>,
    /// The commitment, once fetched and found to say what its post says.
    opening: Option<Commitment>,
    /// Whether its gradient is stored here, checked.
    held: bool,
}

impl Entry {
    fn upload(&self) -> Option<Upload> {
        self.opening.and_then(|opening| opening.upload)
    }
}

/// One stage's exchange in one window. See the module.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    entries: Vec<Entry>,
}

impl Round {
    pub(crate) fn new(
        manifest: &Manifest,
        run: RunId,
        (window, stage): (WindowId, StageId),
        placement: &Placement,
        commits: &[(AccountId, CommitPost)],
        blobs: &Blobs,
    ) -> Self {
        let most_tokens = u64::from(manifest.work.microbatches).saturating_mul(manifest.model.tokens_per_microbatch());
        let fits = |commitment: &&Commitment, hotkey: AccountId| {
            (commitment.run, commitment.window, commitment.stage, commitment.hotkey) == (run, window, stage, hotkey)
                && commitment.upload.is_none_or(|upload| (1..=most_tokens).contains(&upload.tokens))
        };
        let entry = |replica: &Replica| {
            let post = commits.iter().find(|(poster, post)| *poster == replica.hotkey && post.stage == stage);
            let posted = post.map(|(_, post)| post.commitment);
            let known = posted.and_then(|hash| blobs.commitment(&hash));
            let opening = known.filter(|commitment| fits(commitment, replica.hotkey)).copied();
            // A commitment that does not fit its post is none at all.
            let posted = posted.filter(|_| known.is_none() || opening.is_some());
            let held = opening.and_then(|opening| opening.upload).is_some_and(|upload| blobs.has(&upload.gradient));
            Entry { replica: *replica, posted, opening, held }
        };
        Self { entries: placement.replicas(stage).iter().map(entry).collect() }
    }

    /// Whether nobody has committed anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.posted.is_none())
    }

    /// Commitments that were posted and are not known here, with whom to ask: their authors first.
    pub(crate) fn unopened(&self) -> Vec<(Hash, Vec<AccountId>)> {
        let missing = self.entries.iter().filter(|entry| entry.opening.is_none());
        missing.filter_map(|entry| Some((entry.posted?, self.sources(&entry.replica)))).collect()
    }

    /// A replica and then its neighbours, who may have fetched from it.
    fn sources(&self, owner: &Replica) -> Vec<AccountId> {
        let others = self.entries.iter().map(|entry| entry.replica.hotkey).filter(|hotkey| *hotkey != owner.hotkey);
        std::iter::once(owner.hotkey).chain(others).collect()
    }

    /// The state that most opened commitments name. Honest replicas all name the same one, so only a majority of a stage
    /// can name another; where counts are equal, everybody takes the state of the lowest uid and the stage agrees again.
    pub(crate) fn majority(&self) -> Option<StageState> {
        let states: Vec<_> = self.entries.iter().filter_map(|entry| Some(entry.opening?.state)).collect();
        let backers = |state: &StageState| states.iter().filter(|other| *other == state).count();
        // `max_by_key` keeps the last of equals, and the order is by uid.
        states.iter().rev().max_by_key(|state| backers(state)).copied()
    }

    /// Who should have a state: those that named it.
    pub(crate) fn holders(&self, state: &StageState) -> Vec<AccountId> {
        let named = |entry: &&Entry| entry.opening.is_some_and(|opening| opening.state == *state);
        self.entries.iter().filter(named).map(|entry| entry.replica.hotkey).collect()
    }

    /// Gradients made with the right weights that are not held, with whom to ask.
    pub(crate) fn wanted(&self) -> Vec<(Hash, Vec<AccountId>)> {
        let majority = self.majority();
        let right = self.entries.iter().filter(|entry| !entry.held && entry.opening.map(|o| o.state) == majority);
        right.filter_map(|entry| Some((entry.upload()?.gradient, self.sources(&entry.replica)))).collect()
    }

    /// Whether everything that was committed is known and held.
    pub(crate) fn is_complete(&self) -> bool {
        self.unopened().is_empty() && self.wanted().is_empty()
    }

    /// Whether to name a replica in the bitmap: its gradient is here, and it was made with the weights of the majority.
    pub(crate) fn vouches_for(&self, replica: &Replica) -> bool {
        let majority = self.majority();
        self.entries
            .iter()
            .any(|entry| entry.replica == *replica && entry.held && entry.opening.map(|o| o.state) == majority)
    }

    /// The agreed contributions, given the uids that bitmaps include; `None` while a commitment among them is not known.
    pub(crate) fn contributions(&self, included: &[Uid]) -> Option<Vec<Contribution>> {
        let chosen =
            self.entries.iter().filter(|entry| entry.posted.is_some() && included.contains(&entry.replica.uid));
        let mut list = Vec::new();
        for entry in chosen {
            let upload = entry.opening?.upload;
            list.extend(upload.map(|upload| Contribution {
                uid: entry.replica.uid,
                hotkey: entry.replica.hotkey,
                gradient: upload.gradient,
                tokens: upload.tokens,
            }));
        }
        Some(list)
    }

    /// Those to ask for a gradient.
    pub(crate) fn sources_of(&self, hotkey: &AccountId) -> Vec<AccountId> {
        let owner = self.entries.iter().find(|entry| entry.replica.hotkey == *hotkey);
        owner.map_or_else(Vec::new, |entry| self.sources(&entry.replica))
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
