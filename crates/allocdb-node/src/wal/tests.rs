//! Growing, a full disk, and failures that stick.

use super::*;
use crate::error::FileName;
use crate::recovery::fixture::{CommitError, Database, digests, options};
use crate::storage::faulty::{Disk, Fault, Keep};

#[test]
fn a_full_disk_is_a_definite_answer_and_commits_go_on_once_there_is_room() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    disk.bound_room(Some(disk.bytes() + 1_000));
    while database.commit(3).is_ok() {}
    let mark = database.mark();
    assert!(mark.0 > Lsn(6), "what was preallocated is used");
    for _ in 0..3 {
        assert!(matches!(database.commit(3), Err(CommitError::Full)));
        assert_eq!(database.mark(), mark, "nothing was accepted");
        assert_eq!(database.wal.failure(), None);
    }
    assert!(
        disk.bytes().is_multiple_of(2),
        "what was added is given back"
    );
    // A crash now is as good as any.
    for keep in [Keep::Nothing, Keep::Everything, Keep::Some(1)] {
        let image = disk.after_crash(keep);
        let reopened = Database::open(&image, &options()).expect("sound");
        assert_eq!(reopened.mark(), mark);
    }
    disk.bound_room(None);
    database.commit(3).expect("room now");
    let (lsn, digest) = database.mark();
    assert_eq!(
        digest,
        digests(lsn.0)[usize::try_from(lsn.0).expect("small")]
    );
}

#[test]
fn a_sector_of_synced_zeros_is_always_left_behind_the_last_frame() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    for count in [1, 3, 9, 1, 27, 1, 1, 1, 1] {
        database.commit(count).expect("sound");
        let durable = disk.after_crash(Keep::Nothing).read(FileName::Wal);
        let durable = durable.expect("there");
        let end = usize::try_from(database.wal.log_bytes()).expect("small");
        assert!(durable.len() >= end + SECTOR_BYTES);
        assert!(durable[end..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn the_first_failure_is_the_last_word() {
    for skipped in 0..2 {
        let disk = Disk::new();
        let mut database = Database::open(&disk, &options()).expect("sound");
        database.commit(1).expect("sound");
        disk.plan(skipped, Fault::Errno(libc::EIO));
        let Err(CommitError::Failed(first)) = database.commit(1) else {
            panic!("the write or the sync failed");
        };
        disk.mend();
        let before = disk.operations();
        let Err(CommitError::Failed(later)) = database.commit(1) else {
            panic!("it sticks");
        };
        assert_eq!((later, first.os_errno), (first, libc::EIO));
        assert_eq!(database.wal.seal(), Err(first));
        assert_eq!(database.wal.flush(), Err(first));
        assert_eq!(disk.operations(), before, "nothing is tried again");
    }
}

#[test]
fn a_growth_whose_sync_fails_ends_the_log() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    let room = database.wal.tail.file_bytes - database.wal.log_bytes();
    // One write of zeros, then the sync.
    disk.plan(1, Fault::Errno(libc::ENOSPC));
    let len = usize::try_from(room).expect("small");
    let failed = database.wal.reserve(len);
    assert!(matches!(failed, Err(ReserveError::Failed(_))));
    assert!(database.wal.failure().is_some());
}
