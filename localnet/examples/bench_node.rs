//! Measures a dev node for `make bench-chain`, which runs it once for each subject, so that none inherits another's memory:
//! `bench_node start|register|set-weights|memory|memory-on-disk|disk`. Prints rows of results, one JSON object a line.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::{AccountId, Argument, Call, Client, ConnectConfig, Event, Netuid, Rao, Uid};
use eyre::{OptionExt, Result, WrapErr, bail, ensure, eyre};
use keys::Keypair;
use narrows_node::{DevNode, DevNodeConfig, MIN_BLOCK_TIME};
use serde::Serialize;
use tokio::task::JoinSet;

/// A localnet's default.
const BLOCK_TIME: Duration = Duration::from_millis(250);

/// How often a node is started.
const STARTS: usize = 9;

/// Neurons of a full subnet, and how many of them validate.
const NEURONS: usize = 256;
const VALIDATORS: usize = 64;

/// Calls that are under way at once, and how many follow each other in each of these lines.
const LINES: usize = 256;
const CALLS_IN_LINE: usize = 8;

/// Calls in one batch: what surely fits in a block.
const BATCH: usize = 50;

/// What each coldkey that registers neurons, and each validator's stake, is worth.
const COLDKEY_TAO: u64 = 100;
const STAKE_TAO: u64 = 100;

/// The price of a registration rises with each one; this keeps hundreds of them affordable.
const MAX_BURN: Rao = Rao(Rao::PER_TAO / 5);

/// Blocks between epochs, few where one is waited for.
const SHORT_TEMPO_BLOCKS: u16 = 20;
const TEMPO_BLOCKS: u16 = 360;

/// Validators set weights anew as often, which keeps them active, and memory is looked at.
const ROUND_BLOCKS: u32 = 1_000;
/// After so many blocks, what a chain takes is a result.
const LATE_BLOCKS: u32 = 10_000;
/// By then the state holds as many of the beacon's rounds and of blocks' hashes as it ever will. From here on nothing may
/// grow, for as many blocks again.
const FULL_BLOCKS: u32 = 17_000;
const END_BLOCKS: u32 = FULL_BLOCKS + LATE_BLOCKS;

/// The history that a chain keeps where it does not keep all.
const KEPT_BLOCKS: u32 = 256;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// A row of results; whether the goal is met is reckoned by whoever collects them.
#[derive(Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    against: Option<String>,
    goal: Option<&'static str>,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "rows are this program's result")]
async fn main() -> Result<()> {
    let subject = std::env::args().nth(1).unwrap_or_default();
    let rows = match subject.as_str() {
        "start" => start().await,
        "register" => register().await,
        "set-weights" => set_weights().await,
        "memory" => memory(Place::InMemory).await,
        "memory-on-disk" => memory(Place::OnDisk).await,
        "disk" => disk().await,
        _ => bail!("`{subject}` is no subject: name start, register, set-weights, memory, memory-on-disk or disk"),
    };
    for row in rows.wrap_err_with(|| format!("cannot measure {subject}"))? {
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}

/// From nothing to an endpoint that has answered.
async fn start() -> Result<Vec<Row>> {
    let mut seconds = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begin = now();
        let node = DevNode::start(config(BLOCK_TIME)?).await?;
        let client = connect(&node).await?;
        client.finalized_head().await?;
        seconds.push(begin.elapsed().as_secs_f64());
        drop(client);
        node.shutdown().await?;
    }
    let first = seconds.first().copied().ok_or_eyre("no node was started")?;
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().ok_or_eyre("no node was started")?;
    let row = |name: &str, value| Row { name: name.to_owned(), value, unit: "s", against: None, goal: Some("< 1") };
    Ok(vec![
        row("node start to RPC ready, the first of a process", first),
        row(&format!("node start to RPC ready, median of {STARTS}"), median),
    ])
}

/// Registrations in a subnet that fills up meanwhile, so that most of them push somebody out.
async fn register() -> Result<Vec<Row>> {
    let world = World::start(config(BLOCK_TIME)?).await?;
    let coldkeys: Vec<Arc<Keypair>> = (0..LINES).map(|index| key("Coldkey", index)).collect::<Result<_>>()?;
    let fund = |coldkey: &Arc<Keypair>| Call::transfer_keep_alive(coldkey.account_id(), Rao::from_tao(COLDKEY_TAO));
    world.submit_all(coldkeys.iter().map(fund).collect()).await?;
    let mut lines = Vec::with_capacity(LINES);
    for (line, coldkey) in coldkeys.into_iter().enumerate() {
        let hotkeys = (0..CALLS_IN_LINE).map(|index| key("Newcomer", line * CALLS_IN_LINE + index));
        let calls = hotkeys.map(|hotkey| Ok(Call::burned_register(world.netuid, hotkey?.account_id())));
        lines.push((coldkey, calls.collect::<Result<Vec<Call>>>()?));
    }
    let per_second = rate(&world.client, lines).await?;
    world.node.shutdown().await?;
    Ok(vec![throughput("registrations", per_second)])
}

/// Weights on every neuron of a full subnet, by all its validators.
async fn set_weights() -> Result<Vec<Row>> {
    let world = World::start(config(BLOCK_TIME)?).await?;
    let validators = world.fill().await?;
    let lines_each = LINES / VALIDATORS;
    let mut lines = Vec::with_capacity(LINES);
    for (index, validator) in validators.iter().enumerate() {
        let calls = vec![world.weights_of(index); CALLS_IN_LINE];
        lines.extend(std::iter::repeat_n((validator.clone(), calls), lines_each));
    }
    let per_second = rate(&world.client, lines).await?;
    world.node.shutdown().await?;
    Ok(vec![throughput(&format!("settings of {} weights", NEURONS - 1), per_second)])
}

fn throughput(what: &str, per_second: f64) -> Row {
    let milliseconds = BLOCK_TIME.as_millis();
    Row {
        name: format!(
            "{what}, sustained: {} of them, {LINES} at once, {milliseconds} ms blocks, client included",
            LINES * CALLS_IN_LINE
        ),
        value: per_second,
        unit: "1/s",
        against: None,
        goal: None,
    }
}

/// Where a chain is kept.
#[derive(Clone, Copy)]
enum Place {
    InMemory,
    OnDisk,
}

/// What the process holds in memory after so many quick blocks of a full subnet whose validators stay active.
async fn memory(place: Place) -> Result<Vec<Row>> {
    let mut config = config(MIN_BLOCK_TIME)?;
    let folder = tempfile::tempdir()?;
    let kept = match place {
        Place::InMemory => {
            config.kept_blocks = Some(KEPT_BLOCKS);
            format!("the last {KEPT_BLOCKS} in memory")
        }
        Place::OnDisk => {
            config.state_dir = Some(folder.path().to_owned());
            "all on disk".to_owned()
        }
    };
    let looks = looks(config, resident_mebibytes).await?;
    looks.rows("resident memory", &kept)
}

/// What the folder of a chain on disk takes that drops old states and bodies.
async fn disk() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let mut config = config(MIN_BLOCK_TIME)?;
    config.state_dir = Some(folder.path().to_owned());
    config.kept_blocks = Some(KEPT_BLOCKS);
    let looks = looks(config, || taken_mebibytes(folder.path())).await?;
    looks.rows("the chain's folder", &format!("the last {KEPT_BLOCKS} on disk"))
}

/// What was seen after so many blocks each.
struct Looks(BTreeMap<u32, f64>);

impl Looks {
    fn after(&self, blocks: u32) -> Result<f64> {
        self.0.get(&blocks).copied().ok_or_else(|| eyre!("nobody looked after {blocks} blocks"))
    }

    fn rows(&self, what: &str, kept: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for blocks in [ROUND_BLOCKS, LATE_BLOCKS, END_BLOCKS] {
            let name = format!("{what} after {blocks} blocks of {NEURONS} neurons, {kept}");
            rows.push(Row { name, value: self.after(blocks)?, unit: "MiB", against: None, goal: None });
        }
        let full = self.after(FULL_BLOCKS)?;
        rows.push(Row {
            name: format!("{what}, {kept}: growth in {LATE_BLOCKS} blocks, the state's windows full"),
            value: self.after(END_BLOCKS)? / full,
            unit: "times",
            against: Some(format!("after {FULL_BLOCKS} blocks ({full:.0} MiB)")),
            goal: Some("<= 1.1"),
        });
        Ok(rows)
    }
}

/// Looks, now and then, at a chain of quick blocks with a full subnet whose validators stay active.
async fn looks(config: DevNodeConfig, look: impl Fn() -> Result<f64>) -> Result<Looks> {
    let world = World::start(config).await?;
    let validators = world.fill().await?;
    let begin = world.node.tip().number;
    let mut looks = BTreeMap::new();
    for blocks in (ROUND_BLOCKS..=END_BLOCKS).step_by(ROUND_BLOCKS as usize) {
        world.node.blocks().wait_for(|block| block.number >= begin + blocks).await?;
        looks.insert(blocks, look()?);
        let line = |(index, validator): (usize, &Arc<Keypair>)| (validator.clone(), vec![world.weights_of(index)]);
        rate(&world.client, validators.iter().enumerate().map(line).collect()).await?;
    }
    world.node.shutdown().await?;
    Ok(Looks(looks))
}

/// What the files in a folder take of the disk. A database makes some of them larger than what they hold.
fn taken_mebibytes(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // The database removes files meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() {
            (taken_mebibytes(&entry.path())? * MEBIBYTE) as u64
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes as f64 / MEBIBYTE)
}

fn resident_mebibytes() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .wrap_err("resident memory is read from /proc, which Linux has: measure it there")?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kibibytes: f64 = kibibytes.ok_or_eyre("/proc/self/status has no VmRSS")?.parse()?;
    Ok(kibibytes / 1024.0)
}

/// A chain with a started subnet that root owns, and a client of it.
struct World {
    node: DevNode,
    client: Client,
    root: Arc<Keypair>,
    netuid: Netuid,
}

impl World {
    async fn start(config: DevNodeConfig) -> Result<Self> {
        let node = DevNode::start(config).await?;
        let client = connect(&node).await?;
        let root = root()?;
        let created = client.submit(&root, &Call::register_network(key("Owner", 0)?.account_id())).await?;
        let netuid = created.events.iter().find_map(|event| match event {
            Event::NetworkAdded { netuid, .. } => Some(*netuid),
            _ => None,
        });
        let netuid = netuid.ok_or_eyre("the chain created no subnet although the call succeeded")?;
        let world = Self { node, client, root, netuid };
        let rules = [
            ("sudo_set_tempo", "tempo", SHORT_TEMPO_BLOCKS.into()),
            ("sudo_set_max_burn", "max_burn", MAX_BURN.into()),
            ("sudo_set_immunity_period", "immunity_period", 0_u16.into()),
            // Whatever others earn, no validator loses its permit.
            ("sudo_set_max_allowed_validators", "max_allowed_validators", (NEURONS as u16).into()),
            ("sudo_set_weights_set_rate_limit", "weights_set_rate_limit", 0_u64.into()),
            ("sudo_set_commit_reveal_weights_enabled", "enabled", false.into()),
            ("sudo_set_subnet_emission_enabled", "enabled", true.into()),
        ];
        world.client.submit(&world.root, &Call::start_call(netuid)).await?;
        for (name, argument, value) in rules {
            world.admin(name, argument, value).await?;
        }
        Ok(world)
    }

    async fn admin(&self, name: &str, argument: &str, value: Argument) -> Result<()> {
        let call = Call::admin(name, [("netuid", self.netuid.into()), (argument, value)]);
        self.client.submit(&self.root, &Call::sudo(call)).await.wrap_err_with(|| name.to_owned())?;
        Ok(())
    }

    /// Submits calls of root's, in batches.
    async fn submit_all(&self, calls: Vec<Call>) -> Result<()> {
        for batch in calls.chunks(BATCH) {
            self.client.submit(&self.root, &Call::batch_all(batch.iter().cloned())).await?;
        }
        Ok(())
    }

    /// Fills the subnet, waits until the validators are permitted, and has them set weights. The owner's neuron is the
    /// first; validators come next, in the order of the returned keys.
    async fn fill(&self) -> Result<Vec<Arc<Keypair>>> {
        let hotkeys: Vec<Arc<Keypair>> = (1..NEURONS).map(|index| key("Neuron", index)).collect::<Result<_>>()?;
        let accounts: Vec<AccountId> = hotkeys.iter().map(|hotkey| hotkey.account_id()).collect();
        let register = |hotkey: &AccountId| Call::burned_register(self.netuid, *hotkey);
        self.submit_all(accounts.iter().map(register).collect()).await?;
        let stake = |hotkey: &AccountId| Call::add_stake(*hotkey, self.netuid, Rao::from_tao(STAKE_TAO));
        self.submit_all(accounts.iter().take(VALIDATORS).map(stake).collect()).await?;
        self.until_permitted().await?;
        self.admin("sudo_set_tempo", "tempo", TEMPO_BLOCKS.into()).await?;
        let validators: Vec<Arc<Keypair>> = hotkeys.into_iter().take(VALIDATORS).collect();
        let line = |(index, validator): (usize, &Arc<Keypair>)| (validator.clone(), vec![self.weights_of(index)]);
        rate(&self.client, validators.iter().enumerate().map(line).collect()).await?;
        Ok(validators)
    }

    /// Waits for the epoch that grants permits.
    async fn until_permitted(&self) -> Result<()> {
        let until = self.node.tip().number + 10 * u32::from(SHORT_TEMPO_BLOCKS);
        let mut blocks = self.node.blocks();
        loop {
            let metagraph = self.client.latest().await?.metagraph(self.netuid).await?;
            ensure!(metagraph.n() == NEURONS, "the subnet has {} neurons", metagraph.n());
            let permitted = (1..=VALIDATORS as u16)
                .filter(|uid| metagraph.neuron(Uid(*uid)).is_some_and(|neuron| neuron.validator_permit))
                .count();
            if permitted == VALIDATORS {
                return Ok(());
            }
            ensure!(self.node.tip().number < until, "{permitted} of {VALIDATORS} validators were permitted in time");
            blocks.changed().await?;
        }
    }

    /// Weights of a validator on everybody else, different for each.
    fn weights_of(&self, validator: usize) -> Call {
        let others = || (0..NEURONS).filter(|uid| *uid != validator + 1);
        let uids: Vec<Uid> = others().map(|uid| Uid(uid as u16)).collect();
        let values: Vec<u16> = others().map(|uid| 1_000 + ((uid * 37 + validator) % 64) as u16).collect();
        Call::set_weights(self.netuid, &uids, &values, 0)
    }
}

/// Submits lines of calls, each when the one before it is final, all lines at once; how many took effect a second.
async fn rate(client: &Client, lines: Vec<(Arc<Keypair>, Vec<Call>)>) -> Result<f64> {
    let calls: usize = lines.iter().map(|(_, calls)| calls.len()).sum();
    let begin = now();
    let mut tasks = JoinSet::new();
    for (signer, calls) in lines {
        let client = client.clone();
        tasks.spawn(async move {
            for call in calls {
                client.submit(&signer, &call).await?;
            }
            Ok::<(), chain::SubmitError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(calls as f64 / begin.elapsed().as_secs_f64())
}

/// A chain whose root holds what a localnet's does.
fn config(block_time: Duration) -> Result<DevNodeConfig> {
    let root: [u8; 32] = root()?.account_id().into();
    let mut config = DevNodeConfig::new(root, vec![(root, localnet::setup::INITIAL_ISSUANCE.0)], [1; 32]);
    // Its validators buy thousands of alpha, which no new pool can give.
    config.stable_subnets = true;
    config.block_time = block_time;
    config.port = Some(0);
    Ok(config)
}

async fn connect(node: &DevNode) -> Result<Client> {
    Ok(Client::connect(ConnectConfig::new([node.rpc_url()])?).await?)
}

fn root() -> Result<Arc<Keypair>> {
    key("Root", 0)
}

/// A key that anybody can derive.
fn key(role: &str, index: usize) -> Result<Arc<Keypair>> {
    Ok(Arc::new(Keypair::from_uri(&format!("//{role}//{index}"))?))
}

#[expect(clippy::disallowed_methods, reason = "time is this program's subject")]
fn now() -> Instant {
    Instant::now()
}
