//! Calls over the real engine and real files: what [`Plain`] promises, it keeps.

use std::path::Path;

use super::*;
use crate::diagnostics::{Diagnostics, Level};
use crate::engine::Engine;
use crate::options::{Clock, Options};
use crate::status;
use crate::storage::{DirectoryOptions, FileStorage};
use crate::wire::response::Body as Answer;
use allocdb_core::outcome::ResultCode;

fn options() -> Options {
    let config = small_config();
    Options {
        clock: Clock::Host,
        database_id: config.database_id,
        shard_id: config.shard_id,
        hash_seed: config.hash_seed,
        slot_duration_ms: config.slot_duration_ms,
        max_ttl_slots: config.max_ttl_slots,
        operation_window_slots: config.operation_window_slots,
        history_window_slots: config.history_window_slots,
        max_resources: config.max_resources,
        max_reservations: config.max_reservations,
        max_operations: config.max_operations,
        max_bundle_len: config.max_bundle_len,
        max_expiration_bucket_len: config.max_expiration_bucket_len,
        max_expirations_per_tick: config.max_expirations_per_tick,
        wal_prealloc_bytes: 64 << 10,
        ..Options::default()
    }
}

fn open(directory: &Path, options: &Options) -> Engine<FileStorage> {
    let create = DirectoryOptions {
        create: true,
        allow_network_file_system: true,
    };
    let storage = FileStorage::open(directory, create).expect("a directory");
    let diagnostics = Diagnostics::new(Level::Warning, 4096, None);
    Engine::open(storage, options, diagnostics).expect("a new database")
}

fn call_engine(engine: &Engine<FileStorage>, request: &[u8]) -> Vec<u8> {
    let mut out = vec![0xEE; engine.response_bound(request).expect("a valid call")];
    let len = engine.call(request, &mut out).expect("a valid call");
    out.truncate(len);
    out
}

fn statuses(bytes: &[u8]) -> Vec<u16> {
    let status = |body: &Answer<'_>| match body {
        Answer::Failed(failure) => failure.status,
        _ => 0,
    };
    responses(bytes)
        .iter()
        .map(|response| status(&response.body))
        .collect()
}

#[test]
fn the_transcript_is_the_same_over_real_files() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path(), &options());
    let plain = Plain::new(small_bounds());
    for (name, request) in golden::transcript_calls() {
        assert_eq!(
            call_engine(&engine, &request),
            plain.call(&request).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn random_calls_over_real_files_answer_as_the_plain_engine_does() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        auto_expire_off: true,
        sync: crate::options::SyncMode::Os,
        ..options()
    };
    let engine = open(directory.path(), &options);
    let plain = Plain::new(small_bounds());
    let mut noise = damage::Noise::new(3);
    for round in 0..3000 {
        let material = damage::plausible_calls(&mut noise, 1000 + round / 2, engine.last_lsn());
        let requests: Vec<_> = material
            .iter()
            .map(Material::request)
            .filter(|request| {
                // These tell of the engine itself.
                let kind = request.body.kind();
                kind.is_command() || (Kind::Tick..=Kind::ListReservations).contains(&kind)
            })
            .collect();
        let request = call_of(&requests);
        assert_eq!(
            call_engine(&engine, &request),
            plain.call(&request).unwrap(),
            "{round}"
        );
    }
    assert_eq!(engine.last_lsn(), plain.state.borrow().last_lsn());
    let health = engine.health(None);
    let seen = health
        .outcomes_by_code
        .iter()
        .filter(|&&count| count > 0)
        .count();
    assert!(
        seen >= 7,
        "only {seen} result codes were seen: {:?}",
        health.outcomes_by_code
    );
}

#[test]
fn a_call_of_commands_is_one_commit_of_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path(), &options());
    let commits = |engine: &Engine<FileStorage>| {
        let out = call_engine(engine, &call_of(&[read(1, Body::Health { slot: Slot(5) })]));
        let Answer::Health(figures) = responses(&out)[0].body else {
            panic!("figures");
        };
        (
            figures.named("commits").unwrap(),
            figures.named("records").unwrap(),
        )
    };
    let requests: Vec<_> = (1..=20).map(|n| create(5, n, n)).collect();
    call_engine(&engine, &call_of(&requests));
    assert_eq!(commits(&engine), (1, 20));
    let id = [1u128.to_le_bytes()];
    let requests = [reserve(5, 30, &id), get(0, 1), create(5, 31, 31)];
    call_engine(&engine, &call_of(&requests));
    assert_eq!(
        commits(&engine),
        (3, 22),
        "the read stands between two commits"
    );
}

#[test]
fn a_retry_after_reopening_gets_the_first_answer() {
    let directory = tempfile::tempdir().unwrap();
    let request = call_of(&[create(5, 1, 1), create(5, 2, 1)]);
    let engine = open(directory.path(), &options());
    let first = call_engine(&engine, &request);
    engine.close().unwrap();
    drop(engine);
    let engine = open(directory.path(), &options());
    let again = call_engine(&engine, &request);
    for (first, again) in responses(&first).iter().zip(responses(&again)) {
        let (Answer::Outcome(first), Answer::Outcome(again)) = (first.body, again.body) else {
            panic!("outcomes");
        };
        assert_eq!(
            again,
            Outcome {
                from_retry_cache: true,
                ..first
            }
        );
    }
    assert!(matches!(
        responses(&again)[1].body,
        Answer::Outcome(outcome) if outcome.code == ResultCode::ResourceExists
    ));
}

#[test]
fn a_halted_engine_says_so_to_every_message() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path(), &options());
    engine.halt(HaltReason::Requested);
    let requests = [
        create(5, 1, 1),
        get(2, 1),
        read(
            3,
            Body::Tick {
                slot: Slot(5),
                limit: 0,
            },
        ),
        read(4, Body::Checkpoint),
        read(5, Body::Health { slot: Slot(0) }),
        read(6, Body::RecoveryReport),
    ];
    let out = call_engine(&engine, &call_of(&requests));
    let halted = status::E_HALTED;
    assert_eq!(statuses(&out), [halted, halted, halted, halted, 0, 0]);
}

#[test]
fn a_checkpoint_and_the_configuration_are_messages_too() {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path(), &options());
    let requests = [
        create(5, 1, 1),
        read(2, Body::Checkpoint),
        read(3, Body::Configuration),
    ];
    let out = call_engine(&engine, &call_of(&requests));
    let said = responses(&out);
    assert!(matches!(
        said[1].body,
        Answer::Checkpoint(report) if report.written && report.anchor_lsn == Lsn(1)
    ));
    let Answer::Configuration(bounds) = said[2].body else {
        panic!("a configuration");
    };
    assert_eq!(
        bounds.config,
        Config {
            hash_seed: 0,
            ..small_config()
        }
    );
    assert_eq!(
        bounds.max_batch_commands,
        engine.settings().max_batch_commands
    );
}

#[test]
fn every_state_dependent_rejection_stands_in_its_own_response() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        max_operations: 3,
        max_slot_leap: 100,
        ..options()
    };
    let engine = open(directory.path(), &options);
    let limited = |tag, valid_until_slot| {
        let mut request = create(50, tag, 7);
        if let Body::Command { command, .. } = &mut request.body {
            command.valid_until_slot = Slot(valid_until_slot);
        }
        request
    };
    let requests = [
        create(50, 1, 1),
        create(50, 1, 2),
        limited(4, 49),
        limited(5, 101),
        create(50, 2, 2),
        create(50, 3, 3),
        create(50, 6, 6),
        get(0, 3),
        create(5000, 7, 7),
        create(50, 1, 1),
    ];
    let out = call_engine(&engine, &call_of(&requests));
    let expected = [
        0,
        status::E_OPERATION_CONFLICT,
        status::E_OPERATION_EXPIRED,
        status::E_VALID_UNTIL_OUT_OF_RANGE,
        0,
        0,
        status::E_OPERATION_TABLE_FULL,
        0,
        status::E_SLOT_LEAP,
        0,
    ];
    assert_eq!(statuses(&out), expected);
    let detail = |index: usize| match responses(&out)[index].body {
        Answer::Failed(failure) => failure.detail,
        other => panic!("expected a failure, got {other:?}"),
    };
    assert_eq!(detail(1), [1, 0, 0, 0]);
    assert_eq!(detail(2), [49, 50, 0, 0]);
    assert_eq!(detail(3), [101, 100, 0, 0]);
    assert_eq!(detail(6), [3, 50, 0, 0]);
    assert_eq!(detail(8), [5000, 150, 0, 0]);
}
