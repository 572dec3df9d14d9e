//! The assembled model: all stages in one process, to evaluate it, sample from it, and write it down.

use candle_core::{DType, Device, Tensor};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use thiserror::Error;

use crate::{
    data::Ids,
    hash::{Digest, Hasher},
    model::{ConfigError, ModelConfig, StageIndex, Weights},
    stage::{Stage, StageError, nothing},
    tokens::{MAX_LOGITS, TokenBatch, TokensError},
};

/// Sequences evaluated at once; fewer where the vocabulary is too wide for so many.
const EVALUATION_BATCH: usize = 8;
/// Most bytes one call generates.
pub const MAX_GENERATED_BYTES: usize = 1 << 20;

/// All stages' weights, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeModel {
    config: ModelConfig,
    weights: Vec<Weights>,
}

/// Why a model could not be assembled or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WholeModelError {
    /// The shape.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not one set of weights per stage.
    #[error("the model has {expected} stages, got weights of {found}")]
    Count {
        /// Stages.
        expected: usize,
        /// Sets of weights.
        found: usize,
    },
    /// A stage in the wrong place, or of another model.
    #[error("the weights at place {place} are of stage {found}, or of a model of another shape")]
    Misplaced {
        /// Place in the list.
        place: usize,
        /// The stage they belong to.
        found: StageIndex,
    },
    /// A stage failed.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Bytes of a model whose tokens are more than bytes.
    #[error("the model has {vocab} tokens, more than there are bytes: ask for ids, and decode them by its vocabulary")]
    NotBytes {
        /// Its tokens.
        vocab: usize,
    },
    /// Tokens the model cannot read.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Too few tokens to judge by.
    #[error("evaluation needs more than {context} tokens, got {found}")]
    TooShort {
        /// The model's context.
        context: usize,
        /// Tokens given.
        found: usize,
    },
    /// Options out of range.
    #[error("{name} is {value}, must be {must}")]
    Option {
        /// The option.
        name: &'static str,
        /// What it was.
        value: f64,
        /// What it must be.
        must: &'static str,
    },
}

/// A loss and what it was measured on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Sum over the tokens, in nats.
    pub loss_sum: f64,
    /// Tokens predicted.
    pub tokens: u64,
}

impl Evaluation {
    /// Nats per token: per byte where tokens are bytes.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.tokens as f64
    }
}

/// How to sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0: always the likeliest byte; 1: as the model believes; above: bolder.
    pub temperature: f64,
    /// Same seed, same text.
    pub seed: u64,
    /// Bytes to generate, at most [`MAX_GENERATED_BYTES`].
    pub bytes: usize,
}

impl WholeModel {
    /// Puts the stages together.
    pub fn new(config: ModelConfig, weights: Vec<Weights>) -> Result<Self, WholeModelError> {
        config.validate()?;
        if weights.len() != config.stages() {
            return Err(WholeModelError::Count { expected: config.stages(), found: weights.len() });
        }
        for (place, (weights, stage)) in weights.iter().zip(config.stage_indices()).enumerate() {
            if weights.stage() != stage || *weights.layout() != config.layout(stage)? {
                return Err(WholeModelError::Misplaced { place, found: weights.stage() });
            }
        }
        Ok(Self { config, weights })
    }

    /// The model a run starts from.
    pub fn initial(config: &ModelConfig, run_seed: &[u8; 32]) -> Result<Self, WholeModelError> {
        config.validate()?;
        let weights = config.stage_indices().map(|stage| Weights::initial(config, stage, run_seed));
        Self::new(config.clone(), weights.collect::<Result<_, _>>()?)
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The weights of all stages, in order.
    pub fn weights(&self) -> &[Weights] {
        &self.weights
    }

    /// The name of the model: over the names of its stages' weights.
    pub fn hash(&self) -> Digest {
        let mut hasher = Hasher::new("narrows 2026 whole model 1");
        for weights in &self.weights {
            hasher.bytes(&weights.hash().0);
        }
        hasher.finish()
    }

    pub(crate) fn stages(&self, max_in_flight: usize) -> Result<Vec<Stage>, StageError> {
        self.weights.iter().map(|weights| Stage::new(&self.config, weights.stage(), weights, max_in_flight)).collect()
    }

    /// The loss on tokens, read in sequences of the model's context spread evenly over them, at most `max_tokens` in all
    /// (and at least one sequence). Every token but the first of a sequence is predicted from those before it.
    pub fn evaluate<'a>(&self, ids: impl Into<Ids<'a>>, max_tokens: usize) -> Result<Evaluation, WholeModelError> {
        let (context, ids) = (self.config.context, ids.into());
        let length = ids.len();
        if length <= context {
            return Err(WholeModelError::TooShort { context, found: length });
        }
        let fit = (length - 1) / context;
        let count = (max_tokens / context).clamp(1, fit);
        let starts: Vec<usize> = (0..count).map(|i| i * fit / count * context).collect();
        let stages = self.stages(1)?;
        let mut evaluation = Evaluation { loss_sum: 0.0, tokens: 0 };
        let at_once = (MAX_LOGITS / context / self.config.vocab).clamp(1, EVALUATION_BATCH);
        for starts in starts.chunks(at_once) {
            let read = starts.iter().flat_map(|&start| ids.at(start..start + context + 1)).collect();
            let tokens = TokenBatch::of_ids(starts.len(), context, read)?;
            evaluation.loss_sum += pass(&stages, &tokens)?.1;
            evaluation.tokens += tokens.tokens() as u64;
        }
        Ok(evaluation)
    }

    /// Continues a prompt, byte by byte; the model sees as many of the last bytes as its context holds.
    pub fn generate(&self, prompt: &[u8], sampling: Sampling) -> Result<Vec<u8>, WholeModelError> {
        if self.config.vocab > 256 {
            return Err(WholeModelError::NotBytes { vocab: self.config.vocab });
        }
        // The model reads at least two tokens; line ends come before what has no beginning.
        let mut text = vec![u32::from(b'\n'); 2usize.saturating_sub(prompt.len())];
        text.extend(prompt.iter().map(|&byte| u32::from(byte)));
        Ok(self.generate_ids(&text, sampling)?.into_iter().map(|id| id as u8).collect())
    }

    /// Continues a prompt of at least two token ids; `sampling.bytes` counts tokens here.
    pub fn generate_ids(&self, prompt: &[u32], sampling: Sampling) -> Result<Vec<u32>, WholeModelError> {
        let option = |name, value, must| Err(WholeModelError::Option { name, value, must });
        if !(sampling.temperature.is_finite() && sampling.temperature >= 0.0) {
            return option("temperature", sampling.temperature, "finite, 0 or more");
        }
        if sampling.bytes > MAX_GENERATED_BYTES {
            return option("bytes", sampling.bytes as f64, "at most 1048576");
        }
        let stages = self.stages(1)?;
        let mut random = ChaCha8Rng::seed_from_u64(sampling.seed);
        let (mut text, prompt_end) = (prompt.to_vec(), prompt.len());
        for _ in 0..sampling.bytes {
            let seen = &text[text.len().saturating_sub(self.config.context)..];
            let mut ids = seen.to_vec();
            // The target of the last token is what is asked for; any id stands for it.
            ids.push(0);
            let tokens = TokenBatch::of_ids(1, seen.len(), ids)?;
            tokens.check(&self.config)?;
            let logits = last_logits(&stages, &tokens)?;
            let next = draw(&logits[logits.len() - self.config.vocab..], sampling.temperature, &mut random)?;
            text.push(next);
        }
        Ok(text.split_off(prompt_end))
    }
}

/// One graph through all stages: the scalar loss, and the loss sum in f64.
pub(crate) fn pass(stages: &[Stage], tokens: &TokenBatch) -> Result<(Tensor, f64), StageError> {
    let mut z = nothing(tokens.tokens())?;
    let mut loss_sum = f64::NAN;
    for stage in stages {
        tokens.check(stage.config())?;
        let applied = stage.apply(tokens, &z)?;
        z = applied.outgoing;
        loss_sum = applied.loss_sum.unwrap_or(loss_sum);
    }
    Ok((z, loss_sum))
}

fn last_logits(stages: &[Stage], tokens: &TokenBatch) -> Result<Vec<f32>, StageError> {
    let mut z = nothing(tokens.tokens())?;
    for stage in stages {
        if let Some(logits) = stage.logits(tokens, &z)? {
            return Ok(logits);
        }
        z = stage.apply(tokens, &z)?.outgoing;
    }
    Ok(Vec::new())
}

/// The token that a uniform draw falls on, after a softmax of `logits / temperature` in f64.
fn draw(logits: &[f32], temperature: f64, random: &mut ChaCha8Rng) -> Result<u32, StageError> {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id);
    if temperature == 0.0 {
        return Ok(best as u32);
    }
    let logits = Tensor::new(logits, &Device::Cpu)?.to_dtype(DType::F64)?;
    let shares = candle_nn::ops::softmax(&(logits / temperature)?, 0)?.to_vec1::<f64>()?;
    let mut left = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    for (id, share) in shares.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return Ok(id as u32);
        }
    }
    Ok(best as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::IdWidth;
    use crate::model::Bottleneck;

    fn tiny(bottleneck: Bottleneck) -> WholeModel {
        let config = ModelConfig {
            d_model: 16,
            heads: 2,
            ffn: 24,
            context: 16,
            layers_per_stage: vec![1, 1],
            bottleneck,
            ..ModelConfig::small()
        };
        WholeModel::initial(&config, &[1; 32]).unwrap()
    }

    #[test]
    fn an_untrained_model_knows_nothing() {
        let text: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for bottleneck in [Bottleneck::AnchorRes { r: 4, hidden: 8 }, Bottleneck::Cut, Bottleneck::None] {
            let evaluation = tiny(bottleneck).evaluate(text.as_slice(), 1000).unwrap();
            assert_eq!(evaluation.tokens, 992);
            assert!((evaluation.loss() - 256f64.ln()).abs() < 0.1, "{bottleneck:?}: {}", evaluation.loss());
        }
    }

    #[test]
    fn sampling_repeats_itself_and_obeys_its_options() {
        let model = tiny(Bottleneck::AnchorRes { r: 4, hidden: 8 });
        let sampling = Sampling { temperature: 0.8, seed: 7, bytes: 40 };
        let text = model.generate(b"fn main", sampling).unwrap();
        assert_eq!(text.len(), 40);
        assert_eq!(text, model.generate(b"fn main", sampling).unwrap());
        assert_ne!(text, model.generate(b"fn main", Sampling { seed: 8, ..sampling }).unwrap());
        let greedy = Sampling { temperature: 0.0, ..sampling };
        assert_eq!(model.generate(b"", greedy).unwrap(), model.generate(b"", Sampling { seed: 9, ..greedy }).unwrap());
        assert!(model.generate(b"", Sampling { temperature: f64::NAN, ..sampling }).is_err());
        assert!(model.generate(b"", Sampling { bytes: usize::MAX, ..sampling }).is_err());
    }

    #[test]
    fn vocabularies_may_be_wider_than_bytes() {
        let config = ModelConfig { vocab: 200_000, ..tiny(Bottleneck::AnchorRes { r: 4, hidden: 8 }).config };
        let model = WholeModel::initial(&config, &[1; 32]).unwrap();
        let ids: Vec<u32> = (0..400u32).map(|i| i.wrapping_mul(2_654_435_761) % 200_000).collect();
        let lie: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let evaluation = model.evaluate(Ids::lying_in(&lie, IdWidth::Four), 64).unwrap();
        assert!((evaluation.loss() - 200_000f64.ln()).abs() < 0.1, "{}", evaluation.loss());
        let sampling = Sampling { temperature: 1.0, seed: 3, bytes: 12 };
        let drawn = model.generate_ids(&ids[..5], sampling).unwrap();
        assert!(drawn.len() == 12 && drawn.iter().any(|&id| id > 65_535), "{drawn:?}");
        assert!(matches!(model.generate(b"fn", sampling), Err(WholeModelError::NotBytes { vocab: 200_000 })));
        assert!(matches!(
            model.evaluate(Ids::lying_in(&[255; 160], IdWidth::Four), 16),
            Err(WholeModelError::Stage(_))
        ));
        assert!(matches!(model.generate_ids(&[1], sampling), Err(WholeModelError::Tokens(_))));
    }

    #[test]
    fn misplaced_stages_are_refused() {
        let model = tiny(Bottleneck::Cut);
        let mut swapped = model.weights().to_vec();
        swapped.swap(0, 1);
        assert!(matches!(
            WholeModel::new(model.config().clone(), swapped),
            Err(WholeModelError::Misplaced { place: 0, .. })
        ));
        assert!(matches!(
            WholeModel::new(model.config().clone(), vec![]),
            Err(WholeModelError::Count { expected: 2, found: 0 })
        ));
    }
}
