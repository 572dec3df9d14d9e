//! Alpha that its holder destroys: recycled, it may be emitted again; burned, it counts as issued for ever.

use crate::{AlphaBalance, Config, Error, Event, NetUid, Pallet, TaoBalance, staking::Limit};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_recycle_alpha(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        amount: AlphaBalance,
        netuid: NetUid,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        let amount = Self::destroyable(&coldkey, &hotkey, amount, netuid)?;
        Self::decrease_stake(&hotkey, &coldkey, netuid, amount)?;
        Self::recycle_issued(netuid, amount);
        Self::deposit_event(Event::AlphaRecycled(coldkey, hotkey, amount, netuid));
        Ok(())
    }

    pub(crate) fn do_burn_alpha(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        amount: AlphaBalance,
        netuid: NetUid,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::burn_stake(coldkey, hotkey, amount, netuid)
    }

    /// Buys alpha, all or nothing within the limit, and destroys it.
    pub(crate) fn do_add_stake_burn(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        amount: TaoBalance,
        limit: Option<TaoBalance>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        let limit = limit.map(|price| Limit { price, allow_partial: false });
        let (amount, alpha) = Self::buy_stake(&coldkey, &hotkey, netuid, amount, limit)?;
        Self::burn_stake(coldkey, hotkey.clone(), alpha, netuid)?;
        Self::deposit_event(Event::AddStakeBurn { netuid, hotkey, amount, alpha });
        Ok(())
    }

    fn burn_stake(coldkey: T::AccountId, hotkey: T::AccountId, amount: AlphaBalance, netuid: NetUid) -> DispatchResult {
        let amount = Self::destroyable(&coldkey, &hotkey, amount, netuid)?;
        Self::decrease_stake(&hotkey, &coldkey, netuid, amount)?;
        Self::burn_issued(netuid, amount);
        Self::deposit_event(Event::AlphaBurned(coldkey, hotkey, amount, netuid));
        Ok(())
    }

    /// How much of `amount` a coldkey can destroy: no more than it has there.
    fn destroyable(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        amount: AlphaBalance,
        netuid: NetUid,
    ) -> Result<AlphaBalance, DispatchError> {
        ensure!(!netuid.is_root(), Error::<T>::CannotBurnOrRecycleOnRootSubnet);
        Self::ensure_stakable(netuid, hotkey)?;
        Ok(amount.min(Self::stake_of(hotkey, coldkey, netuid)))
    }
}
