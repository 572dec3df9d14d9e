//! The record of one pass: what came in, what went out, both ways.
//!
//! A leaf is named over the *statements* only. Signatures ride outside, because sr25519 signatures are randomised: the
//! owner may sign its own statements afresh whenever it opens a leaf, and the others' signatures are shown then too.

use bincode::{Decode, Encode};

use super::names::{Hash, StageId, WindowId};
use super::transfer::{PassId, Receipt, Signed, Transfer};

/// Most bytes of a [`LeafRecord`] in its encoding.
pub const MAX_LEAF_RECORD_BYTES: usize = 2048;

/// One pass through one stage by one replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Leaf {
    /// The window.
    pub window: WindowId,
    /// The stage.
    pub stage: StageId,
    /// The microbatch and attempt.
    pub pass: PassId,
    /// The attempt whose computation answered this one, when nothing was computed again: such a leaf shows custody but
    /// adds no gradient and no tokens.
    pub replays: Option<u8>,
    /// Activations received; none in the first stage.
    pub forward_in: Option<Transfer>,
    /// Activations sent on, to the receiver whose gradient came back; none in the last stage.
    pub forward_out: Option<Transfer>,
    /// Gradients received; none in the last stage.
    pub backward_in: Option<Transfer>,
    /// Gradients sent back; none in the first stage.
    pub backward_out: Option<Transfer>,
}

impl Leaf {
    /// The leaf's name, which orders leaves and enters the Merkle tree.
    pub fn name(&self) -> Hash {
        Hash::of_value("narrows leaf 1", self)
    }
}

/// A leaf with what others signed about it: what its owner keeps until the window's audits close, and opens on demand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LeafRecord {
    /// The pass.
    pub leaf: Leaf,
    /// The sender's statement and signature for `forward_in`.
    pub forward_in: Option<Signed<Transfer>>,
    /// The sender's statement and signature for `backward_in`.
    pub backward_in: Option<Signed<Transfer>>,
    /// Receipt for `forward_out`.
    pub forward_receipt: Option<Signed<Receipt>>,
    /// Receipt for `backward_out`.
    pub backward_receipt: Option<Signed<Receipt>>,
}

#[cfg(test)]
pub(crate) mod tests {
    use keys::{AccountId, Signature};

    use super::*;
    use crate::message::transfer::tests::transfer;
    use crate::wire;

    pub(crate) fn record() -> LeafRecord {
        let transfer = transfer();
        let signed = Signed { statement: transfer, signature: Signature::Sr25519([11; 64]) };
        let receipt = Receipt { transfer: transfer.id(), by: AccountId([2; 32]), credits: 3 };
        let receipt = Signed { statement: receipt, signature: Signature::Sr25519([12; 64]) };
        LeafRecord {
            leaf: Leaf {
                window: WindowId(1),
                stage: StageId(2),
                pass: PassId { microbatch: 3, attempt: 4 },
                replays: Some(0),
                forward_in: Some(transfer),
                forward_out: Some(transfer),
                backward_in: Some(transfer),
                backward_out: Some(transfer),
            },
            forward_in: Some(signed),
            backward_in: Some(signed),
            forward_receipt: Some(receipt),
            backward_receipt: Some(receipt),
        }
    }

    #[test]
    fn golden() {
        assert_eq!(
            wire::golden_hash(&record()).unwrap(),
            "f7623b307cc8ab8844f653e608252787837c1be3f3c8b3e1be1df34d4f8fa76e"
        );
        assert!(wire::encode::<_, MAX_LEAF_RECORD_BYTES>(&record()).is_ok());
    }

    #[test]
    fn every_field_is_in_the_name() {
        let leaf = record().leaf;
        let other = Transfer { payload: Hash::ZERO, ..transfer() };
        let variants = [
            Leaf { window: WindowId(9), ..leaf },
            Leaf { stage: StageId(9), ..leaf },
            Leaf { pass: PassId { microbatch: 9, attempt: 4 }, ..leaf },
            Leaf { replays: None, ..leaf },
            Leaf { forward_in: Some(other), ..leaf },
            Leaf { forward_out: Some(other), ..leaf },
            Leaf { backward_in: Some(other), ..leaf },
            Leaf { backward_out: None, ..leaf },
        ];
        for variant in variants {
            assert_ne!(variant.name(), leaf.name(), "{variant:?}");
        }
    }
}
