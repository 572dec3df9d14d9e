//! The command line of `validator`.

mod explain;
mod run;
mod stake;
mod weights;

use clap::{Parser, Subcommand};
use eyre::Result;
use neuron::cli::{CommonArgs, RegisterArgs, SwapHotkeyArgs, register, swap_hotkey};

pub use explain::ExplainArgs;
pub use run::RunArgs;
pub use stake::StakeArgs;

/// Check what a subnet's miners claim, weigh them, and commit the weights on chain.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    before_help = "Example:\n  validator register -w mine && validator stake 1000 -w mine && validator run -w mine"
)]
pub struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs of `validator`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register the hotkey on a subnet, paying its price from the coldkey.
    Register(RegisterArgs),
    /// Put another hotkey of the wallet in the present one's place on chain.
    SwapHotkey(SwapHotkeyArgs),
    /// Stake TAO of the coldkey on the hotkey.
    Stake(StakeArgs),
    /// Check miners' work, weigh them, commit and reveal, until Ctrl-C.
    Run(RunArgs),
    /// Show every factor of a miner's weight.
    Explain(ExplainArgs),
    /// Show what weights are in force, committed, and due.
    Weights,
}

/// Runs a verb.
pub async fn main(cli: Cli) -> Result<()> {
    let common = cli.common.with_config()?;
    common.start_logging();
    match cli.command {
        Command::Register(args) => register(&common, &args).await,
        Command::SwapHotkey(args) => swap_hotkey(&common, &args).await,
        Command::Stake(args) => stake::stake(&common, &args).await,
        Command::Run(args) => run::run(&common, &args).await,
        Command::Explain(args) => explain::explain(&common, &args).await,
        Command::Weights => weights::weights(&common).await,
    }
}
