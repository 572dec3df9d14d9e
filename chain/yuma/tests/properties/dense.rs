//! The formulas of Yuma consensus once more, on full matrices of plain integers (units of 2^-32), with nothing shared
//! with the crate: what its sparse rows, scratch space and searches must amount to.

use yuma::{EpochInput, YumaVersion};

/// Units of 2^-32.
type Unit = i128;
const ONE: Unit = 1 << 32;
const U16_MAX: Unit = 65_535 * ONE;

pub(crate) struct Terms {
    pub(crate) stake: Vec<Unit>,
    pub(crate) active_stake: Vec<Unit>,
    pub(crate) consensus: Vec<Unit>,
    pub(crate) validator_trust: Vec<Unit>,
    pub(crate) incentive: Vec<Unit>,
    pub(crate) dividends: Vec<Unit>,
    pub(crate) bonds: Vec<Vec<Unit>>,
}

/// Rounds down.
fn mul(a: Unit, b: Unit) -> Unit {
    (a * b) >> 32
}

/// Rounds to zero; zero by zero.
fn div(a: Unit, b: Unit) -> Unit {
    (a << 32).checked_div(b).unwrap_or(0)
}

fn share(stored: u16) -> Unit {
    div(Unit::from(stored) * ONE, U16_MAX)
}

fn normalize(values: &[Unit]) -> Vec<Unit> {
    let total: Unit = values.iter().sum();
    if total == 0 { values.to_vec() } else { values.iter().map(|&value| div(value, total)).collect() }
}

/// `None` is a weight that is absent, `Some(0)` one that is stored as zero.
type Matrix = Vec<Vec<Option<Unit>>>;

fn value(matrix: &Matrix, row: usize, column: usize) -> Unit {
    matrix[row][column].unwrap_or(0)
}

fn column(matrix: &Matrix, column: usize) -> Vec<Unit> {
    (0..matrix.len()).map(|row| value(matrix, row, column)).collect()
}

fn normalize_columns(matrix: &Matrix) -> Matrix {
    let mut normalized = matrix.clone();
    for j in 0..matrix.len() {
        for (i, new) in normalize(&column(matrix, j)).into_iter().enumerate() {
            normalized[i][j] = matrix[i][j].map(|_| new);
        }
    }
    normalized
}

pub(crate) fn epoch(input: &EpochInput<'_>) -> Terms {
    let n = input.stake.len();
    let owner = input.owner_uid.map(usize::from);
    let params = &input.params;

    let stake = stake(input);
    let permit = |i: usize| input.validator_permit[i] || owner == Some(i);
    let active = |i: usize| input.last_update[i].saturating_add(params.activity_cutoff_blocks) >= input.current_block;
    let counted: Vec<Unit> = (0..n).map(|i| if permit(i) && active(i) { stake[i] } else { 0 }).collect();
    let active_stake = normalize(&counted);

    let mut weights: Matrix = vec![vec![None; n]; n];
    for i in (0..n).filter(|&i| permit(i)) {
        for &(target, stored) in &input.weights[i] {
            let j = usize::from(target);
            let registered = input.block_at_registration[j];
            let commit = input.earliest_live_commit.map_or(u64::MAX, |commits| commits[i].unwrap_or(u64::MAX));
            if (i != j || owner == Some(i)) && input.last_update[i] > registered && commit >= registered {
                weights[i][j] = Some(Unit::from(stored) * ONE);
            }
        }
        let total: Unit = weights[i].iter().flatten().sum();
        if total > 0 {
            weights[i].iter_mut().flatten().for_each(|weight| *weight = div(*weight, total));
        }
    }

    let consensus: Vec<Unit> =
        (0..n).map(|j| median(&active_stake, &column(&weights, j), share(params.kappa))).collect();
    let mut clipped = weights.clone();
    for row in &mut clipped {
        for (cell, &limit) in row.iter_mut().zip(&consensus) {
            if cell.is_some_and(|weight| weight > limit) {
                *cell = Some(limit).filter(|&limit| limit > 0);
            }
        }
    }
    let validator_trust = clipped.iter().map(|row| row.iter().flatten().sum()).collect();
    let ranks: Vec<Unit> = (0..n).map(|j| (0..n).map(|i| mul(active_stake[i], value(&clipped, i, j))).sum()).collect();
    let incentive = normalize(&ranks);

    let for_bonds = penalized(&weights, &clipped, share(params.bonds_penalty));
    let (bonds, dividends) = match params.yuma {
        YumaVersion::Yuma1 => yuma1(input, &for_bonds, &active_stake, &incentive),
        YumaVersion::Yuma3 => yuma3(input, &for_bonds, &active_stake, &incentive, &consensus),
    };
    let bonds = (0..n).map(|i| (0..n).map(|j| value(&bonds, i, j)).collect()).collect();
    Terms { stake, active_stake, consensus, validator_trust, incentive, dividends, bonds }
}

fn stake(input: &EpochInput<'_>) -> Vec<Unit> {
    let counted: Vec<i128> = (0..)
        .zip(input.stake)
        .map(|(uid, stake)| {
            let whole = u64::try_from(stake.to_bits() >> 64).unwrap();
            if input.owner_uid == Some(uid) || whole >= input.params.stake_threshold { stake.to_bits() } else { 0 }
        })
        .collect();
    let total = counted.iter().fold(0, |total: i128, stake| total.saturating_add(*stake)).unsigned_abs();
    // (stake << 64) / total to 64 fractional bits, of which 32 stay: a long division, bit by bit, as 192 bits are not
    // at hand.
    counted
        .iter()
        .map(|stake| {
            if total == 0 {
                return 0;
            }
            let (mut quotient, mut rest) = (stake.unsigned_abs() / total, stake.unsigned_abs() % total);
            for _ in 0..32 {
                // `rest < total <= 2^127`, so doubling fits.
                rest *= 2;
                quotient = quotient * 2 + rest / total;
                rest %= total;
            }
            Unit::try_from(quotient).unwrap()
        })
        .collect()
}

/// The smallest of all scores for which more stake than the minority scores no higher.
fn median(active_stake: &[Unit], scores: &[Unit], kappa: Unit) -> Unit {
    let staked: Vec<usize> = (0..scores.len()).filter(|&i| active_stake[i] > 0).collect();
    let stake = normalize(&staked.iter().map(|&i| active_stake[i]).collect::<Vec<_>>());
    let minority = stake.iter().sum::<Unit>() - kappa;
    let no_higher = |limit: Unit| -> Unit {
        staked.iter().zip(&stake).filter(|&(&i, _)| scores[i] <= limit).map(|(_, stake)| stake).sum()
    };
    let candidates = || staked.iter().map(|&i| scores[i]);
    candidates().filter(|&score| no_higher(score) > minority).min().or(candidates().max()).unwrap_or(0)
}

fn penalized(weights: &Matrix, clipped: &Matrix, penalty: Unit) -> Matrix {
    match penalty {
        0 => weights.clone(),
        ONE => clipped.clone(),
        _ => (0..weights.len())
            .map(|i| {
                (0..weights.len())
                    .map(|j| {
                        let (weight, cut) = (value(weights, i, j), value(clipped, i, j));
                        Some(weight + mul(penalty, cut - weight)).filter(|&moved| moved > 0)
                    })
                    .collect()
            })
            .collect(),
    }
}

fn old_bonds(input: &EpochInput<'_>, convert: impl Fn(u16) -> Unit) -> Matrix {
    let n = input.stake.len();
    let last_tempo = match input.last_step_block {
        0 => input.current_block.saturating_sub(u64::from(input.params.tempo)),
        block => block.saturating_add(1),
    };
    let mut bonds = vec![vec![None; n]; n];
    for (i, row) in input.bonds.iter().enumerate() {
        for &(target, stored) in row {
            let j = usize::from(target);
            if last_tempo > input.block_at_registration[j] {
                bonds[i][j] = Some(convert(stored));
            }
        }
    }
    bonds
}

fn constant_average(input: &EpochInput<'_>, new: &Matrix, old: &Matrix) -> Matrix {
    // Truncated to 64 fractional bits, then to 32, which is truncating once.
    let kept_ppm = Unit::from(input.params.bonds_moving_average_ppm);
    let rate = ONE - (kept_ppm << 32) / 1_000_000;
    (0..new.len())
        .map(|i| {
            (0..new.len())
                .map(|j| {
                    let average = mul(rate, value(new, i, j)) + mul(ONE - rate, value(old, i, j));
                    Some(average).filter(|&average| average > 0)
                })
                .collect()
        })
        .collect()
}

fn yuma1(input: &EpochInput<'_>, weights: &Matrix, active_stake: &[Unit], incentive: &[Unit]) -> (Matrix, Vec<Unit>) {
    let n = weights.len();
    let old = normalize_columns(&old_bonds(input, |stored| Unit::from(stored) * ONE));
    let mut delta = weights.clone();
    for (row, &stake) in delta.iter_mut().zip(active_stake) {
        row.iter_mut().flatten().for_each(|weight| *weight = mul(*weight, stake));
    }
    let bonds = normalize_columns(&constant_average(input, &normalize_columns(&delta), &old));
    let earned: Vec<Unit> = (0..n).map(|i| (0..n).map(|j| mul(value(&bonds, i, j), incentive[j])).sum()).collect();
    let mut upscaled = bonds.clone();
    for j in 0..n {
        let largest = column(&bonds, j).into_iter().max().unwrap_or(0);
        for row in &mut upscaled {
            row[j] = row[j].map(|bond| if largest == 0 { bond } else { div(bond, largest) });
        }
    }
    (upscaled, normalize(&earned))
}

fn yuma3(
    input: &EpochInput<'_>,
    weights: &Matrix,
    active_stake: &[Unit],
    incentive: &[Unit],
    consensus: &[Unit],
) -> (Matrix, Vec<Unit>) {
    let n = weights.len();
    let old = old_bonds(input, share);
    let is_liquid = input.params.liquid_alpha.is_some() && consensus.iter().any(|&value| value != 0);
    let bonds = if is_liquid {
        liquid_average(input, weights, &old, consensus)
    } else {
        constant_average(input, weights, &old)
    };
    let shares = normalize_columns(&bonds);
    let earned: Vec<Unit> =
        (0..n).map(|i| mul((0..n).map(|j| mul(value(&shares, i, j), incentive[j])).sum(), active_stake[i])).collect();
    (bonds, normalize(&earned))
}

fn liquid_average(input: &EpochInput<'_>, weights: &Matrix, old: &Matrix, consensus: &[Unit]) -> Matrix {
    let n = weights.len();
    let liquid = input.params.liquid_alpha.unwrap();
    let (low, high) = (share(liquid.low), share(liquid.high));
    let slope = div(Unit::from(liquid.steepness) * ONE, -100 * ONE);
    let mut average = vec![vec![None; n]; n];
    for i in 0..n {
        // A row as it is stored, unless the penalty made a new one, which is in order.
        let is_rebuilt = ![0, u16::MAX].contains(&input.params.bonds_penalty);
        let mut stored: Vec<usize> = input.weights[i].iter().map(|&(target, _)| usize::from(target)).collect();
        stored.retain(|&j| weights[i][j].is_some());
        if is_rebuilt {
            stored.sort_unstable();
        }
        let mut bonded: Vec<usize> = input.bonds[i].iter().map(|&(target, _)| usize::from(target)).collect();
        bonded.retain(|&j| old[i][j].is_some());
        let (weight_cursor, bond_cursor) = (walk(&stored, n), walk(&bonded, n));
        for j in 0..n {
            let Some(new) = weights[i][j] else { continue };
            let weight = if weight_cursor[j] { new } else { 0 };
            let bond = if bond_cursor[j] { value(old, i, j) } else { 0 };
            let distance = if weight >= bond { weight - consensus[j] } else { bond - weight }.clamp(0, ONE);
            let sigmoid = div(ONE, ONE + exp(mul(slope, distance - ONE / 2)));
            let rate = (low + mul(sigmoid, high - low)).min(high).max(low);
            let moved = (mul(ONE - rate, value(old, i, j)) + mul(rate, new)).min(ONE);
            average[i][j] = Some(moved).filter(|&moved| moved > 0);
        }
    }
    average
}

/// Walks a row's columns with one cursor while counting up, and says for which count it stood on that column.
fn walk(row: &[usize], n: usize) -> Vec<bool> {
    let mut cursor = 0;
    (0..n)
        .map(|j| {
            while row.get(cursor).is_some_and(|&column| column < j) {
                cursor += 1;
            }
            row.get(cursor) == Some(&j)
        })
        .collect()
}

fn exp(x: Unit) -> Unit {
    if x == ONE {
        // e to 23 fractional bits.
        return 22_802_600 << 9;
    }
    let magnitude = x.abs().min(20 * ONE);
    let mut term = magnitude;
    let mut total = ONE + magnitude;
    for order in 2..32 {
        term = mul(term, magnitude) / order;
        total += term;
    }
    if x < 0 { div(ONE, total) } else { total }
}
