//! The task that owns the swarm: libp2p's events in, the sessions' verdicts carried out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use keys::{AccountId, Keypair};
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::request_response::{self, InboundFailure, Message, OutboundRequestId};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{PeerId, Swarm, ping};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;

use super::address::AxonAddr;
use super::error::{DialError, PublishError, RequestError};
use super::gossip::Envelope;
use super::handle::{Command, Counters, Peers, Responder};
use super::handshake::{Expectation, Hello, HelloReply, Proof, Refusal};
use super::peer::PeerName;
use super::session::{Action, Sessions};
use super::transport::{Behaviour, BehaviourEvent, ProvenEvent};
use super::{Members, NetCaps, NetEvent};
use crate::message::control::{ControlRequest, ControlResponse};
use crate::message::signed::Network;

/// Dials under way.
const MAX_DIALS: usize = 64;
/// Control requests under way, to all peers.
const MAX_REQUESTS: usize = 1024;
/// Bans remembered; the one that ends soonest is forgotten first.
const MAX_BANS: usize = 4096;
/// Messages that make no sense, before a peer is banned for them.
const MAX_STRIKES: u32 = 8;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long peers get to hear that we leave.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(1);

pub(super) struct Dial {
    address: AxonAddr,
    hotkey: AccountId,
    /// Known once connected.
    peer: Option<PeerId>,
    done: oneshot::Sender<Result<PeerName, DialError>>,
}

pub(super) struct PendingRequest {
    hotkey: AccountId,
    done: oneshot::Sender<Result<ControlResponse, RequestError>>,
}

pub(super) struct NetTask {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) hotkey: Keypair,
    pub(super) network: Network,
    /// See [`Hello::start`].
    pub(super) start: u64,
    pub(super) allow_loopback: bool,
    pub(super) caps: NetCaps,
    pub(super) topics: HashMap<gossipsub::TopicHash, (String, IdentTopic)>,
    pub(super) members: watch::Receiver<Members>,
    pub(super) block: watch::Receiver<u64>,
    pub(super) sessions: Sessions,
    pub(super) connections: HashMap<PeerId, Vec<ConnectionId>>,
    pub(super) dials: HashMap<ConnectionId, Dial>,
    pub(super) requests: HashMap<OutboundRequestId, PendingRequest>,
    pub(super) bans: HashMap<PeerId, Instant>,
    pub(super) strikes: HashMap<PeerId, u32>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) respond: mpsc::Sender<Command>,
    pub(super) events: mpsc::Sender<NetEvent>,
    /// Events about peers. They must not be lost, so they wait here; a peer has at most a few.
    pub(super) outbox: VecDeque<NetEvent>,
    pub(super) peers: watch::Sender<Peers>,
    pub(super) heard: watch::Sender<Arc<HashMap<PeerId, AccountId>>>,
    pub(super) counters: Arc<Counters>,
}

impl NetTask {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = self.events.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                Ok(()) = self.members.changed() => self.on_members_changed(),
                _ = tick.tick() => self.on_tick(),
                permit = events.reserve(), if !self.outbox.is_empty() => {
                    let Ok(permit) = permit else { break };
                    if let Some(event) = self.outbox.pop_front() {
                        permit.send(event);
                    }
                }
            }
        }
        self.say_goodbye().await;
    }

    /// Closes all connections properly: a peer that is merely dropped takes a while to notice.
    async fn say_goodbye(mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // An error says that it is not connected, which is what we want.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let deadline = Instant::now() + GOODBYE_DEADLINE;
        while self.swarm.network_info().num_peers() > 0 {
            if timeout_at(deadline, self.swarm.select_next_some()).await.is_err() {
                break;
            }
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Handshake(event)) => self.on_handshake(event),
            SwarmEvent::Behaviour(BehaviourEvent::Proven(ProvenEvent::Control(event))) => self.on_control(event),
            SwarmEvent::Behaviour(BehaviourEvent::Proven(ProvenEvent::Gossip(event))) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { connection, result, .. })) => {
                if matches!(result, Err(ping::Failure::Timeout | ping::Failure::Other { .. })) {
                    self.swarm.close_connection(connection);
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                self.on_connected(peer_id, connection_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.on_closed(peer_id, connection_id, num_established);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(Dial { address, hotkey, done, .. }) = self.dials.remove(&connection_id) {
                    let reason = error.to_string();
                    let _ = done.send(Err(DialError::Unreachable { address, hotkey, reason }));
                }
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, id: ConnectionId) {
        self.connections.entry(peer).or_default().push(id);
        self.sessions.connected(peer, Instant::now());
        if let Some(dial) = self.dials.get_mut(&id) {
            dial.peer = Some(peer);
            if let Some(hotkey) = self.sessions.hotkey_of(&peer).filter(|_| self.sessions.is_mutual(&peer)) {
                if dial.hotkey != hotkey {
                    self.swarm.close_connection(id);
                }
                self.settle_dials(peer, hotkey);
            }
        }
        self.send_hello(peer);
    }

    fn send_hello(&mut self, peer: PeerId) {
        if let Some(hello) = self.own_hello() {
            self.swarm.behaviour_mut().handshake.send_request(&peer, hello);
        }
    }

    /// A peer has proven whom it speaks for; dials that led to it were right or wrong about that. Being wrong is no fault of the
    /// peer: an axon is whatever its owner wrote on chain, somebody else's address for example.
    fn settle_dials(&mut self, peer: PeerId, hotkey: AccountId) {
        let name = PeerName(peer);
        self.finish_dials(
            |dial| dial.hotkey == hotkey || dial.peer == Some(peer),
            |dial| match dial.hotkey == hotkey {
                true => Ok(name),
                false => Err(DialError::Refused { hotkey: dial.hotkey, peer: name, refusal: Refusal::OtherHotkey }),
            },
        );
    }

    /// Believes a proof or not. A peer that has restarted loses its older connections: they are dead, and would swallow what is
    /// sent down them.
    fn believe(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        hello: &Hello,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let checked = self.check(&peer, hello);
        let believed = self.sessions.hello(peer, hello.hotkey, checked, Instant::now(), actions)?;
        if believed.is_restarted {
            for older in self.connections.get(&peer).into_iter().flatten().filter(|id| **id != connection) {
                self.swarm.close_connection(*older);
            }
        }
        Ok(())
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId, num_established: u32) {
        if let Some(known) = self.connections.get_mut(&peer) {
            known.retain(|connection| *connection != id);
        }
        if num_established == 0 {
            self.connections.remove(&peer);
            self.strikes.remove(&peer);
        }
        let mut actions = Vec::new();
        self.sessions.disconnected(peer, &mut actions);
        self.apply(actions);
        if num_established == 0 {
            self.finish_dials(|dial| dial.peer == Some(peer), |dial| Err(DialError::Ended(dial.hotkey)));
        } else if !self.sessions.is_mutual(&peer) {
            // Our proof may have gone down the connection that closed.
            self.send_hello(peer);
        }
    }

    fn own_hello(&self) -> Option<Hello> {
        let block = *self.block.borrow();
        Hello::sign(&self.hotkey, self.network, self.swarm.local_peer_id(), block, self.start)
            .inspect_err(|error| tracing::error!(%error, "this neuron's own proof does not fit its limit"))
            .ok()
    }

    fn check(&self, peer: &PeerId, hello: &Hello) -> Result<Proof, Refusal> {
        let checked = hello.check(&Expectation {
            network: &self.network,
            remote: peer,
            members: &self.members.borrow(),
            now_block: *self.block.borrow(),
            window_blocks: self.caps.window_blocks,
        });
        if let Err(refusal) = checked {
            tracing::debug!(%peer, claimed = %hello.hotkey, %refusal, "proof refused");
        }
        checked
    }

    fn on_handshake(&mut self, event: request_response::Event<Hello, HelloReply>) {
        let (mut actions, now) = (Vec::new(), Instant::now());
        match event {
            request_response::Event::Message {
                peer,
                connection_id,
                message: Message::Request { request, channel, .. },
            } => {
                let verdict = self.believe(peer, connection_id, &request, &mut actions);
                // The gate opens before the peer can learn that it may speak.
                self.apply(std::mem::take(&mut actions));
                let reply = match (verdict, self.own_hello()) {
                    (Ok(()), Some(hello)) => HelloReply::Accepted(hello),
                    (Ok(()), None) => return,
                    (Err(refusal), _) => HelloReply::Refused(refusal),
                };
                // An error says that the peer is gone.
                let _ = self.swarm.behaviour_mut().handshake.send_response(channel, reply);
            }
            request_response::Event::Message { peer, connection_id, message: Message::Response { response, .. } } => {
                match response {
                    HelloReply::Accepted(hello) => {
                        if self.believe(peer, connection_id, &hello, &mut actions).is_ok() {
                            self.sessions.accepted_by_peer(peer, &mut actions);
                        }
                    }
                    HelloReply::Refused(refusal) => self.sessions.refused_by_peer(peer, refusal, now, &mut actions),
                }
            }
            request_response::Event::InboundFailure { peer, error: InboundFailure::Io(error), .. } => {
                tracing::debug!(%peer, %error, "unreadable proof");
                // The connection's own end is reported elsewhere; this is about what was sent.
                if error.kind() == std::io::ErrorKind::InvalidData {
                    self.sessions.refuse(peer, Refusal::Malformed, now, &mut actions);
                }
            }
            // An own proof that was not answered: the session's deadline sees to it.
            _ => {}
        }
        self.apply(actions);
    }

    fn on_control(&mut self, event: request_response::Event<ControlRequest, ControlResponse>) {
        match event {
            request_response::Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                // Its proof may have been withdrawn while the request was under way.
                let Some(from) = self.sessions.hotkey_of(&peer) else { return };
                Counters::add(&self.counters.requests_in, 1);
                let responder = Responder { commands: self.respond.clone(), channel: Some(channel) };
                self.offer(NetEvent::Request { from, request, responder });
            }
            request_response::Event::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(pending) = self.requests.remove(&request_id) {
                    let _ = pending.done.send(Ok(response));
                }
            }
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                if let Some(PendingRequest { hotkey, done }) = self.requests.remove(&request_id) {
                    let _ = done.send(Err(match error {
                        request_response::OutboundFailure::Timeout => RequestError::Late(hotkey),
                        error => RequestError::Failed { hotkey, reason: error.to_string() },
                    }));
                }
            }
            request_response::Event::InboundFailure { peer, error: InboundFailure::Io(error), .. }
                if error.kind() == std::io::ErrorKind::InvalidData =>
            {
                tracing::debug!(%peer, %error, "unreadable request");
                self.strike(peer);
            }
            _ => {}
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source, message_id, message } = event else { return };
        let Some((topic, _)) = self.topics.get(&message.topic).cloned() else { return };
        let opened = Envelope::open(
            &message.data,
            &self.network,
            &topic,
            &self.members.borrow(),
            *self.block.borrow(),
            self.caps.window_blocks,
        );
        let acceptance = match opened {
            Ok(Envelope { author, block, payload, .. }) => {
                Counters::add(&self.counters.gossip_in, 1);
                self.offer(NetEvent::Gossip { author, topic, block, bytes: payload });
                MessageAcceptance::Accept
            }
            Err(error) => {
                tracing::debug!(peer = %propagation_source, %error, "gossip refused");
                Counters::add(&self.counters.gossip_refused, 1);
                if error.is_the_senders_fault() {
                    self.strike(propagation_source);
                    MessageAcceptance::Reject
                } else {
                    MessageAcceptance::Ignore
                }
            }
        };
        let gossip = &mut self.swarm.behaviour_mut().proven.inner.gossip;
        gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
    }

    /// A peer sent what no honest one sends.
    fn strike(&mut self, peer: PeerId) {
        let strikes = self.strikes.entry(peer).or_default();
        *strikes += 1;
        if *strikes >= MAX_STRIKES {
            let mut actions = Vec::new();
            self.sessions.refuse(peer, Refusal::Nuisance, Instant::now(), &mut actions);
            self.apply(actions);
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Dial { address, hotkey, done } => self.dial(address, hotkey, done),
            Command::Request { hotkey, request, done } => {
                let peer = self.sessions.peer_of(&hotkey).filter(|peer| self.sessions.is_mutual(peer));
                let Some(peer) = peer else {
                    let _ = done.send(Err(RequestError::NotConnected(hotkey)));
                    return;
                };
                if self.requests.len() >= MAX_REQUESTS {
                    let _ = done.send(Err(RequestError::TooMany(MAX_REQUESTS)));
                    return;
                }
                Counters::add(&self.counters.requests_out, 1);
                let id = self.swarm.behaviour_mut().proven.inner.control.send_request(&peer, request);
                self.requests.insert(id, PendingRequest { hotkey, done });
            }
            Command::Respond { channel, response } => {
                // An error says that the asker is gone.
                let _ = self.swarm.behaviour_mut().proven.inner.control.send_response(channel, response);
            }
            Command::Publish { topic, payload, done } => {
                let _ = done.send(self.publish(topic, payload));
            }
            Command::Ban { hotkey } => {
                if let Some(peer) = self.sessions.peer_of(&hotkey) {
                    let mut actions = Vec::new();
                    self.sessions.refuse(peer, Refusal::Nuisance, Instant::now(), &mut actions);
                    self.apply(actions);
                }
            }
        }
    }

    fn dial(&mut self, address: AxonAddr, hotkey: AccountId, done: oneshot::Sender<Result<PeerName, DialError>>) {
        if let Some(peer) = self.sessions.peer_of(&hotkey).filter(|peer| self.sessions.is_mutual(peer)) {
            let _ = done.send(Ok(PeerName(peer)));
            return;
        }
        if !address.is_dialable(self.allow_loopback) {
            let _ = done.send(Err(DialError::Address { address, hotkey }));
            return;
        }
        if self.dials.len() >= MAX_DIALS {
            let _ = done.send(Err(DialError::TooMany(MAX_DIALS)));
            return;
        }
        let options = DialOpts::unknown_peer_id().address(address.multiaddr()).build();
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(id, Dial { address, hotkey, peer: None, done });
            }
            Err(error) => {
                let reason = error.to_string();
                let _ = done.send(Err(DialError::Unreachable { address, hotkey, reason }));
            }
        }
    }

    fn publish(&mut self, topic: String, payload: Vec<u8>) -> Result<(), PublishError> {
        let Some((_, ident)) = self.topics.values().find(|(name, _)| *name == topic) else {
            return Err(PublishError::UnknownTopic(topic));
        };
        let hash = ident.hash();
        let sealed = Envelope::seal(&self.hotkey, &self.network, &topic, *self.block.borrow(), payload)?;
        match self.swarm.behaviour_mut().proven.inner.gossip.publish(hash, sealed) {
            Ok(_) => Ok(()),
            Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => Err(PublishError::NobodyListens(topic)),
            Err(error) => Err(PublishError::Failed(error.to_string())),
        }
    }

    fn on_members_changed(&mut self) {
        let members = self.members.borrow_and_update().clone();
        let mut actions = Vec::new();
        self.sessions.members_changed(&members, Instant::now(), &mut actions);
        self.apply(actions);
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        let mut actions = Vec::new();
        self.sessions.tick(now, &mut actions);
        self.apply(actions);
        let over: Vec<_> = self.bans.iter().filter(|(_, until)| now >= **until).map(|(peer, _)| *peer).collect();
        for peer in over {
            self.bans.remove(&peer);
            self.swarm.behaviour_mut().banned.unblock_peer(peer);
        }
        // A caller that gave up takes no place in the table.
        self.requests.retain(|_, pending| !pending.done.is_closed());
        self.dials.retain(|_, dial| !dial.done.is_closed());
    }

    /// Carries out what the sessions want.
    fn apply(&mut self, actions: Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        // First the names, then the gate: what comes through it must find them.
        let proven: HashMap<_, _> = self.sessions.proven().collect();
        let heard: HashMap<_, _> = self
            .connections
            .keys()
            .filter_map(|peer| self.sessions.hotkey_of(peer).map(|hotkey| (*peer, hotkey)))
            .collect();
        self.heard.send_replace(Arc::new(heard));
        self.peers.send_replace(Arc::new(proven));
        for action in actions {
            match action {
                Action::Open(peer, opening) => self.swarm.behaviour_mut().proven.set(peer, opening),
                Action::Proven(peer, hotkey) => {
                    Counters::add(&self.counters.proven, 1);
                    self.post(NetEvent::PeerProven { hotkey, peer: PeerName(peer) });
                    self.settle_dials(peer, hotkey);
                }
                Action::Lost(_, hotkey) => {
                    Counters::add(&self.counters.lost, 1);
                    self.post(NetEvent::PeerLost { hotkey });
                }
                Action::Disconnect(peer) => {
                    // An error says that it is gone already.
                    let _ = self.swarm.disconnect_peer_id(peer);
                }
                Action::Ban(peer, duration) => self.ban(peer, duration),
                Action::Refused { peer, hotkey, refusal } => {
                    let peer_name = PeerName(peer);
                    Counters::add(&self.counters.refused, 1);
                    self.post(NetEvent::Refused { peer: peer_name, hotkey, refusal });
                    self.finish_dials(
                        |dial| dial.peer == Some(peer),
                        |dial| Err(DialError::Refused { hotkey: dial.hotkey, peer: peer_name, refusal }),
                    );
                }
                Action::RefusedByPeer { peer, refusal } => {
                    let peer_name = PeerName(peer);
                    Counters::add(&self.counters.refused_by_peer, 1);
                    self.post(NetEvent::RefusedByPeer { peer: peer_name, refusal });
                    self.finish_dials(
                        |dial| dial.peer == Some(peer),
                        |dial| Err(DialError::RefusedByPeer { hotkey: dial.hotkey, peer: peer_name, refusal }),
                    );
                }
            }
        }
    }

    fn ban(&mut self, peer: PeerId, duration: Duration) {
        if self.bans.contains_key(&peer) {
            return;
        }
        if self.bans.len() >= MAX_BANS
            && let Some(soonest) = self.bans.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer)
        {
            self.bans.remove(&soonest);
            self.swarm.behaviour_mut().banned.unblock_peer(soonest);
        }
        Counters::add(&self.counters.banned, 1);
        self.bans.insert(peer, Instant::now() + duration);
        self.swarm.behaviour_mut().banned.block_peer(peer);
    }

    fn finish_dials(
        &mut self,
        is_finished: impl Fn(&Dial) -> bool,
        result: impl Fn(&Dial) -> Result<PeerName, DialError>,
    ) {
        let finished: Vec<_> = self.dials.iter().filter(|(_, dial)| is_finished(dial)).map(|(id, _)| *id).collect();
        for id in finished {
            if let Some(dial) = self.dials.remove(&id) {
                let result = result(&dial);
                let _ = dial.done.send(result);
            }
        }
    }

    /// An event that may be lost: the neuron does not keep up, and whoever sent it will ask again.
    fn offer(&mut self, event: NetEvent) {
        if self.events.try_send(event).is_err() {
            Counters::add(&self.counters.dropped_events, 1);
        }
    }

    /// An event that must not be lost.
    fn post(&mut self, event: NetEvent) {
        let max_waiting = 4 * (self.caps.max_peers + self.caps.max_unproven_peers) as usize;
        match &event {
            // A peer that came and went unnoticed need not be mentioned.
            NetEvent::PeerLost { hotkey } => {
                let coming = |e: &NetEvent| matches!(e, NetEvent::PeerProven { hotkey: h, .. } if h == hotkey);
                if let Some(index) = self.outbox.iter().rposition(coming) {
                    self.outbox.remove(index);
                    return;
                }
            }
            NetEvent::Refused { .. } | NetEvent::RefusedByPeer { .. } if self.outbox.len() >= max_waiting => {
                Counters::add(&self.counters.dropped_events, 1);
                return;
            }
            _ => {}
        }
        self.outbox.push_back(event);
    }
}
