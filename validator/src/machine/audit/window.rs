//! One window under audit: what was asked, what was answered, what is being recomputed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keys::AccountId;
use neuron::machine::{LeafTree, Placement, owners};
use neuron::message::commit::{CommitPost, Commitment, StageState};
use neuron::message::leaf::LeafRecord;
use neuron::message::names::{Beacon, BlockNumber, Hash, StageId, WindowId};
use neuron::message::transfer::PassId;

use super::{Action, AuditRules, MAX_LEAVES, MAX_OPENED_HOPS, MAX_SUSPECT_DRAWS, Opened};
use crate::machine::draw;
use crate::machine::hop::{ClaimedHop, OpenedHop, claims};
use crate::machine::identity::Identity;
use crate::machine::judge::Recomputed;
use crate::machine::path::{Frame, LeafList, Path, settled};

/// How far a replica's answer is.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing on chain.
    Absent,
    /// The commitment that was posted is awaited.
    Posted(Hash),
    /// The commitment is not what can be committed to.
    Bad,
    /// The leaves are awaited.
    Committed(Box<Commitment>),
    /// The leaves are here: the commitment, and the list's place.
    Listed(Box<Commitment>, usize),
}

#[derive(Debug)]
pub(super) struct Replica {
    pub(super) identity: Identity,
    pub(super) stage: StageId,
    pub(super) answer: Answer,
    asked: Option<BlockNumber>,
}

/// What computing a microbatch again came to.
#[derive(Debug)]
pub(super) enum Found {
    /// What honest stages send.
    Names(Recomputed),
    /// How far off each hop is; `None`: it was not opened.
    Hops(BTreeMap<(AccountId, PassId), Option<OpenedHop>>),
}

/// What is recomputed, and what came of it.
#[derive(Debug)]
pub(super) struct Recomputation {
    /// The states that the window was worked with; none when a stage's are not known.
    pub(super) states: Option<Vec<StageState>>,
    pub(super) paths: BTreeMap<u32, Path>,
    pub(super) drawn: BTreeSet<u32>,
    queue: VecDeque<u32>,
    running: Option<u32>,
    /// The hops that are being opened.
    opening: Vec<ClaimedHop>,
    pub(super) found: BTreeMap<u32, Found>,
}

#[derive(Debug)]
pub(super) struct WindowAudit {
    pub(super) window: WindowId,
    opened_at: BlockNumber,
    work_beacon: Beacon,
    audit_beacon: Beacon,
    placement: Placement,
    thetas: Vec<Option<Hash>>,
    suspects: Vec<AccountId>,
    pub(super) replicas: BTreeMap<AccountId, Replica>,
    pub(super) lists: Vec<LeafList>,
    pub(super) recomputation: Option<Recomputation>,
}

impl WindowAudit {
    pub(super) fn new(rules: &AuditRules, now: BlockNumber, opened: Opened) -> Self {
        let Opened { window, work_beacon, audit_beacon, members, placement, commits, thetas, suspects } = opened;
        let mut posts: BTreeMap<AccountId, CommitPost> = BTreeMap::new();
        for (hotkey, post) in commits {
            if post.run == rules.run.prefix() && post.window == window {
                posts.entry(hotkey).or_insert(post);
            }
        }
        let identities: BTreeMap<_, _> = members.iter().map(|m| (m.hotkey, Identity::from(m))).collect();
        let placed = (0..placement.stages())
            .map(StageId)
            .flat_map(|stage| placement.replicas(stage).iter().map(move |replica| (stage, replica.hotkey)));
        let replicas = placed
            .filter_map(|(stage, hotkey)| {
                let answer = match posts.get(&hotkey) {
                    None => Answer::Absent,
                    Some(post) if post.stage != stage => Answer::Bad,
                    Some(post) => Answer::Posted(post.commitment),
                };
                let identity = *identities.get(&hotkey)?;
                Some((hotkey, Replica { identity, stage, answer, asked: None }))
            })
            .collect();
        Self {
            window,
            opened_at: now,
            work_beacon,
            audit_beacon,
            placement,
            thetas,
            suspects,
            replicas,
            lists: Vec::new(),
            recomputation: None,
        }
    }

    pub(super) fn frame(&self, rules: &AuditRules) -> Frame {
        Frame {
            run: rules.run,
            window: self.window,
            stages: rules.stages,
            microbatches: rules.microbatches,
            attempts: rules.attempts,
        }
    }

    pub(super) fn on_commitment(&mut self, rules: &AuditRules, hotkey: &AccountId, bytes: &[u8]) {
        let Some(replica) = self.replicas.get_mut(hotkey) else { return };
        // Only bytes of the posted name speak for the miner; anything else may be somebody else's mischief.
        if !matches!(replica.answer, Answer::Posted(name) if name == Hash::of(bytes)) {
            return;
        }
        let most_leaves = u64::from(rules.microbatches) * u64::from(rules.attempts);
        let fits = Commitment::from_bytes(bytes).ok().filter(|commitment| {
            commitment.run == rules.run
                && commitment.window == self.window
                && commitment.stage == replica.stage
                && commitment.hotkey == *hotkey
                && u64::from(commitment.leaves) <= most_leaves.min(MAX_LEAVES as u64)
        });
        replica.asked = None;
        replica.answer = fits.map_or(Answer::Bad, |commitment| Answer::Committed(Box::new(commitment)));
    }

    pub(super) fn on_leaves(&mut self, hotkey: &AccountId, records: Vec<LeafRecord>) {
        let Some(replica) = self.replicas.get_mut(hotkey) else { return };
        let Answer::Committed(commitment) = &replica.answer else { return };
        if records.len() as u64 != u64::from(commitment.leaves) || self.recomputation.is_some() {
            return;
        }
        let tree = LeafTree::new(records);
        if tree.root() != commitment.leaves_root {
            return;
        }
        // One of two could be paid for what the other says was sent.
        let mut passes = BTreeSet::new();
        if !tree.records().iter().all(|record| passes.insert(record.leaf.pass)) {
            replica.answer = Answer::Bad;
            return;
        }
        replica.answer = Answer::Listed(commitment.clone(), self.lists.len());
        self.lists.push(LeafList { hotkey: *hotkey, stage: replica.stage, records: tree.records().to_vec() });
    }

    pub(super) fn on_recomputed(&mut self, microbatch: u32, found: Option<Found>) {
        let Some(recomputation) = self.recomputation.as_mut() else { return };
        if recomputation.running != Some(microbatch) {
            return;
        }
        recomputation.running = None;
        recomputation.opening.clear();
        if let Some(found) = found {
            recomputation.found.insert(microbatch, found);
        }
    }

    pub(super) fn on_compared(&mut self, microbatch: u32, hops: Vec<Option<OpenedHop>>) {
        let Some(recomputation) = self.recomputation.as_ref() else { return };
        let asked = &recomputation.opening;
        let found = (hops.len() == asked.len()).then(|| {
            let names = asked.iter().map(|hop| (hop.hotkey, hop.leaf.pass));
            Found::Hops(names.zip(hops).collect())
        });
        self.on_recomputed(microbatch, found);
    }

    /// Does what is due; `true` when the window's audits are to be closed.
    pub(super) fn poll(&mut self, rules: &AuditRules, now: BlockNumber, out: &mut Vec<Action>) -> bool {
        let age_blocks = now.0.saturating_sub(self.opened_at.0);
        let awaits = |replica: &Replica| matches!(replica.answer, Answer::Posted(_) | Answer::Committed(_));
        if self.recomputation.is_none() {
            let late = age_blocks >= u64::from(rules.answer_blocks);
            if !late && self.replicas.values().any(awaits) {
                self.ask(rules, now, out);
                return false;
            }
            self.recomputation = Some(self.draw(rules));
        }
        if age_blocks >= u64::from(rules.close_blocks) {
            return true;
        }
        self.recompute(rules, out)
    }

    fn ask(&mut self, rules: &AuditRules, now: BlockNumber, out: &mut Vec<Action>) {
        let window = self.window;
        let validators = self.placement.validators().iter().map(|v| v.hotkey).filter(|hotkey| *hotkey != rules.me);
        let validators: Vec<_> = validators.collect();
        for (&hotkey, replica) in &mut self.replicas {
            let due = replica.asked.is_none_or(|asked| now.0 >= asked.0.saturating_add(rules.retry_blocks.into()));
            if !due {
                continue;
            }
            let owner_first = |others: &mut dyn Iterator<Item = AccountId>| {
                let others = others.filter(|other| *other != hotkey);
                std::iter::once(hotkey).chain(others).collect::<Vec<_>>()
            };
            match &replica.answer {
                Answer::Posted(name) => {
                    // Replicas of the stage fetched each other's commitments to merge.
                    let peers = self.placement.replicas(replica.stage).iter().map(|peer| peer.hotkey);
                    let from = owner_first(&mut peers.chain(validators.iter().copied()));
                    out.push(Action::FetchCommitment { window, hotkey, name: *name, from });
                }
                Answer::Committed(commitment) => {
                    let from = owner_first(&mut validators.iter().copied());
                    out.push(Action::FetchLeaves { window, hotkey, leaves: commitment.leaves, from });
                }
                Answer::Absent | Answer::Bad | Answer::Listed(..) => continue,
            }
            replica.asked = Some(now);
        }
    }

    /// Whose drawn turn an attempt was.
    fn owner(&self, pass: PassId) -> Option<AccountId> {
        let first = StageId(0);
        let order = owners(&self.work_beacon, self.window, pass.microbatch, &self.placement.uids(first));
        let uid = order.get(usize::from(pass.attempt).checked_rem(order.len())?)?;
        self.placement.hotkey_of(first, *uid)
    }

    fn draw(&self, rules: &AuditRules) -> Recomputation {
        let (beacon, window) = (&self.audit_beacon, self.window);
        let validators: Vec<_> = self.placement.validators().iter().map(|validator| validator.hotkey).collect();
        let all = draw::drawn(&rules.draw, beacon, window, rules.microbatches);
        let mut drawn: BTreeSet<_> = draw::dealt_to(&rules.me, &all, beacon, window, &validators).into_iter().collect();
        let frame = self.frame(rules);
        let mut room = MAX_SUSPECT_DRAWS;
        for suspect in &self.suspects {
            let Some(list) = self.lists.iter().find(|list| list.hotkey == *suspect) else { continue };
            let leaves = list.records.iter().map(|record| &record.leaf).filter(|leaf| frame.fits(list, leaf));
            let work: BTreeSet<_> = leaves.map(|leaf| leaf.pass.microbatch).collect();
            let count = usize::try_from(rules.suspect_draws).unwrap_or(usize::MAX).min(room);
            let more = draw::drawn_of_suspect(suspect, work.into_iter(), beacon, window, count);
            room -= more.len();
            drawn.extend(more);
        }
        let paths = settled(&frame, &self.lists, |pass| self.owner(pass));
        let worked: BTreeSet<_> =
            self.lists.iter().flat_map(|list| &list.records).map(|record| record.leaf.pass.microbatch).collect();
        // A drawn microbatch that nobody worked on needs no recomputation: it is not in the report's draw either.
        let drawn: BTreeSet<_> = drawn.intersection(&worked).copied().collect();
        let states = self.states(rules);
        let queue = if states.is_some() { drawn.iter().copied().collect() } else { VecDeque::new() };
        Recomputation { states, paths, drawn, queue, running: None, opening: Vec::new(), found: BTreeMap::new() }
    }

    /// The state of every stage: the one whose weights are known, or that more than half of the commitments name.
    fn states(&self, rules: &AuditRules) -> Option<Vec<StageState>> {
        (0..rules.stages)
            .map(|stage| {
                let mut votes: BTreeMap<StageState, usize> = BTreeMap::new();
                for replica in self.replicas.values().filter(|replica| replica.stage.0 == stage) {
                    if let Answer::Committed(commitment) | Answer::Listed(commitment, _) = &replica.answer {
                        *votes.entry(commitment.state).or_default() += 1;
                    }
                }
                match self.thetas.get(usize::from(stage)).copied().flatten() {
                    // The blob's name cannot be known from the weights'; the one most replicas name is tried.
                    Some(theta) => {
                        let named = votes.into_iter().filter(|(state, _)| state.theta == theta);
                        named.max_by_key(|(_, count)| *count).map(|(state, _)| state)
                    }
                    None => {
                        let all: usize = votes.values().sum();
                        votes.into_iter().find(|(_, count)| count * 2 > all).map(|(state, _)| state)
                    }
                }
            })
            .collect()
    }

    /// Gives out the next recomputation; `true` when there is none left and none running.
    fn recompute(&mut self, rules: &AuditRules, out: &mut Vec<Action>) -> bool {
        let (window, frame) = (self.window, self.frame(rules));
        let Some(recomputation) = self.recomputation.as_mut() else { return false };
        if recomputation.running.is_some() {
            return false;
        }
        let next = recomputation.queue.pop_front();
        let (Some(microbatch), Some(states)) = (next, recomputation.states.clone()) else { return true };
        recomputation.running = Some(microbatch);
        if rules.tolerance.is_some() {
            let hops = claimed_hops(&frame, &self.lists, microbatch, recomputation.paths.get(&microbatch));
            recomputation.opening.clone_from(&hops);
            out.push(Action::Compare { window, microbatch, states, hops });
            return false;
        }
        let claimed = recomputation.paths.get(&microbatch).map(|path| claim(&self.lists, path));
        let claimed = claimed.filter(|claimed| claimed.has_stages(rules.stages));
        out.push(Action::Recompute { window, microbatch, states, claimed });
        false
    }
}

/// All leaves that say that something was computed of a microbatch: those of the settled path first, which are paid; then the
/// others, whose gradients were merged just the same.
fn claimed_hops(frame: &Frame, lists: &[LeafList], microbatch: u32, path: Option<&Path>) -> Vec<ClaimedHop> {
    let is_paid = |list: usize, leaf: usize| {
        path.is_some_and(|path| path.hops.iter().any(|hop| (hop.list, hop.leaf) == (list, leaf)))
    };
    let (mut paid, mut others) = (Vec::new(), Vec::new());
    for (place, list) in lists.iter().enumerate() {
        for (index, record) in list.records.iter().enumerate() {
            let leaf = record.leaf;
            if leaf.pass.microbatch == microbatch && claims(&leaf, frame.stages) && frame.fits(list, &leaf) {
                let kept = if is_paid(place, index) { &mut paid } else { &mut others };
                kept.push(ClaimedHop { hotkey: list.hotkey, leaf });
            }
        }
    }
    paid.extend(others);
    paid.truncate(MAX_OPENED_HOPS);
    paid
}

/// What the leaves of a path say was sent.
fn claim(lists: &[LeafList], path: &Path) -> Recomputed {
    let leaves = path.hops.iter().filter_map(|hop| Some(&lists.get(hop.list)?.records.get(hop.leaf)?.leaf));
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    for leaf in leaves {
        forward.extend(leaf.forward_out.map(|transfer| transfer.payload));
        backward.extend(leaf.backward_out.map(|transfer| transfer.payload));
    }
    Recomputed { forward, backward }
}
