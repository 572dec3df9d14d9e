//! Making a subnet smaller: those who earned least go, and who stays moves up, so that uids have no gaps.

use crate::{
    Active, BlockAtRegistration, Bonds, Config, Consensus, Dividends, Emission, Error, Event, ImmunityPeriod,
    Incentive, Keys, LastUpdate, MaxAllowedUids, MinAllowedUids, NetUid, Pallet, StakeWeight, SubnetworkN, Uids,
    ValidatorPermit, ValidatorTrust, Weights, defaults,
};
use alloc::{collections::BTreeMap, vec::Vec};
use frame_support::{ensure, pallet_prelude::*};

impl<T: Config> Pallet<T> {
    /// Sets how many neurons fit, and prunes a subnet that has more: the lowest emission first, of equals the highest uid,
    /// nobody who is immune. Refused where the immune would fill four fifths of it.
    pub fn trim_to_max_allowed_uids(netuid: NetUid, uids: u16) -> DispatchResult {
        let bounds = MinAllowedUids::<T>::get(netuid)..=MaxAllowedUids::<T>::get(netuid);
        ensure!(bounds.contains(&uids), Error::<T>::InvalidValue);
        let surplus = SubnetworkN::<T>::get(netuid).saturating_sub(uids);
        if surplus > 0 {
            let gone = Self::neurons_to_trim(netuid, uids, surplus)?;
            Self::keep_only(netuid, &gone);
        }
        MaxAllowedUids::<T>::insert(netuid, uids);
        Self::deposit_event(Event::MaxAllowedUidsSet(netuid, uids));
        Ok(())
    }

    /// Who goes so that `uids` are left, in the order of their uids.
    fn neurons_to_trim(netuid: NetUid, uids: u16, surplus: u16) -> Result<Vec<u16>, DispatchError> {
        let now = Self::current_block();
        let immunity = u64::from(ImmunityPeriod::<T>::get(netuid));
        let immune_owners = Self::immune_owner_uids(netuid);
        let is_immune = |uid: &u16| {
            immune_owners.contains(uid) || now.saturating_sub(BlockAtRegistration::<T>::get(netuid, uid)) < immunity
        };
        let (immune, mut others): (Vec<u16>, Vec<u16>) = (0..SubnetworkN::<T>::get(netuid)).partition(is_immune);
        let share = u64::try_from(immune.len()).unwrap_or(u64::MAX).saturating_mul(100);
        ensure!(
            share < u64::from(uids).saturating_mul(defaults::MAX_IMMUNE_PERCENT),
            Error::<T>::TrimmingWouldExceedMaxImmunePercentage
        );
        let emission = Emission::<T>::get(netuid);
        others.sort_by_key(|uid| {
            (emission.get(usize::from(*uid)).copied().unwrap_or_default(), core::cmp::Reverse(*uid))
        });
        others.truncate(usize::from(surplus));
        others.sort_unstable();
        Ok(others)
    }

    /// Removes neurons and numbers the others anew, in their order.
    fn keep_only(netuid: NetUid, gone: &[u16]) {
        let kept: Vec<u16> =
            (0..SubnetworkN::<T>::get(netuid)).filter(|uid| gone.binary_search(uid).is_err()).collect();
        for uid in gone {
            Self::forget_neuron(netuid, *uid, &Keys::<T>::take(netuid, uid));
            BlockAtRegistration::<T>::remove(netuid, uid);
        }
        Active::<T>::mutate(netuid, |values| pick(values, &kept));
        ValidatorPermit::<T>::mutate(netuid, |values| pick(values, &kept));
        Emission::<T>::mutate(netuid, |values| pick(values, &kept));
        Consensus::<T>::mutate(netuid, |values| pick(values, &kept));
        Dividends::<T>::mutate(netuid, |values| pick(values, &kept));
        ValidatorTrust::<T>::mutate(netuid, |values| pick(values, &kept));
        StakeWeight::<T>::mutate(netuid, |values| pick(values, &kept));
        let renumbered: BTreeMap<u16, u16> = kept.iter().copied().zip(0..).collect();
        // In ascending order a new number is free when its turn comes: its holder has moved up or is gone.
        for (old, new) in &renumbered {
            let hotkey = Keys::<T>::take(netuid, old);
            Uids::<T>::insert(netuid, &hotkey, new);
            Keys::<T>::insert(netuid, new, hotkey);
            BlockAtRegistration::<T>::insert(netuid, new, BlockAtRegistration::<T>::take(netuid, old));
        }
        for index in Self::mechanism_indices(netuid) {
            Incentive::<T>::mutate(index, |values| pick(values, &kept));
            LastUpdate::<T>::mutate(index, |values| pick(values, &kept));
            for (old, new) in &renumbered {
                let rename = |row: Vec<(u16, u16)>| -> Vec<(u16, u16)> {
                    row.into_iter().filter_map(|(to, value)| Some((*renumbered.get(&to)?, value))).collect()
                };
                let (weights, bonds) = (rename(Weights::<T>::take(index, old)), rename(Bonds::<T>::take(index, old)));
                if !weights.is_empty() {
                    Weights::<T>::insert(index, new, weights);
                }
                if !bonds.is_empty() {
                    Bonds::<T>::insert(index, new, bonds);
                }
            }
        }
        SubnetworkN::<T>::insert(netuid, u16::try_from(kept.len()).unwrap_or(u16::MAX));
    }
}

/// Keeps the elements at these places, in their order.
fn pick<V: Clone>(values: &mut Vec<V>, places: &[u16]) {
    *values = places.iter().filter_map(|place| values.get(usize::from(*place)).cloned()).collect();
}
