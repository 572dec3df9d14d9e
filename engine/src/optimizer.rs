//! AdamW with decoupled weight decay, on the flat vectors of a stage.
//!
//! Deterministic: sums in order, in f64; the powers of β are carried along by multiplication rather than taken from a
//! C library.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    cpu::Cpu,
    model::{Layout, ParameterKind},
    ops::{
        kernel::kernels,
        lanes::{self, square_sum},
    },
};

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
}

/// What decides an optimizer step besides the gradient. All replicas of a run must agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Highest learning rate.
    pub peak_learning_rate: f64,
    /// Steps on which the learning rate rises linearly to its peak.
    pub warmup_steps: u64,
    /// What comes after.
    pub schedule: Schedule,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Share of a matrix that decays per step, times the learning rate. Gains and embeddings do not decay.
    pub weight_decay: f64,
    /// Largest norm of a stage's mean gradient; longer ones are scaled down.
    pub clip_norm: f64,
    /// Learning rate of embeddings, as a multiple.
    pub embedding_rate: f64,
    /// Learning rate of the output matrix, as a multiple.
    pub head_rate: f64,
}

impl Default for OptimizerConfig {
    /// For runs of few steps on large batches: a hundred windows, not a hundred thousand. Found by trial with the small
    /// model ([`crate::ModelConfig::small`]) on Rust source, 40 steps of 8,192 tokens, held-out nats per byte (best
    /// bigram 2.594): without the faster rates for embeddings and head, with β1 0.9 and clipping at 1, 2.63; with all
    /// three, 2.36. Where the end of the run is known, prefer [`Schedule::Linear`] down to a twentieth: rates this high leave
    /// the loss of two equally good runs up to 6 % apart midway, 0.2 % after the slope.
    fn default() -> Self {
        Self {
            peak_learning_rate: 0.008,
            warmup_steps: 3,
            schedule: Schedule::Constant,
            beta1: 0.7,
            beta2: 0.95,
            epsilon: 1e-10,
            weight_decay: 0.1,
            clip_norm: 0.3,
            embedding_rate: 10.0,
            head_rate: 6.0,
        }
    }
}

/// Why an optimizer's configuration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("optimizer config: {name} is {value}, must be {must}")]
pub struct OptimizerConfigError {
    name: &'static str,
    value: f64,
    must: &'static str,
}

impl OptimizerConfig {
    /// Refuses values with which a step would be undefined or meaningless.
    pub fn validate(&self) -> Result<(), OptimizerConfigError> {
        let check = |name, value: f64, fine: bool, must| {
            if fine { Ok(()) } else { Err(OptimizerConfigError { name, value, must }) }
        };
        let positive = |name, value: f64| check(name, value, value.is_finite() && value > 0.0, "finite and above 0");
        let not_negative =
            |name, value: f64| check(name, value, value.is_finite() && value >= 0.0, "finite, 0 or more");
        let below_one = |name, value: f64| check(name, value, (0.0..1.0).contains(&value), "from 0 to below 1");
        positive("peak_learning_rate", self.peak_learning_rate)?;
        below_one("beta1", self.beta1)?;
        below_one("beta2", self.beta2)?;
        positive("epsilon", self.epsilon)?;
        not_negative("weight_decay", self.weight_decay)?;
        positive("clip_norm", self.clip_norm)?;
        not_negative("embedding_rate", self.embedding_rate)?;
        not_negative("head_rate", self.head_rate)?;
        match self.schedule {
            Schedule::Constant => Ok(()),
            Schedule::Linear { final_factor, .. } | Schedule::Cosine { final_factor, .. } => {
                check("final_factor", final_factor, (0.0..=1.0).contains(&final_factor), "from 0 to 1")
            }
        }
    }

    /// The learning rate of a step, counted from 1.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.peak_learning_rate * step as f64 / self.warmup_steps as f64;
        }
        let slope = |total_steps: u64, final_factor: f64, shape: fn(f64) -> f64| {
            let length = total_steps.saturating_sub(self.warmup_steps).max(1);
            let done = ((step - self.warmup_steps) as f64 / length as f64).min(1.0);
            final_factor + (1.0 - final_factor) * shape(done)
        };
        self.peak_learning_rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear { total_steps, final_factor } => slope(total_steps, final_factor, |done| 1.0 - done),
                Schedule::Cosine { total_steps, final_factor } => {
                    slope(total_steps, final_factor, |done| 0.5 + 0.5 * libm::cos(std::f64::consts::PI * done))
                }
            }
    }
}

/// Moments and step count of one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    step: u64,
    beta1_power: f64,
    beta2_power: f64,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// Why bytes are not an optimizer's state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptimizerStateError {
    /// Too many or too few.
    #[error("the optimizer state of {parameters} parameters takes {expected} bytes, got {found}")]
    Length {
        /// Parameters of the stage.
        parameters: usize,
        /// Bytes needed.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A moment is infinite, not a number, or a negative square.
    #[error("the optimizer state holds a moment that is not finite or a negative second moment")]
    Moment,
}

/// Step count and two powers before the moments.
const STATE_HEADER_BYTES: usize = 24;

impl OptimizerState {
    /// The state before the first step.
    pub fn new(layout: &Layout) -> Self {
        let zeros = vec![0.0; layout.len()];
        Self { step: 0, beta1_power: 1.0, beta2_power: 1.0, first: zeros.clone(), second: zeros }
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Little-endian: step, powers of β1 and β2, first moments, second moments.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(STATE_HEADER_BYTES + 8 * self.first.len());
        bytes.extend(self.step.to_le_bytes());
        bytes.extend(self.beta1_power.to_le_bytes());
        bytes.extend(self.beta2_power.to_le_bytes());
        for value in self.first.iter().chain(&self.second) {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    /// The state of a stage with this layout; the length is checked before anything is allocated.
    pub fn from_bytes(layout: &Layout, bytes: &[u8]) -> Result<Self, OptimizerStateError> {
        let (parameters, found) = (layout.len(), bytes.len());
        let expected = STATE_HEADER_BYTES + 8 * parameters;
        if found != expected {
            return Err(OptimizerStateError::Length { parameters, expected, found });
        }
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        let (beta1_power, beta2_power) = (f64::from_le_bytes(word(8)), f64::from_le_bytes(word(16)));
        let (first, second) = bytes[STATE_HEADER_BYTES..].split_at(4 * parameters);
        let (first, second) = (crate::codec::floats(first), crate::codec::floats(second));
        let powers = [beta1_power, beta2_power].iter().all(|power| (0.0..=1.0).contains(power));
        if !powers || !first.iter().all(|v| v.is_finite()) || !second.iter().all(|v| v.is_finite() && *v >= 0.0) {
            return Err(OptimizerStateError::Moment);
        }
        Ok(Self { step: u64::from_le_bytes(word(0)), beta1_power, beta2_power, first, second })
    }

    /// Moves the weights one step along the *mean* gradient, which is clipped in place.
    pub(crate) fn apply(
        &mut self,
        cpu: &Cpu,
        config: &OptimizerConfig,
        layout: &Layout,
        weights: &mut [f32],
        gradient: &mut [f32],
    ) {
        let norm = square_sum(cpu, gradient).sqrt();
        if norm > config.clip_norm {
            let scale = (config.clip_norm / norm) as f32;
            let share = cpu.share(gradient.len());
            cpu.each(gradient.chunks_mut(share), |part| lanes::scale(cpu, part, scale));
        }
        self.step += 1;
        self.beta1_power *= config.beta1;
        self.beta2_power *= config.beta2;
        let rate = config.learning_rate(self.step);
        for parameter in layout.parameters() {
            let (factor, decays) = match parameter.kind {
                ParameterKind::Embedding => (config.embedding_rate, false),
                ParameterKind::Head => (config.head_rate, true),
                ParameterKind::Matrix => (1.0, true),
                ParameterKind::Gain => (1.0, false),
            };
            let rate = rate * factor;
            let step = Step {
                beta1: config.beta1 as f32,
                beta2: config.beta2 as f32,
                // Both bias corrections folded into the rate and into ε.
                rate: (rate * (1.0 - self.beta2_power).sqrt() / (1.0 - self.beta1_power)) as f32,
                epsilon: (config.epsilon * (1.0 - self.beta2_power).sqrt()) as f32,
                keep: if decays { (1.0 - rate * config.weight_decay) as f32 } else { 1.0 },
            };
            let range = parameter.range.clone();
            step.apply(
                cpu,
                &mut weights[range.clone()],
                &mut self.first[range.clone()],
                &mut self.second[range.clone()],
                &gradient[range],
            );
        }
    }
}

/// The numbers of one step for one parameter.
struct Step {
    beta1: f32,
    beta2: f32,
    rate: f32,
    epsilon: f32,
    keep: f32,
}

impl Step {
    fn apply(&self, cpu: &Cpu, weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        let share = cpu.share(weights.len());
        let moments = first.chunks_mut(share).zip(second.chunks_mut(share));
        let shares = weights.chunks_mut(share).zip(moments).zip(gradient.chunks(share));
        cpu.each(shares, |((weights, (first, second)), gradient)| {
            adam_w(cpu, self, weights, first, second, gradient);
        });
    }
}

kernels! {
    fn adam_w(step: &Step, weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        let Step { beta1, beta2, rate, epsilon, keep } = *step;
        for (((w, m), v), &g) in weights.iter_mut().zip(first).zip(second).zip(gradient) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *w = keep * *w - rate * *m / (v.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelConfig, StageIndex};

    #[test]
    fn a_step_is_the_textbook_formula() {
        let layout = ModelConfig::small().layout(StageIndex(1)).unwrap();
        let config = OptimizerConfig { clip_norm: 1e9, warmup_steps: 0, ..OptimizerConfig::default() };
        let mut weights = vec![0.5f32; layout.len()];
        let mut state = OptimizerState::new(&layout);
        let (mut m, mut v, mut w) = (0.0f64, 0.0f64, 0.5f64);
        for step in 1..=3 {
            let g = 0.1 * step as f64;
            state.apply(&Cpu::default(), &config, &layout, &mut weights, &mut vec![g as f32; layout.len()]);
            m = config.beta1 * m + (1.0 - config.beta1) * g;
            v = config.beta2 * v + (1.0 - config.beta2) * g * g;
            let m_hat = m / (1.0 - config.beta1.powi(step));
            let v_hat = v / (1.0 - config.beta2.powi(step));
            let rate = config.peak_learning_rate;
            w = w * (1.0 - rate * config.weight_decay) - rate * m_hat / (v_hat.sqrt() + config.epsilon);
        }
        let matrix = layout.parameters().iter().find(|p| p.kind == ParameterKind::Matrix).unwrap();
        assert!((f64::from(weights[matrix.range.start]) - w).abs() < 1e-6);
        assert_eq!(state.step(), 3);
    }

    #[test]
    fn long_gradients_are_clipped_to_the_norm() {
        let layout = ModelConfig::small().layout(StageIndex(0)).unwrap();
        let mut gradient = vec![1.0; layout.len()];
        let mut state = OptimizerState::new(&layout);
        state.apply(&Cpu::default(), &OptimizerConfig::default(), &layout, &mut vec![0.0; layout.len()], &mut gradient);
        assert!((square_sum(&Cpu::default(), &gradient).sqrt() - OptimizerConfig::default().clip_norm).abs() < 1e-4);
    }

    #[test]
    fn schedules_rise_and_fall() {
        let linear = OptimizerConfig {
            warmup_steps: 4,
            schedule: Schedule::Linear { total_steps: 14, final_factor: 0.1 },
            ..OptimizerConfig::default()
        };
        let rate = |step| linear.learning_rate(step) / linear.peak_learning_rate;
        assert_eq!((rate(2), rate(4)), (0.5, 1.0));
        assert!((rate(9) - 0.55).abs() < 1e-12 && (rate(14) - 0.1).abs() < 1e-12 && (rate(99) - 0.1).abs() < 1e-12);
        let cosine = OptimizerConfig { schedule: Schedule::Cosine { total_steps: 14, final_factor: 0.0 }, ..linear };
        assert!((cosine.learning_rate(9) / cosine.peak_learning_rate - 0.5).abs() < 1e-12);
    }

    #[test]
    fn states_travel_and_forgeries_do_not() {
        let layout = ModelConfig::small().layout(StageIndex(1)).unwrap();
        let mut state = OptimizerState::new(&layout);
        let mut weights = vec![0.5; layout.len()];
        state.apply(&Cpu::default(), &OptimizerConfig::default(), &layout, &mut weights, &mut vec![0.1; layout.len()]);
        let bytes = state.to_bytes();
        assert_eq!(OptimizerState::from_bytes(&layout, &bytes).unwrap(), state);
        assert!(matches!(OptimizerState::from_bytes(&layout, &bytes[1..]), Err(OptimizerStateError::Length { .. })));
        let mut forged = bytes;
        let last = forged.len() - 4;
        forged[last..].copy_from_slice(&(-1.0f32).to_le_bytes());
        assert_eq!(OptimizerState::from_bytes(&layout, &forged), Err(OptimizerStateError::Moment));
    }

    #[test]
    fn meaningless_configurations_are_refused() {
        let refused = |config: OptimizerConfig| config.validate().is_err();
        let fine = OptimizerConfig::default();
        fine.validate().unwrap();
        assert!(refused(OptimizerConfig { peak_learning_rate: f64::NAN, ..fine }));
        assert!(refused(OptimizerConfig { beta2: 1.0, ..fine }));
        assert!(refused(OptimizerConfig { clip_norm: 0.0, ..fine }));
    }
}
