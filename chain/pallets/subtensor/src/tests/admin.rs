use super::*;
use crate::{
    ActivityCutoff, ActivityCutoffFactorMilli, BondsMovingAverage, Burn, Error, Kappa, RevealPeriodEpochs, Tempo,
    U64F64, admin, defaults,
};
use frame_support::assert_noop;
use sp_runtime::DispatchError;

#[test]
fn root_alone_sets_what_concerns_others() {
    with_subnet(|| {
        assert_noop!(AdminUtils::sudo_set_tempo(signed(cold(OWNER)), NET, 5), DispatchError::BadOrigin);
        assert_noop!(AdminUtils::sudo_set_kappa(signed(cold(OWNER)), NET, 5), DispatchError::BadOrigin);
        assert_noop!(AdminUtils::sudo_set_stake_threshold(signed(cold(OWNER)), 5), DispatchError::BadOrigin);
        ok(AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), NET, 5));
        ok(AdminUtils::sudo_set_kappa(RuntimeOrigin::root(), NET, 20_000));
        assert_eq!((Tempo::<Test>::get(NET), Kappa::<Test>::get(NET)), (5, 20_000));
        assert_eq!(events().last(), Some(&Event::KappaSet(NET, 20_000)));
    });
}

#[test]
fn an_owner_sets_what_concerns_its_subnet_and_nobody_elses() {
    with_subnet(|| {
        ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, 7));
        ok(AdminUtils::sudo_set_immunity_period(RuntimeOrigin::root(), NET, 8));
        assert_noop!(
            AdminUtils::sudo_set_immunity_period(signed(cold(1)), NET, 9),
            sp_runtime::DispatchError::BadOrigin
        );
        assert_noop!(
            AdminUtils::sudo_set_immunity_period(RuntimeOrigin::root(), NetUid(9), 9),
            admin::Error::<Test>::SubnetDoesNotExist
        );
        assert_noop!(
            AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), NetUid(9), 9),
            admin::Error::<Test>::SubnetDoesNotExist
        );
        assert_eq!(crate::ImmunityPeriod::<Test>::get(NET), 8);
    });
}

#[test]
fn an_owner_is_held_to_bounds() {
    with_subnet(|| {
        let owner = || signed(cold(OWNER));
        assert_noop!(
            AdminUtils::sudo_set_bonds_moving_average(owner(), NET, 975_001),
            admin::Error::<Test>::BondsMovingAverageMaxReached
        );
        ok(AdminUtils::sudo_set_bonds_moving_average(RuntimeOrigin::root(), NET, 1_000_000));
        assert_noop!(
            AdminUtils::sudo_set_bonds_moving_average(RuntimeOrigin::root(), NET, 1_000_001),
            Error::<Test>::InvalidValue
        );
        assert_eq!(BondsMovingAverage::<Test>::get(NET), 1_000_000);
        assert_noop!(
            AdminUtils::sudo_set_alpha_sigmoid_steepness(owner(), NET, -1),
            admin::Error::<Test>::NegativeSigmoidSteepness
        );
        ok(AdminUtils::sudo_set_alpha_sigmoid_steepness(RuntimeOrigin::root(), NET, -1));
        assert_noop!(
            AdminUtils::sudo_set_commit_reveal_weights_interval(owner(), NET, 0),
            Error::<Test>::RevealPeriodTooSmall
        );
        assert_noop!(
            AdminUtils::sudo_set_commit_reveal_weights_interval(owner(), NET, 101),
            Error::<Test>::RevealPeriodTooLarge
        );
        ok(AdminUtils::sudo_set_commit_reveal_weights_interval(owner(), NET, 100));
        assert_eq!(RevealPeriodEpochs::<Test>::get(NET), 100);
        assert_noop!(AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), NET, 50_401), Error::<Test>::TempoOutOfBounds);
        assert_noop!(
            AdminUtils::sudo_set_max_allowed_validators(RuntimeOrigin::root(), NET, 257),
            Error::<Test>::InvalidValue
        );
        assert_noop!(AdminUtils::sudo_set_max_epochs_per_block(RuntimeOrigin::root(), 0), Error::<Test>::InvalidValue);
    });
}

#[test]
fn the_registration_price_moves_into_its_new_bounds() {
    with_subnet(|| {
        let owner = || signed(cold(OWNER));
        assert_noop!(
            AdminUtils::sudo_set_min_burn(owner(), NET, defaults::MIN_BURN_UPPER_BOUND_RAO),
            Error::<Test>::InvalidValue
        );
        assert_noop!(
            AdminUtils::sudo_set_max_burn(owner(), NET, defaults::MAX_BURN_LOWER_BOUND_RAO),
            Error::<Test>::InvalidValue
        );
        ok(AdminUtils::sudo_set_min_burn(owner(), NET, 200_000_000));
        assert_eq!(Burn::<Test>::get(NET), 200_000_000);
        ok(AdminUtils::sudo_set_min_burn(owner(), NET, 1));
        ok(AdminUtils::sudo_set_max_burn(owner(), NET, 150_000_000));
        assert_eq!(Burn::<Test>::get(NET), 150_000_000);
        assert_noop!(
            AdminUtils::sudo_set_burn_increase_mult(owner(), NET, U64F64 { bits: U64F64::ONE.bits - 1 }),
            Error::<Test>::InvalidValue
        );
    });
}

#[test]
fn the_activity_cutoff_counts_in_tempos_and_the_one_in_blocks_is_only_kept() {
    with_subnet(|| {
        let set = |blocks| AdminUtils::sudo_set_activity_cutoff(signed(cold(OWNER)), NET, blocks);
        assert_noop!(set(359), Error::<Test>::ActivityCutoffTooLow);
        let before = ActivityCutoffFactorMilli::<Test>::get(NET);
        ok(set(365));
        assert_eq!((ActivityCutoff::<Test>::get(NET), ActivityCutoffFactorMilli::<Test>::get(NET)), (365, before));
        let set = |milli| SubtensorModule::set_activity_cutoff_factor(signed(cold(OWNER)), NET, milli);
        assert_noop!(set(999), Error::<Test>::ActivityCutoffFactorMilliOutOfBounds);
        assert_noop!(set(50_001), Error::<Test>::ActivityCutoffFactorMilliOutOfBounds);
        ok(set(36_500));
        assert_eq!(yuma::activity_cutoff_blocks(ActivityCutoffFactorMilli::<Test>::get(NET), TEMPO), 365);
    });
}

#[test]
fn liquid_alpha_keeps_its_bounds_in_order() {
    with_subnet(|| {
        let set = |low, high| AdminUtils::sudo_set_alpha_values(signed(cold(OWNER)), NET, low, high);
        assert_noop!(set(20_000, 40_000), Error::<Test>::LiquidAlphaDisabled);
        ok(AdminUtils::sudo_set_liquid_alpha_enabled(signed(cold(OWNER)), NET, true));
        assert_noop!(set(20_000, 100), Error::<Test>::AlphaHighTooLow);
        assert_noop!(set(40_001, 40_000), Error::<Test>::AlphaLowOutOfRange);
        ok(set(20_000, 40_000));
    });
}
