//! What a replica commits to at the cut, and the post on chain that dates it.
//!
//! Layout of the post, [`COMMIT_POST_BYTES`] bytes in one `Raw` field of the chain's `Commitments`:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | `b'C'` |
//! | 1..9 | first 8 bytes of the run's name |
//! | 9..13 | window, little endian |
//! | 13..15 | stage, little endian |
//! | 15..47 | name of the [`Commitment`] |

use bincode::{Decode, Encode};
use keys::AccountId;

use super::names::{Hash, RunId, StageId, WindowId};
use crate::wire::{self, WireError};

/// Most bytes of an encoded [`Commitment`].
pub const MAX_COMMITMENT_BYTES: usize = 512;
/// Bytes of a commit post; within the 100 bytes that every call is charged for anyway.
pub const COMMIT_POST_BYTES: usize = 47;

const TAG: u8 = b'C';

/// The two names of a stage's state at the start of a window.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct StageState {
    /// θ(s,w): the engine's name of the weights, what an auditor recomputes with.
    pub theta: Hash,
    /// BLAKE3 of the blob that holds the weights *and* the optimizer's state: what a joiner fetches. Weights alone would
    /// not do, since the next merge is a function of both.
    pub blob: Hash,
}

/// A gradient that its owner offers for the merge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Upload {
    /// BLAKE3 of the (compressed) gradient's bytes, by which it is fetched.
    pub gradient: Hash,
    /// Merkle root over the gradient's segments, for segment replay.
    pub segments: Hash,
    /// Tokens behind the sum: its weight in the merge.
    pub tokens: u64,
}

/// Everything a replica stands by for one window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Commitment {
    /// The run.
    pub run: RunId,
    /// The window.
    pub window: WindowId,
    /// The stage.
    pub stage: StageId,
    /// Whose it is; without it a neighbour could post the same name as its own.
    pub hotkey: AccountId,
    /// The weights worked with.
    pub state: StageState,
    /// Merkle root over the names of the leaves, sorted.
    pub leaves_root: Hash,
    /// How many leaves.
    pub leaves: u32,
    /// The gradient, unless no work was done.
    pub upload: Option<Upload>,
    /// Root of the error-feedback state. [`Hash::ZERO`] while gradients travel uncompressed, for then there is none.
    pub residual: Hash,
}

impl Commitment {
    /// The encoding, which is also the blob others fetch.
    ///
    /// # Errors
    /// Never for a value of this type; the encoder's error is passed on rather than hidden.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        wire::encode::<_, MAX_COMMITMENT_BYTES>(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes are not exactly one commitment.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode::<_, MAX_COMMITMENT_BYTES>(bytes)
    }
}

/// The 32 bytes on chain, with what is needed to recognise them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct CommitPost {
    /// First bytes of the run's name.
    pub run: [u8; 8],
    /// The window.
    pub window: WindowId,
    /// The stage.
    pub stage: StageId,
    /// BLAKE3 of the encoded [`Commitment`], so that the commitment is a blob like any other.
    pub commitment: Hash,
}

impl CommitPost {
    /// The bytes to post.
    pub fn to_payload(self) -> [u8; COMMIT_POST_BYTES] {
        let mut payload = [0; COMMIT_POST_BYTES];
        payload[0] = TAG;
        payload[1..9].copy_from_slice(&self.run);
        payload[9..13].copy_from_slice(&self.window.0.to_le_bytes());
        payload[13..15].copy_from_slice(&self.stage.0.to_le_bytes());
        payload[15..47].copy_from_slice(&self.commitment.0);
        payload
    }

    /// Reads a payload; `None` for any other post, of which a chain has many.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; COMMIT_POST_BYTES] = payload.try_into().ok()?;
        let (tag, rest) = payload.split_first_chunk::<1>()?;
        let (run, rest) = rest.split_first_chunk::<8>()?;
        let (window, rest) = rest.split_first_chunk::<4>()?;
        let (stage, rest) = rest.split_first_chunk::<2>()?;
        let (commitment, _) = rest.split_first_chunk::<32>()?;
        (tag[0] == TAG).then(|| Self {
            run: *run,
            window: WindowId(u32::from_le_bytes(*window)),
            stage: StageId(u16::from_le_bytes(*stage)),
            commitment: Hash(*commitment),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commitment() -> Commitment {
        Commitment {
            run: RunId(Hash([1; 32])),
            window: WindowId(2),
            stage: StageId(3),
            hotkey: AccountId([4; 32]),
            state: StageState { theta: Hash([5; 32]), blob: Hash([6; 32]) },
            leaves_root: Hash([7; 32]),
            leaves: 8,
            upload: Some(Upload { gradient: Hash([9; 32]), segments: Hash([10; 32]), tokens: 11 }),
            residual: Hash::ZERO,
        }
    }

    #[test]
    fn golden() {
        assert_eq!(
            wire::golden_hash(&commitment()).unwrap(),
            "ea94663650125b3d95c0d15384e8f8aa79557301532225332bf612d55ce2a8c0"
        );
        let post = CommitPost { run: [1; 8], window: WindowId(2), stage: StageId(3), commitment: Hash([4; 32]) };
        assert_eq!(
            Hash::of(&post.to_payload()).to_string(),
            "7b71bc8154021edbd93b89664ce314925b4cc6327ffef63a7979f9f0dd0c6ebc"
        );
    }

    #[test]
    fn both_forms_are_read_back() {
        let bytes = commitment().to_bytes().unwrap();
        assert_eq!(Commitment::from_bytes(&bytes).unwrap(), commitment());
        let post = CommitPost { run: [1; 8], window: WindowId(2), stage: StageId(3), commitment: Hash::of(&bytes) };
        let payload = post.to_payload();
        assert_eq!(CommitPost::from_payload(&payload), Some(post));
        for length in 0..payload.len() {
            assert_eq!(CommitPost::from_payload(&payload[..length]), None);
        }
        let mut other = payload;
        other[0] = b'B';
        assert_eq!(CommitPost::from_payload(&other), None);
    }
}
