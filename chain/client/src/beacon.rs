//! Public randomness: drand rounds, read from the chain and verified here.
//!
//! A round's signature is a BLS signature over the round's number alone (scheme `bls-unchained-g1-rfc9380`, drand's
//! quicknet), and its randomness is the signature's SHA-256. So whoever knows the public key can check a round, and nobody
//! without the private key can know it early. The chain's storage is believed for nothing but the public key.

use std::ops::RangeInclusive;

use blst::BLST_ERROR;
use blst::min_sig::{PublicKey, Signature};
use sha2::{Digest, Sha256};
use subxt::ext::scale_value::Value;

use crate::error::ChainError;
use crate::snapshot::Snapshot;
use crate::value::{self, Fields};

/// Domain of the signatures: a hash to G1 as in RFC 9380.
const DOMAIN: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
/// The only scheme that is verified.
const SCHEME: &[u8] = b"bls-unchained-g1-rfc9380";
/// Bytes of a compressed public key in G2.
const PUBLIC_KEY_BYTES: usize = 96;
/// Bytes of a compressed signature in G1.
const SIGNATURE_BYTES: usize = 48;

/// The beacon that a chain follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeaconConfig {
    /// The beacon's public key, compressed.
    pub public_key: Vec<u8>,
    /// Milliseconds from one round to the next.
    pub period_ms: u64,
    /// When round 1 happened, in seconds since 1970.
    pub genesis_seconds: u64,
    /// The signature scheme's name.
    pub scheme: String,
}

/// One round, as stored by the chain and not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The round's number.
    pub round: u64,
    /// What the round's randomness is said to be.
    pub randomness: [u8; 32],
    /// The beacon's signature over the round's number.
    pub signature: Vec<u8>,
}

/// Why a round is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeaconError {
    /// The chain follows a beacon whose signatures we cannot check.
    #[error("the beacon's scheme is `{0}`; only bls-unchained-g1-rfc9380 (drand's quicknet) is verified")]
    UnknownScheme(String),
    /// The public key is no key.
    #[error("the beacon's public key is not a key: {0}")]
    BadPublicKey(String),
    /// The signature is not the beacon's over this round.
    #[error("round {round} is not signed by the beacon: {reason}")]
    BadSignature {
        /// The round.
        round: u64,
        /// What was wrong.
        reason: String,
    },
    /// The randomness is not the signature's hash.
    #[error("the randomness of round {round} is not the hash of its signature")]
    BadRandomness {
        /// The round.
        round: u64,
    },
}

impl BeaconConfig {
    /// Check a round and return its randomness, 32 uniform bytes.
    pub fn verify(&self, pulse: &Pulse) -> Result<[u8; 32], BeaconError> {
        if self.scheme.as_bytes() != SCHEME {
            return Err(BeaconError::UnknownScheme(self.scheme.chars().take(80).collect()));
        }
        if self.public_key.len() != PUBLIC_KEY_BYTES {
            return Err(BeaconError::BadPublicKey(format!("{} bytes instead of 96", self.public_key.len())));
        }
        let key = PublicKey::key_validate(&self.public_key).map_err(|e| BeaconError::BadPublicKey(format!("{e:?}")))?;
        let round = pulse.round;
        let bad = |reason: String| BeaconError::BadSignature { round, reason };
        if pulse.signature.len() != SIGNATURE_BYTES {
            return Err(bad(format!("{} bytes instead of 48", pulse.signature.len())));
        }
        let signature = Signature::sig_validate(&pulse.signature, true).map_err(|e| bad(format!("{e:?}")))?;
        let message: [u8; 32] = Sha256::digest(round.to_be_bytes()).into();
        match signature.verify(false, &message, DOMAIN, &[], &key, false) {
            BLST_ERROR::BLST_SUCCESS => {}
            error => return Err(bad(format!("{error:?}"))),
        }
        let randomness: [u8; 32] = Sha256::digest(&pulse.signature).into();
        if randomness == pulse.randomness { Ok(randomness) } else { Err(BeaconError::BadRandomness { round }) }
    }

    /// The newest round that has happened at a time, in milliseconds since 1970; `None` before the first.
    #[must_use]
    pub fn round_at(&self, timestamp_ms: u64) -> Option<u64> {
        let since = timestamp_ms.checked_sub(self.genesis_seconds.checked_mul(1000)?)?;
        since.checked_div(self.period_ms)?.checked_add(1)
    }

    /// When a round happens, in milliseconds since 1970; `None` for round 0, which does not exist.
    #[must_use]
    pub fn time_of(&self, round: u64) -> Option<u64> {
        let since = round.checked_sub(1)?.checked_mul(self.period_ms)?;
        self.genesis_seconds.checked_mul(1000)?.checked_add(since)
    }
}

impl Snapshot {
    /// The beacon that the chain follows.
    pub async fn beacon_config(&self) -> Result<BeaconConfig, ChainError> {
        let config: Value = self.value("Drand", "BeaconConfig", &[]).await?;
        let unreadable = |reason| ChainError::decode("Drand.BeaconConfig", reason);
        let mut config = read_config(&config).ok_or_else(|| unreadable("its fields are not those of a beacon"))?;
        // Our dev chain's rounds may be shorter than the seconds that drand counts in.
        if self.shape().has_storage("Drand", "RoundMillis") {
            config.period_ms = self.value("Drand", "RoundMillis", &[]).await?;
        }
        if config.period_ms == 0 { Err(unreadable("this chain follows no beacon")) } else { Ok(config) }
    }

    /// A round, if the chain holds it. Not verified yet: see [`BeaconConfig::verify`].
    pub async fn pulse(&self, round: u64) -> Result<Option<Pulse>, ChainError> {
        let pulse: Option<Value> = self.optional("Drand", "Pulses", &[round.into()]).await?;
        let Some(pulse) = pulse else { return Ok(None) };
        let read = read_pulse(&pulse).filter(|pulse| pulse.round == round);
        read.map(Some).ok_or_else(|| ChainError::decode("Drand.Pulses", "its fields are not those of this round"))
    }

    /// The oldest and the newest round that the chain holds; `None` if it holds none. Older rounds are forgotten.
    pub async fn stored_rounds(&self) -> Result<Option<RangeInclusive<u64>>, ChainError> {
        let items = self.items("Drand", &[("OldestStoredRound", &[]), ("LastStoredRound", &[])]).await?;
        let (oldest, last): (u64, u64) = (items.value("OldestStoredRound")?, items.value("LastStoredRound")?);
        Ok((last > 0).then(|| oldest.max(1)..=last))
    }
}

fn read_config(config: &Value) -> Option<BeaconConfig> {
    let fields = Fields::of(config)?;
    let scheme = fields.get("scheme_id", 5).and_then(value::bytes)?;
    Some(BeaconConfig {
        public_key: fields.get("public_key", 0).and_then(value::bytes)?,
        period_ms: fields.number::<u64>("period", 1)?.checked_mul(1000)?,
        genesis_seconds: fields.number("genesis_time", 2)?,
        scheme: String::from_utf8_lossy(&scheme).into_owned(),
    })
}

fn read_pulse(pulse: &Value) -> Option<Pulse> {
    let fields = Fields::of(pulse)?;
    Some(Pulse {
        round: fields.number("round", 0)?,
        randomness: fields.hash("randomness", 1)?,
        signature: fields.get("signature", 2).and_then(value::bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use blst::min_sig::SecretKey;

    use super::*;

    fn config(public_key: Vec<u8>) -> BeaconConfig {
        let scheme = String::from_utf8_lossy(SCHEME).into_owned();
        BeaconConfig { public_key, period_ms: 3000, genesis_seconds: 1_692_803_367, scheme }
    }

    fn pulse(round: u64, signature: Vec<u8>) -> Pulse {
        Pulse { round, randomness: Sha256::digest(&signature).into(), signature }
    }

    fn signed(key: &SecretKey, round: u64) -> Pulse {
        let message: [u8; 32] = Sha256::digest(round.to_be_bytes()).into();
        pulse(round, key.sign(&message, DOMAIN, &[]).compress().to_vec())
    }

    /// Round 1000 of drand's quicknet, a public record.
    #[test]
    fn a_round_of_quicknet_verifies() {
        let key = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451\
                   0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
        let signature =
            "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
        let randomness = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd";
        let config = config(hex::decode(key).expect("hex"));
        let verified = config.verify(&pulse(1000, hex::decode(signature).expect("hex")));
        assert_eq!(verified.map(hex::encode), Ok(randomness.to_owned()));
    }

    #[test]
    fn only_the_beacons_own_signature_over_this_round_is_believed() {
        let key = SecretKey::key_gen(&[1; 32], &[]).expect("a key");
        let config = config(key.sk_to_pk().compress().to_vec());
        assert!(config.verify(&signed(&key, 7)).is_ok());

        let other_round = Pulse { round: 8, ..signed(&key, 7) };
        assert!(matches!(config.verify(&other_round), Err(BeaconError::BadSignature { round: 8, .. })));
        let other_key = signed(&SecretKey::key_gen(&[2; 32], &[]).expect("a key"), 7);
        assert!(matches!(config.verify(&other_key), Err(BeaconError::BadSignature { .. })));
        let other_randomness = Pulse { randomness: [0; 32], ..signed(&key, 7) };
        assert_eq!(config.verify(&other_randomness), Err(BeaconError::BadRandomness { round: 7 }));
        assert!(matches!(config.verify(&pulse(7, vec![0xc0; 48])), Err(BeaconError::BadSignature { .. })));
        assert!(matches!(config.verify(&pulse(7, vec![])), Err(BeaconError::BadSignature { .. })));
        let chained = BeaconConfig { scheme: "pedersen-bls-chained".to_owned(), ..config.clone() };
        assert!(matches!(chained.verify(&signed(&key, 7)), Err(BeaconError::UnknownScheme(_))));
        let keyless = BeaconConfig { public_key: vec![0; 96], ..config };
        assert!(matches!(keyless.verify(&signed(&key, 7)), Err(BeaconError::BadPublicKey(_))));
    }

    #[test]
    fn the_point_at_infinity_signs_nothing() {
        let mut infinity = vec![0; 48];
        infinity[0] = 0xc0;
        let key = SecretKey::key_gen(&[1; 32], &[]).expect("a key");
        let config = config(key.sk_to_pk().compress().to_vec());
        assert!(config.verify(&pulse(7, infinity)).is_err());
    }

    #[test]
    fn rounds_and_times_are_each_others_inverse() {
        let config = config(Vec::new());
        assert_eq!(config.round_at(1_692_803_367_000), Some(1));
        assert_eq!(config.round_at(1_692_803_366_999), None);
        assert_eq!(config.round_at(1_692_803_369_999), Some(1));
        assert_eq!(config.round_at(1_692_803_370_000), Some(2));
        for round in [1, 2, 1000, 5_000_000] {
            assert_eq!(config.time_of(round).and_then(|time| config.round_at(time)), Some(round));
        }
        assert_eq!(config.time_of(0), None);
        assert_eq!(config.time_of(u64::MAX), None);
        assert_eq!(BeaconConfig { period_ms: 0, ..config }.round_at(u64::MAX), None);
    }
}
