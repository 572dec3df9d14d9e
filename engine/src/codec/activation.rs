//! Codecs for what crosses a boundary: z forward, its gradient backward.

use super::{CodecError, CodecId, check_length, floats, push_floats};
use crate::boundary::BoundaryTensor;

/// How a boundary tensor travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActivationCodec {
    /// Row by row, little-endian f32, nothing else.
    F32,
}

impl ActivationCodec {
    /// Its number on the wire.
    pub fn id(self) -> CodecId {
        match self {
            Self::F32 => 1,
        }
    }

    /// The codec of a number.
    pub fn from_id(id: CodecId) -> Result<Self, CodecError> {
        match id {
            1 => Ok(Self::F32),
            _ => Err(CodecError::Unknown { kind: "activation", id }),
        }
    }

    /// Bytes of a tensor of that shape.
    pub fn encoded_bytes(self, rows: usize, width: usize) -> usize {
        match self {
            Self::F32 => rows.saturating_mul(width).saturating_mul(4),
        }
    }

    /// The bytes that travel.
    pub fn encode(self, tensor: &BoundaryTensor) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_floats(&mut bytes, tensor.values());
        bytes
    }

    /// The tensor of the shape the receiver expects.
    pub fn decode(self, bytes: &[u8], rows: usize, width: usize) -> Result<BoundaryTensor, CodecError> {
        BoundaryTensor::check_size(rows, width)?;
        check_length("boundary tensor", self.encoded_bytes(rows, width), bytes.len())?;
        Ok(BoundaryTensor::new(rows, width, floats(bytes))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f32_is_exact_and_its_bytes_are_fixed() {
        let tensor = BoundaryTensor::new(2, 2, vec![1.0, -0.0, f32::MIN_POSITIVE, 3.5e37]).unwrap();
        let bytes = ActivationCodec::F32.encode(&tensor);
        assert_eq!(bytes[..8], [0, 0, 0x80, 0x3f, 0, 0, 0, 0x80]);
        let back = ActivationCodec::from_id(1).unwrap().decode(&bytes, 2, 2).unwrap();
        assert_eq!(back.hash(), tensor.hash());
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let decode = |bytes: &[u8], rows, width| ActivationCodec::F32.decode(bytes, rows, width);
        assert!(matches!(decode(&[0; 15], 2, 2), Err(CodecError::Length { expected: 16, found: 15, .. })));
        assert!(matches!(decode(&[], usize::MAX, usize::MAX), Err(CodecError::Boundary(_))));
        assert!(matches!(decode(&[0xff; 16], 2, 2), Err(CodecError::Boundary(_))));
        assert!(matches!(ActivationCodec::from_id(0), Err(CodecError::Unknown { id: 0, .. })));
    }
}
