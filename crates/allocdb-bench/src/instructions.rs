//! Fixed work whose instructions are counted: what `scripts/check_perf.sh` runs under callgrind.
//!
//! A time depends on the machine and on whatever else it does; the number of instructions that a
//! command needs does not. So a change that makes the hot path longer is seen at once, on any
//! machine, also where nobody would trust a clock. What it cannot see is the memory: a command that
//! needs as many instructions and twice as many cache lines is as good as before. That is for the
//! [figures](crate::figures) to tell.
//!
//! Everything is fixed: ids, hash seed, slots, table sizes, the order of things; files are in
//! [memory](store), so that no system call is among it. Only what happens inside of [`measured`] is
//! counted. Each workload checks that its work was done, and prints its name and how many commands
//! that was. `--extra` plants a slowdown, to prove that it would be noticed.
//!
//! Rejected: a benchmark framework that drives callgrind by itself; it brings a runner to be
//! installed, for what is one option of callgrind. Rejected: the processor's own counters, which
//! are not to be had in most virtual machines.

pub mod store;
mod work;

use std::hint::black_box;

use allocdb_bench_measured as measured;

use clap::{Args, ValueEnum};

/// Commands in a batch.
pub const BATCH: u64 = 1_000;

/// Work that is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Workload {
    /// Reserve, confirm, release through the engine, one at a time.
    Single,
    /// The same in batches of 1,000.
    Batch,
    /// The same in the core alone, while as much retires.
    Apply,
    /// A resource looked at.
    Read,
    /// A tick with nothing due.
    IdleTick,
    /// A request encoded and decoded, a response decoded.
    Codec,
    /// Requests as bytes through the engine, in batches of 1,000.
    Call,
    /// Reservations that a tick ends, 1,000 at a time.
    Expiry,
    /// Commands replayed by opening.
    Replay,
    /// Resources, each with a reservation, that a checkpoint writes.
    Checkpoint,
}

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// What to do; all names are printed where none is given.
    pub workload: Option<Workload>,
    /// Turns of an empty loop that each command makes besides: a planted slowdown.
    #[arg(long, default_value_t = 0)]
    pub extra: u64,
}

/// What the knobs ask for: the lines to print.
pub fn run(knobs: &Knobs) -> Result<Vec<String>, String> {
    let name = |workload: &Workload| {
        let value = workload.to_possible_value().expect("none is hidden");
        value.get_name().to_string()
    };
    let Some(workload) = &knobs.workload else {
        return Ok(Workload::value_variants().iter().map(name).collect());
    };
    let commands = do_once(*workload)?;
    measured(&mut || {
        for turn in 0..knobs.extra * commands {
            black_box(turn);
        }
    });
    Ok(vec![format!("{} {commands}", name(workload))])
}

/// Does the work once; how many commands it was.
pub fn do_once(workload: Workload) -> Result<u64, String> {
    match workload {
        Workload::Single => work::submissions(1),
        Workload::Batch => work::submissions(BATCH),
        Workload::Apply => work::apply(),
        Workload::Read => work::reads(),
        Workload::IdleTick => work::idle_ticks(),
        Workload::Codec => work::codec(),
        Workload::Call => work::call(),
        Workload::Expiry => work::expiry(),
        Workload::Replay => work::replay(),
        Workload::Checkpoint => work::checkpoint(),
    }
}

/// What is counted: callgrind knows it by its name, which is why it has a plain one.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "Rust" fn allocdb_bench_measured(work: &mut dyn FnMut()) {
    work();
    // So that the call is none that may be left out, or made a jump.
    black_box(());
}
