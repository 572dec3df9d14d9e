//! Carrying out the machine's engine actions, one at a time.

use std::sync::Arc;

use bytes::Bytes;
use engine::codec::{ActivationCodec, CodecError, GradientCodec, WeightCodec};
use engine::data::CorpusError;
use engine::hash::{MerkleTree, leaf_hash};
use engine::memory::MemoryError;
use engine::merge::MergeError;
use engine::model::WeightsError;
use engine::{
    BoundaryTensor, ConfigError, Gradients, MicrobatchId, OptimizerState, StageError, StageIndex, StageOutput, Weights,
    merge,
};
use thiserror::Error;

use super::compute::{ComputeFactory, Hosted, StageCompute};
use super::hosting::Hosting;
use super::plan::RunPlan;
use super::tensors::{TensorCache, TensorCacheFull};
use crate::machine::{Event, Job, JobKind, MergeOrder, Tensor};
use crate::message::commit::{StageState, Upload};
use crate::message::names::{Codec, Hash, StageId, WindowId};
use crate::message::transfer::PassId;
use crate::store::{BlobError, Store};

/// Bytes of one leaf of the tree over a gradient ([`Upload::segments`]): what a replay opens at once.
pub const SEGMENT_CHUNK_BYTES: usize = 16 * 1024;

/// What the engine is to do: the engine's part of [`Action`](crate::machine::Action).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A pass.
    Compute(Job),
    /// Forget a pass.
    Discard {
        /// The window.
        window: WindowId,
        /// The pass.
        pass: PassId,
    },
    /// Close the window's gradient sum.
    Seal {
        /// The window.
        window: WindowId,
    },
    /// Make the seed's state.
    Initialise {
        /// The stage.
        stage: StageId,
        /// How many replicas it has: memory is planned for as many contributions to a merge.
        replicas: usize,
    },
    /// Stand on a stored state.
    Load {
        /// The stage.
        stage: StageId,
        /// The state.
        state: StageState,
        /// How many replicas the stage has.
        replicas: usize,
    },
    /// Merge stored gradients.
    Merge(MergeOrder),
}

/// What the engine has done.
#[derive(Clone, Debug)]
pub struct Report {
    /// For the machine.
    pub event: Event,
    /// The loss, where the last stage computed one: for people to see, nothing depends on it.
    pub loss: Option<PassLoss>,
}

/// The loss of one pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassLoss {
    /// The window.
    pub window: WindowId,
    /// Sum over the tokens, in nats.
    pub sum: f64,
    /// How many tokens.
    pub tokens: u64,
}

/// Why an engine cannot go on at all. What one peer's bytes cause is never in here.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The system gave no thread.
    #[error("the engine's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// The run's first state cannot be made or kept: there is nothing to stand on.
    #[error("the first state of stage {} cannot be made: {reason}", .stage.0)]
    NoFirstState {
        /// The stage.
        stage: StageId,
        /// Why.
        reason: String,
    },
    /// A stage that does not fit here. To stay would be to hold a place in it and do nothing.
    #[error(transparent)]
    Memory(#[from] DoesNotFit),
    /// A defect.
    #[error("the engine has crashed; its message is on standard error")]
    Panicked,
    /// It was told to.
    #[error("the engine has stopped")]
    Stopped,
}

/// A stage is more than this neuron may take memory for.
#[derive(Debug, Error)]
#[error(
    "this neuron cannot host its stage: {0} (a miner can raise --max-memory or use another machine; how many are in \
     flight, and how large, is the run's)"
)]
pub struct DoesNotFit(#[from] pub MemoryError);

/// Why one order failed.
#[derive(Debug, Error)]
enum OrderError {
    #[error("there are no weights to compute with")]
    NoWeights,
    #[error("the weights are those of stage {found:?} in another state")]
    OtherState { found: StageId },
    #[error("a tensor that the order names is not here")]
    NoTensor,
    #[error("a blob that the order names is not here")]
    NoBlob,
    #[error("the state's weights are not the ones it is named after")]
    OtherWeights,
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error(transparent)]
    DoesNotFit(DoesNotFit),
    #[error(transparent)]
    NoPlan(MemoryError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Cache(#[from] TensorCacheFull),
}

/// What the engine stands on.
struct Standing {
    state: StageState,
    weights: Weights,
    optimizer: OptimizerState,
    compute: Box<dyn StageCompute>,
    /// Contributions that its memory is planned for.
    replicas: usize,
    /// The window of the passes in the sum and in flight.
    window: Option<WindowId>,
}

/// The work of an engine, without a thread. See the module above.
pub struct StageWorker {
    plan: Arc<RunPlan>,
    store: Arc<Store>,
    tensors: Arc<TensorCache>,
    factory: ComputeFactory,
    cap_bytes: Option<u64>,
    standing: Option<Standing>,
}

/// In-flight name of a pass: two attempts at one microbatch may be under way at once.
fn id_of(pass: PassId) -> MicrobatchId {
    MicrobatchId(u64::from(pass.microbatch) << 8 | u64::from(pass.attempt))
}

fn stage_of(stage: StageId) -> StageIndex {
    StageIndex(stage.0)
}

/// The root that a gradient's bytes are committed under, chunk by chunk.
pub(crate) fn segments_root(gradient: &[u8]) -> Hash {
    MerkleTree::new(gradient.chunks(SEGMENT_CHUNK_BYTES).map(leaf_hash).collect()).root().into()
}

impl StageWorker {
    /// A worker that stands on nothing yet, and keeps the memory of its stage within `cap_bytes`, if there is a cap.
    pub fn new(
        plan: Arc<RunPlan>,
        store: Arc<Store>,
        tensors: Arc<TensorCache>,
        factory: ComputeFactory,
        cap_bytes: Option<u64>,
    ) -> Self {
        Self { plan, store, tensors, factory, cap_bytes, standing: None }
    }

    /// Does what is ordered.
    ///
    /// # Errors
    /// When there is no going on; everything else is in the report.
    pub fn carry_out(&mut self, order: Order) -> Result<Option<Report>, WorkerError> {
        let mut loss = None;
        let event = match order {
            Order::Discard { window, pass } => {
                self.discard(window, pass);
                return Ok(None);
            }
            Order::Compute(job) => match self.compute(&job, &mut loss) {
                Ok(output) => Event::Computed { job, output },
                Err(error) => {
                    tracing::warn!(window = job.window.0, microbatch = job.pass.microbatch, %error, "a pass failed");
                    self.discard_failed_forward(&job);
                    Event::ComputeFailed { job }
                }
            },
            Order::Seal { window } => {
                let upload = self.seal(window).unwrap_or_else(|error| {
                    tracing::error!(window = window.0, %error, "this window's gradient is lost");
                    None
                });
                Event::Sealed { window, upload }
            }
            Order::Initialise { stage, replicas } => {
                let failed = |error: OrderError| match error {
                    OrderError::DoesNotFit(error) => error.into(),
                    other => WorkerError::NoFirstState { stage, reason: other.to_string() },
                };
                Event::Loaded { stage, state: self.initialise(stage, replicas).map_err(failed)? }
            }
            Order::Load { stage, state, replicas } => match self.load(stage, state, replicas) {
                Ok(()) => Event::Loaded { stage, state },
                Err(OrderError::DoesNotFit(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(stage = stage.0, %error, "a state cannot be loaded");
                    Event::LoadFailed { stage, state }
                }
            },
            Order::Merge(order) => {
                let (window, stage) = (order.window, order.stage);
                match self.merge(&order) {
                    Ok(state) => Event::Merged { window, stage, state },
                    Err(OrderError::DoesNotFit(error)) => return Err(error.into()),
                    Err(error) => {
                        tracing::warn!(window = window.0, stage = stage.0, %error, "a window cannot be merged");
                        Event::MergeFailed { window, stage }
                    }
                }
            }
        };
        Ok(Some(Report { event, loss }))
    }

    /// The weights that it stands on.
    pub fn weights(&self) -> Option<&Weights> {
        self.standing.as_ref().map(|standing| &standing.weights)
    }

    /// What a job computes with: passes of another window than the last leave nothing behind.
    fn open(&mut self, stage: StageId, window: WindowId) -> Result<&mut Standing, OrderError> {
        let standing = self.standing.as_mut().ok_or(OrderError::NoWeights)?;
        let found = StageId(standing.weights.stage().0);
        if found != stage {
            return Err(OrderError::OtherState { found });
        }
        if standing.window != Some(window) {
            standing.compute.drop_all();
            drop(standing.compute.take_gradients()?);
            standing.window = Some(window);
        }
        Ok(standing)
    }

    fn tensor(&self, tensor: &Tensor, width: usize) -> Result<BoundaryTensor, OrderError> {
        let codec = ActivationCodec::from_id(tensor.codec.0)?;
        let bytes = self.tensors.get(&tensor.hash).ok_or(OrderError::NoTensor)?;
        Ok(codec.decode(&bytes, self.plan.rows(), width)?)
    }

    fn compute(&mut self, job: &Job, loss: &mut Option<PassLoss>) -> Result<Option<Tensor>, OrderError> {
        let (id, stage, model) = (id_of(job.pass), stage_of(job.stage), self.plan.model());
        let (incoming, outgoing) = (model.incoming_width(stage), model.outgoing_width(stage));
        let output = match job.kind {
            JobKind::Forward { input } | JobKind::Loss { input } => {
                let input = input.map(|input| self.tensor(&input, incoming)).transpose()?;
                let tokens = self.plan.tokens(job.window, job.pass.microbatch)?;
                let standing = self.open(job.stage, job.window)?;
                match standing.compute.forward(id, &tokens, input.as_ref())? {
                    StageOutput::Boundary(z) => Some(z),
                    StageOutput::Loss { loss_sum, tokens } => {
                        let gradient = standing.compute.backward(id, None)?;
                        *loss = Some(PassLoss { window: job.window, sum: loss_sum, tokens });
                        gradient
                    }
                }
            }
            JobKind::Backward { gradient } => {
                let gradient = self.tensor(&gradient, outgoing)?;
                self.open(job.stage, job.window)?.compute.backward(id, Some(&gradient))?
            }
        };
        output.map(|output| self.keep(job.window, &output)).transpose()
    }

    /// Encodes and keeps a tensor that leaves this neuron.
    fn keep(&self, window: WindowId, tensor: &BoundaryTensor) -> Result<Tensor, OrderError> {
        let codec = ActivationCodec::F32;
        let bytes = Bytes::from(codec.encode(tensor));
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let hash = self.tensors.put(window, bytes)?;
        Ok(Tensor { codec: Codec(codec.id()), hash, bytes: length })
    }

    fn discard(&mut self, window: WindowId, pass: PassId) {
        if let Some(standing) = self.standing.as_mut().filter(|standing| standing.window == Some(window)) {
            standing.compute.drop_microbatch(id_of(pass));
        }
    }

    /// A forward pass that failed may have left its activations; a backward pass keeps them, for another gradient.
    fn discard_failed_forward(&mut self, job: &Job) {
        if !matches!(job.kind, JobKind::Backward { .. }) {
            self.discard(job.window, job.pass);
        }
    }

    fn seal(&mut self, window: WindowId) -> Result<Option<Upload>, OrderError> {
        let Some(standing) = self.standing.as_mut().filter(|standing| standing.window == Some(window)) else {
            return Ok(None);
        };
        standing.compute.drop_all();
        let gradients = standing.compute.take_gradients()?;
        if gradients.tokens() == 0 {
            return Ok(None);
        }
        let bytes = GradientCodec::F32.encode(&gradients);
        // Others would refuse it; so do we, before we commit to it.
        GradientCodec::F32.decode(self.plan.model(), gradients.stage(), &bytes)?;
        let gradient = Hash(self.store.blobs().put(&bytes)?);
        Ok(Some(Upload { gradient, segments: segments_root(&bytes), tokens: gradients.tokens() }))
    }

    /// How the stage is hosted; asked before memory is taken for it.
    fn room(&self, stage: StageId, replicas: usize) -> Result<Hosting, OrderError> {
        self.plan.hosting(stage, replicas, self.cap_bytes).map_err(|error| match error {
            MemoryError::DoesNotFit { .. } => OrderError::DoesNotFit(error.into()),
            other => OrderError::NoPlan(other),
        })
    }

    fn initialise(&mut self, stage: StageId, replicas: usize) -> Result<StageState, OrderError> {
        let hosting = self.room(stage, replicas)?;
        let weights = Weights::initial(self.plan.model(), stage_of(stage), &self.plan.manifest().seed.0)?;
        let optimizer = OptimizerState::new(weights.layout(), self.plan.optimizer());
        self.stand_on_new(&hosting, weights, optimizer)
    }

    fn load(&mut self, stage: StageId, state: StageState, replicas: usize) -> Result<(), OrderError> {
        let hosting = self.room(stage, replicas)?;
        let bytes = self.store.blobs().get(&state.blob.0)?.ok_or(OrderError::NoBlob)?;
        let (model, optimizer) = (self.plan.model(), self.plan.optimizer());
        let (weights, optimizer) = WeightCodec::F32.decode_snapshot(model, optimizer, stage_of(stage), &bytes)?;
        drop(bytes);
        if Hash::from(weights.hash()) != state.theta {
            return Err(OrderError::OtherWeights);
        }
        self.stand_on(&hosting, state, weights, optimizer)
    }

    fn merge(&mut self, order: &MergeOrder) -> Result<StageState, OrderError> {
        let standing = self.standing.as_ref().ok_or(OrderError::NoWeights)?;
        let found = StageId(standing.weights.stage().0);
        if found != order.stage || standing.state != order.state {
            return Err(OrderError::OtherState { found });
        }
        let hosting = self.room(order.stage, standing.replicas.max(order.contributions.len()))?;
        let mut contributions = Vec::with_capacity(order.contributions.len());
        for contribution in &order.contributions {
            let bytes = self.store.blobs().get(&contribution.gradient.0)?.ok_or(OrderError::NoBlob)?;
            let (model, stage) = (self.plan.model(), stage_of(order.stage));
            let gradients = GradientCodec::F32.decode(model, stage, &bytes)?;
            // What was committed on chain is the weight, whatever the blob says of itself.
            let gradients = Gradients::from_values(model, stage, contribution.tokens, gradients.values().to_vec())?;
            contributions.push(engine::Contribution { uid: contribution.uid.0, gradients });
        }
        let (weights, optimizer) =
            merge(self.plan.optimizer(), &standing.weights, &standing.optimizer, &contributions)?;
        drop(contributions);
        self.stand_on_new(&hosting, weights, optimizer)
    }

    /// Stores a state that was computed here, and stands on it.
    fn stand_on_new(
        &mut self,
        hosting: &Hosting,
        weights: Weights,
        optimizer: OptimizerState,
    ) -> Result<StageState, OrderError> {
        let blob = Hash(self.store.blobs().put(&WeightCodec::F32.encode_snapshot(&weights, &optimizer))?);
        let state = StageState { theta: weights.hash().into(), blob };
        self.stand_on(hosting, state, weights, optimizer)?;
        Ok(state)
    }

    fn stand_on(
        &mut self,
        hosting: &Hosting,
        state: StageState,
        weights: Weights,
        optimizer: OptimizerState,
    ) -> Result<(), OrderError> {
        let (model, in_flight, recompute) = (self.plan.model(), hosting.workload.in_flight, hosting.recompute);
        let compute = (self.factory)(Hosted { model, weights: &weights, in_flight, recompute })?;
        let replicas = hosting.workload.contributions;
        self.standing = Some(Standing { state, weights, optimizer, compute, replicas, window: None });
        Ok(())
    }
}
