//! Pausing, resuming and changing the pace.

use std::time::Duration;

use jsonrpsee_core::rpc_params;
use narrows_node::{BlockTimeError, ControlError, DevNode};
use narrows_runtime::Runtime;
use pallet_drand::LastStoredRound;

use crate::client::{Client, to_hex};
use crate::{config, reach};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_chain_answers_and_goes_on() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    reach(&node, 1).await;
    node.control().pause().await.expect("runs");
    assert!(node.control().is_paused());
    let stood_at = node.tip();
    // The endpoint answers, and however long one asks, there is no other block.
    for _ in 0..200 {
        let head = client.call("chain_getBlockHash", rpc_params![]).await;
        assert_eq!(head, to_hex(&stood_at.hash));
    }
    assert_eq!(node.tip(), stood_at);

    node.control().resume().await.expect("runs");
    reach(&node, stood_at.number + 2).await;
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slower_chain_keeps_its_rounds() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    reach(&node, 1).await;
    node.control().pause().await.expect("runs");
    // Four rounds of 25 ms in each block from here on.
    node.control().set_block_time(Duration::from_millis(100)).await.expect("within bounds");
    node.control().resume().await.expect("runs");
    let before = node.tip().number;
    reach(&node, before + 3).await;

    let last_round = async |number: u32| -> u64 {
        let hash = client.block_hash(number).await;
        client.storage(LastStoredRound::<Runtime>::hashed_key(), Some(&hash)).await.expect("pulses")
    };
    let tip = before + 3;
    assert_eq!(last_round(tip).await - last_round(tip - 1).await, 4);

    let error = node.control().set_block_time(Duration::from_secs(300)).await.expect_err("12,000 rounds do not fit");
    assert!(
        matches!(error, ControlError::BlockTime(BlockTimeError::TooManyRounds { round_millis: 25, .. })),
        "{error}"
    );
    let error = node.control().set_block_time(Duration::ZERO).await.expect_err("no pace");
    assert!(matches!(error, ControlError::BlockTime(BlockTimeError::OutOfBounds { .. })), "{error}");
    node.shutdown().await.expect("stops");
}
