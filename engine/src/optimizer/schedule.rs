//! How the learning rate moves with the steps.

use serde::{Deserialize, Serialize};

/// How the learning rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
// Tagged from outside: serde buffers what is tagged from inside, and then cannot read numbers where any crate of the
// build switches on serde_json's arbitrary precision (substrate's do).
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// At its peak for ever.
    Constant,
    /// Straight down to `final_factor` of the peak at `total_steps`, and there it stays.
    Linear {
        /// Steps until the end of the slope, warm-up included.
        total_steps: u64,
        /// What is left of the peak.
        final_factor: f64,
    },
    /// Down half a cosine to `final_factor` of the peak at `total_steps`, and there it stays.
    Cosine {
        /// Steps until the end of the slope, warm-up included.
        total_steps: u64,
        /// What is left of the peak.
        final_factor: f64,
    },
    /// At its peak until `decay_steps` before the end, then down to `final_factor` of it, and there it stays. A run may be
    /// lengthened at any time before the slope without having learnt at another rate (arXiv 2404.06395).
    WarmupStableDecay {
        /// Steps until the end of the slope, warm-up included.
        total_steps: u64,
        /// Steps of the slope; with those of the warm-up no more than all.
        decay_steps: u64,
        /// Its form.
        slope: Slope,
        /// What is left of the peak.
        final_factor: f64,
    },
}

/// The form of a slope, from 1 at its beginning to 0 at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slope {
    /// 1 − t.
    Linear,
    /// 1 − √t: steep at first, and long at low rates (arXiv 2405.18392).
    OneMinusSqrt,
}

impl Slope {
    fn at(self, done: f64) -> f64 {
        match self {
            Self::Linear => 1.0 - done,
            Self::OneMinusSqrt => 1.0 - done.sqrt(),
        }
    }
}

impl Schedule {
    /// What is left of the peak at a step beyond the warm-up.
    pub(super) fn factor(&self, step: u64, warmup_steps: u64) -> f64 {
        let (first, total_steps, final_factor) = match *self {
            Self::Constant => return 1.0,
            Self::Linear { total_steps, final_factor } | Self::Cosine { total_steps, final_factor } => {
                (warmup_steps, total_steps, final_factor)
            }
            Self::WarmupStableDecay { total_steps, decay_steps, final_factor, .. } => {
                (total_steps.saturating_sub(decay_steps), total_steps, final_factor)
            }
        };
        let length = total_steps.saturating_sub(first).max(1);
        let done = (step.saturating_sub(first) as f64 / length as f64).min(1.0);
        let left = match self {
            Self::Cosine { .. } => 0.5 + 0.5 * libm::cos(std::f64::consts::PI * done),
            Self::WarmupStableDecay { slope, .. } => slope.at(done),
            Self::Constant | Self::Linear { .. } => Slope::Linear.at(done),
        };
        final_factor + (1.0 - final_factor) * left
    }
}
