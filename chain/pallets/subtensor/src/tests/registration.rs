use super::*;
use crate::{
    BlockAtRegistration, Burn, Emission, Error, IsNetworkMember, Keys, MaxAllowedUids, MaxBurn, MinBurn, OwnedHotkeys,
    Owner, RAORecycledForRegistration, RegistrationsThisBlock, SubnetAlphaIn, SubnetAlphaOut, SubnetTAO, SubnetworkN,
    ValidatorPermit, Weights,
};
use crate::{NetUidStorageIndex, defaults};
use frame_support::{assert_noop, traits::fungible::Inspect};

#[test]
fn a_registration_burns_the_price_and_assigns_the_next_uid() {
    with_subnet(|| {
        let issuance = SubtensorModule::issuance();
        let price = Burn::<Test>::get(NET);
        assert_eq!(register(1), 1);
        assert_eq!(Balances::balance(&cold(1)), FUNDS_RAO - price);
        assert_eq!(SubtensorModule::issuance(), issuance - price);
        assert_eq!(RAORecycledForRegistration::<Test>::get(NET), price);
        assert_eq!(RegistrationsThisBlock::<Test>::get(NET), 1);
        assert_eq!(Owner::<Test>::get(hot(1)), cold(1));
        assert_eq!(OwnedHotkeys::<Test>::get(cold(1)), [hot(1)]);
        assert_eq!(BlockAtRegistration::<Test>::get(NET, 1), 1);
        assert_eq!(events().last(), Some(&Event::NeuronRegistered(NET, 1, hot(1))));
        assert!(System::providers(&hot(1)) > 0, "the hotkey may send transactions without a balance");
    });
}

#[test]
fn where_alpha_has_a_price_what_is_paid_buys_it_and_it_may_be_emitted_again() {
    with_pool(|| {
        let (issuance, tao, alpha) =
            (SubtensorModule::issuance(), SubnetTAO::<Test>::get(NET), SubnetAlphaIn::<Test>::get(NET));
        let (out, price) = (SubnetAlphaOut::<Test>::get(NET), Burn::<Test>::get(NET));
        ok(SubtensorModule::burned_register(signed(cold(1)), NET, hot(1)));
        assert_eq!(SubtensorModule::issuance(), issuance);
        assert_eq!(SubnetTAO::<Test>::get(NET), tao + price);
        assert!(SubnetAlphaIn::<Test>::get(NET) < alpha);
        assert_eq!(SubnetAlphaOut::<Test>::get(NET), out);
        assert_eq!(RAORecycledForRegistration::<Test>::get(NET), price);
    });
}

#[test]
fn the_price_rises_with_a_registration_and_halves_in_its_half_life() {
    with_subnet(|| {
        assert_eq!(Burn::<Test>::get(NET), 100_000_000);
        register(1);
        assert_eq!(Burn::<Test>::get(NET), 125_999_999, "1.26 times, rounded down");
        register(2);
        assert_eq!(Burn::<Test>::get(NET), 158_759_998);
        ok(AdminUtils::sudo_set_burn_half_life(signed(cold(OWNER)), NET, 20));
        pass(20);
        assert!(Burn::<Test>::get(NET).abs_diff(79_379_999) < 100, "{}", Burn::<Test>::get(NET));
        pass(2_000);
        assert_eq!(Burn::<Test>::get(NET), MinBurn::<Test>::get(NET), "never below the floor");
    });
}

#[test]
fn the_price_stays_under_its_ceiling() {
    with_subnet(|| {
        MaxBurn::<Test>::insert(NET, 110_000_000);
        register(1);
        assert_eq!(Burn::<Test>::get(NET), 110_000_000);
    });
}

#[test]
fn a_registration_that_must_not_be_changes_nothing() {
    with_subnet(|| {
        register(1);
        let call = |coldkey, netuid, hotkey| SubtensorModule::burned_register(signed(coldkey), netuid, hotkey);
        assert_noop!(call(cold(1), NET, hot(1)), Error::<Test>::HotKeyAlreadyRegisteredInSubNet);
        assert_noop!(call(cold(2), NetUid(9), hot(2)), Error::<Test>::SubnetNotExists);
        assert_noop!(call(cold(2), NetUid::ROOT, hot(2)), Error::<Test>::RegistrationNotPermittedOnRootSubnet);
        let poor = AccountId32::new([250; 32]);
        assert_noop!(call(poor, NET, hot(2)), Error::<Test>::NotEnoughBalanceToStake);
        let dear = || SubtensorModule::register_limit(signed(cold(2)), NET, hot(2), Burn::<Test>::get(NET) - 1);
        assert_noop!(dear(), Error::<Test>::RegistrationPriceLimitExceeded);
        ok(AdminUtils::sudo_set_network_registration_allowed(RuntimeOrigin::root(), NET, false));
        assert_noop!(call(cold(2), NET, hot(2)), Error::<Test>::SubNetRegistrationDisabled);
    });
}

#[test]
fn a_hotkey_belongs_to_its_first_coldkey() {
    with_subnet(|| {
        ok(AdminUtils::sudo_set_network_rate_limit(RuntimeOrigin::root(), 0));
        ok(SubtensorModule::register_network(signed(cold(5)), hot(5)));
        register(1);
        let theft = || SubtensorModule::burned_register(signed(cold(2)), NetUid(2), hot(1));
        assert_noop!(theft(), Error::<Test>::NonAssociatedColdKey);
        ok(SubtensorModule::burned_register(signed(cold(1)), NetUid(2), hot(1)));
        assert_eq!(OwnedHotkeys::<Test>::get(cold(1)), [hot(1)], "named once");
    });
}

/// A full subnet of the owner and pairs 1 to 3, registered one block apart, none of them immune but the owner, where the
/// number of those who are not does not matter.
fn full_subnet() {
    ok(AdminUtils::sudo_set_min_non_immune_uids(RuntimeOrigin::root(), NET, 0));
    for n in 1..=3 {
        pass(1);
        register(n);
    }
    ok(AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, 4));
    ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, 0));
}

#[test]
fn a_full_subnet_prunes_who_earned_least() {
    with_subnet(|| {
        full_subnet();
        Emission::<Test>::insert(NET, vec![0u64, 5, 3, 4]);
        assert_eq!(register(4), 2);
        assert_eq!(SubnetworkN::<Test>::get(NET), 4);
        assert!(!IsNetworkMember::<Test>::get(hot(2), NET));
        assert_eq!(Uids::<Test>::get(NET, hot(2)), None);
        assert_eq!(Keys::<Test>::get(NET, 2), hot(4));
    });
}

#[test]
fn of_equals_the_oldest_goes_and_of_those_the_lowest_uid() {
    with_subnet(|| {
        full_subnet();
        BlockAtRegistration::<Test>::insert(NET, 1, 4);
        BlockAtRegistration::<Test>::insert(NET, 2, 2);
        BlockAtRegistration::<Test>::insert(NET, 3, 2);
        assert_eq!(SubtensorModule::neuron_to_prune(NET), Some(2));
        BlockAtRegistration::<Test>::insert(NET, 3, 1);
        assert_eq!(SubtensorModule::neuron_to_prune(NET), Some(3));
    });
}

#[test]
fn the_immune_go_first_while_few_others_are_there() {
    with_subnet(|| {
        full_subnet();
        let now = u16::try_from(System::block_number()).unwrap();
        // Registered in blocks 2, 3 and 4; only the first is no longer immune.
        ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, now - 2));
        Emission::<Test>::insert(NET, vec![0u64, 9, 1, 0]);
        assert_eq!(SubtensorModule::neuron_to_prune(NET), Some(1));
        ok(AdminUtils::sudo_set_min_non_immune_uids(RuntimeOrigin::root(), NET, 1));
        assert_eq!(SubtensorModule::neuron_to_prune(NET), Some(3), "one is not more than one");
        Emission::<Test>::insert(NET, vec![0u64, 9, 1, 1]);
        assert_eq!(SubtensorModule::neuron_to_prune(NET), Some(2), "the older of the immune");
        ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, 1_000));
        assert_eq!(register(4), 2, "where all are immune, one of them goes");
    });
}

#[test]
fn where_few_are_not_immune_and_nobody_is_nobody_gets_in() {
    with_subnet(|| {
        full_subnet();
        ok(AdminUtils::sudo_set_min_non_immune_uids(RuntimeOrigin::root(), NET, 3));
        let refused = || SubtensorModule::burned_register(signed(cold(4)), NET, hot(4));
        assert_noop!(refused(), Error::<Test>::NoNeuronIdAvailable);
        ok(AdminUtils::sudo_set_min_non_immune_uids(RuntimeOrigin::root(), NET, 2));
        register(4);
    });
}

#[test]
fn what_was_said_of_a_neuron_is_not_said_of_who_comes_in_its_place() {
    with_subnet(|| {
        full_subnet();
        let index = NetUidStorageIndex::from(NET);
        Emission::<Test>::insert(NET, vec![9u64, 1, 9, 9]);
        Weights::<Test>::insert(index, 2, vec![(1u16, u16::MAX), (3, 7)]);
        Weights::<Test>::insert(index, 3, vec![(2u16, 5u16)]);
        assert_eq!(register(4), 1);
        assert_eq!(Weights::<Test>::get(index, 2), [(1, 0), (3, 7)]);
        assert_eq!(Weights::<Test>::get(index, 3), [(2, 5)]);
    });
}

#[test]
fn a_newcomer_inherits_nothing() {
    with_subnet(|| {
        full_subnet();
        let index = NetUidStorageIndex::from(NET);
        ValidatorPermit::<Test>::insert(NET, vec![true, true, true, true]);
        Emission::<Test>::insert(NET, vec![9u64, 1, 9, 9]);
        Weights::<Test>::insert(index, 1, vec![(2u16, u16::MAX)]);
        crate::Bonds::<Test>::insert(index, 1, vec![(2u16, u16::MAX)]);
        crate::WeightCommits::<Test>::insert(index, hot(1), std::collections::VecDeque::new());
        assert_eq!(register(4), 1);
        assert_eq!(ValidatorPermit::<Test>::get(NET), [true, false, true, true]);
        assert_eq!(Emission::<Test>::get(NET), [9, 0, 9, 9]);
        assert!(Weights::<Test>::get(index, 1).is_empty());
        assert!(crate::Bonds::<Test>::get(index, 1).is_empty());
        assert!(crate::WeightCommits::<Test>::get(index, hot(1)).is_none());
    });
}

#[test]
fn there_are_never_fewer_places_than_neurons_nor_more_than_256() {
    with_subnet(|| {
        register(1);
        let set = |uids| AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, uids);
        assert_noop!(set(1), Error::<Test>::InvalidValue);
        assert_noop!(set(defaults::MAX_ALLOWED_UIDS + 1), Error::<Test>::InvalidValue);
        ok(set(2));
        assert_eq!(MaxAllowedUids::<Test>::get(NET), 2);
    });
}
