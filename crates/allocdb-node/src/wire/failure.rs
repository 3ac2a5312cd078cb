//! Why a call, or one message of it, was not carried out.
//!
//! Two layers that must not be mixed up. A [`CallError`] refuses a call whole, before anything of
//! it was sequenced: nothing happened. A [`Failure`] stands in one response, and says nothing about
//! the responses before it: what was committed stays committed, and its outcome is there to read.
//!
//! | error | detail words |
//! |---|---|
//! | malformed | index of the message, offset of the field, [`Reason`], 0 |
//! | ruled out by the configuration | index of the message, offset of the field, value, bound |
//! | | (of a duplicate resource, its id's low and high half) |
//! | buffer too small | bytes needed, bytes given, 0, 0 |
//! | a response's status | as of [`SubmitError::detail`], [`ReadError::detail`], |
//! | | [`rejection_detail`] |

use allocdb_core::outcome::Rejection;

use super::message::{Fault, Reason};
use crate::error::{CheckpointError, ReadError, SubmitError, rejection_detail};
use crate::status;

/// A status with the numbers of its story, as it stands in a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The status number; never 0.
    pub status: u16,
    /// The operating system's number; 0 where none was involved.
    pub os_errno: i32,
    /// What the status tables say for it.
    pub detail: [u64; 4],
}

impl From<&Rejection> for Failure {
    fn from(rejection: &Rejection) -> Self {
        let detail = rejection_detail(rejection);
        Self {
            status: rejection.status(),
            os_errno: 0,
            detail,
        }
    }
}

impl From<&SubmitError> for Failure {
    fn from(error: &SubmitError) -> Self {
        Self {
            status: error.status(),
            os_errno: error.os_errno(),
            detail: error.detail(),
        }
    }
}

impl From<&ReadError> for Failure {
    fn from(error: &ReadError) -> Self {
        Self {
            status: error.status(),
            os_errno: error.os_errno(),
            detail: error.detail(),
        }
    }
}

impl From<&CheckpointError> for Failure {
    fn from(error: &CheckpointError) -> Self {
        Self {
            status: error.status(),
            os_errno: error.os_errno(),
            detail: [0; 4],
        }
    }
}

/// Why a call was refused whole. Nothing of it was sequenced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The bytes of a message are none.
    Malformed {
        /// Which message of the call, from 0.
        index: u64,
        /// Where in the call, and why.
        fault: Fault,
    },
    /// The configuration rules a message out.
    Refused {
        /// Which message of the call, from 0.
        index: u64,
        /// Of the field at fault, from the start of the call.
        offset: usize,
        /// Why.
        rejection: Rejection,
    },
    /// The responses might not fit.
    BufferTooSmall {
        /// Bytes that suffice.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
}

impl CallError {
    /// The status number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => status::E_MALFORMED,
            Self::Refused { rejection, .. } => rejection.status(),
            Self::BufferTooSmall { .. } => status::E_BUFFER_TOO_SMALL,
        }
    }

    /// Four numbers for the C error, as the table at the top says.
    #[must_use]
    pub fn detail(&self) -> [u64; 4] {
        match *self {
            Self::Malformed { index, fault } => {
                [index, fault.offset as u64, u64::from(fault.reason as u8), 0]
            }
            Self::Refused {
                index,
                offset,
                rejection,
            } => {
                let [first, second, ..] = rejection_detail(&rejection);
                [index, offset as u64, first, second]
            }
            Self::BufferTooSmall { needed, given } => [needed as u64, given as u64, 0, 0],
        }
    }

    /// A refusal of the message that starts at `base`. What the form rules out is malformed, with
    /// the field that a message has for it.
    pub(crate) const fn refused(
        index: u64,
        base: usize,
        field_offset: usize,
        rejection: Rejection,
    ) -> Self {
        if let Rejection::Malformed { field } = rejection {
            let fault = Fault::new(field_offset, Reason::Value, field);
            return Self::Malformed {
                index,
                fault: fault.shifted(base),
            };
        }
        let offset = base.saturating_add(field_offset);
        Self::Refused {
            index,
            offset,
            rejection,
        }
    }
}

impl core::fmt::Display for CallError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed { index, fault } => write!(f, "message {index}: {fault}"),
            Self::Refused {
                index,
                offset,
                rejection,
            } => {
                write!(f, "message {index}, offset {offset}: {rejection}")
            }
            Self::BufferTooSmall { needed, given } => {
                write!(
                    f,
                    "the responses may take {needed} bytes, the buffer has {given}"
                )
            }
        }
    }
}

impl core::error::Error for CallError {}
