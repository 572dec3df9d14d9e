//! How many values a stage's passes keep and need, from its shape alone: the counterpart in numbers of what the parts of a
//! plan do.

use super::{
    config::{Bottleneck, ModelConfig, StageIndex},
    plan::Recompute,
};
use crate::ops::{attention::QUERY_ROWS, causal_softmax::score_stride, matrix::INNER_PIECE, product::packed_values};

/// Sizes of one stage for microbatches of one size; counts of f32 values.
pub(crate) struct Footprint<'a> {
    config: &'a ModelConfig,
    stage: StageIndex,
    batch: u128,
    context: u128,
    /// Tokens of a microbatch.
    n: u128,
    d: u128,
    ffn: u128,
    /// Features of queries, keys and values together.
    qkv: u128,
}

/// What a part of a stage keeps of a pass, and what it needs besides while it walks back.
#[derive(Clone, Copy)]
struct Part {
    kept: u128,
    back: u128,
}

impl Part {
    fn both(self) -> u128 {
        self.kept + self.back
    }
}

impl<'a> Footprint<'a> {
    /// The shape must be valid and the stage exist.
    pub(crate) fn new(config: &'a ModelConfig, stage: StageIndex, batch: usize, context: usize) -> Self {
        let qkv = (config.heads + 2 * config.kv_heads()) * config.head_width();
        let (batch, context) = (batch as u128, context as u128);
        let (d, ffn, qkv) = (config.d_model as u128, config.ffn as u128, qkv as u128);
        Self { config, stage, batch, context, n: batch * context, d, ffn, qkv }
    }

    fn layers(&self) -> u128 {
        self.config.layers_per_stage[self.stage.as_usize()] as u128
    }

    /// One layer, without the turned gradients of attention that each thread holds.
    fn layer(&self) -> Part {
        let Self { n, d, ffn, qkv, .. } = *self;
        let heads = self.config.heads as u128;
        // x, two normalised, h, the attended (as wide as x), their turned queries, keys and values, two roots; the highest
        // score and the scale of each head; gates, values and their product.
        let kept = n * (5 * d + qkv + 2 + 2 * heads + 3 * ffn);
        let back = n * (2 * d + 2 * ffn).max(2 * d + qkv);
        Part { kept, back }
    }

    fn exit(&self) -> Part {
        let Self { n, d, .. } = *self;
        if self.config.is_last(self.stage) {
            return Part { kept: n * (2 * d + 1 + self.config.vocab as u128), back: 2 * n * d };
        }
        match self.config.bottleneck {
            Bottleneck::AnchorRes { hidden, .. } => {
                let hidden = hidden as u128;
                Part { kept: n * (2 * d + 1 + 2 * hidden), back: n * (d + d.max(hidden)) }
            }
            Bottleneck::Cut | Bottleneck::None => Part { kept: 0, back: n * d },
        }
    }

    fn entry(&self) -> Part {
        let Self { n, d, .. } = *self;
        match self.config.bottleneck {
            Bottleneck::AnchorRes { r, hidden } if !self.config.is_first(self.stage) => {
                let (r, hidden) = (r as u128, hidden as u128);
                Part { kept: n * (r + 2 * hidden), back: n * (d + hidden + 2 * r) }
            }
            _ => Part { kept: 0, back: n * d },
        }
    }

    /// What one microbatch keeps between its passes, without boundary tensors.
    pub(crate) fn kept_values(&self, recompute: Recompute) -> u128 {
        match recompute {
            Recompute::Nothing => self.layers() * self.layer().kept + self.exit().kept + self.entry().kept,
            Recompute::Layers => {
                let of_exit = if self.exit().kept > 0 { self.n * self.d } else { 0 };
                self.layers() * self.n * self.d + of_exit
            }
            Recompute::Stage | Recompute::StageByLayers => 0,
        }
    }

    /// What passes need at most besides what is kept, one after the other on so many threads.
    pub(crate) fn workspace_values(&self, recompute: Recompute, threads: usize) -> u128 {
        let Self { n, d, qkv, .. } = *self;
        let (layer, exit, entry) = (self.layer(), self.exit(), self.entry());
        // Queries, keys and values before they are turned, or what a layer hands on; the loss of each token.
        let forward = n * qkv.max(d) + 2 * n;
        let back = layer.back.max(exit.back).max(entry.back);
        let parts = layer.both().max(exit.both()).max(entry.both());
        let passes = match recompute {
            Recompute::Nothing => forward.max(back),
            Recompute::Layers => parts.max(layer.kept + forward),
            Recompute::Stage => self.kept_values(Recompute::Nothing) + forward.max(back),
            Recompute::StageByLayers => self.kept_values(Recompute::Layers) + parts.max(layer.kept + forward),
        };
        passes + self.threads_values(threads as u128)
    }

    /// What threads hold each for itself: packed operands, scores, turned gradients.
    fn threads_values(&self, threads: u128) -> u128 {
        let (config, context) = (self.config, self.context);
        let head = config.head_width() as u128;
        let scores = 2 * context.min(QUERY_ROWS as u128) * score_stride(context as usize) as u128 + 2 * context * head;
        let layout = super::plan::layout(config, self.stage);
        let matrices = layout.parameters().iter().filter(|parameter| parameter.shape.len() == 2);
        let packed = matrices.map(|parameter| {
            let (outputs, inputs) = (parameter.shape[0], parameter.shape[1]);
            packed_values(outputs, inputs)
                .max(packed_values(inputs, outputs))
                .max(packed_values(inputs, context as usize))
        });
        let packed = packed.max().unwrap_or(0).max(packed_values(config.head_width(), INNER_PIECE));
        let one_sequence = threads.min(self.batch);
        threads * packed as u128 + one_sequence * (scores + context * self.qkv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cpu::Cpu,
        model::{StagePlan, Weights},
        tokens::TokenBatch,
    };

    #[test]
    fn what_a_pass_keeps_is_what_was_said() {
        let small = ModelConfig { context: 12, d_model: 24, heads: 6, ffn: 20, ..ModelConfig::small() };
        for bottleneck in [Bottleneck::AnchorRes { r: 5, hidden: 30 }, Bottleneck::Cut, Bottleneck::None] {
            for (kv_heads, layers_per_stage) in [(None, vec![1, 3, 2]), (Some(2), vec![2])] {
                let config = ModelConfig { bottleneck, kv_heads, layers_per_stage, ..small.clone() };
                let tokens = TokenBatch::new(3, 9, (0..30).collect()).unwrap();
                for stage in config.stage_indices() {
                    let plan = StagePlan::new(&config, stage).unwrap();
                    let theta = Weights::initial(&config, stage, &[1; 32]).unwrap();
                    let z = vec![0.1; 27 * config.incoming_width(stage)];
                    let layers = config.layers_per_stage[stage.as_usize()];
                    for recompute in Recompute::ALL {
                        let (_, saved) = plan.forward(&Cpu::default(), theta.values(), &tokens, &z, layers, recompute);
                        let said = Footprint::new(&config, stage, 3, 9).kept_values(recompute) * 4;
                        assert_eq!(saved.bytes() as u128, said, "{bottleneck:?}, stage {stage}, {recompute:?}");
                    }
                }
            }
        }
    }
}
