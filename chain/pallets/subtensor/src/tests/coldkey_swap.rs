use super::*;
use crate::{
    ChainIdentityV2, ColdkeySwapAnnouncements, ColdkeySwapDisputes, Error, IdentitiesV2, OwnedHotkeys, Owner,
    StakingHotkeys, SubnetOwner, defaults,
};
use frame_support::{assert_noop, traits::fungible::Inspect};
use sp_runtime::{
    DispatchError,
    traits::{BlakeTwo256, Hash},
};

/// Blocks between an announcement and the swap, and until another, in these tests.
const DELAY: u32 = 5;
const AGAIN: u32 = 3;

/// A coldkey that nobody has used.
fn fresh() -> AccountId32 {
    AccountId32::new([201; 32])
}

fn short_delays() {
    ok(AdminUtils::sudo_set_coldkey_swap_announcement_delay(RuntimeOrigin::root(), DELAY));
    ok(AdminUtils::sudo_set_coldkey_swap_reannouncement_delay(RuntimeOrigin::root(), AGAIN));
}

fn announce(who: AccountId32, new: &AccountId32) -> DispatchResult {
    SubtensorModule::announce_coldkey_swap(signed(who), BlakeTwo256::hash_of(new))
}

fn swap(who: AccountId32, new: AccountId32) -> DispatchResult {
    SubtensorModule::swap_coldkey_announced(signed(who), new)
}

/// Why a coldkey may not make a call now, if it may not.
fn refusal(who: AccountId32, is_about_the_swap: bool) -> Option<DispatchError> {
    SubtensorModule::ensure_no_coldkey_swap(&who, is_about_the_swap).err().map(DispatchError::from)
}

#[test]
fn all_that_a_coldkey_owns_goes_over_after_the_delay() {
    with_subnet(|| {
        short_delays();
        register(1);
        stake(OWNER, 100 * RAO_PER_TAO);
        ok(SubtensorModule::add_stake(signed(cold(OWNER)), hot(1), NET, 7 * RAO_PER_TAO));
        ok(SubtensorModule::add_stake(signed(cold(OWNER)), hot(OWNER), NetUid::ROOT, 9 * RAO_PER_TAO));
        let identity = ChainIdentityV2 { name: b"owner".to_vec(), ..Default::default() };
        IdentitiesV2::<Test>::insert(cold(OWNER), &identity);
        let staked = |coldkey: &AccountId32| {
            [(hot(OWNER), NET), (hot(1), NET), (hot(OWNER), NetUid::ROOT)]
                .map(|(hotkey, netuid)| SubtensorModule::stake_of(&hotkey, coldkey, netuid))
        };
        let (before, free) = (staked(&cold(OWNER)), Balances::balance(&cold(OWNER)));

        ok(announce(cold(OWNER), &fresh()));
        assert_eq!(Balances::balance(&cold(OWNER)), free - defaults::KEY_SWAP_COST_RAO);
        assert_noop!(swap(cold(OWNER), fresh()), Error::<Test>::ColdkeySwapTooEarly);
        pass(DELAY);
        assert_noop!(swap(cold(OWNER), cold(50)), Error::<Test>::AnnouncedColdkeyHashDoesNotMatch);
        let (before_pay, free) = (staked(&cold(OWNER)), Balances::balance(&cold(OWNER)));
        assert_eq!(before_pay, before, "no epoch has paid yet");
        ok(swap(cold(OWNER), fresh()));

        assert_eq!((staked(&fresh()), staked(&cold(OWNER))), (before, [0; 3]));
        assert_eq!(Balances::balance(&fresh()), free);
        assert_eq!(Balances::balance(&cold(OWNER)), 0);
        assert_eq!(SubnetOwner::<Test>::get(NET), fresh());
        assert_eq!(Owner::<Test>::get(hot(OWNER)), fresh());
        assert_eq!(OwnedHotkeys::<Test>::get(fresh()), [hot(OWNER)]);
        assert_eq!(StakingHotkeys::<Test>::get(fresh()), [hot(OWNER), hot(1)]);
        assert!(!OwnedHotkeys::<Test>::contains_key(cold(OWNER)) && !StakingHotkeys::<Test>::contains_key(cold(OWNER)));
        assert_eq!(IdentitiesV2::<Test>::get(fresh()), Some(identity));
        assert_eq!(events().last(), Some(&Event::ColdkeySwapped { old_coldkey: cold(OWNER), new_coldkey: fresh() }));
        assert_noop!(swap(cold(OWNER), fresh()), Error::<Test>::ColdkeySwapAnnouncementNotFound);
        ok(AdminUtils::sudo_set_rho(signed(fresh()), NET, 3));
    });
}

#[test]
fn an_announcement_stands_until_it_could_have_been_made_for_a_while() {
    with_subnet(|| {
        short_delays();
        ok(announce(cold(1), &fresh()));
        let free = Balances::balance(&cold(1));
        pass(DELAY + AGAIN - 1);
        assert_noop!(announce(cold(1), &cold(50)), Error::<Test>::ColdkeySwapReannouncedTooEarly);
        let clear = || SubtensorModule::clear_coldkey_swap_announcement(signed(cold(1)));
        assert_noop!(clear(), Error::<Test>::ColdkeySwapClearTooEarly);
        pass(1);
        ok(announce(cold(1), &cold(50)));
        assert_eq!(Balances::balance(&cold(1)), free, "only the first costs anything");
        pass(DELAY + AGAIN);
        ok(clear());
        assert_noop!(clear(), Error::<Test>::ColdkeySwapAnnouncementNotFound);
    });
}

#[test]
fn a_disputed_swap_waits_for_root() {
    with_subnet(|| {
        short_delays();
        let dispute = || SubtensorModule::dispute_coldkey_swap(signed(cold(1)));
        assert_noop!(dispute(), Error::<Test>::ColdkeySwapAnnouncementNotFound);
        ok(announce(cold(1), &fresh()));
        assert_eq!(refusal(cold(1), true), None);
        assert_eq!(refusal(cold(1), false), Some(Error::<Test>::ColdkeySwapAnnounced.into()));
        ok(dispute());
        assert_noop!(dispute(), Error::<Test>::ColdkeySwapAlreadyDisputed);
        assert_eq!(refusal(cold(1), true), Some(Error::<Test>::ColdkeySwapDisputed.into()));
        pass(DELAY + AGAIN);
        assert_noop!(swap(cold(1), fresh()), Error::<Test>::ColdkeySwapDisputed);
        assert_noop!(announce(cold(1), &fresh()), Error::<Test>::ColdkeySwapDisputed);
        assert_noop!(
            SubtensorModule::clear_coldkey_swap_announcement(signed(cold(1))),
            Error::<Test>::ColdkeySwapDisputed
        );

        let reset = |origin| SubtensorModule::reset_coldkey_swap(origin, cold(1));
        assert_noop!(reset(signed(cold(1))), DispatchError::BadOrigin);
        ok(reset(RuntimeOrigin::root()));
        assert!(!ColdkeySwapAnnouncements::<Test>::contains_key(cold(1)));
        assert!(!ColdkeySwapDisputes::<Test>::contains_key(cold(1)));
        assert_eq!(refusal(cold(1), false), None);
    });
}

#[test]
fn root_swaps_at_once_and_for_what_it_says() {
    with_subnet(|| {
        let by = |origin, new| SubtensorModule::swap_coldkey(origin, cold(OWNER), new, RAO_PER_TAO);
        assert_noop!(by(signed(cold(OWNER)), fresh()), DispatchError::BadOrigin);
        register(1);
        assert_noop!(by(RuntimeOrigin::root(), hot(1)), Error::<Test>::NewColdKeyIsHotkey);
        assert_noop!(by(RuntimeOrigin::root(), cold(1)), Error::<Test>::ColdKeyAlreadyAssociated);
        let free = Balances::balance(&cold(OWNER));
        ok(by(RuntimeOrigin::root(), fresh()));
        assert_eq!(Balances::balance(&fresh()), free - RAO_PER_TAO);
        assert_eq!(SubnetOwner::<Test>::get(NET), fresh());
    });
}

#[test]
fn a_new_coldkey_waits_out_what_the_old_one_had_to() {
    with_subnet(|| {
        ok(AdminUtils::sudo_set_owner_hparam_rate_limit(RuntimeOrigin::root(), 2));
        let set = |who| AdminUtils::sudo_set_rho(signed(who), NET, 5);
        ok(set(cold(OWNER)));
        ok(SubtensorModule::swap_coldkey(RuntimeOrigin::root(), cold(OWNER), fresh(), 0));
        assert_noop!(set(fresh()), Error::<Test>::TxRateLimitExceeded);
        pass(2 * u32::from(TEMPO));
        ok(set(fresh()));
    });
}

#[test]
fn who_cannot_pay_announces_nothing() {
    with_subnet(|| {
        let poor = AccountId32::new([202; 32]);
        assert_noop!(announce(poor, &fresh()), Error::<Test>::NotEnoughBalanceToPaySwapColdKey);
    });
}
