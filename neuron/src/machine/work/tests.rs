use keys::{AccountId, Signature};

use super::super::placement::{Member, MoverDraw, place};
use super::*;
use crate::manifest::tests::manifest;
use crate::message::names::{BlockNumber, Codec, Uid};
use crate::message::transfer::Receipt;

const WINDOW: WindowId = WindowId(3);

fn hotkey(number: u16) -> AccountId {
    AccountId(Hash::of(&number.to_le_bytes()).0)
}

/// Three stages of two replicas, seen by a replica of the given stage.
struct Bench {
    work: Work,
    plan: WorkPlan,
}

fn tensor(number: u8) -> Tensor {
    Tensor { codec: Codec(0), hash: Hash([number; 32]), bytes: 32 }
}

impl Bench {
    fn new(stage: u16) -> Self {
        let mut manifest = manifest();
        manifest.model.stages = 3;
        manifest.placement.movers_per_mille = 0;
        let member =
            |uid| Member { uid: Uid(uid), hotkey: hotkey(uid), registered_at: BlockNumber(0), validator_permit: false };
        let members: Vec<_> = (0..6).map(member).collect();
        let draw = MoverDraw { beacon: Beacon([0; 32]), anchor: BlockNumber(0) };
        let placement = place(&manifest, WINDOW, &members, draw).unwrap();
        let me = placement.replicas(StageId(stage))[0].hotkey;
        let (run, stage, beacon) = (RunId(Hash([1; 32])), StageId(stage), Beacon([2; 32]));
        let plan = WorkPlan { run, window: WINDOW, stage, me, placement, beacon };
        Self { work: Work::new(&manifest, plan.clone()), plan }
    }

    fn replica(&self, stage: u16, place: usize) -> AccountId {
        self.plan.placement.replicas(StageId(stage))[place].hotkey
    }

    /// A transfer to us from a replica of a neighbouring stage.
    fn transfer(&self, stage: u16, place: usize, pass: PassId, payload: u8) -> Signed<Transfer> {
        let forward = stage < self.plan.stage.0;
        let tensor = tensor(payload);
        let statement = Transfer {
            run: self.plan.run,
            window: WINDOW,
            stage: StageId(stage),
            pass,
            direction: if forward { Direction::Forward } else { Direction::Backward },
            from: self.replica(stage, place),
            to: self.plan.me,
            codec: tensor.codec,
            payload: tensor.hash,
            payload_bytes: tensor.bytes,
        };
        Signed { statement, signature: Signature::Sr25519([0; 64]) }
    }

    fn give(&mut self, transfer: &Signed<Transfer>) -> Vec<Action> {
        let mut out = Vec::new();
        self.work.on_transfer(Millis(0), transfer, &mut out);
        out
    }

    /// The engine finishes whatever it has with this output.
    fn compute(&mut self, output: u8) -> Vec<Action> {
        let job = self.work.running.expect("the engine has a job");
        let mut out = Vec::new();
        self.work.on_computed(Millis(0), &job, Some(tensor(output)), &mut out);
        out
    }
}

fn refusals(actions: &[Action]) -> Vec<(AccountId, RefusalReason)> {
    let refusal = |action: &Action| match action {
        Action::SendRefusal { to, refusal } => Some((*to, refusal.reason)),
        _ => None,
    };
    actions.iter().filter_map(refusal).collect()
}

fn sent(actions: &[Action]) -> Vec<Transfer> {
    let transfer = |action: &Action| match action {
        Action::SendTransfer(transfer) => Some(*transfer),
        _ => None,
    };
    actions.iter().filter_map(transfer).collect()
}

fn receipted(actions: &[Action], from: AccountId) -> bool {
    actions.iter().any(|action| matches!(action, Action::SendReceipt { to, .. } if *to == from))
}

fn pass(microbatch: u32) -> PassId {
    PassId { microbatch, attempt: 0 }
}

#[test]
fn a_pass_goes_on_comes_back_and_leaves_a_leaf() {
    let mut bench = Bench::new(2);
    let transfer = bench.transfer(1, 0, pass(0), 1);
    assert!(receipted(&bench.give(&transfer), bench.replica(1, 0)));
    assert!(matches!(bench.work.running.unwrap().kind, JobKind::Loss { input: Some(_) }));
    let back = sent(&bench.compute(2))[0];
    assert_eq!((back.to, back.direction, back.payload), (bench.replica(1, 0), Direction::Backward, Hash([2; 32])));
    let (records, computed) = bench.work.leaves();
    assert_eq!((records.len(), computed), (1, 1));
    assert_eq!(records[0].leaf.forward_in, Some(transfer.statement));
    assert_eq!(records[0].leaf.backward_out, Some(back));
}

#[test]
fn backward_comes_before_forward() {
    let mut bench = Bench::new(1);
    for microbatch in 0..3 {
        let transfer = owned(&mut bench, microbatch);
        bench.give(&transfer);
    }
    let first = sent(&bench.compute(10))[0];
    assert_eq!(bench.work.running.unwrap().pass, pass(1));
    let place = (0..2).find(|place| bench.replica(2, *place) == first.to).unwrap();
    let back = bench.transfer(2, place, pass(0), 20);
    assert!(receipted(&bench.give(&back), first.to));
    bench.compute(11);
    assert!(matches!(bench.work.running.unwrap().kind, JobKind::Backward { .. }));
    assert_eq!(bench.work.running.unwrap().pass, pass(0), "before the third's forward pass");
}

/// A transfer from the first stage by whoever owns it.
fn owned(bench: &mut Bench, microbatch: u32) -> Signed<Transfer> {
    let owner = owner_of(&bench.plan, pass(microbatch)).unwrap();
    let place = (0..2).find(|place| bench.replica(0, *place) == owner).unwrap();
    bench.transfer(0, place, pass(microbatch), 1)
}

#[test]
fn too_much_in_flight_is_refused_and_refusals_send_on() {
    let mut bench = Bench::new(1);
    let limit = u32::from(bench.work.rules.in_flight);
    for microbatch in 0..limit {
        let transfer = owned(&mut bench, microbatch);
        assert_eq!(refusals(&bench.give(&transfer)), []);
    }
    let transfer = owned(&mut bench, limit);
    assert_eq!(refusals(&bench.give(&transfer))[0].1, RefusalReason::Busy);
    // Our own sender's view: the first refuses, the second is asked.
    let first = sent(&bench.compute(10))[0];
    let refusal = Refusal { transfer: first.id(), by: first.to, reason: RefusalReason::Busy };
    let mut out = Vec::new();
    bench.work.on_refusal(Millis(0), &refusal, &mut out);
    let second = sent(&out)[0];
    assert_ne!(second.to, first.to);
    assert_eq!(second.payload, first.payload);
    // A refusal signed by somebody else is nobody's business but its signer's.
    let stray = Refusal { transfer: second.id(), by: hotkey(77), reason: RefusalReason::Busy };
    let mut out = Vec::new();
    bench.work.on_refusal(Millis(0), &stray, &mut out);
    assert_eq!(out, [Action::Blame { peer: hotkey(77), fault: Misstep::StrayReply }]);
}

#[test]
fn the_same_tensor_by_another_path_takes_over_and_another_tensor_does_not() {
    let mut bench = Bench::new(2);
    let (one, two) = (bench.transfer(1, 0, pass(0), 1), bench.transfer(1, 1, pass(0), 1));
    bench.give(&one);
    let actions = bench.give(&two);
    assert_eq!(refusals(&actions), [(bench.replica(1, 0), RefusalReason::Superseded)]);
    assert!(receipted(&actions, bench.replica(1, 1)));
    assert_eq!(refusals(&bench.give(&one)), [(bench.replica(1, 0), RefusalReason::Superseded)], "a late copy");
    assert_eq!(sent(&bench.compute(2))[0].to, bench.replica(1, 1));
    // A third statement with another tensor would need a second answer about one pass.
    let mut other = Bench::new(2);
    other.give(&one);
    let conflicting = other.transfer(1, 1, pass(0), 9);
    assert_eq!(refusals(&other.give(&conflicting)), [(other.replica(1, 1), RefusalReason::Conflict)]);
}

#[test]
fn a_second_answer_of_one_sender_is_evidence() {
    let mut bench = Bench::new(2);
    let one = bench.transfer(1, 0, pass(0), 1);
    bench.give(&one);
    let two = bench.transfer(1, 0, pass(0), 9);
    let actions = bench.give(&two);
    assert!(actions.iter().any(|action| matches!(action, Action::Accuse(_))));
    assert_eq!(refusals(&actions)[0].1, RefusalReason::Conflict);
}

#[test]
fn another_attempt_with_the_same_input_is_answered_without_computing() {
    let mut bench = Bench::new(2);
    bench.give(&bench.transfer(1, 0, pass(0), 1));
    bench.compute(2);
    let again = PassId { microbatch: 0, attempt: 1 };
    let actions = bench.give(&bench.transfer(1, 1, again, 1));
    assert!(bench.work.running.is_none());
    assert_eq!((sent(&actions)[0].payload, sent(&actions)[0].pass), (Hash([2; 32]), again));
    let (records, computed) = bench.work.leaves();
    assert_eq!((records.len(), computed), (2, 1));
    // With another input there is another gradient.
    bench.give(&bench.transfer(1, 1, PassId { microbatch: 0, attempt: 2 }, 7));
    assert!(bench.work.running.is_some());
}

#[test]
fn two_attempts_that_wait_for_the_engine_together_are_summed_once() {
    let mut bench = Bench::new(2);
    bench.give(&bench.transfer(1, 0, pass(0), 1));
    let again = PassId { microbatch: 0, attempt: 1 };
    bench.give(&bench.transfer(1, 1, again, 1));
    let answers = sent(&bench.compute(2));
    assert!(bench.work.running.is_none(), "the second attempt was computed too");
    assert_eq!(answers.iter().map(|answer| answer.pass).collect::<Vec<_>>(), [pass(0), again]);
    assert_eq!(bench.work.leaves().1, 1);
}

#[test]
fn the_same_is_never_said_in_two_ways() {
    let mut bench = Bench::new(2);
    bench.give(&bench.transfer(1, 0, pass(0), 1));
    let job = bench.work.running.unwrap();
    let mut out = Vec::new();
    bench.work.on_compute_failed(Millis(0), &job, &mut out);
    assert_eq!(refusals(&out), [(bench.replica(1, 0), RefusalReason::BadPayload)]);
    assert!(bench.work.passes.is_empty());
    // A pass that was answered, forgotten and came again by another path gets the same answer or none.
    bench.work.spoken.insert((pass(1), Direction::Backward), tensor(5));
    bench.give(&bench.transfer(1, 0, pass(1), 1));
    assert_eq!(sent(&bench.compute(6)), [], "it would contradict what was said");
}

#[test]
fn what_placement_rules_out_is_refused_and_blamed() {
    let bench = Bench::new(1);
    let me = bench.plan.me;
    let good = owned(&mut Bench::new(1), 0).statement;
    let spoils: [(&str, Transfer); 8] = [
        ("run", Transfer { run: RunId(Hash([9; 32])), ..good }),
        ("receiver", Transfer { to: hotkey(77), ..good }),
        ("stranger", Transfer { from: hotkey(77), ..good }),
        ("stage", Transfer { stage: StageId(1), ..good }),
        ("no stage", Transfer { stage: StageId(u16::MAX), ..good }),
        ("microbatch", Transfer { pass: pass(16), ..good }),
        ("attempt", Transfer { pass: PassId { microbatch: 0, attempt: 3 }, ..good }),
        ("owner", Transfer { pass: PassId { microbatch: 0, attempt: 1 }, ..good }),
    ];
    for (what, statement) in spoils {
        let mut bench = Bench::new(1);
        let actions = bench.give(&Signed { statement, signature: Signature::Sr25519([0; 64]) });
        assert_eq!(refusals(&actions), [(statement.from, RefusalReason::Misplaced)], "{what}");
        let blamed = Action::Blame { peer: statement.from, fault: Misstep::MisplacedTransfer };
        assert!(actions.contains(&blamed), "{what}");
        assert!(bench.work.passes.is_empty(), "{what}");
    }
    // A gradient for what was never sent there.
    let mut bench = Bench::new(1);
    let transfer = owned(&mut bench, 0);
    bench.give(&transfer);
    let unasked = bench.transfer(2, 0, pass(0), 3);
    assert_eq!(refusals(&bench.give(&unasked))[0].1, RefusalReason::Unknown);
    assert_eq!(bench.plan.me, me);
}

#[test]
fn owners_start_their_own_and_successors_wait_their_turn() {
    let mut bench = Bench::new(0);
    let mut starts = |offset| {
        let mut out = Vec::new();
        bench.work.poll(Millis(0), offset, &mut out);
        let mut started = Vec::new();
        for action in &out {
            if let Action::Announce { progress, .. } = action {
                started.push(progress.pass);
            }
        }
        started
    };
    let first = starts(0);
    assert_eq!(first.len(), 4, "as many as may be in flight");
    assert!(
        first
            .iter()
            .all(|pass| pass.attempt == 0 && owner_of(&Bench::new(0).plan, *pass) == Some(Bench::new(0).plan.me))
    );
    assert_eq!(starts(4), [], "no room");
    // Another replica, at the start of the second attempt: what its owner has told of is left alone.
    let mut other = Bench::new(0);
    other.plan.me = other.replica(0, 1);
    other.work = Work::new(
        &{
            let mut m = manifest();
            m.model.stages = 3;
            m
        },
        other.plan.clone(),
    );
    let told = Progress { window: WINDOW, pass: first[0], settled: false };
    let mut out = Vec::new();
    other.work.on_progress(Millis(0), other.replica(0, 0), &told, &mut out);
    other.work.poll(Millis(1), 4, &mut out);
    let started: Vec<_> = other.work.passes.keys().copied().collect();
    assert!(started.iter().all(|pass| pass.attempt == 1 && pass.microbatch != first[0].microbatch), "{started:?}");
    assert!(started.iter().any(|pass| first.iter().any(|old| old.microbatch == pass.microbatch)));
    // Told by one who does not own it, it counts for nothing.
    let lie = Progress { window: WINDOW, pass: PassId { microbatch: first[1].microbatch, attempt: 1 }, settled: true };
    let mut out = Vec::new();
    other.work.on_progress(Millis(0), other.replica(0, 0), &lie, &mut out);
    assert_eq!(out, [Action::Blame { peer: other.replica(0, 0), fault: Misstep::StrayProgress }]);
}

#[test]
fn a_closed_window_takes_starts_and_sends_nothing() {
    let mut bench = Bench::new(2);
    bench.give(&bench.transfer(1, 0, pass(0), 1));
    bench.work.close();
    assert!(!bench.work.is_idle(), "the engine is still at it");
    assert_eq!(sent(&bench.compute(2)), []);
    assert!(bench.work.is_idle());
    let (records, computed) = bench.work.leaves();
    assert_eq!((computed, records[0].leaf.backward_out), (1, None), "summed, but never said");
    assert_eq!(refusals(&bench.give(&bench.transfer(1, 0, pass(1), 1)))[0].1, RefusalReason::Closed);
    assert_eq!(bench.work.wake_at(), None);
    let receipt = Receipt { transfer: Hash([3; 32]), by: hotkey(1), credits: 0 };
    let mut out = Vec::new();
    let signed = Signed { statement: receipt, signature: Signature::Sr25519([0; 64]) };
    bench.work.on_receipt(Millis(0), &signed, &mut out);
    assert_eq!(out, [], "a receipt for something unknown is nobody's fault");
}
