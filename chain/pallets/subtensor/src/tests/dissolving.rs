use super::*;
use crate::{
    Axons, Error, MechId, NetUidStorageIndex, NetworksAdded, SubnetAlphaIn, SubnetIdentitiesV3, SubnetIdentityV3,
    SubnetTAO, TotalHotkeyAlpha, TotalNetworks, TotalStake, Weights,
};
use codec::Encode;
use frame_support::{assert_noop, traits::StorageInfoTrait, traits::fungible::Inspect};
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

fn dissolve(netuid: NetUid) -> DispatchResult {
    SubtensorModule::root_dissolve_network(RuntimeOrigin::root(), netuid)
}

#[test]
fn only_root_dissolves_and_only_what_exists() {
    with_pool(|| {
        let by_owner = || SubtensorModule::dissolve_network(signed(cold(OWNER)), cold(OWNER), NET);
        assert_noop!(by_owner(), DispatchError::BadOrigin);
        let by_owner = || SubtensorModule::root_dissolve_network(signed(cold(OWNER)), NET);
        assert_noop!(by_owner(), DispatchError::BadOrigin);
        assert_noop!(dissolve(NetUid::ROOT), Error::<Test>::SubnetNotExists);
        assert_noop!(dissolve(NetUid(9)), Error::<Test>::SubnetNotExists);
        ok(SubtensorModule::dissolve_network(RuntimeOrigin::root(), cold(7), NET));
        assert_eq!(events().last(), Some(&Event::NetworkRemoved(NET)));
        assert_noop!(dissolve(NET), Error::<Test>::SubnetNotExists);
        assert_eq!(TotalNetworks::<Test>::get(), 1, "the root network");
    });
}

#[test]
fn stakers_get_their_part_of_the_pool_and_the_pools_own_part_is_destroyed() {
    with_pool(|| {
        stake_of_two();
        let (pot, own) = (SubnetTAO::<Test>::get(NET), SubnetAlphaIn::<Test>::get(NET));
        let held = [1, 2].map(|n| SubtensorModule::stake_of(&hot(1), &cold(n), NET));
        let total = u128::from(own) + held.iter().copied().map(u128::from).sum::<u128>();
        let due = held.map(|alpha| u64::try_from(u128::from(pot) * u128::from(alpha) / total).unwrap());
        let (before, issuance) = ([1, 2].map(|n| Balances::balance(&cold(n))), SubtensorModule::issuance());
        ok(dissolve(NET));
        for place in 0..2 {
            let got = Balances::balance(&cold(place as u8 + 1)) - before[place];
            assert!(got == due[place] || got == due[place] + 1, "{got} for {}", due[place]);
        }
        let paid = Balances::balance(&cold(1)) + Balances::balance(&cold(2)) - before[0] - before[1];
        assert_eq!(SubtensorModule::issuance(), issuance - (pot - paid));
        assert!(paid < pot && TotalStake::<Test>::get() == 0);
    });
}

#[test]
fn where_alpha_is_tao_one_to_one_stakers_get_back_what_they_staked() {
    with_subnet(|| {
        stake_of_two();
        let (before, issuance) = ([1, 2].map(|n| Balances::balance(&cold(n))), SubtensorModule::issuance());
        ok(dissolve(NET));
        assert_eq!(Balances::balance(&cold(1)), before[0] + 30 * RAO_PER_TAO);
        assert_eq!(Balances::balance(&cold(2)), before[1] + 70 * RAO_PER_TAO);
        assert_eq!(SubtensorModule::issuance(), issuance);
    });
}

/// Pairs 1 and 2 stake 30 and 70 to the hotkey of pair 1.
fn stake_of_two() {
    register(1);
    stake(1, 30 * RAO_PER_TAO);
    ok(SubtensorModule::add_stake(signed(cold(2)), hot(1), NET, 70 * RAO_PER_TAO));
}

/// Every key of the pallets' storage.
fn keys() -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    let mut last = Vec::new();
    while let Some(key) = sp_io::storage::next_key(&last) {
        last.clone_from(&key);
        keys.insert(key);
    }
    keys
}

/// What a subnet leaves behind: who owns which hotkey, and when somebody last did something.
const STAYS: [&str; 6] = [
    "Owner",
    "OwnedHotkeys",
    "StakingHotkeys",
    "NetworkLastRegistered",
    "NetworkLastLockCost",
    "LastTxBlockChildKeyTake",
];

#[test]
fn nothing_of_a_subnet_is_left_and_another_of_its_number_begins_as_new() {
    with_pool(|| {
        ok(AdminUtils::sudo_set_network_rate_limit(RuntimeOrigin::root(), 0));
        ok(SubtensorModule::set_pending_childkey_cooldown(RuntimeOrigin::root(), 0));
        crate::NewSubnetMechanism::<Test>::put(1);
        // The other subnet's epochs, and the chain's, have left their traces.
        pass(4 * u32::from(TEMPO));
        let before = keys();
        let other = another_subnet(1, 1);
        fill(other);
        assert!(keys().difference(&before).count() > 60, "there is something to forget");
        ok(dissolve(other));
        assert!(!NetworksAdded::<Test>::get(other));

        let names: Vec<_> = crate::Pallet::<Test>::storage_info();
        let module = sp_io::hashing::twox_128(b"SubtensorModule");
        let left: BTreeSet<String> = keys()
            .difference(&before)
            .filter(|key| key.starts_with(&module))
            .map(|key| {
                let info = names.iter().find(|info| key.starts_with(&info.prefix));
                info.map_or_else(|| format!("{key:?}"), |info| String::from_utf8(info.storage_name.clone()).unwrap())
            })
            .filter(|name| !STAYS.contains(&name.as_str()))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let swap = sp_io::hashing::twox_128(b"Swap");
        assert!(!keys().iter().any(|key| key.starts_with(&swap) && key.ends_with(&other.encode())));

        pass(3);
        let again = another_subnet(2, 1);
        assert_eq!(again, other, "the number is free");
        assert!(Weights::<Test>::iter_prefix(NetUidStorageIndex::from(again)).next().is_none());
        assert!(!TotalHotkeyAlpha::<Test>::contains_key(hot(3), again));
        pass(2 * u32::from(TEMPO));
    });
}

/// Does what leaves traces in a subnet of pair 1: neurons, stake, weights, children, an identity, epochs.
fn fill(netuid: NetUid) {
    let owner = || signed(cold(1));
    let root = RuntimeOrigin::root;
    ok(AdminUtils::sudo_set_weights_set_rate_limit(root(), netuid, 0));
    ok(AdminUtils::sudo_set_commit_reveal_weights_enabled(owner(), netuid, false));
    ok(AdminUtils::sudo_set_max_allowed_uids(owner(), netuid, 128));
    ok(AdminUtils::sudo_set_mechanism_count(owner(), netuid, MechId(2)));
    ok(AdminUtils::sudo_set_kappa(root(), netuid, 7));
    ok(AdminUtils::sudo_set_min_allowed_uids(root(), netuid, 7));
    ok(AdminUtils::sudo_set_min_non_immune_uids(root(), netuid, 7));
    ok(Swap::set_fee_rate(root(), netuid, 9));
    for n in 3..6 {
        ok(SubtensorModule::burned_register(signed(cold(n)), netuid, hot(n)));
        ok(SubtensorModule::add_stake(signed(cold(n)), hot(n), netuid, 50 * RAO_PER_TAO));
        ok(SubtensorModule::serve_axon(signed(hot(n)), netuid, 0, u128::from(0x0102_0304_u32), 80, 4, 0, 0, 0));
    }
    assert!(Axons::<Test>::contains_key(netuid, hot(3)));
    ok(SubtensorModule::set_children(signed(cold(3)), hot(3), netuid, vec![(u64::MAX / 2, hot(4))]));
    ok(SubtensorModule::set_childkey_take(signed(cold(4)), hot(4), netuid, 9));
    ok(SubtensorModule::set_coldkey_auto_stake_hotkey(signed(cold(3)), netuid, hot(4)));
    let identity = SubnetIdentityV3 { subnet_name: b"a".to_vec(), ..SubnetIdentityV3::default() };
    SubnetIdentitiesV3::<Test>::insert(netuid, identity);
    pass(2 * u32::from(TEMPO));
    for mechanism in [MechId(0), MechId(1)] {
        let set = SubtensorModule::set_mechanism_weights(signed(hot(3)), netuid, mechanism, vec![2, 3], vec![5, 9], 0);
        ok(set);
    }
    pass(2 * u32::from(TEMPO));
    ok(AdminUtils::sudo_set_commit_reveal_weights_enabled(owner(), netuid, true));
    ok(SubtensorModule::commit_weights(signed(hot(4)), netuid, sp_core::H256::repeat_byte(7)));
}
