//! What the swarm is held against: the same model trained in one process, without a cut, on the microbatches that the
//! swarm settled; and the control that sends nothing but token ids between its stages.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use engine::{Bottleneck, ModelConfig, UncutTrainer, WholeModel};
use eyre::{Result, eyre};
use neuron::message::names::WindowId;
use neuron::worker::RunPlan;

/// Models trained for comparison.
pub struct Comparison {
    /// The same model with the same bottlenecks.
    pub uncut: WholeModel,
    /// The same model with nothing but token ids between its stages: what the last stage reaches alone.
    pub cut: WholeModel,
}

/// Trains both, side by side, on the microbatches `settled` in the windows before `windows`, one step a window.
pub fn train(plan: &RunPlan, windows: u32, settled: &BTreeMap<u32, BTreeSet<u32>>) -> Result<Comparison> {
    let model = plan.model();
    let control = ModelConfig { bottleneck: Bottleneck::Cut, ..model.clone() };
    thread::scope(|scope| {
        let cut = scope.spawn(|| train_one(plan, &control, windows, settled));
        let uncut = train_one(plan, model, windows, settled)?;
        let cut = cut.join().map_err(|_| eyre!("training the control has crashed"))??;
        Ok(Comparison { uncut, cut })
    })
}

fn train_one(
    plan: &RunPlan,
    model: &ModelConfig,
    windows: u32,
    settled: &BTreeMap<u32, BTreeSet<u32>>,
) -> Result<WholeModel> {
    let mut trainer = UncutTrainer::new(model, *plan.optimizer(), &plan.manifest().seed.0)?;
    for window in 0..windows {
        for microbatch in settled.get(&window).into_iter().flatten() {
            trainer.accumulate(&plan.tokens(WindowId(window), *microbatch)?)?;
        }
        trainer.step()?;
    }
    Ok(trainer.model()?)
}
