//! Schedules: the real queue, gate and engine under a seeded scheduler, over a disk in memory.
//!
//! Built with `--cfg shuttle`, every lock, condition variable and atomic number of the engine
//! (`allocdb_node`'s module `sync`) and every write and sync of its log ([`watch`]) is a point at
//! which the scheduler chooses who goes on. A [`scenario`] opens an engine, lets threads at it, and
//! states its laws; [`run`] tries it under thousands of schedules: drawn at random, by priorities
//! that change a few times (a bug of depth d is then found with a known probability), and, where
//! the scenario is small, every one there is. A schedule in which nobody can go on fails as a
//! deadlock, which is what a lost wake-up is.
//!
//! A crate of its own, because all of it is compiled again for the other `--cfg`, and nothing else
//! has to be: `scripts/torture/shuttle.sh` does it. Without `--cfg shuttle` it is empty. Rejected:
//! threads with random pauses, which try what the machine happens to do and repeat nothing.

#![cfg(shuttle)]

pub mod calls;
pub mod run;
pub mod scenario;
pub mod watch;

#[cfg(test)]
mod tests;
