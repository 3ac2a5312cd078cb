//! Why a read was not answered.

use core::fmt;

use allocdb_core::Lsn;

use crate::halt::HaltReason;
use crate::status;

/// Why a read was not answered with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing with this id.
    NotFound,
    /// The reservation ended and is no longer remembered.
    Retired,
    /// The state has not reached the log position asked for.
    FenceNotApplied {
        /// What was asked for.
        required: Lsn,
        /// What has been applied.
        applied: Lsn,
    },
    /// The engine has halted: memory may lag behind the log.
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// The engine is closed, or closing.
    Closed,
}

impl ReadError {
    /// The status number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound => status::ID_NOT_FOUND,
            Self::Retired => status::RETIRED,
            Self::FenceNotApplied { .. } => status::FENCE_NOT_APPLIED,
            Self::Halted { .. } => status::E_HALTED,
            Self::Closed => status::E_CLOSED,
        }
    }

    /// The operating system's number; 0 where none was involved.
    #[must_use]
    pub const fn os_errno(&self) -> i32 {
        match self {
            Self::Halted {
                reason: HaltReason::Storage(error),
            } => error.os_errno,
            _ => 0,
        }
    }

    /// Four numbers for the C error: `FenceNotApplied`: required, applied.
    #[must_use]
    pub const fn detail(&self) -> [u64; 4] {
        match self {
            Self::FenceNotApplied { required, applied } => [required.0, applied.0, 0, 0],
            _ => [0; 4],
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("nothing with this id"),
            Self::Retired => f.write_str("the reservation ended and is no longer remembered"),
            Self::FenceNotApplied { required, applied } => write!(
                f,
                "required_lsn is {}, the last applied is {}",
                required.0, applied.0
            ),
            Self::Halted { reason } => write!(f, "the engine has halted: {reason}; reopen"),
            Self::Closed => f.write_str("the database is closed"),
        }
    }
}

impl core::error::Error for ReadError {}
