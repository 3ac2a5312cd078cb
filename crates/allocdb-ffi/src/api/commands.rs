//! Commands: what changes the database. A typed function is a submit of one.
//!
//! A typed function also *returns* the status of its one command: a program that forgets to look at
//! `outcome.status` must not take a conflict for a success. Only a submit of many leaves each
//! command's own status in its outcome. Rejected: an answer of OK with the status in the outcome
//! alone, which reads as ALLOCDB_DONE to whoever checks only what the call returned.

use crate::command::{Arguments, Bundle, ZERO_ID, bundle, single, slot_given, submit};
use crate::constants as number;
use crate::database::Database;
use crate::entry;
use crate::memory::Memory;
use crate::types::{allocdb, allocdb_command, allocdb_error, allocdb_id, allocdb_operation};
use crate::types::{allocdb_outcome, allocdb_status, allocdb_tick_result};

/// Makes a resource known, available.
///
/// @param db          Input; not NULL.
/// @param slot        Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation   Input: names this command for retries; id not {0, 0}.
/// @param resource_id Input: the resource; not {0, 0}.
/// @param outcome     Output; not NULL. Zero on failure, but for its status where it was this
///                     command that state rejected.
/// @param error       Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
///         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESOURCE_EXISTS, ALLOCDB_RESOURCE_TABLE_FULL.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_create_resource(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    resource_id: allocdb_id,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_CREATE_RESOURCE,
        target_id: resource_id,
        holder_id: ZERO_ID,
        ttl_slots: 0,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// Forgets an available resource.
///
/// @param db          Input; not NULL.
/// @param slot        Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation   Input: names this command for retries; id not {0, 0}.
/// @param resource_id Input: the resource; not {0, 0}.
/// @param outcome     Output; not NULL. Zero on failure, but for its status where it was this
///                     command that state rejected.
/// @param error       Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
///         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESOURCE_NOT_FOUND, ALLOCDB_RESOURCE_BUSY.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_delete_resource(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    resource_id: allocdb_id,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_DELETE_RESOURCE,
        target_id: resource_id,
        holder_id: ZERO_ID,
        ttl_slots: 0,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// Reserves one resource for a holder, until a deadline: one of all that ask gets it. On
/// ALLOCDB_DONE outcome->reservation_id names the reservation for all that follows, and is its
/// fencing token.
///
/// From outcome->deadline_slot on, unless confirmed or extended, it may be freed by time; never
/// earlier. It is freed by the next commit or allocdb_tick.
///
/// @param db          Input; not NULL.
/// @param slot        Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation   Input: names this command for retries; id not {0, 0}.
/// @param resource_id Input: the resource; not {0, 0}.
/// @param holder_id   Input: who will hold it; not {0, 0}.
/// @param ttl_slots   Input: slots from the commit on; 1 to max_ttl_slots.
/// @param outcome     Output; not NULL. Zero on failure, but for its status where it was this
///                     command that state rejected.
/// @param error       Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_TTL_OUT_OF_RANGE; ALLOCDB_E_SLOT_OVERFLOW;
///         ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESOURCE_NOT_FOUND, ALLOCDB_RESOURCE_BUSY,
/// ALLOCDB_RESERVATION_TABLE_FULL, ALLOCDB_EXPIRATION_INDEX_FULL.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_reserve(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    resource_id: allocdb_id,
    holder_id: allocdb_id,
    ttl_slots: u64,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_RESERVE,
        target_id: resource_id,
        holder_id,
        ttl_slots,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// Reserves several resources as one reservation: all of them or none. outcome->failed_index says
/// which one failed. Otherwise as allocdb_reserve.
///
/// @param db           Input; not NULL.
/// @param slot         Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation    Input: names this command for retries; id not {0, 0}.
/// @param resource_ids Input; not NULL: count ids, all different, none {0, 0}. The caller's; read
///                      during the call only.
/// @param count        Input: how many; 1 to max_bundle_len.
/// @param holder_id    Input: who will hold them; not {0, 0}.
/// @param ttl_slots    Input: slots from the commit on; 1 to max_ttl_slots.
/// @param outcome      Output; not NULL. Zero on failure, but for its status where it was this
///                      command that state rejected.
/// @param error        Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_COMMAND_TOO_LARGE;
///         ALLOCDB_E_BUNDLE_TOO_LARGE; ALLOCDB_E_DUPLICATE_RESOURCE; ALLOCDB_E_TTL_OUT_OF_RANGE;
///         ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OPERATION_EXPIRED;
///         ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE; ALLOCDB_E_OPERATION_CONFLICT;
///         ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED; ALLOCDB_E_LSN_EXHAUSTED;
///         ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE: ALLOCDB_E_STORAGE_FAILURE,
///         ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: as allocdb_reserve.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_reserve_bundle(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    resource_ids: *const allocdb_id,
    count: usize,
    holder_id: allocdb_id,
    ttl_slots: u64,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let bundle_ids = Bundle {
        resource_ids,
        count,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe {
        bundle(
            db,
            slot,
            operation,
            &bundle_ids,
            holder_id,
            ttl_slots,
            outcome,
            error,
        )
    }
}

/// Makes a reservation permanent: it has no deadline any more. A confirm that is committed before
/// the expiry wins, also after the deadline.
///
/// @param db             Input; not NULL.
/// @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation      Input: names this command for retries; id not {0, 0}.
/// @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
/// @param holder_id      Input: its holder, as in the reserve; not {0, 0}.
/// @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
///                        command that state rejected.
/// @param error          Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
///         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
/// ALLOCDB_HOLDER_MISMATCH, ALLOCDB_INVALID_STATE.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_confirm(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    reservation_id: allocdb_id,
    holder_id: allocdb_id,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_CONFIRM,
        target_id: reservation_id,
        holder_id,
        ttl_slots: 0,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// Moves the deadline of a reservation that is not confirmed to the commit's slot + ttl_slots where
/// that is later; never earlier. outcome->deadline_slot is the deadline that holds now.
///
/// @param db             Input; not NULL.
/// @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation      Input: names this command for retries; id not {0, 0}.
/// @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
/// @param holder_id      Input: its holder, as in the reserve; not {0, 0}.
/// @param ttl_slots      Input: slots from the commit on; 1 to max_ttl_slots.
/// @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
///                        command that state rejected.
/// @param error          Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_TTL_OUT_OF_RANGE; ALLOCDB_E_SLOT_OVERFLOW;
///         ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
/// ALLOCDB_HOLDER_MISMATCH, ALLOCDB_INVALID_STATE, ALLOCDB_EXPIRATION_INDEX_FULL.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_extend(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    reservation_id: allocdb_id,
    holder_id: allocdb_id,
    ttl_slots: u64,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_EXTEND,
        target_id: reservation_id,
        holder_id,
        ttl_slots,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// Gives all resources of a reservation back, confirmed or not.
///
/// @param db             Input; not NULL.
/// @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation      Input: names this command for retries; id not {0, 0}.
/// @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
/// @param holder_id      Input: its holder, as in the reserve; not {0, 0}.
/// @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
///                        command that state rejected.
/// @param error          Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
///         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
/// ALLOCDB_HOLDER_MISMATCH, ALLOCDB_INVALID_STATE.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_release(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    reservation_id: allocdb_id,
    holder_id: allocdb_id,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_RELEASE,
        target_id: reservation_id,
        holder_id,
        ttl_slots: 0,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// An operator takes the authority from the holder of a confirmed reservation. Its resources are
/// not reusable before allocdb_reclaim: in between, make sure that the old holder has stopped.
///
/// @param db             Input; not NULL.
/// @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation      Input: names this command for retries; id not {0, 0}.
/// @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
/// @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
///                        command that state rejected.
/// @param error          Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
///         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
/// ALLOCDB_INVALID_STATE.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_revoke(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    reservation_id: allocdb_id,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_REVOKE,
        target_id: reservation_id,
        holder_id: ZERO_ID,
        ttl_slots: 0,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// An operator frees the resources of a revoked reservation.
///
/// @param db             Input; not NULL.
/// @param slot           Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param operation      Input: names this command for retries; id not {0, 0}.
/// @param reservation_id Input: the reservation, from the outcome of its reserve; not {0, 0}.
/// @param outcome        Output; not NULL. Zero on failure, but for its status where it was this
///                        command that state rejected.
/// @param error          Output; NULL or the caller's.
/// @return ALLOCDB_OK (committed: outcome->code says how it was decided); ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP;
///         ALLOCDB_E_OPERATION_EXPIRED; ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE;
///         ALLOCDB_E_OPERATION_CONFLICT; ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// Result codes: ALLOCDB_DONE, ALLOCDB_RESERVATION_NOT_FOUND, ALLOCDB_RESERVATION_RETIRED,
/// ALLOCDB_INVALID_STATE.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operation, or ask allocdb_get_operation.
///
/// Threads: any; what several submit at once shares one write and sync. Forks: ALLOCDB_E_FORKED in
/// a child. Callbacks: not from the log callback. Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_reclaim(
    db: *mut allocdb,
    slot: u64,
    operation: allocdb_operation,
    reservation_id: allocdb_id,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let arguments = Arguments {
        kind: number::ALLOCDB_COMMAND_RECLAIM,
        target_id: reservation_id,
        holder_id: ZERO_ID,
        ttl_slots: 0,
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { single(db, slot, operation, &arguments, outcome, error) }
}

/// Submits many commands as one commit: one write and one sync for all. It is not a transaction:
/// each command has its own outcome, and later ones see what earlier ones did. What must happen
/// together or not at all is a bundle.
///
/// A command that its form or the configuration rules out refuses the whole submission before
/// anything happens, and error->detail\[0\] is its index. What depends on state (a conflict, a full
/// table, an expired operation) is in the status of that command's outcome, and the call returns
/// ALLOCDB_OK: look at each outcome's status, then at its code.
///
/// @param db       Input; not NULL.
/// @param slot     Input: ALLOCDB_SLOT_NOW, or the caller's logical time; of all commands.
/// @param commands Input; not NULL unless count is 0: count commands. The caller's; read during the
///                 call only.
/// @param count    Input: how many; at most max_batch_commands. 0 does nothing.
/// @param outcomes Output; not NULL unless count is 0: count outcomes, in the order of the
///                 commands. Zero on failure: look at what the call returned first.
/// @param error    Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
///         ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED (a zero id, an unknown kind, a field that the
///         kind does not use is not zero); ALLOCDB_E_COMMAND_TOO_LARGE (more than
///         max_batch_commands or max_batch_bytes); ALLOCDB_E_BUNDLE_TOO_LARGE;
///         ALLOCDB_E_DUPLICATE_RESOURCE; ALLOCDB_E_TTL_OUT_OF_RANGE; ALLOCDB_E_SLOT_OVERFLOW;
///         ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OVERLOADED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY;
///         INDEFINITE: ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///         In outcome.status: ALLOCDB_OK; ALLOCDB_E_OPERATION_EXPIRED;
///         ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE; ALLOCDB_E_OPERATION_CONFLICT;
///         ALLOCDB_E_OPERATION_TABLE_FULL; ALLOCDB_E_OVERLOADED; ALLOCDB_E_LSN_EXHAUSTED.
///
/// On a definite failure nothing has happened and nothing will. On an indefinite one, reopen and
/// repeat the same operations, or ask allocdb_get_operation.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_submit(
    db: *mut allocdb,
    slot: u64,
    commands: *const allocdb_command,
    count: usize,
    outcomes: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { submit(db, slot, commands, count, outcomes, error) }
}

/// Ends reservations whose deadline has passed, where no traffic does: commits with a new command
/// expire what is due by themselves, unless ALLOCDB_AUTO_EXPIRE_OFF. With nothing due nothing is
/// written, and no slot moves.
///
/// @param db     Input; not NULL.
/// @param slot   Input: ALLOCDB_SLOT_NOW, or the caller's logical time.
/// @param limit  Input: how many at most; 0 for max_expirations_per_tick, which is also the most.
/// @param result Output; not NULL. result->due_count says how many are left: tick again. Zero on
///               failure.
/// @param error  Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
///         ALLOCDB_E_REENTRANT; ALLOCDB_E_SLOT_OVERFLOW; ALLOCDB_E_SLOT_LEAP; ALLOCDB_E_OVERLOADED;
///         ALLOCDB_E_LSN_EXHAUSTED; ALLOCDB_E_STORAGE_FULL; ALLOCDB_E_READ_ONLY; INDEFINITE:
///         ALLOCDB_E_STORAGE_FAILURE, ALLOCDB_E_HALTED, ALLOCDB_E_PANIC.
///
/// On a definite failure nothing has happened. Expiry needs no operation id: ticking twice is
/// harmless.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_tick(
    db: *mut allocdb,
    slot: u64,
    limit: u32,
    result: *mut allocdb_tick_result,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::output(4, "result", result, 1),
        Memory::output(5, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        let done = database.engine.tick(slot_given(slot), limit)?;
        let answer = allocdb_tick_result {
            lsn: done.lsn.0,
            slot: done.slot.0,
            due_count: done.due_count,
            expired_count: done.expired_count,
            ..allocdb_tick_result::default()
        };
        // SAFETY: checked, and the caller's.
        unsafe { result.write(answer) };
        Ok(())
    };
    // SAFETY: the pointers are the caller's, as this function's comment asks for them.
    unsafe { entry::call(db, &ranges, error, body) }
}
