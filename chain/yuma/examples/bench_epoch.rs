//! Runs and times epochs for a benchmark, which drives it: `bench_epoch SUBNET.json`, then on standard input
//!
//! - `time N`: runs N epochs and prints the nanoseconds that each took, as a JSON array;
//! - `terms`: runs one and prints what came out, as a JSON object.
//!
//! One process serves both sides of an interleaved comparison: it computes only when told to.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use yuma::{
    EpochError, EpochInput, EpochParams, Fixed, LiquidAlpha, Row, YumaVersion, combined_stake, epoch, epoch_terms,
};

/// A subnet before an epoch, at the chain's default hyperparameters but for those named here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subnet {
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

#[derive(Serialize)]
struct Outcome {
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
    fn of(input: &EpochInput<'_>) -> Result<Self, EpochError> {
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

#[expect(clippy::disallowed_methods, reason = "time is this program's subject")]
fn timed(input: &EpochInput<'_>) -> Result<Duration, EpochError> {
    let start = Instant::now();
    let output = epoch(std::hint::black_box(input))?;
    let took = start.elapsed();
    std::hint::black_box(output);
    Ok(took)
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("name the file of a subnet: bench_epoch SUBNET.json")?;
    let subnet: Subnet = serde_json::from_slice(&std::fs::read(path)?)?;
    let stake: Vec<_> = subnet.stake.iter().map(|&rao| combined_stake(rao, 0, 0)).collect();
    let input = EpochInput {
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
        stake: &stake,
        last_update: &subnet.last_update,
        block_at_registration: &subnet.block_at_registration,
        validator_permit: &subnet.validator_permit,
        weights: &subnet.weights,
        bonds: &subnet.bonds,
        earliest_live_commit: None,
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("time", times)) => {
                let times: u32 = times.parse()?;
                let nanoseconds: Result<Vec<u128>, EpochError> =
                    (0..times).map(|_| timed(&input).map(|took| took.as_nanos())).collect();
                serde_json::to_writer(&mut out, &nanoseconds?)?;
            }
            None if line == "terms" => serde_json::to_writer(&mut out, &Outcome::of(&input)?)?,
            _ => return Err(format!("`{line}` is neither `time N` nor `terms`").into()),
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
