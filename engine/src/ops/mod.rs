//! Fused operations on flat f32 buffers, forward and backward, one file each.
//!
//! **Exactness.** Each operation fixes the order of every sum (lanes of 16, keys in order, inner products cut where the
//! operation says), uses its own exponential and a mathematics library of its own, and leaves no multiply-add to the
//! compiler's taste. Threads divide rows, columns or sequences, never a sum. So an operation gives the same bits whatever
//! the instruction set and however many threads ([`crate::Cpu`]).

mod ahead;
#[cfg(feature = "any-order")]
mod any_order;
pub(crate) mod attention;
pub(crate) mod causal_softmax;
pub(crate) mod cross_entropy;
pub(crate) mod embedding;
pub(crate) mod kernel;
pub(crate) mod lanes;
pub(crate) mod linear;
pub(crate) mod matrix;
#[cfg(test)]
pub(crate) mod oracle;
pub(crate) mod product;
pub(crate) mod rms_norm;
pub(crate) mod rotary;
pub(crate) mod silu;
pub(crate) mod swiglu;
mod tile;
mod transpose;
