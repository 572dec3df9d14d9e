//! Codecs for sums of weight gradients, replica to replica.

use super::{CodecError, CodecId, check_length, floats, push_floats};
use crate::model::{Gradients, ModelConfig, StageIndex};

/// How gradients travel. All forms begin with the number of tokens, u64 little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GradientCodec {
    /// Little-endian f32 in the layout's order.
    F32,
}

const TOKENS_BYTES: usize = 8;

impl GradientCodec {
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
            _ => Err(CodecError::Unknown { kind: "gradient", id }),
        }
    }

    /// Most bytes that gradients of so many parameters take.
    pub fn max_encoded_bytes(self, parameters: usize) -> usize {
        match self {
            Self::F32 => TOKENS_BYTES + 4 * parameters,
        }
    }

    /// The bytes that travel.
    pub fn encode(self, gradients: &Gradients) -> Vec<u8> {
        let mut bytes = gradients.tokens().to_le_bytes().to_vec();
        push_floats(&mut bytes, gradients.values());
        bytes
    }

    /// The gradients of a stage.
    pub fn decode(self, config: &ModelConfig, stage: StageIndex, bytes: &[u8]) -> Result<Gradients, CodecError> {
        let parameters = config.layout(stage).map_err(crate::model::WeightsError::from)?.len();
        check_length("gradients", self.max_encoded_bytes(parameters), bytes.len())?;
        let (tokens, values) = bytes.split_at(TOKENS_BYTES);
        let mut word = [0; TOKENS_BYTES];
        word.copy_from_slice(tokens);
        Ok(Gradients::from_values(config, stage, u64::from_le_bytes(word), floats(values))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::oracle::pseudo_random;

    #[test]
    fn round_trip_and_refusals() {
        let (config, stage) = (ModelConfig::small(), StageIndex(3));
        let length = config.layout(stage).unwrap().len();
        let gradients = Gradients::from_values(&config, stage, 4096, pseudo_random(1, length)).unwrap();
        let bytes = GradientCodec::F32.encode(&gradients);
        assert_eq!(GradientCodec::F32.decode(&config, stage, &bytes).unwrap(), gradients);
        let refused = GradientCodec::F32.decode(&config, stage, &bytes[..bytes.len() - 1]);
        assert!(matches!(refused, Err(CodecError::Length { .. })));
        let mut spoiled = bytes;
        spoiled[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(GradientCodec::F32.decode(&config, stage, &spoiled), Err(CodecError::Weights(_))));
        assert!(GradientCodec::from_id(9).is_err());
    }
}
