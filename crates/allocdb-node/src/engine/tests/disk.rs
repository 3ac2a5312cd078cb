//! A database directory in memory whose log fails, blocks or panics on demand.
//!
//! Only what concerns the open log's writes and syncs is scripted here: what survives a crash is
//! the recovery tests' business, which have a disk of their own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::error::{FileName, IoError};
use crate::storage::{FileMode, LockError, Storage};

/// What goes wrong from now on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Script {
    /// Writes to the log fail with this errno.
    pub(crate) write_errno: i32,
    /// Writes that grow the log fail with this errno.
    pub(crate) growth_errno: i32,
    /// Syncs of the log fail with this errno.
    pub(crate) sync_errno: i32,
    /// Syncs of the log panic.
    pub(crate) sync_panics: bool,
    /// Syncs of the log wait until this is taken back.
    pub(crate) sync_blocks: bool,
    /// Syncs of the log take this long.
    pub(crate) sync_us: u64,
    /// Creating a temporary file fails with this errno.
    pub(crate) create_errno: i32,
    /// Renames fail with this errno.
    pub(crate) rename_errno: i32,
    /// Writes to the page for observers fail with this errno.
    pub(crate) page_errno: i32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    files: Mutex<BTreeMap<String, Arc<Contents>>>,
    is_locked: AtomicBool,
    script: Mutex<(Script, u32)>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Contents(Mutex<Vec<u8>>);

#[derive(Debug)]
pub(crate) struct File {
    name: FileName,
    contents: Arc<Contents>,
    /// The disk whose lock this file is.
    lock_of: Option<Disk>,
}

impl Drop for File {
    fn drop(&mut self) {
        if let Some(disk) = &self.lock_of {
            disk.0.is_locked.store(false, Ordering::Release);
        }
    }
}

impl Disk {
    pub(crate) fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.script.lock().unwrap().0);
        self.0.changed.notify_all();
    }

    /// Waits until a sync is being held up.
    pub(crate) fn wait_for_blocked_sync(&self) {
        let mut script = self.0.script.lock().unwrap();
        while script.1 == 0 {
            script = self.0.changed.wait(script).unwrap();
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.0.is_locked.load(Ordering::Acquire)
    }

    /// Whether there is such a file.
    pub(crate) fn has(&self, name: FileName) -> bool {
        self.0.files.lock().unwrap().contains_key(&name.to_string())
    }

    /// The names of all files.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.files.lock().unwrap().keys().cloned().collect()
    }

    /// The log's bytes.
    pub(crate) fn log(&self) -> Vec<u8> {
        let files = self.0.files.lock().unwrap();
        files["wal.adb"].0.lock().unwrap().clone()
    }

    fn sync(&self, file: &File) -> Result<(), IoError> {
        if file.name != FileName::Wal && file.name != FileName::WalTemporary {
            return Ok(());
        }
        let mut script = self.0.script.lock().unwrap();
        script.1 += 1;
        self.0.changed.notify_all();
        while script.0.sync_blocks {
            script = self.0.changed.wait(script).unwrap();
        }
        script.1 -= 1;
        let Script {
            sync_errno,
            sync_panics,
            sync_us,
            ..
        } = script.0;
        drop(script);
        if sync_us > 0 {
            std::thread::sleep(std::time::Duration::from_micros(sync_us));
        }
        assert!(!sync_panics, "a bug in a storage");
        failed(sync_errno, "sync", file.name)
    }
}

fn failed(os_errno: i32, operation: &'static str, file: FileName) -> Result<(), IoError> {
    if os_errno == 0 {
        return Ok(());
    }
    Err(IoError {
        operation,
        file,
        offset: 0,
        os_errno,
    })
}

impl Storage for Disk {
    type File = File;

    fn lock(&self) -> Result<File, LockError> {
        if self.0.is_locked.swap(true, Ordering::AcqRel) {
            return Err(LockError::Locked { pid: 1 });
        }
        let mut file = self
            .open(FileName::Lock, FileMode::ReadWrite)
            .or_else(|_| self.open(FileName::Lock, FileMode::Create))
            .expect("made where it is missing");
        file.lock_of = Some(self.clone());
        Ok(file)
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<File, IoError> {
        let mut files = self.0.files.lock().unwrap();
        let key = name.to_string();
        if mode == FileMode::Create {
            let errno = self.0.script.lock().unwrap().0.create_errno;
            failed(errno, "create", name)?;
            files.insert(key.clone(), Arc::default());
        }
        let Some(contents) = files.get(&key).cloned() else {
            failed(libc::ENOENT, "open", name)?;
            unreachable!("that was an error");
        };
        Ok(File {
            name,
            contents,
            lock_of: None,
        })
    }

    fn len(&self, file: &File) -> Result<u64, IoError> {
        Ok(file.contents.0.lock().unwrap().len() as u64)
    }

    fn read_at(&self, file: &File, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let contents = file.contents.0.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        match contents.get(offset..offset + out.len()) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => failed(libc::EIO, "read", file.name)?,
        }
        Ok(())
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let mut contents = file.contents.0.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        let end = offset + bytes.len();
        let script = self.0.script.lock().unwrap().0;
        if file.name == FileName::Health {
            failed(script.page_errno, "write", file.name)?;
        }
        if file.name == FileName::Wal || file.name == FileName::WalTemporary {
            failed(script.write_errno, "write", file.name)?;
            if end > contents.len() {
                failed(script.growth_errno, "write", file.name)?;
            }
        }
        if end > contents.len() {
            contents.resize(end, 0);
        }
        contents[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, file: &File, len: u64) -> Result<(), IoError> {
        let len = usize::try_from(len).unwrap();
        file.contents.0.lock().unwrap().resize(len, 0);
        Ok(())
    }

    fn sync_data(&self, file: &File) -> Result<(), IoError> {
        self.sync(file)
    }

    fn sync_all(&self, file: &File) -> Result<(), IoError> {
        self.sync(file)
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError> {
        let errno = self.0.script.lock().unwrap().0.rename_errno;
        failed(errno, "rename", from)?;
        let mut files = self.0.files.lock().unwrap();
        match files.remove(&from.to_string()) {
            Some(contents) => {
                files.insert(to.to_string(), contents);
                Ok(())
            }
            None => failed(libc::ENOENT, "rename", from),
        }
    }

    fn remove(&self, name: FileName) -> Result<(), IoError> {
        match self.0.files.lock().unwrap().remove(&name.to_string()) {
            Some(_) => Ok(()),
            None => failed(libc::ENOENT, "remove", name),
        }
    }

    fn list(&self, mut visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        for name in self.0.files.lock().unwrap().keys() {
            visit(name.as_bytes());
        }
        Ok(())
    }
}
