//! The allocator of the programs that prove that nothing allocates (R87): it counts, for each
//! thread apart, the calls to it and the bytes asked for.
//!
//! A program that declares this module has it for its allocator. Freeing counts as a call too: in
//! steady state there is nothing to free. Counting by thread leaves out the test runner's own
//! threads, and what a new thread costs before its first call. Rejected: one counter for the whole
//! program, which has to be told when to look away.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    // Constant and without a destructor: reading them allocates nothing itself.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// What `call` answers, and how often this thread called the allocator meanwhile.
pub(crate) fn counted<T>(call: impl FnOnce() -> T) -> (T, u64) {
    let before = CALLS.get();
    let answer = call();
    (answer, CALLS.get() - before)
}

/// The bytes that this thread has ever asked for.
#[allow(dead_code, reason = "not every program counts bytes")]
pub(crate) fn bytes_asked_for() -> u64 {
    BYTES.get()
}

fn count(bytes: usize) {
    CALLS.set(CALLS.get() + 1);
    BYTES.set(BYTES.get() + bytes as u64);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches two cells of the
// calling thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
