//! The development chain's own drand beacon: one BLS key, held by the block's author.
//!
//! Scheme `bls-unchained-g1-rfc9380`, as drand's quicknet: the message of a round is the SHA-256 of its number as eight
//! big-endian bytes, the signature lies in G1, the key in G2, and the randomness is the SHA-256 of the signature. BLS
//! signatures are unique, so a seed fixes every pulse, and a seeded chain repeats itself.

use blst::BLST_ERROR;
use blst::min_sig::{PublicKey, SecretKey, Signature};
use pallet_drand::{Pulse, RoundNumber};
use sha2::{Digest, Sha256};
use sp_runtime::BoundedVec;

/// The domain of the hash to the curve, from RFC 9380 and drand's scheme.
const DOMAIN: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

/// Separates this key from any other made from the same seed.
const KEY_INFO: &[u8] = b"narrows development beacon";

/// The name under which the chain announces its beacon.
pub(crate) const BEACON_ID: &[u8] = b"narrows-dev";

/// Bytes of a compressed public key.
pub const PUBLIC_KEY_BYTES: usize = 96;

/// Why a pulse is not the beacon's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PulseError {
    /// The key is no point of G2, or one outside the subgroup.
    #[error("the beacon's public key is malformed ({0:?}); compare it with the chain's BeaconConfig")]
    PublicKey(BLST_ERROR),
    /// The signature is no point of G1.
    #[error("the signature of round {round} is malformed ({reason:?})")]
    Malformed {
        /// The pulse's round.
        round: RoundNumber,
        /// What blst said.
        reason: BLST_ERROR,
    },
    /// The signature is another key's or another round's.
    #[error("the signature of round {round} does not verify ({reason:?}): it is another key's or another round's")]
    Signature {
        /// The pulse's round.
        round: RoundNumber,
        /// What blst said.
        reason: BLST_ERROR,
    },
    /// The randomness is not the hash of the signature.
    #[error("the randomness of round {round} is not the SHA-256 of its signature")]
    Randomness {
        /// The pulse's round.
        round: RoundNumber,
    },
}

/// Signs rounds.
#[derive(Clone)]
pub struct Beacon {
    secret: SecretKey,
}

impl Beacon {
    /// The beacon that `seed` stands for.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        // The only failure of `key_gen` is a seed shorter than 32 bytes.
        #[expect(clippy::expect_used, reason = "the seed has the 32 bytes that key_gen asks for")]
        let secret = SecretKey::key_gen(seed, KEY_INFO).expect("32 bytes suffice");
        Self { secret }
    }

    /// The key that its pulses verify against, compressed.
    pub fn public_key(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.secret.sk_to_pk().compress()
    }

    /// The pulse of `round`.
    pub fn pulse(&self, round: RoundNumber) -> Pulse {
        let signature = self.secret.sign(&message(round), DOMAIN, &[]).compress();
        Pulse {
            round,
            randomness: BoundedVec::truncate_from(Sha256::digest(signature).to_vec()),
            signature: BoundedVec::truncate_from(signature.to_vec()),
        }
    }
}

/// What is signed in `round`.
fn message(round: RoundNumber) -> [u8; 32] {
    Sha256::digest(round.to_be_bytes()).into()
}

/// Check a pulse against the beacon's compressed public key.
pub fn verify(public_key: &[u8], pulse: &Pulse) -> Result<(), PulseError> {
    let round = pulse.round;
    let key = PublicKey::key_validate(public_key).map_err(PulseError::PublicKey)?;
    let signature =
        Signature::uncompress(&pulse.signature).map_err(|reason| PulseError::Malformed { round, reason })?;
    let check_subgroup = true;
    match signature.verify(check_subgroup, &message(round), DOMAIN, &[], &key, false) {
        BLST_ERROR::BLST_SUCCESS => {}
        reason => return Err(PulseError::Signature { round, reason }),
    }
    if Sha256::digest(&pulse.signature[..])[..] != pulse.randomness[..] {
        return Err(PulseError::Randomness { round });
    }
    Ok(())
}

/// drand's name for a beacon: a hash over all that identifies it.
pub(crate) fn chain_hash(
    period_secs: u32,
    genesis_time_secs: u32,
    public_key: &[u8],
    group_hash: &[u8],
    beacon_id: &[u8],
) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(period_secs.to_be_bytes());
    hasher.update(i64::from(genesis_time_secs).to_be_bytes());
    hasher.update(public_key);
    hasher.update(group_hash);
    hasher.update(beacon_id);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // drand's quicknet, as its network announces itself.
    const QUICKNET_KEY: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
    const QUICKNET_GROUP: &str = "f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e";
    const QUICKNET_HASH: &str = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971";
    const QUICKNET_ROUND_1000: &str =
        "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text).expect("hexadecimal")
    }

    fn quicknet_pulse(round: u64) -> Pulse {
        let signature = bytes(QUICKNET_ROUND_1000);
        Pulse {
            round,
            randomness: BoundedVec::truncate_from(Sha256::digest(&signature).to_vec()),
            signature: BoundedVec::truncate_from(signature),
        }
    }

    #[test]
    fn quicknet_verifies() {
        assert_eq!(verify(&bytes(QUICKNET_KEY), &quicknet_pulse(1_000)), Ok(()));
        assert!(matches!(
            verify(&bytes(QUICKNET_KEY), &quicknet_pulse(1_001)),
            Err(PulseError::Signature { round: 1_001, .. })
        ));
    }

    #[test]
    fn quicknet_hashes_to_its_name() {
        let hash = chain_hash(3, 1_692_803_367, &bytes(QUICKNET_KEY), &bytes(QUICKNET_GROUP), b"quicknet");
        assert_eq!(hash.to_vec(), bytes(QUICKNET_HASH));
    }

    #[test]
    fn a_seed_fixes_every_pulse() {
        let (one, again, other) =
            (Beacon::from_seed(&[1; 32]), Beacon::from_seed(&[1; 32]), Beacon::from_seed(&[2; 32]));
        assert_eq!(one.public_key(), again.public_key());
        assert_ne!(one.public_key(), other.public_key());
        assert_eq!(one.pulse(9), again.pulse(9));
        assert_ne!(one.pulse(9).randomness, one.pulse(10).randomness);
    }

    #[test]
    fn a_pulse_is_its_beacon_s_and_its_round_s() {
        let beacon = Beacon::from_seed(&[1; 32]);
        let key = beacon.public_key();
        let pulse = beacon.pulse(7);
        assert_eq!(verify(&key, &pulse), Ok(()));

        let other_round = Pulse { round: 8, ..pulse.clone() };
        assert!(matches!(verify(&key, &other_round), Err(PulseError::Signature { round: 8, .. })));
        let other_key = Beacon::from_seed(&[2; 32]).public_key();
        assert!(matches!(verify(&other_key, &pulse), Err(PulseError::Signature { .. })));
        let randomness = BoundedVec::truncate_from(vec![0; 32]);
        assert_eq!(verify(&key, &Pulse { randomness, ..pulse.clone() }), Err(PulseError::Randomness { round: 7 }));
        let signature = BoundedVec::truncate_from(vec![0xff; 48]);
        assert!(matches!(
            verify(&key, &Pulse { signature, ..pulse.clone() }),
            Err(PulseError::Malformed { round: 7, .. })
        ));
        assert!(matches!(verify(&[0xff; 96], &pulse), Err(PulseError::PublicKey(_))));
        assert!(matches!(verify(&[], &pulse), Err(PulseError::PublicKey(_))));
    }
}
