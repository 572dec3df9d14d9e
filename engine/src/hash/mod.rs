//! BLAKE3 names of what the engine makes, and Merkle trees over them.
//!
//! Every kind has its own derived key, so that a hash of one kind never passes for another.

mod merkle;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use merkle::{MAX_LEAVES, MerkleError, MerkleProof, MerkleTree, leaf_hash};

use crate::{
    boundary::BoundaryTensor,
    model::{Gradients, Layout, Weights},
    optimizer::OptimizerState,
};

/// A BLAKE3 hash, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a digest is 64 hexadecimal digits, got {length} characters or a digit out of range")]
pub struct DigestError {
    length: usize,
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| DigestError { length: text.len() })
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// Collects bytes under one domain.
pub(crate) struct Hasher(blake3::Hasher);

impl Hasher {
    pub(crate) fn new(domain: &'static str) -> Self {
        Self(blake3::Hasher::new_derive_key(domain))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// A length before the bytes, so that two neighbouring strings cannot trade characters.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    /// Little-endian f32, in blocks so that no second copy of a large tensor is made.
    pub(crate) fn floats(&mut self, values: &[f32]) -> &mut Self {
        const BLOCK_VALUES: usize = 1024;
        let mut block = [0u8; BLOCK_VALUES * 4];
        for values in values.chunks(BLOCK_VALUES) {
            for (bytes, value) in block.chunks_exact_mut(4).zip(values) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
            self.bytes(&block[..values.len() * 4]);
        }
        self
    }

    pub(crate) fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }

    pub(crate) fn reader(&self) -> blake3::OutputReader {
        self.0.finalize_xof()
    }
}

/// Named parameters in the order of their names: length and name, rank and dimensions, little-endian values.
fn named(hasher: &mut Hasher, layout: &Layout, values: &[f32]) {
    let mut parameters: Vec<_> = layout.parameters().iter().collect();
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    hasher.number(parameters.len() as u64);
    for parameter in parameters {
        hasher.string(&parameter.name).number(parameter.shape.len() as u64);
        for &dimension in &parameter.shape {
            hasher.number(dimension as u64);
        }
        hasher.floats(&values[parameter.range.clone()]);
    }
}

impl Weights {
    /// The name of these weights, θ(s,w): over names, shapes and values, not over how a file orders them.
    pub fn hash(&self) -> Digest {
        let mut hasher = Hasher::new("narrows 2026 weights 1");
        named(&mut hasher, self.layout(), self.values());
        hasher.finish()
    }
}

impl Gradients {
    /// The name of a sum of gradients and the tokens behind it.
    pub fn hash(&self) -> Digest {
        let mut hasher = Hasher::new("narrows 2026 gradients 1");
        hasher.number(self.tokens());
        named(&mut hasher, self.layout(), self.values());
        hasher.finish()
    }
}

impl OptimizerState {
    /// The name of an optimizer's state.
    pub fn hash(&self) -> Digest {
        let mut hasher = Hasher::new("narrows 2026 optimizer state 1");
        hasher.bytes(&self.to_bytes());
        hasher.finish()
    }
}

impl BoundaryTensor {
    /// The name of a tensor at a boundary. Transfers are signed over the bytes on the wire, see [`bytes_hash`].
    pub fn hash(&self) -> Digest {
        let mut hasher = Hasher::new("narrows 2026 boundary tensor 1");
        hasher.number(self.rows() as u64).number(self.width() as u64).floats(self.values());
        hasher.finish()
    }
}

/// The name of encoded bytes as they travel.
pub fn bytes_hash(bytes: &[u8]) -> Digest {
    Digest(*blake3::hash(bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelConfig, StageIndex};

    #[test]
    fn digests_survive_text() {
        let digest = bytes_hash(b"narrows");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(serde_json::from_str::<Digest>(&serde_json::to_string(&digest).unwrap()).unwrap(), digest);
        assert!("00".parse::<Digest>().is_err());
    }

    #[test]
    fn one_bit_renames_weights() {
        let config = ModelConfig::small();
        let weights = Weights::initial(&config, StageIndex(1), &[1; 32]).unwrap();
        let mut values = weights.values().to_vec();
        values[17] = f32::from_bits(values[17].to_bits() ^ 1);
        let other = Weights::from_values(&config, StageIndex(1), values).unwrap();
        assert_ne!(weights.hash(), other.hash());
        assert_eq!(weights.hash(), weights.clone().hash());
    }

    #[test]
    fn kinds_do_not_collide() {
        let config = ModelConfig::small();
        let weights = Weights::initial(&config, StageIndex(0), &[1; 32]).unwrap();
        let gradients = Gradients::from_values(&config, StageIndex(0), 0, weights.values().to_vec()).unwrap();
        assert_ne!(weights.hash(), gradients.hash());
    }
}
