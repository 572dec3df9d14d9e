//! Weight vectors as the chain wants them: upscaled to 16 bits, long enough, and committed to by hash.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use codec::Encode;
use keys::AccountId;

use crate::types::{Netuid, Uid};

/// The weight vector of one validator, ready for [`crate::Call::set_weights`] or a commit and its reveal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightVector {
    /// The neurons weighed, in ascending order.
    pub uids: Vec<Uid>,
    /// Their weights; the largest is 65535.
    pub values: Vec<u16>,
}

/// Scores that make no weights.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A score that is no finite number from 0 up.
    #[error("the score {score} of uid {uid} is not a finite number from 0 up")]
    NotAScore {
        /// Whose.
        uid: Uid,
        /// The score.
        score: f64,
    },
    /// A uid with two scores.
    #[error("uid {uid} has two scores: the chain refuses duplicates")]
    Duplicate {
        /// Whose.
        uid: Uid,
    },
    /// Nobody earned anything: the chain has no way to say so, so say nothing.
    #[error("all scores are zero: set no weights rather than meaningless ones")]
    AllZero,
    /// Fewer scores than the subnet demands.
    #[error("{given} scores are fewer than the {needed} that the subnet demands: score more neurons, zeros included")]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many are needed.
        needed: usize,
    },
}

/// Scale scores so that the largest becomes 65535, rounding halves up as the chain does when it upscales.
///
/// Only ratios matter to the chain, and this keeps the most of them that 16 bits can.
#[must_use]
pub fn max_upscale(scores: &[f64]) -> Vec<u16> {
    let max = scores.iter().copied().fold(0.0, f64::max);
    if max <= 0.0 || !max.is_finite() {
        return vec![0; scores.len()];
    }
    // A cast from a float saturates, and takes NaN to 0.
    scores.iter().map(|score| (score / max * f64::from(u16::MAX)).round() as u16).collect()
}

/// As [`max_upscale`], for whole numbers and without rounding through floats.
#[must_use]
pub fn max_upscale_integers(scores: &[u64]) -> Vec<u16> {
    let max = u128::from(scores.iter().copied().max().unwrap_or_default());
    if max == 0 {
        return vec![0; scores.len()];
    }
    let upscale = |score: &u64| (u128::from(*score) * u128::from(u16::MAX) * 2 + max) / (2 * max);
    scores.iter().map(|score| u16::try_from(upscale(score)).unwrap_or(u16::MAX)).collect()
}

/// Turn scores into a weight vector: zeros are dropped, except as many as it takes to have `min_allowed` entries.
pub fn from_scores(scores: &[(Uid, f64)], min_allowed: u16) -> Result<WeightVector, WeightsError> {
    if let Some(&(uid, score)) = scores.iter().find(|(_, score)| !score.is_finite() || *score < 0.0) {
        return Err(WeightsError::NotAScore { uid, score });
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by_key(|(uid, _)| *uid);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(WeightsError::Duplicate { uid: pair[0].0 });
    }
    let needed = usize::from(min_allowed);
    if sorted.len() < needed {
        return Err(WeightsError::TooFew { given: sorted.len(), needed });
    }
    let values = max_upscale(&sorted.iter().map(|(_, score)| *score).collect::<Vec<_>>());
    let nonzero = values.iter().filter(|value| **value > 0).count();
    if nonzero == 0 {
        return Err(WeightsError::AllZero);
    }
    let mut zeros_kept = needed.saturating_sub(nonzero);
    let mut vector = WeightVector::default();
    for ((uid, _), value) in sorted.into_iter().zip(values) {
        if value == 0 {
            if zeros_kept == 0 {
                continue;
            }
            zeros_kept -= 1;
        }
        vector.uids.push(uid);
        vector.values.push(value);
    }
    Ok(vector)
}

/// The hash that commits a validator to a weight vector: exactly these values, salt and version key must be revealed.
#[must_use]
pub fn commit_hash(
    hotkey: AccountId,
    netuid: Netuid,
    mechanism: u8,
    vector: &WeightVector,
    salt: &[u16],
    version_key: u64,
) -> [u8; 32] {
    let uids: Vec<u16> = vector.uids.iter().map(|uid| uid.0).collect();
    let index = netuid.storage_index(mechanism);
    let committed = (hotkey.as_bytes(), index, uids, &vector.values, salt, version_key);
    Blake2b::<U32>::digest(committed.encode()).into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn numbers(value: &Value) -> Vec<u16> {
        let numbers = value.as_array().expect("a list").iter();
        numbers.map(|number| number.as_u64().and_then(|n| n.try_into().ok()).expect("a u16")).collect()
    }

    #[test]
    fn commit_hashes_are_those_of_bittensor() {
        let vectors: Value =
            serde_json::from_str(include_str!("../tests/vectors/weights_commit_hash.json")).expect("JSON");
        let cases = vectors["cases"].as_array().expect("cases");
        assert!(!cases.is_empty());
        for case in cases {
            let hotkey = hex::decode(case["hotkey_hex"].as_str().expect("hex")).expect("hex");
            let hotkey = AccountId::from(<[u8; 32]>::try_from(hotkey).expect("32 bytes"));
            let index = case["netuid_index"].as_u64().expect("a number");
            let (netuid, mechanism) = (Netuid((index % 4096) as u16), (index / 4096) as u8);
            let uids = numbers(&case["uids"]).into_iter().map(Uid).collect();
            let vector = WeightVector { uids, values: numbers(&case["values"]) };
            let version_key = case["version_key"].as_u64().expect("a number");
            let hash = commit_hash(hotkey, netuid, mechanism, &vector, &numbers(&case["salt"]), version_key);
            assert_eq!(format!("0x{}", hex::encode(hash)), case["commit_hash"].as_str().expect("a hash"));
        }
    }

    #[test]
    fn upscaling_rounds_as_the_chain_does() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/weights_upscale.json")).expect("JSON");
        let float_cases = vectors["vec_max_upscale_to_u16"].as_array().expect("cases");
        let integer_cases = vectors["vec_u16_max_upscale_to_u16"].as_array().expect("cases");
        assert!(!float_cases.is_empty() && !integer_cases.is_empty());
        for case in float_cases {
            let input: Vec<f64> =
                case["input_f32"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
            assert_eq!(max_upscale(&input), numbers(&case["expected"]), "{case}");
        }
        for case in integer_cases {
            let input: Vec<u64> = numbers(&case["input"]).into_iter().map(u64::from).collect();
            assert_eq!(max_upscale_integers(&input), numbers(&case["expected"]), "{case}");
        }
        assert_eq!(max_upscale_integers(&[u64::MAX, u64::MAX / 2 + 1, 0]), [65535, 32768, 0]);
    }

    #[test]
    fn zeros_only_fill_a_vector_up() {
        let scores = [(Uid(4), 0.0), (Uid(1), 0.5), (Uid(0), 0.0), (Uid(2), 1.0)];
        let vector = |min_allowed| from_scores(&scores, min_allowed).map(|vector| vector.uids);
        assert_eq!(vector(0), Ok(vec![Uid(1), Uid(2)]));
        assert_eq!(vector(3), Ok(vec![Uid(0), Uid(1), Uid(2)]));
        assert_eq!(vector(5), Err(WeightsError::TooFew { given: 4, needed: 5 }));
        let values = from_scores(&scores, 4).map(|vector| vector.values);
        assert_eq!(values, Ok(vec![0, 32768, 65535, 0]));
    }

    #[test]
    fn scores_that_mean_nothing_are_refused() {
        assert_eq!(from_scores(&[(Uid(0), 0.0)], 0), Err(WeightsError::AllZero));
        assert_eq!(from_scores(&[], 0), Err(WeightsError::AllZero));
        assert_eq!(from_scores(&[(Uid(1), 1.0), (Uid(1), 2.0)], 0), Err(WeightsError::Duplicate { uid: Uid(1) }));
        for score in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(from_scores(&[(Uid(3), score)], 0), Err(WeightsError::NotAScore { uid: Uid(3), .. })));
        }
    }
}
