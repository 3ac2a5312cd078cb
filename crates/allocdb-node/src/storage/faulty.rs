//! A disk in memory that does exactly what the media assumptions allow, and no more.
//!
//! Every file has two contents: what reads see (the page cache), and what survives. A write changes
//! the first; a sync copies it to the second; a crash keeps any subset of the 512-byte sectors that
//! were written and not synced. A sync that fails leaves them *clean*: reads go on to show the new
//! bytes, no later sync writes them, a crash brings the old ones back; unless they are written
//! again. Names are changed in order, and a crash keeps any first few of the changes since the last
//! sync of the directory. A file that grew without a sync has the old length or the new one, with
//! zeros for sectors that did not survive.
//!
//! Operations are counted, and one of them can be told to fail, or to be the last before a crash.
//! The page for observers is left out of the count and of what survives, unless all does: nothing
//! waits for it and nothing relies on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{FileMode, LOCK_BYTES, LockError, LockRecord, NameText, Storage};
use crate::error::{FileName, IoError};

const SECTOR: usize = 512;

/// What goes wrong at the operation that [`Disk::plan`] names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power goes: a write has reached the page cache, anything else has not begun; nothing
    /// works from then on.
    Crash,
    /// The operation fails with this number, having done nothing; a sync cleans its pages.
    Errno(i32),
    /// The operation and every later one that changes anything fails with this number.
    ErrnoForGood(i32),
}

/// The disk.
#[derive(Debug, Default)]
pub struct Disk {
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    files: Vec<Content>,
    names: BTreeMap<FileText, usize>,
    durable_names: BTreeMap<FileText, usize>,
    /// Changes to names since the last sync of the directory.
    changes: Vec<Change>,
    locked: bool,
    /// The kernel drops clean pages when a file is next opened for writing.
    evicts: bool,
    operations: u64,
    plan: Option<(u64, Fault)>,
    crashed: bool,
    /// Bytes that all files together may have.
    room: Option<usize>,
    descriptors_max: Option<usize>,
    descriptors: usize,
}

/// A name in the directory, as bytes.
pub type FileText = Vec<u8>;

#[derive(Clone, Debug)]
enum Change {
    Set(FileText, usize),
    Rename(FileText, FileText),
    Remove(FileText),
}

#[derive(Clone, Debug, Default)]
struct Content {
    cache: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that a sync would write.
    dirty: BTreeSet<usize>,
}

/// Which unsynced sectors and names a crash keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Nothing that was not synced.
    Nothing,
    /// All that was written.
    Everything,
    /// Every sector and the count of names by a coin, from this seed.
    Some(u64),
    /// Everything but the sector that is this many-th among the unsynced.
    AllBut(usize),
    /// Nothing but the sector that is this many-th among the unsynced.
    Only(usize),
}

/// An open file.
#[derive(Debug)]
pub struct DiskFile<'a> {
    disk: &'a Disk,
    name: FileName,
    index: usize,
    is_lock: bool,
}

impl Drop for DiskFile<'_> {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        inner.descriptors -= 1;
        if self.is_lock {
            inner.locked = false;
        }
    }
}

impl Disk {
    /// An empty disk that does not fail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the operation that comes after `skipped` others go wrong.
    pub fn plan(&self, skipped: u64, fault: Fault) {
        let mut inner = self.inner();
        inner.plan = Some((inner.operations + skipped, fault));
    }

    /// Lets the kernel drop its clean pages when a file is next opened for writing: what a failed
    /// sync left in the cache alone is gone from then on.
    pub fn evict_at_next_write_open(&self) {
        self.inner().evicts = true;
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.inner().plan = None;
    }

    /// Operations so far that change something.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Whether the planned crash has come.
    pub fn has_crashed(&self) -> bool {
        self.inner().crashed
    }

    /// Bounds the bytes of all files together.
    pub fn bound_room(&self, room: Option<usize>) {
        self.inner().room = room;
    }

    /// Bounds the number of open files.
    pub fn bound_descriptors(&self, descriptors_max: Option<usize>) {
        self.inner().descriptors_max = descriptors_max;
    }

    /// Bytes that all files together have.
    pub fn bytes(&self) -> usize {
        let inner = self.inner();
        inner
            .names
            .values()
            .map(|&i| inner.files[i].cache.len())
            .sum()
    }

    /// How many sectors are written and not synced.
    pub fn dirty_count(&self) -> usize {
        let inner = self.inner();
        inner.files.iter().map(|file| file.dirty.len()).sum()
    }

    /// The disk after the power came back.
    #[must_use]
    pub fn after_crash(&self, keep: Keep) -> Self {
        let inner = self.inner();
        let mut coin = Coin::new(match keep {
            Keep::Some(seed) => seed,
            _ => 0,
        });
        let mut place = 0;
        let mut files = Vec::new();
        for file in &inner.files {
            let mut bytes = file.durable.clone();
            let grown = file.cache.len() > bytes.len();
            let keeps_len = match keep {
                Keep::Nothing => false,
                Keep::Everything | Keep::AllBut(_) | Keep::Only(_) => true,
                Keep::Some(_) => coin.flip(),
            };
            if keeps_len || !grown {
                let cut = file.cache.len() < bytes.len();
                if keeps_len || !cut {
                    bytes.resize(file.cache.len(), 0);
                }
            }
            for &sector in &file.dirty {
                let kept = match keep {
                    Keep::Nothing => false,
                    Keep::Everything => true,
                    Keep::Some(_) => coin.flip(),
                    Keep::AllBut(index) => index != place,
                    Keep::Only(index) => index == place,
                };
                place += 1;
                let (start, end) = sector_range(sector, bytes.len().min(file.cache.len()));
                if kept && start < end {
                    bytes[start..end].copy_from_slice(&file.cache[start..end]);
                }
            }
            files.push(Content {
                cache: bytes.clone(),
                durable: bytes,
                dirty: BTreeSet::new(),
            });
        }
        let mut names = inner.durable_names.clone();
        let changes = match keep {
            Keep::Nothing | Keep::Only(_) => 0,
            Keep::Everything | Keep::AllBut(_) => inner.changes.len(),
            Keep::Some(_) => coin.below(inner.changes.len() + 1),
        };
        for change in &inner.changes[..changes] {
            change.apply(&mut names);
        }
        let page = inner.names.get(&text(FileName::Health)).copied();
        if let Some(index) = page.filter(|_| keep == Keep::Everything) {
            files[index].cache.clone_from(&inner.files[index].cache);
            names.insert(text(FileName::Health), index);
        } else {
            names.remove(&text(FileName::Health));
        }
        Self {
            inner: Mutex::new(Inner {
                files,
                durable_names: names.clone(),
                names,
                ..Inner::default()
            }),
        }
    }

    /// The bytes of a file, as reads see them.
    pub fn read(&self, name: FileName) -> Option<Vec<u8>> {
        let inner = self.inner();
        let index = inner.names.get(&text(name))?;
        Some(inner.files[*index].cache.clone())
    }

    /// Puts a file on the disk, or changes it, durably: damage, or a restored copy.
    pub fn put(&self, name: FileName, bytes: Vec<u8>) {
        self.put_named(text(name), bytes);
    }

    /// Puts a file of any name there, durable.
    pub fn put_named(&self, name: FileText, bytes: Vec<u8>) {
        let mut inner = self.inner();
        let index = inner.files.len();
        inner.files.push(Content {
            cache: bytes.clone(),
            durable: bytes,
            dirty: BTreeSet::new(),
        });
        inner.names.insert(name.clone(), index);
        inner.durable_names.insert(name, index);
    }

    /// Flips bits of a file, durably.
    pub fn flip(&self, name: FileName, byte: usize, mask: u8) {
        let mut inner = self.inner();
        let index = inner.names[&text(name)];
        let content = &mut inner.files[index];
        content.cache[byte] ^= mask;
        content.durable[byte] = content.cache[byte];
    }

    /// Takes a file away, durably.
    pub fn take(&self, name: FileName) {
        let mut inner = self.inner();
        inner.names.remove(&text(name));
        inner.durable_names.remove(&text(name));
    }

    /// Every file but the lock, as reads see them: what a refused recovery must leave alone.
    pub fn contents(&self) -> Vec<(FileText, Vec<u8>)> {
        let inner = self.inner();
        let names = inner.names.iter().filter(|(name, _)| *name != b"LOCK");
        names
            .map(|(name, &index)| (name.clone(), inner.files[index].cache.clone()))
            .collect()
    }
}

impl Clone for Disk {
    fn clone(&self) -> Self {
        let inner = Inner {
            locked: false,
            descriptors: 0,
            ..self.inner().clone()
        };
        Self {
            inner: Mutex::new(inner),
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<FileText, usize>) {
        match self {
            Self::Set(name, index) => {
                names.insert(name.clone(), *index);
            }
            Self::Rename(from, to) => {
                if let Some(index) = names.remove(from) {
                    names.insert(to.clone(), index);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Inner {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    /// Counts an operation on a file; the page for observers is none that counts.
    fn step_of(&mut self, name: FileName) -> Option<Fault> {
        if name == FileName::Health {
            return self.crashed.then_some(Fault::Errno(libc::EIO));
        }
        self.step()
    }

    /// Counts an operation; `Some` when it must go wrong.
    fn step(&mut self) -> Option<Fault> {
        if self.crashed {
            return Some(Fault::Errno(libc::EIO));
        }
        let number = self.operations;
        self.operations += 1;
        match self.plan {
            Some((at, fault)) if at == number => {
                self.crashed = fault == Fault::Crash;
                Some(fault)
            }
            Some((at, Fault::ErrnoForGood(errno))) if at < number => Some(Fault::Errno(errno)),
            _ => None,
        }
    }

    fn open(&mut self) -> Result<(), i32> {
        if self
            .descriptors_max
            .is_some_and(|max| self.descriptors >= max)
        {
            return Err(libc::EMFILE);
        }
        self.descriptors += 1;
        Ok(())
    }
}

impl Content {
    /// Reads clean pages from the disk again.
    fn evict(&mut self) {
        for sector in 0..self.cache.len().min(self.durable.len()).div_ceil(SECTOR) {
            if !self.dirty.contains(&sector) {
                let (start, end) = sector_range(sector, self.cache.len().min(self.durable.len()));
                self.cache[start..end].copy_from_slice(&self.durable[start..end]);
            }
        }
    }
}

fn errno(fault: Fault) -> i32 {
    match fault {
        Fault::Crash => libc::EIO,
        Fault::Errno(errno) | Fault::ErrnoForGood(errno) => errno,
    }
}

fn text(name: FileName) -> FileText {
    NameText::new(name).as_c_str().to_bytes().to_vec()
}

fn sector_range(sector: usize, len: usize) -> (usize, usize) {
    let start = (sector * SECTOR).min(len);
    (start, (start + SECTOR).min(len))
}

fn error(operation: &'static str, file: FileName, os_errno: i32) -> IoError {
    IoError {
        operation,
        file,
        offset: 0,
        os_errno,
    }
}

impl<'a> Storage for &'a Disk {
    type File = DiskFile<'a>;

    fn lock(&self) -> Result<DiskFile<'a>, LockError> {
        let mut inner = self.inner();
        let name = FileName::Lock;
        let failed = |errno| LockError::Io(error("lock", name, errno));
        if inner.locked {
            let index = inner.names.get(&text(name)).copied().unwrap_or(0);
            let bytes = inner.files[index].cache.get(..LOCK_BYTES);
            let record = bytes.and_then(LockRecord::decode);
            let pid = record.map_or(0, |record| record.pid);
            return Err(LockError::Locked { pid });
        }
        if let Some(fault) = inner.step() {
            return Err(failed(errno(fault)));
        }
        inner.open().map_err(failed)?;
        let known = inner.names.get(&text(name)).copied();
        let index = known.unwrap_or_else(|| {
            let index = inner.files.len();
            inner.files.push(Content::default());
            inner.change(Change::Set(text(name), index));
            index
        });
        inner.locked = true;
        Ok(DiskFile {
            disk: self,
            name,
            index,
            is_lock: true,
        })
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<DiskFile<'a>, IoError> {
        let mut inner = self.inner();
        let failed = |errno| error("open", name, errno);
        if inner.crashed {
            return Err(failed(libc::EIO));
        }
        inner.open().map_err(failed)?;
        if mode == FileMode::ReadWrite && std::mem::take(&mut inner.evicts) {
            for file in &mut inner.files {
                file.evict();
            }
        }
        let known = inner.names.get(&text(name)).copied();
        let index = match (known, mode) {
            (Some(index), FileMode::Read | FileMode::ReadWrite) => index,
            (None, FileMode::Read | FileMode::ReadWrite) => {
                inner.descriptors -= 1;
                return Err(failed(libc::ENOENT));
            }
            (_, FileMode::Create) => {
                if let Some(fault) = inner.step_of(name) {
                    inner.descriptors -= 1;
                    return Err(failed(errno(fault)));
                }
                let index = inner.files.len();
                inner.files.push(Content::default());
                if name == FileName::Health {
                    inner.names.insert(text(name), index);
                } else {
                    inner.change(Change::Set(text(name), index));
                }
                index
            }
        };
        Ok(DiskFile {
            disk: self,
            name,
            index,
            is_lock: false,
        })
    }

    fn len(&self, file: &DiskFile<'a>) -> Result<u64, IoError> {
        let inner = self.inner();
        if inner.crashed {
            return Err(error("length", file.name, libc::EIO));
        }
        Ok(inner.files[file.index].cache.len() as u64)
    }

    fn read_at(&self, file: &DiskFile<'a>, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let inner = self.inner();
        if inner.crashed {
            return Err(error("read", file.name, libc::EIO));
        }
        let cache = &inner.files[file.index].cache;
        let start = usize::try_from(offset).expect("small");
        let bytes = cache.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(error("read", file.name, 0))?);
        Ok(())
    }

    fn write_at(&self, file: &DiskFile<'a>, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let mut inner = self.inner();
        let fault = inner.step_of(file.name);
        if let Some(fault) = fault.filter(|&fault| fault != Fault::Crash) {
            return Err(error("write", file.name, errno(fault)));
        }
        let used: usize = inner
            .names
            .values()
            .map(|&i| inner.files[i].cache.len())
            .sum();
        let room = inner
            .room
            .map_or(usize::MAX, |room| room.saturating_sub(used));
        let content = &mut inner.files[file.index];
        let start = usize::try_from(offset).expect("small");
        let end = start + bytes.len();
        // A write that is cut short is cut between sectors.
        let end_max = content.cache.len().saturating_add(room);
        let end_max = (end_max - end_max % SECTOR).max(content.cache.len());
        let written = end.min(end_max).saturating_sub(start);
        if start + written > content.cache.len() {
            content.cache.resize(start + written, 0);
        }
        content.cache[start..start + written].copy_from_slice(&bytes[..written]);
        if file.name != FileName::Health {
            let sectors = start / SECTOR..(start + written).div_ceil(SECTOR);
            content.dirty.extend(sectors);
        }
        if let Some(fault) = fault {
            return Err(error("write", file.name, errno(fault)));
        }
        if written < bytes.len() {
            return Err(error("write", file.name, libc::ENOSPC));
        }
        Ok(())
    }

    fn set_len(&self, file: &DiskFile<'a>, len: u64) -> Result<(), IoError> {
        let mut inner = self.inner();
        if let Some(fault) = inner.step() {
            return Err(error("truncate", file.name, errno(fault)));
        }
        let content = &mut inner.files[file.index];
        content
            .cache
            .resize(usize::try_from(len).expect("small"), 0);
        let sectors = content.cache.len().div_ceil(SECTOR);
        content.dirty.retain(|&sector| sector < sectors);
        Ok(())
    }

    fn sync_data(&self, file: &DiskFile<'a>) -> Result<(), IoError> {
        let mut inner = self.inner();
        let fault = inner.step();
        let content = &mut inner.files[file.index];
        if let Some(fault) = fault {
            if fault != Fault::Crash {
                content.dirty.clear();
            }
            return Err(error("sync", file.name, errno(fault)));
        }
        content.durable.resize(content.cache.len(), 0);
        for sector in core::mem::take(&mut content.dirty) {
            let (start, end) = sector_range(sector, content.cache.len());
            content.durable[start..end].copy_from_slice(&content.cache[start..end]);
        }
        Ok(())
    }

    fn sync_all(&self, file: &DiskFile<'a>) -> Result<(), IoError> {
        self.sync_data(file)
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        let mut inner = self.inner();
        if let Some(fault) = inner.step() {
            return Err(error("sync", FileName::Directory, errno(fault)));
        }
        inner.changes.clear();
        inner.durable_names = inner.names.clone();
        Ok(())
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        let fault = self.inner().step();
        fault.map_or(Ok(()), |fault| {
            Err(error("sync", FileName::Directory, errno(fault)))
        })
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError> {
        let mut inner = self.inner();
        if let Some(fault) = inner.step() {
            return Err(error("rename", from, errno(fault)));
        }
        if !inner.names.contains_key(&text(from)) {
            return Err(error("rename", from, libc::ENOENT));
        }
        inner.change(Change::Rename(text(from), text(to)));
        Ok(())
    }

    fn remove(&self, name: FileName) -> Result<(), IoError> {
        let mut inner = self.inner();
        if let Some(fault) = inner.step_of(name) {
            return Err(error("remove", name, errno(fault)));
        }
        if !inner.names.contains_key(&text(name)) {
            return Err(error("remove", name, libc::ENOENT));
        }
        inner.change(Change::Remove(text(name)));
        Ok(())
    }

    fn list(&self, mut visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        let inner = self.inner();
        if inner.crashed {
            return Err(error("list", FileName::Directory, libc::EIO));
        }
        inner.names.keys().for_each(|name| visit(name));
        Ok(())
    }
}

/// A small deterministic coin.
struct Coin(u64);

impl Coin {
    fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        // xorshift, then a multiplication to spread the low bits.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn flip(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % bound
    }
}
