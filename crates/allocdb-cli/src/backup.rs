//! `allocdb backup`: copies what is durable through a read-only handle, beside the owner or
//! without one.
//!
//! Without an owner a read-only handle stops where proof does: a commit that was written but that
//! nothing proves durable is not in the copy. Opening would take it in, so where there is one it is
//! said, with its LSNs. Beside an owner every commit that was acknowledged is proved by the owner's
//! page of figures.

use std::path::Path;

use allocdb_node::recovery::verify;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use serde_json::json;

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure};
use crate::report::Report;
use crate::{inspect, owner};

pub(crate) fn run(path: &Path, target: &Path, arguments: &Arguments) -> Result<Report, Failure> {
    let (storage, owned_by) = owner::open(path, arguments)?;
    let in_log = if owned_by.is_none() {
        let verified = verify::verify(&storage, false);
        let verified = verified.map_err(|error| Failure::new(path, error))?;
        let opening = verified
            .opening
            .map_err(|error| Failure::new(path, error))?;
        Some(opening.recovery.last_lsn)
    } else {
        None
    };
    let engine = inspect::open_reading(path, storage, arguments)?;
    let options = DirectoryOptions {
        create: true,
        ..arguments.directory_options()
    };
    let opened = FileStorage::open(target, options);
    let directory = opened.map_err(|error| Failure::new(target, error))?;
    let made = engine.backup(&directory);
    let made = made.map_err(|error| Failure::new(target, error))?;
    let mut verdict = vec![format!(
        "backup of everything up to LSN {}, {} bytes; the copy stands at LSN {}",
        made.source_lsn.0, made.snapshot_bytes, made.lsn.0
    )];
    let beyond = in_log.filter(|&lsn| lsn > made.source_lsn);
    if let Some(lsn) = beyond {
        let first = made.source_lsn.0 + 1;
        verdict.push(format!(
            "LSN {first} to {} stand in the log and nothing proves them durable: they are not in \
             the copy; run allocdb checkpoint, then back up again",
            lsn.0
        ));
    }
    let mut data = owner::head(path, owned_by);
    data.insert(
        "backup".to_owned(),
        json!({
            "target": target.to_string_lossy(),
            "source_lsn": made.source_lsn.0,
            "unproved_lsn": beyond.map(|lsn| lsn.0),
            "lsn": made.lsn.0,
            "slot": made.slot.0,
            "database_id": format!("{:032x}", made.database_id),
            "snapshot_bytes": made.snapshot_bytes,
            "duration_ns": made.duration_ns,
        }),
    );
    Ok(Report {
        exit: Exit::Done,
        verdict,
        data,
    })
}
