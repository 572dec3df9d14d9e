//! Peers that do not play by the rules, against the real network layer on loopback. Each speaks raw libp2p.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use keys::{AccountId, Keypair};
use libp2p::request_response::{self, Message, OutboundFailure, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::handshake::{Hello, HelloReply};
use super::transport::{CONTROL, ControlCodec, HANDSHAKE, HandshakeCodec, TENSOR};
use super::*;
use crate::message::control::{ControlRequest, ControlResponse};
use crate::message::names::Hash;

const NETWORK: Network = Network { genesis: [7; 32], netuid: 3 };
const NOW_BLOCK: u64 = 1000;
/// Everything here takes milliseconds; this only keeps a broken test from hanging.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(NetworkBehaviour)]
struct HostileBehaviour {
    handshake: request_response::Behaviour<HandshakeCodec>,
    control: request_response::Behaviour<ControlCodec>,
    streams: libp2p_stream::Behaviour,
}

struct Hostile {
    swarm: Swarm<HostileBehaviour>,
    victim: PeerId,
}

/// The honest side: a real network layer that knows one registered hotkey, Mallory's.
struct Victim {
    handle: NetHandle,
    events: mpsc::Receiver<NetEvent>,
    _members: watch::Sender<Members>,
    _block: watch::Sender<u64>,
}

fn mallory() -> Keypair {
    Keypair::from_uri("//Mallory").unwrap()
}

async fn victim(caps: NetCaps) -> Victim {
    let members: HashSet<AccountId> = [mallory().account_id()].into();
    let (members_sender, members) = watch::channel(Arc::new(members));
    let (block_sender, block) = watch::channel(NOW_BLOCK);
    let config = NetConfig {
        listen_ip: IpAddr::from([127, 0, 0, 1]),
        allow_loopback: true,
        is_quic_enabled: false,
        caps,
        ..NetConfig::new([1; 32], Keypair::from_uri("//Victim").unwrap(), NETWORK)
    };
    let (handle, events) = start(config, members, block).await.unwrap();
    Victim { handle, events, _members: members_sender, _block: block_sender }
}

impl Victim {
    async fn next_refusal(&mut self) -> Refusal {
        loop {
            match timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a running layer") {
                NetEvent::Refused { refusal, .. } => return refusal,
                NetEvent::Request { .. } | NetEvent::Tensor { .. } | NetEvent::Gossip { .. } => {
                    panic!("heard a peer that had proven nothing")
                }
                _ => {}
            }
        }
    }
}

/// A raw peer, connected to the victim.
async fn connect(victim: &Victim, seed: u8) -> Hostile {
    let mut swarm = SwarmBuilder::with_existing_identity(peer::transport_key(&[seed; 32]))
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| HostileBehaviour {
            handshake: request_response::Behaviour::new(
                [(HANDSHAKE, ProtocolSupport::Full)],
                request_response::Config::default(),
            ),
            control: request_response::Behaviour::new(
                [(CONTROL, ProtocolSupport::Full)],
                request_response::Config::default(),
            ),
            streams: libp2p_stream::Behaviour::new(),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
        .build();
    swarm.dial(victim.handle.local_addresses()[0].multiaddr()).unwrap();
    let mut hostile = Hostile { swarm, victim: victim.handle.name().0 };
    hostile.until(|event| matches!(event, SwarmEvent::ConnectionEstablished { .. }).then_some(())).await;
    hostile
}

impl Hostile {
    /// Runs the swarm until an event is the one wanted.
    async fn until<T>(&mut self, mut wanted: impl FnMut(SwarmEvent<HostileBehaviourEvent>) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.swarm.select_next_some().await) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.expect("the event in time")
    }

    async fn say(&mut self, hello: Hello) -> HelloReply {
        let victim = self.victim;
        self.swarm.behaviour_mut().handshake.send_request(&victim, hello);
        self.until(|event| match event {
            SwarmEvent::Behaviour(HostileBehaviourEvent::Handshake(request_response::Event::Message {
                message: Message::Response { response, .. },
                ..
            })) => Some(response),
            _ => None,
        })
        .await
    }

    /// Asks for a sign of life, and returns why there was none; panics if there was.
    async fn ping(&mut self) -> OutboundFailure {
        let victim = self.victim;
        self.swarm.behaviour_mut().control.send_request(&victim, ControlRequest::Evidence { name: Hash::ZERO });
        self.until(|event| match event {
            SwarmEvent::Behaviour(HostileBehaviourEvent::Control(event)) => match event {
                request_response::Event::OutboundFailure { error, .. } => Some(error),
                request_response::Event::Message { message: Message::Response { response, .. }, .. } => {
                    panic!("answered with {response:?}")
                }
                _ => None,
            },
            _ => None,
        })
        .await
    }

    async fn until_disconnected(&mut self) {
        self.until(|event| matches!(event, SwarmEvent::ConnectionClosed { .. }).then_some(())).await;
    }
}

fn short_deadline() -> NetCaps {
    NetCaps { proof_deadline: Duration::from_millis(300), ..NetCaps::default() }
}

#[tokio::test]
async fn requests_and_tensors_before_the_proof_find_no_protocol() {
    let mut victim = victim(NetCaps::default()).await;
    let mut hostile = connect(&victim, 2).await;
    assert!(matches!(hostile.ping().await, OutboundFailure::UnsupportedProtocols));
    let mut control = hostile.swarm.behaviour().streams.new_control();
    let peer = hostile.victim;
    let opened = tokio::select! {
        opened = control.open_stream(peer, TENSOR) => opened.err(),
        () = hostile.until(|_| None) => None,
    };
    assert!(matches!(opened, Some(libp2p_stream::OpenStreamError::UnsupportedProtocol(_))), "{opened:?}");
    assert_eq!(victim.handle.counts().requests_in, 0);
    assert_eq!(victim.handle.peers(), []);
    victim.events.close();
}

#[tokio::test]
async fn silence_is_disconnected_and_banned() {
    let mut victim = victim(short_deadline()).await;
    let mut hostile = connect(&victim, 2).await;
    let (refusal, ()) = tokio::join!(victim.next_refusal(), hostile.until_disconnected());
    assert_eq!(refusal, Refusal::Absent);
    assert_eq!(victim.handle.counts().banned, 1);
    // It comes back at once, and is turned away before it can say anything.
    hostile.swarm.dial(victim.handle.local_addresses()[0].multiaddr()).unwrap();
    hostile.until_disconnected().await;
    assert_eq!(victim.handle.counts().refused, 1, "turned away by the ban, not refused anew");
}

#[tokio::test]
async fn a_proof_for_another_peer_is_refused() {
    let mut victim = victim(NetCaps::default()).await;
    let mut hostile = connect(&victim, 2).await;
    // Mallory's own voice is peer 9; peer 2 has overheard its proof.
    let overheard = Hello::sign(&mallory(), NETWORK, &PeerName::from_seed(&[9; 32]).0, NOW_BLOCK, 1).unwrap();
    assert_eq!(hostile.say(overheard).await, HelloReply::Refused(Refusal::OtherPeer));
    assert_eq!(victim.next_refusal().await, Refusal::OtherPeer);
    assert!(!matches!(hostile.ping().await, OutboundFailure::Timeout));
    assert_eq!(victim.handle.peers(), []);
}

#[tokio::test]
async fn each_lie_is_refused_for_what_it_is() {
    let elsewhere = Network { netuid: 4, ..NETWORK };
    let other_chain = Network { genesis: [8; 32], ..NETWORK };
    let me = PeerName::from_seed(&[2; 32]).0;
    let stranger = Keypair::from_uri("//Stranger").unwrap();
    let sign = |key: &Keypair, network, block| Hello::sign(key, network, &me, block, 1).unwrap();
    let forged = Hello { hotkey: mallory().account_id(), ..sign(&stranger, NETWORK, NOW_BLOCK) };
    let lies = [
        (sign(&mallory(), elsewhere, NOW_BLOCK), Refusal::OtherSubnet),
        (sign(&mallory(), other_chain, NOW_BLOCK), Refusal::OtherChain),
        (sign(&stranger, NETWORK, NOW_BLOCK), Refusal::NotRegistered),
        (sign(&mallory(), NETWORK, NOW_BLOCK - 65), Refusal::Stale),
        (sign(&mallory(), NETWORK, NOW_BLOCK + 65), Refusal::FromTheFuture),
        (forged, Refusal::BadSignature),
    ];
    let tell = async |(hello, refusal): (Hello, Refusal)| {
        let mut victim = victim(NetCaps::default()).await;
        let mut hostile = connect(&victim, 2).await;
        assert_eq!(hostile.say(hello).await, HelloReply::Refused(refusal));
        assert_eq!(victim.next_refusal().await, refusal);
        hostile.until_disconnected().await;
        assert_eq!(victim.handle.peers(), []);
    };
    futures::future::join_all(lies.into_iter().map(tell)).await;
}

#[tokio::test]
async fn a_proven_peer_that_never_accepts_us_is_heard_but_not_spoken_to() {
    let mut victim = victim(short_deadline()).await;
    let mut hostile = connect(&victim, 2).await;
    let me = PeerName::from_seed(&[2; 32]).0;
    let hello = Hello::sign(&mallory(), NETWORK, &me, NOW_BLOCK, 1).unwrap();
    assert!(matches!(hostile.say(hello).await, HelloReply::Accepted(_)));
    // The victim believes Mallory, but its own proof was never answered: it leaves at the deadline, without a ban.
    hostile.until_disconnected().await;
    assert_eq!((victim.handle.counts().refused, victim.handle.counts().banned), (0, 0));
    victim.events.close();
}

/// Proves itself as Mallory and accepts the victim's proof.
async fn proven(victim: &mut Victim) -> Hostile {
    let mut hostile = connect(victim, 2).await;
    let me = PeerName::from_seed(&[2; 32]).0;
    let victim_peer = hostile.victim;
    let hello = Hello::sign(&mallory(), NETWORK, &me, NOW_BLOCK, 1).unwrap();
    hostile.swarm.behaviour_mut().handshake.send_request(&victim_peer, hello.clone());
    loop {
        tokio::select! {
            event = hostile.swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(HostileBehaviourEvent::Handshake(request_response::Event::Message {
                    message: Message::Request { channel, .. },
                    ..
                })) = event
                {
                    let reply = HelloReply::Accepted(hello.clone());
                    hostile.swarm.behaviour_mut().handshake.send_response(channel, reply).unwrap();
                }
            }
            event = timeout(PATIENCE, victim.events.recv()) => {
                if let NetEvent::PeerProven { hotkey, .. } = event.expect("an event in time").expect("a running layer") {
                    assert_eq!(hotkey, mallory().account_id());
                    return hostile;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_proven_peer_with_an_absurd_tensor_is_told_so() {
    let mut victim = victim(NetCaps { max_tensor_bytes: 1000, ..NetCaps::default() }).await;
    let mut hostile = proven(&mut victim).await;
    let (mut control, peer) = (hostile.swarm.behaviour().streams.new_control(), hostile.victim);
    let talk = async {
        let mut stream = control.open_stream(peer, TENSOR).await.unwrap();
        let header = TensorHeader { codec: 0, len_bytes: 1001, hash: [0; 32], deadline_ms: 10_000, meta: Vec::new() };
        let header = crate::wire::encode::<_, 8192>(&header).unwrap();
        stream.write_all(&(header.len() as u32).to_le_bytes()).await.unwrap();
        stream.write_all(&header).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        crate::wire::decode::<TensorReply, 4096>(&answer[4..]).unwrap()
    };
    let answer = tokio::select! {
        answer = talk => answer,
        () = hostile.until(|_| None) => unreachable!("until(None) does not end"),
    };
    assert_eq!(answer, TensorReply::Refuse(TensorRefusal::TooLong { limit_bytes: 1000 }));
    assert_eq!(victim.handle.counts().tensors_refused, 1);
}

#[tokio::test]
async fn deregistration_ends_a_proven_peer() {
    let mut victim = victim(NetCaps::default()).await;
    let mut hostile = proven(&mut victim).await;
    victim._members.send(Arc::default()).unwrap();
    assert_eq!(victim.next_refusal().await, Refusal::NotRegistered);
    hostile.until_disconnected().await;
    assert_eq!(victim.handle.peers(), []);
}

#[tokio::test]
async fn answers_reach_a_raw_peer_only_once_it_is_proven() {
    let mut victim = victim(NetCaps::default()).await;
    let mut hostile = proven(&mut victim).await;
    let peer = hostile.victim;
    hostile.swarm.behaviour_mut().control.send_request(&peer, ControlRequest::Evidence { name: Hash::ZERO });
    let answer = async {
        loop {
            if let NetEvent::Request { from, responder, .. } = victim.events.recv().await.unwrap() {
                assert_eq!(from, mallory().account_id());
                // Dropped without an answer.
                drop(responder);
                return;
            }
        }
    };
    let heard = hostile.until(|event| match event {
        SwarmEvent::Behaviour(HostileBehaviourEvent::Control(request_response::Event::Message {
            message: Message::Response { response, .. },
            ..
        })) => Some(response),
        _ => None,
    });
    let (response, ()) = tokio::join!(heard, answer);
    assert!(matches!(response, ControlResponse::Refused(_)));
}
