//! TAO in and out of subnets, one to one with alpha, and a hotkey's stake as a pool of shares.
//!
//! Staked TAO is burned from the coldkey's free balance and counted in `SubnetTAO` and `TotalStake`; unstaked TAO is
//! minted again. So stake is always backed by exactly what was paid in or emitted.

use crate::{
    Alpha, AlphaBalance, Config, Error, Event, NetUid, Owner, Pallet, StakeThreshold, StakingHotkeys, SubnetTAO,
    SubtokenEnabled, TaoBalance, TotalHotkeyAlpha, TotalHotkeyShares, TotalIssuance, TotalStake, U64F64, defaults,
    registration::push_once, shares::Pool,
};
use frame_support::{
    ensure,
    pallet_prelude::*,
    traits::fungible::{Inspect, Mutate},
    traits::tokens::{Fortitude, Precision, Preservation},
};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

/// The fee of staking in rao. Bittensor's pool takes one; without a pool there is none.
const STAKING_FEE_RAO: u64 = 0;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_add_stake(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        amount: TaoBalance,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_stakable(netuid, &hotkey)?;
        ensure!(amount >= defaults::MIN_STAKE_RAO, Error::<T>::AmountTooLow);
        ensure!(Self::spendable(&coldkey) >= amount, Error::<T>::NotEnoughBalanceToStake);
        T::Currency::burn_from(&coldkey, amount, Preservation::Preserve, Precision::Exact, Fortitude::Polite)?;
        Self::add_backing(netuid, amount);
        Self::increase_stake(&hotkey, &coldkey, netuid, amount)?;
        Self::deposit_event(Event::StakeAdded(coldkey, hotkey, amount, amount, netuid, STAKING_FEE_RAO));
        Ok(())
    }

    pub(crate) fn do_remove_stake(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        amount: AlphaBalance,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_stakable(netuid, &hotkey)?;
        let stake = Self::stake_of(&hotkey, &coldkey, netuid);
        ensure!(amount <= stake, Error::<T>::NotEnoughStakeToWithdraw);
        // Whoever takes all may take little: else dust would be locked in for ever.
        ensure!(amount >= defaults::MIN_STAKE_RAO || (amount == stake && amount > 0), Error::<T>::AmountTooLow);
        Self::decrease_stake(&hotkey, &coldkey, netuid, amount)?;
        Self::remove_backing(netuid, amount);
        T::Currency::mint_into(&coldkey, amount)?;
        Self::deposit_event(Event::StakeRemoved(coldkey, hotkey, amount, amount, netuid, STAKING_FEE_RAO));
        Ok(())
    }

    fn ensure_stakable(netuid: NetUid, hotkey: &T::AccountId) -> DispatchResult {
        Self::ensure_subnet_exists(netuid)?;
        ensure!(SubtokenEnabled::<T>::get(netuid), Error::<T>::SubtokenDisabled);
        ensure!(Owner::<T>::contains_key(hotkey), Error::<T>::HotKeyAccountNotExists);
        Ok(())
    }

    /// What a coldkey's shares of a hotkey's pool are worth.
    pub fn stake_of(hotkey: &T::AccountId, coldkey: &T::AccountId, netuid: NetUid) -> AlphaBalance {
        let held = Alpha::<T>::get((hotkey, coldkey, netuid));
        if held == U64F64::default() { 0 } else { Self::pool(hotkey, netuid).value_of(held) }
    }

    /// Whether a hotkey's stake gives it a say in the subnet.
    pub(crate) fn has_stake_to_set_weights(hotkey: &T::AccountId, netuid: NetUid) -> bool {
        Self::stake_in_consensus(hotkey, netuid) >= StakeThreshold::<T>::get()
    }

    fn pool(hotkey: &T::AccountId, netuid: NetUid) -> Pool {
        Pool { alpha: TotalHotkeyAlpha::<T>::get(hotkey, netuid), shares: TotalHotkeyShares::<T>::get(hotkey, netuid) }
    }

    fn put_pool(hotkey: &T::AccountId, netuid: NetUid, pool: Pool) {
        if pool == Pool::default() {
            TotalHotkeyAlpha::<T>::remove(hotkey, netuid);
            TotalHotkeyShares::<T>::remove(hotkey, netuid);
        } else {
            TotalHotkeyAlpha::<T>::insert(hotkey, netuid, pool.alpha);
            TotalHotkeyShares::<T>::insert(hotkey, netuid, pool.shares);
        }
    }

    /// Puts alpha that is backed already into a hotkey's pool, for a coldkey.
    pub(crate) fn increase_stake(
        hotkey: &T::AccountId,
        coldkey: &T::AccountId,
        netuid: NetUid,
        amount: AlphaBalance,
    ) -> DispatchResult {
        let mut pool = Self::pool(hotkey, netuid);
        let shares = pool.shares_for_deposit(amount).ok_or(Error::<T>::Overflow)?;
        pool.alpha = pool.alpha.checked_add(amount).ok_or(Error::<T>::Overflow)?;
        pool.shares.bits = pool.shares.bits.checked_add(shares.bits).ok_or(Error::<T>::Overflow)?;
        Self::put_pool(hotkey, netuid, pool);
        // No sum of shares overflows that the pool's did not.
        Alpha::<T>::mutate((hotkey, coldkey, netuid), |held| held.bits = held.bits.saturating_add(shares.bits));
        push_once(&mut StakingHotkeys::<T>::get(coldkey), hotkey, |keys| StakingHotkeys::<T>::insert(coldkey, keys));
        Ok(())
    }

    /// Takes a coldkey's alpha out of a hotkey's pool; its backing is the caller's business.
    pub(crate) fn decrease_stake(
        hotkey: &T::AccountId,
        coldkey: &T::AccountId,
        netuid: NetUid,
        amount: AlphaBalance,
    ) -> DispatchResult {
        let mut pool = Self::pool(hotkey, netuid);
        let mut held = Alpha::<T>::get((hotkey, coldkey, netuid));
        let shares = pool.shares_for_withdrawal(amount, held).ok_or(Error::<T>::NotEnoughStakeToWithdraw)?;
        pool.alpha = pool.alpha.checked_sub(amount).ok_or(Error::<T>::Overflow)?;
        pool.shares.bits = pool.shares.bits.checked_sub(shares.bits).ok_or(Error::<T>::Overflow)?;
        held.bits = held.bits.checked_sub(shares.bits).ok_or(Error::<T>::Overflow)?;
        Self::put_pool(hotkey, netuid, pool);
        if held == U64F64::default() {
            Alpha::<T>::remove((hotkey, coldkey, netuid));
        } else {
            Alpha::<T>::insert((hotkey, coldkey, netuid), held);
        }
        Ok(())
    }

    /// Gives a dividend, backed already, to all who staked to a hotkey, by their shares. If nobody did, it becomes the
    /// stake of the hotkey's owner.
    pub(crate) fn increase_pool(hotkey: &T::AccountId, netuid: NetUid, amount: AlphaBalance) -> DispatchResult {
        let mut pool = Self::pool(hotkey, netuid);
        if pool.shares == U64F64::default() {
            return Self::increase_stake(hotkey, &Owner::<T>::get(hotkey), netuid, amount);
        }
        pool.alpha = pool.alpha.checked_add(amount).ok_or(Error::<T>::Overflow)?;
        Self::put_pool(hotkey, netuid, pool);
        Ok(())
    }

    /// Counts TAO that came to a subnet: staked, or emitted.
    pub(crate) fn add_backing(netuid: NetUid, amount: TaoBalance) {
        SubnetTAO::<T>::mutate(netuid, |tao| *tao = tao.saturating_add(amount));
        TotalStake::<T>::mutate(|tao| *tao = tao.saturating_add(amount));
    }

    /// Counts TAO that left a subnet: unstaked, or destroyed.
    pub(crate) fn remove_backing(netuid: NetUid, amount: TaoBalance) {
        SubnetTAO::<T>::mutate(netuid, |tao| *tao = tao.saturating_sub(amount));
        TotalStake::<T>::mutate(|tao| *tao = tao.saturating_sub(amount));
    }

    /// All TAO that exists now.
    pub fn issuance() -> TaoBalance {
        T::Currency::total_issuance().saturating_add(TotalStake::<T>::get())
    }

    /// Writes `TotalIssuance`. Fees and dust change free balances without a word to this pallet, so it is counted anew.
    pub(crate) fn refresh_total_issuance() {
        TotalIssuance::<T>::put(Self::issuance());
    }
}
