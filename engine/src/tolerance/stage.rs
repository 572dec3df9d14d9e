//! A stage on a device, behind the interface of the exact one.

use candle_core::{DType, Device, Tensor};

use super::{
    accelerator::Accelerator,
    graph::Graph,
    model::{Model, Passed, Return},
    passes::Passes,
    way::Sums,
};
use crate::{
    boundary::BoundaryTensor,
    flights::{Flights, Handed},
    model::{Gradients, ModelConfig, StageIndex, Weights},
    stage::{MicrobatchId, StageError, StageOutput},
    tokens::TokenBatch,
};

/// What a microbatch between its passes keeps.
struct Pass {
    back: Return,
    rows: usize,
}

/// One stage with its weights, computed by Candle's operations on a device. Its results differ from those of
/// [`Stage`](crate::Stage) by roundings, and from machine to machine; nothing is promised about their bits.
///
/// A microbatch in flight holds what its way back reads on the device, attention's shares of context² for each head among it:
/// several times what the exact stage keeps.
pub struct DeviceStage {
    config: ModelConfig,
    stage: StageIndex,
    model: Box<dyn Model>,
    in_flight: Flights<Pass>,
    sums: Sums,
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
        let device = accelerator.open()?;
        Self::of(config, weights, max_in_flight, || Ok(Box::new(Passes::new(config, weights, &device)?)))
    }

    /// The formulas in f64 on the processor, differentiated by Candle: nearer to what is meant than any f32, and slow. What the
    /// errors of others are measured against.
    ///
    /// # Errors
    /// When weights and model do not fit each other.
    pub fn reference(config: &ModelConfig, weights: &Weights, max_in_flight: usize) -> Result<Self, StageError> {
        let graph = || Graph::new(config, weights, &Device::Cpu, DType::F64);
        Self::of(config, weights, max_in_flight, || Ok(Box::new(graph()?)))
    }

    fn of(
        config: &ModelConfig,
        weights: &Weights,
        max_in_flight: usize,
        model: impl FnOnce() -> candle_core::Result<Box<dyn Model>>,
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
            model: model()?,
            in_flight: Flights::new(stage, max_in_flight),
            sums: Sums::default(),
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
            Some(z) => Some(self.to_device(z)?),
            None => None,
        };
        let (outgoing, back) = self.model.forward(tokens, incoming)?;
        let output = match &outgoing {
            Passed::Boundary(z) => StageOutput::Boundary(from_device(z)?),
            Passed::Nothing => StageOutput::Boundary(BoundaryTensor::empty(rows)),
            Passed::Losses(losses) => StageOutput::Loss { loss_sum: sum(losses)?, tokens: rows as u64 },
        };
        self.in_flight.insert(id, Pass { back, rows });
        Ok(output)
    }

    /// As [`Stage::backward`](crate::Stage::backward).
    ///
    /// # Errors
    /// When the gradient does not fit or there was no forward pass; nothing changes then. When the device fails: the microbatch is
    /// lost, and nothing of it is in the sum.
    pub fn backward(
        &mut self,
        id: MicrobatchId,
        gradient: Option<&BoundaryTensor>,
    ) -> Result<Option<BoundaryTensor>, StageError> {
        let rows = self.in_flight.get(id)?.rows;
        Handed::OutgoingGradient.check(&self.config, self.stage, rows, gradient)?;
        let pass = self.in_flight.take(id)?;
        let gradient = gradient.filter(|gradient| gradient.width() > 0);
        let gradient = gradient.map(|gradient| self.to_device(gradient)).transpose()?;
        // Counted when all of it is there: a pass that fails half-way would leave a gradient that is nobody's.
        let mut found = Sums::default();
        let passed_back = match (pass.back)(gradient, &mut found)? {
            Some(gradient) => from_device(&gradient)?,
            None => BoundaryTensor::empty(rows),
        };
        self.sums.absorb(found)?;
        self.tokens += rows as u64;
        Ok((!self.config.is_first(self.stage)).then_some(passed_back))
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
    /// When the device does not give them. They are lost then, and the sum starts anew.
    pub fn take_gradients(&mut self) -> Result<Gradients, StageError> {
        let (mut sums, tokens) = (std::mem::take(&mut self.sums), std::mem::take(&mut self.tokens));
        let mut gradients = Gradients::zero(&self.config, self.stage)?;
        let layout = self.config.layout(self.stage)?;
        for parameter in layout.parameters() {
            if let Some(sum) = sums.take(&parameter.name) {
                copy(&sum.to_dtype(DType::F32)?, &mut gradients.values_mut()[parameter.range.clone()])?;
            }
        }
        gradients.count_tokens(tokens);
        Ok(gradients)
    }

    fn to_device(&self, tensor: &BoundaryTensor) -> candle_core::Result<Tensor> {
        tensor.to_tensor()?.to_dtype(self.model.dtype())?.to_device(self.model.device())
    }
}

fn from_device(tensor: &Tensor) -> candle_core::Result<BoundaryTensor> {
    BoundaryTensor::from_tensor(&tensor.to_dtype(DType::F32)?)
}

fn copy(tensor: &Tensor, values: &mut [f32]) -> candle_core::Result<()> {
    #[cfg(feature = "cuda")]
    if tensor.device().is_cuda() {
        return super::cuda::download(tensor, values);
    }
    values.copy_from_slice(&tensor.flatten_all()?.to_vec1::<f32>()?);
    Ok(())
}

/// In f64, on the processor: an f32 would round a sum over many tokens, and not every device has more.
fn sum(losses: &Tensor) -> candle_core::Result<f64> {
    Ok(losses.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1::<f64>()?.iter().sum())
}
