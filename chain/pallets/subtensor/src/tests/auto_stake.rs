use super::*;
use crate::{AutoStakeDestination, AutoStakeDestinationColdkeys, Error};
use frame_support::assert_noop;

fn choose(n: u8, hotkey: AccountId32) -> DispatchResult {
    SubtensorModule::set_coldkey_auto_stake_hotkey(signed(cold(n)), NET, hotkey)
}

fn held(hotkey: u8, coldkey: u8) -> u64 {
    SubtensorModule::stake_of(&hot(hotkey), &cold(coldkey), NET)
}

#[test]
fn a_hotkey_of_the_subnet_is_chosen_once() {
    with_subnet(|| {
        register(1);
        assert_noop!(choose(2, hot(9)), Error::<Test>::HotKeyNotRegisteredInSubNet);
        let nowhere = SubtensorModule::set_coldkey_auto_stake_hotkey(signed(cold(2)), NetUid(9), hot(1));
        assert_eq!(nowhere, Err(Error::<Test>::SubnetNotExists.into()));
        ok(choose(2, hot(1)));
        let event = Event::AutoStakeDestinationSet { coldkey: cold(2), netuid: NET, hotkey: hot(1) };
        assert_eq!(events().last(), Some(&event));
        assert_noop!(choose(2, hot(1)), Error::<Test>::SameAutoStakeHotkeyAlreadySet);
        assert_eq!(AutoStakeDestinationColdkeys::<Test>::get(hot(1), NET), [cold(2)]);
        ok(choose(2, hot(OWNER)));
        assert!(!AutoStakeDestinationColdkeys::<Test>::contains_key(hot(1), NET));
        assert_eq!(AutoStakeDestination::<Test>::get(cold(2), NET), Some(hot(OWNER)));
    });
}

#[test]
fn what_is_mined_is_staked_where_its_coldkey_chose() {
    with_subnet(|| {
        commit_reveal(false);
        (1..=3).for_each(|n| {
            register(n);
        });
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        ok(choose(2, hot(1)));
        ok(SubtensorModule::set_weights(signed(hot(1)), NET, vec![2, 3], vec![1, 1], 0));
        pass_epoch();
        let mined = events().into_iter().find_map(|event| match event {
            Event::AutoStakeAdded { netuid: NET, destination, hotkey, owner, incentive } => {
                ((destination, hotkey, owner) == (hot(1), hot(2), cold(2))).then_some(incentive)
            }
            _ => None,
        });
        let (mined, beside) = (mined.unwrap(), held(3, 3));
        assert!(mined > 0 && mined.abs_diff(beside) <= 1, "{mined} and {beside}");
        assert_eq!(held(2, 2), 0);
        assert!(held(1, 2) >= mined, "and what it earned there");
    });
}

#[test]
fn a_choice_goes_with_the_keys_that_it_is_of() {
    with_subnet(|| {
        register(1);
        ok(choose(1, hot(1)));
        ok(choose(2, hot(1)));
        let swap = SubtensorModule::swap_hotkey_v2(signed(cold(1)), hot(1), hot(8), Some(NET), false);
        assert!(swap.is_ok(), "{swap:?}");
        assert_eq!(AutoStakeDestination::<Test>::get(cold(1), NET), Some(hot(8)));
        assert_eq!(AutoStakeDestinationColdkeys::<Test>::get(hot(8), NET), [cold(1), cold(2)]);
        ok(SubtensorModule::swap_coldkey(RuntimeOrigin::root(), cold(2), cold(7), 0));
        assert_eq!(AutoStakeDestination::<Test>::get(cold(7), NET), Some(hot(8)));
        assert_eq!(AutoStakeDestination::<Test>::get(cold(2), NET), None);
        ok(SubtensorModule::root_dissolve_network(RuntimeOrigin::root(), NET));
        assert_eq!(
            AutoStakeDestination::<Test>::iter().count() + AutoStakeDestinationColdkeys::<Test>::iter().count(),
            0
        );
    });
}
