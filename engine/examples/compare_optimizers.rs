//! Trains the small model with AdamW and with Muon for its matrices on the same microbatches, and prints the held-out loss
//! of both: `compare_optimizers TEXT [STEPS [SEED]]`, TEXT a file of at least 64 KiB.

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::{error::Error, fs};

use engine::{
    MatrixRule, MicrobatchId, ModelConfig, OptimizerConfig, OptimizerState, Schedule, UncutTrainer, data::Corpus,
    ngram::bigram_entropy,
};

/// Sequences of a step: 2,048 tokens at the small model's context.
const BATCH: usize = 16;
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
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("say which text to learn: compare_optimizers TEXT [STEPS [SEED]]")?;
    let steps: u64 = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let seed: u8 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let corpus = Corpus::new(&fs::read(path)?)?;
    let bigram = bigram_entropy(corpus.training(), corpus.held_out());
    println!("{steps} steps of {} tokens, seed {seed}; best bigram {bigram:.3} nats/byte", BATCH * 128);
    let schedule = Schedule::Linear { total_steps: steps, final_factor: 0.05 };
    for (name, matrices) in [("AdamW", MatrixRule::AdamW), ("Muon", MatrixRule::Muon { momentum: 0.95 })] {
        // Beside the default rate, half and twice of it: an optimizer is not to lose by a rate found for another.
        for factor in [0.5, 1.0, 2.0] {
            let default = OptimizerConfig::default();
            let peak_learning_rate = default.peak_learning_rate * factor;
            let optimizer = OptimizerConfig { peak_learning_rate, schedule, matrices, ..default };
            let (loss, state_bytes) = train(&corpus, optimizer, steps, seed)?;
            println!(
                "{name:5}  peak rate {peak_learning_rate:.3}  held-out {loss:.4}  optimizer state {state_bytes} bytes"
            );
        }
    }
    Ok(())
}
