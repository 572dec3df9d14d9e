use super::*;
use crate::{ChildkeyTake, Delegates, Error, MaxDelegateTake};
use frame_support::assert_noop;

#[test]
fn a_delegate_raises_its_take_seldom_and_lowers_it_at_will() {
    with_subnet(|| {
        register(1);
        let raise = |who, take| SubtensorModule::increase_take(signed(cold(who)), hot(1), take);
        let lower = |who, take| SubtensorModule::decrease_take(signed(cold(who)), hot(1), take);
        assert_noop!(lower(2, 5), Error::<Test>::NonAssociatedColdKey);
        assert_noop!(raise(1, 11_796), Error::<Test>::DelegateTakeTooLow);
        assert_noop!(lower(1, 11_796), Error::<Test>::DelegateTakeTooLow);
        assert_noop!(raise(1, 11_797), Error::<Test>::DelegateTakeTooHigh);
        let stranger = SubtensorModule::increase_take(signed(cold(1)), hot(77), 5);
        assert_eq!(stranger, Err(Error::<Test>::HotKeyAccountNotExists.into()));
        ok(lower(1, 1_000));
        assert_eq!(events().last(), Some(&Event::TakeDecreased(cold(1), hot(1), 1_000)));
        ok(raise(1, 2_000));
        assert_eq!(events().last(), Some(&Event::TakeIncreased(cold(1), hot(1), 2_000)));
        assert_noop!(raise(1, 3_000), Error::<Test>::DelegateTxRateLimitExceeded);
        ok(AdminUtils::sudo_set_tx_delegate_take_rate_limit(RuntimeOrigin::root(), 3));
        pass(3);
        ok(raise(1, 3_000));
        assert_eq!(Delegates::<Test>::get(hot(1)), 3_000);
        ok(AdminUtils::sudo_set_min_delegate_take(RuntimeOrigin::root(), 2_500));
        assert_noop!(lower(1, 2_499), Error::<Test>::DelegateTakeTooLow);
        ok(AdminUtils::sudo_set_default_take(RuntimeOrigin::root(), 20_000));
        assert_eq!(MaxDelegateTake::<Test>::get(), 20_000);
    });
}

#[test]
fn a_childs_take_stays_in_bounds() {
    with_subnet(|| {
        register(1);
        let set = |who, take| SubtensorModule::set_childkey_take(signed(cold(who)), hot(1), NET, take);
        assert_noop!(set(2, 5), Error::<Test>::NonAssociatedColdKey);
        assert_noop!(set(1, 11_797), Error::<Test>::InvalidChildkeyTake);
        ok(set(1, 100));
        assert_eq!(events().last(), Some(&Event::ChildKeyTakeSet(hot(1), 100)));
        assert_noop!(set(1, 101), Error::<Test>::TxChildkeyTakeRateLimitExceeded);
        ok(set(1, 99));
        pass(5);
        ok(set(1, 101));
        ok(AdminUtils::sudo_set_min_childkey_take_per_subnet(RuntimeOrigin::root(), NET, 50));
        assert_noop!(set(1, 49), Error::<Test>::InvalidChildkeyTake);
        assert_eq!(ChildkeyTake::<Test>::get(hot(1), NET), 101);
        let elsewhere = SubtensorModule::set_childkey_take(signed(cold(1)), hot(1), NetUid(9), 5);
        assert_eq!(elsewhere, Err(Error::<Test>::SubnetNotExists.into()));
    });
}
