use super::*;
use crate::{
    Error, IsNetworkMember, Keys, MaxAllowedUids, MaxRegistrationsPerBlock, RegistrationsThisBlock, SubnetworkN,
};
use frame_support::assert_noop;

const ROOT: NetUid = NetUid::ROOT;

fn join(n: u8) -> DispatchResult {
    SubtensorModule::root_register(signed(cold(n)), hot(n))
}

fn back(n: u8, tao: u64) {
    ok(SubtensorModule::try_associate_hotkey(signed(cold(n)), hot(n)));
    ok(SubtensorModule::add_stake(signed(cold(n)), hot(n), ROOT, tao * RAO_PER_TAO));
}

fn members() -> Vec<AccountId32> {
    (0..SubnetworkN::<Test>::get(ROOT)).map(|uid| Keys::<Test>::get(ROOT, uid)).collect()
}

#[test]
fn a_hotkey_becomes_a_member_once_and_one_a_block() {
    with_subnet(|| {
        ok(join(1));
        assert_eq!(members(), [hot(1)]);
        assert!(IsNetworkMember::<Test>::get(hot(1), ROOT));
        assert_eq!(events().last(), Some(&Event::NeuronRegistered(ROOT, 0, hot(1))));
        assert_noop!(join(2), Error::<Test>::TooManyRegistrationsThisBlock);
        pass(1);
        assert_eq!(RegistrationsThisBlock::<Test>::get(ROOT), 0);
        assert_noop!(join(1), Error::<Test>::HotKeyAlreadyRegisteredInSubNet);
        let theft = || SubtensorModule::root_register(signed(cold(2)), hot(OWNER));
        assert_noop!(theft(), Error::<Test>::NonAssociatedColdKey);
        ok(join(2));
        assert_eq!(members(), [hot(1), hot(2)]);
    });
}

#[test]
fn in_a_full_root_network_the_least_stake_gives_way_to_more() {
    with_subnet(|| {
        assert_eq!(MaxAllowedUids::<Test>::get(ROOT), 64);
        MaxAllowedUids::<Test>::insert(ROOT, 2);
        MaxRegistrationsPerBlock::<Test>::insert(ROOT, 9);
        back(1, 30);
        back(2, 20);
        back(3, 20);
        back(4, 21);
        ok(join(1));
        ok(join(2));
        assert_noop!(join(3), Error::<Test>::StakeTooLowForRoot);
        ok(join(4));
        assert_eq!(members(), [hot(1), hot(4)]);
        assert!(!IsNetworkMember::<Test>::get(hot(2), ROOT));
        assert_eq!(SubtensorModule::stake_of(&hot(2), &cold(2), ROOT), 20 * RAO_PER_TAO, "its stake is its own");
    });
}

#[test]
fn membership_goes_over_with_a_swap_of_the_hotkey_everywhere() {
    with_subnet(|| {
        back(1, 30);
        ok(join(1));
        ok(SubtensorModule::swap_hotkey(signed(cold(1)), hot(1), hot(7), None));
        assert_eq!(members(), [hot(7)]);
        assert_eq!(SubtensorModule::stake_of(&hot(7), &cold(1), ROOT), 30 * RAO_PER_TAO);
        assert!(!IsNetworkMember::<Test>::get(hot(1), ROOT) && IsNetworkMember::<Test>::get(hot(7), ROOT));
    });
}

#[test]
fn membership_pays_and_decides_nothing() {
    let outcome = |joins: bool| {
        let mut outcome = None;
        with_pool(|| {
            register(1);
            back(1, 100);
            stake(1, RAO_PER_TAO);
            if joins {
                ok(join(1));
            }
            pass_epoch();
            pass_epoch();
            let stakes = [NET, ROOT].map(|netuid| SubtensorModule::stake_of(&hot(1), &cold(1), netuid));
            outcome = Some((stakes, crate::Dividends::<Test>::get(NET), SubtensorModule::issuance()));
        });
        outcome.unwrap()
    };
    assert_eq!(outcome(true), outcome(false));
}
