use super::*;
use crate::{Error, StakingHotkeys, SubnetTAO, TotalHotkeyAlpha, TotalStake, defaults::MIN_STAKE_RAO};
use frame_support::{assert_noop, storage::with_storage_layer, traits::fungible::Inspect};

#[test]
fn tao_goes_in_and_comes_out_whole() {
    with_subnet(|| {
        register(1);
        let (issuance, free) = (SubtensorModule::issuance(), Balances::balance(&cold(1)));
        stake(1, 5 * RAO_PER_TAO);
        assert_eq!(Balances::balance(&cold(1)), free - 5 * RAO_PER_TAO);
        assert_eq!(SubtensorModule::stake_of(&hot(1), &cold(1), NET), 5 * RAO_PER_TAO);
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(1), NET), 5 * RAO_PER_TAO);
        assert_eq!(SubnetTAO::<Test>::get(NET), 5 * RAO_PER_TAO);
        assert_eq!(SubtensorModule::issuance(), issuance);
        let amount = 5 * RAO_PER_TAO;
        assert_eq!(events().last(), Some(&Event::StakeAdded(cold(1), hot(1), amount, amount, NET, 0)));

        ok(SubtensorModule::remove_stake(signed(cold(1)), hot(1), NET, amount));
        assert_eq!(Balances::balance(&cold(1)), free);
        assert_eq!(TotalStake::<Test>::get(), 0);
        assert_eq!(SubtensorModule::issuance(), issuance);
        assert_eq!(events().last(), Some(&Event::StakeRemoved(cold(1), hot(1), amount, amount, NET, 0)));
    });
}

#[test]
fn anybody_may_stake_to_a_hotkey_and_each_takes_out_their_own() {
    with_subnet(|| {
        register(1);
        stake(1, 3 * RAO_PER_TAO);
        ok(SubtensorModule::add_stake(signed(cold(2)), hot(1), NET, RAO_PER_TAO));
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(1), NET), 4 * RAO_PER_TAO);
        assert_eq!(StakingHotkeys::<Test>::get(cold(2)), [hot(1)]);
        let too_much = || SubtensorModule::remove_stake(signed(cold(2)), hot(1), NET, RAO_PER_TAO + 1);
        assert_noop!(too_much(), Error::<Test>::NotEnoughStakeToWithdraw);
        ok(SubtensorModule::remove_stake(signed(cold(2)), hot(1), NET, RAO_PER_TAO));
        assert_eq!(SubtensorModule::stake_of(&hot(1), &cold(1), NET), 3 * RAO_PER_TAO);
    });
}

#[test]
fn a_stake_that_must_not_be_changes_nothing() {
    with_chain(|| {
        ok(SubtensorModule::register_network(signed(cold(OWNER)), hot(OWNER)));
        let add = |hotkey, netuid, amount| SubtensorModule::add_stake(signed(cold(2)), hotkey, netuid, amount);
        assert_noop!(add(hot(OWNER), NetUid(9), RAO_PER_TAO), Error::<Test>::SubnetNotExists);
        assert_noop!(add(hot(OWNER), NET, RAO_PER_TAO), Error::<Test>::SubtokenDisabled);
        ok(SubtensorModule::start_call(signed(cold(OWNER)), NET));
        assert_noop!(add(hot(9), NET, RAO_PER_TAO), Error::<Test>::HotKeyAccountNotExists);
        assert_noop!(add(hot(OWNER), NET, MIN_STAKE_RAO - 1), Error::<Test>::AmountTooLow);
        let all = Balances::balance(&cold(2));
        assert_noop!(add(hot(OWNER), NET, all), Error::<Test>::NotEnoughBalanceToStake);
        ok(add(hot(OWNER), NET, all - EXISTENTIAL_DEPOSIT_RAO));
    });
}

#[test]
fn stake_that_does_not_fit_is_refused_by_name() {
    with_subnet(|| {
        register(1);
        stake(1, 5 * RAO_PER_TAO);
        // As every dispatch does.
        let add = |amount| with_storage_layer(|| SubtensorModule::add_stake(signed(cold(1)), hot(1), NET, amount));
        let remove = |amount| SubtensorModule::remove_stake(signed(cold(1)), hot(1), NET, amount);
        assert_noop!(add(u64::MAX), Error::<Test>::NotEnoughBalanceToStake);
        assert_noop!(remove(u64::MAX), Error::<Test>::NotEnoughStakeToWithdraw);

        let pool = TotalHotkeyAlpha::<Test>::get(hot(1), NET);
        TotalHotkeyAlpha::<Test>::insert(hot(1), NET, u64::MAX - RAO_PER_TAO);
        assert_noop!(add(2 * RAO_PER_TAO), Error::<Test>::Overflow);
        TotalHotkeyAlpha::<Test>::insert(hot(1), NET, pool);
        let total = TotalStake::<Test>::get();
        TotalStake::<Test>::put(u64::MAX - RAO_PER_TAO);
        assert_noop!(add(2 * RAO_PER_TAO), Error::<Test>::Overflow);
        TotalStake::<Test>::put(total);
        ok(add(2 * RAO_PER_TAO));
    });
}

#[test]
fn where_root_has_switched_it_off_nothing_is_staked_or_unstaked() {
    with_subnet(|| {
        register(1);
        stake(1, 5 * RAO_PER_TAO);
        ok(AdminUtils::sudo_set_subtoken_enabled(RuntimeOrigin::root(), NET, false));
        let add = SubtensorModule::add_stake(signed(cold(1)), hot(1), NET, RAO_PER_TAO);
        assert_noop!(add, Error::<Test>::SubtokenDisabled);
        let remove = SubtensorModule::remove_stake(signed(cold(1)), hot(1), NET, RAO_PER_TAO);
        assert_noop!(remove, Error::<Test>::SubtokenDisabled);
    });
}

#[test]
fn little_is_unstaked_only_as_all_that_is_left() {
    with_subnet(|| {
        register(1);
        stake(1, MIN_STAKE_RAO + 10);
        let remove = |amount| SubtensorModule::remove_stake(signed(cold(1)), hot(1), NET, amount);
        assert_noop!(remove(10), Error::<Test>::AmountTooLow);
        assert_noop!(remove(0), Error::<Test>::AmountTooLow);
        ok(remove(MIN_STAKE_RAO));
        ok(remove(10));
        assert_noop!(remove(0), Error::<Test>::AmountTooLow);
        assert_eq!(SubtensorModule::stake_of(&hot(1), &cold(1), NET), 0);
    });
}
