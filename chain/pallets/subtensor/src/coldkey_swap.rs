//! Putting one coldkey in the place of another: all that it owns goes over. It is announced first, by the hash of the new
//! coldkey, and made after a delay in which the owner of a stolen coldkey can dispute it; then only root can help.

use crate::{
    Alpha, ColdkeySwapAnnouncementDelay, ColdkeySwapAnnouncements, ColdkeySwapDisputes, ColdkeySwapReannouncementDelay,
    Config, Error, Event, IdentitiesV2, LastHotkeySwapOnNetuid, LastTxBlock, OwnedHotkeys, Owner, Pallet,
    StakingHotkeys, SubnetOwner, TaoBalance, TransactionKeyLastBlock, defaults, rate_limit::Limited,
};
use alloc::vec::Vec;
use frame_support::{
    ensure,
    pallet_prelude::*,
    traits::fungible::{Inspect, Mutate},
    traits::tokens::{Fortitude, Precision, Preservation},
};
use frame_system::{
    ensure_root, ensure_signed,
    pallet_prelude::{BlockNumberFor, OriginFor},
};
use sp_runtime::traits::{Hash, Saturating};

impl<T: Config> Pallet<T> {
    /// Announces a swap of the signing coldkey. Only the first announcement costs anything; the next must wait.
    pub(crate) fn do_announce_coldkey_swap(origin: OriginFor<T>, new_coldkey_hash: T::Hash) -> DispatchResult {
        let who = ensure_signed(origin)?;
        Self::ensure_undisputed(&who)?;
        if let Some((from, _)) = ColdkeySwapAnnouncements::<T>::get(&who) {
            ensure!(Self::may_change_announcement(from), Error::<T>::ColdkeySwapReannouncedTooEarly);
        } else {
            Self::charge_coldkey_swap(&who, defaults::KEY_SWAP_COST_RAO)?;
        }
        let from = Self::now().saturating_add(ColdkeySwapAnnouncementDelay::<T>::get());
        ColdkeySwapAnnouncements::<T>::insert(&who, (from, new_coldkey_hash));
        Self::deposit_event(Event::ColdkeySwapAnnounced { who, new_coldkey_hash });
        Ok(())
    }

    /// Makes the swap that the signing coldkey announced.
    pub(crate) fn do_swap_coldkey_announced(origin: OriginFor<T>, new: T::AccountId) -> DispatchResult {
        let old = ensure_signed(origin)?;
        Self::ensure_undisputed(&old)?;
        let (from, hash) =
            ColdkeySwapAnnouncements::<T>::get(&old).ok_or(Error::<T>::ColdkeySwapAnnouncementNotFound)?;
        ensure!(T::Hashing::hash_of(&new) == hash, Error::<T>::AnnouncedColdkeyHashDoesNotMatch);
        ensure!(Self::now() >= from, Error::<T>::ColdkeySwapTooEarly);
        ColdkeySwapAnnouncements::<T>::remove(&old);
        Self::replace_coldkey(&old, &new)
    }

    /// Stops the swap that was announced for the signing coldkey, until root resets it.
    pub(crate) fn do_dispute_coldkey_swap(origin: OriginFor<T>) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(ColdkeySwapAnnouncements::<T>::contains_key(&coldkey), Error::<T>::ColdkeySwapAnnouncementNotFound);
        ensure!(!ColdkeySwapDisputes::<T>::contains_key(&coldkey), Error::<T>::ColdkeySwapAlreadyDisputed);
        ColdkeySwapDisputes::<T>::insert(&coldkey, Self::now());
        Self::deposit_event(Event::ColdkeySwapDisputed { coldkey });
        Ok(())
    }

    /// Takes an announcement back once it might have been made anew.
    pub(crate) fn do_clear_coldkey_swap(origin: OriginFor<T>) -> DispatchResult {
        let who = ensure_signed(origin)?;
        Self::ensure_undisputed(&who)?;
        let (from, _) = ColdkeySwapAnnouncements::<T>::get(&who).ok_or(Error::<T>::ColdkeySwapAnnouncementNotFound)?;
        ensure!(Self::may_change_announcement(from), Error::<T>::ColdkeySwapClearTooEarly);
        ColdkeySwapAnnouncements::<T>::remove(&who);
        Self::deposit_event(Event::ColdkeySwapCleared { who });
        Ok(())
    }

    /// Forgets an announcement and its dispute. By root.
    pub(crate) fn do_reset_coldkey_swap(origin: OriginFor<T>, coldkey: T::AccountId) -> DispatchResult {
        ensure_root(origin)?;
        Self::forget_coldkey_swap(&coldkey);
        Self::deposit_event(Event::ColdkeySwapReset { who: coldkey });
        Ok(())
    }

    /// Swaps a coldkey at once, for what root says it costs. By root.
    pub(crate) fn do_swap_coldkey(
        origin: OriginFor<T>,
        old: T::AccountId,
        new: T::AccountId,
        swap_cost: TaoBalance,
    ) -> DispatchResult {
        ensure_root(origin)?;
        Self::charge_coldkey_swap(&old, swap_cost)?;
        Self::forget_coldkey_swap(&old);
        Self::replace_coldkey(&old, &new)
    }

    /// Why a coldkey may not make a call now: it announced that another takes its place, so nothing else is to happen to
    /// it; or that is disputed.
    ///
    /// # Errors
    ///
    /// `ColdkeySwapAnnounced` unless the call is about the swap; `ColdkeySwapDisputed` whatever it is.
    pub fn ensure_no_coldkey_swap(who: &T::AccountId, is_about_it: bool) -> Result<(), Error<T>> {
        if !ColdkeySwapAnnouncements::<T>::contains_key(who) {
            return Ok(());
        }
        Self::ensure_undisputed(who)?;
        if is_about_it { Ok(()) } else { Err(Error::<T>::ColdkeySwapAnnounced) }
    }

    fn ensure_undisputed(coldkey: &T::AccountId) -> Result<(), Error<T>> {
        ensure!(!ColdkeySwapDisputes::<T>::contains_key(coldkey), Error::<T>::ColdkeySwapDisputed);
        Ok(())
    }

    /// Whether an announcement of a swap that may be made from this block on may be replaced or taken back.
    fn may_change_announcement(from: BlockNumberFor<T>) -> bool {
        Self::now() >= from.saturating_add(ColdkeySwapReannouncementDelay::<T>::get())
    }

    fn forget_coldkey_swap(coldkey: &T::AccountId) {
        ColdkeySwapAnnouncements::<T>::remove(coldkey);
        ColdkeySwapDisputes::<T>::remove(coldkey);
    }

    fn charge_coldkey_swap(coldkey: &T::AccountId, cost: TaoBalance) -> DispatchResult {
        ensure!(Self::spendable(coldkey) >= cost, Error::<T>::NotEnoughBalanceToPaySwapColdKey);
        T::Currency::burn_from(coldkey, cost, Preservation::Preserve, Precision::Exact, Fortitude::Polite)?;
        Ok(())
    }

    fn now() -> BlockNumberFor<T> {
        frame_system::Pallet::<T>::block_number()
    }

    /// Gives all that a coldkey owns to one that is new to the chain: subnets, hotkeys, stake, identity, and its free TAO.
    /// What is limited in time stays limited.
    fn replace_coldkey(old: &T::AccountId, new: &T::AccountId) -> DispatchResult {
        ensure!(StakingHotkeys::<T>::get(new).is_empty(), Error::<T>::ColdKeyAlreadyAssociated);
        ensure!(!Owner::<T>::contains_key(new), Error::<T>::NewColdKeyIsHotkey);

        if !IdentitiesV2::<T>::contains_key(new)
            && let Some(identity) = IdentitiesV2::<T>::take(old)
        {
            IdentitiesV2::<T>::insert(new, identity);
        }
        for netuid in Self::subnets() {
            if SubnetOwner::<T>::get(netuid) == *old {
                SubnetOwner::<T>::insert(netuid, new);
            }
            Self::hand_over_auto_stake(netuid, old, new);
            if LastHotkeySwapOnNetuid::<T>::contains_key(netuid, old) {
                LastHotkeySwapOnNetuid::<T>::insert(netuid, new, LastHotkeySwapOnNetuid::<T>::take(netuid, old));
            }
        }
        if LastTxBlock::<T>::contains_key(old) {
            LastTxBlock::<T>::insert(new, LastTxBlock::<T>::take(old));
        }
        Self::hand_over_owner_limits(old, new);
        Self::hand_over_stake(old, new);
        Self::hand_over_hotkeys(old, new);
        let free = T::Currency::reducible_balance(old, Preservation::Expendable, Fortitude::Polite);
        T::Currency::transfer(old, new, free, Preservation::Expendable)?;
        Self::deposit_event(Event::ColdkeySwapped { old_coldkey: old.clone(), new_coldkey: new.clone() });
        Ok(())
    }

    fn hand_over_owner_limits(old: &T::AccountId, new: &T::AccountId) {
        // A coldkey may be its own hotkey; what is limited for that stays where it is.
        let limits: Vec<_> = TransactionKeyLastBlock::<T>::iter_prefix((old,))
            .filter(|((_, kind), _)| Limited::is_owners(*kind))
            .collect();
        for ((netuid, kind), block) in limits {
            TransactionKeyLastBlock::<T>::remove((old, netuid, kind));
            TransactionKeyLastBlock::<T>::insert((new, netuid, kind), block);
        }
    }

    /// Moves the shares themselves, so that nothing is rounded.
    fn hand_over_stake(old: &T::AccountId, new: &T::AccountId) {
        let networks = Self::networks();
        let hotkeys = StakingHotkeys::<T>::take(old);
        for (hotkey, netuid) in hotkeys.iter().flat_map(|hotkey| networks.iter().map(move |netuid| (hotkey, *netuid))) {
            if Alpha::<T>::contains_key((hotkey, old, netuid)) {
                let shares = Alpha::<T>::take((hotkey, old, netuid));
                Alpha::<T>::mutate((hotkey, new, netuid), |held| held.bits = held.bits.saturating_add(shares.bits));
            }
        }
        if !hotkeys.is_empty() {
            StakingHotkeys::<T>::insert(new, hotkeys);
        }
    }

    fn hand_over_hotkeys(old: &T::AccountId, new: &T::AccountId) {
        let hotkeys = OwnedHotkeys::<T>::take(old);
        for hotkey in &hotkeys {
            Owner::<T>::insert(hotkey, new);
        }
        if !hotkeys.is_empty() {
            // A coldkey that owned hotkeys would have been refused: it counts as staking to them.
            OwnedHotkeys::<T>::insert(new, hotkeys);
        }
    }
}
