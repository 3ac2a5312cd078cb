//! The canaries: each bug planted in the queue, the gate or the commit is found by the scenarios,
//! and without it the same schedules find nothing.

use std::sync::Arc;

use allocdb_core::canary::{Canary, plant};

use crate::run::{Chooser, Chunk, Tally};
use crate::scenario::Scenario;

/// Schedules within which a planted bug has to show.
const COUNT: usize = 1000;

/// Tries `scenario` under both choosers; what the first schedule that fails says.
fn first_found(scenario: Scenario) -> Option<String> {
    let tally = Arc::new(Tally::default());
    let mut choosers = [Chooser::Random, Chooser::Priorities].into_iter();
    choosers.find_map(|chooser| {
        let chunk = Chunk {
            scenario,
            chooser,
            seed: 1,
            count: COUNT,
        };
        chunk.run(&tally).err()
    })
}

/// `canary` is found in `scenario`, and what is said has one of `signs` in it.
fn assert_caught(canary: Canary, scenario: Scenario, signs: &[&str]) {
    assert_eq!(first_found(scenario), None, "without the canary");
    let planted = plant(canary);
    let found = first_found(scenario).unwrap_or_default();
    drop(planted);
    println!("{canary:?}: {found}");
    assert!(
        signs.iter().any(|sign| found.contains(sign)),
        "{canary:?}: {found}"
    );
}

#[test]
fn canary_next_group_sleeps_is_caught() {
    assert_caught(Canary::NextGroupSleeps, Scenario::Commits, &["deadlock"]);
}

#[test]
fn canary_leader_unmarked_is_caught() {
    let signs = ["one thread leads"];
    assert_caught(Canary::LeaderUnmarked, Scenario::Commits, &signs);
}

#[test]
fn canary_done_before_answered_is_caught() {
    let signs = ["done means answered", "a panic that nobody planted"];
    assert_caught(Canary::DoneBeforeAnswered, Scenario::Commits, &signs);
}

#[test]
fn canary_halt_wakes_one_parity_is_caught() {
    assert_caught(Canary::HaltWakesOneParity, Scenario::Halt, &["deadlock"]);
}

#[test]
fn canary_panic_halts_nothing_is_caught() {
    let signs = ["who does not know goes no further"];
    assert_caught(Canary::PanicHaltsNothing, Scenario::Panic, &signs);
}

#[test]
fn canary_gate_does_not_wait_is_caught() {
    let signs = ["closing waits for the calls", "a panic that nobody planted"];
    assert_caught(Canary::GateDoesNotWait, Scenario::Close, &signs);
}

#[test]
fn canary_idle_unlocked_is_caught() {
    assert_caught(Canary::IdleUnlocked, Scenario::Close, &["deadlock"]);
}

#[test]
fn canary_applied_before_synced_is_caught() {
    let signs = ["a read of unsynced state"];
    assert_caught(Canary::AppliedBeforeSynced, Scenario::Commits, &signs);
}

#[test]
fn canary_repeat_gets_another_is_caught() {
    let signs = ["an operation's", "is told the same", "outcome.code"];
    assert_caught(Canary::RepeatGetsAnother, Scenario::Commits, &signs);
}

/// A chunk's name is all that a run depends on.
#[test]
fn a_seed_repeats_its_schedules() {
    let run = || {
        let tally = Arc::new(Tally::default());
        for scenario in Scenario::DRAWN {
            let chunk = Chunk {
                scenario,
                chooser: Chooser::Random,
                seed: 9,
                count: 100,
            };
            assert_eq!(chunk.run(&tally), Ok(100));
        }
        tally.figures()
    };
    assert_eq!(run(), run());
}
