//! Where a neuron can be reached.

use crate::{AxonInfo, Axons, Config, Error, Event, IsNetworkMember, NetUid, Pallet, ServingRateLimit};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

impl<T: Config> Pallet<T> {
    /// Stores an axon; its `block` is set here.
    pub(crate) fn do_serve_axon(origin: OriginFor<T>, netuid: NetUid, axon: AxonInfo) -> DispatchResult {
        let hotkey = ensure_signed(origin)?;
        ensure!(IsNetworkMember::<T>::get(&hotkey, netuid), Error::<T>::HotKeyNotRegisteredInNetwork);
        ensure!(matches!(axon.ip_type, 4 | 6), Error::<T>::InvalidIpType);
        ensure!(is_reachable(axon.ip, axon.ip_type), Error::<T>::InvalidIpAddress);
        ensure!(axon.port != 0, Error::<T>::InvalidPort);
        let now = Self::current_block();
        if let Some(previous) = Axons::<T>::get(netuid, &hotkey) {
            ensure!(
                now.saturating_sub(previous.block) >= ServingRateLimit::<T>::get(netuid),
                Error::<T>::ServingRateLimitExceeded
            );
        }
        Axons::<T>::insert(netuid, &hotkey, AxonInfo { block: now, ..axon });
        Self::deposit_event(Event::AxonServed(netuid, hotkey));
        Ok(())
    }
}

/// Whether an address can name one machine. Unlike Bittensor's chain this one takes loopback addresses: a localnet has
/// no others.
fn is_reachable(ip: u128, ip_type: u8) -> bool {
    const IPV4_BROADCAST: u128 = u32::MAX as u128;
    match ip_type {
        4 => ip != 0 && ip < IPV4_BROADCAST,
        6 => ip != 0 && ip != u128::MAX,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_their_type() {
        let loopback_v4 = u128::from(0x7f00_0001u32);
        assert!(is_reachable(loopback_v4, 4));
        assert!(is_reachable(1, 6));
        assert!(!is_reachable(0, 4));
        assert!(!is_reachable(u128::from(u32::MAX), 4));
        assert!(!is_reachable(1 << 32, 4));
        assert!(!is_reachable(0, 6));
        assert!(!is_reachable(loopback_v4, 5));
    }
}
