//! Every definite refusal, and that nothing of it reaches the log.

use super::*;
use crate::batch::Batch;

/// Refused as a whole: neither log nor slot nor position moves.
fn refused(engine: &Engine<Disk>, disk: &Disk, slot: u64, command: Command<'_>) -> SubmitError {
    let (log, lsn) = (disk.log(), engine.last_lsn());
    let error = submit_one(engine, slot, command).expect_err("refused");
    assert!(error.is_definite());
    assert_eq!(engine.last_lsn(), lsn);
    assert_eq!(disk.log(), log, "R21: a rejected command is not logged");
    error
}

/// A batch that says another size than it has.
struct Liar(usize);
impl Batch for Liar {
    fn len(&self) -> usize {
        1
    }
    fn record_bytes(&self) -> usize {
        self.0
    }
    fn command(&self, _: usize) -> Result<Command<'_>, Rejection> {
        Ok(create(77, 77))
    }
    fn settle(&mut self, _: usize, _: CommandResult) {}
}

#[test]
fn form_refuses_the_whole_submission_with_its_index() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    // R24 to R27, each at place 1 of a batch whose place 0 is sound.
    let nine: Vec<[u8; 16]> = (1..10u128).map(u128::to_le_bytes).collect();
    let twice = [7u128.to_le_bytes(); 2];
    let one = [7u128.to_le_bytes()];
    let internal = Command {
        operation_id: OperationId(0),
        ..operation(0, Action::ExpireDue { limit: 1 })
    };
    let cases = [
        (create(2, 0), 100),
        (create(0, 1), 100),
        (reserve(2, &[], 1, 5), 100),
        (reserve(2, &nine, 1, 5), 102),
        (reserve(2, &twice, 1, 5), 103),
        (reserve(2, &one, 1, 0), 104),
        (reserve(2, &one, 1, 1001), 104),
        (internal, 100),
    ];
    for (command, status) in cases {
        let log = disk.log();
        let error = submit_many(&engine, 1, &[create(1, 1), command]).expect_err("refused");
        let SubmitError::Refused { index, rejection } = error else {
            panic!("refused by form, not {error:?}");
        };
        assert_eq!(
            (index, rejection.status(), error.status()),
            (1, status, status)
        );
        assert_eq!(error.detail()[0], 1);
        assert_eq!(disk.log(), log);
        assert_eq!(engine.last_lsn(), Lsn(0));
    }
    // Place 0 was not remembered either.
    assert_eq!(outcome(submit_one(&engine, 1, create(1, 9))).lsn, Lsn(1));
}

#[test]
fn a_bundle_longer_than_a_record_is_a_bundle_too_large() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let ids = vec![[1; 16]; 100_000];
    let error = refused(&engine, &disk, 1, reserve(1, &ids, 1, 1));
    assert_eq!(error.status(), 102);
    let ids = vec![[1; 16]; 1_500];
    assert_eq!(
        refused(&engine, &disk, 1, reserve(1, &ids, 1, 1)).status(),
        102
    );
}

#[test]
fn more_than_a_commit_holds_is_command_too_large() {
    let disk = Disk::default();
    let options = Options {
        max_batch_commands: 4,
        max_batch_bytes: 32 << 10,
        ..small()
    };
    let engine = open(&disk, &options);
    let commands: Vec<_> = (1..=5).map(|id| create(id, id)).collect();
    // R36
    let error = submit_many(&engine, 1, &commands).expect_err("too many");
    assert_eq!(
        error,
        SubmitError::CommandTooLarge {
            field: "max_batch_commands",
            value: 5,
            bound: 4
        }
    );
    assert_eq!((error.status(), error.detail()), (101, [5, 4, 0, 0]));
    assert!(submit_many(&engine, 1, &commands[..4]).is_ok());

    let error = engine
        .submit(None, &mut Liar(40_000))
        .expect_err("too large");
    assert!(matches!(
        error,
        SubmitError::CommandTooLarge {
            field: "max_batch_bytes",
            value: 40_000,
            bound: 32_768
        }
    ));
    // A batch whose commands grew since it was measured is refused, not written past its room.
    let error = engine.submit(None, &mut Liar(20)).expect_err("grown");
    assert!(matches!(error, SubmitError::Refused { index: 0, .. }));
    assert_eq!(error.status(), 100);
}

#[test]
fn a_slot_that_no_window_can_follow_is_a_slot_overflow() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let bound = engine.configuration().slot_max();
    let error = refused(&engine, &disk, bound.0 + 1, create(1, 1));
    let slot = Slot(bound.0 + 1);
    assert_eq!(error, SubmitError::SlotOverflow { slot, bound });
    assert_eq!(error.status(), 105);
    // R27: the form comes first.
    assert_eq!(
        refused(&engine, &disk, bound.0 + 1, create(1, 0)).status(),
        100
    );
    let error = engine.tick(Some(slot), 0).expect_err("refused");
    assert_eq!(error.status(), 105);
    assert!(submit_one(&engine, bound.0, create(1, 1)).is_ok());
}

#[test]
fn a_slot_that_leaps_is_refused_alone() {
    let disk = Disk::default();
    let options = Options {
        max_slot_leap: 50,
        slot_duration_ms: 86_400_000,
        ..small()
    };
    let engine = open(&disk, &options);
    // R35: the first slot that a host shows is the base.
    outcome(submit_one(&engine, 1000, create(1, 1)));
    let error = refused(&engine, &disk, 1051, create(2, 2));
    let (slot, bound) = (Slot(1051), Slot(1050));
    assert_eq!(error, SubmitError::SlotLeap { slot, bound });
    assert_eq!(error.status(), 106);
    assert_eq!(engine.tick(Some(slot), 0).expect_err("leaps").status(), 106);
    outcome(submit_one(&engine, 1050, create(2, 2)));
    // The base is what was seen at open, not what was let through: leaps do not add up.
    assert_eq!(refused(&engine, &disk, 1051, create(3, 3)).status(), 106);
}

#[test]
fn a_system_clock_that_leaps_is_refused() {
    let disk = Disk::default();
    let options = Options {
        max_slot_leap: 10,
        clock: Clock::System,
        slot_duration_ms: 1000,
        ..small()
    };
    let engine = open(&disk, &options);
    let now = engine.slot_now().0;
    assert_eq!(
        refused(&engine, &disk, now + 20, create(1, 1)).status(),
        106
    );
    outcome(submit_one(&engine, now + 5, create(1, 1)));
}

#[test]
fn a_full_log_is_storage_full_and_the_engine_goes_on() {
    let disk = Disk::default();
    let options = Options {
        wal_prealloc_bytes: 4096,
        ..small()
    };
    let engine = open(&disk, &options);
    disk.script(|script| script.growth_errno = libc::ENOSPC);
    let mut accepted = 0;
    let error = loop {
        match submit_one(&engine, 1, create(accepted + 1, accepted + 1)) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.status(), error.os_errno()), (113, libc::ENOSPC));
    assert!(error.is_definite());
    assert_eq!(engine.last_lsn().0, u64::try_from(accepted).unwrap());
    // A retry needs no room, and a read none either.
    assert!(outcome(submit_one(&engine, 1, create(1, 1))).from_retry_cache);
    assert!(engine.resource(Lsn(0), ResourceId(1)).is_ok());
    assert!(engine.health(None).accepting_writes);
    disk.script(|script| script.growth_errno = 0);
    let next = outcome(submit_one(&engine, 1, create(accepted + 1, accepted + 1)));
    assert_eq!(next.lsn.0, u64::try_from(accepted).unwrap() + 1);
}

#[test]
fn an_operation_beyond_its_slot_or_window_is_rejected_alone() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    let at = |id: u128, valid_until: u64| Command {
        valid_until_slot: Slot(valid_until),
        ..create(id, id)
    };
    let results = submit_many(&engine, 100, &[at(1, 99), at(2, 111), at(3, 110), at(4, 0)]);
    let results = results.expect("each has its own answer");
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map_or_else(Rejection::status, |_| 0))
        .collect();
    // R29, R30
    assert_eq!(statuses, [107, 108, 0, 0]);
    assert_eq!(engine.last_lsn(), Lsn(2));
}

#[test]
fn a_full_operation_table_is_rejected_and_writes_nothing() {
    let disk = Disk::default();
    let options = Options {
        max_operations: 3,
        ..small()
    };
    let engine = open(&disk, &options);
    let commands: Vec<_> = (1..=4).map(|id| create(id, id)).collect();
    let results = submit_many(&engine, 1, &commands).expect("each has its own answer");
    assert!(results[..3].iter().all(Result::is_ok));
    // R31
    let rejection = results[3].expect_err("no room");
    assert_eq!(rejection.status(), 110);
    let log = disk.log();
    let again = submit_one(&engine, 1, create(9, 9)).expect("an answer of its own");
    assert_eq!(again.expect_err("no room").status(), 110);
    assert_eq!(disk.log(), log);
    // Room is back once the window is past.
    assert!(
        submit_one(&engine, 12, create(9, 9))
            .expect("answered")
            .is_ok()
    );
}

#[test]
fn options_out_of_bounds_are_named() {
    let cases = [
        (
            Options {
                max_queue: 1 << 21,
                ..small()
            },
            "max_queue",
        ),
        (
            Options {
                max_batch_commands: 1 << 20,
                ..small()
            },
            "max_batch_commands",
        ),
        (
            Options {
                max_batch_bytes: 100,
                ..small()
            },
            "max_batch_bytes",
        ),
        (
            Options {
                wal_prealloc_bytes: 1,
                ..small()
            },
            "wal_prealloc_bytes",
        ),
        (
            Options {
                checkpoint_wal_bytes: 1,
                ..small()
            },
            "checkpoint_wal_bytes",
        ),
        (
            Options {
                log_ring_bytes: 1 << 40,
                ..small()
            },
            "log_ring_bytes",
        ),
        (
            Options {
                max_bundle_len: 1025,
                ..small()
            },
            "max_bundle_len",
        ),
        (
            Options {
                max_expiration_bucket_len: 65,
                ..small()
            },
            "max_expiration_bucket_len",
        ),
    ];
    for (options, field) in cases {
        let diagnostics = Diagnostics::new(Level::Info, 4096, None);
        let error = Engine::open(Disk::default(), &options, diagnostics).expect_err("refused");
        assert_eq!(error.status(), 1);
        assert!(error.to_string().contains(field), "{error}");
        assert!(options.memory_bound().is_err());
    }
}

#[test]
fn reopening_with_another_stored_value_is_a_mismatch() {
    let disk = Disk::default();
    open(&disk, &small()).close().expect("closed");
    let options = Options {
        max_resources: 63,
        ..small()
    };
    let diagnostics = Diagnostics::new(Level::Info, 4096, None);
    let error = Engine::open(disk.clone(), &options, diagnostics).expect_err("mismatch");
    // R92
    assert_eq!(error.status(), 205);
    assert!(error.to_string().contains("max_resources"), "{error}");
    assert_eq!(error.detail(), [63, 64, 0, 0]);
    // Zero means: as stored.
    let options = Options {
        clock: Clock::Host,
        ..Options::default()
    };
    assert_eq!(open(&disk, &options).configuration().max_resources, 64);
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Options::default().config_for_creation(1, 2).expect("valid");
    assert_eq!(config.slot_duration_ms, 100);
    let tables = (
        config.max_resources,
        config.max_reservations,
        config.max_operations,
    );
    assert_eq!(tables, (65_536, 262_144, 524_288));
    assert_eq!((config.max_bundle_len, config.max_ttl_slots), (64, 262_143));
    let windows = (config.operation_window_slots, config.history_window_slots);
    assert_eq!(windows, (300, 300));
    assert_eq!(config.max_expiration_bucket_len, 262_144);
    assert_eq!(config.max_expirations_per_tick, 1_024);
    let settings = Options::default().settings().expect("valid");
    let bounds = (
        settings.max_queue,
        settings.max_batch_commands,
        settings.max_batch_bytes,
    );
    assert_eq!(bounds, (8_192, 8_192, 1 << 20));
    let steps = (settings.wal_prealloc_bytes, settings.checkpoint_wal_bytes);
    assert_eq!(steps, (16 << 20, 64 << 20));
    assert_eq!(settings.log_ring_bytes, 64 << 10);
    assert!(settings.auto_expire);
}
