//! Where a neuron can be reached.

use crate::{
    AxonInfo, Axons, Config, Error, Event, IsNetworkMember, NetUid, NeuronCertificate, NeuronCertificates, Pallet,
    Prometheus, PrometheusInfo, ServingRateLimit,
};
use alloc::vec::Vec;
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};

impl<T: Config> Pallet<T> {
    /// Stores an axon; its `block` is set here.
    pub(crate) fn do_serve_axon(origin: OriginFor<T>, netuid: NetUid, axon: AxonInfo) -> DispatchResult {
        let hotkey = ensure_signed(origin)?;
        let previous = Axons::<T>::get(netuid, &hotkey).map(|axon| axon.block);
        let now =
            Self::ensure_servable(&hotkey, netuid, axon.ip, axon.ip_type, axon.port, Nowhere::MeansGone, previous)?;
        Axons::<T>::insert(netuid, &hotkey, AxonInfo { block: now, ..axon });
        Self::deposit_event(Event::AxonServed(netuid, hotkey));
        Ok(())
    }

    /// Stores an axon and the key with which it proves itself.
    pub(crate) fn do_serve_axon_tls(
        origin: OriginFor<T>,
        netuid: NetUid,
        axon: AxonInfo,
        certificate: Vec<u8>,
    ) -> DispatchResult {
        let hotkey = ensure_signed(origin.clone())?;
        let certificate = NeuronCertificate::from_bytes(&certificate).ok_or(Error::<T>::InvalidValue)?;
        Self::do_serve_axon(origin, netuid, axon)?;
        NeuronCertificates::<T>::insert(netuid, hotkey, certificate);
        Ok(())
    }

    /// Stores where metrics can be read; its `block` is set here.
    pub(crate) fn do_serve_prometheus(origin: OriginFor<T>, netuid: NetUid, info: PrometheusInfo) -> DispatchResult {
        let hotkey = ensure_signed(origin)?;
        let previous = Prometheus::<T>::get(netuid, &hotkey).map(|info| info.block);
        let now = Self::ensure_servable(&hotkey, netuid, info.ip, info.ip_type, info.port, Nowhere::IsWrong, previous)?;
        Prometheus::<T>::insert(netuid, &hotkey, PrometheusInfo { block: now, ..info });
        Self::deposit_event(Event::PrometheusServed(netuid, hotkey));
        Ok(())
    }

    /// Checks an address and how long ago the neuron served the last one, and returns the present block.
    fn ensure_servable(
        hotkey: &T::AccountId,
        netuid: NetUid,
        ip: u128,
        ip_type: u8,
        port: u16,
        nowhere: Nowhere,
        previous: Option<u64>,
    ) -> Result<u64, DispatchError> {
        ensure!(IsNetworkMember::<T>::get(hotkey, netuid), Error::<T>::HotKeyNotRegisteredInNetwork);
        ensure!(matches!(ip_type, 4 | 6), Error::<T>::InvalidIpType);
        let is_gone = ip == 0 && nowhere == Nowhere::MeansGone;
        ensure!(is_gone || is_reachable(ip, ip_type), Error::<T>::InvalidIpAddress);
        ensure!(port != 0, Error::<T>::InvalidPort);
        let now = Self::current_block();
        let limit = ServingRateLimit::<T>::get(netuid);
        ensure!(previous.is_none_or(|block| now.saturating_sub(block) >= limit), Error::<T>::ServingRateLimitExceeded);
        Ok(now)
    }
}

/// What the address zero says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nowhere {
    /// That the neuron serves no more: so clients take an axon back.
    MeansGone,
    /// Nothing.
    IsWrong,
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
