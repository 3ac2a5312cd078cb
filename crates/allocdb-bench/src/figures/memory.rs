//! memory: what a resource takes, everything included.
//!
//! An engine is opened with room for as many resources, as many reservations and twice as many
//! operations; then each resource is made and reserved, and both operations are remembered. What
//! the process has grown by in resident pages, divided by the resources, is the figure: tables,
//! indexes, queues, the wheel, buffers, the engine itself. Beside it stands the bound that was
//! announced before anything was allocated (R91), which resident memory must not pass.
//!
//! Each run is a process of its own: an allocator keeps what was given back, and the second
//! database of a process would seem smaller. One run needs none.

use std::process::Command;

use allocdb_core::Slot;
use allocdb_node::{Options, SyncMode};
use clap::Args;
use serde_json::Value;

use super::database::{Client, Database, LONG_TTL_SLOTS, options};
use super::sheet::Sample;
use super::{Common, Run, float, number};
use crate::counts::Counts;
use crate::knobs::Refusal;
use crate::random::Random;

/// The counts' names.
pub const NAMES: &[&str] = &[
    "resources",
    "live reservations",
    "operations remembered",
    "bytes beyond the announced bound",
];

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// Resources: 1 to 10000000.
    #[arg(long, default_value_t = 1_000_000, value_parser = number(1, 10_000_000))]
    pub resources: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    pub common: Common,
}

impl Knobs {
    fn options(&self) -> Options {
        let resources = self.resources;
        Options {
            sync: SyncMode::Os,
            operation_window_slots: LONG_TTL_SLOTS,
            max_expirations_per_tick: 1_024,
            // The buffers of the defaults: they are part of what a database takes.
            max_batch_bytes: 0,
            ..options(&self.common, resources, resources, 2 * resources)
        }
    }

    /// See [`super::Figure::database_bytes`].
    pub(super) fn database_bytes(&self) -> Result<u64, Refusal> {
        Ok(self.options().memory_bound()?)
    }
}

/// What each run must count.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let mut counts = Counts::new(NAMES);
    counts.add("resources", knobs.resources);
    counts.add("live reservations", knobs.resources);
    counts.add("operations remembered", 2 * knobs.resources);
    counts
}

/// All runs.
pub(super) fn play(knobs: &Knobs) -> Result<Vec<Run>, String> {
    if knobs.common.runs == 1 {
        return Ok(vec![run_here(knobs)?]);
    }
    let runs = (0..knobs.common.runs).map(|_| run_apart(knobs));
    runs.collect()
}

fn run_here(knobs: &Knobs) -> Result<Run, String> {
    let before = resident_bytes()?;
    let mut database = Database::create(&knobs.common, &knobs.options())?;
    let random = Random::of(knobs.common.seed, 0);
    // Small enough a submission that the harness's own memory does not count.
    let mut client = Client::new(database.engine(), random, BATCH);
    client.create(knobs.resources)?;
    client.reserve(1..=knobs.resources)?;
    let grown = resident_bytes()?.saturating_sub(before);
    let health = database.engine().health(Some(Slot(0)));
    let bound = knobs.options().memory_bound();
    let bound = bound.map_err(|error| error.to_string())?;
    let mut counts = Counts::new(NAMES);
    counts.add("resources", health.resources.used);
    counts.add("live reservations", health.reservations.used);
    counts.add("operations remembered", health.operations.used);
    let beyond = grown.saturating_sub(bound);
    counts.add("bytes beyond the announced bound", beyond);
    database.close()?;
    Ok(Run {
        samples: samples(knobs, grown, bound),
        counts,
    })
}

/// Commands in a submission.
const BATCH: u64 = 256;

fn samples(knobs: &Knobs, grown: u64, bound: u64) -> Vec<Sample> {
    let each = |bytes| float(bytes) / float(knobs.resources);
    let resident = Sample::new("resident bytes a resource", each(grown), "bytes");
    let announced = Sample::new("announced bytes a resource", each(bound), "bytes");
    vec![
        resident.with(&[(RESIDENT, grown)]),
        announced.with(&[(BOUND, bound)]),
    ]
}

const RESIDENT: &str = "resident, bytes";
const BOUND: &str = "announced bound, bytes";

/// The same in a process of its own: this program again.
fn run_apart(knobs: &Knobs) -> Result<Run, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let Common {
        seed,
        memory_mib,
        directory,
        ..
    } = &knobs.common;
    let mut command = Command::new(program);
    command.args(["memory", "--json", "--runs", "1"]);
    for (knob, value) in [
        ("--resources", &knobs.resources),
        ("--seed", seed),
        ("--memory-mib", memory_mib),
    ] {
        command.arg(knob).arg(value.to_string());
    }
    let output = command.arg("--directory").arg(directory).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().map(serde_json::from_str);
    let rows: Result<Vec<Value>, _> = rows.collect();
    let rows = rows.map_err(|error| format!("a run apart: {error}"))?;
    let [resident, announced] = &rows[..] else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("a run apart printed {} rows: {said}", rows.len()));
    };
    let number = |value: &Value| value.as_u64().ok_or("a run apart printed no number");
    let mut counts = Counts::new(NAMES);
    for name in NAMES {
        counts.add(name, number(&resident["detail"]["counts"][name])?);
    }
    let grown = number(&resident["detail"][RESIDENT])?;
    let bound = number(&announced["detail"][BOUND])?;
    Ok(Run {
        samples: samples(knobs, grown, bound),
        counts,
    })
}

/// Bytes of this process that are in memory.
fn resident_bytes() -> Result<u64, String> {
    let path = "/proc/self/statm";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    let pages: u64 = pages.ok_or_else(|| format!("{path}: {text}"))?;
    Ok(pages * PAGE_BYTES)
}

/// Of x86-64, and of aarch64 as it is usually set up.
const PAGE_BYTES: u64 = 4_096;
