//! What happens to a row of weights when it is set: its largest entry is scaled to `u16::MAX`, and may be limited.

use alloc::vec::Vec;

use crate::fixed::{Fixed, U16_MAX, divide, normalize, proportion_from_u16};

/// Scales non-negative values so that the largest becomes `u16::MAX`, rounded to the nearest (halves up).
///
/// Source: set-time scaling of Bittensor's Yuma consensus. Above 32,768 the product with 65,535 would not fit, so there
/// the factor is computed first, at the cost of precision; which of the two is used decides stored weights.
pub fn max_upscale(values: &[Fixed]) -> Vec<u16> {
    const LARGEST_EXACT: Fixed = Fixed::lit("32768");
    let Some(&largest) = values.iter().max() else { return Vec::new() };
    let scale = |value: Fixed| {
        if largest > LARGEST_EXACT {
            value.saturating_mul(divide(U16_MAX, largest))
        } else {
            divide(value.saturating_mul(U16_MAX), largest)
        }
    };
    values.iter().map(|&value| scale(value).saturating_round().saturating_to_num()).collect()
}

/// [`max_upscale`] of stored integers: what the chain stores of the weights that a validator sets.
pub fn max_upscale_u16(values: &[u16]) -> Vec<u16> {
    let values: Vec<Fixed> = values.iter().map(|&value| Fixed::from_num(value)).collect();
    max_upscale(&values)
}

/// Whether no entry is more than `max_limit / u16::MAX` of the sum: the set-time rule `MaxWeightsLimit`.
pub fn is_max_limited(values: &[u16], max_limit: u16) -> bool {
    let mut shares: Vec<Fixed> = values.iter().map(|&value| Fixed::from_num(value)).collect();
    normalize(&mut shares);
    let limit = proportion_from_u16(max_limit);
    shares.iter().all(|&share| share <= limit)
}
