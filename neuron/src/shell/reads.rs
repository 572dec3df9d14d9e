//! What the machines ask of the chain, read by block. Each answer is a function of finalized blocks, and the same for miners
//! and validators: both read it here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chain::{BeaconError, ChainError, Client, Commitment, Metagraph, Netuid};
use thiserror::Error;

use crate::machine::{Member, Post};
use crate::message::conviction::ConvictionPost;
use crate::message::names::{Beacon, BlockNumber, Hash, RunId, Uid};

/// Most blocks whose posts are remembered.
const MAX_REMEMBERED_BLOCKS: usize = 4096;

/// Why a question is not answered now.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain's beacon cannot be believed.
    #[error(transparent)]
    Beacon(#[from] BeaconError),
    /// The chain follows another beacon than the run.
    #[error("the chain's beacon key is {found}, the run's is {expected}: this run belongs to another chain")]
    OtherBeacon {
        /// BLAKE3 of the run's key.
        expected: Hash,
        /// BLAKE3 of the chain's key.
        found: Hash,
    },
    /// The block lies before the beacon's first round.
    #[error("block {0} lies before the beacon's first round")]
    NoRound(u64),
}

/// Everybody who can be placed. Who has told the chain no axon cannot be reached by anybody, so it hosts nothing; it may
/// still judge.
pub fn members(metagraph: &Metagraph) -> Vec<Member> {
    let reachable = metagraph.neurons.iter().filter(|neuron| neuron.validator_permit || neuron.axon.is_some());
    reachable
        .map(|neuron| Member {
            uid: Uid(neuron.uid.0),
            hotkey: neuron.hotkey,
            registered_at: BlockNumber(neuron.block_at_registration.0),
            validator_permit: neuron.validator_permit,
        })
        .collect()
}

/// The members of a run as of the end of a block: who can be placed, less those whom validators with more than half of the
/// permitted stake have convicted in this run. What a convict computes would only have to be computed again.
///
/// # Errors
/// When the chain does not answer.
pub async fn members_at(
    client: &Client,
    netuid: Netuid,
    run: RunId,
    block: BlockNumber,
) -> Result<Vec<Member>, ReadError> {
    let snapshot = client.at_number(chain::BlockNumber(block.0)).await?;
    let metagraph = snapshot.metagraph(netuid).await?;
    let mut judges = Vec::new();
    for validator in metagraph.neurons.iter().filter(|neuron| neuron.validator_permit) {
        let posted = snapshot.commitment(netuid, validator.hotkey).await?;
        judges
            .push(Judge { stake: validator.stake.0, convicted: posted.and_then(|posted| convicted_by(&posted, run)) });
    }
    let mut members = members(&metagraph);
    members.retain(|member| member.validator_permit || !is_convicted(member, &judges));
    Ok(members)
}

/// A permitted validator, and what it posted about convicts of the run.
struct Judge {
    stake: u64,
    /// When, and whom.
    convicted: Option<(BlockNumber, Vec<Uid>)>,
}

fn convicted_by(posted: &Commitment, run: RunId) -> Option<(BlockNumber, Vec<Uid>)> {
    let post = posted.fields.iter().find_map(|field| ConvictionPost::from_payload(field.raw()?))?;
    (post.run == run.prefix()).then_some((BlockNumber(posted.block.0), post.uids))
}

fn is_convicted(member: &Member, judges: &[Judge]) -> bool {
    let names = |judge: &&Judge| {
        let named = judge.convicted.as_ref().filter(|(at, _)| member.registered_at < *at);
        named.is_some_and(|(_, uids)| uids.contains(&member.uid))
    };
    let against: u128 = judges.iter().filter(names).map(|judge| u128::from(judge.stake)).sum();
    let all: u128 = judges.iter().map(|judge| u128::from(judge.stake)).sum();
    against * 2 > all
}

/// The verified randomness of the round that a block fixes: the first one *after* the block's time, so that nobody knew it
/// who had something in that block. `None` while that round has not been published.
///
/// # Errors
/// When the chain does not answer, or what it says does not verify under the run's key.
pub async fn beacon(client: &Client, key: Hash, block: BlockNumber) -> Result<Option<Beacon>, ReadError> {
    let snapshot = client.at_number(chain::BlockNumber(block.0)).await?;
    let config = snapshot.beacon_config().await?;
    let found = Hash::of(&config.public_key);
    if found != key {
        return Err(ReadError::OtherBeacon { expected: key, found });
    }
    let round = config.round_at(snapshot.timestamp_ms().await?).ok_or(ReadError::NoRound(block.0))?;
    match client.latest().await?.pulse(round.saturating_add(1)).await? {
        Some(pulse) => Ok(Some(Beacon(config.verify(&pulse)?))),
        None => Ok(None),
    }
}

/// The subnet's posts by block, each block read once.
#[derive(Debug)]
pub struct PostBook {
    client: Client,
    netuid: Netuid,
    blocks: Mutex<BTreeMap<u64, Arc<Vec<Post>>>>,
}

impl PostBook {
    /// An empty book.
    pub fn new(client: Client, netuid: Netuid) -> Self {
        Self { client, netuid, blocks: Mutex::default() }
    }

    /// The posts of a finalized block. Read when it is news, no question about a whole window takes long.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn block(&self, number: u64) -> Result<Arc<Vec<Post>>, ChainError> {
        let known = |blocks: &BTreeMap<u64, Arc<Vec<Post>>>| blocks.get(&number).cloned();
        if let Some(posts) = known(&self.blocks.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(posts);
        }
        let posted = self.client.at_number(chain::BlockNumber(number)).await?.posted_commitments().await?;
        let mut posts = Vec::new();
        for post in posted.into_iter().filter(|post| post.netuid == self.netuid) {
            let payloads = post.fields.iter().filter_map(|field| field.raw());
            posts.extend(payloads.map(|payload| Post {
                hotkey: post.hotkey,
                block: BlockNumber(number),
                payload: payload.to_vec(),
            }));
        }
        let posts = Arc::new(posts);
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.insert(number, posts.clone());
        while blocks.len() > MAX_REMEMBERED_BLOCKS {
            blocks.pop_first();
        }
        Ok(posts)
    }

    /// All posts of these finalized blocks, in the chain's order.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn read(&self, from: BlockNumber, through: BlockNumber) -> Result<Vec<Post>, ChainError> {
        let mut posts = Vec::new();
        for number in from.0..=through.0 {
            posts.extend(self.block(number).await?.iter().cloned());
        }
        Ok(posts)
    }
}

#[cfg(test)]
mod tests {
    use keys::AccountId;

    use super::*;

    #[test]
    fn a_conviction_bars_by_majority_of_stake_and_only_whom_it_was_posted_about() {
        let member = |uid, registered_at| Member {
            uid: Uid(uid),
            hotkey: AccountId([1; 32]),
            registered_at: BlockNumber(registered_at),
            validator_permit: false,
        };
        let judge = |stake, at, uids: &[u16]| Judge {
            stake,
            convicted: Some((BlockNumber(at), uids.iter().copied().map(Uid).collect())),
        };
        let silent = |stake| Judge { stake, convicted: None };
        let barred = |judges: &[Judge]| is_convicted(&member(5, 10), judges);
        assert!(barred(&[judge(51, 20, &[4, 5]), silent(49)]));
        assert!(!barred(&[judge(50, 20, &[5]), silent(50)]), "half is no majority");
        assert!(!barred(&[judge(51, 20, &[4]), silent(49)]), "somebody else");
        assert!(!barred(&[judge(51, 10, &[5]), silent(49)]), "whoever held the uid before");
        assert!(!barred(&[]), "nobody judges");
        assert!(barred(&[judge(30, 20, &[5]), judge(30, 11, &[5, 6]), silent(40)]));
    }
}
