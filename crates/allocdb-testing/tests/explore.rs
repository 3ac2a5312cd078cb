//! Every short history, and what that is worth: bugs planted in the core are found by it.

use allocdb_core::canary::Canary;
use allocdb_testing::explore::{Exploration, LONG, ROOMY, Sighting, TIGHT, missing};
use allocdb_testing::model::Bounds;

const DEPTH: usize = 4;

fn fault_of(canary: Canary, bounds: Bounds, depth: usize) -> String {
    let found = Exploration::new(bounds, depth, Some(canary)).explore();
    println!("{canary:?}: {} states, {:?}", found.states, found.faults);
    let fault = found.faults.into_iter().next();
    fault.unwrap_or_else(|| panic!("nobody noticed {canary:?}"))
}

// R3, R5, R7 to R20, R22, R23, R37 to R58, R60 to R62, R66, R68, R70, R79 to R83, R85, R86
#[test]
fn every_short_history_keeps_the_rules() {
    let mut seen = 0;
    for bounds in [TIGHT, LONG, ROOMY] {
        let found = Exploration::new(bounds, DEPTH, None).explore();
        println!("{} states, {} differ", found.states, found.unique);
        assert_eq!(found.faults, [""; 0]);
        assert!(found.unique > 1_000 && found.states > found.unique);
        seen |= found.seen.0;
    }
    let missing: Vec<&str> = missing(Sighting(seen)).collect();
    println!("not within {DEPTH} acts: {missing:?}");
    assert!(missing.len() < 4, "{missing:?}");
}

#[test]
fn an_exploration_repeats_itself() {
    let [one, other] = [(); 2].map(|()| Exploration::new(TIGHT, 3, None).explore());
    assert!(one.states > 500);
    assert_eq!(one, other);
}

// R79
#[test]
fn canary_two_winners_is_caught() {
    fault_of(Canary::TwoWinners, TIGHT, DEPTH);
}

// R55
#[test]
fn canary_deadline_one_early_is_caught() {
    fault_of(Canary::DeadlineOneEarly, TIGHT, DEPTH);
}

// R80
#[test]
fn canary_bundle_member_lost_is_caught() {
    fault_of(Canary::BundleMemberLost, TIGHT, DEPTH);
}

// R14, R34
#[test]
fn canary_duplicate_after_window_is_caught() {
    fault_of(Canary::DuplicateAfterWindow, TIGHT, DEPTH);
}

// R31, R66
#[test]
fn canary_room_ignores_commit_is_caught() {
    fault_of(Canary::RoomIgnoresCommit, TIGHT, DEPTH);
}

// R20: the old record still in memory, its id in a new one.
#[test]
fn canary_reused_id_stays_is_caught() {
    fault_of(Canary::ReusedIdStays, ROOMY, DEPTH);
}

// R57: two holds, the earlier one extended to the other's deadline, and a crash.
#[test]
fn canary_expiry_order_forgotten_is_caught() {
    fault_of(Canary::ExpiryOrderForgotten, TIGHT, 5);
}
