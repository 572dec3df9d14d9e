//! Runs every vector file in `tests/vectors`, or in the folder that `YUMA_VECTORS` names, against the crate.
//!
//! The files were read off the chain's own tests. An epoch file has what upstream asserts (`expected`, with its
//! tolerance) and every term of the formulas from an independent fixed-point reference (`derived_full_output`, reals
//! printed to ten decimals, less than half a unit of the epoch's numbers). Both are checked for every step; terms are
//! held to their last bit. A file, field or assertion that is not understood fails: nothing is skipped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use yuma::{
    EpochInput, EpochOutput, EpochParams, EpochTerms, Fixed, Fixed64, LiquidAlpha, Row, YumaVersion, combined_stake,
    epoch, epoch_terms, is_max_limited, max_upscale, max_upscale_u16, weighted_median,
};

/// Half the last digit to which reals are printed, and a little for their conversion.
const PRINTED_TOLERANCE: f64 = 0.51e-10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochVector {
    name: String,
    #[serde(rename = "source_test")]
    _source_test: String,
    #[serde(rename = "commit")]
    _commit: String,
    path: String,
    params: Params,
    initial: Initial,
    #[serde(rename = "notes")]
    _notes: String,
    #[serde(rename = "upstream_assertion_note", default)]
    _upstream_assertion_note: String,
    reference_agrees: bool,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    kappa_u16: u16,
    bonds_penalty_u16: u16,
    bonds_moving_average_ppm: u64,
    yuma3: bool,
    liquid_alpha: bool,
    alpha_low_u16: u16,
    alpha_high_u16: u16,
    alpha_sigmoid_steepness: i16,
    tempo: u16,
    activity_cutoff_blocks: u64,
    stake_threshold: u64,
    max_allowed_validators: u16,
    owner_uid: Option<u16>,
    last_mechanism_step_block: u64,
    tao_weight: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Initial {
    stake: Vec<u64>,
    block_at_registration: Vec<u64>,
    last_update: Vec<u64>,
    validator_permit: Vec<bool>,
    weights: BTreeMap<u16, Row>,
    bonds: BTreeMap<u16, Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    epoch_at_block: u64,
    emission_rao: u64,
    set_weights: Vec<SetWeights>,
    /// What else happened, in words; `state_before` has its effect.
    #[serde(rename = "mutation_before_epoch", default)]
    _mutation_before_epoch: String,
    state_before: StateBefore,
    expected: BTreeMap<String, Value>,
    tolerance: f64,
    derived_full_output: Derived,
}

/// Weights as a validator sets them, with what the chain makes of them; or as they are stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum SetWeights {
    Set { uid: u16, dests: Vec<u16>, values: Vec<u16>, stored_values: Vec<u16>, at_block: u64 },
    Raw { uid: u16, raw_row: Row },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateBefore {
    last_update: Vec<u64>,
    block_at_registration: Vec<u64>,
    validator_permit: Vec<bool>,
    stake: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Derived {
    stake_norm: Vec<f64>,
    active_stake: Vec<f64>,
    consensus: Vec<f64>,
    ranks: Vec<f64>,
    incentive: Vec<f64>,
    dividends: Vec<f64>,
    validator_trust: Vec<f64>,
    weights_norm: Vec<Vec<(u16, f64)>>,
    consensus_u16: Vec<u16>,
    incentive_u16: Vec<u16>,
    dividends_u16: Vec<u16>,
    validator_trust_u16: Vec<u16>,
    emission_rao: Vec<u64>,
    server_emission_rao: Vec<u64>,
    validator_emission_rao: Vec<u64>,
    validator_permit: Vec<bool>,
    bonds_u16: BTreeMap<u16, Row>,
    norm_combined: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpscaleVector {
    #[serde(rename = "source")]
    _source: String,
    vec_max_upscale_to_u16: Vec<UpscaleReal>,
    vec_u16_max_upscale_to_u16: Vec<UpscaleInteger>,
    check_vec_max_limited: Vec<MaxLimited>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpscaleReal {
    input_f32: Vec<f32>,
    expected: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpscaleInteger {
    input: Vec<u16>,
    expected: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaxLimited {
    vec: Vec<u16>,
    max_limit: u16,
    ok: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MedianVector {
    #[serde(rename = "source_test")]
    _source_test: String,
    #[serde(rename = "note")]
    _note: String,
    reference_agrees: bool,
    cases: Vec<MedianCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MedianCase {
    stake: Vec<f32>,
    score: Vec<f32>,
    majority: f32,
    expected: f32,
}

#[test]
fn every_vector_holds() {
    let folder = std::env::var_os("YUMA_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), PathBuf::from);
    run_folder(&folder);
}

fn run_folder(folder: &std::path::Path) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no vector in {}", folder.display());
    for file in files {
        let name = file.display().to_string();
        assert_eq!(file.extension().and_then(|extension| extension.to_str()), Some("json"), "{name} is not a vector");
        run_file(&name, &std::fs::read_to_string(&file).unwrap());
    }
}

fn run_file(name: &str, text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    if value.get("steps").is_some() {
        run_epochs(name, &parse(name, value));
    } else if value.get("cases").is_some() {
        run_medians(name, &parse(name, value));
    } else if value.get("check_vec_max_limited").is_some() {
        run_upscales(name, &parse(name, value));
    } else {
        panic!("{name}: not a kind of vector that this test knows");
    }
}

fn parse<T: DeserializeOwned>(name: &str, value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run_upscales(name: &str, vector: &UpscaleVector) {
    for UpscaleReal { input_f32, expected } in not_empty(name, &vector.vec_max_upscale_to_u16) {
        assert_eq!(&max_upscale(&fixed(input_f32)), expected, "{name}: {input_f32:?}");
    }
    for UpscaleInteger { input, expected } in not_empty(name, &vector.vec_u16_max_upscale_to_u16) {
        assert_eq!(&max_upscale_u16(input), expected, "{name}: {input:?}");
    }
    for MaxLimited { vec, max_limit, ok } in not_empty(name, &vector.check_vec_max_limited) {
        assert_eq!(is_max_limited(vec, *max_limit), *ok, "{name}: {vec:?} under {max_limit}");
    }
}

fn run_medians(name: &str, vector: &MedianVector) {
    assert!(vector.reference_agrees, "{name}");
    for case in not_empty(name, &vector.cases) {
        let minority = Fixed::ONE - Fixed::from_num(case.majority);
        let median = weighted_median(&fixed(&case.stake), &fixed(&case.score), minority);
        assert_eq!(median, Fixed::from_num(case.expected), "{name}: {:?} {:?}", case.stake, case.score);
    }
}

fn run_epochs(name: &str, vector: &EpochVector) {
    assert!(name.contains(&vector.name), "{name} holds {}", vector.name);
    assert!(vector.reference_agrees, "{name}");
    assert_eq!(vector.path, "sparse", "{name}");
    let initial = &vector.initial;
    let uids = initial.stake.len();
    for length in [initial.block_at_registration.len(), initial.last_update.len(), initial.validator_permit.len()] {
        assert_eq!(length, uids, "{name}: initial state");
    }
    // Upstream asserts something in each test, though not after each of its epochs.
    assert!(vector.steps.iter().any(|step| !step.expected.is_empty()), "{name}: nothing to check");
    let mut weights = rows(&initial.weights, uids);
    let mut bonds = rows(&initial.bonds, uids);
    for (index, step) in not_empty(name, &vector.steps).iter().enumerate() {
        let place = format!("{name}, step {index}");
        step.set_weights.iter().for_each(|set| apply(&place, set, &mut weights));
        let stake: Vec<Fixed64> =
            step.state_before.stake.iter().map(|&alpha| combined_stake(alpha, 0, vector.params.tao_weight)).collect();
        let input = input(&vector.params, step, &stake, &weights, &bonds);
        let output = epoch(&input).unwrap_or_else(|error| panic!("{place}: {error}"));
        let terms = epoch_terms(&input).unwrap_or_else(|error| panic!("{place}: {error}"));
        check_derived(&place, &step.derived_full_output, &output, &terms);
        for (assertion, value) in &step.expected {
            check_expected(
                &format!("{place}, expected {assertion}"),
                assertion,
                value,
                step.tolerance,
                &output,
                &terms,
            );
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
    weights[usize::from(uid)] = row;
}

fn check_derived(place: &str, derived: &Derived, output: &EpochOutput, terms: &EpochTerms) {
    let reals = [
        ("stake_norm", &derived.stake_norm, &terms.stake),
        ("active_stake", &derived.active_stake, &terms.active_stake),
        ("consensus", &derived.consensus, &terms.consensus),
        ("ranks", &derived.ranks, &terms.ranks),
        ("incentive", &derived.incentive, &terms.incentive),
        ("dividends", &derived.dividends, &terms.dividends),
        ("validator_trust", &derived.validator_trust, &terms.validator_trust),
        ("norm_combined", &derived.norm_combined, &terms.emission_share),
    ];
    for (field, want, got) in reals {
        assert_near(&format!("{place}, {field}"), &to_f64(got), want, PRINTED_TOLERANCE);
    }
    let weights: Vec<Vec<(u16, f64)>> = terms
        .weights
        .iter()
        .map(|row| row.iter().map(|&(target, value)| (target, printed(value.to_num()))).collect())
        .collect();
    assert_eq!(weights, derived.weights_norm, "{place}, weights_norm");

    assert_eq!(output.consensus, derived.consensus_u16, "{place}, consensus_u16");
    assert_eq!(output.incentive, derived.incentive_u16, "{place}, incentive_u16");
    assert_eq!(output.dividends, derived.dividends_u16, "{place}, dividends_u16");
    assert_eq!(output.validator_trust, derived.validator_trust_u16, "{place}, validator_trust_u16");
    assert_eq!(output.emission, derived.emission_rao, "{place}, emission_rao");
    assert_eq!(output.server_emission, derived.server_emission_rao, "{place}, server_emission_rao");
    assert_eq!(output.validator_emission, derived.validator_emission_rao, "{place}, validator_emission_rao");
    assert_eq!(output.validator_permit, derived.validator_permit, "{place}, validator_permit");
    assert_eq!(output.bonds, rows(&derived.bonds_u16, output.bonds.len()), "{place}, bonds_u16");
}

/// Checks one upstream assertion: a whole vector, or one element of it, as `field[uid]` or `field[uid][target]`.
fn check_expected(place: &str, key: &str, want: &Value, tolerance: f64, output: &EpochOutput, terms: &EpochTerms) {
    let mut parts = key.split('[');
    let field = parts.next().unwrap_or_default();
    let indices: Vec<usize> = parts.map(|part| part.trim_end_matches(']').parse().unwrap()).collect();
    let bond = |uid: usize, target: usize| {
        let stored = output.bonds[uid].iter().find(|(column, _)| usize::from(*column) == target);
        stored.map_or(0.0, |&(_, value)| f64::from(value))
    };
    let got: Vec<f64> = match field {
        "stake_norm" => to_f64(&terms.stake),
        "active_stake" => to_f64(&terms.active_stake),
        "consensus" => to_f64(&terms.consensus),
        "dividends" => to_f64(&terms.dividends),
        "norm_combined" => to_f64(&terms.emission_share),
        "consensus_u16" => output.consensus.iter().map(|&value| f64::from(value)).collect(),
        "incentive_u16" => output.incentive.iter().map(|&value| f64::from(value)).collect(),
        "dividends_u16" => output.dividends.iter().map(|&value| f64::from(value)).collect(),
        "dividends_prop" => output.dividends.iter().map(|&value| f64::from(value) / 65_535.0).collect(),
        "emission_rao" => output.emission.iter().map(|&value| value as f64).collect(),
        "validator_permit" => {
            assert_eq!(&serde_json::to_value(&output.validator_permit).unwrap(), want, "{place}");
            return;
        }
        "bonds_u16" => (0..output.bonds.len()).map(|target| bond(indices[0], target)).collect(),
        "bonds_prop(validators x servers)" => {
            let want: Vec<Vec<f64>> = serde_json::from_value(want.clone()).unwrap();
            assert!(!want.is_empty(), "{place}");
            for (uid, row) in want.iter().enumerate() {
                let got: Vec<f64> =
                    (want.len()..output.bonds.len()).map(|server| bond(uid, server) / 65_535.0).collect();
                assert_near(place, &got, row, tolerance);
            }
            return;
        }
        _ => panic!("{place}: not an assertion that this test knows"),
    };
    match indices.as_slice() {
        [] => assert_near(place, &got, &serde_json::from_value::<Vec<f64>>(want.clone()).unwrap(), tolerance),
        [.., last] => assert_near(place, &[got[*last]], &[want.as_f64().unwrap()], tolerance),
    }
}

fn assert_near(place: &str, got: &[f64], want: &[f64], tolerance: f64) {
    let is_near = |(got, want): (&f64, &f64)| (got - want).abs() <= tolerance;
    assert!(
        got.len() == want.len() && got.iter().zip(want).all(is_near),
        "{place}: got {got:?}, expected {want:?} within {tolerance}"
    );
}

fn not_empty<'a, T>(place: &str, values: &'a [T]) -> &'a [T] {
    assert!(!values.is_empty(), "{place}: nothing to check");
    values
}

fn rows(sparse: &BTreeMap<u16, Row>, uids: usize) -> Vec<Row> {
    assert!(sparse.keys().all(|&uid| usize::from(uid) < uids), "a row of a uid that does not exist");
    (0..uids).map(|uid| sparse.get(&u16::try_from(uid).unwrap()).cloned().unwrap_or_default()).collect()
}

fn fixed(values: &[f32]) -> Vec<Fixed> {
    values.iter().map(|&value| Fixed::from_num(value)).collect()
}

fn to_f64(values: &[Fixed]) -> Vec<f64> {
    values.iter().map(|value| value.to_num()).collect()
}

/// As the vectors print reals.
fn printed(value: f64) -> f64 {
    format!("{value:.10}").parse().unwrap()
}

/// The test must be able to fail: each of these was a passing vector before one thing in it was changed.
mod must_fail {
    use super::*;

    fn vector(file: &str) -> Value {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn run(value: &Value) {
        run_file("test_bonds.json", &value.to_string());
    }

    #[test]
    fn unchanged_it_passes() {
        run(&vector("test_bonds.json"));
    }

    #[test]
    #[should_panic(expected = "unknown field")]
    fn a_field_that_is_not_understood() {
        let mut value = vector("test_bonds.json");
        value["params"]["surprise"] = 1.into();
        run(&value);
    }

    #[test]
    #[should_panic(expected = "not an assertion that this test knows")]
    fn an_assertion_that_is_not_understood() {
        let mut value = vector("test_bonds.json");
        value["steps"][0]["expected"]["surprise"] = 1.into();
        run(&value);
    }

    #[test]
    #[should_panic(expected = "not a kind of vector")]
    fn a_kind_that_is_not_understood() {
        run(&serde_json::json!({ "surprise": [] }));
    }

    #[test]
    #[should_panic(expected = "bonds_u16[0][4]")]
    fn an_upstream_value_off_by_one() {
        let mut value = vector("test_bonds.json");
        value["steps"][0]["expected"]["bonds_u16[0][4]"] = 16_384.into();
        run(&value);
    }

    #[test]
    #[should_panic(expected = "validator_emission_rao")]
    fn a_derived_rao_off_by_one() {
        let mut value = vector("test_bonds.json");
        value["steps"][3]["derived_full_output"]["validator_emission_rao"][0] = 99_999_998.into();
        run(&value);
    }

    #[test]
    #[should_panic(expected = "no vector in")]
    fn a_folder_without_vectors() {
        let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-vectors");
        std::fs::create_dir_all(&empty).unwrap();
        run_folder(&empty);
    }
}
