//! Neurons talking to neurons. The only place that names libp2p.
//!
//! # Bird's eye
//!
//! [`start`] gives a [`NetHandle`] to speak with, and a channel of [`NetEvent`]s to listen to. One task owns the libp2p swarm
//! (`task`); tensors are sent and received in tasks of their own (`tensors`), because they are long.
//!
//! ```text
//!                      ┌ ping ── connection limits ── bans          seen by every peer
//! connection ── swarm ─┼ handshake: Hello, both ways ── sessions (sans-IO)
//!                      └ gate ─┬ control    requests, bincode       seen by proven peers only
//!                              ├ tensor     streams, own frame
//!                              ├ gossip     signed by hotkeys
//!                              └ identify
//! ```
//!
//! Peers are dialed where the chain says ([`AxonAddr`]), and are known to the rest of the neuron by their *hotkey* only: a peer
//! is of no use before it has proven one (`handshake`), and is heard by nobody before then (`gate`).
//!
//! Architecture invariant: no libp2p type is in this module's public interface.

mod address;
mod budget;
mod codec;
mod error;
mod gate;
mod gossip;
mod handle;
mod handshake;
mod peer;
mod session;
mod start;
mod stream;
mod task;
mod tensors;
mod transport;

#[cfg(test)]
mod hostile_tests;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keys::{AccountId, Keypair};
use tokio::sync::{mpsc, watch};

pub use self::address::{AxonAddr, AxonProtocol};
pub use self::error::{DialError, PublishError, RequestError, StartError, TensorError};
pub use self::gossip::MAX_GOSSIP_PAYLOAD_BYTES;
pub use self::handle::{NetCounts, NetHandle, Responder, TensorResponder};
pub use self::handshake::Refusal;
pub use self::peer::PeerName;
pub use self::stream::{
    CHUNK_BYTES, MAX_RECEIPT_BYTES, MAX_TENSOR_META_BYTES, TensorHeader, TensorRefusal, TensorReply,
};
use crate::message::control::ControlRequest;
use crate::message::signed::Network;

/// The hotkeys that are registered in the subnet, as the chain last said.
pub type Members = Arc<HashSet<AccountId>>;

/// What the network layer needs to know.
pub struct NetConfig {
    /// Seed of the transport's key. Keep it from run to run, so that peers recognise a neuron that restarts.
    pub identity_seed: [u8; 32],
    /// The hotkey that this neuron speaks for.
    pub hotkey: Keypair,
    /// The chain and the subnet.
    pub network: Network,
    /// Address to listen on; unspecified for all of the machine's.
    pub listen_ip: IpAddr,
    /// Port to listen on; 0 for any. TCP and QUIC share the number where it is free for both.
    pub listen_port: u16,
    /// Listen and dial over TCP.
    pub is_tcp_enabled: bool,
    /// Listen and dial over QUIC.
    pub is_quic_enabled: bool,
    /// Whether axons on this machine's loopback are dialed. For a localnet only.
    pub allow_loopback: bool,
    /// Names of the gossip topics that are spoken here.
    pub topics: Vec<String>,
    /// Limits.
    pub caps: NetCaps,
}

impl NetConfig {
    /// The usual: both transports, any port, all addresses, no loopback, no topics.
    pub fn new(identity_seed: [u8; 32], hotkey: Keypair, network: Network) -> Self {
        Self {
            identity_seed,
            hotkey,
            network,
            listen_ip: IpAddr::from([0, 0, 0, 0]),
            listen_port: 0,
            is_tcp_enabled: true,
            is_quic_enabled: true,
            allow_loopback: false,
            topics: Vec::new(),
            caps: NetCaps::default(),
        }
    }
}

/// Limits of the network layer. The defaults suit a subnet of 256 neurons.
#[derive(Debug, Clone)]
pub struct NetCaps {
    /// Connections to proven peers.
    pub max_peers: u32,
    /// Connections to peers that have proven nothing yet.
    pub max_unproven_peers: u32,
    /// How long a peer has to prove its hotkey, and to answer our proof.
    pub proof_deadline: Duration,
    /// How far a proof's or an announcement's block may be from ours. It bounds replay, and must cover honest lag.
    pub window_blocks: u64,
    /// How long a peer that forged something stays out.
    pub ban: Duration,
    /// How long a peer stays out that may merely have bad timing.
    pub short_ban: Duration,
    /// Longest time for a control request, whatever its asker allows.
    pub max_request_time: Duration,
    /// Control requests under way per peer and direction.
    pub max_requests_per_peer: usize,
    /// Longest tensor that is sent or received.
    pub max_tensor_bytes: u64,
    /// Longest time for a tensor, whatever its sender allows.
    pub max_tensor_time: Duration,
    /// Longest pause inside a tensor.
    pub max_tensor_stall: Duration,
    /// Bytes of tensors that one peer may have under way to us, until the application has answered them.
    pub max_inbound_bytes_per_peer: u64,
    /// The same, of all peers.
    pub max_inbound_bytes: u64,
    /// Tensors that one peer may have under way to us; and how many we send to one peer at once, the rest waits its turn.
    pub max_tensors_per_peer: usize,
    /// Events that wait for the application. When they are full, requests and gossip are dropped and tensors wait.
    pub max_waiting_events: usize,
}

impl Default for NetCaps {
    fn default() -> Self {
        Self {
            max_peers: 256,
            max_unproven_peers: 64,
            proof_deadline: Duration::from_secs(10),
            window_blocks: 64,
            ban: Duration::from_secs(60),
            short_ban: Duration::from_secs(5),
            max_request_time: Duration::from_secs(30),
            max_requests_per_peer: 32,
            max_tensor_bytes: 256 * 1024 * 1024,
            max_tensor_time: Duration::from_secs(300),
            max_tensor_stall: Duration::from_secs(15),
            max_inbound_bytes_per_peer: 256 * 1024 * 1024,
            max_inbound_bytes: 1024 * 1024 * 1024,
            max_tensors_per_peer: 8,
            max_waiting_events: 1024,
        }
    }
}

/// What the network layer tells the neuron.
#[derive(Debug)]
#[non_exhaustive]
pub enum NetEvent {
    /// A peer has proven its hotkey and accepted ours: requests and tensors can go both ways.
    PeerProven {
        /// Its hotkey.
        hotkey: AccountId,
        /// Its peer.
        peer: PeerName,
    },
    /// A proven peer is gone.
    PeerLost {
        /// Its hotkey.
        hotkey: AccountId,
    },
    /// A peer was not believed, or no longer is.
    Refused {
        /// Who.
        peer: PeerName,
        /// The hotkey that it had proven or claimed, if any.
        hotkey: Option<AccountId>,
        /// Why.
        refusal: Refusal,
    },
    /// A peer does not believe us.
    RefusedByPeer {
        /// Who.
        peer: PeerName,
        /// Why.
        refusal: Refusal,
    },
    /// A request to answer.
    Request {
        /// Who asks.
        from: AccountId,
        /// What.
        request: ControlRequest,
        /// How to answer.
        responder: Responder,
    },
    /// A tensor that came in whole; its sender waits for the receipt.
    Tensor {
        /// Who sends it.
        from: AccountId,
        /// Its header.
        header: TensorHeader,
        /// Its bytes.
        bytes: Bytes,
        /// How to answer.
        responder: TensorResponder,
    },
    /// An announcement, checked against its author's hotkey.
    Gossip {
        /// Who says it; not necessarily who passed it on.
        author: AccountId,
        /// The topic's name in the configuration.
        topic: String,
        /// The author's newest block when it was said.
        block: u64,
        /// What is said.
        bytes: Vec<u8>,
    },
}

/// Starts listening, and the tasks that do the rest. `members` and `block` are the chain's: who is registered, and the newest
/// finalized block.
pub async fn start(
    config: NetConfig,
    members: watch::Receiver<Members>,
    block: watch::Receiver<u64>,
) -> Result<(NetHandle, mpsc::Receiver<NetEvent>), StartError> {
    start::start(config, members, block).await
}
