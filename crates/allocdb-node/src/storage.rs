//! The only seam to files: one database directory as a trait, and what can go wrong with it.
//!
//! Everything that the engine knows about the outside it asks a [`Storage`] for, the lock file
//! included, so that a simulator can stand in for the disk and lose, tear or refuse whatever a disk
//! may. [`FileStorage`] is the real directory. The trait is used by static dispatch; files are
//! named by the plain enum [`FileName`], and errors carry operation, file, offset and
//! errno as plain values, because a full disk or a lack of descriptors is no time to allocate.
//! Rejected: `std::io` traits, whose errors hide the errno behind formatting that allocates, and
//! memory-mapped files, where a failing disk is a signal in the host's process.
//!
//! What an implementation must do, and what recovery relies on:
//! - A write that returned is seen by later reads. It survives a crash only if it was a
//!   `write_durable_at` that succeeded, or `sync_data` or `sync_all` of that file returned success
//!   after it; until then any subset of its 512-byte sectors may survive.
//! - A name that was created, renamed or removed survives a crash only after `sync_directory`.
//! - A read or write is whole or an error; an error may leave any part of a write behind.

mod direct;
#[cfg(any(test, feature = "torture"))]
pub mod faulty;
mod file;
mod lock;

pub use file::{DirectoryOptions, FileStorage};
pub use lock::{LOCK_BYTES, LockRecord};

use core::ffi::CStr;

use allocdb_core::Lsn;

use crate::error::{FileName, IoError, OpenError};

/// One database directory.
pub trait Storage: Send + Sync {
    /// An open file; closed when dropped.
    type File: core::fmt::Debug + Send + Sync;

    /// Opens or creates [`FileName::Lock`] and takes the exclusive lock, which lasts until the
    /// file is dropped or its process ends.
    fn lock(&self) -> Result<Self::File, LockError>;

    /// Opens a file.
    fn open(&self, name: FileName, mode: FileMode) -> Result<Self::File, IoError>;

    /// The file's length.
    fn len(&self, file: &Self::File) -> Result<u64, IoError>;

    /// Reads exactly `out.len()` bytes; the file's end before that is an error.
    fn read_at(&self, file: &Self::File, offset: u64, out: &mut [u8]) -> Result<(), IoError>;

    /// Writes all of `bytes`.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> Result<(), IoError>;

    /// Writes all of `bytes` and makes the file's bytes durable, in one step where the system has
    /// one. Only into bytes that the file has already. After an error nothing is known of either.
    fn write_durable_at(
        &self,
        file: &Self::File,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), IoError> {
        self.write_at(file, offset, bytes)?;
        self.sync_data(file)
    }

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, file: &Self::File, len: u64) -> Result<(), IoError>;

    /// Makes the file's bytes, and its length where it grew, durable.
    fn sync_data(&self, file: &Self::File) -> Result<(), IoError>;

    /// Makes the file and everything about it durable.
    fn sync_all(&self, file: &Self::File) -> Result<(), IoError>;

    /// Makes the names in the directory durable.
    fn sync_directory(&self) -> Result<(), IoError>;

    /// Makes the directory's own name durable, as far as the host may do that.
    fn sync_parent(&self) -> Result<(), IoError>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError>;

    /// Removes a name.
    fn remove(&self, name: FileName) -> Result<(), IoError>;

    /// Shows every name in the directory but `.` and `..`, in any order.
    fn list(&self, visit: impl FnMut(&[u8])) -> Result<(), IoError>;
}

/// How [`Storage::open`] opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    ReadWrite,
    /// A new, empty file, to read and write; what had the name is cut to nothing.
    Create,
}

/// Why the lock was not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockError {
    /// Another handle holds it, in this process or in another.
    Locked {
        /// The owner's process id as its lock file has it; 0 where it could not be read.
        pid: u32,
    },
    /// The lock file could not be used.
    Io(IoError),
}

impl core::fmt::Display for LockError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Locked { pid: 0 } => write!(f, "the database is open elsewhere"),
            Self::Locked { pid } => write!(f, "the database is open in process {pid}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LockError {}

impl From<LockError> for OpenError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Locked { pid } => Self::Locked { owner_pid: pid },
            LockError::Io(error) => error.into(),
        }
    }
}

const NAME_BYTES: usize = 40;
const LOCK: &[u8] = b"LOCK";
const LOG: &[u8] = b"wal.adb";
const HEALTH: &[u8] = b"health.adb";
const SNAPSHOT_PREFIX: &[u8] = b"snapshot-";
const SUFFIX: &[u8] = b".adb";
const TEMPORARY_SUFFIX: &[u8] = b".tmp";
const LSN_DIGITS_MAX: usize = 20;

const _: () = assert!(
    SNAPSHOT_PREFIX.len() + LSN_DIGITS_MAX + SUFFIX.len() + TEMPORARY_SUFFIX.len() < NAME_BYTES,
    "the longest name and its terminating zero fit"
);

/// A [`FileName`] as the system wants it: spelled on the stack, without an allocation.
#[derive(Clone, Copy)]
pub struct NameText {
    /// Zero-terminated: the last byte is always 0.
    bytes: [u8; NAME_BYTES],
    len: usize,
}

impl NameText {
    /// Spells a name.
    #[must_use]
    pub fn new(name: FileName) -> Self {
        let mut text = Self {
            bytes: [0; NAME_BYTES],
            len: 0,
        };
        match name {
            FileName::Directory => text.push(b"."),
            FileName::Lock => text.push(LOCK),
            FileName::Wal | FileName::WalTemporary => text.push(LOG),
            FileName::Snapshot(lsn) | FileName::SnapshotTemporary(lsn) => {
                text.push(SNAPSHOT_PREFIX);
                text.push_number(lsn.0);
                text.push(SUFFIX);
            }
            FileName::Health => text.push(HEALTH),
        }
        if let FileName::WalTemporary | FileName::SnapshotTemporary(_) = name {
            text.push(TEMPORARY_SUFFIX);
        }
        text
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        assert!(end < NAME_BYTES, "the longest name fits");
        self.bytes[self.len..end].copy_from_slice(part);
        self.len = end;
    }

    fn push_number(&mut self, number: u64) {
        let mut digits = [0u8; LSN_DIGITS_MAX];
        let mut first = LSN_DIGITS_MAX;
        let mut rest = number;
        while rest > 0 || first == LSN_DIGITS_MAX {
            first -= 1;
            digits[first] = b'0' + u8::try_from(rest % 10).expect("a remainder by ten");
            rest /= 10;
        }
        self.push(&digits[first..]);
    }

    /// The name for the system.
    #[must_use]
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).expect("the last byte is always zero")
    }
}

/// What a name in the directory stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A file of the database: its lock, its log, a snapshot, or a rewrite under way.
    Ours(FileName),
    /// A file that stands beside a database without being part of it: the page for observers, or
    /// a file system's own `lost+found`.
    Beside,
    /// Not of this format.
    Foreign,
}

impl Entry {
    /// Judges a name.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let (stem, is_temporary) = match name.strip_suffix(TEMPORARY_SUFFIX) {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        match (stem, is_temporary) {
            (LOCK, false) => return Self::Ours(FileName::Lock),
            (LOG, false) => return Self::Ours(FileName::Wal),
            (LOG, true) => return Self::Ours(FileName::WalTemporary),
            (HEALTH | b"lost+found", false) => return Self::Beside,
            _ => {}
        }
        match (snapshot_lsn(stem), is_temporary) {
            (Some(lsn), false) => Self::Ours(FileName::Snapshot(lsn)),
            (Some(lsn), true) => Self::Ours(FileName::SnapshotTemporary(lsn)),
            (None, _) => Self::Foreign,
        }
    }
}

/// The LSN in a snapshot's name, spelled as [`NameText`] spells it: one file has one name.
fn snapshot_lsn(name: &[u8]) -> Option<Lsn> {
    let digits = name.strip_prefix(SNAPSHOT_PREFIX)?.strip_suffix(SUFFIX)?;
    if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let mut value = 0u64;
    for &digit in digits {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(Lsn(value))
}

#[cfg(test)]
pub(crate) mod tests;
