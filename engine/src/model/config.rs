//! The shape of a model, as a run's manifest states it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::layout::Layout;

/// Most stages a model may be cut in.
pub const MAX_STAGES: usize = 256;
/// Most layers one stage may hold.
pub const MAX_LAYERS_PER_STAGE: usize = 256;
/// Widest model, in features.
pub const MAX_D_MODEL: usize = 16_384;
/// Widest feed-forward layer or bottleneck hidden layer, in features.
pub const MAX_FFN: usize = 65_536;
/// Most token ids.
pub const MAX_VOCAB: usize = 1 << 18;
/// Longest context, in tokens.
pub const MAX_CONTEXT_TOKENS: usize = 65_536;
/// Most parameters one stage may hold; a layout beyond it is refused before anything is allocated.
pub const MAX_STAGE_PARAMETERS: usize = 1 << 30;

/// Position of a stage on the way of a microbatch, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageIndex(pub u16);

impl StageIndex {
    /// As an index into a list of stages.
    pub fn as_usize(self) -> usize {
        usize::from(self.0)
    }
}

impl std::fmt::Display for StageIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What crosses the boundary between two stages. Token ids always travel along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
// Tagged from outside: serde buffers what is tagged from inside, and then cannot read numbers where any crate of the
// build switches on serde_json's arbitrary precision (substrate's do).
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bottleneck {
    /// A residual bottleneck with a token anchor: the sender computes `z = x[0..r] + E(norm(x))`, the receiver
    /// `x̂ = [z, 0] + D(z) + Emb[token]`. E and D are two-layer perceptrons with SiLU.
    AnchorRes {
        /// Features that cross, r ≪ d_model.
        r: usize,
        /// Width of the hidden layer of E and of D.
        hidden: usize,
    },
    /// Control: nothing but the token ids crosses, `x̂ = Emb[token]`. What the last stage reaches alone.
    Cut,
    /// Control: all of x crosses, with the same anchors, `x̂ = x + Emb[token]`.
    None,
}

/// The shape of a model and where it is cut. Integers only, so that two of them are equal or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Number of token ids, at most [`MAX_VOCAB`]; 256 where tokens are bytes.
    pub vocab: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads; divides `d_model` into an even width.
    pub heads: usize,
    /// Width of the feed-forward layers.
    pub ffn: usize,
    /// Longest sequence, in tokens.
    pub context: usize,
    /// Layers of each stage, in order; its length is the number of stages.
    pub layers_per_stage: Vec<usize>,
    /// What crosses the boundaries.
    pub bottleneck: Bottleneck,
    /// Base of the rotary position encoding.
    pub rope_base: u32,
    /// Heads of keys and values, each shared by `heads / kv_heads` heads of queries; `None`: as many as `heads`.
    // Left out where it is not used, so that the texts, and with them the names, of models without it stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_heads: Option<usize>,
}

/// Why a model's shape was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A dimension is outside its range.
    #[error("model config: {name} is {value}, must be in {min}..={max}")]
    OutOfRange {
        /// The field.
        name: &'static str,
        /// What it was.
        value: usize,
        /// Smallest allowed.
        min: usize,
        /// Largest allowed.
        max: usize,
    },
    /// Heads do not divide the width evenly.
    #[error("model config: {heads} heads must divide d_model {d_model} into heads of even width (rotary pairs)")]
    Heads {
        /// Number of heads.
        heads: usize,
        /// Width of the model.
        d_model: usize,
    },
    /// Heads of keys and values do not divide those of queries.
    #[error("model config: {kv_heads} heads of keys and values must divide the {heads} heads of queries")]
    KvHeads {
        /// Heads of keys and values.
        kv_heads: usize,
        /// Heads of queries.
        heads: usize,
    },
    /// There is no such stage.
    #[error("stage {stage} does not exist, the model has {stages}")]
    NoSuchStage {
        /// The stage asked for.
        stage: StageIndex,
        /// How many there are.
        stages: usize,
    },
    /// A stage would be too large.
    #[error("stage {stage} would hold {parameters} parameters, more than {MAX_STAGE_PARAMETERS}: use more stages")]
    TooLarge {
        /// The stage.
        stage: StageIndex,
        /// Its parameters.
        parameters: u128,
    },
}

impl ModelConfig {
    /// The small model a localnet trains by default: d 64, four stages of one layer, context 128, r 8.
    pub fn small() -> Self {
        Self {
            vocab: 256,
            d_model: 64,
            heads: 4,
            ffn: 192,
            context: 128,
            layers_per_stage: vec![1; 4],
            bottleneck: Bottleneck::AnchorRes { r: 8, hidden: 64 },
            rope_base: 10_000,
            kv_heads: None,
        }
    }

    /// Number of stages.
    pub fn stages(&self) -> usize {
        self.layers_per_stage.len()
    }

    /// All stages in order.
    pub fn stage_indices(&self) -> impl Iterator<Item = StageIndex> + use<> {
        (0..self.stages() as u16).map(StageIndex)
    }

    /// Features of one attention head.
    pub fn head_width(&self) -> usize {
        self.d_model / self.heads
    }

    /// Heads of keys and values.
    pub fn kv_heads(&self) -> usize {
        self.kv_heads.unwrap_or(self.heads)
    }

    /// Whether the stage embeds tokens.
    pub fn is_first(&self, stage: StageIndex) -> bool {
        stage.0 == 0
    }

    /// Whether the stage computes the loss.
    pub fn is_last(&self, stage: StageIndex) -> bool {
        stage.as_usize() + 1 == self.stages()
    }

    /// Features per token of what a stage receives; 0 for the first.
    pub fn incoming_width(&self, stage: StageIndex) -> usize {
        if self.is_first(stage) { 0 } else { self.boundary_width() }
    }

    /// Features per token of what a stage sends; 0 for the last.
    pub fn outgoing_width(&self, stage: StageIndex) -> usize {
        if self.is_last(stage) { 0 } else { self.boundary_width() }
    }

    /// Features per token that cross every boundary.
    pub fn boundary_width(&self) -> usize {
        match self.bottleneck {
            Bottleneck::AnchorRes { r, .. } => r,
            Bottleneck::Cut => 0,
            Bottleneck::None => self.d_model,
        }
    }

    /// The parameters of one stage: names, shapes, and where each lies in the stage's flat vector.
    pub fn layout(&self, stage: StageIndex) -> Result<Layout, ConfigError> {
        self.validate()?;
        self.check_stage(stage)?;
        Ok(super::plan::layout(self, stage))
    }

    /// Floating-point operations (multiply and add counted apart) of a stage's forward pass for one token of a full
    /// context, matrix products and attention only. A backward pass costs twice as much.
    pub fn forward_flops_per_token(&self, stage: StageIndex) -> u64 {
        let (d, ffn, context) = (self.d_model as u64, self.ffn as u64, self.context as u64);
        let layers = self.layers_per_stage.get(stage.as_usize()).copied().unwrap_or(0) as u64;
        // Causal attention looks at half the context on average, twice (scores and values).
        let kv = (self.kv_heads() * self.head_width()) as u64;
        let mut macs = layers * (2 * d * d + 2 * d * kv + 3 * d * ffn + d * context);
        if let Bottleneck::AnchorRes { r, hidden } = self.bottleneck {
            let one_side = (hidden * (self.d_model + r)) as u64;
            macs += one_side * (u64::from(!self.is_first(stage)) + u64::from(!self.is_last(stage)));
        }
        if self.is_last(stage) {
            macs += d * self.vocab as u64;
        }
        2 * macs
    }

    /// Refuses a shape that cannot be computed or would be too large to hold. Allocates nothing.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |name, value, min, max| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError::OutOfRange { name, value, min, max }) }
        };
        within("vocab", self.vocab, 2, MAX_VOCAB)?;
        within("d_model", self.d_model, 2, MAX_D_MODEL)?;
        within("heads", self.heads, 1, self.d_model)?;
        within("ffn", self.ffn, 1, MAX_FFN)?;
        within("context", self.context, 2, MAX_CONTEXT_TOKENS)?;
        within("layers_per_stage.len()", self.stages(), 1, MAX_STAGES)?;
        within("rope_base", self.rope_base as usize, 2, u32::MAX as usize)?;
        for &layers in &self.layers_per_stage {
            within("layers_per_stage", layers, 1, MAX_LAYERS_PER_STAGE)?;
        }
        if let Bottleneck::AnchorRes { r, hidden } = self.bottleneck {
            within("bottleneck.r", r, 1, self.d_model)?;
            within("bottleneck.hidden", hidden, 1, MAX_FFN)?;
        }
        if !self.d_model.is_multiple_of(self.heads) || !self.head_width().is_multiple_of(2) {
            return Err(ConfigError::Heads { heads: self.heads, d_model: self.d_model });
        }
        if self.kv_heads() == 0 || !self.heads.is_multiple_of(self.kv_heads()) {
            return Err(ConfigError::KvHeads { kv_heads: self.kv_heads(), heads: self.heads });
        }
        for stage in self.stage_indices() {
            let parameters = self.count(stage);
            if parameters > MAX_STAGE_PARAMETERS as u128 {
                return Err(ConfigError::TooLarge { stage, parameters });
            }
        }
        Ok(())
    }

    pub(crate) fn check_stage(&self, stage: StageIndex) -> Result<(), ConfigError> {
        if stage.as_usize() < self.stages() {
            Ok(())
        } else {
            Err(ConfigError::NoSuchStage { stage, stages: self.stages() })
        }
    }

    /// A stage's parameters, without building its layout. The stage must exist.
    fn count(&self, stage: StageIndex) -> u128 {
        let (d, ffn, vocab) = (self.d_model as u128, self.ffn as u128, self.vocab as u128);
        let shared = (self.kv_heads() * self.head_width()) as u128;
        let layers = self.layers_per_stage[stage.as_usize()] as u128;
        let (perceptron, norm) = match self.bottleneck {
            Bottleneck::AnchorRes { r, hidden } => (hidden as u128 * (d + r as u128), d),
            Bottleneck::Cut | Bottleneck::None => (0, 0),
        };
        let entry = vocab * d + if self.is_first(stage) { 0 } else { perceptron };
        let exit = if self.is_last(stage) { d + vocab * d } else { norm + perceptron };
        layers * (2 * d * (d + shared) + 3 * d * ffn + 2 * d) + entry + exit
    }

    /// The whole model's parameters; the shape must be valid, so they fit: [`MAX_STAGES`] times [`MAX_STAGE_PARAMETERS`].
    pub(crate) fn count_parameters(&self) -> u64 {
        self.stage_indices().map(|stage| self.count(stage) as u64).sum()
    }

    /// Parameters of all stages together.
    ///
    /// # Errors
    /// When the shape is refused.
    pub fn parameters(&self) -> Result<u64, ConfigError> {
        self.validate()?;
        Ok(self.count_parameters())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_is_valid_and_survives_json() {
        let config = ModelConfig::small();
        config.validate().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&json).unwrap(), config);
    }

    #[test]
    fn impossible_shapes_are_named() {
        let refused = |change: fn(&mut ModelConfig)| {
            let mut config = ModelConfig::small();
            change(&mut config);
            config.validate().unwrap_err()
        };
        assert!(matches!(refused(|c| c.heads = 7), ConfigError::Heads { heads: 7, d_model: 64 }));
        assert!(matches!(refused(|c| c.heads = 64), ConfigError::Heads { .. }), "a head of one feature has no pair");
        assert!(matches!(refused(|c| c.heads = 0), ConfigError::OutOfRange { name: "heads", .. }));
        assert!(matches!(refused(|c| c.kv_heads = Some(3)), ConfigError::KvHeads { kv_heads: 3, heads: 4 }));
        assert!(matches!(refused(|c| c.kv_heads = Some(0)), ConfigError::KvHeads { .. }));
        assert!(matches!(refused(|c| c.layers_per_stage.clear()), ConfigError::OutOfRange { .. }));
        assert!(matches!(refused(|c| c.layers_per_stage[2] = 0), ConfigError::OutOfRange { .. }));
        assert!(matches!(
            refused(|c| c.bottleneck = Bottleneck::AnchorRes { r: 65, hidden: 8 }),
            ConfigError::OutOfRange { name: "bottleneck.r", value: 65, .. }
        ));
        assert!(matches!(
            refused(|c| (c.d_model, c.layers_per_stage) = (16_384, vec![256])),
            ConfigError::TooLarge { .. }
        ));
        assert!(serde_json::from_str::<ModelConfig>("{\"vocab\":256}").is_err());
    }

    #[test]
    fn parameters_are_counted_as_the_layout_has_them() {
        for bottleneck in [Bottleneck::AnchorRes { r: 8, hidden: 48 }, Bottleneck::Cut, Bottleneck::None] {
            for (kv_heads, layers_per_stage) in [(None, vec![1, 2, 3]), (Some(2), vec![2])] {
                let config = ModelConfig { bottleneck, kv_heads, layers_per_stage, ..ModelConfig::small() };
                let layouts: Vec<_> = config.stage_indices().map(|stage| config.layout(stage).unwrap()).collect();
                for (stage, layout) in config.stage_indices().zip(&layouts) {
                    assert_eq!(layout.len() as u128, config.count(stage), "{bottleneck:?} stage {stage}");
                }
                let all: usize = layouts.iter().map(Layout::len).sum();
                assert_eq!(config.parameters().unwrap(), all as u64);
                assert!((layouts.iter().map(Layout::share_of_model).sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
    }
}
