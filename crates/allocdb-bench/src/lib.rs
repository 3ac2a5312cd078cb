//! The deterministic benchmark harness: hot spots and retries, through the real engine and the real
//! disk.
//!
//! A benchmark that measures the wrong thing fast is worse than none. So each scenario is drawn
//! from a seed, played by as many threads as asked, and counted twice: from the engine's answers,
//! and from the plan alone by an independent tally. The times are worth something only where both
//! agree, and the program fails where they do not.
//!
//! | module | subject |
//! |---|---|
//! | [`program`], [`knobs`] | the command line, its bounds, the memory |
//! | [`hot_spot`], [`retry_window`] | the scenarios: plan, tally, play |
//! | [`order`], [`crew`] | commands by value; the threads that submit them |
//! | [`counts`], [`report`] | what is compared, what is printed |
//! | [`random`] | numbers that never change |
//! | [`instructions`] | fixed work whose instructions are counted |
//! | [`figures`] | what single parts take: the core, expiry, recovery, checkpoints, reads, bytes |
//!
//! What a seed decides: every count and the detail digest, whatever the batch, the threads, the
//! sync and the machine; with one thread also the digest of the state, whatever the batch, since
//! commits follow the plan's order. With more threads the engine decides who comes first, so the
//! state's digest differs from run to run and is not shown. Times are decided by the machine.

pub mod counts;
pub mod crew;
pub mod figures;
pub mod hot_spot;
pub mod instructions;
pub mod knobs;
pub mod order;
pub mod program;
pub mod random;
pub mod report;
pub mod retry_window;

use allocdb_core::Slot;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{Diagnostics, Engine, Level};
use tempfile::TempDir;

use counts::{Counts, Mismatch, digest_text, mismatches};
use crew::Crew;
use knobs::{Knobs, Refusal, Scenario, Setup};
use report::{Report, Times};

/// Why there is no report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// A knob is refused; nothing was done.
    Refused(Refusal),
    /// A run ended early: an answer that must not be, or a disk that failed.
    Stopped(String),
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Stopped(why) => f.write_str(why),
        }
    }
}

/// What must come out of a scenario, from the knobs alone.
#[must_use]
pub fn tally(scenario: Scenario, knobs: &Knobs, setup: &Setup) -> Counts {
    match scenario {
        Scenario::HotSpot => hot_spot::tally(knobs),
        Scenario::RetryWindow => retry_window::tally(knobs, setup.options.max_operations.into()),
    }
}

/// Checks the knobs of all scenarios, then plays one after the other.
pub fn run(knobs: &Knobs) -> Result<Vec<Report>, Failure> {
    let setups = knobs.scenarios().iter().map(|&scenario| {
        let setup = knobs.setup(scenario).map_err(Failure::Refused)?;
        Ok((scenario, setup))
    });
    let setups: Vec<_> = setups.collect::<Result<_, Failure>>()?;
    let reports = setups.iter().map(|(scenario, setup)| {
        let expected = tally(*scenario, knobs, setup);
        run_against(*scenario, knobs, setup, &expected)
    });
    reports.collect()
}

/// Plays a scenario in all its runs, and compares each with what is expected.
pub fn run_against(
    scenario: Scenario,
    knobs: &Knobs,
    setup: &Setup,
    expected: &Counts,
) -> Result<Report, Failure> {
    let (mut found, mut times, mut first) = (Vec::new(), Vec::new(), None);
    for number in 1..=knobs.runs {
        let said = |why| Failure::Stopped(format!("{}, run {number}: {why}", scenario.name()));
        let run = play(scenario, knobs, setup).map_err(said)?;
        found.extend(mismatches(expected, &run.counts));
        times.push(run.times);
        let (_, digest) = first.get_or_insert((run.counts, run.digest.clone()));
        if knobs.threads == 1 && *digest != run.digest {
            found.push(Mismatch {
                name: format!("state digest of run {number}"),
                expected: digest.clone(),
                counted: run.digest,
            });
        }
    }
    let (counts, digest) = first.expect("at least one run");
    Ok(Report {
        scenario,
        knobs: knobs.clone(),
        setup: *setup,
        counts,
        state_digest: (knobs.threads == 1).then_some(digest),
        mismatches: found,
        times: Times::median(&times),
    })
}

/// One run.
struct Run {
    counts: Counts,
    digest: String,
    times: Times,
}

/// One run, on a new database in a directory of its own.
fn play(scenario: Scenario, knobs: &Knobs, setup: &Setup) -> Result<Run, String> {
    let directory = TempDir::with_prefix_in("allocdb-bench-", &knobs.directory)
        .map_err(|error| format!("--directory {}: {error}", knobs.directory.display()))?;
    let options = DirectoryOptions {
        create: true,
        ..DirectoryOptions::default()
    };
    let storage = FileStorage::open(&directory.path().join("database"), options);
    let storage = storage.map_err(|error| error.to_string())?;
    let diagnostics = Diagnostics::new(Level::Warning, 4_096, None);
    let engine = Engine::open(storage, &setup.options, diagnostics);
    let engine = engine.map_err(|error| error.to_string())?;
    let (threads, batch) = (narrow(knobs.threads), narrow(knobs.batch));
    let (counts, taken) = std::thread::scope(|scope| {
        let mut crew = Crew::new(scope, &engine, threads, batch);
        let counts = match scenario {
            Scenario::HotSpot => hot_spot::drive(knobs, &mut crew),
            Scenario::RetryWindow => {
                let max_operations = setup.options.max_operations.into();
                retry_window::drive(knobs, max_operations, &mut crew)
            }
        };
        let taken = crew.finish();
        counts.map(|counts| (counts, taken))
    })?;
    let digest = engine.digest().map_err(|error| error.to_string())?;
    let health = engine.health(Some(Slot(0)));
    engine.close().map_err(|error| error.to_string())?;
    Ok(Run {
        counts,
        digest: digest_text(digest),
        times: Times::of(taken, health.commits, health.checkpoints),
    })
}

/// A knob whose bound is far below.
fn narrow(value: u64) -> usize {
    usize::try_from(value).expect("bounded")
}
