//! Evidence that other validators found: fetched by name, checked from scratch, and only then adopted.
//!
//! A notice makes nobody believe anything. What it names is fetched, held against the chain (who posted what), and for a
//! false or far leaf computed again with the weights that *this* validator found for the window; so a notice for a window that is
//! not judged here yet waits until it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::Weights;
use keys::AccountId;
use neuron::message::leaf::Leaf;
use neuron::message::names::{Hash, WindowId};
use neuron::message::signed::Network;
use neuron::net::NetHandle;
use neuron::shell::fetch;
use neuron::worker::RunPlan;

use super::recompute::{self, Truth};
use crate::evidence::{Evidence, EvidenceError, Ground, MAX_STATEMENT_BYTES};
use crate::machine::hop::Tensors;
use crate::machine::identity::Identity;

/// Most notices that wait to be fetched or checked.
pub(super) const MAX_WAITING_OFFERS: usize = 256;

/// Most bytes of all of it, where it holds tensors.
const MAX_OFFERED_BYTES: usize = 128 * 1024 * 1024;

/// Evidence offered by others that is not decided yet.
#[derive(Default)]
pub(super) struct Offers {
    /// Names under way: fetched, checked, or waiting.
    known: BTreeSet<Hash>,
    waiting: Vec<Evidence>,
}

impl Offers {
    /// Whether a notice is news that there is room for, where a piece of evidence has at most `limit_bytes`; then it is noted.
    pub(super) fn take(&mut self, name: Hash, limit_bytes: usize) -> bool {
        let room = (MAX_OFFERED_BYTES / limit_bytes.max(1)).clamp(1, MAX_WAITING_OFFERS);
        self.known.len() < room && self.known.insert(name)
    }

    /// A notice led nowhere, or its evidence is decided: it may come again.
    pub(super) fn forget(&mut self, name: &Hash) {
        self.known.remove(name);
    }

    /// Evidence for which the ground is not there yet.
    pub(super) fn wait(&mut self, evidence: Evidence) {
        self.waiting.push(evidence);
    }

    /// What waits for a window up to this one.
    pub(super) fn due(&mut self, window: WindowId) -> Vec<Evidence> {
        let is_due = |evidence: &Evidence| evidence.window().is_none_or(|of| of <= window);
        let (due, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(is_due);
        self.waiting = waiting;
        due
    }
}

/// Most bytes that a piece of evidence of a run has.
pub(super) fn limit_bytes(plan: &RunPlan) -> usize {
    let tensor_bytes = plan.rows() * plan.model().boundary_width() * size_of::<f32>();
    MAX_STATEMENT_BYTES + plan.manifest().tolerance().map_or(0, |_| 4 * tensor_bytes)
}

/// Fetches evidence from whoever offers it.
pub(super) async fn fetch(net: &NetHandle, from: &AccountId, name: Hash, limit_bytes: usize) -> Option<Evidence> {
    let bytes = fetch::ask(net, from, name, limit_bytes).await?;
    match Evidence::from_bytes(&bytes) {
        Ok(evidence) => Some(evidence),
        Err(error) => {
            tracing::warn!(%from, %name, %error, "what was offered as evidence is none");
            None
        }
    }
}

/// What this validator knows of the window that evidence is about.
pub(super) struct Known {
    pub(super) network: Network,
    pub(super) plan: Arc<RunPlan>,
    pub(super) members: BTreeMap<AccountId, Identity>,
    /// What each hotkey posted.
    pub(super) posts: BTreeMap<AccountId, Hash>,
    /// The weights of the window, where they could be had.
    pub(super) weights: Option<recompute::WindowWeights>,
}

/// Checks evidence, which for a false leaf takes a recomputation: on a thread that may be busy for long.
pub(super) fn check(evidence: &Evidence, known: &Known) -> Result<(), EvidenceError> {
    let Known { network, plan, members, posts, weights } = known;
    let recomputed = |window, microbatch, thetas: &[Hash]| {
        let weights: &Vec<Weights> = weights.as_ref()?;
        let names = weights.iter().map(|weights| Hash::from(weights.hash()));
        let are_ours = names.eq(thetas.iter().copied());
        are_ours.then(|| recompute::path(plan, weights, window, microbatch)).flatten()
    };
    let compared = |leaf: &Leaf, theta, tensors: &Tensors| {
        let weights = weights.as_ref()?;
        let is_ours = Hash::from(weights.get(usize::from(leaf.stage.0))?.hash()) == theta;
        let truth = || Truth::new(plan, weights, leaf.window, leaf.pass.microbatch);
        is_ours.then(truth).flatten()?.compare(leaf, tensors)
    };
    evidence.verify(&Ground {
        network,
        run: plan.run(),
        stages: plan.manifest().model.stages,
        member: &|hotkey, _| members.get(hotkey).copied(),
        posted: &|hotkey, _| posts.get(hotkey).copied(),
        recomputed: &recomputed,
        compared: &compared,
        bound: plan.manifest().tolerance().map(|tolerance| tolerance.bound()),
    })
}
