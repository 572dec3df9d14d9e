//! Committing to weights under a time lock: sealed to a round of the beacon, and opened by the chain itself when that
//! round is signed, so that nobody has to come back to reveal.

use crate::{
    BeaconSignatures, CommitRevealWeightsVersion, Config, Error, Event, LastUpdate, MechId, MechanismCountCurrent,
    NetUid, NetUidStorageIndex, Pallet, RevealPeriodEpochs, SubnetEpochIndex, TimelockedWeightCommits, defaults,
    registration::set, weights::Row,
};
use alloc::{collections::VecDeque, vec::Vec};
use codec::{Decode, DecodeAll, Encode};
use frame_support::{ensure, pallet_prelude::*, storage::with_storage_layer};
use frame_system::pallet_prelude::OriginFor;
use sp_runtime::traits::{BlakeTwo256, Hash};

/// What is sealed. The hotkey is in it so that nobody can commit a copy of another's sealed weights as their own.
#[derive(Encode, Decode)]
struct Payload {
    hotkey: Vec<u8>,
    uids: Vec<u16>,
    values: Vec<u16>,
    version_key: u64,
}

/// A sealed commit: who, at which block, what, and the round that opens it.
type Commit<T> = (<T as frame_system::Config>::AccountId, u64, SealedWeights, u64);

/// Sealed weights.
pub type SealedWeights = BoundedVec<u8, ConstU32<{ defaults::MAX_SEALED_WEIGHTS_BYTES }>>;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_commit_timelocked_weights(
        origin: OriginFor<T>,
        netuid: NetUid,
        mecid: MechId,
        commit: SealedWeights,
        reveal_round: u64,
        version: u16,
    ) -> DispatchResult {
        let (hotkey, uid, index) = Self::ensure_may_commit(origin, netuid, mecid)?;
        ensure!(version == CommitRevealWeightsVersion::<T>::get(), Error::<T>::IncorrectCommitRevealVersion);
        let now = Self::current_block();
        let epoch = SubnetEpochIndex::<T>::get(netuid);
        let mut commits = TimelockedWeightCommits::<T>::get(index, epoch);
        let of_this_hotkey = commits.iter().filter(|(who, ..)| *who == hotkey).count();
        ensure!(of_this_hotkey < defaults::MAX_UNREVEALED_COMMITS, Error::<T>::TooManyUnrevealedCommits);
        let hash = BlakeTwo256::hash(&commit);
        commits.push_back((hotkey.clone(), now, commit, reveal_round));
        TimelockedWeightCommits::<T>::insert(index, epoch, commits);
        LastUpdate::<T>::mutate(index, |blocks| set(blocks, uid, now));
        Self::deposit_event(Event::TimelockedWeightsCommitted(hotkey, index, hash, reveal_round));
        Ok(())
    }

    /// Opens what is due: committed a reveal period ago, and locked to a round that the chain has. Returns how many were
    /// opened, or were found not to open.
    pub(crate) fn reveal_timelocked_weights(subnets: &[NetUid]) -> u32 {
        let mut left = defaults::MAX_REVEALS_PER_BLOCK;
        for netuid in subnets.iter().copied() {
            let mechanisms = MechanismCountCurrent::<T>::get(netuid).0;
            for index in (0..mechanisms).map(|mecid| NetUidStorageIndex::new(netuid, MechId(mecid))) {
                left = left.saturating_sub(Self::reveal_of_mechanism(netuid, index, left));
            }
        }
        defaults::MAX_REVEALS_PER_BLOCK.saturating_sub(left)
    }

    fn reveal_of_mechanism(netuid: NetUid, index: NetUidStorageIndex, most: u32) -> u32 {
        let epoch = SubnetEpochIndex::<T>::get(netuid);
        let Some(due) = epoch.checked_sub(RevealPeriodEpochs::<T>::get(netuid)) else { return 0 };
        let expired: Vec<u64> = TimelockedWeightCommits::<T>::iter_key_prefix(index).filter(|of| *of < due).collect();
        for of in expired {
            TimelockedWeightCommits::<T>::remove(index, of);
        }
        let commits = TimelockedWeightCommits::<T>::get(index, due);
        if commits.is_empty() {
            return 0;
        }
        let mut tried = 0;
        let mut waiting: VecDeque<Commit<T>> = VecDeque::new();
        for (hotkey, block, sealed, round) in commits {
            match T::Beacon::signature(round) {
                Some(signature) if tried < most => {
                    tried = tried.saturating_add(1);
                    // What does not open, or opens to what the chain would not take, is gone: its author sees that no
                    // event says it was revealed.
                    if let Some(row) = Self::unseal(&hotkey, &sealed, &signature) {
                        Self::set_revealed(netuid, index, hotkey, row);
                    }
                }
                _ => waiting.push_back((hotkey, block, sealed, round)),
            }
        }
        if waiting.is_empty() {
            TimelockedWeightCommits::<T>::remove(index, due);
        } else if tried > 0 {
            TimelockedWeightCommits::<T>::insert(index, due, waiting);
        }
        tried
    }

    fn unseal(hotkey: &T::AccountId, sealed: &[u8], signature: &[u8]) -> Option<Row> {
        let opened = timelock::open(signature.try_into().ok()?, sealed).ok()?;
        let Payload { hotkey: named, uids, values, version_key } = Payload::decode_all(&mut opened.as_slice()).ok()?;
        (named == hotkey.encode()).then_some(Row { uids, values, version_key })
    }

    fn set_revealed(netuid: NetUid, index: NetUidStorageIndex, hotkey: T::AccountId, row: Row) {
        let set = with_storage_layer(|| -> DispatchResult {
            let uid = Self::check_weights(&hotkey, netuid, &row)?;
            Self::store_weights(index, uid, row);
            Ok(())
        });
        if set.is_ok() {
            Self::deposit_event(Event::TimelockedWeightsRevealed(index, hotkey));
        }
    }
}
