//! What delegates and children keep of the dividends they earn for others.

use crate::{
    ChildkeyTake, Config, Delegates, Error, Event, LastTxBlockChildKeyTake, LastTxBlockDelegateTake, MaxChildkeyTake,
    MaxDelegateTake, MinChildkeyTake, MinChildkeyTakePerSubnet, MinDelegateTake, NetUid, Owner, Pallet,
    TxChildkeyTakeRateLimit, TxDelegateTakeRateLimit,
};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

impl<T: Config> Pallet<T> {
    /// The signing coldkey, if it owns the hotkey.
    pub(crate) fn ensure_owns(origin: OriginFor<T>, hotkey: &T::AccountId) -> Result<T::AccountId, DispatchError> {
        let coldkey = ensure_signed(origin)?;
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        ensure!(Owner::<T>::get(hotkey) == coldkey, Error::<T>::NonAssociatedColdKey);
        Ok(coldkey)
    }

    pub(crate) fn do_decrease_take(origin: OriginFor<T>, hotkey: T::AccountId, take: u16) -> DispatchResult {
        let coldkey = Self::ensure_owns(origin, &hotkey)?;
        let lower = take < Delegates::<T>::get(&hotkey) && take >= MinDelegateTake::<T>::get();
        ensure!(lower, Error::<T>::DelegateTakeTooLow);
        Delegates::<T>::insert(&hotkey, take);
        Self::deposit_event(Event::TakeDecreased(coldkey, hotkey, take));
        Ok(())
    }

    pub(crate) fn do_increase_take(origin: OriginFor<T>, hotkey: T::AccountId, take: u16) -> DispatchResult {
        let coldkey = Self::ensure_owns(origin, &hotkey)?;
        let higher = take > Delegates::<T>::get(&hotkey) && take >= MinDelegateTake::<T>::get();
        ensure!(higher, Error::<T>::DelegateTakeTooLow);
        ensure!(take <= MaxDelegateTake::<T>::get(), Error::<T>::DelegateTakeTooHigh);
        let last = LastTxBlockDelegateTake::<T>::get(&hotkey);
        ensure!(has_passed::<T>(last, TxDelegateTakeRateLimit::<T>::get()), Error::<T>::DelegateTxRateLimitExceeded);
        LastTxBlockDelegateTake::<T>::insert(&hotkey, Self::current_block());
        Delegates::<T>::insert(&hotkey, take);
        Self::deposit_event(Event::TakeIncreased(coldkey, hotkey, take));
        Ok(())
    }

    pub(crate) fn do_set_childkey_take(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        take: u16,
    ) -> DispatchResult {
        Self::ensure_subnet_exists(netuid)?;
        Self::ensure_owns(origin, &hotkey)?;
        let least = MinChildkeyTake::<T>::get().max(MinChildkeyTakePerSubnet::<T>::get(netuid));
        ensure!((least..=MaxChildkeyTake::<T>::get()).contains(&take), Error::<T>::InvalidChildkeyTake);
        if take > ChildkeyTake::<T>::get(&hotkey, netuid) {
            let last = LastTxBlockChildKeyTake::<T>::get(&hotkey);
            ensure!(
                has_passed::<T>(last, TxChildkeyTakeRateLimit::<T>::get()),
                Error::<T>::TxChildkeyTakeRateLimitExceeded
            );
            LastTxBlockChildKeyTake::<T>::insert(&hotkey, Self::current_block());
        }
        ChildkeyTake::<T>::insert(&hotkey, netuid, take);
        Self::deposit_event(Event::ChildKeyTakeSet(hotkey, take));
        Ok(())
    }
}

/// Whether `blocks` have passed since something was last done; true if it never was.
pub(crate) fn has_passed<T: Config>(last: u64, blocks: u64) -> bool {
    last == 0 || Pallet::<T>::current_block().saturating_sub(last) >= blocks
}
