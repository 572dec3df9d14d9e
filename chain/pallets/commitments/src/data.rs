//! One field of a commitment, with the encoding that Bittensor's clients expect.
//!
//! Short raw bytes are so common that each length has a variant of its own: the first byte of the encoding is one more
//! than the length, and the bytes follow without a length prefix. Clients read the metadata, where the variants stand
//! as `Raw0` to `Raw128`; the derive macros cannot say that, so encoding and type information are written out here.

use codec::{Decode, DecodeWithMemTracking, Encode, EncodeLike, Error, Input, MaxEncodedLen, Output};
use frame_support::BoundedVec;
use frame_support::traits::ConstU32;
use scale_info::build::{Fields, Variants};
use scale_info::{Path, Type, TypeInfo};

/// Most bytes that [`Data::Raw`] holds. Its tag byte is one more than the length, so this also fixes the tags after it.
pub const MAX_RAW_BYTES: u32 = 128;

/// Most bytes that [`Data::BigRaw`] holds.
pub const MAX_BIG_RAW_BYTES: u32 = 512;

/// Most bytes of ciphertext in [`Data::TimelockEncrypted`].
pub const MAX_TIMELOCK_BYTES: u32 = 1_024;

const TAG_NONE: u8 = 0;
const TAG_RAW_0: u8 = 1;
const TAG_RAW_128: u8 = 129;
const TAG_BLAKE_TWO_256: u8 = 130;
const TAG_SHA_256: u8 = 131;
const TAG_KECCAK_256: u8 = 132;
const TAG_SHA_THREE_256: u8 = 133;
const TAG_TIMELOCK_ENCRYPTED: u8 = 134;
const TAG_RESET_BONDS_FLAG: u8 = 135;
const TAG_BIG_RAW: u8 = 136;

/// One field of a commitment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Data {
    /// Nothing.
    #[default]
    None,
    /// Bytes, stored as they are.
    Raw(BoundedVec<u8, ConstU32<MAX_RAW_BYTES>>),
    /// Only the BLAKE2b-256 hash of the data is stored.
    BlakeTwo256([u8; 32]),
    /// Only the SHA2-256 hash of the data is stored.
    Sha256([u8; 32]),
    /// Only the Keccak-256 hash of the data is stored.
    Keccak256([u8; 32]),
    /// Only the SHA3-256 hash of the data is stored.
    ShaThree256([u8; 32]),
    /// Bytes that a drand round will open.
    TimelockEncrypted {
        /// The ciphertext.
        encrypted: BoundedVec<u8, ConstU32<MAX_TIMELOCK_BYTES>>,
        /// The round that opens it.
        reveal_round: u64,
    },
    /// Asks for the hotkey's bonds to be reset.
    ResetBondsFlag,
    /// More bytes than [`Data::Raw`] can hold.
    BigRaw(BoundedVec<u8, ConstU32<MAX_BIG_RAW_BYTES>>),
}

impl Data {
    /// Whether only a round of the beacon opens this field.
    pub fn is_timelocked(&self) -> bool {
        matches!(self, Self::TimelockEncrypted { .. })
    }

    /// How many bytes of the hotkey's space this field takes.
    pub fn space_bytes(&self) -> u64 {
        match self {
            Data::None | Data::ResetBondsFlag => 0,
            Data::Raw(bytes) => bytes.len() as u64,
            Data::BigRaw(bytes) => bytes.len() as u64,
            Data::BlakeTwo256(_) | Data::Sha256(_) | Data::Keccak256(_) | Data::ShaThree256(_) => 32,
            Data::TimelockEncrypted { encrypted, .. } => encrypted.len() as u64,
        }
    }
}

impl Encode for Data {
    fn size_hint(&self) -> usize {
        // The tag, the bytes, and at most a length and a round.
        (self.space_bytes() as usize).saturating_add(1 + 2 + 8)
    }

    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        match self {
            Data::None => out.push_byte(TAG_NONE),
            Data::Raw(bytes) => {
                // The bound keeps the length at most 128.
                out.push_byte(TAG_RAW_0.saturating_add(bytes.len() as u8));
                out.write(bytes);
            }
            Data::BlakeTwo256(hash) => (TAG_BLAKE_TWO_256, hash).encode_to(out),
            Data::Sha256(hash) => (TAG_SHA_256, hash).encode_to(out),
            Data::Keccak256(hash) => (TAG_KECCAK_256, hash).encode_to(out),
            Data::ShaThree256(hash) => (TAG_SHA_THREE_256, hash).encode_to(out),
            Data::TimelockEncrypted { encrypted, reveal_round } => {
                (TAG_TIMELOCK_ENCRYPTED, encrypted, reveal_round).encode_to(out);
            }
            Data::ResetBondsFlag => out.push_byte(TAG_RESET_BONDS_FLAG),
            Data::BigRaw(bytes) => (TAG_BIG_RAW, bytes).encode_to(out),
        }
    }
}

impl EncodeLike for Data {}

impl Decode for Data {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(match input.read_byte()? {
            TAG_NONE => Data::None,
            tag @ TAG_RAW_0..=TAG_RAW_128 => {
                // On the stack and within the bound whatever the input says.
                let mut bytes = [0; MAX_RAW_BYTES as usize];
                let bytes = &mut bytes[..usize::from(tag - TAG_RAW_0)];
                input.read(bytes)?;
                Data::Raw(BoundedVec::truncate_from(bytes.to_vec()))
            }
            TAG_BLAKE_TWO_256 => Data::BlakeTwo256(Decode::decode(input)?),
            TAG_SHA_256 => Data::Sha256(Decode::decode(input)?),
            TAG_KECCAK_256 => Data::Keccak256(Decode::decode(input)?),
            TAG_SHA_THREE_256 => Data::ShaThree256(Decode::decode(input)?),
            TAG_TIMELOCK_ENCRYPTED => {
                Data::TimelockEncrypted { encrypted: Decode::decode(input)?, reveal_round: Decode::decode(input)? }
            }
            TAG_RESET_BONDS_FLAG => Data::ResetBondsFlag,
            TAG_BIG_RAW => Data::BigRaw(Decode::decode(input)?),
            _ => return Err("unknown kind of commitment data".into()),
        })
    }
}

// Every variant is bounded, by its tag or by its `BoundedVec`.
impl DecodeWithMemTracking for Data {}

impl MaxEncodedLen for Data {
    fn max_encoded_len() -> usize {
        let timelock = BoundedVec::<u8, ConstU32<MAX_TIMELOCK_BYTES>>::max_encoded_len().saturating_add(8);
        timelock.saturating_add(1)
    }
}

/// Adds the variants `RawN` with their `[u8; N]`.
macro_rules! raw_variants {
    ($variants:expr, $($bytes:literal),* $(,)?) => {
        $variants
        $(
            .variant(concat!("Raw", stringify!($bytes)), |variant| {
                variant.index($bytes + TAG_RAW_0).fields(Fields::unnamed().field(|field| field.ty::<[u8; $bytes]>()))
            })
        )*
    };
}

impl TypeInfo for Data {
    type Identity = Self;

    fn type_info() -> Type {
        let hash = || Fields::unnamed().field(|field| field.ty::<[u8; 32]>());
        let variants = Variants::new()
            .variant("None", |variant| variant.index(TAG_NONE))
            .variant("Raw0", |variant| variant.index(TAG_RAW_0));
        #[rustfmt::skip]
        let variants = raw_variants!(
            variants,
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
        33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
        49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64,
        65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80,
        81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96,
        97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112,
        113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128,
        );
        let variants = variants
            .variant("BlakeTwo256", |variant| variant.index(TAG_BLAKE_TWO_256).fields(hash()))
            .variant("Sha256", |variant| variant.index(TAG_SHA_256).fields(hash()))
            .variant("Keccak256", |variant| variant.index(TAG_KECCAK_256).fields(hash()))
            .variant("ShaThree256", |variant| variant.index(TAG_SHA_THREE_256).fields(hash()))
            .variant("TimelockEncrypted", |variant| {
                variant.index(TAG_TIMELOCK_ENCRYPTED).fields(
                    Fields::named()
                        .field(|field| field.name("encrypted").ty::<BoundedVec<u8, ConstU32<MAX_TIMELOCK_BYTES>>>())
                        .field(|field| field.name("reveal_round").ty::<u64>()),
                )
            })
            .variant("ResetBondsFlag", |variant| variant.index(TAG_RESET_BONDS_FLAG))
            .variant("BigRaw", |variant| {
                variant
                    .index(TAG_BIG_RAW)
                    .fields(Fields::unnamed().field(|field| field.ty::<BoundedVec<u8, ConstU32<MAX_BIG_RAW_BYTES>>>()))
            });
        Type::builder().path(Path::new("Data", module_path!())).variant(variants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::DecodeAll;

    fn raw(len: usize) -> Data {
        Data::Raw(BoundedVec::truncate_from(vec![0xab; len]))
    }

    fn every_kind() -> Vec<Data> {
        let mut all: Vec<Data> = (0..=MAX_RAW_BYTES as usize).map(raw).collect();
        all.extend([
            Data::None,
            Data::BlakeTwo256([1; 32]),
            Data::Sha256([2; 32]),
            Data::Keccak256([3; 32]),
            Data::ShaThree256([4; 32]),
            Data::TimelockEncrypted { encrypted: BoundedVec::truncate_from(vec![5; 1_024]), reveal_round: u64::MAX },
            Data::ResetBondsFlag,
            Data::BigRaw(BoundedVec::truncate_from(vec![6; 512])),
        ]);
        all
    }

    #[test]
    fn every_kind_survives_the_wire_within_its_bound() {
        for data in every_kind() {
            let bytes = data.encode();
            assert!(bytes.len() <= Data::max_encoded_len());
            assert_eq!(Data::decode_all(&mut &bytes[..]), Ok(data));
        }
    }

    #[test]
    fn raw_carries_its_length_in_the_tag() {
        assert_eq!(raw(0).encode(), [1]);
        assert_eq!(raw(2).encode(), [3, 0xab, 0xab]);
        assert_eq!(raw(128).encode()[0], 129);
        assert_eq!(Data::BigRaw(BoundedVec::truncate_from(vec![9; 2])).encode(), [136, 8, 9, 9]);
    }

    #[test]
    fn hostile_bytes_are_errors() {
        assert!(Data::decode(&mut &[137u8][..]).is_err(), "unknown tag");
        assert!(Data::decode(&mut &[3u8, 1][..]).is_err(), "shorter than its tag says");
        let too_long = (TAG_BIG_RAW, vec![0u8; 513]).encode();
        assert!(Data::decode(&mut &too_long[..]).is_err(), "more than BigRaw holds");
        let too_long = (TAG_TIMELOCK_ENCRYPTED, vec![0u8; 1_025], 1u64).encode();
        assert!(Data::decode(&mut &too_long[..]).is_err(), "more ciphertext than allowed");
    }

    #[test]
    fn metadata_names_every_tag() {
        let scale_info::TypeDef::Variant(def) = Data::type_info().type_def else { panic!("an enum") };
        assert_eq!(def.variants.len(), 137);
        for (at, variant) in def.variants.iter().enumerate() {
            assert_eq!(usize::from(variant.index), at, "{} stands at its tag", variant.name);
        }
        assert_eq!(def.variants[33].name, "Raw32");
        assert_eq!(def.variants[136].name, "BigRaw");
    }
}
