//! The canaries, planted in every thread; and histories made by hand, each wrong in one way, since
//! how real threads meet is up to the machine.

use allocdb_core::canary::Canary;

use super::*;
use crate::model::{Bounds, Model, Outcome, Verdict};

/// Rounds within which a planted bug has to show.
const ROUNDS: u64 = 400;

fn assert_caught(canary: Canary, signs: &[&str]) {
    let mut seeds = Rng::new(1);
    let mut found = (0..ROUNDS).map(|_| round(seeds.draw(), Some(canary)));
    let found = found.find_map(Result::err).expect("a planted bug shows");
    assert!(signs.iter().any(|sign| found.contains(sign)), "{found}");
}

#[test]
fn histories_without_a_canary_are_linearizable() {
    let mut run = Run::silent(10_000, 1);
    super::run(&mut run);
    assert_eq!(run.findings(), &[] as &[String]);
    assert!(run.figure_of("retries") > 0 && run.figure_of("reads") > 0);
}

#[test]
fn canary_applied_before_synced_is_caught() {
    let signs = ["no state behind", "no commit ends there"];
    assert_caught(Canary::AppliedBeforeSynced, &signs);
}

#[test]
fn canary_repeat_gets_another_is_caught() {
    assert_caught(Canary::RepeatGetsAnother, &["the log has"]);
}

const fn bounds_by_hand() -> Bounds {
    Bounds {
        shard_id: 1,
        max_ttl_slots: 15,
        operation_window_slots: 8,
        history_window_slots: 8,
        max_resources: 16,
        max_reservations: 16,
        max_operations: 64,
        max_bundle_len: 4,
        max_expiration_bucket_len: 16,
        max_expirations_per_tick: 4,
    }
}

/// Two creations in commits of their own, and calls that saw them.
fn by_hand(change: impl FnOnce(&mut Vec<Call>)) -> Result<Told, String> {
    let bounds = bounds_by_hand();
    let mut model = Model::new(bounds);
    let (mut log, mut calls) = (Vec::new(), Vec::new());
    for id in 1..=2 {
        let command = Command::new(id, Action::CreateResource { resource_id: id });
        let applied = model.apply(1, &command);
        let Verdict::Outcome(outcome) = applied.verdict else {
            panic!("there is room");
        };
        log.push(Frame {
            slot: 1,
            commands: vec![(applied.lsn, command.clone())],
        });
        calls.push(Call {
            begun: applied.lsn * 10,
            ended: applied.lsn * 10 + 5,
            seen: Seen::Answers(vec![(command, Ok(outcome))]),
        });
    }
    calls.push(call(30, 35, Seen::Row(1, model.resource(1))));
    change(&mut calls);
    check(&bounds, &log, &calls, 2)
}

fn call(begun: u64, ended: u64, seen: Seen) -> Call {
    Call { begun, ended, seen }
}

fn outcome_of(call: &mut Call) -> &mut Outcome {
    match &mut call.seen {
        Seen::Answers(answers) => answers[0].1.as_mut().expect("done"),
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_sound_history_passes_and_each_wrong_one_is_refused() {
    let sound = by_hand(|_| ()).expect("sound");
    assert_eq!((sound.calls, sound.commands, sound.reads), (3, 2, 1));
    let refused = |what: &str, found: Result<Told, String>| {
        let found = found.expect_err(what);
        assert!(found.contains(what), "{found}");
    };
    // A later call with an earlier position.
    refused(
        "was told before it began",
        by_hand(|calls| {
            calls.truncate(2);
            (calls[0].begun, calls[0].ended) = (40, 45);
        }),
    );
    // A read that goes back behind an answer, or another read.
    refused(
        "no state behind",
        by_hand(|calls| calls.push(call(40, 41, Seen::Row(2, None)))),
    );
    refused(
        "no commit ends there",
        by_hand(|calls| calls.push(call(40, 41, Seen::Last(1)))),
    );
    // A read from the future.
    refused(
        "submitted after it had ended",
        by_hand(|calls| {
            calls.push(call(16, 18, Seen::Last(2)));
        }),
    );
    // Told twice, told what is not there, told something else, told nothing.
    refused(
        "two were told",
        by_hand(|calls| {
            let mut again = calls[1].clone();
            (again.begun, again.ended) = (21, 24);
            calls.push(again);
        }),
    );
    refused(
        "not in the log",
        by_hand(|calls| outcome_of(&mut calls[1]).lsn = 3),
    );
    refused(
        "the log has",
        by_hand(|calls| {
            outcome_of(&mut calls[1]).code = Code::ResourceExists;
        }),
    );
    refused("nobody was told", by_hand(|calls| drop(calls.remove(1))));
}
