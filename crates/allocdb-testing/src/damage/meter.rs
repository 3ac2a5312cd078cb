//! A disk with a meter: what an opening reads and changes, bounded.
//!
//! Two promises are looked at on every image: a refusal has changed nothing but the lock file's
//! text, and damage does not make recovery read without end. Reading more than the bound panics,
//! which the harness reports: a loop that damage could keep alive reads in each turn. Rejected: a
//! watchdog by the clock, which on a busy machine finds things that are not there.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use allocdb_node::storage::{FileMode, LockError, Storage};
use allocdb_node::{FileName, IoError};

use crate::disk::{Disk, DiskFile};
use crate::heap;

/// The disk under the meter.
#[derive(Debug)]
pub struct Metered<'a> {
    disk: &'a Disk,
    bytes_max: u64,
    bytes_read: AtomicU64,
    changes: AtomicU64,
    lock_changes: AtomicU64,
}

impl<'a> Metered<'a> {
    /// Looks at `disk`; more than `bytes_max` read is a panic.
    #[must_use]
    pub fn new(disk: &'a Disk, bytes_max: u64) -> Self {
        Self {
            disk,
            bytes_max,
            bytes_read: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            lock_changes: AtomicU64::new(0),
        }
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    /// Operations so far that change anything but the lock file.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// Operations so far that change the lock file.
    pub fn lock_changes(&self) -> u64 {
        self.lock_changes.load(Relaxed)
    }

    fn change(&self, is_lock: bool) {
        let counter = if is_lock {
            &self.lock_changes
        } else {
            &self.changes
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// A file under the meter.
#[derive(Debug)]
pub struct MeteredFile<'a> {
    file: DiskFile<'a>,
    is_lock: bool,
}

impl<'a> Storage for &Metered<'a> {
    type File = MeteredFile<'a>;

    fn lock(&self) -> Result<MeteredFile<'a>, LockError> {
        // Locking makes the file where it is missing; what it says is written later.
        let file = heap::apart(|| self.disk.lock())?;
        let is_lock = true;
        Ok(MeteredFile { file, is_lock })
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<MeteredFile<'a>, IoError> {
        if mode == FileMode::Create {
            self.change(false);
        }
        let file = heap::apart(|| self.disk.open(name, mode))?;
        let is_lock = name == FileName::Lock;
        Ok(MeteredFile { file, is_lock })
    }

    fn len(&self, file: &MeteredFile<'a>) -> Result<u64, IoError> {
        self.disk.len(&file.file)
    }

    fn read_at(&self, file: &MeteredFile<'a>, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        // A read of nothing counts as well, or it could go on for ever.
        let read = self.bytes_read.fetch_add(out.len() as u64 + 1, Relaxed);
        assert!(
            read <= self.bytes_max,
            "reading goes on and on: {read} bytes"
        );
        self.disk.read_at(&file.file, offset, out)
    }

    fn write_at(&self, file: &MeteredFile<'a>, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.change(file.is_lock);
        heap::apart(|| self.disk.write_at(&file.file, offset, bytes))
    }

    fn set_len(&self, file: &MeteredFile<'a>, len: u64) -> Result<(), IoError> {
        self.change(file.is_lock);
        heap::apart(|| self.disk.set_len(&file.file, len))
    }

    fn sync_data(&self, file: &MeteredFile<'a>) -> Result<(), IoError> {
        heap::apart(|| self.disk.sync_data(&file.file))
    }

    fn sync_all(&self, file: &MeteredFile<'a>) -> Result<(), IoError> {
        heap::apart(|| self.disk.sync_all(&file.file))
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        heap::apart(|| self.disk.sync_directory())
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        self.disk.sync_parent()
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError> {
        self.change(false);
        heap::apart(|| self.disk.rename(from, to))
    }

    fn remove(&self, name: FileName) -> Result<(), IoError> {
        self.change(name == FileName::Lock);
        heap::apart(|| self.disk.remove(name))
    }

    fn list(&self, visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        self.disk.list(visit)
    }
}
