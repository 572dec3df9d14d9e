//! Recomputing work to check it: a whole path of a microbatch, or one hop from its opened inputs.
//!
//! On the same binary and for the same microbatch, the result equals what honest stages sent, bit by bit; so an auditor
//! compares hashes of bytes on the wire.

use thiserror::Error;

use crate::{
    boundary::BoundaryTensor,
    codec::{ActivationCodec, CodecError},
    hash::{Digest, bytes_hash},
    model::{Gradients, ModelConfig, Weights},
    stage::{MicrobatchId, Stage, StageError, StageOutput},
    tokens::TokenBatch,
};

/// What a path of honest stages sends for one microbatch.
#[derive(Clone, Debug, PartialEq)]
pub struct PathRecord {
    /// The bytes on the wire over each boundary, forward: entry b is what stage b sends to stage b + 1.
    pub forward: Vec<Vec<u8>>,
    /// The bytes on the wire over each boundary, backward: entry b is what stage b + 1 sends to stage b.
    pub backward: Vec<Vec<u8>>,
    /// The loss sum of the last stage, in nats.
    pub loss_sum: f64,
    /// Tokens of the microbatch.
    pub tokens: u64,
    /// Each stage's gradients of this microbatch alone.
    pub gradients: Vec<Gradients>,
}

impl PathRecord {
    /// Names of the bytes sent forward, as transfers sign them.
    pub fn forward_hashes(&self) -> Vec<Digest> {
        self.forward.iter().map(|bytes| bytes_hash(bytes)).collect()
    }

    /// Names of the bytes sent backward.
    pub fn backward_hashes(&self) -> Vec<Digest> {
        self.backward.iter().map(|bytes| bytes_hash(bytes)).collect()
    }
}

/// What one honest stage makes of given inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct HopRecord {
    /// The forward pass's result.
    pub output: StageOutput,
    /// What goes back to the stage before, if there is one and a gradient came from the stage after.
    pub incoming_gradient: Option<BoundaryTensor>,
    /// The stage's gradients of this microbatch alone; no tokens if no backward pass was asked for.
    pub gradients: Gradients,
}

/// Why a recomputation stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A stage refused.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Honest work does not survive the wire: the weights themselves lead to values that are not finite.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Not one set of weights per stage.
    #[error("the model has {expected} stages, got weights of {found}")]
    Count {
        /// Stages.
        expected: usize,
        /// Sets of weights.
        found: usize,
    },
}

/// Recomputes forward, loss and backward through all stages for one microbatch. `weights` are those of every stage in
/// the microbatch's window; between stages, tensors take the same way through the codec as over the wire.
pub fn recompute_path(
    config: &ModelConfig,
    weights: &[Weights],
    tokens: &TokenBatch,
    codec: ActivationCodec,
) -> Result<PathRecord, AuditError> {
    if weights.len() != config.stages() {
        return Err(AuditError::Count { expected: config.stages(), found: weights.len() });
    }
    let id = MicrobatchId(0);
    let stages = config.stage_indices().zip(weights).map(|(stage, weights)| Stage::new(config, stage, weights, 1));
    let mut stages = stages.collect::<Result<Vec<_>, _>>()?;
    let over_the_wire = |tensor: &BoundaryTensor, sent: &mut Vec<Vec<u8>>| {
        let bytes = codec.encode(tensor);
        let received = codec.decode(&bytes, tensor.rows(), tensor.width());
        sent.push(bytes);
        received
    };

    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let (mut loss_sum, mut received) = (f64::NAN, None);
    for stage in &mut stages {
        match stage.forward(id, tokens, received.as_ref())? {
            StageOutput::Boundary(z) => received = Some(over_the_wire(&z, &mut forward)?),
            StageOutput::Loss { loss_sum: sum, .. } => (loss_sum, received) = (sum, None),
        }
    }
    for stage in stages.iter_mut().rev() {
        received = match stage.backward(id, received.as_ref())? {
            Some(gradient) => Some(over_the_wire(&gradient, &mut backward)?),
            None => None,
        };
    }
    backward.reverse();
    let gradients = stages.iter_mut().map(Stage::take_gradients).collect();
    Ok(PathRecord { forward, backward, loss_sum, tokens: tokens.tokens() as u64, gradients })
}

/// Recomputes one stage from opened inputs: the z it received (none in the first stage) and, for the way back, the
/// gradient it received. The last stage walks back without one; elsewhere no gradient means forward only.
pub fn recompute_hop(
    config: &ModelConfig,
    weights: &Weights,
    tokens: &TokenBatch,
    incoming: Option<&BoundaryTensor>,
    outgoing_gradient: Option<&BoundaryTensor>,
) -> Result<HopRecord, AuditError> {
    let id = MicrobatchId(0);
    let mut stage = Stage::new(config, weights.stage(), weights, 1)?;
    let output = stage.forward(id, tokens, incoming)?;
    let walks_back = config.is_last(weights.stage()) || outgoing_gradient.is_some();
    let incoming_gradient = if walks_back { stage.backward(id, outgoing_gradient)? } else { None };
    Ok(HopRecord { output, incoming_gradient, gradients: stage.take_gradients() })
}
