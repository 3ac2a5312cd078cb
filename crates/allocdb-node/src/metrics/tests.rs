//! The text, read back by a parser as strict as the format: every line, every figure.

use std::collections::BTreeMap;

use allocdb_core::{Lsn, Slot};

use super::write;
use crate::halt::HaltReason;
use crate::health::{CODE_COUNTERS, Health, KIND_COUNTERS, SYNC_BUCKETS, TableHealth};
use crate::report::{RecoveryReport, StartKind};

/// The text of some figures.
pub(crate) fn text_of(health: &Health) -> String {
    let needed = write(health, &mut []).expect_err("nothing fits into nothing");
    let mut out = vec![0; needed];
    assert_eq!(write(health, &mut out), Ok(needed));
    String::from_utf8(out).expect("the text is ASCII")
}

/// A metric: its kind, and its samples by their name with labels, in order.
type Metrics = BTreeMap<String, (String, Vec<(String, f64)>)>;

fn is_name(name: &str) -> bool {
    name.starts_with("allocdb_")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Reads the format: for each metric one HELP, one TYPE and then its samples, without a blank line.
pub(crate) fn parse(text: &str) -> Metrics {
    assert!(text.ends_with('\n') && text.is_ascii());
    let mut metrics = Metrics::new();
    let mut open: Option<String> = None;
    let mut helped: Option<&str> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a text");
            assert!(is_name(name) && !help.is_empty(), "{line}");
            assert!(helped.replace(name).is_none(), "two HELP lines: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a kind");
            assert_eq!(helped.take(), Some(name), "TYPE follows its HELP: {line}");
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            let new = metrics.insert(name.to_string(), (kind.to_string(), Vec::new()));
            assert!(new.is_none(), "a metric stands in one place: {line}");
            open = Some(name.to_string());
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a sample and its value");
            let (sample, labels) = key.split_once('{').map_or((key, ""), |(name, labels)| {
                (name, labels.strip_suffix('}').expect("labels are closed"))
            });
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (name, quoted) = label.split_once('=').expect("a label has a value");
                assert!(is_name(&format!("allocdb_{name}")), "{line}");
                assert!(quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"'));
            }
            let metric = open.as_deref().expect("a sample follows its TYPE");
            let (kind, samples) = metrics.get_mut(metric).expect("just opened");
            let suffix = sample.strip_prefix(metric).expect("of this metric");
            let suffixes: &[&str] = if kind == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(
                samples.iter().all(|(other, _)| other != key),
                "twice: {line}"
            );
            samples.push((key.to_string(), value.parse().expect("a number")));
        }
    }
    assert!(metrics.values().all(|(_, samples)| !samples.is_empty()));
    metrics
}

/// Takes the samples of a metric out, as whole numbers after multiplication.
fn take(metrics: &mut Metrics, name: &str, scale: f64) -> Vec<(String, u64)> {
    let (_, samples) = metrics.remove(name).unwrap_or_else(|| panic!("{name}"));
    let whole = |value: f64| {
        let scaled = (value * scale).round();
        assert!((0.0..9e15).contains(&scaled));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked in the line above"
        )]
        let whole = scaled as u64;
        whole
    };
    samples
        .into_iter()
        .map(|(key, value)| (key, whole(value)))
        .collect()
}

fn take_single(metrics: &mut Metrics, name: &str, scale: f64) -> u64 {
    let samples = take(metrics, name, scale);
    assert_eq!((samples.len(), samples[0].0.as_str()), (1, name));
    samples[0].1
}

/// Figures that are all different.
fn figures() -> Health {
    let mut next = 100;
    let mut number = || {
        next += 1;
        next
    };
    let table = |base: u64| TableHealth {
        used: base,
        capacity: base + 1,
        retired: base + 2,
        probe_len_max: u32::try_from(base).expect("small") + 3,
    };
    Health {
        accepting_writes: false,
        halt: Some(HaltReason::Requested),
        queue_len: 7,
        queue_capacity: 8,
        last_lsn: Lsn(number()),
        last_slot: Slot(number()),
        logical_slot_lag: number(),
        expiration_backlog: number(),
        resources: table(1_000),
        reservations: table(2_000),
        operations: table(3_000),
        log_bytes: number(),
        log_bytes_since_checkpoint: number(),
        snapshot_lsn: Lsn(number()),
        checkpoints: number(),
        checkpoint_failures: number(),
        checkpoint_ns_last: 1_234_567_890,
        checkpoint_stall_ns_last: 987_654_321,
        checkpoint_stall_ns_max: 2_000_000_001,
        commands_by_kind: std::array::from_fn(|kind| 500 + kind as u64),
        outcomes_by_code: std::array::from_fn(|code| 600 + code as u64),
        retries: number(),
        rejections: number(),
        overloads: number(),
        expirations: number(),
        commits: number(),
        records: number(),
        records_per_commit_max: number(),
        syncs: (1..=SYNC_BUCKETS as u64).sum(),
        sync_ns_sum: 12_345_678_901,
        sync_ns_max: 7_000_000,
        sync_histogram: std::array::from_fn(|bucket| bucket as u64 + 1),
        recovery: RecoveryReport {
            kind: StartKind::SnapshotAndWal,
            snapshot_lsn: Lsn(number()),
            frames_replayed: number(),
            records_replayed: number(),
            last_lsn: Lsn(number()),
            last_slot: Slot(9),
            torn_bytes: number(),
            rewritten_bytes: number(),
            duration_ns: 3_000_000_003,
        },
    }
}

fn singles(health: &Health) -> Vec<(&'static str, u64)> {
    let report = &health.recovery;
    vec![
        ("allocdb_accepting_writes", health.accepting_writes.into()),
        (
            "allocdb_halt_reason",
            health.halt.map_or(0, |halt| halt.number()).into(),
        ),
        ("allocdb_queue_length", health.queue_len.into()),
        ("allocdb_queue_capacity", health.queue_capacity.into()),
        ("allocdb_last_lsn", health.last_lsn.0),
        ("allocdb_last_slot", health.last_slot.0),
        ("allocdb_slot_lag", health.logical_slot_lag),
        ("allocdb_expiration_backlog", health.expiration_backlog),
        ("allocdb_log_bytes", health.log_bytes),
        (
            "allocdb_log_bytes_since_checkpoint",
            health.log_bytes_since_checkpoint,
        ),
        ("allocdb_snapshot_lsn", health.snapshot_lsn.0),
        (
            "allocdb_records_per_commit_max",
            health.records_per_commit_max,
        ),
        ("allocdb_start_kind", report.kind as u64),
        ("allocdb_recovery_snapshot_lsn", report.snapshot_lsn.0),
        ("allocdb_recovery_frames", report.frames_replayed),
        ("allocdb_recovery_records", report.records_replayed),
        ("allocdb_recovery_last_lsn", report.last_lsn.0),
        ("allocdb_recovery_torn_bytes", report.torn_bytes),
        ("allocdb_recovery_rewritten_bytes", report.rewritten_bytes),
        ("allocdb_checkpoints_total", health.checkpoints),
        (
            "allocdb_checkpoint_failures_total",
            health.checkpoint_failures,
        ),
        ("allocdb_retries_total", health.retries),
        ("allocdb_rejections_total", health.rejections),
        ("allocdb_overloads_total", health.overloads),
        ("allocdb_expirations_total", health.expirations),
        ("allocdb_commits_total", health.commits),
        ("allocdb_records_total", health.records),
    ]
}

/// Compares every sample with its figure, and leaves none over.
pub(crate) fn assert_shows(text: &str, health: &Health) {
    const NS: f64 = 1e9;
    let mut metrics = parse(text);
    for (name, value) in singles(health) {
        assert_eq!(take_single(&mut metrics, name, 1.0), value, "{name}");
    }
    for (name, value) in [
        (
            "allocdb_checkpoint_duration_seconds",
            health.checkpoint_ns_last,
        ),
        (
            "allocdb_checkpoint_stall_seconds",
            health.checkpoint_stall_ns_last,
        ),
        (
            "allocdb_checkpoint_stall_seconds_max",
            health.checkpoint_stall_ns_max,
        ),
        ("allocdb_sync_seconds_max", health.sync_ns_max),
        (
            "allocdb_recovery_duration_seconds",
            health.recovery.duration_ns,
        ),
    ] {
        assert_eq!(take_single(&mut metrics, name, NS), value, "{name}");
    }
    let tables = [health.resources, health.reservations, health.operations];
    for (name, figure) in [
        ("allocdb_table_used", tables.map(|table| table.used)),
        ("allocdb_table_capacity", tables.map(|table| table.capacity)),
        ("allocdb_table_retired", tables.map(|table| table.retired)),
        (
            "allocdb_table_probe_length_max",
            tables.map(|table| table.probe_len_max.into()),
        ),
    ] {
        let labels = ["resources", "reservations", "operations"];
        let wanted = labels.map(|table| format!("{name}{{table=\"{table}\"}}"));
        let wanted: Vec<_> = wanted.into_iter().zip(figure).collect();
        assert_eq!(take(&mut metrics, name, 1.0), wanted);
    }
    let commands = take(&mut metrics, "allocdb_commands_total", 1.0);
    let counts: Vec<_> = commands.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, health.commands_by_kind[1..KIND_COUNTERS]);
    assert_eq!(commands[2].0, "allocdb_commands_total{kind=\"reserve\"}");
    let results = take(&mut metrics, "allocdb_results_total", 1.0);
    let counts: Vec<_> = results.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, health.outcomes_by_code[..CODE_COUNTERS]);
    assert_eq!(
        results[4].0,
        "allocdb_results_total{result=\"resource_busy\"}"
    );
    assert_histogram(&mut metrics, health);
    assert!(metrics.is_empty(), "{metrics:?}");
}

fn assert_histogram(metrics: &mut Metrics, health: &Health) {
    let (_, samples) = metrics.remove("allocdb_sync_seconds").expect("there");
    let total: u64 = health.sync_histogram.iter().sum();
    let mut samples = samples.iter();
    let mut below = 0;
    for bucket in 0..SYNC_BUCKETS {
        below += health.sync_histogram[bucket];
        let (key, count) = samples.next().expect("a bucket");
        let bound = key
            .strip_prefix("allocdb_sync_seconds_bucket{le=\"")
            .and_then(|rest| rest.strip_suffix("\"}"))
            .expect("a bound");
        if bucket + 1 == SYNC_BUCKETS {
            assert_eq!((bound, below), ("+Inf", total));
        } else {
            let seconds: f64 = bound.parse().expect("a number");
            let wanted = 1e-6 * f64::from(1u32 << bucket);
            assert!((seconds - wanted).abs() < 1e-12, "{bound}");
        }
        assert_eq!(count.to_string(), below.to_string());
    }
    let (key, sum) = samples.next().expect("the sum");
    assert_eq!(key, "allocdb_sync_seconds_sum");
    #[allow(clippy::cast_precision_loss, reason = "small enough to be exact")]
    let wanted = health.sync_ns_sum as f64 / 1e9;
    assert!((sum - wanted).abs() < 1e-9);
    let (key, count) = samples.next().expect("the count");
    assert_eq!(
        (key.as_str(), count.to_string()),
        ("allocdb_sync_seconds_count", total.to_string())
    );
    assert!(samples.next().is_none());
}

#[test]
fn every_figure_is_in_the_text_once_and_nothing_else_is() {
    let health = figures();
    assert_shows(&text_of(&health), &health);
    let empty = Health::default();
    assert_shows(&text_of(&empty), &empty);
}

#[test]
fn a_buffer_that_is_too_small_learns_the_size_and_one_byte_less_never_fits() {
    let health = figures();
    let whole = text_of(&health);
    for len in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        let mut out = vec![b'x'; len];
        assert_eq!(write(&health, &mut out), Err(whole.len()), "{len}");
    }
    let mut larger = vec![b'x'; whole.len() + 10];
    assert_eq!(write(&health, &mut larger), Ok(whole.len()));
    assert_eq!(&larger[..whole.len()], whole.as_bytes());
    assert!(larger[whole.len()..].iter().all(|&byte| byte == b'x'));
}

#[test]
fn the_greatest_figures_are_written_whole() {
    let health = Health {
        last_lsn: Lsn(u64::MAX),
        checkpoint_ns_last: u64::MAX,
        ..Health::default()
    };
    let text = text_of(&health);
    assert!(text.contains("\nallocdb_last_lsn 18446744073709551615\n"));
    let line = "\nallocdb_checkpoint_duration_seconds 18446744073.709551615\n";
    assert!(text.contains(line));
}
