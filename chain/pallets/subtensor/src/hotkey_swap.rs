//! Putting one hotkey in the place of another of the same coldkey: registration, weights, commits, relations and, if
//! wanted, stake go over.

use crate::{
    Alpha, AlphaDividendsPerSubnet, Axons, ChildKeys, ChildkeyTake, Config, Delegates, Error, Event, IsNetworkMember,
    Keys, LastHotkeyEmissionOnNetuid, LastHotkeySwapOnNetuid, LastTxBlock, LastTxBlockChildKeyTake,
    LastTxBlockDelegateTake, NetUid, NeuronCertificates, Pallet, ParentKeys, PendingChildKeys, Prometheus,
    RootAlphaDividendsPerSubnet, SubnetOwnerHotkey, TimelockedWeightCommits, TransactionKeyLastBlock, TxRateLimit,
    Uids, WeightCommits, defaults, rate_limit::Limited, take::has_passed,
};
use alloc::vec::Vec;
use frame_support::{
    ensure,
    pallet_prelude::*,
    traits::fungible::Mutate,
    traits::tokens::{Fortitude, Precision, Preservation},
};
use frame_system::pallet_prelude::OriginFor;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_swap_hotkey(
        origin: OriginFor<T>,
        old: T::AccountId,
        new: T::AccountId,
        netuid: Option<NetUid>,
        keep_stake: bool,
    ) -> DispatchResult {
        let coldkey = Self::ensure_owns(origin, &old)?;
        ensure!(old != new, Error::<T>::NewHotKeyIsSameWithOld);
        Self::ensure_associable(&coldkey, &new)?;
        let (subnets, cost) = match netuid {
            Some(netuid) => {
                Self::ensure_subnet_exists(netuid)?;
                ensure!(Uids::<T>::contains_key(netuid, &old), Error::<T>::HotKeyNotRegisteredInSubNet);
                ensure!(
                    has_passed::<T>(
                        LastHotkeySwapOnNetuid::<T>::get(netuid, &coldkey),
                        defaults::HOTKEY_SWAP_ON_SUBNET_INTERVAL_BLOCKS
                    ),
                    Error::<T>::HotKeySwapOnSubnetIntervalNotPassed
                );
                (alloc::vec![netuid], defaults::KEY_SWAP_ON_SUBNET_COST_RAO)
            }
            None => {
                ensure!(
                    has_passed::<T>(LastTxBlock::<T>::get(&coldkey), TxRateLimit::<T>::get()),
                    Error::<T>::HotKeySetTxRateLimitExceeded
                );
                (Self::networks(), defaults::KEY_SWAP_COST_RAO)
            }
        };
        ensure!(
            subnets.iter().all(|netuid| !Uids::<T>::contains_key(netuid, &new)),
            Error::<T>::HotKeyAlreadyRegisteredInSubNet
        );
        for netuid in &subnets {
            Self::ensure_swap_makes_no_circle(&old, &new, *netuid)?;
        }
        ensure!(Self::spendable(&coldkey) >= cost, Error::<T>::NotEnoughBalanceToPaySwapHotKey);

        T::Currency::burn_from(&coldkey, cost, Preservation::Preserve, Precision::Exact, Fortitude::Polite)?;
        Self::associate_hotkey(&coldkey, &new);
        for netuid in subnets {
            Self::swap_on(netuid, &old, &new);
            if !keep_stake {
                Self::move_all_stake(netuid, &old, &new)?;
            }
        }
        let now = Self::current_block();
        let event = if let Some(netuid) = netuid {
            LastHotkeySwapOnNetuid::<T>::insert(netuid, &coldkey, now);
            Event::HotkeySwappedOnSubnet { coldkey, old_hotkey: old, new_hotkey: new, netuid }
        } else {
            // What holds for the hotkey everywhere goes over with the last of its subnets.
            Delegates::<T>::insert(&new, Delegates::<T>::get(&old));
            LastTxBlockDelegateTake::<T>::insert(&new, LastTxBlockDelegateTake::<T>::get(&old));
            LastTxBlockChildKeyTake::<T>::insert(&new, LastTxBlockChildKeyTake::<T>::get(&old));
            LastTxBlock::<T>::insert(&coldkey, now);
            Event::HotkeySwapped { coldkey, old_hotkey: old, new_hotkey: new }
        };
        Self::deposit_event(event);
        Ok(())
    }

    /// The new hotkey takes over the old one's relations, so it must have none, and the two must not be related.
    fn ensure_swap_makes_no_circle(old: &T::AccountId, new: &T::AccountId, netuid: NetUid) -> DispatchResult {
        let is_new = |relations: Vec<(u64, T::AccountId)>| relations.iter().any(|(_, key)| key == new);
        let free = !ChildKeys::<T>::contains_key(new, netuid)
            && !ParentKeys::<T>::contains_key(new, netuid)
            && !PendingChildKeys::<T>::contains_key(netuid, new)
            && !is_new(ChildKeys::<T>::get(old, netuid))
            && !is_new(ParentKeys::<T>::get(old, netuid));
        ensure!(free, Error::<T>::ChildParentInconsistency);
        Ok(())
    }

    /// Moves all that a subnet keeps by hotkey, except stake.
    fn swap_on(netuid: NetUid, old: &T::AccountId, new: &T::AccountId) {
        if let Some(uid) = Uids::<T>::take(netuid, old) {
            Uids::<T>::insert(netuid, new, uid);
            Keys::<T>::insert(netuid, uid, new);
            IsNetworkMember::<T>::remove(old, netuid);
            IsNetworkMember::<T>::insert(new, netuid, true);
        }
        if SubnetOwnerHotkey::<T>::get(netuid) == *old {
            SubnetOwnerHotkey::<T>::insert(netuid, new);
        }
        if let Some(axon) = Axons::<T>::take(netuid, old) {
            Axons::<T>::insert(netuid, new, axon);
        }
        if let Some(prometheus) = Prometheus::<T>::take(netuid, old) {
            Prometheus::<T>::insert(netuid, new, prometheus);
        }
        if let Some(certificate) = NeuronCertificates::<T>::take(netuid, old) {
            NeuronCertificates::<T>::insert(netuid, new, certificate);
        }
        for index in Self::mechanism_indices(netuid) {
            if let Some(commits) = WeightCommits::<T>::take(index, old) {
                WeightCommits::<T>::insert(index, new, commits);
            }
            let epochs: Vec<u64> = TimelockedWeightCommits::<T>::iter_key_prefix(index).collect();
            for epoch in epochs {
                TimelockedWeightCommits::<T>::mutate(index, epoch, |commits| {
                    commits.iter_mut().filter(|commit| commit.0 == *old).for_each(|commit| commit.0 = new.clone());
                });
            }
        }
        if LastHotkeyEmissionOnNetuid::<T>::contains_key(old, netuid) {
            LastHotkeyEmissionOnNetuid::<T>::insert(new, netuid, LastHotkeyEmissionOnNetuid::<T>::take(old, netuid));
        }
        if AlphaDividendsPerSubnet::<T>::contains_key(netuid, old) {
            AlphaDividendsPerSubnet::<T>::insert(netuid, new, AlphaDividendsPerSubnet::<T>::take(netuid, old));
        }
        if RootAlphaDividendsPerSubnet::<T>::contains_key(netuid, old) {
            let earned = RootAlphaDividendsPerSubnet::<T>::take(netuid, old);
            RootAlphaDividendsPerSubnet::<T>::insert(netuid, new, earned);
        }
        let last_set = TransactionKeyLastBlock::<T>::take((old, netuid, Limited::SetChildren.code()));
        if last_set > 0 {
            TransactionKeyLastBlock::<T>::insert((new, netuid, Limited::SetChildren.code()), last_set);
        }
        Self::move_auto_stakes(netuid, old, new);
        Self::swap_relations(netuid, old, new);
    }

    fn swap_relations(netuid: NetUid, old: &T::AccountId, new: &T::AccountId) {
        let children = ChildKeys::<T>::get(old, netuid);
        if !children.is_empty() {
            Self::put_children(old, netuid, Vec::new());
            Self::put_children(new, netuid, children);
        }
        for (_, parent) in ParentKeys::<T>::get(old, netuid) {
            let children = rename(ChildKeys::<T>::get(&parent, netuid), old, new);
            Self::put_children(&parent, netuid, children);
        }
        if PendingChildKeys::<T>::contains_key(netuid, old) {
            PendingChildKeys::<T>::insert(netuid, new, PendingChildKeys::<T>::take(netuid, old));
        }
        let named: Vec<_> = PendingChildKeys::<T>::iter_prefix(netuid)
            .filter(|(_, (children, _))| children.iter().any(|(_, child)| child == old))
            .collect();
        for (parent, (children, from_block)) in named {
            PendingChildKeys::<T>::insert(netuid, parent, (rename(children, old, new), from_block));
        }
        if ChildkeyTake::<T>::contains_key(old, netuid) {
            ChildkeyTake::<T>::insert(new, netuid, ChildkeyTake::<T>::take(old, netuid));
        }
    }

    /// Moves everybody's stake. What rounding leaves behind goes over with the last holder, so the pool's sum stays.
    fn move_all_stake(netuid: NetUid, old: &T::AccountId, new: &T::AccountId) -> DispatchResult {
        let holders: Vec<T::AccountId> = Alpha::<T>::iter_prefix((old,))
            .filter(|((_, subnet), _)| *subnet == netuid)
            .map(|((coldkey, _), _)| coldkey)
            .collect();
        for coldkey in holders {
            let stake = Self::stake_of(old, &coldkey, netuid);
            Self::decrease_stake(old, &coldkey, netuid, stake)?;
            if stake > 0 {
                Self::increase_stake(new, &coldkey, netuid, stake)?;
            }
        }
        Ok(())
    }
}

fn rename<A: Clone + PartialEq>(relations: Vec<(u64, A)>, old: &A, new: &A) -> Vec<(u64, A)> {
    relations.into_iter().map(|(share, key)| (share, if key == *old { new.clone() } else { key })).collect()
}
