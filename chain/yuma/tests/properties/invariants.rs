//! What must hold of every epoch of a consistent input. Each panics where it does not; the properties and the fuzz target
//! try them on what they come up with.

use yuma::{Fixed, epoch, epoch_terms};

use crate::dense;
use crate::owned::Owned;

/// The sparse epoch's terms are those of full matrices, to the last bit.
pub(crate) fn sparse_is_dense(owned: &Owned) {
    let input = owned.borrowed();
    let got = epoch_terms(&input).unwrap();
    let want = dense::epoch(&input);
    assert_eq!(bits(&got.stake), want.stake);
    assert_eq!(bits(&got.active_stake), want.active_stake);
    assert_eq!(bits(&got.consensus), want.consensus);
    assert_eq!(bits(&got.validator_trust), want.validator_trust);
    assert_eq!(bits(&got.incentive), want.incentive);
    assert_eq!(bits(&got.dividends), want.dividends);
    let mut bonds = vec![vec![0; owned.stake.len()]; owned.stake.len()];
    for (row, cells) in got.bonds.iter().zip(&mut bonds) {
        for &(target, value) in row {
            assert!(value > 0, "a bond of nothing is not kept");
            cells[usize::from(target)] = i128::from(value.to_bits());
        }
    }
    assert_eq!(bonds, want.bonds);
}

/// Shares are shares: none negative, none above one, no sum above one.
pub(crate) fn terms_are_bounded(owned: &Owned) {
    let terms = epoch_terms(&owned.borrowed()).unwrap();
    for shares in [&terms.stake, &terms.active_stake, &terms.incentive, &terms.dividends, &terms.emission_share] {
        assert!(shares.iter().all(|&share| share >= 0));
        assert!(total(shares) <= 1, "{shares:?}");
    }
    for values in [&terms.consensus, &terms.validator_trust, &terms.ranks] {
        assert!(values.iter().all(|&value| (0..=1).contains(&value)), "{values:?}");
    }
    for row in &terms.bonds {
        assert!(row.iter().all(|&(_, bond)| bond > 0 && bond <= 1), "{row:?}");
    }
    for row in &terms.weights {
        assert!(total(&row.iter().map(|&(_, weight)| weight).collect::<Vec<_>>()) <= 1, "{row:?}");
    }
}

/// What is paid is at most the emission, and little less.
pub(crate) fn emission_is_paid(owned: &Owned) {
    let input = owned.borrowed();
    let output = epoch(&input).unwrap();
    let amounts = [&output.server_emission, &output.validator_emission];
    let paid: u128 = amounts.into_iter().flatten().map(|&rao| u128::from(rao)).sum();
    let emission = u128::from(input.emission);
    assert!(paid <= emission, "{paid} of {emission}");
    let somebody_has_stake = epoch_terms(&input).unwrap().stake.iter().any(|&stake| stake > 0);
    if somebody_has_stake {
        // Each of at most 2n amounts loses under a rao, and its share under 2^-32.
        let slack = 2 * owned.stake.len() as u128 * (1 + (emission >> 32)) + (emission >> 30);
        assert!(emission - paid <= slack, "{paid} of {emission}");
    } else {
        assert_eq!(paid, 0);
    }
    let both = output.server_emission.iter().zip(&output.validator_emission);
    for (&combined, (&server, &validator)) in output.emission.iter().zip(both) {
        let apart = u128::from(combined).abs_diff(u128::from(server) + u128::from(validator));
        assert!(apart <= 2 + (emission >> 31), "{combined} is not {server} + {validator}");
    }
}

/// Only permitted validators have a say, and only who is permitted next keeps bonds.
pub(crate) fn permits_hold(owned: &Owned) {
    let input = owned.borrowed();
    let output = epoch(&input).unwrap();
    let owner = input.owner_uid.map(usize::from);
    let permits = output.validator_permit.iter().filter(|&&permit| permit).count();
    assert!(permits <= usize::from(input.params.max_allowed_validators) + usize::from(owner.is_some()));
    for uid in 0..owned.stake.len() {
        assert!(output.validator_permit[uid] || output.bonds[uid].is_empty());
        assert!(owner != Some(uid) || output.validator_permit[uid]);
        let permitted = input.validator_permit[uid] || owner == Some(uid);
        assert!(permitted || output.validator_trust[uid] == 0);
    }
}

/// What an epoch stores, the next one can read.
pub(crate) fn epochs_follow_each_other(owned: &Owned, epochs: usize) {
    let mut state = owned.clone();
    for _ in 0..epochs {
        let output = epoch(&state.borrowed()).unwrap();
        state.bonds = output.bonds;
        state.validator_permit = output.validator_permit;
        state.last_step_block = state.current_block;
        state.current_block = state.current_block.saturating_add(u64::from(state.params.tempo) + 1);
    }
}

/// Input that contradicts itself is an error, and no other input is; never a panic.
pub(crate) fn only_contradictions_are_errors(owned: &Owned) {
    let input = owned.borrowed();
    let result = epoch(&input);
    assert_eq!(result.is_ok(), owned.is_consistent(), "{result:?}");
    assert_eq!(epoch_terms(&input).err(), result.err());
}

fn total(shares: &[Fixed]) -> Fixed {
    shares.iter().sum()
}

fn bits(values: &[Fixed]) -> Vec<i128> {
    values.iter().map(|value| i128::from(value.to_bits())).collect()
}
