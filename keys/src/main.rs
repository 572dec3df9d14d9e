//! `keys`: makes, lists and shows wallets; signs and verifies messages.

mod commands;
mod output;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eyre::{Report, Result};
use keys::WalletError;
use keys::cli::{CliError, EXIT_FAILED, EXIT_USAGE, WalletArgs, WalletConfig, wallet_exit_status};
use rustix::process::{Resource, Rlimit, setrlimit};

use commands::{backup, list, new, passwd, regen, restore, show, sign, verify};
use output::Output;

const EXAMPLE: &str = "\
Example:
  keys new -w alice -H miner    make a coldkey and a hotkey, show their phrases once
  keys list                     see them";

const EXIT_STATUS: &str = "Exit status: 0 done, 1 failed, 2 bad usage or configuration, 3 a signature does not hold";

/// Wallets in Bittensor's layout: make, list, show, back up and restore keys; sign and verify
#[derive(Parser)]
#[command(name = "keys", version, before_help = EXAMPLE, after_help = EXIT_STATUS, disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    wallet: WalletArgs,

    /// TOML file with defaults for these flags
    #[arg(long, global = true, env = "NARROWS_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,

    /// Print the result as JSON on stdout
    #[arg(long, global = true)]
    json: bool,

    /// Do not ask for confirmation
    #[arg(short, long, global = true)]
    yes: bool,

    /// No notes on stderr
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make a wallet's coldkey and hotkey, whichever is missing
    New(new::Args),
    /// Make a key again from its phrase, seed, file or secret URI
    Regen(regen::Args),
    /// List wallets and their hotkeys
    List,
    /// Show a wallet's addresses and files
    Show,
    /// Sign a message
    Sign(sign::Args),
    /// Check a signature
    Verify(verify::Args),
    /// Change a key's password, or take it off
    Passwd(passwd::Args),
    /// Put a whole wallet into one encrypted file
    Backup(backup::Args),
    /// Put a wallet back from such a file
    Restore(restore::Args),
}

/// The command line is well formed, and still asks for something that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn main() -> ExitCode {
    // A crash must not leave secrets in a core file. Where the system forbids asking for that, it is as it was.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let args = Args::parse();
    let output = Output { json: args.json, quiet: args.quiet };
    let lists = matches!(args.command, Command::List);
    match run(args, &output) {
        Ok(status) => status,
        // Whoever reads a list may have read enough: `keys list | head -1`. What any other command did must be told.
        Err(report) if lists && is_broken_pipe(&report) => ExitCode::SUCCESS,
        Err(report) => {
            output.error(&report);
            ExitCode::from(status_of(&report))
        }
    }
}

fn run(args: Args, output: &Output) -> Result<ExitCode> {
    let wallet = match &args.config {
        None => args.wallet,
        Some(path) => args.wallet.or_config(WalletConfig::read(path)?),
    };
    match args.command {
        Command::New(new) => new.run(&wallet, args.yes, output),
        Command::Regen(regen) => regen.run(&wallet, args.yes, output),
        Command::List => list::run(&wallet, output),
        Command::Show => show::run(&wallet, output),
        Command::Sign(sign) => sign.run(&wallet, output),
        Command::Verify(verify) => verify.run(output),
        Command::Passwd(passwd) => passwd.run(&wallet, args.yes, output),
        Command::Backup(backup) => backup.run(&wallet, args.yes, output),
        Command::Restore(restore) => restore.run(&wallet, args.yes, output),
    }
}

fn status_of(report: &Report) -> u8 {
    if let Some(error) = report.downcast_ref::<CliError>() {
        error.exit_status()
    } else if let Some(error) = report.downcast_ref::<WalletError>() {
        wallet_exit_status(error)
    } else if report.is::<Usage>() {
        EXIT_USAGE
    } else {
        EXIT_FAILED
    }
}

fn is_broken_pipe(report: &Report) -> bool {
    report.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
