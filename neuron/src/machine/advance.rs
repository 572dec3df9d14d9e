//! Getting the engine to the state that is wanted: carries out what `catch_up` decides.
//!
//! Invariants: the engine has at most one change of state outstanding; the standing is persisted when it changes; a
//! change that fails leaves no standing behind, so that the next look starts from what others committed.

use super::catch_up::{Situation, Standing, Step, next_step};
use super::event::{Action, Blob, MergeOrder, Note};
use super::merge::{Round, included};
use super::{Blobs, ChainView, Machine};
use crate::manifest::Manifest;
use crate::message::commit::StageState;
use crate::message::names::{Millis, RunId, StageId, WindowId};

/// What the engine was asked to do to the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pending {
    /// Make the seed's state.
    Initialise { stage: StageId, window: WindowId },
    /// Load a state.
    Load(Standing),
    /// Merge a window.
    Merge { stage: StageId, window: WindowId, contributions: u16 },
}

/// A stage's exchange in a window, once the chain has told who was placed there and what they posted.
fn round_of(
    manifest: &Manifest,
    run: RunId,
    chain: &mut ChainView,
    blobs: &Blobs,
    (window, stage): (WindowId, StageId),
    out: &mut Vec<Action>,
) -> Option<Round> {
    let placement = chain.placement(manifest, window, out)?.clone();
    let commits = chain.commits(window, out)?;
    Some(Round::new(manifest, run, (window, stage), &placement, commits, blobs))
}

impl Machine {
    pub(super) fn round(&mut self, window: WindowId, stage: StageId, out: &mut Vec<Action>) -> Option<Round> {
        round_of(&self.manifest, self.run, &mut self.chain, &self.blobs, (window, stage), out)
    }

    /// Takes the next steps towards the state that `stage` starts `target` with.
    pub(super) fn advance(&mut self, now: Millis, stage: StageId, target: WindowId, out: &mut Vec<Action>) {
        // Each turn carries one window over without a list; there are no more of those than are kept.
        for _ in 0..=self.manifest.retention_windows.saturating_add(2) {
            if self.pending.is_some() || self.reload(now, stage, out) {
                return;
            }
            let target_is_cut = self.chain.has_passed(self.chain.clock().cut_block(target));
            let here = Situation {
                stage,
                target,
                target_is_cut,
                standing: self.persisted.standing,
                on_the_way: self.on_the_way,
                retention: self.manifest.retention_windows,
            };
            let Self { manifest, run, chain, blobs, .. } = self;
            let round = |window| round_of(manifest, *run, chain, blobs, (window, stage), out);
            match next_step(&here, round, |hash| blobs.is_given_up(hash)) {
                Step::Ready | Step::Wait => return,
                Step::Open(window) => return self.open_commitments(now, window, stage, out),
                Step::Merge(window) => {
                    if !self.merge(now, window, stage, out) {
                        return;
                    }
                }
                Step::Adopt(window, state) => return self.adopt(now, Standing { stage, window, state }, out),
                Step::Initialise { window, lost } => {
                    if lost {
                        out.push(Action::Note(Note::StageLost { stage }));
                    }
                    self.pending = Some(Pending::Initialise { stage, window });
                    out.push(Action::Initialise { stage });
                    return;
                }
            }
        }
    }

    /// After a restart: puts the engine back on the state that was persisted. `true` while that is under way.
    fn reload(&mut self, now: Millis, stage: StageId, out: &mut Vec<Action>) -> bool {
        let Some(standing) = self.persisted.standing.filter(|_| !self.loaded) else { return false };
        if standing.stage != stage {
            self.persisted.standing = None;
            return false;
        }
        // Our own store has the blob, unless its disk was lost: then a failed fetch sends us to the others.
        if self.blobs.is_given_up(&standing.state.blob) {
            self.persisted.standing = None;
            return false;
        }
        self.adopt(now, standing, out);
        true
    }

    fn adopt(&mut self, now: Millis, standing: Standing, out: &mut Vec<Action>) {
        let Standing { stage, window, state } = standing;
        if self.blobs.has(&state.blob) {
            self.pending = Some(Pending::Load(standing));
            out.push(Action::Load { stage, state });
            return;
        }
        let from = self.round(window, stage, out).map(|round| round.holders(&state)).unwrap_or_default();
        self.blobs.want(now, Blob::State(stage), state.blob, from, out);
    }

    pub(super) fn open_commitments(&mut self, now: Millis, window: WindowId, stage: StageId, out: &mut Vec<Action>) {
        let unopened = self.round(window, stage, out).map(|round| round.unopened()).unwrap_or_default();
        for (hash, from) in unopened {
            self.blobs.want(now, Blob::Commitment, hash, from, out);
        }
    }

    /// Merges a window's list, or asks for what is missing. `true` when there is no list and the state carried over.
    fn merge(&mut self, now: Millis, window: WindowId, stage: StageId, out: &mut Vec<Action>) -> bool {
        let Some(standing) = self.persisted.standing else { return false };
        let Some(round) = self.round(window, stage, out) else { return false };
        if round.is_empty() {
            return self.carry_over(standing, out);
        }
        if self.chain.bitmaps(window, out).is_none() || self.unmergeable == Some(window) {
            return false;
        }
        let Some(placement) = self.chain.placement(&self.manifest, window, out).cloned() else { return false };
        let Some(bitmaps) = self.chain.bitmaps(window, out) else { return false };
        let included = included(&placement, stage, bitmaps);
        let Some(contributions) = round.contributions(&included) else {
            self.open_commitments(now, window, stage, out);
            return false;
        };
        if contributions.is_empty() {
            return self.carry_over(standing, out);
        }
        let mut all_here = true;
        for contribution in &contributions {
            if !self.blobs.has(&contribution.gradient) {
                all_here = false;
                let from = round.sources_of(&contribution.hotkey);
                self.blobs.want(now, Blob::Gradient(stage), contribution.gradient, from, out);
            }
        }
        if all_here {
            let count = u16::try_from(contributions.len()).unwrap_or(u16::MAX);
            self.pending = Some(Pending::Merge { stage, window, contributions: count });
            let includes_own = contributions.iter().any(|contribution| contribution.hotkey == self.me);
            let state = standing.state;
            out.push(Action::Merge(MergeOrder { window, stage, state, contributions, includes_own }));
        }
        false
    }

    /// An empty list leaves θ standing.
    fn carry_over(&mut self, standing: Standing, out: &mut Vec<Action>) -> bool {
        self.stand_on(Standing { window: standing.window.next(), ..standing }, 0, out)
    }

    fn stand_on(&mut self, standing: Standing, merged: u16, out: &mut Vec<Action>) -> bool {
        let Standing { stage, window, state } = standing;
        self.persisted.standing = Some(standing);
        self.loaded = true;
        self.on_the_way = true;
        self.unmergeable = None;
        self.blobs.stored(state.blob);
        out.push(Action::Note(Note::Standing { window, stage, state, merged }));
        self.save(out)
    }

    pub(super) fn on_loaded(&mut self, stage: StageId, state: StageState, out: &mut Vec<Action>) {
        let standing = match self.pending {
            Some(Pending::Initialise { stage: of, window }) if of == stage => Standing { stage, window, state },
            Some(Pending::Load(standing)) if (standing.stage, standing.state) == (stage, state) => standing,
            _ => return,
        };
        self.pending = None;
        self.stand_on(standing, 0, out);
    }

    pub(super) fn on_load_failed(&mut self, now: Millis, stage: StageId, state: &StageState, out: &mut Vec<Action>) {
        let Some(Pending::Load(standing)) = self.pending else { return };
        if (standing.stage, standing.state) != (stage, *state) {
            return;
        }
        self.pending = None;
        // Wanted again, but not at once: it may take another neuron's copy, or another window's state.
        self.blobs.want(now, Blob::State(stage), state.blob, Vec::new(), &mut Vec::new());
        self.blobs.failed(&state.blob, now, self.manifest.work.retry_ms);
        self.lose_standing(out);
    }

    pub(super) fn on_merged(&mut self, window: WindowId, stage: StageId, state: StageState, out: &mut Vec<Action>) {
        let Some(Pending::Merge { stage: of, window: asked, contributions }) = self.pending else { return };
        if (of, asked) == (stage, window) {
            self.pending = None;
            self.stand_on(Standing { stage, window: window.next(), state }, contributions, out);
        }
    }

    pub(super) fn on_merge_failed(&mut self, window: WindowId, stage: StageId) {
        if matches!(self.pending, Some(Pending::Merge { stage: of, window: asked, .. }) if (of, asked) == (stage, window))
        {
            // Until others have committed the next window's state, there is nothing better to stand on.
            self.pending = None;
            self.unmergeable = Some(window);
        }
    }

    fn lose_standing(&mut self, out: &mut Vec<Action>) {
        self.persisted.standing = None;
        self.loaded = false;
        self.on_the_way = false;
        self.save(out);
    }

    /// Once a window's commitments are known: is our state the one that most replicas worked with?
    pub(super) fn compare_with_majority(&mut self, window: WindowId, stage: StageId, out: &mut Vec<Action>) {
        if !self.stands_on(stage, window) {
            return;
        }
        let Some(standing) = self.persisted.standing else { return };
        let Some(round) = self.round(window, stage, out) else { return };
        if round.unopened().iter().any(|(hash, _)| !self.blobs.is_given_up(hash)) {
            return;
        }
        if round.majority().is_some_and(|state| state != standing.state) {
            out.push(Action::Note(Note::Diverged { window, stage }));
            self.lose_standing(out);
        }
    }
}
