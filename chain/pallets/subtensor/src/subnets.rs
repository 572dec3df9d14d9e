//! Creating and starting a subnet.

use crate::numbers::mul_div;
use crate::{
    BlocksSinceLastStep, Burn, Config, Error, Event, FirstEmissionBlockNumber, ImmunityPeriod, LastAdjustmentBlock,
    LastEpochBlock, MaxAllowedUids, MaxAllowedValidators, MinAllowedWeights, NetUid, NetworkImmunityPeriod,
    NetworkLastLockCost, NetworkLastRegistered, NetworkLockReductionInterval, NetworkMinLockCost, NetworkRateLimit,
    NetworkRegisteredAt, NetworksAdded, NewSubnetMechanism, Pallet, StartCallDelay, SubnetAlphaIn,
    SubnetEmissionEnabled, SubnetIdentitiesV3, SubnetIdentityV3, SubnetLimit, SubnetLocked, SubnetMechanism,
    SubnetOwner, SubnetOwnerHotkey, SubnetTAO, SubtokenEnabled, TaoBalance, Tempo, TokenSymbol, TotalNetworks,
    TotalStake, Yuma3On, defaults,
};
use alloc::vec::Vec;
use frame_support::{ensure, pallet_prelude::*, traits::fungible::Mutate, traits::tokens};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use sp_runtime::traits::UniqueSaturatedInto;

impl<T: Config> Pallet<T> {
    /// The present block.
    pub fn current_block() -> u64 {
        frame_system::Pallet::<T>::block_number().unique_saturated_into()
    }

    /// All subnets, in ascending order. The root network is none.
    pub fn subnets() -> Vec<NetUid> {
        let mut subnets: Vec<NetUid> = NetworksAdded::<T>::iter()
            .filter_map(|(netuid, added)| (added && !netuid.is_root()).then_some(netuid))
            .collect();
        subnets.sort_unstable();
        subnets
    }

    /// The root network, and all subnets.
    pub(crate) fn networks() -> Vec<NetUid> {
        core::iter::once(NetUid::ROOT).chain(Self::subnets()).collect()
    }

    /// What creating a subnet costs now: twice the last price just after a creation, falling by the last price every
    /// `NetworkLockReductionInterval` blocks, never below `NetworkMinLockCost` and what a pool needs.
    pub fn network_lock_cost() -> TaoBalance {
        let last_block = NetworkLastRegistered::<T>::get();
        let last_cost = NetworkLastLockCost::<T>::get();
        let start = if last_block == 0 { last_cost } else { last_cost.saturating_mul(2) };
        let fall_per_block = last_cost.checked_div(NetworkLockReductionInterval::<T>::get()).unwrap_or(last_cost);
        let fallen = fall_per_block.saturating_mul(Self::current_block().saturating_sub(last_block));
        start.saturating_sub(fallen).max(NetworkMinLockCost::<T>::get()).max(defaults::MIN_RESERVE)
    }

    pub(crate) fn do_register_network(
        origin: OriginFor<T>,
        hotkey: T::AccountId,
        identity: Option<SubnetIdentityV3>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        if let Some(identity) = &identity {
            ensure!(identity.is_within_limits(), Error::<T>::InvalidIdentity);
        }
        let now = Self::current_block();
        let last = NetworkLastRegistered::<T>::get();
        ensure!(
            last == 0 || now.saturating_sub(last) >= NetworkRateLimit::<T>::get(),
            Error::<T>::NetworkTxRateLimitExceeded
        );
        let in_the_way = if Self::subnets().len() < usize::from(SubnetLimit::<T>::get()) {
            None
        } else {
            Some(Self::network_to_prune().ok_or(Error::<T>::SubnetLimitReached)?)
        };
        let cost = Self::network_lock_cost();
        ensure!(Self::spendable(&coldkey) >= cost, Error::<T>::CannotAffordLockCost);
        Self::ensure_associable(&coldkey, &hotkey)?;
        if let Some(netuid) = in_the_way {
            Self::dissolve_network_now(netuid);
        }
        let netuid = Self::next_netuid().ok_or(Error::<T>::SubnetLimitReached)?;

        let price = Self::median_alpha_price();
        T::Currency::burn_from(
            &coldkey,
            cost,
            tokens::Preservation::Preserve,
            tokens::Precision::Exact,
            tokens::Fortitude::Polite,
        )?;
        Self::associate_hotkey(&coldkey, &hotkey);
        Self::init_subnet(netuid, &coldkey, &hotkey, now);
        NetworkLastLockCost::<T>::put(cost);
        NetworkLastRegistered::<T>::put(now);
        SubnetLocked::<T>::insert(netuid, cost);
        let mechanism = NewSubnetMechanism::<T>::get();
        SubnetMechanism::<T>::insert(netuid, mechanism);
        if mechanism == defaults::DYNAMIC_MECHANISM {
            Self::fill_pool(netuid, cost, price)?;
        }
        Self::append_neuron(netuid, &hotkey, now);

        Self::deposit_event(Event::NetworkAdded(netuid, mechanism));
        if let Some(identity) = identity {
            SubnetIdentitiesV3::<T>::insert(netuid, identity);
            Self::deposit_event(Event::SubnetIdentitySet(netuid));
        }
        Ok(())
    }

    /// Which subnet makes room for another where no more may exist: of those that are no longer immune, the one with the
    /// lowest average price; of equals the one that was created first. `None` while all are immune.
    pub fn network_to_prune() -> Option<NetUid> {
        let now = Self::current_block();
        let immunity = NetworkImmunityPeriod::<T>::get();
        Self::subnets()
            .into_iter()
            .map(|netuid| (Self::moving_price(netuid), NetworkRegisteredAt::<T>::get(netuid), netuid))
            .filter(|(_, registered, _)| now >= registered.saturating_add(immunity))
            .min()
            .map(|(_, _, netuid)| netuid)
    }

    /// The price in the middle of all subnets', in rao for one alpha; one TAO where there is none.
    fn median_alpha_price() -> u64 {
        let mut prices: Vec<u64> =
            Self::subnets().into_iter().map(Self::current_alpha_price).filter(|price| *price > 0).collect();
        prices.sort_unstable();
        let at = |place: usize| prices.get(place).copied().unwrap_or(defaults::RAO_PER_TAO);
        let (upper, is_odd) = (prices.len() / 2, prices.len() % 2 == 1);
        if is_odd || prices.is_empty() { at(upper) } else { at(upper - 1).midpoint(at(upper)) }
    }

    /// The first of a pool: what the subnet cost, and alpha of that worth at a price.
    fn fill_pool(netuid: NetUid, tao: TaoBalance, price: u64) -> DispatchResult {
        let total = TotalStake::<T>::get().checked_add(tao).ok_or(Error::<T>::Overflow)?;
        TotalStake::<T>::put(total);
        SubnetTAO::<T>::insert(netuid, tao);
        // No pool is so small that rounding moves its price.
        let alpha = mul_div(tao, defaults::RAO_PER_TAO, price).unwrap_or(u64::MAX).max(defaults::MIN_RESERVE);
        SubnetAlphaIn::<T>::insert(netuid, alpha);
        Ok(())
    }

    /// The lowest netuid that is free; 0 is the root network's.
    fn next_netuid() -> Option<NetUid> {
        (1..=u16::MAX).map(NetUid).find(|netuid| !NetworksAdded::<T>::contains_key(netuid))
    }

    /// Writes what a new subnet has other than the pallet's general defaults.
    fn init_subnet(netuid: NetUid, coldkey: &T::AccountId, hotkey: &T::AccountId, now: u64) {
        NetworksAdded::<T>::insert(netuid, true);
        TotalNetworks::<T>::mutate(|n| *n = n.saturating_add(1));
        NetworkRegisteredAt::<T>::insert(netuid, now);
        SubnetOwner::<T>::insert(netuid, coldkey);
        SubnetOwnerHotkey::<T>::insert(netuid, hotkey);
        TokenSymbol::<T>::insert(netuid, Self::next_symbol(netuid));
        // Written although they are the defaults: clients list these by walking the maps.
        Tempo::<T>::insert(netuid, defaults::TEMPO_BLOCKS);
        MaxAllowedUids::<T>::insert(netuid, defaults::MAX_ALLOWED_UIDS);
        MaxAllowedValidators::<T>::insert(netuid, defaults::NEW_SUBNET_MAX_ALLOWED_VALIDATORS);
        MinAllowedWeights::<T>::insert(netuid, defaults::NEW_SUBNET_MIN_ALLOWED_WEIGHTS);
        ImmunityPeriod::<T>::insert(netuid, defaults::NEW_SUBNET_IMMUNITY_PERIOD_BLOCKS);
        Burn::<T>::insert(netuid, defaults::BURN_RAO);
        Yuma3On::<T>::insert(netuid, true);
        // Root decides which subnets share in the emission.
        SubnetEmissionEnabled::<T>::insert(netuid, false);
        // The first epoch comes a tempo after the creation, a few blocks earlier by the subnet's number, so that not all
        // come at once. The first adjustment comes one interval after it.
        let stagger = u64::from(netuid.0 % defaults::TEMPO_BLOCKS);
        LastEpochBlock::<T>::insert(netuid, now.saturating_sub(stagger));
        LastAdjustmentBlock::<T>::insert(netuid, now);
        BlocksSinceLastStep::<T>::insert(netuid, 0);
    }

    pub(crate) fn do_start_call(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_subnet_exists(netuid)?;
        ensure!(SubnetOwner::<T>::get(netuid) == coldkey, DispatchError::BadOrigin);
        ensure!(!FirstEmissionBlockNumber::<T>::contains_key(netuid), Error::<T>::FirstEmissionBlockNumberAlreadySet);
        let now = Self::current_block();
        ensure!(
            now >= NetworkRegisteredAt::<T>::get(netuid).saturating_add(StartCallDelay::<T>::get()),
            Error::<T>::NeedWaitingMoreBlocksToStarCall
        );
        let first_emission = now.saturating_add(1);
        FirstEmissionBlockNumber::<T>::insert(netuid, first_emission);
        SubtokenEnabled::<T>::insert(netuid, true);
        Self::deposit_event(Event::FirstEmissionBlockNumberSet(netuid, first_emission));
        Ok(())
    }

    /// Whether a subnet exists. The root network is none.
    pub fn subnet_exists(netuid: NetUid) -> bool {
        !netuid.is_root() && NetworksAdded::<T>::get(netuid)
    }

    pub(crate) fn ensure_subnet_exists(netuid: NetUid) -> DispatchResult {
        ensure!(Self::subnet_exists(netuid), Error::<T>::SubnetNotExists);
        Ok(())
    }

    /// Passes root and the owner of an existing subnet.
    pub(crate) fn ensure_subnet_owner_or_root(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
        Self::ensure_subnet_exists(netuid)?;
        if let Some(coldkey) = frame_system::ensure_signed_or_root(origin)? {
            ensure!(SubnetOwner::<T>::get(netuid) == coldkey, DispatchError::BadOrigin);
        }
        Ok(())
    }
}
