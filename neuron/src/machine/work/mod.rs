//! One replica's work in one window: which microbatches it starts, what it takes, computes, sends and remembers.
//!
//! Microbatches are 0..M and nobody can invent one. The beacon draws an order of owners for each; owner k may start
//! attempt k from the k-th succession block on, if the microbatch is neither settled nor known to be under way. A pass
//! runs forward through one replica of each stage, turns at the loss and comes back the same way. Backward comes before
//! forward (1F1B), and a replica takes a forward pass only while it holds activations for fewer than the allowed number:
//! refusals are the back-pressure, credits in receipts tell it ahead.
//!
//! Invariants:
//! - one statement per (pass, direction): [`Work::speak`] is the only place that makes transfers, and it never makes a
//!   second one with another payload, whatever happened in between;
//! - the engine has at most one job at a time;
//! - the same input of a microbatch adds to the gradient once, however many attempts bring it: later ones are answered
//!   with what was computed (a *replay*);
//! - tables are bounded by microbatches × attempts, activations by `in_flight`;
//! - nothing is taken, started or sent after [`Work::close`].
//!
//! Known limit: when a sender gives up on a receiver that was merely slow, both paths may come to the end, and that
//! microbatch weighs twice in the stages between. It is an honest gradient either way.

mod receive;
mod route;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keys::AccountId;

use self::route::{Next, Peers, Route};
use super::custody::Ledger;
use super::draw;
use super::event::{Action, Job, JobKind, Misstep, Note, Tensor};
use super::placement::Placement;
use crate::manifest::{Manifest, WorkRules};
use crate::message::names::{Beacon, Hash, Millis, RunId, StageId, WindowId};
use crate::message::transfer::{Direction, PassId, Progress, Refusal, RefusalReason, Signed, Transfer};

/// What a window's work is fixed by.
#[derive(Clone, Debug)]
pub(crate) struct WorkPlan {
    pub(crate) run: RunId,
    pub(crate) window: WindowId,
    pub(crate) stage: StageId,
    pub(crate) me: AccountId,
    pub(crate) placement: Placement,
    pub(crate) beacon: Beacon,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Forward (or loss) waits for the engine or is in it.
    Forward,
    /// The tensor is with later stages.
    Away,
    /// Backward waits for the engine or is in it.
    Backward,
    /// Done here; the gradient may still be on its way back.
    Returned,
}

/// A tensor with its route.
#[derive(Clone, Debug)]
struct Hop {
    tensor: Tensor,
    route: Route,
}

#[derive(Clone, Debug)]
struct Pass {
    step: Step,
    /// The sender's statement; none in the first stage.
    forward_in: Option<Signed<Transfer>>,
    /// Statements of senders that another has taken over from.
    superseded: Vec<Hash>,
    forward: Option<Hop>,
    backward_in: Option<Signed<Transfer>>,
    backward: Option<Hop>,
    replays: Option<u8>,
}

impl Pass {
    fn new(forward_in: Option<Signed<Transfer>>) -> Self {
        Self {
            step: Step::Forward,
            forward_in,
            superseded: Vec::new(),
            forward: None,
            backward_in: None,
            backward: None,
            replays: None,
        }
    }

    fn input(&self) -> Option<Tensor> {
        self.forward_in.map(|signed| tensor_of(&signed.statement))
    }

    fn hop(&mut self, direction: Direction) -> Option<&mut Hop> {
        match direction {
            Direction::Forward => self.forward.as_mut(),
            Direction::Backward => self.backward.as_mut(),
        }
    }
}

/// A microbatch whose gradient is in the sum.
#[derive(Clone, Copy, Debug)]
struct Accumulated {
    attempt: u8,
    input: Option<Tensor>,
    gradient: Option<Tensor>,
}

fn tensor_of(transfer: &Transfer) -> Tensor {
    Tensor { codec: transfer.codec, hash: transfer.payload, bytes: transfer.payload_bytes }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    plan: WorkPlan,
    rules: WorkRules,
    attempts: u8,
    /// For each attempt, the microbatches that are ours to start; empty past the first stage.
    owned: Vec<Vec<u32>>,
    passes: BTreeMap<PassId, Pass>,
    forward_queue: VecDeque<PassId>,
    backward_queue: VecDeque<PassId>,
    running: Option<Job>,
    accumulated: BTreeMap<u32, Accumulated>,
    /// Microbatches that other owners report as come back.
    settled_elsewhere: BTreeSet<u32>,
    /// Attempts that other owners report as started, and when we first heard.
    started_elsewhere: BTreeMap<PassId, Millis>,
    /// What was said about each pass in each direction: never anything else.
    spoken: BTreeMap<(PassId, Direction), Tensor>,
    /// Which statement went to whom about what.
    statements: BTreeMap<Hash, (PassId, Direction, AccountId)>,
    ledger: Ledger,
    peers: Peers,
    open: bool,
}

impl Work {
    pub(crate) fn new(manifest: &Manifest, plan: WorkPlan) -> Self {
        let attempts = manifest.attempts();
        let mut owned = vec![Vec::new(); usize::from(attempts)];
        if plan.stage == StageId(0) {
            for microbatch in 0..manifest.work.microbatches {
                for (attempt, list) in (0..attempts).zip(&mut owned) {
                    let pass = PassId { microbatch, attempt };
                    if owner_of(&plan, pass) == Some(plan.me) {
                        list.push(microbatch);
                    }
                }
            }
        }
        Self {
            plan,
            rules: manifest.work,
            attempts,
            owned,
            passes: BTreeMap::new(),
            forward_queue: VecDeque::new(),
            backward_queue: VecDeque::new(),
            running: None,
            accumulated: BTreeMap::new(),
            settled_elsewhere: BTreeSet::new(),
            started_elsewhere: BTreeMap::new(),
            spoken: BTreeMap::new(),
            statements: BTreeMap::new(),
            ledger: Ledger::default(),
            peers: Peers::default(),
            open: true,
        }
    }

    pub(crate) fn window(&self) -> WindowId {
        self.plan.window
    }

    /// Ends the work: from here on nothing is taken, started or sent.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.forward_queue.clear();
        self.backward_queue.clear();
    }

    /// Whether the engine has nothing of this window's passes left. Until then the sum may still grow.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    pub(crate) fn estimate(&mut self, peer: AccountId, latency_ms: u32) {
        // Only of those that can be receivers: the table stays as small as the placement.
        if self.plan.placement.stage_of(&peer).is_some() {
            self.peers.observe(peer, latency_ms);
        }
    }

    fn is_last_stage(&self) -> bool {
        self.plan.stage.0 + 1 >= self.plan.placement.stages()
    }

    /// Passes that hold activations in the engine, or will.
    fn in_flight(&self) -> usize {
        self.passes.values().filter(|pass| pass.step != Step::Returned).count()
    }

    fn credits(&self) -> u16 {
        let used = u16::try_from(self.in_flight()).unwrap_or(u16::MAX);
        self.rules.in_flight.saturating_sub(used)
    }

    /// How long gradients may take to come back from the stages after this one. Shorter further down, so that the sender
    /// nearest to a failure is the first to see it.
    fn settle_ms(&self) -> u32 {
        let below = u32::from(self.plan.placement.stages().saturating_sub(self.plan.stage.0));
        self.rules.settle_ms_per_stage.saturating_mul(below)
    }

    /// Does what is due: gives up on the silent, starts what is ours, feeds the engine. `offset` is in blocks.
    pub(crate) fn poll(&mut self, now: Millis, offset: u32, out: &mut Vec<Action>) {
        if !self.open {
            return;
        }
        let passes: Vec<_> = self.passes.keys().copied().collect();
        for pass in passes {
            self.push(now, pass, Direction::Forward, out);
            self.push(now, pass, Direction::Backward, out);
        }
        self.start(now, offset, out);
        self.dispatch(now, out);
    }

    /// When [`poll`](Self::poll) has something to do without anything else happening.
    pub(crate) fn wake_at(&self) -> Option<Millis> {
        if !self.open {
            return None;
        }
        let hops = self.passes.values().flat_map(|pass| [&pass.forward, &pass.backward]).flatten();
        hops.filter_map(|hop| hop.route.wake_at()).min()
    }

    /// Starts microbatches that are ours in the attempt that is open, as far as room allows.
    fn start(&mut self, now: Millis, offset: u32, out: &mut Vec<Action>) {
        let attempt = u8::try_from(offset / self.rules.succession_blocks.max(1)).unwrap_or(u8::MAX);
        let attempt = attempt.min(self.attempts.saturating_sub(1));
        let mut room = usize::from(self.rules.in_flight).saturating_sub(self.in_flight());
        let owned = self.owned.get(usize::from(attempt)).cloned().unwrap_or_default();
        for microbatch in owned {
            if room == 0 {
                return;
            }
            if !self.may_start(now, microbatch) {
                continue;
            }
            let pass = PassId { microbatch, attempt };
            if self.spoken.contains_key(&(pass, Direction::Forward)) || self.passes.contains_key(&pass) {
                continue;
            }
            room -= 1;
            self.passes.insert(pass, Pass::new(None));
            self.forward_queue.push_back(pass);
            self.announce(pass, false, out);
        }
    }

    fn may_start(&self, now: Millis, microbatch: u32) -> bool {
        let attempts = PassId { microbatch, attempt: 0 }..=PassId { microbatch, attempt: u8::MAX };
        let under_way = |(_, heard): (&PassId, &Millis)| now.since(*heard) < self.settle_ms();
        !self.accumulated.contains_key(&microbatch)
            && !self.settled_elsewhere.contains(&microbatch)
            && !self.started_elsewhere.range(attempts.clone()).any(under_way)
            && self.passes.range(attempts).next().is_none()
    }

    fn announce(&self, pass: PassId, settled: bool, out: &mut Vec<Action>) {
        let replicas = self.plan.placement.replicas(self.plan.stage).iter();
        let to: Vec<_> = replicas.map(|replica| replica.hotkey).filter(|hotkey| *hotkey != self.plan.me).collect();
        if !to.is_empty() {
            out.push(Action::Announce { to, progress: Progress { window: self.plan.window, pass, settled } });
        }
    }

    /// Gives the engine its next job: backward first.
    fn dispatch(&mut self, now: Millis, out: &mut Vec<Action>) {
        while self.open && self.running.is_none() {
            let next = self.backward_queue.pop_front().or_else(|| self.forward_queue.pop_front());
            let Some(pass) = next else { return };
            let Some(state) = self.passes.get(&pass) else { continue };
            let (input, backward_in) = (state.input(), state.backward_in);
            let known = self.accumulated.get(&pass.microbatch).filter(|done| done.input == input).copied();
            let kind = match (state.step, backward_in) {
                (Step::Forward | Step::Backward, _) if known.is_some() => {
                    self.replay(now, pass, known, out);
                    continue;
                }
                (Step::Forward, _) if self.is_last_stage() => JobKind::Loss { input },
                (Step::Forward, _) => JobKind::Forward { input },
                (Step::Backward, Some(gradient)) => JobKind::Backward { gradient: tensor_of(&gradient.statement) },
                _ => continue,
            };
            let job = Job { window: self.plan.window, stage: self.plan.stage, pass, kind };
            self.running = Some(job);
            out.push(Action::Compute(job));
        }
    }

    /// The ranking of receivers for a tensor of a pass in a direction.
    fn receivers(&self, pass: PassId, direction: Direction) -> Vec<AccountId> {
        match direction {
            Direction::Backward => {
                let upstream = self.passes.get(&pass).and_then(|state| state.forward_in);
                upstream.map(|signed| signed.statement.from).into_iter().collect()
            }
            Direction::Forward => {
                let next = StageId(self.plan.stage.0.saturating_add(1));
                let uids = self.plan.placement.uids(next);
                draw::ranking(&self.plan.beacon, self.plan.window, pass.microbatch, next, &uids)
                    .into_iter()
                    .filter_map(|uid| self.plan.placement.hotkey_of(next, uid))
                    .collect()
            }
        }
    }

    /// Gives a computed tensor its route and sends it. `false` when something else was said about this pass before: then
    /// nothing may be said now.
    fn speak(
        &mut self,
        now: Millis,
        pass: PassId,
        direction: Direction,
        tensor: Tensor,
        out: &mut Vec<Action>,
    ) -> bool {
        if *self.spoken.entry((pass, direction)).or_insert(tensor) != tensor {
            return false;
        }
        let route = Route::new(self.receivers(pass, direction));
        let Some(state) = self.passes.get_mut(&pass) else { return false };
        match direction {
            Direction::Forward => state.forward = Some(Hop { tensor, route }),
            Direction::Backward => state.backward = Some(Hop { tensor, route }),
        }
        self.push(now, pass, direction, out);
        true
    }

    /// Moves a hop on: expires it, sends to the next receiver, or gives the pass up.
    fn push(&mut self, now: Millis, pass: PassId, direction: Direction, out: &mut Vec<Action>) {
        let (rules, plan) = (self.rules, &self.plan);
        let Some(hop) = self.passes.get_mut(&pass).and_then(|state| state.hop(direction)) else { return };
        hop.route.expire(now, &mut self.peers);
        match hop.route.next(now, &rules, &self.peers) {
            Next::Wait => {}
            Next::Exhausted if direction == Direction::Backward => hop.route.close(&mut self.peers),
            Next::Exhausted => self.abandon(pass, Some(RefusalReason::Failed), out),
            Next::Send(_) if !self.open => {}
            Next::Send(to) => {
                let transfer = Transfer {
                    run: plan.run,
                    window: plan.window,
                    stage: plan.stage,
                    pass,
                    direction,
                    from: plan.me,
                    to,
                    codec: hop.tensor.codec,
                    payload: hop.tensor.hash,
                    payload_bytes: hop.tensor.bytes,
                };
                let statement = transfer.id();
                if hop.route.is_reroute(&to) {
                    out.push(Action::Note(Note::Rerouted { window: plan.window, pass }));
                }
                hop.route.sent(to, statement, now, &rules, &mut self.peers);
                self.statements.insert(statement, (pass, direction, to));
                out.push(Action::SendTransfer(transfer));
            }
        }
    }

    /// Forgets a pass that will not come back; tells the sender why, unless it knows.
    fn abandon(&mut self, pass: PassId, reason: Option<RefusalReason>, out: &mut Vec<Action>) {
        let Some(mut state) = self.passes.remove(&pass) else { return };
        for hop in [state.forward.as_mut(), state.backward.as_mut()].into_iter().flatten() {
            hop.route.close(&mut self.peers);
        }
        self.forward_queue.retain(|queued| *queued != pass);
        self.backward_queue.retain(|queued| *queued != pass);
        if let (Some(reason), Some(signed)) = (reason, state.forward_in) {
            self.refuse(&signed.statement, reason, out);
        }
        out.push(Action::Discard { window: self.plan.window, pass });
        out.push(Action::Note(Note::Abandoned { window: self.plan.window, pass }));
    }

    fn refuse(&self, transfer: &Transfer, reason: RefusalReason, out: &mut Vec<Action>) {
        let refusal = Refusal { transfer: transfer.id(), by: self.plan.me, reason };
        out.push(Action::SendRefusal { to: transfer.from, refusal });
    }

    fn blame(peer: AccountId, fault: Misstep, out: &mut Vec<Action>) {
        out.push(Action::Blame { peer, fault });
    }
}

/// Who may start an attempt: owners take turns, so a lone replica gets every attempt.
fn owner_of(plan: &WorkPlan, pass: PassId) -> Option<AccountId> {
    let first = StageId(0);
    let owners = draw::owners(&plan.beacon, plan.window, pass.microbatch, &plan.placement.uids(first));
    let uid = owners.get(usize::from(pass.attempt).checked_rem(owners.len())?)?;
    plan.placement.hotkey_of(first, *uid)
}
