//! `neuron generate`: what the model says.

use std::path::PathBuf;
use std::thread;

use engine::WholeModel;
use engine::whole::{MAX_GENERATED_BYTES, Sampling, WholeModelError};
use eyre::bail;
use neuron::cli::CommonArgs;
use neuron::corpus::Tokenizer;
use neuron::export::{self, Exported, Origin};
use neuron::message::names::{Hash, RunId, WindowId};
use serde::Serialize;
use tokio::sync::oneshot;

use super::export::{SourceArgs, until_interrupted};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Text to go on from
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// The tokenizer.json of a model whose tokens are not bytes; then --bytes counts tokens
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// How many bytes to write
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(..=MAX_GENERATED_BYTES as u64))]
    bytes: u64,
    /// 0: always the likeliest byte; 1: as the model believes; above: bolder
    #[arg(long, value_name = "T", default_value_t = 0.8, value_parser = temperature)]
    temperature: f64,
    /// Same seed, same text
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Folder that `neuron export` wrote; without it the model is assembled from the network
    #[arg(long, value_name = "DIR", conflicts_with = "manifest")]
    from: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("it must be a number, 0 or more".to_owned()),
    }
}

#[derive(Serialize)]
struct Report {
    model: Hash,
    /// Absent when the folder does not say.
    #[serde(flatten)]
    origin: Option<Whence>,
    prompt: String,
    /// What comes after it; what is no UTF-8 is replaced.
    text: String,
}

#[derive(Serialize)]
struct Whence {
    run: RunId,
    window: WindowId,
}

pub(crate) async fn generate(common: &CommonArgs, args: &Args) -> eyre::Result<()> {
    // Before anybody is asked for anything.
    let tokenizer = args.tokenizer.as_deref().map(Tokenizer::read).transpose()?;
    let (model, origin) = model(common, args).await?;
    let whence = origin.map(|origin| Whence { run: origin.run, window: origin.window });
    let sampling = Sampling { temperature: args.temperature, seed: args.seed, bytes: usize::try_from(args.bytes)? };
    let hash = model.hash().into();
    let prompt = args.prompt.clone();
    let (done, generated) = oneshot::channel();
    // A thread that ends with the process: the runtime would wait for one of its own after an interrupt.
    thread::Builder::new().spawn(move || done.send(go_on(&model, tokenizer.as_ref(), &prompt, sampling)))?;
    let text = until_interrupted(async { generated.await? }).await?;
    let shown = format!("{}{}", args.prompt, shown(&text));
    common.output().result(&Report { model: hash, origin: whence, prompt: args.prompt.clone(), text }, &shown)
}

async fn model(common: &CommonArgs, args: &Args) -> eyre::Result<(WholeModel, Option<Origin>)> {
    match &args.from {
        Some(dir) => {
            let Exported { model, origin } = export::read(dir)?;
            Ok((model, origin))
        }
        None => {
            let assembled = args.source.assemble(common).await?;
            let origin = Origin::from(&assembled);
            Ok((assembled.model, Some(origin)))
        }
    }
}

/// What comes after the prompt.
fn go_on(model: &WholeModel, tokenizer: Option<&Tokenizer>, prompt: &str, sampling: Sampling) -> eyre::Result<String> {
    let Some(tokenizer) = tokenizer else {
        let bytes = match model.generate(prompt.as_bytes(), sampling) {
            Err(WholeModelError::NotBytes { vocab }) => {
                bail!(
                    "the model has {vocab} tokens, more than there are bytes: give its tokenizer.json with --tokenizer"
                )
            }
            other => other?,
        };
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    };
    if tokenizer.vocab() as usize != model.config().vocab {
        let (found, expected) = (tokenizer.vocab(), model.config().vocab);
        bail!("the tokenizer has {found} tokens, the model {expected}: give the model's own with --tokenizer");
    }
    let mut ids = tokenizer.encode(prompt)?;
    if ids.len() < 2 {
        // The model reads at least two tokens; line ends come before what has no beginning.
        let before = tokenizer.encode("\n\n\n")?;
        ids = [before, ids].concat();
    }
    Ok(tokenizer.decode(&model.generate_ids(&ids, sampling)?)?)
}

/// A model writes whatever bytes it likes, and a terminal obeys some of them.
fn shown(text: &str) -> String {
    let safe = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(shown("a\tb\nc\u{e9}"), "a\tb\nc\u{e9}");
        assert_eq!(shown("\u{1b}[2J\r\u{9b}\0"), "\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn temperatures() {
        assert_eq!(temperature("0"), Ok(0.0));
        for text in ["-0.1", "NaN", "inf", "warm", ""] {
            assert!(temperature(text).is_err(), "{text}");
        }
    }
}
