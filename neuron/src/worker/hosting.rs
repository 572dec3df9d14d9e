//! What hosting a stage of a run takes of memory, said before any of it is taken.

use engine::memory::{self, MemoryError};
use engine::{Recompute, StageIndex, StageMemory, Workload};

use super::plan::RunPlan;
use crate::message::names::StageId;

/// Threads of a worker's engine: its own.
const THREADS: usize = 1;

/// A worker encodes the state that it comes to stand on beside that state, which is what a second contribution and the mean of two
/// take.
const LEAST_CONTRIBUTIONS: usize = 2;

/// How a stage is hosted, and what it then takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hosting {
    /// The stage.
    pub stage: StageId,
    /// The work that memory is planned for.
    pub workload: Workload,
    /// What forward passes do not keep.
    pub recompute: Recompute,
    /// Bytes, by what for.
    pub memory: StageMemory,
}

impl RunPlan {
    /// Most passes that a worker holds between forward and backward. The machine counts them, and refuses beyond the
    /// manifest's number; one more is the pass whose discarding is still on its way.
    pub(super) fn in_flight(&self) -> usize {
        usize::from(self.manifest().work.in_flight).saturating_add(1)
    }

    /// How a stage with so many replicas, whose gradients a merge takes in, is hosted within `cap_bytes`; without a cap
    /// everything is kept. A function of the arguments.
    ///
    /// # Errors
    /// When there is no such stage, or it does not fit; the error then says what would.
    pub fn hosting(&self, stage: StageId, replicas: usize, cap_bytes: Option<u64>) -> Result<Hosting, MemoryError> {
        let shape = &self.manifest().model;
        let workload = Workload {
            batch: shape.batch as usize,
            context: shape.context as usize,
            in_flight: self.in_flight(),
            threads: THREADS,
            contributions: replicas.max(LEAST_CONTRIBUTIONS),
        };
        let cap_bytes = cap_bytes.unwrap_or(u64::MAX);
        let (recompute, memory) =
            memory::fit(self.model(), self.optimizer(), StageIndex(stage.0), &workload, cap_bytes)?;
        Ok(Hosting { stage, workload, recompute, memory })
    }
}
