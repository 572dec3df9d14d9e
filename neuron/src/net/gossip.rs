//! Short announcements to everybody, over gossipsub.
//!
//! gossipsub's own signature speaks for a peer of the transport, which may be many hops away and unknown to us. So every
//! message is an [`Envelope`] signed by its author's *hotkey*, and is checked against the subnet's members before it is
//! believed or passed on.

use std::collections::HashSet;

use bincode::{Decode, Encode};
use keys::{AccountId, Keypair, Signature};
use libp2p::gossipsub::{
    self, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, MessageId, WhitelistSubscriptionFilter,
};

use crate::message::signed::{self, Domain, Network};
use crate::wire::{self, WireError};

/// Most bytes of one gossip message as gossipsub frames it.
pub(super) const MAX_GOSSIP_BYTES: usize = 64 * 1024;
/// Most bytes of an [`Envelope`]: leaves gossipsub room for its own frame.
pub(super) const MAX_ENVELOPE_BYTES: usize = MAX_GOSSIP_BYTES - 1024;
/// Most bytes that an envelope carries.
pub const MAX_GOSSIP_PAYLOAD_BYTES: usize = MAX_ENVELOPE_BYTES - 256;

const GOSSIP: Domain = Domain("gossip/1");

/// gossipsub over our topics only: a peer that subscribes to others takes no memory here.
pub(super) type Gossipsub =
    gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// A signed announcement.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Envelope {
    /// Who says it.
    pub author: AccountId,
    /// The author's newest finalized block: dates it, so that it cannot be used again much later.
    pub block: u64,
    /// What is said; its meaning is the topic's.
    pub payload: Vec<u8>,
    /// The author's signature over topic, block and payload.
    pub signature: Signature,
}

/// Why a gossip message is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GossipError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("its author {0} is not registered")]
    NotRegistered(AccountId),
    #[error("it is dated {block}, our newest block is {now_block}")]
    Date { block: u64, now_block: u64 },
    #[error("its signature by {0} does not hold")]
    BadSignature(AccountId),
}

impl GossipError {
    /// Whether whoever passed it on should have known better. Membership and dates may look different from there.
    pub(super) fn is_the_senders_fault(&self) -> bool {
        matches!(self, Self::Wire(_) | Self::BadSignature(_))
    }
}

impl Envelope {
    /// Signs an announcement, and encodes it.
    pub(super) fn seal(
        hotkey: &Keypair,
        network: &Network,
        topic: &str,
        block: u64,
        payload: Vec<u8>,
    ) -> Result<Vec<u8>, WireError> {
        let fields = (hotkey.account_id(), topic, block, &payload);
        let signature = signed::sign(hotkey, network, GOSSIP, &fields)?;
        wire::encode::<_, MAX_ENVELOPE_BYTES>(&Self { author: hotkey.account_id(), block, payload, signature })
    }

    /// Decodes and checks an announcement.
    pub(super) fn open(
        bytes: &[u8],
        network: &Network,
        topic: &str,
        members: &HashSet<AccountId>,
        now_block: u64,
        window_blocks: u64,
    ) -> Result<Self, GossipError> {
        let envelope = wire::decode::<Self, MAX_ENVELOPE_BYTES>(bytes)?;
        let Self { author, block, payload, signature } = &envelope;
        if !members.contains(author) {
            return Err(GossipError::NotRegistered(*author));
        }
        if block.abs_diff(now_block) > window_blocks {
            return Err(GossipError::Date { block: *block, now_block });
        }
        if !signed::is_signed_by(author, network, GOSSIP, &(*author, topic, *block, payload), signature) {
            return Err(GossipError::BadSignature(*author));
        }
        Ok(envelope)
    }
}

/// The topic's name among all subnets: neurons of two subnets that meet do not hear each other's gossip.
pub(super) fn topic(network: &Network, name: &str) -> IdentTopic {
    IdentTopic::new(format!("/narrows/{}/{}/{name}/1", hex::encode(&network.genesis[..8]), network.netuid))
}

pub(super) fn message_id(message: &gossipsub::Message) -> MessageId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(message.topic.as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(&message.data);
    MessageId::from(hasher.finalize().as_bytes().to_vec())
}

pub(super) fn subscription_filter(topics: &[IdentTopic]) -> MaxCountSubscriptionFilter<WhitelistSubscriptionFilter> {
    MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics.iter().map(IdentTopic::hash).collect()),
        max_subscribed_topics: topics.len(),
        max_subscriptions_per_request: topics.len().max(1) * 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Network = Network { genesis: [1; 32], netuid: 2 };

    fn open(bytes: &[u8], topic: &str, members: &[AccountId], now_block: u64) -> Result<Envelope, GossipError> {
        let members = members.iter().copied().collect();
        Envelope::open(bytes, &NETWORK, topic, &members, now_block, 10)
    }

    #[test]
    fn an_envelope_speaks_for_its_author_topic_and_time() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let id = alice.account_id();
        let sealed = Envelope::seal(&alice, &NETWORK, "commits", 100, vec![1, 2]).unwrap();
        assert_eq!(open(&sealed, "commits", &[id], 105).unwrap().payload, [1, 2]);
        assert_eq!(open(&sealed, "commits", &[], 105), Err(GossipError::NotRegistered(id)));
        assert_eq!(open(&sealed, "commits", &[id], 111), Err(GossipError::Date { block: 100, now_block: 111 }));
        assert_eq!(open(&sealed, "commits", &[id], 89), Err(GossipError::Date { block: 100, now_block: 89 }));
        assert_eq!(open(&sealed, "merges", &[id], 100), Err(GossipError::BadSignature(id)));
        let mut altered = sealed.clone();
        altered[48] ^= 1;
        assert_eq!(open(&altered, "commits", &[id], 100), Err(GossipError::BadSignature(id)));
    }

    #[test]
    fn the_largest_payload_fits_and_one_more_byte_need_not() {
        let alice = Keypair::from_uri("//Alice").unwrap();
        let seal = |bytes| Envelope::seal(&alice, &NETWORK, "t", 1, vec![0; bytes]);
        assert!(seal(MAX_GOSSIP_PAYLOAD_BYTES).is_ok());
        assert!(seal(MAX_ENVELOPE_BYTES).is_err());
    }

    #[test]
    fn golden() {
        let envelope = Envelope {
            author: AccountId([1; 32]),
            block: 2,
            payload: vec![3, 4],
            signature: Signature::Sr25519([5; 64]),
        };
        assert_eq!(
            wire::golden_hash(&envelope).unwrap(),
            "31c74af579d0cdd6106437145e59b1c4c1ae15a881cda76db375412a248e4074"
        );
    }
}
