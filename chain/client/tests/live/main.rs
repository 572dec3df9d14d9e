//! The client against a real chain, started in this process.

#![expect(clippy::expect_used, reason = "the helpers of tests fail the test that called them")]

mod blocks;
mod outage;
mod submission;
mod subnet;

use std::time::Duration;

use chain::{Call, Client, ConnectConfig, Rao};
use keys::Keypair;
use narrows_node::{DevNode, DevNodeConfig};

/// A chain and a client connected to it.
struct World {
    node: DevNode,
    client: Client,
}

const BLOCK_TIME: Duration = Duration::from_millis(50);
const ENDOWMENT_TAO: u64 = 100_000;

fn key(name: &str) -> Keypair {
    Keypair::from_uri(&format!("//{name}")).expect("a key")
}

/// Root, and the only account with money at first.
fn alice() -> Keypair {
    key("Alice")
}

fn config() -> DevNodeConfig {
    let alice: [u8; 32] = alice().account_id().into();
    let endowed = vec![(alice, ENDOWMENT_TAO * Rao::PER_TAO)];
    let mut config = DevNodeConfig::new(alice, endowed, [5; 32]);
    config.block_time = BLOCK_TIME;
    config.port = Some(0);
    config
}

fn connect_config(node: &DevNode) -> ConnectConfig {
    let mut config = ConnectConfig::new([node.rpc_url()]).expect("an endpoint");
    config.request_timeout = Duration::from_secs(5);
    config
}

impl World {
    async fn new() -> Self {
        let node = DevNode::start(config()).await.expect("the chain starts");
        let client = Client::connect(connect_config(&node)).await.expect("connects");
        Self { node, client }
    }

    async fn endow(&self, account: &Keypair, tao: u64) {
        let call = Call::transfer_keep_alive(account.account_id(), Rao::from_tao(tao));
        self.client.submit(&alice(), &call).await.expect("a transfer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_knows_its_chain() {
    let world = World::new().await;
    assert_eq!(world.client.genesis_hash().0, world.node.genesis_hash());
    let shape = world.client.shape().await.expect("a shape");
    assert!(shape.has_call("Balances", "transfer_keep_alive") && shape.has_storage("System", "Account"));
    assert!(!shape.has_call("Crowdloan", "contribute") && !shape.has_pallet("Crowdloan"));
    assert!(shape.has_constant("Aura", "SlotDuration") && shape.has_runtime_api("AccountNonceApi", "account_nonce"));
    let expected = ["dest".to_owned(), "value".to_owned()];
    assert_eq!(shape.call_arguments("Balances", "transfer_keep_alive").as_deref(), Some(&expected[..]));

    let state = world.client.latest().await.expect("a snapshot");
    assert_eq!(state.number_constant("Aura", "SlotDuration").expect("a constant"), BLOCK_TIME.as_millis());
    assert_eq!(state.balance(alice().account_id()).await.expect("a balance"), Rao::from_tao(ENDOWMENT_TAO));
    assert_eq!(state.balance(key("Nobody").account_id()).await.expect("a balance"), Rao(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_than_the_one_expected_is_refused() {
    let node = DevNode::start(config()).await.expect("the chain starts");
    let mut config = connect_config(&node);
    config.expected_genesis = Some(chain::BlockHash([9; 32]));
    let error = Client::connect(config).await.expect_err("another chain");
    assert!(matches!(error, chain::ChainError::DifferentChain { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_is_passed_over() {
    let node = DevNode::start(config()).await.expect("the chain starts");
    let unused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let dead = format!("ws://127.0.0.1:{unused}");
    let client = Client::connect(ConnectConfig::new([dead.clone(), node.rpc_url()]).expect("endpoints")).await;
    assert_eq!(client.expect("connects").genesis_hash().0, node.genesis_hash());

    let mut hopeless = ConnectConfig::new([dead.clone()]).expect("an endpoint");
    hopeless.give_up_after = Duration::from_millis(300);
    let error = Client::connect(hopeless).await.expect_err("nobody is there").to_string();
    assert!(error.contains(&dead) && error.contains("start the node"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_of_the_chains_beacon_verify() {
    let world = World::new().await;
    let mut blocks = world.client.blocks_from(chain::BlockNumber(1));
    let block = blocks.next().await.expect("a block");
    let state = world.client.at(block.hash).await.expect("its state");
    let beacon = state.beacon_config().await.expect("a beacon");
    assert_eq!(u128::from(beacon.period_ms), BLOCK_TIME.as_millis());
    let round = beacon.round_at(state.timestamp_ms().await.expect("its time")).expect("a round has begun");
    let stored = state.stored_rounds().await.expect("rounds").expect("some");
    assert_eq!(*stored.end(), round, "a block holds the round of its time, and none beyond");
    let pulse = state.pulse(round).await.expect("a read").expect("a pulse");
    assert_eq!(beacon.verify(&pulse), Ok(pulse.randomness));
    let forged = chain::Pulse { round: round + 1, ..pulse };
    assert!(beacon.verify(&forged).is_err());
    assert_eq!(state.pulse(round + 1).await.expect("a read"), None);
}
