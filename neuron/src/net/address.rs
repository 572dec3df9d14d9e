//! Where a neuron listens, as the chain tells it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::Serialize;

/// How a neuron is reached at its axon's port.
///
/// On chain this is the `protocol` byte of `serve_axon`. Bittensor's own software writes 4 there and never reads it; we give
/// it a meaning: **4 is TCP** (so an axon served by older tools is dialed over TCP) and **17 is QUIC** (the number IANA gave to
/// UDP). The two placeholder bytes stay 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AxonProtocol {
    /// TCP with noise and yamux.
    Tcp,
    /// QUIC over UDP.
    Quic,
}

impl AxonProtocol {
    /// The byte on chain.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 4,
            Self::Quic => 17,
        }
    }

    /// What the byte on chain means, if anything.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            4 => Some(Self::Tcp),
            17 => Some(Self::Quic),
            _ => None,
        }
    }
}

/// An axon: where to dial a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct AxonAddr {
    /// Address.
    pub ip: IpAddr,
    /// Port; 0 on chain means that the neuron serves nothing.
    pub port: u16,
    /// Transport at that port.
    pub protocol: AxonProtocol,
}

impl fmt::Display for AxonAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = SocketAddr::new(self.ip, self.port);
        match self.protocol {
            AxonProtocol::Tcp => write!(f, "tcp://{socket}"),
            AxonProtocol::Quic => write!(f, "quic://{socket}"),
        }
    }
}

impl AxonAddr {
    pub(super) fn multiaddr(&self) -> Multiaddr {
        let address = Multiaddr::from(self.ip);
        match self.protocol {
            AxonProtocol::Tcp => address.with(Protocol::Tcp(self.port)),
            AxonProtocol::Quic => address.with(Protocol::Udp(self.port)).with(Protocol::QuicV1),
        }
    }

    pub(super) fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter();
        let ip = match parts.next()? {
            Protocol::Ip4(ip) => IpAddr::V4(ip),
            Protocol::Ip6(ip) => IpAddr::V6(ip),
            _ => return None,
        };
        match (parts.next()?, parts.next()) {
            (Protocol::Tcp(port), _) => Some(Self { ip, port, protocol: AxonProtocol::Tcp }),
            (Protocol::Udp(port), Some(Protocol::QuicV1)) => Some(Self { ip, port, protocol: AxonProtocol::Quic }),
            _ => None,
        }
    }

    /// Whether it makes sense to connect there. An axon is whatever its owner wrote on chain: without this check a
    /// registration could aim the whole subnet at somebody's own loopback services.
    pub(super) fn is_dialable(&self, allow_loopback: bool) -> bool {
        let ip = self.ip.to_canonical();
        self.port != 0 && !ip.is_unspecified() && !ip.is_multicast() && (allow_loopback || !ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiaddrs_both_ways() {
        for protocol in [AxonProtocol::Tcp, AxonProtocol::Quic] {
            for ip in ["127.0.0.1", "::1", "192.0.2.7"] {
                let axon = AxonAddr { ip: ip.parse().unwrap(), port: 8091, protocol };
                assert_eq!(AxonAddr::from_multiaddr(&axon.multiaddr()), Some(axon));
                assert_eq!(AxonProtocol::from_number(protocol.number()), Some(protocol));
            }
        }
        assert_eq!(AxonProtocol::from_number(0), None);
    }

    #[test]
    fn what_is_not_dialed() {
        let at = |ip: &str, port| AxonAddr { ip: ip.parse().unwrap(), port, protocol: AxonProtocol::Tcp };
        for (axon, with_loopback, without) in [
            (at("127.0.0.1", 1), true, false),
            (at("::ffff:127.0.0.1", 1), true, false),
            (at("::1", 1), true, false),
            (at("192.0.2.7", 1), true, true),
            (at("192.0.2.7", 0), false, false),
            (at("0.0.0.0", 1), false, false),
            (at("224.0.0.1", 1), false, false),
        ] {
            assert_eq!(axon.is_dialable(true), with_loopback, "{axon}");
            assert_eq!(axon.is_dialable(false), without, "{axon}");
        }
    }
}
