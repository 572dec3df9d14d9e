//! The proof that a peer speaks for a registered hotkey.
//!
//! Right after a connection is up, each side sends a [`Hello`] over `/narrows/handshake/1`: a statement, signed by the hotkey,
//! that this peer of the transport is its voice. The transport has already authenticated the peer's name, so a statement that
//! was copied from another peer names the wrong one and is refused.
//!
//! Who accepts a `Hello` answers with its own, on the same stream. That is not politeness: a neuron that has crashed and come
//! back may meet a peer that still takes it for connected, and whose own `Hello` goes down the dead connection.

use std::collections::HashSet;

use bincode::{Decode, Encode};
use keys::{AccountId, Keypair, Signature};
use libp2p::PeerId;
use serde::Serialize;

use crate::message::signed::{self, Domain, Network};
use crate::wire::WireError;

/// Most bytes of a [`Hello`] on the wire.
pub(super) const MAX_HELLO_BYTES: usize = 512;
/// Most bytes of a [`HelloReply`] on the wire.
pub(super) const MAX_HELLO_REPLY_BYTES: usize = MAX_HELLO_BYTES + 64;

const HELLO: Domain = Domain("hello/1");

/// A hotkey's statement about its peer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Hello {
    /// The chain and subnet it is for.
    pub network: Network,
    /// Whose voice the peer is.
    pub hotkey: AccountId,
    /// The peer's name, in the transport's bytes.
    pub peer: Vec<u8>,
    /// The newest finalized block when it was signed. It dates the statement: an old one cannot be used again, and of two peers
    /// for one hotkey the newer statement wins.
    pub valid_at_block: u64,
    /// Drawn at random when the neuron started. Another number from the same peer means that it has restarted, and knows nothing
    /// of older connections.
    pub start: u64,
    /// The hotkey's signature over the fields above.
    pub signature: Signature,
}

/// What the other side says to a [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum HelloReply {
    /// Believed; requests, tensors and gossip are heard from now on.
    Accepted(Hello),
    /// Not believed; the connection is about to be closed.
    Refused(Refusal),
}

/// Why a peer is not believed, or no longer.
///
/// New reasons go at the end: a variant's place is its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The message is not a proof.
    #[error("what it sent as a proof cannot be read")]
    Malformed,
    /// Another chain.
    #[error("it is on another chain: its genesis block differs")]
    OtherChain,
    /// Another subnet.
    #[error("it serves another subnet")]
    OtherSubnet,
    /// A proof made for another peer.
    #[error("it presented a proof that was made for another peer")]
    OtherPeer,
    /// The signature does not hold.
    #[error("its proof's signature does not hold")]
    BadSignature,
    /// The hotkey is not registered.
    #[error("its hotkey is not registered in the subnet (`neuron register`)")]
    NotRegistered,
    /// The proof is too old.
    #[error("its proof is too old: it, or this neuron, lags behind the chain")]
    Stale,
    /// The proof is dated in the future.
    #[error("its proof is dated after our newest block: this neuron may lag behind the chain")]
    FromTheFuture,
    /// A newer proof of the same hotkey came from another peer.
    #[error("a newer proof of the same hotkey came from another peer: does its hotkey run twice?")]
    Superseded,
    /// No proof in time.
    #[error("it did not prove a hotkey in time")]
    Absent,
    /// Somebody else was expected at that address, or of that peer.
    #[error("it speaks for another hotkey than the one expected of it")]
    OtherHotkey,
    /// Too many proofs from one peer.
    #[error("it sends proof after proof")]
    Insistent,
    /// It keeps sending what makes no sense.
    #[error("it sends gossip that does not hold, again and again")]
    Nuisance,
}

impl Refusal {
    /// Whether an honest peer can come to this by bad timing: its ban is short then.
    pub(super) fn may_be_honest(self) -> bool {
        matches!(
            self,
            Self::NotRegistered
                | Self::Stale
                | Self::FromTheFuture
                | Self::Superseded
                | Self::Absent
                | Self::OtherHotkey
        )
    }
}

/// What a checked [`Hello`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) hotkey: AccountId,
    pub(super) block: u64,
    pub(super) start: u64,
}

/// What a [`Hello`] is checked against.
pub(super) struct Expectation<'a> {
    pub(super) network: &'a Network,
    /// The peer that sent it, as the transport authenticated it.
    pub(super) remote: &'a PeerId,
    pub(super) members: &'a HashSet<AccountId>,
    /// Our newest finalized block.
    pub(super) now_block: u64,
    /// How far a proof's block may be from ours, either way.
    pub(super) window_blocks: u64,
}

impl Hello {
    /// Signs that `peer` speaks for `hotkey`.
    pub(super) fn sign(
        hotkey: &Keypair,
        network: Network,
        peer: &PeerId,
        block: u64,
        start: u64,
    ) -> Result<Self, WireError> {
        let (id, peer) = (hotkey.account_id(), peer.to_bytes());
        let signature = signed::sign(hotkey, &network, HELLO, &(id, &peer, block, start))?;
        Ok(Self { network, hotkey: id, peer, valid_at_block: block, start, signature })
    }

    /// Checks everything, the cheap things first.
    pub(super) fn check(&self, expected: &Expectation<'_>) -> Result<Proof, Refusal> {
        if self.network.genesis != expected.network.genesis {
            return Err(Refusal::OtherChain);
        }
        if self.network.netuid != expected.network.netuid {
            return Err(Refusal::OtherSubnet);
        }
        if self.peer != expected.remote.to_bytes() {
            return Err(Refusal::OtherPeer);
        }
        if !expected.members.contains(&self.hotkey) {
            return Err(Refusal::NotRegistered);
        }
        if self.valid_at_block.saturating_add(expected.window_blocks) < expected.now_block {
            return Err(Refusal::Stale);
        }
        if self.valid_at_block > expected.now_block.saturating_add(expected.window_blocks) {
            return Err(Refusal::FromTheFuture);
        }
        let fields = (self.hotkey, &self.peer, self.valid_at_block, self.start);
        if !signed::is_signed_by(&self.hotkey, &self.network, HELLO, &fields, &self.signature) {
            return Err(Refusal::BadSignature);
        }
        Ok(Proof { hotkey: self.hotkey, block: self.valid_at_block, start: self.start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::peer::PeerName;
    use crate::wire;

    const NETWORK: Network = Network { genesis: [1; 32], netuid: 2 };

    fn check(hello: &Hello, remote: PeerId, members: &[AccountId], now_block: u64) -> Result<Proof, Refusal> {
        let members = members.iter().copied().collect();
        hello.check(&Expectation {
            network: &NETWORK,
            remote: &remote,
            members: &members,
            now_block,
            window_blocks: 10,
        })
    }

    #[test]
    fn each_field_is_checked() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let id = alice.account_id();
        let (peer, other) = (PeerName::from_seed(&[1; 32]).0, PeerName::from_seed(&[2; 32]).0);
        let hello = Hello::sign(&alice, NETWORK, &peer, 100, 7).unwrap();
        let proof = Ok(Proof { hotkey: id, block: 100, start: 7 });
        assert_eq!(check(&hello, peer, &[id], 100), proof);
        assert_eq!(check(&hello, peer, &[id], 110), proof);
        assert_eq!(check(&hello, peer, &[id], 111), Err(Refusal::Stale));
        assert_eq!(check(&hello, peer, &[id], 90), proof);
        assert_eq!(check(&hello, peer, &[id], 89), Err(Refusal::FromTheFuture));
        assert_eq!(check(&hello, other, &[id], 100), Err(Refusal::OtherPeer));
        assert_eq!(check(&hello, peer, &[], 100), Err(Refusal::NotRegistered));
        let chain = Hello { network: Network { genesis: [9; 32], ..NETWORK }, ..hello.clone() };
        assert_eq!(check(&chain, peer, &[id], 100), Err(Refusal::OtherChain));
        let subnet = Hello { network: Network { netuid: 9, ..NETWORK }, ..hello.clone() };
        assert_eq!(check(&subnet, peer, &[id], 100), Err(Refusal::OtherSubnet));
        // A statement about one peer, relabelled for another: the name is covered by the signature.
        let relabelled = Hello { peer: other.to_bytes(), ..hello.clone() };
        assert_eq!(check(&relabelled, other, &[id], 100), Err(Refusal::BadSignature));
        let restarted = Hello { start: 8, ..hello.clone() };
        assert_eq!(check(&restarted, peer, &[id], 100), Err(Refusal::BadSignature));
        let fresher = Hello { valid_at_block: 105, ..hello };
        assert_eq!(check(&fresher, peer, &[id], 105), Err(Refusal::BadSignature));
    }

    #[test]
    fn blocks_at_the_ends_of_their_range_do_not_overflow() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let peer = PeerName::from_seed(&[1; 32]).0;
        let hello = Hello::sign(&alice, NETWORK, &peer, u64::MAX, 7).unwrap();
        assert_eq!(check(&hello, peer, &[alice.account_id()], 0), Err(Refusal::FromTheFuture));
        assert!(check(&hello, peer, &[alice.account_id()], u64::MAX).is_ok());
    }

    #[test]
    fn golden() {
        let hello = Hello {
            network: NETWORK,
            hotkey: AccountId([3; 32]),
            peer: vec![4; 38],
            valid_at_block: 5,
            start: 7,
            signature: Signature::Sr25519([6; 64]),
        };
        assert!(wire::encode::<_, MAX_HELLO_BYTES>(&hello).is_ok());
        assert_eq!(
            wire::golden_hash(&hello).unwrap(),
            "4c9f34d4ae1a12dce729a28d44489fe727eb6fc9561ef59b46615f19e7c0a852"
        );
        let replies = vec![
            HelloReply::Accepted(hello),
            HelloReply::Refused(Refusal::Malformed),
            HelloReply::Refused(Refusal::Superseded),
            HelloReply::Refused(Refusal::Nuisance),
        ];
        assert_eq!(
            wire::golden_hash(&replies).unwrap(),
            "158a864f0dc31d66cfb6f1a7f63c3556a244aee49b4e69b7fcaf0d06add7c0ae"
        );
    }
}
