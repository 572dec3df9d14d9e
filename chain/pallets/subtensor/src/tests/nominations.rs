use super::*;
use crate::{TotalHotkeyAlpha, TotalStake, defaults::MIN_STAKE_RAO};
use frame_support::traits::fungible::Inspect;

/// In millionths of the least stake: ten times that.
const TEN_TIMES: u64 = 10_000_000;

const LEAST: u64 = 10 * MIN_STAKE_RAO;

/// Hotkey 1 with a stake of its coldkey's, and one of coldkey 2's.
fn with_nominator(own: u64, nominated: u64, test: impl FnOnce()) {
    with_subnet(|| {
        register(1);
        stake(1, own);
        ok(SubtensorModule::add_stake(signed(cold(2)), hot(1), NET, nominated));
        test();
    });
}

fn held(coldkey: u8) -> u64 {
    SubtensorModule::stake_of(&hot(1), &cold(coldkey), NET)
}

#[test]
fn where_the_least_rises_what_is_less_goes_home() {
    with_nominator(LEAST - 1, LEAST - 1, || {
        ok(SubtensorModule::add_stake(signed(cold(3)), hot(1), NET, LEAST));
        let free = Balances::balance(&cold(2));
        ok(AdminUtils::sudo_set_nominator_min_required_stake(RuntimeOrigin::root(), TEN_TIMES));
        assert_eq!(SubtensorModule::get_nominator_min_required_stake(), LEAST);
        assert_eq!((held(1), held(2), held(3)), (LEAST - 1, 0, LEAST), "the owner's stays, and what is enough");
        assert_eq!(Balances::balance(&cold(2)), free + LEAST - 1);
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(1), NET), 2 * LEAST - 1);
        let removed = Event::StakeRemoved(cold(2), hot(1), LEAST - 1, LEAST - 1, NET, 0);
        assert!(events().contains(&removed));
        // Less than may be nominated can still come in; it is looked at when some of it goes.
        ok(SubtensorModule::add_stake(signed(cold(2)), hot(1), NET, MIN_STAKE_RAO));
        ok(AdminUtils::sudo_set_nominator_min_required_stake(RuntimeOrigin::root(), TEN_TIMES - 1));
        assert_eq!(held(2), MIN_STAKE_RAO, "it did not rise");
    });
}

#[test]
fn what_is_left_of_a_nomination_goes_with_what_is_taken() {
    with_nominator(2 * LEAST, 2 * LEAST, || {
        ok(AdminUtils::sudo_set_nominator_min_required_stake(RuntimeOrigin::root(), TEN_TIMES));
        let free = [1, 2].map(|who| Balances::balance(&cold(who)));
        for who in [1, 2] {
            ok(SubtensorModule::remove_stake(signed(cold(who)), hot(1), NET, LEAST + 1));
        }
        assert_eq!((held(1), held(2)), (LEAST - 1, 0));
        assert_eq!([1, 2].map(|who| Balances::balance(&cold(who))), [free[0] + LEAST + 1, free[1] + 2 * LEAST]);
        assert_eq!(TotalStake::<Test>::get(), LEAST - 1);
    });
}

#[test]
fn what_is_left_of_a_nomination_goes_home_where_it_is_moved() {
    with_nominator(LEAST, 2 * LEAST, || {
        register(5);
        ok(AdminUtils::sudo_set_nominator_min_required_stake(RuntimeOrigin::root(), TEN_TIMES));
        let free = Balances::balance(&cold(2));
        ok(SubtensorModule::move_stake(signed(cold(2)), hot(1), hot(5), NET, NET, LEAST + 1));
        assert_eq!(held(2), 0);
        assert_eq!(SubtensorModule::stake_of(&hot(5), &cold(2), NET), LEAST + 1);
        assert_eq!(Balances::balance(&cold(2)), free + LEAST - 1);
    });
}
