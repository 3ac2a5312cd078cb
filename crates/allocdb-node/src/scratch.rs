//! A large buffer that is needed once, while opening.
//!
//! The scan of a log needs room for the longest frame that there may be, 16 MiB, and usually
//! touches a few pages of it. The memory is mapped by itself: the system gives zero pages as they
//! are touched, and takes all back at the end. Rejected: a vector of zeros. Once the allocator has
//! learned the size, it takes such a block from its heap and clears all of it at every open, and
//! keeps it afterwards.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Zeroed memory of its own.
#[derive(Debug)]
pub(crate) struct Scratch {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to this value alone, like a vector's.
unsafe impl Send for Scratch {}

impl Scratch {
    /// Maps `len` bytes; `None` where the system has no room for them.
    pub(crate) fn new(len: usize) -> Option<Self> {
        assert!(len > 0, "an empty mapping is refused by the system");
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping at an address of the system's choice touches nothing of ours.
        let start = unsafe { libc::mmap(core::ptr::null_mut(), len, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = NonNull::new(start.cast())?;
        Some(Self { start, len })
    }
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping has `len` bytes, all initialized to zero by the system.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody can borrow it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
