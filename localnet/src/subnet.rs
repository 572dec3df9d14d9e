//! A localnet that runs: started, driven event by event, hurt on purpose, and summed up. The binary and the scenario tests
//! drive the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chain::{Client, ConnectConfig, Netuid};
use eyre::{Context, Result, bail, eyre};
use narrows_node::{DevNode, DevNodeConfig};
use neuron::corpus::{Cache, Material};
use neuron::worker::RunPlan;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::accounts::Accounts;
use crate::banner::{AccountLine, Banner};
use crate::cli::UpArgs;
use crate::corpus;
use crate::events::Event;
use crate::people::People;
use crate::report::Report;
use crate::setup::{self, INITIAL_ISSUANCE, SubnetPlan};
use crate::tally::{MAX_COMPARED_WINDOWS, Tally};
use crate::training::{Trained, Training};
use crate::watch;

/// Events from neurons that may wait to be counted. A neuron that finds the queue full waits.
const MAX_WAITING_EVENTS: usize = 4096;

/// There is nothing to train on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadCorpus(String);

/// The user ended the run before there was anything to sum up.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

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

/// What is trained on, kept with everything else.
fn material(args: &UpArgs, home: &Path) -> Result<Material> {
    let source = corpus::source(args.corpus.as_deref())?;
    Ok(Material::of(&source, &Cache::in_state(home)?, args.tokenizer.as_deref())?)
}

/// What a run's seed makes of the chain's beacon.
pub(crate) fn beacon_seed(seed: u64) -> [u8; 32] {
    blake3::derive_key("narrows localnet beacon seed 1", &seed.to_le_bytes())
}

/// The chain that these flags ask for: whoever starts it again with the same ones finds it where it was.
pub fn node_config(args: &UpArgs, accounts: &Accounts) -> DevNodeConfig {
    let root = accounts.root.coldkey_id();
    let mut config = DevNodeConfig::new(root.0, vec![(root.0, INITIAL_ISSUANCE.0)], beacon_seed(args.seed));
    // Validators stake ten times what a new pool holds, and are paid for their work, not for a price.
    config.stable_subnets = true;
    config.block_time = args.block_time;
    config.port = args.port;
    config.state_dir = args.state.as_ref().map(|state| state.join("chain"));
    // Whoever reaches the endpoint of a localnet is its developer.
    config.dev_methods = true;
    config
}

/// A chain with its subnet, its neurons, and what is known of them. Dropped, everything in it ends as in a crash;
/// [`Subnet::finish`] ends it in order.
pub struct Subnet {
    args: UpArgs,
    accounts: Accounts,
    netuid: Netuid,
    training: Arc<Training>,
    tally: Tally,
    incoming: mpsc::Receiver<Event>,
    chain: mpsc::Receiver<Result<Vec<Event>>>,
    client: Client,
    people: People,
    /// Absent while the chain is down.
    node: Option<DevNode>,
    // Last: the files go when nobody uses them any more.
    home: Home,
}

impl Subnet {
    /// Brings a localnet up, or stops halfway when `interrupted` returns. Each step is told to `progress`.
    pub async fn start(
        args: &UpArgs,
        interrupted: impl Future<Output = ()>,
        progress: impl FnMut(&str),
    ) -> Result<Self> {
        let home = Home::open(args.state.as_deref())?;
        let accounts = Accounts::derive(args.seed, args.validators, args.miners).play(&args.adversary, args.seed);
        let wallets = home.path().join("wallets");
        for account in accounts.all() {
            account.write_wallet(&wallets).wrap_err_with(|| format!("cannot write the wallet of {}", account.name))?;
        }
        // Before anything is started: a corpus that cannot be read ends the run with nothing to clean up.
        let material = material(args, home.path()).map_err(|error| BadCorpus(format!("{error:#}")))?;
        let node = DevNode::start(node_config(args, &accounts)).await?;
        let built = tokio::select! {
            built = Parts::build(args, &accounts, &material, &node, home.path(), progress) => built,
            () = interrupted => Err(eyre::Report::new(Interrupted)),
        };
        let Parts { client, netuid, training, people, incoming, tally, chain } = match built {
            Ok(parts) => parts,
            Err(error) => {
                node.shutdown().await?;
                return Err(error);
            }
        };
        let (args, node) = (args.clone(), Some(node));
        Ok(Self { args, accounts, netuid, training, tally, incoming, chain, client, people, node, home })
    }

    /// What is known so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The subnet.
    pub fn netuid(&self) -> Netuid {
        self.netuid
    }

    /// What is trained.
    pub fn plan(&self) -> &Arc<RunPlan> {
        &self.training.plan
    }

    /// Where clients connect.
    pub fn rpc_url(&self) -> String {
        self.node.as_ref().map_or_else(String::new, DevNode::rpc_url)
    }

    /// Counts what happens next; says whether it was a block. May be cancelled and called again without losing any.
    pub async fn next(&mut self) -> Result<bool> {
        tokio::select! {
            Some(events) = self.chain.recv() => {
                events?.iter().for_each(|event| self.tally.on(event));
                Ok(true)
            }
            Some(event) = self.incoming.recv() => {
                self.tally.on(&event);
                Ok(false)
            }
            else => bail!("nobody says anything any more: chain and neurons are gone"),
        }
    }

    /// Counts what happens until the tally is as wished for; an error when it is not within so many blocks.
    pub async fn until(&mut self, what: &str, patience_blocks: u64, is_so: impl Fn(&Tally) -> bool) -> Result<()> {
        let mut last = None;
        while !is_so(&self.tally) {
            self.next().await?;
            let block = self.tally.block;
            if block > *last.get_or_insert(block + patience_blocks) {
                bail!("{what}: not within {patience_blocks} blocks");
            }
        }
        Ok(())
    }

    /// Ends a neuron as a crash would.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let hotkey = self.people.kill(name)?;
        self.tally.on(&Event::Killed { hotkey });
        Ok(())
    }

    /// Takes the chain away for a while, and brings it back at the same place and port. Only a chain that is kept on disk
    /// survives that.
    pub async fn outage(&mut self, length: Duration) -> Result<()> {
        let mut config = node_config(&self.args, &self.accounts);
        if config.state_dir.is_none() {
            bail!("a chain in memory does not survive an outage: give the localnet a --state folder");
        }
        let node = self.node.take().ok_or_else(|| eyre!("the chain is down already"))?;
        config.port = Some(node.port());
        node.shutdown().await?;
        let end = Instant::now() + length;
        while let Ok(Some(event)) = timeout_at(end, self.incoming.recv()).await {
            self.tally.on(&event);
        }
        self.node = Some(DevNode::start(config).await?);
        Ok(())
    }

    /// Stops everything and sums it up; with `compare`, against training in one process.
    pub async fn finish(mut self, compare: bool) -> Result<Report> {
        if let Some(node) = &self.node {
            // Chain time stands still from here, so that the summary says what the chain says.
            node.control().pause().await?;
        }
        self.people.stop().await;
        // What neurons said while they stopped still counts.
        while let Ok(event) = self.incoming.try_recv() {
            self.tally.on(&event);
        }
        let trained = measure(&self.training, self.home.path(), &self.tally, self.args.stages, compare).await;
        if let Some(node) = self.node.take() {
            node.shutdown().await?;
        }
        Ok(Report::new(self.args.seed, &self.tally, self.training.uncompressed_bytes(), trained))
    }

    /// What a developer works from.
    pub async fn banner(&self) -> Result<Banner> {
        let head = self.client.latest().await?;
        let mut lines = Vec::new();
        for account in self.accounts.all() {
            let hotkey = account.hotkey_id();
            lines.push(AccountLine {
                name: account.name.clone(),
                role: account.role,
                persona: account.persona,
                uid: self.tally.neurons.get(&hotkey).map(|neuron| chain::Uid(neuron.uid)),
                coldkey: account.coldkey_id(),
                hotkey,
                balance: head.balance(account.coldkey_id()).await?,
                peer: self.people.peer_of(&hotkey),
            });
        }
        Ok(Banner {
            rpc_url: self.rpc_url(),
            netuid: self.netuid.0,
            seed: self.args.seed,
            wallets: self.home.path().join("wallets"),
            accounts: lines,
        })
    }
}

/// What stands on a chain once it is set up.
struct Parts {
    client: Client,
    netuid: Netuid,
    training: Arc<Training>,
    people: People,
    incoming: mpsc::Receiver<Event>,
    tally: Tally,
    chain: mpsc::Receiver<Result<Vec<Event>>>,
}

impl Parts {
    async fn build(
        args: &UpArgs,
        accounts: &Accounts,
        material: &Material,
        node: &DevNode,
        home: &Path,
        progress: impl FnMut(&str),
    ) -> Result<Self> {
        let client = Client::connect(ConnectConfig::new([node.rpc_url()])?).await?;
        // Validators alone hold permits; a miner's stake stays below the threshold.
        let plan = SubnetPlan { tempo: args.tempo, validators: args.validators };
        let (netuid, uids) = setup::set_up(&client, accounts, plan, progress).await?;
        let training = Training::plan(args, &client, netuid, material, home).await?;
        training.publish(&client, netuid, &accounts.owner, home).await?;
        let (events, incoming) = mpsc::channel(MAX_WAITING_EVENTS);
        let people = People::start(accounts, &node.rpc_url(), netuid, home, &training.plan, events).await?;
        let tally = Tally::new(accounts.neurons().zip(uids.iter().map(|uid| uid.0)));
        let chain = watch::follow(client.clone(), netuid).await?;
        Ok(Self { client, netuid, training: Arc::new(training), people, incoming, tally, chain })
    }
}

/// A model that cannot be measured costs its figures, not the summary; the invariants on learning then say so.
async fn measure(training: &Arc<Training>, home: &Path, tally: &Tally, stages: u16, compare: bool) -> Option<Trained> {
    let (window, states) = tally.last_common_state(stages).filter(|(window, _)| *window > 0)?;
    let settled = (compare && tally.settled.len() <= MAX_COMPARED_WINDOWS).then(|| tally.settled.clone());
    let (training, home) = (training.clone(), home.to_owned());
    let measured = tokio::task::spawn_blocking(move || training.measure(&home, window, &states, settled.as_ref()));
    let measured = match measured.await {
        Ok(measured) => measured,
        Err(error) => Err(error.into()),
    };
    measured.inspect_err(|error| tracing::error!("the model cannot be measured: {error:#}")).ok()
}
