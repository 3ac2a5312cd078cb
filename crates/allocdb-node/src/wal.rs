//! The open log: frames go to its end, each written and made durable by itself, into zeros that
//! were synced before.
//!
//! ```text
//! |header|frame|frame|…|frame|  zeros, synced  |
//! 0      4096             end_offset       file_bytes
//! ```
//!
//! - A frame is written only where at least one zero sector stays behind it: `end + len < file`.
//!   [`Wal::reserve`] sees to that *before* a commit accepts anything, and is where a full disk
//!   shows: a definite answer that leaves the log as it was.
//! - Under `sync = full` the next frame is written only after the one before is durable. Recovery
//!   relies on it.
//! - The first write or sync that fails is the last: the log remembers it and refuses everything
//!   after. A sync is never tried again on the same descriptor, since the kernel may by then show
//!   pages as clean that never reached the disk.
//!
//! Rejected: `fallocate` for growing. Its unwritten extents are marked written in the journal at
//! the first sync of every commit, which is the very cost that preallocation is to save.

use allocdb_core::canary::{Canary, is_planted};
use allocdb_core::log::{
    EncodedFrame, FrameMeta, LogKey, Marker, SECTOR_BYTES, encode_marker, encode_seal,
};
use allocdb_core::stream::{ByteSink, ByteSource};
use allocdb_core::{Config, Lsn, Slot};

use crate::error::{FileName, IoError};
use crate::storage::Storage;

const SECTOR: u64 = SECTOR_BYTES as u64;

/// Zeros that are written at a time.
const ZERO_BYTES: usize = 64 << 10;
static ZEROS: [u8; ZERO_BYTES] = [0; ZERO_BYTES];
/// Bytes that are copied at a time, by way of the stack: the thread is the host's.
const COPY_BYTES: usize = 16 << 10;

/// Where a snapshot's last LSN lies in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Anchor {
    /// The snapshot's last LSN.
    pub(crate) lsn: Lsn,
    /// The end of the frame that ends with it.
    pub(crate) offset: u64,
    /// What the next frame there chains to.
    pub(crate) chain: u32,
    /// Whether the log has the snapshot's marker: its checkpoint went through to the end.
    pub(crate) is_complete: bool,
}

/// The log of an open database, with its lock.
#[derive(Debug)]
pub struct Wal<S: Storage> {
    pub(crate) storage: S,
    /// Held for as long as the log is open.
    _lock: S::File,
    pub(crate) file: S::File,
    config: Config,
    key: LogKey,
    pub(crate) tail: Tail,
    /// The newest snapshot known to be whole: written here, or restored by recovery.
    pub(crate) anchor: Option<Anchor>,
    prealloc_bytes: u64,
    failure: Option<IoError>,
}

/// Where a log file begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    pub(crate) begins_after: Lsn,
    pub(crate) chain_start: u32,
    pub(crate) end_offset: u64,
    /// Synced zeros reach to here; whole sectors.
    pub(crate) file_bytes: u64,
    pub(crate) last_lsn: Lsn,
    pub(crate) last_slot: Slot,
    pub(crate) durable_lsn: Lsn,
    pub(crate) chain: u32,
    /// The last frame is a durable seal.
    pub(crate) is_sealed: bool,
    /// The end of the log when the last checkpoint was through.
    pub(crate) checkpoint_offset: u64,
}

/// Why there is no room for a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReserveError {
    /// The disk, a quota or a limit leaves no room. Nothing changed; it may work later.
    Full(IoError),
    /// The log has failed, now or before: the engine must halt.
    Failed(IoError),
}

impl<S: Storage> Wal<S> {
    pub(crate) fn new(
        (storage, lock, file): (S, S::File, S::File),
        config: Config,
        tail: Tail,
        anchor: Option<Anchor>,
        prealloc_bytes: u64,
    ) -> Self {
        assert!(tail.end_offset < tail.file_bytes, "a sector is left behind");
        Self {
            storage,
            _lock: lock,
            file,
            key: LogKey::new(&config),
            config,
            tail,
            anchor,
            // The log grows by whole sectors, whatever the option says.
            prealloc_bytes: prealloc_bytes.max(SECTOR).next_multiple_of(SECTOR),
            failure: None,
        }
    }

    /// The configuration in the log's header.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What this log's frames are known by.
    #[must_use]
    pub const fn key(&self) -> &LogKey {
        &self.key
    }

    /// The newest LSN in the log.
    #[must_use]
    pub const fn last_lsn(&self) -> Lsn {
        self.tail.last_lsn
    }

    /// The newest LSN that a returned sync covers.
    #[must_use]
    pub const fn durable_lsn(&self) -> Lsn {
        self.tail.durable_lsn
    }

    /// The last LSN of the newest whole snapshot; 0 when there is none.
    #[must_use]
    pub fn snapshot_lsn(&self) -> Lsn {
        self.anchor.map_or(Lsn(0), |anchor| anchor.lsn)
    }

    /// Bytes of the log in use: header and frames.
    #[must_use]
    pub const fn log_bytes(&self) -> u64 {
        self.tail.end_offset
    }

    /// Bytes of frames since the last checkpoint.
    #[must_use]
    pub const fn bytes_since_checkpoint(&self) -> u64 {
        self.tail.end_offset - self.tail.checkpoint_offset
    }

    /// The failure that ended this log, if one did.
    #[must_use]
    pub const fn failure(&self) -> Option<IoError> {
        self.failure
    }

    /// What the next frame of commands says beside its payload.
    #[must_use]
    pub fn meta(&self, request_slot: Slot, is_synced: bool) -> FrameMeta {
        FrameMeta {
            is_synced,
            first_lsn: Lsn(self.tail.last_lsn.0 + 1),
            request_slot,
            durable_lsn: self.tail.durable_lsn,
            chain: self.tail.chain,
        }
    }

    /// Makes room for a frame of `len` bytes and a seal behind it, which a close or a recovery may
    /// have to write when the disk is full. Call it before the commit accepts anything.
    pub fn reserve(&mut self, len: usize) -> Result<(), ReserveError> {
        self.grow(len as u64 + SECTOR)
    }

    /// Makes room for `len` bytes, and the sector that no frame fills.
    fn grow(&mut self, len: u64) -> Result<(), ReserveError> {
        self.check().map_err(ReserveError::Failed)?;
        let needed = self.tail.end_offset + len + SECTOR;
        let old = self.tail.file_bytes;
        if needed <= old {
            return Ok(());
        }
        let new = needed.next_multiple_of(self.prealloc_bytes);
        match write_zeros(&self.storage, &self.file, old, new) {
            Ok(()) => {}
            Err(error) if error.is_full() => {
                // What was added may stay, it is zeros; but the room is better given back.
                let _ = self.storage.set_len(&self.file, old);
                return Err(ReserveError::Full(of_log(error)));
            }
            Err(error) => return Err(ReserveError::Failed(self.fail_log(error))),
        }
        if let Err(error) = self.storage.sync_data(&self.file) {
            return Err(ReserveError::Failed(self.fail_log(error)));
        }
        self.tail.file_bytes = new;
        Ok(())
    }

    /// Writes a frame that [`Wal::reserve`] made room for and, where `meta` says so, syncs it.
    /// After an error nobody knows what of it is on the disk, and the log takes no more.
    pub fn append(
        &mut self,
        frame: &[u8],
        encoded: &EncodedFrame,
        meta: &FrameMeta,
    ) -> Result<(), IoError> {
        self.check()?;
        assert!(frame.len() == encoded.len, "a frame is written whole");
        assert!(
            meta.first_lsn.0 == self.tail.last_lsn.0 + 1,
            "a frame follows the last"
        );
        assert!(meta.chain == self.tail.chain, "a frame chains to the last");
        let end = self.tail.end_offset + frame.len() as u64;
        assert!(
            end + SECTOR <= self.tail.file_bytes,
            "the room was reserved"
        );
        let offset = self.tail.end_offset;
        // R88: nothing is applied, so nothing is answered, before this has returned.
        let written = if meta.is_synced && !is_planted(Canary::AcknowledgedBeforeSync) {
            self.storage.write_durable_at(&self.file, offset, frame)
        } else {
            self.storage.write_at(&self.file, offset, frame)
        };
        if let Err(error) = written {
            return Err(self.fail_log(error));
        }
        if meta.is_synced {
            self.tail.durable_lsn = encoded.last_lsn;
        }
        self.tail.end_offset = end;
        self.tail.last_lsn = encoded.last_lsn;
        self.tail.last_slot = meta.request_slot;
        self.tail.chain = encoded.chain;
        self.tail.is_sealed = false;
        Ok(())
    }

    /// Makes every frame durable.
    pub fn flush(&mut self) -> Result<(), IoError> {
        self.check()?;
        if self.tail.durable_lsn < self.tail.last_lsn {
            if !is_planted(Canary::SnapshotAheadOfLog) {
                self.sync()?;
            }
            self.tail.durable_lsn = self.tail.last_lsn;
        }
        Ok(())
    }

    /// A clean end: makes every frame durable and writes the seal that proves it, unless the log
    /// ends with one, or the disk has no room for it.
    pub fn seal(&mut self) -> Result<(), IoError> {
        self.flush()?;
        if self.tail.is_sealed {
            return Ok(());
        }
        match self.grow(SECTOR) {
            Ok(()) => {}
            // The seal guards against damage later; nothing that is durable needs it.
            Err(ReserveError::Full(_)) => return Ok(()),
            Err(ReserveError::Failed(error)) => return Err(error),
        }
        let meta = self.meta(self.tail.last_slot, true);
        let mut sector = [0; SECTOR_BYTES];
        let encoded = encode_seal(&mut sector, &self.key, &meta);
        self.append(&sector, &encoded, &meta)?;
        self.tail.is_sealed = true;
        Ok(())
    }

    /// The marker of a snapshot at `anchor_lsn`, chained to the last frame.
    pub(crate) fn encode_marker(
        &self,
        sector: &mut [u8],
        anchor_lsn: Lsn,
        snapshot_crc: u32,
    ) -> EncodedFrame {
        assert!(
            self.tail.durable_lsn == self.tail.last_lsn,
            "what a marker follows is durable"
        );
        let marker = Marker {
            anchor_lsn,
            snapshot_crc,
        };
        let meta = self.meta(self.tail.last_slot, true);
        encode_marker(sector, &self.key, &meta, marker)
    }

    /// The step by which a log file of this database grows.
    pub(crate) fn prealloc_bytes(&self) -> u64 {
        self.prealloc_bytes
    }

    /// Puts another log file in this one's place, whose header has `config`: this log's, or a grown
    /// one. Returns the old one.
    pub(crate) fn replace(
        &mut self,
        config: Config,
        file: S::File,
        tail: Tail,
        anchor: Option<Anchor>,
    ) -> S::File {
        assert!(
            tail.last_lsn == self.tail.last_lsn,
            "a rewrite keeps the log's end"
        );
        assert!(
            self.config.growth_obstacle(&config).is_none(),
            "a rewrite keeps the log's database"
        );
        assert!(tail.end_offset < tail.file_bytes, "a sector is left behind");
        self.config = config;
        self.tail = tail;
        self.anchor = anchor;
        core::mem::replace(&mut self.file, file)
    }

    /// R89: remembers the failure that ends this log.
    pub(crate) fn fail(&mut self, error: IoError) -> IoError {
        *self.failure.get_or_insert(error)
    }

    /// The same of a failure in the log's own file.
    pub(crate) fn fail_log(&mut self, error: IoError) -> IoError {
        self.fail(of_log(error))
    }

    pub(crate) fn check(&self) -> Result<(), IoError> {
        self.failure.map_or(Ok(()), Err)
    }

    fn sync(&mut self) -> Result<(), IoError> {
        match self.storage.sync_data(&self.file) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail_log(error)),
        }
    }
}

/// A failure in the log's own file, under the name that it has: it may have been opened under the
/// temporary one, by whoever wrote it before it got its name.
fn of_log(error: IoError) -> IoError {
    let file = match error.file {
        FileName::WalTemporary => FileName::Wal,
        other => other,
    };
    IoError { file, ..error }
}

/// Writes zeros over `from..to`.
pub(crate) fn write_zeros<S: Storage>(
    storage: &S,
    file: &S::File,
    from: u64,
    to: u64,
) -> Result<(), IoError> {
    let mut at = from;
    while at < to {
        let step = usize::try_from(to - at).map_or(ZERO_BYTES, |rest| rest.min(ZERO_BYTES));
        storage.write_at(file, at, &ZEROS[..step])?;
        at += step as u64;
    }
    Ok(())
}

/// Copies `from..to` of one file to `place` in another, or over itself.
pub(crate) fn copy_bytes<S: Storage>(
    storage: &S,
    (source, from, to): (&S::File, u64, u64),
    (target, place): (&S::File, u64),
) -> Result<(), CopyError> {
    let mut buffer = [0; COPY_BYTES];
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).map_or(COPY_BYTES, |rest| rest.min(COPY_BYTES));
        let bytes = &mut buffer[..len];
        let read = storage.read_at(source, at, bytes);
        read.map_err(CopyError::Source)?;
        let written = storage.write_at(target, place + (at - from), bytes);
        written.map_err(CopyError::Target)?;
        at += len as u64;
    }
    Ok(())
}

/// Which side of a copy failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CopyError {
    Source(IoError),
    Target(IoError),
}

/// A file as the core reads it.
#[derive(Debug)]
pub(crate) struct FileSource<'a, S: Storage> {
    pub(crate) storage: &'a S,
    pub(crate) file: &'a S::File,
}

/// A file that the core appends to.
#[derive(Debug)]
pub(crate) struct FileSink<'a, S: Storage> {
    pub(crate) storage: &'a S,
    pub(crate) file: &'a S::File,
    pub(crate) offset: u64,
}

impl<S: Storage> ByteSink for FileSink<'_, S> {
    type Error = IoError;

    fn write(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.storage.write_at(self.file, self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

impl<S: Storage> ByteSource for FileSource<'_, S> {
    type Error = IoError;

    fn len(&mut self) -> Result<u64, IoError> {
        self.storage.len(self.file)
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.storage.read_at(self.file, offset, out)
    }
}

#[cfg(test)]
mod tests;
