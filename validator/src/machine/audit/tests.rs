//! Windows worked by honest miners and by cheats (`world`), audited by the real machine. The claims: no honest miner is
//! ever convicted, whoever sits beside it; every cheat that is drawn is caught for what it did; all evidence stands up
//! offline.

mod tolerance;
pub(crate) mod world;

use std::collections::{BTreeMap, BTreeSet};

use keys::Signature;
use neuron::machine::LeafTree;
use neuron::message::names::{BlockNumber, Hash, StageId, Uid};
use neuron::message::transfer::{Direction, Signed, Transfer};
use proptest::prelude::*;

use self::world::*;
use super::{Action, Audit, AuditRules, Event, Fault, MinerReport, Standing, WindowReport};
use crate::evidence::{Archive, Evidence, EvidenceError, Ground};
use crate::machine::draw::DrawRules;
use crate::machine::identity::Identity;
use crate::machine::judge::Recomputed;
use crate::machine::score::{FULL_PER_MILLE, ScoreBook, ScoreRules};
use crate::machine::verdict::{SilenceReports, VerdictBook};

fn rules(me: u16, share_per_mille: u16) -> AuditRules {
    AuditRules {
        run: manifest().run_id().unwrap(),
        network: NETWORK,
        me: hotkey(me),
        stages: STAGES,
        microbatches: MICROBATCHES,
        attempts: manifest().attempts(),
        tolerance: None,
        draw: DrawRules { share_per_mille, floor: 0, ceiling: 1000 },
        suspect_draws: 4,
        answer_blocks: 6,
        retry_blocks: 2,
        close_blocks: 30,
    }
}

/// All validators audit; everything is drawn. Reports are merged as far as the tests look at them.
fn audit_all(world: &World) -> (Vec<Evidence>, Vec<WindowReport>) {
    let audits = (MINERS..MINERS + VALIDATORS).map(|me| world.audit(rules(me, 1000), Vec::new()));
    let (evidence, reports): (Vec<_>, Vec<_>) = audits.unzip();
    (evidence.into_iter().flatten().collect(), reports)
}

fn of(report: &WindowReport, uid: u16) -> &MinerReport {
    report.miners.iter().find(|miner| miner.identity.uid == Uid(uid)).unwrap()
}

#[test]
fn an_honest_window_is_paid_in_full_and_nobody_is_accused() {
    let world = World::new(1, &[]);
    let (evidence, reports) = audit_all(&world);
    assert_eq!(evidence, []);
    let drawn: BTreeSet<_> = reports.iter().flat_map(|report| report.drawn.clone()).collect();
    assert_eq!(drawn.len(), MICROBATCHES as usize, "between them the validators audit everything");
    for report in &reports {
        assert_eq!((report.settled, report.is_payable()), (MICROBATCHES, true));
        assert_eq!(report.audited.len(), report.drawn.len());
        let passes: u32 = report.miners.iter().map(|miner| miner.passes).sum();
        assert_eq!(passes, MICROBATCHES * u32::from(STAGES), "one pass per microbatch and stage");
        assert!(report.miners.iter().all(|miner| miner.standing == Standing::Sound && miner.passes == miner.leaves));
    }
}

/// What each cheat is caught for when everything is drawn. Checked in every stage.
#[test]
fn every_cheat_is_caught_for_what_it_did_and_its_neighbours_are_not() {
    for cheat in CHEATS {
        for uid in 0..MINERS {
            let world = World::new(3, &[(uid, cheat)]);
            let (evidence, reports) = audit_all(&world);
            let worked = !world.trees[&hotkey(uid)].records().is_empty();
            let stage = world.placement.stage_of(&hotkey(uid)).unwrap().0;
            let is_last = stage + 1 == STAGES;
            for found in &evidence {
                assert_eq!(found.accused(), &world.identity(uid), "{cheat:?}: only the cheat is accused");
                assert_eq!(world.verify(found), Ok(()), "{cheat:?}");
            }
            let faults: BTreeSet<_> =
                reports.iter().flat_map(|report| of(report, uid).findings.iter().map(|f| f.fault)).collect();
            let standings: BTreeSet<_> = reports.iter().map(|report| of(report, uid).standing).collect();
            // Nothing of the first stage's way back goes over a wire: its gradients are for the segment replay.
            let expected = match cheat {
                LazyBackward if stage == 0 => None,
                Lazy | Echo | Partial | LazyBackward | OldWeights => Some(Standing::Sound),
                TwoFaced => Some(Standing::Sound),
                _ => None,
            };
            if worked && expected.is_some() {
                assert!(!faults.is_empty(), "{cheat:?} in stage {stage} was drawn and not caught");
                assert_eq!(faults.contains(&Fault::Contradiction), cheat == TwoFaced);
                let false_leaves = faults.iter().filter_map(|fault| match fault {
                    Fault::FalseLeaf { direction, .. } => Some(*direction),
                    Fault::Contradiction | Fault::FarLeaf { .. } => None,
                });
                let first = if is_last || cheat == LazyBackward { Direction::Backward } else { Direction::Forward };
                assert!(false_leaves.into_iter().all(|direction| direction == first), "{cheat:?} in stage {stage}");
            } else {
                assert!(faults.is_empty(), "{cheat:?} in stage {stage}");
            }
            let standing = match cheat {
                OtherWeights => Standing::OtherWeights,
                Silent => Standing::Silent,
                Withholder if worked => Standing::Silent,
                Absent => Standing::Absent,
                Confused => Standing::BadCommitment,
                // Which needs a leaf with an input that was drawn: each validator sees its own share.
                Unsigned if standings.contains(&Standing::UnsignedInputs) => Standing::UnsignedInputs,
                _ => Standing::Sound,
            };
            assert!(standings.contains(&standing), "{cheat:?} in stage {stage}: {standings:?}");
            if cheat == Unsigned && worked {
                assert_eq!(standing, Standing::UnsignedInputs);
            }
            for report in &reports {
                assert!(
                    report.miners.iter().all(|m| m.identity.uid == Uid(uid)
                        || (m.standing == Standing::Sound && m.findings.is_empty())),
                    "{cheat:?} in stage {stage}: a neighbour is blamed: {report:?}"
                );
            }
        }
    }
}

#[test]
fn a_false_microbatch_is_paid_upstream_only() {
    for stage in 1..STAGES {
        let honest = World::new(3, &[]);
        let mut replicas = honest.placement.replicas(StageId(stage)).iter();
        let cheat = replicas.find(|replica| !honest.trees[&replica.hotkey].records().is_empty()).unwrap().uid.0;
        let world = World::new(3, &[(cheat, Lazy)]);
        let (_, reports) = audit_all(&world);
        for report in &reports {
            let mut expected: BTreeMap<_, u32> = BTreeMap::new();
            for microbatch in 0..MICROBATCHES {
                let path = world.path(microbatch);
                let is_false = report.drawn.contains(&microbatch) && path[usize::from(stage)] == hotkey(cheat);
                let paid = if is_false { stage } else { STAGES };
                for hotkey in &path[..usize::from(paid)] {
                    *expected.entry(*hotkey).or_default() += 1;
                }
            }
            for miner in &report.miners {
                assert_eq!(miner.passes, expected.get(&miner.identity.hotkey).copied().unwrap_or(0), "stage {stage}");
            }
        }
    }
}

#[test]
fn a_commitment_whose_count_is_not_its_roots_is_never_answered() {
    let mut world = World::new(1, &[]);
    let liar = hotkey(0);
    let stage = world.placement.stage_of(&liar).unwrap().0;
    let mut commitment = world.commitment(liar, stage, &world.trees[&liar]);
    commitment.leaves += 1;
    world.commitments.insert(liar, commitment.to_bytes().unwrap());
    let (evidence, reports) = audit_all(&world);
    assert_eq!(evidence, []);
    assert!(reports.iter().all(|report| of(report, 0).standing == Standing::Silent));
}

#[test]
fn two_windows_of_false_work_convict_and_end_the_pay() {
    let (mut verdicts, mut scores) = (VerdictBook::default(), ScoreBook::default());
    let score_rules = ScoreRules { stage_flops: vec![2, 1, 3], memory_windows: 8, ramp_blocks: 100 };
    let cheat = (0..MINERS).find(|uid| World::new(1, &[]).trees[&hotkey(*uid)].records().len() > 1).unwrap();
    let archive_directory = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(archive_directory.path()).unwrap();
    for window in 1..4 {
        let world = World::new(window, &[(cheat, Lazy)]);
        let suspects = verdicts.suspects(world.members.iter().map(Identity::from).collect::<Vec<_>>().iter());
        assert!(suspects.iter().all(|suspect| *suspect == hotkey(cheat)));
        let (evidence, report) = world.audit(rules(MINERS, 1000), suspects);
        for found in &evidence {
            let name = archive.put(found).unwrap();
            assert_eq!(archive.get(&name).unwrap().as_ref(), Some(found));
        }
        let kept: BTreeSet<_> = archive.entries().iter().map(|entry| entry.name).collect();
        assert!(report.miners.iter().flat_map(|m| &m.findings).all(|finding| kept.contains(&finding.evidence)));
        verdicts.rule(&report, &SilenceReports::default(), None);
        scores.close(&score_rules, report);
    }
    let world = World::new(1, &[]);
    let miners: Vec<_> = (0..MINERS).map(|uid| world.identity(uid)).collect();
    let paid = scores.scores(&score_rules, &verdicts, BlockNumber(5000), &miners, |_| FULL_PER_MILLE);
    for (uid, score) in paid {
        assert_eq!(score == 0, uid == cheat, "uid {uid} has {score}");
    }
    assert!(verdicts.conviction(&world.identity(cheat)).is_some());
    let reopened = Archive::open(archive_directory.path()).unwrap();
    assert_eq!(reopened.entries(), archive.entries());
}

#[test]
fn a_suspect_is_drawn_though_the_share_is_nothing() {
    let world = World::new(5, &[(4, Partial)]);
    assert!(world.trees[&hotkey(4)].records().len() > 2, "the test needs a miner with work");
    let (evidence, report) = world.audit(rules(MINERS, 0), vec![]);
    assert_eq!((evidence.len(), report.drawn.len()), (0, 0));
    let (evidence, report) = world.audit(rules(MINERS, 0), vec![hotkey(4)]);
    let leaves = world.trees[&hotkey(4)].records().len();
    assert_eq!(report.drawn.len(), leaves.min(4));
    assert!(!evidence.is_empty());
}

#[test]
fn evidence_that_is_tampered_with_proves_nothing() {
    let world = World::new(1, &[(0, Lazy), (1, TwoFaced), (2, Lazy), (3, Partial), (4, TwoFaced)]);
    let (evidence, _) = audit_all(&world);
    assert!(evidence.iter().any(|found| matches!(found, Evidence::FalseLeaf { .. })));
    assert!(evidence.iter().any(|found| matches!(found, Evidence::Contradiction { .. })));
    for found in &evidence {
        assert_eq!(world.verify(found), Ok(()));
        // Somebody else is accused of it.
        let mut framed = found.clone();
        let innocent = world.identity(8);
        match &mut framed {
            Evidence::FalseLeaf { accused, .. }
            | Evidence::Contradiction { accused, .. }
            | Evidence::FarLeaf { accused, .. } => *accused = innocent,
        }
        assert!(world.verify(&framed).is_err());
        // Every byte counts: a change is refused when it is read, or proves nothing, or is about nothing that is proved
        // (the slot of the accused, which the chain's registrations tell).
        let bytes = found.to_bytes().unwrap();
        for place in (0..bytes.len()).step_by(7) {
            let mut other = bytes.clone();
            other[place] ^= 1;
            let Ok(other) = Evidence::from_bytes(&other) else { continue };
            let (is, was) = (other.accused(), found.accused());
            let same_key_other_slot = is.hotkey == was.hotkey && is != was;
            assert!(same_key_other_slot || world.verify(&other).is_err(), "byte {place} of {}", bytes.len());
        }
    }
    let found = evidence.iter().find(|found| matches!(found, Evidence::FalseLeaf { .. })).unwrap();
    let Evidence::FalseLeaf { accused, opening, thetas, truth } = found.clone() else { unreachable!() };
    // Evidence that starts from other weights than the accused committed to is about nothing it did.
    let mut other_thetas = thetas.clone();
    other_thetas[usize::from(opening.leaf.stage.0)] = Hash([0x77; 32]);
    let other = Evidence::FalseLeaf { accused, opening: opening.clone(), thetas: other_thetas, truth: truth.clone() };
    let whatever = truth.clone();
    let ground = Ground {
        network: &NETWORK,
        run: world.run,
        stages: STAGES,
        member: &|hotkey, _| world.member(hotkey),
        posted: &|hotkey, window| world.posted(hotkey, window),
        recomputed: &move |_, _, _| Some(whatever.clone()),
        compared: &|_, _, _| None,
        bound: None,
    };
    assert_eq!(other.verify(&ground), Err(EvidenceError::MisplacedLeaf));
    // An auditor that computed something else cannot make an honest leaf false.
    let honest_truth = Recomputed { forward: vec![Hash([1; 32]); truth.forward.len()], ..truth };
    let lie = Evidence::FalseLeaf { accused, opening, thetas, truth: honest_truth };
    assert_eq!(world.verify(&lie), Err(EvidenceError::OtherTruth));
}

#[test]
fn words_put_into_a_neighbours_mouth_convict_nobody() {
    // A framer shows transfers that its neighbours never signed, and garbage signatures for them.
    let mut world = World::new(1, &[]);
    let framer = (0..MINERS)
        .map(hotkey)
        .find(|hotkey| world.placement.stage_of(hotkey) == Some(StageId(1)) && world.trees[hotkey].records().len() > 1);
    let framer = framer.unwrap();
    let mut records = world.trees[&framer].records().to_vec();
    for record in &mut records {
        let forge = |signed: &mut Option<Signed<Transfer>>, claimed: &mut Option<Transfer>| {
            let signed = signed.as_mut().unwrap();
            signed.statement.payload = Hash([0x66; 32]);
            signed.signature = Signature::Sr25519([9; 64]);
            *claimed = Some(signed.statement);
        };
        forge(&mut record.forward_in, &mut record.leaf.forward_in);
        forge(&mut record.backward_in, &mut record.leaf.backward_in);
    }
    let tree = LeafTree::new(records);
    let commitment = world.commitment(framer, 1, &tree);
    world.commitments.insert(framer, commitment.to_bytes().unwrap());
    world.trees.insert(framer, tree);
    let (evidence, reports) = audit_all(&world);
    assert_eq!(evidence, []);
    for report in &reports {
        for miner in &report.miners {
            let is_framer = miner.identity.hotkey == framer;
            assert_eq!(miner.standing == Standing::UnsignedInputs, is_framer);
            assert!(!is_framer || miner.passes == 0);
        }
    }
}

#[test]
fn answers_that_are_not_what_was_posted_change_nothing() {
    let world = World::new(1, &[]);
    let mut audit = Audit::new(rules(MINERS, 1000));
    audit.on(Event::Block(BlockNumber(1000)));
    let asked = audit.on(Event::Opened(Box::new(world.opened(vec![]))));
    assert_eq!(asked.len(), usize::from(MINERS));
    let window = world.window;
    let (one, other) = (hotkey(0), hotkey(1));
    let bytes = world.commitments[&other].clone();
    assert_eq!(audit.on(Event::Commitment { window, hotkey: one, bytes }), [], "another's commitment");
    let records = world.trees[&other].records().to_vec();
    assert_eq!(audit.on(Event::Leaves { window, hotkey: one, records }), [], "before its commitment");
    let bytes = world.commitments[&one].clone();
    let next = audit.on(Event::Commitment { window, hotkey: one, bytes: bytes.clone() });
    assert!(matches!(next[..], [Action::FetchLeaves { .. }]));
    let mut mixed = world.trees[&one].records().to_vec();
    mixed[0].leaf.pass.attempt ^= 1;
    assert_eq!(audit.on(Event::Leaves { window, hotkey: one, records: mixed }), [], "not under the root");
    assert_eq!(audit.on(Event::Commitment { window, hotkey: one, bytes }), [], "it was here before");
    assert_eq!(audit.on(Event::Block(BlockNumber(1001))), [], "not so soon");
    let again = audit.on(Event::Block(BlockNumber(1002)));
    assert_eq!(again.len(), usize::from(MINERS), "a lost answer is asked for again");
    let truth = truth(0);
    assert_eq!(audit.on(Event::Recomputed { window, microbatch: 0, truth }), [], "nobody asked");
}

#[test]
fn a_recomputation_that_never_comes_ends_at_the_deadline_and_pays_nobody() {
    let world = World::new(1, &[]);
    let mut audit = Audit::new(rules(MINERS, 1000));
    audit.on(Event::Block(BlockNumber(1000)));
    let mut actions = audit.on(Event::Opened(Box::new(world.opened(vec![]))));
    while let Some(action) = actions.pop() {
        let window = world.window;
        match action {
            Action::FetchCommitment { hotkey, .. } => {
                let bytes = world.commitments[&hotkey].clone();
                actions.extend(audit.on(Event::Commitment { window, hotkey, bytes }));
            }
            Action::FetchLeaves { hotkey, .. } => {
                let records = world.trees[&hotkey].records().to_vec();
                actions.extend(audit.on(Event::Leaves { window, hotkey, records }));
            }
            _ => {}
        }
    }
    assert_eq!(audit.on(Event::Block(BlockNumber(1029))), []);
    let closed = audit.on(Event::Block(BlockNumber(1030)));
    let [Action::Closed(report)] = &closed[..] else { panic!("{closed:?}") };
    assert!(!report.drawn.is_empty() && report.audited.is_empty());
    assert!(!report.is_payable());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any mixture of cheats, in any places: the honest are never accused and never void.
    #[test]
    fn the_honest_are_never_convicted(
        window in 0u32..1000,
        share in 0u16..=1000,
        cheats in prop::collection::btree_map(0..MINERS, prop::sample::select(CHEATS.to_vec()), 0..usize::from(MINERS)),
    ) {
        let personas: Vec<_> = cheats.clone().into_iter().collect();
        let world = World::new(window, &personas);
        let mut verdicts = VerdictBook::default();
        for me in MINERS..MINERS + VALIDATORS {
            let suspects = world.members.iter().map(|member| member.hotkey).collect();
            let (evidence, report) = world.audit(rules(me, share), suspects);
            for found in &evidence {
                prop_assert_eq!(world.verify(found), Ok(()));
                prop_assert!(cheats.contains_key(&found.accused().uid.0), "{:?}", found);
            }
            let silent = report.miners.iter().filter(|miner| miner.standing == Standing::Silent);
            let silent = SilenceReports::of_one(hotkey(me), silent.map(|miner| miner.identity.hotkey).collect());
            verdicts.rule(&report, &silent, None);
            for miner in report.miners.iter().filter(|miner| !cheats.contains_key(&miner.identity.uid.0)) {
                prop_assert_eq!(miner.standing, Standing::Sound);
                prop_assert!(miner.passes <= miner.leaves);
            }
        }
        for uid in (0..MINERS).filter(|uid| !cheats.contains_key(uid)) {
            prop_assert_eq!(verdicts.about(world.identity(uid)).count(), 0);
        }
    }
}
