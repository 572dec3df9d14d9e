//! Stake that moves: to another hotkey, to another subnet (by selling there and buying here), to another coldkey.

use crate::{
    AlphaBalance, Config, Error, Event, FeeRates, NetUid, Pallet, TaoBalance, TransferToggle, defaults, market::Fee,
    staking::Limit,
};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use sp_runtime::DispatchError;

/// A place where stake can be.
pub(crate) struct Place<A> {
    pub(crate) coldkey: A,
    pub(crate) hotkey: A,
    pub(crate) netuid: NetUid,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_move_stake(
        origin: OriginFor<T>,
        origin_hotkey: T::AccountId,
        destination_hotkey: T::AccountId,
        origin_netuid: NetUid,
        destination_netuid: NetUid,
        amount: AlphaBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(origin_hotkey != destination_hotkey || origin_netuid != destination_netuid, Error::<T>::SameNetuid);
        let from = Place { coldkey: coldkey.clone(), hotkey: origin_hotkey, netuid: origin_netuid };
        let to = Place { coldkey, hotkey: destination_hotkey, netuid: destination_netuid };
        // Within a subnet nothing is traded: there is no price to keep to.
        let tao = Self::shift(&from, &to, amount, limit.filter(|_| origin_netuid != destination_netuid))?;
        let Place { coldkey, hotkey, netuid } = from;
        Self::deposit_event(Event::StakeMoved(coldkey, hotkey, netuid, to.hotkey, to.netuid, tao));
        Ok(())
    }

    pub(crate) fn do_transfer_stake(
        origin: OriginFor<T>,
        destination_coldkey: T::AccountId,
        origin_hotkey: T::AccountId,
        destination_hotkey: T::AccountId,
        origin_netuid: NetUid,
        destination_netuid: NetUid,
        amount: AlphaBalance,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(
            coldkey != destination_coldkey
                || origin_hotkey != destination_hotkey
                || origin_netuid != destination_netuid,
            Error::<T>::SameNetuid
        );
        ensure!(
            TransferToggle::<T>::get(origin_netuid) && TransferToggle::<T>::get(destination_netuid),
            Error::<T>::TransferDisallowed
        );
        let from = Place { coldkey, hotkey: origin_hotkey, netuid: origin_netuid };
        let to = Place { coldkey: destination_coldkey, hotkey: destination_hotkey, netuid: destination_netuid };
        let tao = Self::shift(&from, &to, amount, None)?;
        Self::deposit_event(Event::StakeTransferred(from.coldkey, to.coldkey, to.hotkey, from.netuid, to.netuid, tao));
        Ok(())
    }

    pub(crate) fn do_swap_stake(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        origin_netuid: NetUid,
        destination_netuid: NetUid,
        amount: AlphaBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(origin_netuid != destination_netuid, Error::<T>::SameNetuid);
        let from = Place { coldkey: coldkey.clone(), hotkey: hotkey.clone(), netuid: origin_netuid };
        let to = Place { coldkey, hotkey, netuid: destination_netuid };
        let tao = Self::shift(&from, &to, amount, limit)?;
        Self::deposit_event(Event::StakeSwapped(from.coldkey, from.hotkey, from.netuid, to.netuid, tao));
        Ok(())
    }

    /// The amount of a call in which the largest there is stands for all that the signer has there.
    pub(crate) fn all_or(
        origin: &OriginFor<T>,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: AlphaBalance,
    ) -> AlphaBalance {
        match ensure_signed(origin.clone()) {
            Ok(coldkey) if amount == AlphaBalance::MAX => Self::stake_of(hotkey, &coldkey, netuid),
            _ => amount,
        }
    }

    /// Moves stake; returns what it was worth in TAO. What it leaves behind is unstaked if it is too little.
    fn shift(
        from: &Place<T::AccountId>,
        to: &Place<T::AccountId>,
        amount: AlphaBalance,
        limit: Option<Limit>,
    ) -> Result<TaoBalance, DispatchError> {
        let tao = Self::shift_stake(from, to, amount, limit)?;
        Self::clear_small_nomination(&from.hotkey, &from.coldkey, from.netuid);
        Ok(tao)
    }

    fn shift_stake(
        from: &Place<T::AccountId>,
        to: &Place<T::AccountId>,
        amount: AlphaBalance,
        limit: Option<Limit>,
    ) -> Result<TaoBalance, DispatchError> {
        Self::ensure_stakable(from.netuid, &from.hotkey)?;
        Self::ensure_stakable(to.netuid, &to.hotkey)?;
        let stake = Self::stake_of(&from.hotkey, &from.coldkey, from.netuid);
        ensure!(amount <= stake, Error::<T>::NotEnoughStakeToWithdraw);
        let amount = Self::movable(from.netuid, to.netuid, amount, limit)?;
        // Whoever moves all may move little: else dust would be locked in for ever.
        let least = if amount == stake { 1 } else { defaults::MIN_STAKE_RAO };
        Self::decrease_stake(&from.hotkey, &from.coldkey, from.netuid, amount)?;
        if from.netuid == to.netuid {
            let tao = Self::worth(from.netuid, amount);
            ensure!(amount > 0 && (amount == stake || tao >= least), Error::<T>::AmountTooLow);
            Self::increase_stake(&to.hotkey, &to.coldkey, to.netuid, amount)?;
            return Ok(tao);
        }
        let (tao, _) = Self::sell_alpha(from.netuid, amount)?;
        ensure!(tao >= least, Error::<T>::AmountTooLow);
        let (alpha, _) = Self::buy_alpha(to.netuid, tao, Self::second_fee(from.netuid, to.netuid))?;
        ensure!(alpha > 0, Error::<T>::AmountTooLow);
        Self::increase_stake(&to.hotkey, &to.coldkey, to.netuid, alpha)?;
        Ok(tao)
    }

    /// The fee of buying with what was just sold. Stake that moves pays once, but never by way of a cheaper pool: the
    /// second fee is waived only if the first was as high. A stable market takes none.
    fn second_fee(from: NetUid, to: NetUid) -> Fee {
        let paid = Self::is_dynamic(from) && T::FeeRates::fee_rate(from) >= T::FeeRates::fee_rate(to);
        if paid { Fee::Waived } else { Fee::Due }
    }

    /// How much of the amount may move: after it, one alpha of the origin must be worth at least the limit, in
    /// billionths of the destination's.
    fn movable(
        from: NetUid,
        to: NetUid,
        amount: AlphaBalance,
        limit: Option<Limit>,
    ) -> Result<AlphaBalance, DispatchError> {
        let (origin, destination) = (Self::market(from), Self::market_at(to, Self::second_fee(from, to)));
        Self::within_limit(amount, limit, |alpha, price| {
            let sold = origin.sell(alpha)?;
            let bought = destination.buy(sold.out)?;
            Some(sold.after.reserves().is_worth_at_least(price, bought.after.reserves()))
        })
    }
}
