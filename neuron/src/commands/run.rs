//! `neuron run`.

use std::io::{self, Write};

use engine::tolerance::Accelerator;
use keys::Keypair;
use keys::cli::PasswordArgs;
use neuron::cli::{CommonArgs, Interrupted, RunFlags, ServeArgs, Size, Usage, interrupted};
use neuron::events::{Event, EventSink};
use neuron::shell::{self, NeuronConfig, WorkConfig};
use neuron::store::BlobLimits;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::JoinHandle;

/// Events that wait to be printed.
const MAX_WAITING_EVENTS: usize = 1024;
const GIB: u64 = 1024 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    password: PasswordArgs,
    /// What to train; without a corpus the neuron only answers.
    #[command(flatten)]
    run: RunFlags,
    /// Most memory for the stage, like 2GiB; tensors under way take up to 512 MiB beside it [default: what it takes]
    #[arg(long, value_name = "SIZE", requires = "corpus")]
    max_memory: Option<Size>,
    /// What computes the stage: cpu, or in a run with a tolerance cuda or metal
    #[arg(long, value_name = "DEVICE", default_value_t = Accelerator::Cpu, requires = "corpus")]
    device: Accelerator,
}

pub(crate) async fn run(common: &CommonArgs, args: &Args) -> eyre::Result<()> {
    args.device.check().map_err(|error| Usage(error.to_string()))?;
    if args.device != Accelerator::Cpu && args.max_memory.is_some() {
        let device = args.device;
        return Err(
            Usage(format!("--max-memory plans the processor's engine; leave it away with --device {device}")).into()
        );
    }
    let stop = interrupted()?;
    let hotkey = common.wallet.hotkey_pair(&args.password)?;
    // Until it runs there is nothing to stop in order.
    let Some(setup) = stop.run_until_cancelled(set_up(common, args, hotkey)).await else {
        return Err(Interrupted.into());
    };
    let (config, printer) = setup?;
    let result = shell::run(config, stop).await;
    if let Some(printer) = printer {
        // The senders are gone with the neuron, so this ends.
        printer.await??;
    }
    result?;
    // It runs until it is told to stop: the contract has a status for that, which scripts can tell from a failure.
    Err(Interrupted.into())
}

type Printer = JoinHandle<eyre::Result<()>>;

async fn set_up(common: &CommonArgs, args: &Args, hotkey: Keypair) -> eyre::Result<(NeuronConfig, Option<Printer>)> {
    let client = common.connect().await?;
    let netuid = common.subnet(&client.latest().await?).await?;
    let state = args.serve.state(netuid, &hotkey.account_id())?;
    tracing::info!(hotkey = %hotkey.account_id(), %netuid, state = %state.display(), "starting");
    let events = EventSink::new(MAX_WAITING_EVENTS);
    let printer = common.json.then(|| tokio::spawn(print(events.listen())));
    let presence = args.serve.presence(common, client, netuid, hotkey, events)?;
    let blobs = BlobLimits { max_blob_bytes: 4 * GIB, max_total_bytes: 64 * GIB };
    let stage_cap_bytes = args.max_memory.map(|size| size.0);
    // The processor's engine is the exact one, which is right in every run.
    let device = Some(args.device).filter(|device| *device != Accelerator::Cpu);
    let work = args.run.source(&state)?;
    let work = work.map(|source| WorkConfig { device, stage_cap_bytes, ..WorkConfig::honest(source) });
    Ok((NeuronConfig { presence, state, blobs, work }, printer))
}

/// One JSON object per line, for dashboards and tests.
async fn print(mut events: broadcast::Receiver<Event>) -> eyre::Result<()> {
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "standard output is too slow for this neuron's events");
                continue;
            }
            Err(RecvError::Closed) => return Ok(()),
        };
        let line = serde_json::to_string(&event)?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
    }
}
