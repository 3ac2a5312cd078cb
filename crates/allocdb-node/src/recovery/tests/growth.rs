//! R95, R96: larger tables, the same history; whatever happens on the way.

use super::*;
use crate::recovery::fixture::{history, image};
use crate::status;

/// The first growth that is tried: every capacity that may grow.
fn grown() -> Options {
    Options {
        max_resources: 20,
        max_reservations: 40,
        max_operations: 70,
        max_expiration_bucket_len: 36,
        ..options()
    }
}

/// All as stored.
fn stored() -> Options {
    Options {
        wal_prealloc_bytes: 4_096,
        ..Options::default()
    }
}

/// Databases to grow: as their last frame, their snapshots and their closing differ.
fn disks() -> Vec<(&'static str, Disk)> {
    let empty = disk_with(0);
    let sealed_and_empty = disk_with(0);
    let mut database = Database::open(&sealed_and_empty, &options()).expect("sound");
    database.wal.seal().expect("sound");
    drop(database);
    let at_a_snapshot = disk_with(5);
    let mut database = Database::open(&at_a_snapshot, &options()).expect("sound");
    assert!(database.checkpoint().expect("sound").written);
    drop(database);
    let grown_before = disk_with(6);
    let slightly = Options {
        max_operations: 65,
        ..options()
    };
    drop(Database::open(&grown_before, &slightly).expect("sound"));
    vec![
        ("empty", empty),
        ("sealed and empty", sealed_and_empty),
        ("a log alone", disk_with(9)),
        (
            "two snapshots, frames behind, sealed",
            disk_with_two_snapshots(),
        ),
        ("a snapshot at its end", at_a_snapshot),
        ("grown before", grown_before),
    ]
}

/// The history that a disk holds.
fn history_of(disk: &Disk) -> Vec<String> {
    history(
        &Database::open(&disk.clone(), &stored())
            .expect("sound")
            .state,
    )
}

#[test]
fn every_result_id_order_and_deadline_is_the_same_before_and_after() {
    let digests = digests(64);
    for (name, disk) in disks() {
        let before = history_of(&disk);
        let mut database = Database::open(&disk, &grown()).expect("it grows");
        assert_eq!(history(&database.state), before, "{name}");
        let config = *database.state.config();
        assert_eq!(config, *database.wal.config());
        let sizes = (config.max_resources, config.max_reservations);
        let more = (config.max_operations, config.max_expiration_bucket_len);
        assert_eq!((sizes, more), ((20, 40), (70, 36)), "{name}");
        database.state.check_invariants().expect("sound");
        // What follows has the answers that it would have had, where no bound is met.
        for count in [1, 3, 12] {
            let lsn = database.commit(count).expect("sound");
            let index = usize::try_from(lsn.0).expect("small");
            assert_eq!(database.state.digest(), digests[index], "{name}");
        }
    }
}

/// R85: after a growth, too, the live state is what its snapshot with the log's rest gives.
#[test]
fn live_and_replay_and_snapshot_with_replay_are_one_after_growth() {
    for (name, disk) in disks() {
        let mut database = Database::open(&disk, &grown()).expect("it grows");
        database.commit(5).expect("sound");
        database.commit(5).expect("sound");
        let live = image(&database.state);
        drop(database);
        let mut database = Database::open(&disk, &stored()).expect("sound");
        assert_eq!(image(&database.state), live, "{name}");
        assert_eq!(database.report.records_replayed, 10, "{name}");
        assert!(database.checkpoint().expect("sound").written);
        drop(database);
        let mut database = Database::open(&disk, &stored()).expect("sound");
        assert_eq!(image(&database.state), live, "{name}");
        assert_eq!(database.report.kind, StartKind::SnapshotOnly);
        database.commit(1).expect("sound");
        // Overlap is back: the newest snapshot may be damaged.
        assert!(database.checkpoint().expect("sound").written);
        let mark = database.mark();
        drop(database);
        disk.put(FileName::Snapshot(mark.0), b"damaged".to_vec());
        let database = Database::open(&disk, &stored()).expect("survived");
        assert_eq!(database.mark(), mark, "{name}");
    }
}

#[test]
fn what_a_growth_leaves_is_one_snapshot_and_a_log_that_begins_after_it() {
    for (name, disk) in disks() {
        let lsn = Database::open(&disk, &stored()).expect("sound").mark().0;
        let mut database = Database::open(&disk, &grown()).expect("it grows");
        assert_eq!(database.wal.tail.begins_after, lsn, "{name}");
        let moved = database.checkpoint().expect("sound").written;
        assert!(!moved, "{name}: its snapshot counts as a checkpoint");
        drop(database);
        let found = Directory::survey(&&disk).expect("sound");
        let snapshots: Vec<_> = (lsn > Lsn(0)).then_some(lsn).into_iter().collect();
        assert_eq!(found.snapshots, snapshots, "{name}");
        assert_eq!(found.temporaries, [], "{name}");
        // Nothing of it is to be done again.
        let before = disk.contents();
        let database = Database::open(&disk, &grown()).expect("sound");
        assert_eq!(database.report.rewritten_bytes, 0, "{name}");
        drop(database);
        assert_eq!(disk.contents(), before, "{name}");
    }
}

#[test]
fn each_capacity_grows_alone_and_again_and_what_is_not_given_stays() {
    let disk = disk_with(9);
    let expected = history_of(&disk);
    let steps = [
        (
            Options {
                max_resources: 17,
                ..stored()
            },
            [17, 32, 64, 32],
        ),
        (
            Options {
                max_reservations: 50,
                ..stored()
            },
            [17, 50, 64, 32],
        ),
        (
            Options {
                max_operations: 100,
                ..stored()
            },
            [17, 50, 100, 32],
        ),
        (
            Options {
                max_expiration_bucket_len: 50,
                ..stored()
            },
            [17, 50, 100, 50],
        ),
        (stored(), [17, 50, 100, 50]),
        (
            Options {
                max_resources: 4_000,
                max_reservations: 5_000,
                ..stored()
            },
            [4_000, 5_000, 100, 50],
        ),
    ];
    for (options, sizes) in steps {
        let database = Database::open(&disk, &options).expect("it grows");
        let config = database.wal.config();
        let tables = [
            config.max_resources,
            config.max_reservations,
            config.max_operations,
            config.max_expiration_bucket_len,
        ];
        assert_eq!(tables, sizes);
        assert_eq!(history(&database.state), expected);
        drop(database);
        // What it has grown to is what is stored: less is refused.
        assert_eq!(
            refusal(&disk, &super::options()).status(),
            status::E_CONFIG_MISMATCH
        );
    }
}

/// The canary: a growth that takes the new sizes and replays the old commands into them. A log of
/// which a full table is a part is then another history, and the check that this file goes by says
/// so.
#[test]
fn canary_growth_replayed_over_old_commands_is_noticed() {
    let small = Options {
        max_resources: 3,
        max_reservations: 2,
        max_operations: 64,
        max_expiration_bucket_len: 2,
        ..options()
    };
    let disk = Disk::new();
    let mut database = Database::open(&disk, &small).expect("sound");
    for _ in 0..10 {
        database.commit(3).expect("sound");
    }
    let expected = history(&database.state);
    drop(database);
    let sound = disk.clone();
    let database = Database::open(&sound, &grown()).expect("it grows");
    assert_eq!(history(&database.state), expected);
    drop(database);

    // The same sizes, by a header that claims them for the old frames.
    let mut log = disk.read(FileName::Wal).expect("there");
    let mut header = LogHeader::decode(&log).expect("sound");
    header.config = grown().config_for_opening(&header.config).expect("valid");
    log[..LOG_HEADER_BYTES].copy_from_slice(&header.encode());
    disk.put(FileName::Wal, log);
    let database = Database::open(&disk, &stored()).expect("a log like any other");
    assert_ne!(history(&database.state), expected, "the check cannot fail");
}

/// What a power cut may leave of a disk.
fn images(disk: &Disk) -> Vec<Disk> {
    let mut keeps = vec![Keep::Nothing, Keep::Everything];
    keeps.extend((0..disk.dirty_count().min(6)).map(Keep::AllBut));
    keeps.extend((0..disk.dirty_count().min(6)).map(Keep::Only));
    keeps.extend((1..=6).map(Keep::Some));
    keeps
        .into_iter()
        .map(|keep| disk.after_crash(keep))
        .collect()
}

/// Opens a disk on which a growth came to an end or not: it has its history, and either sizes.
/// Answers whether they are the new ones.
fn check(disk: &Disk, expected: &[String], name: &str) -> bool {
    let before = LogHeader::decode(&disk.read(FileName::Wal).expect("there")).expect("sound");
    let mut database =
        Database::open(disk, &stored()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(history(&database.state), expected, "{name}");
    let config = *database.wal.config();
    assert_eq!(config, *database.state.config(), "{name}");
    let is_grown = config.max_resources == 20;
    let old_or_new = is_grown || config == before.config;
    assert!(old_or_new, "{name}: {config:?}");
    database.commit(3).expect("it works");
    let mark = database.mark();
    drop(database);
    let database = Database::open(disk, &grown()).expect("it grows now");
    assert_eq!(database.mark(), mark, "{name}");
    assert_eq!(database.wal.config().max_resources, 20, "{name}");
    drop(database);
    // R88: what was acknowledged, and the growth, is durable.
    for keep in [Keep::Nothing, Keep::Some(3)] {
        let image = disk.after_crash(keep);
        let database = Database::open(&image, &stored()).expect("a power cut after it");
        assert_eq!(database.mark(), mark, "{name}");
        assert_eq!(database.wal.config().max_resources, 20, "{name}");
    }
    is_grown
}

#[test]
fn a_power_cut_at_every_operation_of_a_growth_leaves_the_old_database_or_the_new() {
    for (name, disk) in disks() {
        let expected = history_of(&disk);
        let (mut olds, mut news) = (0, 0);
        for skipped in 0.. {
            let cut = disk.clone();
            cut.plan(skipped, Fault::Crash);
            let opened = Database::open(&cut, &grown()).is_ok();
            if opened && !cut.has_crashed() {
                break;
            }
            for image in images(&cut) {
                // And another cut while the rest is done.
                for again in 0.. {
                    let twice = image.clone();
                    twice.plan(again, Fault::Crash);
                    let opened = Database::open(&twice, &stored()).is_ok();
                    if opened && !twice.has_crashed() {
                        break;
                    }
                    let twice = twice.after_crash(Keep::Some(again + 1));
                    check(&twice, &expected, name);
                }
                if check(&image, &expected, name) {
                    news += 1;
                } else {
                    olds += 1;
                }
            }
        }
        assert!(olds > 10 && news > 2, "{name}: {olds} old, {news} new");
    }
}

#[test]
fn every_operation_of_a_growth_may_fail_and_nothing_is_lost() {
    let faults = [libc::EIO, libc::ENOSPC].map(Fault::Errno);
    let faults = faults.into_iter().chain([Fault::ErrnoForGood(libc::EIO)]);
    for fault in faults {
        for (name, disk) in disks() {
            let expected = history_of(&disk);
            let mut failures = 0;
            for skipped in 0.. {
                let failing = disk.clone();
                let before = failing.operations();
                failing.plan(skipped, fault);
                let opened = Database::open(&failing, &grown()).map(|_| ());
                if failing.operations() - before <= skipped {
                    opened.expect("nothing failed");
                    break;
                }
                failing.mend();
                failures += u32::from(opened.is_err());
                for image in images(&failing) {
                    check(&image, &expected, name);
                }
                check(&failing, &expected, name);
            }
            assert!(failures > 5, "{name}: {failures}");
        }
    }
}

/// R96: a full disk is found before anything has its name.
#[test]
fn a_growth_without_room_is_given_up_and_changes_nothing() {
    for (name, disk) in disks() {
        let expected = history_of(&disk);
        // Recovery itself is through, so that it asks for no room.
        drop(Database::open(&disk, &stored()).expect("sound"));
        let before = disk.contents();
        let (mut given_up, mut room) = (0, 0);
        loop {
            disk.bound_room(Some(disk.bytes() + room));
            let opened = Database::open(&disk, &grown()).map(|_| ());
            disk.bound_room(None);
            let Err(error) = opened else { break };
            assert_eq!(error.status(), status::E_STORAGE_FULL, "{name}: {error}");
            assert_eq!(disk.contents(), before, "{name}, {room} bytes of room");
            given_up += 1;
            room += 512;
        }
        assert!(given_up > 5, "{name}: {given_up}");
        assert_eq!(history_of(&disk), expected, "{name}");
    }
}

/// R95: a snapshot of greater tables is for finishing a growth, never for running old commands.
#[test]
fn a_snapshot_of_greater_tables_that_commands_follow_is_not_used() {
    let disk = disk_with(6);
    let interrupted = disk.clone();
    let mut database = Database::open(&interrupted, &grown()).expect("it grows");
    let lsn = database.mark().0;
    database.wal.seal().expect("sound");
    drop(database);
    let larger = interrupted.read(FileName::Snapshot(lsn)).expect("there");

    // Alone beside the old log, it is a growth to be finished.
    let half = disk.clone();
    half.put(FileName::Snapshot(lsn), larger.clone());
    let database = Database::open(&half, &stored()).expect("finished");
    assert_eq!(database.wal.config().max_resources, 20);
    assert_eq!(database.mark().0, lsn);
    drop(database);

    // With less than that asked for, it is refused, and nothing changes.
    let half = disk.clone();
    half.put(FileName::Snapshot(lsn), larger.clone());
    assert_eq!(
        refusal(&half, &options()).status(),
        status::E_CONFIG_MISMATCH
    );

    // Damaged, it is as if it had not been.
    half.flip(FileName::Snapshot(lsn), 700, 1);
    let mut database = Database::open(&half, &options()).expect("the log has all");
    assert_eq!(database.wal.config().max_resources, 16);

    // Commands follow: the log's own tables are theirs.
    database.commit(3).expect("sound");
    let expected = history(&database.state);
    drop(database);
    half.put(FileName::Snapshot(lsn), larger);
    let database = Database::open(&half, &options()).expect("sound");
    assert_eq!(history(&database.state), expected);
    assert_eq!(database.report.kind, StartKind::WalOnly);
    assert_eq!(database.wal.config().max_resources, 16);
}
