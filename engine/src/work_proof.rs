//! Asymmetric proof of compute: a product of two integer matrices that takes `n³` multiplications to make and a few
//! thousandths of that to check.
//!
//! 1. The verifier names a side `n` and a fresh nonce; with the beacon and the prover's identity they fix the matrices
//!    `A` and `B` ([`Challenge::bind`]). Every row of `A` and column of `B` is its own BLAKE3 output stream, so no entry
//!    of the product follows from another (a known break of schemes whose entries depend on `i + j` alone).
//! 2. The prover computes `C = A·B` exactly in `i32`, and commits the Merkle root over its tiles ([`Product`]). The
//!    verifier's clock runs from the challenge to the root.
//! 3. Only then does the verifier draw a second nonce, which picks [`OPENED_TILES`] tiles ([`drawn_tiles`]); the prover
//!    opens them and the verifier recomputes each from 16 rows and 16 columns ([`verify`]).
//!
//! Integers make the result the same on every machine, so there is no tolerance to argue about. A prover that skipped a
//! fraction `φ` of the tiles passes with probability `(1 - φ)^OPENED_TILES`: 3 % for a tenth, 10⁻⁵ for 30 %.
//! What it does not show: that the machine is the prover's alone, or that nobody faster lent a hand within the deadline.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hash::{Digest, MerkleError, MerkleProof, MerkleTree, leaf_hash};

/// Side of a tile in entries.
pub const TILE: usize = 16;
/// Tiles opened in one proof.
pub const OPENED_TILES: usize = 32;
/// Smallest side of the matrices: below, hashing the inputs costs more than multiplying.
pub const MIN_SIDE: u32 = 128;
/// Largest side: `n · 128²` stays below `i32::MAX`, and a proof holds two matrices and the product in memory (6·n² bytes).
pub const MAX_SIDE: u32 = 16_384;

/// Why a proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorkProofError {
    /// The side is not usable.
    #[error("matrix side {0} is refused: it must be a multiple of {TILE} from {MIN_SIDE} to {MAX_SIDE}")]
    Side(u32),
    /// Not the tiles that were drawn.
    #[error("tile {found} was opened where tile {drawn} was drawn")]
    NotDrawn {
        /// The tile that was drawn at this place.
        drawn: u32,
        /// The tile in the answer.
        found: u64,
    },
    /// Too few or too many tiles, or a tile of the wrong size.
    #[error("{found} {what} in the answer, {needed} needed")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The tile is not under the committed root.
    #[error("tile is not under the committed root: {0}")]
    Proof(#[from] MerkleError),
    /// The tile was committed but is not the product.
    #[error("tile {tile} is false: entry ({row}, {column}) is {found}, the product has {expected}")]
    False {
        /// The tile.
        tile: u32,
        /// Row of the entry in the product.
        row: usize,
        /// Column of the entry in the product.
        column: usize,
        /// What was committed.
        found: i32,
        /// What the product is.
        expected: i32,
    },
}

/// What is to be multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    side: usize,
    seed: [u8; 32],
}

impl Challenge {
    /// Fixes the matrices of side `side` by the verifier's fresh `nonce`, the public `beacon` and the prover's `identity`.
    pub fn bind(side: u32, nonce: &[u8; 32], beacon: &[u8; 32], identity: &[u8; 32]) -> Result<Self, WorkProofError> {
        if !(MIN_SIDE..=MAX_SIDE).contains(&side) || !(side as usize).is_multiple_of(TILE) {
            return Err(WorkProofError::Side(side));
        }
        let mut hasher = blake3::Hasher::new_derive_key("narrows 2026 compute proof matrices 1");
        hasher.update(&side.to_le_bytes()).update(nonce).update(beacon).update(identity);
        Ok(Self { side: side as usize, seed: *hasher.finalize().as_bytes() })
    }

    /// Multiplications that an honest prover makes.
    pub fn multiplications(&self) -> u64 {
        (self.side as u64).pow(3)
    }

    fn tiles_per_row(&self) -> usize {
        self.side / TILE
    }

    fn tiles(&self) -> usize {
        self.tiles_per_row().pow(2)
    }

    /// Row `index` of `A` (`matrix` 0) or column `index` of `B` (`matrix` 1).
    fn line(&self, matrix: u8, index: usize, out: &mut [i8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&[matrix]).update(&(index as u64).to_le_bytes());
        let mut bytes = vec![0; out.len()];
        hasher.finalize_xof().fill(&mut bytes);
        for (entry, byte) in out.iter_mut().zip(bytes) {
            *entry = byte as i8;
        }
    }

    fn lines(&self, matrix: u8, first: usize, count: usize) -> Vec<i8> {
        let mut lines = vec![0; count * self.side];
        for (offset, line) in lines.chunks_exact_mut(self.side).enumerate() {
            self.line(matrix, first + offset, line);
        }
        lines
    }
}

/// The tile of `C` spanned by 16 rows of `A` and 16 columns of `B`, row by row.
fn tile_of(side: usize, rows: &[i8], columns: &[i8]) -> Vec<i32> {
    let mut entries = Vec::with_capacity(TILE * TILE);
    for row in rows.chunks_exact(side) {
        for column in columns.chunks_exact(side) {
            entries.push(row.iter().zip(column).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum());
        }
    }
    entries
}

fn tile_hash(entries: &[i32]) -> Digest {
    let bytes: Vec<u8> = entries.iter().flat_map(|e| e.to_le_bytes()).collect();
    leaf_hash(&bytes)
}

/// A tile of the product with its path to the committed root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedTile {
    /// `TILE · TILE` entries, row by row.
    pub entries: Vec<i32>,
    /// Its place, and the way to the root.
    pub proof: MerkleProof,
}

/// The prover's side: the whole product, committed tile by tile.
#[derive(Debug)]
pub struct Product {
    tiles: Vec<i32>,
    tree: MerkleTree,
}

impl Product {
    /// Multiplies. Deterministic; `side³` multiplications, `6 · side²` bytes.
    pub fn compute(challenge: &Challenge) -> Self {
        let side = challenge.side;
        let b = challenge.lines(1, 0, side);
        let mut tiles = Vec::with_capacity(side * side);
        for band in 0..challenge.tiles_per_row() {
            let rows = challenge.lines(0, band * TILE, TILE);
            for columns in b.chunks_exact(TILE * side) {
                tiles.extend(tile_of(side, &rows, columns));
            }
        }
        let tree = MerkleTree::new(tiles.chunks_exact(TILE * TILE).map(tile_hash).collect());
        Self { tiles, tree }
    }

    /// What is committed before any tile is drawn.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// Opens the drawn tiles.
    pub fn open(&self, drawn: &[u32]) -> Result<Vec<OpenedTile>, WorkProofError> {
        drawn
            .iter()
            .map(|&tile| {
                let proof = self.tree.open(u64::from(tile))?;
                let start = tile as usize * TILE * TILE;
                Ok(OpenedTile { entries: self.tiles[start..start + TILE * TILE].to_vec(), proof })
            })
            .collect()
    }
}

/// The tiles that `nonce`, drawn after `root` was received, picks.
pub fn drawn_tiles(challenge: &Challenge, root: &Digest, nonce: &[u8; 32]) -> Vec<u32> {
    let mut hasher = blake3::Hasher::new_derive_key("narrows 2026 compute proof draw 1");
    hasher.update(&challenge.seed).update(&root.0).update(nonce);
    let mut stream = hasher.finalize_xof();
    (0..OPENED_TILES)
        .map(|_| {
            let mut word = [0; 8];
            stream.fill(&mut word);
            // The bias of a 64-bit word modulo at most 2²⁰ tiles is below 2⁻⁴⁴.
            (u64::from_le_bytes(word) % challenge.tiles() as u64) as u32
        })
        .collect()
}

/// Checks an answer: the drawn tiles, each under the root, each equal to the product. Costs about
/// `OPENED_TILES · (32 n bytes of hash output + 256 n multiplications)`.
pub fn verify(
    challenge: &Challenge,
    root: &Digest,
    nonce: &[u8; 32],
    answer: &[OpenedTile],
) -> Result<(), WorkProofError> {
    let drawn = drawn_tiles(challenge, root, nonce);
    if answer.len() != drawn.len() {
        return Err(WorkProofError::Count { what: "tiles", found: answer.len(), needed: drawn.len() });
    }
    for (&tile, opened) in drawn.iter().zip(answer) {
        let OpenedTile { entries, proof } = opened;
        if proof.index != u64::from(tile) {
            return Err(WorkProofError::NotDrawn { drawn: tile, found: proof.index });
        }
        if entries.len() != TILE * TILE {
            return Err(WorkProofError::Count { what: "entries", found: entries.len(), needed: TILE * TILE });
        }
        if proof.leaves != challenge.tiles() as u64 {
            let found = usize::try_from(proof.leaves).unwrap_or(usize::MAX);
            return Err(WorkProofError::Count { what: "tiles under the root", found, needed: challenge.tiles() });
        }
        proof.verify(&tile_hash(entries), root)?;
        let (band, column_band) =
            (tile as usize / challenge.tiles_per_row(), tile as usize % challenge.tiles_per_row());
        let rows = challenge.lines(0, band * TILE, TILE);
        let columns = challenge.lines(1, column_band * TILE, TILE);
        let expected = tile_of(challenge.side, &rows, &columns);
        if let Some(at) = entries.iter().zip(&expected).position(|(a, b)| a != b) {
            return Err(WorkProofError::False {
                tile,
                row: band * TILE + at / TILE,
                column: column_band * TILE + at % TILE,
                found: entries[at],
                expected: expected[at],
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        Challenge::bind(128, &[1; 32], &[2; 32], &[3; 32]).unwrap()
    }

    #[test]
    fn an_honest_proof_verifies_and_is_the_same_each_time() {
        let (challenge, nonce) = (challenge(), [9; 32]);
        let product = Product::compute(&challenge);
        let root = product.root();
        let answer = product.open(&drawn_tiles(&challenge, &root, &nonce)).unwrap();
        assert_eq!(verify(&challenge, &root, &nonce, &answer), Ok(()));
        assert_eq!(root, Product::compute(&challenge).root());
        for other in [
            Challenge::bind(128, &[0; 32], &[2; 32], &[3; 32]),
            Challenge::bind(128, &[1; 32], &[0; 32], &[3; 32]),
            Challenge::bind(128, &[1; 32], &[2; 32], &[0; 32]),
        ] {
            assert_ne!(Product::compute(&other.unwrap()).root(), root, "nonce, beacon and identity each bind");
        }
    }

    #[test]
    fn the_product_is_the_schoolbook_product() {
        let challenge = challenge();
        let side = challenge.side;
        let (a, b) = (challenge.lines(0, 0, side), challenge.lines(1, 0, side));
        let product = Product::compute(&challenge);
        for (row, column) in [(0, 0), (17, 3), (127, 127), (64, 100)] {
            let expected: i32 = (0..side).map(|k| i32::from(a[row * side + k]) * i32::from(b[column * side + k])).sum();
            let tile = row / TILE * challenge.tiles_per_row() + column / TILE;
            assert_eq!(product.tiles[tile * TILE * TILE + row % TILE * TILE + column % TILE], expected);
        }
    }

    #[test]
    fn skipped_tiles_are_found_when_drawn() {
        let challenge = challenge();
        let mut product = Product::compute(&challenge);
        // Half of the tiles are never computed: a draw of 32 misses them all with probability 2⁻³².
        for tile in product.tiles.chunks_exact_mut(TILE * TILE).step_by(2) {
            tile.fill(0);
        }
        product.tree = MerkleTree::new(product.tiles.chunks_exact(TILE * TILE).map(tile_hash).collect());
        let (root, nonce) = (product.root(), [4; 32]);
        let answer = product.open(&drawn_tiles(&challenge, &root, &nonce)).unwrap();
        assert!(matches!(verify(&challenge, &root, &nonce, &answer), Err(WorkProofError::False { .. })));
    }

    #[test]
    fn answers_that_are_not_what_was_drawn_are_refused() {
        let (challenge, nonce) = (challenge(), [9; 32]);
        let product = Product::compute(&challenge);
        let root = product.root();
        let honest = product.open(&drawn_tiles(&challenge, &root, &nonce)).unwrap();
        let refused = |change: &dyn Fn(&mut Vec<OpenedTile>)| {
            let mut answer = honest.clone();
            change(&mut answer);
            verify(&challenge, &root, &nonce, &answer).unwrap_err()
        };
        assert!(matches!(refused(&|a| drop(a.pop())), WorkProofError::Count { what: "tiles", .. }));
        assert!(matches!(
            refused(&|a| a[0].entries.truncate(TILE * TILE - 1)),
            WorkProofError::Count { what: "entries", .. }
        ));
        assert!(matches!(refused(&|a| a[3].entries[7] ^= 1), WorkProofError::Proof(_)));
        assert!(matches!(refused(&|a| a[0].proof.leaves = 1), WorkProofError::Count { .. }));
        let other_draw = product.open(&drawn_tiles(&challenge, &root, &[8; 32])).unwrap();
        assert!(matches!(verify(&challenge, &root, &nonce, &other_draw), Err(WorkProofError::NotDrawn { .. })));
        for side in [0, 100, 129, MAX_SIDE + 16, u32::MAX] {
            assert_eq!(Challenge::bind(side, &[0; 32], &[0; 32], &[0; 32]), Err(WorkProofError::Side(side)));
        }
    }
}
