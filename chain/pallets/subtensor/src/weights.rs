//! Setting weights: what a validator may say about whom, and how often.

use crate::{
    CommitRevealWeightsEnabled, Config, Error, Event, LastUpdate, MaxWeightsLimit, MechId, MechanismCountCurrent,
    MinAllowedWeights, NetUid, NetUidStorageIndex, Pallet, SubnetOwnerHotkey, SubnetworkN, Uids, ValidatorPermit,
    Weights, WeightsSetRateLimit, WeightsVersionKey, registration::set,
};
use alloc::{vec, vec::Vec};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

/// A row of weights as a validator gave it.
pub(crate) struct Row {
    pub(crate) uids: Vec<u16>,
    pub(crate) values: Vec<u16>,
    pub(crate) version_key: u64,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_weights(
        origin: OriginFor<T>,
        netuid: NetUid,
        mecid: MechId,
        uids: Vec<u16>,
        values: Vec<u16>,
        version_key: u64,
    ) -> DispatchResult {
        let hotkey = ensure_signed(origin)?;
        Self::ensure_mechanism_exists(netuid, mecid)?;
        ensure!(!CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::CommitRevealEnabled);
        let row = Row { uids, values, version_key };
        let index = NetUidStorageIndex::new(netuid, mecid);
        let now = Self::current_block();
        let uid = Self::check_author(&hotkey, netuid, &row)?;
        ensure!(Self::is_within_rate_limit(netuid, index, uid, now), Error::<T>::SettingWeightsTooFast);
        Self::check_row(netuid, uid, &row)?;
        Self::store_weights(index, uid, row);
        LastUpdate::<T>::mutate(index, |blocks| set(blocks, uid, now));
        Ok(())
    }

    pub(crate) fn ensure_mechanism_exists(netuid: NetUid, mecid: MechId) -> DispatchResult {
        ensure!(!netuid.is_root(), Error::<T>::CanNotSetRootNetworkWeights);
        Self::ensure_subnet_exists(netuid)?;
        ensure!(mecid < MechanismCountCurrent::<T>::get(netuid), Error::<T>::MechanismDoesNotExist);
        Ok(())
    }

    /// Checks everything about a row but its timing, and returns the uid of the validator.
    pub(crate) fn check_weights(hotkey: &T::AccountId, netuid: NetUid, row: &Row) -> Result<u16, DispatchError> {
        let uid = Self::check_author(hotkey, netuid, row)?;
        Self::check_row(netuid, uid, row)?;
        Ok(uid)
    }

    /// Checks whether somebody sets weights in this subnet at all, and with what software; returns the uid.
    fn check_author(hotkey: &T::AccountId, netuid: NetUid, row: &Row) -> Result<u16, DispatchError> {
        ensure!(row.uids.len() == row.values.len(), Error::<T>::WeightVecNotEqualSize);
        ensure!(row.uids.len() <= usize::from(SubnetworkN::<T>::get(netuid)), Error::<T>::UidsLengthExceedUidsInSubNet);
        let uid = Uids::<T>::get(netuid, hotkey).ok_or(Error::<T>::HotKeyNotRegisteredInSubNet)?;
        ensure!(Self::has_stake_to_set_weights(hotkey, netuid), Error::<T>::NotEnoughStakeToSetWeights);
        ensure!(row.version_key >= WeightsVersionKey::<T>::get(netuid), Error::<T>::IncorrectWeightVersionKey);
        Ok(uid)
    }

    /// Checks what a row says.
    fn check_row(netuid: NetUid, uid: u16, row: &Row) -> DispatchResult {
        // A single weight on oneself needs no permit, meets no minimum and knows no limit: it says nothing about others.
        let is_self_weight = matches!(row.uids.as_slice(), [only] if *only == uid);
        if is_self_weight {
            return Ok(());
        }
        let permitted = ValidatorPermit::<T>::get(netuid).get(usize::from(uid)).copied().unwrap_or(false);
        // Consensus gives the owner a permit for the epoch, too.
        let is_owner = || Uids::<T>::get(netuid, SubnetOwnerHotkey::<T>::get(netuid)) == Some(uid);
        ensure!(permitted || is_owner(), Error::<T>::NeuronNoValidatorPermit);

        let neurons = SubnetworkN::<T>::get(netuid);
        let mut named = vec![false; usize::from(neurons)];
        for target in &row.uids {
            let seen = named.get_mut(usize::from(*target)).ok_or(Error::<T>::UidVecContainInvalidOne)?;
            ensure!(!core::mem::replace(seen, true), Error::<T>::DuplicateUids);
        }
        let least = MinAllowedWeights::<T>::get(netuid).min(neurons);
        ensure!(row.uids.len() >= usize::from(least), Error::<T>::WeightVecLengthIsLow);
        let limit = MaxWeightsLimit::<T>::get(netuid);
        // No limit is a limit of one: nothing can exceed it, so nothing is lost to rounding either.
        ensure!(limit == u16::MAX || yuma::is_max_limited(&row.values, limit), Error::<T>::MaxWeightExceeded);
        Ok(())
    }

    /// Whether a neuron may set (or commit) weights again. One that never did may at once.
    pub(crate) fn is_within_rate_limit(netuid: NetUid, index: NetUidStorageIndex, uid: u16, now: u64) -> bool {
        let last = LastUpdate::<T>::get(index).get(usize::from(uid)).copied().unwrap_or_default();
        last == 0 || now.saturating_sub(last) >= WeightsSetRateLimit::<T>::get(netuid)
    }

    /// Stores a checked row, scaled so that the largest weight is 65535.
    pub(crate) fn store_weights(index: NetUidStorageIndex, uid: u16, row: Row) {
        let scaled = yuma::max_upscale_u16(&row.values);
        let weights: Vec<(u16, u16)> = row.uids.into_iter().zip(scaled).collect();
        Weights::<T>::insert(index, uid, weights);
        Self::deposit_event(Event::WeightsSet(index, uid));
    }
}
