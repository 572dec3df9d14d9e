//! Trains the small model with AdamW and with Muon for its matrices on the same microbatches, and prints the held-out loss
//! of both at some peak learning rates: `compare_optimizers TEXT STEPS SEED RATE...`, TEXT a file of at least 64 KiB.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::{error::Error, fs};

use engine::{
    MatrixRule, MicrobatchId, ModelConfig, OptimizerConfig, OptimizerState, Schedule, UncutTrainer, data::Corpus,
    ngram::bigram_entropy,
};

/// Sequences of a step: 1,024 tokens at the small model's context.
const BATCH: usize = 8;
/// Held-out tokens on which the loss is measured.
const HELD_OUT_TOKENS: usize = 65_536;

/// Held-out nats per byte after `steps`, and bytes of all stages' optimizer states.
fn train(corpus: &Corpus, optimizer: OptimizerConfig, steps: u64, seed: u8) -> Result<(f64, usize), Box<dyn Error>> {
    let config = ModelConfig::small();
    let seed = [seed; 32];
    let mut trainer = UncutTrainer::new(&config, optimizer, &seed)?;
    for step in 0..steps {
        trainer.accumulate(&corpus.slice(&seed, step, MicrobatchId(0), BATCH, config.context)?)?;
        trainer.step()?;
    }
    let state_bytes =
        trainer.weights().iter().map(|weights| OptimizerState::encoded_bytes(weights.layout(), &optimizer)).sum();
    Ok((trainer.model()?.evaluate(corpus.held_out(), HELD_OUT_TOKENS)?.loss(), state_bytes))
}

fn main() -> Result<(), Box<dyn Error>> {
    const USAGE: &str = "say what to learn from, for how long, from which seed and at which rates: \
                         compare_optimizers TEXT STEPS SEED RATE...";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, steps, seed, rates @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let (steps, seed): (u64, u8) = (steps.parse()?, seed.parse()?);
    let corpus = Corpus::new(&fs::read(path)?)?;
    let bigram = bigram_entropy(256, corpus.training(), corpus.held_out());
    let tokens = BATCH * ModelConfig::small().context;
    println!("{steps} steps of {tokens} tokens, seed {seed}; best bigram {bigram:.3} nats/byte");
    let schedule = Schedule::Linear { total_steps: steps, final_factor: 0.05 };
    for rate in rates {
        for (name, matrices) in [("AdamW", MatrixRule::AdamW), ("Muon", MatrixRule::Muon { momentum: 0.95 })] {
            let peak_learning_rate = rate.parse()?;
            let optimizer = OptimizerConfig { peak_learning_rate, schedule, matrices, ..OptimizerConfig::default() };
            let (loss, state_bytes) = train(&corpus, optimizer, steps, seed)?;
            println!("{name:5}  peak rate {rate}  held-out {loss:.4}  optimizer state {state_bytes} bytes");
        }
    }
    Ok(())
}
