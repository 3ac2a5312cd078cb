//! Every kind of start, on real files and on disks in memory.

use allocdb_core::Slot;

use super::*;
use crate::storage::{DirectoryOptions, FileStorage};

#[test]
fn a_real_directory_is_created_committed_to_checkpointed_and_reopened() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || {
        let storage = FileStorage::open(directory.path(), DirectoryOptions::default());
        Database::open(storage.expect("it is there"), &options())
    };
    let mut database = open().expect("created");
    assert_eq!(database.report.kind, StartKind::Fresh);
    for _ in 0..20 {
        database.commit(3).expect("a sound disk");
    }
    let locked = open().map(|_| ()).expect_err("open already");
    let owner_pid = std::process::id();
    assert_eq!(locked, OpenError::Locked { owner_pid });
    let mark = database.mark();
    drop(database);

    let mut database = open().expect("killed without a seal");
    assert_eq!(database.report.kind, StartKind::WalOnly);
    assert_eq!(database.report.records_replayed, 60);
    assert_eq!(database.report.frames_replayed, 20);
    assert_eq!(database.report.rewritten_bytes, 512, "the last frame alone");
    assert_eq!(database.mark(), mark);
    assert!(database.checkpoint().expect("a sound disk").written);
    database.wal.seal().expect("a sound disk");
    drop(database);

    let mut database = open().expect("sealed");
    assert_eq!(database.report.kind, StartKind::SnapshotOnly);
    assert_eq!(database.report.snapshot_lsn, Lsn(60));
    assert_eq!(database.mark(), mark);
    database.commit(1).expect("a sound disk");
    let mark = database.mark();
    drop(database);
    let database = open().expect("killed");
    assert_eq!(database.report.kind, StartKind::SnapshotAndWal);
    assert_eq!(database.report.records_replayed, 1);
    assert_eq!(database.mark(), mark);
    assert_eq!(mark.1, digests(mark.0.0)[61]);
}

#[test]
fn what_is_not_given_is_drawn_at_creation_and_kept() {
    // R93.
    let given_nothing = Options {
        database_id: 0,
        hash_seed: 0,
        ..options()
    };
    let disks = [Disk::new(), Disk::new()];
    let drawn = disks.each_ref().map(|disk| {
        let made = Database::open(disk, &given_nothing).expect("sound");
        *made.wal.config()
    });
    assert_ne!(drawn[0].database_id, drawn[1].database_id);
    assert_ne!(drawn[0].hash_seed, drawn[1].hash_seed);
    assert!(drawn.iter().all(|config| config.database_id != 0));
    let reopened = Database::open(&disks[0], &given_nothing).expect("as stored");
    assert_eq!(*reopened.wal.config(), drawn[0]);
}

#[test]
fn opening_and_closing_an_idle_database_does_not_grow_its_log() {
    let disk = disk_with(2);
    let open_and_close = || {
        let mut database = Database::open(&disk, &options()).expect("sound");
        database.wal.seal().expect("sound");
        database.wal.log_bytes()
    };
    let first = open_and_close();
    for _ in 0..5 {
        assert_eq!(open_and_close(), first);
    }
}

#[test]
fn a_damaged_newest_snapshot_is_survived_by_the_previous_one_and_the_overlap() {
    for damage in 0..3 {
        let disk = disk_with_two_snapshots();
        let newest = FileName::Snapshot(Lsn(18));
        match damage {
            0 => disk.flip(newest, 700, 1),
            1 => disk.put(newest, Vec::new()),
            _ => disk.take(newest),
        }
        let mut database = Database::open(&disk, &options()).expect("the overlap is there");
        let expected = if damage == 2 {
            // Nobody can tell a snapshot that is gone from one that never was.
            StartKind::SnapshotAndWal
        } else {
            StartKind::PreviousSnapshotAndWal
        };
        assert_eq!(database.report.kind, expected);
        assert_eq!(database.report.snapshot_lsn, Lsn(9));
        assert_eq!(database.report.records_replayed, 15);
        assert_eq!(database.mark(), (Lsn(24), digests(24)[24]));

        // A damaged snapshot never counts as the previous one: the log goes on to begin after 9.
        database.checkpoint().expect("sound");
        drop(database);
        disk.put(FileName::Snapshot(Lsn(24)), b"damaged".to_vec());
        let database = Database::open(&disk, &options()).expect("still survived");
        assert_eq!(database.report.snapshot_lsn, Lsn(9));
        assert_eq!(database.mark(), (Lsn(24), digests(24)[24]));
    }
}

#[test]
fn a_log_that_goes_back_to_the_beginning_needs_no_snapshot() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    database.commit(3).expect("sound");
    database.checkpoint().expect("sound");
    drop(database);
    disk.flip(FileName::Snapshot(Lsn(3)), 600, 0x80);
    let database = Database::open(&disk, &options()).expect("replayed from empty");
    assert_eq!(database.report.kind, StartKind::WalOnly);
    assert_eq!(database.mark(), (Lsn(3), digests(3)[3]));
}

#[test]
fn a_whole_snapshot_that_its_marker_does_not_name_is_not_used() {
    // The same history under other slots: a whole snapshot of the same LSN, configuration and
    // database, of another state.
    let disk = disk_with_two_snapshots();
    let other = Disk::new();
    let mut database = Database::open(&other, &options()).expect("sound");
    for _ in 0..6 {
        database.commit_at(Slot(500), 3).expect("sound");
    }
    database.checkpoint().expect("sound");
    drop(database);
    let stale = other.read(FileName::Snapshot(Lsn(18))).expect("written");
    disk.put(FileName::Snapshot(Lsn(18)), stale);
    let database = Database::open(&disk, &options()).expect("the overlap is there");
    assert_eq!(database.report.kind, StartKind::PreviousSnapshotAndWal);
    assert_eq!(database.mark(), (Lsn(24), digests(24)[24]));
}

#[test]
fn a_snapshot_inside_of_a_frame_is_not_used() {
    let disk = disk_with(2);
    let other = Disk::new();
    let mut database = Database::open(&other, &options()).expect("sound");
    database.commit(1).expect("sound");
    database.commit(1).expect("sound");
    database.checkpoint().expect("sound");
    drop(database);
    let inside = other.read(FileName::Snapshot(Lsn(2))).expect("written");
    disk.put(FileName::Snapshot(Lsn(2)), inside);
    let database = Database::open(&disk, &options()).expect("replayed from empty");
    assert_eq!(database.report.kind, StartKind::WalOnly);
    assert_eq!(database.mark(), (Lsn(6), digests(6)[6]));
}

#[test]
fn a_torn_tail_is_cut_and_reported_and_stays_cut() {
    let disk = disk_with(2);
    let mut log = disk.read(FileName::Wal).expect("there");
    // A frame of two sectors whose second never came.
    let larger = disk.clone();
    let mut grown = Database::open(&larger, &options()).expect("sound");
    let start = usize::try_from(grown.wal.log_bytes()).expect("small");
    grown.commit(9).expect("sound");
    drop(grown);
    let written = larger.read(FileName::Wal).expect("there");
    log.resize(written.len(), 0);
    log[..start + 512].copy_from_slice(&written[..start + 512]);
    disk.put(FileName::Wal, log);
    let opened = Database::open(&disk, &options()).expect("torn, not corrupt");
    assert_eq!(opened.report.torn_bytes, 512);
    assert_eq!(opened.mark().0, Lsn(6));
    drop(opened);
    let opened = Database::open(&disk, &options()).expect("clean");
    assert_eq!(opened.report.torn_bytes, 0);
    assert_eq!(opened.mark(), (Lsn(6), digests(6)[6]));
}

#[test]
fn temporary_files_are_removed_and_the_lock_file_is_mended() {
    let disk = disk_with(2);
    disk.put(FileName::WalTemporary, vec![1; 100]);
    disk.put(FileName::SnapshotTemporary(Lsn(3)), vec![1; 100]);
    disk.put(FileName::Lock, vec![b'x'; 200]);
    drop(Database::open(&disk, &options()).expect("sound"));
    assert_eq!(disk.read(FileName::WalTemporary), None);
    assert_eq!(disk.read(FileName::SnapshotTemporary(Lsn(3))), None);
    let lock = disk.read(FileName::Lock).expect("there");
    let record = LockRecord::decode(&lock).expect("whole");
    assert_eq!(record.database_id, 0xDA7A);
    assert_eq!(record.pid, std::process::id());
}

#[test]
fn seed_and_identity_are_drawn_unless_given() {
    // R93: two databases made alike share neither, so what one client learns aims at no other.
    let make = |options: &Options| {
        let directory = tempfile::tempdir().expect("a directory");
        let storage = FileStorage::open(directory.path(), DirectoryOptions::default());
        let database = Database::open(storage.expect("it is there"), options);
        *database.expect("made").state.config()
    };
    let drawn = Options {
        hash_seed: 0,
        database_id: 0,
        ..options()
    };
    let (first, second) = (make(&drawn), make(&drawn));
    assert_ne!(first.hash_seed, second.hash_seed);
    assert_ne!(first.database_id, second.database_id);
    assert!(first.hash_seed != 0 && first.database_id != 0);
    let given = make(&options());
    assert_eq!(given.hash_seed, options().hash_seed);
    assert_eq!(given.database_id, options().database_id);
}
