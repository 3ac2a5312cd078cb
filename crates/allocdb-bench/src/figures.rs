//! Figures of AllocDB alone: what one part of it takes, by itself, on this machine.
//!
//! Each subject is a subcommand with knobs of its own. It is measured in several runs, and what is
//! shown of a figure is the median of the runs. As with the scenarios, a time is worth something
//! only where the work was really done: each subject says beforehand what it will count
//! ([`Figure::tally`]), counts it from the answers or from the files, and a count that differs is
//! printed as `WRONG` and ends the program with 1.
//!
//! | module | subject |
//! |---|---|
//! | [`apply`] | the core's `State::apply`, nothing around it |
//! | [`expiry`] | what is due ends; what is not due costs nothing |
//! | [`recovery`] | opening: a log replayed, a snapshot read |
//! | [`checkpoint`] | what commits wait for while a snapshot is written |
//! | [`reads`] | reads alone and beside commits |
//! | [`memory`] | resident bytes beside the announced bound |
//! | [`log_bytes`] | what a command takes in the log |
//! | [`sheet`] | what is printed |
//! | [`database`], [`cycle`] | databases and states to measure |
//!
//! Rejected: a framework of benchmarks. It would decide how often something is repeated, and most
//! of these can be done once a database only.

pub mod apply;
pub mod checkpoint;
pub mod cycle;
pub mod database;
pub mod expiry;
pub mod log_bytes;
pub mod memory;
pub mod reads;
pub mod recovery;
pub mod sheet;

use std::path::PathBuf;
use std::time::Instant;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};

use crate::Failure;
use crate::counts::{Counts, mismatches};
use crate::knobs::{MEMORY_MIB_MAX, RUNS_MAX, Refusal};
use sheet::{Sample, Sheet};

/// The most resources, reservations and commands.
pub const MANY_MAX: u64 = 100_000_000;

/// What every subject is told.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Common {
    /// Every choice follows from it: 0 to 2^64 - 1.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Runs whose medians are shown: 1 to 999.
    #[arg(long, default_value_t = 5, value_parser = number(1, RUNS_MAX))]
    pub runs: u64,
    /// MiB that a database may reserve: 1 to 1048576.
    #[arg(long, default_value_t = 16_384, value_parser = number(1, MEMORY_MIB_MAX))]
    pub memory_mib: u64,
    /// Where each database gets a directory of its own, which is then removed.
    #[arg(long, default_value = ".")]
    pub directory: PathBuf,
    /// Print one JSON object a line instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What is measured.
#[derive(Clone, PartialEq, Eq, Debug, Subcommand)]
pub enum Figure {
    /// Nanoseconds a command in the core alone: reserve, confirm, release, while old operations and
    /// reservations retire all the time.
    Apply(apply::Knobs),
    /// Due reservations ended in a second, and what a tick costs with nothing due.
    Expiry(expiry::Knobs),
    /// Commands replayed in a second, and the time to open a snapshot.
    Recovery(recovery::Knobs),
    /// What commits wait for while a checkpoint is taken, and how long it takes.
    Checkpoint(checkpoint::Knobs),
    /// Reads in a second, and their latency beside commits.
    Reads(reads::Knobs),
    /// Resident bytes a resource with one live reservation and two remembered operations.
    Memory(memory::Knobs),
    /// Bytes of the log a command, by kind.
    LogBytes(log_bytes::Knobs),
}

/// One run of a subject.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was measured, the same rows in the same order in every run.
    pub samples: Vec<Sample>,
    /// What was counted.
    pub counts: Counts,
}

impl Figure {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Expiry(_) => "expiry",
            Self::Recovery(_) => "recovery",
            Self::Checkpoint(_) => "checkpoint",
            Self::Reads(_) => "reads",
            Self::Memory(_) => "memory",
            Self::LogBytes(_) => "log-bytes",
        }
    }

    /// What every subject is told.
    #[must_use]
    pub const fn common(&self) -> &Common {
        match self {
            Self::Apply(knobs) => &knobs.common,
            Self::Expiry(knobs) => &knobs.common,
            Self::Recovery(knobs) => &knobs.common,
            Self::Checkpoint(knobs) => &knobs.common,
            Self::Reads(knobs) => &knobs.common,
            Self::Memory(knobs) => &knobs.common,
            Self::LogBytes(knobs) => &knobs.common,
        }
    }

    /// Checks the knobs against each other: bytes that the largest database will reserve, or the
    /// first knob that is refused.
    pub fn database_bytes(&self) -> Result<u64, Refusal> {
        match self {
            Self::Apply(knobs) => knobs.database_bytes(),
            Self::Expiry(knobs) => knobs.database_bytes(),
            Self::Recovery(knobs) => knobs.database_bytes(),
            Self::Checkpoint(knobs) => knobs.database_bytes(),
            Self::Reads(knobs) => knobs.database_bytes(),
            Self::Memory(knobs) => knobs.database_bytes(),
            Self::LogBytes(knobs) => knobs.database_bytes(),
        }
    }

    /// What each run must count, from the knobs alone.
    #[must_use]
    pub fn tally(&self) -> Counts {
        match self {
            Self::Apply(knobs) => apply::tally(knobs),
            Self::Expiry(knobs) => expiry::tally(knobs),
            Self::Recovery(knobs) => recovery::tally(knobs),
            Self::Checkpoint(knobs) => checkpoint::tally(knobs),
            Self::Reads(knobs) => reads::tally(knobs),
            Self::Memory(knobs) => memory::tally(knobs),
            Self::LogBytes(knobs) => log_bytes::tally(knobs),
        }
    }

    fn play(&self) -> Result<Vec<Run>, String> {
        match self {
            Self::Apply(knobs) => apply::play(knobs),
            Self::Expiry(knobs) => expiry::play(knobs),
            Self::Recovery(knobs) => recovery::play(knobs),
            Self::Checkpoint(knobs) => checkpoint::play(knobs),
            Self::Reads(knobs) => reads::play(knobs),
            Self::Memory(knobs) => memory::play(knobs),
            Self::LogBytes(knobs) => log_bytes::play(knobs),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        let (needed, allowed) = (self.database_bytes()?, self.common().memory_mib << 20);
        if needed <= allowed {
            return Ok(());
        }
        Err(Refusal {
            knob: "--memory-mib",
            value: self.common().memory_mib,
            least: needed.div_ceil(1 << 20),
            greatest: MEMORY_MIB_MAX,
            why: "the memory that these knobs need",
        })
    }
}

/// Measures a subject in all its runs, and compares each with what must be counted.
pub fn measure(figure: &Figure) -> Result<Sheet, Failure> {
    measure_against(figure, &figure.tally())
}

/// The same, against counts that are given.
pub fn measure_against(figure: &Figure, expected: &Counts) -> Result<Sheet, Failure> {
    figure.check().map_err(Failure::Refused)?;
    let runs = figure.play();
    let runs = runs.map_err(|why| Failure::Stopped(format!("{}: {why}", figure.name())))?;
    let counts = runs.first().expect("at least one run").counts.clone();
    let found = runs
        .iter()
        .flat_map(|run| mismatches(expected, &run.counts));
    let mismatches = found.collect();
    let samples = runs.into_iter().map(|run| run.samples).collect::<Vec<_>>();
    Ok(Sheet::new(figure.name(), counts, mismatches, &samples))
}

/// A parser of whole numbers within bounds.
fn number(least: u64, greatest: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(least..=greatest)
}

/// Nanoseconds since `begun`, at least 1, so that it can be divided by.
fn nanoseconds(begun: Instant) -> u64 {
    let nanoseconds = u64::try_from(begun.elapsed().as_nanos());
    nanoseconds.expect("less than 584 years").max(1)
}

/// A number below 2^53, or the nearest that there is.
#[allow(
    clippy::cast_precision_loss,
    reason = "figures are shown to a few digits"
)]
const fn float(value: u64) -> f64 {
    value as f64
}

/// So many in so many nanoseconds, as a rate a second.
fn per_second(count: u64, nanoseconds: u64) -> f64 {
    float(count) * 1e9 / float(nanoseconds)
}

/// A capacity whose bound is the engine's to check.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A count of what lies in memory.
fn index(count: u64) -> usize {
    usize::try_from(count).expect("what is in memory is counted by a usize")
}
