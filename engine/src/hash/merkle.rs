//! Merkle trees: one root for many leaves, and proofs that open single leaves.
//!
//! Leaves and inner nodes are hashed under different keys, so that an inner node cannot be passed off as a leaf; the
//! root binds the number of leaves, so that a tree cannot be read as another with more or fewer.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Digest, Hasher};

/// Most leaves a tree may have.
pub const MAX_LEAVES: u64 = 1 << 32;
/// Siblings on the longest path in a tree of [`MAX_LEAVES`].
const MAX_DEPTH: usize = 32;

/// Why a tree or a proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MerkleError {
    /// No leaf at that index.
    #[error("leaf {index} does not exist, the tree has {leaves}")]
    NoSuchLeaf {
        /// The index asked for.
        index: u64,
        /// Leaves in the tree.
        leaves: u64,
    },
    /// The proof has the wrong number of siblings for its place.
    #[error("proof for leaf {index} of {leaves} has {siblings} siblings, needs {needed}")]
    WrongDepth {
        /// The index.
        index: u64,
        /// Leaves in the tree.
        leaves: u64,
        /// Siblings found.
        siblings: usize,
        /// Siblings needed.
        needed: usize,
    },
    /// The path does not end in the root.
    #[error("proof for leaf {index} leads to root {found}, expected {expected}")]
    WrongRoot {
        /// The index.
        index: u64,
        /// Where the path ends.
        found: Digest,
        /// The committed root.
        expected: Digest,
    },
}

/// The hash of a leaf's bytes, as it enters a tree.
pub fn leaf_hash(bytes: &[u8]) -> Digest {
    Hasher::new("narrows 2026 merkle leaf 1").bytes(bytes).finish()
}

fn inner_hash(left: &Digest, right: &Digest) -> Digest {
    Hasher::new("narrows 2026 merkle node 1").bytes(&left.0).bytes(&right.0).finish()
}

fn root_hash(leaves: u64, top: &Digest) -> Digest {
    Hasher::new("narrows 2026 merkle root 1").number(leaves).bytes(&top.0).finish()
}

/// A tree with all its levels, to open leaves from. A node without a sibling moves up unchanged.
#[derive(Clone, Debug)]
pub struct MerkleTree {
    levels: Vec<Vec<Digest>>,
}

/// The siblings from a leaf up to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerkleProof {
    /// Which leaf.
    pub index: u64,
    /// Leaves in the tree.
    pub leaves: u64,
    /// Siblings, lowest first; at most 32.
    pub siblings: Vec<Digest>,
}

impl MerkleTree {
    /// Builds the tree over leaf hashes ([`leaf_hash`]) in their order. No leaves is a tree as well.
    pub fn new(leaf_hashes: Vec<Digest>) -> Self {
        let mut levels = vec![leaf_hashes];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let next = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => inner_hash(left, right),
                    alone => alone[0],
                })
                .collect();
            levels.push(next);
        }
        Self { levels }
    }

    /// Number of leaves.
    pub fn leaves(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// The root.
    pub fn root(&self) -> Digest {
        let top = self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Digest([0; 32]));
        root_hash(self.leaves(), &top)
    }

    /// Opens one leaf.
    pub fn open(&self, index: u64) -> Result<MerkleProof, MerkleError> {
        let leaves = self.leaves();
        if index >= leaves {
            return Err(MerkleError::NoSuchLeaf { index, leaves });
        }
        let mut position = index as usize;
        let mut siblings = Vec::new();
        for level in &self.levels {
            siblings.extend(level.get(position ^ 1).filter(|_| level.len() > 1));
            position /= 2;
        }
        Ok(MerkleProof { index, leaves, siblings })
    }
}

impl MerkleProof {
    /// Checks that the leaf of that hash stands at the proof's index under the root.
    pub fn verify(&self, leaf: &Digest, root: &Digest) -> Result<(), MerkleError> {
        let Self { index, leaves, siblings } = self;
        let (index, leaves) = (*index, *leaves);
        if index >= leaves || leaves > MAX_LEAVES {
            return Err(MerkleError::NoSuchLeaf { index, leaves });
        }
        let needed = siblings_needed(index, leaves);
        if siblings.len() != needed {
            return Err(MerkleError::WrongDepth { index, leaves, siblings: siblings.len(), needed });
        }
        let (mut hash, mut position, mut width) = (*leaf, index, leaves);
        let mut remaining = siblings.iter();
        while width > 1 {
            if position ^ 1 < width {
                let Some(sibling) = remaining.next() else { break };
                hash = if position & 1 == 0 { inner_hash(&hash, sibling) } else { inner_hash(sibling, &hash) };
            }
            (position, width) = (position / 2, width.div_ceil(2));
        }
        let found = root_hash(leaves, &hash);
        if found == *root { Ok(()) } else { Err(MerkleError::WrongRoot { index, found, expected: *root }) }
    }
}

fn siblings_needed(index: u64, leaves: u64) -> usize {
    let (mut position, mut width, mut needed) = (index, leaves, 0);
    while width > 1 && needed <= MAX_DEPTH {
        needed += usize::from(position ^ 1 < width);
        (position, width) = (position / 2, width.div_ceil(2));
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(leaves: u64) -> (Vec<Digest>, MerkleTree) {
        let hashes: Vec<_> = (0..leaves).map(|i| leaf_hash(&i.to_le_bytes())).collect();
        (hashes.clone(), MerkleTree::new(hashes))
    }

    #[test]
    fn every_leaf_of_every_small_tree_opens() {
        for leaves in 0..40 {
            let (hashes, tree) = tree(leaves);
            for (index, hash) in hashes.iter().enumerate() {
                tree.open(index as u64).unwrap().verify(hash, &tree.root()).unwrap();
            }
            assert!(matches!(tree.open(leaves), Err(MerkleError::NoSuchLeaf { .. })));
        }
    }

    #[test]
    fn moved_forged_and_truncated_proofs_fail() {
        let (hashes, tree) = tree(13);
        let proof = tree.open(5).unwrap();
        assert!(matches!(proof.verify(&hashes[4], &tree.root()), Err(MerkleError::WrongRoot { .. })));
        let moved = MerkleProof { index: 4, ..proof.clone() };
        assert!(moved.verify(&hashes[5], &tree.root()).is_err());
        let mut short = proof.clone();
        short.siblings.pop();
        assert!(matches!(short.verify(&hashes[5], &tree.root()), Err(MerkleError::WrongDepth { .. })));
        let bigger = MerkleProof { leaves: u64::MAX, ..proof };
        assert!(bigger.verify(&hashes[5], &tree.root()).is_err());
    }

    #[test]
    fn an_inner_node_is_no_leaf_and_the_count_is_bound() {
        let (hashes, four) = tree(4);
        let pair = MerkleTree::new(vec![inner_hash(&hashes[0], &hashes[1]), inner_hash(&hashes[2], &hashes[3])]);
        assert_ne!(four.root(), pair.root());
        assert_ne!(MerkleTree::new(vec![]).root(), tree(1).1.root());
    }
}
