//! What a registration costs: each one raises the price of the next, and time lets it fall.

use crate::{Burn, BurnHalfLife, BurnIncreaseMult, Config, MaxBurn, MinBurn, NetUid, Pallet, TaoBalance, U64F64};

/// One, as a fixed-point number with 32 fractional bits.
const ONE_Q32: u64 = 1 << 32;

impl<T: Config> Pallet<T> {
    /// Once per block: the price falls by the factor whose `BurnHalfLife`-th power is one half.
    pub(crate) fn decay_burn(netuid: NetUid) {
        let half_life = BurnHalfLife::<T>::get(netuid);
        let burn = Burn::<T>::get(netuid);
        let decayed = if half_life == 0 { burn } else { mul_q32(burn, decay_factor_q32(half_life)) };
        Self::put_burn(netuid, decayed);
    }

    /// After a registration: the next one costs `BurnIncreaseMult` times as much, in the same block already.
    pub(crate) fn raise_burn(netuid: NetUid) {
        let factor = BurnIncreaseMult::<T>::get(netuid).max(U64F64::ONE);
        Self::put_burn(netuid, factor.saturating_mul_integer(Burn::<T>::get(netuid)));
    }

    fn put_burn(netuid: NetUid, burn: TaoBalance) {
        // The floor is applied last: should the bounds ever cross, a registration costs something.
        Burn::<T>::insert(netuid, burn.min(MaxBurn::<T>::get(netuid)).max(MinBurn::<T>::get(netuid)));
    }
}

/// `value · factor`, rounded down.
fn mul_q32(value: u64, factor_q32: u64) -> u64 {
    u64::try_from((u128::from(value) * u128::from(factor_q32)) >> 32).unwrap_or(u64::MAX)
}

/// The largest factor whose `half_life`-th power is at most one half, by bisection.
fn decay_factor_q32(half_life: u16) -> u64 {
    let (mut low, mut high) = (0, ONE_Q32);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if pow_q32(middle, half_life) > ONE_Q32 / 2 { high = middle } else { low = middle }
    }
    low
}

/// `base ^ exponent` for a base of at most one, rounded down after every multiplication.
fn pow_q32(base: u64, exponent: u16) -> u64 {
    let (mut power, mut square, mut rest) = (ONE_Q32, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            power = mul_q32(power, square);
        }
        square = mul_q32(square, square);
        rest >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_it_is_left_after_a_half_life() {
        for half_life in [1u16, 2, 10, 360, 5_000] {
            let factor = decay_factor_q32(half_life);
            let mut burn = 100_000_000_000u64;
            for _ in 0..half_life {
                burn = mul_q32(burn, factor);
            }
            let error = burn.abs_diff(50_000_000_000);
            assert!(error < 200_000, "half-life {half_life}: {burn} is {error} rao off the half");
        }
    }

    #[test]
    fn the_longest_half_life_still_decays() {
        assert!(decay_factor_q32(u16::MAX) < ONE_Q32);
    }
}
