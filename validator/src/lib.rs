//! The validator: it checks what miners claim, turns what it found into weights, and commits them on chain.
//!
//! | to do this | look at |
//! |---|---|
//! | audit a window, rule, score | [`machine::audit`], [`machine::verdict`], [`machine::score`] |
//! | measure hardware | [`hardware`], which drives [`machine::admission`] |
//! | check evidence again | [`evidence`] |
//! | decide when weights are committed and revealed | [`machine::weights`] |
//! | run a validator in this process | [`shell`] |

pub mod cli;
mod durable;
pub mod evidence;
pub mod hardware;
pub mod ledger;
pub mod machine;
pub mod shell;
