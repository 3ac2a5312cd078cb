//! The disk under a schedule: each write and sync of the log is a point at which others may go on,
//! and is watched.
//!
//! What is checked here holds in every scenario: no two threads are at the log at once (two
//! leaders), and none is once the engine has said that it is closed. What is known here: up to
//! which LSN the log is synced, read off the frames' headers as they pass, so that a read can be
//! held against it. The disk below is the faulty one of the engine's own tests; it has locks of
//! std's, which are never held across a point of choice.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use allocdb_node::storage::faulty::{Disk, DiskFile};
use allocdb_node::storage::{FileMode, LockError, Storage};
use allocdb_node::{FileName, IoError};

const FRAME_MAGIC: [u8; 4] = *b"ADBF";
const FRAME_HEADER_BYTES: usize = 64;
/// The kind of a frame that has commands.
const COMMANDS: u8 = 1;

/// What is known of the log under one schedule.
#[derive(Debug, Default)]
pub struct Watch {
    written_lsn: AtomicU64,
    synced_lsn: AtomicU64,
    is_busy: AtomicBool,
    /// Set by a scenario once `close` has returned.
    pub is_closed: AtomicBool,
    /// Log operations so far.
    operations: AtomicU64,
    /// The log operation that panics; none at 0.
    panics_at: AtomicU64,
    /// The point of choice.
    point: shuttle::sync::atomic::AtomicBool,
}

impl Watch {
    /// Up to where the log was synced before this was asked.
    #[must_use]
    pub fn synced_lsn(&self) -> u64 {
        self.synced_lsn.load(Ordering::Relaxed)
    }

    /// Lets the log operation after `skipped` others panic.
    pub fn panic_after(&self, skipped: u64) {
        let next = self.operations.load(Ordering::Relaxed) + 1;
        self.panics_at.store(next + skipped, Ordering::Relaxed);
    }

    /// One operation on the log: alone, before the end, and others may go on in its middle.
    fn at_log<T>(&self, operation: impl FnOnce() -> T) -> T {
        assert!(
            !self.is_busy.swap(true, Ordering::Relaxed),
            "two threads are at the log at once"
        );
        assert!(
            !self.is_closed.load(Ordering::Relaxed),
            "the log is touched after close"
        );
        self.point.load(Ordering::SeqCst);
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        let done = operation();
        self.point.load(Ordering::SeqCst);
        self.is_busy.store(false, Ordering::Relaxed);
        assert!(
            number != self.panics_at.load(Ordering::Relaxed),
            "planted: a panic at the log"
        );
        done
    }

    /// Takes note of what a write to the log carries, if it is a frame of commands.
    fn note(&self, bytes: &[u8]) {
        if bytes.len() < FRAME_HEADER_BYTES || bytes[..4] != FRAME_MAGIC || bytes[6] != COMMANDS {
            return;
        }
        let first = u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes"));
        let count = u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes"));
        assert!(count > 0, "a frame of commands has commands");
        let last = first + u64::from(count) - 1;
        // A checkpoint copies old frames.
        self.written_lsn.fetch_max(last, Ordering::Relaxed);
    }
}

/// A [`Disk`] that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// The disk.
    pub disk: &'a Disk,
    /// What is known of its log.
    pub watch: &'a Watch,
}

/// A file of a watched disk.
#[derive(Debug)]
pub struct WatchedFile<'a> {
    file: DiskFile<'a>,
    /// The log, or what a checkpoint is about to make the log.
    is_log: bool,
}

impl<'a> Storage for Watched<'a> {
    type File = WatchedFile<'a>;

    fn lock(&self) -> Result<Self::File, LockError> {
        let file = self.disk.lock()?;
        Ok(WatchedFile {
            file,
            is_log: false,
        })
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<Self::File, IoError> {
        let file = self.disk.open(name, mode)?;
        let is_log = matches!(name, FileName::Wal | FileName::WalTemporary);
        Ok(WatchedFile { file, is_log })
    }

    fn len(&self, file: &Self::File) -> Result<u64, IoError> {
        self.disk.len(&file.file)
    }

    fn read_at(&self, file: &Self::File, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.disk.read_at(&file.file, offset, out)
    }

    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        if !file.is_log {
            return self.disk.write_at(&file.file, offset, bytes);
        }
        self.watch.at_log(|| {
            self.watch.note(bytes);
            self.disk.write_at(&file.file, offset, bytes)
        })
    }

    fn set_len(&self, file: &Self::File, len: u64) -> Result<(), IoError> {
        self.disk.set_len(&file.file, len)
    }

    fn sync_data(&self, file: &Self::File) -> Result<(), IoError> {
        if !file.is_log {
            return self.disk.sync_data(&file.file);
        }
        self.watch.at_log(|| {
            let written = self.watch.written_lsn.load(Ordering::Relaxed);
            let synced = self.disk.sync_data(&file.file);
            if synced.is_ok() {
                self.watch.synced_lsn.fetch_max(written, Ordering::Relaxed);
            }
            synced
        })
    }

    fn sync_all(&self, file: &Self::File) -> Result<(), IoError> {
        self.disk.sync_all(&file.file)
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        self.disk.sync_directory()
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        self.disk.sync_parent()
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: FileName) -> Result<(), IoError> {
        self.disk.remove(name)
    }

    fn list(&self, visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        self.disk.list(visit)
    }
}
