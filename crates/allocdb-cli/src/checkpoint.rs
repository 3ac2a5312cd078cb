//! `allocdb checkpoint`: opens as the owner, takes a checkpoint, closes.
//!
//! It is what a host does when it starts and stops, with its recovery: a torn tail is cut and told.
//! Nothing of the configuration is given, so nothing of it changes.

use std::path::Path;

use allocdb_node::storage::FileStorage;
use allocdb_node::{Diagnostics, Engine, Level};
use serde_json::json;

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure};
use crate::owner;
use crate::report::Report;

pub(crate) fn run(path: &Path, arguments: &Arguments) -> Result<Report, Failure> {
    let storage = FileStorage::open(path, arguments.directory_options());
    let storage = storage.map_err(|error| Failure::new(path, error))?;
    let silent = Diagnostics::new(Level::Error, 1, None);
    let engine = Engine::open(storage, &arguments.options(false), silent);
    let engine = engine.map_err(|error| Failure::new(path, error))?;
    let made = engine
        .checkpoint()
        .map_err(|error| Failure::new(path, error))?;
    let recovered = *engine.recovery_report();
    // Without its seal it would be none the worse, but whoever asked wants to know.
    engine.close().map_err(|error| Failure::new(path, error))?;
    let mut verdict = Vec::new();
    if recovered.torn_bytes > 0 {
        verdict.push(format!(
            "opening cut a torn tail of {} bytes, of a commit that nobody was told about",
            recovered.torn_bytes
        ));
    }
    verdict.push(if made.written {
        format!(
            "checkpoint at LSN {}: a snapshot of {} bytes, the log cut from {} bytes to {}",
            made.anchor_lsn.0, made.snapshot_bytes, made.log_bytes_before, made.log_bytes_after
        )
    } else {
        let lsn = made.anchor_lsn.0;
        format!("nothing has changed since the checkpoint at LSN {lsn}: nothing to write")
    });
    let mut data = owner::head(path, None);
    data.insert("recovery".to_owned(), owner::recovery(&recovered));
    data.insert(
        "checkpoint".to_owned(),
        json!({
            "anchor_lsn": made.anchor_lsn.0,
            "written": made.written,
            "snapshot_bytes": made.snapshot_bytes,
            "log_bytes_before": made.log_bytes_before,
            "log_bytes_after": made.log_bytes_after,
            "duration_ns": made.duration_ns,
        }),
    );
    Ok(Report {
        exit: Exit::Done,
        verdict,
        data,
    })
}
