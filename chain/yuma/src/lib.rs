//! Yuma consensus: how a subnet turns its validators' weights into incentive, dividends and emission.
//!
//! One pure function, [`epoch`], from what the chain stored ([`EpochInput`]) to what the chain stores next
//! ([`EpochOutput`]). It knows no pallet, no clock and no storage. Every number is fixed point and every operation
//! saturates or truncates by rule, so that all nodes get the same bits; the formulas, their order and their rounding are
//! those of Bittensor's chain (subtensor, spec 425), and `tests/vectors` holds that to the last bit. The crate needs no
//! standard library (`tests/no_std`), and how often it allocates does not depend on what validators stored, but for the
//! rows of bonds that it returns (`tests/allocation`).
//!
//! The way through an epoch, in the order of the code:
//!
//! | step | what | where |
//! |---|---|---|
//! | 1 | stake S, normalized over the neurons above the threshold | `stake` |
//! | 2-4 | who is active, who may validate now and next, active stake A | `permits` |
//! | 5 | weights W: masked, then row-normalized | `weights` |
//! | 6-7 | consensus C (weighted median), clipping, validator trust, incentive I | `consensus` |
//! | 8-9 | bonds B (Yuma 1, Yuma 3, liquid alpha) and dividends D | `bonds` |
//! | 10 | emission, split over I and D | `emission` |
//!
//! `fixed` has the numbers, `sparse` the one matrix type. Only the sparse path exists: no step is quadratic in the
//! number of neurons, all are linear (or linear times a logarithm) in neurons plus stored weights and bonds.
//!
//! ```
//! use yuma::{EpochInput, EpochParams, combined_stake, epoch};
//!
//! // One validator (uid 0) that gives all its weight to one miner (uid 1).
//! let stake = [combined_stake(1_000, 0, 0), combined_stake(0, 0, 0)];
//! let output = epoch(&EpochInput {
//!     params: EpochParams::default(),
//!     current_block: 100,
//!     last_step_block: 0,
//!     emission: 1_000_000,
//!     owner_uid: None,
//!     stake: &stake,
//!     last_update: &[90, 0],
//!     block_at_registration: &[1, 1],
//!     validator_permit: &[true, false],
//!     weights: &[vec![(1, u16::MAX)], vec![]],
//!     bonds: &[vec![], vec![]],
//!     earliest_live_commit: None,
//! })?;
//! assert_eq!(output.incentive, [0, u16::MAX]);
//! assert_eq!(output.server_emission, [0, 500_000]);
//! assert_eq!(output.validator_emission, [500_000, 0]);
//! # Ok::<(), yuma::EpochError>(())
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod bonds;
mod consensus;
mod emission;
mod epoch;
mod fixed;
mod input;
mod permits;
mod sparse;
mod stake;
mod upscale;
mod weights;

pub use crate::consensus::weighted_median;
pub use crate::epoch::{EpochOutput, EpochTerms, epoch, epoch_terms};
pub use crate::fixed::{Fixed, Fixed64, proportion_from_u16, proportion_to_u16};
pub use crate::input::{EpochError, EpochInput, EpochParams, LiquidAlpha, MAX_UIDS, Row, YumaVersion};
pub use crate::permits::activity_cutoff_blocks;
pub use crate::stake::combined_stake;
pub use crate::upscale::{is_max_limited, max_upscale, max_upscale_u16};
