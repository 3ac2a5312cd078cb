//! R100 to R102: a copy that is whole, that repeats no token, or that does not open.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use allocdb_core::{OperationId, Outcome, ReservationId, ResourceId, ResultCode, Slot};

use super::*;
use crate::diagnostics::{Diagnostics, Level};
use crate::engine::tests::{create, disk, open, reserve, small, submit_many};
use crate::error::{OpenError, ReadError};
use crate::options::{OpenMode, Options};
use crate::recovery::fixture::{Database, history, options};
use crate::storage::faulty::{Disk, Fault, Keep};
use crate::storage::{DirectoryOptions, FileStorage};
use crate::{Engine, HaltReason, StartKind, status};

/// All as stored.
fn stored() -> Options {
    Options {
        wal_prealloc_bytes: 4_096,
        ..Options::default()
    }
}

/// Databases to copy.
fn sources() -> Vec<Disk> {
    [0, 1, 9, 25]
        .map(|frames| {
            let disk = Disk::new();
            let mut database = Database::open(&disk, &options()).expect("sound");
            for _ in 0..frames {
                database.commit(3).expect("sound");
            }
            drop(database);
            disk
        })
        .into()
}

fn copy(state: &State, target: &Disk) -> Result<BackupReport, BackupError> {
    let mut backup = Backup::begin(&target)?;
    backup.take(state)?;
    backup.finish()
}

#[test]
fn every_read_of_a_backup_equals_the_originals() {
    for source in sources() {
        let database = Database::open(&source, &options()).expect("sound");
        let (expected, before) = (history(&database.state), source.contents());
        let target = Disk::new();
        let report = copy(&database.state, &target).expect("made");
        assert_eq!(
            source.contents(),
            before,
            "the original's files are its own"
        );
        let (lsn, _) = database.mark();
        assert_eq!(report.source_lsn, lsn);
        assert_eq!(report.lsn, Lsn(lsn.0 + (1 << 40)));

        let mut copied = Database::open(&target, &stored()).expect("it opens");
        assert_eq!(copied.report.kind, StartKind::SnapshotOnly);
        assert_eq!(copied.report.rewritten_bytes, 0, "all of it is durable");
        assert_eq!(history(&copied.state), expected);
        assert_eq!(copied.mark().0, report.lsn);
        // R100: but for the id, the configuration is the same.
        let config = copied.state.config();
        assert_eq!(config.database_id, report.database_id);
        assert_ne!(config.database_id, database.state.config().database_id);
        let difference = config.first_difference(database.state.config());
        assert_eq!(difference.expect("the id").0, "database_id");
        assert_eq!(config.differences(database.state.config()).count(), 1);

        // It lives like any database.
        assert!(!copied.checkpoint().expect("sound").written, "it is one");
        let marker = copied.commit(1).expect("sound");
        assert_eq!(marker, Lsn(report.lsn.0 + 1));
        assert!(copied.checkpoint().expect("sound").written);
        copied.commit(2).expect("sound");
        let mark = copied.mark();
        drop(copied);
        let copied = Database::open(&target, &stored()).expect("sound");
        assert_eq!(copied.mark(), mark);
        // And can be copied again.
        let again = Disk::new();
        let second = copy(&copied.state, &again).expect("made");
        assert_eq!(second.lsn, Lsn(mark.0.0 + (1 << 40)));
        let again = Database::open(&again, &stored()).expect("sound");
        assert_eq!(history(&again.state), history(&copied.state));
    }
}

fn engine<'a>(disk: &'a Disk, options: &Options) -> Engine<&'a Disk> {
    let diagnostics = Diagnostics::new(Level::Info, 4096, None);
    Engine::open(disk, options, diagnostics).expect("the disk does as it is told")
}

fn submit<S: Storage>(engine: &Engine<S>, command: allocdb_core::Command<'_>) -> Outcome {
    let mut batch = crate::batch::Single::new(command);
    engine.submit(Some(Slot(1)), &mut batch).expect("no halt");
    batch.result().expect("settled").expect("logged")
}

/// R101, R60: what the original gives after the copy, the copy never gives; what was answered
/// before, both remember.
#[test]
fn no_fencing_token_is_repeated_and_operations_are_still_remembered() {
    let (source, target) = (Disk::new(), Disk::new());
    let original = engine(&source, &small());
    for id in 1..=8 {
        submit(&original, create(id, id));
    }
    let ids: Vec<_> = (1..=8u128).map(|id| [id.to_le_bytes()]).collect();
    let held = submit(&original, reserve(11, &ids[0], 7, 50));
    let busy = submit(&original, reserve(12, &ids[0], 8, 50));
    assert_eq!(busy.code, ResultCode::ResourceBusy);
    let report = original.backup(&&target).expect("made");
    let restored = engine(
        &target,
        &Options {
            database_id: 0,
            ..small()
        },
    );
    let (mut of_original, mut of_copy) = (Vec::new(), Vec::new());
    for (operation, resource) in (20..).zip(&ids[1..]) {
        of_original.push(submit(&original, reserve(operation, resource, 7, 50)).reservation_id);
        of_copy.push(submit(&restored, reserve(operation, resource, 9, 50)).reservation_id);
    }
    let least = of_copy.first().expect("seven");
    assert!(
        of_original.iter().all(|id| id < least),
        "{of_original:?} {of_copy:?}"
    );
    assert!(of_copy.is_sorted() && held.reservation_id < of_original[0]);
    assert_eq!(least.lsn(), Lsn(report.lsn.0 + 1));
    for first in [held, busy] {
        let operation_id = if first == held { 11 } else { 12 };
        let told = Outcome {
            from_retry_cache: true,
            ..first
        };
        let holder = if first == held { 7 } else { 8 };
        assert_eq!(
            submit(&restored, reserve(operation_id, &ids[0], holder, 50)),
            told
        );
        assert_eq!(
            restored.operation(Lsn(0), OperationId(operation_id)),
            Ok(told)
        );
    }
    // A token that the original gave later is none of the copy's.
    let read = restored.reservation(Lsn(0), of_original[0], |_| ());
    assert_eq!(read, Err(ReadError::NotFound));
}

/// R100: a state between two commits, whatever goes on; and the commits go on, too.
#[test]
fn a_backup_under_load_holds_exactly_the_commits_up_to_its_position() {
    const THREADS: u128 = 4;
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let storage = |name: &str| {
        let options = DirectoryOptions {
            create: true,
            allow_network_file_system: false,
        };
        FileStorage::open(&path(name), options).expect("it is made")
    };
    let options = Options {
        max_resources: 100_000,
        max_operations: 100_000,
        operation_window_slots: 1_000,
        sync: crate::SyncMode::Os,
        ..small()
    };
    let diagnostics = || Diagnostics::new(Level::Info, 4096, None);
    let original = Engine::open(storage("original"), &options, diagnostics()).expect("made");
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut reports = Vec::new();
    let answers: Vec<(u128, Lsn)> = std::thread::scope(|scope| {
        let work = |thread: u128| {
            let mut answers = Vec::new();
            for number in 0..20_000 {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let id = 1 + thread + THREADS * number;
                let outcome = submit(&original, create(id, id));
                acknowledged.fetch_max(outcome.lsn.0, Ordering::AcqRel);
                answers.push((id, outcome.lsn));
            }
            answers
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        for name in ["one", "two", "three", "four"] {
            let before = acknowledged.load(Ordering::Acquire);
            while acknowledged.load(Ordering::Acquire) < before + 50 {
                std::thread::yield_now();
            }
            let before = acknowledged.load(Ordering::Acquire);
            let report = original.backup(&storage(name)).expect("made");
            assert!(
                report.source_lsn.0 >= before,
                "what was acknowledged is in it"
            );
            reports.push((name, report));
        }
        stop.store(true, Ordering::Release);
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        joined.flatten().collect()
    });
    assert_eq!(original.health(None).halt, None);
    for (name, report) in reports {
        let copied = Engine::open(storage(name), &stored(), diagnostics()).expect("it opens");
        for &(id, lsn) in &answers {
            let told = copied.operation(Lsn(0), OperationId(id));
            let there = copied.resource(Lsn(0), ResourceId(id)).is_ok();
            assert_eq!(
                there,
                lsn <= report.source_lsn,
                "{name}: {lsn:?} {report:?}"
            );
            assert_eq!(
                told.map(|outcome| outcome.lsn),
                if there {
                    Ok(lsn)
                } else {
                    Err(ReadError::NotFound)
                }
            );
        }
    }
}

/// The commits wait for the writing of the snapshot, not for any sync of the copy.
#[test]
fn commits_and_reads_go_on_while_the_copy_is_synced() {
    let (source, target) = (disk::Disk::default(), disk::Disk::default());
    let original = open(&source, &small());
    submit_many(&original, 1, &[create(1, 1)]).expect("sound");
    target.script(|script| script.sync_blocks = true);
    std::thread::scope(|scope| {
        let backup = scope.spawn(|| original.backup(&target));
        target.wait_for_blocked_sync();
        submit_many(&original, 1, &[create(2, 2)]).expect("commits go on");
        assert!(original.resource(Lsn(0), ResourceId(2)).is_ok());
        target.script(|script| script.sync_blocks = false);
        let report = backup.join().expect("no panic").expect("made");
        assert_eq!(report.source_lsn, Lsn(1));
    });
}

/// What a power cut may leave of a disk.
fn images(disk: &Disk) -> Vec<Disk> {
    let mut keeps = vec![Keep::Nothing, Keep::Everything];
    keeps.extend((0..disk.dirty_count().min(8)).map(Keep::AllBut));
    keeps.extend((0..disk.dirty_count().min(8)).map(Keep::Only));
    keeps.extend((1..=8).map(Keep::Some));
    keeps
        .into_iter()
        .map(|keep| disk.after_crash(keep))
        .collect()
}

/// Opens what a backup left that came to an end or not. It is whole, or it does not open; only a
/// directory in which nothing was written yet takes a new database. Answers whether it is whole.
fn check(target: &Disk, expected: &[String]) -> bool {
    let existing = Options {
        mode: OpenMode::Existing,
        ..stored()
    };
    let is_whole = match Database::open(&target.clone(), &existing) {
        Ok(database) => {
            assert_eq!(history(&database.state), expected, "a copy that lacks data");
            assert_ne!(database.report.kind, StartKind::Fresh);
            true
        }
        Err(OpenError::Corrupt { .. } | OpenError::NotADatabase { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    let before = target.contents();
    match Database::open(target, &stored()) {
        Ok(database) if database.report.kind == StartKind::Fresh => {
            assert_eq!(before, [], "something had been copied");
        }
        Ok(_) => assert!(is_whole),
        Err(error) => assert_eq!(error.status(), status::E_CORRUPT, "{error}"),
    }
    is_whole
}

#[test]
fn a_power_cut_at_every_operation_of_a_backup_leaves_it_whole_or_unopenable() {
    // R102.
    for source in sources() {
        let database = Database::open(&source, &options()).expect("sound");
        let expected = history(&database.state);
        let (mut whole, mut unopenable) = (0, 0);
        for skipped in 0.. {
            let target = Disk::new();
            target.plan(skipped, Fault::Crash);
            let made = copy(&database.state, &target).is_ok();
            if made && !target.has_crashed() {
                assert_eq!(skipped, target.operations());
                // What is reported is durable.
                assert!(check(&target.after_crash(Keep::Nothing), &expected));
                break;
            }
            for image in images(&target) {
                if check(&image, &expected) {
                    whole += 1;
                } else {
                    unopenable += 1;
                }
            }
        }
        assert!(
            whole > 0 && unopenable > 50,
            "{whole} whole, {unopenable} not"
        );
    }
}

#[test]
fn every_operation_of_a_backup_may_fail_and_the_directory_is_empty_again() {
    let source = Disk::new();
    let original = engine(&source, &small());
    for id in 1..=8 {
        submit(&original, create(id, id));
    }
    for errno in [libc::EIO, libc::ENOSPC, libc::EMFILE] {
        for skipped in 0.. {
            let target = Disk::new();
            target.plan(skipped, Fault::Errno(errno));
            let made = original.backup(&&target);
            if target.operations() <= skipped {
                made.expect("nothing failed");
                break;
            }
            target.mend();
            let error = made.expect_err("something failed");
            let full = if errno == libc::ENOSPC {
                status::E_STORAGE_FULL
            } else {
                status::E_IO
            };
            assert_eq!((error.status(), error.os_errno()), (full, errno), "{error}");
            assert_eq!(target.contents(), [], "{error}");
            assert_eq!(target.read(FileName::Lock), None, "{error}");
            // It can be tried again, in the same place; and nothing has halted.
            original.backup(&&target).expect("made");
            assert_eq!(original.health(None).halt, None);
        }
    }
    submit(&original, create(9, 9));
}

#[test]
fn a_target_that_fails_for_good_holds_nothing_that_opens_without_its_data() {
    for source in sources() {
        let database = Database::open(&source, &options()).expect("sound");
        let expected = history(&database.state);
        for skipped in 0.. {
            let target = Disk::new();
            target.plan(skipped, Fault::ErrnoForGood(libc::EIO));
            let made = copy(&database.state, &target);
            if target.operations() <= skipped {
                break;
            }
            assert!(made.is_err());
            target.mend();
            for image in images(&target) {
                check(&image, &expected);
            }
            check(&target, &expected);
        }
    }
}

/// The clearing away, too, may be cut short, or fail.
#[test]
fn a_backup_that_is_given_up_by_halves_leaves_nothing_that_lacks_data() {
    let database = Database::open(&Disk::new(), &options()).map(|mut database| {
        database.commit(12).expect("sound");
        database.state
    });
    let state = database.expect("sound");
    let expected = history(&state);
    let (mut cuts, mut room) = (0, 0);
    loop {
        let target = Disk::new();
        target.bound_room(Some(room));
        if copy(&state, &target).is_ok() {
            break;
        }
        for (skipped, fault) in (0..target.operations())
            .flat_map(|skipped| [(skipped, Fault::Crash), (skipped, Fault::Errno(libc::EIO))])
        {
            let target = Disk::new();
            target.bound_room(Some(room));
            target.plan(skipped, fault);
            copy(&state, &target).expect_err("no room, and no luck");
            target.bound_room(None);
            let mut left = images(&target);
            if !target.has_crashed() {
                target.mend();
                left.push(target);
            }
            for image in left {
                assert!(!check(&image, &expected), "there was no room for it");
                cuts += 1;
            }
        }
        room += 512;
    }
    assert!(cuts > 1_000, "{cuts}");
}

#[test]
fn a_full_target_is_reported_and_cleared() {
    let source = Disk::new();
    let original = engine(&source, &small());
    for id in 1..=20 {
        submit(&original, create(id, id));
    }
    let (mut given_up, mut room) = (0, 0);
    loop {
        let target = Disk::new();
        target.bound_room(Some(room));
        match original.backup(&&target) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.status(), status::E_STORAGE_FULL, "{error}"),
        }
        assert_eq!(target.contents(), []);
        assert_eq!(target.read(FileName::Lock), None);
        submit(&original, create(21, 21));
        given_up += 1;
        room += 512;
    }
    assert!(given_up > 10, "{given_up}");
}

#[test]
fn a_directory_with_anything_in_it_is_refused_and_left_alone() {
    let source = Disk::new();
    let original = engine(&source, &small());
    submit(&original, create(1, 1));
    let refused = |target: &Disk| {
        let before = (target.contents(), target.read(FileName::Lock));
        let error = original.backup(&target).expect_err("refused");
        assert_eq!(error.status(), status::E_EXISTS, "{error}");
        assert_eq!((target.contents(), target.read(FileName::Lock)), before);
    };
    // Its own.
    refused(&source);
    for name in [&b"LOCK"[..], b"health.adb", b"wal.adb.tmp", b"holiday.jpg"] {
        let target = Disk::new();
        target.put_named(name, Vec::new());
        refused(&target);
    }
    // Another database, open or closed; another backup.
    let target = Disk::new();
    let other = engine(&target, &small());
    refused(&target);
    other.close().expect("sound");
    refused(&target);
    let target = Disk::new();
    original.backup(&&target).expect("made");
    refused(&target);
    // What a file system puts there does not matter.
    let target = Disk::new();
    target.put_named(b"lost+found", Vec::new());
    original.backup(&&target).expect("made");
}

#[test]
fn an_engine_that_cannot_answer_cannot_be_copied_and_leaves_no_trace() {
    let (source, target) = (Disk::new(), Disk::new());
    let original = engine(&source, &small());
    submit(&original, create(1, 1));
    original.halt(HaltReason::Requested);
    let error = original.backup(&&target).expect_err("halted");
    assert_eq!(error.status(), status::E_HALTED);
    original.close().expect("nothing to seal");
    let error = original.backup(&&target).expect_err("closed");
    assert_eq!(error, BackupError::Closed);
    assert_eq!((target.contents(), target.operations()), (Vec::new(), 0));
}

#[test]
fn a_full_queue_refuses_a_backup_and_leaves_no_trace() {
    let (source, target) = (disk::Disk::default(), Disk::new());
    let options = Options {
        max_queue: 1,
        ..small()
    };
    let original = open(&source, &options);
    submit_many(&original, 1, &[create(1, 1)]).expect("sound");
    source.script(|script| script.sync_blocks = true);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| submit_many(&original, 1, &[create(2, 2)]));
        source.wait_for_blocked_sync();
        let second = scope.spawn(|| submit_many(&original, 1, &[create(3, 3)]));
        while original.health(None).queue_len == 0 {
            std::thread::yield_now();
        }
        let error = original.backup(&&target).expect_err("no place");
        assert_eq!(error, BackupError::Overloaded { capacity: 1 });
        assert_eq!(target.contents(), []);
        assert_eq!(target.read(FileName::Lock), None);
        source.script(|script| script.sync_blocks = false);
        first.join().expect("no panic").expect("committed");
        second.join().expect("no panic").expect("committed");
    });
    original.backup(&&target).expect("made");
}

/// R4, R101: where 2^40 more is beyond the last position, there is no copy.
#[test]
fn a_backup_beyond_the_last_position_is_refused() {
    let source = Disk::new();
    let database = Database::open(&source, &options()).expect("sound");
    for (short, is_made) in [(0, true), (1, false)] {
        let late = Overrides {
            last_lsn: Lsn(Lsn::MAX.0 - LSN_RAISE + short),
            ..Overrides::none(&database.state)
        };
        let mut image = Vec::new();
        let written = snapshot::encode_as(&database.state, &late, &[], &mut image);
        written.unwrap_or_else(|never| match never {});
        let (state, _) = snapshot::decode(&mut &*image).expect("sound");
        let target = Disk::new();
        let made = copy(&state, &target);
        if is_made {
            assert_eq!(made.expect("just so").lsn, Lsn::MAX);
            Database::open(&target, &stored()).expect("it opens");
        } else {
            let error = made.expect_err("one too far");
            assert_eq!(error.status(), status::E_LSN_EXHAUSTED);
            assert_eq!(target.contents(), []);
            assert_eq!(target.read(FileName::Lock), None);
        }
    }
}

#[test]
fn a_restored_backup_may_grow() {
    let source = sources().remove(2);
    let database = Database::open(&source, &options()).expect("sound");
    let target = Disk::new();
    copy(&database.state, &target).expect("made");
    let larger = Options {
        max_reservations: 100,
        ..stored()
    };
    let copied = Database::open(&target, &larger).expect("it grows");
    assert_eq!(history(&copied.state), history(&database.state));
    let id = ReservationId::new(0, Lsn(copied.mark().0.0 + 1));
    assert!(id.lsn() > Lsn(1 << 40));
}
