//! What the beacon decides: who owns a microbatch, who is asked first, who moves.
//!
//! Every draw is a lot, BLAKE3 keyed with the beacon over a purpose and what is drawn for; whoever has the lowest lots
//! comes first. Lots are per candidate, so one more or one fewer candidate does not change the order of the others.
//!
//! Invariants: a function of its arguments; two purposes never share a lot; every replica of a stage is in its ranking
//! exactly once.

use crate::message::names::{Beacon, StageId, Uid, WindowId};

/// What a draw is for. The number is part of the lot, so it never changes.
#[derive(Clone, Copy)]
enum Purpose {
    Owner = 1,
    Ranking = 2,
    Mover = 3,
    Slot = 4,
}

fn lot(key: &[u8; 32], purpose: Purpose, numbers: [u32; 4]) -> u64 {
    let mut input = [0; 17];
    input[0] = purpose as u8;
    for (place, number) in input[1..].chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let hash = blake3::keyed_hash(key, &input);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

fn by_lot(mut lots: Vec<(u64, Uid)>) -> Vec<Uid> {
    lots.sort_unstable();
    lots.into_iter().map(|(_, uid)| uid).collect()
}

/// Owners of a microbatch among the replicas of the first stage, in the order in which they may start it.
pub fn owners(beacon: &Beacon, window: WindowId, microbatch: u32, first_stage: &[Uid]) -> Vec<Uid> {
    let lot_of = |uid: &Uid| lot(&beacon.0, Purpose::Owner, [window.0, microbatch, u32::from(uid.0), 0]);
    by_lot(first_stage.iter().map(|uid| (lot_of(uid), *uid)).collect())
}

/// Replicas of a stage in the order in which a sender turns to them for a microbatch.
pub fn ranking(beacon: &Beacon, window: WindowId, microbatch: u32, stage: StageId, replicas: &[Uid]) -> Vec<Uid> {
    let lot_of =
        |uid: &Uid| lot(&beacon.0, Purpose::Ranking, [window.0, microbatch, u32::from(uid.0), u32::from(stage.0)]);
    by_lot(replicas.iter().map(|uid| (lot_of(uid), *uid)).collect())
}

/// The neuron's lot in the draw of movers of a placement epoch.
pub(super) fn mover_lot(beacon: &Beacon, epoch: WindowId, uid: Uid) -> u64 {
    lot(&beacon.0, Purpose::Mover, [epoch.0, u32::from(uid.0), 0, 0])
}

/// A stage's lot for a row of uid slots, from the run's seed: see `placement`.
pub(super) fn slot_lot(seed: &[u8; 32], row: u32, stage: StageId) -> u64 {
    lot(seed, Purpose::Slot, [row, u32::from(stage.0), 0, 0])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn uids(count: u16) -> Vec<Uid> {
        (0..count).map(Uid).collect()
    }

    #[test]
    fn one_more_candidate_leaves_the_order_of_the_others() {
        for seed in 0..50 {
            let beacon = Beacon([seed; 32]);
            let few = ranking(&beacon, WindowId(1), 2, StageId(3), &uids(9));
            let mut more = ranking(&beacon, WindowId(1), 2, StageId(3), &uids(10));
            more.retain(|uid| *uid != Uid(9));
            assert_eq!(few, more);
        }
    }

    #[test]
    fn purposes_and_inputs_are_told_apart() {
        let beacon = Beacon([7; 32]);
        let one = ranking(&beacon, WindowId(1), 2, StageId(0), &uids(64));
        assert_ne!(one, owners(&beacon, WindowId(1), 2, &uids(64)));
        assert_ne!(one, ranking(&beacon, WindowId(1), 2, StageId(1), &uids(64)));
        assert_ne!(one, ranking(&beacon, WindowId(2), 1, StageId(0), &uids(64)));
        assert_ne!(one, ranking(&Beacon([8; 32]), WindowId(1), 2, StageId(0), &uids(64)));
    }

    #[test]
    fn owners_share_the_work_evenly() {
        let mut owned = BTreeMap::<Uid, u32>::new();
        for microbatch in 0..3000 {
            *owned.entry(owners(&Beacon([3; 32]), WindowId(0), microbatch, &uids(3))[0]).or_default() += 1;
        }
        // Mean 1000, standard deviation 26: five of them either way.
        assert!(owned.values().all(|count| (870..1130).contains(count)), "{owned:?}");
    }
}
