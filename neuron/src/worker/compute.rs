//! The seam between a worker and what computes.

use std::sync::Arc;

use engine::tolerance::{Accelerator, DeviceStage};
use engine::{
    BoundaryTensor, Gradients, MicrobatchId, ModelConfig, Recompute, Stage, StageError, StageOutput, TokenBatch,
    Weights,
};

/// One stage on fixed weights: what the worker needs of [`engine::Stage`] or [`DeviceStage`]. Personas wrap one and differ.
pub trait StageCompute: Send {
    /// Forward pass; keeps what the backward pass needs.
    ///
    /// # Errors
    /// When the input does not fit the stage.
    fn forward(
        &mut self,
        id: MicrobatchId,
        tokens: &TokenBatch,
        incoming: Option<&BoundaryTensor>,
    ) -> Result<StageOutput, StageError>;

    /// Backward pass; adds to the gradient sum.
    ///
    /// # Errors
    /// When the gradient does not fit the stage or there was no forward pass.
    fn backward(
        &mut self,
        id: MicrobatchId,
        gradient: Option<&BoundaryTensor>,
    ) -> Result<Option<BoundaryTensor>, StageError>;

    /// Forgets a pass.
    fn drop_microbatch(&mut self, id: MicrobatchId);

    /// Forgets all passes.
    fn drop_all(&mut self);

    /// The gradient sum, which starts anew.
    ///
    /// # Errors
    /// When a device does not give it.
    fn take_gradients(&mut self) -> Result<Gradients, StageError>;
}

impl StageCompute for Stage {
    fn forward(
        &mut self,
        id: MicrobatchId,
        tokens: &TokenBatch,
        incoming: Option<&BoundaryTensor>,
    ) -> Result<StageOutput, StageError> {
        Stage::forward(self, id, tokens, incoming)
    }

    fn backward(
        &mut self,
        id: MicrobatchId,
        gradient: Option<&BoundaryTensor>,
    ) -> Result<Option<BoundaryTensor>, StageError> {
        Stage::backward(self, id, gradient)
    }

    fn drop_microbatch(&mut self, id: MicrobatchId) {
        Stage::drop_microbatch(self, id);
    }

    fn drop_all(&mut self) {
        Stage::drop_all(self);
    }

    fn take_gradients(&mut self) -> Result<Gradients, StageError> {
        Ok(Stage::take_gradients(self))
    }
}

impl StageCompute for DeviceStage {
    fn forward(
        &mut self,
        id: MicrobatchId,
        tokens: &TokenBatch,
        incoming: Option<&BoundaryTensor>,
    ) -> Result<StageOutput, StageError> {
        DeviceStage::forward(self, id, tokens, incoming)
    }

    fn backward(
        &mut self,
        id: MicrobatchId,
        gradient: Option<&BoundaryTensor>,
    ) -> Result<Option<BoundaryTensor>, StageError> {
        DeviceStage::backward(self, id, gradient)
    }

    fn drop_microbatch(&mut self, id: MicrobatchId) {
        DeviceStage::drop_microbatch(self, id);
    }

    fn drop_all(&mut self) {
        DeviceStage::drop_all(self);
    }

    fn take_gradients(&mut self) -> Result<Gradients, StageError> {
        DeviceStage::take_gradients(self)
    }
}

/// A stage that is to be computed.
#[derive(Clone, Copy)]
pub struct Hosted<'a> {
    /// The model.
    pub model: &'a ModelConfig,
    /// The stage's weights, which say which stage it is.
    pub weights: &'a Weights,
    /// Most passes between forward and backward.
    pub in_flight: usize,
    /// What forward passes do not keep.
    pub recompute: Recompute,
}

impl Hosted<'_> {
    /// The stage by the exact engine.
    ///
    /// # Errors
    /// When weights and model do not fit each other.
    pub fn exact(&self) -> Result<Stage, StageError> {
        let mut stage = Stage::new(self.model, self.weights.stage(), self.weights, self.in_flight)?;
        stage.set_recompute(self.recompute);
        Ok(stage)
    }
}

/// Makes what computes a stage; called whenever a worker stands on new weights.
pub type ComputeFactory = Arc<dyn Fn(Hosted<'_>) -> Result<Box<dyn StageCompute>, StageError> + Send + Sync>;

/// The exact engine.
pub fn honest() -> ComputeFactory {
    Arc::new(|hosted| Ok(Box::new(hosted.exact()?)))
}

/// Candle's operations on a device: as honest, with other roundings. For runs with a tolerance.
pub fn on_device(accelerator: Accelerator) -> ComputeFactory {
    Arc::new(move |Hosted { model, weights, in_flight, .. }| {
        Ok(Box::new(DeviceStage::new(model, weights, in_flight, accelerator)?))
    })
}
