//! Runs and times epochs for a benchmark, which drives it: `bench_epoch SUBNET.json`, then on standard input
//!
//! - `time N`: runs N epochs and prints the nanoseconds that each took, as a JSON array;
//! - `terms`: runs one and prints what came out, as a JSON object.
//!
//! One process serves both sides of an interleaved comparison: it computes only when told to.

mod subnet;

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use yuma::{EpochError, EpochInput, epoch};

use crate::subnet::{Outcome, Subnet};

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
    let subnet = Subnet::read(&std::fs::read(path)?)?;
    let input = subnet.input();
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
