use super::*;
use crate::{Axons, Error, NeuronCertificates, Prometheus, PrometheusInfo};
use frame_support::assert_noop;

const LOOPBACK: u128 = 0x7f00_0001;

fn serve(n: u8, ip: u128, port: u16, ip_type: u8) -> DispatchResult {
    SubtensorModule::serve_axon(signed(hot(n)), NET, 7, ip, port, ip_type, 4, 0, 0)
}

#[test]
fn a_neuron_serves_a_loopback_address() {
    with_subnet(|| {
        register(1);
        ok(serve(1, LOOPBACK, 9_000, 4));
        let axon = Axons::<Test>::get(NET, hot(1)).unwrap();
        assert_eq!((axon.ip, axon.port, axon.ip_type, axon.version, axon.block), (LOOPBACK, 9_000, 4, 7, 1));
        assert_eq!(events().last(), Some(&Event::AxonServed(NET, hot(1))));
    });
}

#[test]
fn what_cannot_be_reached_is_refused() {
    with_subnet(|| {
        register(1);
        assert_noop!(serve(2, LOOPBACK, 9_000, 4), Error::<Test>::HotKeyNotRegisteredInNetwork);
        assert_noop!(serve(1, LOOPBACK, 0, 4), Error::<Test>::InvalidPort);
        assert_noop!(serve(1, u128::MAX, 9_000, 6), Error::<Test>::InvalidIpAddress);
        assert_noop!(serve(1, 1 << 40, 9_000, 4), Error::<Test>::InvalidIpAddress);
        assert_noop!(serve(1, LOOPBACK, 9_000, 5), Error::<Test>::InvalidIpType);
    });
}

#[test]
fn an_axon_is_taken_back_by_serving_nowhere_and_metrics_are_not() {
    with_subnet(|| {
        register(1);
        ok(AdminUtils::sudo_set_serving_rate_limit(signed(cold(OWNER)), NET, 0));
        ok(serve(1, LOOPBACK, 9_000, 4));
        ok(serve(1, 0, 1, 4));
        assert_eq!(Axons::<Test>::get(NET, hot(1)).map(|axon| axon.ip), Some(0));
        let metrics = SubtensorModule::serve_prometheus(signed(hot(1)), NET, 7, 0, 9_000, 4);
        assert_eq!(metrics, Err(Error::<Test>::InvalidIpAddress.into()));
    });
}

#[test]
fn serving_again_waits_for_the_rate_limit() {
    with_subnet(|| {
        register(1);
        ok(serve(1, LOOPBACK, 9_000, 4));
        pass(49);
        assert_noop!(serve(1, LOOPBACK, 9_001, 4), Error::<Test>::ServingRateLimitExceeded);
        pass(1);
        ok(serve(1, LOOPBACK, 9_001, 4));
    });
}

#[test]
fn an_axon_with_a_certificate_keeps_both() {
    with_subnet(|| {
        register(1);
        let serve = |certificate: &[u8]| {
            let certificate = certificate.to_vec();
            SubtensorModule::serve_axon_tls(signed(hot(1)), NET, 7, LOOPBACK, 9_000, 4, 4, 0, 0, certificate)
        };
        for bad in [&[][..], &[1], &[1; 66]] {
            assert_noop!(serve(bad), Error::<Test>::InvalidValue);
        }
        ok(serve(&[5; 65]));
        let certificate = NeuronCertificates::<Test>::get(NET, hot(1)).unwrap();
        assert_eq!((certificate.algorithm, certificate.public_key.into_inner()), (5, vec![5; 64]));
        let axon = Axons::<Test>::get(NET, hot(1)).unwrap();
        assert_eq!((axon.ip, axon.port, axon.block), (LOOPBACK, 9_000, 1));
        assert_eq!(events().last(), Some(&Event::AxonServed(NET, hot(1))));
    });
}

#[test]
fn metrics_are_served_under_their_own_rate_limit() {
    with_subnet(|| {
        register(1);
        let serve = |n, port| SubtensorModule::serve_prometheus(signed(hot(n)), NET, 3, LOOPBACK, port, 4);
        ok(self::serve(1, LOOPBACK, 9_000, 4));
        ok(serve(1, 9_100));
        let info = PrometheusInfo { block: 1, version: 3, ip: LOOPBACK, port: 9_100, ip_type: 4 };
        assert_eq!(Prometheus::<Test>::get(NET, hot(1)), Some(info));
        assert_eq!(events().last(), Some(&Event::PrometheusServed(NET, hot(1))));
        assert_noop!(serve(2, 9_100), Error::<Test>::HotKeyNotRegisteredInNetwork);
        assert_noop!(serve(1, 0), Error::<Test>::InvalidPort);
        assert_noop!(serve(1, 9_101), Error::<Test>::ServingRateLimitExceeded);
        pass(50);
        ok(serve(1, 9_101));
    });
}
