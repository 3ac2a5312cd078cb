//! What a checkpoint leaves, what it costs to fail, and when it does nothing.

use super::*;
use crate::recovery::fixture::{CommitError, Database, digests, options};
use crate::report::StartKind;
use crate::status;
use crate::storage::faulty::{Disk, Fault, Keep};

fn snapshots(disk: &Disk) -> Vec<Lsn> {
    let mut found = Vec::new();
    let listed = (&disk).list(|name| {
        if let Entry::Ours(FileName::Snapshot(lsn)) = Entry::of(name) {
            found.push(lsn);
        }
    });
    listed.expect("a sound disk");
    found.sort_unstable();
    found
}

#[test]
fn two_snapshots_and_the_frames_between_them_are_kept() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    for round in 1..=5u64 {
        for _ in 0..4 {
            database.commit(3).expect("sound");
        }
        let report = database.checkpoint().expect("sound");
        assert!(report.written);
        assert_eq!(report.anchor_lsn, Lsn(12 * round));
        assert_eq!(database.wal.bytes_since_checkpoint(), 0);
        let expected = if round == 1 {
            vec![Lsn(12)]
        } else {
            vec![Lsn(12 * (round - 1)), Lsn(12 * round)]
        };
        assert_eq!(snapshots(&disk), expected);
        let begins_after = Lsn(12 * round.saturating_sub(1));
        assert_eq!(database.wal.tail.begins_after, begins_after);
    }
    let log_bytes = database.wal.log_bytes();
    // Four frames and the previous marker, at most, and the marker.
    assert!(log_bytes <= 4_096 + 4 * 1_024 + 2 * 512, "{log_bytes}");
    drop(database);
    let database = Database::open(&disk, &options()).expect("sound");
    assert_eq!(database.report.kind, StartKind::SnapshotOnly);
    assert_eq!(database.mark(), (Lsn(60), digests(60)[60]));
}

#[test]
fn a_checkpoint_where_nothing_moved_does_nothing() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    assert!(
        !database.checkpoint().expect("sound").written,
        "nothing yet"
    );
    database.commit(3).expect("sound");
    assert!(database.checkpoint().expect("sound").written);
    let before = disk.operations();
    assert!(!database.checkpoint().expect("sound").written);
    assert_eq!(disk.operations(), before);
    drop(database);
    let mut database = Database::open(&disk, &options()).expect("sound");
    let before = disk.operations();
    assert!(
        !database.checkpoint().expect("sound").written,
        "also after a restart"
    );
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_checkpoint_that_a_crash_cut_short_is_done_again() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    database.commit(3).expect("sound");
    database.checkpoint().expect("sound");
    database.commit(3).expect("sound");
    drop(database);
    // The snapshot is published, the log is not yet rewritten: no marker.
    let log = disk.read(FileName::Wal).expect("there");
    let mut database = Database::open(&disk, &options()).expect("sound");
    database.checkpoint().expect("sound");
    drop(database);
    disk.put(FileName::Wal, log);

    let mut database = Database::open(&disk, &options()).expect("sound");
    assert_eq!(database.report.snapshot_lsn, Lsn(6));
    assert!(
        database.checkpoint().expect("sound").written,
        "it was not complete"
    );
    assert!(!database.checkpoint().expect("sound").written, "now it is");
    assert_eq!(
        database.wal.tail.begins_after,
        Lsn(0),
        "nothing older was seen whole"
    );
    drop(database);
    let image = disk.after_crash(Keep::Nothing);
    image.put(FileName::Snapshot(Lsn(6)), b"damaged".to_vec());
    let database = Database::open(&image, &options()).expect("survived");
    assert_eq!(database.mark(), (Lsn(6), digests(6)[6]));
}

#[test]
fn a_full_disk_gives_a_checkpoint_up_and_halts_nothing() {
    let mut given_up = 0;
    for room in 0..40 {
        let disk = Disk::new();
        let mut database = Database::open(&disk, &options()).expect("sound");
        for _ in 0..3 {
            database.commit(3).expect("sound");
        }
        let before = disk.bytes();
        disk.bound_room(Some(before + room * 512));
        match database.checkpoint() {
            Ok(report) => assert!(report.written),
            Err(error) => {
                given_up += 1;
                assert!(!error.is_fatal(), "{error}");
                assert_eq!(error.status(), status::E_STORAGE_FULL);
                assert_eq!(disk.read(FileName::WalTemporary), None);
                assert_eq!(disk.read(FileName::SnapshotTemporary(Lsn(9))), None);
            }
        }
        database.commit(1).expect("commits go on");
        disk.bound_room(None);
        assert!(database.checkpoint().expect("room now").written);
        let mark = database.mark();
        drop(database);
        let database = Database::open(&disk, &options()).expect("sound");
        assert_eq!(database.mark(), mark);
    }
    assert!(given_up > 5, "both files were tried: {given_up}");
}

#[test]
fn too_many_open_files_give_a_checkpoint_up_and_halt_nothing() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    database.commit(3).expect("sound");
    disk.bound_descriptors(Some(2));
    let error = database
        .checkpoint()
        .expect_err("the lock and the log are all");
    assert_eq!((error.is_fatal(), error.os_errno()), (false, libc::EMFILE));
    database.commit(1).expect("commits go on");
    disk.bound_descriptors(None);
    assert!(database.checkpoint().expect("sound").written);
}

#[test]
fn a_failure_on_anything_but_a_temporary_file_is_fatal_and_sticks() {
    let count_operations = || {
        let disk = Disk::new();
        let mut database = Database::open(&disk, &options()).expect("sound");
        database.commit(3).expect("sound");
        let before = disk.operations();
        database.checkpoint().expect("sound");
        disk.operations() - before
    };
    let (mut fatal, mut temporary) = (0, 0);
    for skipped in 0..count_operations() {
        let disk = Disk::new();
        let mut database = Database::open(&disk, &options()).expect("sound");
        database.commit(3).expect("sound");
        disk.plan(skipped, Fault::Errno(libc::EIO));
        let error = database.checkpoint().expect_err("something failed");
        disk.mend();
        if error.is_fatal() {
            fatal += 1;
            assert!(matches!(database.commit(1), Err(CommitError::Failed(_))));
            assert!(database.checkpoint().expect_err("halted").is_fatal());
        } else {
            temporary += 1;
            database.commit(1).expect("commits go on");
        }
    }
    assert_eq!(fatal, 4, "two renames, two syncs of the directory");
    assert!(
        temporary >= 8,
        "the writing and syncing of two files: {temporary}"
    );
}

/// The old log loses its name at once and its room piece by piece; a failure at that harms nobody.
#[test]
fn a_large_old_file_is_freed_a_piece_at_a_time() {
    for fails in [false, true] {
        let disk = Disk::new();
        let mut database = Database::open(&disk, &options()).expect("sound");
        database.commit(3).expect("sound");
        // As large as three pieces and a little more.
        let grown = 3 * FREE_BYTES + 4_096;
        let reserved = database.wal.reserve(usize::try_from(grown).expect("fits"));
        assert!(reserved.is_ok(), "a sound disk");
        let mut checkpoint = Checkpoint::begin(&mut database.wal, &mut database.state)
            .expect("sound")
            .expect("something moved");
        let (mut steps, mut steps_behind) = (0, 0);
        loop {
            let is_behind = matches!(checkpoint.stage, Stage::Old(..));
            if is_behind && fails {
                disk.plan(0, Fault::Errno(libc::EIO));
            }
            let stepped = checkpoint.step(&mut database.wal, &database.state);
            disk.mend();
            checkpoint.release(&mut database.state);
            steps += 1;
            steps_behind += u32::from(is_behind);
            match stepped {
                Ok(Some(report)) => break assert!(report.written),
                Ok(None) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(steps < 1_000, "it ends");
        }
        assert_eq!(steps_behind, if fails { 1 } else { 3 });
        let mark = database.mark();
        drop(database);
        let database = Database::open(&disk, &options()).expect("sound");
        assert_eq!(database.mark(), mark);
    }
}
