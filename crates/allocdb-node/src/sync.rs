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
//! processor. So what is done without a lock is kept to what does not need more than it tries: each
//! atomic below stands for itself, or is changed last and looked at first.
//! - `Gate::calls` is one word, changed only by read-modify-writes, each of which acquires and
//!   releases. All threads agree on the order of changes to one word, so none enters behind the
//!   closing bit; and the closer's load of "closing, nobody inside" reads the end of a release
//!   sequence that holds every leaver's decrement, so what they did is done before it goes on. A
//!   closer that reads an older word does so under the lock: the last leaver takes that lock after
//!   its decrement, hence behind the closer's wait, or before the closer took it, and then the
//!   closer could not have read the older word.
//! - The queue's inbox is one word as well, changed in the same way: who has come, whether somebody
//!   leads, and whether it is shut are decided in one order. What lies below the newest ticket was
//!   written before that was pushed, and whoever takes it acquires that push.
//! - `Queue::waiting_count` is a bound and nothing else. A place is taken before a push and given
//!   back after the ticket was taken out, so it never says less than there is.
//! - `Queue::is_halted` is set once, under the queue's lock, and only saves reads that lock. Who
//!   reads false is as one who came before the halt: a submission finds the inbox shut, and a read
//!   answers from the state whose lock it holds, in which nothing is that was not durable.
//! - A ticket's `is_done` hands a submission back to its owner: stored with release by the leader,
//!   who does not touch the ticket after that, loaded with acquire by the owner.
//! - An [`event::Event`]'s number is changed, with release, after what its sleepers wait for (their
//!   tickets, or the inbox's word), and read, with acquire, before they look at that. So who reads
//!   the new number sees what it stands for, and who reads the old one does not fall asleep.
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

#[cfg(shuttle)]
pub(crate) use shuttle::thread::yield_now;
#[cfg(not(shuttle))]
pub(crate) use std::thread::yield_now;

pub(crate) mod event;
#[cfg(tsan)]
mod tsan;
#[cfg(tsan)]
pub(crate) use tsan::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, atomic,
};
