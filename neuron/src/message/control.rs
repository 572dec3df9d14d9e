//! Requests between proven neurons that fit in one small message, over `/narrows/control/1`.

use bincode::{Decode, Encode};
use keys::AccountId;

use crate::message::hardware::{ComputeChallenge, TileOpening};
use crate::message::leaf::LeafRecord;
use crate::message::names::{Hash, RunId, WindowId};
use crate::message::transfer::{Progress, Reply};

/// Most bytes of a [`ControlRequest`] on the wire.
pub const MAX_CONTROL_REQUEST_BYTES: usize = 64 * 1024;
/// Most bytes of a blob that one answer carries.
pub const MAX_BLOB_PIECE_BYTES: usize = 1024 * 1024;
/// Most leaves that one answer carries.
pub const MAX_LEAVES_PER_PAGE: usize = 256;
/// Most bytes of a [`ControlResponse`] on the wire: the largest piece of a blob, and what is written around it.
pub const MAX_CONTROL_RESPONSE_BYTES: usize = MAX_BLOB_PIECE_BYTES + 1024;

/// What one neuron asks of another.
///
/// New questions go at the end: a variant's place is its number on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum ControlRequest {
    /// A piece of what is stored under a BLAKE3 hash: weights, a manifest, evidence. The answer is a `Blob`.
    ///
    /// The asker checks the whole against the hash when it has all pieces.
    GetBlob {
        /// BLAKE3 of the whole blob.
        hash: [u8; 32],
        /// Where the piece starts, in bytes.
        offset_bytes: u64,
        /// How much is wanted, at most [`MAX_BLOB_PIECE_BYTES`].
        len_bytes: u32,
    },
    /// What the asker says about a transfer that the asked one sent it. The answer is `Noted`.
    Reply(Reply),
    /// How far the asker is with a microbatch. The answer is `Noted`.
    Progress(Progress),
    /// A page of the leaves of a replica's window, in the order of their tree. The answer is `Leaves`.
    ///
    /// The asker checks the whole list against the root that the replica committed to, so anybody may give it.
    GetLeaves {
        /// The run.
        run: RunId,
        /// The window.
        window: WindowId,
        /// Whose leaves.
        hotkey: AccountId,
        /// Place of the page's first leaf.
        first: u32,
    },
    /// The asker holds evidence of a fault under this name, and gives it as a blob. The answer is `Noted`.
    Evidence {
        /// BLAKE3 of the evidence.
        name: Hash,
    },
    /// "Multiply these matrices." The answer, when the work is done, is `ProductRoot`.
    ProveCompute(ComputeChallenge),
    /// "Open these tiles of the product that you committed to." The answer is `Tiles`.
    OpenTiles {
        /// Of which challenge.
        nonce: [u8; 32],
        /// The tiles, at most [`MAX_OPENED_TILES`](super::hardware::MAX_OPENED_TILES).
        tiles: Vec<u32>,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum ControlResponse {
    /// To `GetBlob`.
    Blob {
        /// Length of the whole blob.
        total_bytes: u64,
        /// The piece; shorter than asked for at the end of the blob.
        bytes: Vec<u8>,
    },
    /// To anything.
    Refused(ControlRefusal),
    /// To what needs no answer.
    Noted,
    /// To `GetLeaves`.
    Leaves {
        /// Leaves in the whole list.
        total: u32,
        /// The page, of at most [`MAX_LEAVES_PER_PAGE`]; no more than that are left at the end of the list.
        records: Vec<LeafRecord>,
    },
    /// To `ProveCompute`: the Merkle root over the product's tiles.
    ProductRoot(Hash),
    /// To `OpenTiles`, in the order asked for.
    Tiles(Vec<TileOpening>),
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum ControlRefusal {
    /// Too much to do; ask again later.
    #[error("the peer is busy; ask again later")]
    Busy,
    /// Nothing is known under that name.
    #[error("the peer does not have it; ask another")]
    NotFound,
    /// The request makes no sense.
    #[error("the peer finds the request out of range")]
    OutOfRange,
    /// This neuron does not do that.
    #[error("the peer does not answer this kind of request")]
    Unsupported,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::hardware::MAX_OPENED_TILES;
    use crate::message::leaf::MAX_LEAF_RECORD_BYTES;
    use crate::message::names::Beacon;
    use crate::message::transfer::{PassId, Receipt, Signed};
    use crate::wire;
    use engine::work_proof::TILE;
    use keys::Signature;

    fn record() -> LeafRecord {
        crate::message::leaf::tests::record()
    }

    fn tile() -> TileOpening {
        TileOpening { index: 1, entries: vec![-2; 3], leaves: 4, siblings: vec![Hash([5; 32])] }
    }

    #[test]
    fn the_largest_answers_fit_their_limit() {
        let leaves = vec![record(); MAX_LEAVES_PER_PAGE];
        let tile = TileOpening { entries: vec![i32::MIN; TILE * TILE], siblings: vec![Hash([5; 32]); 32], ..tile() };
        for answer in [
            ControlResponse::Leaves { total: u32::MAX, records: leaves },
            ControlResponse::Tiles(vec![tile; MAX_OPENED_TILES]),
        ] {
            let bytes = wire::encode::<_, MAX_CONTROL_RESPONSE_BYTES>(&answer).unwrap();
            assert_eq!(wire::decode::<ControlResponse, MAX_CONTROL_RESPONSE_BYTES>(&bytes).unwrap(), answer);
        }
        const { assert!(MAX_LEAVES_PER_PAGE * MAX_LEAF_RECORD_BYTES < MAX_CONTROL_RESPONSE_BYTES) };
    }

    #[test]
    fn golden() {
        let requests = vec![
            ControlRequest::GetBlob { hash: [6; 32], offset_bytes: 7, len_bytes: 8 },
            ControlRequest::Reply(Reply::Receipt(Signed {
                statement: Receipt { transfer: Hash([1; 32]), by: AccountId([2; 32]), credits: 3 },
                signature: Signature::Sr25519([5; 64]),
            })),
            ControlRequest::Progress(Progress {
                window: WindowId(1),
                pass: PassId { microbatch: 2, attempt: 3 },
                settled: true,
            }),
            ControlRequest::GetLeaves {
                run: RunId(Hash([1; 32])),
                window: WindowId(2),
                hotkey: AccountId([3; 32]),
                first: 4,
            },
            ControlRequest::Evidence { name: Hash([5; 32]) },
            ControlRequest::ProveCompute(ComputeChallenge { side: 6, nonce: [7; 32], beacon: Beacon([8; 32]) }),
            ControlRequest::OpenTiles { nonce: [9; 32], tiles: vec![10, 11] },
        ];
        assert_eq!(
            wire::golden_hash(&requests).unwrap(),
            "aff1d259785d8e98aacd1fef947dea7a37c0ef26aa1d425c86825f8dd42c40b0"
        );
        let responses = vec![
            ControlResponse::Blob { total_bytes: 9, bytes: vec![1, 2, 3] },
            ControlResponse::Refused(ControlRefusal::Busy),
            ControlResponse::Refused(ControlRefusal::NotFound),
            ControlResponse::Refused(ControlRefusal::OutOfRange),
            ControlResponse::Refused(ControlRefusal::Unsupported),
            ControlResponse::Noted,
            ControlResponse::Leaves { total: 4, records: vec![record()] },
            ControlResponse::ProductRoot(Hash([5; 32])),
            ControlResponse::Tiles(vec![tile()]),
        ];
        assert_eq!(
            wire::golden_hash(&responses).unwrap(),
            "05cf7f1fcd459b61982c2fa289ac4a86a10aec18f4ec51477ed9ee19eb4e2fd0"
        );
    }
}
