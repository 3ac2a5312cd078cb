//! `allocdb verify`: would it open, and if not, exactly why; without changing a byte.
//!
//! The judgement is the node's ([`allocdb_node::recovery::verify`]). Nothing is locked meanwhile,
//! so a host may start while the files are read; then what was seen may be of two moments. So a
//! verdict counts only if nobody had the database open before and after it, and a fault only if it
//! is found twice; what moves is judged again, as beside an owner. Without that, a restart in the
//! wrong second would be reported as damage.

use std::path::Path;

use allocdb_node::OpenError;
use allocdb_node::recovery::verify::{Opening, SnapshotVerdict, Verification, verify};
use allocdb_node::storage::FileStorage;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure, exit_of, open_json};
use crate::owner;
use crate::report::Report;

/// How often files that do not stand still are judged.
const ATTEMPTS_MAX: u32 = 4;

pub(crate) fn run(path: &Path, arguments: &Arguments) -> Result<Report, Failure> {
    let (storage, owned_by) = owner::open(path, arguments)?;
    let verification = settle(path, &storage)?;
    // The storage's own failures are no verdict over the files.
    if let Err(error) = verification.opening
        && exit_of(&error) != Exit::Damaged
    {
        return Err(Failure::new(path, error));
    }
    let exit = if verification.is_sound() {
        Exit::Done
    } else {
        Exit::Damaged
    };
    let mut data = owner::head(path, owned_by);
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("would_open", verification.opening.is_ok().into());
    put("is_sound", verification.is_sound().into());
    put("judged_beside_owner", verification.is_beside_owner.into());
    put("lock_file_is_damaged", verification.lock_is_damaged.into());
    put("ways_followed", verification.ways.into());
    match &verification.opening {
        Ok(opening) => {
            put(
                "opening",
                opening_json(opening, verification.is_beside_owner),
            );
        }
        Err(error) => {
            put("refusal", open_json(error));
        }
    }
    put("snapshots", snapshots(&verification));
    put("files", owner::files(path, &storage)?);
    Ok(Report {
        exit,
        verdict: sentences(path, &verification),
        data,
    })
}

/// Judges until the files have stood still for it.
fn settle(path: &Path, storage: &FileStorage) -> Result<Verification, Failure> {
    let failed = |error: OpenError| Failure::new(path, error);
    let mut earlier = None;
    for _ in 0..ATTEMPTS_MAX {
        let is_owned = owner::owner_now(path, storage)?.is_some();
        let verification = verify(storage, is_owned).map_err(failed)?;
        let found = findings(&verification);
        let is_again = earlier.as_ref() == Some(&found);
        let stood_still = is_owned || owner::owner_now(path, storage)?.is_none();
        if stood_still && (verification.is_sound() || is_again) {
            return Ok(verification);
        }
        earlier = Some(found);
    }
    let attempts = ATTEMPTS_MAX;
    Err(failed(OpenError::Unsettled { attempts }))
}

/// What is wrong, apart from what moves while an owner works.
fn findings(verification: &Verification) -> (Option<OpenError>, Vec<SnapshotVerdict>) {
    let faulty = verification
        .snapshots
        .iter()
        .filter(|verdict| verdict.fault.is_some());
    (verification.opening.err(), faulty.copied().collect())
}

fn sentences(path: &Path, verification: &Verification) -> Vec<String> {
    let path = path.display();
    let mut sentences = Vec::new();
    if verification.is_beside_owner {
        sentences.push(
            "judged beside its owner: all that is proved durable, and every snapshot; the end of \
             the log moves and was not judged"
                .to_owned(),
        );
    }
    match &verification.opening {
        Ok(opening) if verification.is_sound() => sentences.push(format!(
            "{path}: sound, up to LSN {}",
            opening.recovery.last_lsn.0
        )),
        Ok(opening) => sentences.push(format!(
            "{path}: damaged, and it would open all the same, with everything up to LSN {}",
            opening.recovery.last_lsn.0
        )),
        Err(error) => sentences.push(format!("{path}: would not open: {error}")),
    }
    for verdict in &verification.snapshots {
        if let Some(fault) = &verdict.fault {
            let lsn = verdict.lsn.0;
            sentences.push(format!("{path}/snapshot-{lsn}.adb: damaged: {fault}"));
        }
    }
    if verification.lock_is_damaged {
        sentences.push(format!("{path}/LOCK: damaged; opening writes it anew"));
    }
    if let Ok(opening) = &verification.opening {
        sentences.extend(after_crash(opening));
    }
    for name in &verification.temporaries {
        if !verification.is_beside_owner {
            sentences.push(format!(
                "{path}/{name}: left by a rewrite; opening removes it"
            ));
        }
    }
    sentences
}

/// What opening would do about the end of a log that a crash has left.
fn after_crash(opening: &Opening) -> impl Iterator<Item = String> + use<> {
    let (report, end) = (opening.recovery, opening.log_end);
    let torn = (report.torn_bytes > 0).then(|| {
        format!(
            "wal.adb: opening would cut a torn tail, {} bytes from offset {end}, where LSN {} was \
             expected: a commit that nobody was told about",
            report.torn_bytes,
            report.last_lsn.0 + 1
        )
    });
    let again = (report.rewritten_bytes > 0).then(|| {
        format!(
            "wal.adb: opening would write {} bytes before offset {end} again: nothing proves them \
             durable (as after every unclean stop)",
            report.rewritten_bytes
        )
    });
    torn.into_iter().chain(again)
}

fn opening_json(opening: &Opening, is_beside_owner: bool) -> Value {
    let mut recovery = owner::recovery(&opening.recovery);
    if let Some(object) = recovery.as_object_mut() {
        object.remove("duration_ns");
        if is_beside_owner {
            // Not judged.
            object.remove("torn_bytes");
            object.remove("rewritten_bytes");
        }
    }
    json!({
        "log_begins_after_lsn": opening.begins_after.0,
        "log_end_offset": opening.log_end,
        "durable_lsn": opening.durable_lsn.0,
        "recovery": recovery,
        "configuration": owner::configuration(&opening.config),
    })
}

fn snapshots(verification: &Verification) -> Value {
    let rows = verification.snapshots.iter().map(|verdict| {
        json!({
            "lsn": verdict.lsn.0,
            "bytes": verdict.bytes,
            "is_whole": verdict.fault.is_none(),
            "fault_offset": verdict.fault.map(|fault| fault.offset()),
            "fault": verdict.fault.map(|fault| fault.to_string()),
        })
    });
    rows.collect()
}
