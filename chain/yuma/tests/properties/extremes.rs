//! Inputs at the ends of what is allowed, with outcomes that can be told without a computer.

use yuma::{EpochParams, Fixed, Fixed64, LiquidAlpha, Row, YumaVersion, epoch, epoch_terms};

use crate::invariants;
use crate::owned::Owned;

/// Validators (the lowest uids, with equal stake) and what they weigh, among so many neurons.
fn subnet(neurons: u16, weights: Vec<Row>) -> Owned {
    let validators = weights.len();
    let each =
        |of_validator: u64| (0..neurons).map(move |uid| if usize::from(uid) < validators { of_validator } else { 0 });
    let mut rows = weights;
    rows.resize(usize::from(neurons), Row::new());
    Owned {
        params: EpochParams { max_allowed_validators: neurons, ..EpochParams::default() },
        current_block: 1_000,
        last_step_block: 640,
        emission: 1_000_000,
        owner_uid: None,
        stake: each(100).map(Fixed64::from_num).collect(),
        last_update: each(900).collect(),
        block_at_registration: vec![1; usize::from(neurons)],
        validator_permit: each(1).map(|is_validator| is_validator == 1).collect(),
        weights: rows,
        bonds: vec![Row::new(); usize::from(neurons)],
        earliest_live_commit: None,
    }
}

fn every_invariant_holds(owned: &Owned) {
    invariants::only_contradictions_are_errors(owned);
    invariants::sparse_is_dense(owned);
    invariants::terms_are_bounded(owned);
    invariants::emission_is_paid(owned);
    invariants::permits_hold(owned);
    invariants::epochs_follow_each_other(owned, 3);
}

/// Both versions, with and without liquid alpha, at all ends of the proportions.
fn each_extreme_rule(mut owned: Owned) {
    let liquid = |low, high, steepness| Some(LiquidAlpha { low, high, steepness });
    let liquids = [
        None,
        Some(LiquidAlpha::default()),
        liquid(0, u16::MAX, i16::MAX),
        liquid(u16::MAX, 0, i16::MIN),
        liquid(0, 0, 0),
    ];
    for yuma in [YumaVersion::Yuma1, YumaVersion::Yuma3] {
        for liquid_alpha in liquids {
            for kappa in [0, 32_767, u16::MAX] {
                for bonds_penalty in [0, 1, u16::MAX] {
                    for bonds_moving_average_ppm in [0, 900_000, 1_000_000] {
                        let params = owned.params;
                        owned.params = EpochParams {
                            yuma,
                            liquid_alpha,
                            kappa,
                            bonds_penalty,
                            bonds_moving_average_ppm,
                            ..params
                        };
                        every_invariant_holds(&owned);
                    }
                }
            }
        }
    }
}

/// One weight of 65,535, one of one, and one of zero; bonds likewise.
#[test]
fn the_largest_and_the_smallest_weights() {
    let mut owned = subnet(5, vec![vec![(3, u16::MAX), (2, 1), (4, 0)], vec![(2, u16::MAX), (3, 1), (4, 1)]]);
    owned.bonds[0] = vec![(2, u16::MAX), (4, 1)];
    owned.bonds[1] = vec![(3, 0), (2, 1)];
    each_extreme_rule(owned);
}

#[test]
fn a_validator_alone_decides() {
    let owned = subnet(3, vec![vec![(1, 1), (2, 3)]]);
    let output = epoch(&owned.borrowed()).unwrap();
    assert_eq!(output.incentive, [0, 16_383, 49_151], "a quarter and three, rounded down");
    assert_eq!(output.dividends, [u16::MAX, 0, 0]);
    each_extreme_rule(owned);
}

#[test]
fn a_neuron_alone_gets_all() {
    let owned = subnet(1, vec![vec![(0, u16::MAX)]]);
    let output = epoch(&owned.borrowed()).unwrap();
    assert_eq!(output.incentive, [0], "its weight on itself does not count");
    assert_eq!(output.validator_emission, [1_000_000], "but it has all stake");
    each_extreme_rule(owned);
}

/// A kappa of one wants all stake behind a weight, so that the lowest is consensus; one of zero wants none.
#[test]
fn kappa_at_its_ends() {
    let consensus = |kappa| {
        let mut owned = subnet(4, vec![vec![(2, 1), (3, 3)], vec![(2, 1), (3, 1)]]);
        owned.params.kappa = kappa;
        epoch_terms(&owned.borrowed()).unwrap().consensus
    };
    let shares = |shares: [f64; 4]| shares.map(Fixed::from_num).to_vec();
    assert_eq!(consensus(u16::MAX), shares([0.0, 0.0, 0.25, 0.5]));
    assert_eq!(consensus(0), shares([0.0, 0.0, 0.5, 0.75]));
}

#[test]
fn without_stake_nobody_gets_anything() {
    let mut owned = subnet(4, vec![vec![(2, 1), (3, 3)], vec![(2, 1)]]);
    owned.stake = vec![Fixed64::ZERO; 4];
    let output = epoch(&owned.borrowed()).unwrap();
    assert_eq!((output.incentive, output.emission), (vec![0; 4], vec![0; 4]));
    assert_eq!(output.validator_permit, [false; 4]);
    each_extreme_rule(owned);
}

#[test]
fn where_all_are_inactive_stake_decides() {
    let mut owned = subnet(4, vec![vec![(2, 1), (3, 3)], vec![(2, 1)]]);
    owned.last_update = vec![0; 4];
    owned.params.activity_cutoff_blocks = 999;
    let output = epoch(&owned.borrowed()).unwrap();
    assert_eq!(output.active, [false; 4]);
    assert_eq!((output.incentive, output.validator_emission), (vec![0; 4], vec![500_000, 500_000, 0, 0]));
    each_extreme_rule(owned);
}

/// Stakes from 2^-64 rao to nearly 2^63, blocks and emission to the end of their types.
#[test]
fn numbers_at_the_ends_of_their_types() {
    let mut owned = subnet(4, vec![vec![(2, 1), (3, 3)], vec![(2, 1)], vec![(3, 1)]]);
    owned.stake = vec![Fixed64::MAX - Fixed64::from_num(1), Fixed64::DELTA, Fixed64::from_bits(1 << 63), Fixed64::ZERO];
    owned.emission = u64::MAX;
    each_extreme_rule(owned.clone());
    owned.current_block = u64::MAX;
    owned.last_step_block = u64::MAX;
    owned.last_update = vec![u64::MAX, u64::MAX - 1, 0, 0];
    owned.block_at_registration = vec![0, 0, u64::MAX, u64::MAX - 1];
    owned.params.activity_cutoff_blocks = u64::MAX;
    owned.params.tempo = u16::MAX;
    owned.params.stake_threshold = u64::MAX;
    each_extreme_rule(owned);
}

/// So many validators that medians are found by parting, in rows of every order, with ties.
#[test]
fn a_hundred_validators() {
    let row = |uid: u16| -> Row {
        let value = move |target: u16| 1 + u16::from((uid * 7 + target * 13).is_multiple_of(11)) * (uid % 5);
        let targets =
            (100..140).filter(|target| !(target + uid).is_multiple_of(4)).map(|target| (target, value(target)));
        if uid.is_multiple_of(3) { targets.rev().collect() } else { targets.collect() }
    };
    let mut owned = subnet(140, (0..100).map(row).collect());
    owned.bonds = epoch(&owned.borrowed()).unwrap().bonds;
    for (uid, stake) in owned.stake.iter_mut().enumerate().take(100) {
        *stake = Fixed64::from_num(1 + uid % 7);
    }
    for kappa in [0, 10_000, 32_767, 60_000, u16::MAX] {
        owned.params.kappa = kappa;
        every_invariant_holds(&owned);
    }
}

/// The largest sums that there can be in a subnet of sixteen times Bittensor's size.
#[test]
fn four_thousand_neurons() {
    let all =
        |uid: u16| -> Row { (0..4_096).filter(|target| *target != uid).map(|target| (target, u16::MAX)).collect() };
    let mut owned = subnet(4_096, (0..64).map(all).collect());
    for yuma in [YumaVersion::Yuma1, YumaVersion::Yuma3] {
        owned.params.yuma = yuma;
        owned.bonds = epoch(&owned.borrowed()).unwrap().bonds;
        invariants::terms_are_bounded(&owned);
        invariants::emission_is_paid(&owned);
        let terms = epoch_terms(&owned.borrowed()).unwrap();
        let miners = &terms.incentive[64..];
        assert!(miners.iter().all(|&incentive| incentive == miners[0] && incentive > 0), "all are weighed alike");
    }
}
