//! log-bytes: what a command takes in the log.
//!
//! Batches of reserves, then of confirms, then of releases are committed, and after each kind the
//! file itself is looked at. It is longer than what it holds, since it grows ahead; but no sector
//! of a frame is all zero, so the last one that is not ends the last frame. The engine's own figure
//! of the log must say the same.

use std::fs;

use allocdb_core::log::SECTOR_BYTES;
use allocdb_node::{Options, SyncMode};
use clap::Args;

use super::database::{Client, Database, FILL_BATCH, OPERATIONS, options};
use super::sheet::Sample;
use super::{Common, Run, float, number};
use crate::counts::Counts;
use crate::knobs::{BATCH_MAX, Refusal};
use crate::random::Random;
use crate::report::grouped;

/// The counts' names.
pub const NAMES: &[&str] = &[
    "reserved",
    "confirmed",
    "released",
    "bytes that the engine counts otherwise",
];

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// Commands in a batch, one figure each: 1 to 8192.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000],
          value_parser = number(1, BATCH_MAX))]
    pub batches: Vec<u64>,
    /// Batches of each kind: 1 to 10000.
    #[arg(long, default_value_t = 100, value_parser = number(1, 10_000))]
    pub count: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    pub common: Common,
}

impl Knobs {
    fn options(&self, batch: u64) -> Options {
        let all = batch * self.count;
        Options {
            sync: SyncMode::Full,
            ..options(&self.common, all, all + OPERATIONS, OPERATIONS)
        }
    }

    /// See [`super::Figure::database_bytes`].
    pub(super) fn database_bytes(&self) -> Result<u64, Refusal> {
        let greatest = self.batches.iter().copied().max().unwrap_or(1);
        Ok(self.options(greatest).memory_bound()?)
    }
}

/// What each run must count.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let mut counts = Counts::new(NAMES);
    for batch in &knobs.batches {
        for name in ["reserved", "confirmed", "released"] {
            counts.add(name, batch * knobs.count);
        }
    }
    counts
}

/// All runs.
pub(super) fn play(knobs: &Knobs) -> Result<Vec<Run>, String> {
    let runs = (0..knobs.common.runs).map(|_| {
        let mut run = Run {
            samples: Vec::new(),
            counts: Counts::new(NAMES),
        };
        for &batch in &knobs.batches {
            run_one(knobs, batch, &mut run)?;
        }
        Ok(run)
    });
    runs.collect()
}

fn run_one(knobs: &Knobs, batch: u64, run: &mut Run) -> Result<(), String> {
    let mut database = Database::create(&knobs.common, &knobs.options(batch))?;
    let all = batch * knobs.count;
    Client::new(
        database.engine(),
        Random::of(knobs.common.seed, 0),
        FILL_BATCH,
    )
    .create(all)?;
    let mut client = Client::new(database.engine(), Random::of(knobs.common.seed, 1), batch);
    let mut before = log_bytes(&database, run)?;
    let mut held = Vec::new();
    for (name, kind) in [
        ("reserved", Kind::Reserve),
        ("confirmed", Kind::Confirm),
        ("released", Kind::Release),
    ] {
        let done = match kind {
            Kind::Reserve => {
                held = client.hold(1, all)?;
                held.len() as u64
            }
            Kind::Confirm => client.confirm(&held)?,
            Kind::Release => client.release(&held)?,
        };
        run.counts.add(name, done);
        let after = log_bytes(&database, run)?;
        let each = float(after - before) / float(all);
        let row = format!("log bytes a command {name}, batches of {}", grouped(batch));
        run.samples.push(Sample::new(row, each, "bytes"));
        before = after;
    }
    database.close()
}

/// The kinds of commands that are looked at.
enum Kind {
    Reserve,
    Confirm,
    Release,
}

/// Bytes of the file up to the end of the last sector that is not all zero.
fn log_bytes(database: &Database, run: &mut Run) -> Result<u64, String> {
    let path = database.path().join("wal.adb");
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut sectors = bytes.chunks(SECTOR_BYTES);
    let last = sectors.rposition(|sector| sector.iter().any(|&byte| byte != 0));
    let in_file = last.map_or(0, |last| (last + 1) as u64 * SECTOR_BYTES as u64);
    let told = database.engine().health(None).log_bytes;
    let otherwise = in_file.abs_diff(told);
    let name = "bytes that the engine counts otherwise";
    run.counts.add(name, otherwise);
    Ok(in_file)
}
