//! What decides an optimizer step besides the gradient.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::schedule::Schedule;
use crate::model::{Layout, ParameterKind};

/// What moves the matrices inside the model ([`ParameterKind::Matrix`]). Embeddings, gains and the head are AdamW's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
// Tagged from outside, as [`Schedule`] is.
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MatrixRule {
    /// AdamW, as everything else.
    #[default]
    AdamW,
    /// Muon (Jordan et al. 2024): along the momentum with all its singular values brought near 1, at a length that moves a
    /// weight about as far as AdamW does (arXiv 2502.16982). Keeps no second moment. In trials with the small model it wants
    /// two to four times AdamW's learning rate (docs/engine.md).
    Muon {
        /// Decay of the momentum, which takes the place of `beta1`.
        momentum: f64,
    },
}

impl MatrixRule {
    fn is_adam_w(&self) -> bool {
        *self == Self::AdamW
    }
}

/// Whose gradient [`OptimizerConfig::clip_norm`] bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipScope {
    /// Each stage's by itself, however many there are.
    #[default]
    Stage,
    /// The whole model's: a stage's by √(its share of the model's parameters) of it, so that the squares of all stages'
    /// clipped norms add up to no more than its square, and no stage has to know another's gradient.
    Model,
}

impl ClipScope {
    fn is_stage(&self) -> bool {
        *self == Self::Stage
    }
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
    /// Largest norm of a mean gradient, a stage's or the model's as `clip_scope` says; longer ones are scaled down.
    pub clip_norm: f64,
    /// Learning rate of embeddings, as a multiple.
    pub embedding_rate: f64,
    /// Learning rate of the output matrix, as a multiple.
    pub head_rate: f64,
    /// What moves the matrices.
    // Left out, this and the next, where texts had no such field: they stand, and so do their names and what they mean.
    #[serde(default, skip_serializing_if = "MatrixRule::is_adam_w")]
    pub matrices: MatrixRule,
    /// Whose norm `clip_norm` bounds.
    #[serde(default, skip_serializing_if = "ClipScope::is_stage")]
    pub clip_scope: ClipScope,
}

impl Default for OptimizerConfig {
    /// For runs of few steps on large batches: a hundred windows, not a hundred thousand. Found by trial with the small
    /// model ([`crate::ModelConfig::small`]) on Rust source, 40 steps of 8,192 tokens, held-out nats per byte (best
    /// bigram 2.594): without the faster rates for embeddings and head, with β1 0.9 and clipping each stage at 1, 2.63;
    /// with all three, 2.36. They were found with each stage clipped at 0.3, which is what 0.6 for the model comes to in
    /// its four stages. Where the end of the run is known, prefer [`Schedule::Linear`] down to a twentieth: rates this
    /// high leave the loss of two equally good runs up to 6 % apart midway, 0.2 % after the slope.
    fn default() -> Self {
        Self {
            peak_learning_rate: 0.008,
            warmup_steps: 3,
            schedule: Schedule::Constant,
            beta1: 0.7,
            beta2: 0.95,
            epsilon: 1e-10,
            weight_decay: 0.1,
            clip_norm: 0.6,
            embedding_rate: 10.0,
            head_rate: 6.0,
            matrices: MatrixRule::AdamW,
            clip_scope: ClipScope::Model,
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
        if let MatrixRule::Muon { momentum } = self.matrices {
            below_one("muon.momentum", momentum)?;
        }
        match self.schedule {
            Schedule::Constant => Ok(()),
            Schedule::Linear { final_factor, .. } | Schedule::Cosine { final_factor, .. } => {
                check("final_factor", final_factor, (0.0..=1.0).contains(&final_factor), "from 0 to 1")
            }
            Schedule::WarmupStableDecay { total_steps, decay_steps, final_factor, .. } => {
                let room = total_steps.saturating_sub(self.warmup_steps);
                let fits = decay_steps <= room;
                check("decay_steps", decay_steps as f64, fits, "at most total_steps without those of the warm-up")?;
                check("final_factor", final_factor, (0.0..=1.0).contains(&final_factor), "from 0 to 1")
            }
        }
    }

    /// The learning rate of a step, counted from 1.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.peak_learning_rate * step as f64 / self.warmup_steps as f64;
        }
        self.peak_learning_rate * self.schedule.factor(step, self.warmup_steps)
    }

    /// Largest norm of the mean gradient of a stage with this layout.
    pub fn stage_clip_norm(&self, layout: &Layout) -> f64 {
        match self.clip_scope {
            ClipScope::Stage => self.clip_norm,
            ClipScope::Model => self.clip_norm * layout.share_of_model().sqrt(),
        }
    }

    /// The momentum of a parameter that Muon moves; `None`: AdamW moves it.
    pub(crate) fn muon_momentum(&self, kind: ParameterKind) -> Option<f64> {
        match (self.matrices, kind) {
            (MatrixRule::Muon { momentum }, ParameterKind::Matrix) => Some(momentum),
            _ => None,
        }
    }

    /// Second moments that are kept of a stage's parameters.
    pub(super) fn second_moments(&self, layout: &Layout) -> usize {
        let kept = layout.parameters().iter().filter(|parameter| self.muon_momentum(parameter.kind).is_none());
        kept.map(|parameter| parameter.range.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Slope;
    use super::*;
    use crate::model::ModelConfig;

    #[test]
    fn schedules_rise_and_fall() {
        let linear = OptimizerConfig {
            warmup_steps: 4,
            schedule: Schedule::Linear { total_steps: 14, final_factor: 0.1 },
            ..OptimizerConfig::default()
        };
        let rate = |config: OptimizerConfig, step| config.learning_rate(step) / config.peak_learning_rate;
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert_eq!((rate(linear, 2), rate(linear, 4)), (0.5, 1.0));
        assert!(close(rate(linear, 9), 0.55) && close(rate(linear, 14), 0.1) && close(rate(linear, 99), 0.1));
        let cosine = OptimizerConfig { schedule: Schedule::Cosine { total_steps: 14, final_factor: 0.0 }, ..linear };
        assert!(close(rate(cosine, 9), 0.5));

        for (slope, middle) in [(Slope::Linear, 0.5), (Slope::OneMinusSqrt, 1.0 - 0.5f64.sqrt())] {
            let schedule = Schedule::WarmupStableDecay { total_steps: 30, decay_steps: 8, slope, final_factor: 0.2 };
            let stable = OptimizerConfig { schedule, ..linear };
            stable.validate().unwrap();
            assert_eq!((rate(stable, 1), rate(stable, 5), rate(stable, 22)), (0.25, 1.0, 1.0), "{slope:?}");
            assert!(close(rate(stable, 26), 0.2 + 0.8 * middle), "{slope:?}: {}", rate(stable, 26));
            assert!(close(rate(stable, 30), 0.2) && close(rate(stable, u64::MAX), 0.2), "{slope:?}");
        }
    }

    #[test]
    fn meaningless_configurations_are_refused() {
        let refused = |config: OptimizerConfig| config.validate().is_err();
        let fine = OptimizerConfig::default();
        fine.validate().unwrap();
        assert!(refused(OptimizerConfig { peak_learning_rate: f64::NAN, ..fine }));
        assert!(refused(OptimizerConfig { beta2: 1.0, ..fine }));
        assert!(refused(OptimizerConfig { clip_norm: 0.0, ..fine }));
        assert!(refused(OptimizerConfig { matrices: MatrixRule::Muon { momentum: 1.0 }, ..fine }));
        let slope = |decay_steps, final_factor| {
            let slope = Slope::Linear;
            Schedule::WarmupStableDecay { total_steps: 10, decay_steps, slope, final_factor }
        };
        assert!(refused(OptimizerConfig { schedule: slope(8, 0.0), ..fine }), "it would begin in the warm-up");
        assert!(refused(OptimizerConfig { schedule: slope(5, 1.5), ..fine }));
        OptimizerConfig { schedule: slope(7, 0.0), ..fine }.validate().unwrap();
    }

    #[test]
    fn texts_without_the_newer_fields_mean_what_they_meant() {
        let old = r#"{"peak_learning_rate":0.008,"warmup_steps":3,"schedule":"constant","beta1":0.7,"beta2":0.95,
            "epsilon":1e-10,"weight_decay":0.1,"clip_norm":0.3,"embedding_rate":10.0,"head_rate":6.0}"#;
        let read: OptimizerConfig = serde_json::from_str(old).unwrap();
        assert_eq!((read.matrices, read.clip_scope), (MatrixRule::AdamW, ClipScope::Stage));
        let layout = ModelConfig::small().layout(crate::StageIndex(1)).unwrap();
        assert_eq!(read.stage_clip_norm(&layout), 0.3);
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(text, old.replace(['\n', ' '], ""), "and are written as they were");
        let muon = OptimizerConfig { matrices: MatrixRule::Muon { momentum: 0.95 }, ..OptimizerConfig::default() };
        let text = serde_json::to_string(&muon).unwrap();
        assert!(text.ends_with(r#""matrices":{"muon":{"momentum":0.95}},"clip_scope":"model"}"#), "{text}");
        assert_eq!(serde_json::from_str::<OptimizerConfig>(&text).unwrap(), muon);
    }

    #[test]
    fn the_stages_limits_add_up_to_the_models() {
        let config = OptimizerConfig { clip_norm: 0.6, clip_scope: ClipScope::Model, ..OptimizerConfig::default() };
        for layers_per_stage in [vec![1; 4], vec![2, 5, 1], vec![3]] {
            let model = ModelConfig { layers_per_stage, ..ModelConfig::small() };
            let limit = |stage| config.stage_clip_norm(&model.layout(stage).unwrap());
            let squares: f64 = model.stage_indices().map(|stage| limit(stage).powi(2)).sum();
            assert!((squares - 0.36).abs() < 1e-12, "{squares}");
        }
        // What the default was found with.
        let small = ModelConfig::small();
        let limit = |stage| OptimizerConfig::default().stage_clip_norm(&small.layout(stage).unwrap());
        assert!(small.stage_indices().all(|stage| (limit(stage) - 0.3).abs() < 0.02));
    }
}
