//! The allocator of the harnesses: the system's, and a note of the largest request of each thread.
//!
//! Whoever reads damaged bytes must not let them say how much memory to take. So a harness looks at
//! [`largest_bytes`] after each reading: it must stay what it is for sound bytes. Noting is two
//! cells of the calling thread, so every harness of this crate can afford it. Rejected: a bound
//! that makes the allocator fail; the fault would then be found in how failure is handled.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator: a program that wants the notes makes it its own.
#[derive(Debug)]
pub struct Noting;

thread_local! {
    // Constant and without a destructor: reading it allocates nothing itself.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// Forgets what this thread has asked for.
pub fn forget() {
    LARGEST.set(0);
}

/// The largest request of this thread since [`forget`].
#[must_use]
pub fn largest_bytes() -> usize {
    LARGEST.get()
}

/// Runs `call` without noting what it asks for: a disk in memory grows its files on the heap.
pub fn apart<T>(call: impl FnOnce() -> T) -> T {
    let before = LARGEST.get();
    let answer = call();
    LARGEST.set(before);
    answer
}

fn note(bytes: usize) {
    if bytes > LARGEST.get() {
        LARGEST.set(bytes);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; noting touches one cell of the
// calling thread.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

// The fuzz programs have an allocator of their own and link this library.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: Noting = Noting;
