//! How closely work must match what is recomputed.

use bincode::{Decode, Encode};
use engine::tolerance::{DriftRules, DriftRulesError, MAX_LIMIT};
use serde::{Deserialize, Serialize};

use super::{Manifest, ManifestError, ModelShape, in_range};

/// Most bytes of a tensor between two stages in a run with a tolerance: evidence has four of them in it.
pub const MAX_OPENED_TENSOR_BYTES: usize = 4 * 1024 * 1024;

/// Most bytes of tensors that a run with a tolerance may have a neuron keep.
pub const MAX_KEPT_BYTES: u64 = 32 * 1024 * 1024 * 1024;

/// How closely recomputed work must match.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub enum Arithmetic {
    /// Bit for bit.
    Exact,
    /// Within roundings, so that stages may be computed by any matrix library and on any card. Only forward and backward: the
    /// merge is always exact. Neurons keep what they sent and received, and open it to whoever audits them.
    Tolerance(Tolerance),
}

/// How far off a stage may be, and when being further off is no longer chance. What to choose: docs/engine.md.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct Tolerance {
    /// ‖found − exact‖ / ‖exact‖ of what a stage sends, in millionths, beyond which a hop exceeds.
    pub relative_millionths: u32,
    /// What a hop that exceeds adds to its miner's level; one that does not takes 1 away.
    pub rise: u32,
    /// The level that convicts.
    pub limit: u32,
}

impl Default for Tolerance {
    /// Four times the largest rounding that was measured, a quarter of the least saving; three hops convict who always exceeds.
    fn default() -> Self {
        Self { relative_millionths: 3, rise: 100, limit: 201 }
    }
}

impl Tolerance {
    /// The bound as a number.
    pub fn bound(&self) -> f64 {
        f64::from(self.relative_millionths) * 1e-6
    }

    /// The rules, the model's tensors, and what a miner of a stage would keep that computed every microbatch of every window.
    pub(super) fn validate(&self, manifest: &Manifest) -> Result<(), ManifestError> {
        let most = u64::from(MAX_LIMIT);
        in_range("arithmetic.relative_millionths", u64::from(self.relative_millionths), 1, 1_000_000)?;
        in_range("arithmetic.rise", u64::from(self.rise), 1, most)?;
        in_range("arithmetic.limit", u64::from(self.limit), 1, most)?;
        let ModelShape { boundary_width, context, batch, .. } = manifest.model;
        let shape = [boundary_width, context, batch].map(u64::from);
        let bytes = shape.into_iter().fold(size_of::<f32>() as u64, u64::saturating_mul);
        if bytes > MAX_OPENED_TENSOR_BYTES as u64 {
            return Err(ManifestError::TensorTooLong { bytes });
        }
        // In and out, both ways; the windows at work beside those that are kept.
        let windows = u64::from(manifest.retention_windows) + 2;
        let bytes = bytes * 4 * u64::from(manifest.work.microbatches) * windows;
        if bytes > MAX_KEPT_BYTES {
            return Err(ManifestError::TooMuchKept { bytes });
        }
        Ok(())
    }

    /// What levels go by.
    ///
    /// # Errors
    /// When the numbers are out of their range, which a valid manifest's are not.
    pub fn drift(&self) -> Result<DriftRules, DriftRulesError> {
        DriftRules::new(self.rise, self.limit)
    }
}
