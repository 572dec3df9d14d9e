//! The corpus: text or token ids that lie somewhere in memory, what of them is held out, and which of them a microbatch
//! reads.
//!
//! Nothing is copied, so a corpus may be a file's mapping and larger than the machine's memory. Text is its own ids, a byte
//! each; ids of a wider vocabulary lie little-endian in two or four bytes. All sizes below are in tokens, which for text
//! are bytes.

use std::{fmt, ops::Range, sync::Arc};

use thiserror::Error;

use crate::{
    hash::{Digest, Hasher},
    stage::MicrobatchId,
    tokens::{TokenBatch, TokensError},
};

/// Tokens that are held out, or not, together. Changing it changes every run's data.
pub const CHUNK_TOKENS: usize = 4096;
/// The last of every so many chunks is held out. Changing it changes every run's data.
pub const HELD_OUT_EVERY: usize = 16;
/// Smallest corpus: one chunk held out.
pub const MIN_CORPUS_TOKENS: usize = CHUNK_TOKENS * HELD_OUT_EVERY;

/// What holds a corpus. It has to give the same bytes each time.
pub type Memory = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// How many bytes an id takes where it lies, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdWidth {
    /// Text: each byte is an id.
    One,
    /// Vocabularies of up to 65,536 ids.
    Two,
    /// Any.
    Four,
}

impl IdWidth {
    /// The narrowest for a vocabulary whose tokens are not bytes.
    pub fn of_vocab(vocab: usize) -> Self {
        if vocab <= 1 << 16 { Self::Two } else { Self::Four }
    }

    /// The number of bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Which of the ids that lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Training,
    HeldOut,
}

/// From the first chunk to the one that is held out, which it includes.
const PERIOD: usize = CHUNK_TOKENS * HELD_OUT_EVERY;
/// Tokens of a period that are learnt from.
const TRAINING_OF_PERIOD: usize = PERIOD - CHUNK_TOKENS;

/// Ids where they lie: all, or a corpus's part. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Ids<'a> {
    bytes: &'a [u8],
    width: IdWidth,
    part: Part,
}

impl<'a> From<&'a [u8]> for Ids<'a> {
    /// Text, all of it.
    fn from(text: &'a [u8]) -> Self {
        Self::lying_in(text, IdWidth::One)
    }
}

impl<'a> Ids<'a> {
    /// Ids of this width that lie there one after the other; bytes that make no whole id at the end are not read.
    pub fn lying_in(bytes: &'a [u8], width: IdWidth) -> Self {
        Self { bytes, width, part: Part::Whole }
    }

    /// How many.
    pub fn len(self) -> usize {
        let all = self.bytes.len() / self.width.bytes();
        let (periods, rest) = (all / PERIOD, all % PERIOD);
        match self.part {
            Part::Whole => all,
            Part::Training => periods * TRAINING_OF_PERIOD + rest.min(TRAINING_OF_PERIOD),
            Part::HeldOut => periods * CHUNK_TOKENS + rest.saturating_sub(TRAINING_OF_PERIOD),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Those at these places, as far as there are so many.
    pub fn at(self, places: Range<usize>) -> impl ExactSizeIterator<Item = u32> + 'a {
        let end = places.end.min(self.len());
        (places.start.min(end)..end).map(move |place| self.id(place))
    }

    /// All of them.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.at(0..self.len())
    }

    fn id(self, place: usize) -> u32 {
        let place = match self.part {
            Part::Whole => place,
            Part::Training => place / TRAINING_OF_PERIOD * PERIOD + place % TRAINING_OF_PERIOD,
            Part::HeldOut => place / CHUNK_TOKENS * PERIOD + TRAINING_OF_PERIOD + place % CHUNK_TOKENS,
        };
        let width = self.width.bytes();
        let mut id = [0; 4];
        if let Some(bytes) = self.bytes.get(place * width..(place + 1) * width) {
            id[..width].copy_from_slice(bytes);
        }
        u32::from_le_bytes(id)
    }
}

/// Tokens to learn from and tokens to be judged on. Cheap to clone.
#[derive(Clone)]
pub struct Corpus {
    memory: Memory,
    width: IdWidth,
}

impl fmt::Debug for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Corpus({} tokens of {:?} byte)", self.part(Part::Whole).len(), self.width)
    }
}

/// Why there is no corpus or no slice of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// Nothing could be held out.
    #[error("the corpus has {found} tokens, needs at least {MIN_CORPUS_TOKENS}")]
    TooSmall {
        /// Its size.
        found: usize,
    },
    /// The last id is cut off.
    #[error("the corpus has {bytes} bytes, which are no whole number of ids of {width} bytes")]
    Ragged {
        /// Its bytes.
        bytes: usize,
        /// Those of an id.
        width: usize,
    },
    /// A size that no microbatch may have.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Sequences longer than the tokens to learn from.
    #[error("sequences of {context} tokens do not fit the {training} training tokens")]
    TooShort {
        /// Tokens of a sequence.
        context: usize,
        /// Tokens to learn from.
        training: usize,
    },
}

impl Corpus {
    /// A copy of this text, a token a byte.
    ///
    /// # Errors
    /// When nothing could be held out.
    pub fn new(text: &[u8]) -> Result<Self, CorpusError> {
        Self::held_by(Arc::new(text.to_vec()), IdWidth::One)
    }

    /// The tokens that lie there. They are split by a fixed rule: of every [`HELD_OUT_EVERY`] chunks of [`CHUNK_TOKENS`]
    /// the last is held out.
    ///
    /// # Errors
    /// When nothing could be held out, or the last id is cut off.
    pub fn held_by(memory: Memory, width: IdWidth) -> Result<Self, CorpusError> {
        let bytes = (*memory).as_ref().len();
        if !bytes.is_multiple_of(width.bytes()) {
            return Err(CorpusError::Ragged { bytes, width: width.bytes() });
        }
        let corpus = Self { memory, width };
        match corpus.part(Part::Whole).len() {
            found if found < MIN_CORPUS_TOKENS => Err(CorpusError::TooSmall { found }),
            _ => Ok(corpus),
        }
    }

    fn part(&self, part: Part) -> Ids<'_> {
        Ids { bytes: (*self.memory).as_ref(), width: self.width, part }
    }

    /// The name of the corpus: of all its bytes, before the split. Reads all of it.
    pub fn hash(&self) -> Digest {
        Hasher::new("narrows 2026 corpus 1").bytes((*self.memory).as_ref()).finish()
    }

    /// What may be learnt from.
    pub fn training(&self) -> Ids<'_> {
        self.part(Part::Training)
    }

    /// What no microbatch ever reads.
    pub fn held_out(&self) -> Ids<'_> {
        self.part(Part::HeldOut)
    }

    /// The tokens of a microbatch: a function of the run's seed, the window and the index, so that nobody can choose
    /// what to work on. Each sequence starts at a uniformly drawn training token.
    ///
    /// # Errors
    /// When no microbatch may have that size, or a sequence is longer than what may be learnt from.
    pub fn slice(
        &self,
        run_seed: &[u8; 32],
        window: u64,
        index: MicrobatchId,
        batch: usize,
        context: usize,
    ) -> Result<TokenBatch, CorpusError> {
        TokenBatch::check_size(batch, context)?;
        let ids = self.training();
        let training = ids.len();
        let Some(starts) = training.checked_sub(context).filter(|&starts| starts > 0) else {
            return Err(CorpusError::TooShort { context, training });
        };
        let mut hasher = Hasher::new("narrows 2026 corpus slice 1");
        let mut random = hasher.bytes(run_seed).number(window).number(index.0).reader();
        let mut read = Vec::with_capacity(batch * (context + 1));
        for _ in 0..batch {
            let mut word = [0; 8];
            random.fill(&mut word);
            // The high half of a 128-bit product: uniform to one part in 2^64 / starts, without division.
            let start = ((u128::from(u64::from_le_bytes(word)) * starts as u128) >> 64) as usize;
            read.extend(ids.at(start..start + context + 1));
        }
        Ok(TokenBatch::of_ids(batch, context, read)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Corpus {
        let chunk = |i: usize| vec![(i % 251) as u8; CHUNK_TOKENS];
        Corpus::new(&(0..40).flat_map(chunk).collect::<Vec<_>>()).unwrap()
    }

    /// Ids of a corpus of so many tokens, each its place, wherever two or four bytes hold it.
    fn counted(tokens: usize, width: IdWidth) -> Corpus {
        let bytes = (0..tokens as u32).flat_map(|id| id.to_le_bytes().into_iter().take(width.bytes()));
        Corpus::held_by(Arc::new(bytes.collect::<Vec<_>>()), width).unwrap()
    }

    #[test]
    fn held_out_chunks_are_never_read() {
        let corpus = corpus();
        assert_eq!(corpus.held_out().len(), 2 * CHUNK_TOKENS);
        for index in 0..200 {
            let tokens = corpus.slice(&[1; 32], 3, MicrobatchId(index), 4, 64).unwrap();
            assert!(tokens.ids().iter().all(|&id| id != 15 && id != 31));
        }
    }

    #[test]
    fn the_parts_are_the_chunks_one_after_the_other() {
        for tokens in [PERIOD, PERIOD + 1, 2 * PERIOD - CHUNK_TOKENS, 2 * PERIOD - 7, 3 * PERIOD + 5 * CHUNK_TOKENS + 3]
        {
            let corpus = counted(tokens, IdWidth::Four);
            let (mut training, mut held_out) = (Vec::new(), Vec::new());
            for (index, chunk) in (0..tokens as u32).collect::<Vec<_>>().chunks(CHUNK_TOKENS).enumerate() {
                let side = if index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 { &mut held_out } else { &mut training };
                side.extend_from_slice(chunk);
            }
            assert_eq!(corpus.training().iter().collect::<Vec<_>>(), training, "{tokens}");
            assert_eq!(corpus.held_out().iter().collect::<Vec<_>>(), held_out, "{tokens}");
            assert_eq!(corpus.training().at(7..usize::MAX).len(), training.len() - 7, "as far as there are");
        }
    }

    #[test]
    fn ids_of_any_width_are_read_as_they_lie() {
        let places = 3 * PERIOD - 10..3 * PERIOD;
        let read = |width| counted(3 * PERIOD, width).part(Part::Whole).at(places.clone()).collect::<Vec<_>>();
        assert_eq!(read(IdWidth::Four), places.clone().map(|place| place as u32).collect::<Vec<_>>());
        assert_eq!(read(IdWidth::Two), places.clone().map(|place| place as u32 % (1 << 16)).collect::<Vec<_>>());
        assert_eq!(read(IdWidth::One), places.clone().map(|place| place as u32 % 256).collect::<Vec<_>>());
        assert_eq!([256, 1 << 16, (1 << 16) + 1].map(|vocab| IdWidth::of_vocab(vocab).bytes()), [2, 2, 4]);
        // The same places are drawn, whatever the tokens.
        let slice = |width| counted(3 * PERIOD, width).slice(&[1; 32], 2, MicrobatchId(3), 2, 50).unwrap();
        let low = |tokens: TokenBatch| tokens.ids().iter().map(|id| id % 256).collect::<Vec<_>>();
        assert_eq!(low(slice(IdWidth::Four)), low(slice(IdWidth::One)));
        assert!(slice(IdWidth::Four).ids().iter().any(|&id| id > 1 << 16));
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
        let ragged = Corpus::held_by(Arc::new(vec![0; 4 * PERIOD + 3]), IdWidth::Four);
        assert!(matches!(ragged, Err(CorpusError::Ragged { width: 4, .. })));
        let few = Corpus::held_by(Arc::new(vec![0; 4 * PERIOD - 4]), IdWidth::Four);
        assert!(matches!(few, Err(CorpusError::TooSmall { found }) if found == PERIOD - 1));
        let corpus = Corpus::new(&vec![7; MIN_CORPUS_TOKENS]).unwrap();
        let refused = corpus.slice(&[0; 32], 0, MicrobatchId(0), 1, MIN_CORPUS_TOKENS);
        assert!(matches!(refused, Err(CorpusError::TooShort { .. })));
        assert!(matches!(corpus.slice(&[0; 32], 0, MicrobatchId(0), 0, 8), Err(CorpusError::Tokens(_))));
    }
}
