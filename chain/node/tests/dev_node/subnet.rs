//! A subnet's life as far as the node is concerned: created, joined, committed to, by a hotkey that holds nothing.

use narrows_node::DevNode;
use narrows_runtime::{Runtime, RuntimeEvent};
use pallet_commitments::{CommitmentInfo, CommitmentOf, Data};
use pallet_subtensor::NetUid;
use sp_core::crypto::AccountId32;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Eve};
use sp_runtime::BoundedVec;

use crate::client::Client;
use crate::config;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registered_hotkey_commits_without_funds() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;

    let create = pallet_subtensor::Call::register_network { hotkey: Bob.to_account_id() };
    let block = client.land(&client.sign(Alice, 0, create)).await;
    let events = client.events(&block).await;
    let netuid = events.iter().find_map(|event| match event {
        RuntimeEvent::SubtensorModule(pallet_subtensor::Event::NetworkAdded(netuid, ..)) => Some(*netuid),
        _ => None,
    });
    let netuid: NetUid = netuid.unwrap_or_else(|| panic!("a subnet was created: {events:?}"));
    client.land(&client.sign(Alice, 1, pallet_subtensor::Call::start_call { netuid })).await;
    let join = pallet_subtensor::Call::burned_register { netuid, hotkey: Eve.to_account_id() };
    let block = client.land(&client.sign(Alice, 2, join)).await;
    let events = client.events(&block).await;
    let joined = events
        .iter()
        .any(|event| matches!(event, RuntimeEvent::SubtensorModule(pallet_subtensor::Event::NeuronRegistered(..))));
    assert!(joined, "{events:?}");

    let root = Data::Raw(BoundedVec::truncate_from(vec![9; 32]));
    let fields = BoundedVec::truncate_from(vec![root.clone()]);
    let commit =
        pallet_commitments::Call::set_commitment { netuid: netuid.0, info: Box::new(CommitmentInfo { fields }) };
    let block = client.land(&client.sign(Eve, 0, commit)).await;
    let eve: AccountId32 = Eve.to_account_id();
    let key = CommitmentOf::<Runtime>::hashed_key_for(netuid.0, &eve);
    type Stored = pallet_commitments::Registration<<Runtime as pallet_commitments::Config>::MaxFields, u32>;
    let stored: Stored = client.storage(key, Some(&block)).await.expect("committed");
    assert_eq!(stored.info.fields.to_vec(), vec![root]);
    assert_eq!(client.free(Eve).await, 0);
    node.shutdown().await.expect("stops");
}
