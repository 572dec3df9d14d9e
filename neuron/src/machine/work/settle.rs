//! What comes out of the engine, and what is left of a window's work when it ends: its leaves.

use super::super::event::{Action, Job, JobKind, Misstep, Note, Tensor};
use super::{Accumulated, Direction, Step, Work};
use crate::message::leaf::{Leaf, LeafRecord};
use crate::message::names::Millis;
use crate::message::transfer::{PassId, RefusalReason, Transfer};

impl Work {
    /// The engine finished a job.
    pub(crate) fn on_computed(&mut self, now: Millis, job: &Job, output: Option<Tensor>, out: &mut Vec<Action>) {
        if self.running != Some(*job) {
            return;
        }
        self.running = None;
        match job.kind {
            JobKind::Forward { .. } => self.on_forward_done(now, job.pass, output, out),
            JobKind::Loss { .. } | JobKind::Backward { .. } => self.on_gradient_done(now, job, output, out),
        }
        self.dispatch(now, out);
    }

    fn on_forward_done(&mut self, now: Millis, pass: PassId, output: Option<Tensor>, out: &mut Vec<Action>) {
        let Some(state) = self.passes.get_mut(&pass) else { return };
        state.step = Step::Away;
        let spoken = output.is_some_and(|tensor| self.speak(now, pass, Direction::Forward, tensor, out));
        if !spoken {
            self.abandon(pass, Some(RefusalReason::Conflict), out);
        }
    }

    /// The gradient sum has grown: note it before anything else, whatever became of the pass meanwhile.
    fn on_gradient_done(&mut self, now: Millis, job: &Job, gradient: Option<Tensor>, out: &mut Vec<Action>) {
        let pass = job.pass;
        let Some(state) = self.passes.get_mut(&pass) else { return };
        state.step = Step::Returned;
        let (input, returns) = (state.input(), state.forward_in.is_some());
        self.accumulated.insert(pass.microbatch, Accumulated { attempt: pass.attempt, input, gradient });
        match gradient {
            Some(gradient) if returns => {
                self.speak(now, pass, Direction::Backward, gradient, out);
            }
            _ => self.announce(pass, true, out),
        }
        out.push(Action::Note(Note::Settled { window: self.plan.window, pass }));
    }

    /// Answers a pass with what another attempt at its microbatch computed from the same input.
    pub(super) fn replay(&mut self, now: Millis, pass: PassId, known: Option<Accumulated>, out: &mut Vec<Action>) {
        let (Some(known), Some(state)) = (known, self.passes.get_mut(&pass)) else { return };
        state.step = Step::Returned;
        state.replays = Some(known.attempt);
        if let Some(hop) = state.forward.as_mut() {
            hop.route.close(&mut self.peers);
        }
        out.push(Action::Discard { window: self.plan.window, pass });
        if let Some(gradient) = known.gradient {
            self.speak(now, pass, Direction::Backward, gradient, out);
        }
    }

    /// The engine could not do a job: the tensor that it was given is no good.
    pub(crate) fn on_compute_failed(&mut self, now: Millis, job: &Job, out: &mut Vec<Action>) {
        if self.running != Some(*job) {
            return;
        }
        self.running = None;
        let pass = job.pass;
        match job.kind {
            JobKind::Forward { .. } | JobKind::Loss { .. } => {
                if let Some(signed) = self.passes.get(&pass).and_then(|state| state.forward_in) {
                    Self::blame(signed.statement.from, Misstep::BadPayload, out);
                }
                self.abandon(pass, Some(RefusalReason::BadPayload), out);
            }
            JobKind::Backward { .. } => self.on_bad_gradient(now, pass, out),
        }
        self.dispatch(now, out);
    }

    /// A gradient was no good: its sender is out, the pass goes to the next receiver.
    fn on_bad_gradient(&mut self, now: Millis, pass: PassId, out: &mut Vec<Action>) {
        let Some(state) = self.passes.get_mut(&pass) else { return };
        let Some(signed) = state.backward_in.take() else { return };
        state.step = Step::Away;
        Self::blame(signed.statement.from, Misstep::BadPayload, out);
        self.refuse(&signed.statement, RefusalReason::BadPayload, out);
        let asked = self.statements.iter().find(|(_, (of, direction, to))| {
            *of == pass && *direction == Direction::Forward && *to == signed.statement.from
        });
        let statement = asked.map(|(statement, _)| *statement);
        if let Some((hop, statement)) =
            self.passes.get_mut(&pass).and_then(|state| state.forward.as_mut()).zip(statement)
        {
            hop.route.reopen();
            hop.route.refused(&statement, true, &mut self.peers);
        }
        self.push(now, pass, Direction::Forward, out);
    }

    /// Leaves of all passes that came to their end here, and how many of them added to the gradient.
    pub(crate) fn leaves(&self) -> (Vec<LeafRecord>, u32) {
        let returned = self.passes.iter().filter(|(_, state)| state.step == Step::Returned);
        let records: Vec<_> = returned.map(|(pass, _)| self.leaf(*pass)).collect();
        let computed = records.iter().filter(|record| record.leaf.replays.is_none()).count();
        (records, u32::try_from(computed).unwrap_or(u32::MAX))
    }

    fn leaf(&self, pass: PassId) -> LeafRecord {
        let state = self.passes.get(&pass);
        let forward_in = state.and_then(|state| state.forward_in);
        let backward_in = state.and_then(|state| state.backward_in);
        let next = backward_in.map(|signed| signed.statement.from);
        let before = forward_in.map(|signed| signed.statement.from);
        let forward_hop = state.and_then(|state| state.forward.as_ref()).zip(next);
        // A gradient that could not be sent before the end of the window's work was not said, so it is in no leaf.
        let backward_hop = state.and_then(|state| state.backward.as_ref()).zip(before);
        let backward_hop = backward_hop.filter(|(hop, to)| hop.route.was_asked(to));
        let said = |direction, tensor: Tensor, to| Transfer {
            run: self.plan.run,
            window: self.plan.window,
            stage: self.plan.stage,
            pass,
            direction,
            from: self.plan.me,
            to,
            codec: tensor.codec,
            payload: tensor.hash,
            payload_bytes: tensor.bytes,
        };
        LeafRecord {
            leaf: Leaf {
                window: self.plan.window,
                stage: self.plan.stage,
                pass,
                replays: state.and_then(|state| state.replays),
                forward_in: forward_in.map(|signed| signed.statement),
                forward_out: forward_hop.map(|(hop, to)| said(Direction::Forward, hop.tensor, to)),
                backward_in: backward_in.map(|signed| signed.statement),
                backward_out: backward_hop.map(|(hop, to)| said(Direction::Backward, hop.tensor, to)),
            },
            forward_in,
            backward_in,
            forward_receipt: forward_hop.and_then(|(hop, to)| hop.route.receipt_of(&to)),
            backward_receipt: backward_hop.and_then(|(hop, to)| hop.route.receipt_of(&to)),
        }
    }
}
