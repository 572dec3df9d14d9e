//! Bytes on the wire: one encoding for everything that neurons send, sign or hash.
//!
//! bincode with little-endian, *fixed-width* integers. Fixed width is not for speed: bincode's variable-width form accepts
//! several encodings of one number, and what is signed or hashed must have exactly one.
//!
//! Every type has a limit in bytes, known to both ends and checked before anything is allocated. A message with bytes left
//! over is refused: whoever wrote it meant something that we did not read.

use std::any::type_name;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

/// Why a value cannot be written, or bytes are not the value they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Longer than its type may be.
    #[error("{what} of {bytes} bytes is over its limit of {limit_bytes} bytes")]
    TooLarge {
        /// The type.
        what: &'static str,
        /// Length of the encoding.
        bytes: usize,
        /// The most that is allowed.
        limit_bytes: usize,
    },
    /// Not an encoding of the type.
    #[error("not a well-formed {what}: {reason}")]
    Malformed {
        /// The type.
        what: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// Something follows the value.
    #[error("{extra_bytes} bytes follow a complete {what}")]
    Trailing {
        /// The type.
        what: &'static str,
        /// How many are left over.
        extra_bytes: usize,
    },
}

const fn configuration<const LIMIT_BYTES: usize>() -> Configuration<LittleEndian, Fixint, Limit<LIMIT_BYTES>> {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<LIMIT_BYTES>()
}

/// The last part of a type's path: what a person calls it.
fn name_of<T>() -> &'static str {
    let path = type_name::<T>();
    path.rsplit("::").next().unwrap_or(path)
}

/// Encodes a value that may take at most `LIMIT_BYTES`.
pub fn encode<T: Encode, const LIMIT_BYTES: usize>(value: &T) -> Result<Vec<u8>, WireError> {
    let what = name_of::<T>();
    let bytes = bincode::encode_to_vec(value, configuration::<LIMIT_BYTES>())
        .map_err(|error| WireError::Malformed { what, reason: error.to_string() })?;
    if bytes.len() > LIMIT_BYTES {
        return Err(WireError::TooLarge { what, bytes: bytes.len(), limit_bytes: LIMIT_BYTES });
    }
    Ok(bytes)
}

/// Decodes exactly one value from `bytes`, of which there may be at most `LIMIT_BYTES`.
///
/// A length written inside the bytes is checked against the limit before memory is taken for it.
pub fn decode<T: Decode<()>, const LIMIT_BYTES: usize>(bytes: &[u8]) -> Result<T, WireError> {
    let what = name_of::<T>();
    if bytes.len() > LIMIT_BYTES {
        return Err(WireError::TooLarge { what, bytes: bytes.len(), limit_bytes: LIMIT_BYTES });
    }
    let (value, used) = bincode::decode_from_slice::<T, _>(bytes, configuration::<LIMIT_BYTES>())
        .map_err(|error| WireError::Malformed { what, reason: error.to_string() })?;
    match bytes.len() - used {
        0 => Ok(value),
        extra_bytes => Err(WireError::Trailing { what, extra_bytes }),
    }
}

/// BLAKE3 over a value's encoding, in hex: what a type's golden test compares.
///
/// A golden hash that changed means that old and new neurons no longer understand each other: then the protocol's version
/// must change too.
pub fn golden_hash<T: Encode>(value: &T) -> Result<String, WireError> {
    const ANY_TEST_VALUE_BYTES: usize = 1 << 20;
    Ok(blake3::hash(&encode::<T, ANY_TEST_VALUE_BYTES>(value)?).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Sample {
        number: u16,
        bytes: Vec<u8>,
        maybe: Option<bool>,
    }

    fn sample() -> Sample {
        Sample { number: 0x0102, bytes: vec![7, 8], maybe: Some(true) }
    }

    #[test]
    fn the_form_is_fixed_width_little_endian() {
        let bytes = encode::<_, 64>(&sample()).unwrap();
        assert_eq!(bytes, [2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7, 8, 1, 1]);
        assert_eq!(decode::<Sample, 64>(&bytes).unwrap(), sample());
    }

    #[test]
    fn left_over_bytes_are_refused() {
        let mut bytes = encode::<_, 64>(&sample()).unwrap();
        bytes.push(0);
        assert_eq!(decode::<Sample, 64>(&bytes), Err(WireError::Trailing { what: "Sample", extra_bytes: 1 }));
    }

    #[test]
    fn missing_bytes_are_refused() {
        let bytes = encode::<_, 64>(&sample()).unwrap();
        for cut in 0..bytes.len() {
            assert!(matches!(decode::<Sample, 64>(&bytes[..cut]), Err(WireError::Malformed { .. })), "cut at {cut}");
        }
    }

    #[test]
    fn limits_hold_both_ways() {
        let bytes = encode::<_, 64>(&sample()).unwrap();
        assert!(matches!(decode::<Sample, 13>(&bytes), Err(WireError::TooLarge { bytes: 14, limit_bytes: 13, .. })));
        assert!(encode::<_, 13>(&sample()).is_err());
    }

    #[test]
    fn a_length_that_lies_takes_no_memory() {
        // A vector that says it holds 2^60 bytes, in a message of ten.
        let mut bytes = vec![0, 0];
        bytes.extend((1u64 << 60).to_le_bytes());
        assert!(matches!(decode::<Sample, 64>(&bytes), Err(WireError::Malformed { .. })));
    }
}
