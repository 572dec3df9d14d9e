//! One stage of the model at work: forward and backward of many microbatches, gradients accumulated.
//!
//! To Candle a stage is one differentiable operation from incoming z to outgoing z or loss, and a microbatch in flight is
//! a small graph around it. Inside, the pass runs on flat buffers (`model::plan`). The gradient of θ does not go through
//! Candle's gradient store, which would copy it three times per microbatch: it is added where it accumulates.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout as TensorLayout, Shape, Storage, Tensor, Var};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    boundary::BoundaryTensor,
    cpu::Cpu,
    flights::{Flights, Handed},
    memory::{MemoryError, Workload},
    model::{ConfigError, Gradients, ModelConfig, Passed, Recompute, Saved, StageIndex, StagePlan, Weights},
    optimizer::OptimizerConfig,
    tokens::{TokenBatch, TokensError},
    tolerance::AcceleratorError,
};

/// A microbatch within a window, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicrobatchId(pub u64);

impl std::fmt::Display for MicrobatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a forward pass ends in.
#[derive(Clone, Debug, PartialEq)]
pub enum StageOutput {
    /// What the next stage starts from.
    Boundary(BoundaryTensor),
    /// The last stage's result. Its backward pass can start at once.
    Loss {
        /// Sum over the tokens, in nats.
        loss_sum: f64,
        /// How many tokens.
        tokens: u64,
    },
}

/// Why a stage refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StageError {
    /// The model's shape.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Weights of another stage or model.
    #[error("weights of stage {found} with {found_parameters} parameters given to stage {stage} with {parameters}")]
    ForeignWeights {
        /// This stage.
        stage: StageIndex,
        /// Its parameters.
        parameters: usize,
        /// The stage they belong to.
        found: StageIndex,
        /// How many they are.
        found_parameters: usize,
    },
    /// As many microbatches in flight as allowed.
    #[error("stage {stage} has {limit} microbatches in flight already: finish or drop one first")]
    Full {
        /// This stage.
        stage: StageIndex,
        /// The limit.
        limit: usize,
    },
    /// Forward twice.
    #[error("microbatch {id} is in flight in stage {stage} already")]
    AlreadyInFlight {
        /// The microbatch.
        id: MicrobatchId,
        /// This stage.
        stage: StageIndex,
    },
    /// Backward without forward, or after drop.
    #[error("microbatch {id} is not in flight in stage {stage}")]
    NotInFlight {
        /// The microbatch.
        id: MicrobatchId,
        /// This stage.
        stage: StageIndex,
    },
    /// A tensor of the wrong shape, or one missing or superfluous.
    #[error("stage {stage}, {what}: expected {expected_rows} × {expected_width}, got {found_rows} × {found_width}")]
    WrongShape {
        /// This stage.
        stage: StageIndex,
        /// Which tensor.
        what: &'static str,
        /// Rows expected.
        expected_rows: usize,
        /// Width expected; 0: no tensor.
        expected_width: usize,
        /// Rows found.
        found_rows: usize,
        /// Width found; 0: no tensor.
        found_width: usize,
    },
    /// Weights stand still while microbatches are in flight.
    #[error("stage {stage} has {in_flight} microbatches in flight: finish or drop them before new weights")]
    NotDrained {
        /// This stage.
        stage: StageIndex,
        /// How many.
        in_flight: usize,
    },
    /// Weights stand still until their gradients are taken.
    #[error("stage {stage} holds gradients of {tokens} tokens: take them before new weights")]
    GradientsPending {
        /// This stage.
        stage: StageIndex,
        /// Tokens summed.
        tokens: u64,
    },
    /// The stage does not fit the memory it was given.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A microbatch for which no memory was planned.
    #[error(
        "stage {stage} has memory for microbatches of {batch} sequences of {context} tokens, got {found_batch} of {found_context}"
    )]
    LargerThanPlanned {
        /// This stage.
        stage: StageIndex,
        /// Sequences planned for.
        batch: usize,
        /// Tokens of each.
        context: usize,
        /// Sequences found.
        found_batch: usize,
        /// Tokens of each.
        found_context: usize,
    },
    /// The device is not to be had.
    #[error(transparent)]
    Accelerator(#[from] AcceleratorError),
    /// The tensor library failed.
    #[error("tensor library: {0}")]
    Tensor(#[from] candle_core::Error),
}

struct Pass {
    incoming: Option<Var>,
    outgoing: Tensor,
    saved_bytes: usize,
}

/// One stage with its weights of the moment. See the module's text; not `Sync` in spirit: one owner, one thread.
pub struct Stage {
    plan: Arc<StagePlan>,
    cpu: Cpu,
    weights: Weights,
    layers: usize,
    recompute: Recompute,
    /// Sequences and tokens of each that memory was planned for.
    planned: Option<(usize, usize)>,
    in_flight: Flights<Pass>,
    gradients: Arc<Mutex<Gradients>>,
}

impl Stage {
    /// A stage that holds at most `max_in_flight` microbatches between their forward and their backward pass; each keeps
    /// its intermediate results in memory (about 4·(9·d_model + 3·ffn) bytes per token and layer, and the logits in the
    /// last stage).
    pub fn new(
        config: &ModelConfig,
        stage: StageIndex,
        weights: &Weights,
        max_in_flight: usize,
    ) -> Result<Self, StageError> {
        let plan = Arc::new(StagePlan::new(config, stage)?);
        check_weights(&plan, weights)?;
        let gradients = Arc::new(Mutex::new(Gradients::zero_with(stage, plan.layout())));
        let layers = config.layers_per_stage[stage.as_usize()];
        Ok(Self {
            plan,
            cpu: Cpu::default(),
            weights: weights.clone(),
            layers,
            recompute: Recompute::Nothing,
            planned: None,
            in_flight: Flights::new(stage, max_in_flight),
            gradients,
        })
    }

    /// A stage for some work that takes at most `cap` bytes, by [`memory::fit`](crate::memory::fit): it computes again as
    /// much as that needs, and refuses microbatches that are larger than planned. (A [`Cpu`] of more threads than planned
    /// takes more.)
    pub fn within(
        config: &ModelConfig,
        optimizer: &OptimizerConfig,
        weights: &Weights,
        workload: &Workload,
        cap: u64,
    ) -> Result<Self, StageError> {
        let (recompute, _) = crate::memory::fit(config, optimizer, weights.stage(), workload, cap)?;
        let stage = Self::new(config, weights.stage(), weights, workload.in_flight)?;
        Ok(Self { recompute, planned: Some((workload.batch, workload.context)), ..stage })
    }

    /// From now on computes with other instructions or threads than [`Cpu::default`]; the bits stay.
    pub fn set_cpu(&mut self, cpu: Cpu) {
        self.cpu = cpu;
    }

    /// From now on forward passes keep less and backward passes compute more; the bits stay. Microbatches in flight keep
    /// what they have.
    pub fn set_recompute(&mut self, recompute: Recompute) {
        self.recompute = recompute;
    }

    /// What forward passes do not keep.
    pub fn recompute(&self) -> Recompute {
        self.recompute
    }

    /// Which stage this is.
    pub fn index(&self) -> StageIndex {
        self.plan.stage()
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        self.plan.config()
    }

    /// Microbatches between forward and backward.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes of intermediate results that the microbatches in flight hold for their way back.
    pub fn in_flight_bytes(&self) -> u64 {
        self.in_flight.passes().map(|pass| pass.saved_bytes as u64).sum()
    }

    /// From now on runs only the first `layers` layers of the stage; the rest pass their input through. What a neuron
    /// that saves itself work does: for adversaries and ablations, no honest neuron calls it.
    pub fn skip_layers_after(&mut self, layers: usize) {
        self.layers = layers;
    }

    /// Forward pass of a microbatch. `incoming` is the z of the stage before, none in the first stage. The tensors on
    /// both sides are [tokens, boundary width].
    pub fn forward(
        &mut self,
        id: MicrobatchId,
        tokens: &TokenBatch,
        incoming: Option<&BoundaryTensor>,
    ) -> Result<StageOutput, StageError> {
        let stage = self.index();
        self.in_flight.admit(id)?;
        tokens.check(self.config())?;
        if let Some((batch, context)) = self.planned.filter(|&(b, c)| tokens.batch() > b || tokens.context() > c) {
            let (found_batch, found_context) = (tokens.batch(), tokens.context());
            return Err(StageError::LargerThanPlanned { stage, batch, context, found_batch, found_context });
        }
        Handed::Incoming.check(self.config(), stage, tokens.tokens(), incoming)?;

        let rows = tokens.tokens();
        let (incoming, z) = match incoming {
            Some(z) => {
                let variable = Var::from_tensor(&z.to_tensor()?)?;
                let tensor = variable.as_tensor().clone();
                (Some(variable), tensor)
            }
            None => (None, nothing(rows)?),
        };
        let Applied { outgoing, loss_sum, saved_bytes } = self.apply(tokens, &z)?;
        let output = match loss_sum {
            Some(loss_sum) => StageOutput::Loss { loss_sum, tokens: rows as u64 },
            None => StageOutput::Boundary(BoundaryTensor::from_tensor(&outgoing)?),
        };
        self.in_flight.insert(id, Pass { incoming, outgoing, saved_bytes });
        Ok(output)
    }

    /// Backward pass of a microbatch in flight, which ends its stay. `gradient` is that of the outgoing z, none in the
    /// last stage; returned is that of the incoming z, none in the first stage. The gradients of the weights are added
    /// to the stage's sum. A refused tensor leaves the microbatch in flight.
    pub fn backward(
        &mut self,
        id: MicrobatchId,
        gradient: Option<&BoundaryTensor>,
    ) -> Result<Option<BoundaryTensor>, StageError> {
        let stage = self.index();
        let pass = self.in_flight.get(id)?;
        let rows = if self.config().is_last(stage) { 0 } else { pass.outgoing.dim(0)? };
        Handed::OutgoingGradient.check(self.config(), stage, rows, gradient)?;
        let pass = self.in_flight.take(id)?;
        let store = match gradient {
            Some(gradient) => pass.outgoing.apply_op1(Seed(gradient.to_tensor()?))?.backward()?,
            None => pass.outgoing.backward()?,
        };
        match &pass.incoming {
            Some(incoming) => {
                // A boundary of width 0 carries no gradient, yet its (empty) tensor belongs on the way back.
                let gradient = store.get(incoming).unwrap_or(incoming.as_tensor());
                Ok(Some(BoundaryTensor::from_tensor(gradient)?))
            }
            None => Ok(None),
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

    /// The gradients summed since the last call, in the order of the backward passes; the sum starts anew.
    pub fn take_gradients(&mut self) -> Gradients {
        let mut sum = Gradients::zero_with(self.plan.stage(), self.plan.layout());
        self.swap_gradients(&mut sum);
        sum
    }

    /// [`Self::take_gradients`] in exchange for the memory of the next sum: gradients of this stage, cleared.
    pub(crate) fn swap_gradients(&mut self, cleared: &mut Gradients) {
        let mut sum = self.gradients.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *sum, cleared);
    }

    /// Tokens in the sum of gradients.
    pub fn accumulated_tokens(&self) -> u64 {
        self.gradients.lock().unwrap_or_else(PoisonError::into_inner).tokens()
    }

    /// The weights of this window.
    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The same, to be moved by who has taken the gradients and let all microbatches leave.
    pub(crate) fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    /// The weights of the next window. All microbatches must have left and the gradients been taken: a gradient is a
    /// function of one θ.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), StageError> {
        let stage = self.index();
        match self.in_flight.len() {
            0 => {}
            in_flight => return Err(StageError::NotDrained { stage, in_flight }),
        }
        match self.accumulated_tokens() {
            0 => check_weights(&self.plan, weights)?,
            tokens => return Err(StageError::GradientsPending { stage, tokens }),
        }
        self.weights = weights.clone();
        Ok(())
    }

    /// Adds this stage to a Candle graph: from z, without a copy or a cut, to the outgoing z or the loss. Where
    /// several stages stand in one graph, one backward pass walks through all of them.
    pub(crate) fn apply(&self, tokens: &TokenBatch, z: &Tensor) -> Result<Applied, StageError> {
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let function = StageFunction {
            plan: Arc::clone(&self.plan),
            cpu: self.cpu.clone(),
            weights: self.weights.clone(),
            tokens: tokens.clone(),
            layers: self.layers,
            recompute: self.recompute,
            saved: Mutex::new(None),
            outcome: Arc::clone(&outcome),
            gradients: Arc::clone(&self.gradients),
        };
        let outgoing = z.apply_op1(function)?;
        let Outcome { loss_sum, saved_bytes } = *outcome.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Applied { outgoing, loss_sum, saved_bytes })
    }

    /// Logits of every token, [tokens, vocab]; `None` unless this is the last stage.
    pub(crate) fn logits(&self, tokens: &TokenBatch, z: &Tensor) -> Result<Option<Vec<f32>>, StageError> {
        Ok(self.plan.logits(&self.cpu, self.weights.values(), tokens, &values(z)?))
    }
}

/// What the first stage receives: a tensor of width 0. A variable, or Candle would see no reason to walk back.
pub(crate) fn nothing(rows: usize) -> candle_core::Result<Tensor> {
    Ok(Var::zeros((rows, 0), DType::F32, &Device::Cpu)?.into_inner())
}

fn check_weights(plan: &StagePlan, weights: &Weights) -> Result<(), StageError> {
    if weights.stage() != plan.stage() || *weights.layout() != *plan.layout() {
        return Err(StageError::ForeignWeights {
            stage: plan.stage(),
            parameters: plan.layout().len(),
            found: weights.stage(),
            found_parameters: weights.layout().len(),
        });
    }
    Ok(())
}

/// What a forward pass through a stage adds to a graph.
pub(crate) struct Applied {
    /// The outgoing z, or the loss as a scalar.
    pub(crate) outgoing: Tensor,
    pub(crate) loss_sum: Option<f64>,
    saved_bytes: usize,
}

/// What a forward pass says beside its tensor.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// In f64; the graph's scalar is its rounding.
    loss_sum: Option<f64>,
    saved_bytes: usize,
}

/// The stage as Candle sees it: z [n, width] → z' [n, width'], or the loss sum as a scalar.
struct StageFunction {
    plan: Arc<StagePlan>,
    cpu: Cpu,
    weights: Weights,
    tokens: TokenBatch,
    layers: usize,
    recompute: Recompute,
    saved: Mutex<Option<Saved>>,
    outcome: Arc<Mutex<Outcome>>,
    gradients: Arc<Mutex<Gradients>>,
}

/// The values of a tensor that lies in one piece.
fn slice<'a>(storage: &'a CpuStorage, layout: &TensorLayout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a stage's tensors are contiguous"),
    }
}

fn cpu_storage(storage: &Storage) -> candle_core::Result<&CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => candle_core::bail!("a stage's tensors are in the processor's memory"),
    }
}

fn values(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

impl CustomOp1 for StageFunction {
    fn name(&self) -> &'static str {
        "stage"
    }

    fn cpu_fwd(&self, z: &CpuStorage, layout: &TensorLayout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (z, theta) = (slice(z, layout)?, self.weights.values());
        let (layers, recompute) = (self.layers, self.recompute);
        let pass = || self.plan.forward(&self.cpu, theta, &self.tokens, z, layers, recompute);
        let (passed, saved) = self.cpu.enter(pass);
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.saved_bytes = saved.bytes();
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        match passed {
            Passed::Boundary(values) => {
                let width = self.plan.config().outgoing_width(self.plan.stage());
                Ok((CpuStorage::F32(values), Shape::from((self.tokens.tokens(), width))))
            }
            Passed::Loss(loss) => {
                outcome.loss_sum = Some(loss);
                Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
            }
        }
    }

    fn bwd(&self, z: &Tensor, _result: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let Some(saved) = self.saved.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            candle_core::bail!("a stage walks back once per forward pass");
        };
        let mut sum = self.gradients.lock().unwrap_or_else(PoisonError::into_inner);
        let (theta, d_theta) = (self.weights.values(), sum.values_mut());
        let ((z_storage, z_layout), (storage, layout)) = (z.storage_and_layout(), gradient.storage_and_layout());
        let (incoming, dz) = (slice(cpu_storage(&z_storage)?, z_layout)?, slice(cpu_storage(&storage)?, layout)?);
        let pass = || self.plan.backward(&self.cpu, theta, &self.tokens, incoming, saved, dz, d_theta);
        let dz = self.cpu.enter(pass);
        sum.count_tokens(self.tokens.tokens() as u64);
        // Of width 0 too: Candle must find a gradient at every node on its way.
        Ok(Some(Tensor::from_vec(dz, z.shape(), &Device::Cpu)?))
    }
}

/// Starts a backward pass from a given gradient: forward 0, backward the gradient. (Candle itself starts from ones.)
struct Seed(Tensor);

impl CustomOp1 for Seed {
    fn name(&self) -> &'static str {
        "seed"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &TensorLayout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}
