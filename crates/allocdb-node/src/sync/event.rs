//! A place to wait at without a lock: a number that changes, and threads asleep until it does.
//!
//! A condition variable hands its mutex to everybody whom it wakes. Sixty threads that are told at
//! once that their commit is through would queue up for a lock of which they need nothing. Here
//! they go back to their callers straight away.
//!
//! Who waits reads the number, then looks at what it waits for, and sleeps only if the number is
//! still the same. Who wakes changes what is waited for, then the number, then wakes those asleep.
//! So no wake-up is lost: a thread that saw the number before it changed does not go to sleep, or
//! is woken; one that saw it after the change sees what was changed before it, since the change
//! releases and the look acquires. A wait may end for no reason.
//!
//! Rejected: `std::thread::park`, whose handle of the current thread may allocate.

#[cfg(not(shuttle))]
use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(shuttle)]
use super::{Condvar, Mutex, PoisonError};

/// The number and its sleepers.
#[cfg(not(shuttle))]
#[derive(Debug, Default)]
pub(crate) struct Event {
    number: AtomicU32,
}

#[cfg(not(shuttle))]
impl Event {
    /// The number, to be read before what is waited for.
    pub(crate) fn number(&self) -> u32 {
        self.number.load(Ordering::Acquire)
    }

    /// Sleeps if the number is still this one, until woken.
    pub(crate) fn wait(&self, number: u32) {
        self.futex(libc::FUTEX_WAIT, number);
    }

    /// Wakes one who sleeps; those on their way to it look again.
    pub(crate) fn wake_one(&self) {
        self.number.fetch_add(1, Ordering::Release);
        self.futex(libc::FUTEX_WAKE, 1);
    }

    /// Wakes all who sleep; those on their way to it look again.
    pub(crate) fn wake_all(&self) {
        self.number.fetch_add(1, Ordering::Release);
        self.futex(libc::FUTEX_WAKE, i32::MAX.unsigned_abs());
    }

    /// Whatever the system answers, the caller looks again: an interruption, a number that has
    /// changed by now, nobody asleep.
    fn futex(&self, operation: libc::c_int, value: u32) {
        let operation = operation | libc::FUTEX_PRIVATE_FLAG;
        let no_timeout = core::ptr::null::<libc::timespec>();
        // SAFETY: the number is there for as long as `self` is borrowed, and the system only reads
        // it.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.number.as_ptr(),
                operation,
                value,
                no_timeout,
            );
        }
    }
}

/// The same for the seeded scheduler, which knows no system calls.
#[cfg(shuttle)]
#[derive(Debug)]
pub(crate) struct Event {
    number: Mutex<u32>,
    has_changed: Condvar,
}

#[cfg(shuttle)]
impl Default for Event {
    fn default() -> Self {
        Self {
            number: Mutex::new(0),
            has_changed: Condvar::new(),
        }
    }
}

#[cfg(shuttle)]
impl Event {
    pub(crate) fn number(&self) -> u32 {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait(&self, number: u32) {
        let held = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if *held == number {
            drop(self.has_changed.wait(held));
        }
    }

    pub(crate) fn wake_one(&self) {
        self.change();
        self.has_changed.notify_one();
    }

    pub(crate) fn wake_all(&self) {
        self.change();
        self.has_changed.notify_all();
    }

    fn change(&self) {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }
}
