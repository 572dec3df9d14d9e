//! What moves the weights: AdamW, and Muon for matrices where a run wants it, on the flat vectors of a stage.
//!
//! Deterministic: sums in order, in f64; the powers of β are carried along by multiplication rather than taken from a
//! C library; Muon's products are the engine's own.

mod adam_w;
mod config;
mod muon;
mod schedule;
mod state;

pub use config::{ClipScope, MatrixRule, OptimizerConfig, OptimizerConfigError};
pub use schedule::{Schedule, Slope};
pub(crate) use state::MeanGradient;
pub use state::{MAX_STEPS, OptimizerState, OptimizerStateError};
