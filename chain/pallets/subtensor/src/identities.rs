//! What coldkeys and subnet owners say about themselves.

use crate::{
    ChainIdentityV2, Config, Error, Event, IdentitiesV2, IsNetworkMember, NetUid, OwnedHotkeys, Pallet,
    SubnetIdentitiesV3, SubnetIdentityV3,
};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

impl<T: Config> Pallet<T> {
    /// Stores what a coldkey says about itself. One of its hotkeys must be registered somewhere.
    pub(crate) fn do_set_identity(origin: OriginFor<T>, identity: ChainIdentityV2) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(identity.is_within_limits(), Error::<T>::InvalidIdentity);
        let registered = OwnedHotkeys::<T>::get(&coldkey)
            .iter()
            .any(|hotkey| IsNetworkMember::<T>::iter_prefix(hotkey).any(|(_, member)| member));
        ensure!(registered, Error::<T>::HotKeyNotRegisteredInNetwork);
        IdentitiesV2::<T>::insert(&coldkey, identity);
        Self::deposit_event(Event::ChainIdentitySet(coldkey));
        Ok(())
    }

    /// Stores what a subnet's owner says about the subnet.
    pub(crate) fn do_set_subnet_identity(
        origin: OriginFor<T>,
        netuid: NetUid,
        identity: SubnetIdentityV3,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_subnet_exists(netuid)?;
        ensure!(crate::SubnetOwner::<T>::get(netuid) == coldkey, Error::<T>::NotSubnetOwner);
        ensure!(identity.is_within_limits(), Error::<T>::InvalidIdentity);
        SubnetIdentitiesV3::<T>::insert(netuid, identity);
        Self::deposit_event(Event::SubnetIdentitySet(netuid));
        Ok(())
    }

    /// Gives a hotkey that nobody owns to the signing coldkey.
    pub(crate) fn do_try_associate_hotkey(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_associable(&coldkey, &hotkey)?;
        Self::associate_hotkey(&coldkey, &hotkey);
        Ok(())
    }
}
