//! Why a read-only handle could not catch up.

use core::fmt;

use super::{IoError, OpenError};
use crate::halt::HaltReason;
use crate::status;

/// Why a refresh did not succeed. But for a halted handle, reads go on with the state that they
/// had, and the refresh may be tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RefreshError {
    /// The files could not be read on from where the handle is, nor from the beginning.
    Failed(OpenError),
    /// The handle has halted, before or by this.
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// The handle is closed, or closing.
    Closed,
}

impl RefreshError {
    /// The status number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Failed(error) => error.status(),
            Self::Halted { .. } => status::E_HALTED,
            Self::Closed => status::E_CLOSED,
        }
    }

    /// The operating system's number; 0 where none was involved.
    #[must_use]
    pub const fn os_errno(&self) -> i32 {
        match self {
            Self::Failed(error) => error.os_errno(),
            Self::Halted {
                reason: HaltReason::Storage(error),
            } => error.os_errno,
            _ => 0,
        }
    }

    /// Four numbers for the C error: those of [`OpenError::detail`].
    #[must_use]
    pub fn detail(&self) -> [u64; 4] {
        match self {
            Self::Failed(error) => error.detail(),
            _ => [0; 4],
        }
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Halted { reason } => write!(f, "the engine has halted: {reason}; reopen"),
            Self::Closed => f.write_str("the database is closed"),
        }
    }
}

impl core::error::Error for RefreshError {}

impl From<OpenError> for RefreshError {
    fn from(error: OpenError) -> Self {
        Self::Failed(error)
    }
}

impl From<IoError> for RefreshError {
    fn from(error: IoError) -> Self {
        Self::Failed(error.into())
    }
}
