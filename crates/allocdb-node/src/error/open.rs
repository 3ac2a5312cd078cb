//! Why a database could not be opened.

use core::fmt;

use allocdb_core::config::GROWABLE;
use allocdb_core::log::Corruption;
use allocdb_core::{ConfigError, Lsn};

use super::{FileName, IoError, config_detail, low};
use crate::status;

/// Why a database could not be opened. Nothing on disk was changed, unless a new one was being
/// made. One that was to grow opens as it was; or as it was to become, where the operation that
/// failed was the last but one, and its effect is on the disk all the same (R96).
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
        /// What the database has.
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
    /// Read-only: whoever writes replaced the log every time while it was being read.
    Unsettled {
        /// How often it was tried.
        attempts: u32,
    },
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
            Self::Unsettled { .. } | Self::Io(_) => status::E_IO,
        }
    }

    /// The operating system's number; 0 where none was involved.
    #[must_use]
    pub const fn os_errno(&self) -> i32 {
        match self {
            Self::DirectoryNotFound { os_errno } => *os_errno,
            Self::StorageFull { error } | Self::Io(error) => error.os_errno,
            Self::Unsettled { .. } => libc::EAGAIN,
            _ => 0,
        }
    }

    /// Four numbers for the C error: `Option`: value, least, greatest; `ConfigMismatch`: given,
    /// stored; `Locked`: pid; `Corrupt`: offset, expected LSN, and of the log the newest LSN known
    /// to have been there; `Version`: found, supported;
    /// `NoMemory`: bytes; `UnsupportedFileSystem`: kind; `Unsettled`: attempts.
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
            Self::Unsettled { attempts } => [attempts.into(), 0, 0, 0],
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
            } if *given < *stored && GROWABLE.contains(field) => write!(
                f,
                "{field} is given as {given}, the database has {stored}, and it can only grow; 0 \
                 takes what is stored"
            ),
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
            Self::Unsettled { attempts } => write!(
                f,
                "the log was replaced {attempts} times while it was being read; try again"
            ),
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
