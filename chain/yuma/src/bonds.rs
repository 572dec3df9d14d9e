//! Steps 8 and 9: bonds, a validator's moving stake in the miners it weighed early and well, and its dividends.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::fixed::{Fixed, Fixed64, exp, multiply, normalize, part_of, proportion_from_u16};
use crate::input::{EpochInput, LiquidAlpha, ONE_PPM, YumaVersion};
use crate::sparse::{Entry, Scratch, Sparse, at};

/// New bonds, as proportions to be stored, and dividends.
pub(crate) struct Bonds {
    pub(crate) bonds: Sparse,
    pub(crate) dividends: Vec<Fixed>,
}

/// What consensus found, as far as bonds depend on it.
pub(crate) struct Judged<'a> {
    /// A.
    pub(crate) active_stake: &'a [Fixed],
    /// W.
    pub(crate) weights: &'a Sparse,
    /// W̄.
    pub(crate) clipped: &'a Sparse,
    /// C.
    pub(crate) consensus: &'a [Fixed],
    /// I.
    pub(crate) incentive: &'a [Fixed],
}

/// Moves the bonds on by one epoch and pays dividends for them.
pub(crate) fn update(input: &EpochInput<'_>, judged: &Judged<'_>) -> Bonds {
    let penalized = penalized_weights(judged.weights, judged.clipped, proportion_from_u16(input.params.bonds_penalty));
    match input.params.yuma {
        YumaVersion::Yuma1 => yuma1(input, judged, penalized.into_owned()),
        YumaVersion::Yuma3 => yuma3(input, judged, &penalized),
    }
}

/// Bonds contain stake: `E = a * colnorm(W_b A) + (1 - a) * colnorm(B)`, and `D_i = sum_j colnorm(E)_ij I_j`.
fn yuma1(input: &EpochInput<'_>, judged: &Judged<'_>, mut delta: Sparse) -> Bonds {
    let mut old = surviving_bonds(input, |stored| Fixed::from_num(stored));
    old.normalize_columns();
    delta.scale_rows(judged.active_stake);
    delta.normalize_columns();
    let mut bonds = moving_average(&delta, &old, constant_rate(input.params.bonds_moving_average_ppm));
    bonds.normalize_columns();
    let mut dividends = bonds.weighted_row_sums(judged.incentive);
    normalize(&mut dividends);
    bonds.max_upscale_columns();
    Bonds { bonds, dividends }
}

/// Bonds are free of stake: `E = a W_b + (1 - a) B`, and `D_i = A_i * sum_j colnorm(E)_ij I_j`.
fn yuma3(input: &EpochInput<'_>, judged: &Judged<'_>, weights: &Sparse) -> Bonds {
    let old = surviving_bonds(input, proportion_from_u16);
    let somebody_has_consensus = judged.consensus.iter().any(|&value| value != Fixed::ZERO);
    let bonds = match input.params.liquid_alpha.filter(|_| somebody_has_consensus) {
        Some(liquid) => liquid_moving_average(weights, &old, judged.consensus, &Sigmoid::of(liquid)),
        None => moving_average(weights, &old, constant_rate(input.params.bonds_moving_average_ppm)),
    };
    let mut dividends = bonds.weighted_row_sums_of_shares(judged.incentive);
    for (dividend, &stake) in dividends.iter_mut().zip(judged.active_stake) {
        *dividend = multiply(*dividend, stake);
    }
    normalize(&mut dividends);
    Bonds { bonds, dividends }
}

/// W_b: weights moved towards their clipped selves by the penalty (step 8).
///
/// At no and at full penalty the chain takes a shortcut that keeps explicit zeros; between them zeros vanish, and rows
/// come out in the order of uids. Both decide what liquid alpha sees.
fn penalized_weights<'a>(weights: &'a Sparse, clipped: &'a Sparse, penalty: Fixed) -> Cow<'a, Sparse> {
    if penalty == Fixed::ZERO {
        return Cow::Borrowed(weights);
    }
    if penalty == Fixed::ONE {
        return Cow::Borrowed(clipped);
    }
    let mut penalized = Sparse::with_capacity(weights.size(), weights.len());
    let mut clipped_row = Scratch::new(weights.size());
    let mut row = Vec::with_capacity(weights.size());
    for (full, cut) in weights.rows().zip(clipped.rows()) {
        cut.iter().for_each(|entry| clipped_row.add(entry.column(), entry.value()));
        row.clear();
        row.extend(full.iter().map(|entry| {
            let change = clipped_row.get(entry.column()).saturating_sub(entry.value());
            Entry::new(entry.column(), entry.value().saturating_add(multiply(penalty, change)))
        }));
        row.sort_unstable_by_key(|entry| entry.column());
        row.iter()
            .filter(|entry| entry.value() > Fixed::ZERO)
            .for_each(|entry| penalized.push(entry.column(), entry.value()));
        penalized.end_row();
        clipped_row.clear();
    }
    Cow::Owned(penalized)
}

/// B: stored bonds, without those in uids that have been registered anew since the last epoch (step 9).
fn surviving_bonds(input: &EpochInput<'_>, convert: impl Fn(u16) -> Fixed) -> Sparse {
    // The first block that the last epoch did not see; a subnet's first epoch looks back one tempo.
    let since = match input.last_step_block {
        0 => input.current_block.saturating_sub(input.params.tempo.into()),
        block => block.saturating_add(1),
    };
    let keep =
        |target| input.block_at_registration.get(usize::from(target)).is_some_and(|&registered| registered < since);
    Sparse::from_stored(input.bonds, |_| Some(keep), convert)
}

/// The rate of the moving average when it is the same for all: one minus `BondsMovingAverage`.
fn constant_rate(bonds_moving_average_ppm: u64) -> Fixed {
    let kept = Fixed64::saturating_from_num(bonds_moving_average_ppm)
        .checked_div(Fixed64::saturating_from_num(ONE_PPM))
        .unwrap_or(Fixed64::ZERO);
    Fixed::ONE.saturating_sub(Fixed::saturating_from_num(kept))
}

/// `rate * new + (1 - rate) * old`, entries of either in the order of uids; what is not positive is dropped.
fn moving_average(new: &Sparse, old: &Sparse, rate: Fixed) -> Sparse {
    let kept = Fixed::ONE.saturating_sub(rate);
    let mut average = Sparse::with_capacity(new.size(), new.len_merged(old));
    let mut merged = Scratch::new(new.size());
    for (new_row, old_row) in new.rows().zip(old.rows()) {
        if have_same_columns(new_row, old_row) && is_ascending(new_row) {
            // As between most epochs: nobody is weighed for the first or the last time.
            average.push_positive(new_row.iter().zip(old_row).map(|(new, old)| {
                let value = part_of(new.value(), rate).saturating_add(part_of(old.value(), kept));
                (new.column(), value)
            }));
            continue;
        }
        let mut push = |column, value| {
            if value > Fixed::ZERO {
                average.push(column, value);
            }
        };
        if is_ascending(new_row) && is_ascending(old_row) {
            merge(new_row, old_row, |column, new, old| {
                push(column, part_of(new, rate).saturating_add(part_of(old, kept)));
            });
        } else {
            new_row.iter().for_each(|entry| merged.add(entry.column(), part_of(entry.value(), rate)));
            old_row.iter().for_each(|entry| merged.add(entry.column(), part_of(entry.value(), kept)));
            merged.take_ascending(push);
        }
        average.end_row();
    }
    average
}

fn have_same_columns(one: &[Entry], other: &[Entry]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.column() == other.column())
}

fn is_ascending(row: &[Entry]) -> bool {
    row.is_sorted_by(|one, next| one.column() < next.column())
}

/// Hands out the columns of two ascending rows in order, with what each row has there, or zero.
fn merge(new: &[Entry], mut old: &[Entry], mut emit: impl FnMut(u16, Fixed, Fixed)) {
    for entry in new {
        while let [first, rest @ ..] = old
            && first.column() < entry.column()
        {
            emit(first.column(), Fixed::ZERO, first.value());
            old = rest;
        }
        match old {
            [first, rest @ ..] if first.column() == entry.column() => {
                emit(entry.column(), entry.value(), first.value());
                old = rest;
            }
            _ => emit(entry.column(), entry.value(), Fixed::ZERO),
        }
    }
    old.iter().for_each(|entry| emit(entry.column(), Fixed::ZERO, entry.value()));
}

/// The moving average with a rate of its own for each entry, at most one.
///
/// Two things here look like mistakes, and the chain's bonds depend on them:
/// - Only columns present in the new row come out. A miner that a validator leaves out loses its bond at once, while one
///   given an explicit zero loses it by and by.
/// - The rates are found by walking each row once, with a cursor that only moves to higher uids. An entry stored behind
///   a higher uid is therefore not seen, and its rate is that of a zero. Its value still enters the average.
fn liquid_moving_average(new: &Sparse, old: &Sparse, consensus: &[Fixed], sigmoid: &Sigmoid) -> Sparse {
    let mut average = Sparse::with_capacity(new.size(), new.len());
    let mut old_values = Scratch::new(new.size());
    let mut old_seen = Scratch::new(new.size());
    for (new_row, old_row) in new.rows().zip(old.rows()) {
        for (entry, is_seen) in seen_by_cursor(old_row) {
            old_values.add(entry.column(), entry.value());
            old_seen.add(entry.column(), if is_seen { entry.value() } else { Fixed::ZERO });
        }
        for (entry, is_seen) in seen_by_cursor(new_row) {
            let weight = if is_seen { entry.value() } else { Fixed::ZERO };
            let consensus = at(consensus, usize::from(entry.column()));
            let rate = sigmoid.rate(consensus, weight, old_seen.get(entry.column()));
            let decayed = multiply(Fixed::ONE.saturating_sub(rate), old_values.get(entry.column()));
            let gained = multiply(rate, entry.value());
            let value = decayed.saturating_add(gained).min(Fixed::ONE);
            if value > Fixed::ZERO {
                average.push(entry.column(), value);
            }
        }
        average.end_row();
        old_values.clear();
        old_seen.clear();
    }
    average
}

/// Pairs each entry with whether a cursor that seeks the columns in ascending order meets it: no higher one is before.
fn seen_by_cursor(row: &[Entry]) -> impl Iterator<Item = (Entry, bool)> {
    row.iter().scan(None, |highest, &entry| {
        let is_seen = *highest < Some(entry.column());
        *highest = (*highest).max(Some(entry.column()));
        Some((entry, is_seen))
    })
}

/// The rate of a bond under liquid alpha: low near consensus, high far from it.
struct Sigmoid {
    low: Fixed,
    high: Fixed,
    /// Minus the steepness, per unit.
    slope: Fixed,
}

impl Sigmoid {
    fn of(liquid: LiquidAlpha) -> Self {
        Self {
            low: proportion_from_u16(liquid.low),
            high: proportion_from_u16(liquid.high),
            slope: Fixed::from_num(liquid.steepness).saturating_div(Fixed::lit("-100")),
        }
    }

    /// `low + (high - low) / (1 + exp(-steepness * (distance - 1/2)))`. The distance is how far a weight that buys
    /// (is at least the bond) lies above consensus, and how far one that sells lies below the bond.
    fn rate(&self, consensus: Fixed, weight: Fixed, bond: Fixed) -> Fixed {
        let distance = if weight >= bond { weight.saturating_sub(consensus) } else { bond.saturating_sub(weight) };
        let distance = distance.min(Fixed::ONE).max(Fixed::ZERO);
        let exponent = multiply(self.slope, distance.saturating_sub(Fixed::lit("0.5")));
        let sigmoid = Fixed::ONE.saturating_div(Fixed::ONE.saturating_add(exp(exponent)));
        let rate = self.low.saturating_add(multiply(sigmoid, self.high.saturating_sub(self.low)));
        // Not `clamp`, which panics if a subnet's bounds are the wrong way round; the lower bound wins then.
        rate.min(self.high).max(self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: &[Vec<(u16, f64)>]) -> Sparse {
        let mut matrix = Sparse::default();
        for row in rows {
            row.iter().for_each(|&(column, value)| matrix.push(column, Fixed::from_num(value)));
            matrix.end_row();
        }
        matrix
    }

    fn columns(matrix: &Sparse) -> Vec<Vec<u16>> {
        matrix.rows().map(|row| row.iter().map(|entry| entry.column()).collect()).collect()
    }

    #[test]
    fn the_penalty_interpolates_and_its_ends_keep_zeros() {
        let weights = matrix(&[alloc::vec![(2, 0.5), (0, 0.0), (1, 0.5)], alloc::vec![], alloc::vec![]]);
        let clipped = matrix(&[alloc::vec![(2, 0.25), (0, 0.0)], alloc::vec![], alloc::vec![]]);
        assert_eq!(*penalized_weights(&weights, &clipped, Fixed::ZERO), weights);
        assert_eq!(*penalized_weights(&weights, &clipped, Fixed::ONE), clipped);
        let half = matrix(&[alloc::vec![(1, 0.25), (2, 0.375)], alloc::vec![], alloc::vec![]]);
        assert_eq!(*penalized_weights(&weights, &clipped, Fixed::from_num(0.5)), half);
    }

    #[test]
    fn liquid_alpha_forgets_the_omitted_and_decays_the_explicit_zero() {
        let old = matrix(&[alloc::vec![(1, 0.5), (2, 0.5)], alloc::vec![], alloc::vec![]]);
        let new = matrix(&[alloc::vec![(1, 0.0)], alloc::vec![], alloc::vec![]]);
        let consensus = [Fixed::ONE; 3];
        let average = liquid_moving_average(&new, &old, &consensus, &Sigmoid::of(LiquidAlpha::default()));
        assert_eq!(columns(&average), [alloc::vec![1], alloc::vec![], alloc::vec![]]);
        assert_eq!(
            columns(&moving_average(&new, &old, Fixed::from_num(0.1)))[0],
            [1, 2],
            "the constant rate forgets none"
        );
    }

    #[test]
    fn a_cursor_misses_what_stands_behind_a_higher_uid() {
        let row = matrix(&[alloc::vec![(1, 1.0), (5, 1.0), (3, 1.0), (6, 1.0)]]);
        let seen: Vec<(u16, bool)> =
            row.rows().flat_map(seen_by_cursor).map(|(entry, is_seen)| (entry.column(), is_seen)).collect();
        assert_eq!(seen, [(1, true), (5, true), (3, false), (6, true)]);
    }

    #[test]
    fn the_order_of_a_row_changes_its_liquid_rate_only() {
        let old = matrix(&[alloc::vec![], alloc::vec![], alloc::vec![]]);
        let consensus = [Fixed::ZERO, Fixed::ZERO, Fixed::ZERO];
        let sigmoid = Sigmoid::of(LiquidAlpha { low: 6_553, high: 58_982, steepness: 1_000 });
        let average =
            |row| liquid_moving_average(&matrix(&[row, alloc::vec![], alloc::vec![]]), &old, &consensus, &sigmoid);
        let ascending = average(alloc::vec![(1, 1.0), (2, 1.0)]);
        let descending = average(alloc::vec![(2, 1.0), (1, 1.0)]);
        let value_of_1 =
            |matrix: &Sparse| matrix.rows().flatten().find(|entry| entry.column() == 1).map(|entry| entry.value());
        assert!(value_of_1(&ascending) > value_of_1(&descending), "seen, its distance is one; not seen, it is zero");
    }

    #[test]
    fn liquid_rates_stay_between_their_bounds() {
        for steepness in [i16::MIN, -1, 0, 1, 1_000, i16::MAX] {
            let sigmoid = Sigmoid::of(LiquidAlpha { steepness, ..LiquidAlpha::default() });
            for hundredths in 0..=100 {
                let weight = Fixed::from_num(hundredths) / 100;
                let rate = sigmoid.rate(Fixed::from_num(0.3), weight, Fixed::from_num(0.6));
                assert!(rate >= sigmoid.low && rate <= sigmoid.high, "{rate} at {weight}, steepness {steepness}");
            }
        }
        let reversed = Sigmoid::of(LiquidAlpha { low: 50_000, high: 10_000, steepness: 1_000 });
        assert_eq!(reversed.rate(Fixed::ZERO, Fixed::ONE, Fixed::ZERO), reversed.low);
    }

    #[test]
    fn a_weight_that_equals_its_bond_buys() {
        let sigmoid = Sigmoid::of(LiquidAlpha::default());
        let half = Fixed::lit("0.5");
        let buying = sigmoid.rate(Fixed::ZERO, half, Fixed::ZERO);
        assert_eq!(sigmoid.rate(Fixed::ZERO, half, half), buying, "half above consensus");
        assert!(sigmoid.rate(half, half, half) < buying, "at consensus");
    }

    #[test]
    fn the_constant_rate_is_what_the_moving_average_leaves() {
        assert_eq!(constant_rate(0), Fixed::ONE);
        assert_eq!(constant_rate(ONE_PPM), Fixed::ZERO);
        assert!((constant_rate(900_000).to_num::<f64>() - 0.1).abs() < 1e-9);
    }
}
