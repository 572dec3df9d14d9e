//! The verbs, one file each, and what they share.

pub(crate) mod backup;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod passwd;
mod plan;
mod protection;
pub(crate) mod regen;
pub(crate) mod restore;
pub(crate) mod role;
pub(crate) mod show;
pub(crate) mod sign;
pub(crate) mod verify;
