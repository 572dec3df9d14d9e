//! The client that neurons, validators and tools use to talk to a chain: our dev chain or Bittensor's own.
//!
//! Nothing here is generated from one runtime's metadata. Calls, storage items, constants and errors are found *by name*
//! in the metadata that the connected chain serves, and their arguments are checked by name and number before anything is
//! signed. So a renumbered pallet or a newer runtime breaks nothing, and what a chain lacks is a typed error
//! ([`ChainError::Missing`]) at the one operation that needs it.
//!
//! A bird's eye view:
//!
//! - [`Client`] owns one connection at a time, fails over along a list of endpoints and reconnects by itself.
//! - [`Snapshot`] reads the state of one block: [`Snapshot::metagraph`], [`Snapshot::hyperparameters`], balances, weights.
//! - [`Blocks`] is the sequence of finalized blocks, without gaps or repeats across reconnects.
//! - [`Call`] says what to do; [`Client::submit`] signs it, follows it to finality and returns its events.
//! - [`beacon`] verifies drand rounds, [`commitments`] reads what hotkeys posted, [`weights`] prepares weight vectors.
//!
//! Architecture invariant: no other crate names `subxt`, and none of its types appear in this crate's interface.

mod argument;
pub mod beacon;
mod blocks;
mod calls;
mod client;
pub mod commitments;
mod connection;
mod developer;
mod endpoint;
mod error;
mod events;
mod inclusion;
mod metagraph;
mod nonce;
mod recent;
mod shape;
mod snapshot;
mod submit;
mod subnet;
pub mod timelocked;
mod types;
mod value;
pub mod weights;

pub use argument::Argument;
pub use beacon::{BeaconConfig, BeaconError, Pulse};
pub use blocks::{Block, Blocks};
pub use calls::{AxonEndpoint, Call};
pub use client::{Client, ConnectConfig, FinalizedHead};
pub use commitments::{Commitment, CommitmentData, PostedCommitment};
pub use developer::Developer;
pub use endpoint::{Endpoint, EndpointError};
pub use error::{ChainError, DispatchError, Failure, Missing, MissingKind, Rejection, SubmitError};
pub use events::{Event, EventRecord};
pub use keys::AccountId;
pub use metagraph::{Axon, Metagraph, Neuron};
pub use shape::Shape;
pub use snapshot::Snapshot;
pub use submit::Submitted;
pub use subnet::{EpochSchedule, Hyperparameters, PendingWeightCommit};
/// What an entry decodes to whose type its reader need not know ([`Snapshot::optional`]).
pub use subxt::dynamic::Value;
pub use types::{BlockHash, BlockNumber, Netuid, ParseRaoError, Rao, Uid};
