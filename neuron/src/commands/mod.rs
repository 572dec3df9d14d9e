//! The verbs of `neuron`, one per file.

pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod run;
pub(crate) mod status;
