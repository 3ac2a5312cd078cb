//! A disk in memory that does exactly what the media assumptions allow, and no more.
//!
//! Every file has two contents: what reads see (the page cache), and what survives. A write changes
//! the first; a sync copies it to the second; a crash keeps any subset of the 512-byte sectors that
//! were written and not synced. A sync that fails leaves them *clean*: reads go on to show the new
//! bytes, no later sync writes them, and whether the disk has them shows at the next crash; unless
//! they are written again. A file that grew without a sync has any length between the old and the
//! new, with zeros for sectors that did not survive. Names that were changed and not synced are as
//! before or as after, each by itself.
//!
//! | what goes wrong | how it is asked for |
//! |---|---|
//! | the power goes | [`Fault::Crash`]; [`Disk::cuts`], [`Disk::after_crash`] |
//! | every moment of a run | [`Disk::begin_trace`], [`Disk::end_trace`] |
//! | an operation fails | [`Disk::plan`], [`Disk::plan_among`] |
//! | a full disk, no descriptors | [`Disk::bound_room`], [`Disk::bound_descriptors`] |
//! | clean pages dropped from the cache | [`Disk::evict`], [`Disk::evict_at_next_write_open`] |
//! | bit rot, zeroed, stale sectors | [`Disk::flip`], [`Disk::put_sector`] |
//!
//! Copies share all that does not change, so that millions of images cost little. The page for
//! observers is left out of the count of operations and of what survives, unless all does: nothing
//! waits for it and nothing relies on it.

mod content;
mod cuts;
mod names;
mod sectors;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use cuts::Cuts;

use self::content::{Content, SECTOR, range_of};
use self::names::{Change, Name, Names};
use super::{FileMode, LOCK_BYTES, LockError, LockRecord, Storage};
use crate::error::{FileName, IoError};

/// What goes wrong at the operation that [`Disk::plan`] names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power goes: a write has reached the page cache, anything else has not begun; nothing
    /// works from then on.
    Crash,
    /// The operation fails with this number, having done nothing; a sync cleans its pages.
    Errno(i32),
    /// The operation and every later one of its kind fails with this number.
    ErrnoForGood(i32),
    /// A write stops behind so many sectors and fails with this number; anything else just fails.
    Short(usize, i32),
}

/// Which operations [`Disk::plan_among`] counts and fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Among {
    /// Those that change something, the page for observers left out.
    Changes,
    /// Every one, reads and the page for observers included.
    Calls,
    /// Those that take a descriptor.
    Opens,
    /// Writes to a file.
    Writes,
    /// Syncs of a file or of the directory.
    Syncs,
}

const AMONG_COUNT: usize = 5;

/// One operation, for the counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Lock,
    Open,
    Create,
    Read,
    Write,
    Sync,
    Change,
}

impl Operation {
    fn is(self, among: Among) -> bool {
        match among {
            Among::Changes => !matches!(self, Self::Open | Self::Read),
            Among::Calls => true,
            Among::Opens => matches!(self, Self::Lock | Self::Open | Self::Create),
            Among::Writes => self == Self::Write,
            Among::Syncs => self == Self::Sync,
        }
    }
}

/// The disk.
#[derive(Debug, Default)]
pub struct Disk {
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    files: Vec<Content>,
    /// Places in `files` that may be taken again.
    free: Vec<usize>,
    names: Names,
    durable_names: Names,
    /// Changes to names since the last sync of the directory.
    changes: Vec<Change>,
    locked: bool,
    /// The kernel drops clean pages when a file is next opened for writing.
    evicts: bool,
    counts: [u64; AMONG_COUNT],
    plan: Option<(Among, u64, Fault)>,
    crashed: bool,
    /// Bytes that all files together may have.
    room: Option<usize>,
    descriptors_max: Option<usize>,
    descriptors: usize,
    mark: u64,
    trace: Option<Trace>,
}

/// Moments that are kept; a copy of a disk begins without any.
#[derive(Debug)]
struct Trace(Vec<Moment>);

impl Clone for Trace {
    fn clone(&self) -> Self {
        Self(Vec::new())
    }
}

/// A disk as it was just before an operation that changes something.
#[derive(Debug)]
pub struct Moment {
    /// What [`Disk::note`] had said last.
    pub mark: u64,
    /// The disk, with all that is on its way.
    pub disk: Disk,
}

/// A name in the directory, as bytes.
pub type FileText = Vec<u8>;

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
        inner.files[self.index].opened -= 1;
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

    fn holding(inner: Inner) -> Self {
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the operation that comes after `skipped` others go wrong, of those that change
    /// something.
    pub fn plan(&self, skipped: u64, fault: Fault) {
        self.plan_among(Among::Changes, skipped, fault);
    }

    /// The same, of those that `among` says.
    pub fn plan_among(&self, among: Among, skipped: u64, fault: Fault) {
        let mut inner = self.inner();
        inner.plan = Some((among, inner.counts[among as usize] + skipped, fault));
    }

    /// Lets the kernel drop its clean pages when a file is next opened for writing: what a failed
    /// sync left in the cache alone is gone from then on.
    pub fn evict_at_next_write_open(&self) {
        self.inner().evicts = true;
    }

    /// Drops clean pages from the cache now.
    pub fn evict(&self) {
        self.inner().evict();
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.inner().plan = None;
    }

    /// Operations so far that change something.
    pub fn operations(&self) -> u64 {
        self.operations_among(Among::Changes)
    }

    /// Operations so far of those that `among` says.
    pub fn operations_among(&self, among: Among) -> u64 {
        self.inner().counts[among as usize]
    }

    /// Whether the planned crash has come.
    pub fn has_crashed(&self) -> bool {
        self.inner().crashed
    }

    /// Keeps the disk as it is before each operation that changes something, from now on.
    pub fn begin_trace(&self) {
        self.inner().trace = Some(Trace(Vec::new()));
    }

    /// What the moments to come are marked with: how far the caller has got.
    pub fn note(&self, mark: u64) {
        self.inner().mark = mark;
    }

    /// The moments since the trace began, the present one last.
    pub fn end_trace(&self) -> Vec<Moment> {
        let mut inner = self.inner();
        inner.keep_moment();
        inner.trace.take().map_or_else(Vec::new, |trace| trace.0)
    }

    /// All that a power cut may leave now.
    #[must_use]
    pub fn cuts(&self) -> Cuts {
        Cuts::of(&self.inner())
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
        self.inner().used()
    }

    /// How many sectors are written and not synced.
    pub fn dirty_count(&self) -> usize {
        let inner = self.inner();
        inner.files.iter().map(|file| file.dirty.count()).sum()
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
        let files = inner.files.iter();
        let files: Vec<_> = files
            .map(|file| file.after_crash(keep, &mut coin, &mut place))
            .collect();
        let mut names = inner.durable_names.clone();
        let changes = match keep {
            Keep::Nothing | Keep::Only(_) => 0,
            Keep::Everything | Keep::AllBut(_) => inner.changes.len(),
            Keep::Some(_) => coin.below(inner.changes.len() + 1),
        };
        for change in &inner.changes[..changes] {
            change.apply(&mut names);
        }
        let health = Name::of(FileName::Health);
        let page = inner.names.get(&health);
        names.remove(&health);
        if let Some(index) = page.filter(|_| keep == Keep::Everything) {
            names.insert(health, index);
        }
        // Files without a name are gone.
        let mut named = Vec::new();
        for (name, index) in names.iter_mut() {
            let bytes = if *name == health {
                Arc::clone(&inner.files[*index].cache)
            } else {
                Arc::clone(&files[*index])
            };
            named.push(Content::settled(bytes));
            *index = named.len() - 1;
        }
        Self::holding(Inner {
            files: named,
            durable_names: names.clone(),
            names,
            ..Inner::default()
        })
    }

    /// The bytes of a file, as reads see them.
    pub fn read(&self, name: FileName) -> Option<Vec<u8>> {
        let inner = self.inner();
        let index = inner.names.get(&Name::of(name))?;
        Some(inner.files[index].cache.to_vec())
    }

    /// Puts a file on the disk, or changes it, durably: damage, or a restored copy.
    pub fn put(&self, name: FileName, bytes: Vec<u8>) {
        self.inner().put(Name::of(name), bytes);
    }

    /// Puts a file of any name there, durable.
    pub fn put_named(&self, name: &[u8], bytes: Vec<u8>) {
        self.inner().put(Name::spelled(name), bytes);
    }

    /// Flips bits of a file, durably.
    pub fn flip(&self, name: FileName, byte: usize, mask: u8) {
        self.inner().change_bytes(name, byte, |held| held ^ mask);
    }

    /// Gives a sector other bytes, durably: those it had earlier, zeros, anything. Bytes that are
    /// beyond the file's end are left out.
    pub fn put_sector(&self, name: FileName, sector: usize, bytes: &[u8]) {
        let mut inner = self.inner();
        for (place, &byte) in bytes.iter().take(SECTOR).enumerate() {
            inner.change_bytes(name, sector * SECTOR + place, |_| byte);
        }
    }

    /// Takes a file away, durably.
    pub fn take(&self, name: FileName) {
        let mut inner = self.inner();
        inner.names.remove(&Name::of(name));
        inner.durable_names.remove(&Name::of(name));
    }

    /// Every file but the lock, as reads see them: what a refused recovery must leave alone.
    pub fn contents(&self) -> Vec<(FileText, Vec<u8>)> {
        let inner = self.inner();
        let names = inner
            .names
            .iter()
            .filter(|(name, _)| name.text() != b"LOCK");
        names
            .map(|&(name, index)| (name.text().to_vec(), inner.files[index].cache.to_vec()))
            .collect()
    }

    /// A hash of every name and byte as reads see them: equal images have equal ones.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let inner = self.inner();
        let mut hash = Fingerprint(0);
        for (name, index) in inner.names.iter() {
            hash.take(name.text());
            hash.take(&inner.files[*index].cache);
        }
        hash.0
    }
}

impl Clone for Disk {
    fn clone(&self) -> Self {
        let mut inner = Inner {
            locked: false,
            descriptors: 0,
            trace: None,
            ..self.inner().clone()
        };
        for file in &mut inner.files {
            file.opened = 0;
        }
        Self::holding(inner)
    }
}

impl Content {
    fn after_crash(&self, keep: Keep, coin: &mut Coin, place: &mut usize) -> Arc<Vec<u8>> {
        let (old, new) = (self.durable.len(), self.cache.len());
        let keeps_len = match keep {
            Keep::Nothing => false,
            Keep::Everything | Keep::AllBut(_) | Keep::Only(_) => true,
            Keep::Some(_) => coin.flip(),
        };
        let len = if keeps_len { new } else { old };
        let mut bytes = Arc::clone(&self.durable);
        if len != old {
            Arc::make_mut(&mut bytes).resize(len, 0);
        }
        for sector in self.dirty.iter() {
            let is_kept = match keep {
                Keep::Nothing => false,
                Keep::Everything => true,
                Keep::Some(_) => coin.flip(),
                Keep::AllBut(index) => index != *place,
                Keep::Only(index) => index == *place,
            };
            *place += 1;
            let range = range_of(sector, len.min(new));
            if is_kept && !range.is_empty() {
                Arc::make_mut(&mut bytes)[range.clone()].copy_from_slice(&self.cache[range]);
            }
        }
        bytes
    }
}

impl Inner {
    fn used(&self) -> usize {
        let named = self.names.iter();
        named.map(|&(_, index)| self.files[index].cache.len()).sum()
    }

    fn evict(&mut self) {
        for file in &mut self.files {
            file.evict();
        }
    }

    fn put(&mut self, name: Name, bytes: Vec<u8>) {
        let index = self.add_file(Content::settled(Arc::new(bytes)));
        self.names.insert(name, index);
        self.durable_names.insert(name, index);
    }

    fn change_bytes(&mut self, name: FileName, place: usize, change: impl Fn(u8) -> u8) {
        let index = self
            .names
            .get(&Name::of(name))
            .expect("a file that is there");
        let content = &mut self.files[index];
        if let Some(byte) = Arc::make_mut(&mut content.cache).get_mut(place) {
            let changed = change(*byte);
            *byte = changed;
            if let Some(byte) = Arc::make_mut(&mut content.durable).get_mut(place) {
                *byte = changed;
            }
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn keep_moment(&mut self) {
        if self.trace.is_none() {
            return;
        }
        let mut inner = self.clone();
        inner.trace = None;
        inner.locked = false;
        inner.descriptors = 0;
        let mark = self.mark;
        if let Some(trace) = &mut self.trace {
            let disk = Disk::holding(inner);
            trace.0.push(Moment { mark, disk });
        }
    }

    /// Counts an operation on a file; the page for observers is none that changes anything.
    fn step_of(&mut self, name: FileName, operation: Operation) -> Option<Fault> {
        if self.crashed {
            return Some(Fault::Errno(libc::EIO));
        }
        let is_page = name == FileName::Health;
        if !is_page && operation.is(Among::Changes) {
            self.keep_moment();
        }
        let mut fault = None;
        for among in [
            Among::Changes,
            Among::Calls,
            Among::Opens,
            Among::Writes,
            Among::Syncs,
        ] {
            let counts = operation.is(among) && (!is_page || among == Among::Calls);
            if !counts {
                continue;
            }
            let number = self.counts[among as usize];
            self.counts[among as usize] += 1;
            match self.plan {
                Some((planned, at, planned_fault)) if planned == among && at == number => {
                    fault = Some(planned_fault);
                }
                Some((planned, at, Fault::ErrnoForGood(errno)))
                    if planned == among && at < number =>
                {
                    fault = Some(Fault::Errno(errno));
                }
                _ => {}
            }
        }
        self.crashed = fault == Some(Fault::Crash);
        fault
    }

    /// The same of the directory, where any fault is an error.
    fn step(&mut self, name: FileName, operation: Operation) -> Result<(), i32> {
        self.step_of(name, operation)
            .map_or(Ok(()), |fault| Err(errno(fault)))
    }

    fn take_descriptor(&mut self, index: usize) {
        self.descriptors += 1;
        self.files[index].opened += 1;
    }

    fn check_descriptors(&self) -> Result<(), i32> {
        match self.descriptors_max {
            Some(max) if self.descriptors >= max => Err(libc::EMFILE),
            _ => Ok(()),
        }
    }

    fn create(&mut self, name: FileName) -> usize {
        let index = self.add_file(Content::default());
        let own = Name::of(name);
        if name == FileName::Health {
            self.names.insert(own, index);
        } else {
            self.change(Change::Set(own, index));
        }
        index
    }

    /// Frees what no name and no descriptor stands for any more.
    fn free_files(&mut self) {
        self.free.clear();
        for index in 0..self.files.len() {
            let is_used = self.files[index].opened > 0
                || self.names.has(index)
                || self.durable_names.has(index);
            if !is_used {
                self.files[index] = Content::default();
                self.free.push(index);
            }
        }
    }

    fn add_file(&mut self, content: Content) -> usize {
        if let Some(index) = self.free.pop() {
            self.files[index] = content;
            return index;
        }
        self.files.push(content);
        self.files.len() - 1
    }
}

fn errno(fault: Fault) -> i32 {
    match fault {
        Fault::Crash => libc::EIO,
        Fault::Errno(errno) | Fault::ErrnoForGood(errno) | Fault::Short(_, errno) => errno,
    }
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
            let index = inner.names.get(&Name::of(name)).unwrap_or(0);
            let bytes = inner.files[index].cache.get(..LOCK_BYTES);
            let record = bytes.and_then(LockRecord::decode);
            let pid = record.map_or(0, |record| record.pid);
            return Err(LockError::Locked { pid });
        }
        inner.step(name, Operation::Lock).map_err(failed)?;
        inner.check_descriptors().map_err(failed)?;
        let known = inner.names.get(&Name::of(name));
        let index = known.unwrap_or_else(|| inner.create(name));
        inner.take_descriptor(index);
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
        inner.check_descriptors().map_err(failed)?;
        let operation = match mode {
            FileMode::Create => Operation::Create,
            FileMode::Read | FileMode::ReadWrite => Operation::Open,
        };
        inner.step(name, operation).map_err(failed)?;
        if mode == FileMode::ReadWrite && std::mem::take(&mut inner.evicts) {
            inner.evict();
        }
        let index = match mode {
            FileMode::Create => inner.create(name),
            FileMode::Read | FileMode::ReadWrite => {
                let known = inner.names.get(&Name::of(name));
                known.ok_or_else(|| failed(libc::ENOENT))?
            }
        };
        inner.take_descriptor(index);
        Ok(DiskFile {
            disk: self,
            name,
            index,
            is_lock: false,
        })
    }

    fn len(&self, file: &DiskFile<'a>) -> Result<u64, IoError> {
        let mut inner = self.inner();
        inner
            .step(file.name, Operation::Read)
            .map_err(|errno| error("length", file.name, errno))?;
        Ok(inner.files[file.index].cache.len() as u64)
    }

    fn read_at(&self, file: &DiskFile<'a>, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let mut inner = self.inner();
        inner
            .step(file.name, Operation::Read)
            .map_err(|errno| error("read", file.name, errno))?;
        let cache = &inner.files[file.index].cache;
        let start = usize::try_from(offset).expect("small");
        let bytes = cache.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(error("read", file.name, 0))?);
        Ok(())
    }

    fn write_at(&self, file: &DiskFile<'a>, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let mut inner = self.inner();
        let fault = inner.step_of(file.name, Operation::Write);
        let start = usize::try_from(offset).expect("small");
        // A write that is cut short is cut between sectors.
        let mut end_max = match fault {
            None | Some(Fault::Crash) => usize::MAX,
            Some(Fault::Short(sectors, _)) => (start / SECTOR + sectors) * SECTOR,
            Some(fault) => return Err(error("write", file.name, errno(fault))),
        };
        if let Some(room) = inner.room {
            let len = inner.files[file.index].cache.len();
            let most = len.saturating_add(room.saturating_sub(inner.used()));
            end_max = end_max.min((most - most % SECTOR).max(len));
        }
        let written = (start + bytes.len()).min(end_max).saturating_sub(start);
        if written > 0 {
            let is_tracked = file.name != FileName::Health;
            inner.files[file.index].write(start, &bytes[..written], is_tracked);
        }
        match fault {
            Some(fault) => Err(error("write", file.name, errno(fault))),
            None if written < bytes.len() => Err(error("write", file.name, libc::ENOSPC)),
            None => Ok(()),
        }
    }

    fn set_len(&self, file: &DiskFile<'a>, len: u64) -> Result<(), IoError> {
        let mut inner = self.inner();
        inner
            .step(file.name, Operation::Change)
            .map_err(|errno| error("truncate", file.name, errno))?;
        inner.files[file.index].set_len(usize::try_from(len).expect("small"));
        Ok(())
    }

    fn sync_data(&self, file: &DiskFile<'a>) -> Result<(), IoError> {
        let mut inner = self.inner();
        let fault = inner.step_of(file.name, Operation::Sync);
        let content = &mut inner.files[file.index];
        let Some(fault) = fault else {
            content.sync();
            return Ok(());
        };
        if fault != Fault::Crash {
            content.fail_sync();
        }
        Err(error("sync", file.name, errno(fault)))
    }

    fn sync_all(&self, file: &DiskFile<'a>) -> Result<(), IoError> {
        self.sync_data(file)
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        let mut inner = self.inner();
        let name = FileName::Directory;
        inner
            .step(name, Operation::Sync)
            .map_err(|errno| error("sync", name, errno))?;
        inner.changes.clear();
        inner.durable_names = inner.names.clone();
        inner.free_files();
        Ok(())
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        let name = FileName::Directory;
        let stepped = self.inner().step(name, Operation::Sync);
        stepped.map_err(|errno| error("sync", name, errno))
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), IoError> {
        let mut inner = self.inner();
        let failed = |errno| error("rename", from, errno);
        inner.step(from, Operation::Change).map_err(failed)?;
        if inner.names.get(&Name::of(from)).is_none() {
            return Err(failed(libc::ENOENT));
        }
        inner.change(Change::Rename(Name::of(from), Name::of(to)));
        Ok(())
    }

    fn remove(&self, name: FileName) -> Result<(), IoError> {
        let mut inner = self.inner();
        let failed = |errno| error("remove", name, errno);
        inner.step(name, Operation::Change).map_err(failed)?;
        if inner.names.get(&Name::of(name)).is_none() {
            return Err(failed(libc::ENOENT));
        }
        inner.change(Change::Remove(Name::of(name)));
        Ok(())
    }

    fn list(&self, mut visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        let mut inner = self.inner();
        let name = FileName::Directory;
        inner
            .step(name, Operation::Read)
            .map_err(|errno| error("list", name, errno))?;
        inner.names.iter().for_each(|(name, _)| visit(name.text()));
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

/// A hash that is quick over files of some sectors; nobody attacks it.
struct Fingerprint(u64);

impl Fingerprint {
    fn take(&mut self, bytes: &[u8]) {
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut lanes = [!(bytes.len() as u64), 1, 2, 3];
        let mut blocks = bytes.chunks_exact(32);
        for block in blocks.by_ref() {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
                let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
                *lane = (*lane ^ word).wrapping_mul(FACTOR).rotate_left(29);
            }
        }
        for &byte in blocks.remainder() {
            lanes[0] = (lanes[0] ^ u64::from(byte))
                .wrapping_mul(FACTOR)
                .rotate_left(29);
        }
        for lane in lanes {
            let mixed = (self.0.rotate_left(5) ^ lane).wrapping_mul(FACTOR);
            self.0 = mixed ^ (mixed >> 32);
        }
    }
}

#[cfg(test)]
mod tests;
