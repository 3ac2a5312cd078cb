//! Making a fresh database.
//!
//! Memory first, so that a configuration too large for the host leaves no files. Then the log under
//! its temporary name, synced, renamed, the directory synced, and the one above it; and only then
//! the id into the lock file, synced too. From that moment a missing log is damage. A crash before
//! it leaves a directory in which the next open makes the database anew, or finds it whole.

use allocdb_core::Config;
use allocdb_core::log::LogHeader;
use allocdb_core::state::State;

use super::{HEADER, Recovered, SECTOR, state_error, write_owner};
use crate::error::{FileName, IoError, OpenError};
use crate::options::{Options, Settings};
use crate::report::{RecoveryReport, StartKind};
use crate::storage::{FileMode, Storage};
use crate::wal::{Tail, Wal, write_zeros};

pub(super) fn create<S: Storage>(
    storage: S,
    lock: S::File,
    (options, settings): (&Options, &Settings),
) -> Result<Recovered<S>, OpenError> {
    let mut drawn = [0; 24];
    getrandom::fill(&mut drawn).map_err(|error| {
        OpenError::Io(IoError {
            operation: "draw random bytes",
            file: FileName::Directory,
            offset: 0,
            os_errno: error.raw_os_error().unwrap_or(0),
        })
    })?;
    let (id, seed) = drawn.split_at(16);
    // Zero is no id and no seed that was drawn; a one in the lowest bit avoids it.
    let id = u128::from_le_bytes(id.try_into().expect("16 bytes")) | 1;
    let seed = u64::from_le_bytes(seed.try_into().expect("8 bytes")) | 1;
    let config = options.config_for_creation(id, seed)?;
    let state = State::new(config).map_err(state_error)?;

    write_owner(&storage, &lock, 0)?;
    let written = write_log(&storage, config, settings.wal_prealloc_bytes);
    let (file, file_bytes) = written.inspect_err(|_| {
        let _ = storage.remove(FileName::WalTemporary);
    })?;
    storage.rename(FileName::WalTemporary, FileName::Wal)?;
    storage.sync_directory()?;
    storage.sync_parent()?;
    write_owner(&storage, &lock, config.database_id)?;
    storage.sync_all(&lock)?;

    let header = LogHeader::fresh(config);
    let tail = Tail {
        begins_after: header.begins_after,
        chain_start: header.chain_start,
        end_offset: HEADER,
        file_bytes,
        last_lsn: state.last_lsn(),
        last_slot: state.last_slot(),
        durable_lsn: state.last_lsn(),
        chain: header.chain_start,
        is_sealed: false,
        checkpoint_offset: HEADER,
    };
    let files = (storage, lock, file);
    Ok(Recovered {
        state,
        wal: Wal::new(files, config, tail, None, settings.wal_prealloc_bytes),
        report: RecoveryReport {
            kind: StartKind::Fresh,
            ..RecoveryReport::default()
        },
        grown_from: None,
    })
}

/// Writes and syncs an empty log under its temporary name.
fn write_log<S: Storage>(
    storage: &S,
    config: Config,
    prealloc_bytes: u64,
) -> Result<(S::File, u64), IoError> {
    let file = storage.open(FileName::WalTemporary, FileMode::Create)?;
    storage.write_at(&file, 0, &LogHeader::fresh(config).encode())?;
    let file_bytes = (HEADER + SECTOR).next_multiple_of(prealloc_bytes.next_multiple_of(SECTOR));
    write_zeros(storage, &file, HEADER, file_bytes)?;
    storage.sync_all(&file)?;
    Ok((file, file_bytes))
}
