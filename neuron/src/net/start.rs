//! Starting the network layer: ports, channels, tasks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::StreamExt;
use libp2p::Swarm;
use libp2p::swarm::SwarmEvent;
use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::{AxonAddr, AxonProtocol};
use super::error::StartError;
use super::gossip;
use super::handle::{Counters, NetHandle, Peers};
use super::peer::{PeerName, transport_key};
use super::session::{SessionTimes, Sessions};
use super::task::NetTask;
use super::tensors::{TensorReceiver, TensorSender};
use super::transport::{self, Behaviour, TENSOR};
use super::{Members, NetConfig, NetEvent};

/// Commands that wait for the task; who sends more waits.
const MAX_WAITING_COMMANDS: usize = 256;
/// How long a port may take to open.
const LISTEN_DEADLINE: Duration = Duration::from_secs(5);

pub(super) async fn start(
    config: NetConfig,
    members: watch::Receiver<Members>,
    block: watch::Receiver<u64>,
) -> Result<(NetHandle, mpsc::Receiver<NetEvent>), StartError> {
    let topics: Vec<_> = config.topics.iter().map(|name| gossip::topic(&config.network, name)).collect();
    let key = transport_key(&config.identity_seed);
    let name = PeerName(key.public().to_peer_id());
    let mut swarm = transport::build(key, config.hotkey.account_id(), &config.caps, &topics)
        .map_err(|error| StartError::Configuration(error.to_string()))?;
    let listening = listen(&mut swarm, &config).await?;
    let mut control = swarm.behaviour().proven.inner.streams.new_control();
    let incoming = control.accept(TENSOR).map_err(|error| StartError::Configuration(error.to_string()))?;

    let (command_sender, commands) = mpsc::channel(MAX_WAITING_COMMANDS);
    let (event_sender, events) = mpsc::channel(config.caps.max_waiting_events);
    let (peers, peers_receiver) = watch::channel(Peers::default());
    let (heard, heard_receiver) = watch::channel(Arc::default());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let counters = Arc::<Counters>::default();
    let receiver = TensorReceiver {
        incoming,
        heard: heard_receiver,
        events: event_sender.clone(),
        counters: counters.clone(),
        caps: config.caps.clone(),
        stop: stop.clone(),
        tasks: tasks.clone(),
    };
    let handle = NetHandle {
        name,
        listening: Arc::new(listening),
        commands: command_sender.clone(),
        peers: peers_receiver,
        tensors: TensorSender::new(control, &config.caps),
        counters: counters.clone(),
        stop: stop.clone(),
        tasks: tasks.clone(),
    };
    let task = NetTask {
        swarm,
        hotkey: config.hotkey,
        network: config.network,
        start: OsRng.try_next_u64().map_err(|error| StartError::Configuration(error.to_string()))?,
        allow_loopback: config.allow_loopback,
        sessions: Sessions::new(SessionTimes {
            proof_deadline: config.caps.proof_deadline,
            ban: config.caps.ban,
            short_ban: config.caps.short_ban,
        }),
        caps: config.caps,
        topics: config.topics.into_iter().zip(topics).map(|(name, topic)| (topic.hash(), (name, topic))).collect(),
        members,
        block,
        connections: HashMap::new(),
        dials: HashMap::new(),
        requests: HashMap::new(),
        bans: HashMap::new(),
        strikes: HashMap::new(),
        commands,
        respond: command_sender,
        events: event_sender,
        outbox: VecDeque::new(),
        peers,
        heard,
        counters,
    };
    tasks.spawn(receiver.run());
    tasks.spawn(task.run(stop));
    Ok((handle, events))
}

/// Opens the ports. QUIC takes TCP's port number where it is free, so that one axon entry serves both.
async fn listen(swarm: &mut Swarm<Behaviour>, config: &NetConfig) -> Result<Vec<AxonAddr>, StartError> {
    let mut listening = Vec::new();
    if config.is_tcp_enabled {
        listening.extend(listen_on(swarm, config, AxonProtocol::Tcp, config.listen_port).await?);
    }
    if config.is_quic_enabled {
        let tcp_port = listening.first().map(|axon: &AxonAddr| axon.port).unwrap_or_default();
        let port = if config.listen_port == 0 { tcp_port } else { config.listen_port };
        let quic = match listen_on(swarm, config, AxonProtocol::Quic, port).await {
            // Nobody asked for that number: any other does.
            Err(_) if config.listen_port == 0 && port != 0 => listen_on(swarm, config, AxonProtocol::Quic, 0).await,
            result => result,
        };
        listening.extend(quic?);
    }
    if listening.is_empty() {
        return Err(StartError::NoTransport);
    }
    Ok(listening)
}

async fn listen_on(
    swarm: &mut Swarm<Behaviour>,
    config: &NetConfig,
    protocol: AxonProtocol,
    port: u16,
) -> Result<Vec<AxonAddr>, StartError> {
    let failed = |reason| StartError::Listen { ip: config.listen_ip, port, protocol, reason };
    let address = AxonAddr { ip: config.listen_ip, port, protocol }.multiaddr();
    let listener = swarm.listen_on(address).map_err(|error| failed(transport::io_reason(error)))?;
    let deadline = Instant::now() + LISTEN_DEADLINE;
    loop {
        match timeout_at(deadline, swarm.select_next_some()).await {
            Err(_) => return Err(failed("the port did not open in time".to_owned())),
            Ok(SwarmEvent::NewListenAddr { listener_id, address }) if listener_id == listener => {
                return Ok(AxonAddr::from_multiaddr(&address).into_iter().collect());
            }
            Ok(SwarmEvent::ListenerClosed { listener_id, reason, .. }) if listener_id == listener => {
                let reason = reason.err().map(|error| error.to_string());
                return Err(failed(reason.unwrap_or_else(|| "the listener closed".to_owned())));
            }
            // Connections that come this early find no session yet; their peers try again.
            Ok(_) => {}
        }
    }
}
