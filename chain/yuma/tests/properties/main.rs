//! What must hold of every epoch, whatever was stored: bounds, sums, independence of the uids' order, agreement with a
//! plain dense reckoning of the formulas, and an error, never a panic, for input that contradicts itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dense;
mod extremes;
mod inputs;
mod invariants;
mod owned;
mod renaming;

use proptest::prelude::*;
use yuma::{EpochError, EpochInput, Fixed, Fixed64, epoch, max_upscale_u16, weighted_median};

use crate::inputs::{arbitrary_input, consistent_input};
use crate::owned::Owned;
use crate::renaming::{rename, rename_rows};

proptest! {
    #[test]
    fn the_sparse_epoch_is_the_dense_one(owned in consistent_input()) {
        invariants::sparse_is_dense(&owned);
    }

    #[test]
    fn terms_are_bounded_and_sums_at_most_one(owned in consistent_input()) {
        invariants::terms_are_bounded(&owned);
    }

    #[test]
    fn emission_is_never_exceeded_and_hardly_lost(owned in consistent_input()) {
        invariants::emission_is_paid(&owned);
    }

    #[test]
    fn only_permitted_validators_earn_and_keep_bonds(owned in consistent_input()) {
        invariants::permits_hold(&owned);
    }

    /// Uids are names: give the neurons others, and each still gets the same. (Ties for the last permit go by uid, so
    /// everybody gets one here; liquid alpha goes by the order of rows, so they are sorted.)
    #[test]
    fn renaming_uids_changes_nothing((mut owned, names) in consistent_input().prop_flat_map(|owned| {
        let names: Vec<usize> = (0..owned.stake.len()).collect();
        (Just(owned), Just(names).prop_shuffle())
    })) {
        owned.params.max_allowed_validators = u16::MAX;
        owned.sort_rows();
        let before = epoch(&owned.borrowed()).unwrap();
        let after = epoch(&owned.renamed(&names).borrowed()).unwrap();
        prop_assert_eq!(rename(&before.stake_weight, &names), after.stake_weight);
        prop_assert_eq!(rename(&before.consensus, &names), after.consensus);
        prop_assert_eq!(rename(&before.incentive, &names), after.incentive);
        prop_assert_eq!(rename(&before.dividends, &names), after.dividends);
        prop_assert_eq!(rename(&before.validator_trust, &names), after.validator_trust);
        prop_assert_eq!(rename(&before.active, &names), after.active);
        prop_assert_eq!(rename(&before.validator_permit, &names), after.validator_permit);
        prop_assert_eq!(rename(&before.server_emission, &names), after.server_emission);
        prop_assert_eq!(rename(&before.validator_emission, &names), after.validator_emission);
        prop_assert_eq!(rename(&before.emission, &names), after.emission);
        prop_assert_eq!(rename_rows(&before.bonds, &names), after.bonds);
    }

    #[test]
    fn epochs_follow_each_other(owned in consistent_input(), epochs in 1_usize..4) {
        invariants::epochs_follow_each_other(&owned, epochs);
    }

    #[test]
    fn nothing_panics(owned in arbitrary_input()) {
        invariants::only_contradictions_are_errors(&owned);
    }

    #[test]
    fn upscaling_makes_the_largest_full_and_keeps_the_order(values in prop::collection::vec(0_u16.., 1..20)) {
        let scaled = max_upscale_u16(&values);
        let largest = *values.iter().max().unwrap();
        let full = if largest == 0 { 0 } else { u16::MAX };
        prop_assert_eq!(scaled.iter().max(), Some(&full));
        for (a, b) in values.iter().zip(&scaled).flat_map(|one| values.iter().zip(&scaled).map(move |other| (one, other))) {
            prop_assert!(a.0 > b.0 || a.1 <= b.1, "{:?} and {:?}", a, b);
        }
    }

    /// By definition: at most the minority scores lower, and more than it no higher (unless there is not that much).
    #[test]
    fn a_median_parts_the_stake(
        scored in prop::collection::vec((1_u32..1_000, 0_u16..10), 1..90),
        minority in -100_i32..50_000,
    ) {
        let stake: Vec<Fixed> = scored.iter().map(|&(stake, _)| Fixed::from_num(stake)).collect();
        let score: Vec<Fixed> = scored.iter().map(|&(_, score)| Fixed::from_num(score)).collect();
        let median = weighted_median(&stake, &score, Fixed::from_num(minority));
        let stake_where = |keep: &dyn Fn(Fixed) -> bool| -> i64 {
            scored.iter().zip(&score).filter(|(_, score)| keep(**score)).map(|(&(stake, _), _)| i64::from(stake)).sum()
        };
        prop_assert!(score.contains(&median));
        let is_lowest = score.iter().all(|&score| score >= median);
        let is_highest = score.iter().all(|&score| score <= median);
        prop_assert!(is_lowest || stake_where(&|score| score < median) <= i64::from(minority));
        prop_assert!(is_highest || stake_where(&|score| score <= median) > i64::from(minority));
    }
}

/// Two neurons; the first is a validator that gives all its weight to the second.
fn pair() -> Owned {
    Owned {
        params: yuma::EpochParams::default(),
        current_block: 1_000,
        last_step_block: 640,
        emission: 1_000,
        owner_uid: None,
        stake: vec![Fixed64::from_num(100), Fixed64::from_num(0)],
        last_update: vec![900, 0],
        block_at_registration: vec![1, 1],
        validator_permit: vec![true, false],
        weights: vec![vec![(1, 65_535)], vec![]],
        bonds: vec![vec![], vec![]],
        earliest_live_commit: None,
    }
}

#[track_caller]
fn assert_error(change: impl FnOnce(&mut Owned), error: EpochError) {
    let mut owned = pair();
    change(&mut owned);
    assert_eq!(epoch(&owned.borrowed()), Err(error));
}

#[test]
fn each_contradiction_has_its_error() {
    assert!(epoch(&pair().borrowed()).is_ok());
    let unequal = |field, length| EpochError::UnequalLengths { field, length, uids: 2 };
    assert_error(|owned| owned.last_update.push(0), unequal("last_update", 3));
    assert_error(|owned| owned.block_at_registration.clear(), unequal("block_at_registration", 0));
    assert_error(|owned| owned.validator_permit.truncate(1), unequal("validator_permit", 1));
    assert_error(|owned| owned.weights.push(vec![]), unequal("weights", 3));
    assert_error(|owned| owned.bonds.truncate(1), unequal("bonds", 1));
    assert_error(|owned| owned.earliest_live_commit = Some(vec![None]), unequal("earliest_live_commit", 1));
    let out_of_range = |field, uid, target| EpochError::TargetOutOfRange { field, uid, target, uids: 2 };
    assert_error(|owned| owned.weights[0].push((2, 1)), out_of_range("weights", 0, 2));
    assert_error(|owned| owned.bonds[1].push((65_535, 1)), out_of_range("bonds", 1, 65_535));
    let duplicate = EpochError::DuplicateTarget { field: "weights", uid: 0, target: 1 };
    assert_error(|owned| owned.weights[0].push((1, 5)), duplicate);
    assert_error(|owned| owned.owner_uid = Some(2), EpochError::OwnerOutOfRange { owner_uid: 2, uids: 2 });
    assert_error(|owned| owned.stake[1] = -Fixed64::DELTA, EpochError::NegativeStake { uid: 1 });
    assert_error(|owned| owned.stake[1] = Fixed64::MAX, EpochError::StakeOverflow);
    let above_one = EpochError::BondsMovingAverageAboveOne { ppm: 1_000_001 };
    assert_error(|owned| owned.params.bonds_moving_average_ppm = 1_000_001, above_one);
}

#[test]
fn more_uids_than_names_are_refused() {
    let stake = vec![Fixed64::ZERO; yuma::MAX_UIDS + 1];
    let owned = pair();
    let input = EpochInput { stake: &stake, ..owned.borrowed() };
    assert_eq!(epoch(&input), Err(EpochError::TooManyUids { uids: yuma::MAX_UIDS + 1 }));
}

#[test]
fn errors_say_what_to_do() {
    let error = EpochError::DuplicateTarget { field: "weights", uid: 3, target: 7 };
    assert_eq!(error.to_string(), "`weights` of uid 3 names uid 7 twice: refuse such a row when it is set");
}

#[test]
fn an_empty_subnet_has_an_empty_epoch() {
    let mut owned = pair();
    owned.stake.clear();
    owned.last_update.clear();
    owned.block_at_registration.clear();
    owned.validator_permit.clear();
    owned.weights.clear();
    owned.bonds.clear();
    let output = epoch(&owned.borrowed()).unwrap();
    assert_eq!((output.incentive.len(), output.bonds.len(), output.emission.len()), (0, 0, 0));
}

/// Whether the miner of [`pair`] still gets incentive.
fn miner_earns(change: impl FnOnce(&mut Owned)) -> bool {
    let mut owned = pair();
    change(&mut owned);
    epoch(&owned.borrowed()).unwrap().incentive[1] == u16::MAX
}

#[test]
fn weights_count_from_the_block_after_registration() {
    assert!(miner_earns(|owned| owned.block_at_registration[1] = 899));
    assert!(!miner_earns(|owned| owned.block_at_registration[1] = 900), "updated in the block of registration");
}

#[test]
fn a_commit_from_before_registration_masks_weights() {
    let registered_at_500 = |owned: &mut Owned| owned.block_at_registration[1] = 500;
    assert!(miner_earns(|owned| {
        registered_at_500(owned);
        owned.earliest_live_commit = Some(vec![Some(500), None]);
    }));
    assert!(!miner_earns(|owned| {
        registered_at_500(owned);
        owned.earliest_live_commit = Some(vec![Some(499), None]);
    }));
    assert!(miner_earns(|owned| {
        registered_at_500(owned);
        owned.earliest_live_commit = Some(vec![None, Some(0)]);
    }));
}

#[test]
fn stake_below_the_threshold_counts_for_the_owner_only() {
    assert!(miner_earns(|owned| owned.params.stake_threshold = 100));
    assert!(!miner_earns(|owned| owned.params.stake_threshold = 101));
    assert!(miner_earns(|owned| {
        owned.params.stake_threshold = 101;
        owned.owner_uid = Some(0);
    }));
}

#[test]
fn only_the_owner_may_weigh_itself_and_needs_no_permit() {
    let only_self = |owned: &mut Owned| owned.weights[0] = vec![(0, 65_535)];
    let incentive_of_0 = |change: &dyn Fn(&mut Owned)| {
        let mut owned = pair();
        only_self(&mut owned);
        change(&mut owned);
        epoch(&owned.borrowed()).unwrap().incentive[0]
    };
    assert_eq!(incentive_of_0(&|_| ()), 0);
    assert_eq!(incentive_of_0(&|owned| owned.owner_uid = Some(0)), u16::MAX);
    assert!(!miner_earns(|owned| owned.validator_permit[0] = false));
    assert!(miner_earns(|owned| {
        owned.validator_permit[0] = false;
        owned.owner_uid = Some(0);
    }));
}

#[test]
fn activity_lasts_through_the_cutoff() {
    let validator_is_active = |cutoff| {
        let mut owned = pair();
        owned.params.activity_cutoff_blocks = cutoff;
        epoch(&owned.borrowed()).unwrap().active[0]
    };
    assert!(validator_is_active(100), "900 + 100 is not before 1000");
    assert!(!validator_is_active(99));
}

#[test]
fn bonds_in_a_new_neuron_are_forgotten() {
    let bond_after = |registered, last_step_block| {
        let mut owned = pair();
        owned.bonds[0] = vec![(1, 65_535)];
        owned.weights[0].clear();
        owned.block_at_registration[1] = registered;
        owned.last_step_block = last_step_block;
        epoch(&owned.borrowed()).unwrap().bonds[0].clone()
    };
    // Truncated twice: 0.9 of the bond is stored as 58,980 or 58,981 of 65,535.
    assert_eq!(bond_after(640, 640), [(1, 58_981)], "registered in the block of the last epoch, which saw it");
    assert_eq!(bond_after(641, 640), []);
    assert_eq!(bond_after(639, 0), [(1, 58_981)], "before the first epoch, one tempo counts: 1000 - 360");
    assert_eq!(bond_after(640, 0), []);
}
