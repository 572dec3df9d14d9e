//! Tolerance mode: stages on machines whose arithmetic is not ours, and how far from the exact bits they are.
//!
//! Exact mode ([`crate::Stage`]) compares hashes. A graphics card, or a processor under somebody else's matrix library, sums in
//! an order of its own and cannot take part in that. Here a stage is written once more, in Candle's operations, which run
//! wherever Candle does ([`Accelerator`]), with ways back of our own; [`DeviceStage`] is that stage behind the same interface. What it computes is held against the exact engine *hop by hop, from the inputs that it
//! was given* ([`compare_hop`]): over one stage roundings stay roundings, while over many steps of free training they would
//! grow without bound.
//!
//! [`Drift`] says whether a sequence of such comparisons still looks like roundings. What honest machines and those that save
//! themselves work come to is measured by `cargo run -p engine --release --example tolerance`; `docs/engine.md` has the
//! distributions.
//!
//! The optimizer, the merge and everything that is agreed on stay exact whatever computes the gradients.

mod accelerator;
mod by_hand;
mod compare;
#[cfg(feature = "cuda")]
mod cuda;
mod drift;
mod graph;
mod model;
mod passes;
mod stage;
mod way;

pub use accelerator::{Accelerator, AcceleratorError, UnknownAccelerator};
pub use compare::{Claim, HopErrors, compare_hop, relative_error};
pub use drift::{Drift, DriftRules, DriftRulesError, Looks, MAX_LIMIT};
pub use stage::DeviceStage;
