//! Step 10: the epoch's emission, split over incentive and dividends.

use alloc::vec::Vec;

use ::fixed::types::I96F32;

use crate::fixed::{Fixed, normalize, normalize_by, sum};

/// What each uid gets, in rao of alpha, each amount truncated.
pub(crate) struct Emission {
    /// As a miner, by incentive.
    pub(crate) server: Vec<u64>,
    /// As a validator, by dividends.
    pub(crate) validator: Vec<u64>,
    /// By incentive plus dividends: a few rao more than the sum of the two, as it is truncated once.
    pub(crate) combined: Vec<u64>,
    /// The share of the emission behind `combined`.
    pub(crate) combined_share: Vec<Fixed>,
}

/// Splits `emission`. Where nobody earned anything, active stake decides, and where there is none, all stake.
pub(crate) fn split(
    emission: u64,
    stake: &[Fixed],
    active_stake: &[Fixed],
    incentive: &[Fixed],
    dividends: &[Fixed],
) -> Emission {
    let mut server: Vec<Fixed> = incentive.to_vec();
    let mut validator: Vec<Fixed> = dividends.to_vec();
    let mut combined: Vec<Fixed> = incentive.iter().zip(dividends).map(|(i, d)| i.saturating_add(*d)).collect();
    let total = sum(combined.iter().copied());
    if total == Fixed::ZERO {
        let nobody_is_active = active_stake.iter().all(|&share| share == Fixed::ZERO);
        validator.clear();
        validator.extend_from_slice(if nobody_is_active { stake } else { active_stake });
        combined.clone_from(&validator);
    } else {
        normalize_by(&mut server, total);
        normalize_by(&mut validator, total);
        normalize(&mut combined);
    }
    let rao = |shares: &[Fixed]| shares.iter().map(|&share| rao_of_share(share, emission)).collect();
    Emission { server: rao(&server), validator: rao(&validator), combined: rao(&combined), combined_share: combined }
}

fn rao_of_share(share: Fixed, emission: u64) -> u64 {
    I96F32::from(share).saturating_mul(I96F32::from(emission)).saturating_to_num()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(values: &[f64]) -> Vec<Fixed> {
        values.iter().map(|&value| Fixed::from_num(value)).collect()
    }

    #[test]
    fn miners_and_validators_share_evenly_when_both_earn() {
        let emission = split(1_000, &fixed(&[1.0, 0.0]), &fixed(&[1.0, 0.0]), &fixed(&[0.0, 1.0]), &fixed(&[1.0, 0.0]));
        assert_eq!((emission.server, emission.validator), (alloc::vec![0, 500], alloc::vec![500, 0]));
        assert_eq!(emission.combined, [500, 500]);
    }

    #[test]
    fn stake_decides_where_nobody_earned() {
        let nothing = fixed(&[0.0, 0.0]);
        let stake = fixed(&[0.75, 0.25]);
        let idle = split(1_000, &stake, &nothing, &nothing, &nothing);
        assert_eq!((idle.server, idle.validator), (alloc::vec![0, 0], alloc::vec![750, 250]));
        let active = split(1_000, &stake, &fixed(&[0.0, 1.0]), &nothing, &nothing);
        assert_eq!(active.validator, [0, 1_000]);
    }

    #[test]
    fn the_largest_emission_fits() {
        let all = fixed(&[1.0]);
        assert_eq!(split(u64::MAX, &all, &all, &fixed(&[0.0]), &fixed(&[0.0])).validator, [u64::MAX]);
    }
}
