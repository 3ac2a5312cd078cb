//! Locks, condition variables and atomic numbers: those of std, or of a tool that watches.
//!
//! Under `--cfg shuttle` every one of them is a point at which a seeded scheduler chooses which
//! thread goes on, so that a schedule can be tried, repeated and searched for; see
//! `crates/allocdb-schedules`. Under `--cfg tsan` they are std's, and ThreadSanitizer is told of
//! each lock and unlock (`scripts/torture/tsan.sh`). Ordinary builds have never heard of either.
//! Only this crate's own modules, and what they are handed, use these names: a condition variable
//! wants its own mutex.
//!
//! That scheduler is sequentially consistent: it tries orders, not the weaker memory of a
//! processor. Nothing here needs more than it tries, because there is no lock-free structure of
//! two words. The atomics are four:
//! - `Gate::calls` is one word, changed only by read-modify-writes, each of which acquires and
//!   releases. All threads agree on the order of changes to one word, so none enters behind the
//!   closing bit; and the closer's load of "closing, nobody inside" reads the end of a release
//!   sequence that holds every leaver's decrement, so what they did is done before it goes on. A
//!   closer that reads an older word does so under the lock: the last leaver takes that lock after
//!   its decrement, hence behind the closer's wait, or before the closer took it, and then the
//!   closer could not have read the older word.
//! - `Queue::is_halted` is set once, under the queue's lock, and only saves reads that lock. Who
//!   reads false is as one who came before the halt: a submission asks again under the lock, and a
//!   read answers from the state whose lock it holds, in which nothing is that was not durable.
//!
//! - A ticket's `is_done` hands a submission back to its owner: stored with release by the leader,
//!   who does not touch the ticket after that, loaded with acquire by the owner.
//! - An [`event::Event`]'s number orders nothing; it only keeps a thread from going to sleep behind
//!   a change.
//!
//! Rejected: `loom`, which tries weaker orders but cannot run a whole engine: a commit has some
//! hundred steps. Also rejected: a trait for primitives, which would be a parameter of everything.

#[cfg(not(any(shuttle, tsan)))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, atomic,
};

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, atomic,
};

pub(crate) mod event;
#[cfg(tsan)]
mod tsan;
#[cfg(tsan)]
pub(crate) use tsan::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, atomic,
};
