//! What a stage's optimizer remembers, the step it takes, and its bytes.

use thiserror::Error;

use super::{adam_w::AdamW, config::OptimizerConfig, muon::Muon};
use crate::{
    codec::floats,
    cpu::Cpu,
    model::{Layout, ParameterKind},
    pages::zeros,
};

/// Most steps that a state may have behind it: counts up to here are exact in f64.
pub const MAX_STEPS: u64 = 1 << 53;

/// Moments and step count of one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    step: u64,
    beta1_power: f64,
    beta2_power: f64,
    /// Of every parameter.
    first: Vec<f32>,
    /// Of the parameters that AdamW moves, one after the other.
    second: Vec<f32>,
}

/// A mean gradient of a stage, as values and what is to be done to them.
pub(crate) struct MeanGradient<'a> {
    /// In the layout's order.
    pub(crate) values: &'a [f32],
    /// Times it, the values are the mean.
    pub(crate) factor: f32,
    /// Of the mean.
    pub(crate) norm: f64,
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
    /// Powers of β that no number of steps leads to, or more steps than anybody takes.
    #[error("the optimizer state claims {step} steps, which do not fit its powers of β or exceed {MAX_STEPS}")]
    Steps {
        /// Steps claimed.
        step: u64,
    },
}

/// Step count and two powers before the moments.
const STATE_HEADER_BYTES: usize = 24;

impl OptimizerState {
    /// The state before the first step.
    pub fn new(layout: &Layout, config: &OptimizerConfig) -> Self {
        let (first, second) = (zeros(layout.len()), zeros(config.second_moments(layout)));
        Self { step: 0, beta1_power: 1.0, beta2_power: 1.0, first, second }
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Bytes that the state of a stage takes, in memory but for some tens, and written down exactly: 8 per parameter that
    /// AdamW moves, 4 per parameter that Muon moves.
    pub fn encoded_bytes(layout: &Layout, config: &OptimizerConfig) -> usize {
        STATE_HEADER_BYTES + 4 * (layout.len() + config.second_moments(layout))
    }

    /// Whether it is the state of a stage with this layout, moved by these rules.
    pub fn fits(&self, layout: &Layout, config: &OptimizerConfig) -> bool {
        self.first.len() == layout.len() && self.second.len() == config.second_moments(layout)
    }

    /// Little-endian: step, powers of β1 and β2, first moments of all parameters, second moments of those that AdamW moves.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(STATE_HEADER_BYTES + 4 * (self.first.len() + self.second.len()));
        bytes.extend(self.step.to_le_bytes());
        bytes.extend(self.beta1_power.to_le_bytes());
        bytes.extend(self.beta2_power.to_le_bytes());
        for value in self.first.iter().chain(&self.second) {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    /// The state of a stage with this layout and these rules; length and step count are checked before anything is
    /// allocated.
    pub fn from_bytes(layout: &Layout, config: &OptimizerConfig, bytes: &[u8]) -> Result<Self, OptimizerStateError> {
        let (parameters, found) = (layout.len(), bytes.len());
        let expected = Self::encoded_bytes(layout, config);
        if found != expected {
            return Err(OptimizerStateError::Length { parameters, expected, found });
        }
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        let step = u64::from_le_bytes(word(0));
        let (beta1_power, beta2_power) = (f64::from_le_bytes(word(8)), f64::from_le_bytes(word(16)));
        // Each step multiplies by less than 1.
        let possible = |power: f64| (0.0..=1.0).contains(&power) && (power == 1.0) == (step == 0);
        if step > MAX_STEPS || !possible(beta1_power) || !possible(beta2_power) {
            return Err(OptimizerStateError::Steps { step });
        }
        let (first, second) = bytes[STATE_HEADER_BYTES..].split_at(4 * parameters);
        let (first, second) = (floats(first), floats(second));
        if !first.iter().all(|v| v.is_finite()) || !second.iter().all(|v| v.is_finite() && *v >= 0.0) {
            return Err(OptimizerStateError::Moment);
        }
        Ok(Self { step, beta1_power, beta2_power, first, second })
    }

    /// Moves the weights one step along the *mean* gradient, clipped, and says whether all are finite after it. The state must fit.
    pub(crate) fn apply(
        &mut self,
        cpu: &Cpu,
        config: &OptimizerConfig,
        layout: &Layout,
        weights: &mut [f32],
        gradient: &MeanGradient<'_>,
    ) -> bool {
        let clip = clip(config.stage_clip_norm(layout), gradient.norm);
        let mut finite = true;
        self.step += 1;
        self.beta1_power *= config.beta1;
        self.beta2_power *= config.beta2;
        let rate = config.learning_rate(self.step);
        let mut second = self.second.as_mut_slice();
        let mean = gradient.factor;
        for parameter in layout.parameters() {
            let (factor, decays) = match parameter.kind {
                ParameterKind::Embedding => (config.embedding_rate, false),
                ParameterKind::Head => (config.head_rate, true),
                ParameterKind::Matrix => (1.0, true),
                ParameterKind::Gain => (1.0, false),
            };
            let rate = rate * factor;
            let keep = if decays { (1.0 - rate * config.weight_decay) as f32 } else { 1.0 };
            if let Some(momentum) = config.muon_momentum(parameter.kind) {
                let muon = Muon { momentum: momentum as f32, rate, keep, mean, clip };
                // Fused matrices are apart to Muon: that they lie together is the engine's business.
                for piece in parameter.pieces() {
                    let range = piece.range;
                    let (weights, first) = (&mut weights[range.clone()], &mut self.first[range.clone()]);
                    finite &= muon.apply(cpu, piece.shape[1], weights, first, &gradient.values[range]);
                }
                continue;
            }
            let step = AdamW {
                beta1: config.beta1 as f32,
                beta2: config.beta2 as f32,
                rate: (rate * (1.0 - self.beta2_power).sqrt() / (1.0 - self.beta1_power)) as f32,
                epsilon: (config.epsilon * (1.0 - self.beta2_power).sqrt()) as f32,
                keep,
                mean,
                clip,
            };
            let range = parameter.range.clone();
            let (own, rest) = std::mem::take(&mut second).split_at_mut(range.len());
            second = rest;
            let (weights, first) = (&mut weights[range.clone()], &mut self.first[range.clone()]);
            finite &= step.apply(cpu, weights, first, own, &gradient.values[range]);
        }
        finite
    }
}

/// What scales a gradient of the norm `found` down to `norm` if it is longer.
fn clip(norm: f64, found: f64) -> f32 {
    if found > norm { (norm / found) as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::super::{ClipScope, MatrixRule};
    use super::*;
    use crate::{
        model::{ModelConfig, StageIndex},
        ops::lanes::square_sum,
    };

    const MUON: MatrixRule = MatrixRule::Muon { momentum: 0.95 };

    /// One step along a mean gradient that is there whole.
    fn step(
        state: &mut OptimizerState,
        config: &OptimizerConfig,
        layout: &Layout,
        weights: &mut [f32],
        values: &[f32],
    ) -> bool {
        let mean = MeanGradient { values, factor: 1.0, norm: norm(values) };
        state.apply(&Cpu::default(), config, layout, weights, &mean)
    }

    fn norm(values: &[f32]) -> f64 {
        square_sum(&Cpu::default(), values).sqrt()
    }

    fn of(kind: ParameterKind, layout: &Layout) -> usize {
        layout.parameters().iter().find(|parameter| parameter.kind == kind).unwrap().range.start
    }

    #[test]
    fn a_step_is_the_textbook_formula() {
        let layout = ModelConfig::small().layout(StageIndex(3)).unwrap();
        for matrices in [MatrixRule::AdamW, MUON] {
            let config = OptimizerConfig { clip_norm: 1e9, warmup_steps: 0, matrices, ..OptimizerConfig::default() };
            let mut weights = vec![0.5f32; layout.len()];
            let mut state = OptimizerState::new(&layout, &config);
            // With decay and the rate of the matrices, and without, at that of gains.
            let (mut m, mut v, mut matrix, mut gain) = (0.0f64, 0.0f64, 0.5f64, 0.5f64);
            for steps in 1..=3 {
                let g = 0.1 * steps as f64;
                assert!(step(&mut state, &config, &layout, &mut weights, &vec![g as f32; layout.len()]));
                m = config.beta1 * m + (1.0 - config.beta1) * g;
                v = config.beta2 * v + (1.0 - config.beta2) * g * g;
                let m_hat = m / (1.0 - config.beta1.powi(steps));
                let v_hat = v / (1.0 - config.beta2.powi(steps));
                let rate = config.peak_learning_rate;
                let update = rate * m_hat / (v_hat.sqrt() + config.epsilon);
                matrix = matrix * (1.0 - rate * config.weight_decay) - update;
                gain -= update;
            }
            // The last gain's second moment lies behind matrices that have none with Muon.
            let last_gain = layout.find("model.norm.weight").unwrap().range.end - 1;
            assert!((f64::from(weights[last_gain]) - gain).abs() < 1e-6, "{matrices:?}");
            let by_adam_w = (f64::from(weights[of(ParameterKind::Matrix, &layout)]) - matrix).abs() < 1e-6;
            assert_eq!(by_adam_w, matrices == MatrixRule::AdamW);
            assert_eq!(state.step(), 3);
        }
    }

    #[test]
    fn muon_moves_the_parts_of_a_fused_matrix_apart() {
        let layout = ModelConfig::small().layout(StageIndex(1)).unwrap();
        let config =
            OptimizerConfig { matrices: MUON, warmup_steps: 0, weight_decay: 0.0, ..OptimizerConfig::default() };
        let fused = layout.parameters().iter().find(|parameter| parameter.name.ends_with("qkv_proj.weight")).unwrap();
        let pieces = fused.pieces();
        let moved = |change: f32| {
            let mut gradient = crate::ops::oracle::pseudo_random(4, layout.len());
            gradient[pieces[1].range.clone()].iter_mut().for_each(|g| *g *= change);
            let mut weights = vec![0.0; layout.len()];
            let unclipped = OptimizerConfig { clip_norm: 1e9, ..config };
            let mut state = OptimizerState::new(&layout, &unclipped);
            assert!(step(&mut state, &unclipped, &layout, &mut weights, &gradient));
            weights
        };
        // Ten times the keys' gradient is the same direction for the keys, and nothing to queries and values.
        let (one, ten) = (moved(1.0), moved(10.0));
        for (i, piece) in pieces.iter().enumerate() {
            let (one, ten) = (&one[piece.range.clone()], &ten[piece.range.clone()]);
            let apart = one.iter().zip(ten).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(if i == 1 { apart < 1e-6 } else { apart == 0.0 }, "{}: {apart}", piece.name);
            let square = one.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / one.len() as f64;
            let rms = square.sqrt() / config.peak_learning_rate;
            assert!((0.15..0.25).contains(&rms), "{}: moves by {rms} of the rate", piece.name);
        }
    }

    #[test]
    fn long_gradients_are_clipped_to_the_norm() {
        let model = ModelConfig::small();
        for clip_scope in [ClipScope::Stage, ClipScope::Model] {
            let config = OptimizerConfig { clip_scope, ..OptimizerConfig::default() };
            let mut squares = 0.0;
            for stage in model.stage_indices() {
                let layout = model.layout(stage).unwrap();
                let by = clip(config.stage_clip_norm(&layout), norm(&vec![1.0; layout.len()]));
                squares += f64::from(by).powi(2) * layout.len() as f64;
                let short = vec![1e-5; layout.len()];
                assert_eq!(clip(config.stage_clip_norm(&layout), norm(&short)), 1.0, "what is short stays");
            }
            let limit = config.clip_norm * if clip_scope == ClipScope::Stage { 2.0 } else { 1.0 };
            assert!((squares.sqrt() / limit - 1.0).abs() < 1e-5, "{clip_scope:?}: {}", squares.sqrt());
        }
    }

    #[test]
    fn a_clipped_step_is_that_of_the_shortened_gradient() {
        let layout = ModelConfig::small().layout(StageIndex(3)).unwrap();
        let gradient = crate::ops::oracle::pseudo_random(5, layout.len());
        for matrices in [MatrixRule::AdamW, MUON] {
            let moved = |clip_norm: f64, gradient: &[f32]| {
                let config = OptimizerConfig { clip_norm, matrices, ..OptimizerConfig::default() };
                let mut weights = vec![0.5; layout.len()];
                let mut state = OptimizerState::new(&layout, &config);
                assert!(step(&mut state, &config, &layout, &mut weights, gradient));
                (weights, state)
            };
            let clipping = OptimizerConfig { clip_norm: 0.5, ..OptimizerConfig::default() };
            let by = clip(clipping.stage_clip_norm(&layout), norm(&gradient));
            assert!(by < 0.1, "the gradient is long: {by}");
            let shortened: Vec<f32> = gradient.iter().map(|g| g * by).collect();
            assert_eq!(moved(0.5, &gradient), moved(1e9, &shortened), "{matrices:?}");
            assert_ne!(moved(0.5, &gradient).1, moved(1e9, &gradient).1, "{matrices:?}");
        }
    }

    #[test]
    fn states_travel_and_forgeries_do_not() {
        let layout = ModelConfig::small().layout(StageIndex(1)).unwrap();
        let adam_w = OptimizerConfig::default();
        let muon = OptimizerConfig { matrices: MUON, ..adam_w };
        for config in [adam_w, muon] {
            let mut state = OptimizerState::new(&layout, &config);
            let mut weights = vec![0.5; layout.len()];
            let gradient = vec![0.1; layout.len()];
            assert!(step(&mut state, &config, &layout, &mut weights, &gradient));
            let bytes = state.to_bytes();
            assert_eq!(bytes.len(), OptimizerState::encoded_bytes(&layout, &config));
            let read = |bytes: &[u8]| OptimizerState::from_bytes(&layout, &config, bytes);
            assert_eq!(read(&bytes).unwrap(), state);
            assert!(matches!(read(&bytes[1..]), Err(OptimizerStateError::Length { .. })));
            let forged = |at: usize, with: &[u8]| {
                let mut forged = bytes.clone();
                forged[at..at + with.len()].copy_from_slice(with);
                read(&forged).unwrap_err()
            };
            assert_eq!(forged(bytes.len() - 4, &(-1.0f32).to_le_bytes()), OptimizerStateError::Moment);
            assert_eq!(forged(24, &f32::INFINITY.to_le_bytes()), OptimizerStateError::Moment);
            assert_eq!(forged(0, &u64::MAX.to_le_bytes()), OptimizerStateError::Steps { step: u64::MAX });
            assert_eq!(forged(0, &0u64.to_le_bytes()), OptimizerStateError::Steps { step: 0 });
            assert_eq!(forged(8, &f64::NAN.to_le_bytes()), OptimizerStateError::Steps { step: 1 });
            assert_eq!(forged(16, &1f64.to_le_bytes()), OptimizerStateError::Steps { step: 1 });
        }
        let (of_muon, of_adam_w) = (OptimizerState::new(&layout, &muon), OptimizerState::new(&layout, &adam_w));
        assert!(of_muon.to_bytes().len() < of_adam_w.to_bytes().len() * 3 / 4, "no second moments of matrices");
        assert!(of_muon.fits(&layout, &muon) && !of_muon.fits(&layout, &adam_w));
        assert!(matches!(
            OptimizerState::from_bytes(&layout, &adam_w, &of_muon.to_bytes()),
            Err(OptimizerStateError::Length { .. })
        ));
    }
}
