//! Which neuron hosts which stage: a function of chain state, beacon and manifest.
//!
//! Nobody hands out places and nobody remembers them: a newcomer computes today's placement from the members at the
//! window's anchor block, without the placements before. Yet little may move, since every move carries θ about. So:
//!
//! 1. *Slots.* Uids are taken in rows of as many as there are stages, and the run's seed draws for each row an order of
//!    stages: that gives every uid its stage, whoever holds it. A deregistered neuron's uid passes to its successor
//!    together with the stage, and nobody else moves.
//! 2. *Fairness.* Validators (permits) and gaps leave holes in rows. In uid order, a miner takes its slot's stage unless
//!    that stage already holds more than the emptiest by [`SLACK`] (or any stage is still empty): then it takes the
//!    emptiest, by lot. Slack is what keeps one hole from shifting everybody behind it.
//! 3. *Movers.* Each placement epoch the beacon draws a few incumbents, who pass their stages round among themselves, so
//!    that replicas of a stage do not grow old together. Only neurons registered by the epoch's anchor take part.
//!
//! Invariants: a miner with a uid past all others moves no one; whoever replaces a neuron under its uid moves no one
//! (one neuron, if the one replaced was a mover); with at least as many miners as stages no stage is empty; the fullest stage exceeds the
//! emptiest by at most `SLACK + 1`.
//!
//! Known limit: uids are handed out in order, so who registers at the right moment can choose its first stage.
//! The movers dilute it; a beacon per registration would end it.

use keys::AccountId;
use thiserror::Error;

use super::draw;
use super::window::epoch_start;
use crate::manifest::{MAX_MINERS, Manifest};
use crate::message::names::{Beacon, BlockNumber, StageId, Uid, WindowId};

/// How many more than the emptiest stage a stage may hold before a miner is turned away from its slot.
const SLACK: usize = 1;

/// Most members that are read: Bittensor's subnets have 256 uids at most.
pub const MAX_MEMBERS: usize = 4096;

/// A neuron as the chain shows it at the anchor block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its slot.
    pub uid: Uid,
    /// Its key.
    pub hotkey: AccountId,
    /// When it registered.
    pub registered_at: BlockNumber,
    /// Whether it may set weights: then it judges and does not mine.
    pub validator_permit: bool,
}

/// A neuron that hosts a stage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Replica {
    /// Its slot.
    pub uid: Uid,
    /// Its key.
    pub hotkey: AccountId,
}

/// Why no placement can be computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// More than can be.
    #[error("{0} members; at most {MAX_MEMBERS} members and {MAX_MINERS} miners can be placed")]
    TooMany(usize),
    /// One uid twice.
    #[error("uid {} occurs twice; the chain's answer is not a metagraph", .0.0)]
    Duplicate(Uid),
}

/// Everybody's stage in one window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    stages: Vec<Vec<Replica>>,
    validators: Vec<Replica>,
}

impl Placement {
    /// Replicas of a stage in uid order; none for a stage that does not exist.
    pub fn replicas(&self, stage: StageId) -> &[Replica] {
        self.stages.get(usize::from(stage.0)).map_or(&[], Vec::as_slice)
    }

    /// Uids of a stage's replicas, in order.
    pub fn uids(&self, stage: StageId) -> Vec<Uid> {
        self.replicas(stage).iter().map(|replica| replica.uid).collect()
    }

    /// Number of stages.
    pub fn stages(&self) -> u16 {
        u16::try_from(self.stages.len()).unwrap_or(u16::MAX)
    }

    /// Members with a validator permit, in uid order.
    pub fn validators(&self) -> &[Replica] {
        &self.validators
    }

    /// The stage that a hotkey hosts.
    pub fn stage_of(&self, hotkey: &AccountId) -> Option<StageId> {
        let stage = self.stages.iter().position(|replicas| replicas.iter().any(|replica| replica.hotkey == *hotkey))?;
        u16::try_from(stage).ok().map(StageId)
    }

    /// Who holds a uid in a stage.
    pub fn hotkey_of(&self, stage: StageId, uid: Uid) -> Option<AccountId> {
        self.replicas(stage).iter().find(|replica| replica.uid == uid).map(|replica| replica.hotkey)
    }

    /// Whether every stage has somebody; if not, no microbatch can settle.
    pub fn is_complete(&self) -> bool {
        self.stages.iter().all(|replicas| !replicas.is_empty())
    }
}

/// Who takes part in a draw of movers, and by which randomness.
#[derive(Clone, Copy, Debug)]
pub struct MoverDraw {
    /// The beacon of the epoch's first window.
    pub beacon: Beacon,
    /// That window's anchor block: who registered later stays where it is.
    pub anchor: BlockNumber,
}

/// Computes the placement of `window` from the members at its anchor block.
///
/// # Errors
/// When the members are not a metagraph that a run can place.
pub fn place(
    manifest: &Manifest,
    window: WindowId,
    members: &[Member],
    draw: MoverDraw,
) -> Result<Placement, PlacementError> {
    if members.len() > MAX_MEMBERS {
        return Err(PlacementError::TooMany(members.len()));
    }
    let mut members = members.to_vec();
    members.sort_unstable_by_key(|member| member.uid);
    if let Some(pair) = members.windows(2).find(|pair| pair[0].uid == pair[1].uid) {
        return Err(PlacementError::Duplicate(pair[0].uid));
    }
    let (validators, miners): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| member.validator_permit);
    if miners.len() > MAX_MINERS {
        return Err(PlacementError::TooMany(miners.len()));
    }
    let mut hosts = settle(manifest, &miners);
    rotate_movers(manifest, window, draw, &mut hosts);
    let mut stages = vec![Vec::new(); usize::from(manifest.model.stages.max(1))];
    for (member, stage) in hosts {
        stages[stage].push(Replica { uid: member.uid, hotkey: member.hotkey });
    }
    let validators = validators.iter().map(|member| Replica { uid: member.uid, hotkey: member.hotkey }).collect();
    Ok(Placement { stages, validators })
}

/// The stage of a uid's slot.
fn slot_stage(manifest: &Manifest, uid: Uid) -> usize {
    let stages = manifest.model.stages.max(1);
    let row = u32::from(uid.0 / stages);
    let mut order: Vec<_> = (0..stages).map(|s| (draw::slot_lot(&manifest.seed.0, row, StageId(s)), s)).collect();
    order.sort_unstable();
    usize::from(order[usize::from(uid.0 % stages)].1)
}

/// Miners in uid order, each with its stage before movers.
fn settle(manifest: &Manifest, miners: &[Member]) -> Vec<(Member, usize)> {
    let mut held = vec![0usize; usize::from(manifest.model.stages.max(1))];
    let mut hosts = Vec::with_capacity(miners.len());
    for miner in miners {
        let emptiest = held.iter().copied().min().unwrap_or(0);
        let most = if emptiest == 0 { 0 } else { emptiest + SLACK };
        let slot = slot_stage(manifest, miner.uid);
        let stage = if held[slot] <= most { slot } else { emptiest_by_lot(manifest, miner.uid, &held, emptiest) };
        held[stage] += 1;
        hosts.push((*miner, stage));
    }
    hosts
}

fn emptiest_by_lot(manifest: &Manifest, uid: Uid, held: &[usize], emptiest: usize) -> usize {
    // Rows past the last slot's give lots that belong to this uid alone.
    let row = u32::from(u16::MAX) + 1 + u32::from(uid.0);
    (0..manifest.model.stages.max(1))
        .filter(|stage| held[usize::from(*stage)] == emptiest)
        .min_by_key(|stage| draw::slot_lot(&manifest.seed.0, row, StageId(*stage)))
        .map_or(0, usize::from)
}

/// Lets the drawn incumbents pass their stages round; the number in each stage stays.
fn rotate_movers(manifest: &Manifest, window: WindowId, draw: MoverDraw, hosts: &mut [(Member, usize)]) {
    let epoch = epoch_start(window, manifest.placement.epoch_windows);
    let threshold = (u64::MAX / 1000).saturating_mul(u64::from(manifest.placement.movers_per_mille));
    let mut movers: Vec<_> = hosts
        .iter()
        .enumerate()
        .filter(|(_, (member, _))| member.registered_at <= draw.anchor)
        .map(|(place, (member, _))| (draw::mover_lot(&draw.beacon, epoch, member.uid), place))
        .filter(|(lot, _)| *lot < threshold)
        .collect();
    movers.sort_unstable();
    let stages: Vec<_> = movers.iter().map(|(_, place)| hosts[*place].1).collect();
    for ((_, place), stage) in movers.iter().zip(stages.iter().cycle().skip(1)) {
        hosts[*place].1 = *stage;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::manifest::tests::manifest;
    use crate::message::names::Hash;

    fn member(uid: u16, registered_at: u64, validator_permit: bool) -> Member {
        let hotkey = AccountId(Hash::of(&[uid.to_le_bytes().as_slice(), &registered_at.to_le_bytes()].concat()).0);
        Member { uid: Uid(uid), hotkey, registered_at: BlockNumber(registered_at), validator_permit }
    }

    fn draw() -> MoverDraw {
        MoverDraw { beacon: Beacon([9; 32]), anchor: BlockNumber(1000) }
    }

    fn random_world(seed: u64) -> (Manifest, Vec<Member>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut manifest = manifest();
        manifest.seed = Hash(rng.random());
        manifest.model.stages = rng.random_range(1..9);
        manifest.placement.movers_per_mille = rng.random_range(0..200);
        let count = rng.random_range(0..80);
        let members = (0..count).map(|uid| member(uid, rng.random_range(0..1000), rng.random_ratio(1, 6))).collect();
        (manifest, members)
    }

    fn stages_by_hotkey(manifest: &Manifest, members: &[Member]) -> BTreeMap<AccountId, StageId> {
        let placement = place(manifest, WindowId(5), members, draw()).unwrap();
        members.iter().filter_map(|m| placement.stage_of(&m.hotkey).map(|stage| (m.hotkey, stage))).collect()
    }

    #[test]
    fn a_newcomer_at_the_end_moves_no_incumbent() {
        for seed in 0..300 {
            let (manifest, mut members) = random_world(seed);
            let before = stages_by_hotkey(&manifest, &members);
            // Registered after the epoch's anchor, as newcomers are.
            members.push(member(u16::try_from(members.len()).unwrap(), 1001, false));
            let mut after = stages_by_hotkey(&manifest, &members);
            assert!(after.remove(&members.last().unwrap().hotkey).is_some(), "seed {seed}");
            assert_eq!(before, after, "seed {seed}");
        }
    }

    #[test]
    fn a_successor_under_the_same_uid_takes_its_place_and_moves_no_one_else() {
        for seed in 0..300 {
            let (mut manifest, mut members) = random_world(seed);
            manifest.placement.movers_per_mille = 0;
            let Some(place) = members.iter().position(|member| !member.validator_permit) else { continue };
            let mut before = stages_by_hotkey(&manifest, &members);
            let gone = members[place];
            members[place] = member(gone.uid.0, 1001, false);
            let mut after = stages_by_hotkey(&manifest, &members);
            assert_eq!(before.remove(&gone.hotkey), after.remove(&members[place].hotkey), "seed {seed}");
            assert_eq!(before, after, "seed {seed}");
        }
    }

    #[test]
    fn no_stage_is_empty_or_crowded_and_validators_host_none() {
        for seed in 0..500 {
            let (manifest, members) = random_world(seed);
            let placement = place(&manifest, WindowId(5), &members, draw()).unwrap();
            let miners = members.iter().filter(|member| !member.validator_permit).count();
            let held: Vec<_> = (0..placement.stages()).map(|s| placement.replicas(StageId(s)).len()).collect();
            assert_eq!(held.iter().sum::<usize>(), miners, "seed {seed}");
            if miners >= held.len() {
                assert!(placement.is_complete(), "seed {seed}: {held:?}");
            }
            assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= SLACK + 1, "seed {seed}: {held:?}");
            assert_eq!(placement.validators().len(), members.len() - miners);
            for stage in (0..placement.stages()).map(StageId) {
                assert!(placement.replicas(stage).is_sorted_by_key(|replica| replica.uid));
            }
        }
    }

    #[test]
    fn one_permit_more_moves_few() {
        let (mut moved, mut stayed) = (0, 0);
        for seed in 0..300 {
            let (mut manifest, mut members) = random_world(seed);
            manifest.placement.movers_per_mille = 0;
            let Some(place) = members.iter().position(|member| !member.validator_permit) else { continue };
            let mut before = stages_by_hotkey(&manifest, &members);
            members[place].validator_permit = true;
            before.remove(&members[place].hotkey);
            let after = stages_by_hotkey(&manifest, &members);
            for (hotkey, stage) in before {
                *(if after[&hotkey] == stage { &mut stayed } else { &mut moved }) += 1;
            }
        }
        assert!(moved * 10 < stayed, "{moved} of {} moved", moved + stayed);
    }

    #[test]
    fn each_epoch_moves_about_the_stated_share() {
        let mut manifest = manifest();
        manifest.model.stages = 4;
        let members: Vec<_> = (0..400).map(|uid| member(uid, 10, false)).collect();
        let settled = |manifest: &Manifest, window, beacon| {
            let draw = MoverDraw { beacon: Beacon([beacon; 32]), ..draw() };
            let placement = place(manifest, WindowId(window), &members, draw).unwrap();
            members.iter().map(|m| placement.stage_of(&m.hotkey).unwrap()).collect::<Vec<_>>()
        };
        let home = settled(&Manifest { placement: no_movers(&manifest), ..manifest.clone() }, 4, 1);
        for beacon in 0..20 {
            let drawn = settled(&manifest, 4, beacon);
            let moved = home.iter().zip(&drawn).filter(|(a, b)| a != b).count();
            // 50 of 1000 are drawn, 20 of 400 (standard deviation 4.4), and one in four draws the stage it had.
            assert!((1..45).contains(&moved), "{moved}");
            assert_eq!(drawn, settled(&manifest, 7, beacon), "windows of one epoch agree");
        }
    }

    fn no_movers(manifest: &Manifest) -> crate::manifest::PlacementRules {
        crate::manifest::PlacementRules { movers_per_mille: 0, ..manifest.placement }
    }

    #[test]
    fn the_order_of_the_answer_does_not_matter_and_nonsense_is_refused() {
        let (manifest, mut members) = random_world(7);
        let one = place(&manifest, WindowId(5), &members, draw()).unwrap();
        members.reverse();
        assert_eq!(one, place(&manifest, WindowId(5), &members, draw()).unwrap());
        members.push(members[0]);
        assert!(matches!(place(&manifest, WindowId(5), &members, draw()), Err(PlacementError::Duplicate(_))));
        let crowd: Vec<_> = (0..600).map(|uid| member(uid, 10, false)).collect();
        assert_eq!(place(&manifest, WindowId(5), &crowd, draw()), Err(PlacementError::TooMany(600)));
    }
}
