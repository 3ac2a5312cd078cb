//! Reads: answered from applied state, which is durable state, also while a sync is under way.

use allocdb_core::state::{Filter, Reservation, Resource};
use allocdb_core::{HolderId, Lsn, OperationId, ReservationId, ResourceId};
use allocdb_node::ReadError;

use crate::database::Database;
use crate::entry;
use crate::failure::Failure;
use crate::memory::Memory;
use crate::types::{allocdb, allocdb_error, allocdb_filter, allocdb_id, allocdb_outcome};
use crate::types::{allocdb_reservation, allocdb_resource, allocdb_status};

/// Looks a resource up.
///
/// @param db           Input; not NULL.
/// @param required_lsn Input: the answer must have seen this log position (the lsn of an outcome,
///                     from any thread or process of the same database); 0 for any.
/// @param resource_id  Input: the resource.
/// @param resource     Output; not NULL. Zero on failure.
/// @param error        Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_ID_NOT_FOUND; ALLOCDB_FENCE_NOT_APPLIED; ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_get_resource(
    db: *mut allocdb,
    required_lsn: u64,
    resource_id: allocdb_id,
    resource: *mut allocdb_resource,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::output(4, "resource", resource, 1),
        Memory::output(5, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        if resource_id.is_zero() {
            return Err(Failure::zero_id("resource_id"));
        }
        let id = ResourceId(resource_id.number());
        let found = database.engine.resource(Lsn(required_lsn), id)?;
        // SAFETY: checked, and the caller's.
        unsafe { resource.write(found.into()) };
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Looks a reservation up, with the resources that it holds.
///
/// While it lives all its resources can be read, in the order of the reserve; afterwards their
/// count and the first one.
///
/// @param db             Input; not NULL.
/// @param required_lsn   Input: as in allocdb_get_resource; 0 for any.
/// @param reservation_id Input: the reservation.
/// @param reservation    Output; not NULL. Zero on failure.
/// @param resource_ids   Output; NULL if capacity is 0: room for capacity ids. Zero on failure.
/// @param capacity       How many ids fit. 0: the ids are not wanted.
/// @param count          Output; NULL only if capacity is 0: how many ids there are; of them
///                       written. On ALLOCDB_E_BUFFER_TOO_SMALL how many are needed; 0 on every
///                       other failure.
/// @param error          Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_ID_NOT_FOUND (none with this id, or not yet); ALLOCDB_RETIRED (it
///         ended and is forgotten); ALLOCDB_FENCE_NOT_APPLIED; ALLOCDB_E_INVALID;
///         ALLOCDB_E_BUFFER_TOO_SMALL (capacity is neither 0 nor enough); ALLOCDB_E_OVERLAP;
///         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED (a zero
///         id); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_get_reservation(
    db: *mut allocdb,
    required_lsn: u64,
    reservation_id: allocdb_id,
    reservation: *mut allocdb_reservation,
    resource_ids: *mut allocdb_id,
    capacity: usize,
    count: *mut usize,
    error: *mut allocdb_error,
) -> allocdb_status {
    let mut ranges = [
        Memory::output(4, "reservation", reservation, 1),
        Memory::output(5, "resource_ids", resource_ids, capacity),
        Memory::size(7, "count", count),
        Memory::output(8, "error", error, 1).or_null(),
    ];
    if capacity == 0 {
        ranges[2] = ranges[2].or_null();
    }
    let body = |database: &Database| {
        if reservation_id.is_zero() {
            return Err(Failure::zero_id("reservation_id"));
        }
        let id = ReservationId(reservation_id.number());
        let mut seen = 0;
        let found = database
            .engine
            .reservation(Lsn(required_lsn), id, |resource_id| {
                if seen < capacity {
                    let place = allocdb_id::from_number(resource_id.0);
                    // SAFETY: checked, the caller's, and within its capacity.
                    unsafe { resource_ids.add(seen).write(place) };
                }
                seen += 1;
            })?;
        if capacity != 0 && seen > capacity {
            return Err(Failure::too_small(5, "resource_ids", capacity, seen));
        }
        // SAFETY: checked, and the caller's.
        unsafe {
            reservation.write(found.into());
            if !count.is_null() {
                count.write(seen);
            }
        }
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Did it happen? Looks an operation up that may have been committed: after an indefinite failure,
/// a crash, a lost answer.
///
/// @param db           Input; not NULL.
/// @param required_lsn Input: as in allocdb_get_resource; 0 for any.
/// @param operation_id Input: allocdb_operation.id of the command.
/// @param outcome      Output; not NULL: the outcome that the command got. Zero on failure.
/// @param error        Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_ID_NOT_FOUND (never committed, or longer ago than
///         operation_window_slots); ALLOCDB_FENCE_NOT_APPLIED; ALLOCDB_E_INVALID;
///         ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT;
///         ALLOCDB_E_MALFORMED (a zero id); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_get_operation(
    db: *mut allocdb,
    required_lsn: u64,
    operation_id: allocdb_id,
    outcome: *mut allocdb_outcome,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::output(4, "outcome", outcome, 1),
        Memory::output(5, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        if operation_id.is_zero() {
            return Err(Failure::zero_id("operation_id"));
        }
        let id = OperationId(operation_id.number());
        let found = database.engine.operation(Lsn(required_lsn), id)?;
        // SAFETY: checked, and the caller's.
        unsafe { outcome.write(found.into()) };
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Shows a page of the resources. Begin with *cursor = 0 and call until it is 0 again. A row that
/// does not change meanwhile appears exactly once; the order is the same on every run.
///
/// A call looks at a bounded number of records: a page may be short, or empty, with a cursor that
/// says there is more.
///
/// @param db       Input; not NULL.
/// @param filter   Input; NULL for all.
/// @param cursor   In and output; not NULL: 0 to begin; where the next page begins, 0 when done.
///                 Left as it is on failure.
/// @param rows     Output; not NULL: room for capacity rows. Zero on failure.
/// @param capacity How many rows fit; at least 1.
/// @param count    Output; not NULL: how many were written. 0 on failure.
/// @param error    Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
///         ALLOCDB_E_REENTRANT; ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_list_resources(
    db: *mut allocdb,
    filter: *const allocdb_filter,
    cursor: *mut u64,
    rows: *mut allocdb_resource,
    capacity: usize,
    count: *mut usize,
    error: *mut allocdb_error,
) -> allocdb_status {
    let wanted = Listing {
        filter,
        cursor,
        rows,
        capacity,
        count,
    };
    let list = |database: &Database, filter: &Filter, cursor, visit: &mut dyn FnMut(_)| {
        let fence = Lsn(0);
        database
            .engine
            .list_resources(fence, filter, cursor, capacity, visit)
    };
    // SAFETY: as this function's comment asks.
    unsafe { listing(db, &wanted, error, list) }
}

/// Shows a page of the reservations, live and remembered; otherwise as allocdb_list_resources.
///
/// @param db       Input; not NULL.
/// @param filter   Input; NULL for all.
/// @param cursor   In and output; not NULL: 0 to begin; where the next page begins, 0 when done.
///                 Left as it is on failure.
/// @param rows     Output; not NULL: room for capacity rows. Zero on failure.
/// @param capacity How many rows fit; at least 1.
/// @param count    Output; not NULL: how many were written. 0 on failure.
/// @param error    Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
///         ALLOCDB_E_REENTRANT; ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_list_reservations(
    db: *mut allocdb,
    filter: *const allocdb_filter,
    cursor: *mut u64,
    rows: *mut allocdb_reservation,
    capacity: usize,
    count: *mut usize,
    error: *mut allocdb_error,
) -> allocdb_status {
    let wanted = Listing {
        filter,
        cursor,
        rows,
        capacity,
        count,
    };
    let list = |database: &Database, filter: &Filter, cursor, visit: &mut dyn FnMut(_)| {
        let fence = Lsn(0);
        database
            .engine
            .list_reservations(fence, filter, cursor, capacity, visit)
    };
    // SAFETY: as this function's comment asks.
    unsafe { listing(db, &wanted, error, list) }
}

/// Lets a read-only handle catch up with the process that writes: what was durable when the call
/// began can be read when it returns. On a handle that writes there is nothing to do. A commit that
/// its writer was told is done is durable, under ALLOCDB_SYNC_OS at the next checkpoint or close.
///
/// Usually this reads what is new in the log, and allocates nothing. Where the files do not lead on
/// from the handle's state, it is built again beside the one that is read meanwhile, for which as
/// much memory is needed a second time: after more than one checkpoint since the last refresh, or
/// when the writer has grown the tables. allocdb_configuration then shows the new capacities.
///
/// @param db    Input; not NULL.
/// @param lsn   Output; may be NULL: the last log position that reads now see. Zero on failure.
/// @param error Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
///         ALLOCDB_E_REENTRANT; ALLOCDB_E_IO, ALLOCDB_E_CORRUPT, ALLOCDB_E_VERSION or
///         ALLOCDB_E_NO_MEMORY (the handle stays as it was, and may be refreshed again;
///         ALLOCDB_E_IO with os_errno EAGAIN: the log was replaced 8 times while it was being
///         read); ALLOCDB_E_HALTED; ALLOCDB_E_PANIC.
///
/// Threads: any; reads go on meanwhile, but for the moment in which what is new is applied. Forks:
/// ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback. Since 0.2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_refresh(
    db: *mut allocdb,
    lsn: *mut u64,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::output(2, "lsn", lsn, 1).or_null(),
        Memory::output(3, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        let reached = database.engine.refresh()?;
        if !lsn.is_null() {
            // SAFETY: checked, and the caller's.
            unsafe { lsn.write(reached.0) };
        }
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// The parameters of a listing, the caller's.
struct Listing<Row> {
    filter: *const allocdb_filter,
    cursor: *mut u64,
    rows: *mut Row,
    capacity: usize,
    count: *mut usize,
}

unsafe fn listing<Found, Row: From<Found>>(
    db: *mut allocdb,
    wanted: &Listing<Row>,
    error: *mut allocdb_error,
    list: impl FnOnce(&Database, &Filter, u64, &mut dyn FnMut(Found)) -> Result<u64, ReadError>,
) -> allocdb_status {
    let ranges = [
        Memory::input(2, "filter", wanted.filter, 1).or_null(),
        Memory::kept(3, "cursor", wanted.cursor, 1),
        Memory::output(4, "rows", wanted.rows, wanted.capacity),
        Memory::size(6, "count", wanted.count),
        Memory::output(7, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        if wanted.capacity == 0 {
            return Err(Failure::argument(
                5,
                format_args!("capacity is 0, must be at least 1"),
            ));
        }
        // SAFETY: checked, and the caller's.
        let filter = unsafe { filter_of(wanted.filter) }?;
        // SAFETY: as above.
        let cursor = unsafe { wanted.cursor.read() };
        let mut written = 0;
        let next = list(database, &filter, cursor, &mut |found| {
            assert!(written < wanted.capacity, "no more rows than asked for");
            // SAFETY: as above, and within the capacity.
            unsafe { wanted.rows.add(written).write(Row::from(found)) };
            written += 1;
        })?;
        // SAFETY: as above.
        unsafe {
            wanted.cursor.write(next);
            wanted.count.write(written);
        }
        Ok(())
    };
    // SAFETY: as the caller of this function says.
    unsafe { entry::call(db, &ranges, error, body) }
}

unsafe fn filter_of(filter: *const allocdb_filter) -> Result<Filter, Failure> {
    if filter.is_null() {
        return Ok(Filter::default());
    }
    // SAFETY: as the caller of this function says.
    let given = unsafe { filter.read() };
    if given.reserved0 != 0 || given.reserved != [0; 5] {
        return Err(Failure::argument(
            2,
            format_args!("filter has a reserved field that is not zero"),
        ));
    }
    Ok(Filter {
        states: given.states,
        holder_id: HolderId(given.holder_id.number()),
    })
}

impl From<Resource> for allocdb_resource {
    fn from(row: Resource) -> Self {
        Self {
            resource_id: allocdb_id::from_number(row.resource_id.0),
            reservation_id: allocdb_id::from_number(row.reservation_id.0),
            holder_id: allocdb_id::from_number(row.holder_id.0),
            version: row.version,
            state: u32::from(row.state as u8),
            ..Self::default()
        }
    }
}

impl From<Reservation> for allocdb_reservation {
    fn from(row: Reservation) -> Self {
        Self {
            reservation_id: allocdb_id::from_number(row.reservation_id.0),
            holder_id: allocdb_id::from_number(row.holder_id.0),
            first_resource_id: allocdb_id::from_number(row.first_resource_id.0),
            created_lsn: row.created_lsn.0,
            deadline_slot: row.deadline_slot.0,
            ended_lsn: row.ended_lsn.0,
            retire_after_slot: row.retire_after_slot.0,
            state: u32::from(row.state as u8),
            resource_count: row.resource_count,
            ..Self::default()
        }
    }
}
