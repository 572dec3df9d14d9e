//! The test must be able to fail: each of these was a passing vector before one thing in it was changed.

use std::path::Path;

use serde_json::{Value, json};

use crate::check::Agreement;
use crate::{from_root, own_folder, run_file, run_folder};

const YUMA1: &str = "test_bonds.json";
const YUMA3: &str = "test_yuma_3_stable_miner.json";

fn vector(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(own_folder().join(file)).unwrap()).unwrap()
}

/// Runs a vector as another folder's.
fn run_changed(file: &str, change: impl FnOnce(&mut Value)) {
    let mut value = vector(file);
    change(&mut value);
    run_file(file, &value.to_string(), Agreement::OneUnit);
}

/// Moves a number of the last step's `derived_full_output`.
fn move_derived(value: &mut Value, field: &str, index: usize, by: i64) {
    let last = value["steps"].as_array().unwrap().len() - 1;
    let cell = &mut value["steps"][last]["derived_full_output"][field][index];
    *cell = (cell.as_i64().unwrap() + by).into();
}

#[test]
fn unchanged_they_pass() {
    run_changed(YUMA1, |_| ());
    run_changed(YUMA3, |_| ());
}

#[test]
#[should_panic(expected = "unknown field")]
fn a_field_that_is_not_understood() {
    run_changed(YUMA1, |value| value["params"]["surprise"] = 1.into());
}

#[test]
#[should_panic(expected = "missing field `bonds_u16`")]
fn a_field_that_is_missing() {
    run_changed(YUMA1, |value| {
        value["steps"][0]["derived_full_output"].as_object_mut().unwrap().remove("bonds_u16");
    });
}

#[test]
#[should_panic(expected = "not an assertion that this test knows")]
fn an_assertion_that_is_not_understood() {
    run_changed(YUMA1, |value| value["steps"][0]["expected"]["surprise"] = 1.into());
}

#[test]
#[should_panic(expected = "there is no such element")]
fn an_assertion_about_nobody() {
    run_changed(YUMA1, |value| value["steps"][0]["expected"]["bonds_u16[8][0]"] = 0.into());
}

#[test]
#[should_panic(expected = "not a kind of vector")]
fn a_kind_that_is_not_understood() {
    run_file("surprise.json", &json!({ "surprise": [] }).to_string(), Agreement::OneUnit);
}

#[test]
#[should_panic(expected = "EOF while parsing")]
fn half_a_file() {
    let text = vector(YUMA1).to_string();
    run_file(YUMA1, &text[..text.len() / 2], Agreement::OneUnit);
}

#[test]
#[should_panic(expected = "nothing to check")]
fn no_steps() {
    run_changed(YUMA1, |value| value["steps"] = json!([]));
}

#[test]
#[should_panic(expected = "expected []")]
fn an_assertion_of_nothing() {
    run_changed(YUMA1, |value| value["steps"][0]["expected"]["dividends_u16"] = json!([]));
}

#[test]
#[should_panic(expected = "bonds_u16[0][4]")]
fn an_upstream_value_off_by_one() {
    run_changed(YUMA1, |value| value["steps"][0]["expected"]["bonds_u16[0][4]"] = 16_384.into());
}

#[test]
#[should_panic(expected = "validator_emission_rao")]
fn a_derived_rao_off_by_one() {
    run_changed(YUMA1, |value| move_derived(value, "validator_emission_rao", 0, -1));
}

#[test]
#[should_panic(expected = "dividends_u16[0]")]
fn a_dividend_of_yuma_1_off_by_one() {
    run_changed(YUMA1, |value| move_derived(value, "dividends_u16", 0, 1));
}

#[test]
fn a_dividend_of_yuma_3_may_be_off_by_one_elsewhere() {
    run_changed(YUMA3, |value| move_derived(value, "dividends_u16", 0, 1));
}

#[test]
#[should_panic(expected = "dividends_u16[0]")]
fn a_dividend_of_yuma_3_may_not_be_off_by_one_here() {
    let mut value = vector(YUMA3);
    move_derived(&mut value, "dividends_u16", 0, 1);
    run_file(YUMA3, &value.to_string(), Agreement::Exact);
}

#[test]
#[should_panic(expected = "dividends_u16[0]")]
fn a_dividend_of_yuma_3_off_by_two() {
    run_changed(YUMA3, |value| move_derived(value, "dividends_u16", 0, 2));
}

#[test]
#[should_panic(expected = "incentive_u16")]
fn an_incentive_of_yuma_3_off_by_one() {
    run_changed(YUMA3, |value| {
        let steps = value["steps"].as_array().unwrap();
        let incentive = steps[steps.len() - 1]["derived_full_output"]["incentive_u16"].as_array().unwrap();
        let miner = incentive.iter().position(|value| value.as_u64() > Some(0)).unwrap();
        move_derived(value, "incentive_u16", miner, -1);
    });
}

#[test]
#[should_panic(expected = "no vector in")]
fn a_folder_without_vectors() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-vectors");
    std::fs::create_dir_all(folder.join("inner")).unwrap();
    std::fs::write(folder.join("README.md"), "no vector").unwrap();
    run_folder(&folder, Agreement::OneUnit);
}

#[test]
#[should_panic(expected = "relative to the repository's root")]
fn a_folder_that_is_not_there() {
    run_folder(&from_root(Path::new("no/such/folder")), Agreement::OneUnit);
}

#[test]
#[should_panic(expected = "leave it unset")]
fn a_folder_without_a_name() {
    from_root(Path::new(""));
}
