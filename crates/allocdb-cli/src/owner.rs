//! Who has the database open, and what its files are: the part that every command shows.

use std::path::Path;

use allocdb_core::Config;
use allocdb_node::storage::{Entry, FileMode, FileStorage, Storage};
use allocdb_node::{OpenError, RecoveryReport};
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::failure::Failure;

/// The directory, and whose it is right now: a process id, 0 for one that cannot be read.
pub(crate) fn open(
    path: &Path,
    arguments: &Arguments,
) -> Result<(FileStorage, Option<u32>), Failure> {
    let storage = FileStorage::open(path, arguments.directory_options());
    let storage = storage.map_err(|error| Failure::new(path, error))?;
    let owner = owner_now(path, &storage)?;
    Ok((storage, owner))
}

/// Asks the lock again.
pub(crate) fn owner_now(path: &Path, storage: &FileStorage) -> Result<Option<u32>, Failure> {
    let owner = storage.owner_now();
    owner.map_err(|error| Failure::new(path, OpenError::from(error)))
}

/// The first lines of a report.
pub(crate) fn head(path: &Path, owner: Option<u32>) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("directory".to_owned(), path.to_string_lossy().into());
    head.insert("in_use".to_owned(), owner.is_some().into());
    head.insert("owner_pid".to_owned(), owner.filter(|&pid| pid != 0).into());
    head
}

/// Every name in the directory, with the length of what is the database's.
pub(crate) fn files(path: &Path, storage: &FileStorage) -> Result<Value, Failure> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    let listed = storage.list(|name| names.push(name.to_vec()));
    listed.map_err(|error| Failure::new(path, error))?;
    names.sort();
    let rows = names.iter().map(|name| {
        let (bytes, what) = match Entry::of(name) {
            Entry::Ours(file) => {
                let opened = storage.open(file, FileMode::Read);
                let bytes = opened.and_then(|file| storage.len(&file)).ok();
                (bytes, "database")
            }
            Entry::Beside => (None, "beside it"),
            Entry::Foreign => (None, "not of a database"),
        };
        json!({"file": String::from_utf8_lossy(name), "bytes": bytes, "what": what})
    });
    Ok(rows.collect())
}

/// The stored configuration. The seed of the hashes stays where it is: who knows it can choose ids
/// that collide.
pub(crate) fn configuration(config: &Config) -> Value {
    json!({
        "database_id": format!("{:032x}", config.database_id),
        "shard_id": config.shard_id,
        "slot_duration_ms": config.slot_duration_ms,
        "max_ttl_slots": config.max_ttl_slots,
        "operation_window_slots": config.operation_window_slots,
        "history_window_slots": config.history_window_slots,
        "max_resources": config.max_resources,
        "max_reservations": config.max_reservations,
        "max_operations": config.max_operations,
        "max_bundle_len": config.max_bundle_len,
        "max_expiration_bucket_len": config.max_expiration_bucket_len,
        "max_expirations_per_tick": config.max_expirations_per_tick,
    })
}

/// What recovery found, or would find.
pub(crate) fn recovery(report: &RecoveryReport) -> Value {
    json!({
        "start_kind": report.kind.name(),
        "snapshot_lsn": report.snapshot_lsn.0,
        "frames_replayed": report.frames_replayed,
        "records_replayed": report.records_replayed,
        "last_lsn": report.last_lsn.0,
        "last_slot": report.last_slot.0,
        "torn_bytes": report.torn_bytes,
        "rewritten_bytes": report.rewritten_bytes,
        "duration_ns": report.duration_ns,
    })
}
