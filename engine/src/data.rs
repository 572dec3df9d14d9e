//! The corpus: bytes that are passed in, what of them is held out, and which of them a microbatch reads.

use thiserror::Error;

use crate::{
    hash::{Digest, Hasher},
    stage::MicrobatchId,
    tokens::{TokenBatch, TokensError},
};

/// Bytes that are held out, or not, together. Changing it changes every run's data.
pub const CHUNK_BYTES: usize = 4096;
/// The last of every so many chunks is held out. Changing it changes every run's data.
pub const HELD_OUT_EVERY: usize = 16;
/// Smallest corpus: one chunk held out.
pub const MIN_CORPUS_BYTES: usize = CHUNK_BYTES * HELD_OUT_EVERY;

/// Bytes to learn from and bytes to be judged on.
#[derive(Clone, Debug)]
pub struct Corpus {
    hash: Digest,
    training: Vec<u8>,
    held_out: Vec<u8>,
}

/// Why there is no corpus or no slice of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// Nothing could be held out.
    #[error("the corpus has {found} bytes, needs at least {MIN_CORPUS_BYTES}")]
    TooSmall {
        /// Its size.
        found: usize,
    },
    /// A size that no microbatch may have.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Sequences longer than the bytes to learn from.
    #[error("sequences of {context} tokens do not fit the {training} training bytes")]
    TooShort {
        /// Tokens of a sequence.
        context: usize,
        /// Bytes to learn from.
        training: usize,
    },
}

impl Corpus {
    /// Splits the bytes by a fixed rule: of every [`HELD_OUT_EVERY`] chunks of [`CHUNK_BYTES`] the last is held out.
    pub fn new(bytes: &[u8]) -> Result<Self, CorpusError> {
        if bytes.len() < MIN_CORPUS_BYTES {
            return Err(CorpusError::TooSmall { found: bytes.len() });
        }
        let hash = Hasher::new("narrows 2026 corpus 1").bytes(bytes).finish();
        let (mut training, mut held_out) = (Vec::with_capacity(bytes.len()), Vec::new());
        for (index, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
            let side = if index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 { &mut held_out } else { &mut training };
            side.extend_from_slice(chunk);
        }
        Ok(Self { hash, training, held_out })
    }

    /// The name of the corpus: of all its bytes, before the split.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// What may be learnt from.
    pub fn training(&self) -> &[u8] {
        &self.training
    }

    /// What no microbatch ever reads.
    pub fn held_out(&self) -> &[u8] {
        &self.held_out
    }

    /// The tokens of a microbatch: a function of the run's seed, the window and the index, so that nobody can choose
    /// what to work on. Each sequence starts at a uniformly drawn training byte.
    pub fn slice(
        &self,
        run_seed: &[u8; 32],
        window: u64,
        index: MicrobatchId,
        batch: usize,
        context: usize,
    ) -> Result<TokenBatch, CorpusError> {
        TokenBatch::check_size(batch, context)?;
        let training = self.training.len();
        let Some(starts) = training.checked_sub(context).filter(|&starts| starts > 0) else {
            return Err(CorpusError::TooShort { context, training });
        };
        let mut hasher = Hasher::new("narrows 2026 corpus slice 1");
        let mut random = hasher.bytes(run_seed).number(window).number(index.0).reader();
        let mut ids = Vec::with_capacity(batch * (context + 1));
        for _ in 0..batch {
            let mut word = [0; 8];
            random.fill(&mut word);
            // The high half of a 128-bit product: uniform to one part in 2^64 / starts, without division.
            let start = ((u128::from(u64::from_le_bytes(word)) * starts as u128) >> 64) as usize;
            ids.extend_from_slice(&self.training[start..=start + context]);
        }
        Ok(TokenBatch::new(batch, context, ids)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Corpus {
        let chunk = |i: usize| vec![(i % 251) as u8; CHUNK_BYTES];
        Corpus::new(&(0..40).flat_map(chunk).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn held_out_chunks_are_never_read() {
        let corpus = corpus();
        assert_eq!(corpus.held_out().len(), 2 * CHUNK_BYTES);
        for index in 0..200 {
            let tokens = corpus.slice(&[1; 32], 3, MicrobatchId(index), 4, 64).unwrap();
            assert!(tokens.ids().iter().all(|&id| id != 15 && id != 31));
        }
    }

    #[test]
    fn slices_are_a_function_of_seed_window_and_index() {
        let corpus = corpus();
        let slice = |seed: u8, window, index| corpus.slice(&[seed; 32], window, MicrobatchId(index), 8, 100).unwrap();
        assert_eq!(slice(1, 2, 3), slice(1, 2, 3));
        assert_ne!(slice(1, 2, 3), slice(2, 2, 3));
        assert_ne!(slice(1, 2, 3), slice(1, 3, 3));
        assert_ne!(slice(1, 2, 3), slice(1, 2, 4));
    }

    #[test]
    fn too_little_is_said_so() {
        assert!(matches!(Corpus::new(&[]), Err(CorpusError::TooSmall { found: 0 })));
        let corpus = Corpus::new(&vec![7; MIN_CORPUS_BYTES]).unwrap();
        let refused = corpus.slice(&[0; 32], 0, MicrobatchId(0), 1, MIN_CORPUS_BYTES);
        assert!(matches!(refused, Err(CorpusError::TooShort { .. })));
        assert!(matches!(corpus.slice(&[0; 32], 0, MicrobatchId(0), 0, 8), Err(CorpusError::Tokens(_))));
    }
}
