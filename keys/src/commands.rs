//! The verbs, one file each.

pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod regen;
pub(crate) mod show;
pub(crate) mod sign;
pub(crate) mod verify;
