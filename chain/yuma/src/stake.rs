//! Step 1: how much each neuron's word counts.

use alloc::vec::Vec;

use ::fixed::types::U96F32;

use crate::fixed::{Fixed, Fixed64};
use crate::input::EpochInput;

/// Stake of a neuron: its alpha on the subnet plus its tao, weighted. All in rao.
///
/// `tao_weight` is the chain's `TaoWeight`, a proportion of `u64::MAX`; its proportion is truncated to 32 fractional
/// bits and the product kept to 64, as the chain does (section "stake" of Bittensor's Yuma consensus, step 1). Both
/// amounts are what the hotkey has after parents and children.
pub fn combined_stake(alpha: u64, tao: u64, tao_weight: u64) -> Fixed64 {
    let proportion = U96F32::from_num(tao_weight).checked_div(U96F32::from_num(u64::MAX)).unwrap_or(U96F32::ZERO);
    let weighted = Fixed64::saturating_from_num(tao).saturating_mul(Fixed64::saturating_from_num(proportion));
    Fixed64::saturating_from_num(alpha).saturating_add(weighted)
}

/// S: stake above the threshold (the owner's always), as a share of all such stake.
pub(crate) fn normalized_stake(input: &EpochInput<'_>) -> Vec<Fixed> {
    let counts = |uid: usize, stake: Fixed64| {
        input.owner_uid.map(usize::from) == Some(uid)
            || stake.saturating_to_num::<u64>() >= input.params.stake_threshold
    };
    let counted =
        || input.stake.iter().enumerate().map(|(uid, &stake)| if counts(uid, stake) { stake } else { Fixed64::ZERO });
    // The input is validated: this does not saturate.
    let total = counted().fold(Fixed64::ZERO, Fixed64::saturating_add);
    counted().map(|stake| Fixed::saturating_from_num(stake.checked_div(total).unwrap_or(Fixed64::ZERO))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tao_counts_by_its_weight() {
        assert_eq!(combined_stake(7, 1_000, 0), Fixed64::from_num(7));
        assert_eq!(combined_stake(7, 1_000, u64::MAX), Fixed64::from_num(1_007));
        let half = combined_stake(0, 1_000_000_000, u64::MAX / 2);
        assert!(half > Fixed64::from_num(499_999_999) && half <= Fixed64::from_num(500_000_000), "{half}");
        assert_eq!(combined_stake(u64::MAX, u64::MAX, u64::MAX), Fixed64::MAX, "saturates");
    }
}
