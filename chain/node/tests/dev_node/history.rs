//! A chain that keeps a few blocks: what it holds does not grow, and what it forgot is not an accident.

use std::collections::BTreeMap;
use std::path::Path;

use codec::Decode;
use jsonrpsee_core::rpc_params;
use narrows_node::{DevNode, DevNodeConfig};
use sp_keyring::Sr25519Keyring::{Alice, Charlie};

use crate::TAO;
use crate::client::{Client, to_hex};
use crate::developer::{manual, pay_charlie};

const KEPT_BLOCKS: u32 = 64;

/// More than are kept, and than the headers that outlive them.
const BLOCKS: u32 = 400;

/// The node's words for a state that is gone, by which clients know it.
const SAID_OF_FORGOTTEN: [&str; 2] = ["State already discarded", "Header was not found"];

/// What a dump begins with.
const MAGIC: &[u8] = b"narrows chain 1\n";

/// The column of the state's nodes. The state has windows that fill for thousands of blocks: hashes, and pulses.
const STATE: u32 = 1;

fn forgetful() -> DevNodeConfig {
    DevNodeConfig { kept_blocks: Some(KEPT_BLOCKS), ..manual() }
}

/// How many entries each column of a dumped chain has.
fn entries(dump: &Path) -> BTreeMap<u32, usize> {
    let bytes = std::fs::read(dump).expect("reads");
    let contents = bytes.strip_prefix(MAGIC).expect("a dump");
    let all = Vec::<(u32, Vec<u8>, u32, Vec<u8>)>::decode(&mut &contents[..]).expect("decodes");
    let mut entries = BTreeMap::new();
    for (column, ..) in all {
        *entries.entry(column).or_default() += 1;
    }
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_blocks_leave_no_more_entries_than_few() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("here.chain");
    for state_dir in [None, Some(dir.path().join("state"))] {
        let config = DevNodeConfig { state_dir, ..forgetful() };
        let node = DevNode::start(config.clone()).await.expect("starts");
        let mut looks = Vec::new();
        for _ in 0..2 {
            node.control().advance(BLOCKS).await.expect("advances");
            node.control().dump(path.clone()).await.expect("writes");
            let mut entries = entries(&path);
            assert!(entries.remove(&STATE).expect("a state") > 100);
            assert!(entries.len() >= 4, "headers, bodies and the ways to them: {entries:?}");
            looks.push(entries);
        }
        assert_eq!(looks[0], looks[1], "after {BLOCKS} blocks, and after twice as many");
        let tip = node.tip();
        node.shutdown().await.expect("stops");
        if config.state_dir.is_some() {
            let node = DevNode::start(config).await.expect("goes on without what it forgot");
            assert_eq!(node.tip(), tip);
            node.control().advance(BLOCKS).await.expect("advances");
            node.shutdown().await.expect("stops");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_chain_forgot_is_answered_with_nothing_or_an_error() {
    let node = DevNode::start(forgetful()).await.expect("starts");
    let client = Client::connect(&node).await;
    let old = to_hex(&node.control().advance(1).await.expect("advances").hash);
    assert_eq!(client.block_hash(1).await, old);
    node.control().advance(BLOCKS).await.expect("advances");

    assert!(client.call("chain_getBlockHash", rpc_params![1]).await.is_null());
    for method in ["chain_getHeader", "chain_getBlock"] {
        assert!(client.call(method, rpc_params![&old]).await.is_null(), "{method}");
    }
    for method in ["state_getRuntimeVersion", "state_getMetadata"] {
        let error = client.try_call(method, rpc_params![&old]).await.expect_err("it is gone").to_string();
        assert!(SAID_OF_FORGOTTEN.iter().any(|said| error.contains(said)), "{method}: {error}");
    }
    assert_eq!(client.block_hash(0).await, to_hex(&node.genesis_hash()), "what names the chain stays");

    client.submit(&client.sign(Alice, 0, pay_charlie(1))).await.expect("the pool takes it");
    node.control().advance(1).await.expect("the chain goes on");
    assert_eq!(client.free(Charlie).await, TAO);
    node.shutdown().await.expect("stops");
}
