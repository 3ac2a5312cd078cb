//! Why a backup was not made.

use core::fmt;

use allocdb_core::Lsn;

use super::IoError;
use crate::backup::LSN_RAISE;
use crate::halt::HaltReason;
use crate::status;

/// Why a backup was not made. The database that was to be copied goes on in any case, and what was
/// copied does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BackupError {
    /// The directory is not empty.
    Exists,
    /// There is no log position to raise the copy to.
    LsnExhausted {
        /// The original's.
        lsn: Lsn,
    },
    /// An operation in the backup's directory failed.
    Target {
        /// What failed.
        error: IoError,
    },
    /// The queue is full.
    Overloaded {
        /// `max_queue`.
        capacity: u32,
    },
    /// The engine has halted: its memory may lag its log.
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// The engine is closed, or closing.
    Closed,
    /// An internal error was caught: the engine has halted.
    Panicked,
}

impl BackupError {
    /// The status number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Exists => status::E_EXISTS,
            Self::LsnExhausted { .. } => status::E_LSN_EXHAUSTED,
            Self::Target { error } if error.is_full() => status::E_STORAGE_FULL,
            Self::Target { .. } => status::E_IO,
            Self::Overloaded { .. } => status::E_OVERLOADED,
            Self::Halted { .. } => status::E_HALTED,
            Self::Closed => status::E_CLOSED,
            Self::Panicked => status::E_PANIC,
        }
    }

    /// The operating system's number; 0 where none was involved.
    #[must_use]
    pub const fn os_errno(&self) -> i32 {
        match self {
            Self::Target { error }
            | Self::Halted {
                reason: HaltReason::Storage(error),
            } => error.os_errno,
            _ => 0,
        }
    }
}

impl From<IoError> for BackupError {
    fn from(error: IoError) -> Self {
        Self::Target { error }
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("the backup's directory is not empty"),
            Self::LsnExhausted { lsn } => write!(
                f,
                "the LSN is {}, and {LSN_RAISE} more is beyond the last one",
                lsn.0
            ),
            Self::Target { error } => write!(f, "the backup was given up: {error}"),
            Self::Overloaded { capacity } => {
                write!(f, "the queue is full: max_queue is {capacity}; retry later")
            }
            Self::Halted { reason } => write!(f, "the engine has halted: {reason}; reopen"),
            Self::Closed => f.write_str("the database is closed"),
            Self::Panicked => {
                f.write_str("an internal error was caught and the engine has halted: reopen")
            }
        }
    }
}

impl core::error::Error for BackupError {}
