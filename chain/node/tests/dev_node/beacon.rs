//! The pulses on the chain: there, true, and the same for the same seed.

use narrows_node::{DevNode, DevNodeConfig, verify_pulse};
use narrows_runtime::Runtime;
use pallet_drand::{BeaconConfig, BeaconConfiguration, Pulse, Pulses, RoundMillis, round_at};

use crate::client::Client;
use crate::{config, reach};

const BLOCKS: u32 = 4;

/// What a chain shows of its first blocks: its beacon, the hash of each block, and the pulse of each block's timestamp.
async fn first_blocks(config: DevNodeConfig) -> (BeaconConfiguration, Vec<String>, Vec<Pulse>) {
    let node = DevNode::start(config).await.expect("starts");
    let client = Client::connect(&node).await;
    reach(&node, BLOCKS).await;
    let beacon: BeaconConfiguration =
        client.storage(BeaconConfig::<Runtime>::hashed_key(), None).await.expect("a beacon");
    let round_millis = client.storage(RoundMillis::<Runtime>::hashed_key(), None).await.expect("rounds");
    let (mut hashes, mut pulses) = (Vec::new(), Vec::new());
    for number in 1..=BLOCKS {
        let hash = client.block_hash(number).await;
        let now = client.storage(pallet_timestamp::Now::<Runtime>::hashed_key(), Some(&hash)).await.expect("a time");
        let round = round_at(beacon.genesis_time, round_millis, now);
        let key = |round| Pulses::<Runtime>::hashed_key_for(round);
        pulses.push(client.storage(key(round), Some(&hash)).await.expect("the block brought its pulse"));
        let next: Option<Pulse> = client.storage(key(round + 1), Some(&hash)).await;
        assert_eq!(next, None, "the next round is not known yet");
        hashes.push(hash);
    }
    node.shutdown().await.expect("stops");
    (beacon, hashes, pulses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_block_brings_the_true_pulse_of_its_time() {
    let (beacon, _, pulses) = first_blocks(config()).await;
    for (pulse, block) in pulses.iter().zip(1..) {
        assert_eq!(pulse.round, block + 1);
        verify_pulse(&beacon.public_key, pulse).expect("the beacon's signature");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seeded_chain_repeats_itself() {
    let (beacon, hashes, pulses) = first_blocks(config()).await;
    assert_eq!(first_blocks(config()).await, (beacon.clone(), hashes, pulses.clone()));

    let (other_beacon, _, other_pulses) = first_blocks(DevNodeConfig { beacon_seed: [2; 32], ..config() }).await;
    assert_ne!(other_beacon.public_key, beacon.public_key);
    assert_ne!(other_pulses[0].randomness, pulses[0].randomness);
    assert!(verify_pulse(&beacon.public_key, &other_pulses[0]).is_err());
}
