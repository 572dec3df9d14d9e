//! Everything that neurons say to each other.
//!
//! One file per subject. Each type has a byte limit, and a test that pins the hash of its encoding (see
//! [`wire`](crate::wire)). What is signed is signed over a domain, see [`signed`].

pub mod commit;
pub mod control;
pub mod conviction;
pub mod hardware;
pub mod leaf;
pub mod merge;
pub mod names;
pub mod run;
pub mod signed;
pub mod transfer;
