//! Runs every vector file in `data`, or in the folder that `YUMA_VECTORS` names, against the crate.
//!
//! The files were read off the chain's own tests. An epoch file has what upstream asserts (`expected`, with its
//! tolerance) and every term of the formulas from an independent fixed-point reference (`derived_full_output`, reals
//! printed to ten decimals, less than half a unit of the epoch's numbers). Both are checked for every step. The files
//! here are held to the last bit; of another folder's files, those of Yuma 3 to one unit of the stored `u16`, in bonds
//! and what depends on them.
//!
//! A folder without vectors, and a file, field or assertion that is not understood, fail: nothing passes unchecked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod check;
mod form;
mod must_fail;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use yuma::{
    EpochInput, EpochParams, Fixed, Fixed64, LiquidAlpha, Row, YumaVersion, combined_stake, epoch, epoch_terms,
    is_max_limited, max_upscale, max_upscale_u16, weighted_median,
};

use crate::check::{Agreement, check_derived, check_expected};
use crate::form::{
    EpochVector, MaxLimited, MedianVector, Params, SetWeights, Step, UpscaleInteger, UpscaleReal, UpscaleVector,
};

#[test]
fn every_vector_holds() {
    match std::env::var_os("YUMA_VECTORS") {
        None => run_folder(&own_folder(), Agreement::Exact),
        Some(folder) => run_folder(&from_root(Path::new(&folder)), Agreement::OneUnit),
    }
}

fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/data")
}

/// Cargo runs tests in the crate's folder, but people name folders from where they are: the repository's root.
fn from_root(folder: &Path) -> PathBuf {
    assert!(!folder.as_os_str().is_empty(), "YUMA_VECTORS is empty: name a folder, or leave it unset");
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)
}

/// Runs all of a folder's `.json` files, also those in folders in it. Other files (a description, say) are no vectors.
fn run_folder(folder: &Path, yuma3: Agreement) {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no vector in {}: name a folder with .json files", folder.display());
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        run_file(&name, &text, yuma3);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error} (relative to the repository's root)", folder.display()));
    for entry in entries {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            files.push(path);
        }
    }
}

fn run_file(name: &str, text: &str, yuma3: Agreement) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let has = |field: &str| value.get(field).is_some();
    if has("steps") {
        run_epochs(name, &parse(name, value), yuma3);
    } else if has("cases") {
        run_medians(name, &parse(name, value));
    } else if ["vec_max_upscale_to_u16", "vec_u16_max_upscale_to_u16", "check_vec_max_limited"].into_iter().any(has) {
        run_upscales(name, &parse(name, value));
    } else {
        panic!("{name}: not a kind of vector that this test knows");
    }
}

fn parse<T: DeserializeOwned>(name: &str, value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run_upscales(name: &str, vector: &UpscaleVector) {
    let UpscaleVector { vec_max_upscale_to_u16: reals, vec_u16_max_upscale_to_u16: integers, .. } = vector;
    assert!(reals.len() + integers.len() + vector.check_vec_max_limited.len() > 0, "{name}: nothing to check");
    for UpscaleReal { input_f32, expected } in reals {
        assert_eq!(&max_upscale(&fixed(input_f32)), expected, "{name}: {input_f32:?}");
    }
    for UpscaleInteger { input, expected } in integers {
        assert_eq!(&max_upscale_u16(input), expected, "{name}: {input:?}");
    }
    for MaxLimited { vec, max_limit, ok } in &vector.check_vec_max_limited {
        assert_eq!(is_max_limited(vec, *max_limit), *ok, "{name}: {vec:?} under {max_limit}");
    }
}

fn run_medians(name: &str, vector: &MedianVector) {
    assert!(vector.reference_agrees, "{name}: its own reference does not hold it");
    for case in not_empty(name, &vector.cases) {
        assert_eq!(case.stake.len(), case.score.len(), "{name}: as many stakes as scores");
        let minority = Fixed::ONE - Fixed::from_num(case.majority);
        let median = weighted_median(&fixed(&case.stake), &fixed(&case.score), minority);
        assert_eq!(median, Fixed::from_num(case.expected), "{name}: {:?} {:?}", case.stake, case.score);
    }
}

fn run_epochs(name: &str, vector: &EpochVector, yuma3: Agreement) {
    assert!(name.contains(&vector.name), "{name} holds {}", vector.name);
    assert!(vector.reference_agrees, "{name}: its own reference does not hold it");
    assert_eq!(vector.path, "sparse", "{name}: the chain runs its sparse epoch only");
    let agreement = if vector.params.yuma3 { yuma3 } else { Agreement::Exact };
    let initial = &vector.initial;
    let uids = not_empty(name, &initial.stake).len();
    for length in [initial.block_at_registration.len(), initial.last_update.len(), initial.validator_permit.len()] {
        assert_eq!(length, uids, "{name}: initial state");
    }
    let mut weights = rows(name, &initial.weights, uids);
    let mut bonds = rows(name, &initial.bonds, uids);
    for (index, step) in not_empty(name, &vector.steps).iter().enumerate() {
        let place = format!("{name}, step {index}");
        assert!(step.tolerance >= 0.0, "{place}: a tolerance is not negative");
        step.set_weights.iter().for_each(|set| apply(&place, set, &mut weights));
        let stake: Vec<Fixed64> =
            step.state_before.stake.iter().map(|&alpha| combined_stake(alpha, 0, vector.params.tao_weight)).collect();
        let input = input(&vector.params, step, &stake, &weights, &bonds);
        let output = epoch(&input).unwrap_or_else(|error| panic!("{place}: {error}"));
        let terms = epoch_terms(&input).unwrap_or_else(|error| panic!("{place}: {error}"));
        check_derived(&place, agreement, step.emission_rao, &step.derived_full_output, &output, &terms);
        // Upstream asserts something in most of its tests, though not after each of their epochs.
        for (assertion, value) in &step.expected {
            let place = format!("{place}, expected {assertion}");
            check_expected(&place, assertion, value, step.tolerance, &output, &terms);
        }
        bonds = output.bonds;
    }
}

fn input<'a>(
    params: &Params,
    step: &'a Step,
    stake: &'a [Fixed64],
    weights: &'a [Row],
    bonds: &'a [Row],
) -> EpochInput<'a> {
    let liquid_alpha = LiquidAlpha {
        low: params.alpha_low_u16,
        high: params.alpha_high_u16,
        steepness: params.alpha_sigmoid_steepness,
    };
    EpochInput {
        params: EpochParams {
            kappa: params.kappa_u16,
            tempo: params.tempo,
            activity_cutoff_blocks: params.activity_cutoff_blocks,
            max_allowed_validators: params.max_allowed_validators,
            stake_threshold: params.stake_threshold,
            bonds_moving_average_ppm: params.bonds_moving_average_ppm,
            bonds_penalty: params.bonds_penalty_u16,
            yuma: if params.yuma3 { YumaVersion::Yuma3 } else { YumaVersion::Yuma1 },
            liquid_alpha: params.liquid_alpha.then_some(liquid_alpha),
        },
        current_block: step.epoch_at_block,
        last_step_block: params.last_mechanism_step_block,
        emission: step.emission_rao,
        owner_uid: params.owner_uid,
        stake,
        last_update: &step.state_before.last_update,
        block_at_registration: &step.state_before.block_at_registration,
        validator_permit: &step.state_before.validator_permit,
        weights,
        bonds,
        earliest_live_commit: None,
    }
}

fn apply(place: &str, set: &SetWeights, weights: &mut [Row]) {
    let (uid, row) = match set {
        SetWeights::Raw { uid, raw_row } => (*uid, raw_row.clone()),
        SetWeights::Set { uid, dests, values, stored_values, at_block } => {
            assert_eq!(dests.len(), values.len(), "{place}: weights of uid {uid} at block {at_block}");
            assert_eq!(&max_upscale_u16(values), stored_values, "{place}: weights of uid {uid} at block {at_block}");
            (*uid, dests.iter().copied().zip(stored_values.iter().copied()).collect())
        }
    };
    let place_of_row = weights.get_mut(usize::from(uid));
    *place_of_row.unwrap_or_else(|| panic!("{place}: weights of uid {uid}, which does not exist")) = row;
}

fn not_empty<'a, T>(place: &str, values: &'a [T]) -> &'a [T] {
    assert!(!values.is_empty(), "{place}: nothing to check");
    values
}

fn rows(place: &str, sparse: &BTreeMap<u16, Row>, uids: usize) -> Vec<Row> {
    assert!(sparse.keys().all(|&uid| usize::from(uid) < uids), "{place}: a row of a uid that does not exist");
    (0..uids).map(|uid| sparse.get(&u16::try_from(uid).unwrap()).cloned().unwrap_or_default()).collect()
}

fn fixed(values: &[f32]) -> Vec<Fixed> {
    values.iter().map(|&value| Fixed::from_num(value)).collect()
}
