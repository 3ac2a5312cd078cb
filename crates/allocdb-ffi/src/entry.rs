//! The way in and out of every fallible call: check the caller's memory, run, tell.

use allocdb_node::status;

use crate::database::Database;
use crate::failure::Failure;
use crate::growable::{self, Growable};
use crate::handle;
use crate::memory::{self, Memory};
use crate::thread;
use crate::types::{allocdb, allocdb_error, allocdb_status};

/// Runs a call on a handle. On failure outputs are zeroed; the error tells the story either way.
///
/// # Safety
/// The pointers are the caller's and point to what the header asks for.
pub(crate) unsafe fn call(
    db: *const allocdb,
    ranges: &[Memory],
    error: *mut allocdb_error,
    body: impl FnOnce(&Database) -> Result<(), Failure>,
) -> allocdb_status {
    let run = || {
        memory::check(ranges)?;
        // SAFETY: as the caller of this function says.
        unsafe { handle::with(db, body) }
    };
    // SAFETY: as the caller of this function says.
    unsafe { finish(run, ranges, error) }
}

/// Runs a call that needs no handle, with panics caught.
///
/// # Safety
/// As [`call`].
pub(crate) unsafe fn call_without_handle(
    ranges: &[Memory],
    error: *mut allocdb_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> allocdb_status {
    let run = || {
        memory::check(ranges)?;
        let caught = thread::catch(body);
        caught.unwrap_or_else(|note| Err(handle::panic_failure(note.text())))
    };
    // SAFETY: as the caller of this function says.
    unsafe { finish(run, ranges, error) }
}

unsafe fn finish(
    run: impl FnOnce() -> Result<(), Failure>,
    ranges: &[Memory],
    error: *mut allocdb_error,
) -> allocdb_status {
    if !error.is_aligned() {
        return allocdb_status::from(status::E_INVALID);
    }
    match run() {
        Ok(()) => {
            if !error.is_null() {
                // SAFETY: not NULL, aligned, the caller's; zero is a value of numbers alone.
                unsafe { error.write_bytes(0, 1) };
            }
            allocdb_status::from(status::OK)
        }
        Err(failure) => {
            // SAFETY: as the caller of this function says.
            unsafe {
                memory::clear(ranges, &failure);
                failure.write(error)
            }
        }
    }
}

/// Runs a call that fills one of the structs that may grow.
///
/// # Safety
/// As [`call`].
pub(crate) unsafe fn show<T: Growable>(
    db: *const allocdb,
    name: &'static str,
    position: u32,
    out: *mut T,
    error: *mut allocdb_error,
    fill: impl FnOnce(&Database) -> T,
) -> allocdb_status {
    let mut size_known = None;
    let run = || {
        // SAFETY: as the caller of this function says.
        let range = unsafe { growable::range(position, name, out) }?;
        let ranges = [
            range.written(),
            Memory::output(position + 1, "error", error, 1).or_null(),
        ];
        memory::check(&ranges)?;
        let size = range.len();
        size_known = Some(size);
        // SAFETY: as the caller of this function says; the range was checked.
        unsafe {
            handle::with(db, |database| {
                growable::write(out, size, &fill(database));
                Ok(())
            })
        }
    };
    // SAFETY: as the caller of this function says.
    let answer = unsafe { finish(run, &[], error) };
    if let Some(size) = size_known.filter(|_| answer != allocdb_status::from(status::OK)) {
        // SAFETY: the range was checked.
        unsafe { growable::clear(out, size) };
    }
    answer
}
