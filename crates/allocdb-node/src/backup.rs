//! A backup: a database of its own, with the state that this one has between two commits.
//!
//! It is a snapshot and an empty log behind it (`baseline`), under a new `database_id`, at an LSN
//! raised by 2^40, so that what is restored from it never repeats a fencing token that the original
//! has given since (R101). The directory must be empty. In this order:
//!
//! 1. take the lock, and write the new id into the lock file; sync it, the directory, and the one
//!    above;
//! 2. while commits are held, write the snapshot under a temporary name; then let them go on;
//! 3. sync it, read it back, rename it, sync the directory;
//! 4. write the log under a temporary name, sync it, rename it, sync the directory.
//!
//! R102: a crash leaves a directory whose lock file names a database without a log, which opens as
//! damaged and never as a fresh or an older one; or the whole. Before step 1 is durable it leaves
//! nothing but, at most, an empty lock file. The log comes last, and its name is the commit. What
//! fails is cleared away in the opposite order, the lock file last, and only if all else went.
//!
//! Nothing here touches the original's files, so nothing that fails here halts it. Commits wait for
//! step 2 alone: writes into the page cache, no sync. Rejected: copying the files under a
//! checkpoint's hold (it would need room on the original's disk, which is full when backups matter
//! most); linking or copying the newest snapshot (it has the original's id and tokens).

use std::time::Instant;

use allocdb_core::canary::{Canary, is_planted, panic_if_planted};
use allocdb_core::log::SECTOR_BYTES;
use allocdb_core::snapshot::{self, Overrides, SnapshotError, SnapshotInfo};
use allocdb_core::state::State;
use allocdb_core::{Config, Lsn};

use crate::baseline::{self, Start};
use crate::error::{BackupError, FileName, IoError};
use crate::report::BackupReport;
use crate::storage::{LockError, LockRecord, Storage};
use crate::wal::FileSource;

/// R101: by how much a backup's LSN is ahead of its original's.
pub const LSN_RAISE: u64 = 1 << 40;

/// The log grows by it when the first command comes; a backup takes no room in advance.
const LOG_STEP: u64 = 8 * SECTOR_BYTES as u64;

/// A backup under way. Dropped before it is finished, it clears away what it made.
pub(crate) struct Backup<'t, T: Storage> {
    target: &'t T,
    lock: T::File,
    started: Instant,
    database_id: u128,
    /// What the names of its files have; 0 before there are any.
    lsn: Lsn,
    taken: Option<Taken<T::File>>,
    is_finished: bool,
}

/// The snapshot in its temporary file, not synced yet.
struct Taken<F> {
    file: F,
    info: SnapshotInfo,
    source_lsn: Lsn,
    stall_ns: u64,
}

impl<'t, T: Storage> Backup<'t, T> {
    /// Step 1: makes sure of the directory.
    pub(crate) fn begin(target: &'t T) -> Result<Self, BackupError> {
        let started = Instant::now();
        let database_id = draw_id()?;
        refuse_others(target, &[])?;
        let lock = target.lock().map_err(|error| match error {
            // It was empty a moment ago: somebody is making a database there.
            LockError::Locked { .. } => BackupError::Exists,
            LockError::Io(error) => error.into(),
        })?;
        // Only now does the directory stand still.
        refuse_others(target, &[b"LOCK"])?;
        let backup = Self {
            target,
            lock,
            started,
            database_id,
            lsn: Lsn(0),
            taken: None,
            is_finished: false,
        };
        let pid = std::process::id();
        let text = LockRecord { pid, database_id }.encode();
        target.write_at(&backup.lock, 0, &text)?;
        target.sync_all(&backup.lock)?;
        target.sync_directory()?;
        target.sync_parent()?;
        Ok(backup)
    }

    /// Step 2: writes the state down. Whoever changes it is held off.
    pub(crate) fn take(&mut self, state: &State) -> Result<(), BackupError> {
        assert!(self.taken.is_none(), "a backup is of one state");
        let started = Instant::now();
        let source_lsn = state.last_lsn();
        // R4, R101.
        let lsn = if is_planted(Canary::LastPositionIsNear) {
            Some(Lsn(Lsn::MAX.0 - 3))
        } else {
            source_lsn.after(LSN_RAISE)
        };
        let lsn = lsn.ok_or(BackupError::LsnExhausted { lsn: source_lsn })?;
        self.lsn = lsn;
        panic_if_planted(Canary::PanicInBackup);
        let overrides = Overrides {
            config: Config {
                database_id: self.database_id,
                ..*state.config()
            },
            last_lsn: lsn,
        };
        let name = FileName::SnapshotTemporary(lsn);
        let (file, info) = baseline::write_snapshot(self.target, name, state, &overrides)?;
        self.taken = Some(Taken {
            file,
            info,
            source_lsn,
            stall_ns: elapsed_ns(started),
        });
        Ok(())
    }

    /// Steps 3 and 4: makes it a database.
    pub(crate) fn finish(mut self) -> Result<BackupReport, BackupError> {
        let taken = self.taken.as_ref();
        let taken = taken.expect("a state is taken before a backup is finished");
        let (target, info, lsn) = (self.target, taken.info, self.lsn);
        target.sync_all(&taken.file)?;
        read_back(target, &taken.file, &info)?;
        target.rename(FileName::SnapshotTemporary(lsn), FileName::Snapshot(lsn))?;
        target.sync_directory()?;
        let start = Start {
            config: info.config,
            lsn,
            slot: info.last_slot,
            chain: 0,
            snapshot_crc: Some(info.crc),
            prealloc_bytes: LOG_STEP,
        };
        baseline::write_log(target, FileName::WalTemporary, &start)?;
        target.rename(FileName::WalTemporary, FileName::Wal)?;
        target.sync_directory()?;
        let report = BackupReport {
            source_lsn: taken.source_lsn,
            lsn,
            slot: info.last_slot,
            database_id: self.database_id,
            snapshot_bytes: info.bytes,
            duration_ns: elapsed_ns(self.started),
            stall_ns: taken.stall_ns,
        };
        self.is_finished = true;
        Ok(report)
    }

    /// Removes what was made, the log first. Answers whether all of it is gone.
    fn clear(&self) -> bool {
        let gone = |name| match self.target.remove(name) {
            Ok(()) => true,
            Err(error) => error.os_errno == libc::ENOENT,
        };
        let mut all = gone(FileName::Wal);
        all &= gone(FileName::WalTemporary);
        all &= gone(FileName::Snapshot(self.lsn));
        all &= gone(FileName::SnapshotTemporary(self.lsn));
        // What is left is damaged, and says so, for as long as the lock file names a database.
        all && self.target.sync_directory().is_ok() && gone(FileName::Lock)
    }
}

impl<T: Storage> Drop for Backup<'_, T> {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed does not open.
            let _ = self.clear();
        }
    }
}

/// Refuses a directory with anything in it but what a file system puts there, and `ours`.
fn refuse_others<T: Storage>(target: &T, ours: &[&[u8]]) -> Result<(), BackupError> {
    let mut has_others = false;
    target.list(|name| has_others |= name != b"lost+found" && !ours.contains(&name))?;
    if has_others {
        Err(BackupError::Exists)
    } else {
        Ok(())
    }
}

fn draw_id() -> Result<u128, IoError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| IoError {
        operation: "draw random bytes",
        file: FileName::Directory,
        offset: 0,
        os_errno: error.raw_os_error().unwrap_or(0),
    })?;
    // Zero is no id; a one in the lowest bit avoids it.
    Ok(u128::from_le_bytes(bytes) | 1)
}

/// Every length and checksum of the snapshot, as the disk has it.
fn read_back<T: Storage>(target: &T, file: &T::File, info: &SnapshotInfo) -> Result<(), IoError> {
    let mut source = FileSource {
        storage: target,
        file,
    };
    match snapshot::verify(&mut source) {
        Ok(read) if read == *info => Ok(()),
        Err(SnapshotError::Source(error)) => Err(error),
        _ => Err(IoError {
            operation: "read back",
            file: FileName::SnapshotTemporary(info.last_lsn),
            offset: 0,
            os_errno: libc::EIO,
        }),
    }
}

fn elapsed_ns(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
