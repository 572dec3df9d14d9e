//! Limits on the price: what would pass one is refused, or done in part.

use super::*;
use crate::{Error, defaults};
use frame_support::{assert_noop, traits::fungible::Inspect};

fn price() -> u64 {
    SubtensorModule::current_alpha_price(NET)
}

fn held(n: u8) -> u64 {
    SubtensorModule::stake_of(&hot(n), &cold(n), NET)
}

#[test]
fn buying_stops_at_the_limit() {
    with_pool(|| {
        register(1);
        let add = |amount, limit, partial| {
            SubtensorModule::add_stake_limit(signed(cold(1)), hot(1), NET, amount, limit, partial)
        };
        // 100 TAO would raise the price to 1100 / 909.132526511.
        assert_noop!(add(100 * RAO_PER_TAO, 1_209_944_609, false), Error::<Test>::SlippageTooHigh);
        let free = Balances::balance(&cold(1));
        ok(add(100 * RAO_PER_TAO, 1_100_000_000, true));
        let paid = free - Balances::balance(&cold(1));
        assert_eq!(price(), 1_099_999_999, "as near as a rao brings it");
        // Without the fee, √1.1 · 1000 − 1000 TAO bring it there. The fee, 0.02 TAO, buys nothing but is in the pool: half
        // of it comes on top.
        assert!((48_808_848_170..48_834_000_000).contains(&paid), "{paid}");
        assert_noop!(add(100 * RAO_PER_TAO, 1_099_000_000, true), Error::<Test>::SlippageTooHigh);
        assert_noop!(add(100 * RAO_PER_TAO, 0, true), Error::<Test>::SlippageTooHigh);
        // So little is left to the limit that it may not be staked.
        assert_noop!(add(100 * RAO_PER_TAO, 1_100_000_010, true), Error::<Test>::AmountTooLow);
        ok(add(100 * RAO_PER_TAO, u64::MAX, false));
    });
}

#[test]
fn selling_stops_at_the_limit() {
    with_pool(|| {
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        let all = held(1);
        let remove = |amount, limit, partial| {
            SubtensorModule::remove_stake_limit(signed(cold(1)), hot(1), NET, amount, limit, partial)
        };
        assert_noop!(remove(all, 1_100_000_000, false), Error::<Test>::SlippageTooHigh);
        assert_noop!(remove(all, 1_300_000_000, true), Error::<Test>::SlippageTooHigh);
        assert_noop!(remove(all + 1, 0, true), Error::<Test>::NotEnoughStakeToWithdraw);
        ok(remove(all, 1_100_000_000, true));
        assert!((1_100_000_000..1_100_000_010).contains(&price()), "{}", price());
        assert!(held(1) > 0 && held(1) < all);
        ok(remove(held(1), 0, false));
    });
}

#[test]
fn a_whole_stake_goes_at_once_or_not_at_all() {
    with_pool(|| {
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        let remove = |limit| SubtensorModule::remove_stake_full_limit(signed(cold(1)), hot(1), NET, limit);
        assert_noop!(remove(Some(1_100_000_000)), Error::<Test>::SlippageTooHigh);
        ok(remove(Some(1_000_000_000)));
        assert_eq!(held(1), 0);
        assert_noop!(remove(None), Error::<Test>::AmountTooLow);
        stake(1, 10 * RAO_PER_TAO);
        ok(remove(None));
        assert_eq!(held(1), 0);
    });
}

#[test]
fn a_stable_price_keeps_within_any_limit_that_allows_for_it() {
    with_subnet(|| {
        register(1);
        let add = |limit, partial| {
            SubtensorModule::add_stake_limit(signed(cold(1)), hot(1), NET, 5 * RAO_PER_TAO, limit, partial)
        };
        for partial in [false, true] {
            assert_noop!(add(RAO_PER_TAO - 1, partial), Error::<Test>::SlippageTooHigh);
            ok(add(RAO_PER_TAO, partial));
        }
        assert_eq!(held(1), 10 * RAO_PER_TAO);
        let remove =
            |limit| SubtensorModule::remove_stake_limit(signed(cold(1)), hot(1), NET, 5 * RAO_PER_TAO, limit, true);
        assert_noop!(remove(RAO_PER_TAO + 1), Error::<Test>::SlippageTooHigh);
        ok(remove(RAO_PER_TAO));
    });
}

#[test]
fn swapping_stops_at_the_limit_of_one_price_against_the_other() {
    with_pool(|| {
        register(1);
        let other = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        stake(1, 100 * RAO_PER_TAO);
        let all = held(1);
        let swap = |limit, partial| {
            SubtensorModule::swap_stake_limit(signed(cold(1)), hot(1), NET, other, all, limit, partial)
        };
        assert_noop!(swap(1_000_000_000, false), Error::<Test>::SlippageTooHigh);
        assert_noop!(swap(1_300_000_000, true), Error::<Test>::SlippageTooHigh);
        ok(swap(1_000_000_000, true));
        let (here, there) = (price(), SubtensorModule::current_alpha_price(other));
        assert!(here >= there && here - there < 10, "{here} and {there}");
        assert!(held(1) > 0);
        let rest = held(1);
        ok(SubtensorModule::swap_stake_limit(signed(cold(1)), hot(1), NET, other, rest, 0, false));
        assert_eq!(held(1), 0);
    });
}
