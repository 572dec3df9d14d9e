//! A chain that stands still, and one that goes away and comes back.

use std::time::Duration;

use chain::{Call, Client, ConnectConfig, Rao};
use narrows_node::{DevNode, DevNodeConfig};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::blocks::assert_unbroken;
use crate::{World, alice, config, key};

/// Far beyond the longest pause between two tries to connect.
const OUTAGE: Duration = Duration::from_secs(60);

fn kept_in(dir: &tempfile::TempDir, port: u16) -> DevNodeConfig {
    let mut config = config();
    config.state_dir = Some(dir.path().to_owned());
    config.port = Some(port);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_stands_still_is_waited_for() {
    let world = World::new().await;
    let mut blocks = world.client.blocks().await.expect("a stream");
    let mut seen = vec![blocks.next().await.expect("a block")];
    world.node.control().pause().await.expect("runs");
    let bob = key("Bob").account_id();
    let submission = {
        let client = world.client.clone();
        tokio::spawn(async move { client.submit(&alice(), &Call::transfer_keep_alive(bob, Rao::from_tao(1))).await })
    };
    let state = world.client.latest().await.expect("reads go on");
    assert!(!submission.is_finished());
    world.node.control().resume().await.expect("runs");
    let done = submission.await.expect("no panic").expect("a transfer");
    assert!(done.number > state.number());
    while seen.last().is_some_and(|block| block.number < done.number) {
        seen.push(blocks.next().await.expect("a block"));
    }
    assert_unbroken(&seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_for_a_minute_is_found_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let node = DevNode::start(kept_in(&dir, 0)).await.expect("the chain starts");
    let port = node.port();
    let client = Client::connect(ConnectConfig::new([node.rpc_url()]).expect("an endpoint")).await.expect("connects");
    let mut blocks = client.blocks().await.expect("a stream");
    let mut seen = vec![blocks.next().await.expect("a block")];

    node.shutdown().await.expect("stops");
    // Both begin during the outage and must get through it.
    let bob = key("Bob").account_id();
    let submission = {
        let client = client.clone();
        tokio::spawn(async move { client.submit(&alice(), &Call::transfer_keep_alive(bob, Rao::from_tao(3))).await })
    };
    let reader = tokio::spawn(async move {
        while seen.len() < 30 {
            seen.push(blocks.next().await.expect("a block"));
        }
        seen
    });
    tokio::time::sleep(OUTAGE).await;
    assert!(!submission.is_finished() && !reader.is_finished());

    let node = DevNode::start(kept_in(&dir, port)).await.expect("the chain goes on");
    submission.await.expect("no panic").expect("a transfer");
    assert_unbroken(&reader.await.expect("no panic"));
    let state = client.latest().await.expect("a snapshot");
    assert_eq!(state.balance(bob).await.expect("a balance"), Rao::from_tao(3), "exactly once");
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extrinsic_lost_with_the_nodes_pool_is_submitted_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let node = DevNode::start(kept_in(&dir, 0)).await.expect("the chain starts");
    let port = node.port();
    let client = Client::connect(ConnectConfig::new([node.rpc_url()]).expect("an endpoint")).await.expect("connects");
    // A warm client, so that the submissions below reach the pool of a chain that makes no blocks.
    client.latest().await.expect("a snapshot");
    node.control().pause().await.expect("runs");
    let submissions: Vec<_> = (0..5)
        .map(|index| {
            let (client, to) = (client.clone(), key(&format!("Lost{index}")).account_id());
            tokio::spawn(async move { client.submit(&alice(), &Call::transfer_keep_alive(to, Rao::from_tao(1))).await })
        })
        .collect();
    // The node counts what waits in its pool: five extrinsics are there when the next nonce has moved by five.
    while node_next_nonce(&node).await < 5 {
        tokio::task::yield_now().await;
    }
    node.shutdown().await.expect("stops");
    let node = DevNode::start(kept_in(&dir, port)).await.expect("the chain goes on, with an empty pool");
    for submission in submissions {
        submission.await.expect("no panic").expect("a transfer");
    }
    let state = client.latest().await.expect("a snapshot");
    for index in 0..5 {
        let to = key(&format!("Lost{index}")).account_id();
        assert_eq!(state.balance(to).await.expect("a balance"), Rao::from_tao(1), "exactly once");
    }
    node.shutdown().await.expect("stops");
}

/// Alice's next nonce with what waits in the pool, asked over HTTP as any tool would.
async fn node_next_nonce(node: &DevNode) -> u64 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"system_accountNextIndex","params":["{}"]}}"#,
        alice().account_id()
    );
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", node.port())).await.expect("connects");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    let json: serde_json::Value =
        serde_json::from_str(answer.rsplit("\r\n\r\n").next().expect("a body")).expect("JSON");
    json["result"].as_u64().expect("a number")
}

/// What stands between a client and its node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Road {
    Open,
    /// Connections stay up and carry nothing: a machine that hangs.
    Frozen,
    /// Connections are cut and refused: a machine that is gone.
    Closed,
}

/// An endpoint that forwards to a node, as long as the road is open.
async fn road_to(node: &DevNode) -> (String, watch::Sender<Road>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    let (road, state) = watch::channel(Road::Open);
    let port = node.port();
    tokio::spawn(async move {
        loop {
            let mut closed = state.clone();
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closed.wait_for(|road| *road == Road::Closed) => return,
            };
            let (mut client, _) = accepted.expect("a connection");
            let mut state = state.clone();
            tokio::spawn(async move {
                let mut node = TcpStream::connect(("127.0.0.1", port)).await.expect("the node is up");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut node) => {}
                    _ = state.wait_for(|road| *road != Road::Open) => {}
                }
                // Both sockets stay open while this waits.
                let _ = state.wait_for(|road| *road == Road::Closed).await;
            });
        }
    });
    (url, road)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_endpoint_takes_over_when_one_hangs_or_goes() {
    let node = DevNode::start(config()).await.expect("the chain starts");
    let (first, first_road) = road_to(&node).await;
    let (second, second_road) = road_to(&node).await;
    let mut config = ConnectConfig::new([first, second, node.rpc_url()]).expect("endpoints");
    config.request_timeout = Duration::from_millis(500);
    config.dial_timeout = Duration::from_millis(500);
    let client = Client::connect(config).await.expect("connects");
    let mut blocks = client.blocks().await.expect("a stream");
    let mut seen = vec![blocks.next().await.expect("a block")];
    let to = |name: &str| Call::transfer_keep_alive(key(name).account_id(), Rao::from_tao(1));

    for (cut, how, name) in [(&first_road, Road::Frozen, "Bob"), (&second_road, Road::Closed, "Carol")] {
        cut.send(how).expect("the road exists");
        client.submit(&alice(), &to(name)).await.expect("a transfer over the next endpoint");
        for _ in 0..10 {
            seen.push(blocks.next().await.expect("a block"));
        }
    }
    assert_unbroken(&seen);
    let state = client.latest().await.expect("a snapshot");
    for name in ["Bob", "Carol"] {
        assert_eq!(state.balance(key(name).account_id()).await.expect("a balance"), Rao::from_tao(1), "exactly once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extrinsic_whose_answer_was_lost_takes_effect_once() {
    let node = DevNode::start(config()).await.expect("the chain starts");
    let (first, road) = road_to(&node).await;
    let mut config = ConnectConfig::new([first, node.rpc_url()]).expect("endpoints");
    config.request_timeout = Duration::from_millis(500);
    config.dial_timeout = Duration::from_millis(500);
    let client = Client::connect(config).await.expect("connects");
    // The pool takes it and no block does; then nobody hears what becomes of it.
    node.control().pause().await.expect("runs");
    let bob = key("Bob").account_id();
    let submission = {
        let client = client.clone();
        tokio::spawn(async move { client.submit(&alice(), &Call::transfer_keep_alive(bob, Rao::from_tao(1))).await })
    };
    while node_next_nonce(&node).await < 1 {
        tokio::task::yield_now().await;
    }
    road.send(Road::Frozen).expect("the road exists");
    node.control().resume().await.expect("runs");
    let done = submission.await.expect("no panic").expect("a transfer");
    let state = client.at(done.block).await.expect("the block");
    assert_eq!(state.balance(bob).await.expect("a balance"), Rao::from_tao(1));
    client.submit(&alice(), &Call::transfer_keep_alive(bob, Rao::from_tao(1))).await.expect("the next one");
    let state = client.latest().await.expect("a snapshot");
    assert_eq!(state.balance(bob).await.expect("a balance"), Rao::from_tao(2), "each exactly once");
}

/// More blocks than an extrinsic may wait for.
const LIFETIME_BLOCKS: u32 = 130;

#[tokio::test(flavor = "multi_thread")]
async fn an_extrinsic_whose_time_ran_out_is_signed_anew() {
    let node = DevNode::start(config()).await.expect("the chain starts");
    let (first, first_road) = road_to(&node).await;
    let (second, second_road) = road_to(&node).await;
    second_road.send(Road::Frozen).expect("the road exists");
    let mut config = ConnectConfig::new([first, second]).expect("endpoints");
    config.request_timeout = Duration::from_millis(500);
    config.dial_timeout = Duration::from_millis(500);
    let client = Client::connect(config).await.expect("connects");
    node.control().pause().await.expect("runs");
    let snapshot = node.control().snapshot().await.expect("taken");
    let bob = key("Bob").account_id();
    let submission = {
        let client = client.clone();
        tokio::spawn(async move { client.submit(&alice(), &Call::transfer_keep_alive(bob, Rao::from_tao(1))).await })
    };
    while node_next_nonce(&node).await < 1 {
        tokio::task::yield_now().await;
    }
    // Nobody hears how the pool loses it, nor of the blocks that it could have been in.
    first_road.send(Road::Frozen).expect("the road exists");
    node.control().revert(snapshot).await.expect("goes back to where it is");
    assert_eq!(node_next_nonce(&node).await, 0, "the pool is empty");
    let tip = node.control().advance(LIFETIME_BLOCKS).await.expect("advances");
    assert!(!submission.is_finished());
    second_road.send(Road::Open).expect("the road exists");
    node.control().resume().await.expect("runs");
    let done = submission.await.expect("no panic").expect("a transfer");
    assert!(done.number.0 > u64::from(tip.number), "the first signature was good for no block after {}", tip.number);
    let state = client.at(done.block).await.expect("the block");
    assert_eq!(state.balance(bob).await.expect("a balance"), Rao::from_tao(1), "exactly once");
}
