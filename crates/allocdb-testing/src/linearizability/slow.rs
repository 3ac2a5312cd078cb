//! The faulty disk with syncs that take a while, as a real one's do, so that commits gather and
//! reads come in between.
//!
//! How long is no part of any check. Rejected: a real file, whose syncs nobody can let fail.

use std::time::Duration;

use allocdb_node::storage::{FileMode, LockError, Storage};
use allocdb_node::{FileName, IoError};

use crate::disk::{Disk, DiskFile};

/// A disk that takes its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow<'a> {
    pub(super) disk: &'a Disk,
    pub(super) sync_us: u64,
}

impl<'a> Storage for Slow<'a> {
    type File = DiskFile<'a>;

    fn lock(&self) -> Result<Self::File, LockError> {
        self.disk.lock()
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<Self::File, IoError> {
        self.disk.open(name, mode)
    }

    fn len(&self, file: &Self::File) -> Result<u64, IoError> {
        self.disk.len(file)
    }

    fn read_at(&self, file: &Self::File, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.disk.read_at(file, offset, out)
    }

    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.disk.write_at(file, offset, bytes)
    }

    fn set_len(&self, file: &Self::File, len: u64) -> Result<(), IoError> {
        self.disk.set_len(file, len)
    }

    fn sync_data(&self, file: &Self::File) -> Result<(), IoError> {
        if self.sync_us > 0 {
            std::thread::sleep(Duration::from_micros(self.sync_us));
        }
        self.disk.sync_data(file)
    }

    fn sync_all(&self, file: &Self::File) -> Result<(), IoError> {
        self.disk.sync_all(file)
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
