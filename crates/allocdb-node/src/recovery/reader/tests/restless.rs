//! A writer that replaces the log just when a reader is about to list or open its snapshots.

use std::sync::{Mutex, PoisonError};

use super::*;
use crate::error::IoError;
use crate::storage::LockError;
use crate::storage::faulty::DiskFile;

/// When somebody comes in between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    /// The log is open, the snapshots are about to be listed.
    BeforeList,
    /// A snapshot is about to be opened.
    BeforeSnapshot,
}

/// A disk that calls somebody in between.
struct Restless<'a> {
    disk: &'a Disk,
    when: When,
    call: Mutex<&'a mut (dyn FnMut() + Send)>,
}

impl Restless<'_> {
    fn come(&self, when: When) {
        if self.when == when {
            let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
            call();
        }
    }
}

impl<'a> Storage for Restless<'a> {
    type File = DiskFile<'a>;

    fn lock(&self) -> Result<DiskFile<'a>, LockError> {
        unreachable!("a reader takes no lock")
    }

    fn open(&self, name: FileName, mode: FileMode) -> Result<DiskFile<'a>, IoError> {
        assert_eq!(mode, FileMode::Read, "a reader writes nothing");
        if let FileName::Snapshot(_) = name {
            self.come(When::BeforeSnapshot);
        }
        self.disk.open(name, mode)
    }

    fn len(&self, file: &DiskFile<'a>) -> Result<u64, IoError> {
        self.disk.len(file)
    }

    fn read_at(&self, file: &DiskFile<'a>, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.disk.read_at(file, offset, out)
    }

    fn write_at(&self, _: &DiskFile<'a>, _: u64, _: &[u8]) -> Result<(), IoError> {
        unreachable!("a reader writes nothing")
    }

    fn set_len(&self, _: &DiskFile<'a>, _: u64) -> Result<(), IoError> {
        unreachable!("a reader writes nothing")
    }

    fn sync_data(&self, _: &DiskFile<'a>) -> Result<(), IoError> {
        unreachable!("a reader syncs nothing")
    }

    fn sync_all(&self, _: &DiskFile<'a>) -> Result<(), IoError> {
        unreachable!("a reader syncs nothing")
    }

    fn sync_directory(&self) -> Result<(), IoError> {
        unreachable!("a reader syncs nothing")
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        unreachable!("a reader syncs nothing")
    }

    fn rename(&self, _: FileName, _: FileName) -> Result<(), IoError> {
        unreachable!("a reader renames nothing")
    }

    fn remove(&self, _: FileName) -> Result<(), IoError> {
        unreachable!("a reader removes nothing")
    }

    fn list(&self, visit: impl FnMut(&[u8])) -> Result<(), IoError> {
        self.come(When::BeforeList);
        self.disk.list(visit)
    }
}

/// What opening showed, how often the snapshot was removed, and where the writer is.
type Beside = (Result<(Lsn, Digest), OpenError>, u32, (Lsn, Digest));

/// Opens beside a writer that replaces log and snapshot `times` times under the reader.
fn open_beside(when: When, times: u32) -> Beside {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    show(&disk, database.commit(3).expect("a sound disk"));
    database.checkpoint().expect("a sound disk");
    let mut met = 0;
    let mut replace = || {
        if met < times {
            met += 1;
            // Two checkpoints, and the snapshot that was listed is gone.
            for _ in 0..2 {
                show(&disk, database.commit(1).expect("a sound disk"));
                database.checkpoint().expect("a sound disk");
            }
        }
    };
    let storage = Restless {
        disk: &disk,
        when,
        call: Mutex::new(&mut replace),
    };
    let opened = Handle::open(&storage).map(|handle| handle.mark());
    (opened, met, database.mark())
}

#[test]
fn a_log_that_is_replaced_while_it_is_read_is_read_again() {
    let digests = digests(40);
    for when in [When::BeforeList, When::BeforeSnapshot] {
        for times in 0..ATTEMPTS_MAX {
            let (opened, met, (lsn, _)) = open_beside(when, times);
            let at = usize::try_from(lsn.0).expect("small");
            assert_eq!(opened, Ok((lsn, digests[at])), "{when:?}, {times} times");
            assert_eq!(met, times);
        }
    }
}

#[test]
fn a_log_that_is_replaced_every_time_is_a_clear_error() {
    for when in [When::BeforeList, When::BeforeSnapshot] {
        let (opened, met, _) = open_beside(when, u32::MAX);
        assert_eq!(met, ATTEMPTS_MAX);
        let error = opened.expect_err("never settled");
        assert_eq!((error.status(), error.os_errno()), (200, libc::EAGAIN));
        assert_eq!(error.detail()[0], 8);
        assert!(error.to_string().contains("8 times"), "{error}");
    }
}

#[test]
fn a_refresh_beside_a_restless_writer_fails_and_succeeds_when_it_rests() {
    let digests = digests(60);
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    let mut work = || {
        for _ in 0..2 {
            show(&disk, database.commit(1).expect("a sound disk"));
            database.checkpoint().expect("a sound disk");
        }
    };
    work();
    let mut handle = Handle::open(&&disk).expect("opened");
    let before = handle.mark();
    work();
    let storage = Restless {
        disk: &disk,
        when: When::BeforeSnapshot,
        call: Mutex::new(&mut work),
    };
    let error = handle.refresh(&storage).expect_err("never settled");
    assert_eq!((error.status(), error.os_errno()), (200, libc::EAGAIN));
    assert_eq!(handle.mark(), before);
    reaches(&mut handle, &disk, database.mark().0, &digests);
}
