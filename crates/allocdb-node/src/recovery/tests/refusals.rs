//! What is not opened. Every refusal is tried on a disk whose files must be the same afterwards.

use allocdb_core::command::{Action, Command};
use allocdb_core::log::FrameBuilder;
use allocdb_core::{OperationId, ResourceId, Slot};

use super::*;
use crate::status;

#[test]
fn a_missing_log_is_corruption_and_not_a_fresh_database() {
    // The lock file has the id.
    let disk = disk_with(2);
    disk.take(FileName::Wal);
    assert_eq!(refusal(&disk, &options()).status(), status::E_CORRUPT);

    // A snapshot is there, the lock file is not.
    let disk = disk_with_two_snapshots();
    disk.take(FileName::Wal);
    disk.take(FileName::Lock);
    assert_eq!(refusal(&disk, &options()).status(), status::E_CORRUPT);

    // The lock file cannot be read.
    let disk = disk_with(2);
    disk.take(FileName::Wal);
    disk.flip(FileName::Lock, 5, 1);
    assert_eq!(refusal(&disk, &options()).status(), status::E_CORRUPT);
}

#[test]
fn options_out_of_their_bounds_leave_no_file_behind() {
    let disk = Disk::new();
    let wrong = Options {
        max_expiration_bucket_len: options().max_reservations + 1,
        ..options()
    };
    assert_eq!(refusal(&disk, &wrong).status(), status::E_INVALID);
    assert!(disk.contents().is_empty(), "not even a lock file");
    Database::open(&disk, &options()).expect("a fresh directory");
}

#[test]
fn a_snapshot_ahead_of_its_log_is_corruption() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("sound");
    database.commit(3).expect("sound");
    let older = disk.read(FileName::Wal).expect("there");
    database.commit(3).expect("sound");
    database.checkpoint().expect("sound");
    drop(database);
    disk.put(FileName::Wal, older);
    assert_eq!(refusal(&disk, &options()).status(), status::E_CORRUPT);
    // Its name is enough.
    disk.put(FileName::Snapshot(Lsn(6)), Vec::new());
    assert_eq!(refusal(&disk, &options()).status(), status::E_CORRUPT);
}

#[test]
fn no_whole_snapshot_for_a_log_that_lacks_its_beginning_is_corruption() {
    let disk = disk_with_two_snapshots();
    disk.flip(FileName::Snapshot(Lsn(9)), 600, 1);
    disk.flip(FileName::Snapshot(Lsn(18)), 600, 1);
    let error = refusal(&disk, &options());
    assert_eq!(error.status(), status::E_CORRUPT);
    let named = matches!(
        error,
        OpenError::Corrupt {
            file: FileName::Snapshot(Lsn(18)),
            ..
        }
    );
    assert!(named, "{error}");
    disk.take(FileName::Snapshot(Lsn(9)));
    disk.take(FileName::Snapshot(Lsn(18)));
    assert_eq!(refusal(&disk, &options()).status(), status::E_CORRUPT);
}

#[test]
fn a_file_of_another_database_is_never_taken_for_this_ones() {
    let foreign = Options {
        database_id: 0xF00,
        ..options()
    };
    let other = Disk::new();
    let mut database = Database::open(&other, &foreign).expect("sound");
    for _ in 0..8 {
        database.commit(3).expect("sound");
    }
    database.checkpoint().expect("sound");
    drop(database);

    // A snapshot: passed over for the previous one.
    let disk = disk_with_two_snapshots();
    let stray = other.read(FileName::Snapshot(Lsn(24))).expect("there");
    disk.put(FileName::Snapshot(Lsn(24)), stray);
    let database = Database::open(&disk, &options()).expect("the log holds all");
    assert_eq!(database.report.snapshot_lsn, Lsn(18));
    assert_eq!(database.mark(), (Lsn(24), digests(24)[24]));
    drop(database);

    // The log.
    let disk = disk_with(2);
    disk.put(FileName::Wal, other.read(FileName::Wal).expect("there"));
    let any = Options {
        database_id: 0,
        ..options()
    };
    assert_eq!(refusal(&disk, &any).status(), status::E_CORRUPT);
}

#[test]
fn another_configuration_is_refused_by_the_name_of_the_field() {
    let disk = disk_with(2);
    let base = options();
    let rows: [(&str, Options); 13] = [
        (
            "database_id",
            Options {
                database_id: 9,
                ..base
            },
        ),
        (
            "shard_id",
            Options {
                shard_id: 9,
                ..base
            },
        ),
        (
            "hash_seed",
            Options {
                hash_seed: 9,
                ..base
            },
        ),
        (
            "slot_duration_ms",
            Options {
                slot_duration_ms: 9,
                ..base
            },
        ),
        (
            "max_ttl_slots",
            Options {
                max_ttl_slots: 9,
                ..base
            },
        ),
        (
            "operation_window_slots",
            Options {
                operation_window_slots: 9,
                ..base
            },
        ),
        (
            "history_window_slots",
            Options {
                history_window_slots: 9,
                ..base
            },
        ),
        (
            "max_resources",
            Options {
                max_resources: 9,
                ..base
            },
        ),
        (
            "max_reservations",
            Options {
                max_reservations: 9,
                ..base
            },
        ),
        (
            "max_operations",
            Options {
                max_operations: 9,
                ..base
            },
        ),
        (
            "max_bundle_len",
            Options {
                max_bundle_len: 9,
                ..base
            },
        ),
        (
            "max_expiration_bucket_len",
            Options {
                max_expiration_bucket_len: 9,
                ..base
            },
        ),
        (
            "max_expirations_per_tick",
            Options {
                max_expirations_per_tick: 9,
                ..base
            },
        ),
    ];
    for (expected, options) in rows {
        match refusal(&disk, &options) {
            OpenError::ConfigMismatch { field, given, .. } => {
                assert_eq!((field, given), (expected, 9));
            }
            error => panic!("{expected}: {error}"),
        }
    }
    // R92: zero means as stored.
    let stored = Options {
        wal_prealloc_bytes: 4_096,
        ..Options::default()
    };
    let database = Database::open(&disk, &stored).expect("all as stored");
    assert_eq!(database.wal.config().max_resources, 16);
}

#[test]
fn a_capacity_that_is_given_smaller_or_out_of_bounds_is_refused() {
    let (disk, base) = (disk_with(2), options());
    // What may grow is refused for being smaller, and says so.
    let smaller = Options {
        max_operations: 63,
        ..base
    };
    let message = refusal(&disk, &smaller).to_string();
    assert!(message.contains("can only grow"), "{message}");
    // R90: greater, but not within its bounds.
    let beyond = [
        (
            "max_operations",
            Options {
                max_operations: (1 << 28) + 1,
                ..base
            },
        ),
        (
            "max_expiration_bucket_len",
            Options {
                max_expiration_bucket_len: 33,
                ..base
            },
        ),
    ];
    for (field, options) in beyond {
        match refusal(&disk, &options) {
            OpenError::Option(error) => assert_eq!(error.field, field),
            error => panic!("{field}: {error}"),
        }
    }
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let disk = Disk::new();
    disk.put_named(b"holiday.jpg", vec![1; 10]);
    assert_eq!(
        refusal(&disk, &options()).status(),
        status::E_NOT_A_DATABASE
    );
    assert_eq!(
        disk.read(FileName::Lock),
        None,
        "not even a lock file is made"
    );

    // Another program's lock file and log.
    disk.put(FileName::Lock, Vec::new());
    assert_eq!(
        refusal(&disk, &options()).status(),
        status::E_NOT_A_DATABASE
    );
    disk.put(FileName::Wal, vec![b'z'; 9_000]);
    assert_eq!(
        refusal(&disk, &options()).status(),
        status::E_NOT_A_DATABASE
    );

    // What a file system or an observer puts there does not matter.
    let disk = Disk::new();
    disk.put_named(b"lost+found", Vec::new());
    assert!(Database::open(&disk, &options()).is_ok());
}

#[test]
fn a_later_format_is_told_from_damage() {
    let disk = disk_with(2);
    let mut log = disk.read(FileName::Wal).expect("there");
    log[8] = 9;
    log[4_095] ^= 0xFF;
    disk.put(FileName::Wal, log);
    let error = refusal(&disk, &options());
    assert_eq!(error.status(), status::E_VERSION, "{error}");
}

#[test]
fn the_mode_decides_between_making_and_opening() {
    let mode = |mode| Options { mode, ..options() };
    let disk = Disk::new();
    let existing = refusal(&disk, &mode(OpenMode::Existing));
    assert_eq!(existing.status(), status::E_NOT_A_DATABASE);
    assert_eq!(disk.read(FileName::Lock), None);
    drop(Database::open(&disk, &mode(OpenMode::New)).expect("made"));
    assert_eq!(
        refusal(&disk, &mode(OpenMode::New)).status(),
        status::E_EXISTS
    );
    drop(Database::open(&disk, &mode(OpenMode::Existing)).expect("there"));
}

#[test]
fn a_second_open_is_refused_while_the_first_lives() {
    let disk = disk_with(1);
    let first = Database::open(&disk, &options()).expect("sound");
    let error = refusal(&disk, &options());
    assert_eq!(error.status(), status::E_LOCKED);
    assert_eq!(error.detail()[0], u64::from(std::process::id()));
    drop(first);
    assert!(Database::open(&disk, &options()).is_ok());
}

/// A log whose last frame holds these commands, checksums and all.
fn disk_with_frame(slot: Slot, records: &[(u128, Slot, u128)]) -> Disk {
    let disk = disk_with(1);
    let mut database = Database::open(&disk, &options()).expect("sound");
    let mut buffer = vec![0; 4_096];
    let mut builder = FrameBuilder::new(&mut buffer);
    for &(operation_id, valid_until_slot, resource_id) in records {
        let pushed = builder.push(&Command {
            operation_id: OperationId(operation_id),
            valid_until_slot,
            action: Action::CreateResource {
                resource_id: ResourceId(resource_id),
            },
        });
        assert!(pushed);
    }
    let meta = database.wal.meta(slot, true);
    let encoded = builder.finish(database.wal.key(), &meta);
    database.wal.reserve(encoded.len).expect("sound");
    let frame = &buffer[..encoded.len];
    database.wal.append(frame, &encoded, &meta).expect("sound");
    drop(database);
    disk
}

#[test]
fn a_logged_operation_that_is_not_new_is_corruption() {
    // R69. Once as a retry, once as a conflict, once within one frame.
    let zero = Slot(0);
    for records in [
        &[(1_001, zero, 2)][..],
        &[(1_001, zero, 9)],
        &[(7, zero, 9), (7, zero, 9)],
    ] {
        let disk = disk_with_frame(Slot(1), records);
        let error = refusal(&disk, &options());
        let OpenError::CorruptLog(corruption) = error else {
            panic!("{error}");
        };
        let is_named = matches!(corruption.reason, CorruptReason::OperationRepeated { .. });
        assert!(is_named, "{error}");
    }
}

#[test]
fn a_logged_command_that_is_never_accepted_is_corruption() {
    let expired = disk_with_frame(Slot(9), &[(7, Slot(8), 9)]);
    let zero_id = disk_with_frame(Slot(9), &[(7, Slot(0), 0)]);
    for disk in [expired, zero_id] {
        let error = refusal(&disk, &options());
        let OpenError::CorruptLog(corruption) = error else {
            panic!("{error}");
        };
        let is_named = matches!(
            corruption.reason,
            CorruptReason::CommandNotAcceptable { lsn: Lsn(4) }
        );
        assert!(is_named, "{error}");
    }
}

#[test]
fn every_lack_of_descriptors_is_reported_and_harmless() {
    let disk = disk_with_two_snapshots();
    for descriptors in 0..8 {
        disk.bound_descriptors(Some(descriptors));
        match Database::open(&disk, &options()) {
            Ok(database) => {
                assert_eq!(database.mark().0, Lsn(24));
                assert!(descriptors >= 2, "the lock and the log");
            }
            Err(error) => {
                assert_eq!(error.status(), status::E_IO);
                assert_eq!(error.os_errno(), libc::EMFILE);
            }
        }
    }
    disk.bound_descriptors(None);
    let database = Database::open(&disk, &options()).expect("sound");
    assert_eq!(database.mark(), (Lsn(24), digests(24)[24]));
}

#[test]
fn too_small_a_disk_for_a_new_database_leaves_it_makeable() {
    for room in 0..10_000usize.div_ceil(64) {
        let disk = Disk::new();
        disk.bound_room(Some(room * 64));
        let Err(error) = Database::open(&disk, &options()).map(|_| ()) else {
            continue;
        };
        assert_eq!(error.status(), status::E_STORAGE_FULL, "{error}");
        assert_eq!(disk.read(FileName::WalTemporary), None);
        disk.bound_room(None);
        let database = Database::open(&disk, &options()).expect("room now");
        assert_eq!(database.report.kind, StartKind::Fresh);
    }
}

#[test]
fn a_sector_lost_from_a_frame_that_recovery_made_durable_is_not_taken_for_torn() {
    let lose_last_frame = |disk: &Disk| {
        let mut log = disk.read(FileName::Wal).expect("there");
        let start = LOG_HEADER_BYTES + SECTOR_BYTES;
        assert_ne!(log[start..start + SECTOR_BYTES], [0; SECTOR_BYTES]);
        log[start..start + SECTOR_BYTES].fill(0);
        disk.put(FileName::Wal, log);
    };
    // Nothing proves the last frame of a killed process: undecidable, hence cut.
    let disk = disk_with(2);
    lose_last_frame(&disk);
    let database = Database::open(&disk, &options()).expect("a clean end");
    assert_eq!(database.mark().0, Lsn(3));
    drop(database);
    // Recovery's seal proves it, and so does a clean close's.
    for is_closed in [false, true] {
        let disk = disk_with(2);
        let mut database = Database::open(&disk, &options()).expect("sound");
        if is_closed {
            database.wal.seal().expect("sound");
        }
        drop(database);
        lose_last_frame(&disk);
        assert_eq!(refusal(&disk, &options()).status(), status::E_CORRUPT);
    }
}
