//! The control: the same model with the same bottlenecks, trained in one process on the same microbatches.
//!
//! One graph through all stages and one backward pass, no boundary tensor ever copied out; merge and optimizer are
//! those of the swarm, with a single contributor.

use thiserror::Error;

use crate::{
    cpu::Cpu,
    merge::{Contribution, MergeError, merge_in_place},
    model::{Gradients, ModelConfig, Weights},
    optimizer::{OptimizerConfig, OptimizerConfigError, OptimizerState},
    stage::{Stage, StageError},
    tokens::TokenBatch,
    whole::{WholeModel, WholeModelError, pass},
};

/// Why training stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UncutError {
    /// The optimizer's configuration.
    #[error(transparent)]
    Optimizer(#[from] OptimizerConfigError),
    /// The model.
    #[error(transparent)]
    Model(#[from] WholeModelError),
    /// A stage refused.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The step was refused.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// A model in training in one process.
pub struct UncutTrainer {
    cpu: Cpu,
    optimizer: OptimizerConfig,
    stages: Vec<Stage>,
    states: Vec<OptimizerState>,
    /// Per stage, what is merged; without tokens between steps, and then the memory of the next sum.
    contributions: Vec<Contribution>,
}

impl UncutTrainer {
    /// Starts where a run of that seed starts.
    pub fn new(config: &ModelConfig, optimizer: OptimizerConfig, run_seed: &[u8; 32]) -> Result<Self, UncutError> {
        optimizer.validate()?;
        let model = WholeModel::initial(config, run_seed)?;
        let stages = model.stages(1)?;
        let states = model.weights().iter().map(|weights| OptimizerState::new(weights.layout(), &optimizer)).collect();
        let contributions = config
            .stage_indices()
            .map(|stage| Ok(Contribution { uid: 0, gradients: Gradients::zero(config, stage)? }))
            .collect::<Result<_, WholeModelError>>()?;
        Ok(Self { cpu: Cpu::default(), optimizer, stages, states, contributions })
    }

    /// From now on computes with other instructions or threads than [`Cpu::default`]; the bits stay.
    pub fn set_cpu(&mut self, cpu: Cpu) {
        self.stages.iter_mut().for_each(|stage| stage.set_cpu(cpu.clone()));
        self.cpu = cpu;
    }

    /// Forward and backward of one microbatch; returns the loss sum in nats. Gradients add up until [`Self::step`].
    pub fn accumulate(&mut self, tokens: &TokenBatch) -> Result<f64, UncutError> {
        let (loss, loss_sum) = pass(&self.stages, tokens)?;
        loss.backward().map_err(StageError::from)?;
        Ok(loss_sum)
    }

    /// Ends a window: one optimizer step of every stage on what was accumulated. Without any, nothing moves.
    /// After [`MergeError::Diverged`] the trainer is of no further use.
    pub fn step(&mut self) -> Result<(), UncutError> {
        let of_stages = self.stages.iter_mut().zip(&mut self.states);
        for ((stage, state), contribution) in of_stages.zip(&mut self.contributions) {
            if stage.accumulated_tokens() == 0 {
                continue;
            }
            stage.swap_gradients(&mut contribution.gradients);
            let contributions = std::slice::from_ref(&*contribution);
            let merged = merge_in_place(&self.cpu, &self.optimizer, stage.weights_mut(), state, contributions);
            contribution.gradients.clear();
            merged?;
        }
        Ok(())
    }

    /// Ends a window without a step: what was accumulated, per stage.
    pub fn take_gradients(&mut self) -> Vec<Gradients> {
        self.stages.iter_mut().map(Stage::take_gradients).collect()
    }

    /// The weights of all stages as they are now.
    pub fn weights(&self) -> Vec<Weights> {
        self.stages.iter().map(|stage| stage.weights().clone()).collect()
    }

    /// The model as it is now.
    pub fn model(&self) -> Result<WholeModel, UncutError> {
        let Some(first) = self.stages.first() else {
            return Err(WholeModelError::Count { expected: 1, found: 0 }.into());
        };
        Ok(WholeModel::new(first.config().clone(), self.weights())?)
    }
}
