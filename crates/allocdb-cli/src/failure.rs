//! What went wrong: as an exit status, as a sentence with the path in front, and as JSON.
//!
//! The node's errors already say file, offset, bound and number; here they get the directory that
//! they are about, and a kind that a script can compare.

use std::fmt;
use std::path::{Path, PathBuf};

use allocdb_node::{BackupError, CheckpointError, IoError, OpenError};
use serde_json::{Value, json};

/// How the program ends; the numbers are documented in `--help` and do not change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Damaged = 1,
    Usage = 2,
    InUse = 3,
    NotThere = 4,
    System = 5,
}

/// What failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    Open(OpenError),
    Checkpoint(CheckpointError),
    Backup(BackupError),
    Io(IoError),
}

/// What failed, and where.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    path: PathBuf,
    reason: Reason,
}

impl Failure {
    /// A failure of what was tried in `path`.
    pub(crate) fn new(path: &Path, reason: impl Into<Reason>) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.reason {
            Reason::Open(error) => exit_of(&error),
            Reason::Backup(BackupError::Exists) => Exit::NotThere,
            Reason::Checkpoint(_) | Reason::Backup(_) | Reason::Io(_) => Exit::System,
        }
    }

    /// The document of a command that failed.
    pub(crate) fn json(&self) -> Value {
        let mut error = match &self.reason {
            Reason::Open(error) => open_json(error),
            Reason::Io(error)
            | Reason::Backup(BackupError::Target { error })
            | Reason::Checkpoint(
                CheckpointError::Temporary { error } | CheckpointError::Fatal { error },
            ) => io_json(error),
            Reason::Backup(BackupError::Exists) => json!({"kind": "exists"}),
            Reason::Backup(_) | Reason::Checkpoint(_) => json!({"kind": "engine"}),
        };
        error["message"] = self.to_string().into();
        json!({
            "directory": self.path.to_string_lossy(),
            "exit_status": self.exit() as u8,
            "error": error,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.reason {
            Reason::Open(OpenError::UnsupportedFileSystem { kind }) => write!(
                f,
                "the file system (type {kind:#x}) is not one whose sync can be trusted; \
                 --allow-network-fs overrides this"
            ),
            Reason::Open(error) => error.fmt(f),
            Reason::Checkpoint(error) => error.fmt(f),
            Reason::Backup(error) => error.fmt(f),
            Reason::Io(error) => error.fmt(f),
        }
    }
}

/// The exit status of an opening that was refused.
pub(crate) fn exit_of(error: &OpenError) -> Exit {
    match error {
        OpenError::Corrupt { .. } | OpenError::CorruptLog(_) | OpenError::Version { .. } => {
            Exit::Damaged
        }
        // The options are this program's own, but for the path.
        OpenError::Option(_) | OpenError::ConfigMismatch { .. } => Exit::Usage,
        OpenError::Locked { .. } => Exit::InUse,
        OpenError::DirectoryNotFound { .. }
        | OpenError::NotADatabase { .. }
        | OpenError::Exists => Exit::NotThere,
        _ => Exit::System,
    }
}

/// What an opening that was refused says, for programs.
pub(crate) fn open_json(error: &OpenError) -> Value {
    match error {
        OpenError::Corrupt {
            file,
            offset,
            expected_lsn,
            reason,
        } => json!({
            "kind": "corrupt",
            "file": file.to_string(),
            "offset": offset,
            "first_lsn_lost": expected_lsn.0,
            "reason": reason,
        }),
        OpenError::CorruptLog(corruption) => json!({
            "kind": "corrupt",
            "file": "wal.adb",
            "offset": corruption.offset,
            "first_lsn_lost": corruption.expected_lsn.0,
            "newest_lsn_seen": corruption.newest_lsn.0,
            "reason": corruption.reason.to_string(),
        }),
        OpenError::Version {
            file,
            found,
            supported,
        } => json!({
            "kind": "version",
            "file": file.to_string(),
            "found": found,
            "supported": supported,
        }),
        OpenError::Locked { owner_pid } => json!({"kind": "in_use", "owner_pid": owner_pid}),
        OpenError::NotADatabase { file, reason } => json!({
            "kind": "not_a_database",
            "file": file.to_string(),
            "reason": reason,
        }),
        OpenError::DirectoryNotFound { os_errno } => {
            json!({"kind": "directory_not_found", "os_errno": os_errno})
        }
        OpenError::NoMemory { bytes } => json!({"kind": "no_memory", "bytes": bytes}),
        OpenError::StorageFull { error } | OpenError::Io(error) => io_json(error),
        OpenError::Option(_) | OpenError::ConfigMismatch { .. } => json!({"kind": "option"}),
        OpenError::UnsupportedFileSystem { .. } => json!({"kind": "unsupported_file_system"}),
        OpenError::Unsettled { .. } => json!({"kind": "unsettled"}),
        _ => json!({"kind": "other"}),
    }
}

fn io_json(error: &IoError) -> Value {
    json!({
        "kind": if error.is_full() { "storage_full" } else { "io" },
        "operation": error.operation,
        "file": error.file.to_string(),
        "offset": error.offset,
        "os_errno": error.os_errno,
    })
}

impl From<OpenError> for Reason {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<CheckpointError> for Reason {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl From<BackupError> for Reason {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

impl From<IoError> for Reason {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}
