//! Trains the small model on the default corpus in one process, with its bottlenecks, without chain or network: what the
//! engine does by itself. Prints the held-out loss beside the best bigram model's, and a sample.
//!
//! `make train` (or `cargo run -p localnet --example train -- STEPS [PATH]`).

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::path::PathBuf;

use engine::ngram::bigram_entropy;
use engine::whole::Sampling;
use engine::{MicrobatchId, ModelConfig, OptimizerConfig, Schedule, UncutTrainer};
use eyre::{Result, eyre};
use neuron::corpus::{Cache, Material};

/// Sequences in a microbatch, and microbatches in an optimizer step: 8,192 tokens a step at a context of 128.
const BATCH: usize = 8;
const MICROBATCHES: u64 = 8;

/// Held-out tokens on which the loss is measured.
const HELD_OUT_TOKENS: usize = 131_072;

fn main() -> Result<()> {
    let mut flags = std::env::args().skip(1);
    let steps: u64 = match flags.next() {
        Some(text) => text.parse().map_err(|_| eyre!("`{text}` is no number of steps; give one, such as 40"))?,
        None => 40,
    };
    let folder = tempfile::tempdir()?;
    let source = localnet::corpus::source(flags.next().map(PathBuf::from).as_deref())?;
    let material = Material::bytes_of(&source, &Cache::open(folder.path().to_owned())?)?;
    let corpus = material.corpus()?;
    let bigram = bigram_entropy(256, corpus.training(), corpus.held_out());
    let config = ModelConfig::small();
    println!(
        "corpus {} bytes, {} held out; best bigram {bigram:.3} nats/byte",
        material.bytes(),
        corpus.held_out().len()
    );
    println!(
        "model d {}, {} stages, {:?}, context {}",
        config.d_model,
        config.stages(),
        config.bottleneck,
        config.context
    );
    let schedule = Schedule::Linear { total_steps: steps, final_factor: 0.05 };
    let optimizer = OptimizerConfig { schedule, ..OptimizerConfig::default() };
    let seed = [1; 32];
    let mut trainer = UncutTrainer::new(&config, optimizer, &seed)?;
    for step in 0..steps {
        let mut loss = 0.0;
        for index in 0..MICROBATCHES {
            let tokens = corpus.slice(&seed, step, MicrobatchId(index), BATCH, config.context)?;
            loss += trainer.accumulate(&tokens)?;
        }
        trainer.step()?;
        let tokens = MICROBATCHES * (BATCH * config.context) as u64;
        if (step + 1) % 10 == 0 || step + 1 == steps {
            println!(
                "step {:>4}  {:>8} tokens  training loss {:.3}",
                step + 1,
                (step + 1) * tokens,
                loss / tokens as f64
            );
        }
    }
    let model = trainer.model()?;
    let loss = model.evaluate(corpus.held_out(), HELD_OUT_TOKENS)?.loss();
    println!("held-out loss {loss:.3}, {:.3} below the best bigram", bigram - loss);
    let prompt = b"pub fn ";
    let text = model.generate(prompt, Sampling { temperature: 0.7, seed: 1, bytes: 120 })?;
    println!("sample: {}{}", String::from_utf8_lossy(prompt), String::from_utf8_lossy(&text).escape_debug());
    Ok(())
}
