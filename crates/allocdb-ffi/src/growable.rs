//! Structs that may grow: the only place that reads or writes one of another size than ours.
//!
//! A shorter one is an older program's: what it does not have takes its default, zero. A longer one
//! is a newer program's: accepted as long as it asks for nothing that this library does not know.
//! A size that no version had (0, not a multiple of 8, absurd) is refused before anything else is
//! read: that catches a struct that was never initialized.

use core::ptr;

use allocdb_node::status;

use crate::failure::Failure;
use crate::memory::Memory;
use crate::types::{allocdb_health, allocdb_options, allocdb_recovery_report};

/// A struct that starts with `struct_size: u32`.
///
/// # Safety
/// The type is `repr(C)`, starts with a `u32`, and any bytes of the caller's make a value of it:
/// numbers and raw pointers only, and zero is valid.
pub(crate) unsafe trait Growable: Copy {
    const NAME: &'static str;
}

// SAFETY: numbers, a raw pointer and an optional function pointer, which is a number to the
// machine.
unsafe impl Growable for allocdb_options {
    const NAME: &'static str = "allocdb_options";
}
// SAFETY: numbers only.
unsafe impl Growable for allocdb_health {
    const NAME: &'static str = "allocdb_health";
}
// SAFETY: numbers only.
unsafe impl Growable for allocdb_recovery_report {
    const NAME: &'static str = "allocdb_recovery_report";
}

/// The least struct_size: itself and one more word.
const SIZE_MIN: usize = 8;
/// The greatest: nobody's struct grows beyond it, so it must be garbage.
pub(crate) const SIZE_MAX: usize = 4096;

/// The struct at `at` with the size that it says it has; NULL is an empty range.
///
/// # Safety
/// `at` is NULL, or at least 4 bytes there are the caller's.
pub(crate) unsafe fn range<T: Growable>(
    position: u32,
    name: &'static str,
    at: *const T,
) -> Result<Memory, Failure> {
    let first = Memory::input(position, name, at, 1);
    if at.is_null() || !at.is_aligned() {
        return Ok(first);
    }
    // SAFETY: not NULL, aligned, and the caller of this function says the rest.
    let size = unsafe { size_of_callers(position, at) }?;
    Ok(first.of_bytes(size))
}

/// The caller's size of the struct at `at`, which is not NULL and aligned.
///
/// # Safety
/// At least 4 bytes at `at` are the caller's.
unsafe fn size_of_callers<T: Growable>(position: u32, at: *const T) -> Result<usize, Failure> {
    // SAFETY: the caller of this function says so.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if (SIZE_MIN..=SIZE_MAX).contains(&size) && size.is_multiple_of(8) {
        return Ok(size);
    }
    let (name, ours) = (T::NAME, size_of::<T>());
    Err(Failure::new(
        status::E_STRUCT_SIZE,
        [position.into(), size as u64, ours as u64, 0],
        format_args!(
            "{name}.struct_size is {size}, must be sizeof({name}), {ours} in this version"
        ),
    ))
}

/// Reads a struct of the caller's size; what it lacks is zero.
///
/// # Safety
/// `size` bytes at `at` are the caller's and hold a value.
pub(crate) unsafe fn read<T: Growable>(
    position: u32,
    at: *const T,
    size: usize,
) -> Result<T, Failure> {
    let ours = size_of::<T>();
    // SAFETY: `Growable` promises that zero is a value.
    let mut value: T = unsafe { core::mem::zeroed() };
    let (from, to) = (at.cast::<u8>(), (&raw mut value).cast::<u8>());
    // SAFETY: both have at least that many bytes, and one is a local.
    unsafe { ptr::copy_nonoverlapping(from, to, size.min(ours)) };
    for offset in ours..size {
        // SAFETY: within the caller's `size` bytes.
        let byte = unsafe { from.add(offset).read() };
        if byte != 0 {
            let name = T::NAME;
            return Err(Failure::new(
                status::E_STRUCT_SIZE,
                [position.into(), size as u64, ours as u64, 0],
                format_args!(
                    "{name} has {size} bytes and asks at offset {offset} for something that this \
                     version, with {ours}, does not have"
                ),
            ));
        }
    }
    Ok(value)
}

/// Writes a struct of the caller's size, whose struct_size stays the caller's.
///
/// # Safety
/// `size` bytes at `at` are the caller's.
pub(crate) unsafe fn write<T: Growable>(at: *mut T, size: usize, value: &T) {
    let ours = size_of::<T>();
    let (from, to) = (ptr::from_ref(value).cast::<u8>(), at.cast::<u8>());
    let own = size_of::<u32>();
    // SAFETY: the caller's memory has `size` bytes, ours `ours`, and both begin with a u32.
    unsafe {
        ptr::copy_nonoverlapping(from.add(own), to.add(own), size.min(ours) - own);
        if size > ours {
            ptr::write_bytes(to.add(ours), 0, size - ours);
        }
    }
}

/// Zeroes all but struct_size, after a failure.
///
/// # Safety
/// `size` bytes at `at` are the caller's.
pub(crate) unsafe fn clear<T: Growable>(at: *mut T, size: usize) {
    let own = size_of::<u32>();
    // SAFETY: the caller's memory has `size` bytes, at least 8.
    unsafe { ptr::write_bytes(at.cast::<u8>().add(own), 0, size - own) };
}
