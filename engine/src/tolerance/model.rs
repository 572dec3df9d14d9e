//! What a stage on a device is, whoever differentiates it.

use candle_core::{DType, Device, Result, Tensor};

use super::way::Sums;
use crate::tokens::TokenBatch;

/// What a pass ends in.
pub(super) enum Passed {
    /// The outgoing z, [n, boundary width].
    Boundary(Tensor),
    /// Of a boundary of width 0: no value leaves.
    Nothing,
    /// The loss of each token, [n], in nats.
    Losses(Tensor),
}

/// The way back: takes the gradient of the outgoing z, where there is one, adds those of the parameters to the sums, and gives
/// that of the incoming z, where one came in.
pub(super) type Return = Box<dyn FnOnce(Option<Tensor>, &mut Sums) -> Result<Option<Tensor>> + Send>;

/// A stage's parameters on a device, and how a pass goes through them.
pub(super) trait Model: Send {
    fn device(&self) -> &Device;

    fn dtype(&self) -> DType;

    /// `z`: [n, boundary width]; none where nothing comes in.
    fn forward(&mut self, tokens: &TokenBatch, z: Option<Tensor>) -> Result<(Passed, Return)>;
}
