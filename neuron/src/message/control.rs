//! Requests between proven neurons that fit in one small message, over `/narrows/control/1`.

use bincode::{Decode, Encode};
use keys::{AccountId, Keypair, Signature};

use crate::message::signed::{self, Domain, Network};
use crate::message::transfer::{Progress, Reply};
use crate::wire::WireError;

/// Most bytes of a [`ControlRequest`] on the wire.
pub const MAX_CONTROL_REQUEST_BYTES: usize = 64 * 1024;
/// Most bytes of a blob that one answer carries.
pub const MAX_BLOB_PIECE_BYTES: usize = 1024 * 1024;
/// Most bytes of a [`ControlResponse`] on the wire: the largest piece of a blob, and what is written around it.
pub const MAX_CONTROL_RESPONSE_BYTES: usize = MAX_BLOB_PIECE_BYTES + 1024;

const PONG: Domain = Domain("pong/1");

/// What one neuron asks of another.
///
/// New questions go at the end: a variant's place is its number on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum ControlRequest {
    /// "Are you there?" The answer is a signed [`Pong`].
    Ping {
        /// Fresh randomness, so that an old answer does not do.
        nonce: [u8; 32],
    },
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
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum ControlResponse {
    /// To `Ping`.
    Pong(Pong),
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

/// A neuron's signed sign of life. It names who asked and answers a fresh nonce, so the asker can show it to others.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Pong {
    /// Who answers.
    pub hotkey: AccountId,
    /// Who asked.
    pub asker: AccountId,
    /// The question's nonce.
    pub nonce: [u8; 32],
    /// The newest finalized block that the answerer knows: shows how far it lags.
    pub block: u64,
    /// The answerer's signature over the fields above.
    pub signature: Signature,
}

/// Why a [`Pong`] is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PongError {
    /// It speaks for somebody else.
    #[error("the answer is from {found}, {expected} was asked")]
    OtherHotkey {
        /// Who was asked.
        expected: AccountId,
        /// Who the answer says it is from.
        found: AccountId,
    },
    /// It answers another question.
    #[error("the answer of {0} is to another question: its nonce or its asker differ")]
    OtherQuestion(AccountId),
    /// The signature does not hold.
    #[error("the answer of {0} carries a signature that does not hold")]
    BadSignature(AccountId),
}

impl Pong {
    /// Answers `asker`.
    pub fn answer(
        hotkey: &Keypair,
        network: &Network,
        asker: AccountId,
        nonce: [u8; 32],
        block: u64,
    ) -> Result<Self, WireError> {
        let signature = signed::sign(hotkey, network, PONG, &(hotkey.account_id(), asker, nonce, block))?;
        Ok(Self { hotkey: hotkey.account_id(), asker, nonce, block, signature })
    }

    /// Checks that `expected` answered exactly this question of `asker`.
    pub fn check(
        &self,
        network: &Network,
        expected: AccountId,
        asker: AccountId,
        nonce: &[u8; 32],
    ) -> Result<(), PongError> {
        if self.hotkey != expected {
            return Err(PongError::OtherHotkey { expected, found: self.hotkey });
        }
        if self.asker != asker || self.nonce != *nonce {
            return Err(PongError::OtherQuestion(expected));
        }
        let fields = (self.hotkey, self.asker, self.nonce, self.block);
        if !signed::is_signed_by(&expected, network, PONG, &fields, &self.signature) {
            return Err(PongError::BadSignature(expected));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::names::{Hash, WindowId};
    use crate::message::transfer::{PassId, Receipt, Signed};
    use crate::wire;

    const NETWORK: Network = Network { genesis: [1; 32], netuid: 2 };

    fn alice() -> Keypair {
        Keypair::from_uri("//Alice").unwrap()
    }

    #[test]
    fn a_pong_is_evidence_for_one_question_only() {
        let asker = AccountId([9; 32]);
        let pong = Pong::answer(&alice(), &NETWORK, asker, [5; 32], 77).unwrap();
        let alice = alice().account_id();
        assert_eq!(pong.check(&NETWORK, alice, asker, &[5; 32]), Ok(()));
        assert_eq!(pong.check(&NETWORK, alice, asker, &[6; 32]), Err(PongError::OtherQuestion(alice)));
        assert_eq!(pong.check(&NETWORK, alice, AccountId([8; 32]), &[5; 32]), Err(PongError::OtherQuestion(alice)));
        let bob = AccountId([3; 32]);
        let other = PongError::OtherHotkey { expected: bob, found: alice };
        assert_eq!(pong.check(&NETWORK, bob, asker, &[5; 32]), Err(other));
        let later = Pong { block: 78, ..pong };
        assert_eq!(later.check(&NETWORK, alice, asker, &[5; 32]), Err(PongError::BadSignature(alice)));
    }

    #[test]
    fn golden() {
        let requests = vec![
            ControlRequest::Ping { nonce: [5; 32] },
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
        ];
        assert_eq!(
            wire::golden_hash(&requests).unwrap(),
            "3f4afa440603495073258a3a53c482c213ee72b689e82b1b78ea8c1d4f367aed"
        );
        let responses = vec![
            ControlResponse::Pong(Pong {
                hotkey: AccountId([1; 32]),
                asker: AccountId([2; 32]),
                nonce: [3; 32],
                block: 4,
                signature: Signature::Sr25519([5; 64]),
            }),
            ControlResponse::Blob { total_bytes: 9, bytes: vec![1, 2, 3] },
            ControlResponse::Refused(ControlRefusal::Busy),
            ControlResponse::Refused(ControlRefusal::NotFound),
            ControlResponse::Refused(ControlRefusal::OutOfRange),
            ControlResponse::Refused(ControlRefusal::Unsupported),
            ControlResponse::Noted,
        ];
        assert_eq!(
            wire::golden_hash(&responses).unwrap(),
            "882d1e6a3827488690bf1c0a47b3085309faa56cefd08a3ef7705967e0f71298"
        );
    }
}
