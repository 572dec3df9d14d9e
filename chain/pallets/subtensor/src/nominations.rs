//! Stake to somebody else's hotkey that is too little to keep: it is unstaked.

use crate::{Alpha, Config, NetUid, NominatorMinRequiredStake, Owner, Pallet, TaoBalance, defaults::MIN_STAKE_RAO};
use alloc::vec::Vec;
use frame_support::{storage::with_storage_layer, traits::fungible::Mutate};
use sp_runtime::DispatchError;

/// [`NominatorMinRequiredStake`] counts in so many parts of the least stake.
const PARTS: u64 = 1_000_000;

impl<T: Config> Pallet<T> {
    /// The least that a nominator may leave with a hotkey in a subnet, in rao.
    pub fn get_nominator_min_required_stake() -> TaoBalance {
        MIN_STAKE_RAO.saturating_mul(NominatorMinRequiredStake::<T>::get()) / PARTS
    }

    /// Sets it, in millionths of the least stake. Where it rises, what is less now is unstaked.
    pub(crate) fn set_nominator_min_required_stake(millionths: u64) {
        let before = Self::get_nominator_min_required_stake();
        NominatorMinRequiredStake::<T>::put(millionths);
        if Self::get_nominator_min_required_stake() > before {
            let places: Vec<_> = Alpha::<T>::iter_keys().collect();
            for (hotkey, coldkey, netuid) in places {
                Self::clear_small_nomination(&hotkey, &coldkey, netuid);
            }
        }
    }

    /// Unstakes what a nominator has somewhere, if it is less than it may be. What nobody buys stays.
    pub(crate) fn clear_small_nomination(hotkey: &T::AccountId, coldkey: &T::AccountId, netuid: NetUid) {
        if Owner::<T>::get(hotkey) == *coldkey {
            return;
        }
        let stake = Self::stake_of(hotkey, coldkey, netuid);
        if stake == 0 || Self::worth(netuid, stake) >= Self::get_nominator_min_required_stake() {
            return;
        }
        with_storage_layer(|| {
            let tao = Self::unstake(coldkey, hotkey, netuid, stake)?;
            T::Currency::mint_into(coldkey, tao)?;
            Ok::<_, DispatchError>(())
        })
        .unwrap_or_default();
    }
}
