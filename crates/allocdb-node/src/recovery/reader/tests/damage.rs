//! Damage: below what is durable it is reported, and the state stays; beyond, it is no matter.

use super::*;
use crate::error::FileName;

/// A log with a checkpoint in it and frames behind; closed without a seal, all shown as durable.
fn disk_with_history() -> (Disk, Lsn) {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    for round in 0..6 {
        database.commit(3).expect("a sound disk");
        if round == 2 {
            database.checkpoint().expect("a sound disk");
        }
    }
    let (lsn, _) = database.mark();
    drop(database);
    show(&disk, lsn);
    (disk, lsn)
}

#[test]
fn every_flipped_bit_of_the_log_is_reported_or_lies_beyond_what_is_durable() {
    let (disk, lsn) = disk_with_history();
    let digests = digests(lsn.0);
    let wanted = (lsn, digests[usize::try_from(lsn.0).expect("small")]);
    assert_eq!(Handle::open(&&disk).expect("sound").mark(), wanted);
    let log = disk.read(FileName::Wal).expect("there");
    let end = log.iter().rposition(|&byte| byte != 0).expect("written") + 1;
    let (mut refused, mut harmless) = (0, 0);
    for byte in 0..log.len() {
        let damaged = disk.clone();
        damaged.flip(FileName::Wal, byte, 1 << (byte % 8));
        match Handle::open(&&damaged) {
            Ok(handle) => {
                assert_eq!(handle.mark(), wanted, "byte {byte}");
                assert!(byte >= end, "byte {byte} is part of the log");
                harmless += 1;
            }
            Err(error) => {
                let is_told = matches!(
                    error,
                    OpenError::Corrupt { .. }
                        | OpenError::CorruptLog(_)
                        | OpenError::Version { .. }
                        | OpenError::NotADatabase { .. }
                );
                assert!(is_told, "byte {byte}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 4_000 && harmless > 500, "{refused}, {harmless}");
}

#[test]
fn damage_that_a_refresh_meets_leaves_the_state_where_it_was() {
    let (disk, lsn) = disk_with_history();
    let digests = digests(lsn.0 + 20);
    let mut handle = Handle::open(&&disk).expect("sound");
    let mut database = Database::open(&disk, &options()).expect("recovered");
    let begin = database.wal.log_bytes();
    for _ in 0..3 {
        show(&disk, database.commit(3).expect("a sound disk"));
    }
    let end = database.wal.log_bytes();
    let step = usize::try_from((end - begin) / 3).expect("small");
    // In the last of the three: the first two would apply.
    let at = usize::try_from(begin).expect("small") + 2 * step + 70;
    disk.flip(FileName::Wal, at, 4);
    for _ in 0..2 {
        let before = handle.mark();
        let error = handle.refresh(&&disk).expect_err("damaged");
        assert_eq!(error.status(), 204, "{error}");
        assert!(error.to_string().contains("was durable"), "{error}");
        assert_eq!(handle.mark(), before);
    }
    disk.flip(FileName::Wal, at, 4);
    reaches(&mut handle, &disk, Lsn(lsn.0 + 9), &digests);
}

#[test]
fn damage_in_the_middle_is_found_by_what_lies_beyond_without_a_page() {
    let (disk, _) = disk_with_history();
    disk.take(FileName::Health);
    let log = disk.read(FileName::Wal).expect("there");
    let end = log.iter().rposition(|&byte| byte != 0).expect("written") + 1;
    // Frames of three commands take a sector here: the third before the last.
    let at = end.next_multiple_of(512) - 3 * 512 + 100;
    disk.flip(FileName::Wal, at, 1);
    let error = Handle::open(&&disk).map(|_| ()).expect_err("damaged");
    assert!(
        error.to_string().contains("proves it was durable"),
        "{error}"
    );
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    for _ in 0..2 {
        database.commit(3).expect("a sound disk");
        database.checkpoint().expect("a sound disk");
    }
    show(&disk, database.commit(3).expect("a sound disk"));
    let digests = digests(9);
    disk.flip(FileName::Snapshot(Lsn(6)), 300, 1);
    let options = Options {
        read_only: true,
        ..options()
    };
    let (_, state, report) = open(&&disk, &options).expect("the one before is whole");
    assert_eq!((state.last_lsn(), state.digest()), (Lsn(9), digests[9]));
    assert_eq!(
        report.kind,
        crate::report::StartKind::PreviousSnapshotAndWal
    );
    disk.flip(FileName::Snapshot(Lsn(3)), 300, 1);
    let error = Handle::open(&&disk).map(|_| ()).expect_err("none is left");
    assert_eq!(error.status(), 204);
}

#[test]
fn a_frame_that_no_owner_can_have_accepted_is_damage_and_nobody_sees_half_of_it() {
    let (disk, lsn) = disk_with_history();
    let mut handle = Handle::open(&&disk).expect("sound");
    let mut database = Database::open(&disk, &options()).expect("recovered");
    let before = handle.mark();
    database.commit_repeated().expect("a sound disk");
    show(&disk, Lsn(lsn.0 + 2));
    let error = handle.refresh(&&disk).expect_err("damage");
    assert!(
        error.to_string().contains("repeats a remembered"),
        "{error}"
    );
    assert_eq!(error.status(), 204);
    assert_eq!(handle.mark(), before);
    let invariants = handle.state.read().expect("sound").check_invariants();
    assert!(invariants.is_ok());
    // It stays damage, and the state stays.
    handle.refresh(&&disk).expect_err("damage");
    assert_eq!(handle.mark(), before);
}

#[test]
fn a_reader_with_nothing_left_to_read_halts_before_anybody_sees_half_a_frame() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    for _ in 0..2 {
        database.commit(3).expect("a sound disk");
        database.checkpoint().expect("a sound disk");
    }
    show(&disk, Lsn(6));
    let mut handle = Handle::open(&&disk).expect("sound");
    database.commit_repeated().expect("a sound disk");
    show(&disk, Lsn(8));
    // The log begins after LSN 3, and nothing is left to continue.
    disk.take(FileName::Snapshot(Lsn(3)));
    disk.take(FileName::Snapshot(Lsn(6)));
    let met = std::cell::Cell::new(None);
    let halt = |reason| {
        assert!(handle.state.try_read().is_err(), "nobody can read it now");
        met.set(Some(reason));
    };
    let refreshed = handle.reader.refresh(&&disk, &handle.state, &halt);
    let Err(error @ RefreshError::Halted { reason }) = refreshed else {
        panic!("{refreshed:?}");
    };
    assert_eq!(met.get(), Some(reason));
    assert_eq!((error.status(), error.os_errno()), (301, libc::EBADMSG));
}

#[test]
fn what_cannot_be_read_is_an_error_and_the_state_stays() {
    let (disk, lsn) = disk_with_history();
    let digests = digests(lsn.0 + 20);
    let mut handle = Handle::open(&&disk).expect("sound");
    let mut database = Database::open(&disk, &options()).expect("recovered");
    show(&disk, database.commit(3).expect("a sound disk"));
    let before = handle.mark();
    disk.bound_descriptors(Some(0));
    let error = handle.refresh(&&disk).expect_err("no descriptors");
    assert_eq!((error.status(), error.os_errno()), (200, libc::EMFILE));
    let opened = Handle::open(&&disk)
        .map(|_| ())
        .expect_err("no descriptors");
    assert_eq!((opened.status(), opened.os_errno()), (200, libc::EMFILE));
    disk.bound_descriptors(None);
    let log = disk.read(FileName::Wal).expect("there");
    disk.take(FileName::Wal);
    let error = handle.refresh(&&disk).expect_err("no log");
    assert_eq!((error.status(), error.os_errno()), (200, libc::ENOENT));
    // A log of a later version.
    let mut later = log.clone();
    later[8] += 1;
    let crc = crc32c::crc32c(&later[..4092]);
    later[4092..4096].copy_from_slice(&crc.to_le_bytes());
    disk.put(FileName::Wal, later);
    let error = handle.refresh(&&disk).expect_err("a later version");
    assert_eq!(error.status(), 206);
    disk.put(FileName::Wal, log);
    assert_eq!(handle.mark(), before);
    reaches(&mut handle, &disk, Lsn(lsn.0 + 3), &digests);
}

#[test]
fn another_database_or_an_older_copy_in_the_directory_is_an_error() {
    let (disk, lsn) = disk_with_history();
    let older = disk.clone();
    let mut handle = Handle::open(&&disk).expect("sound");
    let mut database = Database::open(&disk, &options()).expect("recovered");
    show(&disk, database.commit(3).expect("a sound disk"));
    database.checkpoint().expect("a sound disk");
    handle.refresh(&&disk).expect("refreshed");
    let before = handle.mark();
    assert_eq!(before.0, Lsn(lsn.0 + 3));
    // An older copy of everything.
    for name in [FileName::Wal, FileName::Health] {
        disk.put(name, older.read(name).expect("there"));
    }
    disk.take(FileName::Snapshot(before.0));
    let error = handle.refresh(&&disk).expect_err("older");
    assert!(error.to_string().contains("ends before"), "{error}");
    assert_eq!(handle.mark(), before);
    let other = Disk::new();
    let others = Options {
        database_id: 0xBAD,
        ..options()
    };
    drop(Database::open(&other, &others).expect("a sound disk"));
    let log = other.read(FileName::Wal).expect("there");
    disk.put(FileName::Wal, log);
    let error = handle.refresh(&&disk).expect_err("another");
    assert!(error.to_string().contains("another database"), "{error}");
    assert_eq!((error.status(), handle.mark()), (204, before));
}

#[test]
fn what_is_no_database_is_told_apart() {
    let status = |disk: &Disk| Handle::open(&disk).map(|_| ()).expect_err("none").status();
    let disk = Disk::new();
    assert_eq!(status(&disk), 203, "an empty directory");
    disk.put_named(b"notes.txt", vec![1]);
    assert_eq!(status(&disk), 203, "foreign files");
    disk.put(FileName::Wal, vec![7; 8192]);
    assert_eq!(status(&disk), 203, "a foreign log");
    let (disk, _) = disk_with_history();
    disk.take(FileName::Wal);
    assert_eq!(status(&disk), 204, "the log was lost");
    disk.take(FileName::Snapshot(Lsn(9)));
    assert_eq!(status(&disk), 204, "the lock file names a database");
    assert!(disk.read(FileName::Wal).is_none(), "nothing is made");
}

#[test]
fn stored_options_are_compared_and_capacities_may_be_given_greater() {
    let (disk, _) = disk_with_history();
    let with = |change: fn(&mut Options)| {
        let mut options = Options {
            read_only: true,
            ..options()
        };
        change(&mut options);
        open(&&disk, &options).map(|(_, state, _)| *state.config())
    };
    let stored = with(|_| ()).expect("opened");
    let error = with(|options| options.max_ttl_slots = 3).expect_err("R92");
    assert_eq!(error.status(), 205);
    // A reader grows nothing.
    assert_eq!(with(|options| options.max_resources = 1_000), Ok(stored));
}
