//! R97 to R99: a handle that only reads, over the very engine that others write through.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use allocdb_core::hash::Digest;
use allocdb_core::state::Filter;

use super::*;
use crate::batch::Many;
use crate::error::{CheckpointError, FileName, ReadError, RefreshError};
use crate::halt::HaltReason;
use crate::health::Health;
use crate::metrics::tests::assert_shows;
use crate::storage::{DirectoryOptions, FileStorage, Storage};
use crate::wire::request::{self, Body, Request};
use crate::wire::response;

fn reading() -> Options {
    Options {
        read_only: true,
        clock: Clock::Host,
        ..Options::default()
    }
}

fn mark<S: Storage>(engine: &Engine<S>) -> (Lsn, Digest) {
    let marked = engine.read(Lsn(0), |state| Ok((state.last_lsn(), state.digest())));
    marked.expect("a sound handle")
}

#[test]
fn every_command_tick_and_checkpoint_is_refused_and_nothing_changes() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    let log = disk.log();
    let reader = open(&disk, &reading());
    assert!(reader.is_read_only() && !engine.is_read_only());
    let refused = submit_one(&reader, 1, create(2, 2)).expect_err("read-only");
    assert_eq!((refused, refused.status()), (SubmitError::ReadOnly, 114));
    assert!(refused.is_definite());
    let refused = reader.submit(None, &mut Many::new(&[], &mut []));
    assert_eq!(refused, Err(SubmitError::ReadOnly), "of no commands, too");
    assert_eq!(reader.tick(None, 0), Err(SubmitError::ReadOnly));
    assert_eq!(reader.checkpoint(), Err(CheckpointError::ReadOnly));
    assert_eq!(CheckpointError::ReadOnly.status(), 114);
    assert_eq!(disk.log(), log);
    reader.close().expect("nothing to seal");
    assert_eq!(disk.log(), log);
    assert!(disk.is_locked(), "the owner's lock is the owner's");
}

#[test]
fn a_call_of_bytes_answers_each_message_read_only_and_reads_go_on() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    let reader = open(&disk, &reading());
    let resource_id = ResourceId(1);
    let bodies = [
        Body::Command {
            slot: Slot(1),
            command: create(2, 2),
        },
        Body::Tick {
            slot: Slot(9),
            limit: 0,
        },
        Body::Checkpoint,
        Body::GetResource {
            required_lsn: Lsn(0),
            resource_id,
        },
        Body::RecoveryReport,
    ];
    let (mut request, mut out) = (Vec::new(), vec![0; 4096]);
    for body in bodies {
        let mut bytes = [0; 512];
        let message = Request { tag: 1, body };
        let len = request::encode(&message, &mut bytes).expect("it fits");
        request.extend_from_slice(&bytes[..len]);
    }
    assert!(reader.response_bound(&request).expect("well-formed") <= out.len());
    let len = reader.call(&request, &mut out).expect("answered");
    let mut statuses = Vec::new();
    let mut rest = &out[..len];
    while !rest.is_empty() {
        let message_len = u32::from_le_bytes(rest[..4].try_into().expect("four"));
        let status = rest[response::STATUS..][..4].try_into().expect("four");
        statuses.push(u32::from_le_bytes(status));
        rest = &rest[usize::try_from(message_len).expect("small")..];
    }
    assert_eq!(statuses, [114, 114, 114, 0, 0]);
}

#[test]
fn reads_see_what_a_refresh_has_reached_and_fences_hold() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    let reader = open(&disk, &reading());
    assert_eq!(mark(&reader), mark(&engine));
    let lsn = outcome(submit_one(&engine, 1, create(2, 2))).lsn;
    // Between two refreshes the state stands still.
    let found = reader.resource(Lsn(0), ResourceId(2));
    assert_eq!(found, Err(ReadError::NotFound));
    let fenced = reader
        .resource(lsn, ResourceId(2))
        .expect_err("not there yet");
    assert_eq!(fenced.status(), 402);
    assert_eq!(reader.refresh(), Ok(lsn));
    assert!(reader.resource(lsn, ResourceId(2)).is_ok());
    assert!(reader.operation(lsn, OperationId(2)).is_ok());
    let mut rows = 0;
    let cursor = reader.list_resources(lsn, &Filter::default(), 0, 9, |_| rows += 1);
    assert_eq!((cursor, rows), (Ok(0), 2));
    // A handle that writes has nothing to catch up with.
    assert_eq!(engine.refresh(), Ok(lsn));
    assert_eq!(engine.refresh(), Ok(engine.last_lsn()));
    engine.halt(HaltReason::Requested);
    let halted = engine.refresh().expect_err("R78");
    assert_eq!(halted.status(), 301);
    engine.close().expect("closed");
    assert_eq!(engine.refresh(), Err(RefreshError::Closed));
    reader.close().expect("closed");
    assert_eq!(reader.refresh(), Err(RefreshError::Closed));
}

#[test]
fn retirement_is_judged_at_the_last_applied_slot() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    let ids = [1u128.to_le_bytes()];
    let held = outcome(submit_one(&engine, 1, reserve(2, &ids, 7, 3)));
    let release = operation(
        3,
        Action::Release {
            reservation_id: held.reservation_id,
            holder_id: HolderId(7),
        },
    );
    outcome(submit_one(&engine, 2, release));
    let reader = open(&disk, &reading());
    // Long past by the writer's slot, and not yet by the reader's.
    outcome(submit_one(&engine, 50, create(4, 2)));
    let found = reader.reservation(Lsn(0), held.reservation_id, |_| ());
    assert!(found.is_ok());
    reader.refresh().expect("refreshed");
    let found = reader.reservation(Lsn(0), held.reservation_id, |_| ());
    assert_eq!(found, Err(ReadError::Retired));
}

#[test]
fn a_reader_shows_its_owner_s_figures_and_without_a_page_its_own() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let ids = [1u128.to_le_bytes()];
    outcome(submit_one(&engine, 1, create(1, 1)));
    outcome(submit_one(&engine, 1, reserve(2, &ids, 7, 3)));
    let reader = open(&disk, &reading());
    let owners = |slot| Health {
        recovery: *reader.recovery_report(),
        ..engine.health(Some(Slot(slot)))
    };
    assert_eq!(reader.health(Some(Slot(20))), owners(20), "caught up");
    assert_eq!(reader.health(Some(Slot(20))).expiration_backlog, 1);
    outcome(submit_one(&engine, 5, create(3, 3)));
    let health = reader.health(Some(Slot(20)));
    let wanted = Health {
        // As of the owner's last commit: this reader cannot know better.
        expiration_backlog: engine.health(Some(Slot(0))).expiration_backlog,
        ..owners(20)
    };
    assert_eq!(health, wanted);
    assert!(health.last_lsn > reader.last_lsn(), "how far it is behind");
    let mut text = vec![0; 1 << 16];
    let len = reader
        .metrics_text(Some(Slot(20)), &mut text)
        .expect("room");
    let text = String::from_utf8(text[..len].to_vec()).expect("text");
    assert_shows(&text, &reader.health(Some(Slot(20))));
    disk.remove(FileName::Health).expect("there");
    let health = reader.health(Some(Slot(20)));
    assert!(!health.accepting_writes && health.halt.is_none());
    assert_eq!((health.last_lsn, health.queue_capacity), (Lsn(2), 0));
    assert_eq!(health.resources.used, 1);
    assert_eq!(health.expiration_backlog, 1);
}

#[test]
fn grown_tables_show_in_the_configuration_after_a_refresh() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    let reader = open(&disk, &reading());
    drop(engine);
    let larger = Options {
        max_resources: 128,
        ..small()
    };
    let engine = open(&disk, &larger);
    assert_eq!(reader.configuration().max_resources, 64);
    let lsn = outcome(submit_one(&engine, 1, create(2, 2))).lsn;
    assert_eq!(reader.refresh(), Ok(lsn));
    assert_eq!(reader.configuration(), engine.configuration());
    assert_eq!(mark(&reader), mark(&engine));
}

#[test]
fn a_halted_reader_and_an_abandoned_one_touch_nothing() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    let reader = open(&disk, &reading());
    reader.halt(HaltReason::Panic);
    assert_eq!(reader.refresh().expect_err("halted").status(), 301);
    assert_eq!(
        reader
            .resource(Lsn(0), ResourceId(1))
            .expect_err("halted")
            .status(),
        301
    );
    assert!(engine.health(None).accepting_writes, "its own affair");
    reader.abandon();
    outcome(submit_one(&engine, 1, create(2, 2)));
}

#[test]
fn a_reader_backs_up_what_it_shows() {
    let (disk, target) = (Disk::default(), Disk::default());
    let engine = open(&disk, &small());
    let lsn = outcome(submit_one(&engine, 1, create(1, 1))).lsn;
    let reader = open(&disk, &reading());
    outcome(submit_one(&engine, 1, create(2, 2)));
    let report = reader.backup(&target).expect("copied");
    assert_eq!(report.source_lsn, lsn);
    let copy = open(&target, &small());
    assert!(copy.resource(Lsn(0), ResourceId(1)).is_ok());
    assert!(copy.resource(Lsn(0), ResourceId(2)).is_err());
    assert!(copy.configuration().database_id != engine.configuration().database_id);
    reader.close().expect("closed");
    assert_eq!(
        reader
            .backup(&Disk::default())
            .expect_err("closed")
            .status(),
        5
    );
}

/// What a writer has been through: the digest at every LSN at which a commit ended.
struct History(Mutex<Vec<(Lsn, Digest)>>);

impl History {
    fn check(&self, (lsn, digest): (Lsn, Digest)) -> bool {
        let marks = self.0.lock().expect("sound");
        let found = marks.binary_search_by_key(&lsn, |mark| mark.0);
        found.is_ok_and(|at| {
            assert_eq!(marks[at].1, digest, "at LSN {}", lsn.0);
            true
        })
    }

    fn last(&self) -> (Lsn, Digest) {
        *self.0.lock().expect("sound").last().expect("some")
    }
}

fn file_storage(path: &std::path::Path) -> FileStorage {
    FileStorage::open(path, DirectoryOptions::default()).expect("there")
}

/// Commits, checkpoints all the time, and is closed and opened again now and then.
fn write_history(path: &std::path::Path, history: &History, generations: u32) {
    let options = Options {
        // Small enough for several checkpoints a millisecond.
        checkpoint_wal_bytes: 4_096,
        wal_prealloc_bytes: 16 << 10,
        ..small()
    };
    let mut id = 0u128;
    for generation in 0..generations {
        let diagnostics = Diagnostics::new(Level::Warning, 4096, None);
        let engine = Engine::open(file_storage(path), &options, diagnostics).expect("opened");
        for _ in 0..400 {
            id += 1;
            let slot = u64::try_from(id / 8).expect("small") + 1;
            let command = create(id, id % 90 + 1);
            let ids = [(id % 50 + 1).to_le_bytes()];
            let commands = [command, reserve(id + (1 << 64), &ids, 9, 3)];
            let submitted = submit_all(&engine, slot, &commands);
            submitted.expect("a sound disk");
            history.0.lock().expect("sound").push(mark(&engine));
        }
        if generation % 2 == 0 {
            engine.close().expect("sealed");
        }
    }
}

fn submit_all(
    engine: &Engine<FileStorage>,
    slot: u64,
    commands: &[Command<'_>],
) -> Result<(), SubmitError> {
    let mut results = vec![None; commands.len()];
    engine.submit(Some(Slot(slot)), &mut Many::new(commands, &mut results))
}

#[test]
fn readers_beside_a_writer_that_checkpoints_all_the_time_see_only_its_states() {
    const GENERATIONS: u32 = 5;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let history = History(Mutex::new(Vec::new()));
    let is_over = AtomicBool::new(false);
    // One to begin with.
    write_history(path, &history, 1);
    history.0.lock().expect("sound").clear();
    let open_reader = || {
        let diagnostics = Diagnostics::new(Level::Info, 4096, None);
        Engine::open(file_storage(path), &reading(), diagnostics).expect("opened")
    };
    let last = thread::scope(|scope| {
        let (history, is_over, open_reader) = (&history, &is_over, &open_reader);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let reader = open_reader();
                    let (mut seen, mut reopened) = (0, 0);
                    let mut before = Lsn(0);
                    while !is_over.load(Ordering::Acquire) {
                        let lsn = reader.refresh().expect("never an error");
                        assert!(lsn >= before, "never back");
                        before = lsn;
                        // The writer writes its mark down after the commit.
                        let now = mark(&reader);
                        assert_eq!(now.0, lsn);
                        seen += u32::from(history.check(now));
                        reopened += u32::from(history.check(mark(&open_reader())));
                    }
                    assert_eq!(reader.refresh(), Ok(history.last().0));
                    assert!(history.check(mark(&reader)));
                    (seen, reopened)
                })
            })
            .collect();
        write_history(path, history, GENERATIONS);
        is_over.store(true, Ordering::Release);
        for reader in readers {
            let (seen, reopened) = reader.join().expect("no panic");
            assert!(
                seen > 0 && reopened > 0,
                "{seen} states seen, {reopened} on opening"
            );
        }
        history.last()
    });
    assert!(last.0 > Lsn(2_000));
}
