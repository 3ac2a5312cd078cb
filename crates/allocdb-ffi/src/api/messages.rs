//! The codec's door: requests and responses as bytes, for other languages.

use core::slice;

use allocdb_node::wire::CallError;

use crate::database::Database;
use crate::entry;
use crate::failure::Failure;
use crate::memory::Memory;
use crate::types::{allocdb, allocdb_error, allocdb_status};

/// Carries out any number of request messages, back to back, and writes as many responses, in
/// order. The messages' layout is in docs/codec.md; the packages for other languages speak it.
///
/// Consecutive commands are one commit, or several where they exceed the bounds of one; a read sees
/// the commands before it. Each response has its own status: a later commit's failure never hides
/// earlier outcomes, and the call then returns ALLOCDB_OK. All messages are checked before the
/// first is carried out; one that is malformed, or that the configuration rules out, refuses the
/// call whole: error->detail[0] is its index, detail[1] its offset.
///
/// @param db           Input; not NULL.
/// @param request      Input; not NULL unless request_len is 0. Read during the call only; must not
///                     change meanwhile.
/// @param request_len  Bytes of request.
/// @param response     Output; not NULL unless response_cap is 0.
/// @param response_cap Bytes of response. With less than allocdb_response_bound says nothing is
///                     carried out.
/// @param response_len Output; not NULL: bytes written; on ALLOCDB_E_BUFFER_TOO_SMALL bytes needed;
///                     0 on every other failure.
/// @param error        Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_BUFFER_TOO_SMALL; ALLOCDB_E_OVERLAP;
///         ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED; ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED;
///         ALLOCDB_E_COMMAND_TOO_LARGE; ALLOCDB_E_BUNDLE_TOO_LARGE; ALLOCDB_E_DUPLICATE_RESOURCE;
///         ALLOCDB_E_TTL_OUT_OF_RANGE; INDEFINITE: ALLOCDB_E_PANIC. Everything else is the status
///         of a response.
///
/// On failure nothing has happened, but for an indefinite one.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_call(
    db: *mut allocdb,
    request: *const u8,
    request_len: usize,
    response: *mut u8,
    response_cap: usize,
    response_len: *mut usize,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::input(2, "request", request, request_len),
        Memory::responses(4, "response", response, response_cap),
        Memory::size(6, "response_len", response_len),
        Memory::output(7, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        // SAFETY: checked, and the caller's; inputs do not change during a call.
        let request = unsafe { bytes_of(request, request_len) };
        // SAFETY: checked, and the caller's.
        let response = unsafe { bytes_of_mut(response, response_cap) };
        let written = database.engine.call(request, response).map_err(|error| {
            let mut failure = Failure::from(error);
            if let CallError::BufferTooSmall { needed, .. } = error {
                failure = Failure::too_small(4, "response", response_cap, needed);
            }
            failure
        })?;
        // SAFETY: checked.
        unsafe { response_len.write(written) };
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// Says how many bytes of response allocdb_call needs for a request, without carrying it out.
///
/// @param db          Input; not NULL.
/// @param request     Input; not NULL unless request_len is 0. Read during the call only.
/// @param request_len Bytes of request.
/// @param bytes       Output; not NULL. 0 on failure.
/// @param error       Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID; ALLOCDB_E_OVERLAP; ALLOCDB_E_CLOSED; ALLOCDB_E_FORKED;
///         ALLOCDB_E_REENTRANT; ALLOCDB_E_MALFORMED; ALLOCDB_E_COMMAND_TOO_LARGE;
///         ALLOCDB_E_BUNDLE_TOO_LARGE; ALLOCDB_E_DUPLICATE_RESOURCE; ALLOCDB_E_TTL_OUT_OF_RANGE;
///         ALLOCDB_E_PANIC.
///
/// Threads: any. Forks: ALLOCDB_E_FORKED in a child. Callbacks: not from the log callback.
/// Since 0.1.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_response_bound(
    db: *mut allocdb,
    request: *const u8,
    request_len: usize,
    bytes: *mut usize,
    error: *mut allocdb_error,
) -> allocdb_status {
    let ranges = [
        Memory::input(2, "request", request, request_len),
        Memory::output(4, "bytes", bytes, 1),
        Memory::output(5, "error", error, 1).or_null(),
    ];
    let body = |database: &Database| {
        // SAFETY: checked, and the caller's; inputs do not change during a call.
        let request = unsafe { bytes_of(request, request_len) };
        let bound = database.engine.response_bound(request)?;
        // SAFETY: checked.
        unsafe { bytes.write(bound) };
        Ok(())
    };
    // SAFETY: as this function's comment asks.
    unsafe { entry::call(db, &ranges, error, body) }
}

/// The caller's bytes; NULL is none.
unsafe fn bytes_of<'a>(start: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: as the caller of this function says.
    unsafe { slice::from_raw_parts(start, len) }
}

/// The caller's bytes to write; NULL is none.
unsafe fn bytes_of_mut<'a>(start: *mut u8, len: usize) -> &'a mut [u8] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: as the caller of this function says.
    unsafe { slice::from_raw_parts_mut(start, len) }
}
