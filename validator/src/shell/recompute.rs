//! Computing a microbatch again: the weights of all stages, and the path through them.

use std::sync::Arc;

use engine::codec::ActivationCodec;
use engine::{Weights, WholeModel, recompute_path};
use keys::AccountId;
use neuron::message::commit::StageState;
use neuron::message::names::{Hash, StageId, WindowId};
use neuron::net::NetHandle;
use neuron::shell::fetch;
use neuron::worker::RunPlan;
use tokio::task::spawn_blocking;

use crate::machine::judge::Recomputed;

/// Held-out tokens on which an assembled model is measured: enough to see it learn.
const HELD_OUT_TOKENS: usize = 8 * 1024;

/// The weights of every stage in one window.
pub(super) type WindowWeights = Arc<Vec<Weights>>;

/// Who may give the state of each stage, by stage.
pub(super) type Holders = Vec<Vec<AccountId>>;

/// Gets the weights of every stage; `None` when a stage's are not to be had now.
pub(super) async fn assemble(
    net: &NetHandle,
    plan: &Arc<RunPlan>,
    states: &[StageState],
    holders: &Holders,
) -> Option<WindowWeights> {
    let mut all = Vec::with_capacity(states.len());
    for ((stage, state), holders) in (0..).zip(states).zip(holders) {
        all.push(fetch::weights(net, plan.model(), StageId(stage), *state, holders).await?);
    }
    Some(Arc::new(all))
}

/// What honest stages send for a microbatch, and its loss sum in nats; `None` when the weights lead nowhere. To be called on
/// a thread that may be busy for long.
pub(super) fn path(
    plan: &RunPlan,
    weights: &[Weights],
    window: WindowId,
    microbatch: u32,
) -> Option<(Recomputed, f64)> {
    let tokens = plan.tokens(window, microbatch).ok()?;
    match recompute_path(plan.model(), weights, &tokens, ActivationCodec::F32) {
        Ok(record) => {
            let names = |hashes: Vec<engine::Digest>| hashes.into_iter().map(Hash::from).collect();
            let (forward, backward) = (names(record.forward_hashes()), names(record.backward_hashes()));
            Some((Recomputed { forward, backward }, record.loss_sum))
        }
        Err(error) => {
            tracing::warn!(window = window.0, microbatch, %error, "a microbatch cannot be computed again");
            None
        }
    }
}

/// The loss of an assembled model on held-out bytes, in nats per token, and on how many tokens.
pub(super) async fn held_out(plan: Arc<RunPlan>, weights: WindowWeights) -> Option<(f64, u64)> {
    let measured = spawn_blocking(move || {
        let model = WholeModel::new(plan.model().clone(), weights.to_vec()).ok()?;
        let measured = model.evaluate(plan.corpus().held_out(), HELD_OUT_TOKENS).ok()?;
        Some((measured.loss(), measured.tokens))
    });
    measured.await.ok().flatten()
}
