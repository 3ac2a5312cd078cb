//! Commits: what shares one, what is new in one, who waits and who leads.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;

/// A host whose memory says something else each time it is looked at.
struct Scribbled(std::cell::Cell<u128>, Option<CommandResult>);
impl crate::batch::Batch for Scribbled {
    fn len(&self) -> usize {
        1
    }
    fn record_bytes(&self) -> usize {
        100
    }
    fn command(&self, _: usize) -> Result<Command<'_>, Rejection> {
        self.0.set(self.0.get() + 1);
        Ok(create(self.0.get(), self.0.get()))
    }
    fn settle(&mut self, _: usize, result: CommandResult) {
        self.1 = Some(result);
    }
}

#[test]
fn a_batch_is_one_commit_and_one_sync() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let commands: Vec<_> = (1..=50).map(|id| create(id, id)).collect();
    let results = submit_many(&engine, 1, &commands).expect("committed");
    for (lsn, result) in (1..).zip(results) {
        let outcome = result.expect("logged");
        assert_eq!((outcome.lsn, outcome.code), (Lsn(lsn), ResultCode::Done));
    }
    let health = engine.health(None);
    assert_eq!((health.commits, health.syncs, health.records), (1, 1, 50));
    assert_eq!(health.records_per_commit_max, 50);
    assert_eq!(health.commands_by_kind[1], 50);
    assert_eq!(health.outcomes_by_code[0], 50);
}

#[test]
fn an_empty_batch_does_nothing() {
    let engine = open(&Disk::default(), &small());
    assert_eq!(submit_many(&engine, 9, &[]), Ok(vec![]));
    assert_eq!(engine.health(None).last_slot, Slot(0));
}

#[test]
fn a_retry_within_a_commit_gets_the_first_answer() {
    let engine = open(&Disk::default(), &small());
    let commands = [create(1, 1), create(2, 1), create(1, 1), create(2, 1)];
    let results = submit_many(&engine, 1, &commands).expect("committed");
    let outcomes: Vec<_> = results
        .into_iter()
        .map(|result| result.expect("answered"))
        .collect();
    // R62: the third repeats the first, the fourth the second, which failed.
    assert_eq!(
        (outcomes[2].lsn, outcomes[2].from_retry_cache),
        (Lsn(1), true)
    );
    assert_eq!(outcomes[3].code, ResultCode::ResourceExists);
    assert_eq!(
        (outcomes[3].lsn, outcomes[3].from_retry_cache),
        (Lsn(2), true)
    );
    assert_eq!(engine.last_lsn(), Lsn(2));
    assert_eq!(engine.health(None).retries, 2);
}

#[test]
fn another_payload_within_a_commit_conflicts() {
    let engine = open(&Disk::default(), &small());
    let results = submit_many(&engine, 1, &[create(1, 1), create(1, 2)]).expect("committed");
    assert!(results[0].is_ok());
    assert_eq!(
        results[1],
        Err(Rejection::OperationConflict { lsn: Lsn(1) })
    );
    // And so it does later.
    let later = submit_one(&engine, 1, create(1, 2)).expect("answered");
    assert_eq!(later, Err(Rejection::OperationConflict { lsn: Lsn(1) }));
}

#[test]
fn a_commit_with_nothing_new_writes_nothing_and_moves_no_slot() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 5, create(1, 1)));
    let log = disk.log();
    // R65
    let results = submit_many(&engine, 9, &[create(1, 1), create(1, 2)]).expect("answered");
    assert!(results[0].expect("remembered").from_retry_cache);
    assert!(results[1].is_err());
    assert_eq!(disk.log(), log);
    let health = engine.health(None);
    assert_eq!(
        (health.last_slot, health.last_lsn, health.commits),
        (Slot(5), Lsn(1), 1)
    );
}

#[test]
fn a_slot_that_is_behind_is_committed_at_the_last_one() {
    let engine = open(&Disk::default(), &small());
    outcome(submit_one(&engine, 5, create(1, 1)));
    // R5
    let held = outcome(submit_one(
        &engine,
        3,
        reserve(2, &[1u128.to_le_bytes()], 1, 7),
    ));
    assert_eq!(held.deadline_slot, Slot(12));
    // A host's clock that says nothing stays where it is.
    let mut batch = Single::new(create(3, 3));
    engine.submit(None, &mut batch).expect("committed");
    assert_eq!(engine.health(None).last_slot, Slot(5));
}

#[test]
fn sixty_four_threads_one_resource_one_winner_each_round() {
    const THREADS: u64 = 64;
    const ROUNDS: u64 = 20;
    let disk = Disk::default();
    let engine = open(
        &disk,
        &Options {
            max_operations: 8192,
            ..small()
        },
    );
    disk.script(|script| script.sync_us = 50);
    let barrier = Barrier::new(64);
    let winners: Vec<AtomicU64> = (0..ROUNDS).map(|_| AtomicU64::new(0)).collect();
    for round in 1..=u128::from(ROUNDS) {
        outcome(submit_one(&engine, 1, create(round, round)));
    }
    thread::scope(|scope| {
        for thread_number in 1..=THREADS {
            let (engine, barrier, winners) = (&engine, &barrier, &winners);
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    barrier.wait();
                    let id = u128::from(round * 1000 + thread_number);
                    let resource = [u128::from(round).to_le_bytes()];
                    let holder = u128::from(thread_number);
                    let outcome = outcome(submit_one(engine, 1, reserve(id, &resource, holder, 9)));
                    match outcome.code {
                        ResultCode::Done => {
                            let round = usize::try_from(round - 1).unwrap();
                            winners[round].fetch_add(1, Ordering::Relaxed);
                        }
                        code => assert_eq!(code, ResultCode::ResourceBusy),
                    }
                }
            });
        }
    });
    for winner in &winners {
        assert_eq!(
            winner.load(Ordering::Relaxed),
            1,
            "one resource, one winner"
        );
    }
    let health = engine.health(None);
    assert_eq!(health.records, THREADS * ROUNDS + ROUNDS);
    assert!(health.commits < health.records, "threads share commits");
    assert_eq!(health.queue_len, 0);
}

/// Lets the sync of resource 1's creation hang until every one of `ids` has a thread that waits in
/// the queue with what `submit` sends, and until those are answered.
fn behind_a_sync(
    disk: &Disk,
    engine: &Engine<Disk>,
    ids: std::ops::RangeInclusive<u128>,
    submit: impl Fn(u128) + Sync,
) {
    let waiting = u32::try_from(ids.clone().count()).unwrap();
    disk.script(|script| script.sync_blocks = true);
    thread::scope(|scope| {
        scope.spawn(|| outcome(submit_one(engine, 1, create(1, 1))));
        disk.wait_for_blocked_sync();
        for id in ids {
            let submit = &submit;
            scope.spawn(move || submit(id));
        }
        while engine.health(None).queue_len < waiting {
            thread::yield_now();
        }
        disk.script(|script| script.sync_blocks = false);
    });
}

#[test]
fn what_gathers_behind_a_sync_becomes_one_commit() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    behind_a_sync(&disk, &engine, 2..=9, |id| {
        outcome(submit_one(&engine, 1, create(id, id)));
    });
    let health = engine.health(None);
    assert_eq!((health.commits, health.records), (2, 9));
    assert_eq!(health.records_per_commit_max, 8);
}

#[test]
fn a_refused_submission_does_not_touch_its_group() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    behind_a_sync(&disk, &engine, 2..=5, |id| {
        let sound = id % 2 == 0;
        let slot = 100 - u64::try_from(id).unwrap();
        let result = submit_one(&engine, slot, create(id, id * u128::from(sound)));
        assert_eq!(result.is_ok(), sound);
    });
    let health = engine.health(None);
    assert_eq!(
        (health.commits, health.records, health.rejections),
        (2, 3, 2)
    );
    // R63: the greatest slot of those that are in it.
    assert_eq!(health.last_slot, Slot(98));
}

#[test]
fn groups_beyond_the_bounds_become_several_commits() {
    let disk = Disk::default();
    let options = Options {
        max_batch_commands: 3,
        ..small()
    };
    let engine = open(&disk, &options);
    behind_a_sync(&disk, &engine, 2..=9, |id| {
        outcome(submit_one(&engine, 1, create(id, id)));
    });
    let health = engine.health(None);
    assert_eq!((health.commits, health.records_per_commit_max), (4, 3));
}

#[test]
fn a_full_queue_is_overloaded_at_once() {
    let disk = Disk::default();
    let engine = open(
        &disk,
        &Options {
            max_queue: 2,
            ..small()
        },
    );
    outcome(submit_one(&engine, 1, create(8, 8)));
    let hold = [8_u128.to_le_bytes()];
    outcome(submit_one(&engine, 1, reserve(9, &hold, 1, 5)));
    disk.script(|script| script.sync_blocks = true);
    thread::scope(|scope| {
        let engine = &engine;
        scope.spawn(move || outcome(submit_one(engine, 1, create(1, 1))));
        disk.wait_for_blocked_sync();
        for id in 2..=3 {
            scope.spawn(move || outcome(submit_one(engine, 1, create(id, id))));
        }
        while engine.health(None).queue_len < 2 {
            thread::yield_now();
        }
        // R36, R86
        let error = submit_one(engine, 1, create(4, 4)).expect_err("full");
        assert_eq!(error, SubmitError::Overloaded { capacity: 2 });
        assert_eq!((error.status(), error.detail()[0]), (111, 2));
        assert!(error.is_definite());
        let late = Some(Slot(6));
        assert_eq!(engine.tick(late, 0).expect_err("full").status(), 111);
        // R59: with nothing due there is nothing to queue up for.
        assert_eq!(engine.tick(None, 0).expect("idle").lsn, Lsn(0));
        assert_eq!(engine.checkpoint().expect_err("full").status(), 111);
        disk.script(|script| script.sync_blocks = false);
    });
    assert_eq!(engine.health(None).overloads, 3);
    outcome(submit_one(&engine, 1, create(4, 4)));
}

#[test]
fn what_is_written_is_what_is_applied() {
    let disk = Disk::default();
    let options = small();
    let engine = open(&disk, &options);
    // R67
    for _ in 0..10 {
        let mut batch = Scribbled(std::cell::Cell::new(0), None);
        batch.0.set(u128::from(engine.last_lsn().0));
        engine.submit(None, &mut batch).expect("committed");
        assert!(batch.1.expect("settled").is_ok());
        assert_eq!(batch.0.get(), u128::from(engine.last_lsn().0), "read once");
    }
    let digest = engine
        .read(Lsn(0), |state| Ok(state.digest()))
        .expect("read");
    engine.close().expect("closed");
    drop(engine);
    let reopened = open(&disk, &options);
    assert_eq!(
        reopened.read(Lsn(0), |state| Ok(state.digest())),
        Ok(digest)
    );
}

#[test]
fn a_checkpoint_is_taken_when_the_log_has_grown() {
    let disk = Disk::default();
    let options = Options {
        checkpoint_wal_bytes: 4096,
        wal_prealloc_bytes: 4096,
        max_operations: 2048,
        ..small()
    };
    let engine = open(&disk, &options);
    for id in 1..=60 {
        outcome(submit_one(&engine, 1, create(id, id)));
    }
    let health = engine.health(None);
    assert!(health.checkpoints >= 6, "{health:?}");
    assert!(health.snapshot_lsn > Lsn(50));
    assert!(health.log_bytes_since_checkpoint < 4096);
    assert!(health.checkpoint_ns_last >= health.checkpoint_stall_ns_last);
    // On demand as well; nothing moved, nothing written.
    assert!(engine.checkpoint().expect("taken").written);
    assert!(!engine.checkpoint().expect("nothing to do").written);
    drop(engine);
    assert_eq!(open(&disk, &options).last_lsn(), Lsn(60));
}

#[test]
fn an_automatic_checkpoint_that_fails_backs_off_and_halts_nothing() {
    let disk = Disk::default();
    let options = Options {
        checkpoint_wal_bytes: 4096,
        ..small()
    };
    let engine = open(&disk, &options);
    disk.script(|script| script.create_errno = libc::EMFILE);
    for id in 1..=64 {
        outcome(submit_one(&engine, 1, create(id, id)));
    }
    let health = engine.health(None);
    // 32 KiB of frames: at 4, 8, 16 and 32 KiB, not at every commit.
    assert!(
        (1..=5).contains(&health.checkpoint_failures),
        "{}",
        health.checkpoint_failures
    );
    assert!(health.accepting_writes);
    let error = engine.checkpoint().expect_err("no file");
    assert_eq!(
        (error.status(), error.os_errno(), error.is_fatal()),
        (200, libc::EMFILE, false)
    );
    disk.script(|script| script.create_errno = libc::ENOSPC);
    assert_eq!(engine.checkpoint().expect_err("no room").status(), 113);
    disk.script(|script| script.create_errno = 0);
    assert!(engine.checkpoint().expect("taken").written);
}
