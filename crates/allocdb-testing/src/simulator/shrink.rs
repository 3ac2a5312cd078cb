//! A failing schedule made short: steps are left out as long as it still fails.
//!
//! Delta debugging: pieces of a half, a quarter, … down to single steps are taken away in turn,
//! and what fails without them stays without them.

use std::time::{Duration, Instant};

use super::life::live;
use super::schedule::Schedule;

/// The shortest schedule found within the time; it fails as `schedule` does, if that does.
#[must_use]
pub fn shrink(schedule: &Schedule, time: Duration) -> Schedule {
    let begun = Instant::now();
    let fails = |candidate: &Schedule| live(candidate, false).failure;
    let mut best = schedule.clone();
    if let Some(failure) = fails(&best) {
        best.steps.truncate(failure.step + 1);
    }
    let mut piece = best.steps.len().div_ceil(2);
    while piece > 0 && begun.elapsed() < time {
        let mut start = 0;
        while start < best.steps.len() && begun.elapsed() < time {
            let end = (start + piece).min(best.steps.len());
            let mut candidate = best.clone();
            candidate.steps.drain(start..end);
            match fails(&candidate) {
                Some(failure) => {
                    candidate.steps.truncate(failure.step + 1);
                    best = candidate;
                }
                None => start = end,
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    best
}
