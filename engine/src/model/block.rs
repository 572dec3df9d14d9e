//! One transformer layer: attention and SwiGLU, each behind an RMSNorm and around a residual.

use std::ops::Range;

use super::{
    config::ModelConfig,
    layout::{Layout, ParameterKind, Part},
    plan::Pass,
};
use crate::{
    buffer::Buffer,
    ops::{
        attention::{self, Attended},
        linear, rms_norm,
        rms_norm::Normed,
        swiglu,
    },
};

/// Where a layer's parameters lie in the stage's flat vector.
pub(super) struct Block {
    attention_norm: Range<usize>,
    qkv: Range<usize>,
    out: Range<usize>,
    ffn_norm: Range<usize>,
    gate_up: Range<usize>,
    down: Range<usize>,
    width: usize,
    attended: usize,
    ffn: usize,
}

/// What a layer keeps for its way back.
pub(super) struct SavedBlock {
    x: Buffer,
    attention_input: Normed,
    attended: Attended,
    h: Buffer,
    ffn_input: Normed,
    gate_up: Buffer,
    gated: Buffer,
}

impl SavedBlock {
    /// What the layer started from; the rest can be computed again.
    pub(super) fn into_input(self) -> Buffer {
        self.x
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let plain = [&self.x, &self.h, &self.gate_up, &self.gated].map(|values| size_of_val(&**values));
        plain.iter().sum::<usize>() + self.attention_input.bytes() + self.attended.bytes() + self.ffn_input.bytes()
    }
}

impl Block {
    /// `layer` counts through the whole model.
    pub(super) fn new(config: &ModelConfig, layer: usize, layout: &mut Layout) -> Self {
        let (d, ffn) = (config.d_model, config.ffn);
        let attended = config.heads * config.head_width();
        let shared = config.kv_heads() * config.head_width();
        let layers: usize = config.layers_per_stage.iter().sum();
        let into = super::plan::fan_in_deviation(d);
        // What writes to the residual stream starts smaller, so that its variance does not grow with depth.
        let back = |inputs| super::plan::fan_in_deviation(inputs) / (2.0 * layers as f32).sqrt();
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let gain = |layout: &mut Layout, part| layout.push(name(part), &[d], ParameterKind::Gain, None);
        let out = |layout: &mut Layout, part, inputs| {
            layout.push(name(part), &[d, inputs], ParameterKind::Matrix, Some(back(inputs)))
        };
        let part = |name, rows| Part { name, rows };
        let qkv = [part("q_proj", attended), part("k_proj", shared), part("v_proj", shared)];
        let gate_up = [part("gate_proj", ffn), part("up_proj", ffn)];
        Self {
            attention_norm: gain(layout, "input_layernorm"),
            qkv: layout.push_fused(name("self_attn.qkv_proj"), &qkv, d, into),
            out: out(layout, "self_attn.o_proj", attended),
            ffn_norm: gain(layout, "post_attention_layernorm"),
            gate_up: layout.push_fused(name("mlp.gate_up_proj"), &gate_up, d, into),
            down: out(layout, "mlp.down_proj", ffn),
            width: d,
            attended,
            ffn,
        }
    }

    /// x: [n, d_model] → [n, d_model].
    pub(super) fn forward(&self, pass: &Pass<'_>, theta: &[f32], x: Buffer) -> (Buffer, SavedBlock) {
        let of = |range: &Range<usize>| &theta[range.clone()];
        let cpu = pass.cpu;
        let attention_input = rms_norm::forward(cpu, &x, of(&self.attention_norm));
        let qkv = linear::forward(cpu, &attention_input.y, of(&self.qkv), self.width);
        let attended = attention::forward(cpu, &qkv, pass.shape, pass.rotary);
        drop(qkv);
        let h = linear::forward_onto(cpu, &attended.output, of(&self.out), self.attended, &x);

        let ffn_input = rms_norm::forward(cpu, &h, of(&self.ffn_norm));
        let (gate_up, gated) = swiglu::forward(cpu, &ffn_input.y, of(&self.gate_up), self.width, self.ffn);
        let y = linear::forward_onto(cpu, &gated, of(&self.down), self.ffn, &h);
        (y, SavedBlock { x, attention_input, attended, h, ffn_input, gate_up, gated })
    }

    /// Adds to the parameters' gradients and turns dy into dx.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        theta: &[f32],
        saved: &SavedBlock,
        dy: Buffer,
        d_theta: &mut [f32],
    ) -> Buffer {
        let of = |range: &Range<usize>| &theta[range.clone()];
        let (cpu, context) = (pass.cpu, pass.shape.context);
        let mut d = dy;
        linear::weight_gradient(cpu, context, &d, &saved.gated, self.ffn, &mut d_theta[self.down.clone()]);
        let d_gate_up = swiglu::backward(cpu, &d, of(&self.down), &saved.gate_up, self.ffn);
        let mut back = |dy: &[f32], x: &[f32], matrix: &Range<usize>, inputs: usize| {
            linear::backward(cpu, context, dy, x, of(matrix), inputs, &mut d_theta[matrix.clone()])
        };
        let d_input = back(&d_gate_up, &saved.ffn_input.y, &self.gate_up, self.width);
        // Each of these is large: none stays longer than it is read.
        drop(d_gate_up);
        let d_gain = &mut d_theta[self.ffn_norm.clone()];
        rms_norm::backward(cpu, &d_input, &saved.h, &saved.ffn_input, of(&self.ffn_norm), &mut d, d_gain);
        drop(d_input);

        let mut back = |dy: &[f32], x: &[f32], matrix: &Range<usize>, inputs: usize| {
            linear::backward(cpu, context, dy, x, of(matrix), inputs, &mut d_theta[matrix.clone()])
        };
        let d_attended = back(&d, &saved.attended.output, &self.out, self.attended);
        let d_qkv = attention::backward(cpu, &d_attended, &saved.attended, pass.shape, pass.rotary);
        drop(d_attended);
        let d_input = back(&d_qkv, &saved.attention_input.y, &self.qkv, self.width);
        drop(d_qkv);
        let d_gain = &mut d_theta[self.attention_norm.clone()];
        rms_norm::backward(cpu, &d_input, &saved.x, &saved.attention_input, of(&self.attention_norm), &mut d, d_gain);
        d
    }
}
