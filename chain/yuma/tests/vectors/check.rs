//! Compares an epoch's outcome with what a vector says of it.

use serde_json::{Value, json};
use yuma::{EpochOutput, EpochTerms, Fixed, Row};

use crate::form::Derived;
use crate::rows;

/// Half the last digit to which reals are printed, and a little for their conversion.
const PRINTED_TOLERANCE: f64 = 0.51e-10;

/// How closely bonds, and what depends on them, must meet `derived_full_output`. All else is held to its last bit always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// To the last bit.
    Exact,
    /// To one unit of the stored `u16`: as far as a reference of Yuma 3 in other arithmetic may be off.
    OneUnit,
}

impl Agreement {
    fn units(self) -> u16 {
        match self {
            Self::Exact => 0,
            Self::OneUnit => 1,
        }
    }

    fn reals(self) -> f64 {
        PRINTED_TOLERANCE + f64::from(self.units()) / 65_535.0
    }

    /// In rao: one unit's share of the emission, and one for rounding.
    fn rao(self, emission: u64) -> u64 {
        u64::from(self.units()) * (emission / 65_535 + 1)
    }
}

/// Checks every term and every output against the reference's.
pub(crate) fn check_derived(
    place: &str,
    agreement: Agreement,
    emission: u64,
    derived: &Derived,
    output: &EpochOutput,
    terms: &EpochTerms,
) {
    let exact = PRINTED_TOLERANCE;
    let reals = [
        ("stake_norm", &derived.stake_norm, &terms.stake, exact),
        ("active_stake", &derived.active_stake, &terms.active_stake, exact),
        ("consensus", &derived.consensus, &terms.consensus, exact),
        ("ranks", &derived.ranks, &terms.ranks, exact),
        ("incentive", &derived.incentive, &terms.incentive, exact),
        ("validator_trust", &derived.validator_trust, &terms.validator_trust, exact),
        ("dividends", &derived.dividends, &terms.dividends, agreement.reals()),
        ("norm_combined", &derived.norm_combined, &terms.emission_share, agreement.reals()),
    ];
    for (field, want, got, tolerance) in reals {
        compare(&format!("{place}, {field}"), &json!(to_f64(got)), &json!(want), tolerance);
    }
    let weights: Vec<Vec<(u16, f64)>> = terms
        .weights
        .iter()
        .map(|row| row.iter().map(|&(target, value)| (target, printed(value.to_num()))).collect())
        .collect();
    assert_eq!(weights, derived.weights_norm, "{place}, weights_norm");

    assert_eq!(output.consensus, derived.consensus_u16, "{place}, consensus_u16");
    assert_eq!(output.incentive, derived.incentive_u16, "{place}, incentive_u16");
    assert_eq!(output.validator_trust, derived.validator_trust_u16, "{place}, validator_trust_u16");
    assert_eq!(output.validator_permit, derived.validator_permit, "{place}, validator_permit");
    let units = f64::from(agreement.units());
    compare(&format!("{place}, dividends_u16"), &json!(output.dividends), &json!(derived.dividends_u16), units);
    check_bonds(&format!("{place}, bonds_u16"), agreement, output, derived);
    let rao = [
        ("emission_rao", &output.emission, &derived.emission_rao),
        ("server_emission_rao", &output.server_emission, &derived.server_emission_rao),
        ("validator_emission_rao", &output.validator_emission, &derived.validator_emission_rao),
    ];
    for (field, got, want) in rao {
        assert!(
            got.len() == want.len()
                && got.iter().zip(want).all(|(got, want)| got.abs_diff(*want) <= agreement.rao(emission)),
            "{place}, {field}: got {got:?}, expected {want:?}"
        );
    }
}

/// Exact agreement is in rows as stored; else a bond that is absent counts as zero.
fn check_bonds(place: &str, agreement: Agreement, output: &EpochOutput, derived: &Derived) {
    let want = rows(place, &derived.bonds_u16, output.bonds.len());
    match agreement {
        Agreement::Exact => assert_eq!(output.bonds, want, "{place}"),
        Agreement::OneUnit => {
            compare(place, &json!(dense(&output.bonds)), &json!(dense(&want)), f64::from(agreement.units()));
        }
    }
}

/// Checks one of upstream's assertions. It names a field, or an element of it as `field[uid]` or `field[uid][target]`.
pub(crate) fn check_expected(
    place: &str,
    key: &str,
    want: &Value,
    tolerance: f64,
    output: &EpochOutput,
    terms: &EpochTerms,
) {
    let mut parts = key.split('[');
    let field = parts.next().unwrap_or_default();
    let mut got = match field {
        "bonds_prop(validators x servers)" => validators_by_servers(place, want, output),
        _ => observed(field, output, terms).unwrap_or_else(|| panic!("{place}: not an assertion that this test knows")),
    };
    for part in parts {
        let index = part.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
        got = index
            .and_then(|index| got.get(index).cloned())
            .unwrap_or_else(|| panic!("{place}: there is no such element"));
    }
    compare(place, &got, want, tolerance);
}

/// A field of the outcome by the name that vectors have for it; matrices are written out. A stored proportion has the
/// suffix `_u16`, and as a real `_prop`.
fn observed(field: &str, output: &EpochOutput, terms: &EpochTerms) -> Option<Value> {
    let n = output.bonds.len();
    let stored = |name: &str| {
        Some(match name {
            "stake_weight" => &output.stake_weight,
            "consensus" => &output.consensus,
            "incentive" => &output.incentive,
            "dividends" => &output.dividends,
            "validator_trust" => &output.validator_trust,
            _ => return None,
        })
    };
    if let Some(name) = field.strip_suffix("_u16") {
        return if name == "bonds" {
            Some(json!(dense(&output.bonds)))
        } else {
            stored(name).map(|values| json!(values))
        };
    }
    if let Some(name) = field.strip_suffix("_prop") {
        let proportions =
            |values: &[u16]| values.iter().map(|&value| f64::from(value) / 65_535.0).collect::<Vec<f64>>();
        return if name == "bonds" {
            Some(json!(dense(&output.bonds).iter().map(|row| proportions(row)).collect::<Vec<_>>()))
        } else {
            stored(name).map(|values| json!(proportions(values)))
        };
    }
    Some(match field {
        "stake_norm" => json!(to_f64(&terms.stake)),
        "active_stake" => json!(to_f64(&terms.active_stake)),
        "consensus" => json!(to_f64(&terms.consensus)),
        "ranks" => json!(to_f64(&terms.ranks)),
        "incentive" => json!(to_f64(&terms.incentive)),
        "dividends" => json!(to_f64(&terms.dividends)),
        "validator_trust" => json!(to_f64(&terms.validator_trust)),
        "norm_combined" => json!(to_f64(&terms.emission_share)),
        "weights_norm" => {
            let mut weights = vec![vec![0.0; n]; n];
            for (row, cells) in terms.weights.iter().zip(&mut weights) {
                row.iter().for_each(|&(target, value)| cells[usize::from(target)] = value.to_num());
            }
            json!(weights)
        }
        "emission_rao" => json!(output.emission),
        "server_emission_rao" => json!(output.server_emission),
        "validator_emission_rao" => json!(output.validator_emission),
        "validator_permit" => json!(output.validator_permit),
        "active" => json!(output.active),
        _ => return None,
    })
}

/// The bonds of validators, who have the lowest uids, in servers, who have the others.
fn validators_by_servers(place: &str, want: &Value, output: &EpochOutput) -> Value {
    let validators = want.as_array().map_or(0, Vec::len);
    assert!(validators > 0, "{place}: nothing to check");
    let bonds = dense(&output.bonds);
    let of_servers =
        |row: &Vec<u16>| row.iter().skip(validators).map(|&bond| f64::from(bond) / 65_535.0).collect::<Vec<f64>>();
    json!(bonds.iter().take(validators).map(of_servers).collect::<Vec<_>>())
}

/// Integers and flags must be equal or, like reals, near each other; lists must be equally long, and not empty.
fn compare(place: &str, got: &Value, want: &Value, tolerance: f64) {
    let agree = match (got, want) {
        (Value::Array(got), Value::Array(want)) => {
            assert!(got.len() == want.len() && !want.is_empty(), "{place}: got {got:?}, expected {want:?}");
            got.iter().zip(want).enumerate().for_each(|(index, (got, want))| {
                compare(&format!("{place}[{index}]"), got, want, tolerance);
            });
            true
        }
        (Value::Number(got), Value::Number(want)) => {
            let (near, far) = (got.as_f64().unwrap(), want.as_f64().unwrap());
            match (got.as_u64(), want.as_u64()) {
                (Some(got), Some(want)) if tolerance == 0.0 => got == want,
                _ => (near - far).abs() <= tolerance,
            }
        }
        (got, want) => got == want,
    };
    assert!(agree, "{place}: got {got}, expected {want} within {tolerance}");
}

fn dense(rows: &[Row]) -> Vec<Vec<u16>> {
    rows.iter()
        .map(|row| {
            let mut cells = vec![0; rows.len()];
            row.iter().for_each(|&(target, value)| cells[usize::from(target)] = value);
            cells
        })
        .collect()
}

fn to_f64(values: &[Fixed]) -> Vec<f64> {
    values.iter().map(|value| value.to_num()).collect()
}

/// As the vectors print reals.
fn printed(value: f64) -> f64 {
    format!("{value:.10}").parse().unwrap()
}
