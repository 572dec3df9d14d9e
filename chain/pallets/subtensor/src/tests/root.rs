use super::*;
use crate::{
    AlphaDividendsPerSubnet, Delegates, Error, PendingRootAlphaDivs, PendingServerEmission, PendingValidatorEmission,
    RootAlphaDividendsPerSubnet, RootProp, StakeThreshold, SubnetAlphaOut, SubnetMovingPrice, SubnetTAO, TaoWeight,
    TotalHotkeyAlpha, U96F32, ValidatorPermit, defaults,
};
use frame_support::assert_noop;

fn stake_on_root(n: u8, amount: TaoBalance) {
    ok(SubtensorModule::add_stake(signed(cold(n)), hot(n), NetUid::ROOT, amount));
}

/// Lets root sell: two pools whose average prices are at one.
fn let_root_sell() {
    let second = another_subnet(5, defaults::DYNAMIC_MECHANISM);
    for netuid in [NET, second] {
        SubnetMovingPrice::<Test>::insert(netuid, crate::I96F32::ONE);
    }
}

#[test]
fn root_holds_tao_one_to_one_and_is_no_subnet() {
    with_pool(|| {
        register(1);
        stake_on_root(1, 5 * RAO_PER_TAO);
        let added = Event::StakeAdded(cold(1), hot(1), 5 * RAO_PER_TAO, 5 * RAO_PER_TAO, NetUid::ROOT, 0);
        assert_eq!(events().last(), Some(&added));
        assert_eq!(SubnetTAO::<Test>::get(NetUid::ROOT), 5 * RAO_PER_TAO);
        assert_eq!(SubtensorModule::subnets(), [NET]);
        let unknown = || SubtensorModule::add_stake(signed(cold(1)), hot(90), NetUid::ROOT, RAO_PER_TAO);
        assert_noop!(unknown(), Error::<Test>::HotKeyAccountNotExists);
        ok(SubtensorModule::remove_stake(signed(cold(1)), hot(1), NetUid::ROOT, 5 * RAO_PER_TAO));
        assert_eq!(SubnetTAO::<Test>::get(NetUid::ROOT), 0);
    });
}

#[test]
fn root_stake_counts_in_consensus_by_its_weight() {
    with_subnet(|| {
        register(1);
        register(2);
        stake(1, 100 * RAO_PER_TAO);
        // A tenth of 2,000 TAO is more than 100 alpha; at a twentieth less one, it is not.
        stake_on_root(2, 2_000 * RAO_PER_TAO);
        TaoWeight::<Test>::put(u64::MAX / 10);
        ok(AdminUtils::sudo_set_max_allowed_validators(RuntimeOrigin::root(), NET, 1));
        assert_eq!(SubtensorModule::stake_in_consensus(&hot(2), NET), 199_999_999_999, "rounded down");
        pass_epoch();
        assert!(ValidatorPermit::<Test>::get(NET)[2] && !ValidatorPermit::<Test>::get(NET)[1]);
        TaoWeight::<Test>::put(u64::MAX / 21);
        pass_epoch();
        assert!(!ValidatorPermit::<Test>::get(NET)[2] && ValidatorPermit::<Test>::get(NET)[1]);

        StakeThreshold::<Test>::put(90 * RAO_PER_TAO);
        assert!(SubtensorModule::has_stake_to_set_weights(&hot(2), NET));
        TaoWeight::<Test>::put(0);
        assert!(!SubtensorModule::has_stake_to_set_weights(&hot(2), NET));
    });
}

#[test]
fn roots_part_is_its_weighted_stake_against_all_alpha() {
    with_pool(|| {
        register(1);
        TaoWeight::<Test>::put(u64::MAX / 2);
        stake_on_root(1, 2_000 * RAO_PER_TAO);
        pass(1);
        // One below 1,000 TAO against 1,000 alpha in the pool.
        assert_eq!(RootProp::<Test>::get(NET), U96F32 { bits: (1 << 31) - 1 });
    });
}

#[test]
fn below_the_threshold_roots_part_is_not_issued() {
    with_pool(|| {
        register(1);
        TaoWeight::<Test>::put(u64::MAX);
        stake_on_root(1, 1_000 * RAO_PER_TAO);
        pass(1);
        // Half of the validators' 0.41 alpha.
        assert_eq!(PendingValidatorEmission::<Test>::get(NET), 205_001_145);
        assert_eq!(PendingServerEmission::<Test>::get(NET), 410_002_289);
        assert_eq!(PendingRootAlphaDivs::<Test>::get(NET), 0);
        let bought = crate::SubnetProtocolAlpha::<Test>::get(NET);
        assert_eq!(SubnetAlphaOut::<Test>::get(NET), bought + RAO_PER_TAO - 205_001_144);
    });
}

#[test]
fn above_it_roots_part_is_sold_for_those_who_staked_there() {
    with_pool(|| {
        register(1);
        register(2);
        TaoWeight::<Test>::put(u64::MAX);
        let_root_sell();
        // Pair 1 validates by alpha, pair 2 by root stake alone.
        stake(1, 100 * RAO_PER_TAO);
        stake_on_root(2, 1_000 * RAO_PER_TAO);
        Delegates::<Test>::insert(hot(2), u16::MAX / 5);
        ok(SubtensorModule::add_stake(signed(cold(9)), hot(2), NetUid::ROOT, 1_000 * RAO_PER_TAO));
        pass(3);
        let waiting = PendingRootAlphaDivs::<Test>::get(NET);
        assert!(waiting > 0);
        let (own, nominator) = (
            SubtensorModule::stake_of(&hot(2), &cold(2), NetUid::ROOT),
            SubtensorModule::stake_of(&hot(2), &cold(9), NetUid::ROOT),
        );
        pass_epoch();
        assert_eq!(PendingRootAlphaDivs::<Test>::get(NET), 0);
        let sold = RootAlphaDividendsPerSubnet::<Test>::get(NET, hot(2));
        assert!(sold > waiting, "all ten blocks' part, not three's");
        assert_eq!(RootAlphaDividendsPerSubnet::<Test>::get(NET, hot(1)), 0);
        let earned = SubtensorModule::stake_of(&hot(2), &cold(2), NetUid::ROOT) - own;
        let nominated = SubtensorModule::stake_of(&hot(2), &cold(9), NetUid::ROOT) - nominator;
        // The take is a fifth; the rest goes half and half.
        assert!(nominated.abs_diff((earned + nominated) * 2 / 5) < 10, "{nominated} and {earned}");
        // Shares are worth a whole number of rao each; what they are rounded by stays in the pool.
        let rounded = SubnetTAO::<Test>::get(NetUid::ROOT) - (2_000 * RAO_PER_TAO + earned + nominated);
        assert!(rounded <= 2, "{rounded}");
        // Alpha dividends are for those with alpha.
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(2), NET), 0);
        assert!(AlphaDividendsPerSubnet::<Test>::get(NET, hot(1)) > 0);

        // Root has no part any more: nothing of the last epoch's is told as this one's.
        TaoWeight::<Test>::put(0);
        pass_epoch();
        assert_eq!(RootAlphaDividendsPerSubnet::<Test>::iter_prefix(NET).count(), 0);
    });
}

#[test]
fn where_no_root_stake_earned_anything_roots_part_waits() {
    with_pool(|| {
        register(1);
        TaoWeight::<Test>::put(u64::MAX);
        let_root_sell();
        stake(1, 100 * RAO_PER_TAO);
        // Staked to a hotkey that is not in the subnet.
        stake_on_root(5, 1_000 * RAO_PER_TAO);
        pass_epoch();
        let waiting = PendingRootAlphaDivs::<Test>::get(NET);
        assert!(waiting > 0);
        stake_on_root(1, RAO_PER_TAO);
        pass_epoch();
        assert_eq!(PendingRootAlphaDivs::<Test>::get(NET), 0);
        assert!(RootAlphaDividendsPerSubnet::<Test>::get(NET, hot(1)) > waiting);
    });
}

#[test]
fn root_stake_follows_a_hotkey_that_is_swapped_everywhere() {
    with_pool(|| {
        register(1);
        stake_on_root(1, 5 * RAO_PER_TAO);
        // Beyond the rate limit on swaps.
        crate::TxRateLimit::<Test>::put(0);
        ok(SubtensorModule::swap_hotkey_v2(signed(cold(1)), hot(1), hot(50), None, true));
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(1), NetUid::ROOT), 5 * RAO_PER_TAO);
        ok(SubtensorModule::swap_hotkey(signed(cold(1)), hot(50), hot(51), None));
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(1), NetUid::ROOT), 5 * RAO_PER_TAO);
        ok(SubtensorModule::add_stake(signed(cold(1)), hot(51), NetUid::ROOT, 5 * RAO_PER_TAO));
        ok(SubtensorModule::swap_hotkey(signed(cold(1)), hot(51), hot(52), None));
        assert_eq!(TotalHotkeyAlpha::<Test>::get(hot(52), NetUid::ROOT), 5 * RAO_PER_TAO);
    });
}
