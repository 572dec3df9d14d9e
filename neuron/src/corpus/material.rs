//! What a run is trained on, ready to be read.

use std::io::{self, Write};
use std::sync::Arc;

use engine::data::{Corpus, IdWidth, Memory};

use super::cache::Held;
use super::{Cache, CorpusError, Source};
use crate::message::names::Hash;

/// A run's text by name, and its tokens where they lie. Cheap to clone.
#[derive(Clone)]
pub struct Material {
    text: Hash,
    bytes: u64,
    tokens: Memory,
    width: IdWidth,
}

/// What ids lie under in the cache.
fn name_of(text: &Hash) -> Hash {
    Hash::in_domain("narrows corpus cache 1", &text.0)
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
    let name = name_of(&text);
    let held = match cache.get(&name)? {
        Some(held) if held.hash() == text => held,
        _ => cache.put(&name, IdWidth::One, |writer| source.read(writer).map(|_| ()))?,
    };
    if held.hash() == text { Ok(held) } else { Err(CorpusError::Changed { path: source.name.clone() }) }
}

impl Material {
    /// Text whose tokens are its bytes, mapped from the cache.
    ///
    /// # Errors
    /// When the source cannot be read or the cache not be used.
    pub fn bytes_of(source: &Source, cache: &Cache) -> Result<Self, CorpusError> {
        let held = text_of(source, cache)?;
        let (text, width) = (held.hash(), held.width());
        Ok(Self { text, bytes: (*held).as_ref().len() as u64, tokens: held, width })
    }

    /// Text in memory whose tokens are its bytes.
    pub fn in_memory(text: Vec<u8>) -> Self {
        let (hash, bytes) = (Hash::of(&text), text.len() as u64);
        Self { text: hash, bytes, tokens: Arc::new(text), width: IdWidth::One }
    }

    /// BLAKE3 of the text.
    pub fn text(&self) -> Hash {
        self.text
    }

    /// Bytes of the text.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The tokens, divided into those to learn from and those held out.
    ///
    /// # Errors
    /// When they are too few.
    pub fn corpus(&self) -> Result<Corpus, engine::data::CorpusError> {
        Corpus::held_by(self.tokens.clone(), self.width)
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Material({} of {} bytes)", self.text, self.bytes)
    }
}
