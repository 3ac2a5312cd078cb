//! The deterministic simulator: the real engine on a disk that fails, as one seeded schedule.
//!
//! Many clients' submissions, slots, ticks, checkpoints, backups, readers, power cuts, deaths,
//! failed syncs, full disks, growths and retries happen one after the other on one thread, in the
//! order that a seed draws. The engine is the product's own, over `allocdb_node`'s storage trait;
//! several callers meet in the real queue through a seam that lets one thread play them all. After
//! every answer and every restart the plain model says whether it was right:
//!
//! - what was acknowledged is there exactly once; what was not is whole or absent, and sending it
//!   again settles which;
//! - under `sync = os` a death loses nothing, and a power cut nothing but a suffix;
//! - a resource never has two winners, a hold never ends early and is never forgotten;
//! - the recovery report adds up; listings keep their order; no digest changes;
//! - a reader shows only what no crash can take back.
//!
//! A run is a row of lives ([`schedule`]), each a seed of its own, so that any one is repeated and
//! shrunk without those before it. Time does not leap: slots are seconds, and in each slot that a
//! host waits through it asks for a tick; one life in [`schedule::YEAR_EVERY`] lasts a whole year.
//! Rejected: one endless life, which no failure could be cut out of.

mod commit;
mod compare;
mod copying;
mod judge;
pub mod life;
mod opening;
pub mod schedule;
mod session;
pub mod shrink;
pub mod tally;

use core::fmt::Write as _;
use std::time::Duration;

use crate::layer::Run;
use life::{Failure, live};
use schedule::{Schedule, YEAR_SLOTS};
use tally::Tally;

/// Commands from which on a run must have tried everything.
const COMMANDS_ENOUGH: u64 = 1_000_000;
/// Events told around a failure.
const EVENTS_TOLD: usize = 40;
/// Findings after which a run stops.
const FINDINGS_MAX: usize = 5;

/// The harness: units are commands.
pub fn run(run: &mut Run) {
    let mut tally = Tally::default();
    let mut seed = run.seed() * 1_000_000;
    while !run.is_over() && run.findings().len() < FINDINGS_MAX {
        let lived = live(&Schedule::draw(seed), false);
        if let Some(failure) = lived.failure {
            run.find(told(seed, &failure));
        }
        tally.add(&lived.tally);
        run.advance(lived.tally.commands);
        seed += 1;
    }
    tally.tell(run);
    run.figure("years", tally.slots / YEAR_SLOTS);
    for name in tally.missing() {
        if run.goal() >= COMMANDS_ENOUGH && run.done() >= run.goal() {
            run.find(format!("never tried: {name}"));
        }
    }
}

fn told(seed: u64, failure: &Failure) -> String {
    let Failure { step, text } = failure;
    format!("`simulate --seed {seed}` at step {step}: {text}")
}

/// The story of a failure: the shortest schedule that fails, and what happened in it last.
#[must_use]
pub fn story(schedule: &Schedule, time: Duration) -> String {
    let short = shrink::shrink(schedule, time);
    let lived = live(&short, true);
    let mut text = String::new();
    let bounds = &short.shape.bounds;
    let _ = writeln!(text, "{bounds:?}\n{} steps:", short.steps.len());
    for (index, step) in short.steps.iter().enumerate() {
        let _ = writeln!(text, "{index:4} {:?} {:#018x}", step.kind, step.seed);
    }
    let skipped = lived.trace.len().saturating_sub(EVENTS_TOLD);
    let _ = writeln!(text, "{} events, the last of them:", lived.trace.len());
    for line in &lived.trace[skipped..] {
        let _ = writeln!(text, "{line}");
    }
    match lived.failure {
        Some(failure) => {
            let _ = writeln!(text, "at step {}: {}", failure.step, failure.text);
        }
        None => text.push_str("it does not fail\n"),
    }
    text
}

#[cfg(test)]
mod tests;
