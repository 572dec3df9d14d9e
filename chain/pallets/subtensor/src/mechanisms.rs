//! Several incentive mechanisms in one subnet: each has its own weights, bonds and commits and a part of the emission;
//! stake and permits are shared. What is kept per neuron and not per mechanism is the average by emission.

use crate::{
    Bonds, BondsResetOn, Config, Error, Incentive, LastUpdate, MaxAllowedUids, MaxMechanismCount, MechId,
    MechanismCountCurrent, MechanismEmissionSplit, NetUid, NetUidStorageIndex, Pallet, SubnetworkN,
    TimelockedWeightCommits, Uids, WeightCommits, Weights, defaults, emission::part,
};
use alloc::{vec, vec::Vec};
use frame_support::{ensure, pallet_prelude::*};
use yuma::EpochOutput;

impl<T: Config> Pallet<T> {
    /// Where the vectors of a subnet's mechanisms are, the main one first.
    pub(crate) fn mechanism_indices(netuid: NetUid) -> impl Iterator<Item = NetUidStorageIndex> {
        (0..MechanismCountCurrent::<T>::get(netuid).0).map(move |mecid| NetUidStorageIndex::new(netuid, MechId(mecid)))
    }

    /// The part of each mechanism as fractions of 65535 that add up to one: what was set, else even, and what does not
    /// divide goes to the main one.
    pub(crate) fn mechanism_shares(netuid: NetUid) -> Vec<u16> {
        let count = MechanismCountCurrent::<T>::get(netuid).0.max(1);
        if let Some(split) = MechanismEmissionSplit::<T>::get(netuid)
            && split.len() == usize::from(count)
        {
            return split;
        }
        let even = u16::MAX / u16::from(count);
        let mut shares = vec![even; usize::from(count)];
        if let Some(main) = shares.first_mut() {
            *main = main.saturating_add(u16::MAX % u16::from(count));
        }
        shares
    }

    /// Splits an amount over a subnet's mechanisms; what is rounded off goes to the main one.
    pub(crate) fn split_over_mechanisms(netuid: NetUid, amount: u64) -> Vec<u64> {
        let mut parts: Vec<u64> = match MechanismEmissionSplit::<T>::get(netuid) {
            Some(_) => Self::mechanism_shares(netuid).into_iter().map(|share| part(amount, share)).collect(),
            None => {
                let count = MechanismCountCurrent::<T>::get(netuid).0.max(1);
                vec![amount / u64::from(count); usize::from(count)]
            }
        };
        let given = parts.iter().fold(0u64, |sum, part| sum.saturating_add(*part));
        if let Some(main) = parts.first_mut() {
            *main = main.saturating_add(amount.saturating_sub(given));
        }
        parts
    }

    /// Takes away all bonds on a hotkey, in every mechanism, where `BondsResetOn` allows it. A miner whose work has become
    /// another's wants to be judged anew.
    pub fn reset_bonds(netuid: NetUid, hotkey: &T::AccountId) {
        let Some(uid) = Uids::<T>::get(netuid, hotkey) else { return };
        if !BondsResetOn::<T>::get(netuid) {
            return;
        }
        for index in Self::mechanism_indices(netuid) {
            let rows: Vec<_> = Bonds::<T>::iter_prefix(index).collect();
            for (validator, mut row) in rows.into_iter().filter(|(_, row)| row.iter().any(|(to, _)| *to == uid)) {
                row.retain(|(to, _)| *to != uid);
                if row.is_empty() {
                    Bonds::<T>::remove(index, validator);
                } else {
                    Bonds::<T>::insert(index, validator, row);
                }
            }
        }
    }

    /// Sets how many mechanisms a subnet has. New ones start empty; what belongs to dropped ones goes. The split becomes
    /// even.
    pub fn set_mechanism_count(netuid: NetUid, count: MechId) -> DispatchResult {
        ensure!(count > MechId(0) && count <= MaxMechanismCount::<T>::get(), Error::<T>::InvalidValue);
        Self::ensure_uids_fit(MaxAllowedUids::<T>::get(netuid), count)?;
        let old = MechanismCountCurrent::<T>::get(netuid);
        if old == count {
            return Ok(());
        }
        let neurons = usize::from(SubnetworkN::<T>::get(netuid));
        for mecid in old.0..count.0 {
            let index = NetUidStorageIndex::new(netuid, MechId(mecid));
            Incentive::<T>::insert(index, vec![0u16; neurons]);
            LastUpdate::<T>::insert(index, vec![0u64; neurons]);
        }
        for mecid in count.0..old.0 {
            let index = NetUidStorageIndex::new(netuid, MechId(mecid));
            Incentive::<T>::remove(index);
            LastUpdate::<T>::remove(index);
            let _ = Weights::<T>::clear_prefix(index, u32::MAX, None);
            let _ = Bonds::<T>::clear_prefix(index, u32::MAX, None);
            let _ = WeightCommits::<T>::clear_prefix(index, u32::MAX, None);
            let _ = TimelockedWeightCommits::<T>::clear_prefix(index, u32::MAX, None);
        }
        MechanismEmissionSplit::<T>::remove(netuid);
        MechanismCountCurrent::<T>::insert(netuid, count);
        Ok(())
    }

    /// Neurons times mechanisms is what an epoch reads; it never exceeds a full subnet with one.
    pub(crate) fn ensure_uids_fit(uids: u16, mechanisms: MechId) -> DispatchResult {
        let total = u32::from(uids).saturating_mul(u32::from(mechanisms.0));
        ensure!(total <= u32::from(defaults::MAX_ALLOWED_UIDS), Error::<T>::TooManyUIDsPerMechanism);
        Ok(())
    }

    /// Sets how many mechanisms a subnet may have: one at least, and as many as have an index of their own.
    pub fn set_max_mechanism_count(count: MechId) -> DispatchResult {
        /// Above it, indices would not fit into 16 bits.
        const MOST: u8 = 15;
        ensure!((1..=MOST).contains(&count.0), Error::<T>::InvalidValue);
        MaxMechanismCount::<T>::put(count);
        Ok(())
    }

    /// Sets how the emission is split: one fraction of 65535 per mechanism, adding up to one; `None` for evenly.
    pub fn set_mechanism_emission_split(netuid: NetUid, split: Option<Vec<u16>>) -> DispatchResult {
        let Some(split) = split else {
            MechanismEmissionSplit::<T>::remove(netuid);
            return Ok(());
        };
        let sum: u64 = split.iter().map(|share| u64::from(*share)).sum();
        ensure!(
            split.len() == usize::from(MechanismCountCurrent::<T>::get(netuid).0) && sum == u64::from(u16::MAX),
            Error::<T>::InvalidValue
        );
        MechanismEmissionSplit::<T>::insert(netuid, split);
        Ok(())
    }

    /// Every mechanism has one element per neuron, and weighs only neurons that exist.
    pub(crate) fn check_mechanisms(netuid: NetUid) -> Result<(), &'static str> {
        let neurons = SubnetworkN::<T>::get(netuid);
        for index in Self::mechanism_indices(netuid) {
            let lengths = [Incentive::<T>::get(index).len(), LastUpdate::<T>::get(index).len()];
            ensure!(lengths == [usize::from(neurons); 2], "a mechanism does not have one element per neuron");
            for (uid, row) in Weights::<T>::iter_prefix(index).chain(Bonds::<T>::iter_prefix(index)) {
                ensure!(uid < neurons, "a row of a neuron that does not exist");
                ensure!(row.iter().all(|(target, _)| *target < neurons), "a row names a neuron that does not exist");
            }
        }
        Ok(())
    }
}

/// One outcome for all mechanisms: what was earned is added up, proportions are averaged by the mechanisms' shares
/// (fractions of 65535), and who has a permit or is active in one has it or is so. `None` if there is none.
pub(crate) fn combine(outputs: &[EpochOutput], shares: &[u16]) -> Option<EpochOutput> {
    let (first, others) = outputs.split_first()?;
    let mut all = first.clone();
    if others.is_empty() {
        return Some(all);
    }
    let average = |of: fn(&EpochOutput) -> &Vec<u16>| -> Vec<u16> {
        (0..of(first).len())
            .map(|uid| {
                let sum: u64 = outputs
                    .iter()
                    .zip(shares)
                    .map(|(output, share)| u64::from(of(output).get(uid).copied().unwrap_or(0)) * u64::from(*share))
                    .sum();
                u16::try_from(sum / u64::from(u16::MAX)).unwrap_or(u16::MAX)
            })
            .collect()
    };
    all.consensus = average(|output| &output.consensus);
    all.dividends = average(|output| &output.dividends);
    all.validator_trust = average(|output| &output.validator_trust);
    for output in others {
        let add = |sum: &mut Vec<u64>, more: &Vec<u64>| {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
        };
        add(&mut all.server_emission, &output.server_emission);
        add(&mut all.validator_emission, &output.validator_emission);
        let or = |any: &mut Vec<bool>, more: &Vec<bool>| any.iter_mut().zip(more).for_each(|(any, more)| *any |= more);
        or(&mut all.active, &output.active);
        or(&mut all.validator_permit, &output.validator_permit);
    }
    Some(all)
}
