use super::*;
use crate::{Error, LastUpdate, MechId, NetUidStorageIndex, ValidatorPermit, Weights};
use frame_support::assert_noop;

/// A subnet where pair 1 (uid 1) is a validator with a permit and pairs 2 and 3 are miners; weights are set openly.
fn with_validator(test: impl FnOnce()) {
    with_subnet(|| {
        commit_reveal(false);
        (1..=3).for_each(|n| {
            register(n);
        });
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        assert_eq!(ValidatorPermit::<Test>::get(NET), [true, true, false, false]);
        test();
    });
}

fn set(n: u8, uids: &[u16], weights: &[u16]) -> DispatchResult {
    SubtensorModule::set_weights(signed(hot(n)), NET, uids.to_vec(), weights.to_vec(), 0)
}

fn stored(uid: u16) -> Vec<(u16, u16)> {
    Weights::<Test>::get(NetUidStorageIndex::from(NET), uid)
}

#[test]
fn weights_are_scaled_and_stored() {
    with_validator(|| {
        ok(set(1, &[3, 2], &[1, 2]));
        assert_eq!(stored(1), [(3, 32_768), (2, 65_535)]);
        let now = u64::from(System::block_number());
        assert_eq!(LastUpdate::<Test>::get(NetUidStorageIndex::from(NET))[1], now);
        assert_eq!(events().last(), Some(&Event::WeightsSet(NetUidStorageIndex(1), 1)));
    });
}

#[test]
fn the_main_mechanism_is_the_only_one() {
    with_validator(|| {
        let set =
            |mecid| SubtensorModule::set_mechanism_weights(signed(hot(1)), NET, MechId(mecid), vec![2], vec![1], 0);
        ok(set(0));
        assert_eq!(stored(1), [(2, 65_535)]);
        assert_noop!(set(1), Error::<Test>::MechanismDoesNotExist);
    });
}

#[test]
fn a_row_that_contradicts_itself_is_refused() {
    with_validator(|| {
        assert_noop!(set(1, &[2, 3], &[1]), Error::<Test>::WeightVecNotEqualSize);
        assert_noop!(set(1, &[2, 2], &[1, 1]), Error::<Test>::DuplicateUids);
        assert_noop!(set(1, &[2, 4], &[1, 1]), Error::<Test>::UidVecContainInvalidOne);
        assert_noop!(set(1, &[0, 1, 2, 3, 3], &[1; 5]), Error::<Test>::UidsLengthExceedUidsInSubNet);
    });
}

#[test]
fn only_validators_judge_others() {
    with_validator(|| {
        assert_noop!(set(2, &[3], &[1]), Error::<Test>::NeuronNoValidatorPermit);
        assert_noop!(set(9, &[3], &[1]), Error::<Test>::HotKeyNotRegisteredInSubNet);
        ok(set(2, &[2], &[1])); // A neuron may always point at itself: it says nothing about others.
        assert_eq!(stored(2), [(2, 65_535)]);
    });
}

#[test]
fn a_row_keeps_to_the_minimum_the_maximum_and_the_version() {
    with_validator(|| {
        ok(AdminUtils::sudo_set_min_allowed_weights(signed(cold(OWNER)), NET, 2));
        assert_noop!(set(1, &[2], &[1]), Error::<Test>::WeightVecLengthIsLow);
        ok(set(1, &[1], &[1]));
        // More than there are neurons means all of them.
        ok(AdminUtils::sudo_set_min_allowed_weights(signed(cold(OWNER)), NET, 1_024));
        ok(set(1, &[0, 1, 2, 3], &[1; 4]));
        ok(AdminUtils::sudo_set_min_allowed_weights(signed(cold(OWNER)), NET, 0));
        crate::MaxWeightsLimit::<Test>::insert(NET, 40_000);
        assert_noop!(set(1, &[2, 3], &[1, 2]), Error::<Test>::MaxWeightExceeded);
        ok(set(1, &[2, 3], &[1, 1]));
        ok(AdminUtils::sudo_set_weights_version_key(signed(cold(OWNER)), NET, 5));
        assert_noop!(set(1, &[2, 3], &[1, 1]), Error::<Test>::IncorrectWeightVersionKey);
    });
}

#[test]
fn stake_below_the_threshold_has_no_say() {
    with_validator(|| {
        ok(AdminUtils::sudo_set_stake_threshold(RuntimeOrigin::root(), 1_000 * RAO_PER_TAO));
        assert_noop!(set(1, &[2], &[1]), Error::<Test>::NotEnoughStakeToSetWeights);
    });
}

#[test]
fn weights_are_not_set_too_often() {
    with_validator(|| {
        ok(set(1, &[2], &[1]));
        ok(AdminUtils::sudo_set_weights_set_rate_limit(RuntimeOrigin::root(), NET, 5));
        pass(4);
        assert_noop!(set(1, &[3], &[1]), Error::<Test>::SettingWeightsTooFast);
        pass(1);
        ok(set(1, &[3], &[1]));
    });
}

#[test]
fn weights_are_not_set_in_the_open_where_they_are_committed() {
    with_validator(|| {
        commit_reveal(true);
        assert_noop!(set(1, &[2], &[1]), Error::<Test>::CommitRevealEnabled);
        let root = || SubtensorModule::set_weights(signed(hot(1)), NetUid::ROOT, vec![2], vec![1], 0);
        assert_noop!(root(), Error::<Test>::CanNotSetRootNetworkWeights);
        let nowhere = || SubtensorModule::set_weights(signed(hot(1)), NetUid(9), vec![2], vec![1], 0);
        assert_noop!(nowhere(), Error::<Test>::SubnetNotExists);
    });
}
