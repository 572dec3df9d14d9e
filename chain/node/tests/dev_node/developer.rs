//! A developer's powers: advancing, epochs, snapshots, dumps, and when blocks are sealed.

use jsonrpsee_core::rpc_params;
use narrows_node::{
    ControlError, DevNode, DevNodeConfig, DumpError, MAX_ADVANCE_BLOCKS, Sealing, SnapshotId, StartError,
};
use narrows_runtime::{Runtime, RuntimeCall};
use pallet_subtensor::{NetUid, SubnetEpochIndex};
use serde_json::json;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};

use crate::client::{Client, to_hex};
use crate::{TAO, config, reach, within};

/// A chain that seals on demand only.
pub(crate) fn manual() -> DevNodeConfig {
    let mut config = config();
    config.sealing = Sealing::Manual;
    config.dev_methods = true;
    config
}

pub(crate) fn pay_charlie(tao: u64) -> RuntimeCall {
    pallet_balances::Call::transfer_keep_alive { dest: Charlie.to_account_id().into(), value: tao * TAO }.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_come_on_demand() {
    let node = DevNode::start(manual()).await.expect("starts");
    let client = Client::connect(&node).await;
    client.submit(&client.sign(Alice, 0, pay_charlie(1))).await.expect("the pool takes it");
    let tip = node.control().advance(5).await.expect("advances");
    assert_eq!((tip.number, tip), (5, node.tip()));
    assert_eq!(client.free(Charlie).await, TAO);
    assert_eq!(node.control().advance(0).await.expect("nothing to do"), tip);
    let error = node.control().advance(MAX_ADVANCE_BLOCKS + 1).await.expect_err("too many");
    assert!(matches!(error, ControlError::TooManyBlocks { blocks } if blocks == MAX_ADVANCE_BLOCKS + 1), "{error}");
    // Other paces are left alone by it, and go on from there.
    node.control().set_sealing(Sealing::Interval).await.expect("changes");
    reach(&node, 7).await;
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_seals_its_own_block() {
    let mut config = manual();
    config.sealing = Sealing::Instant;
    let node = DevNode::start(config).await.expect("starts");
    let client = Client::connect(&node).await;
    for nonce in 0..5 {
        client.land(&client.sign(Alice, nonce, pay_charlie(1))).await;
    }
    assert_eq!(client.free(Charlie).await, 5 * TAO);
    assert!(node.tip().number >= 5);

    // What came while nothing was sealed is sealed when something is again.
    node.control().pause().await.expect("pauses");
    client.submit(&client.sign(Alice, 5, pay_charlie(1))).await.expect("the pool takes it");
    let stood_at = node.tip().number;
    node.control().resume().await.expect("resumes");
    reach(&node, stood_at + 1).await;
    assert_eq!(client.free(Charlie).await, 6 * TAO);
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_epoch_is_one_command_away() {
    let node = DevNode::start(manual()).await.expect("starts");
    let client = Client::connect(&node).await;
    for netuid in [7, u16::MAX] {
        let error = node.control().advance_to_epoch(netuid).await.expect_err("there is no such subnet");
        assert!(matches!(error, ControlError::NoEpochs { netuid: named } if named == netuid), "{error}");
    }
    let create = pallet_subtensor::Call::register_network { hotkey: Bob.to_account_id() };
    client.submit(&client.sign(Alice, 0, create)).await.expect("the pool takes it");
    node.control().advance(1).await.expect("advances");

    let index = async || -> u64 {
        let key = SubnetEpochIndex::<Runtime>::hashed_key_for(NetUid(1));
        client.storage(key, None).await.unwrap_or_default()
    };
    let (epoch, block) = (index().await, node.tip().number);
    let first = node.control().advance_to_epoch(1).await.expect("an epoch");
    assert_eq!(index().await, epoch + 1);
    assert!(first.number > block);
    let second = node.control().advance_to_epoch(1).await.expect("another");
    assert_eq!(index().await, epoch + 2);
    assert_eq!(second.number - first.number, 360, "a tempo later");
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_come_back_to() {
    let node = DevNode::start(manual()).await.expect("starts");
    let client = Client::connect(&node).await;
    let none = node.control().revert(SnapshotId(0)).await.expect_err("none was taken");
    assert!(none.to_string().ends_with("none was taken"), "{none}");

    client.submit(&client.sign(Alice, 0, pay_charlie(1))).await.expect("the pool takes it");
    let before = node.control().advance(3).await.expect("advances");
    let snapshot = node.control().snapshot().await.expect("taken");
    for round in 1..=3 {
        // The same nonce each time: the chain has forgotten the round before.
        client.submit(&client.sign(Alice, 1, pay_charlie(round))).await.expect("the pool takes it");
        node.control().advance(4).await.expect("advances");
        assert_eq!(client.free(Charlie).await, (1 + round) * TAO);
        let later = node.control().snapshot().await.expect("taken");
        // This one waits in the pool for a nonce that a revert undoes.
        client.submit(&client.sign(Alice, 2, pay_charlie(50))).await.expect("the pool takes it");

        assert_eq!(node.control().revert(snapshot).await.expect("goes back"), before);
        assert_eq!(node.tip(), before);
        assert_eq!(client.free(Charlie).await, TAO);
        let head = client.call("chain_getFinalizedHead", rpc_params![]).await;
        assert_eq!(head, to_hex(&before.hash), "the final block is the snapshot's");
        let gone = client.call("chain_getBlockHash", rpc_params![before.number + 1]).await;
        assert!(gone.is_null(), "{gone}");
        let error = node.control().revert(later).await.expect_err("it was later");
        assert!(matches!(error, ControlError::NoSnapshot { id: 1, count: 1 }), "{error}");
    }
    // Clients see blocks again, and transactions land.
    node.control().set_sealing(Sealing::Interval).await.expect("changes");
    client.land(&client.sign(Alice, 1, pay_charlie(9))).await;
    assert_eq!(client.free(Charlie).await, 10 * TAO);
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_drops_states_cannot_go_back() {
    let mut config = manual();
    config.kept_blocks = Some(8);
    let node = DevNode::start(config).await.expect("starts");
    assert!(matches!(node.control().snapshot().await, Err(ControlError::Pruned)));
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_goes_on_in_another_node() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("here.chain");
    let node = DevNode::start(manual()).await.expect("starts");
    let client = Client::connect(&node).await;
    client.submit(&client.sign(Alice, 0, pay_charlie(3))).await.expect("the pool takes it");
    let tip = node.control().advance(10).await.expect("advances");
    let second = client.block_hash(2).await;
    assert_eq!(node.control().dump(path.clone()).await.expect("written"), tip);
    let error = node.control().dump(dir.path().join("missing/x")).await.expect_err("no such folder");
    assert!(matches!(error, ControlError::Dump(DumpError::Write { .. })), "{error}");
    // What the first chain does from here on is not in the dump.
    node.control().advance(1).await.expect("advances");
    node.shutdown().await.expect("stops");

    let loading = DevNodeConfig { load: Some(path.clone()), ..manual() };
    let node = DevNode::start(loading.clone()).await.expect("starts from the dump");
    let client = Client::connect(&node).await;
    assert_eq!(node.tip(), tip);
    assert_eq!(client.block_hash(2).await, second, "history included");
    assert_eq!(client.free(Charlie).await, 3 * TAO);
    client.submit(&client.sign(Alice, 1, pay_charlie(1))).await.expect("the pool takes it");
    assert_eq!(node.control().advance(2).await.expect("advances").number, tip.number + 2);
    assert_eq!(client.free(Charlie).await, 4 * TAO);
    node.shutdown().await.expect("stops");

    let mut other = loading.clone();
    other.endowed.push((Charlie.to_raw_public(), TAO));
    let error = DevNode::start(other).await.err().expect("another genesis");
    assert!(matches!(error, StartError::OtherGenesis { .. }), "{error}");
    let whole = std::fs::read(&path).expect("reads");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("writes");
    let error = DevNode::start(loading).await.err().expect("truncated");
    assert!(matches!(error, StartError::Load(DumpError::Malformed { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_on_disk_goes_back_and_goes_on_in_memory() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("here.chain");
    let node = DevNode::start(DevNodeConfig { state_dir: Some(dir.path().into()), ..manual() }).await.expect("starts");
    let snapshot = node.control().snapshot().await.expect("taken");
    node.control().advance(3).await.expect("advances");
    assert_eq!(node.control().revert(snapshot).await.expect("goes back").number, 0);
    node.control().advance(2).await.expect("advances");
    let dumped = node.control().dump(path.clone()).await.expect("writes");
    node.shutdown().await.expect("stops");
    let node = DevNode::start(DevNodeConfig { load: Some(path), ..manual() }).await.expect("loads");
    assert_eq!(node.tip(), dumped);
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_have_these_powers_where_the_node_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let node = DevNode::start(DevNodeConfig { dumps_dir: Some(dir.path().into()), ..manual() }).await.expect("starts");
    let client = Client::connect(&node).await;
    let number = |tip: serde_json::Value| tip["number"].as_u64().expect("a height");
    assert_eq!(number(client.call("dev_advance", rpc_params![3]).await), 3);
    assert_eq!(client.call("dev_snapshot", rpc_params![]).await, json!(0));
    assert_eq!(number(client.call("dev_advance", rpc_params![3]).await), 6);
    assert_eq!(number(client.call("dev_dump", rpc_params!["six"]).await), 6);
    assert!(dir.path().join("six.chain").exists());
    let tip = client.call("dev_revert", rpc_params![0]).await;
    assert_eq!(tip, json!({ "number": 3, "hash": client.block_hash(3).await }));
    client.call("dev_setBlockTime", rpc_params![10]).await;
    client.call("dev_setSealing", rpc_params!["interval"]).await;
    reach(&node, 5).await;
    client.call("dev_pause", rpc_params![]).await;
    assert!(node.control().is_paused());
    client.call("dev_resume", rpc_params![]).await;

    for (method, params, said) in [
        ("dev_advance", rpc_params!["three"], "invalid type"),
        ("dev_advance", rpc_params![u32::MAX], "more than one command may ask for"),
        ("dev_advanceToEpoch", rpc_params![9], "subnet 9 has no epochs"),
        ("dev_revert", rpc_params![5], "there is no snapshot 5; there is 0"),
        ("dev_setBlockTime", rpc_params![0], "not a whole number of milliseconds"),
        ("dev_setSealing", rpc_params!["sometimes"], "or manual, not"),
        ("dev_dump", rpc_params!["../x"], "a dump's name"),
    ] {
        let error = client.try_call(method, params).await.expect_err(said).to_string();
        assert!(error.contains(said), "{method}: {error}");
    }
    node.shutdown().await.expect("stops");

    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    let error = client.try_call("dev_advance", rpc_params![1]).await.expect_err("not offered").to_string();
    assert!(error.contains("Method not found"), "{error}");
    within(node.shutdown()).await.expect("stops");
}
