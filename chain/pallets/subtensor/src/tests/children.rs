use super::*;
use crate::{AlphaDividendsPerSubnet, ChildKeys, Delegates, Error, ParentKeys, PendingChildKeys, TotalHotkeyAlpha};
use frame_support::assert_noop;

/// Half of 2⁶⁴ − 1, rounded up.
const HALF: u64 = 1 << 63;

fn name(parent: u8, children: &[(u64, u8)]) -> DispatchResult {
    let children = children.iter().map(|(share, child)| (*share, hot(*child))).collect();
    SubtensorModule::set_children(signed(cold(parent)), hot(parent), NET, children)
}

/// Pairs 1 and 2 have stakes of 100 and 300 TAO; 1 validates, 3 mines; 2 has no uid of its own. Takes are zero.
fn with_parent(test: impl FnOnce()) {
    with_subnet(|| {
        commit_reveal(false);
        ok(SubtensorModule::set_pending_childkey_cooldown(RuntimeOrigin::root(), 0));
        register(1);
        register(3);
        ok(SubtensorModule::try_associate_hotkey(signed(cold(2)), hot(2)));
        stake(1, 100 * RAO_PER_TAO);
        stake(2, 300 * RAO_PER_TAO);
        [1, 2].into_iter().for_each(|n| Delegates::<Test>::insert(hot(n), 0));
        test();
    });
}

#[test]
fn what_cannot_be_named_is_refused() {
    with_parent(|| {
        assert_noop!(name(1, &[(1, 1)]), Error::<Test>::InvalidChild);
        assert_noop!(name(1, &[(1, 4), (1, 4)]), Error::<Test>::DuplicateChild);
        assert_noop!(name(1, &[(u64::MAX, 4), (1, 5)]), Error::<Test>::ProportionOverflow);
        assert_noop!(name(1, &[4, 5, 6, 7, 8, 9].map(|n| (1, n))), Error::<Test>::TooManyChildren);
        let others = SubtensorModule::set_children(signed(cold(2)), hot(1), NET, vec![]);
        assert_eq!(others, Err(Error::<Test>::NonAssociatedColdKey.into()));
        let nowhere = SubtensorModule::set_children(signed(cold(1)), hot(1), NetUid(9), vec![]);
        assert_eq!(nowhere, Err(Error::<Test>::SubnetNotExists.into()));
        let root = SubtensorModule::set_children(signed(cold(1)), hot(1), NetUid::ROOT, vec![]);
        assert_eq!(root, Err(Error::<Test>::RegistrationNotPermittedOnRootSubnet.into()));
        ok(AdminUtils::sudo_set_stake_threshold(RuntimeOrigin::root(), 100 * RAO_PER_TAO + 1));
        assert_noop!(name(1, &[(1, 4)]), Error::<Test>::NotEnoughStakeToSetChildkeys);
        ok(name(2, &[(HALF, 1)]));
        assert_noop!(name(2, &[]), Error::<Test>::TxRateLimitExceeded);
        pass_epoch();
        ok(AdminUtils::sudo_set_stake_threshold(RuntimeOrigin::root(), 0));
        assert_noop!(name(1, &[(1, 2)]), Error::<Test>::ChildParentInconsistency);
    });
}

#[test]
fn children_are_taken_on_at_the_first_epoch_after_the_cooldown() {
    with_parent(|| {
        ok(SubtensorModule::set_pending_childkey_cooldown(RuntimeOrigin::root(), 11));
        let now = u64::from(System::block_number());
        ok(name(2, &[(HALF, 1)]));
        assert_eq!(PendingChildKeys::<Test>::get(NET, hot(2)), (vec![(HALF, hot(1))], now + 11));
        pass_epoch();
        assert!(ChildKeys::<Test>::get(hot(2), NET).is_empty());
        pass_epoch();
        assert_eq!(ChildKeys::<Test>::get(hot(2), NET), [(HALF, hot(1))]);
        assert_eq!(ParentKeys::<Test>::get(hot(1), NET), [(HALF, hot(2))]);
        assert!(!PendingChildKeys::<Test>::contains_key(NET, hot(2)));
    });
}

#[test]
fn a_child_speaks_with_its_parents_stake_and_shares_its_dividends() {
    with_parent(|| {
        ok(name(2, &[(HALF, 1)]));
        pass_epoch();
        let own = [1, 2].map(|n| TotalHotkeyAlpha::<Test>::get(hot(n), NET));
        // 100 of its own and half of 300; the parent keeps the other half.
        let stakes = [1, 2].map(|n| SubtensorModule::stake_in_consensus(&hot(n), NET));
        assert_eq!(stakes, [own[0] + own[1] / 2, own[1] / 2]);
        // A tenth of what the parent's stake earns.
        ok(SubtensorModule::set_childkey_take(signed(cold(1)), hot(1), NET, 6_553));
        ok(SubtensorModule::set_weights(signed(hot(1)), NET, vec![2], vec![1], 0));
        pass_epoch();
        let paid = [1, 2].map(|n| AlphaDividendsPerSubnet::<Test>::get(NET, hot(n)));
        let all = paid[0] + paid[1];
        // The parent's 150 of 250 earn 60 %, of which 6553/65535 stay with the child: 40 + 6 and 54 %.
        let earned = u64::try_from(u128::from(all) * u128::from(own[1] / 2) / u128::from(stakes[0])).unwrap();
        let take = earned * 6_553 / 65_535;
        assert!(all > 0 && paid[1].abs_diff(earned - take) <= 1, "{paid:?} of {all}, {earned} earned, take {take}");
        assert_eq!([1, 2].map(|n| TotalHotkeyAlpha::<Test>::get(hot(n), NET)), [own[0] + paid[0], own[1] + paid[1]]);
    });
}

#[test]
fn a_child_keeps_nothing_of_what_its_own_coldkey_entrusts_and_a_strangers_part_may_burn() {
    with_parent(|| {
        ok(SubtensorModule::try_associate_hotkey(signed(cold(1)), hot(4)));
        ok(SubtensorModule::add_stake(signed(cold(1)), hot(4), NET, 100 * RAO_PER_TAO));
        ok(SubtensorModule::set_children(signed(cold(1)), hot(4), NET, vec![(u64::MAX, hot(1))]));
        ok(name(2, &[(u64::MAX, 1)]));
        pass_epoch();
        ok(SubtensorModule::set_childkey_take(signed(cold(1)), hot(1), NET, 6_553));
        ok(AdminUtils::sudo_set_ck_burn(RuntimeOrigin::root(), u64::MAX));
        // Stakes are 100 (own), 300 (a stranger's) and 100 (of the same coldkey): of 500 rao they earn 100, 300 and 100.
        // The stranger's 300 leave 29 (300 · 6553 / 65535) with the child, and what is left of them burns.
        let shared = SubtensorModule::share_dividends(&hot(1), NET, 500);
        let of = |n| shared.parts.iter().find(|(who, _)| *who == hot(n)).map(|(_, amount)| *amount);
        let epoch_pay_is_small = SubtensorModule::stake_in_consensus(&hot(1), NET).abs_diff(500 * RAO_PER_TAO);
        assert!(epoch_pay_is_small < 10 * RAO_PER_TAO, "{epoch_pay_is_small}");
        assert_eq!(shared.parts.iter().map(|(_, amount)| amount).sum::<u64>() + shared.recycled, 500);
        assert_eq!(of(2), None, "a burn of all leaves the stranger nothing");
        assert!(of(4).is_some_and(|amount| amount.abs_diff(100) <= 2));
        // An epoch has paid into these stakes meanwhile.
        assert!(shared.recycled.abs_diff(271) <= 8, "{}", shared.recycled);
    });
}

#[test]
fn before_a_subnet_starts_children_are_taken_on_at_once() {
    with_chain(|| {
        ok(SubtensorModule::register_network(signed(cold(OWNER)), hot(OWNER)));
        register(1);
        ok(SubtensorModule::set_children(signed(cold(1)), hot(1), NET, vec![(HALF, hot(OWNER))]));
        assert_eq!(ChildKeys::<Test>::get(hot(1), NET), [(HALF, hot(OWNER))]);
        assert!(!PendingChildKeys::<Test>::contains_key(NET, hot(1)));
        assert_eq!(events().last(), Some(&Event::SetChildren(hot(1), NET, vec![(HALF, hot(OWNER))])));
    });
}
