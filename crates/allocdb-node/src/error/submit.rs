//! Why a submission was not carried out, or nobody knows whether it was.

use core::fmt;

use allocdb_core::{Rejection, Slot};

use super::{IoError, rejection_detail};
use crate::halt::HaltReason;
use crate::status;

/// Why a submission, or a tick, was not carried out as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubmitError {
    /// One of its commands is ruled out by its form or by the configuration: nothing of the
    /// submission was sequenced.
    Refused {
        /// Which command.
        index: u32,
        /// Why.
        rejection: Rejection,
    },
    /// More commands or bytes than one commit may hold.
    CommandTooLarge {
        /// `max_batch_commands` or `max_batch_bytes`.
        field: &'static str,
        /// What the submission has.
        value: u64,
        /// The bound.
        bound: u64,
    },
    /// A slot so late that a window beyond it could not be counted.
    SlotOverflow {
        /// What was given.
        slot: Slot,
        /// The greatest slot allowed.
        bound: Slot,
    },
    /// A slot further ahead than `max_slot_leap` allows.
    SlotLeap {
        /// What was given.
        slot: Slot,
        /// The greatest slot allowed at the moment.
        bound: Slot,
    },
    /// The queue is full.
    Overloaded {
        /// `max_queue`.
        capacity: u32,
    },
    /// No room to grow the log: nothing new was accepted.
    StorageFull {
        /// What found out.
        error: IoError,
    },
    /// The last log position has been given away; only a tick is told so as a whole.
    LsnExhausted,
    /// The engine is closed, or closing.
    Closed,
    /// The handle is open for reading only.
    ReadOnly,
    /// The write or the sync of its commit failed: nobody knows.
    StorageFailure {
        /// What failed.
        error: IoError,
    },
    /// The engine has halted, before or while this waited: nobody knows.
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// The thread that led its commit panicked: nobody knows.
    Panicked,
}

impl SubmitError {
    /// The status number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Refused { rejection, .. } => rejection.status(),
            Self::CommandTooLarge { .. } => status::E_COMMAND_TOO_LARGE,
            Self::SlotOverflow { .. } => status::E_SLOT_OVERFLOW,
            Self::SlotLeap { .. } => status::E_SLOT_LEAP,
            Self::Overloaded { .. } => status::E_OVERLOADED,
            Self::StorageFull { .. } => status::E_STORAGE_FULL,
            Self::LsnExhausted => status::E_LSN_EXHAUSTED,
            Self::Closed => status::E_CLOSED,
            Self::ReadOnly => status::E_READ_ONLY,
            Self::StorageFailure { .. } => status::E_STORAGE_FAILURE,
            Self::Halted { .. } => status::E_HALTED,
            Self::Panicked => status::E_PANIC,
        }
    }

    /// Whether nothing happened, for certain.
    #[must_use]
    pub const fn is_definite(&self) -> bool {
        !self.is_indefinite()
    }

    /// Whether nobody knows: reopen, then repeat the same operation or ask for it.
    #[must_use]
    pub const fn is_indefinite(&self) -> bool {
        matches!(
            status::category(self.status()),
            status::Category::Indefinite
        )
    }

    /// The operating system's number; 0 where none was involved.
    #[must_use]
    pub const fn os_errno(&self) -> i32 {
        match self {
            Self::StorageFull { error }
            | Self::StorageFailure { error }
            | Self::Halted {
                reason: HaltReason::Storage(error),
            } => error.os_errno,
            _ => 0,
        }
    }

    /// Four numbers for the C error: `Refused`: index, then as [`rejection_detail`];
    /// `CommandTooLarge`, `SlotOverflow`, `SlotLeap`: value, bound; `Overloaded`: capacity.
    #[must_use]
    pub fn detail(&self) -> [u64; 4] {
        match *self {
            Self::Refused { index, rejection } => {
                let [first, second, ..] = rejection_detail(&rejection);
                [index.into(), first, second, 0]
            }
            Self::CommandTooLarge { value, bound, .. } => [value, bound, 0, 0],
            Self::SlotOverflow { slot, bound } | Self::SlotLeap { slot, bound } => {
                [slot.0, bound.0, 0, 0]
            }
            Self::Overloaded { capacity } => [capacity.into(), 0, 0, 0],
            _ => [0; 4],
        }
    }
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { index, rejection } => write!(f, "command {index}: {rejection}"),
            Self::CommandTooLarge {
                field,
                value,
                bound,
            } => write!(f, "the submission has {value}, {field} is {bound}"),
            Self::SlotOverflow { slot, bound } => {
                write!(f, "slot is {}, must be at most {}", slot.0, bound.0)
            }
            Self::SlotLeap { slot, bound } => write!(
                f,
                "slot is {}, max_slot_leap allows at most {} now",
                slot.0, bound.0
            ),
            Self::Overloaded { capacity } => {
                write!(f, "the queue is full: max_queue is {capacity}; retry later")
            }
            Self::StorageFull { error } => {
                write!(f, "the log cannot grow, nothing was accepted: {error}")
            }
            Self::LsnExhausted => f.write_str("the last log position has been given away"),
            Self::Closed => f.write_str("the database is closed"),
            Self::ReadOnly => f.write_str("the database is open for reading only"),
            Self::StorageFailure { error } => write!(
                f,
                "{error}; the engine has halted and nobody knows whether the commit took effect: \
                 reopen, then retry with the same operation_id"
            ),
            Self::Halted { reason } => write!(f, "the engine has halted: {reason}; reopen"),
            Self::Panicked => f.write_str(
                "an internal error was caught and the engine has halted: reopen, then retry with \
                 the same operation_id",
            ),
        }
    }
}

impl core::error::Error for SubmitError {}
