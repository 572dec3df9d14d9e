//! Neurons that find, prove and talk to each other over real sockets on loopback.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's own tools fail loudly")]

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keys::{AccountId, Keypair};
use neuron::message::control::{ControlRequest, ControlResponse, MAX_BLOB_PIECE_BYTES};
use neuron::message::names::{Hash, RunId, WindowId};
use neuron::message::signed::Network;
use neuron::net::{
    self, AxonAddr, AxonProtocol, DialError, Members, NetCaps, NetConfig, NetEvent, NetHandle, PublishError, Refusal,
    RequestError, StartError, TensorError, TensorRefusal,
};
use neuron::shell::fetch;
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};

const NETWORK: Network = Network { genesis: [7; 32], netuid: 3 };
/// Everything here takes milliseconds; this only keeps a broken test from hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// The chain, as far as the network layer sees it.
struct Chain {
    members: watch::Sender<Members>,
    block: watch::Sender<u64>,
}

impl Chain {
    fn with(names: &[&str]) -> Self {
        let members: HashSet<AccountId> = names.iter().map(|name| key(name).account_id()).collect();
        Self { members: watch::channel(Arc::new(members)).0, block: watch::channel(1000).0 }
    }

    async fn neuron(&self, name: &str, seed: u8) -> Neuron {
        self.neuron_with(config(name, seed)).await
    }

    async fn neuron_with(&self, config: NetConfig) -> Neuron {
        let key = config.hotkey.clone();
        let (net, events) = net::start(config, self.members.subscribe(), self.block.subscribe()).await.unwrap();
        Neuron { key, net, events }
    }
}

fn key(name: &str) -> Keypair {
    Keypair::from_uri(&format!("//{name}")).unwrap()
}

fn config(name: &str, seed: u8) -> NetConfig {
    NetConfig {
        listen_ip: IpAddr::from([127, 0, 0, 1]),
        allow_loopback: true,
        topics: vec!["news".to_owned()],
        ..NetConfig::new([seed; 32], key(name), NETWORK)
    }
}

struct Neuron {
    key: Keypair,
    net: NetHandle,
    events: mpsc::Receiver<NetEvent>,
}

impl Neuron {
    fn id(&self) -> AccountId {
        self.key.account_id()
    }

    fn axon(&self, protocol: AxonProtocol) -> AxonAddr {
        *self.net.local_addresses().iter().find(|axon| axon.protocol == protocol).unwrap()
    }

    /// The first event that is wanted; others are passed over.
    async fn until<T>(&mut self, mut wanted: impl FnMut(NetEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.events.recv().await.expect("a running layer")) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.expect("the event in time")
    }

    async fn until_proven(&mut self, peer: AccountId) {
        self.until(|event| matches!(event, NetEvent::PeerProven { hotkey, .. } if hotkey == peer).then_some(())).await;
    }

    async fn until_lost(&mut self, peer: AccountId) {
        self.until(|event| matches!(event, NetEvent::PeerLost { hotkey } if hotkey == peer).then_some(())).await;
    }

    /// Answers the next request for leaves: it keeps none of that window, but as many as the window's number.
    async fn answer_request(&mut self) {
        let (request, responder) = self
            .until(|event| match event {
                NetEvent::Request { request, responder, .. } => Some((request, responder)),
                _ => None,
            })
            .await;
        let ControlRequest::GetLeaves { window, hotkey, .. } = request else { panic!("{request:?}") };
        assert_eq!(hotkey, self.id());
        responder.respond(ControlResponse::Leaves { total: window.0, records: vec![] }).await;
    }
}

fn question(of: AccountId, window: u32) -> ControlRequest {
    ControlRequest::GetLeaves { run: RunId(Hash([1; 32])), window: WindowId(window), hotkey: of, first: 0 }
}

/// `from` asks `to` something, and gets the answer to that.
async fn ask(from: &Neuron, to: &mut Neuron) {
    let window = u32::from(from.id().0[0]);
    let request = from.net.request(to.id(), question(to.id(), window), PATIENCE);
    let (answer, ()) = tokio::join!(request, to.answer_request());
    assert_eq!(answer.unwrap(), ControlResponse::Leaves { total: window, records: vec![] });
}

#[tokio::test]
async fn three_neurons_prove_themselves_over_tcp_and_quic_and_answer_each_other() {
    let chain = Chain::with(&["a", "b", "c"]);
    let (mut a, mut b, mut c) = (chain.neuron("a", 1).await, chain.neuron("b", 2).await, chain.neuron("c", 3).await);
    assert_eq!(a.net.dial(b.axon(AxonProtocol::Tcp), b.id()).await.unwrap(), b.net.name());
    assert_eq!(a.net.dial(c.axon(AxonProtocol::Quic), c.id()).await.unwrap(), c.net.name());
    b.until_proven(a.id()).await;
    c.until_proven(a.id()).await;
    ask(&a, &mut b).await;
    ask(&b, &mut a).await;
    ask(&a, &mut c).await;
    ask(&c, &mut a).await;
    let mut expected = vec![b.id(), c.id()];
    expected.sort_unstable();
    assert_eq!(a.net.peers(), expected);
    // B and C have not met.
    let stranger = b.net.request(c.id(), question(c.id(), 0), PATIENCE).await;
    assert!(matches!(stranger, Err(RequestError::NotConnected(id)) if id == c.id()));
    for neuron in [a, b, c] {
        timeout(PATIENCE, neuron.net.shutdown()).await.unwrap();
    }
}

#[tokio::test]
async fn both_ends_may_dial_at_once() {
    let chain = Chain::with(&["a", "b"]);
    let (mut a, mut b) = (chain.neuron("a", 1).await, chain.neuron("b", 2).await);
    let (there, back) =
        tokio::join!(a.net.dial(b.axon(AxonProtocol::Tcp), b.id()), b.net.dial(a.axon(AxonProtocol::Tcp), a.id()));
    there.unwrap();
    back.unwrap();
    ask(&a, &mut b).await;
    ask(&b, &mut a).await;
}

#[tokio::test]
async fn an_unregistered_hotkey_is_refused_until_it_registers() {
    let chain = Chain::with(&["a"]);
    let caps = NetCaps { short_ban: Duration::from_millis(1), ..NetCaps::default() };
    let mut a = chain.neuron_with(NetConfig { caps, ..config("a", 1) }).await;
    let b = chain.neuron("b", 2).await;
    let refused = b.net.dial(a.axon(AxonProtocol::Tcp), a.id()).await;
    let refusal = match refused {
        // Whichever side's news comes first.
        Err(DialError::RefusedByPeer { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal, Refusal::NotRegistered);
    let refused = a.until(|event| match event {
        NetEvent::Refused { peer, refusal, .. } => Some((peer, refusal)),
        _ => None,
    });
    assert_eq!(refused.await, (b.net.name(), Refusal::NotRegistered));
    assert_eq!(a.net.peers(), []);
    chain.members.send_modify(|members| {
        Arc::make_mut(members).insert(b.id());
    });
    // The old connection has to be closed and the ban to end first.
    let redial = async {
        let mut tries = interval(Duration::from_millis(100));
        while b.net.dial(a.axon(AxonProtocol::Tcp), a.id()).await.is_err() {
            tries.tick().await;
        }
    };
    timeout(PATIENCE, redial).await.unwrap();
    a.until_proven(b.id()).await;
}

#[tokio::test]
async fn neurons_of_two_subnets_or_chains_do_not_meet() {
    let chain = Chain::with(&["a", "b"]);
    for (network, refusal) in [
        (Network { netuid: 4, ..NETWORK }, Refusal::OtherSubnet),
        (Network { genesis: [8; 32], ..NETWORK }, Refusal::OtherChain),
    ] {
        let a = chain.neuron("a", 1).await;
        let b = chain.neuron_with(NetConfig { network, ..config("b", 2) }).await;
        match a.net.dial(b.axon(AxonProtocol::Quic), b.id()).await {
            Err(DialError::Refused { refusal: found, .. } | DialError::RefusedByPeer { refusal: found, .. }) => {
                assert_eq!(found, refusal);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_false_axon_harms_nobody_but_its_owner() {
    let chain = Chain::with(&["a", "b", "c"]);
    let (a, mut b) = (chain.neuron("a", 1).await, chain.neuron("b", 2).await);
    // C has told the chain that it is reached where in truth B listens. The second time, B is known already.
    for _ in 0..2 {
        let refused = a.net.dial(b.axon(AxonProtocol::Tcp), key("c").account_id()).await;
        assert!(matches!(refused, Err(DialError::Refused { refusal: Refusal::OtherHotkey, .. })), "{refused:?}");
        ask(&a, &mut b).await;
    }
    assert_eq!((a.net.counts().refused, a.net.counts().lost), (0, 0));
}

#[tokio::test]
async fn a_neuron_that_crashed_and_came_back_is_believed_anew() {
    let chain = Chain::with(&["a", "b"]);
    let mut a = chain.neuron("a", 1).await;
    let old = chain.neuron("b", 2).await;
    old.net.dial(a.axon(AxonProtocol::Quic), a.id()).await.unwrap();
    a.until_proven(old.id()).await;
    // The old self still holds its connection when the new one, with the same peer, arrives: to A it is as if the old one had
    // crashed without a word.
    let mut new = chain.neuron("b", 2).await;
    assert_eq!(old.net.name(), new.net.name());
    new.net.dial(a.axon(AxonProtocol::Quic), a.id()).await.unwrap();
    a.until_lost(new.id()).await;
    a.until_proven(new.id()).await;
    ask(&a, &mut new).await;
    ask(&new, &mut a).await;
}

#[tokio::test]
async fn a_neuron_that_restarts_proves_itself_again() {
    let chain = Chain::with(&["a", "b"]);
    let mut a = chain.neuron("a", 1).await;
    for protocol in [AxonProtocol::Tcp, AxonProtocol::Quic] {
        let mut b = chain.neuron("b", 2).await;
        a.net.dial(b.axon(protocol), b.id()).await.unwrap();
        a.until_proven(b.id()).await;
        ask(&a, &mut b).await;
        b.net.shutdown().await;
        a.until_lost(b.id()).await;
        assert!(!a.net.is_connected(&b.id()));
    }
}

#[tokio::test]
async fn a_hotkey_under_a_new_peer_replaces_the_old_one() {
    let chain = Chain::with(&["a", "b"]);
    let mut a = chain.neuron("a", 1).await;
    let mut old = chain.neuron("b", 2).await;
    old.net.dial(a.axon(AxonProtocol::Tcp), a.id()).await.unwrap();
    a.until_proven(old.id()).await;
    chain.block.send_replace(1001);
    let mut new = chain.neuron("b", 3).await;
    new.net.dial(a.axon(AxonProtocol::Tcp), a.id()).await.unwrap();
    a.until_lost(old.id()).await;
    a.until_proven(new.id()).await;
    old.until_lost(a.id()).await;
    ask(&a, &mut new).await;
}

#[tokio::test]
async fn a_tensor_arrives_and_its_receipt_returns() {
    let chain = Chain::with(&["a", "b"]);
    let (a, mut b) = (chain.neuron("a", 1).await, chain.neuron("b", 2).await);
    for protocol in [AxonProtocol::Tcp, AxonProtocol::Quic] {
        if !a.net.is_connected(&b.id()) {
            a.net.dial(b.axon(protocol), b.id()).await.unwrap();
        }
        let body: Bytes = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let (receipt, ()) =
            tokio::join!(a.net.send_tensor(b.id(), 5, b"meta".to_vec(), body.clone(), PATIENCE), async {
                let (from, header, bytes, responder) = b
                    .until(|event| match event {
                        NetEvent::Tensor { from, header, bytes, responder } => Some((from, header, bytes, responder)),
                        _ => None,
                    })
                    .await;
                assert_eq!((from, header.codec, header.meta), (a.id(), 5, b"meta".to_vec()));
                assert_eq!(bytes, body);
                responder.accept(b"receipt".to_vec());
            });
        assert_eq!(receipt.unwrap(), b"receipt");
    }
    let counts = (a.net.counts(), b.net.counts());
    assert_eq!((counts.0.tensors_out, counts.0.tensor_bytes_out), (2, 6_000_000));
    assert_eq!((counts.1.tensors_in, counts.1.tensor_bytes_in), (2, 6_000_000));
}

#[tokio::test]
async fn tensors_that_are_not_wanted_come_back_with_the_reason() {
    let chain = Chain::with(&["a", "b"]);
    let a = chain.neuron("a", 1).await;
    let caps = NetCaps { max_tensor_bytes: 1000, ..NetCaps::default() };
    let mut b = chain.neuron_with(NetConfig { caps, ..config("b", 2) }).await;
    a.net.dial(b.axon(AxonProtocol::Tcp), b.id()).await.unwrap();
    let send = |bytes: usize| a.net.send_tensor(b.id(), 0, Vec::new(), vec![1; bytes].into(), PATIENCE);
    let too_long = send(2_000_000).await;
    assert!(
        matches!(too_long, Err(TensorError::Refused { refusal: TensorRefusal::TooLong { limit_bytes: 1000 }, .. })),
        "{too_long:?}"
    );
    let unwanted = tokio::join!(send(1000), async {
        let responder = b.until(|event| match event {
            NetEvent::Tensor { responder, .. } => Some(responder),
            _ => None,
        });
        responder.await.refuse(42);
    });
    assert!(matches!(unwanted.0, Err(TensorError::Refused { refusal: TensorRefusal::Unwanted(42), .. })));
    let nobody = a.net.send_tensor(key("c").account_id(), 0, Vec::new(), Bytes::new(), PATIENCE).await;
    assert!(matches!(nobody, Err(TensorError::NotConnected(_))));
}

#[tokio::test]
async fn gossip_reaches_everybody_in_its_authors_name() {
    let chain = Chain::with(&["a", "b", "c"]);
    let (a, b, mut c) = (chain.neuron("a", 1).await, chain.neuron("b", 2).await, chain.neuron("c", 3).await);
    // A line: what A says reaches C through B only.
    a.net.dial(b.axon(AxonProtocol::Tcp), b.id()).await.unwrap();
    c.net.dial(b.axon(AxonProtocol::Tcp), b.id()).await.unwrap();
    assert!(matches!(a.net.publish("olds", Vec::new()).await, Err(PublishError::UnknownTopic(_))));
    // Subscriptions travel on their own; until B's is there nobody listens, and until C's is, B has nobody to pass it to.
    let news = async {
        let mut tries = interval(Duration::from_millis(100));
        for edition in 0u8.. {
            tries.tick().await;
            match a.net.publish("news", vec![edition]).await {
                Ok(()) | Err(PublishError::NobodyListens(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let heard = c.until(|event| match event {
        NetEvent::Gossip { author, topic, block, .. } => Some((author, topic, block)),
        _ => None,
    });
    let heard = tokio::select! { heard = heard => heard, () = news => unreachable!("news does not end") };
    assert_eq!(heard, (a.id(), "news".to_owned(), 1000));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let chain = Chain::with(&["a", "b"]);
    let a = chain.neuron("a", 1).await;
    let port = a.axon(AxonProtocol::Tcp).port;
    let taken = NetConfig { listen_port: port, ..config("b", 2) };
    let error = net::start(taken, chain.members.subscribe(), chain.block.subscribe()).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { port: found, .. } if found == port));
    assert!(error.to_string().contains("--axon-port"), "{error}");
}

#[tokio::test]
async fn loopback_is_not_dialed_unless_allowed() {
    let chain = Chain::with(&["a", "b"]);
    let a = chain.neuron_with(NetConfig { allow_loopback: false, ..config("a", 1) }).await;
    let b = chain.neuron("b", 2).await;
    let refused = a.net.dial(b.axon(AxonProtocol::Tcp), b.id()).await;
    assert!(matches!(refused, Err(DialError::Address { .. })));
}

#[tokio::test]
async fn a_blob_comes_in_whole_pieces_or_not_at_all() {
    let chain = Chain::with(&["a", "b"]);
    let (a, mut b) = (chain.neuron("a", 1).await, chain.neuron("b", 2).await);
    a.net.dial(b.axon(AxonProtocol::Tcp), b.id()).await.unwrap();
    let blob: Vec<u8> = (0..MAX_BLOB_PIECE_BYTES + 1000).map(|place| (place % 251) as u8).collect();
    let (hash, giver) = (Hash::of(&blob), b.id());
    for (most_bytes, pieces, is_given) in [(MAX_BLOB_PIECE_BYTES, 2, true), (MAX_BLOB_PIECE_BYTES - 1, 1, false)] {
        let give = async {
            for _ in 0..pieces {
                let (request, responder) = b
                    .until(|event| match event {
                        NetEvent::Request { request, responder, .. } => Some((request, responder)),
                        _ => None,
                    })
                    .await;
                let ControlRequest::GetBlob { offset_bytes, .. } = request else { panic!("{request:?}") };
                let rest = &blob[offset_bytes as usize..];
                let bytes = rest[..rest.len().min(most_bytes)].to_vec();
                responder.respond(ControlResponse::Blob { total_bytes: blob.len() as u64, bytes }).await;
            }
        };
        // One that is not a whole piece is the last that it is asked for.
        let (got, ()) = tokio::join!(fetch::ask(&a.net, &giver, hash, blob.len()), give);
        assert_eq!(got.is_some_and(|got| got == blob), is_given, "{most_bytes} bytes at a time");
    }
}
