//! Tensors that audits open. Where hashes do not decide, in a run with a tolerance, a hop is computed again from what its miner
//! took in and compared with what it gave out; so all of that is kept on disk with the window, and given by name to whoever asks.

use super::windows::{Windows, blocking};
use crate::machine::{Job, JobKind, Tensor};

impl Windows {
    /// Keeps what a pass took in and gave out, where audits open tensors. What cannot be kept costs this neuron the window's pay
    /// when it is drawn, and nothing else.
    pub(super) fn keep_opened(&mut self, job: &Job, output: Option<Tensor>) {
        if self.plan.manifest().tolerance().is_none() {
            return;
        }
        let input = match job.kind {
            JobKind::Forward { input } | JobKind::Loss { input } => input,
            JobKind::Backward { gradient } => Some(gradient),
        };
        for Tensor { hash, .. } in [input, output].into_iter().flatten() {
            let Some(bytes) = self.tensors.get(&hash) else {
                tracing::error!(%hash, "a tensor that an audit may open is not here any more");
                continue;
            };
            let (keeping, store, window) = (self.keeping.clone(), self.store.clone(), job.window);
            self.spawn(async move {
                let kept = blocking(move || {
                    // Noted first: what is noted and not there is forgotten all the same, what is there and not noted never.
                    keeping.note(window, hash)?;
                    store.blobs().put(&bytes)?;
                    Ok(())
                });
                if let Err(error) = kept.await {
                    tracing::error!(%error, "a tensor cannot be kept: an audit that opens it finds this neuron silent");
                }
            });
        }
    }
}
