//! Time and ids.

use crate::database::random_id;
use crate::handle;
use crate::types::{allocdb, allocdb_id};

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
