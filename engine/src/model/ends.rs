//! The two ends of the model: tokens in, logits and loss out.

use std::ops::Range;

use super::{
    config::ModelConfig,
    layout::{Layout, ParameterKind},
    plan::{EMBEDDING_DEVIATION, HEAD_DEVIATION, Pass},
};
use crate::{
    buffer::Buffer,
    ops::{cross_entropy, embedding, linear, rms_norm, rms_norm::Normed},
};

/// Token embedding of the first stage.
pub(super) struct Embedding {
    table: Range<usize>,
    width: usize,
}

impl Embedding {
    pub(super) fn new(config: &ModelConfig, layout: &mut Layout) -> Self {
        let table = layout.push(
            "model.embed_tokens.weight".into(),
            &[config.vocab, config.d_model],
            ParameterKind::Embedding,
            Some(EMBEDDING_DEVIATION),
        );
        Self { table, width: config.d_model }
    }

    pub(super) fn forward(&self, pass: &Pass<'_>, theta: &[f32], ids: impl Iterator<Item = u32>) -> Buffer {
        let mut x = pass.cpu.zeros(pass.tokens() * self.width);
        embedding::forward_add(pass.cpu, &theta[self.table.clone()], ids, self.width, &mut x);
        x
    }

    pub(super) fn backward(&self, pass: &Pass<'_>, dx: &[f32], ids: impl Iterator<Item = u32>, d_theta: &mut [f32]) {
        embedding::backward(pass.cpu, dx, ids, self.width, &mut d_theta[self.table.clone()]);
    }
}

/// Final norm and output matrix of the last stage.
pub(super) struct Head {
    norm: Range<usize>,
    matrix: Range<usize>,
    width: usize,
    vocab: usize,
}

pub(super) struct SavedHead {
    x: Buffer,
    normed: Normed,
    /// Of the loss sum.
    d_logits: Buffer,
}

impl SavedHead {
    /// What the head started from; the rest can be computed again.
    pub(super) fn into_input(self) -> Buffer {
        self.x
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.x) + self.normed.bytes() + size_of_val(&*self.d_logits)
    }
}

impl Head {
    pub(super) fn new(config: &ModelConfig, layout: &mut Layout) -> Self {
        let (width, vocab) = (config.d_model, config.vocab);
        let norm = layout.push("model.norm.weight".into(), &[width], ParameterKind::Gain, None);
        let matrix = layout.push("lm_head.weight".into(), &[vocab, width], ParameterKind::Head, Some(HEAD_DEVIATION));
        Self { norm, matrix, width, vocab }
    }

    /// x: [n, d_model] → [n, vocab].
    pub(super) fn logits(&self, pass: &Pass<'_>, theta: &[f32], x: &[f32]) -> Buffer {
        let normed = rms_norm::forward(pass.cpu, x, &theta[self.norm.clone()]);
        linear::forward(pass.cpu, &normed.y, &theta[self.matrix.clone()], self.width)
    }

    /// The loss sum in nats.
    pub(super) fn forward(
        &self,
        pass: &Pass<'_>,
        theta: &[f32],
        x: Buffer,
        targets: impl Iterator<Item = u32>,
    ) -> (f64, SavedHead) {
        let normed = rms_norm::forward(pass.cpu, &x, &theta[self.norm.clone()]);
        let mut d_logits = linear::forward(pass.cpu, &normed.y, &theta[self.matrix.clone()], self.width);
        let loss = cross_entropy::forward(pass.cpu, &mut d_logits, targets, self.vocab);
        (loss, SavedHead { x, normed, d_logits })
    }

    pub(super) fn backward(&self, pass: &Pass<'_>, theta: &[f32], saved: &SavedHead, d_theta: &mut [f32]) -> Buffer {
        let (norm, matrix) = (self.norm.clone(), self.matrix.clone());
        let weights = &theta[matrix.clone()];
        let d_normed = linear::backward(
            pass.cpu,
            pass.shape.context,
            &saved.d_logits,
            &saved.normed.y,
            weights,
            self.width,
            &mut d_theta[matrix],
        );
        let mut dx = pass.cpu.zeros(saved.x.len());
        let gain = &theta[norm.clone()];
        rms_norm::backward(pass.cpu, &d_normed, &saved.x, &saved.normed, gain, &mut dx, &mut d_theta[norm]);
        dx
    }
}
