//! Where log lines go: to stderr in plain runs, to a file while the live view owns the terminal.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use eyre::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` wins; otherwise the substrate and libp2p crates are kept to errors.
pub fn start(verbose: bool, file: Option<&Path>) -> Result<()> {
    let level = if verbose { "info" } else { "warn" };
    let quiet = "sc_=error,txpool=error,manual-seal=error,libp2p=error,jsonrpsee=error,yamux=error";
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},{quiet}")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(verbose);
    let started = match file {
        Some(path) => {
            let file = File::create(path).wrap_err_with(|| format!("cannot write the log {}", path.display()))?;
            builder.with_ansi(false).with_writer(Mutex::new(file)).try_init()
        }
        None => builder.with_writer(std::io::stderr).try_init(),
    };
    started.map_err(|error| eyre::eyre!("cannot start logging: {error}"))
}
