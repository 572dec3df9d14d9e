//! Hand-overs of tensors between neurons, and what is said about them.
//!
//! A [`Transfer`] is a statement, signed by its sender: "in this run, window and attempt, my output for this microbatch
//! is these bytes". The receiver answers with a signed [`Receipt`] or [`Refusal`]. The tensor itself travels beside the
//! statement on a stream; the statement names it by hash.
//!
//! One sender says one thing about one [`TransferKey`], whomever it says it to: a re-route repeats the same payload to
//! another receiver. Two signed transfers with one key and two payloads are therefore fault on their face
//! (`machine::custody`).

use bincode::{Decode, Encode};
use keys::{AccountId, Keypair, Signature};

use super::names::{Codec, Hash, RunId, StageId, WindowId};
use super::signed::{self, Domain, Network};
use crate::wire::WireError;

/// Most bytes of a signed [`Transfer`] on the wire.
pub const MAX_TRANSFER_BYTES: usize = 256;
/// Most bytes of a signed [`Receipt`] or [`Refusal`] on the wire.
pub const MAX_REPLY_BYTES: usize = 192;
/// Most bytes of a [`Progress`] on the wire.
pub const MAX_PROGRESS_BYTES: usize = 64;

/// Which way a tensor moves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub enum Direction {
    /// Activations, to the next stage.
    Forward,
    /// Gradients of the activations, to the stage before.
    Backward,
}

/// One go at one microbatch of a window. Attempts count the owners that the beacon drew for it, in turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct PassId {
    /// Index of the microbatch in the window.
    pub microbatch: u32,
    /// Which attempt at it, from 0.
    pub attempt: u8,
}

/// The statement behind one hand-over of a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Transfer {
    /// The run.
    pub run: RunId,
    /// The window whose weights made the tensor.
    pub window: WindowId,
    /// The stage of the sender.
    pub stage: StageId,
    /// The microbatch and attempt.
    pub pass: PassId,
    /// Activations or gradients.
    pub direction: Direction,
    /// Who made the tensor and signs.
    pub from: AccountId,
    /// Who is to take it.
    pub to: AccountId,
    /// How the bytes are to be read.
    pub codec: Codec,
    /// BLAKE3 of the bytes on the wire.
    pub payload: Hash,
    /// How many bytes, so that the receiver can refuse before it reads them.
    pub payload_bytes: u32,
}

/// What a sender may say only one thing about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransferKey {
    /// The window (the run is the machine's own).
    pub window: WindowId,
    /// The stage.
    pub stage: StageId,
    /// The microbatch and attempt.
    pub pass: PassId,
    /// Activations or gradients.
    pub direction: Direction,
    /// The sender.
    pub from: AccountId,
}

impl Transfer {
    /// The statement's name; receipts and refusals point to it.
    pub fn id(&self) -> Hash {
        Hash::of_value("narrows transfer id 1", self)
    }

    /// What this statement is about.
    pub fn key(&self) -> TransferKey {
        let Self { window, stage, pass, direction, from, .. } = *self;
        TransferKey { window, stage, pass, direction, from }
    }
}

/// "I took these bytes into custody": the receiver's answer to a transfer that it accepts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Receipt {
    /// The transfer's name.
    pub transfer: Hash,
    /// Who took it and signs.
    pub by: AccountId,
    /// How many more forward passes the receiver would take right now: the sender's credit.
    pub credits: u16,
}

/// Why a transfer is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub enum RefusalReason {
    /// As many passes in flight as are allowed; try another, or later.
    Busy,
    /// The receiver's window is not open for work: it is elsewhere in time, catching up, or done.
    Closed,
    /// By placement or ownership this transfer cannot be.
    Misplaced,
    /// This pass came before with another payload; one answer per pass is all that may be signed.
    Conflict,
    /// The pass was taken over by another path; nothing more is expected from this one.
    Superseded,
    /// The receiver knows of no such pass, or wants no more of it.
    Unknown,
    /// The bytes are not a tensor of the right shape.
    BadPayload,
    /// The receiver took it but could find nobody further on.
    Failed,
}

/// "I do not take these bytes, for this reason", signed: it is what entitles a sender to go further down its ranking.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Refusal {
    /// The transfer's name.
    pub transfer: Hash,
    /// Who refuses and signs.
    pub by: AccountId,
    /// Why.
    pub reason: RefusalReason,
}

/// A receiver's answer to a transfer: on the stream that brought it, or later in a message of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Reply {
    /// It took the tensor.
    Receipt(Signed<Receipt>),
    /// It did not, or no longer.
    Refusal(Signed<Refusal>),
}

impl Reply {
    /// Whether `by` says this, and signed it.
    pub fn is_from(&self, by: &AccountId, network: &Network) -> bool {
        match self {
            Self::Receipt(signed) => signed.statement.by == *by && signed.holds(network),
            Self::Refusal(signed) => signed.statement.by == *by && signed.holds(network),
        }
    }
}

/// How far an owner is with a microbatch, told to the other replicas of the first stage so that successors stay quiet.
/// Not signed: it travels on a proven connection and a lie only delays a microbatch until the next attempt opens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Progress {
    /// The window.
    pub window: WindowId,
    /// The microbatch and attempt.
    pub pass: PassId,
    /// Whether its gradient has come back, rather than its forward pass been started.
    pub settled: bool,
}

/// A value that somebody signs for a purpose of its own.
pub trait Statement: Encode {
    /// The purpose.
    const DOMAIN: Domain;

    /// Who has to have signed.
    fn signer(&self) -> AccountId;
}

impl Statement for Transfer {
    const DOMAIN: Domain = Domain("transfer/1");

    fn signer(&self) -> AccountId {
        self.from
    }
}

impl Statement for Receipt {
    const DOMAIN: Domain = Domain("receipt/1");

    fn signer(&self) -> AccountId {
        self.by
    }
}

impl Statement for Refusal {
    const DOMAIN: Domain = Domain("refusal/1");

    fn signer(&self) -> AccountId {
        self.by
    }
}

/// A statement with its signer's signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Signed<T> {
    /// What is said.
    pub statement: T,
    /// The signature of [`Statement::signer`].
    pub signature: Signature,
}

impl<T: Statement> Signed<T> {
    /// Signs with the signer's key.
    ///
    /// # Errors
    /// When the statement is too long to be signed, which none of this module is.
    pub fn sign(hotkey: &Keypair, network: &Network, statement: T) -> Result<Self, WireError> {
        let signature = signed::sign(hotkey, network, T::DOMAIN, &statement)?;
        Ok(Self { statement, signature })
    }

    /// Whether the signature is the signer's.
    pub fn holds(&self, network: &Network) -> bool {
        signed::is_signed_by(&self.statement.signer(), network, T::DOMAIN, &self.statement, &self.signature)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire;

    pub(crate) fn transfer() -> Transfer {
        Transfer {
            run: RunId(Hash([1; 32])),
            window: WindowId(2),
            stage: StageId(3),
            pass: PassId { microbatch: 4, attempt: 5 },
            direction: Direction::Backward,
            from: AccountId([6; 32]),
            to: AccountId([7; 32]),
            codec: Codec(8),
            payload: Hash([9; 32]),
            payload_bytes: 10,
        }
    }

    #[test]
    fn golden() {
        let signature = Signature::Sr25519([11; 64]);
        let receipt = Receipt { transfer: Hash([1; 32]), by: AccountId([2; 32]), credits: 3 };
        let refusal = Refusal { transfer: Hash([1; 32]), by: AccountId([2; 32]), reason: RefusalReason::Failed };
        let progress = Progress { window: WindowId(1), pass: PassId { microbatch: 2, attempt: 3 }, settled: true };
        let transfer = Signed { statement: transfer(), signature };
        for (found, golden) in [
            (wire::golden_hash(&transfer), "cf67734b1085c1119c5e554f47b2db4566b230f119849520fb54ca8776aebd5a"),
            (
                wire::golden_hash(&Signed { statement: receipt, signature }),
                "57bdfc9e286228952d1ff3d4222441ac46480e0e2baf8358e44cf176403e19bf",
            ),
            (
                wire::golden_hash(&Signed { statement: refusal, signature }),
                "da436958d79bfff93004a2cf055ce252bd3d27d5f128f1c20740d93e86af2145",
            ),
            (
                wire::golden_hash(&Reply::Refusal(Signed { statement: refusal, signature })),
                "7a50e22427e3814f6436d99bf846d1c941eec4afa31c2b00eaf1ecd70dd08f4f",
            ),
            (wire::golden_hash(&progress), "eba579dbd107594959caaebc43e6cd3e570d431a0ce1463e491ee80eb6207d84"),
        ] {
            assert_eq!(found.unwrap(), golden);
        }
        assert!(wire::encode::<_, MAX_TRANSFER_BYTES>(&transfer).is_ok());
        assert!(wire::encode::<_, MAX_REPLY_BYTES>(&Signed { statement: receipt, signature }).is_ok());
        assert!(wire::encode::<_, MAX_REPLY_BYTES>(&Signed { statement: refusal, signature }).is_ok());
        assert!(wire::encode::<_, MAX_PROGRESS_BYTES>(&progress).is_ok());
    }

    #[test]
    fn signatures_bind_every_statement_to_its_signer() {
        let network = Network { genesis: [1; 32], netuid: 2 };
        let alice = Keypair::from_uri("//Alice").unwrap();
        let statement = Transfer { from: alice.account_id(), ..transfer() };
        let signed = Signed::sign(&alice, &network, statement).unwrap();
        assert!(signed.holds(&network));
        let forged = Signed { statement: Transfer { payload: Hash::ZERO, ..statement }, ..signed };
        assert!(!forged.holds(&network));
        let other = Signed { statement: Transfer { from: AccountId([6; 32]), ..statement }, ..signed };
        assert!(!other.holds(&network));
    }

    #[test]
    fn the_key_ignores_the_receiver_and_the_payload() {
        let one = transfer();
        let rerouted = Transfer { to: AccountId([8; 32]), ..one };
        assert_eq!(one.key(), rerouted.key());
        assert_ne!(one.id(), rerouted.id());
    }
}
