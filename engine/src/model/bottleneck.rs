//! The two sides of a boundary: what leaves a stage, and how the next one starts from it.
//!
//! Sender `z = x[0..r] + E(norm(x))`, receiver `x̂ = [z, 0] + D(z) + Emb[token]`; E and D are `Linear → SiLU → Linear`.
//! The rectangular identity follows ResBM (arXiv 2604.11947, eq. 6); the token anchor is what small models gain most
//! from: the bytes of the input need not be squeezed through z.

use std::ops::Range;

use super::{
    config::{Bottleneck, ModelConfig},
    layout::{Layout, ParameterKind},
    plan::{BOTTLENECK_OUT_DEVIATION, Pass, fan_in_deviation},
};
use crate::{
    buffer::Buffer,
    ops::{embedding, lanes::add_assign, linear, rms_norm, rms_norm::Normed, silu},
};

/// A two-layer perceptron.
pub(super) struct Perceptron {
    up: Range<usize>,
    down: Range<usize>,
    inputs: usize,
    hidden: usize,
}

pub(super) struct SavedPerceptron {
    hidden: Buffer,
    active: Buffer,
}

impl SavedPerceptron {
    fn bytes(&self) -> usize {
        size_of_val(&*self.hidden) + size_of_val(&*self.active)
    }
}

impl Perceptron {
    fn new(layout: &mut Layout, name: &str, inputs: usize, hidden: usize, outputs: usize) -> Self {
        let mut push = |part: &str, shape: &[usize], deviation| {
            layout.push(format!("{name}.{part}.weight"), shape, ParameterKind::Matrix, Some(deviation))
        };
        Self {
            up: push("up_proj", &[hidden, inputs], fan_in_deviation(inputs)),
            // Small, so that at the start the identity carries the signal.
            down: push("down_proj", &[outputs, hidden], BOTTLENECK_OUT_DEVIATION),
            inputs,
            hidden,
        }
    }

    /// Adds its result to y.
    fn forward_add(&self, pass: &Pass<'_>, theta: &[f32], x: &[f32], y: &mut [f32]) -> SavedPerceptron {
        let hidden = linear::forward(pass.cpu, x, &theta[self.up.clone()], self.inputs);
        let active = silu::forward(pass.cpu, &hidden);
        linear::forward_add(pass.cpu, &active, &theta[self.down.clone()], self.hidden, y);
        SavedPerceptron { hidden, active }
    }

    fn backward(
        &self,
        pass: &Pass<'_>,
        theta: &[f32],
        saved: &SavedPerceptron,
        x: &[f32],
        dy: &[f32],
        d_theta: &mut [f32],
    ) -> Buffer {
        let (up, down) = (self.up.clone(), self.down.clone());
        let mut d = linear::backward(
            pass.cpu,
            pass.shape.context,
            dy,
            &saved.active,
            &theta[down.clone()],
            self.hidden,
            &mut d_theta[down],
        );
        silu::backward(pass.cpu, &mut d, &saved.hidden);
        linear::backward(pass.cpu, pass.shape.context, &d, x, &theta[up.clone()], self.inputs, &mut d_theta[up])
    }
}

/// The sending side.
pub(super) enum Sender {
    AnchorRes { norm: Range<usize>, encoder: Perceptron, r: usize, width: usize },
    Cut { width: usize },
    None,
}

pub(super) enum SavedSender {
    AnchorRes { x: Buffer, normed: Normed, encoder: SavedPerceptron },
    Cut { rows: usize },
    None,
}

impl SavedSender {
    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::AnchorRes { x, normed, encoder } => size_of_val(&**x) + normed.bytes() + encoder.bytes(),
            Self::Cut { .. } | Self::None => 0,
        }
    }
}

impl Sender {
    pub(super) fn new(config: &ModelConfig, boundary: usize, layout: &mut Layout) -> Self {
        let width = config.d_model;
        match config.bottleneck {
            Bottleneck::AnchorRes { r, hidden } => {
                let name = format!("model.boundaries.{boundary}.encoder");
                let norm = layout.push(format!("{name}.norm.weight"), &[width], ParameterKind::Gain, None);
                let encoder = Perceptron::new(layout, &name, width, hidden, r);
                Self::AnchorRes { norm, encoder, r, width }
            }
            Bottleneck::Cut => Self::Cut { width },
            Bottleneck::None => Self::None,
        }
    }

    /// x: [n, d_model] → z: [n, boundary width].
    pub(super) fn forward(&self, pass: &Pass<'_>, theta: &[f32], x: Buffer) -> (Vec<f32>, SavedSender) {
        match self {
            Self::AnchorRes { norm, encoder, r, width } => {
                let mut z: Vec<f32> = x.chunks_exact(*width).flat_map(|row| &row[..*r]).copied().collect();
                let normed = rms_norm::forward(pass.cpu, &x, &theta[norm.clone()]);
                let encoder = encoder.forward_add(pass, theta, &normed.y, &mut z);
                (z, SavedSender::AnchorRes { x, normed, encoder })
            }
            Self::Cut { width } => (Vec::new(), SavedSender::Cut { rows: x.len() / width }),
            Self::None => (x.to_vec(), SavedSender::None),
        }
    }

    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        theta: &[f32],
        saved: &SavedSender,
        dz: &[f32],
        d_theta: &mut [f32],
    ) -> Buffer {
        match (self, saved) {
            (
                Self::AnchorRes { norm, encoder, r, width },
                SavedSender::AnchorRes { x, normed, encoder: saved_encoder },
            ) => {
                let d_normed = encoder.backward(pass, theta, saved_encoder, &normed.y, dz, d_theta);
                let mut dx = pass.cpu.zeros(x.len());
                for (dx, dz) in dx.chunks_exact_mut(*width).zip(dz.chunks_exact(*r)) {
                    dx[..*r].copy_from_slice(dz);
                }
                let gain = &theta[norm.clone()];
                rms_norm::backward(pass.cpu, &d_normed, x, normed, gain, &mut dx, &mut d_theta[norm.clone()]);
                dx
            }
            (Self::Cut { width }, SavedSender::Cut { rows }) => pass.cpu.zeros(rows * width),
            _ => pass.cpu.copy(dz),
        }
    }
}

/// The receiving side.
pub(super) struct Receiver {
    anchor: Range<usize>,
    width: usize,
    way: Way,
}

enum Way {
    AnchorRes { decoder: Perceptron, r: usize },
    Cut,
    None,
}

pub(super) struct SavedReceiver(Option<(Buffer, SavedPerceptron)>);

impl SavedReceiver {
    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |(z, decoder)| size_of_val(&**z) + decoder.bytes())
    }
}

impl Receiver {
    pub(super) fn new(config: &ModelConfig, boundary: usize, layout: &mut Layout) -> Self {
        let (name, width) = (format!("model.boundaries.{boundary}"), config.d_model);
        let anchor = layout.push(
            format!("{name}.embed_tokens.weight"),
            &[config.vocab, width],
            ParameterKind::Embedding,
            Some(super::plan::EMBEDDING_DEVIATION),
        );
        let way = match config.bottleneck {
            Bottleneck::AnchorRes { r, hidden } => {
                Way::AnchorRes { decoder: Perceptron::new(layout, &format!("{name}.decoder"), r, hidden, width), r }
            }
            Bottleneck::Cut => Way::Cut,
            Bottleneck::None => Way::None,
        };
        Self { anchor, width, way }
    }

    /// z: [n, boundary width] and n token ids → x̂: [n, d_model].
    pub(super) fn forward(
        &self,
        pass: &Pass<'_>,
        theta: &[f32],
        z: &[f32],
        ids: impl Iterator<Item = u32>,
    ) -> (Buffer, SavedReceiver) {
        let mut x;
        let mut saved = SavedReceiver(None);
        match &self.way {
            Way::AnchorRes { decoder, r } => {
                x = pass.cpu.zeros(z.len() / r * self.width);
                for (x, z) in x.chunks_exact_mut(self.width).zip(z.chunks_exact(*r)) {
                    x[..*r].copy_from_slice(z);
                }
                saved = SavedReceiver(Some((pass.cpu.copy(z), decoder.forward_add(pass, theta, z, &mut x))));
            }
            Way::Cut => {
                let ids: Vec<u32> = ids.collect();
                x = pass.cpu.zeros(ids.len() * self.width);
                embedding::forward_add(pass.cpu, &theta[self.anchor.clone()], ids.into_iter(), self.width, &mut x);
                return (x, saved);
            }
            Way::None => x = pass.cpu.copy(z),
        }
        embedding::forward_add(pass.cpu, &theta[self.anchor.clone()], ids, self.width, &mut x);
        (x, saved)
    }

    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        theta: &[f32],
        saved: &SavedReceiver,
        dx: &[f32],
        ids: impl Iterator<Item = u32>,
        d_theta: &mut [f32],
    ) -> Vec<f32> {
        embedding::backward(pass.cpu, dx, ids, self.width, &mut d_theta[self.anchor.clone()]);
        match (&self.way, &saved.0) {
            (Way::AnchorRes { decoder, r }, Some((z, saved))) => {
                let through_decoder = decoder.backward(pass, theta, saved, z, dx, d_theta);
                let mut dz: Vec<f32> = dx.chunks_exact(self.width).flat_map(|row| &row[..*r]).copied().collect();
                add_assign(pass.cpu, &mut dz, &through_decoder);
                dz
            }
            (Way::None, _) => dx.to_vec(),
            _ => Vec::new(),
        }
    }
}
