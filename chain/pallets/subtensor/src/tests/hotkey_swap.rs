use super::*;
use crate::{
    ChildKeys, Error, IsNetworkMember, Keys, NetUidStorageIndex, Owner, ParentKeys, TotalHotkeyAlpha, Weights, defaults,
};
use frame_support::{assert_noop, traits::fungible::Inspect};

fn swap(who: u8, from: u8, to: u8, netuid: Option<NetUid>) -> DispatchResult {
    SubtensorModule::swap_hotkey(signed(cold(who)), hot(from), hot(to), netuid)
}

#[test]
fn a_swap_moves_the_neuron_its_relations_and_everybodys_stake() {
    with_subnet(|| {
        commit_reveal(false);
        ok(SubtensorModule::set_pending_childkey_cooldown(RuntimeOrigin::root(), 0));
        register(1);
        register(2);
        stake(1, 100 * RAO_PER_TAO);
        ok(SubtensorModule::add_stake(signed(cold(9)), hot(1), NET, 7 * RAO_PER_TAO));
        ok(SubtensorModule::set_children(signed(cold(2)), hot(2), NET, vec![(5, hot(1))]));
        ok(SubtensorModule::set_children(signed(cold(1)), hot(1), NET, vec![(6, hot(3))]));
        pass_epoch();
        ok(SubtensorModule::set_weights(signed(hot(1)), NET, vec![2], vec![1], 0));
        let before = [cold(1), cold(9)].map(|who| SubtensorModule::stake_of(&hot(1), &who, NET));
        let pool = TotalHotkeyAlpha::<Test>::get(hot(1), NET);
        let free = Balances::balance(&cold(1));
        ok(swap(1, 1, 50, Some(NET)));
        assert_eq!(Balances::balance(&cold(1)), free - defaults::KEY_SWAP_ON_SUBNET_COST_RAO);
        assert_eq!((Uids::<Test>::get(NET, hot(50)), Uids::<Test>::get(NET, hot(1))), (Some(1), None));
        assert_eq!((Keys::<Test>::get(NET, 1), Owner::<Test>::get(hot(50))), (hot(50), cold(1)));
        assert!(IsNetworkMember::<Test>::get(hot(50), NET) && !IsNetworkMember::<Test>::get(hot(1), NET));
        assert_eq!(Weights::<Test>::get(NetUidStorageIndex::from(NET), 1), [(2, 65_535)]);
        let after = [cold(1), cold(9)].map(|who| SubtensorModule::stake_of(&hot(50), &who, NET));
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(50), NET), pool, "to the last rao");
        // What one holder's rounding leaves goes to the last to move.
        assert!(before.iter().zip(after).all(|(old, new)| old.abs_diff(new) <= 1), "{before:?} became {after:?}");
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(1), NET), 0);
        assert_eq!(ChildKeys::<Test>::get(hot(2), NET), [(5, hot(50))]);
        assert_eq!(ChildKeys::<Test>::get(hot(50), NET), [(6, hot(3))]);
        assert_eq!(ParentKeys::<Test>::get(hot(3), NET), [(6, hot(50))]);
        assert!(!ParentKeys::<Test>::contains_key(hot(1), NET));
        assert_noop!(swap(1, 50, 51, Some(NET)), Error::<Test>::HotKeySwapOnSubnetIntervalNotPassed);
    });
}

#[test]
fn a_swap_everywhere_moves_the_owners_hotkey_and_may_leave_stake() {
    with_subnet(|| {
        stake(OWNER, 10 * RAO_PER_TAO);
        let call = SubtensorModule::swap_hotkey_v2(signed(cold(OWNER)), hot(OWNER), hot(60), None, true);
        ok(call);
        assert_eq!(SubnetOwnerHotkey::<Test>::get(NET), hot(60));
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(OWNER), NET), 10 * RAO_PER_TAO);
        assert_noop!(swap(OWNER, 60, 61, None), Error::<Test>::HotKeySetTxRateLimitExceeded);
        ok(AdminUtils::sudo_set_tx_rate_limit(RuntimeOrigin::root(), 0));
        ok(swap(OWNER, 60, 61, None));
    });
}

#[test]
fn a_swap_that_must_not_be_changes_nothing() {
    with_subnet(|| {
        register(1);
        register(2);
        assert_noop!(swap(1, 1, 1, None), Error::<Test>::NewHotKeyIsSameWithOld);
        assert_noop!(swap(2, 1, 50, None), Error::<Test>::NonAssociatedColdKey);
        assert_noop!(swap(1, 1, 2, None), Error::<Test>::NonAssociatedColdKey);
        assert_noop!(swap(1, 88, 50, None), Error::<Test>::HotKeyAccountNotExists);
        assert_noop!(swap(1, 1, 50, Some(NetUid(9))), Error::<Test>::SubnetNotExists);
        ok(SubtensorModule::burned_register(signed(cold(1)), NET, hot(3)));
        assert_noop!(swap(1, 1, 3, Some(NET)), Error::<Test>::HotKeyAlreadyRegisteredInSubNet);
        ok(SubtensorModule::try_associate_hotkey(signed(cold(1)), hot(4)));
        assert_noop!(swap(1, 4, 50, Some(NET)), Error::<Test>::HotKeyNotRegisteredInSubNet);
        let rest = SubtensorModule::spendable(&cold(1)) - defaults::KEY_SWAP_COST_RAO + 1;
        ok(Balances::transfer_keep_alive(signed(cold(1)), cold(2), rest));
        assert_noop!(swap(1, 1, 50, None), Error::<Test>::NotEnoughBalanceToPaySwapHotKey);
    });
}
