//! Seals a block whenever the timer says so, with the time and the pulses that are due.
//!
//! Chain time is counted, not read: each block is one block time after its parent. When sealing falls behind, chain time
//! falls behind the wall clock, and nothing on the chain notices.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use codec::Decode;
use futures::channel::oneshot;
use narrows_runtime::opaque::Block;
use narrows_runtime::{BlockNumber, Hash, Runtime};
use pallet_drand::{MAX_PULSES_PER_BLOCK, PulseInherent, RoundNumber, round_at};
use sc_client_api::{HeaderBackend, StorageProvider};
use sc_consensus::LongestChain;
use sc_consensus_manual_seal::{SealBlockParams, seal_block};
use sp_core::storage::StorageKey;
use sp_inherents::{CreateInherentDataProviders, InherentData, InherentDataProvider, InherentIdentifier};
use sp_runtime::BoundedVec;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::beacon::Beacon;
use crate::service::{Backend, Client, Pool};

/// What the timer does; changed through the node's handle while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Time between blocks, on the wall and on the chain.
    pub(crate) block_time: Duration,
    /// Whether no blocks are sealed.
    pub(crate) paused: bool,
    /// Counts the changes, so that whoever made one can wait until it holds.
    pub(crate) change: u64,
}

/// The tip of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: [u8; 32],
}

/// The chain's times that never change, read from its genesis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainTime {
    /// When chain time and round 1 begin, Unix seconds.
    pub(crate) genesis_secs: u32,
    /// Length of a beacon's round.
    pub(crate) round_millis: u64,
}

/// Seals blocks.
pub(crate) struct Sealer {
    pub(crate) client: Arc<Client>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) proposer: sc_basic_authorship::ProposerFactory<Pool, Client>,
    pub(crate) beacon: Beacon,
    pub(crate) time: ChainTime,
    pub(crate) pace: watch::Receiver<Pace>,
    /// The latest change of pace that holds: no block begun before it is still being made.
    pub(crate) holds: watch::Sender<u64>,
    pub(crate) sealed: watch::Sender<SealedBlock>,
}

impl Sealer {
    /// Seal until the node's handle is gone.
    pub(crate) async fn run(mut self) {
        'pace: loop {
            let pace = *self.pace.borrow_and_update();
            self.holds.send_replace(pace.change);
            if pace.paused {
                if self.pace.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let mut timer = interval(pace.block_time);
            // After a late block the next one comes at its own time, not in a burst.
            timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
            timer.tick().await; // The first tick is immediate; the first block is not.
            loop {
                tokio::select! {
                    changed = self.pace.changed() => match changed {
                        Ok(()) => continue 'pace,
                        Err(_) => return,
                    },
                    _ = timer.tick() => {
                        if let Err(error) = self.seal(pace.block_time).await {
                            // The next tick tries again on the same parent.
                            tracing::error!(%error, "no block was sealed");
                        }
                    }
                }
            }
        }
    }

    async fn seal(&mut self, block_time: Duration) -> Result<(), SealError> {
        let parent = self.client.info().best_hash;
        let due = Due::after(&self.client, parent, self.time, block_time, &self.beacon)?;
        let (reply, sealed) = oneshot::channel();
        seal_block(SealBlockParams {
            create_empty: true,
            finalize: true,
            parent_hash: Some(parent),
            sender: Some(reply),
            pool: self.pool.clone(),
            client: self.client.clone(),
            env: &mut self.proposer,
            select_chain: &LongestChain::new(self.backend.clone()),
            consensus_data_provider: None,
            block_import: &mut self.client.clone(),
            create_inherent_data_providers: &due,
        })
        .await;
        let block = sealed.await.map_err(|_| SealError::NoReply)??;
        let number = self.client.info().best_number;
        self.sealed.send_replace(SealedBlock { number, hash: block.hash.0 });
        Ok(())
    }
}

/// Why a block was not sealed.
#[derive(Debug, thiserror::Error)]
enum SealError {
    #[error(transparent)]
    Seal(#[from] sc_consensus_manual_seal::Error),
    #[error("the parent's state cannot be read: {0}")]
    Parent(#[from] sp_blockchain::Error),
    #[error("the parent's state holds {item} in an unknown form: {source}")]
    Form { item: &'static str, source: codec::Error },
    #[error("sealing ended without a reply")]
    NoReply,
}

/// What a block brings with it: its time, and the pulses of the rounds that this time has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    timestamp_millis: u64,
    pulses: PulseInherent,
}

impl Due {
    /// What the child of `parent` brings.
    fn after(
        client: &Client,
        parent: Hash,
        time: ChainTime,
        block_time: Duration,
        beacon: &Beacon,
    ) -> Result<Self, SealError> {
        let parent_millis =
            read::<u64>(client, parent, "Timestamp.Now", pallet_timestamp::Now::<Runtime>::hashed_key().into())?
                .unwrap_or(0);
        let last_round = read::<RoundNumber>(
            client,
            parent,
            "Drand.LastStoredRound",
            pallet_drand::LastStoredRound::<Runtime>::hashed_key().into(),
        )?
        .unwrap_or(0);
        Ok(Self::from_parent(parent_millis, last_round, time, block_time, |round| beacon.pulse(round)))
    }

    fn from_parent(
        parent_millis: u64,
        last_round: RoundNumber,
        time: ChainTime,
        block_time: Duration,
        pulse: impl Fn(RoundNumber) -> pallet_drand::Pulse,
    ) -> Self {
        // The genesis state has no timestamp yet.
        let parent_millis = parent_millis.max(u64::from(time.genesis_secs) * 1_000);
        let timestamp_millis = parent_millis.saturating_add(block_time.as_millis() as u64);
        let due = round_at(time.genesis_secs, time.round_millis, timestamp_millis);
        // The node refuses a pace at which more rounds fall due than fit; were it otherwise, the latest matter.
        let first = (last_round + 1).max((due + 1).saturating_sub(u64::from(MAX_PULSES_PER_BLOCK)));
        let pulses = BoundedVec::truncate_from((first..=due).map(pulse).collect());
        Self { timestamp_millis, pulses }
    }
}

/// Read one storage value at `at`.
fn read<T: Decode>(client: &Client, at: Hash, item: &'static str, key: Vec<u8>) -> Result<Option<T>, SealError> {
    let Some(data) = client.storage(at, &StorageKey(key))? else { return Ok(None) };
    T::decode(&mut &data.0[..]).map(Some).map_err(|source| SealError::Form { item, source })
}

#[async_trait]
impl CreateInherentDataProviders<Block, ()> for Due {
    type InherentDataProviders = Self;

    async fn create_inherent_data_providers(
        &self,
        _parent: Hash,
        (): (),
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.clone())
    }
}

#[async_trait]
impl InherentDataProvider for Due {
    async fn provide_inherent_data(&self, data: &mut InherentData) -> Result<(), sp_inherents::Error> {
        data.put_data(sp_timestamp::INHERENT_IDENTIFIER, &sp_timestamp::InherentType::new(self.timestamp_millis))?;
        data.put_data(pallet_drand::INHERENT_IDENTIFIER, &self.pulses)
    }

    async fn try_handle_error(&self, _: &InherentIdentifier, _: &[u8]) -> Option<Result<(), sp_inherents::Error>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pallet_drand::Pulse;

    const TIME: ChainTime = ChainTime { genesis_secs: 100, round_millis: 250 };

    fn due(parent_millis: u64, last_round: u64, block_millis: u64) -> (u64, Vec<u64>) {
        let due = Due::from_parent(parent_millis, last_round, TIME, Duration::from_millis(block_millis), |round| {
            Pulse { round, ..Pulse::default() }
        });
        (due.timestamp_millis, due.pulses.iter().map(|pulse| pulse.round).collect())
    }

    #[test]
    fn each_block_brings_the_round_of_its_time() {
        assert_eq!(due(0, 0, 250), (100_250, vec![1, 2]), "the first block also brings the round of genesis");
        assert_eq!(due(100_250, 2, 250), (100_500, vec![3]));
    }

    #[test]
    fn a_changed_pace_shares_or_skips_no_round() {
        assert_eq!(due(100_250, 2, 100), (100_350, vec![]), "faster: the round is already there");
        assert_eq!(due(100_250, 2, 1_000), (101_250, vec![3, 4, 5, 6]), "slower: all that fell due");
    }

    #[test]
    fn a_block_brings_the_latest_rounds_that_fit() {
        let (_, rounds) = due(100_250, 2, 250 * 1_000);
        assert_eq!(rounds.len(), MAX_PULSES_PER_BLOCK as usize);
        assert_eq!(rounds.last(), Some(&1_002));
    }
}
