//! Which passes are paid: whole paths through committed leaves.
//!
//! An attempt at a microbatch is *settled* when its drawn owner, and one replica of every stage after it, committed
//! leaves that hold the same transfers at both ends, forward and backward. Of a microbatch the first settled attempt is
//! paid, once per stage. So work can neither be invented (microbatches and owners are drawn) nor claimed alone.
//!
//! A leaf may *replay*: its owner had computed the same input for another attempt and only handed the result over again.
//! Then the path goes on from the leaf that was computed.
//!
//! Paths are found from the last stage upwards, a stage at a time, in time linear in the leaves: a hostile list cannot
//! make the search branch.
//!
//! Known limit: a miner that withholds its leaves takes the pay of its neighbours for the microbatches they shared with
//! it. Filling the hole from the neighbours' signatures would be worse: then a silent accomplice could vouch for a
//! partner that computes nothing, and neither could be judged.

use std::collections::BTreeMap;

use keys::AccountId;
use neuron::message::leaf::{Leaf, LeafRecord};
use neuron::message::names::{Hash, RunId, StageId, WindowId};
use neuron::message::transfer::{Direction, PassId, Transfer};

/// What every leaf of a window has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The run.
    pub run: RunId,
    /// The window.
    pub window: WindowId,
    /// Stages of the model.
    pub stages: u16,
    /// Microbatches of a window.
    pub microbatches: u32,
    /// Attempts that can be made at each.
    pub attempts: u8,
}

/// All leaves of one replica in one window, checked against the root that it committed.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafList {
    /// Whose.
    pub hotkey: AccountId,
    /// The stage that it hosted.
    pub stage: StageId,
    /// The leaves in the order of their tree.
    pub records: Vec<LeafRecord>,
}

/// One stage's part of a settled path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who is paid.
    pub hotkey: AccountId,
    /// The list among those given.
    pub list: usize,
    /// The leaf in the list: the one that was computed, where the path's own leaf replays it.
    pub leaf: usize,
}

/// The settled attempt at a microbatch, a hop per stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Which attempt.
    pub attempt: u8,
    /// From the first stage to the last.
    pub hops: Vec<Hop>,
}

impl Frame {
    /// Whether a leaf of `list` says only what its owner could honestly say, as far as it can be seen from itself.
    pub fn fits(&self, list: &LeafList, leaf: &Leaf) -> bool {
        let is_first = list.stage.0 == 0;
        let is_last = list.stage.0.saturating_add(1) >= self.stages;
        let Leaf { forward_in, forward_out, backward_in, backward_out, .. } = leaf;
        let incoming = [(forward_in, Direction::Forward), (backward_in, Direction::Backward)];
        let outgoing = [(forward_out, Direction::Forward), (backward_out, Direction::Backward)];
        leaf.window == self.window
            && leaf.stage == list.stage
            && leaf.pass.microbatch < self.microbatches
            && leaf.pass.attempt < self.attempts
            && (!is_first || (forward_in.is_none() && backward_out.is_none()))
            && (!is_last || (forward_out.is_none() && backward_in.is_none()))
            && incoming.into_iter().all(|(transfer, direction)| {
                transfer.as_ref().is_none_or(|transfer| {
                    let sender = match direction {
                        Direction::Forward => list.stage.0.checked_sub(1),
                        Direction::Backward => list.stage.0.checked_add(1),
                    };
                    transfer.to == list.hotkey
                        && Some(transfer.stage.0) == sender
                        && self.is_about(transfer, leaf.pass, direction)
                })
            })
            && outgoing.into_iter().all(|(transfer, direction)| {
                transfer.as_ref().is_none_or(|transfer| {
                    transfer.from == list.hotkey
                        && transfer.stage == list.stage
                        && self.is_about(transfer, leaf.pass, direction)
                })
            })
    }

    fn is_about(&self, transfer: &Transfer, pass: PassId, direction: Direction) -> bool {
        transfer.run == self.run
            && transfer.window == self.window
            && transfer.pass == pass
            && transfer.direction == direction
    }
}

/// The tensor that a transfer speaks of.
fn said(transfer: &Option<Transfer>) -> Option<(u16, Hash, u32)> {
    transfer.map(|t| (t.codec.0, t.payload, t.payload_bytes))
}

/// What joins two neighbouring leaves: the names of the transfer down and the transfer back.
type Joint = (Hash, Hash);

/// The joint at which the stage before has to continue into this leaf.
fn upper_joint(leaf: &Leaf) -> Option<Joint> {
    Some((leaf.forward_in?.id(), leaf.backward_out?.id()))
}

/// The joint at which this leaf continues into the stage after.
fn lower_joint(leaf: &Leaf) -> Option<Joint> {
    Some((leaf.forward_out?.id(), leaf.backward_in?.id()))
}

/// A leaf that was computed, together with the joint under which the path continues below it.
type Reached = (Hop, Option<Joint>);

/// The settled path of each microbatch that has one. `owner` names who was drawn to start an attempt.
pub fn settled(frame: &Frame, lists: &[LeafList], owner: impl Fn(PassId) -> Option<AccountId>) -> BTreeMap<u32, Path> {
    // For each stage but the first, the leaves that come to the end, by the joint above them.
    let mut below: BTreeMap<u16, BTreeMap<Joint, Reached>> = BTreeMap::new();
    let mut starts: BTreeMap<PassId, Reached> = BTreeMap::new();
    for stage in (0..frame.stages).rev() {
        let mut reached = BTreeMap::new();
        let ends = below.get(&stage.saturating_add(1));
        for (place, list) in lists.iter().enumerate().filter(|(_, list)| list.stage.0 == stage) {
            let is_last = stage.saturating_add(1) >= frame.stages;
            let continues = |leaf: &Leaf| {
                is_last || lower_joint(leaf).is_some_and(|joint| ends.is_some_and(|ends| ends.contains_key(&joint)))
            };
            let by_pass = computed_leaves(frame, list);
            for record in &list.records {
                let leaf = &record.leaf;
                let answered_by = PassId { attempt: leaf.replays.unwrap_or(leaf.pass.attempt), ..leaf.pass };
                let Some(&index) = by_pass.get(&answered_by).filter(|_| frame.fits(list, leaf)) else { continue };
                let computed = &list.records[index].leaf;
                if !continues(computed) || (leaf.replays.is_some() && !repeats(leaf, computed)) {
                    continue;
                }
                let hop = Hop { hotkey: list.hotkey, list: place, leaf: index };
                let joint = if is_last { None } else { lower_joint(computed) };
                if stage > 0 {
                    if let Some(above) = upper_joint(leaf) {
                        reached.entry(above).or_insert((hop, joint));
                    }
                } else if owner(leaf.pass) == Some(list.hotkey) {
                    starts.entry(leaf.pass).or_insert((hop, joint));
                }
            }
        }
        below.insert(stage, reached);
    }
    let mut paths = BTreeMap::new();
    // Ordered by microbatch, then attempt: the first that is complete is the one that counts.
    for (pass, start) in starts {
        if let Some(hops) = walk(start, &below) {
            paths.entry(pass.microbatch).or_insert(Path { attempt: pass.attempt, hops });
        }
    }
    paths
}

/// Where the leaves that were computed rather than replayed stand, by their pass.
fn computed_leaves(frame: &Frame, list: &LeafList) -> BTreeMap<PassId, usize> {
    let leaves = list.records.iter().enumerate().map(|(index, record)| (index, &record.leaf));
    leaves
        .filter(|(_, leaf)| leaf.replays.is_none() && frame.fits(list, leaf))
        .map(|(index, leaf)| (leaf.pass, index))
        .collect()
}

/// Whether a replaying leaf hands over exactly what was computed, from the same input.
fn repeats(replay: &Leaf, computed: &Leaf) -> bool {
    said(&replay.forward_in) == said(&computed.forward_in) && said(&replay.backward_out) == said(&computed.backward_out)
}

fn walk(start: Reached, below: &BTreeMap<u16, BTreeMap<Joint, Reached>>) -> Option<Vec<Hop>> {
    let (mut hop, mut joint) = start;
    let mut hops = vec![hop];
    while let Some(next) = joint {
        let stage = u16::try_from(hops.len()).ok()?;
        (hop, joint) = *below.get(&stage)?.get(&next)?;
        hops.push(hop);
    }
    Some(hops)
}

#[cfg(test)]
mod tests {
    use neuron::message::names::Codec;

    use super::*;

    const FRAME: Frame =
        Frame { run: RunId(Hash([1; 32])), window: WindowId(7), stages: 3, microbatches: 4, attempts: 3 };

    fn who(n: u8) -> AccountId {
        AccountId([n; 32])
    }

    fn transfer(stage: u16, direction: Direction, pass: PassId, from: u8, to: u8) -> Transfer {
        Transfer {
            run: FRAME.run,
            window: FRAME.window,
            stage: StageId(stage),
            pass,
            direction,
            from: who(from),
            to: who(to),
            codec: Codec(1),
            // One payload per microbatch and boundary, as honest stages have it.
            payload: Hash([u8::try_from(stage).unwrap() + 10 * u8::from(direction == Direction::Backward); 32]),
            payload_bytes: 10,
        }
    }

    /// The leaves of one whole attempt through the replicas `path`, one per stage.
    fn attempt(microbatch: u32, attempt: u8, path: [u8; 3]) -> Vec<(u8, u16, Leaf)> {
        let pass = PassId { microbatch, attempt };
        let down = |stage: u16| {
            let place = usize::from(stage);
            transfer(stage, Direction::Forward, pass, path[place], path[place + 1])
        };
        let back = |stage: u16| {
            let place = usize::from(stage);
            transfer(stage, Direction::Backward, pass, path[place], path[place - 1])
        };
        (0..3)
            .map(|stage| {
                let leaf = Leaf {
                    window: FRAME.window,
                    stage: StageId(stage),
                    pass,
                    replays: None,
                    forward_in: (stage > 0).then(|| down(stage - 1)),
                    forward_out: (stage < 2).then(|| down(stage)),
                    backward_in: (stage < 2).then(|| back(stage + 1)),
                    backward_out: (stage > 0).then(|| back(stage)),
                };
                (path[usize::from(stage)], stage, leaf)
            })
            .collect()
    }

    fn lists(leaves: Vec<(u8, u16, Leaf)>) -> Vec<LeafList> {
        let mut lists: BTreeMap<(u8, u16), Vec<LeafRecord>> = BTreeMap::new();
        for (owner, stage, leaf) in leaves {
            let (forward_receipt, backward_receipt) = (None, None);
            let record = LeafRecord { leaf, forward_in: None, backward_in: None, forward_receipt, backward_receipt };
            lists.entry((owner, stage)).or_default().push(record);
        }
        let list = |((owner, stage), records)| LeafList { hotkey: who(owner), stage: StageId(stage), records };
        lists.into_iter().map(list).collect()
    }

    /// Attempt a belongs to replica a + 1.
    fn owner(pass: PassId) -> Option<AccountId> {
        Some(who(pass.attempt + 1))
    }

    fn paid(leaves: Vec<(u8, u16, Leaf)>) -> BTreeMap<u32, (u8, Vec<AccountId>)> {
        let paths = settled(&FRAME, &lists(leaves), owner);
        let hops = |path: Path| (path.attempt, path.hops.iter().map(|hop| hop.hotkey).collect());
        paths.into_iter().map(|(microbatch, path)| (microbatch, hops(path))).collect()
    }

    #[test]
    fn the_first_whole_attempt_is_paid_and_only_that() {
        let mut leaves = attempt(0, 1, [2, 11, 21]);
        leaves.extend(attempt(0, 0, [1, 12, 22]));
        leaves.extend(attempt(3, 2, [3, 11, 22]));
        let expected = [(0, (0, vec![who(1), who(12), who(22)])), (3, (2, vec![who(3), who(11), who(22)]))];
        assert_eq!(paid(leaves), expected.into());
    }

    #[test]
    fn without_any_one_of_its_leaves_a_path_is_not_settled() {
        for missing in 0..3 {
            let mut leaves = attempt(0, 0, [1, 12, 22]);
            leaves.remove(missing);
            assert_eq!(paid(leaves), BTreeMap::new(), "without stage {missing}");
        }
    }

    #[test]
    fn ends_that_disagree_settle_nothing() {
        type Spoil = fn(&mut Leaf);
        let spoils: [Spoil; 6] = [
            |leaf| leaf.forward_in.as_mut().unwrap().payload = Hash([99; 32]),
            |leaf| leaf.forward_out.as_mut().unwrap().payload_bytes = 9,
            |leaf| leaf.backward_in.as_mut().unwrap().codec = Codec(2),
            |leaf| leaf.backward_out.as_mut().unwrap().payload = Hash([99; 32]),
            |leaf| leaf.backward_out = None,
            |leaf| leaf.window = WindowId(6),
        ];
        for spoil in spoils {
            let mut leaves = attempt(0, 0, [1, 12, 22]);
            spoil(&mut leaves[1].2);
            assert_eq!(paid(leaves), BTreeMap::new());
        }
    }

    #[test]
    fn work_can_neither_be_invented_nor_taken_over() {
        assert_eq!(paid(attempt(0, 0, [2, 12, 22])), BTreeMap::new(), "not its turn");
        assert_eq!(paid(attempt(4, 0, [1, 12, 22])), BTreeMap::new(), "no such microbatch");
        assert_eq!(paid(attempt(0, 3, [4, 12, 22])), BTreeMap::new(), "no such attempt");
        // Replica 13 says that it did what 12 did.
        let mut leaves = attempt(0, 0, [1, 12, 22]);
        leaves[1].0 = 13;
        assert_eq!(paid(leaves), BTreeMap::new());
    }

    /// Owner 1 vanished after replica 12 had computed for it; owner 2's attempt reached 12 too, which replayed.
    #[test]
    fn a_replay_is_paid_as_the_pass_that_it_repeats() {
        let mut leaves = attempt(0, 0, [1, 12, 22]);
        leaves.remove(0);
        let mut second = attempt(0, 1, [2, 12, 22]);
        second.pop();
        let replay = &mut second[1].2;
        (replay.replays, replay.forward_out, replay.backward_in) = (Some(0), None, None);
        leaves.extend(second);
        assert_eq!(paid(leaves.clone()), [(0, (1, vec![who(2), who(12), who(22)]))].into());
        // The hop points to the leaf that was computed, so that is the one that is judged.
        let lists = lists(leaves.clone());
        let hop = settled(&FRAME, &lists, owner)[&0].hops[1];
        assert_eq!(lists[hop.list].records[hop.leaf].leaf.replays, None);

        let without_original: Vec<_> =
            leaves.iter().filter(|(_, stage, leaf)| *stage != 1 || leaf.replays.is_some()).copied().collect();
        assert_eq!(paid(without_original), BTreeMap::new(), "it replays nothing");
        for (_, stage, leaf) in &mut leaves {
            if *stage == 1 && leaf.replays.is_none() {
                leaf.forward_in.as_mut().unwrap().payload = Hash([99; 32]);
            }
        }
        assert_eq!(paid(leaves), BTreeMap::new(), "it had computed another input");
    }

    #[test]
    fn a_model_of_one_stage_is_paid_by_ownership_alone() {
        let leaf = Leaf {
            window: FRAME.window,
            stage: StageId(0),
            pass: PassId { microbatch: 1, attempt: 0 },
            replays: None,
            forward_in: None,
            forward_out: None,
            backward_in: None,
            backward_out: None,
        };
        let frame = Frame { stages: 1, ..FRAME };
        let paths = settled(&frame, &lists(vec![(1, 0, leaf), (2, 0, leaf)]), owner);
        assert_eq!(paths[&1].hops.iter().map(|hop| hop.hotkey).collect::<Vec<_>>(), [who(1)]);
    }
}
