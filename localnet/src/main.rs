//! The `localnet` binary.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use localnet::cli::{ChainArgs, Cli, Command, UpArgs};
use localnet::subnet::{BadCorpus, Interrupted};

/// Exit statuses of the command-line contract.
const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const BROKEN_INVARIANT: u8 = 3;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    candle_alone();
    match Cli::parse().command {
        Command::Up(args) => up(args),
        Command::Chain(args) => chain(&args),
        steering => steer(steering),
    }
}

/// Has Candle compute on the thread that calls it. Its own pool is one for all neurons of this process, and spins while it
/// waits: with a score of neurons on a few cores it spends most of them on waiting.
fn candle_alone() {
    const THREADS: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        #[expect(unsafe_code, reason = "Candle has no other setting")]
        // SAFETY: no thread has been started yet that could read the environment.
        unsafe {
            std::env::set_var(THREADS, "1");
        }
    }
}

/// Runs the chain alone.
fn chain(args: &ChainArgs) -> ExitCode {
    let ended = localnet::logs::start(args.verbose, None).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(localnet::lone_chain::run(args))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            localnet::complain(&format!("{error:#}"));
            ExitCode::from(if error.is::<narrows_node::StartError>() { BAD_USAGE } else { FAILED })
        }
    }
}

/// Steers the chain of another localnet.
fn steer(command: Command) -> ExitCode {
    let steered = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(eyre::Report::from);
    match steered.and_then(|runtime| runtime.block_on(localnet::steer::steer(command))) {
        Ok(said) => {
            localnet::say(&said);
            ExitCode::SUCCESS
        }
        Err(error) => {
            localnet::complain(&format!("{error:#}"));
            let usage = error.is::<chain::EndpointError>();
            ExitCode::from(if usage { BAD_USAGE } else { FAILED })
        }
    }
}

/// Brings a localnet up.
fn up(args: UpArgs) -> ExitCode {
    if let Err(message) = args.check() {
        localnet::complain(&message);
        return ExitCode::from(BAD_USAGE);
    }
    let live = !args.ci && !args.json && std::io::stdout().is_terminal();
    let log = live.then(|| std::env::temp_dir().join(format!("narrows-localnet-{}.log", std::process::id())));
    let ended = localnet::logs::start(args.verbose, log.as_deref()).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(localnet::up::up(&args, live))
    });
    match (&ended, &log) {
        // The view hid the log; it is of use only where something went wrong.
        (Ok(_), Some(log)) => drop(std::fs::remove_file(log)),
        (Err(_), Some(log)) => localnet::complain(&format!("the log is in {}", log.display())),
        _ => {}
    }
    match ended {
        Ok(outcome) => {
            if args.json {
                match serde_json::to_string(&outcome.report) {
                    Ok(json) => localnet::say(&json),
                    Err(error) => localnet::complain(&format!("cannot print the result: {error}")),
                }
            } else {
                localnet::say(&outcome.report.to_string());
            }
            if outcome.interrupted {
                ExitCode::from(INTERRUPTED)
            } else if args.ci && !outcome.report.held() {
                ExitCode::from(BROKEN_INVARIANT)
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            localnet::complain(&format!("{error:#}"));
            let usage = error.is::<narrows_node::StartError>()
                || error.is::<BadCorpus>()
                || error.is::<localnet::training::OtherRun>();
            ExitCode::from(if usage { BAD_USAGE } else { FAILED })
        }
    }
}
