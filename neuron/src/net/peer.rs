//! What the network layer calls a peer: the public key of its transport, not of its wallet.

use std::fmt;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use serde::{Serialize, Serializer};

/// A peer as the transport authenticates it. Which hotkey it speaks for is known only once it has proven it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(pub(super) PeerId);

impl PeerName {
    /// The name of the peer whose transport key has this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(transport_key(seed).public().to_peer_id())
    }
}

/// The transport's ed25519 key. Kept apart from the hotkey: a key that signs handshakes of a transport we did not write
/// should not be one that signs for money.
pub(super) fn transport_key(seed: &[u8; 32]) -> Keypair {
    let mut bytes = *seed;
    #[expect(clippy::expect_used, reason = "every 32 bytes are an ed25519 seed")]
    let key = Keypair::ed25519_from_bytes(&mut bytes).expect("an ed25519 seed has 32 bytes");
    key
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerName({})", self.0)
    }
}

impl Serialize for PeerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_function_of_the_seed() {
        assert_eq!(PeerName::from_seed(&[1; 32]), PeerName::from_seed(&[1; 32]));
        assert_ne!(PeerName::from_seed(&[1; 32]), PeerName::from_seed(&[2; 32]));
        assert!(PeerName::from_seed(&[1; 32]).to_string().starts_with("12D3KooW"));
    }
}
