//! A byte-pair encoding from a Hugging Face `tokenizer.json`: which ids a text is made of.
//!
//! All neurons of a run have to make the same ids of the same text. So what a file may ask for that is drawn by lot, drops
//! text, or lets a text grow without bound is refused; and a long text is cut at places that follow from it alone.

mod check;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use engine::data::IdWidth;
use thiserror::Error;

use crate::message::names::Hash;

/// Largest file that is read: one of 262,144 tokens takes some 35 MB.
const MAX_TOKENIZER_BYTES: u64 = 64 * 1024 * 1024;
/// Longest piece of text that is encoded as one. Another length is another sequence of ids.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that are encoded side by side.
const PIECES_AT_ONCE: usize = 64;

/// Why a file gives no ids.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// It cannot be read.
    #[error("cannot read the tokenizer {path}: {error}; name a readable tokenizer.json with --tokenizer")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is longer than any tokenizer.
    #[error("the tokenizer {path} is longer than {MAX_TOKENIZER_BYTES} bytes; name a tokenizer.json with --tokenizer")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is no tokenizer, or one that is not for here.
    #[error("the tokenizer {path} cannot be used: {reason}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why, and what would be fit.
        reason: String,
    },
    /// It makes nothing of some text.
    #[error("the tokenizer fails on a piece of text: {0}; use another")]
    Failed(String),
    /// It gives more ids than its vocabulary has.
    #[error("the tokenizer gives id {id}, its vocabulary has {vocab}; use another")]
    OutsideVocabulary {
        /// The id.
        id: u32,
        /// How many there are.
        vocab: u32,
    },
    /// The ids cannot be kept.
    #[error("token ids cannot be written: {0}; make room on the disk")]
    NotWritten(#[from] io::Error),
}

/// A tokenizer and its name.
#[derive(Clone)]
pub struct Tokenizer {
    hash: Hash,
    vocab: u32,
    inner: tokenizers::Tokenizer,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({}, {} ids)", self.hash, self.vocab)
    }
}

/// Runs foreign code that reads what strangers wrote: a defect in it is an error like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, tokenizers::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizer library crashed on it".to_owned()),
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`, of which at most 64 MiB are taken into memory.
    ///
    /// # Errors
    /// When it cannot be read, is no byte-pair encoding, or is one whose ids would not be the same everywhere and stand for
    /// all of a text.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        let unreadable = |error| TokenizerError::Unreadable { path: path.to_owned(), error };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_TOKENIZER_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_TOKENIZER_BYTES {
            return Err(TokenizerError::TooLong { path: path.to_owned() });
        }
        Self::from_bytes(&bytes).map_err(|reason| TokenizerError::Unfit { path: path.to_owned(), reason })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(bytes))
            .map_err(|reason| format!("{reason}; name a Hugging Face tokenizer.json"))?;
        let vocab = check::vocabulary(&inner)?;
        // A text is encoded whole, and every piece as it is.
        guarded(|| inner.with_truncation(None).map(|_| ()))?;
        inner.with_padding(None);
        Ok(Self { hash: Hash::of(bytes), vocab, inner })
    }

    /// BLAKE3 of the file.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Every id is below this.
    pub fn vocab(&self) -> u32 {
        self.vocab
    }

    /// How wide its ids lie in a file.
    pub fn width(&self) -> IdWidth {
        IdWidth::of_vocab(self.vocab as usize)
    }

    /// The ids of a short text, without any that mark its beginning or end.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = guarded(|| self.inner.encode_fast(text, false)).map_err(TokenizerError::Failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of some ids.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        guarded(|| self.inner.decode(ids, false)).map_err(TokenizerError::Failed)
    }

    /// Writes the ids of a text, one after the other, and says how many they are. What is no UTF-8 is read as U+FFFD.
    ///
    /// # Errors
    /// When the tokenizer fails, or `out` does.
    pub(super) fn write_ids(&self, text: &[u8], out: &mut dyn Write) -> Result<u64, TokenizerError> {
        let (mut pieces, mut count, width) = (Pieces(text), 0, self.width().bytes());
        loop {
            let batch: Vec<Cow<'_, str>> = pieces.by_ref().take(PIECES_AT_ONCE).map(String::from_utf8_lossy).collect();
            if batch.is_empty() {
                return Ok(count);
            }
            let encoded = guarded(|| self.inner.encode_batch_fast(batch, false)).map_err(TokenizerError::Failed)?;
            for id in encoded.iter().flat_map(|encoding| encoding.get_ids()) {
                if *id >= self.vocab {
                    return Err(TokenizerError::OutsideVocabulary { id: *id, vocab: self.vocab });
                }
                out.write_all(&id.to_le_bytes()[..width])?;
                count += 1;
            }
        }
    }
}

/// A text in pieces of at most [`PIECE_BYTES`]: cut behind the last line feed that fits, else between two characters.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let end = match self.0.get(..PIECE_BYTES) {
            None => self.0.len(),
            Some(most) => match most.iter().rposition(|&byte| byte == b'\n') {
                Some(line_feed) => line_feed + 1,
                // A character's bytes but the first begin with the bits 10, and there are at most three of those.
                None => (PIECE_BYTES - 3..=PIECE_BYTES)
                    .rev()
                    .find(|&end| self.0.get(end).is_none_or(|byte| byte & 0xc0 != 0x80))
                    .unwrap_or(PIECE_BYTES),
            },
        };
        let (piece, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(piece)
    }
}

#[cfg(test)]
pub(crate) mod tests;
