//! A power cut, or a failure, at every operation of a workload: opening, commits, checkpoints,
//! closing, and recovery itself.
//!
//! What is checked each time: the database opens; it has all that was acknowledged, and nothing
//! but a prefix of what was submitted, bit for bit; it works; and what it then shows survives the
//! next power cut.

use super::*;

/// What a run of the workload was told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// The newest LSN that must survive.
    durable_lsn: Lsn,
    /// The newest LSN that may be on the disk.
    issued_lsn: Lsn,
    /// A database was opened: it can never be fresh again.
    was_opened: bool,
}

const COMMANDS_MAX: usize = 80;

/// Runs the workload until it ends or something fails.
fn work(disk: &Disk, options: &Options) -> Told {
    let mut told = Told::default();
    let _ = work_on(disk, options, &mut told);
    told
}

fn work_on(disk: &Disk, options: &Options, told: &mut Told) -> Option<()> {
    for (round, checkpoints) in [2, 0, 1].into_iter().enumerate() {
        let mut database = Database::open(disk, options).ok()?;
        let (lsn, _) = database.mark();
        // What recovery shows, it has made durable.
        told.durable_lsn = told.durable_lsn.max(lsn);
        told.was_opened = true;
        for checkpoint in 0..=checkpoints {
            for count in [3, 1, 1, 1, 12] {
                told.issued_lsn = told.issued_lsn.max(Lsn(database.mark().0.0 + count));
                match database.commit(count) {
                    Ok(lsn) if options.sync == SyncMode::Full => told.durable_lsn = lsn,
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
            if checkpoint < checkpoints {
                match database.checkpoint() {
                    Ok(_) => told.durable_lsn = database.mark().0,
                    Err(CheckpointError::Temporary { .. }) => {}
                    Err(_) => return None,
                }
            }
        }
        if round != 1 {
            database.wal.seal().ok()?;
            told.durable_lsn = database.mark().0;
        }
    }
    Some(())
}

/// What a power cut may leave of a disk.
fn images(disk: &Disk) -> Vec<Disk> {
    let dirty = disk.dirty_count();
    let mut keeps = vec![Keep::Nothing, Keep::Everything];
    keeps.extend((0..dirty.min(6)).map(Keep::AllBut));
    keeps.extend((0..dirty.min(6)).map(Keep::Only));
    keeps.extend((1..=4).map(Keep::Some));
    keeps
        .into_iter()
        .map(|keep| disk.after_crash(keep))
        .collect()
}

/// Opens a disk and checks what it shows against what was told; answers the LSN.
fn check(
    disk: &Disk,
    options: &Options,
    told: Told,
    digests: &[allocdb_core::hash::Digest],
) -> Lsn {
    let opened = Database::open(disk, options);
    let mut database = opened.unwrap_or_else(|error| panic!("{error}, after {told:?}"));
    let (lsn, digest) = database.mark();
    assert!(lsn >= told.durable_lsn, "LSN {lsn:?} of {told:?}: lost");
    assert!(lsn <= told.issued_lsn, "LSN {lsn:?} of {told:?}: invented");
    assert_eq!(digest, digests[usize::try_from(lsn.0).expect("small")]);
    let is_fresh = database.report.kind == StartKind::Fresh;
    assert!(!(is_fresh && told.was_opened), "a database vanished");
    database.commit(1).expect("it works");
    lsn
}

fn each_crash(options: &Options, mut each: impl FnMut(&Disk, Told)) -> u64 {
    for skipped in 0.. {
        let disk = Disk::new();
        disk.plan(skipped, Fault::Crash);
        let told = work(&disk, options);
        if !disk.has_crashed() {
            return skipped;
        }
        each(&disk, told);
    }
    unreachable!("the workload ends")
}

fn variants() -> [Options; 2] {
    [SyncMode::Full, SyncMode::Os].map(|sync| Options { sync, ..options() })
}

#[test]
fn a_power_cut_at_every_operation_loses_nothing_that_was_acknowledged() {
    // R88, and R64: whole commits only.
    let digests = digests(COMMANDS_MAX as u64 * 2);
    for options in variants() {
        let mut image_count = 0;
        let operations = each_crash(&options, |disk, told| {
            for image in images(disk) {
                check(&image, &options, told, &digests);
                image_count += 1;
            }
        });
        assert!(operations > 100, "the workload has {operations} operations");
        assert!(image_count > 1_000, "{image_count} images");
    }
}

#[test]
fn a_power_cut_at_every_operation_of_recovery_loses_nothing() {
    let digests = digests(COMMANDS_MAX as u64 * 2);
    for options in variants() {
        let mut image_count = 0;
        each_crash(&options, |disk, told| {
            for keep in [Keep::Nothing, Keep::Everything, Keep::Some(7)] {
                for skipped in 0.. {
                    let image = disk.after_crash(keep);
                    image.plan(skipped, Fault::Crash);
                    let opened = Database::open(&image, &options).is_ok();
                    if opened && !image.has_crashed() {
                        break;
                    }
                    for keep in [
                        Keep::Nothing,
                        Keep::Everything,
                        Keep::Some(1),
                        Keep::Some(2),
                    ] {
                        check(&image.after_crash(keep), &options, told, &digests);
                        image_count += 1;
                    }
                }
            }
        });
        assert!(image_count > 5_000, "{image_count} images");
    }
}

/// Every operation fails once, then the process opens the database again without a power cut, and
/// then the power goes: what the reopened database showed must still be there.
#[test]
fn what_is_shown_after_a_failure_survives_the_next_power_cut() {
    let digests = digests(COMMANDS_MAX as u64 * 2);
    for options in variants() {
        for errno in [libc::EIO, libc::ENOSPC] {
            let total = each_failure(&options, Fault::Errno(errno), |disk, told| {
                disk.mend();
                let shown = check(disk, &options, told, &digests);
                for image in images(disk) {
                    let told = Told {
                        durable_lsn: shown,
                        // The commit that `check` tried.
                        issued_lsn: Lsn(told.issued_lsn.0.max(shown.0 + 1)),
                        was_opened: true,
                    };
                    check(&image, &options, told, &digests);
                }
            });
            assert!(total > 100, "the workload has {total} operations");
        }
    }
}

#[test]
fn a_disk_that_fails_for_good_is_no_worse() {
    let digests = digests(COMMANDS_MAX as u64 * 2);
    for options in variants() {
        each_failure(&options, Fault::ErrnoForGood(libc::EIO), |disk, told| {
            disk.mend();
            let image = disk.after_crash(Keep::Nothing);
            check(&image, &options, told, &digests);
            check(disk, &options, told, &digests);
        });
    }
}

fn each_failure(options: &Options, fault: Fault, mut each: impl FnMut(&Disk, Told)) -> u64 {
    let whole = Disk::new();
    work(&whole, options);
    for skipped in 0..whole.operations() {
        let disk = Disk::new();
        disk.plan(skipped, fault);
        let told = work(&disk, options);
        each(&disk, told);
    }
    whole.operations()
}

/// The canary by itself: the sync of a commit fails, the kernel calls its pages clean, and the
/// reopened database answers from them.
#[test]
fn a_frame_read_from_the_cache_after_a_failed_sync_is_written_again() {
    let disk = disk_with(1);
    let mut database = Database::open(&disk, &options()).expect("sound");
    disk.plan(1, Fault::Errno(libc::EIO));
    assert!(matches!(database.commit(3), Err(CommitError::Failed(_))));
    assert!(database.wal.failure().is_some());
    assert!(
        matches!(database.commit(3), Err(CommitError::Failed(_))),
        "it sticks"
    );
    drop(database);
    disk.mend();
    let lost = disk.after_crash(Keep::Everything);
    let database = Database::open(&lost, &options()).expect("sound");
    assert_eq!(
        database.mark().0,
        Lsn(3),
        "the pages never reached the disk"
    );
    let database = Database::open(&disk, &options()).expect("sound");
    assert_eq!(database.mark().0, Lsn(6), "the cache shows them");
    drop(database);
    let image = disk.after_crash(Keep::Nothing);
    let database = Database::open(&image, &options()).expect("sound");
    assert_eq!(database.mark().0, Lsn(6), "and so they must stay");
}

/// Once, recovery copied the bytes to write again blindly. The page of a frame whose sync had
/// failed may be dropped between the replay and the copy: the zeros of the disk were then sealed in
/// its place, and what had just been replayed was gone without a word.
#[test]
fn a_page_dropped_between_replay_and_rewrite_is_noticed_and_nothing_is_sealed() {
    let disk = disk_with(1);
    let mut database = Database::open(&disk, &options()).expect("sound");
    disk.plan(1, Fault::Errno(libc::EIO));
    assert!(matches!(database.commit(3), Err(CommitError::Failed(_))));
    drop(database);
    disk.mend();
    disk.evict_at_next_write_open();
    let refused = Database::open(&disk, &options()).map(|database| database.mark());
    assert!(
        matches!(refused, Err(OpenError::Corrupt { .. })),
        "{refused:?}"
    );
    // Now that the cache shows what the disk has, the database opens with that.
    let database = Database::open(&disk, &options()).expect("sound");
    assert_eq!(database.mark().0, Lsn(3));
}

/// The canary by itself: two frames under `sync = os`, of which a power cut leaves the first
/// sector of one and the second of the other.
#[test]
fn a_legal_power_cut_under_sync_os_is_torn_and_not_corrupt() {
    let options = Options {
        sync: SyncMode::Os,
        ..options()
    };
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options).expect("sound");
    database.commit(12).expect("sound");
    let between = database.wal.log_bytes();
    database.commit(12).expect("sound");
    assert!(between - HEADER >= 1_024, "frames of several sectors");
    drop(database);
    let dirty = disk.dirty_count();
    for kept in 0..1u64 << dirty {
        let mut log = disk
            .after_crash(Keep::Nothing)
            .read(FileName::Wal)
            .expect("there");
        let whole = disk.read(FileName::Wal).expect("there");
        log.resize(whole.len(), 0);
        for sector in (0..dirty).filter(|sector| kept >> sector & 1 == 1) {
            let start = LOG_HEADER_BYTES + sector * SECTOR_BYTES;
            log[start..start + SECTOR_BYTES].copy_from_slice(&whole[start..start + SECTOR_BYTES]);
        }
        let image = disk.after_crash(Keep::Nothing);
        image.put(FileName::Wal, log);
        let database = Database::open(&image, &options).expect("a legal image");
        assert!([0, 12, 24].contains(&database.mark().0.0), "whole frames");
    }
}
