//! Options, opening, closing: where a handle comes from and where it goes.

use core::ffi::{CStr, c_char};
use core::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use allocdb_node::cancellation::CancellationOff;
use allocdb_node::status;

use crate::database::Database;
use crate::failure::Failure;
use crate::growable;
use crate::memory::{self, Memory};
use crate::options::wanted;
use crate::types::{allocdb, allocdb_error, allocdb_options, allocdb_recovery_report};
use crate::types::{allocdb_operation, allocdb_status};
use crate::{entry, handle, thread};

/// Fills options with the default of every field, which is zero, and struct_size with `size`.
///
/// @param options Output; NULL does nothing. The caller's.
/// @param size    sizeof *options, as the caller was compiled.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_options_init(options: *mut allocdb_options, size: usize) {
    if options.is_null() || !options.is_aligned() || size < size_of::<u32>() {
        return;
    }
    let size = size.min(growable::SIZE_MAX);
    // SAFETY: not NULL, aligned, and the caller says that it has `size` bytes.
    unsafe {
        options.cast::<u8>().write_bytes(0, size);
        options
            .cast::<u32>()
            .write(u32::try_from(size).unwrap_or(0));
    }
}

/// Says how much memory a database made with these options uses at most, before anything is
/// allocated: tables, buffers, everything that grows after allocdb_open is called.
///
/// A pure function of the options; nothing is opened. For a database that is there, pass its own
/// capacities (allocdb_configuration shows them); for one that is to grow, the greater ones: the
/// old tables are freed before the new ones are made, so the growth itself needs no more than that.
/// With ALLOCDB_OPEN_READ_ONLY tables count twice, since a refresh may build the state again beside
/// the one that is read.
///
/// @param options Input; NULL: all defaults.
/// @param bytes   Output; not NULL. 0 on failure.
/// @param error   Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID (bytes is NULL, or an option is out of its bounds: the
///         message names it); ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP; ALLOCDB_E_PANIC.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_memory_bound(
    options: *const allocdb_options,
    bytes: *mut u64,
    error: *mut allocdb_error,
) -> allocdb_status {
    let run = || {
        let ranges = [
            // SAFETY: as this function's comment asks.
            unsafe { growable::range(1, "options", options) }?.or_null(),
            Memory::output(2, "bytes", bytes, 1),
            Memory::output(3, "error", error, 1).or_null(),
        ];
        memory::check(&ranges)?;
        // SAFETY: checked.
        let wanted = unsafe { wanted(1, options) }?;
        let bound = wanted
            .options
            .memory_bound()
            .map_err(Failure::from_config)?;
        // SAFETY: checked.
        unsafe { bytes.write(bound) };
        Ok(())
    };
    let outputs = [Memory::output(2, "bytes", bytes, 1)];
    // SAFETY: as this function's comment asks.
    unsafe { entry::call_without_handle(&outputs, error, run) }
}

/// Opens the database in a directory, creating it if nothing is there (see the flags), recovers it,
/// and hands out a handle. All memory is allocated here. One process at a time has a database open
/// for writing; any number may read it, see ALLOCDB_OPEN_READ_ONLY.
///
/// Recovery replays the log and fails closed: files that are damaged are reported and left as they
/// are. How long it takes is in the recovery report.
///
/// @param directory Input; not NULL: a path, NUL-terminated, at most 4,000 bytes. The last
///                  component is created if it is missing, its parents are not.
/// @param options   Input; NULL: all defaults. Read during the call only; log_context must live as
///                  long as the handle.
/// @param out       Output; not NULL: the handle, to be closed with allocdb_close. NULL on failure,
///                  and then there is nothing to clean up.
/// @param error     Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID (an argument, or an option: the message names field, value
///         and bounds); ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_IO (permission, too many open files, ...: see os_errno); ALLOCDB_E_LOCKED
///         (open in this or another process: detail[0] is its pid); ALLOCDB_E_DIRECTORY_NOT_FOUND;
///         ALLOCDB_E_NOT_A_DATABASE (a file, or foreign content); ALLOCDB_E_CORRUPT;
///         ALLOCDB_E_CONFIG_MISMATCH; ALLOCDB_E_VERSION; ALLOCDB_E_NO_MEMORY;
///         ALLOCDB_E_UNSUPPORTED_FS; ALLOCDB_E_EXISTS; ALLOCDB_E_STORAGE_FULL;
///         ALLOCDB_E_STORAGE_FAILURE; ALLOCDB_E_PANIC.
///
/// Greater capacities than the stored ones grow the tables: after the recovery, a snapshot and a
/// new log are written, for which the disk must have room beside the old ones
/// (ALLOCDB_E_STORAGE_FULL).
///
/// On failure an existing database is as it was; or, where a growth failed at the very end, as it
/// was to become.
///
/// Threads: any number may open at once. Forks: a child opens its own handles. Callbacks: not from
/// the log callback, which may itself be called during this call. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_open(
    directory: *const c_char,
    options: *const allocdb_options,
    out: *mut *mut allocdb,
    error: *mut allocdb_error,
) -> allocdb_status {
    let run = || {
        if thread::is_in_callback() {
            return Err(Failure::plain(status::E_REENTRANT));
        }
        // SAFETY: as this function's comment asks.
        let path = unsafe { Memory::directory(1, directory) };
        let ranges = [
            path,
            // SAFETY: as this function's comment asks.
            unsafe { growable::range(2, "options", options) }?.or_null(),
            Memory::output(3, "out", out, 1),
            Memory::output(4, "error", error, 1).or_null(),
        ];
        memory::check(&ranges)?;
        memory::check_directory(&path)?;
        // SAFETY: checked.
        let wanted = unsafe { wanted(2, options) }?;
        // SAFETY: checked, and it ends with a NUL.
        let directory = unsafe { CStr::from_ptr(directory) };
        let database = Database::open(directory, &wanted)?;
        let handle = handle::make(database).ok_or_else(|| Failure::plain(status::E_NO_MEMORY))?;
        // SAFETY: checked.
        unsafe { out.write(handle) };
        Ok(())
    };
    // Recovery closes what it has read, and a failure everything: close is a cancellation point.
    let _cancellation_off = CancellationOff::new();
    thread::install_panic_hook();
    let outputs = [Memory::output(3, "out", out, 1)];
    // SAFETY: as this function's comment asks.
    unsafe { entry::call_without_handle(&outputs, error, run) }
}

/// Closes a handle: waits for the calls under way in other threads, proves the log's end durable,
/// releases the lock and the memory, and sets the caller's variable to NULL.
///
/// Calls that come later through a copy of the pointer answer ALLOCDB_E_CLOSED. A handle that was
/// not closed when the process ends loses nothing.
///
/// @param db In and output: the address of the caller's variable. NULL, or a variable that holds
///           NULL, or a handle that is closed already: nothing to do, ALLOCDB_OK.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID (not a handle); ALLOCDB_E_REENTRANT (the variable is left
///         as it is); ALLOCDB_E_STORAGE_FAILURE (the last write failed: closed all the same, what
///         was acknowledged stays); ALLOCDB_E_PANIC (closed all the same).
///
/// Threads: any; of several that close at once through one variable, one does it. Forks: in a child
/// it frees the memory and touches no file. Callbacks: not from the log callback. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_close(db: *mut *mut allocdb) -> allocdb_status {
    if db.is_null() {
        return allocdb_status::from(status::OK);
    }
    let _cancellation_off = CancellationOff::new();
    let closed = || {
        if !db.is_aligned() {
            return Err(Failure::argument(1, format_args!("db is not aligned")));
        }
        if thread::is_in_callback() {
            return Err(Failure::plain(status::E_REENTRANT));
        }
        // SAFETY: not NULL, aligned, the caller's. Atomic, so that of two threads that close
        // through one variable, one gets the handle.
        let handle = unsafe { AtomicPtr::from_ptr(db) }.swap(ptr::null_mut(), Ordering::AcqRel);
        if handle.is_null() {
            return Ok(());
        }
        // SAFETY: as this function's comment asks.
        unsafe { handle::close(handle) }
    };
    match closed() {
        Ok(()) => allocdb_status::from(status::OK),
        Err(failure) => allocdb_status::from(failure.status),
    }
}

/// Shows all options of an open database with the defaults filled in: what is stored with the data,
/// and the settings of this opening. On a read-only handle, a refresh may show greater capacities.
///
/// @param db        Input; not NULL.
/// @param effective In and output; not NULL. Its struct_size says how much fits, and is set before
///                  the call. Zero but for struct_size on failure.
/// @param error     Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP;
///         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_configuration(
    db: *mut allocdb,
    effective: *mut allocdb_options,
    error: *mut allocdb_error,
) -> allocdb_status {
    let fill = |database: &Database| {
        let engine = &database.engine;
        database
            .wanted
            .effective(&engine.configuration(), engine.settings())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::show(db, "effective", 2, effective, error, fill) }
}

/// Shows what recovery found and did when this handle was opened.
///
/// @param db     Input; not NULL.
/// @param report In and output; not NULL. Its struct_size says how much fits, and is set before the
///               call. Zero but for struct_size on failure.
/// @param error  Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_STRUCT_SIZE; ALLOCDB_E_OVERLAP;
///         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_recovery_report_get(
    db: *mut allocdb,
    report: *mut allocdb_recovery_report,
    error: *mut allocdb_error,
) -> allocdb_status {
    let fill = |database: &Database| {
        let found = database.engine.recovery_report();
        allocdb_recovery_report {
            struct_size: 0,
            start_kind: found.kind as u32,
            snapshot_lsn: found.snapshot_lsn.0,
            frames_replayed: found.frames_replayed,
            records_replayed: found.records_replayed,
            last_lsn: found.last_lsn.0,
            last_slot: found.last_slot.0,
            torn_bytes: found.torn_bytes,
            rewritten_bytes: found.rewritten_bytes,
            duration_ns: found.duration_ns,
        }
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::show(db, "report", 2, report, error, fill) }
}

/// Makes the name of a new operation: a random id that no other call returns, valid for the dedupe
/// window from now (allocdb_slot_now + operation_window_slots). Keep it and repeat it in every
/// retry of the same command.
///
/// No system call: a random base is drawn at open, and counted up.
///
/// @param db Input; may be NULL.
/// @return The operation. All zero, which every command refuses as malformed, for NULL, a closed
///         handle, a forked child, or from the log callback.
///
/// Threads: any. Forks, callbacks: see above. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_operation_new(db: *const allocdb) -> allocdb_operation {
    let made = || {
        // SAFETY: as this function's comment asks.
        unsafe { handle::with(db, |database| Ok(database.operation_new())) }
    };
    made().unwrap_or_default()
}
