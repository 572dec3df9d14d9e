//! Runs the neurons of a localnet: each has its own connection to the chain, its own libp2p identity and port, and its
//! own folder, as it would on a machine of its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chain::{AccountId, Client, ConnectConfig, Netuid};
use eyre::{Result, bail};
use neuron::events::{Event as NeuronEvent, EventSink};
use neuron::message::signed::Network;
use neuron::net::{AxonProtocol, NetConfig};
use neuron::shell::{self, NeuronConfig, PresenceConfig, RunSource, WorkConfig};
use neuron::store::BlobLimits;
use neuron::worker::RunPlan;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use validator::shell::ValidatorConfig;

use crate::accounts::{Account, Accounts, Role};
use crate::events::Event;

/// Events of one neuron that may wait to be passed on; the oldest are lost beyond that.
const MAX_NEURON_EVENTS: usize = 1024;

/// Blocks between two readings of the metagraph: a localnet's epochs are short.
const REFRESH_BLOCKS: u64 = 12;

/// What one neuron may keep in files.
pub(crate) const BLOBS: BlobLimits =
    BlobLimits { max_blob_bytes: 64 * 1024 * 1024, max_total_bytes: 1024 * 1024 * 1024 };

/// How long all neurons together may take to start.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long neurons may take to say goodbye before they are cut off.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The neurons that run.
pub struct People {
    tasks: JoinSet<()>,
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
        let mut people = Self { tasks: JoinSet::new(), stop: CancellationToken::new(), peers: BTreeMap::new() };
        let (started, mut starts) = mpsc::channel(MAX_NEURON_EVENTS);
        let mut waiting = 0;
        for account in accounts.neurons() {
            let source = RunSource::Plan(plan.clone());
            let work = WorkConfig { compute: account.persona.compute(), ..WorkConfig::honest(source) };
            people.spawn(account, rpc_url, netuid, home, work, events.clone(), started.clone()).await?;
            waiting += 1;
        }
        drop(started);
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

    #[allow(clippy::too_many_arguments, reason = "it is called once, with all that a neuron is")]
    async fn spawn(
        &mut self,
        account: &Account,
        rpc_url: &str,
        netuid: Netuid,
        home: &Path,
        work: WorkConfig,
        events: mpsc::Sender<Event>,
        started: mpsc::Sender<(AccountId, String)>,
    ) -> Result<()> {
        let client = Client::connect(ConnectConfig::new([rpc_url])?).await?;
        let hotkey = account.hotkey_id();
        let network = Network { genesis: client.genesis_hash().0, netuid: netuid.0 };
        let identity_seed = blake3::derive_key("narrows localnet libp2p identity 1", &hotkey.0);
        let mut net = NetConfig::new(identity_seed, account.hotkey.clone(), network);
        net.listen_ip = Ipv4Addr::LOCALHOST.into();
        net.allow_loopback = true;
        let sink = EventSink::new(MAX_NEURON_EVENTS);
        let mut heard = sink.listen();
        let presence = PresenceConfig {
            client,
            netuid,
            net,
            external_ip: None,
            served_protocol: AxonProtocol::Tcp,
            refresh_blocks: REFRESH_BLOCKS,
            events: sink,
        };
        let (stop, name, role) = (self.stop.clone(), account.name.clone(), account.role);
        let state = home.join("neurons").join(&account.name);
        std::fs::create_dir_all(&state)?;
        self.tasks.spawn(async move {
            let ended = match role {
                Role::Validator => {
                    validator::shell::run(ValidatorConfig { presence, state, run: Some(work.source) }, stop)
                        .await
                        .map_err(eyre::Report::from)
                }
                _ => {
                    let config = NeuronConfig { presence, state, blobs: BLOBS, work: Some(work) };
                    shell::run(config, stop).await.map_err(eyre::Report::from)
                }
            };
            if let Err(error) = ended {
                tracing::error!(neuron = name, "stopped: {error:#}");
            }
        });
        self.tasks.spawn(async move {
            let mut peer = None;
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
                        // Nobody waits any more once all have started.
                        let _ = started.send((hotkey, peer.clone().unwrap_or_default())).await;
                    }
                    _ => {}
                }
                if let Some(event) = translate(hotkey, event)
                    && events.send(event).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(())
    }

    /// A neuron's libp2p identity.
    pub fn peer_of(&self, hotkey: &AccountId) -> Option<String> {
        self.peers.get(hotkey).cloned()
    }

    /// Tells everybody to stop, and waits for them.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let gone = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_LIMIT, gone).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "neurons did not stop in time and are cut off");
        }
    }
}

fn translate(by: AccountId, event: NeuronEvent) -> Option<Event> {
    match event {
        NeuronEvent::PeerProven { hotkey: peer, .. } => Some(Event::PeerProven { by, peer }),
        NeuronEvent::PeerLost { hotkey: peer } => Some(Event::PeerLost { by, peer }),
        NeuronEvent::Standing { window, stage, theta, blob, .. } => {
            Some(Event::Standing { by, window, stage, theta, blob })
        }
        NeuronEvent::PassSettled { .. } => Some(Event::PassSettled { by }),
        NeuronEvent::Counted(counts) => {
            Some(Event::Sent { tensors: counts.tensors_out, bytes: counts.tensor_bytes_out })
        }
        NeuronEvent::Loss { window, nats, tokens } => Some(Event::Loss { window, nats, tokens }),
        _ => None,
    }
}
