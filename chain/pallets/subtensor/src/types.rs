//! The types that cross the chain's interface, with Bittensor's names and field order.
//!
//! Clients decode storage and events by the shape found in the metadata, so a renamed or reordered field is a break.

use alloc::{collections::BTreeSet, vec::Vec};
use codec::{CompactAs, Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use sp_core::U256;

/// An amount of TAO in rao (10⁻⁹ TAO).
pub type TaoBalance = u64;

/// An amount of a subnet's alpha, in billionths. Its pool sets its price, or it is worth TAO one to one.
pub type AlphaBalance = u64;

/// How many storage indices lie between two mechanisms of one subnet (see [`NetUidStorageIndex`]).
const MECHANISM_STRIDE: u16 = 4096;

/// The number of a subnet.
#[derive(
    CompactAs,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
)]
pub struct NetUid(pub u16);

impl NetUid {
    /// The root network. It has no neurons of its own here; the number stays reserved as on Bittensor.
    pub const ROOT: Self = Self(0);

    /// Whether this is the reserved root network.
    pub fn is_root(self) -> bool {
        self == Self::ROOT
    }
}

impl From<u16> for NetUid {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

/// The number of an incentive mechanism inside a subnet. Every subnet here has one, number 0.
#[derive(
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
)]
pub struct MechId(pub u8);

impl MechId {
    /// The mechanism that every subnet has.
    pub const MAIN: Self = Self(0);
}

/// Where a mechanism's vectors live: `netuid + 4096 · mecid`. A type of its own, because mixing it up with a
/// [`NetUid`] reads another subnet's weights.
#[derive(
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
)]
pub struct NetUidStorageIndex(pub u16);

impl NetUidStorageIndex {
    /// The index of a subnet's mechanism.
    pub fn new(netuid: NetUid, mecid: MechId) -> Self {
        Self(netuid.0.saturating_add(MECHANISM_STRIDE.saturating_mul(u16::from(mecid.0))))
    }
}

impl From<NetUid> for NetUidStorageIndex {
    fn from(netuid: NetUid) -> Self {
        Self::new(netuid, MechId::MAIN)
    }
}

/// An unsigned fixed-point number with 64 integer and 64 fractional bits.
#[derive(
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
)]
pub struct U64F64 {
    /// The number times 2⁶⁴.
    pub bits: u128,
}

impl U64F64 {
    /// The number one.
    pub const ONE: Self = Self { bits: 1 << 64 };

    /// An integer as a fixed-point number.
    pub const fn from_integer(value: u64) -> Self {
        Self { bits: (value as u128) << 64 }
    }

    /// `numerator / denominator`, rounded down; `denominator` must not be zero.
    pub const fn from_ratio(numerator: u64, denominator: u64) -> Self {
        Self { bits: ((numerator as u128) << 64) / denominator as u128 }
    }

    /// `self · value`, rounded down, at most `u64::MAX`.
    pub fn saturating_mul_integer(self, value: u64) -> u64 {
        let product = (U256::from(self.bits) * U256::from(value)) >> 64;
        u64::try_from(product).unwrap_or(u64::MAX)
    }
}

/// Where a neuron can be reached.
#[derive(
    Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default,
)]
pub struct AxonInfo {
    /// The block at which it was served.
    pub block: u64,
    /// The version of the neuron's software.
    pub version: u32,
    /// The address; an IPv4 address is in the low 32 bits.
    pub ip: u128,
    /// The port.
    pub port: u16,
    /// 4 or 6.
    pub ip_type: u8,
    /// The neuron's protocol; opaque to the chain.
    pub protocol: u8,
    /// Unused, kept for Bittensor's layout.
    pub placeholder1: u8,
    /// Unused, kept for Bittensor's layout.
    pub placeholder2: u8,
}

/// What a subnet's owner says about the subnet.
#[derive(Encode, Decode, DecodeWithMemTracking, TypeInfo, Clone, PartialEq, Eq, Debug, Default)]
pub struct SubnetIdentityV3 {
    /// The subnet's name, at most 256 bytes.
    pub subnet_name: Vec<u8>,
    /// Where its code is, at most 1,024 bytes.
    pub github_repo: Vec<u8>,
    /// Whom to ask, at most 1,024 bytes.
    pub subnet_contact: Vec<u8>,
    /// Its site, at most 1,024 bytes.
    pub subnet_url: Vec<u8>,
    /// Its Discord, at most 256 bytes.
    pub discord: Vec<u8>,
    /// What it does, at most 1,024 bytes.
    pub description: Vec<u8>,
    /// Its logo, at most 1,024 bytes.
    pub logo_url: Vec<u8>,
    /// Anything else, at most 1,024 bytes.
    pub additional: Vec<u8>,
}

impl SubnetIdentityV3 {
    /// Whether every field is within its limit; identities are stored for ever, so they are bounded.
    pub fn is_within_limits(&self) -> bool {
        const SHORT_FIELD_BYTES: usize = 256;
        const LONG_FIELD_BYTES: usize = 1024;
        self.subnet_name.len() <= SHORT_FIELD_BYTES
            && self.discord.len() <= SHORT_FIELD_BYTES
            && [
                &self.github_repo,
                &self.subnet_contact,
                &self.subnet_url,
                &self.description,
                &self.logo_url,
                &self.additional,
            ]
            .iter()
            .all(|field| field.len() <= LONG_FIELD_BYTES)
    }
}

/// Where a neuron's metrics can be read.
#[derive(
    Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default,
)]
pub struct PrometheusInfo {
    /// The block at which it was served.
    pub block: u64,
    /// The version of the neuron's software.
    pub version: u32,
    /// The address; an IPv4 address is in the low 32 bits.
    pub ip: u128,
    /// The port.
    pub port: u16,
    /// 4 or 6.
    pub ip_type: u8,
}

/// The key with which a neuron's axon proves itself over TLS.
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, PartialEq, Eq, Debug, Default)]
pub struct NeuronCertificate {
    /// The public key.
    pub public_key: BoundedVec<u8, ConstU32<64>>,
    /// Which algorithm it belongs to; opaque to the chain.
    pub algorithm: u8,
}

impl NeuronCertificate {
    /// Reads what a client sends: the algorithm's byte, then a key of 1 to 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (algorithm, key) = bytes.split_first().filter(|(_, key)| !key.is_empty())?;
        Some(Self { public_key: BoundedVec::try_from(key.to_vec()).ok()?, algorithm: *algorithm })
    }
}

/// What becomes of what the subnet owner's own hotkey would have mined.
#[derive(
    Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default,
)]
pub enum RecycleOrBurnEnum {
    /// It is destroyed for good.
    #[default]
    Burn,
    /// It goes back to what may still be emitted.
    Recycle,
}

/// What a coldkey says about itself.
#[derive(Encode, Decode, DecodeWithMemTracking, TypeInfo, Clone, PartialEq, Eq, Debug, Default)]
pub struct ChainIdentityV2 {
    /// Its name, at most 256 bytes.
    pub name: Vec<u8>,
    /// Its site, at most 256 bytes.
    pub url: Vec<u8>,
    /// Where its code is, at most 256 bytes.
    pub github_repo: Vec<u8>,
    /// Its picture, at most 1,024 bytes.
    pub image: Vec<u8>,
    /// Its Discord, at most 256 bytes.
    pub discord: Vec<u8>,
    /// What it does, at most 1,024 bytes.
    pub description: Vec<u8>,
    /// Anything else, at most 1,024 bytes.
    pub additional: Vec<u8>,
}

impl ChainIdentityV2 {
    /// Whether every field is within its limit.
    pub fn is_within_limits(&self) -> bool {
        let short = [&self.name, &self.url, &self.github_repo, &self.discord];
        let long = [&self.image, &self.description, &self.additional];
        short.iter().all(|field| field.len() <= 256) && long.iter().all(|field| field.len() <= 1024)
    }
}

/// An unsigned fixed-point number with 96 integer and 32 fractional bits.
#[derive(
    Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default,
)]
pub struct U96F32 {
    /// The number times 2³².
    pub bits: u128,
}

impl U96F32 {
    /// `numerator / denominator`, rounded down; zero where the denominator is.
    pub const fn from_ratio(numerator: u64, denominator: u64) -> Self {
        match ((numerator as u128) << 32).checked_div(denominator as u128) {
            Some(bits) => Self { bits },
            None => Self { bits: 0 },
        }
    }
}

/// A signed fixed-point number with 64 integer and 64 fractional bits.
#[derive(
    Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default,
)]
pub struct I64F64 {
    /// The number times 2⁶⁴.
    pub bits: i128,
}

/// How an epoch reaches consensus.
#[derive(
    Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default,
)]
pub enum EpochConsensus {
    /// By Yuma, as always here.
    #[default]
    Yuma,
    /// Not at all.
    Null,
}

/// What becomes of root dividends.
#[derive(Encode, Decode, DecodeWithMemTracking, TypeInfo, Clone, PartialEq, Eq, Debug, Default)]
pub enum RootClaimTypeEnum {
    /// They are sold for TAO, as always here.
    #[default]
    Swap,
    /// They are kept as alpha.
    Keep,
    /// They are kept as alpha of some subnets.
    KeepSubnets {
        /// Which.
        subnets: BTreeSet<NetUid>,
    },
}

/// Locked stake. Nothing is ever locked here; clients ask.
#[derive(
    Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default,
)]
pub struct LockState {
    /// How much.
    pub locked_mass: AlphaBalance,
    /// What it counts for.
    pub conviction: U64F64,
    /// The block for which that holds.
    pub last_update: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_index_strides_by_4096() {
        assert_eq!(NetUidStorageIndex::new(NetUid(3), MechId(0)).0, 3);
        assert_eq!(NetUidStorageIndex::new(NetUid(1), MechId(1)).0, 4097);
    }

    #[test]
    fn fixed_point_multiplies_rounding_down_and_saturates() {
        assert_eq!(U64F64::from_ratio(126, 100).saturating_mul_integer(1_000), 1_259); // 1.26 is just below in binary
        assert_eq!(U64F64::ONE.saturating_mul_integer(u64::MAX), u64::MAX);
        assert_eq!(U64F64::from_integer(3).saturating_mul_integer(u64::MAX), u64::MAX);
    }
}
