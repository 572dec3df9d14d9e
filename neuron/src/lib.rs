//! A neuron: a peer that hosts a slice of the model, proves who it is, and does its share of each window's work.
//!
//! | to do this | look at |
//! |---|---|
//! | encode and decode what goes over the wire | [`wire`], [`message`] |
//! | talk to other neurons | [`net`] |
//! | keep state on disk | [`store`] |
//! | know what a run is, and read its corpus | [`manifest`], [`corpus`] |
//! | decide what to do in a window | [`machine`] |
//! | compute a stage | [`worker`] |
//! | prove to validators what this machine can do | [`prover`] |
//! | run a neuron in this process | [`shell`] |
//! | put a run's model together, and keep it in a folder | [`shell::assemble()`], [`export`] |
//! | parse the flags that all binaries share | [`cli`] |
//! | follow what a neuron does | [`events`] |
//!
//! Protocol logic is sans-IO: [`machine`] takes events and time, and returns actions; [`shell`] drives it over the network
//! and the chain.

pub mod cli;
pub mod corpus;
pub mod events;
pub mod export;
pub mod machine;
pub mod manifest;
pub mod message;
pub mod net;
pub mod prover;
pub mod shell;
pub mod store;
pub mod wire;
pub mod worker;
