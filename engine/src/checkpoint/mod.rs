//! A whole model as safetensors bytes and a JSON text, and back.
//!
//! Tensors carry Llama's names where Llama has them: the engine's fused `qkv_proj` and `gate_up_proj` are written as
//! `q_proj`, `k_proj`, `v_proj`, `gate_proj`, `up_proj`; what belongs to the boundaries is under `model.boundaries`.

mod file;
pub mod llama;

use std::{borrow::Cow, collections::HashMap};

use safetensors::{Dtype, SafeTensors, View};
use thiserror::Error;

use crate::{
    codec::floats,
    model::{ConfigError, ModelConfig, Parameter, Piece, Weights, WeightsError},
    whole::{WholeModel, WholeModelError},
};

/// Largest configuration text, in bytes.
pub const MAX_CONFIG_BYTES: usize = 64 * 1024;

/// Why a checkpoint was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The configuration text is too long.
    #[error("the configuration has {found} bytes, more than {MAX_CONFIG_BYTES}")]
    ConfigTooLong {
        /// Its length.
        found: usize,
    },
    /// The configuration text is not one.
    #[error("the configuration is malformed: {0}")]
    Json(#[from] serde_json::Error),
    /// The shape it states.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not safetensors.
    #[error("the tensors are malformed: {0}")]
    Malformed(#[from] safetensors::SafeTensorError),
    /// Shorter than what its first bytes promise.
    #[error(
        "a file of {found} bytes is too short for its own list of tensors: it was cut off, or is none of safetensors"
    )]
    CutOff {
        /// Its length.
        found: usize,
    },
    /// A list of tensors that is longer than one of the model's tensors can be.
    #[error("the list of tensors has {found} bytes, more than the {limit} that this model's can have")]
    HeaderTooLong {
        /// Its length.
        found: u64,
        /// What it can be.
        limit: u64,
    },
    /// More or fewer values than the model has.
    #[error("{found} bytes of tensors, the configuration needs {expected}: is it the configuration of another model?")]
    Size {
        /// Bytes needed.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// A tensor is missing.
    #[error("tensor {name} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor of another shape or type.
    #[error("tensor {name} is {found_dtype:?} {found:?}, expected F32 {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Shape needed.
        expected: Vec<usize>,
        /// Shape found.
        found: Vec<usize>,
        /// Type found.
        found_dtype: Dtype,
    },
    /// Tensors that the model does not have.
    #[error("{found} tensors, the model has {expected}")]
    Superfluous {
        /// Tensors needed.
        expected: usize,
        /// Tensors found.
        found: usize,
    },
    /// Values that are not finite.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Parts that do not fit together.
    #[error(transparent)]
    Model(#[from] WholeModelError),
}

/// A model as files have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// `model.safetensors`.
    pub tensors: Vec<u8>,
    /// `config.json`.
    pub config: String,
}

struct Written<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl View for Written<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.values.len() * 4
    }
}

/// Writes a model down.
pub fn export(model: &WholeModel) -> Result<Checkpoint, CheckpointError> {
    let mut tensors = Vec::new();
    for weights in model.weights() {
        for piece in weights.layout().parameters().iter().flat_map(Parameter::pieces) {
            tensors.push((piece.name, Written { shape: piece.shape, values: &weights.values()[piece.range] }));
        }
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let tensors = safetensors::serialize(tensors, Some(metadata))?;
    Ok(Checkpoint { tensors, config: serde_json::to_string_pretty(model.config())? })
}

/// Reads a model. The configuration's bounds and all names, types and shapes are checked before memory is taken for it.
pub fn import(config: &str, tensors: &[u8]) -> Result<WholeModel, CheckpointError> {
    if config.len() > MAX_CONFIG_BYTES {
        return Err(CheckpointError::ConfigTooLong { found: config.len() });
    }
    let config: ModelConfig = serde_json::from_str(config)?;
    config.validate()?;
    let expected_bytes = config.parameters()? * 4;
    let found_bytes = file::value_bytes(tensors)?;
    if found_bytes != expected_bytes {
        return Err(CheckpointError::Size { expected: expected_bytes, found: found_bytes });
    }
    let layouts: Vec<_> = config.stage_indices().map(|stage| config.layout(stage)).collect::<Result<_, _>>()?;
    let pieces = || layouts.iter().flat_map(|layout| layout.parameters()).flat_map(Parameter::pieces);
    let file = file::open(tensors, pieces().map(|piece| piece.name.len()))?;
    for piece in pieces() {
        check(&file, &piece)?;
    }
    let expected = pieces().count();
    if file.len() != expected {
        return Err(CheckpointError::Superfluous { expected, found: file.len() });
    }
    let mut weights = Vec::with_capacity(layouts.len());
    for (stage, layout) in config.stage_indices().zip(layouts) {
        let mut values = Vec::with_capacity(layout.len());
        for piece in layout.parameters().iter().flat_map(Parameter::pieces) {
            values.extend(floats(file.tensor(&piece.name)?.data()));
        }
        weights.push(Weights::from_values(&config, stage, values)?);
    }
    Ok(WholeModel::new(config, weights)?)
}

fn check(file: &SafeTensors<'_>, piece: &Piece) -> Result<(), CheckpointError> {
    let Ok(tensor) = file.tensor(&piece.name) else {
        return Err(CheckpointError::Missing { name: piece.name.clone() });
    };
    if tensor.dtype() != Dtype::F32 || tensor.shape() != piece.shape {
        return Err(CheckpointError::Shape {
            name: piece.name.clone(),
            expected: piece.shape.clone(),
            found: tensor.shape().to_vec(),
            found_dtype: tensor.dtype(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bottleneck;

    fn model() -> WholeModel {
        WholeModel::initial(&ModelConfig::small(), &[5; 32]).unwrap()
    }

    #[test]
    fn a_model_survives_being_written() {
        let model = model();
        let checkpoint = export(&model).unwrap();
        assert_eq!(import(&checkpoint.config, &checkpoint.tensors).unwrap().hash(), model.hash());
        assert_eq!(checkpoint, export(&model).unwrap(), "same model, same bytes");

        let grouped = ModelConfig { kv_heads: Some(2), ..ModelConfig::small() };
        let model = WholeModel::initial(&grouped, &[5; 32]).unwrap();
        let checkpoint = export(&model).unwrap();
        assert_eq!(import(&checkpoint.config, &checkpoint.tensors).unwrap().hash(), model.hash());
        let file = SafeTensors::deserialize(&checkpoint.tensors).unwrap();
        assert_eq!(file.tensor("model.layers.2.self_attn.v_proj.weight").unwrap().shape(), [32, 64]);
    }

    #[test]
    fn what_fuzzing_starts_from_is_read() {
        let split = |bytes: &'static [u8]| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap();
            (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 1..])
        };
        for seed in [
            include_bytes!("../../fuzz/seeds/checkpoint/one_stage").as_slice(),
            include_bytes!("../../fuzz/seeds/checkpoint/two_stages"),
        ] {
            let (config, tensors) = split(seed);
            import(config, tensors).unwrap();
        }
        for (seed, layers) in [
            (include_bytes!("../../fuzz/seeds/llama/plain").as_slice(), vec![1]),
            (include_bytes!("../../fuzz/seeds/llama/tied_halves_cut"), vec![1, 1]),
        ] {
            let (config, tensors) = split(&seed[1..]);
            llama::import(config, &[tensors], &llama::Cut { layers_per_stage: layers, context: 2 }).unwrap();
        }
    }

    #[test]
    fn names_are_llamas() {
        let checkpoint = export(&model()).unwrap();
        let file = SafeTensors::deserialize(&checkpoint.tensors).unwrap();
        for (name, shape) in [
            ("model.embed_tokens.weight", vec![256, 64]),
            ("model.layers.3.self_attn.k_proj.weight", vec![64, 64]),
            ("model.layers.0.mlp.up_proj.weight", vec![192, 64]),
            ("model.norm.weight", vec![64]),
            ("lm_head.weight", vec![256, 64]),
        ] {
            assert_eq!(file.tensor(name).unwrap().shape(), shape, "{name}");
        }
    }

    #[test]
    fn malformed_files_are_refused() {
        let checkpoint = export(&model()).unwrap();
        let (config, tensors) = (checkpoint.config.as_str(), checkpoint.tensors.as_slice());
        assert!(matches!(import("{}", tensors), Err(CheckpointError::Json(_))));
        assert!(matches!(
            import(&" ".repeat(MAX_CONFIG_BYTES + 1), tensors),
            Err(CheckpointError::ConfigTooLong { .. })
        ));
        assert!(matches!(import(config, &tensors[..tensors.len() - 1]), Err(CheckpointError::Size { .. })));
        assert!(matches!(import(config, &[0xff; 64]), Err(CheckpointError::CutOff { found: 64 })));
        assert!(matches!(import(config, &tensors[..7]), Err(CheckpointError::CutOff { found: 7 })));
        let wider = config.replace("\"ffn\": 192", "\"ffn\": 200");
        assert!(matches!(import(&wider, tensors), Err(CheckpointError::Size { .. })));
        // As many values in other shapes.
        let other = ModelConfig { bottleneck: Bottleneck::AnchorRes { r: 64, hidden: 36 }, ..ModelConfig::small() };
        assert_eq!(other.parameters().unwrap(), ModelConfig::small().parameters().unwrap());
        let other = serde_json::to_string(&other).unwrap();
        assert!(matches!(import(&other, tensors), Err(CheckpointError::Shape { .. })));
        let (header, values) =
            tensors[8..].split_at(tensors.len() - 8 - model().config().parameters().unwrap() as usize * 4);
        let with_header = |header: &[u8]| {
            let length = (header.len() as u64).to_le_bytes();
            import(config, &[&length, header, values].concat())
        };
        assert!(with_header(header).is_ok());
        let long = [header, &[b' '; 1 << 20]].concat();
        assert!(matches!(with_header(&long), Err(CheckpointError::HeaderTooLong { .. })));
        assert!(matches!(with_header(&header[..header.len() / 2]), Err(CheckpointError::Malformed(_))));
        let text = String::from_utf8(header.to_vec()).unwrap();
        let renamed = text.replace("model.norm.weight", "model.norm.height");
        assert!(
            matches!(with_header(renamed.as_bytes()), Err(CheckpointError::Missing { name }) if name == "model.norm.weight")
        );
        // A tensor of no values takes no room, and is none of the model's.
        let more = text.replacen('{', r#"{"nothing":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"#, 1);
        assert!(matches!(with_header(more.as_bytes()), Err(CheckpointError::Superfluous { .. })));
        let mut spoiled = checkpoint.tensors.clone();
        let last = spoiled.len() - 4;
        spoiled[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(import(config, &spoiled), Err(CheckpointError::Weights(_))));
    }
}
