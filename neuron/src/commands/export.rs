//! `neuron export`: the run's model, from those who train it, into a folder.

use std::future::Future;
use std::path::PathBuf;

use keys::cli::PasswordArgs;
use neuron::cli::{CommonArgs, Interrupted, interrupted};
use neuron::export::{self, Existing, ExportedFile, Origin};
use neuron::shell::{AssembleConfig, Assembled, assemble};
use serde::Serialize;

/// Which run's model, and in whose name peers are asked for it.
#[derive(Debug, clap::Args)]
pub(crate) struct SourceArgs {
    /// The run's manifest [default: of the run that the subnet's owner posted, from peers]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl SourceArgs {
    /// Assembles the model, unless interrupted.
    pub(crate) async fn assemble(&self, common: &CommonArgs) -> eyre::Result<Assembled> {
        let hotkey = common.wallet.hotkey_pair(&self.password)?;
        let assembled = async {
            let client = common.connect_briefly().await?;
            let netuid = common.subnet(&client.latest().await?).await?;
            let (allow_loopback, manifest) = (common.is_chain_local(), self.manifest.clone());
            let config = AssembleConfig { client, netuid, hotkey, allow_loopback, manifest };
            Ok(assemble(config).await?)
        };
        until_interrupted(assembled).await
    }
}

/// Carries out what a person may lose patience with.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = eyre::Result<T>>) -> eyre::Result<T> {
    interrupted()?.run_until_cancelled(work).await.unwrap_or_else(|| Err(Interrupted.into()))
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the model: its shape, its weights as safetensors, and where they come from
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace an earlier export
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    origin: Origin,
    parameters: usize,
    files: Vec<ExportedFile>,
}

pub(crate) async fn export(common: &CommonArgs, args: &Args) -> eyre::Result<()> {
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    // Before anybody is asked for anything.
    export::check(&args.out, existing)?;
    let assembled = args.source.assemble(common).await?;
    let origin = Origin::from(&assembled);
    let files = export::write(&args.out, &assembled.model, &origin, existing)?;
    let parameters = assembled.model.weights().iter().map(|weights| weights.values().len()).sum();
    let report = Report { origin, parameters, files };
    common.output().result(&report, &text(&report))
}

fn text(report: &Report) -> String {
    let Report { origin, parameters, files } = report;
    let agree = |stage: &export::StageOrigin| format!("{}/{}", stage.named_by, stage.commitments);
    let agree: Vec<_> = origin.stages.iter().map(agree).collect();
    let mut lines = vec![
        format!("run         {}", origin.run),
        format!("window      {}", origin.window.0),
        format!("model       {}", origin.model),
        format!("parameters  {parameters} in {} stages", origin.stages.len()),
        format!("agreement   {} replicas, stage by stage", agree.join(" ")),
    ];
    lines.extend(files.iter().map(|file| format!("file        {} ({} bytes)", file.path.display(), file.bytes)));
    lines.join("\n")
}
