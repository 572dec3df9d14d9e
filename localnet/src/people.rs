//! Runs the neurons of a localnet: each has its own connection to the chain, its own libp2p identity and port, and its
//! own folder, as it would on a machine of its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chain::{AccountId, Client, ConnectConfig, Netuid};
use engine::StageIndex;
use eyre::{Context, Result, bail};
use keys::Keypair;
use neuron::events::{Event as NeuronEvent, EventSink, FetchedKind};
use neuron::message::signed::Network;
use neuron::net::{AxonProtocol, NetConfig};
use neuron::shell::{self, NeuronConfig, PresenceConfig, RunSource, WorkConfig};
use neuron::store::BlobLimits;
use neuron::worker::RunPlan;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use validator::shell::ValidatorConfig;

use crate::accounts::{Account, Accounts, Role};
use crate::events::Event;
use crate::training::F32_BYTES;

/// Events of one neuron that may wait to be passed on; the oldest are lost beyond that.
const MAX_NEURON_EVENTS: usize = 1024;

/// Threads that serve one neuron, beside its engine's.
const NEURON_THREADS: usize = 1;

/// Blocks between two readings of the metagraph: a localnet's epochs are short.
const REFRESH_BLOCKS: u64 = 12;

/// What one neuron may keep in files.
pub(crate) const BLOBS: BlobLimits =
    BlobLimits { max_blob_bytes: 64 * 1024 * 1024, max_total_bytes: 1024 * 1024 * 1024 };

/// How long all neurons together may take to start.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long neurons may take to say goodbye before they are cut off.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A neuron that runs.
struct Running {
    name: String,
    /// As on a machine of its own: what ends with it, ends whole.
    runtime: Option<Runtime>,
    neuron: JoinHandle<()>,
    /// Passes its events on; ends when nothing of the neuron is left to emit any.
    voice: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What all neurons of a localnet share.
struct Common<'a> {
    rpc_url: &'a str,
    netuid: Netuid,
    home: &'a Path,
    plan: &'a Arc<RunPlan>,
    events: mpsc::Sender<Event>,
    started: mpsc::Sender<(AccountId, String)>,
}

/// The neurons that run.
pub struct People {
    running: BTreeMap<AccountId, Running>,
    stop: CancellationToken,
    peers: BTreeMap<AccountId, String>,
}

impl People {
    /// Starts everybody and returns when all have their axon on chain.
    pub async fn start(
        accounts: &Accounts,
        rpc_url: &str,
        netuid: Netuid,
        home: &Path,
        plan: &Arc<RunPlan>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self> {
        let mut people = Self { running: BTreeMap::new(), stop: CancellationToken::new(), peers: BTreeMap::new() };
        let (started, mut starts) = mpsc::channel(MAX_NEURON_EVENTS);
        let common = Common { rpc_url, netuid, home, plan, events, started };
        for account in accounts.neurons() {
            let running = common.run(account, people.stop.clone())?;
            people.running.insert(account.hotkey_id(), running);
        }
        drop(common);
        let waiting = people.running.len();
        let all = async {
            while people.peers.len() < waiting {
                let Some((hotkey, peer)) = starts.recv().await else {
                    bail!("a neuron stopped before it started; -v says why");
                };
                people.peers.insert(hotkey, peer);
            }
            Ok(())
        };
        match tokio::time::timeout(START_LIMIT, all).await {
            Ok(Ok(())) => Ok(people),
            Ok(Err(error)) => {
                people.stop().await;
                Err(error)
            }
            Err(_) => {
                let running = people.peers.len();
                people.stop().await;
                bail!("only {running} of {waiting} neurons started within {START_LIMIT:?}; -v says why");
            }
        }
    }

    /// A neuron's libp2p identity.
    pub fn peer_of(&self, hotkey: &AccountId) -> Option<String> {
        self.peers.get(hotkey).cloned()
    }

    /// Ends a neuron as a crash would, without a goodbye to anybody. Returns its hotkey.
    pub fn kill(&mut self, name: &str) -> Result<AccountId> {
        let hotkey = self.running.iter().find(|(_, running)| running.name == name).map(|(hotkey, _)| *hotkey);
        let Some(hotkey) = hotkey else {
            let running: Vec<_> = self.running.values().map(|running| running.name.as_str()).collect();
            bail!("no neuron called {name} runs; running are {}", running.join(", "));
        };
        self.running.remove(&hotkey);
        Ok(hotkey)
    }

    /// Tells everybody to stop, and waits for them.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let mut left = self.running.len();
        let gone = async {
            for running in self.running.values_mut() {
                // A task that was cut off has ended, too.
                let _ = (&mut running.neuron).await;
                let _ = (&mut running.voice).await;
                left -= 1;
            }
        };
        if tokio::time::timeout(STOP_LIMIT, gone).await.is_err() {
            tracing::warn!(left, "neurons did not stop in time and are cut off");
        }
    }
}

impl Common<'_> {
    fn run(&self, account: &Account, stop: CancellationToken) -> Result<Running> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(NEURON_THREADS)
            .thread_name(&account.name)
            .enable_all()
            .build()
            .wrap_err_with(|| format!("the system gives no threads to {}", account.name))?;
        let state = self.home.join("neurons").join(&account.name);
        std::fs::create_dir_all(&state)?;
        let source = RunSource::Plan(self.plan.clone());
        let work = WorkConfig { compute: account.persona.compute(), ..WorkConfig::honest(source) };
        let sink = EventSink::new(MAX_NEURON_EVENTS);
        let voice = tokio::spawn(speak(
            account.hotkey_id(),
            sink.listen(),
            self.plan.clone(),
            self.events.clone(),
            self.started.clone(),
        ));
        let (name, role, rpc_url, netuid) = (account.name.clone(), account.role, self.rpc_url.to_owned(), self.netuid);
        let hotkey = account.hotkey.clone();
        let neuron = runtime.spawn(async move {
            let ended = async {
                let presence = presence(&rpc_url, netuid, hotkey, sink).await?;
                match role {
                    Role::Validator => {
                        validator::shell::run(ValidatorConfig { presence, state, run: Some(work.source) }, stop)
                            .await?;
                    }
                    _ => shell::run(NeuronConfig { presence, state, blobs: BLOBS, work: Some(work) }, stop).await?,
                }
                Ok::<_, eyre::Report>(())
            };
            if let Err(error) = ended.await {
                tracing::error!(neuron = name, "stopped: {error:#}");
            }
        });
        Ok(Running { name: account.name.clone(), runtime: Some(runtime), neuron, voice })
    }
}

async fn presence(rpc_url: &str, netuid: Netuid, hotkey: Keypair, events: EventSink) -> Result<PresenceConfig> {
    let client = Client::connect(ConnectConfig::new([rpc_url])?).await?;
    let network = Network { genesis: client.genesis_hash().0, netuid: netuid.0 };
    let identity_seed = blake3::derive_key("narrows localnet libp2p identity 1", &hotkey.account_id().0);
    let mut net = NetConfig::new(identity_seed, hotkey, network);
    net.listen_ip = Ipv4Addr::LOCALHOST.into();
    net.allow_loopback = true;
    Ok(PresenceConfig {
        client,
        netuid,
        net,
        external_ip: None,
        served_protocol: AxonProtocol::Tcp,
        refresh_blocks: REFRESH_BLOCKS,
        events,
    })
}

/// Passes a neuron's events on until it is gone.
async fn speak(
    hotkey: AccountId,
    mut heard: broadcast::Receiver<NeuronEvent>,
    plan: Arc<RunPlan>,
    events: mpsc::Sender<Event>,
    started: mpsc::Sender<(AccountId, String)>,
) {
    let (mut peer, mut started) = (None, Some(started));
    loop {
        let event = match heard.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "events of a neuron were lost: the summary counts too few");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        match &event {
            NeuronEvent::Listening { peer: name, .. } => peer = Some(name.to_string()),
            NeuronEvent::AxonServed { .. } => {
                if let Some(started) = started.take() {
                    // Nobody waits any more once all have started.
                    let _ = started.send((hotkey, peer.clone().unwrap_or_default())).await;
                }
            }
            _ => {}
        }
        if let Some(event) = translate(&plan, hotkey, event)
            && events.send(event).await.is_err()
        {
            return;
        }
    }
}

/// What a neuron says, as an event of the localnet; nothing where nobody here needs it.
fn translate(plan: &RunPlan, by: AccountId, event: NeuronEvent) -> Option<Event> {
    Some(match event {
        NeuronEvent::PeerProven { hotkey: peer, .. } => Event::PeerProven { by, peer },
        NeuronEvent::PeerLost { hotkey: peer } => Event::PeerLost { by, peer },
        NeuronEvent::Standing { window, stage, theta, blob, .. } => Event::Standing { by, window, stage, theta, blob },
        NeuronEvent::PassSettled { window, microbatch, .. } => Event::PassSettled { by, window, microbatch },
        NeuronEvent::Fetched { kind, stage, bytes: wire } => {
            let parameters = plan.model().layout(StageIndex(stage)).map_or(0, |layout| layout.len()) as u64;
            let values = match kind {
                FetchedKind::Gradient => parameters,
                // Weights and the optimizer's two moments.
                FetchedKind::State => 3 * parameters,
            };
            Event::Fetched { kind, raw: F32_BYTES * values, wire }
        }
        NeuronEvent::Counted(counts) => Event::Sent { tensors: counts.tensors_out, bytes: counts.tensor_bytes_out },
        NeuronEvent::Loss { window, nats, tokens } => Event::Loss { by, window, nats, tokens },
        NeuronEvent::HardwareProved { miner, fault, .. } => Event::HardwareProved { by, miner, fault },
        NeuronEvent::Audited { window, drawn, recomputed, miners } => {
            Event::Audited { by, window, drawn, recomputed, miners }
        }
        NeuronEvent::Ruled { miner, window, ruling, evidence } => Event::Ruled { by, miner, window, ruling, evidence },
        NeuronEvent::HeldOut { window, nats, .. } => Event::HeldOut { by, window, nats },
        _ => return None,
    })
}
