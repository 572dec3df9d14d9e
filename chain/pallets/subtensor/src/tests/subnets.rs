use super::*;
use crate::{
    Burn, Error, FirstEmissionBlockNumber, Keys, NetworkRateLimit, SubnetEmissionEnabled, SubnetIdentitiesV3,
    SubnetIdentityV3, SubnetLimit, SubnetLocked, SubnetOwner, SubnetworkN, TokenSymbol, Yuma3On, defaults,
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
        assert_noop!(SubtensorModule::start_call(signed(cold(2)), NET), Error::<Test>::NotSubnetOwner);
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
