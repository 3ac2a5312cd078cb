//! Checkpoints in slices, while commits go on.

use super::*;
use crate::error::FileName;

/// Resources enough for a snapshot of many slices.
const RESOURCES: u128 = 600;

fn options() -> Options {
    Options {
        max_resources: 1024,
        max_reservations: 1024,
        max_operations: 4096,
        max_batch_commands: 1024,
        wal_prealloc_bytes: 4096,
        checkpoint_wal_bytes: 64 << 10,
        ..small()
    }
}

/// A database with many resources and no checkpoint yet.
fn filled(disk: &Disk, options: &Options) -> Engine<Disk> {
    let engine = open(disk, options);
    let commands: Vec<_> = (1..=RESOURCES).map(|id| create(id, id)).collect();
    let results = submit_many(&engine, 1, &commands).expect("created");
    assert!(results.iter().all(Result::is_ok));
    engine
}

fn digest(engine: &Engine<Disk>) -> allocdb_core::hash::Digest {
    engine.digest().expect("a sound engine")
}

fn is_under_way(disk: &Disk, anchor: Lsn) -> bool {
    disk.has(FileName::SnapshotTemporary(anchor)) || disk.has(FileName::WalTemporary)
}

/// The log's growth begins one, commits carry it on, and it is of the moment at which it began.
#[test]
fn commits_go_on_between_the_slices() {
    let disk = Disk::default();
    let options = options();
    let engine = filled(&disk, &options);
    let mut next = 10_000;
    let mut commit = |engine: &Engine<Disk>| {
        next += 1;
        let resource = [(next % RESOURCES + 1).to_le_bytes()];
        outcome(submit_one(engine, 1, reserve(next, &resource, 7, 100)));
    };
    while engine.health(None).log_bytes_since_checkpoint < options.checkpoint_wal_bytes {
        commit(&engine);
    }
    let anchor = engine.last_lsn();
    assert!(
        is_under_way(&disk, anchor),
        "begun by the commit that trips it"
    );
    assert_eq!(engine.health(None).checkpoints, 0);
    let mut commits = 0;
    while engine.health(None).checkpoints == 0 {
        commit(&engine);
        commits += 1;
        assert!(commits < 100, "every commit carries it on");
    }
    assert!(commits > 5, "in slices: {commits}");
    let health = engine.health(None);
    assert_eq!(
        health.snapshot_lsn, anchor,
        "of the moment at which it began"
    );
    assert!(
        health.log_bytes_since_checkpoint > 0,
        "what came counts for the next"
    );
    assert!(!is_under_way(&disk, anchor));
    let digest = digest(&engine);
    engine.close().expect("closed");
    drop(engine);
    let engine = open(&disk, &options);
    assert_eq!(engine.digest(), Ok(digest));
    let report = engine.recovery_report();
    assert_eq!(report.snapshot_lsn, anchor);
    assert_eq!(report.records_replayed, engine.last_lsn().0 - anchor.0);
    // Its marker is behind the frames that came meanwhile: it is known to be complete.
    assert!(engine.checkpoint().expect("taken").written);
    assert!(!engine.checkpoint().expect("nothing to do").written);
}

/// Who asks waits for what there was when he asked, whatever is under way already.
#[test]
fn a_checkpoint_on_demand_waits_for_one_under_way_and_takes_its_own() {
    let disk = Disk::default();
    let options = options();
    let engine = filled(&disk, &options);
    let id = begun_by_growth(&engine, &disk);
    outcome(submit_one(&engine, 1, reserve(id + 1, &[[1; 16]], 7, 100)));
    let report = engine.checkpoint().expect("taken");
    assert_eq!(
        (report.anchor_lsn, report.written),
        (engine.last_lsn(), true)
    );
    assert_eq!(engine.health(None).checkpoints, 2);
    assert!(report.duration_ns >= report.stall_ns && report.stall_ns > 0);
}

#[test]
fn a_close_ends_one_under_way_and_loses_nothing() {
    let disk = Disk::default();
    let options = options();
    let engine = filled(&disk, &options);
    begun_by_growth(&engine, &disk);
    let (anchor, digest) = (engine.last_lsn(), digest(&engine));
    engine.close().expect("closed");
    drop(engine);
    assert!(!is_under_way(&disk, anchor), "nothing is left behind");
    let engine = open(&disk, &options);
    assert_eq!(engine.digest(), Ok(digest));
    assert_eq!(engine.recovery_report().snapshot_lsn, Lsn(0));
}

/// A disk that fills up half way: given up, and tried again when the log has grown as much again.
#[test]
fn a_slice_that_fails_gives_the_checkpoint_up_and_halts_nothing() {
    let disk = Disk::default();
    let options = options();
    let engine = filled(&disk, &options);
    let mut id = begun_by_growth(&engine, &disk);
    let anchor = engine.last_lsn();
    // The next file cannot be made: the snapshot is there by then, the log is not.
    disk.script(|script| script.create_errno = libc::ENOSPC);
    while engine.health(None).checkpoint_failures == 0 {
        id += 1;
        outcome(submit_one(&engine, 1, reserve(id, &[[1; 16]], 7, 100)));
    }
    let health = engine.health(None);
    assert_eq!((health.checkpoints, health.accepting_writes), (0, true));
    assert!(!is_under_way(&disk, anchor));
    disk.script(|script| script.create_errno = 0);
    assert!(engine.checkpoint().expect("room").written);
    let digest = digest(&engine);
    drop(engine);
    assert_eq!(open(&disk, &options).digest(), Ok(digest));
}

/// A commit may change more than anybody knew beforehand, and than the state can keep: bundles.
/// Then the checkpoint is begun again, and taken in one go.
#[test]
fn a_checkpoint_whose_moment_is_lost_is_taken_in_one_go() {
    const SEATS: u128 = 20_480;
    const BUNDLE: usize = 128;
    let disk = Disk::default();
    let options = Options {
        max_resources: 1 << 15,
        max_reservations: 1 << 15,
        max_operations: 1 << 16,
        max_bundle_len: 128,
        max_batch_commands: 8192,
        ..options()
    };
    let engine = open(&disk, &options);
    let seats: Vec<_> = (1..=SEATS).map(u128::to_le_bytes).collect();
    let creates: Vec<_> = (1..=SEATS).map(|id| create(id, id)).collect();
    for part in creates.chunks(8192) {
        submit_many(&engine, 1, part).expect("created");
    }
    let bundles = (1 << 20..).zip(seats.chunks(BUNDLE));
    let bundles: Vec<_> = bundles
        .map(|(id, seats)| reserve(id, seats, 7, 900))
        .collect();
    let held = submit_many(&engine, 1, &bundles).expect("reserved");
    let releases: Vec<_> = (1 << 21..)
        .zip(held)
        .map(|(id, held)| {
            let reservation_id = held.expect("taken").reservation_id;
            let holder_id = HolderId(7);
            operation(
                id,
                Action::Release {
                    reservation_id,
                    holder_id,
                },
            )
        })
        .collect();
    engine.checkpoint().expect("taken");
    begun_by_growth(&engine, &disk);
    let before = engine.health(None);
    let released = submit_many(&engine, 2, &releases).expect("released");
    assert!(released.iter().all(Result::is_ok));
    let health = engine.health(None);
    assert_eq!(health.checkpoints, before.checkpoints + 1, "in one go");
    assert_eq!(
        health.snapshot_lsn,
        engine.last_lsn(),
        "and of a later moment"
    );
    assert_eq!(health.checkpoint_stall_ns_last, health.checkpoint_ns_last);
    assert_eq!(health.checkpoint_failures, 0);
    assert!(!is_begun(&disk));
    let digest = digest(&engine);
    engine.close().expect("closed");
    drop(engine);
    let engine = open(&disk, &options);
    assert_eq!(engine.digest(), Ok(digest));
    let broken = engine.read(Lsn(0), |state| Ok(state.check_invariants()));
    assert_eq!(broken, Ok(Ok(())));
}

/// A commit that could change more than the state can keep has slices written first.
#[test]
fn a_great_commit_waits_for_room() {
    let disk = Disk::default();
    let options = Options {
        max_resources: 1 << 13,
        max_reservations: 1 << 13,
        max_operations: 1 << 16,
        max_batch_commands: 8192,
        checkpoint_wal_bytes: 1 << 20,
        ..options()
    };
    let engine = open(&disk, &options);
    let seats = 1 << 13;
    let ids: Vec<_> = (1..=seats).map(u128::to_le_bytes).collect();
    let creates: Vec<_> = (1..=seats).map(|id| create(id, id)).collect();
    submit_many(&engine, 1, &creates).expect("created");
    begun_by_growth(&engine, &disk);
    let anchor = engine.last_lsn();
    assert!(!disk.has(FileName::Snapshot(anchor)), "only begun");
    let ids = (1 << 21..).zip(ids.chunks(1).skip(1));
    let reserves: Vec<_> = ids.map(|(id, ids)| reserve(id, ids, 7, 100)).collect();
    let reserved = submit_many(&engine, 1, &reserves).expect("reserved");
    assert!(reserved.iter().all(Result::is_ok));
    assert!(
        disk.has(FileName::Snapshot(anchor)),
        "written before the commit"
    );
    let digest = digest(&engine);
    engine.close().expect("closed");
    drop(engine);
    let engine = open(&disk, &options);
    assert_eq!(engine.digest(), Ok(digest));
    assert_eq!(engine.recovery_report().snapshot_lsn, anchor);
}

/// Commits until one has begun; the last operation id.
fn begun_by_growth(engine: &Engine<Disk>, disk: &Disk) -> u128 {
    let mut id = 1 << 30;
    while !is_begun(disk) {
        id += 1;
        let resource = [1u128.to_le_bytes()];
        outcome(submit_one(engine, 1, reserve(id, &resource, 7, 100)));
    }
    id
}

fn is_begun(disk: &Disk) -> bool {
    disk.names().iter().any(|name| name.contains(".tmp"))
}
