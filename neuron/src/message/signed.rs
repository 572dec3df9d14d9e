//! Signatures over structured values, so that a signature made for one purpose is good for no other.
//!
//! What is signed is `"narrows" ‖ domain ‖ 0 ‖ network ‖ encoding`. The network (genesis and netuid) is in every signature: a
//! hotkey may serve several subnets, and what it said in one must not count in another.

use bincode::{Decode, Encode};
use keys::{AccountId, Keypair, Signature};

use crate::wire::{self, WireError};

/// Longest encoding that is signed. What is longer is hashed first and its hash signed.
pub const MAX_SIGNED_BYTES: usize = 128 * 1024;

/// Where a signature counts: one subnet of one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Network {
    /// Hash of the chain's first block.
    pub genesis: [u8; 32],
    /// The subnet.
    pub netuid: u16,
}

/// What a signature is for; text without NUL, with its version, like `"pong/1"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain(pub &'static str);

/// The bytes that a signature over `value` covers.
pub fn signing_bytes<T: Encode>(network: &Network, domain: Domain, value: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = b"narrows".to_vec();
    bytes.extend(domain.0.as_bytes());
    bytes.push(0);
    bytes.extend(wire::encode::<_, 64>(network)?);
    bytes.extend(wire::encode::<_, MAX_SIGNED_BYTES>(value)?);
    Ok(bytes)
}

/// Signs a value.
pub fn sign<T: Encode>(hotkey: &Keypair, network: &Network, domain: Domain, value: &T) -> Result<Signature, WireError> {
    Ok(hotkey.sign(&signing_bytes(network, domain, value)?))
}

/// Whether `who` signed this value for this network and purpose. A value too long to be signed was not.
pub fn is_signed_by<T: Encode>(
    who: &AccountId,
    network: &Network,
    domain: Domain,
    value: &T,
    signature: &Signature,
) -> bool {
    signing_bytes(network, domain, value).is_ok_and(|bytes| signature.verifies(who, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_signer_network_domain_and_value_only() {
        let (alice, bob) = (Keypair::from_uri("//Alice").unwrap(), Keypair::from_uri("//Bob").unwrap());
        let here = Network { genesis: [1; 32], netuid: 2 };
        let signature = sign(&alice, &here, Domain("test/1"), &7u32).unwrap();
        let holds = |who: &Keypair, network: Network, domain, value: u32| {
            is_signed_by(&who.account_id(), &network, Domain(domain), &value, &signature)
        };
        assert!(holds(&alice, here, "test/1", 7));
        assert!(!holds(&bob, here, "test/1", 7));
        assert!(!holds(&alice, Network { netuid: 3, ..here }, "test/1", 7));
        assert!(!holds(&alice, Network { genesis: [2; 32], ..here }, "test/1", 7));
        assert!(!holds(&alice, here, "test/2", 7));
        assert!(!holds(&alice, here, "test/1", 8));
    }

    #[test]
    fn golden() {
        let network = Network { genesis: [1; 32], netuid: 2 };
        assert_eq!(
            wire::golden_hash(&network).unwrap(),
            "97ac7f70cc43762e1c2ea8be004478a7908786c71bb49bc1bb195c2a737731f7"
        );
    }
}
