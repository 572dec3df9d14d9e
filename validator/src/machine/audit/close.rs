//! From what is known of a window to its report: evidence of what is false, and passes that are to be paid.

use std::collections::{BTreeMap, BTreeSet};

use keys::AccountId;
use neuron::message::commit::Commitment;
use neuron::message::leaf::LeafRecord;
use neuron::message::names::Hash;

use super::window::{Answer, Found, Recomputation, Replica, WindowAudit};
use super::{Action, AuditRules, Fault, Finding, MinerReport, Standing, WindowReport};
use crate::evidence::{Evidence, Opening, Said};
use crate::machine::hop::{Compared, OpenedHop, claims};
use crate::machine::judge::{
    Judgement, Recomputed, SelfContradiction, Source, contradictions, inputs_are_signed, judge,
};
use crate::machine::path::LeafList;

/// Most leaves of a miner in one window that are shown to be too far off: evidence with tensors is large, and the next window
/// brings more.
const MAX_FAR_LEAVES: usize = 4;

/// What the leaves of one miner came to.
#[derive(Default)]
struct Judged {
    standing: Option<Standing>,
    findings: Vec<Finding>,
    /// Drawn microbatches in which it is not paid.
    unpaid: BTreeSet<u32>,
    confirmed: BTreeSet<u32>,
}

impl WindowAudit {
    /// Ends the audits: evidence first, then the report that names it.
    pub(super) fn close(mut self, rules: &AuditRules, out: &mut Vec<Action>) {
        let recomputation = self.recomputation.take();
        let mut accused: BTreeMap<AccountId, Vec<Finding>> = BTreeMap::new();
        for contradiction in contradictions(&self.frame(rules), &self.lists, &rules.network) {
            let Some(evidence) = self.contradiction(&contradiction) else { continue };
            if let Some(finding) = keep(evidence, Fault::Contradiction, out) {
                accused.entry(contradiction.accused).or_default().push(finding);
            }
        }
        let mut passes: BTreeMap<AccountId, BTreeSet<u32>> = BTreeMap::new();
        for (microbatch, path) in recomputation.iter().flat_map(|known| &known.paths) {
            for hop in &path.hops {
                passes.entry(hop.hotkey).or_default().insert(*microbatch);
            }
        }
        let mut miners = Vec::with_capacity(self.replicas.len());
        for (hotkey, replica) in &self.replicas {
            let mut judged = recomputation
                .as_ref()
                .map_or_else(Judged::default, |known| self.judge_replica(rules, replica, known, out));
            judged.findings.extend(accused.remove(hotkey).unwrap_or_default());
            let (standing, leaves) = standing(replica, recomputation.as_ref());
            let standing = if standing == Standing::Sound { judged.standing.unwrap_or(standing) } else { standing };
            let settled = passes.remove(hotkey).unwrap_or_default();
            let paid = if standing == Standing::Sound { settled.difference(&judged.unpaid).count() } else { 0 };
            miners.push(MinerReport {
                identity: replica.identity,
                stage: replica.stage,
                standing,
                leaves,
                passes: u32::try_from(paid).unwrap_or(u32::MAX),
                confirmed: u32::try_from(judged.confirmed.len()).unwrap_or(u32::MAX),
                findings: judged.findings,
            });
        }
        miners.sort_unstable_by_key(|miner| miner.identity.uid);
        let (drawn, audited, settled, states) = recomputation.map_or_else(Default::default, |known| {
            let audited = known.found.keys().copied().collect();
            let settled = u32::try_from(known.paths.len()).unwrap_or(u32::MAX);
            (known.drawn.into_iter().collect(), audited, settled, known.states)
        });
        let window = self.window;
        out.push(Action::Closed(Box::new(WindowReport { window, drawn, audited, states, settled, miners })));
    }

    /// Judges all leaves of a replica for microbatches that were recomputed, on a settled path or not: a leaf off the path
    /// went into the gradient just the same.
    fn judge_replica(
        &self,
        rules: &AuditRules,
        replica: &Replica,
        known: &Recomputation,
        out: &mut Vec<Action>,
    ) -> Judged {
        let mut judged = Judged::default();
        let Answer::Listed(commitment, place) = &replica.answer else { return judged };
        let Some(states) = known.states.as_ref().filter(|_| standing(replica, Some(known)).0 == Standing::Sound) else {
            return judged;
        };
        let (frame, list) = (self.frame(rules), &self.lists[*place]);
        let thetas: Vec<_> = states.iter().map(|state| state.theta).collect();
        for (index, record) in list.records.iter().enumerate().filter(|(_, record)| frame.fits(list, &record.leaf)) {
            let microbatch = record.leaf.pass.microbatch;
            let Some(found) = known.found.get(&microbatch) else { continue };
            if !shows_its_inputs(rules, record) {
                judged.standing = Some(Standing::UnsignedInputs);
            }
            let truth = match found {
                Found::Names(truth) => truth,
                Found::Hops(hops) => {
                    match hops.get(&(list.hotkey, record.leaf.pass)) {
                        Some(hop) => judge_hop((replica, commitment, list, index), hop.as_ref(), &mut judged, out),
                        // Too many to be opened: not paid for unseen.
                        None if claims(&record.leaf, rules.stages) => {
                            judged.unpaid.insert(microbatch);
                        }
                        None => {}
                    }
                    continue;
                }
            };
            match judge(&record.leaf, rules.stages, truth) {
                Judgement::Confirmed | Judgement::ForwardConfirmed => {
                    judged.confirmed.insert(microbatch);
                }
                Judgement::Corrupted => {
                    judged.unpaid.insert(microbatch);
                }
                Judgement::False(direction) => {
                    let is_new = judged.unpaid.insert(microbatch)
                        || !judged.findings.iter().any(|finding| finding.fault.microbatch() == Some(microbatch));
                    if is_new
                        && let Some(evidence) = false_leaf(replica, commitment, list, index, &thetas, truth)
                        && let Some(finding) = keep(evidence, Fault::FalseLeaf { microbatch, direction }, out)
                    {
                        judged.findings.push(finding);
                    }
                }
            }
        }
        judged.confirmed.retain(|microbatch| !judged.unpaid.contains(microbatch));
        judged
    }

    fn contradiction(&self, found: &SelfContradiction) -> Option<Evidence> {
        let accused = self.replicas.get(&found.accused)?.identity;
        Some(Evidence::Contradiction { accused, first: self.said(&found.first)?, second: self.said(&found.second)? })
    }

    fn said(&self, source: &Source) -> Option<Said> {
        match *source {
            Source::Signed(signed) => Some(Said::Signed(Box::new(signed))),
            Source::Committed { list, leaf, direction } => {
                let list = self.lists.get(list)?;
                let Answer::Listed(commitment, _) = &self.replicas.get(&list.hotkey)?.answer else { return None };
                let opening = Opening::of(**commitment, &list.records, leaf).ok()?;
                Some(Said::Committed { opening: Box::new(opening), direction })
            }
        }
    }
}

/// Judges a hop that was to be opened, of the leaf at `index` of a replica's list.
fn judge_hop(
    (replica, commitment, list, index): (&Replica, &Commitment, &LeafList, usize),
    hop: Option<&OpenedHop>,
    judged: &mut Judged,
    out: &mut Vec<Action>,
) {
    let microbatch = list.records[index].leaf.pass.microbatch;
    let Some(OpenedHop { compared, tensors }) = hop else {
        // What is not shown would else be what is never found: nothing of the window is paid.
        judged.standing = judged.standing.or(Some(Standing::Silent));
        judged.unpaid.insert(microbatch);
        return;
    };
    match (compared, tensors) {
        (Compared::Corrupted, _) => {
            judged.unpaid.insert(microbatch);
        }
        (Compared::Off { .. }, None) => {
            judged.confirmed.insert(microbatch);
        }
        (Compared::Off { direction, .. }, Some(tensors)) => {
            judged.unpaid.insert(microbatch);
            let is_known = judged.findings.iter().any(|finding| finding.fault.microbatch() == Some(microbatch));
            if !is_known
                && judged.findings.len() < MAX_FAR_LEAVES
                && let Ok(opening) = Opening::of(*commitment, &list.records, index)
            {
                let (accused, opening, tensors) = (replica.identity, Box::new(opening), tensors.clone());
                let fault = Fault::FarLeaf { microbatch, direction: *direction };
                judged.findings.extend(keep(Evidence::FarLeaf { accused, opening, tensors }, fault, out));
            }
        }
    }
}

/// How a replica stands by its answers alone, and how many leaves it committed to.
fn standing(replica: &Replica, known: Option<&Recomputation>) -> (Standing, u32) {
    let commitment: &Commitment = match &replica.answer {
        Answer::Absent => return (Standing::Absent, 0),
        Answer::Bad => return (Standing::BadCommitment, 0),
        Answer::Posted(_) => return (Standing::Silent, 0),
        Answer::Committed(commitment) => return (Standing::Silent, commitment.leaves),
        Answer::Listed(commitment, _) => commitment,
    };
    let states = known.and_then(|known| known.states.as_ref());
    let right = states.and_then(|states| states.get(usize::from(replica.stage.0)));
    let is_right = right.is_none_or(|state| state.theta == commitment.state.theta);
    (if is_right { Standing::Sound } else { Standing::OtherWeights }, commitment.leaves)
}

fn shows_its_inputs(rules: &AuditRules, record: &LeafRecord) -> bool {
    inputs_are_signed(&record.leaf, [record.forward_in, record.backward_in], &rules.network)
}

fn false_leaf(
    replica: &Replica,
    commitment: &Commitment,
    list: &LeafList,
    index: usize,
    thetas: &[Hash],
    truth: &Recomputed,
) -> Option<Evidence> {
    let opening = Opening::of(*commitment, &list.records, index).ok()?;
    Some(Evidence::FalseLeaf {
        accused: replica.identity,
        opening: Box::new(opening),
        thetas: thetas.to_vec(),
        truth: truth.clone(),
    })
}

/// Has evidence kept, and names it. What is too long to be evidence is none: then nobody is accused.
fn keep(evidence: Evidence, fault: Fault, out: &mut Vec<Action>) -> Option<Finding> {
    let name = Hash::of(&evidence.to_bytes().ok()?);
    out.push(Action::Keep(Box::new(evidence)));
    Some(Finding { fault, evidence: name })
}
