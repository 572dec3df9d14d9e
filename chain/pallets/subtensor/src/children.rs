//! Parents and children: a hotkey lets others work with its stake and shares their dividends.
//!
//! A parent names up to five children with proportions of its stake. In consensus that part counts as the child's; of
//! the child's dividends each parent gets what its stake contributed, less the child's take, unless one coldkey owns
//! both. Naming takes effect after the first epoch that follows a cooldown, so that nobody's stake moves unseen; at once
//! where the subnet has not started.

use crate::{
    AlphaBalance, CKBurn, ChildKeys, ChildkeyTake, Config, Error, Event, NetUid, Owner, Pallet, ParentKeys,
    PendingChildKeyCooldown, PendingChildKeys, StakeThreshold, SubnetOwnerHotkey, SubtokenEnabled, TotalHotkeyAlpha,
    defaults, emission::part, rate_limit::Limited,
};
use alloc::{collections::BTreeSet, vec::Vec};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

/// Relations as they are stored: (proportion of 2⁶⁴ − 1, hotkey).
pub(crate) type Relations<A> = Vec<(u64, A)>;

/// How a child's dividends are shared out.
pub(crate) struct Shared<A> {
    /// Who gets how much: the parents in their order, then the child.
    pub(crate) parts: Vec<(A, AlphaBalance)>,
    /// What nobody gets (`CKBurn`): it may be emitted again.
    pub(crate) recycled: AlphaBalance,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_children(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        children: Relations<T::AccountId>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(!netuid.is_root(), Error::<T>::RegistrationNotPermittedOnRootSubnet);
        Self::ensure_subnet_exists(netuid)?;
        ensure!(Owner::<T>::get(&hotkey) == coldkey, Error::<T>::NonAssociatedColdKey);
        Self::ensure_sound_children(&hotkey, netuid, &children)?;
        ensure!(
            children.is_empty()
                || hotkey == SubnetOwnerHotkey::<T>::get(netuid)
                || Self::own_stake(&hotkey, netuid) >= StakeThreshold::<T>::get(),
            Error::<T>::NotEnoughStakeToSetChildkeys
        );
        Self::pass_rate_limit(&hotkey, netuid, Limited::SetChildren, defaults::SET_CHILDREN_RATE_LIMIT_BLOCKS)?;
        if !SubtokenEnabled::<T>::get(netuid) {
            // Nobody's stake is here yet that could move unseen.
            PendingChildKeys::<T>::remove(netuid, &hotkey);
            Self::put_children(&hotkey, netuid, children.clone());
            Self::deposit_event(Event::SetChildren(hotkey, netuid, children));
            return Ok(());
        }
        let from_block = Self::current_block().saturating_add(PendingChildKeyCooldown::<T>::get());
        PendingChildKeys::<T>::insert(netuid, &hotkey, (children.clone(), from_block));
        Self::deposit_event(Event::SetChildrenScheduled(hotkey, netuid, from_block, children));
        Ok(())
    }

    fn ensure_sound_children(
        hotkey: &T::AccountId,
        netuid: NetUid,
        children: &Relations<T::AccountId>,
    ) -> DispatchResult {
        ensure!(children.len() <= defaults::MAX_CHILDREN, Error::<T>::TooManyChildren);
        let parents = ParentKeys::<T>::get(hotkey, netuid);
        let mut named = BTreeSet::new();
        let mut sum = 0u64;
        for (proportion, child) in children {
            ensure!(child != hotkey, Error::<T>::InvalidChild);
            ensure!(named.insert(child), Error::<T>::DuplicateChild);
            ensure!(parents.iter().all(|(_, parent)| parent != child), Error::<T>::ChildParentInconsistency);
            sum = sum.checked_add(*proportion).ok_or(Error::<T>::ProportionOverflow)?;
        }
        Ok(())
    }

    /// Takes on what was named long enough ago. What has become a circle meanwhile is dropped.
    pub(crate) fn take_on_children(netuid: NetUid, now: u64) {
        let due: Vec<_> =
            PendingChildKeys::<T>::iter_prefix(netuid).filter(|(_, (_, from_block))| *from_block <= now).collect();
        for (parent, (children, _)) in due {
            PendingChildKeys::<T>::remove(netuid, &parent);
            if Self::ensure_sound_children(&parent, netuid, &children).is_ok() {
                Self::put_children(&parent, netuid, children.clone());
                Self::deposit_event(Event::SetChildren(parent, netuid, children));
            }
        }
    }

    /// Replaces a parent's children, on both sides of the relation.
    pub(crate) fn put_children(parent: &T::AccountId, netuid: NetUid, children: Relations<T::AccountId>) {
        for (_, child) in ChildKeys::<T>::get(parent, netuid) {
            Self::change_parents(&child, netuid, |parents| parents.retain(|(_, other)| other != parent));
        }
        for (proportion, child) in &children {
            Self::change_parents(child, netuid, |parents| parents.push((*proportion, parent.clone())));
        }
        if children.is_empty() {
            ChildKeys::<T>::remove(parent, netuid);
        } else {
            ChildKeys::<T>::insert(parent, netuid, children);
        }
    }

    fn change_parents(child: &T::AccountId, netuid: NetUid, change: impl FnOnce(&mut Relations<T::AccountId>)) {
        let mut parents = ParentKeys::<T>::get(child, netuid);
        change(&mut parents);
        if parents.is_empty() {
            ParentKeys::<T>::remove(child, netuid);
        } else {
            ParentKeys::<T>::insert(child, netuid, parents);
        }
    }

    /// The stake that is a hotkey's own, before any of it goes to children: its alpha here, and its root stake for what
    /// that counts.
    pub(crate) fn own_stake(hotkey: &T::AccountId, netuid: NetUid) -> AlphaBalance {
        TotalHotkeyAlpha::<T>::get(hotkey, netuid).saturating_add(Self::weighted_root_stake(hotkey))
    }

    /// The stake that speaks for a hotkey in consensus: its own, less what its children work with, plus what it works
    /// with for its parents.
    pub fn stake_in_consensus(hotkey: &T::AccountId, netuid: NetUid) -> AlphaBalance {
        Self::inherited(hotkey, netuid, Self::own_stake)
    }

    /// What a hotkey works with of something that each hotkey has of its own: less what goes to its children, plus what
    /// comes from its parents.
    pub(crate) fn inherited(hotkey: &T::AccountId, netuid: NetUid, own: fn(&T::AccountId, NetUid) -> u64) -> u64 {
        let from_parents = Self::contributions(hotkey, netuid, own).into_iter().map(|(_, stake)| stake);
        from_parents.fold(Self::kept(hotkey, netuid, own), u64::saturating_add)
    }

    /// What a hotkey keeps of its own.
    fn kept(hotkey: &T::AccountId, netuid: NetUid, own: fn(&T::AccountId, NetUid) -> u64) -> u64 {
        let own = own(hotkey, netuid);
        ChildKeys::<T>::get(hotkey, netuid)
            .into_iter()
            .fold(own, |left, (proportion, _)| left.saturating_sub(proportion_of(own, proportion)))
    }

    /// What each parent adds to what a hotkey has.
    fn contributions(
        hotkey: &T::AccountId,
        netuid: NetUid,
        own: fn(&T::AccountId, NetUid) -> u64,
    ) -> Vec<(T::AccountId, u64)> {
        ParentKeys::<T>::get(hotkey, netuid)
            .into_iter()
            .map(|(proportion, parent)| {
                let stake = proportion_of(own(&parent, netuid), proportion);
                (parent, stake)
            })
            .collect()
    }

    /// Shares out a hotkey's dividends: each parent gets what its stake contributed, less the child's take and what is
    /// recycled where another coldkey owns the parent. The child keeps the rest. To the last rao.
    pub(crate) fn share_dividends(
        hotkey: &T::AccountId,
        netuid: NetUid,
        dividends: AlphaBalance,
    ) -> Shared<T::AccountId> {
        let contributions = Self::contributions(hotkey, netuid, Self::own_stake);
        let total = u128::from(Self::kept(hotkey, netuid, Self::own_stake))
            .saturating_add(contributions.iter().map(|(_, stake)| u128::from(*stake)).sum());
        let owner = Owner::<T>::get(hotkey);
        let child_take = ChildkeyTake::<T>::get(hotkey, netuid);
        let mut shared = Shared { parts: Vec::new(), recycled: 0 };
        let mut left = dividends;
        for (parent, stake) in contributions {
            let earned = u128::from(dividends).saturating_mul(u128::from(stake)).checked_div(total).unwrap_or_default();
            let earned = u64::try_from(earned).unwrap_or(dividends);
            let (take, burn) = if Owner::<T>::get(&parent) == owner {
                (0, 0)
            } else {
                let take = part(earned, child_take);
                (take, proportion_of(earned, CKBurn::<T>::get()).min(earned.saturating_sub(take)))
            };
            let to_parent = earned.saturating_sub(take).saturating_sub(burn);
            left = left.saturating_sub(to_parent).saturating_sub(burn);
            shared.recycled = shared.recycled.saturating_add(burn);
            if to_parent > 0 {
                shared.parts.push((parent, to_parent));
            }
        }
        if left > 0 {
            shared.parts.push((hotkey.clone(), left));
        }
        shared
    }

    /// Both sides of every relation say the same.
    pub(crate) fn check_children() -> Result<(), &'static str> {
        for (parent, netuid, children) in ChildKeys::<T>::iter() {
            ensure!(
                Self::ensure_sound_children(&parent, netuid, &children).is_ok(),
                "children that could not be named"
            );
            for (proportion, child) in children {
                let parents = ParentKeys::<T>::get(child, netuid);
                ensure!(parents.contains(&(proportion, parent.clone())), "a child does not know its parent");
            }
        }
        for (child, netuid, parents) in ParentKeys::<T>::iter() {
            for (proportion, parent) in parents {
                let children = ChildKeys::<T>::get(parent, netuid);
                ensure!(children.contains(&(proportion, child.clone())), "a parent does not know its child");
            }
        }
        Ok(())
    }
}

/// `proportion / (2⁶⁴ − 1)` of an amount, rounded down.
pub(crate) fn proportion_of(amount: AlphaBalance, proportion: u64) -> AlphaBalance {
    let product = u128::from(amount).saturating_mul(u128::from(proportion));
    u64::try_from(product / u128::from(u64::MAX)).unwrap_or(amount)
}
