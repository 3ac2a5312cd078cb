//! The systems that are compared, each behind the same two traits.
//!
//! Each opens a database of its own in a directory of its own, on the disk in question, with all
//! resources in it and available. What was tuned, and why, stands at the top of each file.

pub(crate) mod allocdb;
pub(crate) mod grouped;
#[cfg(feature = "postgres")]
mod libpq;
pub(crate) mod lmdb;
pub(crate) mod map;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod redis;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
