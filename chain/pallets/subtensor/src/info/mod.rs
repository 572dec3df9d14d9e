//! What clients ask about subnets, neurons and stake: the structures that the runtime's interfaces return, with
//! Bittensor's names, fields and order, and how each is read off storage.
//!
//! Clients decode by the shape in the metadata and look fields up by name. All small numbers are [`Compact`], as there.

mod delegate;
mod dynamic;
mod hyperparameters;
mod metagraph;
mod neuron;
mod stake;
mod state;
mod subnet;

pub use delegate::{DelegateInfo, Delegation, Holdings};
pub use dynamic::DynamicInfo;
pub use hyperparameters::{
    HyperparamEntry, HyperparamValue, SubnetHyperparams, SubnetHyperparamsV2, SubnetHyperparamsV3,
};
pub use metagraph::{Metagraph, SelectiveMetagraph};
pub use neuron::{NeuronInfo, NeuronInfoLite};
pub use stake::{StakeAvailability, StakeInfo, StakesOf};
pub use state::SubnetState;
pub use subnet::{SubnetInfo, SubnetInfov2};

use alloc::vec::Vec;
use codec::Compact;

/// Text and lists of numbers as Bittensor sends them.
fn compacts<N: Copy>(numbers: &[N]) -> Vec<Compact<N>> {
    numbers.iter().copied().map(Compact).collect()
}
