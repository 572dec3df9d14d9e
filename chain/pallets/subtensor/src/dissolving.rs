//! Taking a subnet down: those who hold its alpha get their part of its TAO, and all that it was is forgotten.
//!
//! On Bittensor a queue does the same over several blocks; here it is done in the block of the call.

use crate::{
    Alpha, Config, Event, NetUid, NetworksAdded, Pallet, SubnetAlphaIn, SubnetProtocolAlpha, SubnetTAO, TaoBalance,
    TotalHotkeyAlpha, TotalNetworks, TotalStake,
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::cmp::Reverse;
use frame_support::{pallet_prelude::*, traits::fungible::Mutate};
use frame_system::{ensure_root, pallet_prelude::OriginFor};

/// What else is kept of subnets, and told when one is gone.
pub trait OnDissolved {
    /// A subnet is gone, and its number may be another's soon.
    fn dissolved(netuid: NetUid);
}

impl OnDissolved for () {
    fn dissolved(_netuid: NetUid) {}
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_dissolve_network(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
        ensure_root(origin)?;
        Self::ensure_subnet_exists(netuid)?;
        Self::dissolve_network_now(netuid);
        Ok(())
    }

    /// Takes a subnet down that exists.
    pub(crate) fn dissolve_network_now(netuid: NetUid) {
        Self::pay_stakers_out(netuid);
        Self::forget_subnet(netuid);
        NetworksAdded::<T>::remove(netuid);
        TotalNetworks::<T>::mutate(|n| *n = n.saturating_sub(1));
        T::OnDissolved::dissolved(netuid);
        Self::deposit_event(Event::NetworkRemoved(netuid));
    }

    /// Divides a subnet's TAO among the coldkeys that hold its alpha. What falls to the pool's own alpha and to the protocol's is destroyed, and
    /// so is what an account below the existential deposit cannot take.
    fn pay_stakers_out(netuid: NetUid) {
        let pot = SubnetTAO::<T>::take(netuid);
        TotalStake::<T>::mutate(|total| *total = total.saturating_sub(pot));
        let (coldkeys, held): (Vec<T::AccountId>, Vec<u64>) = Self::take_stakes(netuid).into_iter().unzip();
        let nobodys = SubnetAlphaIn::<T>::get(netuid).saturating_add(SubnetProtocolAlpha::<T>::get(netuid));
        for (coldkey, tao) in coldkeys.iter().zip(divided(pot, &held, nobodys)) {
            // One who cannot take it must not keep the others from theirs.
            let _ = T::Currency::mint_into(coldkey, tao);
        }
    }

    /// Takes away all stake on a subnet; returns how much alpha each coldkey had.
    fn take_stakes(netuid: NetUid) -> BTreeMap<T::AccountId, u64> {
        let on_subnet = TotalHotkeyAlpha::<T>::iter_keys().filter(|(_, subnet)| *subnet == netuid);
        let hotkeys: Vec<T::AccountId> = on_subnet.map(|(hotkey, _)| hotkey).collect();
        let mut stakes: BTreeMap<T::AccountId, u64> = BTreeMap::new();
        for hotkey in &hotkeys {
            let holders: Vec<T::AccountId> = Alpha::<T>::iter_prefix((hotkey,))
                .filter(|((_, subnet), _)| *subnet == netuid)
                .map(|((coldkey, _), _)| coldkey)
                .collect();
            for coldkey in holders {
                let alpha = Self::stake_of(hotkey, &coldkey, netuid);
                Alpha::<T>::remove((hotkey, &coldkey, netuid));
                let stake = stakes.entry(coldkey).or_default();
                *stake = stake.saturating_add(alpha);
            }
        }
        stakes
    }
}

/// `pot` divided in proportion to what is `held`, where `rest` shares in it too and gets nothing. Rounded down; the rao
/// that this leaves over go to those who lost most by it.
fn divided(pot: TaoBalance, held: &[u64], rest: u64) -> Vec<TaoBalance> {
    let total: u128 = held.iter().copied().chain([rest]).map(u128::from).sum();
    let parts = |alpha: &u64| {
        let product = u128::from(pot).saturating_mul(u128::from(*alpha));
        (product.checked_div(total).unwrap_or_default(), product.checked_rem(total).unwrap_or_default())
    };
    let (mut shares, remainders): (Vec<u128>, Vec<u128>) = held.iter().map(parts).unzip();
    let left_over = remainders.iter().sum::<u128>().checked_div(total).unwrap_or_default();
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|place| Reverse(remainders.get(*place).copied()));
    for place in order.into_iter().take(usize::try_from(left_over).unwrap_or(usize::MAX)) {
        if let Some(share) = shares.get_mut(place) {
            *share = share.saturating_add(1);
        }
    }
    // No share is more than the pot.
    shares.into_iter().map(|share| u64::try_from(share).unwrap_or(pot)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pot_is_divided_to_the_last_rao() {
        assert_eq!(divided(100, &[1, 1, 1], 0), [34, 33, 33]);
        assert_eq!(divided(100, &[1, 2], 0), [33, 67]);
        assert_eq!(divided(100, &[1, 1], 2), [25, 25], "the rest keeps its half");
        assert_eq!(divided(u64::MAX, &[u64::MAX, 0], 0), [u64::MAX, 0]);
        assert_eq!(divided(5, &[], 7), [0; 0]);
        assert_eq!(divided(5, &[0], 0), [0], "nobody holds anything");
    }
}
