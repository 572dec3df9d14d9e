use super::*;
use crate::{
    Active, AlphaDividendsPerSubnet, Delegates, Dividends, Emission, Incentive, LastEpochBlock, NetUidStorageIndex,
    PendingOwnerCut, PendingServerEmission, PendingValidatorEmission, SubnetEpochIndex, SubnetTAO, TotalHotkeyAlpha,
    ValidatorPermit,
};

/// The owner's cut, the miners' and the validators' part of one TAO.
const CUT: u64 = 179_995_422;
const MINERS: u64 = 410_002_289;
const VALIDATORS: u64 = 410_002_289;

/// A subnet where pair 1 (uid 1) validates with a stake of 100 TAO, and 2 and 3 (uids 2 and 3) mine. One epoch has run.
fn with_validator(test: impl FnOnce()) {
    with_subnet(|| {
        commit_reveal(false);
        (1..=3).for_each(|n| {
            register(n);
        });
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        test();
    });
}

fn set(n: u8, uids: &[u16], weights: &[u16]) {
    ok(SubtensorModule::set_weights(signed(hot(n)), NET, uids.to_vec(), weights.to_vec(), 0));
}

fn stake_on(n: u8) -> u64 {
    TotalHotkeyAlpha::<Test>::get(hot(n), NET)
}

#[test]
fn a_block_sets_one_tao_aside() {
    assert_eq!(CUT + MINERS + VALIDATORS, RAO_PER_TAO);
    with_subnet(|| {
        pass(3);
        assert_eq!(PendingOwnerCut::<Test>::get(NET), 3 * CUT);
        assert_eq!(PendingServerEmission::<Test>::get(NET), 3 * MINERS);
        assert_eq!(PendingValidatorEmission::<Test>::get(NET), 3 * VALIDATORS);
        assert_eq!(SubnetTAO::<Test>::get(NET), 3 * RAO_PER_TAO);
    });
}

#[test]
fn only_subnets_that_started_and_are_enabled_share_and_they_share_evenly() {
    with_subnet(|| {
        ok(AdminUtils::sudo_set_network_rate_limit(RuntimeOrigin::root(), 0));
        let second = NetUid(2);
        ok(SubtensorModule::register_network(signed(cold(5)), hot(5)));
        ok(AdminUtils::sudo_set_subnet_emission_enabled(RuntimeOrigin::root(), second, true));
        pass(1);
        assert_eq!(SubnetTAO::<Test>::get(second), 0, "not started");
        ok(SubtensorModule::start_call(signed(cold(5)), second));
        pass(1);
        assert_eq!(SubnetTAO::<Test>::get(second), RAO_PER_TAO / 2);
        ok(AdminUtils::sudo_set_subnet_emission_enabled(RuntimeOrigin::root(), NET, false));
        let before = SubnetTAO::<Test>::get(NET);
        pass(1);
        assert_eq!(SubnetTAO::<Test>::get(NET), before);
        assert_eq!(SubnetTAO::<Test>::get(second), RAO_PER_TAO / 2 * 3);
    });
}

#[test]
fn an_epoch_runs_once_a_tempo() {
    with_subnet(|| {
        // Created in block 1, with a tempo of 10.
        assert_eq!(SubtensorModule::next_epoch_start_block(NET), Some(11));
        pass(9);
        assert_eq!(SubnetEpochIndex::<Test>::get(NET), 0);
        pass(1);
        assert_eq!((SubnetEpochIndex::<Test>::get(NET), LastEpochBlock::<Test>::get(NET)), (1, 11));
        pass(10);
        assert_eq!((SubnetEpochIndex::<Test>::get(NET), LastEpochBlock::<Test>::get(NET)), (2, 21));
        ok(AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), NET, 0));
        assert_eq!(SubtensorModule::next_epoch_start_block(NET), None);
        pass(30);
        assert_eq!(SubnetEpochIndex::<Test>::get(NET), 2);
    });
}

#[test]
fn too_many_epochs_in_a_block_are_put_off() {
    with_subnet(|| {
        ok(AdminUtils::sudo_set_network_rate_limit(RuntimeOrigin::root(), 0));
        ok(AdminUtils::sudo_set_max_epochs_per_block(RuntimeOrigin::root(), 1));
        let second = NetUid(2);
        ok(SubtensorModule::register_network(signed(cold(5)), hot(5)));
        ok(AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), second, TEMPO));
        pass(10);
        assert_eq!(SubnetEpochIndex::<Test>::get(NET), 1);
        assert_eq!(SubnetEpochIndex::<Test>::get(second), 0);
        let deferred = Event::EpochDeferred { netuid: second, from_block: 11, to_block: 12 };
        assert!(events().contains(&deferred));
        assert_eq!(SubtensorModule::next_epoch_start_block(second), Some(12));
        pass(1);
        assert_eq!(SubnetEpochIndex::<Test>::get(second), 1);
    });
}

#[test]
fn permits_go_to_the_largest_stakes_and_the_owner() {
    with_subnet(|| {
        (1..=4).for_each(|n| {
            register(n);
        });
        stake(1, 10 * RAO_PER_TAO);
        stake(2, 30 * RAO_PER_TAO);
        stake(3, 20 * RAO_PER_TAO);
        ok(AdminUtils::sudo_set_max_allowed_validators(RuntimeOrigin::root(), NET, 2));
        pass_epoch();
        assert_eq!(ValidatorPermit::<Test>::get(NET), [true, false, true, true, false]);
    });
}

#[test]
fn without_weights_those_who_staked_get_all() {
    with_subnet(|| {
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        let paid = 10 * (MINERS + VALIDATORS);
        assert_eq!(stake_on(1), 100 * RAO_PER_TAO + paid);
        assert_eq!(stake_on(OWNER), 10 * CUT);
        assert_eq!(Emission::<Test>::get(NET), [0, paid]);
        assert_eq!(PendingServerEmission::<Test>::get(NET), 0);
    });
}

#[test]
fn without_stake_nothing_is_paid_but_the_owners_cut() {
    with_subnet(|| {
        register(1);
        pass_epoch();
        assert_eq!(PendingServerEmission::<Test>::get(NET), 10 * MINERS);
        assert_eq!(PendingValidatorEmission::<Test>::get(NET), 10 * VALIDATORS);
        assert_eq!(stake_on(OWNER), 10 * CUT);
        assert_eq!(stake_on(1), 0);
    });
}

#[test]
fn miners_are_paid_by_weight_and_the_validator_by_dividends() {
    with_validator(|| {
        set(1, &[2, 3], &[1, 3]);
        let before = [OWNER, 1, 2, 3].map(stake_on);
        pass_epoch();
        let after = [OWNER, 1, 2, 3].map(stake_on);
        let [owner, validator, miner, better] = std::array::from_fn(|i| after[i] - before[i]);
        assert_eq!(owner, 10 * CUT);
        assert_eq!(validator, 10 * VALIDATORS);
        assert_eq!(miner + better, 10 * MINERS, "to the last rao");
        assert!(better.abs_diff(miner * 3) < 10, "{miner} and {better} are not one to three");
        assert_eq!(Emission::<Test>::get(NET), [0, validator, miner, better]);
        let take = crate::emission::part(validator, crate::Delegates::<Test>::get(hot(1)));
        assert_eq!(AlphaDividendsPerSubnet::<Test>::get(NET, hot(1)), validator - take, "what nominators share");
        assert_eq!(Dividends::<Test>::get(NET), [0, 65_535, 0, 0]);
        assert_eq!(Incentive::<Test>::get(NetUidStorageIndex::from(NET)), [0, 0, 16_383, 49_151]);
        assert!(events().contains(&Event::IncentiveAlphaEmittedToMiners {
            netuid: NetUidStorageIndex::from(NET),
            emissions: vec![0, 0, miner, better],
        }));
        // A miner's pay is its coldkey's to take.
        ok(SubtensorModule::remove_stake(signed(cold(2)), hot(2), NET, miner));
    });
}

#[test]
fn those_who_staked_to_a_validator_share_its_dividends_after_its_take() {
    with_validator(|| {
        let own = SubtensorModule::stake_of(&hot(1), &cold(1), NET);
        ok(SubtensorModule::add_stake(signed(cold(9)), hot(1), NET, own));
        Delegates::<Test>::insert(hot(1), u16::MAX / 5);
        set(1, &[2], &[1]);
        pass_epoch();
        let dividends = 10 * VALIDATORS;
        let nominator = SubtensorModule::stake_of(&hot(1), &cold(9), NET) - own;
        let validator = SubtensorModule::stake_of(&hot(1), &cold(1), NET) - own;
        // The take is a fifth; the rest goes half and half.
        assert!(nominator.abs_diff(dividends * 2 / 5) < 10, "{nominator} of {dividends}");
        assert!(dividends - nominator - validator <= 2, "{validator} and {nominator} of {dividends}");
    });
}

#[test]
fn what_the_owners_hotkey_mines_is_destroyed() {
    with_validator(|| {
        set(1, &[0], &[1]);
        let (owner, issuance) = (stake_on(OWNER), SubtensorModule::issuance());
        pass_epoch();
        assert!(events().contains(&Event::AlphaBurned(cold(OWNER), hot(OWNER), 10 * MINERS, NET)));
        assert_eq!(stake_on(OWNER), owner + 10 * CUT);
        assert_eq!(SubtensorModule::issuance(), issuance + 10 * RAO_PER_TAO - 10 * MINERS);
    });
}

#[test]
fn a_validator_that_falls_silent_loses_its_say() {
    with_validator(|| {
        set(1, &[2], &[1]);
        ok(SubtensorModule::set_activity_cutoff_factor(signed(cold(OWNER)), NET, 1_500));
        pass_epoch();
        assert!(Active::<Test>::get(NET)[1]);
        assert!(Incentive::<Test>::get(NetUidStorageIndex::from(NET))[2] > 0);
        pass_epoch();
        assert!(!Active::<Test>::get(NET)[1]);
        assert_eq!(Incentive::<Test>::get(NetUidStorageIndex::from(NET))[2], 0);
    });
}

#[test]
fn weights_on_a_neuron_that_left_do_not_pay_its_successor() {
    with_validator(|| {
        set(1, &[2, 3], &[1, 1]);
        ok(AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, 4));
        ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, 0));
        ok(AdminUtils::sudo_set_min_non_immune_uids(RuntimeOrigin::root(), NET, 0));
        Emission::<Test>::insert(NET, vec![9u64, 9, 0, 9]);
        pass(1);
        assert_eq!(register(4), 2);
        pass_epoch();
        assert_eq!(stake_on(4), 0);
        assert_eq!(Incentive::<Test>::get(NetUidStorageIndex::from(NET)), [0, 0, 0, 65_535]);
    });
}

#[test]
fn an_inconsistent_epoch_is_skipped_and_its_pay_waits() {
    with_validator(|| {
        // No call can store this; were it to happen, the chain must go on.
        crate::Weights::<Test>::insert(NetUidStorageIndex::from(NET), 1, vec![(2u16, 1u16), (2, 1)]);
        pass_epoch();
        let now = u64::from(System::block_number());
        assert!(events().contains(&Event::EpochSkipped { netuid: NET, block: now }));
        assert_eq!(PendingServerEmission::<Test>::get(NET), 10 * MINERS);
        assert_eq!(PendingOwnerCut::<Test>::get(NET), 10 * CUT);
        assert_eq!(LastEpochBlock::<Test>::get(NET), now);
        set(1, &[2], &[1]);
        pass_epoch();
        assert_eq!(stake_on(2), 20 * MINERS);
    });
}
