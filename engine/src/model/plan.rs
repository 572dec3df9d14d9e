//! The computation of one stage: where its parts find their parameters, forward, and back.

use super::{
    block::{Block, SavedBlock},
    bottleneck::{Receiver, SavedReceiver, SavedSender, Sender},
    config::{ConfigError, ModelConfig, StageIndex},
    ends::{Embedding, Head, SavedHead},
    layout::Layout,
};
use crate::{
    buffer::Buffer,
    cpu::Cpu,
    ops::attention::{Rotary, Shape},
    tokens::TokenBatch,
};

/// Deviation of initial token embeddings.
pub(super) const EMBEDDING_DEVIATION: f32 = 0.5;
/// Deviation of the initial output matrix: small, so that the first loss is near ln 256.
pub(super) const HEAD_DEVIATION: f32 = 0.02;
/// Deviation of the last matrix of E and of D.
pub(super) const BOTTLENECK_OUT_DEVIATION: f32 = 0.02;

/// Deviation that keeps the variance of a product of `inputs` features.
pub(super) fn fan_in_deviation(inputs: usize) -> f32 {
    1.0 / (inputs as f32).sqrt()
}

enum Entry {
    Tokens(Embedding),
    Boundary(Receiver),
}

enum Exit {
    Boundary(Sender),
    Loss(Head),
}

struct Parts {
    entry: Entry,
    blocks: Vec<Block>,
    exit: Exit,
}

/// What all parts of one pass share.
pub(super) struct Pass<'a> {
    pub(super) cpu: &'a Cpu,
    pub(super) shape: Shape,
    pub(super) rotary: &'a Rotary,
}

impl Pass<'_> {
    pub(super) fn tokens(&self) -> usize {
        self.shape.batch * self.shape.context
    }
}

/// Everything a stage needs besides its weights. Immutable.
pub(crate) struct StagePlan {
    config: ModelConfig,
    stage: StageIndex,
    layout: std::sync::Arc<Layout>,
    parts: Parts,
    rotary: Rotary,
}

/// Intermediate results of one forward pass.
pub(crate) struct Saved {
    entry: Option<SavedReceiver>,
    blocks: Vec<SavedBlock>,
    exit: SavedExit,
}

enum SavedExit {
    Boundary(SavedSender),
    Loss(SavedHead),
}

impl Saved {
    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(SavedBlock::bytes).sum();
        let exit = match &self.exit {
            SavedExit::Boundary(sender) => sender.bytes(),
            SavedExit::Loss(head) => head.bytes(),
        };
        blocks + exit + self.entry.as_ref().map_or(0, SavedReceiver::bytes)
    }
}

/// What a forward pass ends in.
pub(crate) enum Passed {
    /// z, [n, boundary width].
    Boundary(Vec<f32>),
    /// The loss sum in nats.
    Loss(f64),
}

/// The parameters of a stage in the order of its flat vector.
pub(super) fn layout(config: &ModelConfig, stage: StageIndex) -> Layout {
    build(config, stage).0
}

fn build(config: &ModelConfig, stage: StageIndex) -> (Layout, Parts) {
    let mut layout = Layout::new(config.count_parameters());
    let index = stage.as_usize();
    let entry = match index {
        0 => Entry::Tokens(Embedding::new(config, &mut layout)),
        _ => Entry::Boundary(Receiver::new(config, index - 1, &mut layout)),
    };
    let first: usize = config.layers_per_stage[..index].iter().sum();
    let blocks = (first..first + config.layers_per_stage[index]).map(|i| Block::new(config, i, &mut layout)).collect();
    let exit = match config.is_last(stage) {
        true => Exit::Loss(Head::new(config, &mut layout)),
        false => Exit::Boundary(Sender::new(config, index, &mut layout)),
    };
    (layout, Parts { entry, blocks, exit })
}

impl StagePlan {
    pub(crate) fn new(config: &ModelConfig, stage: StageIndex) -> Result<Self, ConfigError> {
        config.validate()?;
        config.check_stage(stage)?;
        let (layout, parts) = build(config, stage);
        let rotary = Rotary::new(config.context, config.head_width(), config.rope_base);
        Ok(Self { config: config.clone(), stage, layout: layout.into(), parts, rotary })
    }

    pub(crate) fn config(&self) -> &ModelConfig {
        &self.config
    }

    pub(crate) fn stage(&self) -> StageIndex {
        self.stage
    }

    pub(crate) fn layout(&self) -> std::sync::Arc<Layout> {
        std::sync::Arc::clone(&self.layout)
    }

    fn pass<'a>(&'a self, cpu: &'a Cpu, tokens: &TokenBatch) -> Pass<'a> {
        let shape = Shape {
            batch: tokens.batch(),
            context: tokens.context(),
            heads: self.config.heads,
            kv_heads: self.config.kv_heads(),
            head_width: self.config.head_width(),
        };
        Pass { cpu, shape, rotary: &self.rotary }
    }

    fn enter(&self, pass: &Pass<'_>, theta: &[f32], tokens: &TokenBatch, z: &[f32]) -> (Buffer, Option<SavedReceiver>) {
        match &self.parts.entry {
            Entry::Tokens(embedding) => (embedding.forward(pass, theta, tokens.inputs()), None),
            Entry::Boundary(receiver) => {
                let (x, saved) = receiver.forward(pass, theta, z, tokens.inputs());
                (x, Some(saved))
            }
        }
    }

    /// Runs the first `layers` layers (all, for an honest stage) and keeps what the way back needs. `z` is empty in the
    /// first stage, else [n, boundary width]; the caller has checked tokens and sizes.
    pub(crate) fn forward(
        &self,
        cpu: &Cpu,
        theta: &[f32],
        tokens: &TokenBatch,
        z: &[f32],
        layers: usize,
    ) -> (Passed, Saved) {
        let pass = &self.pass(cpu, tokens);
        let (mut x, entry) = self.enter(pass, theta, tokens, z);
        let mut blocks = Vec::with_capacity(self.parts.blocks.len());
        for block in self.parts.blocks.iter().take(layers) {
            let (y, saved) = block.forward(pass, theta, x);
            blocks.push(saved);
            x = y;
        }
        let (passed, exit) = match &self.parts.exit {
            Exit::Boundary(sender) => {
                let (z, saved) = sender.forward(pass, theta, x);
                (Passed::Boundary(z), SavedExit::Boundary(saved))
            }
            Exit::Loss(head) => {
                let (loss, saved) = head.forward(pass, theta, x, tokens.targets());
                (Passed::Loss(loss), SavedExit::Loss(saved))
            }
        };
        (passed, Saved { entry, blocks, exit })
    }

    /// Adds the gradients of the parameters to `d_theta` and returns that of the incoming z (empty in the first
    /// stage). `dz` is the gradient of the outgoing z; the last stage needs none.
    pub(crate) fn backward(
        &self,
        cpu: &Cpu,
        theta: &[f32],
        tokens: &TokenBatch,
        saved: Saved,
        dz: &[f32],
        d_theta: &mut [f32],
    ) -> Vec<f32> {
        let pass = &self.pass(cpu, tokens);
        let mut d = match (&self.parts.exit, &saved.exit) {
            (Exit::Boundary(sender), SavedExit::Boundary(saved)) => sender.backward(pass, theta, saved, dz, d_theta),
            (Exit::Loss(head), SavedExit::Loss(saved)) => head.backward(pass, theta, saved, d_theta),
            _ => unreachable!("what was saved comes from the same plan"),
        };
        for (block, saved) in self.parts.blocks.iter().zip(saved.blocks).rev() {
            d = block.backward(pass, theta, &saved, d, d_theta);
        }
        match (&self.parts.entry, &saved.entry) {
            (Entry::Boundary(receiver), Some(saved)) => {
                receiver.backward(pass, theta, saved, &d, tokens.inputs(), d_theta)
            }
            (Entry::Tokens(embedding), _) => {
                embedding.backward(pass, &d, tokens.inputs(), d_theta);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Logits of every token, [n, vocab]; `None` unless this is the last stage.
    pub(crate) fn logits(&self, cpu: &Cpu, theta: &[f32], tokens: &TokenBatch, z: &[f32]) -> Option<Vec<f32>> {
        let Exit::Loss(head) = &self.parts.exit else { return None };
        let pass = &self.pass(cpu, tokens);
        let (mut x, _) = self.enter(pass, theta, tokens, z);
        for block in &self.parts.blocks {
            x = block.forward(pass, theta, x).0;
        }
        Some(head.logits(pass, theta, &x).to_vec())
    }
}
