//! Signing, submitting, and what becomes of calls.

use std::collections::BTreeSet;

use chain::{Argument, Call, ChainError, Event, Failure, MissingKind, Rao, Rejection, SubmitError};

use crate::{World, alice, key};

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_takes_effect_in_the_block_it_names() {
    let world = World::new().await;
    let (bob, amount) = (key("Bob").account_id(), Rao::from_tao(5));
    let done = world.client.submit(&alice(), &Call::transfer_keep_alive(bob, amount)).await.expect("a transfer");
    let expected = Event::Transfer { from: alice().account_id(), to: bob, amount };
    assert!(done.events.contains(&expected) && done.events.contains(&Event::ExtrinsicSuccess), "{:?}", done.events);

    let state = world.client.at(done.block).await.expect("the block");
    assert_eq!(state.number(), done.number);
    assert_eq!(state.balance(bob).await.expect("a balance"), amount);
    let before = world.client.at_number(chain::BlockNumber(done.number.0 - 1)).await.expect("the block before");
    assert_eq!(before.balance(bob).await.expect("a balance"), Rao(0), "reads are of the block asked for");
    let in_block = state.events().await.expect("events");
    let found = in_block.iter().find(|record| record.event == expected).expect("the transfer");
    assert_eq!(found.extrinsic, Some(done.extrinsic_index));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_sign_for_one_account_at_once() {
    let world = World::new().await;
    let tasks: Vec<_> = (0..24_u64)
        .map(|index| {
            let client = world.client.clone();
            let call = Call::transfer_keep_alive(key(&format!("Friend{index}")).account_id(), Rao::from_tao(1));
            tokio::spawn(async move { client.submit(&alice(), &call).await })
        })
        .collect();
    let mut places = BTreeSet::new();
    for task in tasks {
        let done = task.await.expect("no panic").expect("a transfer");
        places.insert((done.number, done.extrinsic_index));
    }
    assert_eq!(places.len(), 24);
    let state = world.client.latest().await.expect("a snapshot");
    for index in 0..24 {
        let friend = key(&format!("Friend{index}")).account_id();
        assert_eq!(state.balance(friend).await.expect("a balance"), Rao::from_tao(1), "exactly once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_signing_for_one_account_both_get_through() {
    let world = World::new().await;
    // Another client shares no nonces with ours.
    let other = chain::Client::connect(crate::connect_config(&world.node)).await.expect("connects");
    let transfers = |client: chain::Client, name: &'static str| {
        tokio::spawn(async move {
            for index in 0..6 {
                let to = key(&format!("{name}{index}")).account_id();
                client.submit(&alice(), &Call::transfer_keep_alive(to, Rao::from_tao(1))).await.expect("a transfer");
            }
        })
    };
    let (ours, theirs) = (transfers(world.client.clone(), "Ours"), transfers(other, "Theirs"));
    ours.await.expect("no panic");
    theirs.await.expect("no panic");
    let state = world.client.latest().await.expect("a snapshot");
    for name in ["Ours", "Theirs"] {
        for index in 0..6 {
            let account = key(&format!("{name}{index}")).account_id();
            assert_eq!(state.balance(account).await.expect("a balance"), Rao::from_tao(1), "{name}{index}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_apart() {
    let world = World::new().await;
    let (poor, bob) = (key("Poor"), key("Bob").account_id());

    let unpaid = world.client.submit(&poor, &Call::transfer_keep_alive(bob, Rao(1))).await.expect_err("no money");
    assert!(matches!(unpaid, SubmitError::Rejected { rejection: Rejection::CannotPayFee, .. }), "{unpaid}");
    assert_eq!(unpaid.failure(), Failure::NotEnoughBalance);

    world.endow(&poor, 1).await;
    let too_much = Call::transfer_keep_alive(bob, Rao::from_tao(2));
    let failed = world.client.submit(&poor, &too_much).await.expect_err("too much");
    assert!(matches!(failed, SubmitError::Dispatch { .. }), "{failed}");
    assert_eq!(failed.failure(), Failure::NotEnoughBalance, "{failed}");

    let not_root = world.client.submit(&poor, &Call::sudo(too_much.clone())).await.expect_err("not root");
    assert_eq!(not_root.failure(), Failure::NotPermitted, "{not_root}");
    // Root may, but has no account to pay from: the extrinsic succeeds, the call inside does not.
    let as_root = world.client.submit(&alice(), &Call::sudo(too_much)).await.expect_err("root has no account");
    assert!(matches!(as_root, SubmitError::Dispatch { .. }), "{as_root}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_effect_as_a_whole_or_not_at_all() {
    let world = World::new().await;
    let (bob, carol) = (key("Bob").account_id(), key("Carol").account_id());
    let to = |account, tao| Call::transfer_allow_death(account, Rao::from_tao(tao));
    world.client.submit(&alice(), &Call::batch_all([to(bob, 1), to(carol, 2)])).await.expect("a batch");
    let half = Call::batch_all([to(bob, 1), to(carol, 1_000_000)]);
    let failed = world.client.submit(&alice(), &half).await.expect_err("too much");
    assert_eq!(failed.failure(), Failure::NotEnoughBalance, "{failed}");
    let state = world.client.latest().await.expect("a snapshot");
    assert_eq!(state.balance(bob).await.expect("a balance"), Rao::from_tao(1));
    assert_eq!(state.balance(carol).await.expect("a balance"), Rao::from_tao(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_chain_lacks_is_named_before_anything_is_signed() {
    let world = World::new().await;
    let submit = |call: Call| {
        let client = world.client.clone();
        async move { client.submit(&alice(), &call).await.expect_err("the chain has no such thing") }
    };
    let none: [(&str, Argument); 0] = [];
    let no_pallet = submit(Call::new("Crowdloan", "contribute", none.clone())).await;
    assert!(
        matches!(&no_pallet, SubmitError::Chain(ChainError::Missing(m)) if m.kind == MissingKind::Pallet),
        "{no_pallet}"
    );
    let no_call = submit(Call::sudo(Call::new("Balances", "mint", none.clone()))).await;
    assert!(no_call.to_string().contains("no call Balances.mint"), "{no_call}");
    let fewer = submit(Call::new("Balances", "transfer_keep_alive", none)).await;
    assert!(matches!(fewer, SubmitError::Chain(ChainError::Arguments { .. })), "{fewer}");
    let renamed = [("to", alice().account_id().into()), ("value", Argument::Number(1))];
    let renamed = submit(Call::new("Balances", "transfer_keep_alive", renamed)).await;
    assert!(renamed.to_string().contains("takes (dest, value)"), "{renamed}");
    let wrong_type = [("dest", alice().account_id().into()), ("value", Argument::Bool(true))];
    let wrong_type = submit(Call::new("Balances", "transfer_keep_alive", wrong_type)).await;
    assert!(matches!(wrong_type, SubmitError::Chain(ChainError::Encode { .. })), "{wrong_type}");
    let state = world.client.latest().await.expect("a snapshot");
    assert_eq!(state.balance(alice().account_id()).await.expect("a balance"), Rao::from_tao(crate::ENDOWMENT_TAO));
}
