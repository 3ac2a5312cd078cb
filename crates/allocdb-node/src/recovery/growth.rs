//! Growing the tables of a database that has just been recovered (R95, R96).
//!
//! With A the last LSN, all of it recovered and durable under the stored configuration:
//!
//! 1. write `snapshot-A` of the state *as of the new configuration* under a temporary name, sync
//!    it, let go of the state, and read the file back: what comes out has the larger tables;
//! 2. write a log under a temporary name, whose header has the new configuration and begins after
//!    A, with nothing in it but the snapshot's marker; sync it;
//! 3. rename the snapshot, sync the directory; rename the log, sync the directory;
//! 4. remove the older snapshots.
//!
//! A snapshot holds handles, free lists and queues, which no capacity has a part in, so nothing is
//! rebuilt by a way of its own: growing is a restart into other tables, and what is handed out is
//! what the disk has. There is no overlap, since commands from before may not be run again on
//! larger tables, where a reserve that found the table full would succeed.
//!
//! A crash before step 3 leaves the database as it was. One between the two renames leaves a
//! snapshot of greater tables than the log's: recovery takes it if no command follows it, and comes
//! here again. What fails in steps 1 and 2, a full disk or too little memory, is given up, and both
//! temporary files go; so nothing is renamed before everything that needs room is written.
//!
//! The old tables are freed before the new ones are made: growing never needs more memory than the
//! grown database does. At LSN 0 there is nothing to keep, and no snapshot.
//!
//! Rejected: copying the tables in memory and writing a checkpoint afterwards; it needs both at a
//! time, and the tables in use would be others than those on the disk until the first restart. A
//! record of the growth in the log; every replay would then have to change tables on its way.

use allocdb_core::snapshot::{self, Overrides, SnapshotError};
use allocdb_core::state::{State, StateError};
use allocdb_core::{Config, Lsn};

use super::{Recovered, state_error};
use crate::baseline::{self, Start};
use crate::error::{FileName, IoError, OpenError};
use crate::storage::{Entry, Storage};
use crate::wal::{Anchor, FileSource, Tail, Wal};

/// Gives the database tables of `config`, which its log's may grow into.
pub(super) fn run<S: Storage>(
    recovered: Recovered<S>,
    config: Config,
) -> Result<Recovered<S>, OpenError> {
    let Recovered {
        state,
        mut wal,
        report,
        ..
    } = recovered;
    let grown_from = Some(*wal.config());
    let lsn = state.last_lsn();
    assert!(
        lsn == wal.last_lsn() && lsn == wal.durable_lsn(),
        "a database is recovered and durable before it grows"
    );
    let grown = write(&wal, state, config).and_then(|grown| {
        publish(&wal.storage, lsn)?;
        Ok(grown)
    });
    let (state, (file, tail, anchor)) = grown.inspect_err(|_| {
        // Where even this fails, the next open removes them.
        let _ = wal.storage.remove(FileName::WalTemporary);
        let _ = wal.storage.remove(FileName::SnapshotTemporary(lsn));
    })?;
    wal.replace(config, file, tail, anchor);
    remove_snapshots_below(&wal.storage, lsn)?;
    Ok(Recovered {
        state,
        wal,
        report,
        grown_from,
    })
}

type LogFile<S> = (<S as Storage>::File, Tail, Option<Anchor>);

/// Steps 1 and 2: the grown state, and its log.
fn write<S: Storage>(
    wal: &Wal<S>,
    state: State,
    config: Config,
) -> Result<(State, LogFile<S>), OpenError> {
    let (lsn, slot) = (state.last_lsn(), state.last_slot());
    let (state, snapshot_crc) = if lsn == Lsn(0) {
        drop(state);
        (State::new(config).map_err(state_error)?, None)
    } else {
        let (state, crc) = rebuild(&wal.storage, state, config)?;
        (state, Some(crc))
    };
    let start = Start {
        config,
        lsn,
        slot,
        chain: wal.tail.chain,
        snapshot_crc,
        prealloc_bytes: wal.prealloc_bytes(),
    };
    let log = baseline::write_log(&wal.storage, FileName::WalTemporary, &start)?;
    Ok((state, log))
}

/// Step 1. Answers the grown state and its snapshot's checksum.
fn rebuild<S: Storage>(
    storage: &S,
    state: State,
    config: Config,
) -> Result<(State, u32), OpenError> {
    let (last_lsn, digest) = (state.last_lsn(), state.digest());
    let name = FileName::SnapshotTemporary(last_lsn);
    let overrides = Overrides { config, last_lsn };
    let (file, info) = baseline::write_snapshot(storage, name, &state, &overrides)?;
    storage.sync_all(&file)?;
    drop(state);
    let mut source = FileSource {
        storage,
        file: &file,
    };
    let (state, read) = snapshot::decode(&mut source).map_err(|error| match error {
        SnapshotError::Source(error) => error.into(),
        SnapshotError::State(error @ StateError::NoMemory { .. }) => state_error(error),
        _ => not_as_written(name, last_lsn),
    })?;
    if read != info {
        return Err(not_as_written(name, last_lsn));
    }
    assert!(
        state.digest() == digest && *state.config() == config,
        "a state that grows keeps its history"
    );
    Ok((state, info.crc))
}

fn not_as_written(file: FileName, expected_lsn: Lsn) -> OpenError {
    OpenError::Corrupt {
        file,
        offset: 0,
        expected_lsn,
        reason: "what was written is not what is read back",
    }
}

/// Step 3. The snapshot first: beside the log from before it is whole, and the other way round it
/// would be missing.
fn publish<S: Storage>(storage: &S, lsn: Lsn) -> Result<(), IoError> {
    if lsn > Lsn(0) {
        storage.rename(FileName::SnapshotTemporary(lsn), FileName::Snapshot(lsn))?;
        storage.sync_directory()?;
    }
    storage.rename(FileName::WalTemporary, FileName::Wal)?;
    storage.sync_directory()
}

/// Removes the snapshots older than `oldest`, a few names at a time, since a listing must not be
/// changed under way.
fn remove_snapshots_below<S: Storage>(storage: &S, oldest: Lsn) -> Result<(), IoError> {
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
