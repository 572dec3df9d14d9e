//! How a command ends: 0 done; 1 failed; 2 bad usage or configuration; 3 a check did not hold; 130 interrupted.

use std::io::{self, Write};
use std::process::ExitCode;

use eyre::Report;
use keys::cli::{CliError, EXIT_CHECK_FAILED, EXIT_FAILED, EXIT_USAGE};
use tokio_util::sync::CancellationToken;

use crate::export::ExportError;
use crate::shell::{AssembleError, PresenceError, RunError, SourceError};

/// Exit status: interrupted from the terminal.
pub const EXIT_INTERRUPTED: u8 = 130;

/// The command line is well formed, and still asks for something that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The command worked, and what it checked does not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CheckFailed(pub String);

/// Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The exit status that an error means.
pub fn exit_status(report: &Report) -> u8 {
    if report.is::<Usage>() || report.is::<chain::EndpointError>() {
        return EXIT_USAGE;
    }
    if let Some(error) = report.downcast_ref::<CliError>() {
        return error.exit_status();
    }
    if let Some(RunError::ExactRun(_)) = report.downcast_ref::<RunError>() {
        return EXIT_USAGE;
    }
    let presence = match report.downcast_ref::<RunError>() {
        Some(RunError::Presence(error)) => Some(error),
        _ => report.downcast_ref::<PresenceError>(),
    };
    if let Some(PresenceError::NoExternalIp | PresenceError::ProtocolNotServed(_) | PresenceError::Net(_)) = presence {
        return EXIT_USAGE;
    }
    match report.downcast_ref::<AssembleError>() {
        Some(AssembleError::Source(
            SourceError::Unreadable { .. } | SourceError::Manifest(_) | SourceError::Plan(_),
        )) => {
            return EXIT_USAGE;
        }
        Some(AssembleError::OtherNetwork(_)) => return EXIT_USAGE,
        _ => {}
    }
    match report.downcast_ref::<ExportError>() {
        Some(ExportError::Changed { .. }) => return EXIT_CHECK_FAILED,
        Some(
            ExportError::Name(_) | ExportError::NotAFolder(_) | ExportError::Exists(_) | ExportError::Foreign { .. },
        ) => return EXIT_USAGE,
        _ => {}
    }
    if report.is::<CheckFailed>() {
        EXIT_CHECK_FAILED
    } else if report.is::<Interrupted>() {
        EXIT_INTERRUPTED
    } else {
        EXIT_FAILED
    }
}

/// Ends `main`: says what went wrong on stderr, and gives the exit status for it.
pub fn finish(result: eyre::Result<()>) -> ExitCode {
    let Err(report) = result else { return ExitCode::SUCCESS };
    // Whoever reads our output has read enough: `neuron status | head -1`.
    if report.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    if !report.is::<Interrupted>() {
        let causes: Vec<_> = report.chain().map(ToString::to_string).collect();
        // Nobody is left to tell when stderr is closed.
        let _ = writeln!(io::stderr(), "error: {}", causes.join(": "));
    }
    ExitCode::from(exit_status(&report))
}

/// A token that Ctrl-C, or a request to terminate, cancels.
pub fn interrupted() -> io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use crate::message::names::Hash;

    #[test]
    fn the_contract() {
        assert_eq!(exit_status(&Report::new(Usage("x".into()))), 2);
        assert_eq!(exit_status(&Report::new(CheckFailed("x".into()))), 3);
        assert_eq!(exit_status(&Report::new(Interrupted)), 130);
        assert_eq!(exit_status(&Report::new(CliError::NoHome)), 2);
        assert_eq!(exit_status(&Report::new(PresenceError::NoExternalIp)), 2);
        assert_eq!(exit_status(&Report::new(RunError::from(PresenceError::NoExternalIp))), 2);
        assert_eq!(exit_status(&Report::new(ExportError::Exists("x".into()))), 2);
        let (path, expected) = ("x".into(), Hash::of(b"x"));
        assert_eq!(exit_status(&Report::new(ExportError::Changed { path, expected, found: Hash::ZERO })), 3);
        assert_eq!(exit_status(&Report::new(AssembleError::NoRun(chain::Netuid(1)))), 1);
        let malformed = SourceError::from(Manifest::from_bytes(b"x").unwrap_err());
        assert_eq!(exit_status(&Report::new(AssembleError::from(malformed))), 2);
        assert_eq!(exit_status(&eyre::eyre!("x")), 1);
        assert_eq!(exit_status(&Report::new(Usage("x".into())).wrap_err("while")), 2);
    }
}
