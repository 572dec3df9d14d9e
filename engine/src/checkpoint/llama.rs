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
mod tests {
    use super::super::{Checkpoint, export};
    use super::*;

    /// One stage: its checkpoint has Llama's names and nothing else.
    fn native() -> WholeModel {
        let config = ModelConfig {
            d_model: 24,
            heads: 6,
            kv_heads: Some(2),
            ffn: 20,
            context: 32,
            layers_per_stage: vec![3],
            bottleneck: Bottleneck::None,
            ..ModelConfig::small()
        };
        WholeModel::initial(&config, &[4; 32]).unwrap()
    }

    const CONFIG: &str = r#"{
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 24,
        "intermediate_size": 20, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
        "head_dim": 4, "vocab_size": 256, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
        "rope_scaling": null, "attention_bias": false, "tie_word_embeddings": false, "torch_dtype": "float32",
        "bos_token_id": 1, "transformers_version": "4.40.0"
    }"#;

    fn cut(layers_per_stage: &[usize]) -> Cut {
        Cut { layers_per_stage: layers_per_stage.to_vec(), context: 32 }
    }

    fn tensors(model: &WholeModel) -> Vec<u8> {
        let Checkpoint { tensors, .. } = export(model).unwrap();
        tensors
    }

    /// The same tensors, changed.
    fn rewritten(tensors: &[u8], change: impl Fn(&str, Dtype, Vec<u8>) -> Option<(String, Dtype, Vec<u8>)>) -> Vec<u8> {
        let file = SafeTensors::deserialize(tensors).unwrap();
        let changed = file.iter().filter_map(|(name, view)| {
            let (name, dtype, data) = change(name, view.dtype(), view.data().to_vec())?;
            Some((name, dtype, view.shape().to_vec(), data))
        });
        let changed: Vec<_> = changed.collect();
        let views = changed.iter().map(|(name, dtype, shape, data)| {
            (name.as_str(), safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn a_llama_is_the_same_model_here_in_one_stage_and_in_several() {
        let (model, text) = (native(), b"fn main() { let words = 3; }".repeat(20));
        let tensors = tensors(&model);
        let found = import(CONFIG, &[&tensors], &cut(&[3])).unwrap();
        assert_eq!(found.hash(), model.hash());
        let whole = model.evaluate(text.as_slice(), 256).unwrap();
        for layers in [[1, 2].as_slice(), &[1, 1, 1]] {
            let found = import(CONFIG, &[&tensors], &cut(layers)).unwrap();
            assert_eq!(found.config().stages(), layers.len());
            assert_eq!(found.evaluate(text.as_slice(), 256).unwrap(), whole, "not a bit differs");
        }
    }

    #[test]
    fn files_may_be_several_and_of_sixteen_bits_with_a_tied_head() {
        let model = native();
        let tensors = tensors(&model);
        let part = |first: bool| {
            rewritten(&tensors, |name, dtype, data| {
                (name.contains("layers.0") == first).then(|| (name.to_owned(), dtype, data))
            })
        };
        let (one, other) = (part(true), part(false));
        assert_eq!(import(CONFIG, &[&one, &other], &cut(&[3])).unwrap().hash(), model.hash());
        assert!(matches!(
            import(CONFIG, &[&one, &other, &one], &cut(&[3])),
            Err(LlamaError::Twice { name }) if name.contains("layers.0")
        ));

        let shortened = rewritten(&tensors, |name, _, data| {
            let (values, _) = data.as_chunks::<4>();
            let halves = values.iter().flat_map(|bytes| [bytes[2], bytes[3]]).collect();
            (name != HEAD).then(|| (name.to_owned(), Dtype::BF16, halves))
        });
        let tied = CONFIG.replace(r#""tie_word_embeddings": false"#, r#""tie_word_embeddings": true"#);
        let found = import(&tied, &[&shortened], &cut(&[3])).unwrap();
        let weights = &found.weights()[0];
        assert_eq!(weights.parameter(HEAD), weights.parameter(EMBEDDING));
        let exact = model.weights()[0].parameter(EMBEDDING).unwrap();
        let cut_off = |value: &f32| f32::from_bits(value.to_bits() & 0xffff_0000);
        assert!(exact.iter().map(cut_off).eq(weights.parameter(EMBEDDING).unwrap().iter().copied()));
        assert!(matches!(import(CONFIG, &[&shortened], &cut(&[3])), Err(LlamaError::Missing { name }) if name == HEAD));
    }

    #[test]
    fn halves_are_read_exactly() {
        // By IEEE 754's own examples, and every finite value by its definition.
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0400, 6.103_515_6e-5), (1, 5.960_464_5e-8)]
        {
            assert_eq!(half_to_f32(bits), value);
        }
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(-24),
                _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            let exact = if bits >> 15 == 1 { -magnitude } else { magnitude };
            assert_eq!(f64::from(half_to_f32(bits)), exact, "{bits:#x}");
        }
        assert!(half_to_f32(0x7c01).is_nan() && half_to_f32(0xfc00) == f32::NEG_INFINITY);
    }

    #[test]
    fn whatever_is_not_computed_is_named() {
        let tensors = tensors(&native());
        let with = |from: &str, to: &str| {
            assert!(CONFIG.contains(from), "{from}");
            import(&CONFIG.replace(from, to), &[&tensors], &cut(&[3])).unwrap_err()
        };
        use LlamaError as E;
        assert!(matches!(with(r#""model_type": "llama""#, r#""model_type": "gemma""#), E::OtherArchitecture { .. }));
        assert!(matches!(with(r#""silu""#, r#""gelu""#), E::Activation { found } if found == "gelu"));
        let biased = with(r#""attention_bias": false"#, r#""attention_bias": true"#);
        assert!(matches!(biased, E::Bias { field: "attention_bias" }));
        assert!(matches!(with("1e-05", "1e-06"), E::NormEpsilon { .. }));
        assert!(matches!(with(r#""rms_norm_eps": 1e-05, "#, ""), E::NormEpsilon { found: 1e-6 }));
        for theta in ["10000.5", "1.0", "-7", "1e300"] {
            assert!(matches!(with("10000.0", theta), E::RotaryBase { .. }), "{theta}");
        }
        let scaled = with(r#""rope_scaling": null"#, r#""rope_scaling": {"rope_type": "llama3", "factor": 8.0}"#);
        assert!(matches!(scaled, E::RotaryScaling { found } if found == "llama3"));
        let twice =
            with(r#""rope_scaling": null"#, r#""rope_scaling": {}, "rope_parameters": {"rope_theta": 10000.0}"#);
        assert!(matches!(twice, E::RotaryTwice));
        assert!(matches!(with(r#""bos_token_id": 1"#, r#""is_causal": false"#), E::NotCausal));
        let tied = with(r#""tie_word_embeddings": false"#, r#""tie_word_embeddings": true"#);
        assert!(matches!(tied, E::OtherHead));
        assert!(matches!(with(r#""head_dim": 4"#, r#""head_dim": 8"#), E::HeadWidth { head_dim: 8, .. }));
        let window = with(r#""bos_token_id": 1"#, r#""sliding_window": 16"#);
        assert!(matches!(window, E::SlidingWindow { found: 16, context: 32 }));
        let quantised = with(r#""bos_token_id": 1"#, r#""quantization_config": {"bits": 4}"#);
        assert!(matches!(quantised, E::Quantised));
        assert!(matches!(
            with(r#""num_hidden_layers": 3"#, r#""num_hidden_layers": 4"#),
            E::Layers { expected: 4, .. }
        ));
        assert!(matches!(with("embeddings\": 64", "embeddings\": 16"), E::Context { found: 32, limit: 16 }));
        assert!(matches!(with(r#""num_key_value_heads": 2"#, r#""num_key_value_heads": 4"#), E::Config(_)));
        assert!(matches!(with(r#""hidden_size": 24,"#, r#""hidden_size": -1,"#), E::Json(_)));
        assert!(matches!(with(r#""vocab_size": 256"#, r#""vocab_size": 99999999999"#), E::Config(_)));
        // Newer files have the base elsewhere, and it goes before the other.
        for field in ["rope_parameters", "rope_scaling"] {
            let newer = format!(r#""{field}": {{"rope_type": "default", "rope_theta": 500000.0}}"#);
            let newer = CONFIG.replace(r#""rope_scaling": null"#, &newer);
            assert_eq!(import(&newer, &[&tensors], &cut(&[3])).unwrap().config().rope_base, 500_000, "{field}");
        }
    }

    #[test]
    fn other_tensors_are_named() {
        let tensors = tensors(&native());
        let read = |tensors: &[u8]| import(CONFIG, &[tensors], &cut(&[3]));
        let norm = "model.norm.weight";
        let renamed = rewritten(&tensors, |name, dtype, data| {
            Some((if name == norm { "model.norm.bias".into() } else { name.to_owned() }, dtype, data))
        });
        assert!(matches!(read(&renamed), Err(LlamaError::Missing { name }) if name == norm));
        let integers = rewritten(&tensors, |name, dtype, data| {
            Some((name.to_owned(), if name == norm { Dtype::I32 } else { dtype }, data))
        });
        assert!(matches!(read(&integers), Err(LlamaError::Type { found: Dtype::I32, .. })));
        let fewer = rewritten(&tensors, |name, dtype, data| {
            (!name.contains("layers.2")).then(|| (name.to_owned(), dtype, data))
        });
        assert!(matches!(read(&fewer), Err(LlamaError::Missing { name }) if name.contains("layers.2")));
        let two_layers = CONFIG.replace(r#""num_hidden_layers": 3"#, r#""num_hidden_layers": 2"#);
        assert!(matches!(
            import(&two_layers, &[&tensors], &cut(&[2])),
            Err(LlamaError::Superfluous { name }) if name.contains("layers.2")
        ));
        let wider = CONFIG.replace(r#""intermediate_size": 20"#, r#""intermediate_size": 21"#);
        assert!(matches!(import(&wider, &[&tensors], &cut(&[3])), Err(LlamaError::Shape { .. })));
        let huge = CONFIG.replace(r#""intermediate_size": 20"#, r#""intermediate_size": 60000"#);
        let error = import(&huge, &[&tensors], &cut(&[3])).unwrap_err();
        assert!(matches!(error, LlamaError::File { source: CheckpointError::Size { .. }, .. }), "{error}");
        assert!(matches!(read(&tensors[..100]), Err(LlamaError::File { file: 0, .. })));
        assert!(matches!(import(CONFIG, &[], &cut(&[3])), Err(LlamaError::File { .. })));
        let many = vec![tensors.as_slice(); MAX_FILES + 1];
        assert!(matches!(import(CONFIG, &many, &cut(&[3])), Err(LlamaError::Files { .. })));
        // Tables of positions are not needed.
        let tables = rewritten(&tensors, |name, dtype, data| Some((name.to_owned(), dtype, data)));
        let extra = {
            let file = SafeTensors::deserialize(&tables).unwrap();
            let table = [0u8; 8];
            let mut views: Vec<_> = file.iter().collect();
            let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &table).unwrap();
            views.push(("model.layers.0.self_attn.rotary_emb.inv_freq", view));
            safetensors::serialize(views, None).unwrap()
        };
        read(&extra).unwrap();
    }
}
