//! A stage in Candle's primitive operations, differentiated by Candle: the formulas of `docs/engine.md` as they stand there, for
//! what is fast to be held against. No code is shared with the exact passes but the layout of the parameters and the angles
//! of rotary positions, and none but those with the passes on devices.

use std::{collections::BTreeMap, sync::Arc};

use candle_core::{D, DType, Device, Result, Tensor, Var};

use super::model::{Model, Passed, Return};
use crate::{
    model::{Bottleneck, ModelConfig, StageIndex, Weights},
    ops::{rms_norm::EPSILON, rotary::rotary_angle},
    tokens::TokenBatch,
};

/// A stage's parameters.
pub(super) struct Graph {
    config: ModelConfig,
    stage: StageIndex,
    device: Device,
    dtype: DType,
    /// By the layout's names.
    parameters: Arc<BTreeMap<String, Var>>,
    /// Of the rotary positions: [context, head_width / 2] each.
    cosines: Tensor,
    sines: Tensor,
    /// [context, context]: -inf where a query (row) may not see a key (column), else 0.
    mask: Tensor,
    /// Which head of keys and values each head of queries reads; none where each has its own.
    readers: Option<Tensor>,
}

impl Graph {
    /// The parameters are rounded to `dtype`.
    pub(super) fn new(config: &ModelConfig, weights: &Weights, device: &Device, dtype: DType) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for parameter in weights.layout().parameters() {
            let values = &weights.values()[parameter.range.clone()];
            let tensor = Tensor::from_slice(values, parameter.shape.as_slice(), device)?.to_dtype(dtype)?;
            parameters.insert(parameter.name.clone(), Var::from_tensor(&tensor)?);
        }
        let (context, half) = (config.context, config.head_width() / 2);
        let table = |f: fn(f64) -> f64| {
            let values = (0..context * half).map(|i| f(rotary_angle(i, half, config.rope_base)));
            Tensor::from_vec(values.collect::<Vec<f64>>(), (context, half), &Device::Cpu)?
                .to_dtype(dtype)?
                .to_device(device)
        };
        let (cosines, sines) = (table(libm::cos)?, table(libm::sin)?);
        let hidden = (0..context * context).map(|i| if i % context <= i / context { 0.0 } else { f32::NEG_INFINITY });
        let mask = Tensor::from_vec(hidden.collect::<Vec<_>>(), (context, context), device)?.to_dtype(dtype)?;
        let (heads, shared) = (config.heads, config.kv_heads());
        let readers = match heads / shared {
            1 => None,
            each => Some(Tensor::from_iter((0..heads).map(|head| (head / each) as u32), device)?),
        };
        let (config, device, parameters) = (config.clone(), device.clone(), Arc::new(parameters));
        Ok(Self { config, stage: weights.stage(), device, dtype, parameters, cosines, sines, mask, readers })
    }

    fn weight(&self, name: &str) -> Result<&Tensor> {
        match self.parameters.get(&format!("{name}.weight")) {
            Some(var) => Ok(var.as_tensor()),
            None => candle_core::bail!("stage {} has no parameter {name}", self.stage),
        }
    }

    fn pass(&self, tokens: &TokenBatch, z: Option<&Tensor>) -> Result<Passed> {
        let ids = Tensor::from_iter(tokens.inputs(), &self.device)?;
        let index = self.stage.as_usize();
        let mut x = match index.checked_sub(1) {
            None => self.embedded("model", &ids)?,
            Some(boundary) => self.receive(&format!("model.boundaries.{boundary}"), z, &ids)?,
        };
        let first: usize = self.config.layers_per_stage[..index].iter().sum();
        for layer in first..first + self.config.layers_per_stage[index] {
            x = self.layer(&x, &format!("model.layers.{layer}"), tokens)?;
        }
        if self.config.is_last(self.stage) {
            let targets = Tensor::from_iter(tokens.targets(), &self.device)?;
            let logits = self.linear(&self.norm(&x, "model.norm")?, "lm_head")?;
            return Ok(Passed::Losses(losses(&logits, &targets)?));
        }
        match self.config.bottleneck {
            Bottleneck::AnchorRes { r, .. } => {
                let name = format!("model.boundaries.{index}.encoder");
                let encoded = self.perceptron(&self.norm(&x, &format!("{name}.norm"))?, &name)?;
                Ok(Passed::Boundary((x.narrow(1, 0, r)? + encoded)?))
            }
            Bottleneck::Cut => Ok(Passed::Nothing),
            Bottleneck::None => Ok(Passed::Boundary(x)),
        }
    }

    fn embedded(&self, name: &str, ids: &Tensor) -> Result<Tensor> {
        self.weight(&format!("{name}.embed_tokens"))?.index_select(ids, 0)
    }

    fn receive(&self, name: &str, z: Option<&Tensor>, ids: &Tensor) -> Result<Tensor> {
        let anchor = self.embedded(name, ids)?;
        match (self.config.bottleneck, z) {
            (Bottleneck::AnchorRes { r, .. }, Some(z)) => {
                let identity = z.pad_with_zeros(1, 0, self.config.d_model - r)?;
                (identity + self.perceptron(z, &format!("{name}.decoder"))?)? + anchor
            }
            (Bottleneck::None, Some(z)) => z + anchor,
            _ => Ok(anchor),
        }
    }

    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        x.matmul(&self.weight(name)?.t()?)
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(EPSILON))?.sqrt()?;
        x.broadcast_div(&scale)?.broadcast_mul(self.weight(name)?)
    }

    fn perceptron(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        self.linear(&self.linear(x, &format!("{name}.up_proj"))?.silu()?, &format!("{name}.down_proj"))
    }

    fn layer(&self, x: &Tensor, name: &str, tokens: &TokenBatch) -> Result<Tensor> {
        let part = |part: &str| format!("{name}.{part}");
        let qkv = self.linear(&self.norm(x, &part("input_layernorm"))?, &part("self_attn.qkv_proj"))?;
        let h = (x + self.linear(&self.attention(&qkv, tokens)?, &part("self_attn.o_proj"))?)?;
        let both = self.linear(&self.norm(&h, &part("post_attention_layernorm"))?, &part("mlp.gate_up_proj"))?;
        let ffn = self.config.ffn;
        let gated = (both.narrow(1, 0, ffn)?.contiguous()?.silu()? * both.narrow(1, ffn, ffn)?)?;
        &h + self.linear(&gated, &part("mlp.down_proj"))?
    }

    /// qkv: [n, (heads + 2 · kv_heads) · head_width].
    fn attention(&self, qkv: &Tensor, tokens: &TokenBatch) -> Result<Tensor> {
        let (batch, context) = (tokens.batch(), tokens.context());
        let (heads, shared, width) = (self.config.heads, self.config.kv_heads(), self.config.head_width());
        let part = |first: usize, heads: usize| {
            let part = qkv.narrow(1, first * width, heads * width)?;
            part.reshape((batch, context, heads, width))?.transpose(1, 2)?.contiguous()
        };
        // Each head of keys and values once for every head of queries that reads it.
        let read = |part: Tensor| match &self.readers {
            Some(readers) => part.index_select(readers, 1),
            None => Ok(part),
        };
        let queries = (self.turn(&part(0, heads)?, context)? / (width as f64).sqrt())?;
        let keys = read(self.turn(&part(heads, shared)?, context)?)?;
        let values = read(part(heads + shared, shared)?)?;
        let scores = queries.matmul(&keys.transpose(2, 3)?.contiguous()?)?;
        let scores = scores.broadcast_add(&self.mask.narrow(0, 0, context)?.narrow(1, 0, context)?)?;
        // A constant for each row: it moves no gradient.
        let shares = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let shares = shares.broadcast_div(&shares.sum_keepdim(D::Minus1)?)?;
        shares.matmul(&values)?.transpose(1, 2)?.reshape((batch * context, heads * width))
    }

    /// x: [batch, heads, context, head_width].
    fn turn(&self, x: &Tensor, context: usize) -> Result<Tensor> {
        let half = self.config.head_width() / 2;
        let (cosines, sines) = (self.cosines.narrow(0, 0, context)?, self.sines.narrow(0, 0, context)?);
        let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
        let first = (a.broadcast_mul(&cosines)? - b.broadcast_mul(&sines)?)?;
        let second = (b.broadcast_mul(&cosines)? + a.broadcast_mul(&sines)?)?;
        Tensor::cat(&[first, second], D::Minus1)?.contiguous()
    }
}

impl Model for Graph {
    fn device(&self) -> &Device {
        &self.device
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn forward(&mut self, tokens: &TokenBatch, z: Option<Tensor>) -> Result<(Passed, Return)> {
        let incoming = z.map(|z| Var::from_tensor(&z)).transpose()?;
        let passed = self.pass(tokens, incoming.as_ref().map(Var::as_tensor))?;
        let outgoing = match &passed {
            Passed::Boundary(x) | Passed::Losses(x) => Some(x.clone()),
            Passed::Nothing => None,
        };
        let parameters = self.parameters.clone();
        let back: Return = Box::new(move |gradient, sums| {
            // Candle starts from ones: the derivative of Σ z·g by z is g. Through a boundary of width 0 no gradient comes.
            let end = match (outgoing, gradient) {
                (Some(z), Some(gradient)) => (z * gradient)?,
                (Some(losses), None) => losses,
                (None, _) => return Ok(None),
            };
            let store = end.sum_all()?.backward()?;
            for (name, var) in parameters.iter() {
                if let Some(gradient) = store.get(var) {
                    // Detached: else every sum would keep the graph of all before it.
                    sums.add(name, gradient.detach())?;
                }
            }
            incoming.map(|z| store.get(&z).cloned().map_or_else(|| z.zeros_like(), Ok)).transpose()
        });
        Ok((passed, back))
    }
}

/// Cross-entropy of each row, [n].
fn losses(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(1)?.detach())?;
    let target = shifted.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)?;
    shifted.exp()?.sum(1)?.log()? - target
}
