//! apply: the core alone.
//!
//! For each number of resources a state in its steady [`cycle`](super::cycle); a run is a number of
//! turns, and the figure is the nanoseconds of a command, of whatever kind. All that is around the
//! core is left out: acceptance, encoding, decoding, the log, threads.

use clap::Args;

use super::cycle::{Cycle, Shape};
use super::sheet::{Place, Sample};
use super::{Common, MANY_MAX, Run, float, narrow, number};
use crate::counts::Counts;
use crate::knobs::{BATCH_MAX, Refusal};
use crate::report::grouped;
use allocdb_core::State;

/// The counts' names.
pub const NAMES: &[&str] = &[
    "reserved",
    "confirmed",
    "released",
    "log positions",
    "operations remembered",
    "reservations live and remembered",
    "records past and not taken back",
];

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// Numbers of resources, one figure each: 2 to 100000000.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000, 10_000_000],
          value_parser = number(2, MANY_MAX))]
    pub resources: Vec<u64>,
    /// Commands in a batch: 1 to 8192, at most half of the resources.
    #[arg(long, default_value_t = 1_000, value_parser = number(1, BATCH_MAX))]
    pub batch: u64,
    /// Of a hundred resources, so many are held at a time: 0 to 50.
    #[arg(long, default_value_t = 10, value_parser = number(0, 50))]
    pub held_percent: u64,
    /// Operations remembered for each hundred resources: 1 to 1000.
    #[arg(long, default_value_t = 100, value_parser = number(1, 1_000))]
    pub remembered_percent: u64,
    /// Commands in a run, rounded up to whole turns: 1 to 100000000.
    #[arg(long, default_value_t = 3_000_000, value_parser = number(1, MANY_MAX))]
    pub commands: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    pub common: Common,
}

impl Knobs {
    fn shape(&self, resources: u64) -> Shape {
        let batch = self.batch;
        Shape {
            resources,
            batch,
            // The batch that is being reserved is not free either.
            held_turns: (resources * self.held_percent / 100 / batch)
                .clamp(1, (resources / batch).max(2) - 1),
            window_slots: (resources * self.remembered_percent / 100 / (3 * batch)).max(1),
        }
    }

    const fn turns(&self) -> u64 {
        self.commands.div_ceil(3 * self.batch)
    }

    /// See [`super::Figure::database_bytes`].
    pub(super) fn database_bytes(&self) -> Result<u64, Refusal> {
        let mut greatest = 0;
        for &resources in &self.resources {
            if 2 * self.batch > resources {
                return Err(Refusal {
                    knob: "--batch",
                    value: self.batch,
                    least: 1,
                    greatest: resources / 2,
                    why: "half of the resources",
                });
            }
            let config = self.shape(resources).config(self.common.seed);
            config.validate()?;
            greatest = greatest.max(State::memory_bytes(&config));
        }
        Ok(greatest)
    }
}

/// What each run must count, over all numbers of resources.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let mut counts = Counts::new(NAMES);
    let of_a_kind = knobs.turns() * knobs.batch;
    for &resources in &knobs.resources {
        let shape = knobs.shape(resources);
        for name in ["reserved", "confirmed", "released"] {
            counts.add(name, of_a_kind);
        }
        counts.add("log positions", 3 * of_a_kind);
        counts.add("operations remembered", shape.remembered_operations());
        counts.add(
            "reservations live and remembered",
            shape.known_reservations(),
        );
        counts.detail(&[resources, shape.known_reservations()]);
    }
    counts
}

/// All runs: one state for each number of resources, which goes on from run to run.
pub(super) fn play(knobs: &Knobs) -> Result<Vec<Run>, String> {
    let fresh = || Run {
        samples: Vec::new(),
        counts: Counts::new(NAMES),
    };
    let mut runs: Vec<_> = (0..knobs.common.runs).map(|_| fresh()).collect();
    for &resources in &knobs.resources {
        let mut cycle = Cycle::new(knobs.shape(resources), knobs.common.seed)?;
        for run in &mut runs {
            run_one(knobs, resources, &mut cycle, run)?;
        }
    }
    Ok(runs)
}

fn run_one(knobs: &Knobs, resources: u64, cycle: &mut Cycle, run: &mut Run) -> Result<(), String> {
    let lsn_before = cycle.state().last_lsn().0;
    let taken = cycle.turn(knobs.turns())?;
    let commands: u64 = taken.done.iter().sum();
    let ns = float(taken.ns.iter().sum()) / float(commands.max(1));
    let [reserve, confirm, release] =
        [0, 1, 2].map(|kind| taken.ns[kind] / taken.done[kind].max(1));
    let row = format!("apply, {} resources", grouped(resources));
    let place = Place {
        plot: "cost of a command in the core by resources",
        x: float(resources),
        x_label: "resources",
        y_label: "ns a command",
    };
    let detail = [
        ("reserve, ns", reserve),
        ("confirm, ns", confirm),
        ("release, ns", release),
    ];
    let sample = Sample::new(row, ns, "ns").with(&detail).at(place);
    run.samples.push(sample);

    let state = cycle.state();
    let usage = state.usage(state.last_slot());
    let (operations, reservations) = (usage.operations, usage.reservations);
    let counts = &mut run.counts;
    for (name, done) in ["reserved", "confirmed", "released"].iter().zip(taken.done) {
        counts.add(name, done);
    }
    counts.add("log positions", state.last_lsn().0 - lsn_before);
    counts.add("operations remembered", operations.used.into());
    counts.add("reservations live and remembered", reservations.used.into());
    let past = operations.past + reservations.past;
    counts.add("records past and not taken back", past.into());
    counts.detail(&[u64::from(narrow(resources)), reservations.used.into()]);
    Ok(())
}
