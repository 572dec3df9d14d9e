//! Evidence: what a validator found, in a form that anybody can check again without trusting the validator.
//!
//! A piece of evidence holds everything that is needed beside the chain and a recomputation: the commitment whose name
//! the accused posted, the leaf, its way to the committed root. It is named by the BLAKE3 of its encoding, so a verdict
//! that names it cannot be given another meaning later. [`Evidence::verify`] is the offline check; it wants to be told
//! what the chain says ([`Ground::posted`]) and, for a false leaf, what the microbatch comes to when it is computed again
//! ([`Ground::recomputed`]).

mod archive;

use bincode::{Decode, Encode};
use engine::hash::{MerkleError, MerkleProof, MerkleTree, leaf_hash};
use keys::AccountId;
use neuron::machine::{contradict, verify_leaf};
use neuron::manifest::MAX_OPENED_TENSOR_BYTES;
use neuron::message::commit::Commitment;
use neuron::message::leaf::{Leaf, LeafRecord};
use neuron::message::names::{Hash, RunId, WindowId};
use neuron::message::signed::Network;
use neuron::message::transfer::{Direction, Signed, Transfer};
use neuron::wire::{self, WireError};
use thiserror::Error;

pub use archive::{Archive, ArchiveError, Entry, MAX_ARCHIVE_ENTRIES};

use crate::machine::hop::{Compared, Tensors, claims};
use crate::machine::identity::Identity;
use crate::machine::judge::{Judgement, Recomputed, judge};

/// Most bytes of an encoded [`Evidence`] beside opened tensors: room for the hashes of every boundary of the longest model.
pub const MAX_STATEMENT_BYTES: usize = 64 * 1024;
/// Most bytes of an encoded [`Evidence`], with the four tensors of a hop.
pub const MAX_EVIDENCE_BYTES: usize = MAX_STATEMENT_BYTES + 4 * MAX_OPENED_TENSOR_BYTES;

/// A leaf under a commitment that was posted on chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Opening {
    /// The commitment. The name of its encoding is what was posted.
    pub commitment: Commitment,
    /// The leaf.
    pub leaf: Leaf,
    /// Its place in the tree.
    pub index: u64,
    /// The way up to the root, lowest first.
    pub siblings: Vec<Hash>,
}

impl Opening {
    /// Opens a leaf of a complete list of leaves (in the order of their tree).
    ///
    /// # Errors
    /// When there is no such leaf.
    pub fn of(commitment: Commitment, records: &[LeafRecord], index: usize) -> Result<Self, MerkleError> {
        let leaves = records.len() as u64;
        let index = index as u64;
        let missing = MerkleError::NoSuchLeaf { index, leaves };
        let record = usize::try_from(index).ok().and_then(|place| records.get(place)).ok_or(missing)?;
        let tree = MerkleTree::new(records.iter().map(|record| leaf_hash(&record.leaf.name().0)).collect());
        let siblings = tree.open(index)?.siblings.into_iter().map(Hash::from).collect();
        Ok(Self { commitment, leaf: record.leaf, index, siblings })
    }

    /// Checks that `accused` posted this commitment and that the leaf is under it.
    fn check(&self, accused: &Identity, ground: &Ground<'_>) -> Result<(), EvidenceError> {
        let Commitment { run, window, stage, hotkey, .. } = self.commitment;
        if hotkey != accused.hotkey || run != ground.run {
            return Err(EvidenceError::OtherCommitment);
        }
        if window != self.leaf.window || stage != self.leaf.stage {
            return Err(EvidenceError::MisplacedLeaf);
        }
        let name = Hash::of(&self.commitment.to_bytes()?);
        let posted = (ground.posted)(&hotkey, window);
        if posted != Some(name) {
            return Err(EvidenceError::NotPosted { name, posted });
        }
        let siblings = self.siblings.iter().map(|hash| (*hash).into()).collect();
        let proof = MerkleProof { index: self.index, leaves: u64::from(self.commitment.leaves), siblings };
        Ok(verify_leaf(&self.leaf, &proof, &self.commitment.leaves_root)?)
    }
}

/// What a miner said about one of its tensors.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Said {
    /// To its neighbour, signed.
    Signed(Box<Signed<Transfer>>),
    /// To everybody, as an outgoing transfer of a leaf that it committed to.
    Committed {
        /// The leaf under its commitment.
        opening: Box<Opening>,
        /// Which of the leaf's outgoing transfers.
        direction: Direction,
    },
}

impl Said {
    fn transfer(&self) -> Option<Transfer> {
        match self {
            Self::Signed(signed) => Some(signed.statement),
            Self::Committed { opening, direction: Direction::Forward } => opening.leaf.forward_out,
            Self::Committed { opening, direction: Direction::Backward } => opening.leaf.backward_out,
        }
    }

    fn check(&self, accused: &Identity, ground: &Ground<'_>) -> Result<Transfer, EvidenceError> {
        let transfer = self.transfer().ok_or(EvidenceError::MisplacedLeaf)?;
        if transfer.from != accused.hotkey {
            return Err(EvidenceError::NotTheirWords);
        }
        match self {
            Self::Signed(signed) if !signed.holds(ground.network) => Err(EvidenceError::NotTheirWords),
            Self::Signed(_) => Ok(transfer),
            Self::Committed { opening, .. } => opening.check(accused, ground).map(|()| transfer),
        }
    }
}

/// Proof of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Evidence {
    /// A committed leaf with true inputs and a false output.
    FalseLeaf {
        /// Whose.
        accused: Identity,
        /// The leaf under its commitment.
        opening: Box<Opening>,
        /// The weights of every stage in that window, by name: what the recomputation starts from.
        thetas: Vec<Hash>,
        /// What the recomputation came to.
        truth: Recomputed,
    },
    /// Two statements about one tensor.
    Contradiction {
        /// Whose.
        accused: Identity,
        /// What it said.
        first: Said,
        /// What it also said.
        second: Said,
    },
    /// A committed leaf whose outputs are further from what its inputs come to than the run's tolerance. One alone may be
    /// chance.
    FarLeaf {
        /// Whose.
        accused: Identity,
        /// The leaf under its commitment, which names the weights.
        opening: Box<Opening>,
        /// The tensors that the leaf names.
        tensors: Tensors,
    },
}

/// Computes a hop again, with weights of that name.
pub type Compare<'a> = dyn Fn(&Leaf, Hash, &Tensors) -> Option<Compared> + 'a;

/// Computes a microbatch of a window again, from weights of these names.
pub type Recompute<'a> = dyn Fn(WindowId, u32, &[Hash]) -> Option<Recomputed> + 'a;

/// What evidence is checked against.
pub struct Ground<'a> {
    /// Where signatures count.
    pub network: &'a Network,
    /// The run.
    pub run: RunId,
    /// Stages of its model.
    pub stages: u16,
    /// Who held a hotkey's slot at a window's anchor block: a verdict follows slot and registration, so that evidence
    /// against one miner must not be able to name another's.
    pub member: &'a dyn Fn(&AccountId, WindowId) -> Option<Identity>,
    /// The commitment that a hotkey posted for a window, as the chain has it.
    pub posted: &'a dyn Fn(&AccountId, WindowId) -> Option<Hash>,
    /// A microbatch computed again, by whoever checks, with weights of those names; `None` when it cannot be.
    pub recomputed: &'a Recompute<'a>,
    /// A hop computed again, by whoever checks; `None` when it cannot be, or starts from other weights than the window's.
    pub compared: &'a Compare<'a>,
    /// How far off a hop may be in this run; `None` in an exact one.
    pub bound: Option<f64>,
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Not an encoding of evidence.
    #[error(transparent)]
    Encoding(#[from] WireError),
    /// The accused is not who the chain says that it was.
    #[error(
        "the accused is said to be {said}, the chain has {found:?} in that window; the evidence names somebody else"
    )]
    OtherIdentity {
        /// In the evidence.
        said: Identity,
        /// On chain.
        found: Option<Identity>,
    },
    /// The commitment is somebody else's, or of another run.
    #[error("the commitment is not the accused's in this run; the evidence is about somebody else")]
    OtherCommitment,
    /// The leaf does not belong in its place.
    #[error("the leaf does not fit its commitment's window, stage or model, or lacks the transfer it is shown for")]
    MisplacedLeaf,
    /// The chain says otherwise.
    #[error("the commitment {name} is not what the accused posted ({posted:?}); look at the posts of its window")]
    NotPosted {
        /// The commitment's name.
        name: Hash,
        /// What is on chain.
        posted: Option<Hash>,
    },
    /// The leaf is not under the root.
    #[error("the leaf is not under the committed root: {0}")]
    NotUnderRoot(#[from] MerkleError),
    /// A signature does not hold, or the statement is somebody else's.
    #[error("a statement in the evidence was not made by the accused")]
    NotTheirWords,
    /// The statements go together.
    #[error("the two statements do not contradict each other")]
    NoContradiction,
    /// The microbatch could not be computed again, so nothing is proved yet.
    #[error("the microbatch could not be computed again; fetch the weights that the evidence names and retry")]
    NotRecomputed,
    /// The recomputation came to something else than the evidence says.
    #[error("the recomputation disagrees with the evidence: whoever made the evidence computed something else")]
    OtherTruth,
    /// The tensors are others.
    #[error("the opened tensors are not those that the leaf names; whoever made the evidence mixed them up")]
    OtherTensors,
    /// Nothing is far off.
    #[error(
        "the hop is not further off than the run's tolerance by inputs that honest stages hand over, or the run has none"
    )]
    NotFar,
    /// The leaf is true, or its inputs were corrupted by somebody else.
    #[error("the leaf is not false: {0:?}")]
    NotFalse(Judgement),
}

impl Evidence {
    /// Whose fault it shows.
    pub fn accused(&self) -> &Identity {
        match self {
            Self::FalseLeaf { accused, .. } | Self::Contradiction { accused, .. } | Self::FarLeaf { accused, .. } => {
                accused
            }
        }
    }

    /// The window in which it happened.
    pub fn window(&self) -> Option<WindowId> {
        match self {
            Self::FalseLeaf { opening, .. } | Self::FarLeaf { opening, .. } => Some(opening.leaf.window),
            Self::Contradiction { first, .. } => first.transfer().map(|transfer| transfer.window),
        }
    }

    /// The encoding, whose BLAKE3 is the evidence's name.
    ///
    /// # Errors
    /// When it is longer than evidence may be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        wire::encode::<_, MAX_EVIDENCE_BYTES>(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes are not exactly one piece of evidence.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode::<_, MAX_EVIDENCE_BYTES>(bytes)
    }

    /// Checks the evidence from scratch. `Ok` means: the accused is at fault, whoever says so.
    ///
    /// # Errors
    /// What is missing or wrong, so that the evidence proves nothing.
    pub fn verify(&self, ground: &Ground<'_>) -> Result<(), EvidenceError> {
        let said = *self.accused();
        let found = self.window().and_then(|window| (ground.member)(&said.hotkey, window));
        if found != Some(said) {
            return Err(EvidenceError::OtherIdentity { said, found });
        }
        match self {
            Self::FalseLeaf { accused, opening, thetas, truth } => {
                opening.check(accused, ground)?;
                let leaf = &opening.leaf;
                let right_weights = thetas.get(usize::from(leaf.stage.0)) == Some(&opening.commitment.state.theta);
                if thetas.len() != usize::from(ground.stages) || !truth.has_stages(ground.stages) || !right_weights {
                    return Err(EvidenceError::MisplacedLeaf);
                }
                let recomputed = (ground.recomputed)(leaf.window, leaf.pass.microbatch, thetas);
                if recomputed.ok_or(EvidenceError::NotRecomputed)? != *truth {
                    return Err(EvidenceError::OtherTruth);
                }
                match judge(leaf, ground.stages, truth) {
                    Judgement::False(_) => Ok(()),
                    judgement => Err(EvidenceError::NotFalse(judgement)),
                }
            }
            Self::Contradiction { accused, first, second } => {
                let (first, second) = (first.check(accused, ground)?, second.check(accused, ground)?);
                if first.run != ground.run || !contradict(&first, &second) {
                    return Err(EvidenceError::NoContradiction);
                }
                Ok(())
            }
            Self::FarLeaf { accused, opening, tensors } => {
                opening.check(accused, ground)?;
                let leaf = &opening.leaf;
                if !claims(leaf, ground.stages) {
                    return Err(EvidenceError::MisplacedLeaf);
                }
                if !tensors.are_of(leaf) {
                    return Err(EvidenceError::OtherTensors);
                }
                let bound = ground.bound.ok_or(EvidenceError::NotFar)?;
                let compared = (ground.compared)(leaf, opening.commitment.state.theta, tensors);
                match compared.ok_or(EvidenceError::NotRecomputed)? {
                    Compared::Off { error, .. } if error > bound => Ok(()),
                    Compared::Off { .. } | Compared::Corrupted => Err(EvidenceError::NotFar),
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use keys::Keypair;
    use neuron::message::commit::StageState;
    use neuron::message::names::{BlockNumber, Codec, StageId, Uid};
    use neuron::message::transfer::PassId;

    use super::*;

    fn transfer(from: AccountId, microbatch: u32, payload: u8) -> Transfer {
        Transfer {
            run: RunId(Hash([1; 32])),
            window: WindowId(2),
            stage: StageId(0),
            pass: PassId { microbatch, attempt: 0 },
            direction: Direction::Forward,
            from,
            to: AccountId([7; 32]),
            codec: Codec(1),
            payload: Hash([payload; 32]),
            payload_bytes: 10,
        }
    }

    /// A signed contradiction about a microbatch.
    pub(crate) fn contradiction(network: &Network, microbatch: u32) -> Evidence {
        let key = Keypair::from_uri("//Alice").unwrap();
        let hotkey = key.account_id();
        let said = |payload| {
            Said::Signed(Box::new(Signed::sign(&key, network, transfer(hotkey, microbatch, payload)).unwrap()))
        };
        let accused = Identity { hotkey, uid: Uid(3), registered_at: BlockNumber(4) };
        Evidence::Contradiction { accused, first: said(1), second: said(2) }
    }

    fn opening() -> Opening {
        let state = StageState { theta: Hash([5; 32]), blob: Hash([6; 32]) };
        let (run, window, stage, hotkey) = (RunId(Hash([1; 32])), WindowId(2), StageId(0), AccountId([4; 32]));
        let forward_out = Some(transfer(hotkey, 1, 1));
        let pass = PassId { microbatch: 1, attempt: 0 };
        Opening {
            commitment: Commitment {
                run,
                window,
                stage,
                hotkey,
                state,
                leaves_root: Hash([7; 32]),
                leaves: 8,
                upload: None,
                residual: Hash::ZERO,
            },
            leaf: Leaf {
                window,
                stage,
                pass,
                replays: None,
                forward_in: None,
                forward_out,
                backward_in: None,
                backward_out: None,
            },
            index: 3,
            siblings: vec![Hash([8; 32]); 3],
        }
    }

    #[test]
    fn golden() {
        let accused = Identity { hotkey: AccountId([4; 32]), uid: Uid(3), registered_at: BlockNumber(4) };
        let signature = keys::Signature::Sr25519([11; 64]);
        let signed = Said::Signed(Box::new(Signed { statement: transfer(accused.hotkey, 1, 1), signature }));
        let committed = Said::Committed { opening: Box::new(opening()), direction: Direction::Backward };
        let truth = Recomputed { forward: vec![Hash([1; 32])], backward: vec![Hash([2; 32])] };
        let (opening, thetas) = (Box::new(opening()), vec![Hash([5; 32])]);
        let false_leaf = Evidence::FalseLeaf { accused, opening, thetas, truth };
        let contradiction = Evidence::Contradiction { accused, first: signed, second: committed };
        assert_eq!(
            wire::golden_hash(&false_leaf).unwrap(),
            "50e6dea67224303a4f8631dd31a5ee68a3ae2fecdab1ff98356d7a806c4f3237"
        );
        assert_eq!(
            wire::golden_hash(&contradiction).unwrap(),
            "3d937548d63fbb1ffbeb1a66430219289fbb3f682a18555538fa07900b7cb3b3"
        );
    }

    #[test]
    fn the_largest_evidence_fits_and_a_length_that_lies_is_refused() {
        let accused = Identity { hotkey: AccountId([4; 32]), uid: Uid(3), registered_at: BlockNumber(4) };
        let stages = usize::from(neuron::manifest::MAX_STAGES);
        let hashes = vec![Hash([1; 32]); stages];
        let truth = Recomputed { forward: hashes.clone(), backward: hashes.clone() };
        let opening = Opening { siblings: vec![Hash([1; 32]); 32], ..opening() };
        let evidence = Evidence::FalseLeaf { accused, opening: Box::new(opening), thetas: hashes, truth };
        let bytes = evidence.to_bytes().unwrap();
        assert!(bytes.len() < MAX_STATEMENT_BYTES);
        assert_eq!(Evidence::from_bytes(&bytes).unwrap(), evidence);
        assert!(Evidence::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Evidence::from_bytes(&vec![0xff; MAX_EVIDENCE_BYTES + 1]).is_err());
        assert!(Evidence::from_bytes(&[0xff; 64]).is_err());
    }

    #[test]
    fn a_contradiction_needs_two_statements_of_the_accused_that_differ() {
        let network = Network { genesis: [1; 32], netuid: 2 };
        let nothing = |_: &AccountId, _: WindowId| None;
        let never = |_: WindowId, _: u32, _: &[Hash]| None;
        let evidence = contradiction(&network, 1);
        let identity = *evidence.accused();
        let member = |hotkey: &AccountId, _: WindowId| (*hotkey == identity.hotkey).then_some(identity);
        let ground = Ground {
            network: &network,
            run: RunId(Hash([1; 32])),
            stages: 2,
            member: &member,
            posted: &nothing,
            recomputed: &never,
            compared: &|_, _, _| None,
            bound: None,
        };
        assert_eq!(evidence.verify(&ground), Ok(()));
        let elsewhere = Network { netuid: 3, ..network };
        assert_eq!(evidence.verify(&Ground { network: &elsewhere, ..ground }), Err(EvidenceError::NotTheirWords));
        let Evidence::Contradiction { accused, first, .. } = evidence else { unreachable!() };
        let victim = Identity { uid: Uid(9), registered_at: BlockNumber(1), ..accused };
        let framed = Evidence::Contradiction { accused: victim, first: first.clone(), second: first.clone() };
        assert!(matches!(framed.verify(&ground), Err(EvidenceError::OtherIdentity { .. })), "names a stranger's slot");
        let repeated = Evidence::Contradiction { accused, second: first.clone(), first: first.clone() };
        assert_eq!(repeated.verify(&ground), Err(EvidenceError::NoContradiction));
        let second = Said::Committed { opening: Box::new(opening()), direction: Direction::Forward };
        let other = Evidence::Contradiction { accused, first, second };
        assert_eq!(other.verify(&ground), Err(EvidenceError::NotTheirWords), "words of another");
    }
}
