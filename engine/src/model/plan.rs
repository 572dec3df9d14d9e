//! The computation of one stage: where its parts find their parameters, forward, and back.

use serde::{Deserialize, Serialize};

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
    ops::{attention::Shape, rotary::Rotary},
    tokens::TokenBatch,
};

/// Deviation of initial token embeddings.
pub(super) const EMBEDDING_DEVIATION: f32 = 0.5;
/// Deviation of the initial output matrix: small, so that the first loss is near the logarithm of the vocabulary's size.
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

/// What a forward pass keeps of its intermediate results; the rest is computed again on the way back, with the same bits.
/// From what takes most memory and least time to the reverse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recompute {
    /// Everything is kept.
    #[default]
    Nothing,
    /// Each layer keeps its input, and computes its forward pass again: a step takes about a third longer.
    Layers,
    /// The stage keeps its input only, and computes its whole forward pass again; about as long as by layers, and better
    /// than that where many microbatches are in flight.
    Stage,
    /// The stage keeps its input only, computes its forward pass again by layers, and each layer's once more: the least
    /// memory, and a step takes about two thirds longer.
    StageByLayers,
}

impl Recompute {
    /// All, the least work first.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Layers, Self::Stage, Self::StageByLayers];

    /// What a pass that is computed again from the stage's input keeps for the way back that follows.
    fn within(self) -> Self {
        match self {
            Self::Nothing | Self::Stage => Self::Nothing,
            Self::Layers | Self::StageByLayers => Self::Layers,
        }
    }
}

/// What one forward pass leaves for its way back.
pub(crate) struct Saved {
    results: Option<Results>,
    /// How many layers it ran.
    layers: usize,
    recompute: Recompute,
}

/// Intermediate results, or what they are computed again from.
struct Results {
    entry: Option<SavedReceiver>,
    layers: Vec<SavedLayer>,
    exit: SavedExit,
}

enum SavedLayer {
    Whole(Box<SavedBlock>),
    Input(Buffer),
}

enum SavedExit {
    Boundary(SavedSender),
    Loss(SavedHead),
    Input(Buffer),
}

impl SavedExit {
    /// What it started from, where that is less.
    fn into_input(self) -> Self {
        match self {
            Self::Boundary(SavedSender::AnchorRes { x, .. }) => Self::Input(x),
            Self::Loss(head) => Self::Input(head.into_input()),
            Self::Boundary(SavedSender::Cut { .. } | SavedSender::None) | Self::Input(_) => self,
        }
    }
}

impl Saved {
    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let Some(results) = &self.results else { return 0 };
        let layer = |layer: &SavedLayer| match layer {
            SavedLayer::Whole(block) => block.bytes(),
            SavedLayer::Input(x) => size_of_val(&**x),
        };
        let exit = match &results.exit {
            SavedExit::Boundary(sender) => sender.bytes(),
            SavedExit::Loss(head) => head.bytes(),
            SavedExit::Input(x) => size_of_val(&**x),
        };
        let layers: usize = results.layers.iter().map(layer).sum();
        layers + exit + results.entry.as_ref().map_or(0, SavedReceiver::bytes)
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
pub(crate) fn layout(config: &ModelConfig, stage: StageIndex) -> Layout {
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
        recompute: Recompute,
    ) -> (Passed, Saved) {
        let pass = &self.pass(cpu, tokens);
        let keeps_stage = matches!(recompute, Recompute::Stage | Recompute::StageByLayers);
        let (mut x, mut entry) = self.enter(pass, theta, tokens, z);
        if recompute != Recompute::Nothing {
            // The caller has z.
            entry = None;
        }
        let mut kept = Vec::new();
        for block in self.parts.blocks.iter().take(layers) {
            let (y, saved) = block.forward(pass, theta, x);
            match recompute {
                Recompute::Nothing => kept.push(SavedLayer::Whole(saved.into())),
                Recompute::Layers => kept.push(SavedLayer::Input(saved.into_input())),
                Recompute::Stage | Recompute::StageByLayers => drop(saved),
            }
            x = y;
        }
        let (passed, mut exit) = self.leave(pass, theta, tokens, x);
        if recompute != Recompute::Nothing {
            exit = exit.into_input();
        }
        let results = (!keeps_stage).then_some(Results { entry, layers: kept, exit });
        (passed, Saved { results, layers, recompute })
    }

    fn leave(&self, pass: &Pass<'_>, theta: &[f32], tokens: &TokenBatch, x: Buffer) -> (Passed, SavedExit) {
        match &self.parts.exit {
            Exit::Boundary(sender) => {
                let (z, saved) = sender.forward(pass, theta, x);
                (Passed::Boundary(z), SavedExit::Boundary(saved))
            }
            Exit::Loss(head) => {
                let (loss, saved) = head.forward(pass, theta, x, tokens.targets());
                (Passed::Loss(loss), SavedExit::Loss(saved))
            }
        }
    }

    /// Adds the gradients of the parameters to `d_theta` and returns that of the incoming z (empty in the first
    /// stage). `z` is what the forward pass was given, `dz` the gradient of the outgoing z; the last stage needs none.
    #[expect(clippy::too_many_arguments, reason = "what a pass reads, and where its two results go")]
    pub(crate) fn backward(
        &self,
        cpu: &Cpu,
        theta: &[f32],
        tokens: &TokenBatch,
        z: &[f32],
        saved: Saved,
        dz: &[f32],
        d_theta: &mut [f32],
    ) -> Vec<f32> {
        let pass = &self.pass(cpu, tokens);
        let Saved { results, layers, recompute } = saved;
        let results = results.or_else(|| self.forward(cpu, theta, tokens, z, layers, recompute.within()).1.results);
        let Some(Results { entry, layers, exit }) = results else {
            unreachable!("what is computed again within a way back keeps its results")
        };
        let mut d = self.leave_back(pass, theta, tokens, exit, dz, d_theta);
        for (block, saved) in self.parts.blocks.iter().zip(layers).rev() {
            let saved = match saved {
                SavedLayer::Whole(saved) => *saved,
                SavedLayer::Input(x) => block.forward(pass, theta, x).1,
            };
            d = block.backward(pass, theta, &saved, d, d_theta);
        }
        match &self.parts.entry {
            Entry::Tokens(embedding) => {
                embedding.backward(pass, &d, tokens.inputs(), d_theta);
                Vec::new()
            }
            Entry::Boundary(receiver) => {
                let saved = entry.unwrap_or_else(|| receiver.forward(pass, theta, z, tokens.inputs()).1);
                receiver.backward(pass, theta, &saved, &d, tokens.inputs(), d_theta)
            }
        }
    }

    fn leave_back(
        &self,
        pass: &Pass<'_>,
        theta: &[f32],
        tokens: &TokenBatch,
        exit: SavedExit,
        dz: &[f32],
        d_theta: &mut [f32],
    ) -> Buffer {
        let exit = match exit {
            SavedExit::Input(x) => self.leave(pass, theta, tokens, x).1,
            whole => whole,
        };
        match (&self.parts.exit, &exit) {
            (Exit::Boundary(sender), SavedExit::Boundary(saved)) => sender.backward(pass, theta, saved, dz, d_theta),
            (Exit::Loss(head), SavedExit::Loss(saved)) => head.backward(pass, theta, saved, d_theta),
            _ => unreachable!("what was saved comes from the same plan"),
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
