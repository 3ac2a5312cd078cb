//! Closing: waits for the calls under way, lets nobody in, seals, lets go of the files.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use allocdb_core::state::Filter;

use super::*;

#[test]
fn close_waits_for_calls_under_way_and_refuses_new_ones() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    disk.script(|script| script.sync_blocks = true);
    thread::scope(|scope| {
        let engine = &engine;
        let writer = scope.spawn(move || outcome(submit_one(engine, 1, create(1, 1))));
        disk.wait_for_blocked_sync();
        let closer = scope.spawn(move || engine.close());
        while engine.health(None).accepting_writes {
            thread::yield_now();
        }
        let error = submit_one(engine, 1, create(2, 2)).expect_err("closing");
        assert_eq!((error, error.status()), (SubmitError::Closed, 5));
        assert_eq!(
            engine
                .resource(Lsn(0), ResourceId(1))
                .expect_err("closing")
                .status(),
            5
        );
        assert_eq!(engine.tick(None, 0).expect_err("closing").status(), 5);
        assert_eq!(engine.checkpoint().expect_err("closing").status(), 5);
        let listed = engine.list_reservations(Lsn(0), &Filter::default(), 0, 1, |_| ());
        assert_eq!(listed.expect_err("closing").status(), 5);
        assert!(!closer.is_finished() && disk.is_locked());
        disk.script(|script| script.sync_blocks = false);
        assert_eq!(writer.join().expect("committed").lsn, Lsn(1));
        closer.join().expect("closed").expect("sealed");
    });
    assert!(!disk.is_locked(), "the files are let go");
    assert_eq!(engine.close(), Ok(()), "twice is fine");
}

#[test]
fn a_second_open_is_locked_until_the_first_is_closed() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let diagnostics = Diagnostics::new(Level::Info, 4096, None);
    let error = Engine::open(disk.clone(), &small(), diagnostics).expect_err("locked");
    assert_eq!(error.status(), 201);
    drop(engine);
    drop(open(&disk, &small()));
}

#[test]
fn a_clean_close_seals_the_log() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    engine.close().expect("closed");
    drop(engine);
    let engine = open(&disk, &small());
    // The seal proves what precedes it; only the seal itself is written again.
    assert_eq!(engine.recovery_report().rewritten_bytes, 512);
    assert_eq!(engine.recovery_report().records_replayed, 1);
}

#[test]
fn a_seal_that_cannot_be_written_is_told() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    disk.script(|script| script.sync_errno = libc::EIO);
    assert_eq!(engine.close().expect_err("no seal").os_errno, libc::EIO);
    disk.script(|script| script.sync_errno = 0);
    drop(engine);
    let engine = open(&disk, &small());
    assert!(engine.resource(Lsn(1), ResourceId(1)).is_ok());
}

#[test]
fn closing_races_with_every_call_and_loses_nothing() {
    for round in 0..30 {
        let disk = Disk::default();
        let engine = open(&disk, &small());
        let acknowledged = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread_number in 0..8u128 {
                let (engine, acknowledged) = (&engine, &acknowledged);
                scope.spawn(move || {
                    for number in 1..100u128 {
                        let id = thread_number * 1000 + number;
                        match submit_one(engine, 1, create(id, id)) {
                            Ok(result) => {
                                acknowledged.fetch_add(1, Ordering::Relaxed);
                                assert!(result.is_ok());
                            }
                            Err(error) => {
                                assert_eq!(error, SubmitError::Closed);
                                return;
                            }
                        }
                        let _ = engine.resource(Lsn(0), ResourceId(id));
                        let _ = engine.health(None);
                    }
                });
            }
            scope.spawn(|| {
                let target = round * 13;
                while acknowledged.load(Ordering::Relaxed) < target {
                    thread::yield_now();
                }
                engine.close().expect("sealed");
            });
        });
        drop(engine);
        let engine = open(&disk, &small());
        assert_eq!(engine.last_lsn().0, acknowledged.load(Ordering::Relaxed));
    }
}
