//! Upkeep, health and logs: what an operator looks at.

use core::ffi::{CStr, c_char};

use allocdb_node::Health;
use allocdb_node::diagnostics::LINE_BYTES_MAX;
use allocdb_node::health::TableHealth;

use crate::command::slot_given;
use crate::constants as number;
use crate::database::Database;
use crate::entry;
use crate::failure::Failure;
use crate::memory::{self, Memory};
use crate::types::{allocdb, allocdb_error, allocdb_health, allocdb_status, allocdb_table_usage};

/// A line, its line feed, and the NUL behind the last one.
const _: () = assert!(number::ALLOCDB_LOG_TEXT_MIN == LINE_BYTES_MAX + 2);

/// Writes a snapshot and drops the part of the log that it and the snapshot before it make
/// superfluous. Made by itself after every checkpoint_wal_bytes; by hand before a planned stop, so
/// that the next opening is quick. If nothing has changed since the last one, nothing is done.
///
/// @param db    Input; not NULL.
/// @param error Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_OVERLOADED; ALLOCDB_E_STORAGE_FULL or ALLOCDB_E_IO (given up, the database
///         goes on as if it had not been tried); ALLOCDB_E_READ_ONLY; ALLOCDB_E_STORAGE_FAILURE
///         (the engine has halted); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// It is written in slices of some milliseconds, between which other threads' commits go on; reads
/// never wait. See allocdb_health.checkpoint_stall_ns. One that the log's growth has begun is
/// finished first.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_checkpoint(
    db: *mut allocdb,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [Memory::output(2, "error", error, 1).or_null()];
    let body = |database: &Database| {
        database.engine.checkpoint()?;
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Shows the engine's figures at one moment. Answered also by a halted engine, and while a sync is
/// under way. A read-only handle shows its writer's figures, as that one last wrote them down,
/// after a commit, a checkpoint, a halt or its close; they do not tell whether it still runs. Its
/// own are start_kind and, where nothing was written down, all: is_accepting_writes is 0 then.
///
/// @param db     Input; not NULL.
/// @param slot   Input: ALLOCDB_SLOT_NOW, or the caller's logical time, for logical_slot_lag.
/// @param health In and output; not NULL. Its struct_size says how much fits, and is set before the
///               call. Zero but for struct_size on failure.
/// @param error  Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP;
///         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_health_get(
    db: *mut allocdb,
    slot: u64,
    health: *mut allocdb_health,
    error: *mut allocdb_error,
) -> allocdb_status {
    // SAFETY: as this function's comment asks.
    unsafe {
        entry::show(db, "health", 3, health, error, |database| {
            figures(&database.engine.health(slot_given(slot)))
        })
    }
}

/// Copies the database, as it is between two commits, into a directory of its own: a snapshot and
/// an empty log, every file synced. The copy opens like any database. It has a database_id of its
/// own, and its LSN is raised by 2^40, so that a database restored from it never repeats a fencing
/// token of this one. Works on a read-only handle too, and then stops no writer.
///
/// @param db        Input; not NULL.
/// @param directory Input; not NULL: a path, NUL-terminated, at most 4,000 bytes. It must be empty,
///                  or not exist: then its last component is created. Not kept.
/// @param error     Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
///         ALLOCDB_E_REENTRANT; ALLOCDB_E_OVERLOADED; ALLOCDB_E_EXISTS (something is in the
///         directory, or the path is a file); ALLOCDB_E_DIRECTORY_NOT_FOUND (its parent is not
///         there); ALLOCDB_E_UNSUPPORTED_FS; ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL or
///         ALLOCDB_E_IO (given up: the directory is empty again, and this database goes on);
///         ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// Commits wait while the snapshot is written, but not while it is synced; reads do not wait.
/// A process that ends in the middle leaves a directory that opens as ALLOCDB_E_CORRUPT: remove it.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.2.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_backup(
    db: *mut allocdb,
    directory: *const c_char,
    error: *mut allocdb_error,
) -> allocdb_status {
    // SAFETY: as this function's comment asks.
    let path = unsafe { Memory::directory(2, directory) };
    let ranges = [path, Memory::output(3, "error", error, 1).or_null()];
    let body = |database: &Database| {
        memory::check_directory(&path)?;
        // SAFETY: not NULL, and the caller says that it ends with a NUL.
        database.backup(unsafe { CStr::from_ptr(directory) })
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Writes the figures of allocdb_health_get as text, in the exposition format of Prometheus
/// (version 0.0.4). The metrics' names begin with allocdb_ and do not change.
///
/// @param db       Input; not NULL.
/// @param slot     Input: ALLOCDB_SLOT_NOW, or the caller's logical time, for the slot lag.
/// @param text     Output; not NULL unless capacity is 0: the text, and a NUL. Empty on failure.
/// @param capacity Bytes of text.
/// @param len      Output; not NULL: bytes written without the NUL. On ALLOCDB_E_BUFFER_TOO_SMALL
///                 the capacity needed; 0 on every other failure.
/// @param error    Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_BUFFER_TOO_SMALL; ALLOCDB_E_OVERLAP;
///         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.2.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_metrics_text(
    db: *mut allocdb,
    slot: u64,
    text: *mut c_char,
    capacity: usize,
    len: *mut usize,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::output(3, "text", text, capacity),
        Memory::size(5, "len", len),
        Memory::output(6, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        let room = match capacity.checked_sub(1) {
            // SAFETY: checked, and the caller's; a byte of it is left for the NUL.
            Some(len) => unsafe { core::slice::from_raw_parts_mut(text.cast::<u8>(), len) },
            None => &mut [],
        };
        let written = database.engine.metrics_text(slot_given(slot), room);
        let written =
            written.map_err(|needed| Failure::too_small(3, "text", capacity, needed + 1))?;
        // SAFETY: as above; written is at most the room.
        unsafe {
            text.add(written).write(0);
            len.write(written);
        }
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Takes log lines out of the ring, oldest first, each with a line feed and with its level in front
/// ("warning: ..."). Answered also by a halted engine: the reason is there.
///
/// @param db       Input; not NULL.
/// @param text     Output; not NULL: as many whole lines as fit, and a NUL. Empty on failure.
/// @param capacity Bytes of text; at least ALLOCDB_LOG_TEXT_MIN, so that every line fits.
/// @param len      Output; not NULL: bytes written without the NUL; 0: there was no line. On
///                 ALLOCDB_E_BUFFER_TOO_SMALL the capacity needed; 0 on every other failure.
/// @param dropped  Output; may be NULL: lines lost since the last read, because the ring was full.
/// @param error    Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_BUFFER_TOO_SMALL; ALLOCDB_E_OVERLAP;
///         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
///
/// Threads: any; each line goes to one of them. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not
/// from the log callback. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_log_read(
    db: *mut allocdb,
    text: *mut c_char,
    capacity: usize,
    len: *mut usize,
    dropped: *mut u64,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::output(2, "text", text, capacity),
        Memory::size(4, "len", len),
        Memory::output(5, "dropped", dropped, 1).or_null(),
        Memory::output(6, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        let needed = number::ALLOCDB_LOG_TEXT_MIN;
        if capacity < needed {
            return Err(Failure::too_small(2, "text", capacity, needed));
        }
        // SAFETY: checked, and the caller's; a byte of it is left for the NUL.
        let room = unsafe { core::slice::from_raw_parts_mut(text.cast::<u8>(), capacity - 1) };
        let (written, lost) = database.engine.diagnostics().read(room);
        // SAFETY: as above; written is at most the room.
        unsafe {
            text.add(written).write(0);
            len.write(written);
            if !dropped.is_null() {
                dropped.write(lost);
            }
        }
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

fn figures(health: &Health) -> allocdb_health {
    allocdb_health {
        struct_size: 0,
        is_accepting_writes: health.accepting_writes.into(),
        halt_reason: health
            .halt
            .map_or(number::ALLOCDB_HALT_NONE, |halt| halt.number()),
        start_kind: health.recovery.kind as u32,
        queue_len: health.queue_len,
        queue_capacity: health.queue_capacity,
        last_lsn: health.last_lsn.0,
        last_slot: health.last_slot.0,
        logical_slot_lag: health.logical_slot_lag,
        expiration_backlog: health.expiration_backlog,
        resources: usage(&health.resources),
        reservations: usage(&health.reservations),
        operations: usage(&health.operations),
        log_bytes: health.log_bytes,
        log_bytes_since_checkpoint: health.log_bytes_since_checkpoint,
        snapshot_lsn: health.snapshot_lsn.0,
        checkpoint_count: health.checkpoints,
        checkpoint_failure_count: health.checkpoint_failures,
        checkpoint_duration_ns: health.checkpoint_ns_last,
        checkpoint_stall_ns: health.checkpoint_stall_ns_last,
        checkpoint_stall_ns_max: health.checkpoint_stall_ns_max,
        commit_count: health.commits,
        record_count: health.records,
        records_per_commit_max: health.records_per_commit_max,
        sync_count: health.syncs,
        sync_ns_sum: health.sync_ns_sum,
        sync_ns_max: health.sync_ns_max,
        sync_histogram: health.sync_histogram,
        command_counts: widened(&health.commands_by_kind),
        result_counts: widened(&health.outcomes_by_code),
        retry_count: health.retries,
        rejection_count: health.rejections,
        overload_count: health.overloads,
        expired_count: health.expirations,
    }
}

fn usage(table: &TableHealth) -> allocdb_table_usage {
    allocdb_table_usage {
        used_count: table.used,
        capacity: table.capacity,
        retired_count: table.retired,
        probe_len_max: table.probe_len_max,
        reserved0: 0,
    }
}

/// The C struct has room for kinds and codes that are still to come.
fn widened<const FEW: usize, const MANY: usize>(counts: &[u64; FEW]) -> [u64; MANY] {
    const { assert!(FEW <= MANY) };
    let mut out = [0; MANY];
    out[..FEW].copy_from_slice(counts);
    out
}
