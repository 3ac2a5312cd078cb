//! The bodies of the fuzz targets: plain functions over bytes.
//!
//! A fuzzer calls a body millions of times with bytes that it changes until they reach new code
//! (`crates/allocdb-fuzz` has the thin programs around them); an ordinary test runs the committed
//! corpora and the seeds through the same functions. A body panics if and only if it has found
//! something. It never looks at a clock or at chance: the bytes alone repeat it.
//!
//! | module | the bytes are |
//! |---|---|
//! | [`log`] | a log file, or orders for making one under right checksums |
//! | [`snapshot`] | a snapshot, or its fields under right checksums, and commands to drive it |
//! | [`request`], [`response`] | messages of the byte API |
//! | [`options`] | whatever a caller may choose |
//! | [`commands`] | a history, told to the core and to the plain model |
//! | [`crash_recover`] | a life on a disk that loses and fails, opened again and again |
//! | [`material`] | how bytes become small numbers, ids and commands |
//!
//! Each body knows a bug ([`Target::canary`]) that is planted to see that the fuzzer finds it, and
//! a bound on what one run may allocate: no damaged length may ask for memory. Rejected: one body
//! that takes a parsed structure from a derive; a change of one byte then moves every field behind
//! it, and a corpus is worth nothing after the first change of a type.

use allocdb_core::canary::Canary;

pub mod commands;
pub mod crash_recover;
pub mod log;
pub mod material;
pub mod options;
pub mod request;
pub mod response;
pub mod snapshot;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on command lines, and its corpus's directory.
    pub name: &'static str,
    /// The longest input that is worth a try.
    pub len_max: usize,
    /// The greatest piece of memory that one run may ask for.
    pub allocation_bytes_max: usize,
    /// Tries one input.
    pub run: fn(&[u8]),
    /// Inputs to start from, made by the code that writes what the target reads.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The bug that must be found when it is planted.
    pub canary: Canary,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    log::TARGET,
    snapshot::TARGET,
    request::TARGET,
    response::TARGET,
    options::TARGET,
    commands::TARGET,
    crash_recover::TARGET,
];

#[cfg(test)]
mod tests;
