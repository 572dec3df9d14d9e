//! Who held what: signed transfers seen, leaves, their tree, and proof of contradiction.
//!
//! A sender may say one thing about one [`TransferKey`]. The [`Ledger`] remembers the first statement per key of a
//! window and, on a second one with another payload, yields an [`Equivocation`] that anybody can check from its own
//! bytes. Having *received* garbage is no fault; having signed two answers is.
//!
//! Leaves are sorted by name before they enter the tree, so a set of leaves has one root.
//!
//! Invariants: the ledger is bounded by microbatches × attempts × what may be received (the machine only notes
//! transfers that placement allows); a leaf's proof verifies against the root that was committed, or there is no proof.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use engine::hash::{MerkleError, MerkleProof, MerkleTree, leaf_hash};

use crate::message::leaf::{Leaf, LeafRecord};
use crate::message::names::Hash;
use crate::message::signed::Network;
use crate::message::transfer::{Signed, Transfer, TransferKey};

/// Two signed statements of one sender about one key, with different payloads: fault on its face.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Equivocation {
    /// What was said first.
    pub first: Signed<Transfer>,
    /// What contradicts it.
    pub second: Signed<Transfer>,
}

/// Whether two statements cannot both be honest: same run and key, other bytes or another reading of them.
pub fn contradict(one: &Transfer, other: &Transfer) -> bool {
    let said = |transfer: &Transfer| (transfer.codec, transfer.payload, transfer.payload_bytes);
    one.run == other.run && one.key() == other.key() && said(one) != said(other)
}

impl Equivocation {
    /// Whether this proves fault: both signatures hold and the statements contradict each other. Needs nothing but the
    /// evidence itself and the network's name.
    pub fn proves_fault(&self, network: &Network) -> bool {
        contradict(&self.first.statement, &self.second.statement)
            && self.first.holds(network)
            && self.second.holds(network)
    }
}

/// The first thing that each sender said about each key in a window.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    said: BTreeMap<TransferKey, Signed<Transfer>>,
}

impl Ledger {
    /// Notes a verified transfer; yields evidence when it contradicts one noted before.
    pub fn note(&mut self, transfer: &Signed<Transfer>) -> Option<Equivocation> {
        let first = self.said.entry(transfer.statement.key()).or_insert(*transfer);
        contradict(&first.statement, &transfer.statement).then_some(Equivocation { first: *first, second: *transfer })
    }
}

/// A window's leaves in the order of their tree.
#[derive(Clone, Debug)]
pub struct LeafTree {
    records: Vec<LeafRecord>,
    tree: MerkleTree,
}

impl LeafTree {
    /// Sorts the leaves by name and builds their tree.
    pub fn new(mut records: Vec<LeafRecord>) -> Self {
        records.sort_by_cached_key(|record| record.leaf.name());
        let tree = MerkleTree::new(records.iter().map(|record| leaf_hash(&record.leaf.name().0)).collect());
        Self { records, tree }
    }

    /// The root to commit.
    pub fn root(&self) -> Hash {
        self.tree.root().into()
    }

    /// The leaves, in order.
    pub fn records(&self) -> &[LeafRecord] {
        &self.records
    }

    /// The leaf at `index` with the proof that it stands there.
    ///
    /// # Errors
    /// When there is no such leaf.
    pub fn open(&self, index: u64) -> Result<(LeafRecord, MerkleProof), MerkleError> {
        let proof = self.tree.open(index)?;
        let place = usize::try_from(index).ok().and_then(|place| self.records.get(place));
        let record = place.ok_or(MerkleError::NoSuchLeaf { index, leaves: self.tree.leaves() })?;
        Ok((*record, proof))
    }
}

/// Checks that a leaf stands under a committed root.
///
/// # Errors
/// When the proof does not lead from the leaf to the root.
pub fn verify_leaf(leaf: &Leaf, proof: &MerkleProof, root: &Hash) -> Result<(), MerkleError> {
    proof.verify(&leaf_hash(&leaf.name().0), &(*root).into())
}

#[cfg(test)]
mod tests {
    use keys::{AccountId, Keypair};

    use super::*;
    use crate::message::names::{Codec, RunId, StageId, WindowId};
    use crate::message::transfer::{Direction, PassId};

    const NETWORK: Network = Network { genesis: [1; 32], netuid: 2 };

    fn transfer(from: AccountId, to: u8, payload: u8) -> Transfer {
        Transfer {
            run: RunId(Hash([1; 32])),
            window: WindowId(2),
            stage: StageId(0),
            pass: PassId { microbatch: 4, attempt: 0 },
            direction: Direction::Forward,
            from,
            to: AccountId([to; 32]),
            codec: Codec(1),
            payload: Hash([payload; 32]),
            payload_bytes: 10,
        }
    }

    #[test]
    fn two_payloads_under_one_key_are_evidence_and_a_reroute_is_not() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let sign = |transfer| Signed::sign(&alice, &NETWORK, transfer).unwrap();
        let me = alice.account_id();
        let mut ledger = Ledger::default();
        assert_eq!(ledger.note(&sign(transfer(me, 1, 7))), None);
        assert_eq!(ledger.note(&sign(transfer(me, 1, 7))), None, "a repetition");
        assert_eq!(ledger.note(&sign(transfer(me, 2, 7))), None, "a re-route");
        let next = Transfer { pass: PassId { microbatch: 4, attempt: 1 }, ..transfer(me, 1, 8) };
        assert_eq!(ledger.note(&sign(next)), None, "another attempt");
        let evidence = ledger.note(&sign(transfer(me, 3, 8))).unwrap();
        assert!(evidence.proves_fault(&NETWORK));
        assert!(!evidence.proves_fault(&Network { netuid: 3, ..NETWORK }));
    }

    #[test]
    fn nobody_is_accused_with_words_they_did_not_sign() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let bob = Keypair::from_uri("//Bob").unwrap();
        let honest = Signed::sign(&alice, &NETWORK, transfer(alice.account_id(), 1, 7)).unwrap();
        let mut forged = Signed::sign(&bob, &NETWORK, transfer(alice.account_id(), 1, 8)).unwrap();
        assert!(!Equivocation { first: honest, second: forged }.proves_fault(&NETWORK));
        forged.statement = honest.statement;
        assert!(!Equivocation { first: honest, second: forged }.proves_fault(&NETWORK), "no contradiction");
    }

    #[test]
    fn leaves_have_one_root_and_open_under_it() {
        let records: Vec<_> = (0..13)
            .map(|microbatch| {
                let leaf = Leaf {
                    window: WindowId(1),
                    stage: StageId(2),
                    pass: PassId { microbatch, attempt: 0 },
                    replays: None,
                    forward_in: Some(transfer(AccountId([3; 32]), 1, 1)),
                    forward_out: None,
                    backward_in: None,
                    backward_out: None,
                };
                LeafRecord { leaf, forward_in: None, backward_in: None, forward_receipt: None, backward_receipt: None }
            })
            .collect();
        let tree = LeafTree::new(records.clone());
        let reversed = LeafTree::new(records.into_iter().rev().collect());
        assert_eq!(tree.root(), reversed.root());
        for index in 0..13 {
            let (record, proof) = tree.open(index).unwrap();
            verify_leaf(&record.leaf, &proof, &tree.root()).unwrap();
            let other = Leaf { window: WindowId(9), ..record.leaf };
            assert!(verify_leaf(&other, &proof, &tree.root()).is_err());
        }
        assert!(tree.open(13).is_err());
        assert_ne!(LeafTree::new(vec![]).root(), tree.root());
    }
}
