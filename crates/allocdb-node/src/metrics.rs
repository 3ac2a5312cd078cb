//! The engine's figures as text, in the exposition format of Prometheus (version 0.0.4).
//!
//! One line a figure, behind a `# HELP` and a `# TYPE` line for each metric. Names and labels are
//! part of the interface: they are added to, never changed. A reader of the text needs nothing but
//! this table:
//!
//! | metric | what it is |
//! |---|---|
//! | [`GAUGES`], [`COUNTERS`] | one figure each; counters end in `_total` and count since open |
//! | [`SECONDS`] | durations, as seconds with nine digits behind the point |
//! | `allocdb_table_*{table="..."}` | [`TABLES`], for each of the three tables |
//! | `allocdb_commands_total{kind="..."}` | commands applied, by kind |
//! | `allocdb_results_total{result="..."}` | their results, by code |
//! | `allocdb_sync_seconds` | a histogram of write and sync times, its buckets cumulative |
//!
//! The text is formatted straight into the caller's bytes, and what no longer fits is only counted:
//! so one pass either writes the text or learns its size, and nothing is allocated. Rejected: a
//! crate for metrics, which would own a registry inside a host that may have one of its own.

use core::fmt::{self, Write};

use allocdb_core::ResultCode;
use allocdb_core::command::CommandKind;

use crate::health::{Health, SYNC_BUCKETS, TableHealth};

/// A metric that is one number: its name, what it says, and where it stands.
type Single = (&'static str, &'static str, fn(&Health) -> u64);

/// Figures that go up and down.
const GAUGES: [Single; 19] = [
    (
        "allocdb_accepting_writes",
        "1 if commands are accepted, else 0",
        |h| h.accepting_writes.into(),
    ),
    (
        "allocdb_halt_reason",
        "why the engine has halted: 0 it has not, 1 storage, 2 internal error, 3 asked for",
        |h| h.halt.map_or(0, |halt| halt.number()).into(),
    ),
    ("allocdb_queue_length", "submissions waiting", |h| {
        h.queue_len.into()
    }),
    ("allocdb_queue_capacity", "submissions that may wait", |h| {
        h.queue_capacity.into()
    }),
    ("allocdb_last_lsn", "last applied log position", |h| {
        h.last_lsn.0
    }),
    ("allocdb_last_slot", "last applied slot", |h| h.last_slot.0),
    (
        "allocdb_slot_lag",
        "slots by which the last applied one is behind now",
        |h| h.logical_slot_lag,
    ),
    (
        "allocdb_expiration_backlog",
        "reservations whose deadline has passed and that are not yet expired",
        |h| h.expiration_backlog,
    ),
    ("allocdb_log_bytes", "bytes of the log in use", |h| {
        h.log_bytes
    }),
    (
        "allocdb_log_bytes_since_checkpoint",
        "bytes by which the log has grown since the last checkpoint",
        |h| h.log_bytes_since_checkpoint,
    ),
    (
        "allocdb_snapshot_lsn",
        "log position of the newest snapshot",
        |h| h.snapshot_lsn.0,
    ),
    (
        "allocdb_records_per_commit_max",
        "most records in one commit",
        |h| h.records_per_commit_max,
    ),
    (
        "allocdb_start_kind",
        "what opening found: 0 nothing, 1 log, 2 snapshot, 3 both, 4 previous snapshot and log",
        |h| h.recovery.kind as u64,
    ),
    (
        "allocdb_recovery_snapshot_lsn",
        "snapshot that opening used",
        |h| h.recovery.snapshot_lsn.0,
    ),
    (
        "allocdb_recovery_frames",
        "commits that opening replayed",
        |h| h.recovery.frames_replayed,
    ),
    (
        "allocdb_recovery_records",
        "records that opening replayed",
        |h| h.recovery.records_replayed,
    ),
    (
        "allocdb_recovery_last_lsn",
        "log position after opening",
        |h| h.recovery.last_lsn.0,
    ),
    (
        "allocdb_recovery_torn_bytes",
        "bytes of an unfinished commit that opening cut",
        |h| h.recovery.torn_bytes,
    ),
    (
        "allocdb_recovery_rewritten_bytes",
        "bytes of commits that opening wrote again",
        |h| h.recovery.rewritten_bytes,
    ),
];

/// Durations that go up and down, in nanoseconds.
const SECONDS: [Single; 5] = [
    (
        "allocdb_checkpoint_duration_seconds",
        "time that the last checkpoint took",
        |h| h.checkpoint_ns_last,
    ),
    (
        "allocdb_checkpoint_stall_seconds",
        "longest time for which the last checkpoint held commits",
        |h| h.checkpoint_stall_ns_last,
    ),
    (
        "allocdb_checkpoint_stall_seconds_max",
        "longest time for which any checkpoint held commits",
        |h| h.checkpoint_stall_ns_max,
    ),
    (
        "allocdb_sync_seconds_max",
        "longest write and sync of a commit",
        |h| h.sync_ns_max,
    ),
    (
        "allocdb_recovery_duration_seconds",
        "time that opening took",
        |h| h.recovery.duration_ns,
    ),
];

/// Figures that only grow while the database is open.
const COUNTERS: [Single; 8] = [
    ("allocdb_checkpoints_total", "checkpoints completed", |h| {
        h.checkpoints
    }),
    (
        "allocdb_checkpoint_failures_total",
        "checkpoints given up",
        |h| h.checkpoint_failures,
    ),
    (
        "allocdb_retries_total",
        "commands answered from an earlier submission",
        |h| h.retries,
    ),
    ("allocdb_rejections_total", "commands rejected", |h| {
        h.rejections
    }),
    (
        "allocdb_overloads_total",
        "submissions refused because the queue was full",
        |h| h.overloads,
    ),
    (
        "allocdb_expirations_total",
        "reservations that time ended",
        |h| h.expirations,
    ),
    ("allocdb_commits_total", "commits written", |h| h.commits),
    ("allocdb_records_total", "records in them", |h| h.records),
];

/// A figure of each table: likewise.
type OfTable = (&'static str, &'static str, fn(&TableHealth) -> u64);

/// What each table shows.
const TABLES: [OfTable; 4] = [
    ("allocdb_table_used", "records in memory", |t| t.used),
    ("allocdb_table_capacity", "records that fit", |t| t.capacity),
    (
        "allocdb_table_retired",
        "records in memory that are logically gone",
        |t| t.retired,
    ),
    (
        "allocdb_table_probe_length_max",
        "longest way from a key's home that was seen",
        |t| t.probe_len_max.into(),
    ),
];

/// Writes the text to the front of `out` and returns its length; where it does not fit, the error
/// is the length that it has, and what `out` holds is of no use.
pub fn write(health: &Health, out: &mut [u8]) -> Result<usize, usize> {
    let mut text = Text { out, len: 0 };
    // Counting what does not fit, the writer never fails.
    let written = write_all(health, &mut text);
    assert!(written.is_ok(), "formatting numbers and names never fails");
    let len = text.len;
    if len <= text.out.len() {
        Ok(len)
    } else {
        Err(len)
    }
}

fn write_all(health: &Health, text: &mut Text<'_>) -> fmt::Result {
    for (name, help, figure) in GAUGES {
        head(text, name, help, "gauge")?;
        writeln!(text, "{name} {}", figure(health))?;
    }
    for (name, help, figure) in SECONDS {
        head(text, name, help, "gauge")?;
        writeln!(text, "{name} {}", Seconds(figure(health)))?;
    }
    for (name, help, figure) in COUNTERS {
        head(text, name, help, "counter")?;
        writeln!(text, "{name} {}", figure(health))?;
    }
    let tables = [
        ("resources", &health.resources),
        ("reservations", &health.reservations),
        ("operations", &health.operations),
    ];
    for (name, help, figure) in TABLES {
        head(text, name, help, "gauge")?;
        for (table, usage) in tables {
            writeln!(text, "{name}{{table=\"{table}\"}} {}", figure(usage))?;
        }
    }
    let name = "allocdb_commands_total";
    head(text, name, "commands applied, by kind", "counter")?;
    for kind in CommandKind::ALL {
        let count = health.commands_by_kind[kind as usize];
        writeln!(text, "{name}{{kind=\"{}\"}} {count}", kind.name())?;
    }
    let name = "allocdb_results_total";
    head(
        text,
        name,
        "results of commands applied, by code",
        "counter",
    )?;
    for code in ResultCode::ALL {
        let count = health.outcomes_by_code[code as usize];
        writeln!(text, "{name}{{result=\"{}\"}} {count}", code.name())?;
    }
    write_histogram(health, text)
}

/// Bucket i of the health figures counts times below 2^i µs that no earlier one counts; here a
/// bucket counts all times up to its bound.
fn write_histogram(health: &Health, text: &mut Text<'_>) -> fmt::Result {
    let name = "allocdb_sync_seconds";
    head(
        text,
        name,
        "time in write and sync of a commit",
        "histogram",
    )?;
    let mut count = 0;
    for (index, times) in health.sync_histogram.iter().enumerate() {
        count += times;
        if index + 1 < SYNC_BUCKETS {
            let bound = Seconds(1_000 << index);
            writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}")?;
        }
    }
    // The three agree by construction, as the format demands.
    writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}")?;
    writeln!(text, "{name}_sum {}", Seconds(health.sync_ns_sum))?;
    writeln!(text, "{name}_count {count}")
}

fn head(text: &mut Text<'_>, name: &str, help: &str, kind: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}")?;
    writeln!(text, "# TYPE {name} {kind}")
}

/// Nanoseconds, shown as seconds without a rounding.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// The caller's bytes, and how many the text has had so far, those that did not fit among them.
struct Text<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len + part.len();
        if let Some(place) = self.out.get_mut(self.len..end) {
            place.copy_from_slice(part.as_bytes());
        }
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
