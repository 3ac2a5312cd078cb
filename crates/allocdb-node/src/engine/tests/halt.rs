//! What fails halts: everybody is told, nobody is told more than is known.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use super::*;
use crate::error::ReadError;
use crate::halt::HaltReason;

/// Four submissions wait behind a blocked sync; then `fail` happens. Returns the leader's error and
/// theirs.
fn fail_behind_a_sync(disk: &Disk, engine: &Engine<Disk>, fail: impl FnOnce()) -> Vec<SubmitError> {
    disk.script(|script| script.sync_blocks = true);
    thread::scope(|scope| {
        let leader = scope.spawn(|| submit_one(engine, 1, create(1, 1)).expect_err("failed"));
        disk.wait_for_blocked_sync();
        let followers: Vec<_> = (2..=5)
            .map(|id| {
                scope.spawn(move || submit_one(engine, 1, create(id, id)).expect_err("failed"))
            })
            .collect();
        while engine.health(None).queue_len < 4 {
            thread::yield_now();
        }
        fail();
        disk.script(|script| script.sync_blocks = false);
        let first = leader.join().unwrap_or(SubmitError::Panicked);
        let rest = followers
            .into_iter()
            .map(|thread| thread.join().expect("woken"));
        std::iter::once(first).chain(rest).collect()
    })
}

fn assert_halted(engine: &Engine<Disk>, number: u32) {
    let error = submit_one(engine, 1, create(9, 9)).expect_err("halted");
    assert_eq!((error.status(), error.is_indefinite()), (301, true));
    // R78
    let read = engine.resource(Lsn(0), ResourceId(1)).expect_err("halted");
    assert!(matches!(read, ReadError::Halted { .. }));
    assert_eq!(read.status(), 301);
    assert_eq!(engine.tick(None, 0).expect_err("halted").status(), 301);
    assert_eq!(engine.checkpoint().expect_err("halted").status(), 301);
    let health = engine.health(None);
    assert!(!health.accepting_writes);
    assert_eq!(health.halt.map_or(0, |reason| reason.number()), number);
}

/// A batch that panics while it is answered.
struct Bomb;
impl crate::batch::Batch for Bomb {
    fn len(&self) -> usize {
        1
    }
    fn record_bytes(&self) -> usize {
        100
    }
    fn command(&self, _: usize) -> Result<Command<'_>, Rejection> {
        Ok(create(6, 6))
    }
    fn settle(&mut self, _: usize, _: CommandResult) {
        panic!("a batch that breaks its contract");
    }
}

#[test]
fn a_failed_sync_halts_and_everybody_hears_it() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    // R89
    let errors = fail_behind_a_sync(&disk, &engine, || {
        disk.script(|script| script.sync_errno = libc::EIO);
    });
    assert_eq!((errors[0].status(), errors[0].os_errno()), (300, libc::EIO));
    assert!(errors.iter().all(SubmitError::is_indefinite));
    assert!(errors[1..].iter().all(|error| error.status() == 301));
    assert_halted(&engine, 1);
    let mut text = [0; 4096];
    let (len, _) = engine.diagnostics().read(&mut text);
    let text = String::from_utf8_lossy(&text[..len]).into_owned();
    assert!(text.contains("error: halted: sync of wal.adb"), "{text}");
    // Nothing is tried twice on the same descriptor.
    disk.script(|script| script.sync_errno = 0);
    assert_halted(&engine, 1);
    engine.close().expect("nothing is written any more");
    drop(engine);
    // R88: only reopening clears it; the frame was written, so the operation is there.
    let engine = open(&disk, &small());
    assert!(outcome(submit_one(&engine, 1, create(1, 1))).from_retry_cache);
    assert!(!outcome(submit_one(&engine, 1, create(2, 2))).from_retry_cache);
}

#[test]
fn a_failed_write_halts() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    disk.script(|script| script.write_errno = libc::EIO);
    let error = submit_one(&engine, 1, create(1, 1)).expect_err("failed");
    assert_eq!((error.status(), error.is_indefinite()), (300, true));
    assert_halted(&engine, 1);
}

#[test]
fn growth_that_fails_for_another_reason_than_room_halts() {
    let disk = Disk::default();
    let engine = open(
        &disk,
        &Options {
            wal_prealloc_bytes: 4096,
            ..small()
        },
    );
    disk.script(|script| script.growth_errno = libc::EIO);
    let error = (1..).find_map(|id| submit_one(&engine, 1, create(id, id)).err());
    assert_eq!(error.expect("the log is full at some point").status(), 300);
    assert_halted(&engine, 1);
}

#[test]
fn a_leader_that_panics_halts_and_wakes_all() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let errors = fail_behind_a_sync(&disk, &engine, || {
        disk.script(|script| script.sync_panics = true);
    });
    assert!(errors.iter().all(SubmitError::is_indefinite));
    assert_halted(&engine, 2);
    disk.script(|script| script.sync_panics = false);
    engine.close().expect("nothing is written any more");
}

#[test]
fn a_group_whose_leader_panics_is_told_so() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    disk.script(|script| script.sync_blocks = true);
    thread::scope(|scope| {
        let engine = &engine;
        scope.spawn(move || submit_one(engine, 1, create(1, 1)));
        disk.wait_for_blocked_sync();
        let group: Vec<_> = (2..=5)
            .map(|id| scope.spawn(move || submit_one(engine, 1, create(id, id))))
            .collect();
        while engine.health(None).queue_len < 4 {
            thread::yield_now();
        }
        // The first commit succeeds; the group behind it panics in the middle of apply.
        let bomb = scope.spawn(move || {
            catch_unwind(AssertUnwindSafe(|| engine.submit(Some(Slot(1)), &mut Bomb)))
        });
        while engine.health(None).queue_len < 5 {
            thread::yield_now();
        }
        disk.script(|script| script.sync_blocks = false);
        let mut panics = 0;
        for thread in group {
            match thread.join() {
                Ok(result) => assert_eq!(result.expect_err("panicked").status(), 302),
                Err(_) => panics += 1,
            }
        }
        panics += i32::from(bomb.join().expect("caught").is_err());
        assert_eq!(panics, 1, "the leader alone unwinds");
    });
    // The state's lock is poisoned: figures can be had, rows cannot.
    assert_halted(&engine, 2);
}

#[test]
fn a_host_that_halts_wakes_those_that_wait() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    disk.script(|script| script.sync_blocks = true);
    thread::scope(|scope| {
        let engine = &engine;
        let leader = scope.spawn(move || submit_one(engine, 1, create(1, 1)));
        disk.wait_for_blocked_sync();
        let waiting = scope.spawn(move || submit_one(engine, 1, create(2, 2)).expect_err("halted"));
        while engine.health(None).queue_len < 1 {
            thread::yield_now();
        }
        engine.halt(HaltReason::Requested);
        // Woken while the sync still hangs.
        assert_eq!(waiting.join().expect("woken").status(), 301);
        disk.script(|script| script.sync_blocks = false);
        // What the leader had written is durable, and it is told so.
        assert!(leader.join().expect("led").is_ok());
    });
    assert_halted(&engine, 3);
}

#[test]
fn a_rename_that_fails_in_a_checkpoint_halts() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    disk.script(|script| script.rename_errno = libc::EIO);
    let error = engine.checkpoint().expect_err("failed");
    assert_eq!((error.status(), error.is_fatal()), (300, true));
    assert_halted(&engine, 1);
}
