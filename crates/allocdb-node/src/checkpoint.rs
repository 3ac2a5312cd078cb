//! A checkpoint: a snapshot of the state, and a log that no longer goes back beyond the one before.
//!
//! With A the last applied LSN when it begins, and P that of the newest *older* snapshot known to
//! be whole:
//!
//! 1. sync the log, so that no snapshot is ever ahead of it;
//! 2. write `snapshot-A` under a temporary name, sync it, rename it, sync the directory;
//! 3. write a log under a temporary name: a header that begins after P, the frames after P byte for
//!    byte, a marker of A and the snapshot's checksum; zeros behind; sync, rename, sync the
//!    directory;
//! 4. remove the snapshots older than P, and let go of them and of the old log piece by piece: to
//!    free a large file takes the file system as long as to write a slice.
//!
//! It goes in slices of [`SLICE_BYTES`], between which commits are made: the snapshot is of A
//! whatever comes ([`Slices`]), and frames that come are copied behind the others. Each slice is
//! synced by itself, so that no sync has much to do. The last one copies what frames are left, and
//! ends with the new log in its place; no frame is acknowledged in a file whose name may yet be
//! lost: until the directory is synced, a power cut brings the old log back.
//!
//! A crash leaves the old arrangement or the new one at every point: snapshot-A beside the old log
//! is usable, since the log still reaches A. Keeping P *and* the frames after it is what makes a
//! damaged snapshot-A survivable. Where no older snapshot is known to be whole, P is where the log
//! begins already, and nothing is dropped.
//!
//! What fails on a temporary file (a full disk, say) is given up and reported, and nothing halts.
//! Any other failure ends the log, as a failed commit does. Rejected: a thread of its own, which
//! the host would have to know of, and which would need the state's lock for as long as a slice
//! does; and replaying the log onto the last snapshot beside the live engine, which needs the
//! state's memory twice.

use std::time::Instant;

use allocdb_core::Lsn;
use allocdb_core::canary::{Canary, is_planted, panic_if_planted};
use allocdb_core::log::{LOG_HEADER_BYTES, LogHeader, SECTOR_BYTES};
use allocdb_core::snapshot::{Slices, SnapshotInfo};
use allocdb_core::state::State;

use crate::commit::elapsed_ns;
use crate::error::{CheckpointError, FileName, IoError};
use crate::report::CheckpointReport;
use crate::storage::{Entry, FileMode, Storage};
use crate::wal::{Anchor, CopyError, Tail, Wal, copy_bytes, write_zeros};

const HEADER: u64 = LOG_HEADER_BYTES as u64;
const SECTOR: u64 = SECTOR_BYTES as u64;

/// What is written between two commits: some milliseconds, with the sync. Next to nothing in tests,
/// whose small databases would otherwise be written in one slice.
const SLICE_BYTES: u64 = if IS_TRIED { 4 << 10 } else { 1 << 20 };
/// Zeros that are written between two commits.
const ZERO_BYTES: u64 = 1 << 20;
/// What is freed of an old file between two commits.
const FREE_BYTES: u64 = 16 << 20;
/// What is written at a time, by way of the stack: the thread is the host's.
const PIECE_BYTES: usize = if IS_TRIED { 512 } else { 16 << 10 };
const IS_TRIED: bool = cfg!(any(test, feature = "torture"));

/// A checkpoint under way.
#[derive(Debug)]
pub(crate) struct Checkpoint<S: Storage> {
    begun: Instant,
    /// A, and where it lies in the log as it is.
    anchor: Anchor,
    /// Until the snapshot is written.
    slices: Option<Slices>,
    stage: Stage<S>,
    /// The log's end when the last slice was written.
    seen_to: u64,
    report: CheckpointReport,
}

/// The file that is being written.
#[derive(Debug)]
enum Stage<S: Storage> {
    Snapshot(S::File),
    Log(Copy<S>),
    /// An old file without a name; P.
    Old(Option<Unnamed<S>>, Lsn),
    Done,
}

/// A file that is gone when it is closed.
#[derive(Debug)]
struct Unnamed<S: Storage> {
    file: S::File,
    bytes: u64,
}

/// The new log.
#[derive(Debug)]
struct Copy<S: Storage> {
    file: S::File,
    /// P, and where the frames after it begin in the old one.
    start: Anchor,
    snapshot_crc: u32,
    /// Frames are copied up to here in the old one.
    copied_to: u64,
    /// Zeros reach to here; 0 before there are any.
    zeros_to: u64,
}

impl<S: Storage> Checkpoint<S> {
    /// Begins a checkpoint of `state`, which is what `wal` has. `None` where nothing has moved
    /// since the last complete one.
    pub(crate) fn begin(
        wal: &mut Wal<S>,
        state: &mut State,
    ) -> Result<Option<Self>, CheckpointError> {
        let begun = Instant::now();
        let anchor_lsn = state.last_lsn();
        assert!(
            anchor_lsn == wal.last_lsn(),
            "all that is logged is applied before a checkpoint"
        );
        let fatal = |error| CheckpointError::Fatal { error };
        wal.check().map_err(fatal)?;
        if !has_moved(wal, anchor_lsn) {
            return Ok(None);
        }
        wal.flush().map_err(fatal)?;
        let temporary = FileName::SnapshotTemporary(anchor_lsn);
        let file = wal.storage.open(temporary, FileMode::Create);
        let file = file.map_err(|error| CheckpointError::Temporary { error })?;
        Ok(Some(Self {
            begun,
            anchor: Anchor {
                lsn: anchor_lsn,
                offset: wal.tail.end_offset,
                chain: wal.tail.chain,
                is_complete: true,
            },
            slices: Some(Slices::begin(state)),
            stage: Stage::Snapshot(file),
            seen_to: wal.tail.end_offset,
            report: CheckpointReport {
                written: true,
                ..report_of(wal, anchor_lsn)
            },
        }))
    }

    /// Writes the next slice; the report once all is done. [`Checkpoint::release`] comes after
    /// each, and [`Checkpoint::give_up`] after an error. The state must not have lost what it was.
    pub(crate) fn step(
        &mut self,
        wal: &mut Wal<S>,
        state: &State,
    ) -> Result<Option<CheckpointReport>, CheckpointError> {
        let begun = Instant::now();
        // Twice what has come since, or it would never end.
        let came = wal.tail.end_offset - self.seen_to;
        let mut budget = SLICE_BYTES.max(2 * came);
        self.step_snapshot(wal, state, &mut budget)?;
        self.step_log(wal, budget)?;
        self.step_old(wal)?;
        self.seen_to = wal.tail.end_offset;
        self.report.stall_ns = self.report.stall_ns.max(elapsed_ns(begun));
        if !matches!(self.stage, Stage::Done) {
            return Ok(None);
        }
        self.report.log_bytes_after = wal.log_bytes();
        self.report.duration_ns = elapsed_ns(self.begun);
        Ok(Some(self.report))
    }

    fn step_snapshot(
        &mut self,
        wal: &mut Wal<S>,
        state: &State,
        budget: &mut u64,
    ) -> Result<(), CheckpointError> {
        let (Stage::Snapshot(file), Some(slices)) = (&self.stage, &mut self.slices) else {
            return Ok(());
        };
        let temporary = |error| CheckpointError::Temporary { error };
        let written = write_slice(&wal.storage, file, slices, state, budget);
        let Some(info) = written.map_err(temporary)? else {
            return Ok(());
        };
        let lsn = self.anchor.lsn;
        publish(
            wal,
            FileName::SnapshotTemporary(lsn),
            FileName::Snapshot(lsn),
        )?;
        panic_if_planted(Canary::PanicInCheckpoint);
        self.report.snapshot_bytes = info.bytes;
        let copy = Copy::begin(wal, self.anchor, info.crc).map_err(temporary)?;
        self.stage = Stage::Log(copy);
        Ok(())
    }

    fn step_log(&mut self, wal: &mut Wal<S>, budget: u64) -> Result<(), CheckpointError> {
        let Stage::Log(copy) = &mut self.stage else {
            return Ok(());
        };
        let prepared = copy.prepare(wal, budget);
        if !prepared.map_err(|error| copy_failed(wal, error))? {
            return Ok(());
        }
        match core::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Log(copy) => {
                let (old, oldest) = copy.finish(wal, self.anchor)?;
                self.stage = Stage::Old(Some(old), oldest);
                Ok(())
            }
            _ => unreachable!("looked at above"),
        }
    }

    /// Step 4, a piece of it.
    fn step_old(&mut self, wal: &mut Wal<S>) -> Result<(), CheckpointError> {
        let Stage::Old(old, oldest) = &mut self.stage else {
            return Ok(());
        };
        while let Some(file) = old {
            if file.shorten(&wal.storage) {
                return Ok(());
            }
            let next = next_unnamed(&wal.storage, *oldest);
            *old = next.map_err(|error| CheckpointError::Fatal {
                error: wal.fail(error),
            })?;
        }
        self.stage = Stage::Done;
        Ok(())
    }

    /// Lets the state forget what the last slice has written.
    pub(crate) fn release(&mut self, state: &mut State) {
        let Some(slices) = self.slices.take() else {
            return;
        };
        if matches!(self.stage, Stage::Snapshot(_)) {
            slices.release(state);
            self.slices = Some(slices);
        } else {
            slices.end(state);
        }
    }

    /// Ends it before its end. Where the log has failed, its files are left as they are.
    pub(crate) fn give_up(self, wal: &Wal<S>, state: &mut State) {
        let temporary = match self.stage {
            Stage::Snapshot(_) => FileName::SnapshotTemporary(self.anchor.lsn),
            Stage::Log(_) | Stage::Old(..) | Stage::Done => FileName::WalTemporary,
        };
        if wal.failure().is_none() {
            // Where even this fails, the next open removes it.
            let _ = wal.storage.remove(temporary);
        }
        if let Some(slices) = self.slices {
            slices.end(state);
        }
    }
}

/// A checkpoint from its beginning to its end, for those who hold commits off.
#[cfg(any(test, feature = "torture"))]
pub fn run<S: Storage>(
    wal: &mut Wal<S>,
    state: &mut State,
) -> Result<CheckpointReport, CheckpointError> {
    let Some(mut checkpoint) = Checkpoint::begin(wal, state)? else {
        return Ok(report_of(wal, state.last_lsn()));
    };
    loop {
        match checkpoint.step(wal, state) {
            Ok(None) => checkpoint.release(state),
            Ok(Some(report)) => {
                checkpoint.release(state);
                return Ok(report);
            }
            Err(error) => {
                checkpoint.give_up(wal, state);
                return Err(error);
            }
        }
    }
}

/// What there is to tell of a checkpoint that wrote nothing.
pub(crate) fn report_of<S: Storage>(wal: &Wal<S>, anchor_lsn: Lsn) -> CheckpointReport {
    CheckpointReport {
        anchor_lsn,
        log_bytes_before: wal.log_bytes(),
        log_bytes_after: wal.log_bytes(),
        ..CheckpointReport::default()
    }
}

/// Whether there is anything that the last complete checkpoint does not have.
fn has_moved<S: Storage>(wal: &Wal<S>, anchor_lsn: Lsn) -> bool {
    let done = |anchor: &Anchor| anchor.lsn == anchor_lsn && anchor.is_complete;
    anchor_lsn > Lsn(0) && !wal.anchor.as_ref().is_some_and(done)
}

/// Step 2, a slice of it, synced. What the snapshot is, once it is whole.
fn write_slice<S: Storage>(
    storage: &S,
    file: &S::File,
    slices: &mut Slices,
    state: &State,
    budget: &mut u64,
) -> Result<Option<SnapshotInfo>, IoError> {
    let mut bytes = [0; PIECE_BYTES];
    while *budget > 0 {
        let Some(piece) = slices.next_piece(state, &mut bytes) else {
            storage.sync_all(file)?;
            return Ok(Some(slices.info()));
        };
        storage.write_at(file, piece.offset, &bytes[..piece.len])?;
        // A piece that wrote little has looked at much.
        *budget = budget.saturating_sub(PIECE_BYTES as u64);
    }
    storage.sync_data(file)?;
    Ok(None)
}

impl<S: Storage> Copy<S> {
    /// Step 3 begins.
    fn begin(wal: &Wal<S>, anchor: Anchor, snapshot_crc: u32) -> Result<Self, IoError> {
        let start = overlap(wal, anchor);
        Ok(Self {
            file: wal.storage.open(FileName::WalTemporary, FileMode::Create)?,
            start,
            snapshot_crc,
            copied_to: start.offset,
            zeros_to: 0,
        })
    }

    /// Where an offset of the old log lies in the new one.
    const fn place(&self, offset: u64) -> u64 {
        HEADER + (offset - self.start.offset)
    }

    /// Copies frames and writes zeros behind them, as far as the budget goes. Whether what is left
    /// fits it.
    fn prepare(&mut self, wal: &Wal<S>, mut budget: u64) -> Result<bool, CopyError> {
        let storage = &wal.storage;
        let end = wal.tail.end_offset;
        if self.zeros_to == 0 || end - self.copied_to > budget {
            let to = end.min(self.copied_to + budget);
            let place = self.place(self.copied_to);
            copy_bytes(
                storage,
                (&wal.file, self.copied_to, to),
                (&self.file, place),
            )?;
            budget -= to - self.copied_to;
            self.copied_to = to;
        }
        if self.copied_to == end || self.zeros_to > 0 {
            let file_bytes = (self.place(end) + 2 * SECTOR).next_multiple_of(wal.prealloc_bytes());
            let from = self.zeros_to.max(self.place(self.copied_to));
            let to = file_bytes.min(from + ZERO_BYTES).max(from);
            write_zeros(storage, &self.file, from, to).map_err(CopyError::Target)?;
            self.zeros_to = to;
            if to >= file_bytes && end - self.copied_to <= budget {
                return Ok(true);
            }
        }
        let synced = storage.sync_data(&self.file);
        synced.map_err(CopyError::Target)?;
        Ok(false)
    }

    /// Copies what is left, and makes it all durable: the new log's end, and where A lies in it.
    fn complete(&mut self, wal: &Wal<S>, anchor: Anchor) -> Result<(Tail, Anchor), CopyError> {
        let storage = &wal.storage;
        let end = wal.tail.end_offset;
        let place = self.place(self.copied_to);
        copy_bytes(
            storage,
            (&wal.file, self.copied_to, end),
            (&self.file, place),
        )?;
        let mut marker = [0; SECTOR_BYTES];
        let encoded = wal.encode_marker(&mut marker, anchor.lsn, self.snapshot_crc);
        let copied_end = self.place(end);
        let end_offset = copied_end + SECTOR;
        assert!(end_offset < self.zeros_to, "zeros reach beyond the marker");
        let header = LogHeader {
            config: *wal.config(),
            begins_after: self.start.lsn,
            synced_bytes: end_offset,
            chain_start: self.start.chain,
        };
        let written = storage.write_at(&self.file, copied_end, &marker);
        let written = written.and_then(|()| storage.write_at(&self.file, 0, &header.encode()));
        let synced = written.and_then(|()| storage.sync_all(&self.file));
        synced.map_err(CopyError::Target)?;

        let tail = Tail {
            begins_after: self.start.lsn,
            chain_start: self.start.chain,
            end_offset,
            file_bytes: self.zeros_to,
            chain: encoded.chain,
            is_sealed: false,
            // What came meanwhile counts for the next one.
            checkpoint_offset: end_offset - (end - anchor.offset),
            ..wal.tail
        };
        let anchor = Anchor {
            offset: self.place(anchor.offset),
            ..anchor
        };
        Ok((tail, anchor))
    }

    /// Puts the new log in the old one's place. The old one, and P.
    fn finish(
        mut self,
        wal: &mut Wal<S>,
        anchor: Anchor,
    ) -> Result<(Unnamed<S>, Lsn), CheckpointError> {
        // What a marker follows is durable.
        wal.flush()
            .map_err(|error| CheckpointError::Fatal { error })?;
        let completed = self.complete(wal, anchor);
        let (tail, anchor) = completed.map_err(|error| copy_failed(wal, error))?;
        publish(wal, FileName::WalTemporary, FileName::Wal)?;
        let bytes = wal.tail.file_bytes;
        let file = wal.replace(*wal.config(), self.file, tail, Some(anchor));
        Ok((Unnamed { file, bytes }, self.start.lsn))
    }
}

impl<S: Storage> Unnamed<S> {
    /// Frees a piece of its end, if what is left is more than one. A failure harms nobody: the file
    /// is closed all the same.
    fn shorten(&mut self, storage: &S) -> bool {
        if self.bytes <= FREE_BYTES {
            return false;
        }
        self.bytes -= FREE_BYTES;
        storage.set_len(&self.file, self.bytes).is_ok()
    }
}

/// Takes the name of a snapshot older than `oldest`; none where there is none. The file lives on
/// until it is closed.
fn next_unnamed<S: Storage>(storage: &S, oldest: Lsn) -> Result<Option<Unnamed<S>>, IoError> {
    let mut found = None;
    storage.list(|name| match Entry::of(name) {
        Entry::Ours(FileName::Snapshot(lsn)) if lsn < oldest => found = Some(lsn),
        _ => {}
    })?;
    let Some(lsn) = found else {
        return Ok(None);
    };
    let name = FileName::Snapshot(lsn);
    let file = storage.open(name, FileMode::ReadWrite);
    storage.remove(name)?;
    // What cannot be opened is freed as it is.
    let opened = file.and_then(|file| {
        let bytes = storage.len(&file)?;
        Ok(Unnamed { file, bytes })
    });
    match opened {
        Ok(old) => Ok(Some(old)),
        Err(_) => next_unnamed(storage, oldest),
    }
}

fn copy_failed<S: Storage>(wal: &mut Wal<S>, error: CopyError) -> CheckpointError {
    match error {
        CopyError::Target(error) => CheckpointError::Temporary { error },
        // The log itself cannot be read any more: what it holds is in doubt.
        CopyError::Source(error) => CheckpointError::Fatal {
            error: wal.fail_log(error),
        },
    }
}

/// P, and where the frames after it begin.
fn overlap<S: Storage>(wal: &Wal<S>, anchor: Anchor) -> Anchor {
    if is_planted(Canary::CheckpointDropsOverlap) {
        return anchor;
    }
    let is_older = |older: &Anchor| older.lsn < anchor.lsn;
    wal.anchor.filter(is_older).unwrap_or(Anchor {
        lsn: wal.tail.begins_after,
        offset: HEADER,
        chain: wal.tail.chain_start,
        is_complete: false,
    })
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

#[cfg(test)]
mod tests;
