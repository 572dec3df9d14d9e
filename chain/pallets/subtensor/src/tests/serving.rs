use super::*;
use crate::{Axons, Error};
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
        assert_noop!(serve(1, 0, 9_000, 4), Error::<Test>::InvalidIpAddress);
        assert_noop!(serve(1, 1 << 40, 9_000, 4), Error::<Test>::InvalidIpAddress);
        assert_noop!(serve(1, LOOPBACK, 9_000, 5), Error::<Test>::InvalidIpType);
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
