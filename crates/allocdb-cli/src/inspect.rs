//! `allocdb inspect`: what the database is and how it does, as an observer sees it.
//!
//! Reads through a read-only handle: what is durable, beside its owner or without one. The health
//! figures are those that the owner last wrote down; without any they are this handle's own, whose
//! counters are zero. Where the files are damaged the answer is the failure, as everywhere.

use std::path::Path;

use allocdb_core::ResultCode;
use allocdb_core::command::CommandKind;
use allocdb_node::health_page::Sighting;
use allocdb_node::storage::FileStorage;
use allocdb_node::{Diagnostics, Engine, Health, Level};
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure};
use crate::owner;
use crate::report::Report;

pub(crate) fn run(path: &Path, arguments: &Arguments) -> Result<Report, Failure> {
    let (storage, owned_by) = owner::open(path, arguments)?;
    let files = owner::files(path, &storage)?;
    let page = Sighting::read(&storage);
    let engine = open_reading(path, storage, arguments)?;
    let config = engine.configuration();
    let page = page.filter(|page| page.database_id == config.database_id);
    let health = engine.health(None);
    let mut data = owner::head(path, owned_by);
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("last_lsn", engine.last_lsn().0.into());
    put("last_slot", health.last_slot.0.into());
    put("slot_now", engine.slot_now().0.into());
    put("slot_lag", health.logical_slot_lag.into());
    put("expiration_backlog", health.expiration_backlog.into());
    put("files", files);
    put("tables", tables(&health));
    put("configuration", owner::configuration(&config));
    put("reading", owner::recovery(engine.recovery_report()));
    put("health", figures(&health, page.map(|page| page.pid)));
    Ok(Report {
        exit: Exit::Done,
        verdict: vec![verdict(owned_by, page.is_some())],
        data,
    })
}

/// A handle that only reads.
pub(crate) fn open_reading(
    path: &Path,
    storage: FileStorage,
    arguments: &Arguments,
) -> Result<Engine<FileStorage>, Failure> {
    let silent = Diagnostics::new(Level::Error, 1, None);
    let engine = Engine::open(storage, &arguments.options(true), silent);
    engine.map_err(|error| Failure::new(path, error))
}

fn verdict(owned_by: Option<u32>, has_page: bool) -> String {
    let who = match owned_by {
        Some(0) => "a process that its lock file does not name has it open".to_owned(),
        Some(pid) => format!("process {pid} has it open"),
        None => "nobody has it open".to_owned(),
    };
    let whose = match (has_page, owned_by.is_some()) {
        (true, true) => "the health figures are the owner's",
        (true, false) => "the health figures are those that the last owner left",
        (false, _) => "there is no page of health figures: the counters are this reading's own",
    };
    format!("{who}; {whose}")
}

fn tables(health: &Health) -> Value {
    let tables = [
        ("resources", health.resources),
        ("reservations", health.reservations),
        ("operations", health.operations),
    ];
    let rows = tables.map(|(table, usage)| {
        json!({
            "table": table,
            "used": usage.used,
            "retired": usage.retired,
            "capacity": usage.capacity,
            "probe_len_max": usage.probe_len_max,
        })
    });
    rows.into_iter().collect()
}

fn figures(health: &Health, pid: Option<u32>) -> Value {
    let kinds = CommandKind::ALL.iter().map(|&kind| {
        let count = health.commands_by_kind[kind as usize];
        (kind.name().to_owned(), Value::from(count))
    });
    let codes = ResultCode::ALL.iter().map(|&code| {
        let count = health.outcomes_by_code[code as usize];
        (code.name().to_owned(), Value::from(count))
    });
    json!({
        "written_by_pid": pid,
        "accepting_writes": health.accepting_writes,
        "halt_reason": health.halt.map(|halt| halt.to_string()),
        "queue_len": health.queue_len,
        "queue_capacity": health.queue_capacity,
        "log_bytes": health.log_bytes,
        "log_bytes_since_checkpoint": health.log_bytes_since_checkpoint,
        "snapshot_lsn": health.snapshot_lsn.0,
        "checkpoints": health.checkpoints,
        "checkpoint_failures": health.checkpoint_failures,
        "checkpoint_ns_last": health.checkpoint_ns_last,
        "checkpoint_stall_ns_last": health.checkpoint_stall_ns_last,
        "checkpoint_stall_ns_max": health.checkpoint_stall_ns_max,
        "commits": health.commits,
        "records": health.records,
        "records_per_commit_max": health.records_per_commit_max,
        "syncs": health.syncs,
        "sync_ns_sum": health.sync_ns_sum,
        "sync_ns_max": health.sync_ns_max,
        "retries": health.retries,
        "rejections": health.rejections,
        "overloads": health.overloads,
        "expirations": health.expirations,
        "commands_by_kind": kinds.collect::<Map<_, _>>(),
        "results_by_code": codes.collect::<Map<_, _>>(),
    })
}
