//! A stage's passes on a device, in Candle's kernels with ways back of our own. The formulas are those of `docs/engine.md`; no code
//! is shared with the exact passes but the layout of the parameters and the angles of rotary positions.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};

use super::{
    by_hand::{Heads, attention, embedding, embedding_gradient, gated, linear, losses, norm, perceptron},
    model::{Model, Passed, Return},
    way::{Parameter, Sums, Way},
};
use crate::{
    model::{Bottleneck, ModelConfig, StageIndex, Weights},
    tokens::TokenBatch,
};

/// Queries of a block of attention: of fewer, a card is not filled; of more, more is multiplied that nobody sees.
const QUERIES: usize = 256;

/// A stage's parameters on a device.
pub(super) struct Passes {
    config: ModelConfig,
    stage: StageIndex,
    device: Device,
    /// By the layout's names.
    parameters: BTreeMap<String, Tensor>,
    /// Of the shape of the last microbatch: others are rare.
    heads: Option<Heads>,
}

impl Passes {
    pub(super) fn new(config: &ModelConfig, weights: &Weights, device: &Device) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for parameter in weights.layout().parameters() {
            let values = &weights.values()[parameter.range.clone()];
            let values = Tensor::from_slice(values, parameter.shape.as_slice(), device)?;
            parameters.insert(parameter.name.clone(), values);
        }
        let (config, device) = (config.clone(), device.clone());
        Ok(Self { config, stage: weights.stage(), device, parameters, heads: None })
    }

    fn parameter(&self, name: &str) -> Result<Parameter> {
        let name = format!("{name}.weight");
        match self.parameters.get(&name) {
            Some(values) => Ok(Parameter { values: values.clone(), name }),
            None => candle_core::bail!("stage {} has no parameter {name}", self.stage),
        }
    }

    /// Made anew where the last microbatch had another shape.
    fn heads_of(&mut self, tokens: &TokenBatch) -> Result<Heads> {
        let heads = match self.heads.take().filter(|heads| heads.fit(tokens)) {
            Some(heads) => heads,
            None => Heads::new(&self.config, tokens, QUERIES, &self.device)?,
        };
        self.heads = Some(heads.clone());
        Ok(heads)
    }

    fn layer(&self, x: Way, name: &str, heads: &Heads) -> Result<Way> {
        let of = |part: &str| self.parameter(&format!("{name}.{part}"));
        let (gain, qkv, out) = (of("input_layernorm")?, of("self_attn.qkv_proj")?, of("self_attn.o_proj")?);
        let h = x.plus(|x| {
            let qkv = x.through(|x| norm(x, gain))?.through(|x| linear(x, qkv))?;
            qkv.through(|qkv| attention(qkv, heads.clone()))?.through(|x| linear(x, out))
        })?;
        let (gain, both, down) = (of("post_attention_layernorm")?, of("mlp.gate_up_proj")?, of("mlp.down_proj")?);
        h.plus(|h| h.through(|h| norm(h, gain))?.through(|h| gated(h, both))?.through(|h| linear(h, down)))
    }

    /// What z becomes, without the anchor.
    fn decoded(&self, z: Way, name: &str, r: usize) -> Result<Way> {
        let (up, down) = (self.parameter(&format!("{name}.up_proj"))?, self.parameter(&format!("{name}.down_proj"))?);
        z.through(|z| {
            let decoded = perceptron(Way::start(z.clone()), up, down)?;
            let x = (z.pad_with_zeros(1, 0, self.config.d_model - r)? + &decoded.value)?;
            let back = decoded.into_back();
            Ok((x, Box::new(move |dx, sums| dx.narrow(1, 0, r)? + back(dx.clone(), sums)?)))
        })
    }

    fn encoded(&self, x: Way, name: &str, r: usize) -> Result<Way> {
        let of = |part: &str| self.parameter(&format!("{name}.{part}"));
        let (gain, up, down) = (of("norm")?, of("up_proj")?, of("down_proj")?);
        let rest = self.config.d_model - r;
        x.through(|x| {
            let encoded = perceptron(Way::start(x.clone()).through(|x| norm(x, gain))?, up, down)?;
            let z = (x.narrow(1, 0, r)? + &encoded.value)?;
            let back = encoded.into_back();
            Ok((z, Box::new(move |dz, sums| dz.pad_with_zeros(1, 0, rest)? + back(dz, sums)?)))
        })
    }
}

impl Model for Passes {
    fn device(&self) -> &Device {
        &self.device
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn forward(&mut self, tokens: &TokenBatch, z: Option<Tensor>) -> Result<(Passed, Return)> {
        let heads = self.heads_of(tokens)?;
        let ids = Tensor::from_iter(tokens.inputs(), &self.device)?;
        let index = self.stage.as_usize();
        let boundary = index.checked_sub(1).map(|boundary| format!("model.boundaries.{boundary}"));
        let table = format!("{}.embed_tokens", boundary.as_deref().unwrap_or("model"));
        let table = self.parameter(&table)?;
        let anchor = embedding(&ids, &table)?;
        let received = z.is_some();
        let mut x = match (self.config.bottleneck, boundary, z) {
            (Bottleneck::AnchorRes { r, .. }, Some(name), Some(z)) => {
                self.decoded(Way::start(z), &format!("{name}.decoder"), r)?
            }
            (_, _, Some(z)) => Way::start(z),
            (_, _, None) => Way::start(anchor.clone()),
        };
        x = x.through(|x| {
            let sum = if received { (x + anchor)? } else { x.clone() };
            let back = move |dy: Tensor, sums: &mut Sums| {
                sums.add(&table.name, embedding_gradient(&ids, &dy, &table)?)?;
                Ok(dy)
            };
            Ok((sum, Box::new(back)))
        })?;
        let first: usize = self.config.layers_per_stage[..index].iter().sum();
        for layer in first..first + self.config.layers_per_stage[index] {
            x = self.layer(x, &format!("model.layers.{layer}"), &heads)?;
        }
        if self.config.is_last(self.stage) {
            let targets = Tensor::from_iter(tokens.targets(), &self.device)?;
            let (gain, head) = (self.parameter("model.norm")?, self.parameter("lm_head")?);
            x = x.through(|x| norm(x, gain))?.through(|x| linear(x, head))?;
            x = x.through(|logits| losses(logits, &targets))?;
            let (losses, back) = (x.value.clone(), x.into_back());
            let ended = losses.clone();
            let there_and_back: Return = Box::new(move |_, sums| back(ended, sums).map(|dz| received.then_some(dz)));
            return Ok((Passed::Losses(losses), there_and_back));
        }
        let name = format!("model.boundaries.{index}.encoder");
        let x = match self.config.bottleneck {
            Bottleneck::AnchorRes { r, .. } => self.encoded(x, &name, r)?,
            Bottleneck::None => x,
            // No gradient comes back, so there is no way back to take.
            Bottleneck::Cut => return Ok((Passed::Nothing, Box::new(|_, _| Ok(None)))),
        };
        let (z, back) = (x.value.clone(), x.into_back());
        let there_and_back: Return = Box::new(move |gradient, sums| match gradient {
            Some(dz) => back(dz, sums).map(|dz| received.then_some(dz)),
            None => candle_core::bail!("the gradient of what was passed on is missing"),
        });
        Ok((Passed::Boundary(z), there_and_back))
    }
}
