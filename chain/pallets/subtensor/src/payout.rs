//! Who gets what an epoch pays out: the subnet's owner, miners by incentive, validators and those who staked to them by
//! dividends. To the last rao: what is paid, destroyed or still pending is what was pending before.

use crate::{
    AlphaBalance, AlphaDividendsPerSubnet, Config, Delegates, Emission, Event, Keys, LastHotkeyEmissionOnNetuid,
    MinerBurned, NetUid, NetUidStorageIndex, Owner, Pallet, PendingOwnerCut, PendingServerEmission,
    PendingValidatorEmission, RecycleOrBurn, RecycleOrBurnEnum, SubnetOwner, SubnetOwnerHotkey, U96F32,
    emission::{part, split},
};
use alloc::vec::Vec;
use frame_support::pallet_prelude::DispatchResult;
use yuma::EpochOutput;

impl<T: Config> Pallet<T> {
    /// Pays what is pending in a subnet by the outcome of its epoch.
    pub(crate) fn pay_epoch(netuid: NetUid, output: &EpochOutput) -> DispatchResult {
        let (to_miners, to_validators) = Self::take_pending(netuid, output);
        let miners = split(to_miners, &output.server_emission);
        let validators = split(to_validators, &Self::earned_by_alpha(netuid, &output.validator_emission));
        Self::pay_owner(netuid)?;
        Self::pay_miners(netuid, &miners)?;
        Self::pay_root_dividends(netuid, &output.validator_emission)?;
        Self::pay_validators(netuid, &validators)?;

        let earned: Vec<AlphaBalance> = miners.iter().zip(&validators).map(|(m, v)| m.saturating_add(*v)).collect();
        for (uid, amount) in (0u16..).zip(&earned) {
            LastHotkeyEmissionOnNetuid::<T>::insert(Keys::<T>::get(netuid, uid), netuid, amount);
        }
        Emission::<T>::insert(netuid, earned);
        Self::deposit_event(Event::IncentiveAlphaEmittedToMiners {
            netuid: NetUidStorageIndex::from(netuid),
            emissions: miners,
        });
        Ok(())
    }

    /// What is to be split among miners and among validators now. Where no miner earned, validators get the miners'
    /// part; where no validator can be paid, what is theirs stays pending.
    fn take_pending(netuid: NetUid, output: &EpochOutput) -> (AlphaBalance, AlphaBalance) {
        let anyone = |emission: &[u64]| emission.iter().any(|amount| *amount > 0);
        match (anyone(&output.server_emission), anyone(&output.validator_emission)) {
            (true, true) => (PendingServerEmission::<T>::take(netuid), PendingValidatorEmission::<T>::take(netuid)),
            (true, false) => (PendingServerEmission::<T>::take(netuid), 0),
            (false, true) => {
                let all = PendingServerEmission::<T>::take(netuid)
                    .saturating_add(PendingValidatorEmission::<T>::take(netuid));
                (0, all)
            }
            (false, false) => (0, 0),
        }
    }

    /// The owner's cut becomes the owner's stake on the owner's hotkey.
    fn pay_owner(netuid: NetUid) -> DispatchResult {
        let cut = PendingOwnerCut::<T>::take(netuid);
        if cut == 0 {
            return Ok(());
        }
        Self::increase_stake(&SubnetOwnerHotkey::<T>::get(netuid), &SubnetOwner::<T>::get(netuid), netuid, cut)
    }

    /// Incentive becomes stake of the miner's coldkey, where it chose. What hotkeys of the subnet's owner mined is
    /// destroyed: weights on them are how validators burn emission that nobody earned.
    fn pay_miners(netuid: NetUid, amounts: &[AlphaBalance]) -> DispatchResult {
        let (owner, owner_hotkey) = (SubnetOwner::<T>::get(netuid), SubnetOwnerHotkey::<T>::get(netuid));
        let total = amounts.iter().fold(0u64, |sum, amount| sum.saturating_add(*amount));
        let mut destroyed = 0u64;
        for (uid, amount) in (0u16..).zip(amounts.iter().copied()).filter(|(_, amount)| *amount > 0) {
            let hotkey = Keys::<T>::get(netuid, uid);
            let coldkey = Owner::<T>::get(&hotkey);
            if coldkey == owner || hotkey == owner_hotkey {
                destroyed = destroyed.saturating_add(amount);
                match RecycleOrBurn::<T>::get(netuid) {
                    RecycleOrBurnEnum::Burn => {
                        Self::burn_issued(netuid, amount);
                        Self::deposit_event(Event::AlphaBurned(coldkey, hotkey, amount, netuid));
                    }
                    RecycleOrBurnEnum::Recycle => {
                        Self::recycle_issued(netuid, amount);
                        Self::deposit_event(Event::AlphaRecycled(coldkey, hotkey, amount, netuid));
                    }
                }
            } else {
                Self::stake_mined(&hotkey, &coldkey, netuid, amount)?;
            }
        }
        let share = if total > 0 { U96F32::from_ratio(destroyed, total) } else { U96F32::default() };
        MinerBurned::<T>::insert(netuid, share);
        Ok(())
    }

    /// Dividends are shared out between validators and their parents by the stake of before the epoch. Then each
    /// hotkey's part goes to all who staked to it, by their shares, and its take to its coldkey, as stake.
    fn pay_validators(netuid: NetUid, amounts: &[AlphaBalance]) -> DispatchResult {
        // Last epoch's entries go: one per validator and parent.
        let _ = AlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let mut parts = Vec::new();
        for (uid, amount) in (0u16..).zip(amounts.iter().copied()).filter(|(_, amount)| *amount > 0) {
            let hotkey = Keys::<T>::get(netuid, uid);
            let shared = Self::share_dividends(&hotkey, netuid, amount);
            Self::recycle_issued(netuid, shared.recycled);
            parts.extend(shared.parts);
        }
        for (hotkey, amount) in parts {
            let take = part(amount, Delegates::<T>::get(&hotkey));
            Self::increase_pool(&hotkey, netuid, amount.saturating_sub(take))?;
            if take > 0 {
                Self::increase_stake(&hotkey, &Owner::<T>::get(&hotkey), netuid, take)?;
            }
            let to_nominators = amount.saturating_sub(take);
            AlphaDividendsPerSubnet::<T>::mutate(netuid, &hotkey, |sum| *sum = sum.saturating_add(to_nominators));
        }
        Ok(())
    }
}
