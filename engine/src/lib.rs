//! The model and everything that is computed with it: a Llama-style transformer cut in stages, each stage a differentiable
//! function on its own, the optimizer and the merge that move its weights, what that takes of memory, and the hashes, codecs
//! and files under which tensors travel.
//!
//! **Invariant: no I/O, no network, no clock, no global random numbers.** What a function returns is decided by
//! (weights, input, seed), bit by bit on the same binary, so that work can be checked by doing it again. ([`tolerance`] is the
//! exception, for devices that cannot.)
//!
//! The way of a microbatch: [`data::Corpus::slice`] gives its tokens, [`Stage::forward`] turns them into a
//! [`BoundaryTensor`], [`codec::ActivationCodec`] into bytes; the next stage goes on from there, the last one returns the
//! loss, and [`Stage::backward`] walks back. The way of a window: [`Stage::take_gradients`], [`codec::GradientCodec`],
//! [`merge::merge`], and the weights of the next window are there.
//!
//! **Exact mode** is what runs are computed in: the same bits on every instruction set and with every number of threads ([`Cpu`]),
//! however sequences are divided into microbatches and however many of these are in flight, as long as their backward
//! passes come in the same order. `tests/exactness.rs` holds it, optimizer and merge included.
//!
//! **Threads.** An engine computes on its caller's thread, or on a pool that the caller hands it ([`Stage::set_cpu`]). Passes
//! run on flat buffers and touch no other pool. Only where a boundary tensor has 65,536 values and more (wide boundaries, as
//! `Bottleneck::None`), and in a [`tolerance::DeviceStage`] on the processor, do Candle's elementwise operations reach for their
//! spinning pool, one per process; many engines in a process then do several times better with the environment's
//! `CANDLE_NUM_THREADS=1`, set before the first of them computes.

mod aligned;
pub mod audit;
pub mod boundary;
mod buffer;
pub mod checkpoint;
pub mod codec;
pub mod cpu;
pub mod data;
mod flights;
pub mod hash;
pub mod memory;
pub mod merge;
pub mod model;
pub mod ngram;
mod ops;
pub mod optimizer;
mod pages;
pub mod stage;
pub mod tokens;
pub mod tolerance;
pub mod uncut;
pub mod whole;
pub mod work_proof;

pub use audit::{HopRecord, PathRecord, recompute_hop, recompute_path};
pub use boundary::BoundaryTensor;
pub use cpu::{Cpu, Instructions};
pub use hash::Digest;
pub use memory::{StageMemory, Workload};
pub use merge::{Contribution, merge, merge_on};
pub use model::{Bottleneck, ConfigError, Gradients, Layout, ModelConfig, Recompute, StageIndex, Weights};
pub use optimizer::{ClipScope, MatrixRule, OptimizerConfig, OptimizerState, Schedule, Slope};
pub use stage::{MicrobatchId, Stage, StageError, StageOutput};
pub use tokens::TokenBatch;
pub use uncut::UncutTrainer;
pub use whole::WholeModel;
