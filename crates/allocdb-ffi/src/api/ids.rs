//! Time and ids.

use core::ffi::c_char;
use core::slice;

use allocdb_node::names::{self, Fault, NameError};
use allocdb_node::status;

use crate::database::random_id;
use crate::entry;
use crate::failure::Failure;
use crate::handle;
use crate::memory::Memory;
use crate::types::{allocdb, allocdb_error, allocdb_id, allocdb_status};

/// The slot of this moment: the system clock in this database's slots, whatever options.clock says.
///
/// @param db Input; may be NULL.
/// @return Unix milliseconds / slot_duration_ms; 0 for NULL, a closed handle, a forked child, or
///         from the log callback.
///
/// Threads: any. Forks, callbacks: see above. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_slot_now(db: *const allocdb) -> u64 {
    let now = || {
        // SAFETY: as this function's comment asks.
        unsafe { handle::with(db, |database| Ok(database.engine.slot_now().0)) }
    };
    now().unwrap_or_default()
}

/// Draws a random id (a version 4 UUID) from the kernel.
///
/// @return The id; {0, 0} if the kernel has no random numbers to give, which no command accepts.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn allocdb_id_random() -> allocdb_id {
    random_id().unwrap_or_default()
}

/// The id with these 16 bytes, in the order of a UUID's: big-endian, hi before lo.
///
/// @param bytes Input; NULL gives {0, 0}. The caller's: 16 bytes, any alignment.
/// @return The id.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_id_from_bytes(bytes: *const u8) -> allocdb_id {
    if bytes.is_null() {
        return allocdb_id::default();
    }
    // SAFETY: not NULL, and the caller says that there are 16 bytes; bytes need no alignment.
    let bytes = unsafe { bytes.cast::<[u8; 16]>().read() };
    allocdb_id::from_number(u128::from_be_bytes(bytes))
}

/// The 16 bytes of an id, in the order of a UUID's: big-endian, hi before lo.
///
/// @param id    Input.
/// @param bytes Output; NULL does nothing. The caller's: room for 16 bytes, any alignment.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_id_to_bytes(id: allocdb_id, bytes: *mut u8) {
    if bytes.is_null() {
        return;
    }
    // SAFETY: not NULL, and the caller says that there is room for 16 bytes.
    unsafe { bytes.cast::<[u8; 16]>().write(id.number().to_be_bytes()) };
}

/// Turns a name into an id, the same in every language: a name of at most 15 bytes is packed into
/// a version 8 UUID, from which allocdb_id_format reads it back; a longer one becomes a version 5
/// UUID in this library's namespace, which cannot be turned back.
///
/// @param name  Input; not NULL: len bytes of UTF-8 without NUL. Not kept.
/// @param len   Bytes of name: 1 to 1024.
/// @param id    Output; not NULL: the id. {0, 0} on failure.
/// @param error Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID (an argument's position in detail[0], then a length with
///         its least and greatest, or the offset and the value of the byte that is wrong; the
///         message says it in words); ALLOCDB_E_OVERLAP; ALLOCDB_E_PANIC.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.2.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_id_from_name(
    name: *const c_char,
    len: usize,
    id: *mut allocdb_id,
    error: *mut allocdb_error,
) -> allocdb_status {
    // SAFETY: as this function's comment asks.
    unsafe { id_of_bytes("name", name, len, id, error, names::from_name) }
}

/// Reads an id from the text that allocdb_id_format writes: a UUID in its 36 characters, in either
/// case of letters, or a name of at most 15 bytes. A longer name is refused, since a mistyped UUID
/// would become a new id: use allocdb_id_from_name for those.
///
/// @param text  Input; not NULL: len bytes. Not kept.
/// @param len   Bytes of text, without a NUL: 1 to 15, or 36.
/// @param id    Output; not NULL: the id. {0, 0} on failure.
/// @param error Output; NULL or the caller's.
/// @return ALLOCDB_OK; ALLOCDB_E_INVALID (an argument's position in detail[0], then a length with
///         its least and greatest, or the offset and the value of the byte that is wrong; the
///         message says it in words); ALLOCDB_E_OVERLAP; ALLOCDB_E_PANIC.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.2.0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_id_parse(
    text: *const c_char,
    len: usize,
    id: *mut allocdb_id,
    error: *mut allocdb_error,
) -> allocdb_status {
    // SAFETY: as this function's comment asks.
    unsafe { id_of_bytes("text", text, len, id, error, names::parse) }
}

/// Writes an id as text: the name that is packed in it, where there is one without control
/// characters, else a UUID in lower case.
///
/// @param id   Input; {0, 0} is written as a UUID of zeros.
/// @param text Output; NULL does nothing. The caller's: room for 37 bytes, any alignment. What is
///             written ends with a NUL.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.2.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_id_format(id: allocdb_id, text: *mut c_char) {
    if text.is_null() {
        return;
    }
    let made = names::format(id.number());
    let made = made.as_str().as_bytes();
    // SAFETY: not NULL, and the caller says that there is room for 37 bytes, of which these are 36
    // at most, and the NUL one more; bytes need no alignment.
    unsafe {
        text.cast::<u8>()
            .copy_from_nonoverlapping(made.as_ptr(), made.len());
        text.add(made.len()).write(0);
    }
}

/// The bytes that are looked at: one more than any id's text may have, so that a length which is
/// not true of the memory is refused for what it is.
const LEN_READ_MAX: usize = names::NAME_BYTES_MAX + 1;

/// Makes an id of the caller's bytes.
///
/// # Safety
/// The pointers are the caller's and point to what the header asks for.
unsafe fn id_of_bytes(
    what: &'static str,
    bytes: *const c_char,
    len: usize,
    id: *mut allocdb_id,
    error: *mut allocdb_error,
    make: fn(&[u8]) -> Result<u128, NameError>,
) -> allocdb_status {
    let ranges = [
        Memory::input(1, what, bytes, len.min(LEN_READ_MAX)),
        Memory::output(3, "id", id, 1),
        Memory::output(4, "error", error, 1).or_null(),
    ];
    let body = || {
        let bytes: &[u8] = match len {
            // NULL is allowed where nothing is read.
            0 => &[],
            // SAFETY: checked not to be NULL, and the caller says that there are so many bytes.
            _ => unsafe { slice::from_raw_parts(bytes.cast(), len.min(LEN_READ_MAX)) },
        };
        let made = make(bytes).map_err(|error| error.of_len(len))?;
        // SAFETY: checked not to be NULL, aligned, and the caller's.
        unsafe { id.write(allocdb_id::from_number(made)) };
        Ok(())
    };
    // SAFETY: as the caller of this function says.
    unsafe { entry::call_without_handle(&ranges, error, body) }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        let [value, least, greatest] = error.fault.detail();
        let position = match error.fault {
            Fault::Length { .. } | Fault::TextLength { .. } => 2,
            _ => 1,
        };
        let detail = [position, value, least, greatest];
        Self::new(status::E_INVALID, detail, format_args!("{error}"))
    }
}
