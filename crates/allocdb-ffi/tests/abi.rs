//! The frozen lists of `abi/`: numbers, layouts and symbols, against the code.
//!
//! A line in a list is a promise to every program that was ever compiled: lines are added, never
//! changed. C looks at the same lists from its side (`bindings/c/tests`). `ALLOCDB_UPDATE=1` adds
//! what is missing, and still fails on what has changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use AllocDB::types::*;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn header() -> String {
    fs::read_to_string(path("../../include/allocdb.h")).expect("the header is there")
}

/// The lines of a list by their first words; `#` begins a comment.
fn read_list(name: &str, key_words: usize) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path(name)).unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let split = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[..key_words].join(" "), words[key_words..].join(" "))
    };
    lines.map(split).collect()
}

fn compare(name: &str, heading: &str, key_words: usize, actual: &[(String, String)]) {
    assert!(!actual.is_empty(), "a check on nothing proves nothing");
    let frozen = read_list(name, key_words);
    let found: BTreeMap<String, String> = actual.iter().cloned().collect();
    assert!(found.len() == actual.len(), "each is listed once");
    for (key, promised) in &frozen {
        assert_eq!(
            Some(promised),
            found.get(key),
            "{key} was promised in {name}"
        );
    }
    if std::env::var_os("ALLOCDB_UPDATE").is_some() {
        let mut text = format!("# {heading}\n");
        for (key, value) in actual {
            text.push_str(format!("{key} {value}").trim_end());
            text.push('\n');
        }
        fs::write(path(name), text).expect("the list is written");
        return;
    }
    assert!(!frozen.is_empty(), "{name} is empty");
    assert_eq!(frozen, found, "{name} and the code differ");
}

#[test]
fn numbers_never_change() {
    let header = header();
    let defines = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ALLOCDB_"));
    let is_number = |value: &str| value.parse::<u64>().is_ok();
    let numbers: Vec<(String, String)> = defines
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, value)| *name != "VERSION_NUMBER" && is_number(value))
        .map(|(name, value)| (format!("ALLOCDB_{name}"), value.to_owned()))
        .collect();
    assert!(numbers.len() > 100, "the header's numbers are found");
    compare("abi/numbers.txt", "name value", 1, &numbers);
}

#[test]
fn the_version_is_one_in_all_places() {
    let mut parts = env!("CARGO_PKG_VERSION").split('.');
    let mut next = || -> u32 {
        let part = parts.next().expect("three parts");
        part.parse().expect("a number")
    };
    let number = next() * 1_000_000 + next() * 1_000 + next();
    assert_eq!(AllocDB::constants::ALLOCDB_VERSION_NUMBER, number);
    assert_eq!(AllocDB::api::names::allocdb_version_number(), number);
}

#[test]
fn symbols_are_those_of_the_header() {
    let header = header();
    let symbols: Vec<(String, String)> = header
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter(|line| !line.starts_with("typedef"))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("allocdb_"))
        .map(|name| (name.to_owned(), String::new()))
        .collect();
    assert!(symbols.len() >= 36, "the header's functions are found");
    let heading = "functions that libAllocDB exports";
    compare("abi/symbols.txt", heading, 1, &symbols);
}

/// Lists a struct's fields. The pattern names every field, so that none is left out.
macro_rules! layout {
    ($lines:ident, $name:ident { $($field:ident),* $(,)? }) => {
        $lines.push((
            format!("{} -", stringify!($name)),
            format!("0 {}", size_of::<$name>()),
        ));
        let _all_fields = |value: $name| {
            let $name { $($field: _),* } = value;
        };
        $($lines.push((
            format!("{} {}", stringify!($name), stringify!($field)),
            format!(
                "{} {}",
                core::mem::offset_of!($name, $field),
                field_size(|value: &$name| &raw const value.$field),
            ),
        ));)*
    };
}

fn field_size<S, F>(_: fn(&S) -> *const F) -> usize {
    size_of::<F>()
}

#[test]
#[rustfmt::skip]
fn layouts_never_change() {
    let mut lines: Vec<(String, String)> = Vec::new();
    layout!(lines, allocdb_id { lo, hi });
    layout!(lines, allocdb_operation { id, valid_until_slot });
    layout!(lines, allocdb_error { status, os_errno, detail, message });
    layout!(lines, allocdb_options {
        struct_size, flags, database_id, shard_id, hash_seed, slot_duration_ms, max_ttl_slots,
        operation_window_slots, history_window_slots, max_resources, max_reservations,
        max_operations, max_bundle_len, max_expiration_bucket_len, max_expirations_per_tick, sync,
        clock, max_queue, max_batch_commands, max_batch_bytes, wal_prealloc_bytes,
        checkpoint_wal_bytes, max_slot_leap, log_function, log_context, log_level, reserved0,
        log_ring_bytes,
    });
    layout!(lines, allocdb_command {
        kind, id_count, operation_id, target_id, holder_id, ttl_slots, valid_until_slot, ids,
        reserved,
    });
    layout!(lines, allocdb_outcome {
        status, code, lsn, reservation_id, deadline_slot, failed_index, from_retry_cache, reserved,
    });
    layout!(lines, allocdb_resource {
        resource_id, reservation_id, holder_id, version, state, reserved0, reserved,
    });
    layout!(lines, allocdb_reservation {
        reservation_id, holder_id, first_resource_id, created_lsn, deadline_slot, ended_lsn,
        retire_after_slot, state, resource_count, reserved,
    });
    layout!(lines, allocdb_filter { states, reserved0, holder_id, reserved });
    layout!(lines, allocdb_tick_result {
        lsn, slot, due_count, expired_count, reserved0, reserved,
    });
    layout!(lines, allocdb_recovery_report {
        struct_size, start_kind, snapshot_lsn, frames_replayed, records_replayed, last_lsn,
        last_slot, torn_bytes, rewritten_bytes, duration_ns,
    });
    layout!(lines, allocdb_table_usage {
        used_count, capacity, retired_count, probe_len_max, reserved0,
    });
    layout!(lines, allocdb_health {
        struct_size, is_accepting_writes, halt_reason, start_kind, queue_len, queue_capacity,
        last_lsn, last_slot, logical_slot_lag, expiration_backlog, resources, reservations,
        operations, log_bytes, log_bytes_since_checkpoint, snapshot_lsn, checkpoint_count,
        checkpoint_failure_count, checkpoint_duration_ns, checkpoint_stall_ns,
        checkpoint_stall_ns_max, commit_count, record_count, records_per_commit_max, sync_count,
        sync_ns_sum, sync_ns_max, sync_histogram, command_counts, result_counts, retry_count,
        rejection_count, overload_count, expired_count,
    });
    let heading = "struct field offset size; \"-\" is the whole struct";
    compare("abi/layouts.txt", heading, 2, &lines);
}
