//! What is planted is caught, and nothing else is.

use allocdb_core::canary::{Canary, plant};

use super::*;

fn findings(goal: u64) -> Vec<String> {
    let mut run = Run::silent(goal, 7);
    super::run(&mut run);
    run.findings().to_vec()
}

#[test]
fn no_power_cut_loses_what_was_acknowledged_or_leaves_what_is_refused() {
    assert_eq!(findings(60_000), Vec::<String>::new());
}

fn assert_caught(canary: Canary) {
    let _planted = plant(canary);
    assert!(!findings(60_000).is_empty(), "{canary:?} went unnoticed");
}

#[test]
fn canary_legal_cut_refused_is_caught() {
    assert_caught(Canary::LegalCutRefused);
}

#[test]
fn canary_snapshot_ahead_of_log_is_caught() {
    assert_caught(Canary::SnapshotAheadOfLog);
}

#[test]
fn canary_acknowledged_before_directory_sync_is_caught() {
    assert_caught(Canary::AcknowledgedBeforeDirectorySync);
}

#[test]
fn canary_missing_log_is_fresh_is_caught() {
    assert_caught(Canary::MissingLogIsFresh);
}

#[test]
fn canary_chain_covers_itself_is_caught() {
    assert_caught(Canary::ChainCoversItself);
}
