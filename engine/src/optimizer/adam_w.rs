//! AdamW: decoupled weight decay beside Adam (arXiv 1711.05101).

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    cpu::Cpu,
    ops::{kernel::kernels, lanes::is_finite},
};

/// The numbers of one step for one parameter.
pub(super) struct AdamW {
    pub(super) beta1: f32,
    pub(super) beta2: f32,
    /// The learning rate with both bias corrections folded in.
    pub(super) rate: f32,
    /// ε with the second moment's bias correction folded in.
    pub(super) epsilon: f32,
    /// What decay leaves of a weight.
    pub(super) keep: f32,
    /// What makes the mean of the gradient's values.
    pub(super) mean: f32,
    /// What clipping leaves of that.
    pub(super) clip: f32,
}

impl AdamW {
    /// Moves the weights, and says whether all are finite after it.
    pub(super) fn apply(
        &self,
        cpu: &Cpu,
        weights: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32],
    ) -> bool {
        let finite = AtomicBool::new(true);
        let share = cpu.share(weights.len());
        let moments = first.chunks_mut(share).zip(second.chunks_mut(share));
        let shares = weights.chunks_mut(share).zip(moments).zip(gradient.chunks(share));
        cpu.each(shares, |((weights, (first, second)), gradient)| {
            if !adam_w(cpu, self, weights, first, second, gradient) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }
}

kernels! {
    fn adam_w(step: &AdamW, weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) -> bool {
        let AdamW { beta1, beta2, rate, epsilon, keep, mean, clip } = *step;
        let mut finite = true;
        for (((w, m), v), &g) in weights.iter_mut().zip(first).zip(second).zip(gradient) {
            let g = g * mean * clip;
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *w = keep * *w - rate * *m / (v.sqrt() + epsilon);
            finite &= is_finite(*w);
        }
        finite
    }
}
