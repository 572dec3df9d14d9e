//! What can go wrong between neurons, per operation.

use std::net::IpAddr;

use keys::AccountId;

use super::address::{AxonAddr, AxonProtocol};
use super::handshake::Refusal;
use super::peer::PeerName;
use super::stream::{FrameError, TensorRefusal};
use crate::wire::WireError;

/// Why the network layer does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port is taken, or the address is not this machine's.
    #[error(
        "cannot listen on {ip} port {port} ({protocol:?}): {reason}; choose another port with --axon-port, 0 for any"
    )]
    Listen {
        /// Address asked for.
        ip: IpAddr,
        /// Port asked for.
        port: u16,
        /// Transport.
        protocol: AxonProtocol,
        /// What the system said.
        reason: String,
    },
    /// Neither transport is wanted.
    #[error("neither TCP nor QUIC is enabled; enable at least one")]
    NoTransport,
    /// The configuration makes no swarm.
    #[error("{0}")]
    Configuration(String),
}

/// Why a dial did not end in a proven peer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Not an address to connect to.
    #[error("{address} of {hotkey} is not an address to dial: loopback, unspecified, multicast or without a port")]
    Address {
        /// The axon.
        address: AxonAddr,
        /// Whose it is.
        hotkey: AccountId,
    },
    /// No connection.
    #[error("no connection to {hotkey} at {address}: {reason}")]
    Unreachable {
        /// The axon.
        address: AxonAddr,
        /// Whose it is.
        hotkey: AccountId,
        /// What the transport said.
        reason: String,
    },
    /// We do not believe it.
    #[error("peer {peer} at the axon of {hotkey} was refused: {refusal}")]
    Refused {
        /// Who was expected.
        hotkey: AccountId,
        /// Who was there.
        peer: PeerName,
        /// Why.
        refusal: Refusal,
    },
    /// It does not believe us.
    #[error("{hotkey} (peer {peer}) refused this neuron: {refusal}")]
    RefusedByPeer {
        /// Who was dialed.
        hotkey: AccountId,
        /// Its peer.
        peer: PeerName,
        /// Why.
        refusal: Refusal,
    },
    /// The connection ended before both sides had proven themselves.
    #[error("the connection to {0} ended before both sides had proven themselves")]
    Ended(AccountId),
    /// Too many dials are under way.
    #[error("too many dials are under way ({0}); try again later")]
    TooMany(usize),
    /// The network layer has stopped.
    #[error("the network layer has stopped")]
    Stopped,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No proven peer speaks for that hotkey now.
    #[error("{0} is not connected; dial its axon first")]
    NotConnected(AccountId),
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Late(AccountId),
    /// The stream or the connection failed, or the answer cannot be read.
    #[error("the request to {hotkey} failed: {reason}")]
    Failed {
        /// Who was asked.
        hotkey: AccountId,
        /// What happened.
        reason: String,
    },
    /// Too many requests are under way.
    #[error("too many requests are under way ({0}); try again later")]
    TooMany(usize),
    /// The network layer has stopped.
    #[error("the network layer has stopped")]
    Stopped,
}

/// Why a tensor was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// No proven peer speaks for that hotkey now.
    #[error("{0} is not connected; dial its axon first")]
    NotConnected(AccountId),
    /// Longer than anybody takes.
    #[error("a tensor of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The receiver said no.
    #[error("{hotkey} refused the tensor: {refusal}")]
    Refused {
        /// The receiver.
        hotkey: AccountId,
        /// Why.
        refusal: TensorRefusal,
    },
    /// No receipt by the deadline.
    #[error("no receipt from {0} by the deadline")]
    Late(AccountId),
    /// The header does not fit.
    #[error(transparent)]
    Header(#[from] WireError),
    /// The stream failed.
    #[error("the stream to {hotkey} failed: {reason}")]
    Failed {
        /// The receiver.
        hotkey: AccountId,
        /// What happened.
        reason: String,
    },
}

impl TensorError {
    pub(super) fn from_frame(hotkey: AccountId, error: FrameError) -> Self {
        match error {
            FrameError::Wire(error) => Self::Header(error),
            FrameError::Refused(refusal) => Self::Refused { hotkey, refusal },
            FrameError::Late => Self::Late(hotkey),
            FrameError::Io(error) => Self::Failed { hotkey, reason: error.to_string() },
        }
    }
}

/// Why an announcement was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Not one of the topics in the configuration.
    #[error("`{0}` is not a topic of this network layer")]
    UnknownTopic(String),
    /// Nobody listens yet.
    #[error("no connected peer listens to `{0}` yet")]
    NobodyListens(String),
    /// Too long.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The queues to all peers are full, or it was said before.
    #[error("not announced: {0}")]
    Failed(String),
    /// The network layer has stopped.
    #[error("the network layer has stopped")]
    Stopped,
}
