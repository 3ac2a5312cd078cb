//! What can go wrong, one enum a layer: each variant says what happened and whose fault it is, each
//! enum tells definite from indefinite, and every variant has its status number.
//!
//! *Definite* means that nothing happened and nothing will. *Indefinite* means that nobody can know
//! before the database is opened again: a frame may or may not have reached the disk. `Display`
//! writes the story with field, value, bound and offset, and allocates nothing; an operating
//! system's error is printed as its number, since the standard library's text for it is made on the
//! heap.

use core::fmt;

use allocdb_core::log::Corruption;
use allocdb_core::{ConfigError, Lsn, Rejection, Slot};

use crate::health::HaltReason;
use crate::status;

/// A file of a database, by its part in it: what errors name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileName {
    /// The directory itself.
    Directory,
    /// `LOCK`.
    Lock,
    /// `wal.adb`.
    Wal,
    /// `wal.adb.tmp`.
    WalTemporary,
    /// `snapshot-<lsn>.adb`.
    Snapshot(Lsn),
    /// `snapshot-<lsn>.adb.tmp`.
    SnapshotTemporary(Lsn),
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("the directory"),
            Self::Lock => f.write_str("LOCK"),
            Self::Wal => f.write_str("wal.adb"),
            Self::WalTemporary => f.write_str("wal.adb.tmp"),
            Self::Snapshot(lsn) => write!(f, "snapshot-{}.adb", lsn.0),
            Self::SnapshotTemporary(lsn) => write!(f, "snapshot-{}.adb.tmp", lsn.0),
        }
    }
}

/// An operation on a file that the operating system refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoError {
    /// What was tried: `open`, `read`, `write`, `sync`, …
    pub operation: &'static str,
    /// On which file.
    pub file: FileName,
    /// Where in the file.
    pub offset: u64,
    /// The operating system's number; 0 where it gave none (a read that came short).
    pub os_errno: i32,
}

impl IoError {
    /// Whether the file system had no room.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.os_errno, libc::ENOSPC | libc::EDQUOT | libc::EFBIG)
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            file,
            offset,
            os_errno,
        } = self;
        write!(
            f,
            "{operation} of {file} at offset {offset} failed with errno {os_errno}"
        )?;
        match *os_errno {
            libc::EMFILE | libc::ENFILE => f.write_str(" (too many open files)"),
            libc::ENOSPC => f.write_str(" (no space left)"),
            libc::EACCES | libc::EPERM | libc::EROFS => f.write_str(" (not allowed)"),
            0 => f.write_str(" (the file ends there)"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for IoError {}

/// Why a database could not be opened. Nothing on disk was changed, unless a new one was being
/// made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// An option is outside its bounds.
    Option(ConfigError),
    /// A stored option was given with another value.
    ConfigMismatch {
        /// Which.
        field: &'static str,
        /// What was given.
        given: u128,
        /// What the database was made with.
        stored: u128,
    },
    /// Someone else has the database open.
    Locked {
        /// Their process; 0 when it is not known.
        owner_pid: u32,
    },
    /// The directory, or its parent, is not there.
    DirectoryNotFound {
        /// The operating system's number.
        os_errno: i32,
    },
    /// The path holds something else.
    NotADatabase {
        /// What told.
        file: FileName,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The files are damaged; nothing was changed.
    Corrupt {
        /// Which file.
        file: FileName,
        /// Where in it.
        offset: u64,
        /// The log position that was expected there, or the snapshot's.
        expected_lsn: Lsn,
        /// What is wrong.
        reason: &'static str,
    },
    /// The log's frames are damaged, or their end is none that a crash leaves; nothing was changed.
    CorruptLog(Corruption),
    /// A format version that this library does not know.
    Version {
        /// Which file.
        file: FileName,
        /// What it says.
        found: u32,
        /// The newest that this library knows.
        supported: u32,
    },
    /// Too little memory.
    NoMemory {
        /// What was asked for.
        bytes: u64,
    },
    /// A file system on which a sync cannot be trusted.
    UnsupportedFileSystem {
        /// Its magic number (`statfs`).
        kind: u64,
    },
    /// A database is there, and a new one was to be made.
    Exists,
    /// No room for the files.
    StorageFull {
        /// What found out.
        error: IoError,
    },
    /// Opening for reading only is not in this version.
    ReadOnly,
    /// A file operation failed.
    Io(IoError),
}

impl OpenError {
    /// The status number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Option(_) => status::E_INVALID,
            Self::ConfigMismatch { .. } => status::E_CONFIG_MISMATCH,
            Self::Locked { .. } => status::E_LOCKED,
            Self::DirectoryNotFound { .. } => status::E_DIRECTORY_NOT_FOUND,
            Self::NotADatabase { .. } => status::E_NOT_A_DATABASE,
            Self::Corrupt { .. } | Self::CorruptLog(_) => status::E_CORRUPT,
            Self::Version { .. } => status::E_VERSION,
            Self::NoMemory { .. } => status::E_NO_MEMORY,
            Self::UnsupportedFileSystem { .. } => status::E_UNSUPPORTED_FS,
            Self::Exists => status::E_EXISTS,
            Self::StorageFull { .. } => status::E_STORAGE_FULL,
            Self::ReadOnly => status::E_READ_ONLY,
            Self::Io(_) => status::E_IO,
        }
    }

    /// The operating system's number; 0 where none was involved.
    #[must_use]
    pub const fn os_errno(&self) -> i32 {
        match self {
            Self::DirectoryNotFound { os_errno } => *os_errno,
            Self::StorageFull { error } | Self::Io(error) => error.os_errno,
            _ => 0,
        }
    }

    /// Four numbers for the C error: `Option`: value, least, greatest; `ConfigMismatch`: given,
    /// stored; `Locked`: pid; `Corrupt`: offset, expected LSN, and of the log the newest LSN known
    /// to have been there; `Version`: found, supported;
    /// `NoMemory`: bytes; `UnsupportedFileSystem`: kind.
    #[must_use]
    pub fn detail(&self) -> [u64; 4] {
        match *self {
            Self::Option(error) => config_detail(&error),
            Self::ConfigMismatch { given, stored, .. } => [low(given), low(stored), 0, 0],
            Self::Locked { owner_pid } => [owner_pid.into(), 0, 0, 0],
            Self::Corrupt {
                offset,
                expected_lsn,
                ..
            } => [offset, expected_lsn.0, 0, 0],
            Self::CorruptLog(corruption) => [
                corruption.offset,
                corruption.expected_lsn.0,
                corruption.newest_lsn.0,
                0,
            ],
            Self::Version {
                found, supported, ..
            } => [found.into(), supported.into(), 0, 0],
            Self::NoMemory { bytes } => [bytes, 0, 0, 0],
            Self::UnsupportedFileSystem { kind } => [kind, 0, 0, 0],
            _ => [0; 4],
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(error) => error.fmt(f),
            Self::ConfigMismatch {
                field,
                given,
                stored,
            } => write!(
                f,
                "{field} is given as {given}, the database was made with {stored}; 0 takes what \
                 is stored"
            ),
            Self::Locked { owner_pid: 0 } => f.write_str("the database is open elsewhere"),
            Self::Locked { owner_pid } => {
                write!(f, "the database is open in process {owner_pid}")
            }
            Self::DirectoryNotFound { os_errno } => {
                write!(f, "the directory cannot be opened: errno {os_errno}")
            }
            Self::NotADatabase { file, reason } => write!(f, "{file}: {reason}"),
            Self::Corrupt {
                file,
                offset,
                expected_lsn,
                reason,
            } => write!(
                f,
                "{file} is damaged at offset {offset}, where LSN {} was expected: {reason}; \
                 nothing was changed",
                expected_lsn.0
            ),
            Self::CorruptLog(corruption) => {
                write!(f, "wal.adb is damaged {corruption}; nothing was changed")
            }
            Self::Version {
                file,
                found,
                supported,
            } => write!(
                f,
                "{file} has format version {found}; this library knows {supported}"
            ),
            Self::NoMemory { bytes } => write!(f, "{bytes} bytes of memory are not to be had"),
            Self::UnsupportedFileSystem { kind } => write!(
                f,
                "the file system (type {kind:#x}) is not one whose sync can be trusted; \
                 ALLOW_NETWORK_FS overrides this"
            ),
            Self::Exists => f.write_str("a database is there already"),
            Self::StorageFull { error } => write!(f, "no room: {error}"),
            Self::ReadOnly => f.write_str("opening for reading only is not in this version"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<ConfigError> for OpenError {
    fn from(error: ConfigError) -> Self {
        Self::Option(error)
    }
}

impl From<IoError> for OpenError {
    fn from(error: IoError) -> Self {
        if error.is_full() {
            Self::StorageFull { error }
        } else {
            Self::Io(error)
        }
    }
}

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
            Self::Panicked => {
                f.write_str("an internal error was caught and the engine has halted: reopen")
            }
        }
    }
}

impl core::error::Error for CheckpointError {}

/// Numbers for the C error about one rejected command: the value first, then the bound.
#[must_use]
pub fn rejection_detail(rejection: &Rejection) -> [u64; 4] {
    match *rejection {
        Rejection::BundleTooLarge { len, bound } => [len, bound.into(), 0, 0],
        Rejection::DuplicateResource { resource_id } => {
            [low(resource_id.0), low(resource_id.0 >> 64), 0, 0]
        }
        Rejection::TtlOutOfRange { ttl_slots, bound } => [ttl_slots, bound, 0, 0],
        Rejection::SlotOverflow { slot, bound } => [slot.0, bound.0, 0, 0],
        Rejection::OperationExpired {
            slot,
            valid_until_slot,
        } => [valid_until_slot.0, slot.0, 0, 0],
        Rejection::ValidUntilOutOfRange {
            valid_until_slot,
            bound,
        } => [valid_until_slot.0, bound.0, 0, 0],
        Rejection::OperationConflict { lsn } => [lsn.0, 0, 0, 0],
        Rejection::OperationTableFull {
            capacity,
            window_slots,
        } => [capacity.into(), window_slots, 0, 0],
        // The table's number: 1 resources, 2 reservations, 3 operations.
        Rejection::PlacementExceeded { table } => [0, table as u64 + 1, 0, 0],
        _ => [0; 4],
    }
}

/// Numbers for the C error about one option: the value's low half, then its bounds.
fn config_detail(error: &ConfigError) -> [u64; 4] {
    [low(error.value), error.least, error.greatest, 0]
}

/// The low half of a number whose high half only ids and seeds use.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
const fn low(value: u128) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests;
