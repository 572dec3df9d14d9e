//! An epoch of any input: an error where the input contradicts itself; else all that must hold of every epoch, agreement
//! with full matrices among it.
#![no_main]

#[path = "../../tests/properties/dense.rs"]
mod dense;
#[path = "../../tests/properties/invariants.rs"]
mod invariants;
#[path = "../../tests/properties/owned.rs"]
mod owned;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use yuma::{EpochParams, Fixed64, LiquidAlpha, Row, YumaVersion};

use crate::owned::Owned;

/// Enough that medians are found by parting, not by sorting alone.
const MAX_NEURONS: usize = 40;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(owned) = read(&mut Unstructured::new(bytes)) {
        invariants::only_contradictions_are_errors(&owned);
        if owned.is_consistent() {
            invariants::sparse_is_dense(&owned);
            invariants::terms_are_bounded(&owned);
            invariants::emission_is_paid(&owned);
            invariants::permits_hold(&owned);
            invariants::epochs_follow_each_other(&owned, 3);
        }
    }
});

/// An input that is consistent more often than not, and everything else that the types allow.
fn read(bytes: &mut Unstructured<'_>) -> Result<Owned> {
    let neurons = bytes.int_in_range(0..=MAX_NEURONS)?;
    let params = params(bytes)?;
    let owner_uid = if bytes.ratio(1, 3)? { Some(uid(bytes, neurons)?) } else { None };
    let (current_block, last_step_block, emission) = (block(bytes)?, block(bytes)?, bytes.arbitrary()?);
    let weights = many(bytes, neurons, |bytes| row(bytes, neurons))?;
    let bonds = many(bytes, neurons, |bytes| row(bytes, neurons))?;
    let earliest_live_commit = if bytes.ratio(1, 3)? {
        let commit = |bytes: &mut Unstructured<'_>| Ok(if bytes.arbitrary()? { Some(block(bytes)?) } else { None });
        Some(many(bytes, neurons, commit)?)
    } else {
        None
    };
    Ok(Owned {
        params,
        current_block,
        last_step_block,
        emission,
        owner_uid,
        stake: many(bytes, neurons, stake)?,
        last_update: many(bytes, neurons, block)?,
        block_at_registration: many(bytes, neurons, block)?,
        validator_permit: many(bytes, neurons, |bytes| bytes.ratio(2, 3))?,
        weights,
        bonds,
        earliest_live_commit,
    })
}

fn params(bytes: &mut Unstructured<'_>) -> Result<EpochParams> {
    let liquid_alpha = match bytes.int_in_range(0..=3)? {
        0 => Some(LiquidAlpha::default()),
        1 => Some(LiquidAlpha { low: proportion(bytes)?, high: proportion(bytes)?, steepness: bytes.arbitrary()? }),
        _ => None,
    };
    Ok(EpochParams {
        kappa: proportion(bytes)?,
        tempo: bytes.arbitrary()?,
        activity_cutoff_blocks: block(bytes)?,
        max_allowed_validators: if bytes.arbitrary()? { 64 } else { bytes.arbitrary()? },
        stake_threshold: if bytes.ratio(1, 4)? { bytes.arbitrary()? } else { 0 },
        bonds_moving_average_ppm: if bytes.ratio(1, 50)? {
            bytes.arbitrary()?
        } else {
            bytes.int_in_range(0..=1_000_000)?
        },
        bonds_penalty: proportion(bytes)?,
        yuma: if bytes.arbitrary()? { YumaVersion::Yuma3 } else { YumaVersion::Yuma1 },
        liquid_alpha,
    })
}

/// The ends, Bittensor's kappa, or any.
fn proportion(bytes: &mut Unstructured<'_>) -> Result<u16> {
    Ok(match bytes.int_in_range(0..=4)? {
        0 => 0,
        1 => u16::MAX,
        2 => 32_767,
        _ => bytes.arbitrary()?,
    })
}

/// Mostly small, so that every order of registrations, updates, commits and epochs comes up.
fn block(bytes: &mut Unstructured<'_>) -> Result<u64> {
    if bytes.ratio(1, 20)? { bytes.arbitrary() } else { Ok(u8::arbitrary(bytes)?.into()) }
}

fn stake(bytes: &mut Unstructured<'_>) -> Result<Fixed64> {
    Ok(match bytes.int_in_range(0..=15)? {
        0 => Fixed64::from_bits(bytes.arbitrary()?),
        1 => Fixed64::from_bits(i128::MAX / 40),
        2 => Fixed64::DELTA,
        3..=6 => Fixed64::from_num(u8::arbitrary(bytes)? % 4),
        7..=9 => Fixed64::ZERO,
        _ => Fixed64::from_bits(i128::from(u64::arbitrary(bytes)?) << 58),
    })
}

fn uid(bytes: &mut Unstructured<'_>, neurons: usize) -> Result<u16> {
    let largest = u16::try_from(neurons.saturating_sub(1)).unwrap_or(u16::MAX);
    if bytes.ratio(1, 100)? { bytes.arbitrary() } else { bytes.int_in_range(0..=largest) }
}

/// Distinct targets, ascending or in another order; seldom one that names any uid, or one twice.
fn row(bytes: &mut Unstructured<'_>, neurons: usize) -> Result<Row> {
    let step = 1 + usize::from(u8::arbitrary(bytes)? % 4);
    let mut row: Row = Vec::new();
    for target in (bytes.int_in_range(0..=3)?..neurons).step_by(step) {
        let value = match bytes.int_in_range(0..=7)? {
            0 => 0,
            1 => u16::MAX,
            2..=4 => u16::from(u8::arbitrary(bytes)? % 4),
            _ => bytes.arbitrary()?,
        };
        row.push((u16::try_from(target).unwrap_or(u16::MAX), value));
    }
    match bytes.int_in_range(0..=9)? {
        0 => row.reverse(),
        1 => {
            let middle = row.len() / 2;
            row.rotate_left(middle);
        }
        2 if bytes.ratio(1, 20)? => row.push((uid(bytes, neurons)?, bytes.arbitrary()?)),
        _ => (),
    }
    Ok(row)
}

/// One for each neuron; seldom one too few or too many.
fn many<'a, T>(
    bytes: &mut Unstructured<'a>,
    neurons: usize,
    mut one: impl FnMut(&mut Unstructured<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = if bytes.ratio(1, 100)? { bytes.int_in_range(0..=neurons + 1)? } else { neurons };
    (0..count).map(|_| one(bytes)).collect()
}
