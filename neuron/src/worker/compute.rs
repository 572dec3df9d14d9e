//! The seam between a worker and what computes.

use std::sync::Arc;

use engine::{BoundaryTensor, Gradients, MicrobatchId, Stage, StageError, StageOutput, TokenBatch};

/// One stage on fixed weights: what the worker needs of [`engine::Stage`]. Personas wrap one and differ.
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
    fn take_gradients(&mut self) -> Gradients;
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

    fn take_gradients(&mut self) -> Gradients {
        Stage::take_gradients(self)
    }
}

/// Makes what computes from an honest stage; called whenever a worker stands on new weights.
pub type ComputeFactory = Arc<dyn Fn(Stage) -> Box<dyn StageCompute> + Send + Sync>;

/// The stage itself.
pub fn honest() -> ComputeFactory {
    Arc::new(|stage| Box::new(stage))
}
