//! The gate: protocols that do not exist for a peer until it has proven its hotkey.
//!
//! [`Gate`] wraps the behaviours for requests, tensors and gossip. While it is shut for a peer, its connections offer none
//! of the wrapped protocols: an inbound stream for one is turned down in protocol negotiation, before a byte of it is read.
//!
//! It opens in two steps, because two ends do not learn of each other's consent at the same time. *Hearing*: we have checked
//! its proof, its streams are accepted. *Speaking*: it has also accepted ours, so our streams will not be turned down.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::task::{Context, Poll};

use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound, InboundUpgradeSend,
    ListenUpgradeError, UpgradeInfoSend,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, DialFailure, FromSwarm, NetworkBehaviour, NotifyHandler, Stream,
    SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

/// How far the gate is open for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Opening {
    /// Not at all.
    #[default]
    Shut,
    /// We accept its streams.
    Hearing,
    /// We also open streams to it.
    Speaking,
}

/// Too many peers that have proven nothing are connected.
#[derive(Debug, thiserror::Error)]
#[error("{0} connected peers have not proven a hotkey yet; no more are let in")]
pub(super) struct TooManyUnproven(usize);

#[derive(Default)]
struct GatePeer {
    opening: Opening,
    connections: Vec<ConnectionId>,
}

/// See the module.
pub(super) struct Gate<B: NetworkBehaviour> {
    pub(super) inner: B,
    peers: HashMap<PeerId, GatePeer>,
    max_unproven_peers: usize,
    /// Openings that handlers have yet to hear of; at most a few per connection, which are limited.
    pending: VecDeque<(PeerId, ConnectionId, Opening)>,
}

impl<B: NetworkBehaviour> Gate<B> {
    pub(super) fn new(inner: B, max_unproven_peers: usize) -> Self {
        Self { inner, peers: HashMap::new(), max_unproven_peers, pending: VecDeque::new() }
    }

    /// Opens the gate for a peer as far as `opening`, or shuts it.
    pub(super) fn set(&mut self, peer: PeerId, opening: Opening) {
        if let Some(entry) = self.peers.get_mut(&peer)
            && entry.opening != opening
        {
            entry.opening = opening;
            self.pending.extend(entry.connections.iter().map(|connection| (peer, *connection, opening)));
        }
    }

    fn opening(&self, peer: &PeerId) -> Opening {
        self.peers.get(peer).map(|entry| entry.opening).unwrap_or_default()
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gate<B> {
    type ConnectionHandler = GateHandler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // Names cost nothing, so a flood of unproven peers must not fill the places of proven ones.
        let unproven = self.peers.values().filter(|entry| entry.opening == Opening::Shut).count();
        if unproven >= self.max_unproven_peers && !self.peers.contains_key(&peer) {
            return Err(ConnectionDenied::new(TooManyUnproven(unproven)));
        }
        let inner = self.inner.handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(GateHandler { inner, opening: self.opening(&peer) })
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self.inner.handle_established_outbound_connection(connection, peer, address, role, port_use)?;
        Ok(GateHandler { inner, opening: self.opening(&peer) })
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(event) => {
                let entry = self.peers.entry(event.peer_id).or_default();
                entry.connections.push(event.connection_id);
                // The handler was made before this event; the gate may have moved in between.
                self.pending.push_back((event.peer_id, event.connection_id, entry.opening));
            }
            FromSwarm::ConnectionClosed(event) => {
                if let Some(entry) = self.peers.get_mut(&event.peer_id) {
                    entry.connections.retain(|connection| *connection != event.connection_id);
                    if entry.connections.is_empty() {
                        self.peers.remove(&event.peer_id);
                    }
                }
                self.pending.retain(|(_, connection, _)| *connection != event.connection_id);
            }
            FromSwarm::DialFailure(DialFailure { .. }) => {}
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection, opening)) = self.pending.pop_front() {
            let event = GateCommand::Open(opening);
            return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(connection), event });
        }
        self.inner.poll(cx).map(|action| action.map_in(GateCommand::Inner))
    }
}

/// What the behaviour tells its handlers.
#[derive(Debug)]
pub(super) enum GateCommand<C> {
    Open(Opening),
    Inner(C),
}

/// One connection's side of the gate.
pub(super) struct GateHandler<H> {
    inner: H,
    opening: Opening,
}

impl<H: ConnectionHandler> ConnectionHandler for GateHandler<H> {
    type FromBehaviour = GateCommand<H::FromBehaviour>;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = GateUpgrade<H::InboundProtocol>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let is_open = self.opening >= Opening::Hearing;
        self.inner.listen_protocol().map_upgrade(|inner| GateUpgrade { inner, is_open })
    }

    /// A proven peer stays connected until one side leaves (ping finds the dead); an unproven one is dropped by its deadline.
    fn connection_keep_alive(&self) -> bool {
        self.opening == Opening::Speaking || self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        // Not polled, the inner handler opens no streams. The command that opens the gate wakes this task.
        if self.opening < Opening::Speaking {
            return Poll::Pending;
        }
        self.inner.poll(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            GateCommand::Open(opening) => self.opening = opening,
            GateCommand::Inner(event) => self.inner.on_behaviour_event(event),
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        let event = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info }) => {
                ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info })
            }
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error }) => {
                ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error })
            }
            ConnectionEvent::AddressChange(event) => ConnectionEvent::AddressChange(event),
            ConnectionEvent::DialUpgradeError(event) => ConnectionEvent::DialUpgradeError(event),
            ConnectionEvent::LocalProtocolsChange(event) => ConnectionEvent::LocalProtocolsChange(event),
            ConnectionEvent::RemoteProtocolsChange(event) => ConnectionEvent::RemoteProtocolsChange(event),
            _ => return,
        };
        self.inner.on_connection_event(event);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner.poll_close(cx)
    }
}

/// The wrapped protocols while the gate is open, none while it is shut.
pub(super) struct GateUpgrade<U> {
    inner: U,
    is_open: bool,
}

impl<U: UpgradeInfoSend> UpgradeInfo for GateUpgrade<U> {
    type Info = U::Info;
    type InfoIter = std::iter::Flatten<std::option::IntoIter<U::InfoIter>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.is_open.then(|| self.inner.protocol_info()).into_iter().flatten()
    }
}

impl<U: InboundUpgradeSend> InboundUpgrade<Stream> for GateUpgrade<U> {
    type Output = U::Output;
    type Error = U::Error;
    type Future = U::Future;

    fn upgrade_inbound(self, stream: Stream, info: Self::Info) -> Self::Future {
        self.inner.upgrade_inbound(stream, info)
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shut => "shut",
            Self::Hearing => "hearing",
            Self::Speaking => "speaking",
        })
    }
}
