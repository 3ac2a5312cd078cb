//! Why an engine halts. Halted, it answers neither commands nor reads: its memory may lag behind
//! its log, and only opening the database again finds out what the disk has.

use core::fmt;

use crate::error::IoError;

/// Why an engine no longer accepts or answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HaltReason {
    /// A write or sync failed.
    Storage(IoError),
    /// A thread panicked inside the engine.
    Panic,
    /// The host asked for it.
    Requested,
}

impl HaltReason {
    /// The number, in health and in the codec: 0 is kept for "not halted".
    #[must_use]
    pub const fn number(&self) -> u32 {
        match self {
            Self::Storage(_) => 1,
            Self::Panic => 2,
            Self::Requested => 3,
        }
    }
}

impl fmt::Display for HaltReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(f),
            Self::Panic => f.write_str("an internal error was caught"),
            Self::Requested => f.write_str("the host halted it"),
        }
    }
}
