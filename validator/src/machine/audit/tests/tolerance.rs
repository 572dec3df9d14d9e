//! The same windows in a run with a tolerance: hops are opened, and everybody answers for its own.

use std::collections::BTreeSet;

use neuron::machine::LeafTree;
use neuron::manifest::Tolerance;
use neuron::message::names::{BlockNumber, StageId};
use neuron::message::transfer::Direction;

use super::super::{Action, Audit, AuditRules, Event, Fault, Standing};
use super::world::*;
use super::{of, rules};
use crate::evidence::{Evidence, EvidenceError, Ground};
use crate::machine::hop::{Compared, claims};
use crate::machine::verdict::{Ruling, SilenceReports, VerdictBook};

fn tolerant(me: u16) -> AuditRules {
    AuditRules { tolerance: Some(Tolerance::default()), ..rules(me, 1000) }
}

#[test]
fn roundings_are_paid_in_full_and_lower_every_level() {
    let world = World::new(1, &[]);
    for me in MINERS..MINERS + VALIDATORS {
        let (evidence, report) = world.audit(tolerant(me), Vec::new());
        assert_eq!(evidence, []);
        assert_eq!((report.audited.clone(), report.is_payable()), (report.drawn.clone(), true));
        for miner in &report.miners {
            let drawn = |microbatch: &&u32| world.path(**microbatch).contains(&miner.identity.hotkey);
            assert_eq!((miner.standing, miner.passes), (Standing::Sound, miner.leaves));
            assert_eq!(miner.confirmed as usize, report.drawn.iter().filter(drawn).count());
        }
    }
}

/// Every cheat that sends something else than its inputs come to, in every stage; its neighbours, whose inputs it spoils, are
/// not judged by those.
#[test]
fn what_is_far_off_is_found_hop_by_hop_and_convicts_at_the_limit() {
    let drift = Tolerance::default().drift().unwrap();
    for cheat in [Lazy, Echo, Partial, LazyBackward, OldWeights, TwoFaced, Hider] {
        for uid in 0..MINERS {
            let mut verdicts = VerdictBook::default();
            let (mut far, mut unopened) = (0, false);
            for window in 1..6 {
                let world = World::new(window, &[(uid, cheat)]);
                let (evidence, report) = world.audit(tolerant(MINERS), Vec::new());
                for found in &evidence {
                    assert_eq!(found.accused(), &world.identity(uid), "{cheat:?}: only the cheat is accused");
                    assert_eq!(world.verify(found), Ok(()), "{cheat:?}");
                }
                for miner in report.miners.iter().filter(|miner| miner.identity != world.identity(uid)) {
                    assert_eq!((miner.standing, miner.findings.len()), (Standing::Sound, 0), "{cheat:?}");
                }
                let miner = of(&report, uid);
                let microbatches: BTreeSet<_> = miner.findings.iter().filter_map(|f| f.fault.microbatch()).collect();
                assert!(miner.findings.iter().all(|f| !matches!(f.fault, Fault::FalseLeaf { .. })));
                far += microbatches.len();
                assert!(cheat == TwoFaced || miner.passes + u32::try_from(microbatches.len()).unwrap() <= miner.leaves);
                unopened |= miner.standing == Standing::Silent;
                assert!(miner.standing != Standing::Silent || miner.passes == 0, "what is hidden is not paid");
                verdicts.rule(&report, &SilenceReports::default(), Some(&drift));
            }
            let identity = World::new(1, &[]).identity(uid);
            let contradicted = cheat == TwoFaced && verdicts.conviction(&identity).is_some();
            assert_eq!(
                verdicts.conviction(&identity).is_some(),
                far >= 3 || contradicted,
                "{cheat:?} uid {uid}: {far}"
            );
            assert_eq!(unopened, cheat == Hider && far == 0, "{cheat:?} uid {uid}");
            assert!(
                verdicts.about(identity).all(|v| !matches!(v.ruling, Ruling::Void(_))),
                "nothing is void by chance"
            );
        }
    }
}

#[test]
fn a_leaf_that_is_far_off_proves_itself_and_nothing_else() {
    let world = World::new(1, &[(0, Lazy), (3, Partial), (4, LazyBackward)]);
    let (evidence, _) = world.audit(tolerant(MINERS), Vec::new());
    assert!(!evidence.is_empty());
    for found in &evidence {
        let bytes = found.to_bytes().unwrap();
        assert_eq!(Evidence::from_bytes(&bytes).as_ref(), Ok(found));
        for place in (0..bytes.len()).step_by(5) {
            let mut other = bytes.clone();
            other[place] ^= 1;
            let Ok(other) = Evidence::from_bytes(&other) else { continue };
            assert!(other.accused() != found.accused() || world.verify(&other).is_err(), "byte {place}");
        }
        let Evidence::FarLeaf { accused, opening, tensors } = found.clone() else { panic!("{found:?}") };
        let mut fewer = tensors;
        (fewer.forward_out, fewer.backward_out) = (None, None);
        let fewer = Evidence::FarLeaf { accused, opening, tensors: fewer };
        assert_eq!(world.verify(&fewer), Err(EvidenceError::OtherTensors));
        let off = |error| Some(Compared::Off { error, direction: Direction::Forward });
        let verify = |compared: Option<Compared>, bound| {
            found.verify(&Ground {
                network: &NETWORK,
                run: world.run,
                stages: STAGES,
                member: &|hotkey, _| world.member(hotkey),
                posted: &|hotkey, window| world.posted(hotkey, window),
                recomputed: &|_, _, _| None,
                compared: &|_, _, _| compared,
                bound,
            })
        };
        assert_eq!(verify(off(2e-6), Some(1e-6)), Ok(()));
        assert_eq!(verify(off(1e-6), Some(1e-6)), Err(EvidenceError::NotFar));
        assert_eq!(verify(off(1.0), None), Err(EvidenceError::NotFar), "an exact run has no such fault");
        assert_eq!(verify(None, Some(1e-6)), Err(EvidenceError::NotRecomputed));
        // Inputs that no honest stage hands over prove nothing, whatever came of them.
        assert_eq!(verify(Some(Compared::Corrupted), Some(1e-6)), Err(EvidenceError::NotFar));
    }
}

#[test]
fn answers_that_were_not_asked_for_say_nothing() {
    let world = World::new(1, &[]);
    let mut audit = Audit::new(tolerant(MINERS));
    audit.on(Event::Block(BlockNumber(1000)));
    let mut actions = audit.on(Event::Opened(Box::new(world.opened(vec![]))));
    let window = world.window;
    let asked = loop {
        match actions.pop().expect("hops are asked for") {
            Action::FetchCommitment { hotkey, .. } => {
                let bytes = world.commitments[&hotkey].clone();
                actions.extend(audit.on(Event::Commitment { window, hotkey, bytes }));
            }
            Action::FetchLeaves { hotkey, .. } => {
                let records = world.trees[&hotkey].records().to_vec();
                actions.extend(audit.on(Event::Leaves { window, hotkey, records }));
            }
            Action::Compare { microbatch, hops, .. } => break (microbatch, hops.len()),
            other => panic!("{other:?}"),
        }
    };
    let (microbatch, hops) = asked;
    assert_eq!(hops, usize::from(STAGES));
    let other = audit.on(Event::Compared { window, microbatch: microbatch + 1, hops: vec![None; hops] });
    assert_eq!(other, [], "another microbatch");
    // Hashes decide nothing here, and neither does an answer to another question.
    let next = audit.on(Event::Compared { window, microbatch, hops: vec![None; hops + 1] });
    assert!(matches!(next[..], [Action::Compare { .. }]), "it counts as not computed: {next:?}");
    let mut closed = audit.on(Event::Block(BlockNumber(1030)));
    let Some(Action::Closed(report)) = closed.pop() else { panic!("{closed:?}") };
    assert!(report.audited.is_empty() && report.miners.iter().all(|miner| miner.findings.is_empty()));
}

/// What can be computed again is claimed: activations, and gradients together with what they come from.
#[test]
fn a_gradient_from_nothing_claims_nothing() {
    let world = World::new(1, &[]);
    let leaf_in = |stage: u16| {
        let replicas = world.placement.replicas(StageId(stage)).iter();
        let records = replicas.flat_map(|replica| world.trees[&replica.hotkey].records()).next();
        records.unwrap().leaf
    };
    for stage in 0..STAGES {
        assert!(claims(&leaf_in(stage), STAGES));
    }
    let (mut middle, mut last) = (leaf_in(1), leaf_in(STAGES - 1));
    middle.forward_out = None;
    assert!(claims(&middle, STAGES));
    middle.backward_in = None;
    assert!(!claims(&middle, STAGES));
    last.backward_out = None;
    assert!(!claims(&last, STAGES));
}

/// Of two leaves of one pass one could be paid for what the other says was sent.
#[test]
fn a_pass_has_one_leaf() {
    for tolerance in [None, Some(Tolerance::default())] {
        let mut world = World::new(1, &[]);
        let twice = hotkey(0);
        let mut records = world.trees[&twice].records().to_vec();
        let Some(mut second) = records.first().copied() else { panic!("uid 0 has work in this window") };
        (second.leaf.forward_out, second.leaf.backward_in) = (None, None);
        records.push(second);
        let tree = LeafTree::new(records);
        let stage = world.placement.stage_of(&twice).unwrap().0;
        world.commitments.insert(twice, world.commitment(twice, stage, &tree).to_bytes().unwrap());
        world.trees.insert(twice, tree);
        let (_, report) = world.audit(AuditRules { tolerance, ..rules(MINERS, 1000) }, Vec::new());
        assert_eq!((of(&report, 0).standing, of(&report, 0).passes), (Standing::BadCommitment, 0));
        assert!(report.miners.iter().all(|miner| miner.findings.is_empty()));
    }
}
