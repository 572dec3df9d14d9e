//! Microbatches between their forward and their backward pass: no more than allowed, none twice.

use std::collections::BTreeMap;

use crate::{
    boundary::BoundaryTensor,
    model::{ModelConfig, StageIndex},
    stage::{MicrobatchId, StageError},
};

/// What passes keep for their way back, by microbatch.
pub(crate) struct Flights<P> {
    stage: StageIndex,
    limit: usize,
    passes: BTreeMap<MicrobatchId, P>,
}

impl<P> Flights<P> {
    pub(crate) fn new(stage: StageIndex, limit: usize) -> Self {
        Self { stage, limit, passes: BTreeMap::new() }
    }

    /// Whether a microbatch may start. (`id` is not in flight, and there is room for one more.)
    pub(crate) fn admit(&self, id: MicrobatchId) -> Result<(), StageError> {
        let (stage, limit) = (self.stage, self.limit);
        if self.passes.contains_key(&id) {
            return Err(StageError::AlreadyInFlight { id, stage });
        }
        if self.passes.len() >= limit {
            return Err(StageError::Full { stage, limit });
        }
        Ok(())
    }

    pub(crate) fn insert(&mut self, id: MicrobatchId, pass: P) {
        self.passes.insert(id, pass);
    }

    pub(crate) fn get(&self, id: MicrobatchId) -> Result<&P, StageError> {
        self.passes.get(&id).ok_or(StageError::NotInFlight { id, stage: self.stage })
    }

    /// Ends a microbatch's stay.
    pub(crate) fn take(&mut self, id: MicrobatchId) -> Result<P, StageError> {
        self.passes.remove(&id).ok_or(StageError::NotInFlight { id, stage: self.stage })
    }

    /// Forgets a microbatch; says whether there was one.
    pub(crate) fn forget(&mut self, id: MicrobatchId) -> bool {
        self.passes.remove(&id).is_some()
    }

    /// Forgets all, and says how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        let forgotten = self.passes.len();
        self.passes.clear();
        forgotten
    }

    pub(crate) fn len(&self) -> usize {
        self.passes.len()
    }

    pub(crate) fn passes(&self) -> impl Iterator<Item = &P> {
        self.passes.values()
    }
}

/// A tensor that a neighbour hands over.
#[derive(Clone, Copy)]
pub(crate) enum Handed {
    /// z of the stage before; the first stage gets none.
    Incoming,
    /// The gradient of the outgoing z, from the stage after; the last stage gets none.
    OutgoingGradient,
}

impl Handed {
    /// Whether a stage was handed what it needs for `rows` tokens, and nothing else.
    pub(crate) fn check(
        self,
        config: &ModelConfig,
        stage: StageIndex,
        rows: usize,
        tensor: Option<&BoundaryTensor>,
    ) -> Result<(), StageError> {
        let (what, needed, width) = match self {
            Self::Incoming => ("incoming z", !config.is_first(stage), config.incoming_width(stage)),
            Self::OutgoingGradient => {
                ("gradient of the outgoing z", !config.is_last(stage), config.outgoing_width(stage))
            }
        };
        let (found_rows, found_width) = tensor.map_or((0, 0), |tensor| (tensor.rows(), tensor.width()));
        if needed == tensor.is_some() && (!needed || (found_rows, found_width) == (rows, width)) {
            return Ok(());
        }
        let (expected_rows, expected_width) = if needed { (rows, width) } else { (0, 0) };
        Err(StageError::WrongShape { stage, what, expected_rows, expected_width, found_rows, found_width })
    }
}
