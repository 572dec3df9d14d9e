//! Steps 2 to 4: who is active, who may validate, and whose stake therefore counts.

use alloc::vec::Vec;

use crate::fixed::{Fixed, normalize};
use crate::input::EpochInput;

/// Blocks after its last update in which a validator counts as active.
///
/// The chain stores the cutoff as thousandths of a tempo (`ActivityCutoffFactorMilli`, 13,889 by default): at least one
/// block (step 2).
pub fn activity_cutoff_blocks(factor_milli: u32, tempo: u16) -> u64 {
    (u64::from(factor_milli) * u64::from(tempo) / 1_000).max(1)
}

/// Who updated its weights recently enough (step 2).
pub(crate) fn active(input: &EpochInput<'_>) -> Vec<bool> {
    let cutoff = input.params.activity_cutoff_blocks;
    input.last_update.iter().map(|updated| updated.saturating_add(cutoff) >= input.current_block).collect()
}

/// The permits that hold in this epoch: those stored, and the owner's (step 3).
pub(crate) fn current(input: &EpochInput<'_>) -> Vec<bool> {
    with_owner(input.validator_permit.to_vec(), input.owner_uid)
}

/// The permits that hold from now on: the largest nonzero stakes, and the owner's (step 3).
pub(crate) fn next(input: &EpochInput<'_>, stake: &[Fixed]) -> Vec<bool> {
    with_owner(top_nonzero(stake, usize::from(input.params.max_allowed_validators)), input.owner_uid)
}

fn with_owner(mut permits: Vec<bool>, owner_uid: Option<u16>) -> Vec<bool> {
    if let Some(permit) = owner_uid.and_then(|uid| permits.get_mut(usize::from(uid))) {
        *permit = true;
    }
    permits
}

/// Marks the `count` largest values that are not zero. Of equal ones, those with the higher uid are taken.
fn top_nonzero(stake: &[Fixed], count: usize) -> Vec<bool> {
    let mut ascending: Vec<(Fixed, usize)> = stake.iter().copied().zip(0..).collect();
    // Ordered by uid second: what a stable sort by stake alone gives, without its buffer.
    ascending.sort_unstable();
    let mut top = alloc::vec![false; stake.len()];
    for &(value, uid) in ascending.iter().rev().take(count) {
        if let Some(mark) = top.get_mut(uid) {
            *mark = value != Fixed::ZERO;
        }
    }
    top
}

/// A: stake of those who are active and permitted, as a share of all such stake (step 4).
pub(crate) fn active_stake(stake: &[Fixed], active: &[bool], permits: &[bool]) -> Vec<Fixed> {
    let mut counted: Vec<Fixed> = stake
        .iter()
        .zip(active.iter().zip(permits))
        .map(|(&stake, (&active, &permit))| if active && permit { stake } else { Fixed::ZERO })
        .collect();
    normalize(&mut counted);
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stakes(values: &[i32]) -> Vec<Fixed> {
        values.iter().map(|&value| Fixed::from_num(value)).collect()
    }

    #[test]
    fn the_largest_stakes_are_permitted() {
        assert_eq!(top_nonzero(&stakes(&[3, 1, 2, 5]), 2), [true, false, false, true]);
        assert_eq!(top_nonzero(&stakes(&[3, 1]), 0), [false, false]);
        assert_eq!(top_nonzero(&stakes(&[3, 1]), 9), [true, true]);
    }

    #[test]
    fn ties_favour_the_higher_uid() {
        assert_eq!(top_nonzero(&stakes(&[1, 1, 1, 1]), 2), [false, false, true, true]);
    }

    #[test]
    fn no_stake_no_permit() {
        assert_eq!(top_nonzero(&stakes(&[0, 2, 0]), 3), [false, true, false]);
    }

    #[test]
    fn the_owner_is_permitted_without_stake() {
        assert_eq!(with_owner(alloc::vec![false, false], Some(1)), [false, true]);
    }

    #[test]
    fn the_cutoff_is_at_least_a_block() {
        assert_eq!(activity_cutoff_blocks(13_889, 360), 5_000);
        assert_eq!(activity_cutoff_blocks(13_889, 10), 138);
        assert_eq!(activity_cutoff_blocks(1, 1), 1);
        assert_eq!(activity_cutoff_blocks(u32::MAX, u16::MAX), 281_470_681_677);
    }
}
