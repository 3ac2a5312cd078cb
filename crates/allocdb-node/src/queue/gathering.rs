//! Letting those who were just woken come back before a group is closed.
//!
//! Threads that call again and again fall into two halves otherwise: one waits for its write while
//! the other is woken, comes back, and waits for the next. Each commit carries half of them, and
//! where the disk is what takes the time, half as much gets done. So a leader first lets everybody
//! run who is ready to. Where nobody is, that is over at once: it costs a system call, not a time
//! to wait. A thread that is alone does not even make that.
//!
//! The system may also give that turn to a thread of the host that computes and does not come here,
//! for milliseconds. A turn that took long is therefore followed by a rest of so many times its
//! length, whatever the reason: at most one part in [`REST`] of all time is lost.
//!
//! Rejected: waiting for a number of threads or for a time, as other databases are told to by an
//! option. Who will come back, and how soon, is only known of those who are ready to run.

use std::time::{Duration, Instant};

use crate::sync::yield_now;

/// Turns at most; each ends when whoever was ready on this processor has run.
const TURNS_MAX: u32 = 16;
/// Turns in a row that may bring nobody: who was woken on another processor takes a moment.
const IDLE_TURNS_MAX: u32 = 2;
/// What is still a short turn: some hundred threads that come back.
const PATIENCE: Duration = Duration::from_millis(1);
/// How many times as long as a turn that took longer nothing is tried.
const REST: u32 = 16;

/// What a leader knows when it decides whether to let others run.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Submissions in the last group; their threads were just woken.
    last_len: u32,
    rests_until: Option<Instant>,
}

impl Gathering {
    /// Whether anybody may be on the way: `waiting_count` have come, the leader among them.
    pub(super) fn is_worthwhile(&self, waiting_count: u32) -> bool {
        let is_company = self.last_len > 1 || waiting_count > 1;
        is_company && self.rests_until.is_none_or(|end| Instant::now() >= end)
    }

    /// Takes note of how long it took.
    pub(super) fn took(&mut self, time: Duration) {
        let rest = || Instant::now() + time.saturating_mul(REST);
        self.rests_until = is_long(time).then(rest);
    }

    /// Takes note of a group that was closed.
    pub(super) fn closed(&mut self, len: u32) {
        self.last_len = len;
    }
}

/// Lets others run as long as that brings somebody. Answers how long it took.
pub(super) fn gather(waiting_count: impl Fn() -> u32) -> Duration {
    let begun = Instant::now();
    let (mut count, mut idle_turns) = (waiting_count(), 0);
    for _ in 0..TURNS_MAX {
        yield_now();
        let before = core::mem::replace(&mut count, waiting_count());
        idle_turns = if count > before { 0 } else { idle_turns + 1 };
        if idle_turns == IDLE_TURNS_MAX || is_long(begun.elapsed()) {
            break;
        }
    }
    begun.elapsed()
}

/// A schedule that is to be repeated must not depend on a clock.
fn is_long(time: Duration) -> bool {
    time > PATIENCE && !cfg!(shuttle)
}
