//! What a block brings with it: its time, and the beacon's pulses that this time has reached.
//!
//! Chain time is counted, not read: each block is one block time after its parent. When sealing falls behind, chain time
//! falls behind the wall clock, and nothing on the chain notices.

use std::time::Duration;

use async_trait::async_trait;
use codec::Decode;
use narrows_runtime::opaque::Block;
use narrows_runtime::{Hash, Runtime};
use pallet_drand::{MAX_PULSES_PER_BLOCK, PulseInherent, RoundNumber, round_at};
use sc_client_api::StorageProvider;
use sp_core::storage::StorageKey;
use sp_inherents::{CreateInherentDataProviders, InherentData, InherentDataProvider, InherentIdentifier};
use sp_runtime::BoundedVec;

use crate::beacon::Beacon;
use crate::service::Client;

/// The chain's times that never change, read from its genesis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainTime {
    /// When chain time and round 1 begin, Unix seconds.
    pub(crate) genesis_secs: u32,
    /// Length of a beacon's round.
    pub(crate) round_millis: u64,
}

/// Why a value could not be read from a block's state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the parent's state cannot be read: {0}")]
    Parent(#[from] sp_blockchain::Error),
    #[error("the parent's state holds {item} in an unknown form: {source}")]
    Form { item: &'static str, source: codec::Error },
}

/// A block's time, and the pulses of the rounds that this time has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    timestamp_millis: u64,
    pulses: PulseInherent,
}

impl Due {
    /// What the child of `parent` brings.
    pub(crate) fn after(
        client: &Client,
        parent: Hash,
        time: ChainTime,
        block_time: Duration,
        beacon: &Beacon,
    ) -> Result<Self, ReadError> {
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
pub(crate) fn read<T: Decode>(
    client: &Client,
    at: Hash,
    item: &'static str,
    key: Vec<u8>,
) -> Result<Option<T>, ReadError> {
    let Some(data) = client.storage(at, &StorageKey(key))? else { return Ok(None) };
    T::decode(&mut &data.0[..]).map(Some).map_err(|source| ReadError::Form { item, source })
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
