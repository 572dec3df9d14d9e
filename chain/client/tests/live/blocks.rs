//! The sequence of finalized blocks.

use chain::{Block, BlockNumber};

use crate::World;

/// Each block follows the one before, in number and hash.
pub(crate) fn assert_unbroken(blocks: &[Block]) {
    for pair in blocks.windows(2) {
        assert_eq!(pair[1].number, pair[0].number.next());
        assert_eq!(pair[1].parent, pair[0].hash);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_once_each_and_in_order() {
    let world = World::new().await;
    let mut live = world.client.blocks().await.expect("a stream");
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(live.next().await.expect("a block"));
    }
    assert_unbroken(&seen);

    let mut past = world.client.blocks_from(BlockNumber(0));
    let mut from_start = Vec::new();
    while from_start.last().is_none_or(|block: &Block| block.number < seen[19].number) {
        from_start.push(past.next().await.expect("a block"));
    }
    assert_unbroken(&from_start);
    assert_eq!(from_start[0].hash, world.client.genesis_hash());
    assert_eq!(from_start.last(), seen.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_cancelled_loses_no_block() {
    let world = World::new().await;
    let mut blocks = world.client.blocks().await.expect("a stream");
    let mut seen = Vec::new();
    let mut polls = 0_u32;
    while seen.len() < 10 {
        polls += 1;
        // Deadlines from nothing to more than a block time: waits are cancelled everywhere.
        let limit = std::time::Duration::from_millis(u64::from(polls % 100) * 2);
        if let Ok(block) = tokio::time::timeout(limit, blocks.next()).await {
            seen.push(block.expect("a block"));
        }
    }
    assert_unbroken(&seen);
    assert!(polls > 10, "nothing was cancelled");
}
