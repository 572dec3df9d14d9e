//! What a proof of compute costs its two sides on this machine: `cargo run -p validator --example work_proof_ratio`.
//!
//! Each side's work is measured in the same run, on one thread, the best of a few times: making the product and its tree;
//! recomputing the opened tiles. The ratio is how many times as much the miner computes as the validator.

use std::time::{Duration, Instant};

use engine::work_proof::{Challenge, Product, WorkProofError, drawn_tiles, verify};

/// The best of so many times.
const TIMES: u8 = 3;

#[expect(clippy::disallowed_methods, reason = "time is this program's subject")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[expect(clippy::print_stdout, reason = "figures are this program's result")]
fn main() -> Result<(), WorkProofError> {
    println!("{:>6} {:>12} {:>12} {:>8} {:>16}", "side", "make", "verify", "ratio", "multiplications/s");
    for side in [512, 1024, 2048] {
        let (mut make, mut check) = (Duration::MAX, Duration::MAX);
        let mut multiplications = 0;
        for round in 0..TIMES {
            let challenge = Challenge::bind(side, &[round; 32], &[2; 32], &[3; 32])?;
            multiplications = challenge.multiplications();
            let (product, took) = timed(|| Product::compute(&challenge));
            make = make.min(took);
            let (root, nonce) = (product.root(), [4; 32]);
            let answer = product.open(&drawn_tiles(&challenge, &root, &nonce))?;
            let (verdict, took) = timed(|| verify(&challenge, &root, &nonce, &answer));
            verdict?;
            check = check.min(took);
        }
        let ratio = make.as_secs_f64() / check.as_secs_f64();
        let per_second = multiplications as f64 / make.as_secs_f64();
        println!("{side:>6} {make:>12.3?} {check:>12.3?} {ratio:>8.1} {per_second:>16.3e}");
    }
    Ok(())
}
