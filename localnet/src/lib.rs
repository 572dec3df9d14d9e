//! A whole subnet on one machine: the chain, its owner, validators and miners, brought up with one command through the
//! same client and the same calls that real ones use.
//!
//! | to do this | look at |
//! |---|---|
//! | bring a localnet up | [`up`] for a user, [`subnet`] for a program |
//! | see who takes part, their keys, and who cheats how | [`accounts`], [`persona`] |
//! | make a subnet out of an empty chain | [`setup`] |
//! | plan, publish and measure the run that is trained | [`training`], [`corpus`] |
//! | train the same in one process | [`comparison`] |
//! | run the chain alone | [`lone_chain`] |
//! | steer the chain of one that runs | [`steer`] |
//! | run the neurons | [`people`] |
//! | follow what happens | [`events`], folded by [`tally`], drawn by [`view`], summed up by [`report`], judged by [`invariants`] |
//!
//! **Invariant:** view, summary and invariants are folds over one event stream; nothing else tells them anything.

pub mod accounts;
pub mod banner;
pub mod cli;
pub mod comparison;
pub mod corpus;
pub mod events;
pub mod interrupt;
pub mod invariants;
pub mod logs;
pub mod lone_chain;
pub mod people;
pub mod persona;
pub mod report;
pub mod setup;
pub mod steer;
pub mod subnet;
pub mod tally;
pub mod training;
pub mod up;
pub mod view;
pub mod watch;

use std::io::{self, Write};

/// Prints to stdout, the channel of results. A reader that has hung up does not stop what runs.
pub fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints to stderr, the channel of errors.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "error: {text}");
}
