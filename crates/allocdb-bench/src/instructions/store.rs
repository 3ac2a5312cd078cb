//! A database's files in memory: what is counted is the engine, not the kernel.
//!
//! Writes and syncs always succeed and cost a copy. Rejected: the failing disk of the test
//! harnesses, which keeps the unsynced and the synced bytes of each sector, and would be a good
//! part of what is counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use allocdb_node::storage::{FileMode, LockError, NameText, Storage};
use allocdb_node::{FileName, IoError};

/// The files, by the names that they have or had.
#[derive(Debug, Default)]
pub struct Store {
    files: Mutex<Vec<File>>,
}

#[derive(Debug)]
struct File {
    name: Option<FileName>,
    bytes: Vec<u8>,
}

/// An open file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreFile {
    index: usize,
    name: FileName,
}

/// The number for a name that is not there, and the one for an end that came too early.
const NOT_THERE: i32 = 2;
const TOO_SHORT: i32 = 0;

impl Store {
    fn files(&self) -> MutexGuard<'_, Vec<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, name: FileName) -> Option<StoreFile> {
        let index = self
            .files()
            .iter()
            .position(|file| file.name == Some(name))?;
        Some(StoreFile { index, name })
    }

    fn create(&self, name: FileName) -> StoreFile {
        let _ = self.forget(name);
        let mut files = self.files();
        files.push(File {
            name: Some(name),
            bytes: Vec::new(),
        });
        let index = files.len() - 1;
        StoreFile { index, name }
    }

    fn forget(&self, name: FileName) -> Result<(), IoError> {
        let file = self
            .found(name)
            .ok_or(error("remove", name, 0, NOT_THERE))?;
        self.files()[file.index].name = None;
        Ok(())
    }
}

const fn error(operation: &'static str, file: FileName, offset: u64, os_errno: i32) -> IoError {
    IoError {
        operation,
        file,
        offset,
        os_errno,
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("files are in memory")
}

impl Storage for &Store {
    type File = StoreFile;

    fn lock(&self) -> Result<StoreFile, LockError> {
        let found = self.found(FileName::Lock);
        Ok(found.unwrap_or_else(|| self.create(FileName::Lock)))
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<StoreFile, IoError> {
        match mode {
            FileMode::Create => Ok(self.create(name)),
            FileMode::Read | FileMode::ReadWrite => {
                self.found(name).ok_or(error("open", name, 0, NOT_THERE))
            }
        }
    }

    fn len(&self, file: &StoreFile) -> Result<u64, IoError> {
        Ok(self.files()[file.index].bytes.len() as u64)
    }

    fn read_at(&self, file: &StoreFile, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let (files, begin) = (self.files(), place(offset));
        let bytes = files[file.index].bytes.get(begin..begin + out.len());
        let bytes = bytes.ok_or(error("read", file.name, offset, TOO_SHORT))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, file: &StoreFile, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let (mut files, begin) = (self.files(), place(offset));
        let (all, end) = (&mut files[file.index].bytes, begin + bytes.len());
        if all.len() < end {
            all.resize(end, 0);
        }
        all[begin..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, file: &StoreFile, len: u64) -> Result<(), IoError> {
        self.files()[file.index].bytes.resize(place(len), 0);
        Ok(())
    }

    fn sync_data(&self, _file: &StoreFile) -> Result<(), IoError> {
        Ok(())
    }

    fn sync_all(&self, _file: &StoreFile) -> Result<(), IoError> {
        Ok(())
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError> {
        let file = self
            .found(from)
            .ok_or(error("rename", from, 0, NOT_THERE))?;
        if self.found(to).is_some() {
            self.forget(to)?;
        }
        self.files()[file.index].name = Some(to);
        Ok(())
    }

    fn remove(&self, name: FileName) -> Result<(), IoError> {
        self.forget(name)
    }

    fn list(&self, mut visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        for name in self.files().iter().filter_map(|file| file.name) {
            visit(NameText::new(name).as_c_str().to_bytes());
        }
        Ok(())
    }
}
