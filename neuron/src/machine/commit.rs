//! The commitment at the cut and the bitmap by the set block: what a replica says on chain, once per window each.
//!
//! Order matters here more than anywhere: leaves are kept, then the commitment is made durable, then published, then
//! posted. Whatever instant the neuron is killed at, what it posts after the restart is what it would have posted before.
//!
//! Invariants: at most one commitment and one bitmap per window, ever; no commitment while the engine may still add to the
//! sum; none by a replica that does not stand on its stage's state; nothing is posted past its deadline.

use super::custody::LeafTree;
use super::event::{Action, Blob, Note};
use super::merge::bitmap;
use super::window::{Phase, Position};
use super::work::Work;
use super::{Machine, Sealing};
use crate::message::commit::{CommitPost, Commitment, Upload};
use crate::message::names::{Hash, Millis, StageId, WindowId};

impl Machine {
    /// In the commit phase: seals the gradient, commits, posts.
    pub(super) fn drive_commit(&mut self, window: WindowId, stage: StageId, out: &mut Vec<Action>) {
        if let Some(commitment) = self.persisted.commitments.get(&window).copied() {
            return self.post_commitment(&commitment, out);
        }
        if !self.stands_on(stage, window) {
            return;
        }
        match (&self.work, self.sealing) {
            // Nothing was worked on: the commitment still names our state, by which joiners find it.
            (None, _) => self.commit(window, stage, None, out),
            (Some(work), _) if !work.is_idle() => {}
            (Some(_), Some((of, Sealing::Done(upload)))) if of == window => self.commit(window, stage, upload, out),
            (Some(_), Some((of, Sealing::Asked))) if of == window => {}
            (Some(_), _) => {
                self.sealing = Some((window, Sealing::Asked));
                out.push(Action::Seal { window });
            }
        }
    }

    fn commit(&mut self, window: WindowId, stage: StageId, upload: Option<Upload>, out: &mut Vec<Action>) {
        let Some(standing) = self.persisted.standing else { return };
        let (records, _) = self.work.as_ref().map(Work::leaves).unwrap_or_default();
        let tree = LeafTree::new(records);
        let leaves = u32::try_from(tree.records().len()).unwrap_or(u32::MAX);
        let commitment = Commitment {
            run: self.run,
            window,
            stage,
            hotkey: self.me,
            state: standing.state,
            leaves_root: tree.root(),
            leaves,
            upload,
            residual: Hash::ZERO,
        };
        out.push(Action::KeepLeaves { window, records: tree.records().to_vec() });
        self.persisted.commitments.insert(window, commitment);
        if !self.save(out) {
            return;
        }
        if let Some(upload) = upload {
            self.blobs.stored(upload.gradient);
        }
        out.push(Action::Note(Note::Committed { window, leaves }));
        self.post_commitment(&commitment, out);
    }

    /// Publishes and posts a commitment that is durable. Also after a restart, when we do not know what got out.
    fn post_commitment(&mut self, commitment: &Commitment, out: &mut Vec<Action>) {
        let Ok(bytes) = commitment.to_bytes() else { return };
        let hash = Hash::of(&bytes);
        if self.blobs.commitment(&hash).is_none() {
            self.blobs.read(hash, *commitment);
            out.push(Action::Publish(bytes));
        }
        let Commitment { window, stage, .. } = *commitment;
        let post = CommitPost { run: self.run.prefix(), window, stage, commitment: hash };
        self.post(post.to_payload().to_vec(), out);
    }

    /// After the cut: gets what others committed, and says by the set block what is here.
    pub(super) fn drive_exchange(&mut self, now: Millis, here: Position, stage: StageId, out: &mut Vec<Action>) {
        let window = here.window;
        let Some(round) = self.round(window, stage, out) else { return };
        self.open_commitments(now, window, stage, out);
        for (hash, from) in round.wanted() {
            self.blobs.want(now, Blob::Gradient(stage), hash, from, out);
        }
        if let Some(payload) = self.persisted.bitmaps.get(&window).cloned() {
            return self.post(payload, out);
        }
        let due = here.phase == Phase::Bitmap || round.is_complete();
        if !due || round.is_empty() {
            return;
        }
        let Some(placement) = self.chain.placement(&self.manifest, window, out) else { return };
        let bitmap = bitmap(self.run, window, placement, (stage, 1), |_, replica| round.vouches_for(replica));
        let Some(payload) = bitmap.to_payload() else { return };
        self.persisted.bitmaps.insert(window, payload.clone());
        if self.save(out) {
            self.post(payload, out);
        }
    }
}
