//! The chain as its clients meet it: started in this process, spoken to over its endpoint.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's way to fail, also in what the tests share")]

mod beacon;
mod client;
mod control;
mod developer;
mod history;
mod lifecycle;
mod shield;
mod subnet;
mod transactions;

use std::future::Future;
use std::time::Duration;

use narrows_node::{DevNode, DevNodeConfig};
use sp_keyring::Sr25519Keyring::{Alice, Bob};

/// Far more than anything here takes, so that reaching it means that something hangs.
const HANG: Duration = Duration::from_secs(60);

/// What Alice holds at genesis: enough for a subnet, which costs a thousand TAO.
const ALICE_RAO: u64 = 3_000 * TAO;

/// One TAO in rao.
const TAO: u64 = 1_000_000_000;

/// Wait for what must happen.
async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, what).await.expect("it hangs")
}

/// A quick chain on any free port; Alice is root, she and Bob hold TAO.
fn config() -> DevNodeConfig {
    let endowed = vec![(Alice.to_raw_public(), ALICE_RAO), (Bob.to_raw_public(), 10 * TAO)];
    let mut config = DevNodeConfig::new(Alice.to_raw_public(), endowed, [1; 32]);
    config.block_time = Duration::from_millis(25);
    config.port = Some(0);
    config
}

/// Wait until the chain is at least at `number`.
async fn reach(node: &DevNode, number: u32) {
    within(node.blocks().wait_for(|block| block.number >= number)).await.expect("the chain is sealed");
}
