//! Why a checkpoint was not taken.

use core::fmt;

use super::IoError;
use crate::halt::HaltReason;
use crate::status;

/// Why a checkpoint was not completed. Unless [`CheckpointError::is_fatal`], the engine goes on as
/// if it had not been tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// An operation on a temporary file failed; it was removed and nothing else changed.
    Temporary {
        /// What failed.
        error: IoError,
    },
    /// An operation that the log depends on failed: the engine has halted.
    Fatal {
        /// What failed.
        error: IoError,
    },
    /// The queue is full.
    Overloaded {
        /// `max_queue`.
        capacity: u32,
    },
    /// The engine has halted before.
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// The engine is closed, or closing.
    Closed,
    /// The handle is open for reading only.
    ReadOnly,
    /// An internal error was caught: the engine has halted.
    Panicked,
}

impl CheckpointError {
    /// The status number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Temporary { error } if error.is_full() => status::E_STORAGE_FULL,
            Self::Temporary { .. } => status::E_IO,
            Self::Fatal { .. } => status::E_STORAGE_FAILURE,
            Self::Overloaded { .. } => status::E_OVERLOADED,
            Self::Halted { .. } => status::E_HALTED,
            Self::Closed => status::E_CLOSED,
            Self::ReadOnly => status::E_READ_ONLY,
            Self::Panicked => status::E_PANIC,
        }
    }

    /// Whether the engine halted over it.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal { .. } | Self::Panicked)
    }

    /// The operating system's number; 0 where none was involved.
    #[must_use]
    pub const fn os_errno(&self) -> i32 {
        match self {
            Self::Temporary { error } | Self::Fatal { error } => error.os_errno,
            _ => 0,
        }
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Temporary { error } => {
                write!(f, "the checkpoint was given up, nothing changed: {error}")
            }
            Self::Fatal { error } => write!(f, "{error}; the engine has halted: reopen"),
            Self::Overloaded { capacity } => {
                write!(f, "the queue is full: max_queue is {capacity}; retry later")
            }
            Self::Halted { reason } => write!(f, "the engine has halted: {reason}; reopen"),
            Self::Closed => f.write_str("the database is closed"),
            Self::ReadOnly => f.write_str("the database is open for reading only"),
            Self::Panicked => {
                f.write_str("an internal error was caught and the engine has halted: reopen")
            }
        }
    }
}

impl core::error::Error for CheckpointError {}
