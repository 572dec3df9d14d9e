//! `neuron`: registers, runs and looks after a miner.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use neuron::cli::{self, CommonArgs, RegisterArgs, SwapHotkeyArgs};

use commands::{doctor, export, generate, run, status};

const EXAMPLE: &str = "\
Example:
  neuron register --netuid 1    pay for a place in the subnet
  neuron run --netuid 1         take it";

const EXIT_STATUS: &str =
    "Exit status: 0 done, 1 failed, 2 bad usage or configuration, 3 a check did not hold, 130 interrupted";

/// A subnet's miner: register, run, look after
#[derive(Parser)]
#[command(name = "neuron", version, before_help = EXAMPLE, after_help = EXIT_STATUS, disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Register the hotkey on a subnet, paying its price from the coldkey
    Register(RegisterArgs),
    /// Put another hotkey of the wallet in the present one's place on chain
    SwapHotkey(SwapHotkeyArgs),
    /// Run until interrupted
    Run(run::Args),
    /// Show what the chain knows of this neuron
    Status(status::Args),
    /// Check what a neuron needs, and say how to mend what is missing
    Doctor(doctor::Args),
    /// Write the run's model to a folder, put together from those who train it
    Export(export::Args),
    /// Let the run's model go on from a prompt
    Generate(generate::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::finish(execute(Args::parse()).await)
}

async fn execute(args: Args) -> eyre::Result<()> {
    let common = args.common.with_config()?;
    common.start_logging();
    match args.command {
        Command::Register(args) => cli::register(&common, &args).await,
        Command::SwapHotkey(args) => cli::swap_hotkey(&common, &args).await,
        Command::Run(args) => run::run(&common, &args).await,
        Command::Status(args) => status::status(&common, &args).await,
        Command::Doctor(args) => doctor::doctor(&common, &args).await,
        Command::Export(args) => export::export(&common, &args).await,
        Command::Generate(args) => generate::generate(&common, &args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_fits_a_screen() {
        let mut command = Args::command();
        command.clone().debug_assert();
        let help = command.render_help().to_string();
        assert!(help.lines().count() <= 50, "{} lines", help.lines().count());
        assert!(help.starts_with("Example:"));
        for verb in command.get_subcommands_mut() {
            let lines = verb.render_help().to_string().lines().count();
            assert!(lines <= 50, "{}: {lines} lines", verb.get_name());
        }
    }
}
