//! The epoch itself: the steps in order, first as exact terms, then rounded to what the chain stores.

use alloc::vec::Vec;

use crate::bonds::{self, Judged};
use crate::consensus::{Clipped, clip, consensus};
use crate::emission;
use crate::fixed::{Fixed, normalize, proportion_from_u16, proportion_to_u16};
use crate::input::{EpochError, EpochInput, Row};
use crate::permits;
use crate::sparse::Sparse;
use crate::stake::normalized_stake;
use crate::weights::masked_weights;

/// What the chain stores after an epoch. Every vector has one element per uid; the `u16` are proportions of `u16::MAX`,
/// rounded down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochOutput {
    /// `StakeWeight`: S.
    pub stake_weight: Vec<u16>,
    /// `Consensus`: C.
    pub consensus: Vec<u16>,
    /// `Incentive`: I.
    pub incentive: Vec<u16>,
    /// `Dividends`: D.
    pub dividends: Vec<u16>,
    /// `ValidatorTrust`: the part of a validator's weights that consensus did not cut off.
    pub validator_trust: Vec<u16>,
    /// `Active`: updated recently enough.
    pub active: Vec<bool>,
    /// `ValidatorPermit`, for the epoch to come.
    pub validator_permit: Vec<bool>,
    /// `Bonds`, replacing all stored rows: empty for who has no permit any more.
    pub bonds: Vec<Row>,
    /// Rao of alpha earned as a miner.
    pub server_emission: Vec<u64>,
    /// Rao of alpha earned as a validator, before it is shared with parents and nominators.
    pub validator_emission: Vec<u64>,
    /// `Emission`: both together as the chain reports it; a few rao more than their sum, as it is truncated once.
    pub emission: Vec<u64>,
}

/// The terms of an epoch before they are rounded to storage: for explaining an outcome, and for checking one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochTerms {
    /// S (step 1).
    pub stake: Vec<Fixed>,
    /// A (step 4).
    pub active_stake: Vec<Fixed>,
    /// W (step 5): the weights that counted, rows of sum one.
    pub weights: Vec<Vec<(u16, Fixed)>>,
    /// C (step 6).
    pub consensus: Vec<Fixed>,
    /// The sums of W̄'s rows (step 7).
    pub validator_trust: Vec<Fixed>,
    /// R (step 7).
    pub ranks: Vec<Fixed>,
    /// I: R normalized (step 7).
    pub incentive: Vec<Fixed>,
    /// D (step 9).
    pub dividends: Vec<Fixed>,
    /// E (step 9), of all validators: who loses the permit loses the row on storing.
    pub bonds: Vec<Vec<(u16, Fixed)>>,
    /// The share of the emission each uid gets (step 10).
    pub emission_share: Vec<Fixed>,
}

/// Runs Yuma consensus once.
///
/// Source: section "Yuma consensus" of Bittensor's chain, steps 1 to 10 (see the crate's page). Deterministic: the same
/// input gives the same bits on every machine.
///
/// # Errors
///
/// [`EpochError`] if the input contradicts itself; nothing else fails, and nothing panics.
pub fn epoch(input: &EpochInput<'_>) -> Result<EpochOutput, EpochError> {
    input.validate()?;
    let run = run(input);
    let bonds = run
        .bonds
        .rows()
        .zip(&run.next_permits)
        .map(|(row, &permit)| {
            let kept = if permit { row } else { &[] };
            kept.iter().map(|entry| (entry.column(), proportion_to_u16(entry.value()))).collect()
        })
        .collect();
    Ok(EpochOutput {
        stake_weight: to_stored(&run.stake),
        consensus: to_stored(&run.consensus),
        incentive: to_stored(&run.incentive),
        dividends: to_stored(&run.dividends),
        validator_trust: to_stored(&run.validator_trust),
        active: run.active,
        validator_permit: run.next_permits,
        bonds,
        server_emission: run.emission.server,
        validator_emission: run.emission.validator,
        emission: run.emission.combined,
    })
}

/// Runs Yuma consensus once and returns the terms of the computation, unrounded.
///
/// # Errors
///
/// As [`epoch`].
pub fn epoch_terms(input: &EpochInput<'_>) -> Result<EpochTerms, EpochError> {
    input.validate()?;
    let run = run(input);
    let pairs = |matrix: &Sparse| {
        matrix.rows().map(|row| row.iter().map(|entry| (entry.column(), entry.value())).collect()).collect()
    };
    Ok(EpochTerms {
        weights: pairs(&run.weights),
        bonds: pairs(&run.bonds),
        stake: run.stake,
        active_stake: run.active_stake,
        consensus: run.consensus,
        validator_trust: run.validator_trust,
        ranks: run.ranks,
        incentive: run.incentive,
        dividends: run.dividends,
        emission_share: run.emission.combined_share,
    })
}

struct Run {
    stake: Vec<Fixed>,
    active: Vec<bool>,
    next_permits: Vec<bool>,
    active_stake: Vec<Fixed>,
    weights: Sparse,
    consensus: Vec<Fixed>,
    validator_trust: Vec<Fixed>,
    ranks: Vec<Fixed>,
    incentive: Vec<Fixed>,
    bonds: Sparse,
    dividends: Vec<Fixed>,
    emission: emission::Emission,
}

/// The steps, in order, on a validated input.
fn run(input: &EpochInput<'_>) -> Run {
    let stake = normalized_stake(input);
    let active = permits::active(input);
    let current_permits = permits::current(input);
    let next_permits = permits::next(input, &stake);
    let active_stake = permits::active_stake(&stake, &active, &current_permits);

    let weights = masked_weights(input, &current_permits);
    let consensus = consensus(&active_stake, &weights, proportion_from_u16(input.params.kappa));
    let Clipped { weights: clipped, row_sums: validator_trust, ranks } = clip(&weights, &consensus, &active_stake);
    let mut incentive = ranks.clone();
    normalize(&mut incentive);

    let judged = Judged {
        active_stake: &active_stake,
        weights: &weights,
        clipped: &clipped,
        consensus: &consensus,
        incentive: &incentive,
    };
    let bonds::Bonds { bonds, dividends } = bonds::update(input, &judged);

    let emission = emission::split(input.emission, &stake, &active_stake, &incentive, &dividends);
    Run {
        stake,
        active,
        next_permits,
        active_stake,
        weights,
        consensus,
        validator_trust,
        ranks,
        incentive,
        bonds,
        dividends,
        emission,
    }
}

fn to_stored(values: &[Fixed]) -> Vec<u16> {
    values.iter().map(|&value| proportion_to_u16(value)).collect()
}
