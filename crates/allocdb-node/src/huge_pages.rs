//! Tables in huge pages.
//!
//! Commands meet the tables at random places, and in pages of 4 KiB most of these places are not
//! only out of the caches but also out of the TLB: finding the page is a second miss beside each
//! first one. So large allocations are advised as `MADV_HUGEPAGE`, before anybody touches them;
//! where the kernel grants it, a table of a million resources needs hundreds of translations
//! instead of a hundred thousand. Advice changes no content and no bound, only how much of what is
//! reserved becomes resident at a time, two MiB. A kernel that knows no huge pages, or was told to
//! give none, is not asked again, and nothing is lost.
//!
//! It is an allocator, since the core, which owns the tables, has neither `unsafe` nor a system to
//! ask. What is shipped installs it: the C library and the benchmark. Rejected: a way for the core
//! to lend out the addresses of its tables, a parameter of everything that makes a state; explicit
//! huge pages, which an administrator has to set aside; and advice for every allocation, since a
//! small one in a huge page wastes it.

use std::alloc::{GlobalAlloc, Layout, System};

/// What x86-64 and arm64 call huge, where a page has 4 KiB. Other sizes divide it, or the advice is
/// refused.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Allocations below this are left alone: they may share their pages.
const LEAST_BYTES: usize = 2 * HUGE_PAGE_BYTES;

/// The system's allocator, with advice for what is large.
#[derive(Debug)]
pub struct HugePages;

// SAFETY: every call is the system's allocator's, with the same arguments, and what it answers is
// handed on unchanged. The advice in between concerns pages that lie whole within what was just
// allocated, and `MADV_HUGEPAGE` changes neither content nor validity.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::alloc`.
        let place = unsafe { System.alloc(layout) };
        advise(place, layout.size());
        place
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::alloc_zeroed`.
        let place = unsafe { System.alloc_zeroed(layout) };
        advise(place, layout.size());
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::dealloc`, and what it gives
        // back came from the system's allocator.
        unsafe { System.dealloc(place, layout) };
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::realloc`, as above.
        let place = unsafe { System.realloc(place, layout, new_size) };
        advise(place, new_size);
        place
    }
}

/// Asks for huge pages where `len` bytes from `place` on are large.
#[inline]
fn advise(place: *mut u8, len: usize) {
    if len >= LEAST_BYTES && !place.is_null() {
        advise_large(place, len);
    }
}

#[cold]
fn advise_large(place: *mut u8, len: usize) {
    let before_first = place.align_offset(HUGE_PAGE_BYTES);
    let whole = len.saturating_sub(before_first) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if whole == 0 {
        return;
    }
    // SAFETY: the range lies within an allocation of `len` bytes at `place`. A refusal is no
    // matter: the pages are then of the usual size.
    let _ = unsafe { libc::madvise(place.add(before_first).cast(), whole, libc::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests;
