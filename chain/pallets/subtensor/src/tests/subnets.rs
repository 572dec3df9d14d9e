use super::*;
use crate::{
    Burn, Error, FirstEmissionBlockNumber, I96F32, Keys, NetworkLastLockCost, NetworkRateLimit, NetworkRegisteredAt,
    SubnetAlphaIn, SubnetEmissionEnabled, SubnetIdentitiesV3, SubnetIdentityV3, SubnetLimit, SubnetLocked,
    SubnetMovingPrice, SubnetOwner, SubnetTAO, SubnetworkN, TokenSymbol, Yuma3On, defaults,
};
use frame_support::{assert_noop, traits::fungible::Inspect};

#[test]
fn a_new_subnet_belongs_to_its_creator_and_has_bittensors_defaults() {
    with_chain(|| {
        ok(SubtensorModule::register_network(signed(cold(7)), hot(7)));
        assert_eq!(Balances::balance(&cold(7)), FUNDS_RAO - defaults::NETWORK_MIN_LOCK_COST_RAO);
        assert_eq!(SubnetLocked::<Test>::get(NET), defaults::NETWORK_MIN_LOCK_COST_RAO);
        assert_eq!(SubnetOwner::<Test>::get(NET), cold(7));
        assert_eq!(Keys::<Test>::get(NET, 0), hot(7));
        assert_eq!(SubnetworkN::<Test>::get(NET), 1);
        assert_eq!(TokenSymbol::<Test>::get(NET), "α".as_bytes());
        assert_eq!(Burn::<Test>::get(NET), 100_000_000);
        assert_eq!(crate::Tempo::<Test>::get(NET), 360);
        assert!(Yuma3On::<Test>::get(NET));
        assert!(!SubnetEmissionEnabled::<Test>::get(NET), "root has to enable it");
        assert_eq!(events(), [Event::NetworkAdded(NET, 0)]);
    });
}

#[test]
fn the_next_subnet_waits_and_costs_twice_as_much() {
    with_chain(|| {
        ok(SubtensorModule::register_network(signed(cold(1)), hot(1)));
        let again = || SubtensorModule::register_network(signed(cold(2)), hot(2));
        assert_noop!(again(), Error::<Test>::NetworkTxRateLimitExceeded);
        NetworkRateLimit::<Test>::put(0);
        assert_eq!(SubtensorModule::network_lock_cost(), 2 * defaults::NETWORK_MIN_LOCK_COST_RAO);
        ok(again());
        assert!(SubtensorModule::subnet_exists(NetUid(2)));
        SubnetLimit::<Test>::put(2);
        let third = || SubtensorModule::register_network(signed(cold(3)), hot(3));
        assert_noop!(third(), Error::<Test>::SubnetLimitReached);
    });
}

#[test]
fn where_no_more_may_exist_the_cheapest_that_is_not_immune_makes_room() {
    with_pool(|| {
        let other = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        SubnetLimit::<Test>::put(2);
        NetworkLastLockCost::<Test>::put(POOL_RAO / 2);
        SubnetMovingPrice::<Test>::insert(NET, I96F32 { bits: 2 });
        SubnetMovingPrice::<Test>::insert(other, I96F32 { bits: 1 });
        let create = || SubtensorModule::register_network(signed(cold(3)), hot(3));
        assert_eq!(SubtensorModule::get_subnet_to_prune(), None);
        assert_noop!(create(), Error::<Test>::SubnetLimitReached);
        ok(AdminUtils::sudo_set_network_immunity_period(RuntimeOrigin::root(), 0));
        assert_eq!(SubtensorModule::get_subnet_to_prune(), Some(other));
        SubnetMovingPrice::<Test>::insert(other, I96F32 { bits: 2 });
        NetworkRegisteredAt::<Test>::insert(other, 2);
        assert_eq!(SubtensorModule::get_subnet_to_prune(), Some(NET), "of equals the older");
        let poor = || SubtensorModule::register_network(signed(AccountId32::new([250; 32])), hot(3));
        assert_noop!(poor(), Error::<Test>::CannotAffordLockCost);
        ok(create());
        assert_eq!((SubnetOwner::<Test>::get(NET), SubnetOwner::<Test>::get(other)), (cold(3), cold(5)));
        assert!(events().contains(&Event::NetworkRemoved(NET)));
    });
}

#[test]
fn a_subnet_must_be_paid_for_with_a_hotkey_of_ones_own() {
    with_chain(|| {
        ok(SubtensorModule::register_network(signed(cold(1)), hot(1)));
        NetworkRateLimit::<Test>::put(0);
        let with_anothers_hotkey = || SubtensorModule::register_network(signed(cold(2)), hot(1));
        assert_noop!(with_anothers_hotkey(), Error::<Test>::NonAssociatedColdKey);
        let poor = AccountId32::new([250; 32]);
        let unpaid = || SubtensorModule::register_network(signed(poor), hot(3));
        assert_noop!(unpaid(), Error::<Test>::CannotAffordLockCost);
    });
}

#[test]
fn an_identity_is_stored_unless_it_is_too_long() {
    with_chain(|| {
        let identity = SubnetIdentityV3 { subnet_name: b"narrows".to_vec(), ..Default::default() };
        let too_long = SubnetIdentityV3 { subnet_name: vec![b'n'; 257], ..Default::default() };
        let refused = || SubtensorModule::register_network_with_identity(signed(cold(1)), hot(1), Some(too_long));
        assert_noop!(refused(), Error::<Test>::InvalidIdentity);
        ok(SubtensorModule::register_network_with_identity(signed(cold(1)), hot(1), Some(identity.clone())));
        assert_eq!(SubnetIdentitiesV3::<Test>::get(NET), Some(identity));
        assert_eq!(events(), [Event::NetworkAdded(NET, 0), Event::SubnetIdentitySet(NET)]);
    });
}

#[test]
fn only_the_owner_starts_a_subnet_and_only_once() {
    with_chain(|| {
        ok(SubtensorModule::register_network(signed(cold(1)), hot(1)));
        assert_noop!(SubtensorModule::start_call(signed(cold(2)), NET), sp_runtime::DispatchError::BadOrigin);
        assert_noop!(SubtensorModule::start_call(signed(cold(1)), NetUid(9)), Error::<Test>::SubnetNotExists);
        ok(AdminUtils::sudo_set_start_call_delay(RuntimeOrigin::root(), 3));
        let early = || SubtensorModule::start_call(signed(cold(1)), NET);
        assert_noop!(early(), Error::<Test>::NeedWaitingMoreBlocksToStarCall);
        pass(3);
        ok(SubtensorModule::start_call(signed(cold(1)), NET));
        assert_eq!(FirstEmissionBlockNumber::<Test>::get(NET), Some(5));
        let again = || SubtensorModule::start_call(signed(cold(1)), NET);
        assert_noop!(again(), Error::<Test>::FirstEmissionBlockNumberAlreadySet);
    });
}

#[test]
fn a_pool_begins_at_the_price_in_the_middle_and_epochs_are_staggered() {
    with_pool(|| {
        let alpha_at = |netuid, price: u64| {
            SubnetAlphaIn::<Test>::insert(netuid, SubnetTAO::<Test>::get(netuid) / price);
        };
        let (second, third) = (another_subnet(5, 1), another_subnet(6, 1));
        alpha_at(NET, 2);
        alpha_at(second, 4);
        alpha_at(third, 8);
        NetworkRateLimit::<Test>::put(0);
        NetworkLastLockCost::<Test>::put(POOL_RAO / 2);
        ok(SubtensorModule::register_network(signed(cold(7)), hot(7)));
        let price = SubtensorModule::current_alpha_price(NetUid(4));
        assert_eq!(price, 4 * RAO_PER_TAO);
        NetworkLastLockCost::<Test>::put(POOL_RAO / 2);
        SubnetAlphaIn::<Test>::remove(second);
        ok(SubtensorModule::register_network(signed(cold(8)), hot(8)));
        let price = SubtensorModule::current_alpha_price(NetUid(5));
        assert_eq!(price, 4 * RAO_PER_TAO, "of 2, 4 and 8; a pool without a price does not count");
        let last = |netuid| crate::LastEpochBlock::<Test>::get(NetUid(netuid));
        pass(10);
        NetworkLastLockCost::<Test>::put(POOL_RAO / 2);
        ok(SubtensorModule::register_network(signed(cold(9)), hot(9)));
        assert_eq!(last(6), u64::from(System::block_number()) - 6);
        alpha_at(second, 4);
    });
}
