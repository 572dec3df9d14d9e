//! Registration: a hotkey gets a uid, and in a full subnet somebody loses theirs.

use crate::market::Fee;
use crate::{
    Active, Axons, BlockAtRegistration, Bonds, Burn, Config, Consensus, Dividends, Emission, Error, Event,
    ImmuneOwnerUidsLimit, ImmunityPeriod, Incentive, IsNetworkMember, Keys, LastUpdate, MaxAllowedUids,
    MinNonImmuneUids, NetUid, NetUidStorageIndex, NetworkRegistrationAllowed, NeuronCertificates, OwnedHotkeys, Owner,
    Pallet, Prometheus, RAORecycledForRegistration, RegistrationsThisBlock, StakeWeight, StakingHotkeys, SubnetOwner,
    SubnetOwnerHotkey, SubnetworkN, TaoBalance, Uids, ValidatorPermit, ValidatorTrust, WeightCommits, Weights,
};
use alloc::vec::Vec;
use frame_support::{
    ensure,
    pallet_prelude::*,
    traits::fungible::{Inspect, Mutate},
    traits::tokens::{Fortitude, Precision, Preservation},
};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

/// Where a newcomer goes.
pub(crate) enum Place {
    /// After the last neuron.
    End,
    /// In the place of the neuron with this uid.
    Of(u16),
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_burned_register(
        origin: OriginFor<T>,
        netuid: NetUid,
        hotkey: T::AccountId,
        limit_price: Option<TaoBalance>,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_registrable(netuid, &hotkey)?;
        let burn = Burn::<T>::get(netuid);
        ensure!(limit_price.is_none_or(|limit| burn <= limit), Error::<T>::RegistrationPriceLimitExceeded);
        ensure!(Self::spendable(&coldkey) >= burn, Error::<T>::NotEnoughBalanceToStake);
        Self::register_neuron(netuid, &coldkey, hotkey)?;
        T::Currency::burn_from(&coldkey, burn, Preservation::Preserve, Precision::Exact, Fortitude::Polite)?;
        // What is paid buys the subnet's alpha, which may be emitted again; where alpha is TAO one to one, both are gone.
        let (alpha, _) = Self::buy_alpha(netuid, burn, Fee::Due)?;
        Self::recycle_issued(netuid, alpha);
        Self::raise_burn(netuid);
        RAORecycledForRegistration::<T>::mutate(netuid, |recycled| *recycled = recycled.saturating_add(burn));
        Ok(())
    }

    /// Refuses where nobody registers now, and a hotkey that has.
    pub(crate) fn ensure_registrable(netuid: NetUid, hotkey: &T::AccountId) -> DispatchResult {
        ensure!(!netuid.is_root(), Error::<T>::RegistrationNotPermittedOnRootSubnet);
        Self::ensure_subnet_exists(netuid)?;
        ensure!(NetworkRegistrationAllowed::<T>::get(netuid), Error::<T>::SubNetRegistrationDisabled);
        ensure!(!Uids::<T>::contains_key(netuid, hotkey), Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        Ok(())
    }

    /// Gives a hotkey a uid, and to the coldkey if it is nobody's yet. What that costs is the caller's business.
    pub(crate) fn register_neuron(netuid: NetUid, coldkey: &T::AccountId, hotkey: T::AccountId) -> DispatchResult {
        Self::ensure_associable(coldkey, &hotkey)?;
        let place = Self::find_place(netuid).ok_or(Error::<T>::NoNeuronIdAvailable)?;
        Self::settle_neuron(netuid, place, coldkey, hotkey);
        Ok(())
    }

    /// Puts a hotkey into its place, announces it, and counts it in this block.
    pub(crate) fn settle_neuron(netuid: NetUid, place: Place, coldkey: &T::AccountId, hotkey: T::AccountId) {
        Self::associate_hotkey(coldkey, &hotkey);
        let uid = Self::settle_at(netuid, place, &hotkey);
        RegistrationsThisBlock::<T>::mutate(netuid, |n| *n = n.saturating_add(1));
        Self::deposit_event(Event::NeuronRegistered(netuid, uid, hotkey));
    }

    /// What a coldkey can spend without being reaped.
    pub(crate) fn spendable(coldkey: &T::AccountId) -> TaoBalance {
        T::Currency::reducible_balance(coldkey, Preservation::Preserve, Fortitude::Polite)
    }

    /// Refuses a hotkey that another coldkey owns.
    pub(crate) fn ensure_associable(coldkey: &T::AccountId, hotkey: &T::AccountId) -> DispatchResult {
        ensure!(
            !Owner::<T>::contains_key(hotkey) || Owner::<T>::get(hotkey) == *coldkey,
            Error::<T>::NonAssociatedColdKey
        );
        Ok(())
    }

    /// Gives a hotkey that nobody owns to the coldkey.
    pub(crate) fn associate_hotkey(coldkey: &T::AccountId, hotkey: &T::AccountId) {
        if Owner::<T>::contains_key(hotkey) {
            return;
        }
        Owner::<T>::insert(hotkey, coldkey);
        push_once(&mut OwnedHotkeys::<T>::get(coldkey), hotkey, |keys| OwnedHotkeys::<T>::insert(coldkey, keys));
        push_once(&mut StakingHotkeys::<T>::get(coldkey), hotkey, |keys| StakingHotkeys::<T>::insert(coldkey, keys));
        // A hotkey holds no balance. With a reference its account, and so its nonce, is kept, and FRAME's own nonce check
        // admits its transactions: registration has paid for that. (Bittensor leaves it to a nonce check of its own.)
        frame_system::Pallet::<T>::inc_providers(hotkey);
    }

    /// Where a newcomer can go; `None` if the subnet is full and nobody may be pruned.
    fn find_place(netuid: NetUid) -> Option<Place> {
        if SubnetworkN::<T>::get(netuid) < MaxAllowedUids::<T>::get(netuid) {
            return Some(Place::End);
        }
        Self::neuron_to_prune(netuid).map(Place::Of)
    }

    fn settle_at(netuid: NetUid, place: Place, hotkey: &T::AccountId) -> u16 {
        let now = Self::current_block();
        match place {
            Place::End => Self::append_neuron(netuid, hotkey, now),
            Place::Of(uid) => {
                Self::replace_neuron(netuid, uid, hotkey, now);
                uid
            }
        }
    }

    /// Who goes when the subnet is full: the neuron that earned least in the last epoch; of equals the one that registered
    /// first; of those the lowest uid. It is one that is not immune while more than `MinNonImmuneUids` are not, and else one
    /// that is: so newcomers give way to newcomers, and who has proved itself keeps its place. `None` where nobody is left
    /// to go: never the owner's neurons.
    pub fn neuron_to_prune(netuid: NetUid) -> Option<u16> {
        let now = Self::current_block();
        let immunity = u64::from(ImmunityPeriod::<T>::get(netuid));
        let immune_owners = Self::immune_owner_uids(netuid);
        let emission = Emission::<T>::get(netuid);
        let earned = |uid: u16| emission.get(usize::from(uid)).copied().unwrap_or_default();
        let (immune, others): (Vec<_>, Vec<_>) = (0..SubnetworkN::<T>::get(netuid))
            .filter(|uid| !immune_owners.contains(uid))
            .map(|uid| (earned(uid), BlockAtRegistration::<T>::get(netuid, uid), uid))
            .partition(|(_, registered, _)| now.saturating_sub(*registered) < immunity);
        let goes = if others.len() > usize::from(MinNonImmuneUids::<T>::get(netuid)) { others } else { immune };
        goes.into_iter().min().map(|(_, _, uid)| uid)
    }

    /// The uids of the subnet's owner that are never pruned: its named hotkey first, then its others by age.
    pub(crate) fn immune_owner_uids(netuid: NetUid) -> Vec<u16> {
        let named = Uids::<T>::get(netuid, SubnetOwnerHotkey::<T>::get(netuid));
        let mut others: Vec<(u64, u16)> = OwnedHotkeys::<T>::get(SubnetOwner::<T>::get(netuid))
            .iter()
            .filter_map(|hotkey| Uids::<T>::get(netuid, hotkey))
            .filter(|uid| Some(*uid) != named)
            .map(|uid| (BlockAtRegistration::<T>::get(netuid, uid), uid))
            .collect();
        others.sort_unstable();
        named
            .into_iter()
            .chain(others.into_iter().map(|(_, uid)| uid))
            .take(usize::from(ImmuneOwnerUidsLimit::<T>::get(netuid)))
            .collect()
    }

    /// Adds a uid at the end. Every vector by uid grows by one, so that they always have one element per neuron.
    pub(crate) fn append_neuron(netuid: NetUid, hotkey: &T::AccountId, now: u64) -> u16 {
        let uid = SubnetworkN::<T>::get(netuid);
        SubnetworkN::<T>::insert(netuid, uid.saturating_add(1));
        Active::<T>::mutate(netuid, |v| v.push(true));
        ValidatorPermit::<T>::mutate(netuid, |v| v.push(false));
        Emission::<T>::mutate(netuid, |v| v.push(0));
        Consensus::<T>::mutate(netuid, |v| v.push(0));
        Dividends::<T>::mutate(netuid, |v| v.push(0));
        ValidatorTrust::<T>::mutate(netuid, |v| v.push(0));
        StakeWeight::<T>::mutate(netuid, |v| v.push(0));
        for index in Self::mechanism_indices(netuid) {
            Incentive::<T>::mutate(index, |v| v.push(0));
            LastUpdate::<T>::mutate(index, |v| v.push(now));
        }
        Self::settle(netuid, uid, hotkey, now);
        uid
    }

    /// Gives a uid to another hotkey. Nothing that the old holder earned or was entrusted with goes over: a permit that
    /// did would let a newcomer without stake set weights.
    fn replace_neuron(netuid: NetUid, uid: u16, hotkey: &T::AccountId, now: u64) {
        Self::forget_neuron(netuid, uid, &Keys::<T>::get(netuid, uid));
        Active::<T>::mutate(netuid, |v| set(v, uid, true));
        ValidatorPermit::<T>::mutate(netuid, |v| set(v, uid, false));
        Emission::<T>::mutate(netuid, |v| set(v, uid, 0));
        Consensus::<T>::mutate(netuid, |v| set(v, uid, 0));
        Dividends::<T>::mutate(netuid, |v| set(v, uid, 0));
        ValidatorTrust::<T>::mutate(netuid, |v| set(v, uid, 0));
        StakeWeight::<T>::mutate(netuid, |v| set(v, uid, 0));
        for index in Self::mechanism_indices(netuid) {
            Incentive::<T>::mutate(index, |v| set(v, uid, 0));
            LastUpdate::<T>::mutate(index, |v| set(v, uid, now));
            Self::void_weights_on(index, uid);
        }
        Self::settle(netuid, uid, hotkey, now);
    }

    /// Sets to zero what everybody's weights say about a uid: they were about its old holder. The epoch's mask of what is
    /// older than a registration is not enough: a commit renews `LastUpdate` without new weights.
    fn void_weights_on(index: NetUidStorageIndex, uid: u16) {
        let rows: Vec<(u16, Vec<(u16, u16)>)> = Weights::<T>::iter_prefix(index).collect();
        for (from, mut row) in rows {
            if let Some(weight) = row.iter_mut().find(|(to, weight)| *to == uid && *weight > 0) {
                weight.1 = 0;
                Weights::<T>::insert(index, from, row);
            }
        }
    }

    /// Removes what a subnet keeps of a neuron that leaves, but for its place in the vectors by uid.
    pub(crate) fn forget_neuron(netuid: NetUid, uid: u16, hotkey: &T::AccountId) {
        Uids::<T>::remove(netuid, hotkey);
        IsNetworkMember::<T>::remove(hotkey, netuid);
        Axons::<T>::remove(netuid, hotkey);
        Prometheus::<T>::remove(netuid, hotkey);
        NeuronCertificates::<T>::remove(netuid, hotkey);
        for index in Self::mechanism_indices(netuid) {
            WeightCommits::<T>::remove(index, hotkey);
            Weights::<T>::remove(index, uid);
            Bonds::<T>::remove(index, uid);
        }
    }

    fn settle(netuid: NetUid, uid: u16, hotkey: &T::AccountId, now: u64) {
        Keys::<T>::insert(netuid, uid, hotkey);
        Uids::<T>::insert(netuid, hotkey, uid);
        IsNetworkMember::<T>::insert(hotkey, netuid, true);
        BlockAtRegistration::<T>::insert(netuid, uid, now);
    }
}

/// Sets an element that exists; a shorter vector is left as it is.
pub(crate) fn set<V>(values: &mut [V], uid: u16, value: V) {
    if let Some(slot) = values.get_mut(usize::from(uid)) {
        *slot = value;
    }
}

/// Adds a key to a list that does not hold it yet, and hands the longer list to `store`.
pub(crate) fn push_once<A: Clone + PartialEq>(keys: &mut Vec<A>, key: &A, store: impl FnOnce(&Vec<A>)) {
    if !keys.contains(key) {
        keys.push(key.clone());
        store(keys);
    }
}
