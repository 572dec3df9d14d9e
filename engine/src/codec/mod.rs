//! How tensors become bytes on the wire, and back. A codec is named by a number that travels with the bytes; decoding
//! checks the length before it allocates, and refuses values that are not finite.

mod activation;
mod gradient;
mod weight;

use thiserror::Error;

pub use activation::ActivationCodec;
pub use gradient::GradientCodec;
pub use weight::WeightCodec;

use crate::{boundary::BoundaryError, model::WeightsError, optimizer::OptimizerStateError};

/// The number of a codec on the wire. Once given, it never changes its meaning.
pub type CodecId = u16;

/// Why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// No codec of that number for this kind of tensor.
    #[error("unknown {kind} codec {id}: the sender may run a newer version")]
    Unknown {
        /// Activation, gradient or weight.
        kind: &'static str,
        /// The number.
        id: CodecId,
    },
    /// Too many or too few bytes for the shape.
    #[error("{kind}: expected {expected} bytes, got {found}")]
    Length {
        /// What was decoded.
        kind: &'static str,
        /// Bytes needed.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A boundary tensor that is none.
    #[error(transparent)]
    Boundary(#[from] BoundaryError),
    /// Weights or gradients that are none.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An optimizer state that is none.
    #[error(transparent)]
    OptimizerState(#[from] OptimizerStateError),
}

fn push_floats(bytes: &mut Vec<u8>, values: &[f32]) {
    bytes.reserve_exact(values.len() * 4);
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// Little-endian f32; the caller has checked the length.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn check_length(kind: &'static str, expected: usize, found: usize) -> Result<(), CodecError> {
    if expected == found { Ok(()) } else { Err(CodecError::Length { kind, expected, found }) }
}
