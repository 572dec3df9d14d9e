use super::*;
use crate::{
    Error, SubnetAlphaBurned, SubnetAlphaIn, SubnetAlphaOut, SubnetLocked, SubnetMechanism, SubnetPrice, SubnetTAO,
    SubnetVolume, TotalStake, defaults,
};
use frame_support::{assert_noop, traits::fungible::Inspect};

/// What 100 TAO buy of a pool of 1,000 and 1,000, and what that sells for again (the unit tests of `pool` show why).
const BOUGHT: u64 = 90_867_473_489;
const SOLD: u64 = 99_908_460_540;
const BUYING_FEE: u64 = 50_354_772;
const SELLING_FEE: u64 = 45_756_109;

fn held(n: u8) -> u64 {
    SubtensorModule::stake_of(&hot(n), &cold(n), NET)
}

#[test]
fn what_a_subnet_cost_is_in_its_pool_with_as_much_alpha() {
    on_chain(false, || {
        let (issuance, free) = (SubtensorModule::issuance(), Balances::balance(&cold(7)));
        ok(SubtensorModule::register_network(signed(cold(7)), hot(7)));
        assert_eq!(Balances::balance(&cold(7)), free - POOL_RAO);
        assert_eq!(SubtensorModule::issuance(), issuance, "nothing was destroyed");
        assert_eq!((SubnetTAO::<Test>::get(NET), SubnetAlphaIn::<Test>::get(NET)), (POOL_RAO, POOL_RAO));
        assert_eq!((SubnetLocked::<Test>::get(NET), SubnetAlphaOut::<Test>::get(NET)), (POOL_RAO, 0));
        assert_eq!(SubnetMechanism::<Test>::get(NET), defaults::DYNAMIC_MECHANISM);
        assert_eq!(events(), [Event::NetworkAdded(NET, 1)]);
        let price = |netuid| SubnetPrice { netuid, price: RAO_PER_TAO };
        assert_eq!(SubtensorModule::current_alpha_price_all(), [price(NetUid::ROOT), price(NET)]);
    });
}

#[test]
fn a_subnet_never_costs_less_than_a_pool_needs() {
    on_chain(false, || {
        ok(AdminUtils::sudo_set_network_min_lock_cost(RuntimeOrigin::root(), 0));
        crate::NetworkLastLockCost::<Test>::put(0);
        assert_eq!(SubtensorModule::network_lock_cost(), defaults::MIN_RESERVE);
        ok(SubtensorModule::register_network(signed(cold(7)), hot(7)));
        assert_eq!(SubtensorModule::current_alpha_price(NET), RAO_PER_TAO);
    });
}

#[test]
fn stake_is_bought_and_sold_at_the_pools_price() {
    with_pool(|| {
        register(1);
        let (issuance, free) = (SubtensorModule::issuance(), Balances::balance(&cold(1)));
        let expected = SubtensorModule::sim_swap_tao_for_alpha(NET, 100 * RAO_PER_TAO);
        assert_eq!((expected.alpha_amount, expected.tao_fee), (BOUGHT, BUYING_FEE));
        // At a price of one, all but the fee.
        assert_eq!(expected.alpha_slippage, 100 * RAO_PER_TAO - BUYING_FEE - BOUGHT);
        stake(1, 100 * RAO_PER_TAO);
        let added = Event::StakeAdded(cold(1), hot(1), 100 * RAO_PER_TAO, BOUGHT, NET, BUYING_FEE);
        assert_eq!(events().last(), Some(&added));
        assert_eq!((held(1), SubnetAlphaOut::<Test>::get(NET)), (BOUGHT, BOUGHT));
        assert_eq!(SubnetTAO::<Test>::get(NET), POOL_RAO + 100 * RAO_PER_TAO);
        assert_eq!(SubnetAlphaIn::<Test>::get(NET), POOL_RAO - BOUGHT);
        assert_eq!(SubtensorModule::current_alpha_price(NET), 1_209_944_609, "1100 / 909.132526511");

        let expected = SubtensorModule::sim_swap_alpha_for_tao(NET, BOUGHT);
        assert_eq!((expected.tao_amount, expected.alpha_fee), (SOLD, SELLING_FEE));
        ok(SubtensorModule::remove_stake(signed(cold(1)), hot(1), NET, BOUGHT));
        let removed = Event::StakeRemoved(cold(1), hot(1), SOLD, BOUGHT, NET, SELLING_FEE);
        assert_eq!(events().last(), Some(&removed));
        assert_eq!(Balances::balance(&cold(1)), free - 100 * RAO_PER_TAO + SOLD);
        assert_eq!((held(1), SubnetAlphaOut::<Test>::get(NET)), (0, 0));
        assert_eq!(SubnetVolume::<Test>::get(NET), u128::from(100 * RAO_PER_TAO + SOLD));
        assert_eq!(SubtensorModule::issuance(), issuance);
    });
}

#[test]
fn a_pool_that_is_too_small_is_named_and_nothing_changes() {
    with_pool(|| {
        register(1);
        stake(1, 10 * RAO_PER_TAO);
        let (tao, alpha) = (SubnetTAO::<Test>::get(NET), SubnetAlphaIn::<Test>::get(NET));
        SubnetAlphaIn::<Test>::insert(NET, defaults::MIN_RESERVE);
        let hundred = 100 * RAO_PER_TAO;
        let add = || SubtensorModule::add_stake(signed(cold(1)), hot(1), NET, hundred);
        assert_noop!(add(), Error::<Test>::InsufficientLiquidity);
        let limited = || SubtensorModule::add_stake_limit(signed(cold(1)), hot(1), NET, hundred, u64::MAX, false);
        assert_noop!(limited(), Error::<Test>::InsufficientLiquidity);
        assert_eq!(SubtensorModule::sim_swap_tao_for_alpha(NET, hundred), Default::default());

        SubnetAlphaIn::<Test>::insert(NET, alpha);
        SubnetTAO::<Test>::insert(NET, defaults::MIN_RESERVE);
        let all = held(1);
        let remove = || SubtensorModule::remove_stake(signed(cold(1)), hot(1), NET, all);
        assert_noop!(remove(), Error::<Test>::InsufficientLiquidity);
        let limited = || SubtensorModule::remove_stake_limit(signed(cold(1)), hot(1), NET, all, 0, false);
        assert_noop!(limited(), Error::<Test>::InsufficientLiquidity);
        assert_eq!(SubtensorModule::sim_swap_alpha_for_tao(NET, all), Default::default());
        SubnetTAO::<Test>::insert(NET, tao);
    });
}

#[test]
fn amounts_count_by_what_they_are_worth() {
    with_pool(|| {
        register(1);
        stake(1, RAO_PER_TAO);
        // At a price of a hundredth, the least is a hundred times as much alpha.
        SubnetAlphaIn::<Test>::insert(NET, 100 * POOL_RAO);
        let remove = |amount| SubtensorModule::remove_stake(signed(cold(1)), hot(1), NET, amount);
        assert_noop!(remove(99 * defaults::MIN_STAKE_RAO), Error::<Test>::AmountTooLow);
        ok(remove(102 * defaults::MIN_STAKE_RAO));
        // All may go, however little; but not for nothing.
        ok(remove(held(1) - 150));
        SubnetAlphaIn::<Test>::insert(NET, 10_000 * POOL_RAO);
        assert_noop!(remove(150), Error::<Test>::AmountTooLow);
        SubnetAlphaIn::<Test>::insert(NET, 50 * POOL_RAO);
        ok(remove(150));
        assert_eq!(held(1), 0);
    });
}

#[test]
fn too_dear_alpha_is_not_bought_for_nothing() {
    with_pool(|| {
        register(1);
        SubnetAlphaIn::<Test>::insert(NET, 100_000);
        let add = || SubtensorModule::add_stake(signed(cold(1)), hot(1), NET, defaults::MIN_STAKE_RAO);
        assert_noop!(add(), Error::<Test>::AmountTooLow);
    });
}

#[test]
fn all_is_unstaked_from_everywhere() {
    with_pool(|| {
        register(1);
        let stable = another_subnet(5, defaults::STABLE_MECHANISM);
        let closed = another_subnet(6, defaults::STABLE_MECHANISM);
        for netuid in [NET, stable, closed, NetUid::ROOT] {
            ok(SubtensorModule::add_stake(signed(cold(1)), hot(1), netuid, 100 * RAO_PER_TAO));
        }
        crate::SubtokenEnabled::<Test>::insert(closed, false);
        let free = Balances::balance(&cold(1));
        ok(SubtensorModule::unstake_all(signed(cold(1)), hot(1)));
        assert_eq!(Balances::balance(&cold(1)), free + SOLD + 200 * RAO_PER_TAO);
        let left = |netuid| SubtensorModule::stake_of(&hot(1), &cold(1), netuid);
        assert_eq!([NET, stable, closed, NetUid::ROOT].map(left), [0, 0, 100 * RAO_PER_TAO, 0]);
        let again = || SubtensorModule::unstake_all(signed(cold(1)), hot(1));
        assert_noop!(again(), Error::<Test>::AmountTooLow);
        assert_noop!(SubtensorModule::unstake_all(signed(cold(1)), hot(90)), Error::<Test>::HotKeyAccountNotExists);
    });
}

#[test]
fn all_alpha_becomes_root_stake() {
    with_pool(|| {
        register(1);
        let root_stake = || SubtensorModule::stake_of(&hot(1), &cold(1), NetUid::ROOT);
        stake(1, 100 * RAO_PER_TAO);
        ok(SubtensorModule::add_stake(signed(cold(1)), hot(1), NetUid::ROOT, 7 * RAO_PER_TAO));
        let (total, free) = (TotalStake::<Test>::get(), Balances::balance(&cold(1)));
        ok(SubtensorModule::unstake_all_alpha(signed(cold(1)), hot(1)));
        assert_eq!((held(1), root_stake()), (0, SOLD + 7 * RAO_PER_TAO));
        assert_eq!((TotalStake::<Test>::get(), Balances::balance(&cold(1))), (total, free));
        let again = || SubtensorModule::unstake_all_alpha(signed(cold(1)), hot(1));
        assert_noop!(again(), Error::<Test>::AmountTooLow);
        let unknown = || SubtensorModule::unstake_all_alpha(signed(cold(1)), hot(90));
        assert_noop!(unknown(), Error::<Test>::HotKeyAccountNotExists);
    });
}

#[test]
fn alpha_is_recycled_or_burned() {
    with_pool(|| {
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        let (tao, issuance) = (SubnetTAO::<Test>::get(NET), SubtensorModule::issuance());
        ok(SubtensorModule::recycle_alpha(signed(cold(1)), hot(1), 10 * RAO_PER_TAO, NET));
        assert_eq!(events().last(), Some(&Event::AlphaRecycled(cold(1), hot(1), 10 * RAO_PER_TAO, NET)));
        assert_eq!(SubnetAlphaOut::<Test>::get(NET), BOUGHT - 10 * RAO_PER_TAO);
        ok(SubtensorModule::burn_alpha(signed(cold(1)), hot(1), RAO_PER_TAO, NET));
        assert_eq!(events().last(), Some(&Event::AlphaBurned(cold(1), hot(1), RAO_PER_TAO, NET)));
        assert_eq!(SubnetAlphaOut::<Test>::get(NET), BOUGHT - 10 * RAO_PER_TAO, "burned alpha counts as issued");
        assert_eq!(SubnetAlphaBurned::<Test>::get(NET), RAO_PER_TAO);
        assert_eq!(held(1), BOUGHT - 11 * RAO_PER_TAO);
        assert_eq!((SubnetTAO::<Test>::get(NET), SubtensorModule::issuance()), (tao, issuance));
    });
    with_subnet(|| {
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        let issuance = SubtensorModule::issuance();
        ok(SubtensorModule::recycle_alpha(signed(cold(1)), hot(1), 10 * RAO_PER_TAO, NET));
        ok(SubtensorModule::burn_alpha(signed(cold(1)), hot(1), RAO_PER_TAO, NET));
        assert_eq!(SubtensorModule::issuance(), issuance - 11 * RAO_PER_TAO, "one to one, TAO goes with it");
    });
}

#[test]
fn no_more_alpha_is_destroyed_than_is_there() {
    with_pool(|| {
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        type Destroy = fn(RuntimeOrigin, AccountId32, u64, NetUid) -> DispatchResult;
        for destroy in [SubtensorModule::recycle_alpha as Destroy, SubtensorModule::burn_alpha as Destroy] {
            let by_one = |hotkey, amount, netuid| destroy(signed(cold(1)), hotkey, amount, netuid);
            assert_noop!(by_one(hot(1), 1, NetUid::ROOT), Error::<Test>::CannotBurnOrRecycleOnRootSubnet);
            assert_noop!(by_one(hot(1), 1, NetUid(9)), Error::<Test>::SubnetNotExists);
            assert_noop!(by_one(hot(90), 1, NET), Error::<Test>::HotKeyAccountNotExists);
            let before = held(1);
            ok(by_one(hot(1), 0, NET));
            assert_eq!(held(1), before);
        }
        ok(SubtensorModule::recycle_alpha(signed(cold(1)), hot(1), u64::MAX, NET));
        assert_eq!(held(1), 0);
    });
}

#[test]
fn the_fee_is_roots_to_set_within_bounds() {
    with_pool(|| {
        register(1);
        let set = |who, netuid, rate| Swap::set_fee_rate(who, netuid, rate);
        let error = crate::swap::Error::<Test>::FeeRateTooHigh;
        assert_noop!(set(RuntimeOrigin::root(), NET, defaults::MAX_FEE_RATE + 1), error);
        let error = crate::swap::Error::<Test>::MechanismDoesNotExist;
        assert_noop!(set(RuntimeOrigin::root(), NetUid(9), 0), error);
        assert_noop!(set(signed(cold(OWNER)), NET, 0), sp_runtime::DispatchError::BadOrigin);
        ok(set(RuntimeOrigin::root(), NET, 0));
        System::assert_last_event(crate::swap::Event::FeeRateSet { netuid: NET, rate: 0 }.into());
        stake(1, 1_000 * RAO_PER_TAO);
        assert_eq!(held(1), POOL_RAO / 2, "1000 − 1000 · 1000 / 2000");
        ok(set(RuntimeOrigin::root(), NET, defaults::MAX_FEE_RATE));
    });
}

#[test]
fn alpha_is_bought_and_destroyed_at_once_or_not_at_all() {
    with_pool(|| {
        register(1);
        let buy =
            |netuid, amount, limit| SubtensorModule::add_stake_burn(signed(cold(1)), hot(1), netuid, amount, limit);
        assert_noop!(buy(NET, 100 * RAO_PER_TAO, Some(1_100_000_000)), Error::<Test>::SlippageTooHigh);
        assert_noop!(buy(NetUid::ROOT, RAO_PER_TAO, None), Error::<Test>::CannotBurnOrRecycleOnRootSubnet);
        let (free, tao) = (Balances::balance(&cold(1)), SubnetTAO::<Test>::get(NET));
        ok(buy(NET, 100 * RAO_PER_TAO, Some(1_300_000_000)));
        let bought = Event::AddStakeBurn { netuid: NET, hotkey: hot(1), amount: 100 * RAO_PER_TAO, alpha: BOUGHT };
        assert_eq!(events().last(), Some(&bought));
        assert_eq!(Balances::balance(&cold(1)), free - 100 * RAO_PER_TAO);
        assert_eq!(SubnetTAO::<Test>::get(NET), tao + 100 * RAO_PER_TAO, "what was paid stays in the pool");
        assert_eq!((held(1), SubnetAlphaBurned::<Test>::get(NET)), (0, BOUGHT));
    });
}
