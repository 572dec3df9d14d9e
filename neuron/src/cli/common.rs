//! The flags that every binary with a chain takes.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chain::{Client, ConnectConfig, Endpoint, Netuid, Snapshot};
use eyre::{Result, WrapErr, bail, eyre};
use keys::cli::WalletArgs;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::exit::Usage;
use super::output::Output;

/// Largest configuration file that is read.
const MAX_CONFIG_BYTES: u64 = 1024 * 1024;
const DEFAULT_NETWORK: &str = "local";

/// Flags shared by all. A flag beats its environment variable, that beats the configuration file, that beats the default.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CommonArgs {
    /// `local`, `test`, `finney`, or a ws:// or wss:// endpoint [default: local]
    #[arg(short, long, env = "BT_NETWORK", global = true, value_name = "NAME|URL", hide_env_values = true)]
    pub network: Option<String>,

    /// Which wallet.
    #[command(flatten)]
    pub wallet: WalletArgs,

    /// Subnet; asked for when there are several
    #[arg(long, env = "BT_NETUID", global = true, value_name = "N", hide_env_values = true)]
    pub netuid: Option<u16>,

    /// TOML file with defaults for these flags
    #[arg(long, env = "NARROWS_CONFIG", global = true, value_name = "FILE", hide_env_values = true)]
    pub config: Option<PathBuf>,

    /// Machine-readable result on stdout
    #[arg(long, global = true)]
    pub json: bool,

    /// No confirmation prompts
    #[arg(short, long, global = true)]
    pub yes: bool,

    /// Less on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// More on stderr; twice for all
    #[arg(short, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// The part of the configuration file that these flags have. Keys of other parts are left alone.
#[derive(Debug, Default, Deserialize)]
struct CommonConfig {
    network: Option<String>,
    netuid: Option<u16>,
    #[serde(flatten)]
    wallet: keys::cli::WalletConfig,
}

/// Reads a TOML file into whatever part of it is wanted.
fn read_config<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let refused = |reason: String| Usage(format!("the configuration file {} cannot be used: {reason}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        bail!(refused(format!("it has more than {MAX_CONFIG_BYTES} bytes")));
    }
    Ok(toml::from_str(&text).map_err(|error| refused(error.to_string()))?)
}

impl CommonArgs {
    /// Takes from the configuration file, if one is named, what neither flags nor environment said.
    pub fn with_config(mut self) -> Result<Self> {
        if let Some(path) = &self.config {
            let config: CommonConfig = read_config(path)?;
            self.network = self.network.or(config.network);
            self.netuid = self.netuid.or(config.netuid);
            self.wallet = self.wallet.or_config(config.wallet);
        }
        Ok(self)
    }

    /// How to show results.
    pub fn output(&self) -> Output {
        Output { json: self.json, quiet: self.quiet, yes: self.yes }
    }

    /// Logs to stderr. `RUST_LOG` says how much; `-q` and `-v` do for those who have not set it.
    pub fn start_logging(&self) {
        let default = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (_, 0) => "warn,neuron=info,validator=info,chain=info",
            (_, 1) => "info,neuron=debug,validator=debug,chain=debug",
            _ => "debug",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
        // An error says that somebody has set up logging already, which will do.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .try_init();
    }

    /// The chain's endpoint.
    pub fn endpoint(&self) -> Result<Endpoint> {
        Ok(self.network.as_deref().unwrap_or(DEFAULT_NETWORK).parse()?)
    }

    /// Whether the chain is on this machine: then its subnet's axons may be, too.
    pub fn is_chain_local(&self) -> bool {
        self.endpoint().is_ok_and(|endpoint| is_loopback_url(endpoint.url()))
    }

    /// Connects to the chain.
    pub async fn connect(&self) -> Result<Client> {
        let endpoint = self.endpoint()?;
        let config = ConnectConfig::new([endpoint.url()])?;
        Client::connect(config).await.wrap_err_with(|| format!("cannot connect to {endpoint} (choose with --network)"))
    }

    /// Connects to the chain, giving up early: for a person who waits for an answer.
    pub async fn connect_briefly(&self) -> Result<Client> {
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
        let endpoint = self.endpoint()?;
        let mut config = ConnectConfig::new([endpoint.url()])?;
        config.give_up_after = PATIENCE;
        Client::connect(config).await.wrap_err_with(|| format!("cannot connect to {endpoint} (choose with --network)"))
    }

    /// The subnet: the one asked for, or the only one there is; a person is asked when there are several.
    pub async fn subnet(&self, snapshot: &Snapshot) -> Result<Netuid> {
        let subnets = snapshot.subnets().await?;
        let list = || subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (self.netuid.map(Netuid), subnets.as_slice()) {
            (Some(netuid), _) if subnets.contains(&netuid) => Ok(netuid),
            (Some(netuid), _) => {
                Err(Usage(format!("subnet {netuid} does not exist on this chain; there are: {}", list())).into())
            }
            (None, [only]) => Ok(*only),
            (None, []) => Err(eyre!("this chain has no subnet; its owner creates one first")),
            (None, _) => {
                let answer = self.output().ask(&format!("Which subnet ({})? ", list()), "--netuid")?;
                let netuid = answer.parse().map(Netuid).ok().filter(|netuid| subnets.contains(netuid));
                netuid.ok_or_else(|| Usage(format!("`{answer}` is none of the subnets {}", list())).into())
            }
        }
    }
}

/// Whether a URL's host is this machine.
fn is_loopback_url(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        common: CommonArgs,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn flags_beat_the_file() {
        let file =
            file("network = \"test\"\nnetuid = 7\nwallet = \"w\"\nwallet_hotkey = \"h\"\n[localnet]\nminers = 3\n");
        let path = file.path().to_str().unwrap();
        let args = Args::try_parse_from(["x", "--config", path, "--netuid", "9", "-H", "mine"]).unwrap();
        let common = args.common.with_config().unwrap();
        assert_eq!((common.network.as_deref(), common.netuid), (Some("test"), Some(9)));
        assert_eq!((common.wallet.wallet_name(), common.wallet.hotkey_name()), ("w", "mine"));
        assert_eq!(common.endpoint().unwrap().url(), Endpoint::TEST);
    }

    #[test]
    fn a_bad_file_is_bad_usage() {
        for text in ["netuid = \"seven\"", "netuid = [", "netuid = 70000"] {
            let file = file(text);
            let args = Args::try_parse_from(["x", "--config", file.path().to_str().unwrap()]).unwrap();
            let error = args.common.with_config().unwrap_err();
            assert!(error.is::<Usage>(), "{text}: {error}");
        }
        let args = Args::try_parse_from(["x", "--config", "/does/not/exist.toml"]).unwrap();
        assert!(args.common.with_config().unwrap_err().is::<Usage>());
    }

    #[test]
    fn which_chains_are_local() {
        for (url, is_local) in [
            ("ws://127.0.0.1:9944", true),
            ("ws://localhost:9944/path", true),
            ("ws://[::1]:9944", true),
            ("wss://entrypoint-finney.opentensor.ai:443", false),
            ("ws://192.0.2.1:9944", false),
            ("ws://127.0.0.1.example.org", false),
        ] {
            assert_eq!(is_loopback_url(url), is_local, "{url}");
        }
    }
}
