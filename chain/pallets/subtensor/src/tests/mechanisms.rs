use super::*;
use crate::{Error, Incentive, LastUpdate, MechId, MechanismEmissionSplit, NetUidStorageIndex, Weights};
use frame_support::assert_noop;

const SECOND: NetUidStorageIndex = NetUidStorageIndex(4096 + 1);

fn owner() -> RuntimeOrigin {
    signed(cold(OWNER))
}

fn count(mechanisms: u8) -> DispatchResult {
    AdminUtils::sudo_set_mechanism_count(owner(), NET, MechId(mechanisms))
}

#[test]
fn mechanisms_are_counted_within_bounds_and_begin_empty() {
    with_subnet(|| {
        register(1);
        assert_noop!(count(2), Error::<Test>::TooManyUIDsPerMechanism);
        ok(AdminUtils::sudo_set_max_allowed_uids(owner(), NET, 128));
        assert_noop!(count(0), Error::<Test>::InvalidValue);
        assert_noop!(count(3), Error::<Test>::InvalidValue);
        ok(count(2));
        assert_noop!(AdminUtils::sudo_set_max_allowed_uids(owner(), NET, 129), Error::<Test>::TooManyUIDsPerMechanism);
        register(2);
        assert_eq!(LastUpdate::<Test>::get(SECOND).len(), 3);
        let split = |parts: &[u16]| AdminUtils::sudo_set_mechanism_emission_split(owner(), NET, Some(parts.to_vec()));
        assert_noop!(split(&[65_535]), Error::<Test>::InvalidValue);
        assert_noop!(split(&[65_535, 1]), Error::<Test>::InvalidValue);
        ok(split(&[16_384, 49_151]));
        // 1000 · 16384 / 65535 = 250.0, 1000 · 49151 / 65535 = 749.9: what is rounded off goes to the main one.
        assert_eq!(SubtensorModule::split_over_mechanisms(NET, 1_000), [251, 749]);
        ok(count(1));
        assert!(!LastUpdate::<Test>::contains_key(SECOND) && !Incentive::<Test>::contains_key(SECOND));
        assert_eq!(MechanismEmissionSplit::<Test>::get(NET), None);
        assert_noop!(
            AdminUtils::sudo_set_max_mechanism_count(RuntimeOrigin::root(), MechId(16)),
            Error::<Test>::InvalidValue
        );
    });
}

#[test]
fn each_mechanism_pays_by_its_own_weights_and_its_part() {
    with_subnet(|| {
        commit_reveal(false);
        (1..=3).for_each(|n| {
            register(n);
        });
        stake(1, 100 * RAO_PER_TAO);
        ok(AdminUtils::sudo_set_max_allowed_uids(owner(), NET, 128));
        ok(count(2));
        ok(AdminUtils::sudo_set_mechanism_emission_split(owner(), NET, Some(vec![13_107, 52_428])));
        pass_epoch();
        ok(SubtensorModule::set_mechanism_weights(signed(hot(1)), NET, MechId(0), vec![2], vec![1], 0));
        ok(SubtensorModule::set_mechanism_weights(signed(hot(1)), NET, MechId(1), vec![3], vec![1], 0));
        let unknown = SubtensorModule::set_mechanism_weights(signed(hot(1)), NET, MechId(2), vec![3], vec![1], 0);
        assert_eq!(unknown, Err(Error::<Test>::MechanismDoesNotExist.into()));
        pass_epoch();
        assert_eq!(Incentive::<Test>::get(NetUidStorageIndex::from(NET)), [0, 0, 65_535, 0]);
        assert_eq!(Incentive::<Test>::get(SECOND), [0, 0, 0, 65_535]);
        assert_eq!(Weights::<Test>::get(SECOND, 1), [(3, 65_535)]);
        // 13107 and 52428 of 65535 are a fifth and four fifths.
        let [first, second] = [2, 3].map(|n| crate::TotalHotkeyAlpha::<Test>::get(hot(n), NET));
        assert!(first > 0 && second.abs_diff(4 * first) <= 10, "{first} and {second}");
    });
}

#[test]
fn bonds_on_a_hotkey_are_reset_in_every_mechanism_where_the_owner_allows_it() {
    with_subnet(|| {
        (1..=2).for_each(|n| {
            register(n);
        });
        // Two mechanisms of at most 128 neurons.
        ok(AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, 100));
        ok(AdminUtils::sudo_set_mechanism_count(signed(cold(OWNER)), NET, MechId(2)));
        let indices = [MechId(0), MechId(1)].map(|mecid| NetUidStorageIndex::new(NET, mecid));
        for index in indices {
            crate::Bonds::<Test>::insert(index, 0, vec![(1u16, 5u16), (2, 6)]);
            crate::Bonds::<Test>::insert(index, 1, vec![(2u16, 7u16)]);
        }
        let bonds = || indices.map(|index| [0, 1].map(|uid| crate::Bonds::<Test>::get(index, uid)));
        let before = bonds();
        SubtensorModule::reset_bonds(NET, &hot(2));
        assert_eq!(bonds(), before, "off unless the owner switches it on");

        ok(AdminUtils::sudo_set_bonds_reset_enabled(signed(cold(OWNER)), NET, true));
        assert_eq!(events().last(), Some(&Event::BondsResetOnSet(NET, true)));
        SubtensorModule::reset_bonds(NET, &hot(9));
        assert_eq!(bonds(), before, "a stranger has none");
        SubtensorModule::reset_bonds(NET, &hot(2));
        assert_eq!(bonds(), [[vec![(1, 5)], vec![]], [vec![(1, 5)], vec![]]]);
        assert!(!crate::Bonds::<Test>::contains_key(indices[0], 1), "nothing is stored for nothing");
    });
}
