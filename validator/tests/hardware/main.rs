//! The proof of compute over real sockets on loopback: the prover of a neuron, and the validator that puts it to the test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own tools fail loudly")]

mod prover;
mod verifier;
mod world;
