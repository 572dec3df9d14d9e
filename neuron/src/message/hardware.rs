//! The two halves of a hardware proof: what is to be multiplied, and tiles of the product that was committed to.

use bincode::{Decode, Encode};
use engine::hash::MerkleProof;
use engine::work_proof::{OPENED_TILES, OpenedTile};

use super::names::{Beacon, Hash};

/// Most tiles that are opened in one answer.
pub const MAX_OPENED_TILES: usize = OPENED_TILES;

/// What is to be multiplied: with the prover's hotkey these fix the matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ComputeChallenge {
    /// Side of the matrices.
    pub side: u32,
    /// The validator's fresh randomness, so that nothing can be computed ahead. It names the challenge, too.
    pub nonce: [u8; 32],
    /// The window's beacon.
    pub beacon: Beacon,
}

/// A tile with its way to the committed root, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TileOpening {
    /// Its place.
    pub index: u64,
    /// Its entries, row by row.
    pub entries: Vec<i32>,
    /// Tiles under the root.
    pub leaves: u64,
    /// The way up, lowest first.
    pub siblings: Vec<Hash>,
}

impl From<OpenedTile> for TileOpening {
    fn from(OpenedTile { entries, proof }: OpenedTile) -> Self {
        let siblings = proof.siblings.into_iter().map(Hash::from).collect();
        Self { index: proof.index, entries, leaves: proof.leaves, siblings }
    }
}

impl From<TileOpening> for OpenedTile {
    fn from(TileOpening { index, entries, leaves, siblings }: TileOpening) -> Self {
        let siblings = siblings.into_iter().map(Into::into).collect();
        Self { entries, proof: MerkleProof { index, leaves, siblings } }
    }
}
