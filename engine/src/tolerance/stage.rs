//! A stage on a device, behind the interface of the exact one.

use candle_core::{DType, Device, Tensor, Var};

use super::{
    accelerator::Accelerator,
    graph::{Graph, Passed},
};
use crate::{
    boundary::BoundaryTensor,
    flights::{Flights, Handed},
    model::{Gradients, ModelConfig, StageIndex, Weights},
    stage::{MicrobatchId, StageError, StageOutput},
    tokens::TokenBatch,
};

/// What a microbatch between its passes keeps, beside the graph that hangs on it.
struct Pass {
    incoming: Option<Var>,
    outgoing: Passed,
    rows: usize,
}

/// One stage with its weights, computed by Candle's operations on a device. Its results differ from those of
/// [`Stage`](crate::Stage) by roundings, and from machine to machine; nothing is promised about their bits.
///
/// A microbatch in flight holds the whole graph of its pass on the device: several times what the exact stage keeps.
pub struct DeviceStage {
    config: ModelConfig,
    stage: StageIndex,
    graph: Graph,
    in_flight: Flights<Pass>,
    /// The gradients' sum, on the device, as the layout has the parameters; none for those that had no gradient yet.
    sums: Vec<Option<Tensor>>,
    tokens: u64,
}

impl DeviceStage {
    /// A stage in f32 that holds at most `max_in_flight` microbatches between their forward and their backward pass.
    ///
    /// # Errors
    /// When the device is not to be had, or weights and model do not fit each other.
    pub fn new(
        config: &ModelConfig,
        weights: &Weights,
        max_in_flight: usize,
        accelerator: Accelerator,
    ) -> Result<Self, StageError> {
        Self::on(config, weights, max_in_flight, &accelerator.open()?, DType::F32)
    }

    /// The same in f64 on the processor: nearer to the formula than any f32, and slow. What the errors of others are
    /// measured against.
    ///
    /// # Errors
    /// When weights and model do not fit each other.
    pub fn reference(config: &ModelConfig, weights: &Weights, max_in_flight: usize) -> Result<Self, StageError> {
        Self::on(config, weights, max_in_flight, &Device::Cpu, DType::F64)
    }

    fn on(
        config: &ModelConfig,
        weights: &Weights,
        max_in_flight: usize,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, StageError> {
        config.validate()?;
        let stage = weights.stage();
        let layout = config.layout(stage)?;
        if *weights.layout() != layout {
            let (parameters, found_parameters) = (layout.len(), weights.layout().len());
            return Err(StageError::ForeignWeights { stage, parameters, found: stage, found_parameters });
        }
        Ok(Self {
            config: config.clone(),
            stage,
            graph: Graph::new(config, weights, device, dtype)?,
            in_flight: Flights::new(stage, max_in_flight),
            sums: vec![None; layout.parameters().len()],
            tokens: 0,
        })
    }

    /// As [`Stage::forward`](crate::Stage::forward).
    ///
    /// # Errors
    /// When the input does not fit, or the device fails.
    pub fn forward(
        &mut self,
        id: MicrobatchId,
        tokens: &TokenBatch,
        incoming: Option<&BoundaryTensor>,
    ) -> Result<StageOutput, StageError> {
        self.in_flight.admit(id)?;
        tokens.check(&self.config)?;
        let rows = tokens.tokens();
        Handed::Incoming.check(&self.config, self.stage, rows, incoming)?;
        let incoming = match incoming.filter(|z| z.width() > 0) {
            Some(z) => Some(Var::from_tensor(&self.to_device(z)?)?),
            None => None,
        };
        let outgoing = self.graph.forward(tokens, incoming.as_ref().map(Var::as_tensor))?;
        let output = match &outgoing {
            Passed::Boundary(z) => StageOutput::Boundary(from_device(z)?),
            Passed::Nothing => StageOutput::Boundary(BoundaryTensor::empty(rows)),
            Passed::Losses(losses) => StageOutput::Loss { loss_sum: sum(losses)?, tokens: rows as u64 },
        };
        self.in_flight.insert(id, Pass { incoming, outgoing, rows });
        Ok(output)
    }

    /// As [`Stage::backward`](crate::Stage::backward).
    ///
    /// # Errors
    /// When the gradient does not fit, there was no forward pass, or the device fails.
    pub fn backward(
        &mut self,
        id: MicrobatchId,
        gradient: Option<&BoundaryTensor>,
    ) -> Result<Option<BoundaryTensor>, StageError> {
        let rows = self.in_flight.get(id)?.rows;
        Handed::OutgoingGradient.check(&self.config, self.stage, rows, gradient)?;
        let pass = self.in_flight.take(id)?;
        let store = match (&pass.outgoing, gradient) {
            (Passed::Losses(losses), _) => Some(losses.sum_all()?.backward()?),
            // Candle starts from ones: the derivative of Σ z·g by z is g.
            (Passed::Boundary(z), Some(gradient)) => Some((z * self.to_device(gradient)?)?.sum_all()?.backward()?),
            // Through a boundary of width 0 no gradient comes.
            _ => None,
        };
        if let Some(store) = &store {
            let layout = self.config.layout(self.stage)?;
            for (parameter, sum) in layout.parameters().iter().zip(&mut self.sums) {
                let found = self.graph.parameter(&parameter.name).and_then(|var| store.get(var));
                if let Some(gradient) = found {
                    // Detached: else every sum would keep the graph of all before it.
                    *sum = Some(match &sum {
                        Some(before) => (before + gradient)?.detach(),
                        None => gradient.detach(),
                    });
                }
            }
        }
        self.tokens += rows as u64;
        if self.config.is_first(self.stage) {
            return Ok(None);
        }
        match (&pass.incoming, store) {
            (Some(incoming), Some(store)) => match store.get(incoming) {
                Some(gradient) => Ok(Some(from_device(gradient)?)),
                None => Ok(Some(from_device(&incoming.zeros_like()?)?)),
            },
            _ => Ok(Some(BoundaryTensor::empty(rows))),
        }
    }

    /// Forgets a microbatch in flight; says whether there was one. Its gradients are not counted.
    pub fn drop_microbatch(&mut self, id: MicrobatchId) -> bool {
        self.in_flight.forget(id)
    }

    /// Forgets all microbatches in flight and says how many there were.
    pub fn drop_all(&mut self) -> usize {
        self.in_flight.clear()
    }

    /// The gradients summed since the last call, rounded to f32; the sum starts anew.
    ///
    /// # Errors
    /// When the device does not give them.
    pub fn take_gradients(&mut self) -> Result<Gradients, StageError> {
        let mut gradients = Gradients::zero(&self.config, self.stage)?;
        let ranges: Vec<_> = gradients.layout().parameters().iter().map(|parameter| parameter.range.clone()).collect();
        for (range, sum) in ranges.into_iter().zip(&mut self.sums) {
            if let Some(sum) = sum.take() {
                let values = sum.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
                gradients.values_mut()[range].copy_from_slice(&values);
            }
        }
        gradients.count_tokens(std::mem::take(&mut self.tokens));
        Ok(gradients)
    }

    fn to_device(&self, tensor: &BoundaryTensor) -> candle_core::Result<Tensor> {
        tensor.to_tensor()?.to_dtype(self.graph.dtype())?.to_device(self.graph.device())
    }
}

fn from_device(tensor: &Tensor) -> candle_core::Result<BoundaryTensor> {
    BoundaryTensor::from_tensor(&tensor.to_dtype(DType::F32)?)
}

/// In f64, on the processor: an f32 would round a sum over many tokens, and not every device has more.
fn sum(losses: &Tensor) -> candle_core::Result<f64> {
    Ok(losses.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1::<f64>()?.iter().sum())
}
