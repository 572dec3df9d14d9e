use super::*;
use crate::{
    Axons, BlockAtRegistration, Bonds, Emission, Error, IsNetworkMember, Keys, LastUpdate, MaxAllowedUids, MechId,
    NetUidStorageIndex, SubnetworkN, Weights,
};
use frame_support::assert_noop;

const MAIN: NetUidStorageIndex = NetUidStorageIndex(1);
const SECOND: NetUidStorageIndex = NetUidStorageIndex(4096 + 1);

fn trim(uids: u16) -> DispatchResult {
    AdminUtils::sudo_trim_to_max_allowed_uids(signed(cold(OWNER)), NET, uids)
}

/// The owner and pairs 1 to 5, registered a block apart, none of them immune but the owner, in two mechanisms. What they
/// earned, by uid: 0, 5, 1, 4, 1, 3.
fn with_six(test: impl FnOnce()) {
    with_subnet(|| {
        for n in 1..=5 {
            pass(1);
            register(n);
        }
        ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, 0));
        ok(AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, 128));
        ok(AdminUtils::sudo_set_mechanism_count(signed(cold(OWNER)), NET, MechId(2)));
        ok(AdminUtils::sudo_set_min_allowed_uids(RuntimeOrigin::root(), NET, 2));
        Emission::<Test>::insert(NET, vec![0u64, 5, 1, 4, 1, 3]);
        test();
    });
}

fn hotkeys() -> Vec<AccountId32> {
    (0..SubnetworkN::<Test>::get(NET)).map(|uid| Keys::<Test>::get(NET, uid)).collect()
}

#[test]
fn who_earned_least_goes_and_of_equals_the_highest_uid() {
    with_six(|| {
        ok(trim(5));
        assert_eq!(hotkeys(), [0, 1, 2, 3, 5].map(hot), "4 earned as little as 2");
        assert_eq!(Emission::<Test>::get(NET), [0, 5, 1, 4, 3]);
        ok(trim(3));
        assert_eq!(hotkeys(), [0, 1, 3].map(hot), "the owner's stays though it earned nothing");
        assert_eq!(MaxAllowedUids::<Test>::get(NET), 3);
        assert!(!IsNetworkMember::<Test>::get(hot(5), NET));
        assert_eq!(Uids::<Test>::get(NET, hot(5)), None);
        assert_eq!(events().last(), Some(&Event::MaxAllowedUidsSet(NET, 3)));
        ok(AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, 4));
        assert_eq!(register(5), 3, "who went may come back, and the end is free");
    });
}

#[test]
fn what_the_others_are_goes_with_them_under_their_new_uids() {
    with_six(|| {
        let registered = BlockAtRegistration::<Test>::get(NET, 5);
        let axon = SubtensorModule::serve_axon(signed(hot(4)), NET, 0, u128::from(0x0102_0304u32), 80, 4, 0, 0, 0);
        ok(axon);
        LastUpdate::<Test>::insert(SECOND, vec![10u64, 11, 12, 13, 14, 15]);
        // Everybody's row names those who go and those who stay.
        for (index, rows) in [(MAIN, 1u16), (SECOND, 2)] {
            for uid in 0..6 {
                Weights::<Test>::insert(index, uid, vec![(2u16, 100 * rows), (3, 200 * rows), (5, 300 * rows + uid)]);
                Bonds::<Test>::insert(index, uid, vec![(1u16, 7 * rows + uid), (4, 8)]);
            }
        }
        ok(trim(4));
        assert_eq!(hotkeys(), [0, 1, 3, 5].map(hot));
        assert_eq!((Uids::<Test>::get(NET, hot(3)), Uids::<Test>::get(NET, hot(5))), (Some(2), Some(3)));
        assert_eq!(BlockAtRegistration::<Test>::get(NET, 3), registered);
        assert!(!BlockAtRegistration::<Test>::contains_key(NET, 5));
        assert_eq!(LastUpdate::<Test>::get(SECOND), [10, 11, 13, 15]);
        for (index, rows) in [(MAIN, 1), (SECOND, 2)] {
            for (new, old) in [(0, 0), (1, 1), (2, 3), (3, 5)] {
                assert_eq!(Weights::<Test>::get(index, new), [(2, 200 * rows), (3, 300 * rows + old)]);
                assert_eq!(Bonds::<Test>::get(index, new), [(1, 7 * rows + old)]);
            }
            assert_eq!(Weights::<Test>::iter_prefix(index).count(), 4);
            assert_eq!(Bonds::<Test>::iter_prefix(index).count(), 4);
        }
        assert!(!Axons::<Test>::contains_key(NET, hot(4)));
        pass_epoch();
    });
}

#[test]
fn the_immune_stay_and_must_not_be_too_many() {
    with_six(|| {
        // Registered in blocks 2 to 6: pairs 3, 4 and 5 are immune, and the owner's.
        let now = u16::try_from(System::block_number()).unwrap();
        ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, now - 3));
        assert_noop!(trim(5), Error::<Test>::TrimmingWouldExceedMaxImmunePercentage);
        ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, now - 4));
        ok(trim(4));
        assert_eq!(hotkeys(), [0, 1, 4, 5].map(hot), "3 earned more than 4, who is immune");
    });
}

#[test]
fn a_subnet_is_trimmed_within_bounds_by_its_owner() {
    with_six(|| {
        assert_noop!(trim(1), Error::<Test>::InvalidValue);
        assert_noop!(trim(129), Error::<Test>::InvalidValue);
        let stranger = AdminUtils::sudo_trim_to_max_allowed_uids(signed(cold(1)), NET, 3);
        assert!(stranger.is_err());
        let before = hotkeys();
        ok(trim(100));
        assert_eq!((hotkeys(), MaxAllowedUids::<Test>::get(NET)), (before, 100), "there is room for all");
    });
}
