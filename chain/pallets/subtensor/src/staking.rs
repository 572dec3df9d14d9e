//! TAO in and out of subnets through their markets, and a hotkey's stake as a pool of shares.
//!
//! Staked TAO is burned from the coldkey's free balance and counted in `SubnetTAO` and `TotalStake`; unstaked TAO is
//! minted again. What a market charges, and what it gives, is in `market`.

use crate::{
    Alpha, AlphaBalance, Config, Error, Event, NetUid, Owner, Pallet, StakeThreshold, StakingHotkeys,
    SubnetAlphaBurned, SubnetAlphaOut, SubnetTAO, SubtokenEnabled, TaoBalance, TotalAlphaStaked, TotalHotkeyAlpha,
    TotalHotkeyShares, TotalIssuance, TotalStake, U64F64, defaults, market::Fee, pool::largest,
    registration::push_once, shares::Pool,
};
use frame_support::{
    ensure,
    pallet_prelude::*,
    storage::with_storage_layer,
    traits::fungible::{Inspect, Mutate},
    traits::tokens::{Fortitude, Precision, Preservation},
};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use sp_runtime::DispatchError;

/// How far a trade may move the price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Not past this one.
    pub(crate) price: TaoBalance,
    /// Whether a part of the trade will do.
    pub(crate) allow_partial: bool,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_add_stake(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        amount: TaoBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::buy_stake(&coldkey, &hotkey, netuid, amount, limit)?;
        Ok(())
    }

    /// Stakes what may be staked within the limit; returns the TAO that it took and the alpha that it gave.
    pub(crate) fn buy_stake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: TaoBalance,
        limit: Option<Limit>,
    ) -> Result<(TaoBalance, AlphaBalance), DispatchError> {
        Self::ensure_stakable(netuid, hotkey)?;
        ensure!(amount >= defaults::MIN_STAKE_RAO, Error::<T>::AmountTooLow);
        ensure!(Self::spendable(coldkey) >= amount, Error::<T>::NotEnoughBalanceToStake);
        let market = Self::market(netuid);
        let amount = Self::within_limit(amount, limit, |tao, price| {
            market.buy(tao).map(|deal| deal.after.reserves().is_at_most(price))
        })?;
        ensure!(amount >= defaults::MIN_STAKE_RAO, Error::<T>::AmountTooLow);
        T::Currency::burn_from(coldkey, amount, Preservation::Preserve, Precision::Exact, Fortitude::Polite)?;
        let (alpha, fee) = Self::buy_alpha(netuid, amount, Fee::Due)?;
        ensure!(alpha > 0, Error::<T>::AmountTooLow);
        Self::increase_stake(hotkey, coldkey, netuid, alpha)?;
        Self::deposit_event(Event::StakeAdded(coldkey.clone(), hotkey.clone(), amount, alpha, netuid, fee));
        Ok((amount, alpha))
    }

    pub(crate) fn do_remove_stake(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        amount: AlphaBalance,
        limit: Option<Limit>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_stakable(netuid, &hotkey)?;
        let stake = Self::stake_of(&hotkey, &coldkey, netuid);
        ensure!(amount <= stake, Error::<T>::NotEnoughStakeToWithdraw);
        let market = Self::market(netuid);
        let amount = Self::within_limit(amount, limit, |alpha, price| {
            market.sell(alpha).map(|deal| deal.after.reserves().is_at_least(price))
        })?;
        let tao = Self::unstake(&coldkey, &hotkey, netuid, amount)?;
        // Whoever takes all may take little: else dust would be locked in for ever.
        ensure!(tao >= defaults::MIN_STAKE_RAO || (amount == stake && tao > 0), Error::<T>::AmountTooLow);
        T::Currency::mint_into(&coldkey, tao)?;
        Self::clear_small_nomination(&hotkey, &coldkey, netuid);
        Ok(())
    }

    pub(crate) fn do_remove_stake_full(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        netuid: NetUid,
        limit_price: Option<TaoBalance>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin.clone())?;
        let stake = Self::stake_of(&hotkey, &coldkey, netuid);
        let limit = limit_price.map(|price| Limit { price, allow_partial: false });
        Self::do_remove_stake(origin, hotkey, netuid, stake, limit)
    }

    pub(crate) fn do_unstake_all(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(Owner::<T>::contains_key(&hotkey), Error::<T>::HotKeyAccountNotExists);
        let from_root = Self::unstake_if_possible(&coldkey, &hotkey, NetUid::ROOT);
        let tao = Self::unstake_from_subnets(&coldkey, &hotkey).checked_add(from_root).ok_or(Error::<T>::Overflow)?;
        ensure!(tao > 0, Error::<T>::AmountTooLow);
        T::Currency::mint_into(&coldkey, tao)?;
        Ok(())
    }

    pub(crate) fn do_unstake_all_alpha(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(Owner::<T>::contains_key(&hotkey), Error::<T>::HotKeyAccountNotExists);
        let tao = Self::unstake_from_subnets(&coldkey, &hotkey);
        ensure!(tao >= defaults::MIN_STAKE_RAO, Error::<T>::AmountTooLow);
        let (alpha, fee) = Self::buy_alpha(NetUid::ROOT, tao, Fee::Waived)?;
        Self::increase_stake(&hotkey, &coldkey, NetUid::ROOT, alpha)?;
        Self::deposit_event(Event::StakeAdded(coldkey, hotkey, tao, alpha, NetUid::ROOT, fee));
        Ok(())
    }

    fn unstake_from_subnets(coldkey: &T::AccountId, hotkey: &T::AccountId) -> TaoBalance {
        Self::subnets()
            .into_iter()
            .map(|netuid| Self::unstake_if_possible(coldkey, hotkey, netuid))
            .fold(0, TaoBalance::saturating_add)
    }

    /// Unstakes all that a coldkey has somewhere. Where there is nothing, or it sells for nothing, it stays.
    fn unstake_if_possible(coldkey: &T::AccountId, hotkey: &T::AccountId, netuid: NetUid) -> TaoBalance {
        with_storage_layer(|| {
            Self::ensure_stakable(netuid, hotkey)?;
            let stake = Self::stake_of(hotkey, coldkey, netuid);
            ensure!(stake > 0, Error::<T>::NotEnoughStakeToWithdraw);
            let tao = Self::unstake(coldkey, hotkey, netuid, stake)?;
            ensure!(tao > 0, Error::<T>::AmountTooLow);
            Ok::<_, DispatchError>(tao)
        })
        .unwrap_or_default()
    }

    /// Takes stake away and sells it; the TAO is the caller's to pay out.
    pub(crate) fn unstake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: AlphaBalance,
    ) -> Result<TaoBalance, DispatchError> {
        Self::decrease_stake(hotkey, coldkey, netuid, amount)?;
        let (tao, fee) = Self::sell_alpha(netuid, amount)?;
        Self::deposit_event(Event::StakeRemoved(coldkey.clone(), hotkey.clone(), tao, amount, netuid, fee));
        Ok(tao)
    }

    /// How much of `amount` may be traded. `keeps` says whether a trade of so much keeps within a price, and nothing if
    /// it is impossible.
    pub(crate) fn within_limit(
        amount: u64,
        limit: Option<Limit>,
        keeps: impl Fn(u64, TaoBalance) -> Option<bool>,
    ) -> Result<u64, DispatchError> {
        let Some(Limit { price, allow_partial }) = limit else { return Ok(amount) };
        if allow_partial {
            let most = largest(amount, |part| keeps(part, price).unwrap_or(false));
            ensure!(most > 0, Error::<T>::SlippageTooHigh);
            return Ok(most);
        }
        ensure!(keeps(amount, price).ok_or(Error::<T>::InsufficientLiquidity)?, Error::<T>::SlippageTooHigh);
        Ok(amount)
    }

    pub(crate) fn ensure_stakable(netuid: NetUid, hotkey: &T::AccountId) -> DispatchResult {
        if !netuid.is_root() {
            Self::ensure_subnet_exists(netuid)?;
            ensure!(SubtokenEnabled::<T>::get(netuid), Error::<T>::SubtokenDisabled);
        }
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
        let before = TotalHotkeyAlpha::<T>::get(hotkey, netuid);
        TotalAlphaStaked::<T>::mutate(netuid, |sum| *sum = sum.saturating_sub(before).saturating_add(pool.alpha));
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

    /// Destroys alpha that was issued and is nobody's stake any more, so that it may be emitted again. Where alpha is TAO
    /// one to one, its TAO goes with it.
    pub(crate) fn recycle_issued(netuid: NetUid, amount: AlphaBalance) {
        SubnetAlphaOut::<T>::mutate(netuid, |alpha| *alpha = alpha.saturating_sub(amount));
        if !Self::is_dynamic(netuid) {
            SubnetTAO::<T>::mutate(netuid, |tao| *tao = tao.saturating_sub(amount));
            TotalStake::<T>::mutate(|tao| *tao = tao.saturating_sub(amount));
        }
    }

    /// Destroys alpha that was issued and is nobody's stake any more, for ever: it counts as issued. Where alpha is TAO
    /// one to one, there is nothing to count: its TAO is destroyed.
    pub(crate) fn burn_issued(netuid: NetUid, amount: AlphaBalance) {
        if Self::is_dynamic(netuid) {
            SubnetAlphaBurned::<T>::mutate(netuid, |burned| *burned = burned.saturating_add(amount));
        } else {
            Self::recycle_issued(netuid, amount);
        }
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
