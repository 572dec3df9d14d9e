//! Writes and reads models as Hugging Face's library has them, for a test that holds the two against each other:
//!
//! - `llama_checkpoint export CONFIG.json SEED DIR`: trains a model of that shape a little, so that no gain is left at one,
//!   and writes it as `config.json` and `model.safetensors`;
//! - `llama_checkpoint logits DIR [LAYERS...]`: reads such a model, in one stage or cut in several of so many layers, and ids
//!   of tokens from standard input. Prints the model's name and its logits after each token but the first.
//!
//! Logits are printed as logarithms of probabilities: what they say, without what no probability depends on.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to who drives it")]

use std::{
    error::Error,
    fs,
    io::{Read, stdin},
    path::{Path, PathBuf},
    process::ExitCode,
};

use engine::{
    MicrobatchId, ModelConfig, OptimizerConfig, Stage, StageOutput, TokenBatch, UncutTrainer, WholeModel, checkpoint,
    checkpoint::llama,
};
use serde::Deserialize;

const USAGE: &str =
    "say what to do: llama_checkpoint export CONFIG.json SEED DIR, or llama_checkpoint logits DIR [LAYERS...]";
/// Steps that an exported model is trained for, and sequences of each.
const STEPS: u64 = 20;
const BATCH: usize = 4;
const CONFIG: &str = "config.json";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["export", config, seed, directory] => export(Path::new(config), seed, Path::new(directory)),
        ["logits", directory, layers @ ..] => logits(Path::new(directory), layers),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn export(config: &Path, seed: &str, directory: &Path) -> Result<(), Box<dyn Error>> {
    let config: ModelConfig = serde_json::from_slice(&fs::read(config)?)?;
    if config.stages() != 1 {
        return Err("a model of several stages has what Llama has not: tokens embedded again at every boundary".into());
    }
    let mut trainer = UncutTrainer::new(&config, OptimizerConfig::default(), &[seed.parse()?; 32])?;
    let ids = BATCH * (config.context + 1);
    for step in 0..STEPS {
        let first = step * ids as u64;
        let made_up = (first..first + ids as u64).map(|i| (i * i % 8_191 % config.vocab as u64) as u32).collect();
        trainer.accumulate(&TokenBatch::of_ids(BATCH, config.context, made_up)?)?;
        trainer.step()?;
    }
    let model = trainer.model()?;
    fs::create_dir_all(directory)?;
    fs::write(directory.join("model.safetensors"), checkpoint::export(&model)?.tensors)?;
    fs::write(directory.join(CONFIG), serde_json::to_string_pretty(&described(&config))?)?;
    println!("{}", serde_json::json!({ "model": model.hash() }));
    Ok(())
}

/// A model of one stage in the words of Hugging Face's library. The base of positions stands where all its versions look.
fn described(config: &ModelConfig) -> serde_json::Value {
    serde_json::json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab,
        "hidden_size": config.d_model,
        "intermediate_size": config.ffn,
        "num_hidden_layers": config.layers_per_stage.iter().sum::<usize>(),
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads(),
        "max_position_embeddings": config.context,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": config.rope_base,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": false,
        "torch_dtype": "float32",
        "bos_token_id": null,
        "eos_token_id": null,
    })
}

/// What of a foreign configuration a cut depends on.
#[derive(Deserialize)]
struct Foreign {
    num_hidden_layers: usize,
}

fn logits(directory: &Path, layers: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    stdin().read_to_string(&mut text)?;
    let ids: Vec<u32> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let config = fs::read_to_string(directory.join(CONFIG))?;
    let layers_per_stage = match layers {
        [] => vec![serde_json::from_str::<Foreign>(&config)?.num_hidden_layers],
        cut => cut.iter().map(|layers| layers.parse()).collect::<Result<_, _>>()?,
    };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    let files = paths.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let model = llama::import(&config, &files, &llama::Cut { layers_per_stage, context: ids.len() })?;
    let answer = serde_json::json!({ "model": model.hash(), "logits": log_probabilities(&model, &ids)? });
    println!("{answer}");
    Ok(())
}

/// Logarithms of the probabilities of all tokens after each of `ids` but the first (the engine reads two tokens at least).
fn log_probabilities(model: &WholeModel, ids: &[u32]) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let config = model.config();
    let stages = config.stage_indices().zip(model.weights());
    let mut stages: Vec<Stage> =
        stages.map(|(stage, weights)| Stage::new(config, stage, weights, 1)).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for read in 2..=ids.len() {
        // The loss with a token as the last target falls as its logit rises, one for one, exactly.
        let mut row = Vec::with_capacity(config.vocab);
        for next in 0..config.vocab as u32 {
            let tokens = TokenBatch::of_ids(1, read, [&ids[..read], &[next]].concat())?;
            row.push(-loss(&mut stages, &tokens)?);
        }
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = highest + row.iter().map(|logit| (logit - highest).exp()).sum::<f64>().ln();
        rows.push(row.into_iter().map(|logit| logit - total).collect());
    }
    Ok(rows)
}

fn loss(stages: &mut [Stage], tokens: &TokenBatch) -> Result<f64, Box<dyn Error>> {
    let mut incoming = None;
    for stage in stages {
        let output = stage.forward(MicrobatchId(0), tokens, incoming.as_ref())?;
        stage.drop_all();
        match output {
            StageOutput::Boundary(boundary) => incoming = Some(boundary),
            StageOutput::Loss { loss_sum, .. } => return Ok(loss_sum),
        }
    }
    Err("the last stage ended in no loss".into())
}
