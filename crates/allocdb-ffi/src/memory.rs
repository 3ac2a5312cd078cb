//! The caller's memory: what a call was handed, checked before it is touched.
//!
//! Every pointer parameter becomes a [`Memory`]: where it stands in the call, what it is called,
//! where it begins, how long it is. One check then covers NULL, alignment, an end beyond the
//! address space, and overlap: two ranges may share bytes only if both are inputs. When the call
//! fails, the same list says which outputs to zero; an output that overlaps an input is left alone,
//! because zeroing it would destroy what the caller passed in.
//!
//! What cannot be checked is whether the memory is there: that remains the caller's word.

use core::ffi::c_char;
use core::ptr;

use allocdb_node::status;

use crate::failure::Failure;

/// The longest path of a directory: room is left for the names of the files in it.
const DIRECTORY_LEN_MAX: usize = 4_000;

/// What a range is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Input,
    /// Zeroed on failure.
    Output,
    /// Zeroed on failure, unless nobody knows what happened.
    OutputUnlessIndefinite,
    /// A `size_t` that on failure holds what is needed, or 0.
    Size,
    /// Written on success only.
    Kept,
}

/// One pointer parameter with what it points to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    position: u32,
    name: &'static str,
    start: *mut u8,
    count: usize,
    item_bytes: usize,
    align: usize,
    role: Role,
    may_be_null: bool,
}

impl Memory {
    fn new<T>(position: u32, name: &'static str, start: *mut T, count: usize, role: Role) -> Self {
        Self {
            position,
            name,
            start: start.cast(),
            count,
            item_bytes: size_of::<T>(),
            align: align_of::<T>(),
            role,
            may_be_null: false,
        }
    }

    /// `count` items that are read.
    pub(crate) fn input<T>(position: u32, name: &'static str, at: *const T, count: usize) -> Self {
        Self::new(position, name, at.cast_mut(), count, Role::Input)
    }

    /// The path of a directory with its NUL; whether its length is one that is taken,
    /// [`check_directory`] tells.
    ///
    /// # Safety
    /// `at` is NULL, or ends with a NUL.
    pub(crate) unsafe fn directory(position: u32, at: *const c_char) -> Self {
        let len = if at.is_null() {
            0
        } else {
            // SAFETY: not NULL, and the caller says that it ends with a NUL.
            unsafe { libc::strnlen(at, DIRECTORY_LEN_MAX + 1) }
        };
        Self::input(position, "directory", at, len + 1)
    }

    /// `count` items that are written, and zeroed on failure.
    pub(crate) fn output<T>(position: u32, name: &'static str, at: *mut T, count: usize) -> Self {
        Self::new(position, name, at, count, Role::Output)
    }

    /// `count` items that are written, and left as they are when nobody knows what happened.
    pub(crate) fn responses<T>(
        position: u32,
        name: &'static str,
        at: *mut T,
        count: usize,
    ) -> Self {
        Self::new(position, name, at, count, Role::OutputUnlessIndefinite)
    }

    /// A size: what was written, or what is needed.
    pub(crate) fn size(position: u32, name: &'static str, at: *mut usize) -> Self {
        Self::new(position, name, at, 1, Role::Size)
    }

    /// An item that is left as it is on failure.
    pub(crate) fn kept<T>(position: u32, name: &'static str, at: *mut T, count: usize) -> Self {
        Self::new(position, name, at, count, Role::Kept)
    }

    /// The same, where NULL is allowed.
    pub(crate) const fn or_null(mut self) -> Self {
        self.may_be_null = true;
        self
    }

    /// The same, with a length in bytes that the struct itself says.
    pub(crate) const fn of_bytes(mut self, bytes: usize) -> Self {
        self.item_bytes = bytes;
        self.count = 1;
        self
    }

    /// The same, as an output.
    pub(crate) const fn written(mut self) -> Self {
        self.role = Role::Output;
        self
    }

    /// Bytes, saturating where they are more than there can be.
    pub(crate) const fn len(&self) -> usize {
        self.item_bytes.saturating_mul(self.count)
    }

    fn is_absent(&self) -> bool {
        self.start.is_null() || self.count == 0
    }

    fn check(&self) -> Result<(), Failure> {
        let (position, name) = (self.position, self.name);
        if self.count == 0 || (self.may_be_null && self.start.is_null()) {
            return Ok(());
        }
        if self.start.is_null() {
            return Err(Failure::argument(position, format_args!("{name} is NULL")));
        }
        let align = self.align;
        if !self.start.addr().is_multiple_of(align) {
            let message = format_args!("{name} is not aligned to {align} bytes");
            return Err(Failure::argument(position, message));
        }
        let is_within = self.start.addr().checked_add(self.len());
        if is_within.is_none() || self.len() > isize::MAX.unsigned_abs() {
            let message = format_args!("{name} is longer than memory: {} items", self.count);
            return Err(Failure::argument(position, message));
        }
        Ok(())
    }

    fn overlaps(&self, other: &Self) -> bool {
        if self.is_absent() || other.is_absent() {
            return false;
        }
        let (mine, theirs) = (self.start.addr(), other.start.addr());
        mine < theirs.saturating_add(other.len()) && theirs < mine.saturating_add(self.len())
    }

    fn is_written(&self) -> bool {
        self.role != Role::Input
    }
}

/// Refuses a path that is empty or longer than the library takes; it has been checked otherwise.
pub(crate) fn check_directory(directory: &Memory) -> Result<(), Failure> {
    let len = directory.count - 1;
    if (1..=DIRECTORY_LEN_MAX).contains(&len) {
        return Ok(());
    }
    Err(Failure::new(
        status::E_INVALID,
        [len as u64, 1, DIRECTORY_LEN_MAX as u64, 0],
        format_args!("directory has {len} bytes, must have 1 to {DIRECTORY_LEN_MAX}"),
    ))
}

/// Checks all of a call's memory; names the first that is not as it must be.
pub(crate) fn check(ranges: &[Memory]) -> Result<(), Failure> {
    for range in ranges {
        range.check()?;
    }
    for (index, one) in ranges.iter().enumerate() {
        for other in &ranges[..index] {
            let is_shared_input = !one.is_written() && !other.is_written();
            if !is_shared_input && one.overlaps(other) {
                let detail = [other.position.into(), one.position.into(), 0, 0];
                let message = format_args!("{} and {} overlap", other.name, one.name);
                return Err(Failure::new(status::E_OVERLAP, detail, message));
            }
        }
    }
    Ok(())
}

/// Zeroes the outputs of a failed call, and tells the sizes that are needed.
///
/// # Safety
/// Each range that is neither NULL nor misaligned belongs to the caller and is as long as it says.
pub(crate) unsafe fn clear(ranges: &[Memory], failure: &Failure) {
    for range in ranges {
        let is_sound = range.check().is_ok() && !range.is_absent();
        let is_kept = match range.role {
            Role::Input | Role::Kept => true,
            Role::OutputUnlessIndefinite => failure.is_indefinite(),
            Role::Output | Role::Size => false,
        };
        // One that is no range at all (its length beyond memory) covers nothing that counts.
        let is_input_too =
            |other: &Memory| !other.is_written() && other.overlaps(range) && other.check().is_ok();
        if !is_sound || is_kept || ranges.iter().any(is_input_too) {
            continue;
        }
        if range.role == Role::Size {
            #[allow(clippy::cast_ptr_alignment, reason = "made of a size, and checked")]
            let size = range.start.cast::<usize>();
            // SAFETY: not NULL, aligned, and the caller's.
            unsafe { size.write(failure.needed.unwrap_or(0)) };
        } else {
            // SAFETY: not NULL, within the address space, and the caller's.
            unsafe { ptr::write_bytes(range.start, 0, range.len()) };
        }
    }
}

#[cfg(test)]
mod tests;
