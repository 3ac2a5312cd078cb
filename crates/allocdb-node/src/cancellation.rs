//! Keeping POSIX thread cancellation out of the engine.
//!
//! `pwrite`, `fdatasync`, `close` and most other file calls are cancellation points. A host's
//! thread that is cancelled inside of one would be unwound out of the middle of a commit: its
//! followers would wait for ever, and unwinding through these frames is not defined at all. A
//! [`CancellationOff`] defers the request to the host's next cancellation point.

use core::ffi::c_int;

use allocdb_core::canary::{Canary, is_planted};

/// While it lives, this thread cannot be cancelled. They nest.
#[derive(Debug)]
#[must_use = "cancellation is off only as long as the value lives"]
pub struct CancellationOff {
    before: c_int,
    /// The state belongs to the thread, so the value must not leave it.
    _not_send: core::marker::PhantomData<*const ()>,
}

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// The values that glibc and musl give them.
const PTHREAD_CANCEL_ENABLE: c_int = 0;
const PTHREAD_CANCEL_DISABLE: c_int = 1;

impl CancellationOff {
    /// Turns cancellation off for this thread.
    pub fn new() -> Self {
        let mut before = 0;
        let state = if is_planted(Canary::CancelledInside) {
            PTHREAD_CANCEL_ENABLE
        } else {
            PTHREAD_CANCEL_DISABLE
        };
        // SAFETY: the state is valid and `before` has room; the call only changes this thread.
        unsafe { pthread_setcancelstate(state, &raw mut before) };
        Self {
            before,
            _not_send: core::marker::PhantomData,
        }
    }
}

impl Default for CancellationOff {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for CancellationOff {
    fn drop(&mut self) {
        let mut ignored = 0;
        // SAFETY: the state is the one that this thread had, and the value never left the thread.
        unsafe { pthread_setcancelstate(self.before, &raw mut ignored) };
    }
}
