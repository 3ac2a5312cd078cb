//! The state machine against the plain model, command by command; and that this would be noticed.
//!
//! `model_check.rs` says what a history is. Here a run of some size is asked to find nothing, and
//! then to find everything: models with one wrong rule each, and bugs planted in the core itself.
//! What is found is shrunk, and what is left has to fail by itself.

use allocdb_core::canary::{Canary, plant};
use allocdb_testing::history::{self, Failure};
use allocdb_testing::layer::Run;
use allocdb_testing::model::Flaw;
use allocdb_testing::model_check;
use allocdb_testing::random::Rng;
use allocdb_testing::tally::Tally;
use allocdb_testing::trial::seed;
use allocdb_testing::workload::Shape;

const COMMANDS: u64 = 1_200_000;
const HISTORY_LEN: u64 = 3_000;
const CANARY_HISTORIES: u64 = 400;

/// The first failure among histories of this seed.
fn first_failure(seed: u64, flaw: Option<Flaw>) -> Option<Box<Failure>> {
    let mut rng = Rng::new(seed);
    (0..CANARY_HISTORIES).find_map(|_| {
        let shape = Shape::draw(rng.draw(), HISTORY_LEN);
        history::live(&shape, flaw, &mut Tally::default()).err()
    })
}

fn assert_caught(canary: Canary) -> Failure {
    let seed = seed("canary");
    let _planted = plant(canary);
    let failure = first_failure(seed, None);
    let failure = failure.unwrap_or_else(|| panic!("nobody noticed {canary:?}"));
    println!("{}", model_check::describe(seed, &failure));
    *failure
}

// R3, R5, R7 to R20, R22, R23, R37 to R58, R60, R61, R62, R63, R68, R70, R74, R75, R76, R79, R81,
// R85, R95
#[test]
fn every_answer_and_every_read_is_what_the_rules_say() {
    let mut run = Run::silent(COMMANDS, seed("model"));
    model_check::run(&mut run);
    assert_eq!(run.findings(), [""; 0]);
    for name in [
        "judged",
        "transfers",
        "expirations",
        "snapshots",
        "sliced",
        "replayed",
    ] {
        println!("{name} {}", run.figure_of(name));
        assert!(run.figure_of(name) > 1_000, "{name}: hardly any");
    }
}

#[test]
fn a_seed_repeats_its_history() {
    let shape = Shape::draw(seed("repeat"), HISTORY_LEN);
    let [one, other] = [(); 2].map(|()| {
        let mut tally = Tally::default();
        history::live(&shape, None, &mut tally).expect("a sound history");
        tally
    });
    assert!(one.commands > 100);
    assert_eq!(one, other);
}

// The comparison can fail: a model with one wrong rule does not get through.
#[test]
fn canary_every_wrong_rule_is_caught() {
    let seed = seed("wrong rules");
    for flaw in Flaw::ALL {
        let failure = first_failure(seed, Some(flaw));
        let failure = failure.unwrap_or_else(|| panic!("nobody noticed {flaw:?}"));
        println!(
            "{flaw:?}: {} steps: {}",
            failure.steps.len(),
            failure.shrunk
        );
        assert!(failure.steps.len() < 40, "{flaw:?} is not shrunk");
    }
}

// R34, R14
#[test]
fn canary_duplicate_after_window_is_caught() {
    assert_caught(Canary::DuplicateAfterWindow);
}

// R79, R83
#[test]
fn canary_two_winners_is_caught() {
    let failure = assert_caught(Canary::TwoWinners);
    assert!(failure.steps.len() <= 6, "two holders and one resource do");
}

// R55
#[test]
fn canary_deadline_one_early_is_caught() {
    assert_caught(Canary::DeadlineOneEarly);
}

// R85
#[test]
fn canary_change_not_kept_is_caught() {
    assert_caught(Canary::ChangeNotKept);
}

// R80
#[test]
fn canary_bundle_member_lost_is_caught() {
    assert_caught(Canary::BundleMemberLost);
}

// R20, R85
#[test]
fn canary_reused_id_stays_is_caught() {
    assert_caught(Canary::ReusedIdStays);
}

// R57, R85
#[test]
fn canary_expiry_order_forgotten_is_caught() {
    assert_caught(Canary::ExpiryOrderForgotten);
}

// R31, R66
#[test]
fn canary_room_ignores_commit_is_caught() {
    assert_caught(Canary::RoomIgnoresCommit);
}
