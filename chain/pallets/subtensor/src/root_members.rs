//! Membership in the root network: a uid there, for who backs it with root stake. It decides nothing about consensus or
//! pay; clients list by it who validates across subnets.

use crate::{
    Config, Error, Keys, MaxAllowedUids, MaxRegistrationsPerBlock, NetUid, Pallet, RegistrationsThisBlock, SubnetworkN,
    TotalHotkeyAlpha, Uids, registration::Place,
};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

impl<T: Config> Pallet<T> {
    /// Makes a hotkey a member. In a full root network it takes the place of the member with the least root stake, if it
    /// has more.
    pub(crate) fn do_root_register(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        ensure!(
            RegistrationsThisBlock::<T>::get(NetUid::ROOT) < MaxRegistrationsPerBlock::<T>::get(NetUid::ROOT),
            Error::<T>::TooManyRegistrationsThisBlock
        );
        ensure!(!Uids::<T>::contains_key(NetUid::ROOT, &hotkey), Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        Self::ensure_associable(&coldkey, &hotkey)?;
        let place = Self::place_on_root(&hotkey).ok_or(Error::<T>::StakeTooLowForRoot)?;
        Self::settle_neuron(NetUid::ROOT, place, &coldkey, hotkey);
        Ok(())
    }

    /// Where a newcomer goes; `None` if it has not more root stake than any member of a full root network.
    fn place_on_root(newcomer: &T::AccountId) -> Option<Place> {
        let members = SubnetworkN::<T>::get(NetUid::ROOT);
        if members < MaxAllowedUids::<T>::get(NetUid::ROOT) {
            return Some(Place::End);
        }
        let stake = |hotkey: &T::AccountId| TotalHotkeyAlpha::<T>::get(hotkey, NetUid::ROOT);
        let (least, uid) = (0..members).map(|uid| (stake(&Keys::<T>::get(NetUid::ROOT, uid)), uid)).min()?;
        (least < stake(newcomer)).then_some(Place::Of(uid))
    }
}
