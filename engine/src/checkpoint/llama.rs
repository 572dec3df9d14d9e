//! Models of others: Llama's architecture, as `config.json` and safetensors in the names of Hugging Face's library have it.
//!
//! What the engine computes is Llama's formula for one choice of its options. Whatever a file chooses otherwise has an error
//! of its own; nothing is computed nearly.
//!
//! **Cuts.** In one stage the model is the file's. Cut in several, all features cross each boundary
//! ([`Bottleneck::None`]) and the boundaries' token anchors are zero, so the function stays the same, and training goes on
//! from there.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use thiserror::Error;

use super::{CheckpointError, MAX_CONFIG_BYTES, file};
use crate::{
    model::{Bottleneck, ConfigError, ModelConfig, Parameter, ParameterKind, Piece, Weights, WeightsError},
    ops::rms_norm::EPSILON,
    whole::{WholeModel, WholeModelError},
};

/// Most files that a model may lie in.
pub const MAX_FILES: usize = 1024;
/// Tables that older files carry along and the configuration gives again.
const ROTARY_TABLE: &str = ".rotary_emb.inv_freq";

/// How a foreign model is to be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Layers of each stage; together the model's.
    pub layers_per_stage: Vec<usize>,
    /// Longest sequence, in tokens; at most what the model was made for.
    pub context: usize,
}

/// Why a foreign model was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LlamaError {
    /// The configuration text is too long.
    #[error("the configuration has {found} bytes, more than {MAX_CONFIG_BYTES}")]
    ConfigTooLong {
        /// Its length.
        found: usize,
    },
    /// The configuration text is not one.
    #[error("the configuration is malformed or lacks a field: {0}")]
    Json(#[from] serde_json::Error),
    /// Another architecture.
    #[error("the model is of type `{found}`; only `llama` can be read")]
    OtherArchitecture {
        /// What it says it is.
        found: String,
    },
    /// Another activation than SiLU.
    #[error("the feed-forward layers use `{found}`; only `silu` is computed")]
    Activation {
        /// What it asks for.
        found: String,
    },
    /// Vectors added to products.
    #[error("the model has biases ({field}); linear layers here have none")]
    Bias {
        /// The field that asks for them.
        field: &'static str,
    },
    /// Another number in the norm's root.
    #[error("rms_norm_eps is {found}; only {EPSILON} is computed")]
    NormEpsilon {
        /// What it asks for, or what Llama takes when nothing is said.
        found: f64,
    },
    /// A base of rotary positions that is no whole number.
    #[error("rope_theta is {found}; only whole numbers from 2 to {} are computed", u32::MAX)]
    RotaryBase {
        /// What it asks for.
        found: f64,
    },
    /// Stretched rotary positions.
    #[error("rotary positions are scaled (`{found}`), which is not computed")]
    RotaryScaling {
        /// How.
        found: String,
    },
    /// Rotary positions said in two ways, of which readers choose differently.
    #[error("rotary positions are described twice, in rope_scaling and in rope_parameters: leave one of them out")]
    RotaryTwice,
    /// Attention that sees what comes after.
    #[error("attention sees later tokens too (is_causal is false); only what came before is seen here")]
    NotCausal,
    /// A tied head, and beside it one that is not the embedding.
    #[error(
        "the files hold another head than the embedding that tie_word_embeddings makes it: say false, or leave {HEAD} out"
    )]
    OtherHead,
    /// Heads that together are not as wide as the model.
    #[error("{heads} heads of {head_dim} features are not the model's {hidden_size}: other widths are not computed")]
    HeadWidth {
        /// Heads of queries.
        heads: usize,
        /// Features of each.
        head_dim: usize,
        /// Features of the model.
        hidden_size: usize,
    },
    /// Attention that does not see all that came before.
    #[error(
        "attention sees the last {found} tokens only, fewer than the context of {context}: choose a shorter context"
    )]
    SlidingWindow {
        /// What it sees.
        found: usize,
        /// The context asked for.
        context: usize,
    },
    /// Weights in another form than numbers.
    #[error("the weights are quantised, which cannot be read: take the model's full weights")]
    Quantised,
    /// A cut into other layers than there are.
    #[error("a cut into {found} layers, the model has {expected}")]
    Layers {
        /// The model's.
        expected: usize,
        /// Those of the cut.
        found: usize,
    },
    /// Longer sequences than the model was made for.
    #[error("a context of {found} tokens, the model was made for {limit}")]
    Context {
        /// Asked for.
        found: usize,
        /// The model's.
        limit: usize,
    },
    /// A shape the engine refuses.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Too many files.
    #[error("{found} files, more than {MAX_FILES}")]
    Files {
        /// How many.
        found: usize,
    },
    /// A file is not safetensors.
    #[error("file {file}: {source}")]
    File {
        /// Its place in the list.
        file: usize,
        /// Why.
        source: CheckpointError,
    },
    /// A tensor that is in two files.
    #[error("tensor {name} is there twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// A tensor is missing.
    #[error("tensor {name} is missing: are all files given?")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor that Llama does not have.
    #[error("tensor {name} has no place in the model")]
    Superfluous {
        /// Its name.
        name: String,
    },
    /// A tensor of another shape.
    #[error("tensor {name} is {found:?}, expected {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Shape needed.
        expected: Vec<usize>,
        /// Shape found.
        found: Vec<usize>,
    },
    /// A tensor of another type.
    #[error("tensor {name} is of type {found:?}; F32, F16 and BF16 can be read")]
    Type {
        /// Its name.
        name: String,
        /// Type found.
        found: Dtype,
    },
    /// Values that are not finite.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Parts that do not fit together.
    #[error(transparent)]
    Model(#[from] WholeModelError),
}

/// The fields of `config.json` that decide what is computed. Where they may be left out, Llama's own defaults hold. Others
/// (names of tokens, how text is generated, with what the file was written) do not matter.
#[derive(Debug, Deserialize)]
struct Described {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RotaryScaling>,
    rope_parameters: Option<RotaryScaling>,
    head_dim: Option<usize>,
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
    is_causal: Option<bool>,
    sliding_window: Option<usize>,
    quantization_config: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct RotaryScaling {
    rope_type: Option<String>,
    r#type: Option<String>,
    rope_theta: Option<f64>,
}

/// What Llama takes where `rms_norm_eps` is left out, `rope_theta`, and `max_position_embeddings`.
const DEFAULT_NORM_EPSILON: f64 = 1e-6;
const DEFAULT_ROTARY_BASE: f64 = 10_000.0;
const DEFAULT_POSITIONS: usize = 2048;

impl Described {
    /// The engine's shape of the same model.
    fn shape(&self, cut: &Cut) -> Result<ModelConfig, LlamaError> {
        if self.model_type != "llama" {
            return Err(LlamaError::OtherArchitecture { found: shortened(&self.model_type) });
        }
        if let Some(found) = self.hidden_act.as_deref().filter(|&name| name != "silu") {
            return Err(LlamaError::Activation { found: shortened(found) });
        }
        for (field, asked) in [("attention_bias", self.attention_bias), ("mlp_bias", self.mlp_bias)] {
            if asked == Some(true) {
                return Err(LlamaError::Bias { field });
            }
        }
        if self.is_causal == Some(false) {
            return Err(LlamaError::NotCausal);
        }
        if self.quantization_config.is_some() {
            return Err(LlamaError::Quantised);
        }
        let found = self.rms_norm_eps.unwrap_or(DEFAULT_NORM_EPSILON);
        if found as f32 != EPSILON {
            return Err(LlamaError::NormEpsilon { found });
        }
        let (heads, hidden_size) = (self.num_attention_heads, self.hidden_size);
        if let Some(head_dim) = self.head_dim.filter(|&width| width.checked_mul(heads) != Some(hidden_size)) {
            return Err(LlamaError::HeadWidth { heads, head_dim, hidden_size });
        }
        let limit = self.max_position_embeddings.unwrap_or(DEFAULT_POSITIONS);
        if cut.context > limit {
            return Err(LlamaError::Context { found: cut.context, limit });
        }
        if let Some(found) = self.sliding_window.filter(|&window| window < cut.context) {
            return Err(LlamaError::SlidingWindow { found, context: cut.context });
        }
        let layers = cut.layers_per_stage.iter().fold(0usize, |sum, &layers| sum.saturating_add(layers));
        if layers != self.num_hidden_layers {
            return Err(LlamaError::Layers { expected: self.num_hidden_layers, found: layers });
        }
        let config = ModelConfig {
            vocab: self.vocab_size,
            d_model: hidden_size,
            heads,
            ffn: self.intermediate_size,
            context: cut.context,
            layers_per_stage: cut.layers_per_stage.clone(),
            bottleneck: Bottleneck::None,
            rope_base: self.rotary_base()?,
            kv_heads: self.num_key_value_heads.filter(|&kv_heads| kv_heads != heads),
        };
        config.validate()?;
        Ok(config)
    }

    fn rotary_base(&self) -> Result<u32, LlamaError> {
        if self.rope_scaling.is_some() && self.rope_parameters.is_some() {
            return Err(LlamaError::RotaryTwice);
        }
        let described = self.rope_scaling.as_ref().or(self.rope_parameters.as_ref());
        let kinds = described.into_iter().flat_map(|described| [&described.rope_type, &described.r#type]).flatten();
        if let Some(found) = kinds.into_iter().find(|kind| *kind != "default") {
            return Err(LlamaError::RotaryScaling { found: shortened(found) });
        }
        let within = described.and_then(|described| described.rope_theta);
        let found = within.or(self.rope_theta).unwrap_or(DEFAULT_ROTARY_BASE);
        let base = found as u32;
        if base < 2 || f64::from(base) != found { Err(LlamaError::RotaryBase { found }) } else { Ok(base) }
    }
}

/// A foreign word, as much of it as an error may carry.
fn shortened(word: &str) -> String {
    word.chars().take(64).collect()
}

/// Reads a model. `config` is the text of `config.json`, `files` the bytes of all its safetensors files in any order.
/// Values of 16 bits become f32 exactly; where the embedding is also the head (`tie_word_embeddings`), the head becomes a
/// copy that is trained by itself. Everything is checked before memory is taken for weights.
///
/// # Errors
/// For each thing that the architecture does not allow, one of its own.
pub fn import(config: &str, files: &[&[u8]], cut: &Cut) -> Result<WholeModel, LlamaError> {
    if config.len() > MAX_CONFIG_BYTES {
        return Err(LlamaError::ConfigTooLong { found: config.len() });
    }
    if files.len() > MAX_FILES {
        return Err(LlamaError::Files { found: files.len() });
    }
    let described: Described = serde_json::from_str(config)?;
    let config = described.shape(cut)?;
    check_size(&config, files)?;
    let layouts: Vec<_> = config.stage_indices().map(|stage| config.layout(stage)).collect::<Result<_, _>>()?;
    let is_tied = described.tie_word_embeddings == Some(true);
    let parameters = || layouts.iter().flat_map(|layout| layout.parameters());
    let names = || parameters().flat_map(Parameter::pieces).map(|piece| piece.name.len());
    let opened = files
        .iter()
        .enumerate()
        .map(|(file, bytes)| file::open(bytes, names()).map_err(|source| LlamaError::File { file, source }));
    let opened: Vec<SafeTensors<'_>> = opened.collect::<Result<_, _>>()?;
    let mut held = BTreeMap::new();
    for (name, view) in opened.iter().flat_map(SafeTensors::iter) {
        if held.insert(name, view).is_some() {
            return Err(LlamaError::Twice { name: shortened(name) });
        }
    }

    let mut read: Vec<(Vec<Source<'_>>, usize)> = Vec::new();
    for layout in &layouts {
        let mut sources = Vec::new();
        for parameter in layout.parameters() {
            for piece in parameter.pieces() {
                sources.push(Source::of(parameter, piece, is_tied, &held)?);
            }
        }
        read.push((sources, layout.len()));
    }
    if let (true, Some(head), Some(embedding)) = (is_tied, held.get(HEAD), held.get(EMBEDDING))
        && (head.dtype(), head.shape(), head.data()) != (embedding.dtype(), embedding.shape(), embedding.data())
    {
        return Err(LlamaError::OtherHead);
    }
    let used: std::collections::BTreeSet<&str> =
        read.iter().flat_map(|(sources, _)| sources).filter_map(Source::name).collect();
    let ignored = |name: &str| name.ends_with(ROTARY_TABLE) || is_tied && name == HEAD;
    if let Some(name) = held.keys().find(|&&name| !used.contains(name) && !ignored(name)) {
        return Err(LlamaError::Superfluous { name: shortened(name) });
    }

    let mut weights = Vec::with_capacity(read.len());
    for ((sources, length), stage) in read.into_iter().zip(config.stage_indices()) {
        let mut values = Vec::with_capacity(length);
        sources.iter().for_each(|source| source.push_to(&mut values));
        weights.push(Weights::from_values(&config, stage, values)?);
    }
    Ok(WholeModel::new(config, weights)?)
}

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// Refuses files with fewer values than the model needs, before a layout of as many names as the configuration asks for is
/// made. Anchors are not in files, and a tied head need not be.
fn check_size(config: &ModelConfig, files: &[&[u8]]) -> Result<(), LlamaError> {
    let mut found = 0u64;
    for (file, bytes) in files.iter().enumerate() {
        found = found.saturating_add(file::value_bytes(bytes).map_err(|source| LlamaError::File { file, source })?);
    }
    let table = (config.vocab * config.d_model) as u64;
    let expected = 2 * (config.parameters()? - table * config.stages() as u64);
    if found < expected {
        let source = CheckpointError::Size { expected, found };
        return Err(LlamaError::File { file: files.len().saturating_sub(1), source });
    }
    Ok(())
}

/// Where a piece's values come from.
enum Source<'a> {
    /// An anchor, which no file has.
    Zeros(usize),
    Tensor {
        name: &'a str,
        dtype: Dtype,
        data: &'a [u8],
    },
}

impl<'a> Source<'a> {
    fn of(
        parameter: &Parameter,
        piece: Piece,
        is_tied: bool,
        held: &BTreeMap<&'a str, safetensors::tensor::TensorView<'a>>,
    ) -> Result<Self, LlamaError> {
        if parameter.kind == ParameterKind::Embedding && piece.name != EMBEDDING {
            return Ok(Self::Zeros(piece.range.len()));
        }
        let name = if is_tied && piece.name == HEAD { EMBEDDING } else { &piece.name };
        let Some((name, view)) = held.get_key_value(name) else {
            return Err(LlamaError::Missing { name: name.to_owned() });
        };
        if view.shape() != piece.shape {
            let found = view.shape().iter().take(8).copied().collect();
            return Err(LlamaError::Shape { name: piece.name, expected: piece.shape, found });
        }
        match view.dtype() {
            dtype @ (Dtype::F32 | Dtype::F16 | Dtype::BF16) => Ok(Self::Tensor { name, dtype, data: view.data() }),
            found => Err(LlamaError::Type { name: piece.name, found }),
        }
    }

    fn name(&self) -> Option<&'a str> {
        match self {
            Self::Zeros(_) => None,
            Self::Tensor { name, .. } => Some(name),
        }
    }

    fn push_to(&self, values: &mut Vec<f32>) {
        match self {
            Self::Zeros(count) => values.resize(values.len() + count, 0.0),
            Self::Tensor { dtype: Dtype::F32, data, .. } => {
                values.extend(data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
            }
            Self::Tensor { dtype: Dtype::BF16, data, .. } => {
                let halves = data.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes));
                values.extend(halves.map(|bits| f32::from_bits(u32::from(bits) << 16)));
            }
            Self::Tensor { data, .. } => {
                let halves = data.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes));
                values.extend(halves.map(half_to_f32));
            }
        }
    }
}

/// IEEE 754's binary16, exactly.
fn half_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    let magnitude = match exponent {
        // Below 2^-14: whole multiples of 2^-24.
        0 => (fraction as f32 / 16_777_216.0).to_bits(),
        0x1f => 0x7f80_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests;
