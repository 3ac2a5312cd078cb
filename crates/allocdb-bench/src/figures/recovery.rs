//! recovery: how long opening takes.
//!
//! A log of reserves, confirms and releases in batches is left as `kill -9` leaves it, and opened
//! again: scanned, judged, replayed, ready for the next command. Then a database of many resources
//! takes a checkpoint, is closed and opened from its snapshot. A log that was written
//! directly is not in the page cache: a first opening reads it from the disk.

use std::time::Instant;

use allocdb_node::report::StartKind;
use allocdb_node::{Options, SyncMode};
use clap::Args;

use super::database::{Client, Database, FILL_BATCH, OPERATIONS, free_resources, options};
use super::sheet::Sample;
use super::{Common, Run, float, nanoseconds, number, per_second};
use crate::counts::Counts;
use crate::knobs::{BATCH_MAX, Refusal};
use crate::random::Random;
use crate::report::grouped;

/// The counts' names.
pub const NAMES: &[&str] = &[
    "records replayed",
    "last LSN after replay",
    "free resources after replay",
    "records replayed behind the snapshot",
    "openings from the snapshot alone",
    "resources in the snapshot",
    "reservations in the snapshot",
];

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// Commands in the log, rounded up to whole rounds of three batches: 1 to 100000000.
    #[arg(long, default_value_t = 3_000_000, value_parser = number(1, super::MANY_MAX))]
    pub commands: u64,
    /// Commands in a batch, and resources of that log: 1 to 8192.
    #[arg(long, default_value_t = 1_000, value_parser = number(1, BATCH_MAX))]
    pub batch: u64,
    /// Resources in the snapshot: 1 to 10000000.
    #[arg(long, default_value_t = 1_000_000, value_parser = number(1, 10_000_000))]
    pub resources: u64,
    /// Of a hundred resources in the snapshot, so many are reserved: 0 to 100.
    #[arg(long, default_value_t = 0, value_parser = number(0, 100))]
    pub reserved_percent: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    pub common: Common,
}

/// Batches of resources that take turns in the log.
const BATCH_COUNT: u64 = 100;

impl Knobs {
    const fn rounds(&self) -> u64 {
        self.commands.div_ceil(3 * self.batch)
    }

    const fn log_resources(&self) -> u64 {
        self.batch * BATCH_COUNT
    }

    const fn reserved(&self) -> u64 {
        self.resources * self.reserved_percent / 100
    }

    fn log_options(&self) -> Options {
        let resources = self.log_resources();
        Options {
            // As synced commits leave it: what is proved durable is not written again.
            sync: SyncMode::Full,
            ..options(&self.common, resources, OPERATIONS, OPERATIONS)
        }
    }

    fn snapshot_options(&self) -> Options {
        Options {
            sync: SyncMode::Os,
            ..options(&self.common, self.resources, self.resources, OPERATIONS)
        }
    }

    /// See [`super::Figure::database_bytes`].
    pub(super) fn database_bytes(&self) -> Result<u64, Refusal> {
        let log = self.log_options().memory_bound()?;
        Ok(log.max(self.snapshot_options().memory_bound()?))
    }
}

/// What each run must count.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let mut counts = Counts::new(NAMES);
    let commands = knobs.log_resources() + 3 * knobs.batch * knobs.rounds();
    counts.add("records replayed", commands);
    counts.add("last LSN after replay", commands);
    counts.add("free resources after replay", knobs.log_resources());
    counts.add("openings from the snapshot alone", 1);
    counts.add("resources in the snapshot", knobs.resources);
    counts.add("reservations in the snapshot", knobs.reserved());
    counts
}

/// All runs: each opens the same two databases.
pub(super) fn play(knobs: &Knobs) -> Result<Vec<Run>, String> {
    let mut log = Database::create(&knobs.common, &knobs.log_options())?;
    write_log(knobs, &log)?;
    log.leave();
    let mut snapshot = Database::create(&knobs.common, &knobs.snapshot_options())?;
    let snapshot_bytes = write_snapshot(knobs, &snapshot)?;
    snapshot.close()?;
    let runs = (0..knobs.common.runs).map(|_| {
        let mut run = Run {
            samples: Vec::new(),
            counts: Counts::new(NAMES),
        };
        replay(knobs, &mut log, &mut run)?;
        open_snapshot(knobs, &mut snapshot, snapshot_bytes, &mut run)?;
        Ok(run)
    });
    runs.collect()
}

fn write_log(knobs: &Knobs, database: &Database) -> Result<(), String> {
    let random = Random::of(knobs.common.seed, 0);
    let mut client = Client::new(database.engine(), random, knobs.batch);
    client.create(knobs.log_resources())?;
    for round in 0..knobs.rounds() {
        let first = 1 + round % BATCH_COUNT * knobs.batch;
        let held = client.hold(first, first + knobs.batch - 1)?;
        client.confirm(&held)?;
        client.release(&held)?;
    }
    Ok(())
}

/// The bytes of the snapshot.
fn write_snapshot(knobs: &Knobs, database: &Database) -> Result<u64, String> {
    let random = Random::of(knobs.common.seed, 1);
    let mut client = Client::new(database.engine(), random, FILL_BATCH);
    client.create(knobs.resources)?;
    client.reserve(1..=knobs.reserved())?;
    let report = database.engine().checkpoint();
    let report = report.map_err(|error| error.to_string())?;
    Ok(report.snapshot_bytes)
}

fn replay(knobs: &Knobs, database: &mut Database, run: &mut Run) -> Result<(), String> {
    let begun = Instant::now();
    database.open(&knobs.log_options())?;
    let ns = nanoseconds(begun);
    let engine = database.engine();
    let report = *engine.recovery_report();
    let counts = &mut run.counts;
    counts.add("records replayed", report.records_replayed);
    counts.add("last LSN after replay", report.last_lsn.0);
    let free = free_resources(engine, 1..=knobs.log_resources())?;
    counts.add("free resources after replay", free);
    let row = format!("replayed from a log in batches of {}", grouped(knobs.batch));
    let detail = [
        ("frames", report.frames_replayed),
        ("open, ns", ns),
        ("ns a command", ns / report.records_replayed.max(1)),
    ];
    let rate = per_second(report.records_replayed, ns);
    run.samples
        .push(Sample::new(row, rate, "commands/s").with(&detail));
    database.leave();
    Ok(())
}

fn open_snapshot(
    knobs: &Knobs,
    database: &mut Database,
    snapshot_bytes: u64,
    run: &mut Run,
) -> Result<(), String> {
    let begun = Instant::now();
    database.open(&knobs.snapshot_options())?;
    let ns = nanoseconds(begun);
    let engine = database.engine();
    let (report, health) = (*engine.recovery_report(), engine.health(None));
    let counts = &mut run.counts;
    counts.add(
        "records replayed behind the snapshot",
        report.records_replayed,
    );
    let is_alone = report.kind == StartKind::SnapshotOnly;
    counts.add("openings from the snapshot alone", is_alone.into());
    counts.add("resources in the snapshot", health.resources.used);
    counts.add("reservations in the snapshot", health.reservations.used);
    let row = format!(
        "open a snapshot of {} resources, {} reserved",
        grouped(knobs.resources),
        grouped(knobs.reserved())
    );
    let sample = Sample::new(row, float(ns) / 1e6, "ms");
    run.samples
        .push(sample.with(&[("snapshot bytes", snapshot_bytes)]));
    database.close()
}
