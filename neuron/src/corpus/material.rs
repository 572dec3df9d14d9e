//! What a run is trained on, ready to be read.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use engine::data::{Corpus, IdWidth, Memory};

use super::cache::Held;
use super::{Cache, CorpusError, Source, Tokenizer};
use crate::manifest::{BpeTokens, Tokens};
use crate::message::names::Hash;

/// A run's text by name, and its tokens where they lie. Cheap to clone.
#[derive(Clone)]
pub struct Material {
    text: Hash,
    bytes: u64,
    tokens: Tokens,
    memory: Memory,
    width: IdWidth,
}

/// What the ids that a tokenizer makes of a text lie under in the cache; with [`Hash::ZERO`] for none, the text itself. What
/// is made in another way has another name.
fn name_of(text: &Hash, tokenizer: &Hash) -> Hash {
    Hash::in_domain("narrows corpus cache 1", &[text.0, tokenizer.0].concat())
}

/// Hashes what is written to it.
struct Naming(blake3::Hasher);

impl Write for Naming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text in the cache, which gets it from the source if it is not there whole.
fn text_of(source: &Source, cache: &Cache) -> Result<Arc<Held>, CorpusError> {
    let mut naming = Naming(blake3::Hasher::new());
    source.read(&mut naming)?;
    let text = Hash(*naming.0.finalize().as_bytes());
    let name = name_of(&text, &Hash::ZERO);
    let held = match cache.get(&name)? {
        Some(held) if held.hash() == text => held,
        _ => cache.put(&name, IdWidth::One, |writer| source.read(writer).map(|_| ()))?,
    };
    if held.hash() == text { Ok(held) } else { Err(CorpusError::Changed { path: source.name.clone() }) }
}

impl Material {
    /// Text whose tokens are those of the tokenizer in this file, or else its bytes.
    ///
    /// # Errors
    /// As [`Self::tokens_of`], or when the file holds no tokenizer.
    pub fn of(source: &Source, cache: &Cache, tokenizer: Option<&Path>) -> Result<Self, CorpusError> {
        match tokenizer {
            Some(file) => Self::tokens_of(source, cache, &Tokenizer::read(file)?),
            None => Self::bytes_of(source, cache),
        }
    }

    /// Text whose tokens are its bytes, mapped from the cache.
    ///
    /// # Errors
    /// When the source cannot be read or the cache not be used.
    pub fn bytes_of(source: &Source, cache: &Cache) -> Result<Self, CorpusError> {
        let held = text_of(source, cache)?;
        let (text, width) = (held.hash(), held.width());
        Ok(Self { text, bytes: (*held).as_ref().len() as u64, tokens: Tokens::Bytes, memory: held, width })
    }

    /// Text whose tokens are what a tokenizer makes of it, mapped from the cache; where they are not there, they are made,
    /// once.
    ///
    /// # Errors
    /// When the source cannot be read, the tokenizer fails, or the cache cannot be used.
    pub fn tokens_of(source: &Source, cache: &Cache, tokenizer: &Tokenizer) -> Result<Self, CorpusError> {
        let text = text_of(source, cache)?;
        let (name, width) = (name_of(&text.hash(), &tokenizer.hash()), tokenizer.width());
        let held = match cache.get(&name)? {
            Some(held) if held.width() == width => held,
            _ => {
                tracing::info!("making token ids of the corpus; this is done once");
                cache.put(&name, width, |writer| {
                    tokenizer.write_ids((*text).as_ref(), writer)?;
                    Ok(())
                })?
            }
        };
        let count = ((*held).as_ref().len() / width.bytes()) as u64;
        let tokens = BpeTokens { tokenizer: tokenizer.hash(), vocab: tokenizer.vocab(), count, ids: held.hash() };
        let bytes = (*text).as_ref().len() as u64;
        Ok(Self { text: text.hash(), bytes, tokens: Tokens::Bpe(tokens), memory: held, width })
    }

    /// Text in memory whose tokens are its bytes.
    pub fn in_memory(text: Vec<u8>) -> Self {
        let (hash, bytes) = (Hash::of(&text), text.len() as u64);
        Self { text: hash, bytes, tokens: Tokens::Bytes, memory: Arc::new(text), width: IdWidth::One }
    }

    /// BLAKE3 of the text.
    pub fn text(&self) -> Hash {
        self.text
    }

    /// Bytes of the text.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What its tokens are.
    pub fn tokens(&self) -> Tokens {
        self.tokens
    }

    /// The tokens, divided into those to learn from and those held out.
    ///
    /// # Errors
    /// When they are too few.
    pub fn corpus(&self) -> Result<Corpus, engine::data::CorpusError> {
        Corpus::held_by(self.memory.clone(), self.width)
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Material({} of {} bytes)", self.text, self.bytes)
    }
}
