//! A neuron's presence in a subnet: known to the chain, connected to its peers.
//!
//! What miners and validators have in common. It follows the chain, keeps this neuron's axon on chain up to date, and keeps
//! connections to everybody whom the chain lists. [`Presence::next`] tells what is news to whoever has the actual work to do.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chain::{AxonEndpoint, Block, Call, ChainError, Client, Metagraph, Netuid, Neuron, SubmitError};
use keys::{AccountId, Keypair};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::dialer::DialPlan;
use super::follow::{ChainUpdate, follow};
use crate::events::{Event, EventSink};
use crate::message::signed::Network;
use crate::net::{self, AxonAddr, AxonProtocol, DialError, Members, NetConfig, NetEvent, NetHandle, StartError};

/// Chain news that wait for the neuron; when it does not keep up, following the chain waits.
const MAX_WAITING_UPDATES: usize = 16;
/// How often the dial plan is looked at.
const DIAL_INTERVAL: Duration = Duration::from_millis(250);
/// Version number of this software on chain.
const AXON_VERSION: u32 = 1;

/// What it takes to be present.
pub struct PresenceConfig {
    /// The chain.
    pub client: Client,
    /// The subnet.
    pub netuid: Netuid,
    /// The network layer's part; its `hotkey` is the neuron's, its `network` must be the chain's and subnet's.
    pub net: NetConfig,
    /// The address that others reach this neuron at, if it is not the one it listens on.
    pub external_ip: Option<IpAddr>,
    /// The transport that is told to the chain.
    pub served_protocol: AxonProtocol,
    /// Blocks between two readings of the metagraph.
    pub refresh_blocks: u64,
    /// Where events go.
    pub events: EventSink,
}

/// Why a neuron cannot be present, or no longer is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The network layer does not start.
    #[error(transparent)]
    Net(#[from] StartError),
    /// Not registered.
    #[error("hotkey {hotkey} is not registered on subnet {netuid}: run `neuron register --netuid {netuid}` first")]
    NotRegistered {
        /// The hotkey.
        hotkey: AccountId,
        /// The subnet.
        netuid: Netuid,
    },
    /// It is not known where others reach this neuron.
    #[error("this neuron listens on all addresses; say which one others reach it at with --external-ip")]
    NoExternalIp,
    /// The transport told to the chain is not listened on.
    #[error("this neuron does not listen over {0:?}, which the chain would be told")]
    ProtocolNotServed(AxonProtocol),
    /// The network layer stopped by itself.
    #[error("the network layer has stopped")]
    NetStopped,
}

/// What is news.
#[derive(Debug)]
pub enum PresenceEvent {
    /// A block was finalized.
    Block(Block),
    /// The metagraph was read anew, as of the last block. Always before the first use of [`Presence::metagraph`] changes.
    Metagraph,
    /// News from peers.
    Net(NetEvent),
}

/// See the module.
pub struct Presence {
    client: Client,
    netuid: Netuid,
    hotkey: Keypair,
    network: Network,
    net: NetHandle,
    net_events: mpsc::Receiver<NetEvent>,
    updates: mpsc::Receiver<ChainUpdate>,
    metagraph: Arc<Metagraph>,
    is_metagraph_news: bool,
    members: watch::Sender<Members>,
    block: watch::Sender<u64>,
    axon: AxonAddr,
    serving: JoinSet<Result<(), SubmitError>>,
    plan: DialPlan,
    dials: JoinSet<(AccountId, AxonAddr, Result<(), DialError>)>,
    dial_interval: Interval,
    tasks: JoinSet<()>,
    events: EventSink,
}

pub(super) fn members_of(metagraph: &Metagraph) -> Members {
    Arc::new(metagraph.neurons.iter().map(|neuron| neuron.hotkey).collect::<HashSet<_>>())
}

/// Where a neuron can be dialed: `None` without an axon, or with a transport that we do not know.
pub(super) fn axon_of(neuron: &Neuron) -> Option<AxonAddr> {
    let axon = neuron.axon?;
    let protocol = AxonProtocol::from_number(axon.protocol)?;
    Some(AxonAddr { ip: axon.ip, port: axon.port, protocol })
}

/// Everybody else who can be dialed.
pub(super) fn axons_of(metagraph: &Metagraph, own: &AccountId) -> BTreeMap<AccountId, AxonAddr> {
    let others = metagraph.neurons.iter().filter(|neuron| neuron.hotkey != *own);
    others.filter_map(|neuron| Some((neuron.hotkey, axon_of(neuron)?))).collect()
}

impl Presence {
    /// Reads the chain, starts listening, and starts to follow the chain.
    pub async fn start(config: PresenceConfig) -> Result<Self, PresenceError> {
        let PresenceConfig { client, netuid, net, external_ip, served_protocol, refresh_blocks, events } = config;
        let (hotkey, network, listen_ip) = (net.hotkey.clone(), net.network, net.listen_ip);
        let own = hotkey.account_id();
        let snapshot = client.latest().await?;
        let metagraph = Arc::new(snapshot.metagraph(netuid).await?);
        if metagraph.by_hotkey(&own).is_none() {
            return Err(PresenceError::NotRegistered { hotkey: own, netuid });
        }
        let ip = match external_ip {
            Some(ip) => ip,
            None if !listen_ip.is_unspecified() => listen_ip,
            None => return Err(PresenceError::NoExternalIp),
        };
        let (members, members_receiver) = watch::channel(members_of(&metagraph));
        let (block, block_receiver) = watch::channel(metagraph.block.0);
        let (net, net_events) = net::start(net, members_receiver, block_receiver).await?;
        let addresses = net.local_addresses().to_vec();
        let served = addresses.iter().find(|address| address.protocol == served_protocol);
        let port = served.ok_or(PresenceError::ProtocolNotServed(served_protocol))?.port;
        events.emit(Event::Listening { hotkey: own, peer: net.name(), addresses });

        let (update_sender, updates) = mpsc::channel(MAX_WAITING_UPDATES);
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(client.clone(), netuid, refresh_blocks, update_sender));
        let mut dial_interval = interval(DIAL_INTERVAL);
        dial_interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut presence = Self {
            client,
            netuid,
            hotkey,
            network,
            net,
            net_events,
            updates,
            metagraph: metagraph.clone(),
            is_metagraph_news: false,
            members,
            block,
            axon: AxonAddr { ip, port, protocol: served_protocol },
            serving: JoinSet::new(),
            plan: DialPlan::default(),
            dials: JoinSet::new(),
            dial_interval,
            tasks,
            events,
        };
        presence.set_metagraph(metagraph);
        Ok(presence)
    }

    /// The network layer.
    pub fn net(&self) -> &NetHandle {
        &self.net
    }

    /// The chain.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The subnet.
    pub fn netuid(&self) -> Netuid {
        self.netuid
    }

    /// The chain and subnet that signatures name.
    pub fn network(&self) -> Network {
        self.network
    }

    /// This neuron's hotkey.
    pub fn hotkey(&self) -> &Keypair {
        &self.hotkey
    }

    /// The metagraph as last read.
    pub fn metagraph(&self) -> &Arc<Metagraph> {
        &self.metagraph
    }

    /// The number of the newest finalized block.
    pub fn block(&self) -> u64 {
        *self.block.borrow()
    }

    /// Where the chain is told that this neuron is reached.
    pub fn axon(&self) -> AxonAddr {
        self.axon
    }

    /// Waits for news, and does the household meanwhile. May be cancelled and called again without losing any.
    pub async fn next(&mut self) -> Result<PresenceEvent, PresenceError> {
        if std::mem::take(&mut self.is_metagraph_news) {
            return Ok(PresenceEvent::Metagraph);
        }
        loop {
            tokio::select! {
                event = self.net_events.recv() => {
                    let event = event.ok_or(PresenceError::NetStopped)?;
                    self.report(&event);
                    return Ok(PresenceEvent::Net(event));
                }
                Some(update) = self.updates.recv() => match update {
                    ChainUpdate::Block(block, metagraph) => {
                        self.block.send_replace(block.number.0);
                        if let Some(metagraph) = metagraph {
                            self.set_metagraph(metagraph);
                            self.is_metagraph_news = true;
                        }
                        self.events.emit(Event::Block { number: block.number.0 });
                        return Ok(PresenceEvent::Block(block));
                    }
                    ChainUpdate::Lost(error) => {
                        tracing::warn!(%error, "the chain cannot be followed at the moment");
                        self.events.emit(Event::ChainLost { reason: error.to_string() });
                    }
                    ChainUpdate::Broken(error) => return Err(error.into()),
                },
                _ = self.dial_interval.tick() => self.start_dials(),
                Some(Ok((hotkey, address, result))) = self.dials.join_next() => {
                    self.plan.done(&hotkey, result.is_ok(), Instant::now());
                    if let Err(error) = result {
                        tracing::debug!(%hotkey, %address, %error, "dial failed");
                        self.events.emit(Event::DialFailed { hotkey, address, reason: error.to_string() });
                    }
                }
                Some(Ok(served)) = self.serving.join_next() => match served {
                    Ok(()) => self.events.emit(Event::AxonServed { address: self.axon }),
                    Err(error) => {
                        tracing::warn!(axon = %self.axon, %error, "the chain did not take this neuron's axon; trying again");
                        let reason = error.to_string();
                        self.events.emit(Event::AxonNotServed { address: self.axon, reason });
                    }
                },
            }
        }
    }

    /// Leaves: says goodbye to peers, and stops all tasks. The axon stays on chain, for the next start.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.dials.shutdown().await;
        // An axon on its way to the chain is left to the chain: its effect is wanted either way.
        self.serving.abort_all();
        self.net.shutdown().await;
    }

    fn set_metagraph(&mut self, metagraph: Arc<Metagraph>) {
        let own = self.hotkey.account_id();
        self.members.send_if_modified(|members| {
            let new = members_of(&metagraph);
            let is_changed = **members != *new;
            *members = new;
            is_changed
        });
        self.plan.set_targets(&axons_of(&metagraph, &own));
        let on_chain = metagraph.by_hotkey(&own).and_then(|neuron| neuron.axon);
        let wanted = (SocketAddr::new(self.axon.ip, self.axon.port), self.axon.protocol.number());
        if on_chain.map(|axon| (axon.address(), axon.protocol)) != Some(wanted) && self.serving.is_empty() {
            let (client, hotkey) = (self.client.clone(), self.hotkey.clone());
            let endpoint = AxonEndpoint { address: wanted.0, version: AXON_VERSION, protocol: wanted.1 };
            let call = Call::serve_axon(self.netuid, endpoint);
            self.serving.spawn(async move { client.submit(&hotkey, &call).await.map(drop) });
        }
        self.metagraph = metagraph;
    }

    fn start_dials(&mut self) {
        let net = &self.net;
        for (hotkey, address) in self.plan.due(Instant::now(), |hotkey| net.is_connected(hotkey)) {
            let net = net.clone();
            self.dials.spawn(async move {
                let result = net.dial(address, hotkey).await.map(drop);
                (hotkey, address, result)
            });
        }
    }

    fn report(&self, event: &NetEvent) {
        match event {
            NetEvent::PeerProven { hotkey, peer } => {
                tracing::info!(%hotkey, %peer, "peer proven");
                self.events.emit(Event::PeerProven { hotkey: *hotkey, peer: *peer });
            }
            NetEvent::PeerLost { hotkey } => {
                tracing::info!(%hotkey, "peer lost");
                self.events.emit(Event::PeerLost { hotkey: *hotkey });
            }
            NetEvent::Refused { peer, hotkey, refusal } => {
                tracing::warn!(%peer, %refusal, "peer refused");
                self.events.emit(Event::PeerRefused { peer: *peer, hotkey: *hotkey, refusal: *refusal });
            }
            NetEvent::RefusedByPeer { peer, refusal } => {
                tracing::warn!(%peer, %refusal, "refused by a peer");
                self.events.emit(Event::RefusedByPeer { peer: *peer, refusal: *refusal });
            }
            _ => {}
        }
    }
}
