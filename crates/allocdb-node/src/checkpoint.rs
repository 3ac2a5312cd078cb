//! A checkpoint: a snapshot of the state, and a log that no longer goes back beyond the one before.
//!
//! With A the last applied LSN and P that of the newest *older* snapshot known to be whole:
//!
//! 1. sync the log, so that no snapshot is ever ahead of it;
//! 2. write `snapshot-A` under a temporary name, sync it, rename it, sync the directory;
//! 3. write a log under a temporary name: a header that begins after P, the frames after P byte for
//!    byte, a marker of A and the snapshot's checksum; zeros behind; sync, rename, sync the
//!    directory;
//! 4. remove the snapshots older than P.
//!
//! The caller holds commits off all the while. So no frame is acknowledged in a file whose name may
//! yet be lost: until the directory is synced, a power cut brings the old log back.
//!
//! A crash leaves the old arrangement or the new one at every point: snapshot-A beside the old log
//! is usable, since the log still reaches A. Keeping P *and* the frames after it is what makes a
//! damaged snapshot-A survivable. Where no older snapshot is known to be whole, P is where the log
//! begins already, and nothing is dropped.
//!
//! What fails on a temporary file (a full disk, say) is given up and reported, and nothing halts.
//! Any other failure ends the log, as a failed commit does. Rejected: copying most of the log while
//! commits go on, and only the rest while they wait; it buys a shorter stall with a second
//! ordering to prove.

use std::time::Instant;

use allocdb_core::Lsn;
use allocdb_core::canary::{Canary, is_planted, panic_if_planted};
use allocdb_core::log::{LOG_HEADER_BYTES, LogHeader, SECTOR_BYTES};
use allocdb_core::snapshot::Overrides;
use allocdb_core::state::State;

use crate::baseline;
use crate::error::{CheckpointError, FileName, IoError};
use crate::report::CheckpointReport;
use crate::storage::{Entry, FileMode, Storage};
use crate::wal::{Anchor, CopyError, Tail, Wal, copy_bytes, write_zeros};

const HEADER: u64 = LOG_HEADER_BYTES as u64;
const SECTOR: u64 = SECTOR_BYTES as u64;

/// Takes a checkpoint of `state`, which is what `wal` has. Commits must be held off.
pub fn run<S: Storage>(
    wal: &mut Wal<S>,
    state: &State,
) -> Result<CheckpointReport, CheckpointError> {
    let started = Instant::now();
    let anchor_lsn = state.last_lsn();
    assert!(
        anchor_lsn == wal.last_lsn(),
        "all that is logged is applied before a checkpoint"
    );
    let log_bytes_before = wal.log_bytes();
    let mut report = CheckpointReport {
        anchor_lsn,
        log_bytes_before,
        log_bytes_after: log_bytes_before,
        ..CheckpointReport::default()
    };
    wal.check()
        .map_err(|error| CheckpointError::Fatal { error })?;
    if !has_moved(wal, anchor_lsn) {
        return Ok(report);
    }
    wal.flush()
        .map_err(|error| CheckpointError::Fatal { error })?;
    let (snapshot_bytes, snapshot_crc) = publish_snapshot(wal, state)?;
    panic_if_planted(Canary::PanicInCheckpoint);
    let oldest = rewrite_log(wal, snapshot_crc)?;
    remove_older(wal, oldest)?;

    let duration_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    report.written = true;
    report.snapshot_bytes = snapshot_bytes;
    report.log_bytes_after = wal.log_bytes();
    report.duration_ns = duration_ns;
    report.stall_ns = duration_ns;
    Ok(report)
}

/// Whether there is anything that the last complete checkpoint does not have.
fn has_moved<S: Storage>(wal: &Wal<S>, anchor_lsn: Lsn) -> bool {
    let done = |anchor: &Anchor| anchor.lsn == anchor_lsn && anchor.is_complete;
    anchor_lsn > Lsn(0) && !wal.anchor.as_ref().is_some_and(done)
}

/// Step 2. Answers the snapshot's length and checksum.
fn publish_snapshot<S: Storage>(
    wal: &mut Wal<S>,
    state: &State,
) -> Result<(u64, u32), CheckpointError> {
    let lsn = state.last_lsn();
    let temporary = FileName::SnapshotTemporary(lsn);
    let written = baseline::write_snapshot(&wal.storage, temporary, state, &Overrides::none(state));
    let info = match written.and_then(|(file, info)| wal.storage.sync_all(&file).map(|()| info)) {
        Ok(info) => info,
        Err(error) => return Err(given_up(wal, temporary, error)),
    };
    publish(wal, temporary, FileName::Snapshot(lsn))?;
    Ok((info.bytes, info.crc))
}

/// Step 3. Answers P.
fn rewrite_log<S: Storage>(wal: &mut Wal<S>, snapshot_crc: u32) -> Result<Lsn, CheckpointError> {
    let name = FileName::WalTemporary;
    let start = overlap(wal);
    let (file, tail, anchor) = match write_log(wal, start, snapshot_crc) {
        Ok(written) => written,
        Err(CopyError::Target(error)) => return Err(given_up(wal, name, error)),
        // The log itself cannot be read any more: what it holds is in doubt.
        Err(CopyError::Source(error)) => {
            return Err(CheckpointError::Fatal {
                error: wal.fail_log(error),
            });
        }
    };
    publish(wal, name, FileName::Wal)?;
    wal.replace(*wal.config(), file, tail, Some(anchor));
    Ok(start.lsn)
}

/// P, and where the frames after it begin.
fn overlap<S: Storage>(wal: &Wal<S>) -> Anchor {
    if is_planted(Canary::CheckpointDropsOverlap) {
        return Anchor {
            lsn: wal.last_lsn(),
            offset: wal.tail.end_offset,
            chain: wal.tail.chain,
            is_complete: false,
        };
    }
    let older = |anchor: &Anchor| anchor.lsn < wal.last_lsn();
    wal.anchor.filter(older).unwrap_or(Anchor {
        lsn: wal.tail.begins_after,
        offset: HEADER,
        chain: wal.tail.chain_start,
        is_complete: false,
    })
}

fn write_log<S: Storage>(
    wal: &Wal<S>,
    start: Anchor,
    snapshot_crc: u32,
) -> Result<(S::File, Tail, Anchor), CopyError> {
    let storage = &wal.storage;
    let mut marker = [0; SECTOR_BYTES];
    let encoded = wal.encode_marker(&mut marker, snapshot_crc);
    let copied_end = HEADER + (wal.tail.end_offset - start.offset);
    let end_offset = copied_end + SECTOR;
    let file_bytes = (end_offset + SECTOR).next_multiple_of(wal.prealloc_bytes());
    let header = LogHeader {
        config: *wal.config(),
        begins_after: start.lsn,
        synced_bytes: end_offset,
        chain_start: start.chain,
    };
    let target = CopyError::Target;
    let file = storage.open(FileName::WalTemporary, FileMode::Create);
    let file = file.map_err(target)?;
    let written = storage.write_at(&file, 0, &header.encode());
    written.map_err(target)?;
    let frames = (&wal.file, start.offset, wal.tail.end_offset);
    copy_bytes(storage, frames, (&file, HEADER))?;
    let written = storage.write_at(&file, copied_end, &marker);
    written.map_err(target)?;
    write_zeros(storage, &file, end_offset, file_bytes).map_err(target)?;
    storage.sync_all(&file).map_err(target)?;

    let tail = Tail {
        begins_after: start.lsn,
        chain_start: start.chain,
        end_offset,
        file_bytes,
        chain: encoded.chain,
        is_sealed: false,
        checkpoint_offset: end_offset,
        ..wal.tail
    };
    let anchor = Anchor {
        lsn: wal.last_lsn(),
        offset: copied_end,
        chain: wal.tail.chain,
        is_complete: true,
    };
    Ok((file, tail, anchor))
}

/// Gives a whole and synced temporary file its name.
fn publish<S: Storage>(
    wal: &mut Wal<S>,
    temporary: FileName,
    name: FileName,
) -> Result<(), CheckpointError> {
    let renamed = wal.storage.rename(temporary, name);
    let published = renamed.and_then(|()| {
        if is_planted(Canary::AcknowledgedBeforeDirectorySync) && name == FileName::Wal {
            return Ok(());
        }
        wal.storage.sync_directory()
    });
    published.map_err(|error| CheckpointError::Fatal {
        error: wal.fail(error),
    })
}

/// Takes back a temporary file that could not be finished.
fn given_up<S: Storage>(wal: &Wal<S>, temporary: FileName, error: IoError) -> CheckpointError {
    // Where even this fails, the next open removes it.
    let _ = wal.storage.remove(temporary);
    CheckpointError::Temporary { error }
}

/// Step 4, a few names at a time, since a listing must not be changed under way.
fn remove_older<S: Storage>(wal: &mut Wal<S>, oldest: Lsn) -> Result<(), CheckpointError> {
    let removed = remove_snapshots_below(&wal.storage, oldest);
    removed.map_err(|error| CheckpointError::Fatal {
        error: wal.fail(error),
    })
}

pub(crate) fn remove_snapshots_below<S: Storage>(storage: &S, oldest: Lsn) -> Result<(), IoError> {
    loop {
        let mut found = [None; 8];
        storage.list(|name| {
            let Entry::Ours(FileName::Snapshot(lsn)) = Entry::of(name) else {
                return;
            };
            let place = found.iter_mut().find(|place| place.is_none());
            if let Some(place) = place.filter(|_| lsn < oldest) {
                *place = Some(lsn);
            }
        })?;
        if found[0].is_none() {
            return Ok(());
        }
        for lsn in found.into_iter().flatten() {
            storage.remove(FileName::Snapshot(lsn))?;
        }
    }
}

#[cfg(test)]
mod tests;
