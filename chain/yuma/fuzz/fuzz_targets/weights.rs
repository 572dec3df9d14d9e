//! What happens to weights when they are set, on any row, against the definitions in plain integers; and the weighted
//! median, against sorting.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use yuma::{Fixed, is_max_limited, max_upscale, max_upscale_u16, weighted_median};

#[derive(Arbitrary, Debug)]
struct Input {
    values: Vec<u16>,
    max_limit: u16,
    reals: Vec<i64>,
    scored: Vec<(u32, i64)>,
    is_few_scores: bool,
    minority: i64,
}

fuzz_target!(|input: Input| {
    upscaled_integers(&input.values);
    limited(&input.values, input.max_limit);
    upscaled_reals(&input.reals);
    median(&input);
});

/// `round(value * 65535 / largest)`; above 32768 the factor is computed first, and truncated.
fn upscaled_integers(values: &[u16]) {
    let largest = u128::from(values.iter().copied().max().unwrap_or(0));
    let want: Vec<u16> = values
        .iter()
        .map(|&value| {
            let value = u128::from(value);
            let scaled = match largest {
                0 => 0,
                32_769.. => value * ((65_535 << 32) / largest),
                _ => ((value * 65_535) << 32) / largest,
            };
            u16::try_from((scaled + (1 << 31)) >> 32).expect("no more than the largest")
        })
        .collect();
    assert_eq!(max_upscale_u16(values), want, "{values:?}");
}

/// Every share, truncated to 32 bits, is at most the limit, truncated alike.
fn limited(values: &[u16], max_limit: u16) {
    let total: u128 = values.iter().map(|&value| u128::from(value)).sum();
    let limit = (u128::from(max_limit) << 32) / 65_535;
    let want = values.iter().all(|&value| (u128::from(value) << 32).checked_div(total).unwrap_or(0) <= limit);
    assert_eq!(is_max_limited(values, max_limit), want, "{values:?} under {max_limit}");
}

/// As many come out, the largest (if positive) nearly full, and larger ones no smaller.
fn upscaled_reals(bits: &[i64]) {
    let values: Vec<Fixed> = bits.iter().map(|&bits| Fixed::from_bits(bits)).collect();
    let scaled = max_upscale(&values);
    assert_eq!(scaled.len(), values.len());
    let mut pairs: Vec<(Fixed, u16)> = values.into_iter().zip(scaled).filter(|(value, _)| *value >= 0).collect();
    pairs.sort_unstable();
    assert!(pairs.is_sorted_by_key(|(_, scaled)| *scaled), "{pairs:?}");
}

/// The first score, in order, that brings the stake above the minority; the last where none does.
fn median(input: &Input) {
    let score = |bits: i64| Fixed::from_bits(if input.is_few_scores { bits % 4 } else { bits });
    let stake: Vec<Fixed> = input.scored.iter().map(|(stake, _)| Fixed::from_bits(i64::from(*stake))).collect();
    let scores: Vec<Fixed> = input.scored.iter().map(|(_, bits)| score(*bits)).collect();
    let minority = Fixed::from_bits(input.minority >> 20);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by_key(|&index| scores[index]);
    let mut no_higher = Fixed::ZERO;
    let enough = order.iter().find(|&&index| {
        no_higher = no_higher.saturating_add(stake[index]);
        no_higher > minority
    });
    let want = enough.or(order.last()).map_or(Fixed::ZERO, |&index| scores[index]);
    assert_eq!(weighted_median(&stake, &scores, minority), want);
}
