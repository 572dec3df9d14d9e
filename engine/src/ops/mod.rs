//! Fused operations on flat f32 buffers, forward and backward, one file each. The linear algebra is `gemm`'s.
//!
//! **Exactness.** Each operation fixes the order of every sum (lanes of 16, keys in order, inner products cut at 512), uses
//! its own exponential, and leaves no multiply-add to the compiler's taste. So it gives the same bits whatever
//! the instruction set found at run time, and neither threads nor allocation can change them.

pub(crate) mod attention;
pub(crate) mod cross_entropy;
pub(crate) mod embedding;
pub(crate) mod lanes;
pub(crate) mod linear;
pub(crate) mod matrix;
#[cfg(test)]
pub(crate) mod oracle;
pub(crate) mod rms_norm;
pub(crate) mod silu;
