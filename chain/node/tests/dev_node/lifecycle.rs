//! Starting, what a fresh chain answers, restarting, ending.

use jsonrpsee_core::rpc_params;
use narrows_node::{DEFAULT_PORT, DevNode, StartError};
use narrows_runtime::Runtime;
use serde_json::json;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};

use crate::client::{Client, from_hex, to_hex};
use crate::{TAO, config, reach, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_starts_and_its_blocks_are_final_and_on_time() {
    let config = config();
    let node = DevNode::start(config.clone()).await.expect("starts");
    let client = Client::connect(&node).await;
    let mut heads = client.heads().await;
    let mut last = 0;
    while last < 3 {
        let head = within(heads.next()).await.expect("blocks come").expect("well formed");
        let number = head["number"].as_str().expect("a number").trim_start_matches("0x").to_owned();
        last = u32::from_str_radix(&number, 16).expect("hexadecimal");
    }
    let final_head = client.call("chain_getFinalizedHead", rpc_params![]).await;
    let final_number = client.call("chain_getHeader", rpc_params![final_head]).await["number"].clone();
    assert!(u32::from_str_radix(final_number.as_str().expect("hex").trim_start_matches("0x"), 16).expect("hex") >= 3);

    for number in 1..=3 {
        let block = client.block_hash(number).await;
        let now: u64 = client
            .storage(pallet_timestamp::Now::<Runtime>::hashed_key(), Some(&block))
            .await
            .expect("a block has a time");
        let elapsed = u64::from(number) * config.block_time.as_millis() as u64;
        assert_eq!(now, u64::from(config.genesis_time_secs) * 1_000 + elapsed);
    }
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_find_what_they_look_for() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;

    let properties = client.call("system_properties", rpc_params![]).await;
    assert_eq!(properties, json!({ "ss58Format": 42, "tokenDecimals": 9, "tokenSymbol": "TAO" }));
    assert_eq!(client.call("system_health", rpc_params![]).await["isSyncing"], false);
    assert_eq!(client.call("state_getRuntimeVersion", rpc_params![]).await["specName"], "narrows");

    let methods = client.call("rpc_methods", rpc_params![]).await["methods"].clone();
    let methods: Vec<_> = methods.as_array().expect("a list").iter().filter_map(|name| name.as_str()).collect();
    for wanted in [
        "account_nextIndex",
        "author_submitAndWatchExtrinsic",
        "author_submitExtrinsic",
        "chain_getBlock",
        "chain_subscribeFinalizedHeads",
        "chainHead_v1_follow",
        "archive_v1_storage",
        "state_call",
        "state_getKeysPaged",
        "state_getMetadata",
        "state_queryStorageAt",
        "system_chain",
        "transaction_v1_broadcast",
    ] {
        assert!(methods.contains(&wanted), "{wanted} is not among {methods:?}");
    }

    // Metadata 15, with the block time of this chain as the constant that clients read.
    let metadata = client.call("state_call", rpc_params!["Metadata_metadata_at_version", "0x0f000000"]).await;
    let metadata = from_hex(metadata.as_str().expect("bytes"));
    let slot_duration = [b"\x30SlotDuration".as_slice()].concat();
    let at = metadata.windows(slot_duration.len()).position(|window| window == slot_duration).expect("is there");
    // name, type id (one or two bytes), length 8, value
    assert!(metadata[at + slot_duration.len()..][..12].windows(9).any(|bytes| bytes == [32, 25, 0, 0, 0, 0, 0, 0, 0]));

    let info = client.call("state_call", rpc_params!["TransactionPaymentApi_query_length_to_fee", "0x0a000000"]).await;
    assert_eq!(info, "0x0a00000000000000");
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_chain_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut config = config();
    config.state_dir = Some(dir.path().to_owned());

    let node = DevNode::start(config.clone()).await.expect("starts");
    let genesis = node.genesis_hash();
    let client = Client::connect(&node).await;
    let pay = pallet_balances::Call::transfer_keep_alive { dest: Charlie.to_account_id().into(), value: 5 * TAO };
    client.land(&client.sign(Alice, 0, pay)).await;
    reach(&node, 3).await;
    let error = DevNode::start(config.clone()).await.err().expect("one node at a time");
    assert!(matches!(error, StartError::File { .. }) && error.to_string().contains("already open"), "{error}");
    let second = client.block_hash(2).await;
    drop(client);
    node.control().pause().await.expect("runs");
    let stopped_at = node.tip();
    node.shutdown().await.expect("stops");

    let node = DevNode::start(config.clone()).await.expect("starts again");
    assert_eq!(node.genesis_hash(), genesis);
    assert_eq!(
        Client::connect(&node).await.block_hash(stopped_at.number).await,
        to_hex(&stopped_at.hash),
        "not a block is lost"
    );
    let client = Client::connect(&node).await;
    assert_eq!(client.block_hash(2).await, second);
    assert_eq!(client.free(Charlie).await, 5 * TAO);
    reach(&node, stopped_at.number + 3).await;
    drop(client);
    node.shutdown().await.expect("stops again");

    let mut other = config.clone();
    other.endowed.push((Charlie.to_raw_public(), TAO));
    let error = DevNode::start(other).await.err().expect("another genesis");
    assert!(matches!(error, StartError::OtherGenesis { found, .. } if found.0 == genesis), "{error}");

    let file = dir.path().join("chain.redb");
    let whole = std::fs::read(&file).expect("reads");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("writes");
    let error = DevNode::start(config.clone()).await.err().expect("half a file");
    assert!(matches!(error, StartError::File { .. }), "{error}");

    std::fs::create_dir(dir.path().join("paritydb")).expect("makes");
    let error = DevNode::start(config).await.err().expect("of an earlier version");
    assert!(matches!(error, StartError::OldChain { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_said_and_a_freed_one_is_free() {
    let first = DevNode::start(config()).await.expect("starts");
    let mut second = config();
    second.port = Some(first.port());
    let error = DevNode::start(second.clone()).await.err().expect("the port is taken");
    assert!(matches!(error, StartError::PortTaken { port } if port == first.port()), "{error}");

    first.shutdown().await.expect("stops");
    let second = DevNode::start(second).await.expect("the port is free again");
    second.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_pinned_port_the_next_free_one_is_taken() {
    let mut config = config();
    config.port = None;
    let one = DevNode::start(config.clone()).await.expect("starts");
    let two = DevNode::start(config).await.expect("starts beside it");
    assert!(one.port() >= DEFAULT_PORT);
    assert!(two.port() > one.port());
    one.shutdown().await.expect("stops");
    two.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_chains_in_one_process_keep_to_themselves() {
    let one = DevNode::start(config()).await.expect("starts");
    let two = DevNode::start(config()).await.expect("starts");
    let (client, other) = (Client::connect(&one).await, Client::connect(&two).await);
    let pay = pallet_balances::Call::transfer_keep_alive { dest: Bob.to_account_id().into(), value: TAO };
    client.land(&client.sign(Alice, 0, pay)).await;
    assert_eq!(client.free(Bob).await, 11 * TAO);
    assert_eq!(other.free(Bob).await, 10 * TAO);
    one.shutdown().await.expect("stops");
    let seen = two.tip().number;
    reach(&two, seen + 2).await;
    two.shutdown().await.expect("stops");
}
