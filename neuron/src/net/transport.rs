//! The libp2p swarm: which protocols, with which limits.

use std::io;
use std::time::Duration;

use keys::AccountId;
use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, MessageAuthenticity, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, identify, noise, ping, tcp, yamux};

use super::NetCaps;
use super::codec::WireCodec;
use super::gate::Gate;
use super::gossip::{self, MAX_GOSSIP_BYTES};
use super::handshake::{Hello, HelloReply, MAX_HELLO_BYTES, MAX_HELLO_REPLY_BYTES};
use crate::message::control::{ControlRequest, ControlResponse, MAX_CONTROL_REQUEST_BYTES, MAX_CONTROL_RESPONSE_BYTES};

/// The proof of a hotkey.
pub(super) const HANDSHAKE: StreamProtocol = StreamProtocol::new("/narrows/handshake/1");
/// Small requests.
pub(super) const CONTROL: StreamProtocol = StreamProtocol::new("/narrows/control/1");
/// Tensors.
pub(super) const TENSOR: StreamProtocol = StreamProtocol::new("/narrows/tensor/1");
/// What identify and gossipsub call us.
const PROTOCOL_VERSION: &str = "/narrows/1";

/// Dialing, encrypting and multiplexing together may take this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that does not answer pings for this long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(15);
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Streams of all protocols that one peer may have open on one connection.
const MAX_STREAMS_PER_CONNECTION: u32 = 256;
/// Bytes of one stream that may be under way unread, over QUIC.
const QUIC_STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes of all streams of a connection that may be under way unread, over QUIC.
const QUIC_CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Proofs under way with one peer.
const MAX_CONCURRENT_HELLOS: usize = 4;

pub(super) type HandshakeCodec = WireCodec<Hello, HelloReply, MAX_HELLO_BYTES, MAX_HELLO_REPLY_BYTES>;
pub(super) type ControlCodec =
    WireCodec<ControlRequest, ControlResponse, MAX_CONTROL_REQUEST_BYTES, MAX_CONTROL_RESPONSE_BYTES>;

/// Everything that runs on a connection. Only the first three see a peer that has proven nothing.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) banned: allow_block_list::Behaviour<BlockedPeers>,
    pub(super) ping: ping::Behaviour,
    pub(super) handshake: request_response::Behaviour<HandshakeCodec>,
    pub(super) proven: Gate<Proven>,
}

/// What only proven peers can reach.
#[derive(NetworkBehaviour)]
pub(super) struct Proven {
    pub(super) identify: identify::Behaviour,
    pub(super) control: request_response::Behaviour<ControlCodec>,
    pub(super) gossip: gossip::Gossipsub,
    pub(super) streams: libp2p_stream::Behaviour,
}

/// Why the swarm cannot be built; not reached with a valid configuration.
#[derive(Debug, thiserror::Error)]
#[error("the network layer cannot be set up: {0}")]
pub(super) struct BuildError(String);

fn build_error(error: impl std::fmt::Display) -> BuildError {
    BuildError(error.to_string())
}

/// Builds the swarm; it does not listen yet.
pub(super) fn build(
    key: Keypair,
    hotkey: AccountId,
    caps: &NetCaps,
    topics: &[gossipsub::IdentTopic],
) -> Result<Swarm<Behaviour>, BuildError> {
    let behaviour = behaviour(&key, hotkey, caps, topics)?;
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, || {
            let mut config = yamux::Config::default();
            config.set_max_num_streams(MAX_STREAMS_PER_CONNECTION as usize);
            config
        })
        .map_err(build_error)?
        .with_quic_config(|mut config| {
            config.handshake_timeout = CONNECT_TIMEOUT;
            config.max_concurrent_stream_limit = MAX_STREAMS_PER_CONNECTION;
            config.max_stream_data = QUIC_STREAM_WINDOW_BYTES;
            config.max_connection_data = QUIC_CONNECTION_WINDOW_BYTES;
            config
        })
        .with_behaviour(|_| behaviour)
        .map_err(build_error)?
        // The session's deadlines drop the unproven and the gate keeps the proven; this only sweeps up behind them.
        .with_swarm_config(|config| config.with_idle_connection_timeout(caps.proof_deadline * 2))
        .with_connection_timeout(CONNECT_TIMEOUT)
        .build();
    Ok(swarm)
}

fn behaviour(
    key: &Keypair,
    hotkey: AccountId,
    caps: &NetCaps,
    topics: &[gossipsub::IdentTopic],
) -> Result<Behaviour, BuildError> {
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(caps.max_unproven_peers))
        .with_max_pending_outgoing(Some(caps.max_peers))
        .with_max_established(Some(caps.max_peers.saturating_add(caps.max_unproven_peers)))
        // Both ends may dial at once; a third covers a connection that is dead but not yet noticed.
        .with_max_established_per_peer(Some(3));
    let proven = Proven {
        // Where we listen is on chain; what we run and where we live is nobody's business beyond that.
        identify: identify::Behaviour::new(
            identify::Config::new(PROTOCOL_VERSION.to_owned(), key.public())
                .with_agent_version(format!("narrows/{} {hotkey}", env!("CARGO_PKG_VERSION")))
                .with_hide_listen_addrs(true),
        ),
        control: request_response::Behaviour::new(
            [(CONTROL, ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(caps.max_request_time)
                .with_max_concurrent_streams(caps.max_requests_per_peer),
        ),
        gossip: gossipsub(key, topics)?,
        streams: libp2p_stream::Behaviour::new(),
    };
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        banned: allow_block_list::Behaviour::default(),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
        handshake: request_response::Behaviour::new(
            [(HANDSHAKE, ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(caps.proof_deadline)
                .with_max_concurrent_streams(MAX_CONCURRENT_HELLOS),
        ),
        proven: Gate::new(proven, caps.max_unproven_peers as usize),
    })
}

fn gossipsub(key: &Keypair, topics: &[gossipsub::IdentTopic]) -> Result<gossip::Gossipsub, BuildError> {
    let config = gossipsub::ConfigBuilder::default()
        .max_transmit_size(MAX_GOSSIP_BYTES)
        .validation_mode(ValidationMode::Strict)
        // Nothing is forwarded before we have checked its author's hotkey.
        .validate_messages()
        // The name of a message is its content: the same statement sent again by somebody else is not news.
        .message_id_fn(gossip::message_id)
        .build()
        .map_err(build_error)?;
    let mut behaviour = gossip::Gossipsub::new_with_subscription_filter(
        MessageAuthenticity::Signed(key.clone()),
        config,
        gossip::subscription_filter(topics),
    )
    .map_err(build_error)?;
    for topic in topics {
        behaviour.subscribe(topic).map_err(build_error)?;
    }
    Ok(behaviour)
}

/// The system's reason inside a transport's error.
pub(super) fn io_reason(error: libp2p::TransportError<io::Error>) -> String {
    match error {
        libp2p::TransportError::Other(error) => error.to_string(),
        error => error.to_string(),
    }
}
