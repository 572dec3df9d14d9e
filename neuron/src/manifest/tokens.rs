//! What the tokens of a run's text are.

use bincode::{Decode, Encode};
use engine::model::MAX_VOCAB;
use serde::{Deserialize, Serialize};

use super::{ManifestError, in_range};
use crate::message::names::Hash;

/// What the tokens are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// The text's bytes.
    Bytes,
    /// What a byte-pair encoding makes of the text.
    Bpe(BpeTokens),
}

/// Tokens of a byte-pair encoding. The ids themselves are named, so that a neuron whose tokenizer reads the same file
/// otherwise finds it out before it works, not when it is convicted for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct BpeTokens {
    /// BLAKE3 of the `tokenizer.json`.
    pub tokenizer: Hash,
    /// Every id is below this: the model's vocabulary.
    pub vocab: u32,
    /// How many the text has.
    pub count: u64,
    /// BLAKE3 of all ids, little-endian, of two bytes each in a vocabulary of up to 65,536 and else of four.
    pub ids: Hash,
}

impl Tokens {
    /// Tokens of a text of so many bytes.
    pub fn count(&self, bytes: u64) -> u64 {
        match self {
            Self::Bytes => bytes,
            Self::Bpe(tokens) => tokens.count,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ManifestError> {
        match self {
            Self::Bytes => Ok(()),
            Self::Bpe(tokens) => {
                in_range("corpus.tokens.vocab", u64::from(tokens.vocab), 2, MAX_VOCAB as u64)?;
                in_range("corpus.tokens.count", tokens.count, 1, u64::MAX)
            }
        }
    }
}
