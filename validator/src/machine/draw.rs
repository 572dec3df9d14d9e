//! Which microbatches are audited, and by whom: functions of the beacon that nobody knew when the work was committed.
//!
//! The share is drawn once for the whole subnet and dealt out among the validators, so that they do not check the same
//! work twice. On top of it each validator draws from the leaves of miners that it holds a strike against.
//!
//! Invariants: the beacon is that of the slot *after* the window (fixed by its cut block); every drawn microbatch
//! belongs to exactly one validator; the order in which validators are given does not matter.

use keys::AccountId;
use neuron::message::names::{Beacon, WindowId};

/// How much of a window is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawRules {
    /// Of a thousand microbatches, how many are drawn. Lower: a cheat on a share δ of its passes slips with (1−δ)^drawn.
    pub share_per_mille: u16,
    /// At least so many, however small the window.
    pub floor: u32,
    /// At most so many: bounds what a window costs the validators together.
    pub ceiling: u32,
}

impl DrawRules {
    /// How many of `microbatches` are drawn.
    pub fn count(&self, microbatches: u32) -> u32 {
        let share = (u64::from(microbatches) * u64::from(self.share_per_mille)).div_ceil(1000);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        share.max(self.floor).min(self.ceiling).min(microbatches)
    }
}

/// BLAKE3 keyed with the beacon *in a domain*: miners' draws use the bare beacon, and no two purposes may share a lot.
fn lot(domain: &'static str, beacon: &Beacon, window: WindowId, about: &[u8]) -> [u8; 32] {
    let key = blake3::derive_key(domain, &beacon.0);
    *blake3::Hasher::new_keyed(&key).update(&window.0.to_le_bytes()).update(about).finalize().as_bytes()
}

fn by_lot<T: Ord>(items: impl Iterator<Item = ([u8; 32], T)>) -> impl Iterator<Item = T> {
    let mut lots: Vec<_> = items.collect();
    lots.sort_unstable();
    lots.into_iter().map(|(_, item)| item)
}

/// The microbatches of a window that validators audit together, in the order of their lots.
pub fn drawn(rules: &DrawRules, beacon: &Beacon, window: WindowId, microbatches: u32) -> Vec<u32> {
    let lot_of = |index: u32| lot("narrows 2026 audit microbatch 1", beacon, window, &index.to_le_bytes());
    let count = usize::try_from(rules.count(microbatches)).unwrap_or(usize::MAX);
    by_lot((0..microbatches).map(|index| (lot_of(index), index))).take(count).collect()
}

/// Those of the drawn microbatches that fall to `me`; none for somebody who is not among the validators.
pub fn dealt_to(
    me: &AccountId,
    drawn: &[u32],
    beacon: &Beacon,
    window: WindowId,
    validators: &[AccountId],
) -> Vec<u32> {
    let mut validators = validators.to_vec();
    validators.sort_unstable();
    validators.dedup();
    let lot_of = |hotkey: &AccountId| lot("narrows 2026 audit validator 1", beacon, window, &hotkey.0);
    let order: Vec<_> = by_lot(validators.iter().map(|hotkey| (lot_of(hotkey), *hotkey))).collect();
    let Some(place) = order.iter().position(|hotkey| hotkey == me) else { return Vec::new() };
    drawn.iter().copied().skip(place).step_by(order.len()).collect()
}

/// Further microbatches in which a suspect has leaves, at most `count`.
pub fn drawn_of_suspect(
    suspect: &AccountId,
    microbatches: impl Iterator<Item = u32>,
    beacon: &Beacon,
    window: WindowId,
    count: usize,
) -> Vec<u32> {
    let lot_of = |index: u32| {
        let about = [suspect.0.as_slice(), &index.to_le_bytes()].concat();
        lot("narrows 2026 audit suspect 1", beacon, window, &about)
    };
    by_lot(microbatches.map(|index| (lot_of(index), index))).take(count).collect()
}

/// Whether the whole fleet proves its hardware in this window, all at the same moment.
pub fn is_fleet_proof_window(beacon: &Beacon, window: WindowId, per_mille: u16) -> bool {
    let lot = lot("narrows 2026 fleet proof 1", beacon, window, &[]);
    let mut first = [0; 8];
    first.copy_from_slice(&lot[..8]);
    u64::from_le_bytes(first) < (u64::MAX / 1000).saturating_mul(u64::from(per_mille.min(1000)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const RULES: DrawRules = DrawRules { share_per_mille: 100, floor: 2, ceiling: 50 };

    #[test]
    fn the_share_has_a_floor_a_ceiling_and_never_exceeds_the_window() {
        for (microbatches, count) in [(0, 0), (1, 1), (16, 2), (25, 3), (100, 10), (4096, 50)] {
            assert_eq!(RULES.count(microbatches), count, "of {microbatches}");
        }
    }

    proptest! {
        #[test]
        fn validators_share_the_draw_without_gap_or_overlap(
            seed: [u8; 32], window in 0u32..100, microbatches in 0u32..200, validators in 1u8..9
        ) {
            let (beacon, window) = (Beacon(seed), WindowId(window));
            let drawn = drawn(&RULES, &beacon, window, microbatches);
            let hotkeys: Vec<_> = (0..validators).map(|v| AccountId([v; 32])).collect();
            let reversed: Vec<_> = hotkeys.iter().rev().copied().collect();
            let mut dealt = Vec::new();
            for me in &hotkeys {
                let mine = dealt_to(me, &drawn, &beacon, window, &hotkeys);
                prop_assert_eq!(&mine, &dealt_to(me, &drawn, &beacon, window, &reversed));
                dealt.extend(mine);
            }
            prop_assert_eq!(dealt.len(), drawn.len());
            prop_assert_eq!(dealt.iter().collect::<BTreeSet<_>>(), drawn.iter().collect::<BTreeSet<_>>());
            prop_assert!(dealt_to(&AccountId([99; 32]), &drawn, &beacon, window, &hotkeys).is_empty());
        }
    }

    #[test]
    fn every_microbatch_is_drawn_about_equally_often() {
        let mut times = [0u32; 20];
        for window in 0..2000 {
            for index in drawn(&RULES, &Beacon([7; 32]), WindowId(window), 20) {
                times[index as usize] += 1;
            }
        }
        // Two of twenty in each of 2000 windows: mean 200, standard deviation 13.4; five of them either way.
        assert!(times.iter().all(|count| (133..267).contains(count)), "{times:?}");
    }

    #[test]
    fn a_suspect_is_drawn_from_its_own_work_only() {
        let work = [3, 5, 8, 13, 21];
        let draw = |suspect: u8, count| {
            drawn_of_suspect(&AccountId([suspect; 32]), work.into_iter(), &Beacon([1; 32]), WindowId(4), count)
        };
        assert_eq!(draw(1, 3).len(), 3);
        assert!(draw(1, 3).iter().all(|index| work.contains(index)));
        assert_eq!(draw(1, 99).len(), work.len());
        assert!((2..50).any(|suspect| draw(suspect, 1) != draw(1, 1)), "suspects have lots of their own");
    }

    #[test]
    fn the_fleet_proves_itself_in_about_the_stated_share_of_windows() {
        let hit = |per_mille| {
            let beacon = |w: u32| Beacon(*blake3::hash(&w.to_le_bytes()).as_bytes());
            (0..1000u32).filter(|w| is_fleet_proof_window(&beacon(*w), WindowId(*w), per_mille)).count()
        };
        assert_eq!((hit(0), hit(1000)), (0, 1000));
        // Standard deviation 13.7.
        assert!((180..320).contains(&hit(250)), "{}", hit(250));
    }
}
