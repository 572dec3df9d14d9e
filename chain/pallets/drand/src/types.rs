//! The beacon's data, laid out as Bittensor's pallet lays it out.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use frame_support::traits::ConstU32;
use scale_info::TypeInfo;
use sp_inherents::InherentIdentifier;

use crate::MAX_PULSES_PER_BLOCK;

/// Under this name the block's author hands over the pulses that are due.
pub const INHERENT_IDENTIFIER: InherentIdentifier = *b"drandpls";

/// drand's name for the scheme: unchained, signatures in G1, keys in G2, hashed to the curve as RFC 9380 says.
pub const SCHEME_ID: &[u8] = b"bls-unchained-g1-rfc9380";

/// The number of a round, from 1.
pub type RoundNumber = u64;

/// What the inherent carries: the due pulses, ascending.
pub type PulseInherent = BoundedVec<Pulse, ConstU32<MAX_PULSES_PER_BLOCK>>;

type Bytes<const N: u32> = BoundedVec<u8, ConstU32<N>>;

/// One round of the beacon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Pulse {
    /// Its number.
    pub round: RoundNumber,
    /// SHA-256 of the signature, 32 bytes.
    pub randomness: Bytes<32>,
    /// Compressed G1 point, 48 bytes: the beacon's signature over SHA-256 of the round as 8 big-endian bytes.
    pub signature: Bytes<144>,
}

/// Which beacon a chain follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct BeaconConfiguration {
    /// Compressed G2 point, 96 bytes.
    pub public_key: Bytes<96>,
    /// Seconds between rounds; zero when that is not a whole number (then only `RoundMillis` tells).
    pub period: u32,
    /// When round 1 began, Unix seconds.
    pub genesis_time: u32,
    /// drand's hash over these parameters.
    pub hash: Bytes<32>,
    /// The seed that names the group of signers.
    pub group_hash: Bytes<32>,
    /// The signature scheme.
    pub scheme_id: Bytes<32>,
    /// Further names.
    pub metadata: Metadata,
}

/// Further names of a beacon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Metadata {
    /// The beacon's name, `quicknet` for drand's own.
    pub beacon_id: Bytes<32>,
}

/// The round that has begun at `timestamp_millis`: 1 from genesis on, one more each `round_millis`.
///
/// Zero when there is none: before genesis, or on a chain without a beacon.
pub fn round_at(genesis_time_secs: u32, round_millis: u64, timestamp_millis: u64) -> RoundNumber {
    let genesis_millis = u64::from(genesis_time_secs) * 1_000;
    match timestamp_millis.checked_sub(genesis_millis) {
        Some(elapsed) if round_millis > 0 => elapsed / round_millis + 1,
        _ => 0,
    }
}

/// `millis` in seconds where that is exact, else zero.
pub(crate) fn whole_seconds(millis: u64) -> u32 {
    if millis.is_multiple_of(1_000) { u32::try_from(millis / 1_000).unwrap_or(0) } else { 0 }
}
