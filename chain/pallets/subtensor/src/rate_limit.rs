//! How often a key may do what is limited per subnet.

use crate::{
    AdminFreezeWindow, Config, Error, NetUid, OwnerHyperparamRateLimit, Pallet, PendingEpochAt, Tempo,
    TransactionKeyLastBlock,
};
use frame_support::{ensure, pallet_prelude::*};

/// What is limited. The numbers of the first two are Bittensor's; a hyperparameter adds its call's index.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limited {
    /// Naming children.
    SetChildren,
    /// Setting one hyperparameter as a subnet's owner: the index of the call in `AdminUtils`.
    OwnerHyperparam(u8),
}

/// Above Bittensor's own numbers.
const OWNER_HYPERPARAMS: u16 = 0x100;

impl Limited {
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::SetChildren => 0,
            Self::OwnerHyperparam(call) => OWNER_HYPERPARAMS.saturating_add(u16::from(call)),
        }
    }

    /// Whether a number is of what a subnet's owner does.
    pub(crate) fn is_owners(code: u16) -> bool {
        code >= OWNER_HYPERPARAMS
    }
}

impl<T: Config> Pallet<T> {
    /// Refuses a key that did this less than `blocks` ago, and notes that it does it now. The first time is free.
    pub(crate) fn pass_rate_limit(key: &T::AccountId, netuid: NetUid, what: Limited, blocks: u64) -> DispatchResult {
        let slot = (key, netuid, what.code());
        let now = Self::current_block();
        let last = TransactionKeyLastBlock::<T>::get(slot);
        ensure!(last == 0 || now.saturating_sub(last) >= blocks, Error::<T>::TxRateLimitExceeded);
        TransactionKeyLastBlock::<T>::insert(slot, now);
        Ok(())
    }

    /// Lets an owner set a hyperparameter once every `OwnerHyperparamRateLimit` tempos.
    pub(crate) fn pass_owner_rate_limit(owner: &T::AccountId, netuid: NetUid, call: u8) -> DispatchResult {
        let blocks = u64::from(Tempo::<T>::get(netuid)).saturating_mul(u64::from(OwnerHyperparamRateLimit::<T>::get()));
        Self::pass_rate_limit(owner, netuid, Limited::OwnerHyperparam(call), blocks)
    }

    /// Refuses to change what an epoch reads in the last `AdminFreezeWindow` blocks before it, when validators have
    /// decided by what they saw; and as soon as an epoch out of turn is called for.
    pub(crate) fn ensure_not_frozen(netuid: NetUid) -> DispatchResult {
        let now = Self::current_block();
        let left = Self::next_epoch_start_block(netuid).map(|epoch| epoch.saturating_sub(now));
        let called_for = PendingEpochAt::<T>::get(netuid) > now;
        ensure!(
            !called_for && left.is_none_or(|left| left >= u64::from(AdminFreezeWindow::<T>::get())),
            Error::<T>::AdminActionProhibitedDuringWeightsWindow
        );
        Ok(())
    }
}
