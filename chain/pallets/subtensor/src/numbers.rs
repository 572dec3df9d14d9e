//! The fixed-point numbers of prices, as Bittensor stores them, and the exact arithmetic behind them.

use crate::U96F32;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::U256;

/// One, in numbers with 32 fractional bits.
const ONE_BITS: u64 = 1 << 32;

/// A signed fixed-point number with 96 integer and 32 fractional bits.
#[derive(
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
)]
pub struct I96F32 {
    /// The number times 2³².
    pub bits: i128,
}

impl I96F32 {
    /// The number one.
    pub const ONE: Self = Self { bits: ONE_BITS as i128 };
}

/// A proportion: from zero to one, with 32 fractional bits. What is stored as [`I96F32`] or [`U96F32`] is read as one
/// where it can only be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Proportion(u64);

impl Proportion {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const ONE: Self = Self(ONE_BITS);

    /// `part / whole`, rounded down, at most one; zero of nothing.
    pub(crate) fn of(part: u64, whole: u64) -> Self {
        let bits = (u128::from(part) << 32).checked_div(u128::from(whole)).unwrap_or_default();
        Self(u64::try_from(bits).unwrap_or(ONE_BITS).min(ONE_BITS))
    }

    /// The number times 2³².
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// What is left to one.
    pub(crate) fn complement(self) -> Self {
        Self(ONE_BITS.saturating_sub(self.0))
    }

    /// `self · other`, rounded down.
    pub(crate) fn times(self, other: Self) -> Self {
        Self(other.of_amount(self.0))
    }

    /// This proportion of an amount, rounded down.
    pub(crate) fn of_amount(self, amount: u64) -> u64 {
        u64::try_from((u128::from(amount) * u128::from(self.0)) >> 32).unwrap_or(amount)
    }
}

impl From<I96F32> for Proportion {
    fn from(number: I96F32) -> Self {
        Self(u64::try_from(number.bits.max(0)).unwrap_or(ONE_BITS).min(ONE_BITS))
    }
}

impl From<U96F32> for Proportion {
    fn from(number: U96F32) -> Self {
        Self(u64::try_from(number.bits).unwrap_or(ONE_BITS).min(ONE_BITS))
    }
}

impl From<Proportion> for I96F32 {
    fn from(proportion: Proportion) -> Self {
        Self { bits: i128::from(proportion.0) }
    }
}

impl From<Proportion> for U96F32 {
    fn from(proportion: Proportion) -> Self {
        Self { bits: u128::from(proportion.0) }
    }
}

/// `a · b / c`, rounded down, exact in between; `None` if `c` is zero or the result does not fit.
pub(crate) fn mul_div(a: u64, b: u64, c: u64) -> Option<u64> {
    u64::try_from((u128::from(a) * u128::from(b)).checked_div(u128::from(c))?).ok()
}

/// `a · b / c`, rounded up, exact in between; `None` if `c` is zero or the result does not fit.
pub(crate) fn mul_div_up(a: u64, b: u64, c: u128) -> Option<u64> {
    let product = u128::from(a) * u128::from(b);
    if c == 0 { None } else { u64::try_from(product.div_ceil(c)).ok() }
}

/// Whether `a · b · c ≥ x · y · z`, exact.
pub(crate) fn product_at_least(left: [u64; 3], right: [u64; 3]) -> bool {
    let product = |factors: [u64; 3]| factors.iter().fold(U256::one(), |product, factor| product * U256::from(*factor));
    product(left) >= product(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_stay_between_zero_and_one() {
        assert_eq!(Proportion::of(1, 2).bits(), 1 << 31);
        assert_eq!(Proportion::of(7, 0), Proportion::ZERO);
        assert_eq!(Proportion::of(u64::MAX, 1), Proportion::ONE);
        assert_eq!(Proportion::from(I96F32 { bits: -5 }), Proportion::ZERO);
        assert_eq!(Proportion::from(U96F32 { bits: u128::MAX }), Proportion::ONE);
        assert_eq!(Proportion::of(1, 4).complement(), Proportion::of(3, 4));
        assert_eq!(Proportion::of(1, 2).times(Proportion::of(1, 2)), Proportion::of(1, 4));
        assert_eq!(Proportion::ONE.of_amount(u64::MAX), u64::MAX);
    }

    #[test]
    fn products_and_quotients_are_exact_at_the_ends() {
        assert_eq!(mul_div(u64::MAX, u64::MAX, u64::MAX), Some(u64::MAX));
        assert_eq!(mul_div(u64::MAX, 2, 1), None);
        assert_eq!(mul_div(1, 1, 0), None);
        assert_eq!(mul_div_up(7, 1, 2), Some(4));
        assert_eq!(mul_div_up(1, 1, 0), None);
        assert!(product_at_least([u64::MAX; 3], [u64::MAX; 3]));
        assert!(!product_at_least([u64::MAX, u64::MAX, u64::MAX - 1], [u64::MAX; 3]));
    }
}
