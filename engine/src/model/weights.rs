//! Weights and gradients of a stage: one flat vector each, with the layout that names its parts.

use std::sync::Arc;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use thiserror::Error;

use super::{
    config::{ConfigError, ModelConfig, StageIndex},
    layout::{Layout, Parameter},
};
use crate::hash::Hasher;

/// Why values were refused as weights or gradients.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The model's shape.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not as many values as the stage has parameters.
    #[error("stage {stage} has {expected} parameters, got {found} values")]
    Length {
        /// The stage.
        stage: StageIndex,
        /// Its parameters.
        expected: usize,
        /// The values found.
        found: usize,
    },
    /// A value is infinite or not a number.
    #[error("stage {stage}: {name} holds a value that is not finite")]
    NotFinite {
        /// The stage.
        stage: StageIndex,
        /// The parameter.
        name: String,
    },
}

fn check_values(stage: StageIndex, layout: &Layout, values: &[f32]) -> Result<(), WeightsError> {
    if values.len() != layout.len() {
        return Err(WeightsError::Length { stage, expected: layout.len(), found: values.len() });
    }
    match layout.parameters().iter().find(|p| !values[p.range.clone()].iter().all(|value| value.is_finite())) {
        Some(parameter) => Err(WeightsError::NotFinite { stage, name: parameter.name.clone() }),
        None => Ok(()),
    }
}

/// The weights of one stage, θ(s,w). Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    stage: StageIndex,
    layout: Arc<Layout>,
    values: Arc<Vec<f32>>,
}

impl Weights {
    /// The weights a run starts from. Each parameter is drawn from its own seed (run seed, stage, name), so a stage is
    /// built alone and equals its part of the whole model.
    pub fn initial(config: &ModelConfig, stage: StageIndex, run_seed: &[u8; 32]) -> Result<Self, ConfigError> {
        let layout = config.layout(stage)?;
        let mut values = crate::pages::zeros(layout.len());
        for parameter in layout.parameters() {
            initialise(parameter, stage, run_seed, &mut values[parameter.range.clone()]);
        }
        Ok(Self { stage, layout: Arc::new(layout), values: Arc::new(values) })
    }

    /// Weights from values in the layout's order; refuses a wrong length and values that are not finite.
    pub fn from_values(config: &ModelConfig, stage: StageIndex, values: Vec<f32>) -> Result<Self, WeightsError> {
        let layout = config.layout(stage)?;
        check_values(stage, &layout, &values)?;
        Ok(Self { stage, layout: Arc::new(layout), values: Arc::new(values) })
    }

    /// The same with every value changed: what tests and adversaries compute with.
    pub fn map(&self, change: impl FnMut(&f32) -> f32) -> Self {
        Self {
            values: Arc::new(self.values.iter().map(change).collect()),
            layout: self.layout.clone(),
            stage: self.stage,
        }
    }

    /// The stage they belong to.
    pub fn stage(&self) -> StageIndex {
        self.stage
    }

    /// Names and shapes.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All values, in the layout's order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of one parameter.
    pub fn parameter(&self, name: &str) -> Option<&[f32]> {
        self.layout.find(name).map(|parameter| &self.values[parameter.range.clone()])
    }

    /// The layout, and the values to be changed: a copy of them where a clone of these weights is still around.
    pub(crate) fn parts_mut(&mut self) -> (&Layout, &mut [f32]) {
        (&self.layout, Arc::make_mut(&mut self.values).as_mut_slice())
    }
}

/// Draws one parameter. The bell is a sum of four uniforms (±3.5 deviations at most): sums and products of f64 are the
/// same on every machine, logarithms and cosines of its C library are not.
fn initialise(parameter: &Parameter, stage: StageIndex, run_seed: &[u8; 32], values: &mut [f32]) {
    let Some(deviation) = parameter.initial_deviation else { return values.fill(1.0) };
    let mut hasher = Hasher::new("narrows 2026 initial weights 1");
    let seed = hasher.bytes(run_seed).number(u64::from(stage.0)).string(&parameter.name).finish();
    let mut random = ChaCha8Rng::from_seed(seed.0);
    // A uniform in [0, 1) has variance 1/12, four have 1/3.
    let scale = f64::from(deviation) * 3f64.sqrt();
    let unit = 1.0 / (f64::from(u32::MAX) + 1.0);
    for value in values {
        let sum: f64 = (0..4).map(|_| (f64::from(random.next_u32()) + 0.5) * unit).sum();
        *value = ((sum - 2.0) * scale) as f32;
    }
}

/// A sum of gradients of the loss *sum* (not mean) over some tokens; sums of several add up exactly as one would.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    stage: StageIndex,
    layout: Arc<Layout>,
    tokens: u64,
    values: Vec<f32>,
}

impl Gradients {
    /// No tokens yet.
    pub fn zero(config: &ModelConfig, stage: StageIndex) -> Result<Self, ConfigError> {
        Ok(Self::zero_with(stage, Arc::new(config.layout(stage)?)))
    }

    pub(crate) fn zero_with(stage: StageIndex, layout: Arc<Layout>) -> Self {
        Self { stage, tokens: 0, values: crate::pages::zeros(layout.len()), layout }
    }

    /// From values in the layout's order; refuses a wrong length and values that are not finite.
    pub fn from_values(
        config: &ModelConfig,
        stage: StageIndex,
        tokens: u64,
        values: Vec<f32>,
    ) -> Result<Self, WeightsError> {
        let layout = config.layout(stage)?;
        check_values(stage, &layout, &values)?;
        Ok(Self { stage, layout: Arc::new(layout), tokens, values })
    }

    /// The stage they belong to.
    pub fn stage(&self) -> StageIndex {
        self.stage
    }

    /// Tokens whose loss was summed.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Names and shapes.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All values, in the layout's order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of one parameter.
    pub fn parameter(&self, name: &str) -> Option<&[f32]> {
        self.layout.find(name).map(|parameter| &self.values[parameter.range.clone()])
    }

    /// Back to no tokens, in the same memory.
    pub(crate) fn clear(&mut self) {
        self.tokens = 0;
        self.values.fill(0.0);
    }

    pub(crate) fn count_tokens(&mut self, tokens: u64) {
        self.tokens += tokens;
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_values_have_the_deviation_asked_for_and_depend_on_everything() {
        let config = ModelConfig::small();
        let weights = Weights::initial(&config, StageIndex(1), &[7; 32]).unwrap();
        for parameter in weights.layout().parameters() {
            let values = &weights.values()[parameter.range.clone()];
            let Some(deviation) = parameter.initial_deviation else {
                assert!(values.iter().all(|&value| value == 1.0));
                continue;
            };
            let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64;
            let ratio = square.sqrt() / f64::from(deviation);
            assert!((0.8..1.2).contains(&ratio), "{}: {ratio}", parameter.name);
        }
        assert_eq!(weights, Weights::initial(&config, StageIndex(1), &[7; 32]).unwrap());
        let other = Weights::initial(&config, StageIndex(1), &[8; 32]).unwrap();
        assert_ne!(weights.values(), other.values());
        let next = Weights::initial(&config, StageIndex(2), &[7; 32]).unwrap();
        assert_ne!(weights.values(), next.values());
    }

    #[test]
    fn a_stage_alone_does_not_depend_on_how_the_rest_is_cut() {
        let whole = ModelConfig::small();
        let fewer = ModelConfig { layers_per_stage: vec![1, 1, 2], ..ModelConfig::small() };
        let name = "model.layers.1.self_attn.qkv_proj.weight";
        let one = Weights::initial(&whole, StageIndex(1), &[7; 32]).unwrap();
        let other = Weights::initial(&fewer, StageIndex(1), &[7; 32]).unwrap();
        assert_eq!(one.parameter(name).unwrap(), other.parameter(name).unwrap());
    }

    #[test]
    fn wrong_lengths_and_infinities_are_refused() {
        let config = ModelConfig::small();
        let length = config.layout(StageIndex(0)).unwrap().len();
        assert!(matches!(
            Weights::from_values(&config, StageIndex(0), vec![0.0; length - 1]),
            Err(WeightsError::Length { .. })
        ));
        let mut values = vec![0.0; length];
        values[3] = f32::NAN;
        let error = Weights::from_values(&config, StageIndex(0), values).unwrap_err();
        assert!(error.to_string().contains("embed_tokens"), "{error}");
    }
}
