//! What the operating system refused: which operation on which file, where, and its number.

use core::fmt;

use allocdb_core::Lsn;

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
    /// `health.adb`.
    Health,
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
            Self::Health => f.write_str("health.adb"),
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
