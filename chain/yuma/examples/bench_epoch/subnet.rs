//! A subnet as the benchmark writes it down, and what an epoch makes of it. Needs no standard library, as it is built for
//! WebAssembly too.

extern crate alloc;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use yuma::{
    EpochError, EpochInput, EpochParams, Fixed, Fixed64, LiquidAlpha, Row, YumaVersion, combined_stake, epoch,
    epoch_terms,
};

/// A subnet before an epoch, at the chain's default hyperparameters but for those named here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    yuma3: bool,
    liquid_alpha: bool,
    max_allowed_validators: u16,
    activity_cutoff_blocks: u64,
    current_block: u64,
    last_step_block: u64,
    emission: u64,
    stake: Vec<u64>,
    last_update: Vec<u64>,
    block_at_registration: Vec<u64>,
    validator_permit: Vec<bool>,
    weights: Vec<Row>,
    bonds: Vec<Row>,
}

/// A subnet that has been read.
pub(crate) struct Subnet {
    written: Written,
    stake: Vec<Fixed64>,
}

impl Subnet {
    /// Reads what the benchmark has written, as JSON.
    pub(crate) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let written: Written = serde_json::from_slice(json)?;
        let stake = written.stake.iter().map(|&rao| combined_stake(rao, 0, 0)).collect();
        Ok(Self { written, stake })
    }

    /// What its epoch depends on.
    pub(crate) fn input(&self) -> EpochInput<'_> {
        let subnet = &self.written;
        EpochInput {
            params: EpochParams {
                yuma: if subnet.yuma3 { YumaVersion::Yuma3 } else { YumaVersion::Yuma1 },
                liquid_alpha: subnet.liquid_alpha.then(LiquidAlpha::default),
                max_allowed_validators: subnet.max_allowed_validators,
                activity_cutoff_blocks: subnet.activity_cutoff_blocks,
                ..EpochParams::default()
            },
            current_block: subnet.current_block,
            last_step_block: subnet.last_step_block,
            emission: subnet.emission,
            owner_uid: None,
            stake: &self.stake,
            last_update: &subnet.last_update,
            block_at_registration: &subnet.block_at_registration,
            validator_permit: &subnet.validator_permit,
            weights: &subnet.weights,
            bonds: &subnet.bonds,
            earliest_live_commit: None,
        }
    }
}

/// What came out.
#[derive(Serialize)]
pub(crate) struct Outcome {
    consensus: Vec<f64>,
    validator_trust: Vec<f64>,
    incentive: Vec<f64>,
    dividends: Vec<f64>,
    bonds: Vec<Vec<(u16, f64)>>,
    stored_bonds: Vec<Row>,
    server_emission: Vec<u64>,
    validator_emission: Vec<u64>,
}

impl Outcome {
    /// Of an epoch.
    pub(crate) fn of(input: &EpochInput<'_>) -> Result<Self, EpochError> {
        let reals = |values: &[Fixed]| values.iter().map(|value| value.to_num()).collect();
        let (terms, output) = (epoch_terms(input)?, epoch(input)?);
        Ok(Self {
            consensus: reals(&terms.consensus),
            validator_trust: reals(&terms.validator_trust),
            incentive: reals(&terms.incentive),
            dividends: reals(&terms.dividends),
            bonds: terms
                .bonds
                .iter()
                .map(|row| row.iter().map(|&(target, bond)| (target, bond.to_num())).collect())
                .collect(),
            stored_bonds: output.bonds,
            server_emission: output.server_emission,
            validator_emission: output.validator_emission,
        })
    }
}
