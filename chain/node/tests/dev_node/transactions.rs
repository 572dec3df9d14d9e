//! Transactions: paid, free, hostile.

use codec::Encode;
use jsonrpsee_core::rpc_params;
use narrows_node::DevNode;
use narrows_runtime::{OriginCaller, RuntimeCall, RuntimeEvent};
use sp_keyring::Sr25519Keyring::{Alice, Bob, Eve};

use crate::client::{Client, to_hex};
use crate::{ALICE_RAO, TAO, config, reach};

pub(crate) fn pay_bob(rao: u64) -> RuntimeCall {
    pallet_balances::Call::transfer_keep_alive { dest: Bob.to_account_id().into(), value: rao }.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_arrives_and_costs_little() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    client.land(&client.sign(Alice, 0, pay_bob(3 * TAO))).await;
    assert_eq!(client.free(Bob).await, 13 * TAO);
    let fee = ALICE_RAO - 3 * TAO - client.free(Alice).await;
    assert!((1..TAO / 1_000).contains(&fee), "{fee} rao");
    let nonce = client.call("account_nextIndex", rpc_params![Alice.to_account_id().to_string()]).await;
    assert_eq!(nonce, 1);
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_funds_makes_free_calls() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    assert!(client.submit(&client.sign(Eve, 0, pay_bob(TAO))).await.is_err(), "a paid call is refused");

    let info = Box::new(pallet_commitments::CommitmentInfo { fields: Default::default() });
    let commit = pallet_commitments::Call::set_commitment { netuid: 1, info };
    let block = client.land(&client.sign(Eve, 0, commit)).await;
    // It was free to ask, and the answer is that Eve is registered nowhere.
    let events = client.events(&block).await;
    let failed = events.iter().find_map(|event| match event {
        RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { dispatch_error, dispatch_info }) => {
            Some((dispatch_error, dispatch_info.pays_fee))
        }
        _ => None,
    });
    let not_allowed = pallet_commitments::Error::<narrows_runtime::Runtime>::AccountNotAllowedCommit.into();
    assert_eq!(failed, Some((&not_allowed, frame_support::dispatch::Pays::No)), "{events:?}");
    assert_eq!(client.free(Eve).await, 0);
    let nonce = client.call("account_nextIndex", rpc_params![Eve.to_account_id().to_string()]).await;
    assert_eq!(nonce, 1, "and it cannot be replayed");
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_transaction_is_dropped_and_the_chain_goes_on() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    // Root speaks as nobody and sets the clock a second time in one block, which the clock answers with a panic. In a
    // batch, because by itself the call is of the class that only a block's author may include.
    let set_clock = pallet_timestamp::Call::set { now: 1 }.into();
    let as_nobody = Box::new(OriginCaller::system(frame_system::RawOrigin::None));
    let dispatch = pallet_utility::Call::dispatch_as { as_origin: as_nobody, call: Box::new(set_clock) }.into();
    let batch = pallet_utility::Call::batch_all { calls: vec![dispatch] }.into();
    let panicking = client.sign(Alice, 0, pallet_sudo::Call::sudo { call: Box::new(batch) });
    client.submit(&panicking).await.expect("the pool cannot know");

    let before = node.tip().number;
    reach(&node, before + 3).await;
    let pending = client.call("author_pendingExtrinsics", rpc_params![]).await;
    assert_eq!(pending.as_array().map(Vec::len), Some(0), "it is not tried again and again");
    // Nothing of it remains: Alice's first nonce is still to be used.
    client.land(&client.sign(Alice, 0, pay_bob(TAO))).await;
    assert_eq!(client.free(Bob).await, 11 * TAO);
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_errors() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    assert!(client.submit(&[]).await.is_err());
    assert!(client.submit(&[0xff; 64]).await.is_err());
    let garbage = client.try_call("state_call", rpc_params!["TransactionPaymentApi_query_info", "0x01"]).await;
    assert!(garbage.is_err(), "the runtime panics on arguments it cannot decode");
    assert!(client.try_call("state_call", rpc_params!["Nonsense_nonsense", "0x"]).await.is_err());
    // Somebody else's signature.
    let mut forged = client.sign(Alice, 0, pay_bob(TAO));
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(client.submit(&forged).await.is_err());
    let before = node.tip().number;
    reach(&node, before + 2).await;
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deeply_nested_calls_do_not_exhaust_the_stack() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    // Up to the depth at which decoding gives up, and beyond: natively, nothing but that limit protects the stack.
    let mut accepted = 0;
    for depth in [10, 50, 100, 126, 127, 128, 200, 254, 255, 256, 300] {
        let mut call: RuntimeCall = frame_system::Call::remark { remark: vec![] }.into();
        for _ in 0..depth {
            call = pallet_utility::Call::batch_all { calls: vec![call] }.into();
        }
        let query = (call.clone(), call.encoded_size() as u32).encode();
        let method = "TransactionPaymentCallApi_query_call_info";
        client.try_call("state_call", rpc_params![method, to_hex(&query)]).await.ok();
        if client.submit(&client.sign(Alice, accepted, call)).await.is_ok() {
            accepted += 1;
        }
    }
    assert!((1..11).contains(&accepted), "some are too deep and some are not: {accepted} accepted");
    // And far beyond, as bytes: a call this deep cannot even be built here. Nobody needs to have signed it.
    let nothing = RuntimeCall::from(frame_system::Call::remark { remark: vec![] });
    let once = RuntimeCall::from(pallet_utility::Call::batch_all { calls: vec![nothing.clone()] }).encode();
    let level = &once[..once.len() - nothing.encoded_size()];
    let abyss = [level.repeat(500_000), nothing.encode()].concat();
    let query = [abyss.clone(), (abyss.len() as u32).encode()].concat();
    let method = "TransactionPaymentCallApi_query_call_info";
    assert!(client.try_call("state_call", rpc_params![method, to_hex(&query)]).await.is_err());
    assert!(client.submit(&[&[4][..], &abyss].concat().encode()).await.is_err());
    let before = node.tip().number;
    reach(&node, before + 3).await;
    node.shutdown().await.expect("stops");
}
