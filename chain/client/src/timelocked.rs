//! Weights under a time lock: sealed to the beacon of the chain at hand, whichever that is, and opened by the chain itself
//! when the beacon has signed the round.

use codec::Encode;
use keys::AccountId;
pub use timelock::Randomness;

use crate::beacon::BeaconConfig;
use crate::calls::SUBTENSOR;
use crate::error::ChainError;
use crate::snapshot::Snapshot;
use crate::types::Netuid;
use crate::weights::WeightVector;

/// The form of sealed weights that is made; a chain that takes another one refuses the commit.
pub const SEALED_WEIGHTS_VERSION: u16 = 4;

/// Blocks after the epoch from which on weights may be opened, so that a chain whose blocks come a little late does not
/// know the round before that epoch. As in Bittensor's client.
const LATER_BLOCKS: u64 = 3;

/// Sealed weights, for [`crate::Call::commit_timelocked_weights`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedWeights {
    /// What is committed.
    pub bytes: Vec<u8>,
    /// The round whose signature opens them.
    pub round: u64,
}

/// Seals weights to a round of a beacon. The randomness must be used for nothing else.
///
/// # Errors
///
/// The beacon's key is none, or the weights are more than a commit holds.
pub fn seal_weights(
    beacon: &BeaconConfig,
    round: u64,
    hotkey: AccountId,
    vector: &WeightVector,
    version_key: u64,
    randomness: &Randomness,
) -> Result<SealedWeights, ChainError> {
    let failed = |reason: &dyn std::fmt::Display| ChainError::encode("sealed weights", reason);
    let key = beacon.public_key.as_slice().try_into().map_err(|_| failed(&timelock::Error::PublicKey))?;
    let uids: Vec<u16> = vector.uids.iter().map(|uid| uid.0).collect();
    let message = (hotkey.as_bytes().to_vec(), uids, &vector.values, version_key).encode();
    let bytes = timelock::seal(key, round, &message, randomness).map_err(|error| failed(&error))?;
    Ok(SealedWeights { bytes, round })
}

impl Snapshot {
    /// The round that opens weights committed now: the first that the beacon signs once the epoch has begun in which the
    /// chain opens them, and some blocks have passed.
    ///
    /// # Errors
    ///
    /// The chain follows no beacon, its epochs stand still, or it is not in time with its beacon.
    pub async fn reveal_round(&self, netuid: Netuid, beacon: &BeaconConfig) -> Result<u64, ChainError> {
        let schedule = self.epoch_schedule(netuid).await?;
        let period: u64 = self.value(SUBTENSOR, "RevealPeriodEpochs", &[netuid.into()]).await?;
        let tempo: u16 = self.value(SUBTENSOR, "Tempo", &[netuid.into()]).await?;
        let block_ms: u64 = self.shape().constant("Aura", "SlotDuration")?;
        let later = LATER_BLOCKS.min(u64::from(tempo) / 2);
        let blocks = period.saturating_sub(1).saturating_mul(tempo.into());
        let block = schedule.next.0.saturating_add(blocks).saturating_add(later);
        let ahead_ms = block.saturating_sub(self.number().0).saturating_mul(block_ms);
        let at = self.timestamp_ms().await?.saturating_add(ahead_ms);
        let round = beacon.round_at(at).and_then(|round| round.checked_add(1));
        round.ok_or_else(|| ChainError::decode("Drand.BeaconConfig", "the beacon begins after the chain's present"))
    }
}

#[cfg(test)]
mod tests {
    use codec::DecodeAll;

    use super::*;
    use crate::types::Uid;

    /// The beacon that Bittensor's chain follows, and what it has signed: drand's quicknet, round 1000.
    const QUICKNET: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510\
                            d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
    const ROUND: u64 = 1_000;
    const SIGNED: &str =
        "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";

    fn bytes(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
    }

    #[test]
    fn what_is_sealed_to_quicknet_quicknet_opens() {
        let mut beacon = BeaconConfig {
            public_key: bytes(QUICKNET),
            period_ms: 3_000,
            genesis_seconds: 1_692_803_367,
            scheme: "bls-unchained-g1-rfc9380".into(),
        };
        let vector = WeightVector { uids: vec![Uid(3), Uid(200)], values: vec![7, u16::MAX] };
        let (hotkey, randomness) =
            (AccountId::from([8; 32]), Randomness { key: [1; 32], sigma: [2; 32], nonce: [3; 12] });
        let sealed = seal_weights(&beacon, ROUND, hotkey, &vector, 5, &randomness).expect("seals");
        assert_eq!(sealed.round, ROUND);
        let signature = bytes(SIGNED).try_into().expect("48 bytes");
        let opened = timelock::open(&signature, &sealed.bytes).expect("opens");
        let read = <(Vec<u8>, Vec<u16>, Vec<u16>, u64)>::decode_all(&mut &opened[..]).expect("decodes");
        assert_eq!(read, (vec![8; 32], vec![3, 200], vec![7, u16::MAX], 5));

        beacon.public_key.pop();
        assert!(seal_weights(&beacon, ROUND, hotkey, &vector, 5, &randomness).is_err(), "half a key");
    }
}
