//! The simulator itself: it repeats, it shrinks, and it catches what is planted.

use std::time::Duration;

use allocdb_core::canary::{Canary, plant};

use super::life::live;
use super::schedule::{Kind, Schedule};
use super::shrink::shrink;

/// Lives that a test runs; none of them is a year long.
const SEEDS: core::ops::Range<u64> = 1..60;

/// The first life that fails with this bug in the engine.
fn first_caught(canary: Canary) -> Option<u64> {
    let _planted = plant(canary);
    let mut seeds = SEEDS;
    seeds.find(|&seed| live(&Schedule::draw(seed), false).failure.is_some())
}

fn is_caught(canary: Canary) {
    let caught = first_caught(canary);
    println!("{canary:?}: caught by seed {caught:?}");
    assert!(caught.is_some(), "{canary:?} is not caught by {SEEDS:?}");
}

#[test]
fn lives_without_a_planted_bug_pass() {
    for seed in SEEDS {
        let failure = live(&Schedule::draw(seed), false).failure;
        assert_eq!(failure, None, "`simulate --seed {seed}` repeats it");
    }
}

#[test]
fn one_seed_is_one_schedule_and_one_run() {
    for seed in 1..6 {
        let schedule = Schedule::draw(seed);
        assert_eq!(schedule, Schedule::draw(seed));
        let (first, second) = (live(&schedule, false), live(&schedule, true));
        assert_eq!((first.digest, first.tally), (second.digest, second.tally));
        let other = live(&Schedule::draw(seed + 1), false);
        assert_ne!(first.digest, other.digest, "seed {seed} and the next");
    }
}

#[test]
fn a_failing_schedule_shrinks_to_one_that_still_fails() {
    let seed = first_caught(Canary::TwoWinners).expect("it is caught");
    let _planted = plant(Canary::TwoWinners);
    let schedule = Schedule::draw(seed);
    let short = shrink(&schedule, Duration::from_secs(20));
    assert!(live(&short, false).failure.is_some());
    assert!(
        short.steps.len() <= 8,
        "{} steps are left",
        short.steps.len()
    );
    let kinds: Vec<Kind> = short.steps.iter().map(|step| step.kind).collect();
    assert!(kinds.contains(&Kind::Submit), "{kinds:?}");
}

#[test]
fn canary_acknowledged_before_sync_is_caught() {
    is_caught(Canary::AcknowledgedBeforeSync);
}

#[test]
fn canary_acknowledged_before_directory_sync_is_caught() {
    is_caught(Canary::AcknowledgedBeforeDirectorySync);
}

#[test]
fn canary_checkpoint_drops_overlap_is_caught() {
    is_caught(Canary::CheckpointDropsOverlap);
}

#[test]
fn canary_growth_replays_old_commands_is_caught() {
    is_caught(Canary::GrowthReplaysOldCommands);
}

#[test]
fn canary_page_cache_trusted_is_caught() {
    is_caught(Canary::PageCacheTrusted);
}

#[test]
fn canary_two_winners_is_caught() {
    is_caught(Canary::TwoWinners);
}
