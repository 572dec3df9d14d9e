//! What other neurons send during work: transfers, receipts, refusals, progress.
//!
//! Everything here may be late, doubled, reordered, misplaced or made up. A transfer that placement or ownership rule
//! out is refused and its sender blamed; whatever refers to something unknown is dropped; a repetition gets the same
//! answer again.

use keys::AccountId;

use super::super::event::{Action, Misstep};
use super::{Direction, Pass, Step, Work, owner_of, tensor_of};
use crate::message::names::{Millis, StageId};
use crate::message::transfer::{Progress, Receipt, Refusal, RefusalReason, Signed, Transfer};

/// Most senders that one pass remembers having been taken over from.
const MAX_SUPERSEDED: usize = 16;

impl Work {
    /// A transfer for us arrived, with its tensor. Its window is ours.
    pub(crate) fn on_transfer(&mut self, now: Millis, signed: &Signed<Transfer>, out: &mut Vec<Action>) {
        let transfer = &signed.statement;
        if !self.open {
            return self.refuse(transfer, RefusalReason::Closed, out);
        }
        if !self.is_well_placed(transfer) {
            Self::blame(transfer.from, Misstep::MisplacedTransfer, out);
            return self.refuse(transfer, RefusalReason::Misplaced, out);
        }
        if let Some(evidence) = self.ledger.note(signed) {
            out.push(Action::Accuse(Box::new(evidence)));
            return self.refuse(transfer, RefusalReason::Conflict, out);
        }
        match transfer.direction {
            Direction::Forward => self.on_forward(now, signed, out),
            Direction::Backward => self.on_backward(signed, out),
        }
        self.dispatch(now, out);
    }

    /// Whether the sender hosts the neighbouring stage and, from the first stage, owns the attempt.
    fn is_well_placed(&self, transfer: &Transfer) -> bool {
        let plan = &self.plan;
        let neighbour = match transfer.direction {
            Direction::Forward => transfer.stage.0.checked_add(1) == Some(plan.stage.0),
            Direction::Backward => plan.stage.0.checked_add(1) == Some(transfer.stage.0),
        };
        let hosts = plan.placement.replicas(transfer.stage).iter().any(|replica| replica.hotkey == transfer.from);
        let exists = transfer.pass.microbatch < self.rules.microbatches && transfer.pass.attempt < self.attempts;
        let owned = transfer.stage != StageId(0) || owner_of(plan, transfer.pass) == Some(transfer.from);
        transfer.run == plan.run && transfer.to == plan.me && neighbour && hosts && exists && owned
    }

    fn receipt(&self, transfer: &Transfer, out: &mut Vec<Action>) {
        let receipt = Receipt { transfer: transfer.id(), by: self.plan.me, credits: self.credits() };
        out.push(Action::SendReceipt { to: transfer.from, receipt });
    }

    fn on_forward(&mut self, now: Millis, signed: &Signed<Transfer>, out: &mut Vec<Action>) {
        let (transfer, input) = (&signed.statement, tensor_of(&signed.statement));
        let (pass, id) = (transfer.pass, transfer.id());
        if let Some(state) = self.passes.get_mut(&pass) {
            let Some(known) = state.forward_in else { return };
            if state.superseded.contains(&id) {
                return self.refuse(transfer, RefusalReason::Superseded, out);
            }
            if known.statement.id() == id {
                // Repeated because our receipt or our gradient was lost: give both again.
                if let Some(hop) = state.backward.as_mut().filter(|hop| hop.route.current().is_none()) {
                    hop.route.reopen();
                }
                return self.receipt(transfer, out);
            }
            if tensor_of(&known.statement) != input || state.superseded.len() >= MAX_SUPERSEDED {
                return self.refuse(transfer, RefusalReason::Conflict, out);
            }
            // The same tensor by another path: a sender further up has given up on the path we know.
            state.superseded.push(known.statement.id());
            state.forward_in = Some(*signed);
            let gradient = state.backward.as_mut().map(|hop| {
                hop.route.close(&mut self.peers);
                hop.tensor
            });
            self.refuse(&known.statement, RefusalReason::Superseded, out);
            self.receipt(transfer, out);
            if let Some(gradient) = gradient {
                self.speak(now, pass, Direction::Backward, gradient, out);
            }
            return;
        }
        let known = self.accumulated.get(&pass.microbatch).filter(|done| done.input == Some(input)).copied();
        if known.is_some() {
            self.passes.insert(pass, Pass::new(Some(*signed)));
            self.receipt(transfer, out);
            return self.replay(now, pass, known, out);
        }
        if self.in_flight() >= usize::from(self.rules.in_flight) {
            return self.refuse(transfer, RefusalReason::Busy, out);
        }
        self.passes.insert(pass, Pass::new(Some(*signed)));
        self.forward_queue.push_back(pass);
        self.receipt(transfer, out);
    }

    fn on_backward(&mut self, signed: &Signed<Transfer>, out: &mut Vec<Action>) {
        let transfer = &signed.statement;
        let Some(state) = self.passes.get_mut(&transfer.pass) else {
            return self.refuse(transfer, RefusalReason::Unknown, out);
        };
        if let Some(known) = state.backward_in {
            let repeated = known.statement.id() == transfer.id();
            return if repeated {
                self.receipt(transfer, out)
            } else {
                self.refuse(transfer, RefusalReason::Superseded, out)
            };
        }
        let Some(hop) = state.forward.as_mut().filter(|hop| hop.route.was_asked(&transfer.from)) else {
            Self::blame(transfer.from, Misstep::MisplacedTransfer, out);
            return self.refuse(transfer, RefusalReason::Unknown, out);
        };
        if state.step != Step::Away {
            return self.refuse(transfer, RefusalReason::Superseded, out);
        }
        hop.route.close(&mut self.peers);
        state.backward_in = Some(*signed);
        state.step = Step::Backward;
        self.backward_queue.push_back(transfer.pass);
        self.receipt(transfer, out);
    }

    /// Whether a reply is from the one that the statement went to.
    fn asked(&self, statement: &crate::message::names::Hash, by: AccountId, out: &mut Vec<Action>) -> Option<Asked> {
        // Statements of earlier windows and of our life before a restart are unknown; they are no fault of the signer.
        let (pass, direction, to) = *self.statements.get(statement)?;
        if to != by {
            Self::blame(by, Misstep::StrayReply, out);
            return None;
        }
        Some(Asked { pass, direction })
    }

    /// A receipt arrived.
    pub(crate) fn on_receipt(&mut self, now: Millis, receipt: &Signed<Receipt>, out: &mut Vec<Action>) {
        let Some(asked) = self.asked(&receipt.statement.transfer, receipt.statement.by, out) else { return };
        let wait_ms = self.settle_ms();
        let Some(hop) = self.passes.get_mut(&asked.pass).and_then(|state| state.hop(asked.direction)) else { return };
        hop.route.receipted(receipt, now, wait_ms, &mut self.peers);
        if asked.direction == Direction::Backward {
            hop.route.close(&mut self.peers);
        }
    }

    /// A refusal arrived.
    pub(crate) fn on_refusal(&mut self, now: Millis, refusal: &Refusal, out: &mut Vec<Action>) {
        let Some(asked) = self.asked(&refusal.transfer, refusal.by, out) else { return };
        let Some(state) = self.passes.get_mut(&asked.pass) else { return };
        let step = state.step;
        let Some(hop) = state.hop(asked.direction) else { return };
        use RefusalReason::{BadPayload, Busy, Closed, Conflict, Failed, Misplaced, Superseded, Unknown};
        match (asked.direction, refusal.reason) {
            // Our path was taken over by another: whoever sent us this pass awaits its gradient from there.
            (Direction::Forward, Superseded) => {
                if step == Step::Away && hop.route.current() == Some(refusal.by) {
                    self.abandon(asked.pass, None, out);
                }
                return;
            }
            (Direction::Forward, Conflict | Misplaced | BadPayload) | (Direction::Backward, Superseded | Unknown) => {
                hop.route.refused(&refusal.transfer, true, &mut self.peers);
            }
            (Direction::Backward, Conflict | Misplaced | BadPayload | Closed) => {
                hop.route.refused(&refusal.transfer, true, &mut self.peers);
            }
            (_, Busy | Closed | Failed | Unknown) => {
                hop.route.refused(&refusal.transfer, false, &mut self.peers);
            }
        }
        self.push(now, asked.pass, asked.direction, out);
    }

    /// Another owner told how far it is.
    pub(crate) fn on_progress(&mut self, now: Millis, from: AccountId, progress: &Progress, out: &mut Vec<Action>) {
        let pass = progress.pass;
        let possible = self.plan.stage == StageId(0)
            && pass.microbatch < self.rules.microbatches
            && pass.attempt < self.attempts
            && owner_of(&self.plan, pass) == Some(from);
        if !possible {
            return Self::blame(from, Misstep::StrayProgress, out);
        }
        if progress.settled {
            self.settled_elsewhere.insert(pass.microbatch);
        } else {
            self.started_elsewhere.entry(pass).or_insert(now);
        }
    }
}

struct Asked {
    pass: crate::message::transfer::PassId,
    direction: Direction,
}
