//! The form of a vector file. A field that is not named here is an error: what it means would go unchecked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use yuma::Row;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpochVector {
    pub(crate) name: String,
    #[serde(rename = "source_test", default)]
    _source_test: String,
    #[serde(rename = "commit", default)]
    _commit: String,
    pub(crate) path: String,
    pub(crate) params: Params,
    pub(crate) initial: Initial,
    #[serde(rename = "notes", default)]
    _notes: String,
    #[serde(rename = "upstream_assertion_note", default)]
    _upstream_assertion_note: String,
    /// Whether the reference behind `derived_full_output` meets upstream's assertions.
    pub(crate) reference_agrees: bool,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    pub(crate) kappa_u16: u16,
    pub(crate) bonds_penalty_u16: u16,
    pub(crate) bonds_moving_average_ppm: u64,
    pub(crate) yuma3: bool,
    pub(crate) liquid_alpha: bool,
    pub(crate) alpha_low_u16: u16,
    pub(crate) alpha_high_u16: u16,
    pub(crate) alpha_sigmoid_steepness: i16,
    pub(crate) tempo: u16,
    pub(crate) activity_cutoff_blocks: u64,
    pub(crate) stake_threshold: u64,
    pub(crate) max_allowed_validators: u16,
    pub(crate) owner_uid: Option<u16>,
    pub(crate) last_mechanism_step_block: u64,
    pub(crate) tao_weight: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Initial {
    pub(crate) stake: Vec<u64>,
    pub(crate) block_at_registration: Vec<u64>,
    pub(crate) last_update: Vec<u64>,
    pub(crate) validator_permit: Vec<bool>,
    pub(crate) weights: BTreeMap<u16, Row>,
    pub(crate) bonds: BTreeMap<u16, Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) epoch_at_block: u64,
    pub(crate) emission_rao: u64,
    pub(crate) set_weights: Vec<SetWeights>,
    /// What else happened, in words; `state_before` has its effect.
    #[serde(rename = "mutation_before_epoch", default)]
    _mutation_before_epoch: String,
    pub(crate) state_before: StateBefore,
    pub(crate) expected: BTreeMap<String, Value>,
    pub(crate) tolerance: f64,
    pub(crate) derived_full_output: Derived,
}

/// Weights as a validator sets them, with what the chain makes of them; or as they are stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
pub(crate) enum SetWeights {
    Set { uid: u16, dests: Vec<u16>, values: Vec<u16>, stored_values: Vec<u16>, at_block: u64 },
    Raw { uid: u16, raw_row: Row },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateBefore {
    pub(crate) last_update: Vec<u64>,
    pub(crate) block_at_registration: Vec<u64>,
    pub(crate) validator_permit: Vec<bool>,
    pub(crate) stake: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Derived {
    pub(crate) stake_norm: Vec<f64>,
    pub(crate) active_stake: Vec<f64>,
    pub(crate) consensus: Vec<f64>,
    pub(crate) ranks: Vec<f64>,
    pub(crate) incentive: Vec<f64>,
    pub(crate) dividends: Vec<f64>,
    pub(crate) validator_trust: Vec<f64>,
    pub(crate) weights_norm: Vec<Vec<(u16, f64)>>,
    pub(crate) consensus_u16: Vec<u16>,
    pub(crate) incentive_u16: Vec<u16>,
    pub(crate) dividends_u16: Vec<u16>,
    pub(crate) validator_trust_u16: Vec<u16>,
    pub(crate) emission_rao: Vec<u64>,
    pub(crate) server_emission_rao: Vec<u64>,
    pub(crate) validator_emission_rao: Vec<u64>,
    pub(crate) validator_permit: Vec<bool>,
    pub(crate) bonds_u16: BTreeMap<u16, Row>,
    pub(crate) norm_combined: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpscaleVector {
    #[serde(rename = "source", default)]
    _source: String,
    #[serde(default)]
    pub(crate) vec_max_upscale_to_u16: Vec<UpscaleReal>,
    #[serde(default)]
    pub(crate) vec_u16_max_upscale_to_u16: Vec<UpscaleInteger>,
    #[serde(default)]
    pub(crate) check_vec_max_limited: Vec<MaxLimited>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpscaleReal {
    pub(crate) input_f32: Vec<f32>,
    pub(crate) expected: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpscaleInteger {
    pub(crate) input: Vec<u16>,
    pub(crate) expected: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaxLimited {
    pub(crate) vec: Vec<u16>,
    pub(crate) max_limit: u16,
    pub(crate) ok: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MedianVector {
    #[serde(rename = "source_test", default)]
    _source_test: String,
    #[serde(rename = "note", default)]
    _note: String,
    pub(crate) reference_agrees: bool,
    pub(crate) cases: Vec<MedianCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MedianCase {
    pub(crate) stake: Vec<f32>,
    pub(crate) score: Vec<f32>,
    pub(crate) majority: f32,
    pub(crate) expected: f32,
}
