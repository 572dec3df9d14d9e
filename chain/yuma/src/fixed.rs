//! The numbers of the epoch: fixed point, 32 fractional bits, every operation total.
//!
//! Results are truncated to a multiple of 2^-32 and saturate at the ends; that is the chain's rule, and a validator's
//! dividends depend on it. `fixed` itself wraps or panics in its plain operators, so nothing here uses them.

use ::fixed::types::{I9F23, I32F32, I64F64};

/// The number of the epoch: 32 integer bits with sign, 32 fractional bits.
pub type Fixed = I32F32;

/// The number of stakes in rao, before they are normalized.
pub type Fixed64 = I64F64;

/// `u16::MAX`, by which stored proportions are scaled.
pub(crate) const U16_MAX: Fixed = Fixed::lit("65535");

/// `x * y`, rounded down and saturating: as `saturating_mul`, but in the few instructions that it takes. An epoch does
/// little else.
#[inline]
pub(crate) fn multiply(x: Fixed, y: Fixed) -> Fixed {
    let product = (i128::from(x.to_bits()) * i128::from(y.to_bits())) >> Fixed::FRAC_NBITS;
    i64::try_from(product).map_or(if product < 0 { Fixed::MIN } else { Fixed::MAX }, Fixed::from_bits)
}

/// `x * share`, rounded down, of what is not negative and a share of at most one: as [`multiply`], in half the instructions.
/// What an epoch does most.
#[inline]
pub(crate) fn part_of(x: Fixed, share: Fixed) -> Fixed {
    debug_assert!(x >= Fixed::ZERO && (Fixed::ZERO..=Fixed::ONE).contains(&share), "{x} * {share}");
    let product = u128::from(x.to_bits().cast_unsigned()) * u128::from(share.to_bits().cast_unsigned());
    Fixed::from_bits(((product >> Fixed::FRAC_NBITS) as u64).cast_signed())
}

/// `x / divisor`, truncated, and zero where it is not defined: a share of nothing is nothing.
pub(crate) fn divide(x: Fixed, divisor: Fixed) -> Fixed {
    x.checked_div(divisor).unwrap_or(Fixed::ZERO)
}

/// A divisor of many. Divides as [`divide`] does, to the bit, but most dividends several times as fast: those that are
/// small enough to leave room for the fractional bits (shares of a whole, say) by a multiplication with the reciprocal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Divisor {
    divisor: Fixed,
    /// The divisor's bits without trailing zeros, of which there are `FRACTION_BITS - shift`: no more than there are
    /// fractional bits by which a dividend must be shifted. Zero if the divisor is not positive.
    reduced: u64,
    /// `floor((2^64 - 1) / reduced)`.
    reciprocal: u64,
    /// By how many bits a dividend must be shifted still.
    shift: u32,
}

impl Divisor {
    const FRACTION_BITS: u32 = 32;

    pub(crate) fn new(divisor: Fixed) -> Self {
        let bits = u64::try_from(divisor.to_bits()).unwrap_or(0);
        let trailing = bits.trailing_zeros().min(Self::FRACTION_BITS);
        let reduced = bits >> trailing;
        let reciprocal = u64::MAX.checked_div(reduced).unwrap_or(0);
        Self { divisor, reduced, reciprocal, shift: Self::FRACTION_BITS - trailing }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.divisor == Fixed::ZERO
    }

    /// `x / self`, truncated, and zero where it is not defined.
    pub(crate) fn divide(&self, x: Fixed) -> Fixed {
        // A negative one has no leading zeros.
        let bits = x.to_bits().cast_unsigned();
        if self.reduced == 0 || bits.leading_zeros() <= self.shift {
            return divide(x, self.divisor);
        }
        // Below 2^63, so that the estimate, which is never too large, is too small by less than one.
        let dividend = bits << self.shift;
        let estimate = ((u128::from(dividend) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = dividend - estimate * self.reduced;
        Fixed::from_bits((estimate + u64::from(rest >= self.reduced)).cast_signed())
    }
}

/// Sum that saturates. Addition is exact below that, so the order of the terms never matters.
pub(crate) fn sum(values: impl IntoIterator<Item = Fixed>) -> Fixed {
    values.into_iter().fold(Fixed::ZERO, Fixed::saturating_add)
}

/// Scales a vector to sum one; leaves a vector of sum zero alone. Truncation makes the new sum at most one.
pub(crate) fn normalize(values: &mut [Fixed]) {
    let total = sum(values.iter().copied());
    normalize_by(values, total);
}

/// Divides a vector by `total`; leaves it alone if that is zero.
pub(crate) fn normalize_by(values: &mut [Fixed], total: Fixed) {
    if total != Fixed::ZERO {
        let total = Divisor::new(total);
        values.iter_mut().for_each(|value| *value = total.divide(*value));
    }
}

/// The proportion that a stored `u16` stands for, in `0..=1`.
pub fn proportion_from_u16(stored: u16) -> Fixed {
    // An exact quotient of integers, truncated, is the quotient of the numbers with so many fractional bits.
    Fixed::from_bits((i64::from(stored) << 32) / i64::from(u16::MAX))
}

/// A proportion as the chain stores it: `floor(x * 65535)`, saturating.
pub fn proportion_to_u16(proportion: Fixed) -> u16 {
    part_of(U16_MAX, proportion.clamp(Fixed::ZERO, Fixed::ONE)).saturating_to_num()
}

/// The exponential, with its argument clamped to `-20..=20` so that it fits.
///
/// A Taylor sum of 31 terms, each truncated, and a reciprocal for negative arguments. Another method would be nearer to
/// the real exponential and further from the chain, whose bonds under liquid alpha depend on these very bits; that goes
/// for the constant at one too, which has 23 fractional bits there.
pub(crate) fn exp(x: Fixed) -> Fixed {
    const LIMIT: Fixed = Fixed::lit("20");
    const TERMS: u32 = 32;
    if x == Fixed::ONE {
        return I9F23::from_num(::fixed::consts::E).into();
    }
    let magnitude = x.saturating_abs().min(LIMIT);
    let mut total = magnitude.saturating_add(Fixed::ONE);
    let mut term = magnitude;
    for order in 2..TERMS {
        term = divide(multiply(term, magnitude), Fixed::saturating_from_num(order));
        total = total.saturating_add(term);
    }
    if x < Fixed::ZERO { divide(Fixed::ONE, total) } else { total }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn products_round_down_and_quotients_round_to_zero() {
        let ulp = Fixed::DELTA;
        let half = Fixed::from_num(0.5);
        assert_eq!(multiply(ulp, half), Fixed::ZERO);
        assert_eq!(multiply(-ulp, half), -ulp, "a negative product is floored, as on the chain");
        assert_eq!(divide(Fixed::ONE, Fixed::from_num(3)).to_bits(), 0x5555_5555);
        assert_eq!(divide(-Fixed::ONE, Fixed::from_num(3)).to_bits(), -0x5555_5555, "a quotient is truncated");
    }

    #[test]
    fn products_and_quotients_of_the_extremes_are_the_plain_ones() {
        let bits = [0, 1, 2, 3, 5, 0xFFFF, 0x1_0000, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX.into()];
        let bits: Vec<i64> = bits
            .into_iter()
            .flat_map(|bits: i64| [bits, bits << 16, bits << 31])
            .chain([1 << 32, (1 << 32) + 1, 65_535 << 32, i64::MAX - 1, i64::MAX])
            .flat_map(|bits| [bits, -bits])
            .chain([i64::MIN])
            .collect();
        for &x in &bits {
            for &divisor in &bits {
                let (x, divisor) = (Fixed::from_bits(x), Fixed::from_bits(divisor));
                assert_eq!(Divisor::new(divisor).divide(x), divide(x, divisor), "{x} / {divisor}");
                assert_eq!(multiply(x, divisor), x.saturating_mul(divisor), "{x} * {divisor}");
            }
        }
    }

    proptest! {
        /// Numbers of every size, by shifting any.
        #[test]
        fn products_and_quotients_are_the_plain_ones(x in any::<i64>(), divisor in any::<i64>(), by in (0_u32..64, 0_u32..64)) {
            let (amount, share) = (Fixed::from_bits((x >> by.0) & i64::MAX), Fixed::from_bits(divisor & 0xffff_ffff));
            for share in [share, Fixed::ONE] {
                prop_assert_eq!(part_of(amount, share), amount.saturating_mul(share));
            }
            let (x, divisor) = (Fixed::from_bits(x >> by.0), Fixed::from_bits(divisor >> by.1));
            prop_assert_eq!(multiply(x, divisor), x.saturating_mul(divisor));
            prop_assert_eq!(Divisor::new(divisor).divide(x), divide(x, divisor));
            let of_integers = (x.floor(), divisor.floor());
            prop_assert_eq!(Divisor::new(of_integers.1).divide(of_integers.0), divide(of_integers.0, of_integers.1));
        }
    }

    #[test]
    fn division_by_zero_is_zero() {
        assert_eq!(divide(Fixed::ONE, Fixed::ZERO), Fixed::ZERO);
        assert_eq!(divide(Fixed::MAX, Fixed::DELTA), Fixed::ZERO, "and so is a quotient that does not fit");
    }

    #[test]
    fn normalized_sum_is_at_most_one() {
        let mut thirds = [Fixed::ONE; 3];
        normalize(&mut thirds);
        assert_eq!(thirds, [Fixed::from_bits(0x5555_5555); 3]);
        let mut nothing = [Fixed::ZERO; 2];
        normalize(&mut nothing);
        assert_eq!(nothing, [Fixed::ZERO; 2]);
    }

    #[test]
    fn every_stored_proportion_survives_within_one_unit() {
        for stored in 0..=u16::MAX {
            let back = proportion_to_u16(proportion_from_u16(stored));
            assert!(stored - back <= 1, "{stored} became {back}");
        }
        assert_eq!(proportion_to_u16(proportion_from_u16(u16::MAX)), u16::MAX);
        assert_eq!(proportion_to_u16(Fixed::from_num(-1)), 0);
        assert_eq!(proportion_to_u16(Fixed::from_num(2)), u16::MAX);
    }

    #[test]
    fn exp_is_near_the_exponential() {
        for tenths in -200..=200 {
            let x = f64::from(tenths) / 10.0;
            let got = exp(Fixed::from_num(x)).to_num::<f64>();
            let want = x.exp();
            // Beyond 10 the 31 terms run out; there the sigmoid is flat to nine digits anyway.
            let tolerance = if x.abs() <= 10.0 { 1e-6 } else { 2e-2 };
            assert!((got - want).abs() <= tolerance * want + 1e-9, "exp({x}) = {got}, not {want}");
        }
    }

    #[test]
    fn exp_is_clamped_and_total() {
        assert_eq!(exp(Fixed::MAX), exp(Fixed::from_num(20)));
        assert_eq!(exp(Fixed::MIN), exp(Fixed::from_num(-20)));
        assert_eq!(exp(Fixed::ZERO), Fixed::ONE);
        assert_eq!(exp(Fixed::ONE).to_bits(), 22_802_600 << 9, "e at one, with 23 fractional bits");
    }
}
