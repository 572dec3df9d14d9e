//! Computing a microbatch again: the weights of all stages, and the path through them, or each hop that was opened.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::codec::ActivationCodec;
use engine::tolerance::{Claim, compare_hop, relative_error};
use engine::{BoundaryTensor, PathRecord, StageOutput, TokenBatch, Weights, WholeModel, recompute_path};
use keys::AccountId;
use neuron::message::commit::StageState;
use neuron::message::leaf::Leaf;
use neuron::message::names::{Hash, StageId, WindowId};
use neuron::message::transfer::{Direction, Transfer};
use neuron::net::NetHandle;
use neuron::shell::fetch;
use neuron::worker::RunPlan;
use tokio::task::{JoinSet, spawn_blocking};

use super::asking;
use crate::machine::hop::{ClaimedHop, Compared, OpenedHop, Tensors};
use crate::machine::judge::Recomputed;

/// Held-out tokens on which an assembled model is measured: enough to see it learn.
const HELD_OUT_TOKENS: usize = 8 * 1024;

/// How far an input may be from what exact stages hand over and still be judged by: roundings grow on the way through a model, and
/// what is nothing like the truth may make of every rounding what it likes.
const MOST_IMPLAUSIBLE: f64 = 1e-2;
/// What is smaller throughout is not judged: there is arithmetic that takes it for zero.
const LEAST_JUDGED: f32 = 1e-25;
/// Hops of a microbatch that are opened at once: bounds the tensors that are held.
const MAX_OPENING_HOPS: usize = 4;

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

/// What honest stages send for a microbatch; `None` when the weights lead nowhere. To be called on a thread that may be busy
/// for long.
pub(super) fn path(plan: &RunPlan, weights: &[Weights], window: WindowId, microbatch: u32) -> Option<Recomputed> {
    let record = record(plan, weights, window, microbatch)?;
    let names = |hashes: Vec<engine::Digest>| hashes.into_iter().map(Hash::from).collect();
    Some(Recomputed { forward: names(record.forward_hashes()), backward: names(record.backward_hashes()) })
}

/// The same with the bytes.
fn record(plan: &RunPlan, weights: &[Weights], window: WindowId, microbatch: u32) -> Option<PathRecord> {
    let tokens = plan.tokens(window, microbatch).ok()?;
    match recompute_path(plan.model(), weights, &tokens, ActivationCodec::F32) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::warn!(window = window.0, microbatch, %error, "a microbatch cannot be computed again");
            None
        }
    }
}

/// A microbatch computed again, against which hops are held.
pub(super) struct Truth {
    plan: Arc<RunPlan>,
    weights: WindowWeights,
    record: PathRecord,
    tokens: TokenBatch,
}

impl Truth {
    /// `None` when it cannot be computed. To be called on a thread that may be busy for long, as what follows.
    pub(super) fn new(plan: &Arc<RunPlan>, weights: &WindowWeights, window: WindowId, microbatch: u32) -> Option<Self> {
        let record = record(plan, weights, window, microbatch)?;
        let tokens = plan.tokens(window, microbatch).ok()?;
        Some(Self { plan: plan.clone(), weights: weights.clone(), record, tokens })
    }

    /// How far what a leaf sent is from what its inputs come to; `None` when that cannot be computed.
    pub(super) fn compare(&self, leaf: &Leaf, tensors: &Tensors) -> Option<Compared> {
        let weights = self.weights.get(usize::from(leaf.stage.0))?;
        let (model, stage) = (self.plan.model(), weights.stage());
        let (above, below) = (model.incoming_width(stage), model.outgoing_width(stage));
        let rows = self.plan.rows();
        let read = |transfer: &Option<Transfer>, bytes: &Option<Vec<u8>>, width: usize| {
            let (Some(transfer), Some(bytes)) = (transfer, bytes) else { return Ok(None) };
            ActivationCodec::from_id(transfer.codec.0)?.decode(bytes, rows, width).map(Some)
        };
        // Whether an input is what honest stages hand over, but for what roundings come to on the way.
        let is_plausible = |found: &Option<BoundaryTensor>, exact: Option<&Vec<u8>>, width: usize| match (found, exact)
        {
            (None, None) => true,
            (Some(found), Some(exact)) => ActivationCodec::F32.decode(exact, rows, width).is_ok_and(|exact| {
                let is_something = exact.values().iter().any(|value| value.abs() >= LEAST_JUDGED);
                is_something && relative_error(found.values(), exact.values()) <= MOST_IMPLAUSIBLE
            }),
            _ => false,
        };
        let place = stage.as_usize();
        let Ok(incoming) = read(&leaf.forward_in, &tensors.forward_in, above) else { return Some(Compared::Corrupted) };
        if !is_plausible(&incoming, place.checked_sub(1).and_then(|place| self.record.forward.get(place)), above) {
            return Some(Compared::Corrupted);
        }
        let outgoing_gradient = read(&leaf.backward_in, &tensors.backward_in, below).ok().flatten();
        let gradient_is_true = is_plausible(&outgoing_gradient, self.record.backward.get(place), below);
        let outgoing_gradient = outgoing_gradient.filter(|_| gradient_is_true);
        let infinite = |direction| Some(Compared::Off { error: f64::INFINITY, direction });
        // Nobody honest gives out what is no tensor of the run; but what came of a gradient that is not true is not looked at.
        let Ok(output) = read(&leaf.forward_out, &tensors.forward_out, below) else {
            return infinite(Direction::Forward);
        };
        let passed_back = leaf.backward_out.filter(|_| gradient_is_true);
        let Ok(passed_back) = read(&passed_back, &tensors.backward_out, above) else {
            return infinite(Direction::Backward);
        };
        if output.is_none() && passed_back.is_none() {
            return Some(Compared::Corrupted);
        }
        let output = output.map(StageOutput::Boundary);
        let claim = Claim {
            incoming: incoming.as_ref(),
            outgoing_gradient: outgoing_gradient.as_ref(),
            output: output.as_ref(),
            incoming_gradient: passed_back.as_ref(),
            gradients: None,
        };
        let (window, microbatch) = (leaf.window.0, leaf.pass.microbatch);
        match compare_hop(model, weights, &self.tokens, &claim) {
            Ok(errors) => {
                let is_backward =
                    errors.incoming_gradient.is_some_and(|back| errors.output.is_none_or(|out| back > out));
                let direction = if is_backward { Direction::Backward } else { Direction::Forward };
                let error = errors.worst();
                tracing::debug!(window, microbatch, stage = stage.0, error, "a hop was computed again");
                Some(Compared::Off { error, direction })
            }
            Err(error) => {
                tracing::warn!(window, microbatch, stage = stage.0, %error, "a hop cannot be computed again");
                Some(Compared::Corrupted)
            }
        }
    }
}

/// Opens the hops of a microbatch, a few at once, and computes each again; in the order given, `None` where a tensor was not shown.
/// `None` altogether when the microbatch cannot be computed.
pub(super) async fn hops(
    net: &NetHandle,
    plan: Arc<RunPlan>,
    weights: WindowWeights,
    (window, microbatch): (WindowId, u32),
    hops: Vec<ClaimedHop>,
) -> Option<Vec<Option<OpenedHop>>> {
    let tensor_bytes = plan.rows() * plan.model().boundary_width() * size_of::<f32>();
    let bound = plan.manifest().tolerance()?.bound();
    let truth = spawn_blocking(move || Truth::new(&plan, &weights, window, microbatch)).await.ok().flatten()?;
    let (truth, mut found) = (Arc::new(truth), vec![None; hops.len()]);
    let (mut waiting, mut opening) = (hops.into_iter().enumerate(), JoinSet::new());
    loop {
        while opening.len() < MAX_OPENING_HOPS
            && let Some((place, hop)) = waiting.next()
        {
            let (net, truth) = (net.clone(), truth.clone());
            opening.spawn(async move {
                let tensors = asking::tensors(&net, &hop, tensor_bytes).await?;
                let compare = move || {
                    let compared = truth.compare(&hop.leaf, &tensors)?;
                    let is_far = matches!(compared, Compared::Off { error, .. } if error > bound);
                    Some((place, OpenedHop { compared, tensors: is_far.then_some(tensors) }))
                };
                spawn_blocking(compare).await.ok().flatten()
            });
        }
        match opening.join_next().await {
            Some(Ok(Some((place, opened)))) => found[place] = Some(opened),
            Some(Ok(None)) => {}
            Some(Err(error)) => tracing::error!(%error, "a hop was not opened to the end"),
            None => return Some(found),
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
