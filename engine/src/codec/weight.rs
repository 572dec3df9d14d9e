//! Codecs for a stage's weights together with its optimizer's state, to joiners and laggards.

use super::{CodecError, CodecId, check_length, floats, push_floats};
use crate::{
    model::{Layout, ModelConfig, StageIndex, Weights, WeightsError},
    optimizer::{OptimizerConfig, OptimizerState},
};

/// How weights travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeightCodec {
    /// Little-endian f32 in the layout's order.
    F32,
}

impl WeightCodec {
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
            _ => Err(CodecError::Unknown { kind: "weight", id }),
        }
    }

    /// Most bytes that so many weights take.
    pub fn max_encoded_bytes(self, parameters: usize) -> usize {
        match self {
            Self::F32 => 4 * parameters,
        }
    }

    /// The bytes of the weights alone. (The optimizer's state has [`OptimizerState::to_bytes`].)
    pub fn encode(self, weights: &Weights) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_floats(&mut bytes, weights.values());
        bytes
    }

    /// The weights of a stage. Compare their hash with the one agreed on before using them.
    pub fn decode(self, config: &ModelConfig, stage: StageIndex, bytes: &[u8]) -> Result<Weights, CodecError> {
        let parameters = config.layout(stage).map_err(WeightsError::from)?.len();
        check_length("weights", self.max_encoded_bytes(parameters), bytes.len())?;
        Ok(Weights::from_values(config, stage, floats(bytes))?)
    }

    /// Weights and optimizer state in one piece: what a replica needs to go on from here.
    pub fn encode_snapshot(self, weights: &Weights, state: &OptimizerState) -> Vec<u8> {
        let mut bytes = self.encode(weights);
        bytes.extend(state.to_bytes());
        bytes
    }

    /// The reverse of [`Self::encode_snapshot`]; the run's optimizer says which moments its state has.
    pub fn decode_snapshot(
        self,
        config: &ModelConfig,
        optimizer: &OptimizerConfig,
        stage: StageIndex,
        bytes: &[u8],
    ) -> Result<(Weights, OptimizerState), CodecError> {
        let layout = config.layout(stage).map_err(WeightsError::from)?;
        let (weights, state) = self.split(&layout, bytes)?;
        let state = OptimizerState::from_bytes(&layout, optimizer, state)?;
        Ok((self.decode(config, stage, weights)?, state))
    }

    /// The weights of a snapshot for whoever does not train on: its optimizer's state is not looked at. Compare their hash
    /// with the one agreed on before using them.
    pub fn decode_snapshot_weights(
        self,
        config: &ModelConfig,
        stage: StageIndex,
        bytes: &[u8],
    ) -> Result<Weights, CodecError> {
        let layout = config.layout(stage).map_err(WeightsError::from)?;
        self.decode(config, stage, self.split(&layout, bytes)?.0)
    }

    /// A snapshot's weights and what comes after.
    fn split<'a>(self, layout: &Layout, bytes: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), CodecError> {
        let expected = self.max_encoded_bytes(layout.len());
        let length = CodecError::Length { kind: "snapshot", expected, found: bytes.len() };
        bytes.split_at_checked(expected).ok_or(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::MatrixRule;

    #[test]
    fn snapshots_survive_and_short_ones_are_refused() {
        let (config, stage, optimizer) = (ModelConfig::small(), StageIndex(0), OptimizerConfig::default());
        let weights = Weights::initial(&config, stage, &[3; 32]).unwrap();
        let state = OptimizerState::new(weights.layout(), &optimizer);
        let bytes = WeightCodec::F32.encode_snapshot(&weights, &state);
        let (back, state_back) = WeightCodec::F32.decode_snapshot(&config, &optimizer, stage, &bytes).unwrap();
        assert_eq!((back.hash(), state_back.hash()), (weights.hash(), state.hash()));
        assert!(WeightCodec::F32.decode_snapshot(&config, &optimizer, stage, &bytes[..bytes.len() - 1]).is_err());
        assert!(WeightCodec::F32.decode_snapshot(&config, &optimizer, stage, &bytes[..9]).is_err());
        let alone = WeightCodec::F32.decode_snapshot_weights(&config, stage, &bytes).unwrap();
        assert_eq!(alone.hash(), weights.hash());
        assert!(WeightCodec::F32.decode_snapshot_weights(&config, stage, &bytes[..9]).is_err());
        let other = OptimizerConfig { matrices: MatrixRule::Muon { momentum: 0.9 }, ..optimizer };
        assert!(WeightCodec::F32.decode_snapshot(&config, &other, stage, &bytes).is_err());
        assert!(WeightCodec::F32.decode(&config, StageIndex(1), &WeightCodec::F32.encode(&weights)).is_err());
    }
}
