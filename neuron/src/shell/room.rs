//! Whether a stage fits the memory that this neuron may take for it: asked before its weights are.

use std::sync::Arc;

use engine::memory::MemoryError;

use crate::cli::Size;
use crate::events::{Event, EventSink};
use crate::message::names::StageId;
use crate::worker::{Hosting, RunPlan};

/// The memory for one stage at a time.
pub(super) struct Room {
    plan: Arc<RunPlan>,
    cap_bytes: Option<u64>,
    events: EventSink,
    /// What was planned last.
    hosting: Option<Hosting>,
}

impl Room {
    /// Room of `cap_bytes`, or as much as the machine has.
    pub(super) fn new(plan: Arc<RunPlan>, cap_bytes: Option<u64>, events: EventSink) -> Self {
        Self { plan, cap_bytes, events, hosting: None }
    }

    /// Before anything is taken, and before it is known for sure which stage is hosted: plans the one hosted last, or says
    /// what all would take.
    ///
    /// # Errors
    /// When that stage does not fit, or where there is none, when no stage does.
    pub(super) fn look_over(&mut self, last: Option<StageId>) -> Result<(), MemoryError> {
        if let Some(stage) = last {
            return self.plan_for(stage, 1).map(|_| ());
        }
        let stages = (0..self.plan.manifest().model.stages).map(StageId);
        let mut fitting: Vec<Hosting> = Vec::new();
        let mut refused = Vec::new();
        for stage in stages {
            match self.plan.hosting(stage, 1, self.cap_bytes) {
                Ok(hosting) => fitting.push(hosting),
                Err(error) => refused.push(error),
            }
        }
        for error in &refused {
            tracing::warn!(%error, "this neuron stops if it is placed there; raise --max-memory");
        }
        let totals = || fitting.iter().map(|hosting| hosting.memory.total());
        match (totals().min(), totals().max(), refused.into_iter().next()) {
            (None, _, Some(error)) => Err(error),
            (Some(least), Some(most), _) => {
                tracing::info!(least = %Size(least), most = %Size(most), "memory that a stage takes here, by stage");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Plans a stage with so many replicas, and tells what it takes when that is news. Called again and again.
    ///
    /// # Errors
    /// When it does not fit; the error says what would.
    pub(super) fn plan_for(&mut self, stage: StageId, replicas: usize) -> Result<Hosting, MemoryError> {
        let hosting = self.plan.hosting(stage, replicas, self.cap_bytes)?;
        if self.hosting != Some(hosting) {
            self.hosting = Some(hosting);
            let Hosting { memory, recompute, workload, .. } = hosting;
            tracing::info!(
                stage = stage.0,
                total = %Size(memory.total()),
                weights = %Size(memory.weights),
                gradients = %Size(memory.gradients),
                optimizer = %Size(memory.optimizer),
                in_flight = %Size(memory.in_flight),
                workspace = %Size(memory.workspace),
                merge = %Size(memory.merge),
                ?recompute,
                "memory that the stage takes",
            );
            let (bytes, replicas) = (memory.total(), workload.contributions);
            self.events.emit(Event::StagePlanned { stage: stage.0, bytes, memory, recompute, replicas });
        }
        Ok(hosting)
    }
}

#[cfg(test)]
mod tests {
    use engine::Recompute;

    use super::*;
    use crate::worker::tests::plan;

    const LAST: StageId = StageId(1);

    #[test]
    fn a_stage_is_planned_within_the_cap_and_told_once() {
        let events = EventSink::new(8);
        let mut heard = events.listen();
        let whole = Room::new(plan(), None, events.clone()).plan_for(LAST, 3).unwrap();
        assert_eq!(whole.recompute, Recompute::Nothing);
        let mut tight = Room::new(plan(), Some(whole.memory.total() - 1), events.clone());
        let less = tight.plan_for(LAST, 3).unwrap();
        assert_ne!(less.recompute, Recompute::Nothing);
        assert!(less.memory.total() < whole.memory.total());
        assert_eq!(tight.plan_for(LAST, 3), Ok(less));
        let more_replicas = tight.plan_for(LAST, 4);
        assert_ne!(more_replicas, Ok(less), "another contribution takes more memory");
        let mut told = Vec::new();
        while let Ok(Event::StagePlanned { stage, bytes, .. }) = heard.try_recv() {
            told.push((stage, bytes));
        }
        let expected = [Some(whole), Some(less), more_replicas.ok()].into_iter().flatten();
        assert_eq!(told, expected.map(|hosting| (1, hosting.memory.total())).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_hosted_is_refused_with_advice_before_it_is_taken() {
        let events = EventSink::new(8);
        let mut heard = events.listen();
        let mut none = Room::new(plan(), Some(4096), events.clone());
        for refused in [none.look_over(None).unwrap_err(), none.look_over(Some(LAST)).unwrap_err()] {
            assert!(matches!(refused, MemoryError::DoesNotFit { cap: 4096, .. }), "{refused}");
            assert!(refused.to_string().contains("would fit"), "{refused}");
        }
        assert!(heard.try_recv().is_err(), "nothing was planned");

        // The last stage alone is too large: known, it is refused; not known, the neuron may yet be placed in the other.
        let least = |stage| {
            let needed = |error| match error {
                MemoryError::DoesNotFit { needed, .. } => needed,
                other => panic!("{other}"),
            };
            needed(plan().hosting(stage, 1, Some(1)).unwrap_err())
        };
        assert!(least(StageId(0)) < least(LAST), "the last stage has the head");
        let mut first_only = Room::new(plan(), Some(least(LAST) - 1), events);
        assert_eq!(first_only.look_over(None), Ok(()));
        assert!(first_only.look_over(Some(LAST)).is_err());
        assert!(first_only.plan_for(LAST, 1).is_err());
        assert!(first_only.plan_for(StageId(0), 1).is_ok());
    }
}
