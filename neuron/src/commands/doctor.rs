//! `neuron doctor`: what a neuron needs, each with its fix.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

use chain::{Client, Netuid, Snapshot};
use engine::Instructions;
use engine::tolerance::Accelerator;
use keys::cli::PasswordArgs;
use keys::{AccountId, Keypair};
use neuron::cli::{CheckFailed, CommonArgs, ServeArgs};
use serde::Serialize;

/// Less than this and weights soon do not fit.
const MIN_FREE_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// Farther from the chain's time than this, and proofs and certificates may not hold.
const MAX_CLOCK_ERROR: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

/// How one check came out.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Good,
    /// It does not hold.
    Bad,
    /// It could not be looked at, because of another one.
    Skipped,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    outcome: Outcome,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Good, detail: detail.into(), fix: None }
    }

    fn bad(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Bad, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn skipped(name: &'static str, because: &str) -> Self {
        Self { name, outcome: Outcome::Skipped, detail: format!("not looked at: {because}"), fix: None }
    }

    fn line(&self) -> String {
        let mark = match self.outcome {
            Outcome::Good => "ok  ",
            Outcome::Bad => "BAD ",
            Outcome::Skipped => "--  ",
        };
        match &self.fix {
            None => format!("{mark}{:<13} {}", self.name, self.detail),
            Some(fix) => format!("{mark}{:<13} {}\n{:18}fix: {fix}", self.name, self.detail, ""),
        }
    }
}

pub(crate) async fn doctor(common: &CommonArgs, args: &Args) -> eyre::Result<()> {
    let mut checks = Vec::new();
    let hotkey = check_keys(common, args, &mut checks);
    let chain = check_chain(common, &mut checks).await;
    let netuid = match &chain {
        Some((_, snapshot)) => check_subnet(common, snapshot, &mut checks).await,
        None => {
            checks.push(Check::skipped("clock", "the chain is not reached"));
            checks.push(Check::skipped("subnet", "the chain is not reached"));
            None
        }
    };
    match (&chain, netuid, &hotkey) {
        (Some((_, snapshot)), Some(netuid), Some(hotkey)) => {
            checks.push(check_registration(snapshot, netuid, hotkey.account_id()).await);
        }
        _ => checks.push(Check::skipped("registration", "it needs the chain, the subnet and the hotkey")),
    }
    checks.push(check_port(&args.serve));
    checks.push(check_device());
    match (netuid, &hotkey) {
        (Some(netuid), Some(hotkey)) => {
            checks.push(check_disk(&args.serve.state(netuid, &hotkey.account_id())?));
        }
        _ => checks.push(Check::skipped("disk", "the state's place follows from the subnet and the hotkey")),
    }
    let bad = checks.iter().filter(|check| matches!(check.outcome, Outcome::Bad)).count();
    let text: Vec<_> = checks.iter().map(Check::line).collect();
    common.output().result(&checks, &text.join("\n"))?;
    match bad {
        0 => Ok(()),
        bad => Err(CheckFailed(format!("{bad} of {} checks did not hold", checks.len())).into()),
    }
}

fn check_keys(common: &CommonArgs, args: &Args, checks: &mut Vec<Check>) -> Option<Keypair> {
    match common.wallet.hotkey_pair(&args.password) {
        Ok(hotkey) => {
            checks.push(Check::good("keys", format!("hotkey {}", hotkey.account_id())));
            Some(hotkey)
        }
        Err(error) => {
            let (wallet, name) = (common.wallet.wallet_name(), common.wallet.hotkey_name());
            checks.push(Check::bad("keys", error.to_string(), format!("keys new -w {wallet} -H {name}")));
            None
        }
    }
}

async fn check_chain(common: &CommonArgs, checks: &mut Vec<Check>) -> Option<(Client, Snapshot)> {
    let read = async {
        let client = common.connect_briefly().await?;
        let snapshot = client.latest().await?;
        let timestamp_ms = snapshot.timestamp_ms().await?;
        Ok::<_, eyre::Report>((client, snapshot, timestamp_ms))
    };
    match read.await {
        Ok((client, snapshot, timestamp_ms)) => {
            checks.push(Check::good("chain", format!("finalized block {}", snapshot.number())));
            checks.push(match common.is_chain_local() {
                true => Check::skipped("clock", "a chain on this machine may keep a time of its own"),
                false => check_clock(timestamp_ms),
            });
            Some((client, snapshot))
        }
        Err(error) => {
            let fix = "start the node (`localnet up` has one), or name another with --network";
            checks.push(Check::bad("chain", format!("{error:#}"), fix));
            None
        }
    }
}

fn check_clock(chain_ms: u64) -> Check {
    #[expect(clippy::disallowed_methods, reason = "the one check whose subject is this machine's clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let difference = now.abs_diff(Duration::from_millis(chain_ms));
    let detail = format!("{:.1} s from the chain's newest block", difference.as_secs_f64());
    if difference <= MAX_CLOCK_ERROR {
        Check::good("clock", detail)
    } else {
        Check::bad("clock", detail, "set this machine's clock (NTP), unless the chain itself stands still")
    }
}

async fn check_subnet(common: &CommonArgs, snapshot: &Snapshot, checks: &mut Vec<Check>) -> Option<Netuid> {
    match common.subnet(snapshot).await {
        Ok(netuid) => {
            checks.push(Check::good("subnet", format!("{netuid}")));
            Some(netuid)
        }
        Err(error) => {
            checks.push(Check::bad("subnet", error.to_string(), "name it with --netuid"));
            None
        }
    }
}

async fn check_registration(snapshot: &Snapshot, netuid: Netuid, hotkey: AccountId) -> Check {
    const NAME: &str = "registration";
    match snapshot.uid(netuid, hotkey).await {
        Ok(Some(uid)) => Check::good(NAME, format!("uid {uid} on subnet {netuid}")),
        Ok(None) => {
            let price = match snapshot.burn_price(netuid).await {
                Ok(price) => format!(" (it costs {price} now)"),
                Err(_) => String::new(),
            };
            let detail = format!("{hotkey} is not registered on subnet {netuid}{price}");
            Check::bad(NAME, detail, format!("neuron register --netuid {netuid}"))
        }
        Err(error) => Check::bad(NAME, error.to_string(), "see above"),
    }
}

fn check_port(serve: &ServeArgs) -> Check {
    const NAME: &str = "port";
    let (ip, port) = (serve.axon_ip, serve.axon_port);
    let opened = TcpListener::bind((ip, port)).and_then(|_| UdpSocket::bind((ip, port)));
    match opened {
        Ok(_) => Check::good(
            NAME,
            format!("{ip}:{port} is free for TCP and UDP; whether others reach it is not seen from here"),
        ),
        Err(error) => {
            let fix = "stop what uses it (another neuron?), or choose another with --axon-port";
            Check::bad(NAME, format!("{ip}:{port}: {error}"), fix)
        }
    }
}

/// What can compute a stage here. The processor always can.
fn check_device() -> Check {
    let cards = Accelerator::present().into_iter().filter(|device| *device != Accelerator::Cpu);
    let cards: Vec<_> = cards.map(|device| format!(", {device} (in runs with a tolerance)")).collect();
    Check::good("device", format!("cpu with {}{}", Instructions::best().name(), cards.concat()))
}

fn check_disk(state: &Path) -> Check {
    const NAME: &str = "disk";
    // The directory may not be there yet; its nearest ancestor is on the same disk.
    let existing = state.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    match fs4::available_space(existing) {
        Ok(free) if free >= MIN_FREE_BYTES => {
            Check::good(NAME, format!("{} GiB free for {}", free >> 30, state.display()))
        }
        Ok(free) => {
            let detail = format!("{} MiB free for {}", free >> 20, state.display());
            Check::bad(NAME, detail, format!("free {} GiB, or choose another place with --state", MIN_FREE_BYTES >> 30))
        }
        Err(error) => Check::bad(NAME, format!("{}: {error}", existing.display()), "choose another place with --state"),
    }
}
