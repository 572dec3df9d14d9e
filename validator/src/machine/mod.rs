//! A validator's decisions, sans-IO: state machines that take what happened and return what to do.
//!
//! The way of a reward: the beacon draws ([`draw`]), [`audit`] fetches what was committed and finds the paid passes ([`path`])
//! and the false ones ([`judge`], [`hop`]); [`verdict`] rules on what was found, [`score`] turns what is left into scores, and
//! [`weights`] takes them on chain. [`admission`] measures hardware.

pub mod admission;
pub mod audit;
pub mod draw;
pub mod hop;
pub mod identity;
pub mod judge;
pub mod path;
pub mod score;
pub mod verdict;
pub mod weights;
