//! `localnet up`: the chain, its people and the subnet, from nothing to the summary.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chain::{Client, ConnectConfig, Netuid, Uid};
use eyre::{Context, Result, bail};
use narrows_node::{DevNode, DevNodeConfig};
use tokio::sync::mpsc;

use crate::accounts::Accounts;
use crate::banner::{AccountLine, Banner};
use crate::cli::UpArgs;
use crate::corpus;
use crate::events::Event;
use crate::people::People;
use crate::report::Report;
use crate::setup::{self, INITIAL_ISSUANCE, SubnetPlan};
use crate::tally::Tally;
use crate::training::Training;
use crate::view::{Header, View};
use crate::watch::ChainWatch;

/// Events from neurons that may wait to be counted. A neuron that finds the queue full waits.
const MAX_WAITING_EVENTS: usize = 4096;

/// Time between two drawings of the live view.
const FRAME: Duration = Duration::from_millis(200);

/// Paid epochs that do not come within this many tempos are not coming: the run ends and the invariants say why.
const PATIENCE_TEMPOS: u64 = 4;

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it came to.
    pub report: Report,
    /// Whether it was cut short before the epochs asked for.
    pub interrupted: bool,
}

/// Where a localnet keeps its files: a folder the user named, or one that goes when the localnet does.
enum Home {
    Kept(PathBuf),
    Passing(tempfile::TempDir),
}

impl Home {
    fn open(state: Option<&Path>) -> Result<Self> {
        match state {
            Some(path) => {
                std::fs::create_dir_all(path).wrap_err_with(|| {
                    format!("cannot use {} as --state: name a folder that can be written", path.display())
                })?;
                Ok(Self::Kept(path.to_owned()))
            }
            None => Ok(Self::Passing(tempfile::Builder::new().prefix("narrows-localnet-").tempdir()?)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Passing(folder) => folder.path(),
        }
    }
}

/// What draws or logs while the subnet runs.
enum Screen {
    Live(Box<View>),
    Plain,
}

/// Runs a localnet until its epochs are paid, or until the user ends it.
pub async fn up(args: &UpArgs, live: bool) -> Result<Outcome> {
    let home = Home::open(args.state.as_deref())?;
    let accounts = Accounts::derive(args.seed, args.validators, args.miners).play(&args.adversary, args.seed);
    let wallets = home.path().join("wallets");
    for account in accounts.all() {
        account.write_wallet(&wallets).wrap_err_with(|| format!("cannot write the wallet of {}", account.name))?;
    }
    // Before anything is started: a corpus that cannot be read ends the run with nothing to clean up.
    let corpus = corpus::read(args.corpus.as_deref()).map_err(|error| BadCorpus(format!("{error:#}")))?;
    let node = DevNode::start(node_config(args, &accounts)).await?;
    let ended = tokio::select! {
        ended = run(args, live, &accounts, &corpus, &node, home.path()) => ended,
        // While setting up there is nothing to sum up yet.
        _ = tokio::signal::ctrl_c(), if !live => Err(eyre::Report::new(Interrupted)),
    };
    let stopped = node.shutdown().await;
    let outcome = ended?;
    stopped?;
    Ok(outcome)
}

/// There is nothing to train on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadCorpus(String);

/// The user ended the run before there was anything to sum up.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The chain that these flags ask for: whoever starts it again with the same ones finds it where it was.
pub fn node_config(args: &UpArgs, accounts: &Accounts) -> DevNodeConfig {
    let root = accounts.root.coldkey_id();
    let beacon_seed = blake3::derive_key("narrows localnet beacon seed 1", &args.seed.to_le_bytes());
    let mut config = DevNodeConfig::new(root.0, vec![(root.0, INITIAL_ISSUANCE.0)], beacon_seed);
    config.block_time = args.block_time;
    config.port = args.port;
    config.state_dir = args.state.as_ref().map(|state| state.join("chain"));
    config
}

async fn run(
    args: &UpArgs,
    live: bool,
    accounts: &Accounts,
    corpus: &[u8],
    node: &DevNode,
    home: &Path,
) -> Result<Outcome> {
    let client = Client::connect(ConnectConfig::new([node.rpc_url()])?).await?;
    // Validators alone hold permits; a miner's stake stays below the threshold.
    let plan = SubnetPlan { tempo: args.tempo, validators: args.validators };
    let (netuid, uids) = setup::set_up(&client, accounts, plan, |step| {
        tracing::info!("{step}");
        if !args.json {
            crate::say(&format!("… {step}"));
        }
    })
    .await?;
    let training = Training::plan(args, &client, netuid, corpus).await?;
    training.publish(&client, netuid, &accounts.owner).await?;
    let (events, mut incoming) = mpsc::channel(MAX_WAITING_EVENTS);
    let people = People::start(accounts, &node.rpc_url(), netuid, home, &training.plan, events).await?;
    if !args.json {
        let banner = banner(args, &client, accounts, node, netuid, &uids, &people, home).await?;
        crate::say(&banner.to_string());
    }
    let mut tally = Tally::new(accounts.neurons().zip(uids.iter().map(|uid| uid.0)));
    let screen = if live {
        let header = Header { rpc_url: node.rpc_url(), netuid: netuid.0, seed: args.seed, tempo: args.tempo };
        Screen::Live(Box::new(View::open(header)?))
    } else {
        Screen::Plain
    };
    let interrupted = follow(args, &client, netuid, &mut incoming, &mut tally, screen).await;
    // Chain time stands still from here, so that the summary says what the chain says.
    node.pause().await;
    people.stop().await;
    // What neurons said while they stopped still counts.
    while let Ok(event) = incoming.try_recv() {
        tally.on(&event);
    }
    let interrupted = interrupted?;
    // A model that cannot be measured costs its figures, not the summary; the invariant on learning then says so.
    let trained =
        tally.last_common_state(args.stages).filter(|(window, _)| *window > 0).and_then(|(window, states)| {
            let measured = training.measure(home, window, &states);
            measured.inspect_err(|error| tracing::error!("the model cannot be measured: {error:#}")).ok()
        });
    Ok(Outcome { interrupted, report: Report::new(args.seed, &tally, training.uncompressed_bytes(), trained) })
}

/// Counts what happens until the epochs wanted are paid (`false`) or the user ends the run (`true`).
async fn follow(
    args: &UpArgs,
    client: &Client,
    netuid: Netuid,
    incoming: &mut mpsc::Receiver<Event>,
    tally: &mut Tally,
    mut screen: Screen,
) -> Result<bool> {
    let mut watch = ChainWatch::new(client.clone(), netuid);
    let mut blocks = client.blocks().await?;
    let first = blocks.next_number().0;
    let mut frame = tokio::time::interval(FRAME);
    frame.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let ended = crate::interrupt::ended(matches!(screen, Screen::Live(_)));
    tokio::pin!(ended);
    loop {
        tokio::select! {
            block = blocks.next() => {
                let block = block?;
                let before = tally.epochs;
                for event in watch.on_block(&block).await? {
                    tally.on(&event);
                }
                if matches!(screen, Screen::Plain) && tally.epochs > before && !args.json {
                    crate::say(&format!(
                        "block {}: epoch {} ended, {} of {} paid miners",
                        tally.block, tally.epochs, tally.paid_epochs, tally.epochs
                    ));
                }
                let Some(wanted) = args.epochs_wanted() else { continue };
                if tally.paid_epochs >= wanted {
                    return Ok(false);
                }
                let patience = (wanted + PATIENCE_TEMPOS) * u64::from(args.tempo);
                if tally.block.saturating_sub(first) > patience {
                    tracing::warn!(blocks = patience, "the epochs asked for were not paid in time");
                    return Ok(false);
                }
            }
            Some(event) = incoming.recv() => tally.on(&event),
            _ = frame.tick() => if let Screen::Live(view) = &mut screen {
                view.draw(tally)?;
            },
            ended = &mut ended => {
                ended?;
                return Ok(args.epochs_wanted().is_some());
            }
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "it gathers what the whole start produced")]
async fn banner(
    args: &UpArgs,
    client: &Client,
    accounts: &Accounts,
    node: &DevNode,
    netuid: Netuid,
    uids: &[Uid],
    people: &People,
    home: &Path,
) -> Result<Banner> {
    let head = client.latest().await?;
    let mut lines = Vec::new();
    let uids = [None, None].into_iter().chain(uids.iter().copied().map(Some));
    for (account, uid) in accounts.all().zip(uids) {
        lines.push(AccountLine {
            name: account.name.clone(),
            role: account.role,
            persona: account.persona,
            uid,
            coldkey: account.coldkey_id(),
            hotkey: account.hotkey_id(),
            balance: head.balance(account.coldkey_id()).await?,
            peer: people.peer_of(&account.hotkey_id()),
        });
    }
    if lines.is_empty() {
        bail!("a localnet has accounts");
    }
    Ok(Banner {
        rpc_url: node.rpc_url(),
        netuid: netuid.0,
        seed: args.seed,
        wallets: home.join("wallets"),
        accounts: lines,
    })
}
