//! What a stage takes of a machine's memory, said before any is taken, and how to do with less.
//!
//! The numbers follow from the model's shape and the work alone. `tests/memory.rs` holds them against an allocator that
//! counts.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    model::{self, ConfigError, Footprint, ModelConfig, Recompute, StageIndex},
    optimizer::{OptimizerConfig, OptimizerState},
    tokens::{TokenBatch, TokensError},
};

/// Most threads of one engine that memory is planned for.
pub const MAX_THREADS: usize = 1024;
/// Most microbatches in flight that memory is planned for.
pub const MAX_IN_FLIGHT: usize = 65_536;

const F32_BYTES: u128 = 4;
const ID_BYTES: u128 = 4;
/// Names, ranges and shapes of a layer's parameters.
const LAYER_BYTES: u128 = 4096;
/// What a stage has besides what is counted: its plan, its lists.
const STAGE_BYTES: u128 = 64 * 1024;
/// What a microbatch in flight has besides values: its nodes in the graph, lists of buffers.
const MICROBATCH_BYTES: u128 = 4096;

/// What a layer keeps of a microbatch besides values: what names its buffers, and the lines that these begin with.
const KEPT_LAYER_BYTES: u128 = 1536;
/// The same where a layer keeps its input alone.
const KEPT_INPUT_BYTES: u128 = 192;

/// What all layers keep of a microbatch besides values.
fn kept_beside_values(layers: u128, recompute: Recompute) -> u128 {
    match recompute {
        Recompute::Nothing => layers * KEPT_LAYER_BYTES,
        Recompute::Layers => layers * KEPT_INPUT_BYTES,
        Recompute::Stage | Recompute::StageByLayers => 0,
    }
}

/// The work that memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Sequences of the largest microbatch.
    pub batch: usize,
    /// Tokens of each.
    pub context: usize,
    /// Microbatches between their forward and their backward pass, at most.
    pub in_flight: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Gradients that a merge takes in, the own included; 0 where another process merges.
    pub contributions: usize,
}

/// Bytes that a stage takes, by what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMemory {
    /// Weights, and the tables beside them.
    pub weights: u64,
    /// The sum of gradients.
    pub gradients: u64,
    /// The optimizer's state.
    pub optimizer: u64,
    /// What all microbatches in flight keep.
    pub in_flight: u64,
    /// What passes need while they run, and the engine keeps for the next.
    pub workspace: u64,
    /// What a merge needs while it runs: contributions, the mean of several, the next weights and state.
    pub merge: u64,
}

/// Why memory could not be planned, or a stage does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The model's shape.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A microbatch that may not exist.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// A number outside its range.
    #[error("memory plan: {name} is {value}, must be in {min}..={max}")]
    OutOfRange {
        /// The field.
        name: &'static str,
        /// What it was.
        value: usize,
        /// Smallest allowed.
        min: usize,
        /// Largest allowed.
        max: usize,
    },
    /// Too large however little is kept.
    #[error("stage {stage} needs {needed} bytes even if it computes again what it can, more than {cap}: {advice}")]
    DoesNotFit {
        /// The stage.
        stage: StageIndex,
        /// What it needs at least.
        needed: u64,
        /// What there is.
        cap: u64,
        /// What would fit.
        advice: Advice,
    },
}

/// What would fit where a stage does not: the first of these that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Advice {
    /// Less at once.
    #[error("{in_flight} microbatches in flight would fit")]
    InFlight {
        /// How many.
        in_flight: usize,
    },
    /// Smaller microbatches, one at a time.
    #[error("one microbatch in flight, of {batch} sequences, would fit")]
    Batch {
        /// How many sequences.
        batch: usize,
    },
    /// Fewer layers, with one sequence at a time.
    #[error("a stage of {layers} layers, with one microbatch of one sequence in flight, would fit: use more stages")]
    Layers {
        /// How many layers.
        layers: usize,
    },
    /// Nothing of this shape.
    #[error("nothing of this width would fit: use a smaller model or a larger machine")]
    Nothing,
}

impl Workload {
    fn check(&self, config: &ModelConfig) -> Result<(), MemoryError> {
        TokenBatch::check_shape(self.batch, self.context, config)?;
        let within = |name, value, min, max| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(MemoryError::OutOfRange { name, value, min, max }) }
        };
        within("in_flight", self.in_flight, 1, MAX_IN_FLIGHT)?;
        within("threads", self.threads, 1, MAX_THREADS)?;
        within("contributions", self.contributions, 0, crate::merge::MAX_CONTRIBUTIONS)
    }
}

impl StageMemory {
    /// What a stage needs for some work, when its passes keep what `recompute` says.
    ///
    /// # Errors
    /// When the model's shape or the work is refused.
    pub fn of(
        config: &ModelConfig,
        optimizer: &OptimizerConfig,
        stage: StageIndex,
        workload: &Workload,
        recompute: Recompute,
    ) -> Result<Self, MemoryError> {
        config.validate()?;
        config.check_stage(stage)?;
        workload.check(config)?;
        Ok(Self::counted(config, optimizer, stage, workload, recompute))
    }

    /// What everything takes together: the engine keeps the memory of passes while it merges.
    pub fn total(&self) -> u64 {
        let parts = [self.weights, self.gradients, self.optimizer, self.in_flight, self.workspace, self.merge];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// For a shape and work that were checked.
    fn counted(
        config: &ModelConfig,
        optimizer: &OptimizerConfig,
        stage: StageIndex,
        workload: &Workload,
        recompute: Recompute,
    ) -> Self {
        let footprint = Footprint::new(config, stage, workload.batch, workload.context);
        let layout = model::layout(config, stage);
        let parameters = layout.len() as u128 * F32_BYTES;
        let state = OptimizerState::encoded_bytes(&layout, optimizer) as u128;
        let layers = config.layers_per_stage[stage.as_usize()] as u128;
        let tables = (config.context * config.head_width()) as u128 * F32_BYTES;

        let ids = (workload.batch * (workload.context + 1)) as u128 * ID_BYTES;
        let boundaries = (config.incoming_width(stage) + config.outgoing_width(stage)) as u128;
        let boundaries = (workload.batch * workload.context) as u128 * boundaries * F32_BYTES;
        let kept = footprint.kept_values(recompute) * F32_BYTES;
        let microbatch = kept + kept_beside_values(layers, recompute) + ids + boundaries + MICROBATCH_BYTES;
        // The graph hands boundary tensors on by value, and adds to a tensor of zeros.
        let passes = footprint.workspace_values(recompute, workload.threads) * F32_BYTES + 4 * boundaries;
        // A stage that is computed again keeps for a while what it would have kept all along.
        let again = match recompute {
            Recompute::Nothing | Recompute::Layers => 0,
            Recompute::Stage => kept_beside_values(layers, Recompute::Nothing),
            Recompute::StageByLayers => kept_beside_values(layers, Recompute::Layers),
        };

        let muon = layout.parameters().iter().filter(|parameter| optimizer.muon_momentum(parameter.kind).is_some());
        let muon = muon.flat_map(|parameter| parameter.pieces()).map(|piece| {
            let (rows, columns) = (piece.shape[0] as u128, piece.shape[1] as u128);
            2 * rows * columns + 2 * rows.min(columns).pow(2)
        });
        let muon = muon.max().unwrap_or(0) * F32_BYTES;
        let merge = match workload.contributions as u128 {
            0 => 0,
            // Contributions, the mean of several, the next weights; the next state.
            contributions => (contributions + 1 + u128::from(contributions > 1)) * parameters + state + muon,
        };
        let bytes = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        Self {
            weights: bytes(parameters + tables + STAGE_BYTES + layers * LAYER_BYTES),
            gradients: bytes(parameters),
            optimizer: bytes(state),
            in_flight: bytes(workload.in_flight as u128 * microbatch),
            workspace: bytes(passes + again),
            merge: bytes(merge),
        }
    }
}

/// The least that has to be computed again for a stage to stay within `cap` bytes, and what it then takes.
///
/// # Errors
/// When the shape or the work is refused, or when the stage does not fit; the error then says what would.
pub fn fit(
    config: &ModelConfig,
    optimizer: &OptimizerConfig,
    stage: StageIndex,
    workload: &Workload,
    cap: u64,
) -> Result<(Recompute, StageMemory), MemoryError> {
    config.validate()?;
    config.check_stage(stage)?;
    workload.check(config)?;
    let tries = Recompute::ALL.map(|way| (way, StageMemory::counted(config, optimizer, stage, workload, way)));
    if let Some(found) = tries.into_iter().find(|(_, memory)| memory.total() <= cap) {
        return Ok(found);
    }
    let needed = tries.iter().map(|(_, memory)| memory.total()).min().unwrap_or(u64::MAX);
    let advice = advice(config, optimizer, stage, workload, cap);
    Err(MemoryError::DoesNotFit { stage, needed, cap, advice })
}

fn advice(
    config: &ModelConfig,
    optimizer: &OptimizerConfig,
    stage: StageIndex,
    workload: &Workload,
    cap: u64,
) -> Advice {
    let fits = |config: &ModelConfig, workload: &Workload| {
        let total = |way| StageMemory::counted(config, optimizer, stage, workload, way).total();
        Recompute::ALL.into_iter().any(|way| total(way) <= cap)
    };
    let with = |in_flight, batch| Workload { in_flight, batch, ..*workload };
    if let Some(in_flight) = largest(workload.in_flight, |in_flight| fits(config, &with(in_flight, workload.batch))) {
        return Advice::InFlight { in_flight };
    }
    if let Some(batch) = largest(workload.batch, |batch| fits(config, &with(1, batch))) {
        return Advice::Batch { batch };
    }
    let fewer = |layers| {
        let mut config = config.clone();
        config.layers_per_stage[stage.as_usize()] = layers;
        config
    };
    let layers = config.layers_per_stage[stage.as_usize()];
    match largest(layers, |layers| fits(&fewer(layers), &with(1, 1))) {
        Some(layers) => Advice::Layers { layers },
        None => Advice::Nothing,
    }
}

/// The largest number from 1 to `most` that fits, if any, where none fits above one that does not.
fn largest(most: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    (low > 0).then_some(low)
}
