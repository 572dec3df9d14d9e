//! Committing to weights by their hash and revealing them a fixed number of epochs later, so that nobody copies a
//! validator's judgement while it still pays.

use crate::{
    CommitRevealWeightsEnabled, Config, Error, Event, LastUpdate, MechId, NetUid, NetUidStorageIndex, Pallet,
    RevealPeriodEpochs, SubnetEpochIndex, SubnetworkN, TimelockedWeightCommits, Uids, WeightCommits, defaults,
    registration::set, weights::Row,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::cmp::Ordering;
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};

/// A commit as it is stored: (hash, epoch of the commit, block of the commit, nothing). The last is Bittensor's, and 0.
/// The epoch of the reveal follows from `RevealPeriodEpochs` at the reveal: a changed period moves it, for every commit.
type Commit = (H256, u64, u64, u64);

impl<T: Config> Pallet<T> {
    /// What a validator commits to: BLAKE2b-256 of the SCALE encoding of (hotkey, index of the mechanism, uids, values,
    /// salt, version key).
    pub fn weights_commit_hash(
        hotkey: &T::AccountId,
        index: NetUidStorageIndex,
        uids: &[u16],
        values: &[u16],
        salt: &[u16],
        version_key: u64,
    ) -> H256 {
        BlakeTwo256::hash_of(&(hotkey, index, uids, values, salt, version_key))
    }

    pub(crate) fn do_commit_weights(
        origin: OriginFor<T>,
        netuid: NetUid,
        mecid: MechId,
        commit_hash: H256,
    ) -> DispatchResult {
        let (hotkey, uid, index) = Self::ensure_may_commit(origin, netuid, mecid)?;
        let now = Self::current_block();
        let epoch = SubnetEpochIndex::<T>::get(netuid);
        let mut commits = Self::live_commits(netuid, index, &hotkey);
        ensure!(commits.len() < defaults::MAX_UNREVEALED_COMMITS, Error::<T>::TooManyUnrevealedCommits);
        commits.push_back((commit_hash, epoch, now, 0));
        WeightCommits::<T>::insert(index, &hotkey, commits);
        LastUpdate::<T>::mutate(index, |blocks| set(blocks, uid, now));
        Self::deposit_event(Event::WeightsCommitted(hotkey, index, commit_hash));
        Ok(())
    }

    /// Passes a validator that may commit to weights of a mechanism now, by hash or under a time lock: its hotkey, its uid,
    /// and where the mechanism's vectors are.
    pub(crate) fn ensure_may_commit(
        origin: OriginFor<T>,
        netuid: NetUid,
        mecid: MechId,
    ) -> Result<(T::AccountId, u16, NetUidStorageIndex), DispatchError> {
        let hotkey = ensure_signed(origin)?;
        Self::ensure_mechanism_exists(netuid, mecid)?;
        ensure!(CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealDisabled);
        let uid = Uids::<T>::get(netuid, &hotkey).ok_or(Error::<T>::HotKeyNotRegisteredInSubNet)?;
        ensure!(Self::has_stake_to_set_weights(&hotkey, netuid), Error::<T>::NotEnoughStakeToSetWeights);
        let index = NetUidStorageIndex::new(netuid, mecid);
        ensure!(
            Self::is_within_rate_limit(netuid, index, uid, Self::current_block()),
            Error::<T>::CommittingWeightsTooFast
        );
        Ok((hotkey, uid, index))
    }

    pub(crate) fn do_reveal_weights(
        origin: OriginFor<T>,
        netuid: NetUid,
        mecid: MechId,
        uids: Vec<u16>,
        values: Vec<u16>,
        salt: Vec<u16>,
        version_key: u64,
    ) -> DispatchResult {
        let hotkey = ensure_signed(origin)?;
        Self::reveal(&hotkey, netuid, mecid, Row { uids, values, version_key }, &salt).map(drop)
    }

    /// Reveals one commit; returns its hash.
    pub(crate) fn reveal(
        hotkey: &T::AccountId,
        netuid: NetUid,
        mecid: MechId,
        row: Row,
        salt: &[u16],
    ) -> Result<H256, DispatchError> {
        Self::ensure_mechanism_exists(netuid, mecid)?;
        ensure!(CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealDisabled);
        let index = NetUidStorageIndex::new(netuid, mecid);
        let mut commits = WeightCommits::<T>::get(index, hotkey).ok_or(Error::<T>::NoWeightsCommitFound)?;
        // Bounds what is hashed below.
        ensure!(salt.len() <= defaults::MAX_REVEAL_SALT_WORDS, Error::<T>::InvalidRevealCommitHashNotMatch);
        let neurons = usize::from(SubnetworkN::<T>::get(netuid));
        let longest = row.uids.len().max(row.values.len());
        ensure!(longest <= neurons, Error::<T>::UidsLengthExceedUidsInSubNet);

        let hash = Self::weights_commit_hash(hotkey, index, &row.uids, &row.values, salt, row.version_key);
        let (epoch, period) = (SubnetEpochIndex::<T>::get(netuid), RevealPeriodEpochs::<T>::get(netuid));
        // The same hash may have been committed more than once: what counts is whether any of them is due now.
        let matching = || commits.iter().enumerate().filter(|(_, commit)| commit.0 == hash);
        let due = matching().find(|(_, commit)| commit.1.saturating_add(period) == epoch).map(|(position, _)| position);
        let Some(position) = due else {
            let refusal = match matching().map(|(_, commit)| epoch.cmp(&commit.1.saturating_add(period))).min() {
                None => Error::<T>::InvalidRevealCommitHashNotMatch,
                Some(Ordering::Less) => Error::<T>::RevealTooEarly,
                Some(_) => Error::<T>::ExpiredWeightCommit,
            };
            return Err(refusal.into());
        };

        let uid = Self::check_weights(hotkey, netuid, &row)?;
        // Older commits can only be overtaken now: revealing one later would put an older opinion over a newer.
        commits.drain(..=position);
        if commits.is_empty() {
            WeightCommits::<T>::remove(index, hotkey);
        } else {
            WeightCommits::<T>::insert(index, hotkey, commits);
        }
        Self::store_weights(index, uid, row);
        Self::deposit_event(Event::WeightsRevealed(hotkey.clone(), index, hash));
        Ok(hash)
    }

    /// The commits of a hotkey that can still be revealed, in the order in which they were made.
    pub(crate) fn live_commits(netuid: NetUid, index: NetUidStorageIndex, hotkey: &T::AccountId) -> VecDeque<Commit> {
        let (epoch, period) = (SubnetEpochIndex::<T>::get(netuid), RevealPeriodEpochs::<T>::get(netuid));
        let mut commits = WeightCommits::<T>::get(index, hotkey).unwrap_or_default();
        commits.retain(|(_, committed, _, _)| committed.saturating_add(period) >= epoch);
        commits
    }

    /// The block of every hotkey's earliest commit under a time lock that can still be opened.
    pub(crate) fn earliest_timelocked(netuid: NetUid, index: NetUidStorageIndex) -> BTreeMap<T::AccountId, u64> {
        let oldest = SubnetEpochIndex::<T>::get(netuid).saturating_sub(RevealPeriodEpochs::<T>::get(netuid));
        let mut earliest = BTreeMap::new();
        for (_, commits) in TimelockedWeightCommits::<T>::iter_prefix(index).filter(|(epoch, _)| *epoch >= oldest) {
            for (hotkey, block, _, _) in commits {
                let known = earliest.entry(hotkey).or_insert(block);
                *known = block.min(*known);
            }
        }
        earliest
    }
}
