//! Layer `model`: random histories by the million commands, the core beside the model.
//!
//! Shape after shape is drawn from the run's seed and lived to its end by a [`crate::pair`]:
//! roomy, tight and tiny databases, at the beginning and at the end of time, judged beforehand or
//! applied unasked, restarted from their own snapshots, grown, and moved to the last positions
//! there are. A failure names the shape's seed and what is left of its history after shrinking. A
//! run that is long enough for everything fails if something never happened.

use std::fmt::Write as _;

use crate::history::{self, Failure};
use crate::layer::Run;
use crate::random::Rng;
use crate::tally::Tally;
use crate::workload::Shape;

/// The most commands of one history: long enough for every window to pass many times.
const HISTORY_LEN: u64 = 6_000;
/// Steps that a finding shows.
const STEPS_SHOWN: usize = 40;

/// Runs the layer; its unit is an applied command.
pub fn run(run: &mut Run) {
    let mut rng = Rng::new(run.seed());
    let mut tally = Tally::default();
    let begun = std::time::Instant::now();
    while !run.is_over() && run.findings().is_empty() {
        let seed = rng.draw();
        let before = tally.commands;
        let shape = Shape::draw(seed, HISTORY_LEN);
        if let Err(failure) = history::live(&shape, None, &mut tally) {
            run.find(describe(seed, &failure));
        }
        run.advance(tally.commands - before);
    }
    tally.tell(run);
    let seconds = begun.elapsed().as_secs().max(1);
    run.figure("commands_per_second", tally.commands / seconds);
    if run.findings().is_empty() {
        for missing in tally.missing() {
            run.find(format!("not tried enough: {missing}"));
        }
    }
}

/// The failure with the shape's seed, first as it was met, then as little as is left of it.
#[must_use]
pub fn describe(seed: u64, failure: &Failure) -> String {
    let mut text = format!(
        "history {seed}: {}\nshrunk to {} steps: {}",
        failure.what,
        failure.steps.len(),
        failure.shrunk
    );
    for step in failure.steps.iter().take(STEPS_SHOWN) {
        let _ = write!(text, "\n{step:?}");
    }
    text
}
