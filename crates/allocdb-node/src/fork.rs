//! What a `fork` does to an open database: nothing, as long as the child lets go.
//!
//! A forked child gets copies of all descriptors. The lock on a database belongs to the open file
//! description, which the copies share, so a child that outlives its parent would keep a dead
//! owner's lock. A handler in the child therefore closes its copies of the lock descriptors, and
//! bumps a generation counter by which a handle notices, for the price of one load, that it lives
//! in a child now. Rejected: comparing `getpid`, which is a system call a time.
//!
//! The handlers run between `fork` and the return to the host's code, where only async-signal-safe
//! things are allowed: they touch atomics in statics and call `close`, nothing else. A spin lock
//! that `fork` takes too keeps the registry and the descriptors in step: no fork falls between the
//! opening of a lock file and its registration. A child made by the bare `clone` system call runs
//! no handlers; nothing can be done for it.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::OnceLock;

use allocdb_core::canary::{Canary, is_planted};

/// How many databases one process can hold open for writing.
pub const OPEN_LOCKS_MAX: usize = 1024;

const FREE: c_int = -1;
/// A place that is taken, while its descriptor is being opened.
const TAKEN: c_int = -2;

static GENERATION: AtomicU32 = AtomicU32::new(0);
static BUSY: AtomicBool = AtomicBool::new(false);
static LOCKS: [AtomicI32; OPEN_LOCKS_MAX] = [const { AtomicI32::new(FREE) }; OPEN_LOCKS_MAX];
static REGISTERED: OnceLock<c_int> = OnceLock::new();

/// How many forks lie between this process and the one that loaded the library.
///
/// A handle keeps the value of its opening; another value means that it was inherited.
#[inline]
#[must_use]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Installs the fork handlers, once for the process; the error is an errno.
///
/// Must be called before a handle keeps a [`generation`]. Opening a database does it.
pub fn watch() -> Result<(), i32> {
    let errno = *REGISTERED.get_or_init(|| {
        // SAFETY: the three functions live as long as the library, which is linked so that it is
        // never unloaded, and keep to what is allowed between fork and exec.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) }
    });
    if errno == 0 { Ok(()) } else { Err(errno) }
}

extern "C" fn prepare() {
    spin_lock();
}

extern "C" fn in_parent() {
    BUSY.store(false, Ordering::Release);
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for place in &LOCKS {
        let descriptor = place.swap(FREE, Ordering::Relaxed);
        if descriptor >= 0 && !is_planted(Canary::ChildKeepsLock) {
            // SAFETY: the registry holds descriptors of ours that are open, and this child's copy
            // is used by nobody: the handle that owns it finds its place empty.
            unsafe { libc::close(descriptor) };
        }
    }
    BUSY.store(false, Ordering::Release);
}

fn spin_lock() {
    while BUSY
        .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        std::thread::yield_now();
    }
}

/// A lock descriptor that a forked child closes. Dropping it unlocks and closes, once.
#[derive(Debug)]
pub(crate) struct LockDescriptor {
    place: usize,
    descriptor: c_int,
    /// The process that opened it: in a child, place and number may both be another lock's.
    generation: u32,
}

impl LockDescriptor {
    /// Opens by `open`, which answers a descriptor or an errno, with no fork in between.
    pub(crate) fn open(open: impl FnOnce() -> Result<c_int, i32>) -> Result<Self, i32> {
        watch()?;
        let Some(place) = LOCKS.iter().position(|place| {
            place
                .compare_exchange(FREE, TAKEN, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        }) else {
            return Err(libc::EMFILE);
        };
        spin_lock();
        let opened = open();
        LOCKS[place].store(opened.unwrap_or(FREE), Ordering::Relaxed);
        BUSY.store(false, Ordering::Release);
        opened.map(|descriptor| Self {
            place,
            descriptor,
            generation: generation(),
        })
    }

    /// The descriptor; in a forked child it is closed.
    pub(crate) fn raw(&self) -> c_int {
        self.descriptor
    }
}

impl Drop for LockDescriptor {
    fn drop(&mut self) {
        spin_lock();
        let place = &LOCKS[self.place];
        // In a child it is closed, and its number may be somebody else's file by now.
        if self.generation == generation() {
            // The explicit unlock frees the lock even if a child without handlers has a copy.
            // SAFETY: the place says that this descriptor is still ours and open.
            unsafe {
                libc::flock(self.descriptor, libc::LOCK_UN);
                libc::close(self.descriptor);
            }
            place.store(FREE, Ordering::Relaxed);
        }
        BUSY.store(false, Ordering::Release);
    }
}

#[cfg(test)]
pub(crate) mod tests;
