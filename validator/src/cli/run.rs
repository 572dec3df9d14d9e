//! `validator run`.

use eyre::Result;
use keys::cli::PasswordArgs;
use neuron::cli::{CommonArgs, RunFlags, ServeArgs, interrupted};
use neuron::events::EventSink;

use crate::shell::{self, ValidatorConfig};

/// Events kept for listeners that fall behind; here nobody listens but the log.
const KEPT_EVENTS: usize = 16;

/// How to run.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Where to listen, and where to keep state.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Where the hotkey's password comes from, if it has one.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Which run to judge.
    #[command(flatten)]
    pub run: RunFlags,
}

/// Runs a validator until Ctrl-C.
pub(super) async fn run(common: &CommonArgs, args: &RunArgs) -> Result<()> {
    let hotkey = common.wallet.hotkey_pair(&args.password)?;
    let client = common.connect().await?;
    let netuid = common.subnet(&client.latest().await?).await?;
    let state = args.serve.state(netuid, &hotkey.account_id())?;
    let presence = args.serve.presence(common, client, netuid, hotkey, EventSink::new(KEPT_EVENTS))?;
    let stop = interrupted()?;
    let run = args.run.source(&state)?;
    if run.is_none() {
        tracing::warn!("without --corpus nothing can be computed again, so nobody will be weighed");
    }
    Ok(shell::run(ValidatorConfig { presence, state, run }, stop).await?)
}
