//! The verbs of `neuron`, one per file.

pub(crate) mod doctor;
pub(crate) mod run;
pub(crate) mod status;
