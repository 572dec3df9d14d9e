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

/// `x / divisor`, truncated, and zero where it is not defined: a share of nothing is nothing.
pub(crate) fn divide(x: Fixed, divisor: Fixed) -> Fixed {
    narrow_quotient(x, divisor).unwrap_or_else(|| x.checked_div(divisor).unwrap_or(Fixed::ZERO))
}

/// The same quotient by a division of 64 bits instead of 128, which is several times as fast, where that is enough: for
/// shares of a whole, and, as factors of two that both sides have cancel out, for integers. Most of an epoch's divisions
/// are of these.
fn narrow_quotient(x: Fixed, divisor: Fixed) -> Option<Fixed> {
    let (x, divisor) = (u64::try_from(x.to_bits()).ok()?, u64::try_from(divisor.to_bits()).ok()?);
    let common = (x | divisor).trailing_zeros();
    let (x, divisor) = (x.checked_shr(common)?, divisor.checked_shr(common)?);
    if x >> 31 != 0 {
        return None;
    }
    // The dividend is below 2^63, and so is the quotient.
    i64::try_from((x << 32).checked_div(divisor)?).ok().map(Fixed::from_bits)
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
        values.iter_mut().for_each(|value| *value = divide(*value, total));
    }
}

/// The proportion that a stored `u16` stands for, in `0..=1`.
pub fn proportion_from_u16(stored: u16) -> Fixed {
    divide(Fixed::from_num(stored), U16_MAX)
}

/// A proportion as the chain stores it: `floor(x * 65535)`, saturating.
pub fn proportion_to_u16(proportion: Fixed) -> u16 {
    proportion.saturating_mul(U16_MAX).saturating_to_num()
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
        term = divide(term.saturating_mul(magnitude), Fixed::saturating_from_num(order));
        total = total.saturating_add(term);
    }
    if x < Fixed::ZERO { divide(Fixed::ONE, total) } else { total }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn products_round_down_and_quotients_round_to_zero() {
        let ulp = Fixed::DELTA;
        let half = Fixed::from_num(0.5);
        assert_eq!(ulp.saturating_mul(half), Fixed::ZERO);
        assert_eq!((-ulp).saturating_mul(half), -ulp, "a negative product is floored, as on the chain");
        assert_eq!(divide(Fixed::ONE, Fixed::from_num(3)).to_bits(), 0x5555_5555);
        assert_eq!(divide(-Fixed::ONE, Fixed::from_num(3)).to_bits(), -0x5555_5555, "a quotient is truncated");
    }

    #[test]
    fn narrow_and_wide_quotients_agree() {
        let bits = [0, 1, 2, 3, 5, 0xFFFF, 0x1_0000, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX.into()];
        let bits: Vec<i64> = bits
            .into_iter()
            .flat_map(|bits: i64| [bits, bits << 16, bits << 31])
            .chain([1 << 32, (1 << 32) + 1, 65_535 << 32, i64::MAX - 1, i64::MAX])
            .flat_map(|bits| [bits, -bits])
            .chain([i64::MIN])
            .collect();
        let mut narrow = 0;
        for &x in &bits {
            for &divisor in &bits {
                let (x, divisor) = (Fixed::from_bits(x), Fixed::from_bits(divisor));
                let wide = x.checked_div(divisor).unwrap_or(Fixed::ZERO);
                assert_eq!(divide(x, divisor), wide, "{x} / {divisor}");
                narrow += u32::from(narrow_quotient(x, divisor).is_some());
            }
        }
        assert!(narrow > 800, "the narrow division was hardly tried: {narrow} times");
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
