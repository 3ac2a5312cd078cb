//! Calls under way, and closing: a count and one bit in one atomic number.
//!
//! Every call enters and leaves; closing sets the bit, after which nobody enters, and waits until
//! the count is zero. Rejected: a read-write lock held for the length of a call, since a waiting
//! closer would then hold up callers that only have to be told "closed".

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, PoisonError};

use allocdb_core::canary::{Canary, is_planted};

const CLOSING: u64 = 1 << 63;

/// The count of calls under way.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    calls: AtomicU64,
    idle: Mutex<()>,
    is_idle: Condvar,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Call<'a>(&'a Gate);

impl Gate {
    /// Begins a call; `None` once closing.
    pub(crate) fn enter(&self) -> Option<Call<'_>> {
        let before = self.calls.fetch_add(1, Ordering::AcqRel);
        let call = Call(self);
        (before & CLOSING == 0).then_some(call)
    }

    /// Whether nobody enters any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.calls.load(Ordering::Acquire) & CLOSING != 0
    }

    /// Lets nobody in any more and waits for the calls under way.
    pub(crate) fn close(&self) {
        self.calls.fetch_or(CLOSING, Ordering::AcqRel);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while self.calls.load(Ordering::Acquire) != CLOSING && !is_planted(Canary::GateDoesNotWait)
        {
            idle = self
                .is_idle
                .wait(idle)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let before = self.0.calls.fetch_sub(1, Ordering::AcqRel);
        assert!(before & !CLOSING > 0, "a call leaves once");
        if before == CLOSING + 1 {
            // The lock makes sure that a closer which saw the count is asleep by now.
            if !is_planted(Canary::IdleUnlocked) {
                drop(self.0.idle.lock().unwrap_or_else(PoisonError::into_inner));
            }
            self.0.is_idle.notify_all();
        }
    }
}
