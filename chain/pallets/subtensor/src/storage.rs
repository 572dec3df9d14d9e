//! What the chain remembers: Bittensor's names, keys, value types and defaults.

pub(crate) mod asked;
pub(crate) mod consensus;
pub(crate) mod money;
pub(crate) mod relations;
pub(crate) mod subnets;
