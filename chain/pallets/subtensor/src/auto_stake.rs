//! Where a coldkey's mining income is staked: on the hotkey that mined it, or on another of the subnet that the coldkey
//! chose, a validator as a rule.

use crate::{
    AlphaBalance, AutoStakeDestination, AutoStakeDestinationColdkeys, Config, Error, Event, NetUid, Pallet, Uids,
};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_auto_stake(origin: OriginFor<T>, netuid: NetUid, hotkey: T::AccountId) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_subnet_exists(netuid)?;
        ensure!(Uids::<T>::contains_key(netuid, &hotkey), Error::<T>::HotKeyNotRegisteredInSubNet);
        let chosen = AutoStakeDestination::<T>::get(&coldkey, netuid);
        ensure!(chosen.as_ref() != Some(&hotkey), Error::<T>::SameAutoStakeHotkeyAlreadySet);
        Self::put_auto_stake(&coldkey, netuid, &hotkey);
        Self::deposit_event(Event::AutoStakeDestinationSet { coldkey, netuid, hotkey });
        Ok(())
    }

    /// Stakes what a hotkey mined, for its coldkey.
    pub(crate) fn stake_mined(
        hotkey: &T::AccountId,
        coldkey: &T::AccountId,
        netuid: NetUid,
        amount: AlphaBalance,
    ) -> DispatchResult {
        let Some(destination) = AutoStakeDestination::<T>::get(coldkey, netuid) else {
            return Self::increase_stake(hotkey, coldkey, netuid, amount);
        };
        Self::increase_stake(&destination, coldkey, netuid, amount)?;
        Self::deposit_event(Event::AutoStakeAdded {
            netuid,
            destination,
            hotkey: hotkey.clone(),
            owner: coldkey.clone(),
            incentive: amount,
        });
        Ok(())
    }

    /// Who stakes what it mines on one hotkey does so on another. In linear time, however many they are.
    pub(crate) fn move_auto_stakes(netuid: NetUid, old: &T::AccountId, new: &T::AccountId) {
        for coldkey in AutoStakeDestinationColdkeys::<T>::take(old, netuid) {
            AutoStakeDestination::<T>::insert(&coldkey, netuid, new);
            AutoStakeDestinationColdkeys::<T>::append(new, netuid, coldkey);
        }
    }

    /// One coldkey has chosen what another had.
    pub(crate) fn hand_over_auto_stake(netuid: NetUid, old: &T::AccountId, new: &T::AccountId) {
        if let Some(hotkey) = Self::take_auto_stake(old, netuid) {
            Self::put_auto_stake(new, netuid, &hotkey);
        }
    }

    fn put_auto_stake(coldkey: &T::AccountId, netuid: NetUid, hotkey: &T::AccountId) {
        Self::take_auto_stake(coldkey, netuid);
        AutoStakeDestination::<T>::insert(coldkey, netuid, hotkey);
        AutoStakeDestinationColdkeys::<T>::append(hotkey, netuid, coldkey);
    }

    fn take_auto_stake(coldkey: &T::AccountId, netuid: NetUid) -> Option<T::AccountId> {
        let hotkey = AutoStakeDestination::<T>::take(coldkey, netuid)?;
        let mut coldkeys = AutoStakeDestinationColdkeys::<T>::take(&hotkey, netuid);
        coldkeys.retain(|one| one != coldkey);
        if !coldkeys.is_empty() {
            AutoStakeDestinationColdkeys::<T>::insert(&hotkey, netuid, coldkeys);
        }
        Some(hotkey)
    }
}
