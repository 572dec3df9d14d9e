//! The tokens of a microbatch.

use thiserror::Error;

use crate::model::ModelConfig;

/// Most sequences in one microbatch.
pub const MAX_BATCH_SEQUENCES: usize = 4096;
/// Most logits of one microbatch: its tokens times the model's vocabulary, 4 GiB in f32.
pub const MAX_LOGITS: usize = 1 << 30;
/// Most tokens in one microbatch.
pub const MAX_MICROBATCH_TOKENS: usize = 1 << 20;

/// `batch` sequences of `context + 1` tokens: the model reads the first `context` of each and predicts the last `context`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    batch: usize,
    context: usize,
    ids: Vec<u32>,
}

/// Why tokens were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokensError {
    /// Too many or too few sequences or tokens.
    #[error(
        "a microbatch of {batch} sequences of {context} tokens: needs 1..={MAX_BATCH_SEQUENCES} sequences, at least 2 tokens each and at most {MAX_MICROBATCH_TOKENS} together"
    )]
    Size {
        /// Sequences.
        batch: usize,
        /// Tokens of each.
        context: usize,
    },
    /// Not `batch · (context + 1)` of them.
    #[error("a microbatch of {batch} sequences of {context} tokens and a target needs {} ids, got {found}", batch * (context + 1))]
    Length {
        /// Sequences.
        batch: usize,
        /// Tokens of each.
        context: usize,
        /// Ids found.
        found: usize,
    },
    /// Longer than the model's context.
    #[error("sequences of {context} tokens exceed the model's context of {limit}")]
    Context {
        /// Tokens of a sequence.
        context: usize,
        /// The model's.
        limit: usize,
    },
    /// Too many tokens for so wide a vocabulary.
    #[error("{tokens} tokens of a vocabulary of {vocab} exceed {MAX_LOGITS} logits: use smaller microbatches")]
    Logits {
        /// Tokens.
        tokens: usize,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// A token the model does not know.
    #[error("token {id} is outside the model's vocabulary of {vocab}")]
    Vocabulary {
        /// The token.
        id: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },
}

impl TokenBatch {
    /// Of text whose tokens are its bytes. Checks the size before it takes memory.
    pub fn new(batch: usize, context: usize, bytes: Vec<u8>) -> Result<Self, TokensError> {
        Self::check_size(batch, context)?;
        if bytes.len() != batch * (context + 1) {
            return Err(TokensError::Length { batch, context, found: bytes.len() });
        }
        Self::of_ids(batch, context, bytes.into_iter().map(u32::from).collect())
    }

    /// Of token ids of any vocabulary, sequence after sequence. Checks the size; [`Self::check`] holds the ids against a
    /// model.
    pub fn of_ids(batch: usize, context: usize, ids: Vec<u32>) -> Result<Self, TokensError> {
        Self::check_size(batch, context)?;
        if ids.len() != batch * (context + 1) {
            return Err(TokensError::Length { batch, context, found: ids.len() });
        }
        Ok(Self { batch, context, ids })
    }

    /// Whether a microbatch of that size may exist; ask before allocating for one. One token alone would take another
    /// path through the matrix products than many, with other roundings; hence at least two.
    pub fn check_size(batch: usize, context: usize) -> Result<(), TokensError> {
        let tokens = batch.checked_mul(context).filter(|&tokens| tokens <= MAX_MICROBATCH_TOKENS);
        if tokens.is_none() || batch == 0 || batch > MAX_BATCH_SEQUENCES || context < 2 {
            return Err(TokensError::Size { batch, context });
        }
        Ok(())
    }

    /// Sequences.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Tokens read per sequence.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Tokens read, and predicted, in all.
    pub fn tokens(&self) -> usize {
        self.batch * self.context
    }

    /// All ids, sequence after sequence, `context + 1` each.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = u32> {
        self.ids.chunks_exact(self.context + 1).flat_map(|sequence| sequence[..self.context].iter().copied())
    }

    pub(crate) fn targets(&self) -> impl Iterator<Item = u32> {
        self.ids.chunks_exact(self.context + 1).flat_map(|sequence| sequence[1..].iter().copied())
    }

    /// Whether a model can read a microbatch of that size.
    pub fn check_shape(batch: usize, context: usize, config: &ModelConfig) -> Result<(), TokensError> {
        Self::check_size(batch, context)?;
        if context > config.context {
            return Err(TokensError::Context { context, limit: config.context });
        }
        match batch * context {
            tokens if tokens.saturating_mul(config.vocab) > MAX_LOGITS => {
                Err(TokensError::Logits { tokens, vocab: config.vocab })
            }
            _ => Ok(()),
        }
    }

    /// Whether the model can read them.
    pub fn check(&self, config: &ModelConfig) -> Result<(), TokensError> {
        Self::check_shape(self.batch, self.context, config)?;
        match self.ids.iter().find(|&&id| id as usize >= config.vocab) {
            Some(&id) => Err(TokensError::Vocabulary { id, vocab: config.vocab }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_targets_are_shifted_by_one() {
        let tokens = TokenBatch::new(2, 2, b"abcxyz".to_vec()).unwrap();
        assert!(tokens.inputs().eq(b"abxy".map(u32::from)));
        assert!(tokens.targets().eq(b"bcyz".map(u32::from)));
        let wide = TokenBatch::of_ids(2, 2, tokens.ids().iter().map(|id| id << 16).collect()).unwrap();
        assert!(wide.inputs().eq(b"abxy".map(|id| u32::from(id) << 16)));
    }

    #[test]
    fn sizes_are_bounded_before_allocation() {
        assert!(matches!(TokenBatch::new(1, 1, vec![0; 2]), Err(TokensError::Size { .. })));
        assert!(matches!(TokenBatch::check_size(usize::MAX, 2), Err(TokensError::Size { .. })));
        assert!(matches!(TokenBatch::new(2, 2, vec![0; 5]), Err(TokensError::Length { found: 5, .. })));
        assert!(matches!(TokenBatch::of_ids(2, 2, vec![0; 7]), Err(TokensError::Length { found: 7, .. })));
        let wide = ModelConfig { vocab: 1 << 17, context: 1 << 14, ..ModelConfig::small() };
        assert_eq!(TokenBatch::check_shape(1, 1 << 13, &wide), Ok(()));
        let refused = TokenBatch::check_shape(1, (1 << 13) + 1, &wide);
        assert_eq!(refused, Err(TokensError::Logits { tokens: 8193, vocab: 1 << 17 }));
        let narrow = ModelConfig { vocab: 100, ..ModelConfig::small() };
        assert!(matches!(
            TokenBatch::new(1, 2, vec![1, 2, 100]).unwrap().check(&narrow),
            Err(TokensError::Vocabulary { id: 100, vocab: 100 })
        ));
    }
}
