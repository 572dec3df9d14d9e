use super::*;
use crate::{Error, SubnetAlphaOut, SubnetTAO, TotalStake, TransferToggle, defaults};
use frame_support::{assert_noop, traits::fungible::Inspect};

/// What 100 TAO buy of a pool of 1,000 and 1,000, what that sells for again, and what that buys of another such pool
/// without a fee.
const BOUGHT: u64 = 90_867_473_489;
const SOLD: u64 = 99_908_460_540;
const BOUGHT_WITHOUT_FEE: u64 = 90_833_432_166;

fn held(coldkey: u8, hotkey: u8, netuid: NetUid) -> u64 {
    SubtensorModule::stake_of(&hot(hotkey), &cold(coldkey), netuid)
}

/// Pair 1 has bought alpha for 100 TAO; pair 2 is registered.
fn with_stake(test: impl FnOnce()) {
    with_pool(|| {
        register(1);
        register(2);
        stake(1, 100 * RAO_PER_TAO);
        test();
    });
}

#[test]
fn stake_moves_to_another_hotkey_whole() {
    with_stake(|| {
        let (tao, out) = (SubnetTAO::<Test>::get(NET), SubnetAlphaOut::<Test>::get(NET));
        ok(SubtensorModule::move_stake(signed(cold(1)), hot(1), hot(2), NET, NET, 10 * RAO_PER_TAO));
        assert_eq!((held(1, 1, NET), held(1, 2, NET)), (BOUGHT - 10 * RAO_PER_TAO, 10 * RAO_PER_TAO));
        assert_eq!((SubnetTAO::<Test>::get(NET), SubnetAlphaOut::<Test>::get(NET)), (tao, out), "nothing was traded");
        // Ten at a price of 1.209944609.
        let moved = Event::StakeMoved(cold(1), hot(1), NET, hot(2), NET, 12_099_446_090);
        assert_eq!(events().last(), Some(&moved));
    });
}

#[test]
fn stake_moves_to_another_subnet_through_both_pools_for_one_fee() {
    with_stake(|| {
        let other = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        let (total, free) = (TotalStake::<Test>::get(), Balances::balance(&cold(1)));
        ok(SubtensorModule::move_stake(signed(cold(1)), hot(1), hot(2), NET, other, BOUGHT));
        assert_eq!(events().last(), Some(&Event::StakeMoved(cold(1), hot(1), NET, hot(2), other, SOLD)));
        assert_eq!((held(1, 1, NET), held(1, 2, other)), (0, BOUGHT_WITHOUT_FEE));
        assert_eq!((TotalStake::<Test>::get(), Balances::balance(&cold(1))), (total, free));
    });
}

#[test]
fn a_pool_without_a_fee_is_no_way_around_another_pools() {
    with_stake(|| {
        let other = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        ok(Swap::set_fee_rate(RuntimeOrigin::root(), NET, 0));
        ok(SubtensorModule::move_stake(signed(cold(1)), hot(1), hot(1), NET, other, BOUGHT));
        // Without its own fee NET gives more than SOLD; the other pool takes its 33/65535 of that.
        let fee = events().iter().rev().find_map(|event| match event {
            Event::StakeMoved(_, _, _, _, _, tao) => Some(tao - SOLD),
            _ => None,
        });
        assert!(fee.is_some_and(|more| more > 0), "NET took nothing");
        let held = held(1, 1, other);
        assert!(held < BOUGHT_WITHOUT_FEE + 50_000_000, "{held}");
        ok(Swap::set_fee_rate(RuntimeOrigin::root(), other, 0));
        let free = SubtensorModule::sim_swap_tao_for_alpha(other, RAO_PER_TAO);
        assert_eq!(free.tao_fee, 0);
    });
}

#[test]
fn from_root_the_pool_takes_its_fee() {
    with_stake(|| {
        let other = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        ok(SubtensorModule::add_stake(signed(cold(1)), hot(1), NetUid::ROOT, 100 * RAO_PER_TAO));
        ok(SubtensorModule::swap_stake(signed(cold(1)), hot(1), NetUid::ROOT, other, 100 * RAO_PER_TAO));
        assert_eq!((held(1, 1, NetUid::ROOT), held(1, 1, other)), (0, BOUGHT));
        let swapped = Event::StakeSwapped(cold(1), hot(1), NetUid::ROOT, other, 100 * RAO_PER_TAO);
        assert_eq!(events().last(), Some(&swapped));
        ok(SubtensorModule::swap_stake(signed(cold(1)), hot(1), other, NetUid::ROOT, BOUGHT));
        assert_eq!((held(1, 1, NetUid::ROOT), held(1, 1, other)), (SOLD, 0));
    });
}

#[test]
fn stake_is_given_away_where_that_is_allowed() {
    with_stake(|| {
        let give = |to: u8, netuid, amount| {
            SubtensorModule::transfer_stake(signed(cold(1)), cold(to), hot(1), NET, netuid, amount)
        };
        ok(give(2, NET, 10 * RAO_PER_TAO));
        assert_eq!((held(1, 1, NET), held(2, 1, NET)), (BOUGHT - 10 * RAO_PER_TAO, 10 * RAO_PER_TAO));
        let given = Event::StakeTransferred(cold(1), cold(2), hot(1), NET, NET, 12_099_446_090);
        assert_eq!(events().last(), Some(&given));
        ok(give(2, NetUid::ROOT, 10 * RAO_PER_TAO));
        assert!(held(2, 1, NetUid::ROOT) > 11 * RAO_PER_TAO);

        let toggle = |who, allowed| AdminUtils::sudo_set_toggle_transfer(who, NET, allowed);
        assert_noop!(toggle(signed(cold(1)), false), sp_runtime::DispatchError::BadOrigin);
        ok(toggle(signed(cold(OWNER)), false));
        assert_eq!(events().last(), Some(&Event::TransferToggle(NET, false)));
        assert_noop!(give(2, NET, 10 * RAO_PER_TAO), Error::<Test>::TransferDisallowed);
        ok(toggle(RuntimeOrigin::root(), true));
        TransferToggle::<Test>::insert(NetUid::ROOT, false);
        assert_noop!(give(2, NetUid::ROOT, 10 * RAO_PER_TAO), Error::<Test>::TransferDisallowed);
        ok(give(2, NET, 10 * RAO_PER_TAO));
    });
}

#[test]
fn what_must_not_move_stays_where_it_is() {
    with_stake(|| {
        let shift = |from, to, origin, destination, amount| {
            SubtensorModule::move_stake(signed(cold(1)), from, to, origin, destination, amount)
        };
        assert_noop!(shift(hot(1), hot(1), NET, NET, RAO_PER_TAO), Error::<Test>::SameNetuid);
        assert_noop!(shift(hot(1), hot(90), NET, NET, RAO_PER_TAO), Error::<Test>::HotKeyAccountNotExists);
        assert_noop!(shift(hot(90), hot(1), NET, NET, RAO_PER_TAO), Error::<Test>::HotKeyAccountNotExists);
        assert_noop!(shift(hot(1), hot(2), NET, NetUid(9), RAO_PER_TAO), Error::<Test>::SubnetNotExists);
        assert_noop!(shift(hot(1), hot(2), NetUid(9), NET, RAO_PER_TAO), Error::<Test>::SubnetNotExists);
        assert_noop!(shift(hot(1), hot(2), NET, NET, BOUGHT + 1), Error::<Test>::NotEnoughStakeToWithdraw);
        assert_noop!(shift(hot(1), hot(2), NET, NET, 0), Error::<Test>::AmountTooLow);
        assert_noop!(shift(hot(1), hot(2), NET, NET, 1_000_000), Error::<Test>::AmountTooLow);
        assert_noop!(shift(hot(1), hot(2), NET, NetUid::ROOT, 1_000_000), Error::<Test>::AmountTooLow);
        assert_noop!(shift(hot(2), hot(1), NET, NET, 0), Error::<Test>::AmountTooLow);
        let other = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        crate::SubtokenEnabled::<Test>::insert(other, false);
        assert_noop!(shift(hot(1), hot(2), NET, other, RAO_PER_TAO), Error::<Test>::SubtokenDisabled);
        crate::SubtokenEnabled::<Test>::insert(other, true);
        crate::SubnetAlphaIn::<Test>::insert(other, defaults::MIN_RESERVE);
        assert_noop!(shift(hot(1), hot(2), NET, other, RAO_PER_TAO), Error::<Test>::InsufficientLiquidity);

        let same = || SubtensorModule::swap_stake(signed(cold(1)), hot(1), NET, NET, RAO_PER_TAO);
        assert_noop!(same(), Error::<Test>::SameNetuid);
        let to_oneself = || SubtensorModule::transfer_stake(signed(cold(1)), cold(1), hot(1), NET, NET, RAO_PER_TAO);
        assert_noop!(to_oneself(), Error::<Test>::SameNetuid);
    });
}

#[test]
fn a_move_keeps_to_its_limit_between_subnets_and_has_none_within_one() {
    with_stake(|| {
        let other = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        let go = |to, amount, limit, partial| {
            SubtensorModule::move_stake_limit(signed(cold(1)), hot(1), hot(2), NET, to, amount, limit, partial)
        };
        // Alpha of NET is worth 1.21 TAO before, 1 TAO of the other: it must not fall below 1.1 of the other's.
        assert_noop!(go(other, u64::MAX, 1_100_000_000, false), Error::<Test>::SlippageTooHigh);
        ok(go(other, u64::MAX, 1_100_000_000, true));
        let left = held(1, 1, NET);
        assert!(left > 0 && left < BOUGHT, "{left}");
        let worth = |netuid| u128::from(SubtensorModule::current_alpha_price(netuid));
        let ratio = worth(NET) * 1_000_000_000 / worth(other);
        // Prices are shown to the rao, rounded down.
        assert!((1_099_999_998..1_100_000_010).contains(&ratio), "{ratio}");
        ok(go(NET, u64::MAX, u64::MAX, false));
        assert_eq!((held(1, 1, NET), held(1, 2, NET)), (0, left), "within a subnet nothing is traded");
    });
}

#[test]
fn stake_is_given_to_another_coldkey_and_hotkey_at_once() {
    with_stake(|| {
        let give = |coldkey, to, amount| {
            SubtensorModule::transfer_stake_and_hotkey(signed(cold(1)), coldkey, hot(1), to, NET, NET, amount)
        };
        assert_noop!(give(cold(1), hot(1), RAO_PER_TAO), Error::<Test>::SameNetuid);
        assert_noop!(give(cold(2), hot(9), RAO_PER_TAO), Error::<Test>::HotKeyAccountNotExists);
        TransferToggle::<Test>::insert(NET, false);
        assert_noop!(give(cold(2), hot(2), RAO_PER_TAO), Error::<Test>::TransferDisallowed);
        TransferToggle::<Test>::insert(NET, true);
        ok(give(cold(2), hot(2), RAO_PER_TAO));
        assert_eq!((held(1, 1, NET), held(2, 2, NET)), (BOUGHT - RAO_PER_TAO, RAO_PER_TAO));
        ok(give(cold(2), hot(1), u64::MAX));
        assert_eq!((held(1, 1, NET), held(2, 1, NET)), (0, BOUGHT - RAO_PER_TAO));
    });
}
