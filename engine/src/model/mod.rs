//! The model: its shape, its parameters, and the computation of one stage.

mod block;
mod bottleneck;
mod config;
mod ends;
mod footprint;
mod layout;
mod plan;
mod weights;

pub use config::{
    Bottleneck, ConfigError, MAX_CONTEXT_TOKENS, MAX_D_MODEL, MAX_FFN, MAX_LAYERS_PER_STAGE, MAX_STAGE_PARAMETERS,
    MAX_STAGES, MAX_VOCAB, ModelConfig, StageIndex,
};
pub(crate) use footprint::Footprint;
pub(crate) use layout::Piece;
pub use layout::{Layout, Parameter, ParameterKind};
pub use plan::Recompute;
pub(crate) use plan::{Passed, Saved, StagePlan, layout};
pub use weights::{Gradients, Weights, WeightsError};
