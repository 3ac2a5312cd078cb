//! Recorded histories of real threads, checked for linearizability.
//!
//! Threads submit, retry and read on one engine at once; each call is recorded with the moments at
//! which it was made and answered, counted by one number for all. [`check`] then looks for one
//! order of all calls that explains every answer and agrees with what came before what. It need
//! not search: the log is that order. So the search that makes such checks costly in general
//! (which is why others check a few hundred calls) falls away, and millions are checked.
//!
//! Every other round ends with a failed sync and a power cut, after which the log is what recovery
//! made of it: a read that saw what was not synced then has nothing to explain it. The seed
//! repeats what the threads ask and where the disk fails, not how the threads meet; a finding
//! therefore quotes the call. Schedules that can be repeated are `crates/allocdb-schedules`.

mod check;
mod slow;
#[cfg(test)]
mod tests;

pub use check::{Answered, Call, Frame, Seen, check, frames};

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use allocdb_core::canary::Canary;
use allocdb_core::{Lsn, ResourceId, Slot};
use allocdb_node::batch::Many;
use allocdb_node::{Clock, Diagnostics, Engine, FileName, Level, Options, ReadError, SubmitError};

use crate::bridge::{self, BundleBytes};
use crate::disk::{Disk, Fault, Keep};
use crate::layer::Run;
use crate::model::{Action, Code, Command};
use crate::random::Rng;
use slow::Slow;

/// Resources that all threads contend for.
pub const RESOURCES: u128 = 6;
const THREADS_MAX: u64 = 8;
const CALLS: u64 = 120;
/// The first of the operation ids that all threads submit.
const HERD: u128 = 1 << 64;
/// `EIO`, as on Linux.
const EIO: i32 = 5;

/// The layer.
pub fn run(run: &mut Run) {
    let mut rng = Rng::new(run.seed());
    while !run.is_over() {
        let seed = rng.draw();
        match round(seed, None) {
            Ok(told) => {
                for (name, more) in told.figures() {
                    run.count(name, more);
                }
                run.advance(told.calls);
            }
            Err(found) => return run.find(format!("round {seed}: {found}")),
        }
    }
    for name in ["retries", "reads", "shared_commits", "expiries", "cuts"] {
        if run.done() > 50_000 && run.figure_of(name) == 0 {
            run.find(format!("nothing tried: {name} is 0"));
        }
    }
}

/// What a round did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "each is counted under its name")]
pub struct Told {
    pub calls: u64,
    pub commands: u64,
    pub retries: u64,
    pub reads: u64,
    pub shared_commits: u64,
    pub expiries: u64,
    pub unknown: u64,
    pub cuts: u64,
}

impl Told {
    const fn figures(&self) -> [(&'static str, u64); 7] {
        [
            ("commands", self.commands),
            ("retries", self.retries),
            ("reads", self.reads),
            ("shared_commits", self.shared_commits),
            ("expiries", self.expiries),
            ("unknown", self.unknown),
            ("cuts", self.cuts),
        ]
    }
}

/// One database, its threads, and the check. With a canary, every thread has it.
pub fn round(seed: u64, canary: Option<Canary>) -> Result<Told, String> {
    let mut rng = Rng::new(seed);
    let disk = Disk::new();
    let options = options(&mut rng);
    let slow = Slow {
        disk: &disk,
        sync_us: [0, 0, 40][rng.index(3)],
    };
    let engine = open(slow, &options);
    let bounds = bridge::bounds(&engine.configuration());
    let is_cut = rng.chance(50);
    if is_cut {
        disk.plan(rng.between(20, 400), Fault::Errno(EIO));
    }
    let shared = Shared {
        engine,
        moments: AtomicU64::new(0),
        told: AtomicU64::new(0),
        holds: Mutex::new(Vec::new()),
    };
    let threads = rng.between(2, THREADS_MAX);
    let seeds: Vec<_> = (0..threads).map(|_| rng.fork()).collect();
    let calls = std::thread::scope(|scope| {
        let shared = &shared;
        let spawned: Vec<_> = seeds
            .into_iter()
            .zip(1..)
            .map(|(rng, number)| {
                scope.spawn(move || {
                    let _planted = canary.map(allocdb_core::canary::plant);
                    Caller::new(shared, number, rng).call_all()
                })
            })
            .collect();
        let joined = spawned.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.collect::<Result<Vec<_>, _>>()
    });
    let calls: Vec<Call> = calls.map_err(|_| "a thread panicked")?.concat();
    let log = read_log(shared, &disk, &options, is_cut)?;
    let mut told = check(&bounds, &log, &calls, RESOURCES)?;
    told.cuts = u64::from(is_cut);
    Ok(told)
}

/// The log after the end: as it was closed, or as recovery finds it after a power cut.
fn read_log(
    shared: Shared<'_>,
    disk: &Disk,
    options: &Options,
    is_cut: bool,
) -> Result<Vec<Frame>, String> {
    let closed = shared.engine.close();
    drop(shared);
    if !is_cut {
        closed.map_err(|error| error.to_string())?;
        return frames(&disk.read(FileName::Wal).expect("closed with a log"));
    }
    let after = disk.after_crash(Keep::Nothing);
    let slow = Slow {
        disk: &after,
        sync_us: 0,
    };
    drop(open(slow, options));
    frames(&after.read(FileName::Wal).expect("recovered with a log"))
}

fn options(rng: &mut Rng) -> Options {
    Options {
        clock: Clock::Host,
        max_resources: 16,
        max_reservations: 4096,
        max_operations: 8192,
        max_bundle_len: 4,
        max_ttl_slots: 15,
        operation_window_slots: rng.between(4, 20),
        history_window_slots: rng.between(1, 20),
        max_expirations_per_tick: 4,
        hash_seed: 0x5EED,
        database_id: 0xDA7A,
        wal_prealloc_bytes: 256 << 10,
        max_batch_commands: rng.between_u32(4, 32),
        max_queue: 64,
        ..Options::default()
    }
}

fn open<'a>(storage: Slow<'a>, options: &Options) -> Engine<Slow<'a>> {
    let diagnostics = Diagnostics::new(Level::Error, 256, None);
    Engine::open(storage, options, diagnostics).expect("the disk is sound")
}

struct Shared<'a> {
    engine: Engine<Slow<'a>>,
    moments: AtomicU64,
    /// The greatest position that somebody was told.
    told: AtomicU64,
    /// Reservations made lately, with their holders.
    holds: Mutex<Vec<(u128, u128)>>,
}

/// One thread.
struct Caller<'s, 'd> {
    shared: &'s Shared<'d>,
    number: u128,
    rng: Rng,
    made: u128,
    last: Option<Command>,
    calls: Vec<Call>,
}

impl<'s, 'd> Caller<'s, 'd> {
    fn new(shared: &'s Shared<'d>, number: u128, rng: Rng) -> Self {
        Self {
            shared,
            number,
            rng,
            made: 0,
            last: None,
            calls: Vec::new(),
        }
    }

    fn call_all(mut self) -> Vec<Call> {
        for _ in 0..CALLS {
            let goes_on = if self.rng.chance(35) {
                self.read()
            } else {
                self.submit()
            };
            if !goes_on {
                break;
            }
        }
        self.calls
    }

    fn moment(&self) -> u64 {
        self.shared.moments.fetch_add(1, Ordering::SeqCst)
    }

    /// Whether the engine goes on.
    fn submit(&mut self) -> bool {
        let len = if self.rng.chance(70) {
            1
        } else {
            1 + self.rng.index(3)
        };
        let commands: Vec<_> = (0..len).map(|_| self.command()).collect();
        let mut bundles = vec![BundleBytes::new(); len];
        let given: Vec<_> = commands
            .iter()
            .zip(&mut bundles)
            .map(|(command, bundle)| bridge::command(command, bundle))
            .collect();
        let mut results = vec![None; len];
        let begun = self.moment();
        let slot = Slot(1 + begun / 100);
        let engine = &self.shared.engine;
        let submitted = engine.submit(Some(slot), &mut Many::new(&given, &mut results));
        let ended = self.moment();
        let seen = match submitted {
            Ok(()) => Seen::Answers(self.take(&commands, &results)),
            Err(error) => Seen::Failure(commands, error.to_string()),
        };
        self.calls.push(Call { begun, ended, seen });
        matches!(submitted, Ok(()) | Err(SubmitError::Overloaded { .. }))
    }

    fn take(
        &mut self,
        commands: &[Command],
        results: &[Option<allocdb_node::CommandResult>],
    ) -> Vec<Answered> {
        let mut answered = Vec::with_capacity(commands.len());
        for (command, result) in commands.iter().zip(results) {
            let result = result.expect("an acknowledged batch is answered");
            let result = result
                .map(|outcome| bridge::outcome(&outcome))
                .map_err(|rejection| bridge::rejection(&rejection));
            if let Ok(outcome) = result {
                self.shared.told.fetch_max(outcome.lsn, Ordering::SeqCst);
                if let (Action::Reserve { holder_id, .. }, Code::Done) =
                    (&command.action, outcome.code)
                {
                    let mut holds = self.shared.holds.lock().expect("a plain list");
                    if holds.len() > 8 {
                        holds.remove(0);
                    }
                    holds.push((outcome.reservation_id, *holder_id));
                }
            }
            answered.push((command.clone(), result));
        }
        answered
    }

    /// Reads a row, or the last position; whatever was told before must be in it.
    fn read(&mut self) -> bool {
        let begun = self.moment();
        let required = self.shared.told.load(Ordering::SeqCst);
        let engine = &self.shared.engine;
        let seen = if self.rng.chance(30) {
            Seen::Last(engine.last_lsn().0)
        } else {
            let resource_id = u128::from(self.rng.below(6)) + 1;
            match engine.resource(Lsn(required), ResourceId(resource_id)) {
                Ok(row) => Seen::Row(resource_id, Some(bridge::resource(&row))),
                Err(ReadError::NotFound) => Seen::Row(resource_id, None),
                Err(ReadError::Halted { .. }) => return false,
                Err(error) => Seen::Failure(Vec::new(), error.to_string()),
            }
        };
        let ended = self.moment();
        self.calls.push(Call { begun, ended, seen });
        true
    }

    fn command(&mut self) -> Command {
        if self.rng.chance(10)
            && let Some(last) = &self.last
        {
            return last.clone();
        }
        if self.rng.chance(10) {
            // The same for all who come at about the same time.
            let turn = u128::from(self.shared.moments.load(Ordering::Relaxed) / 16);
            let resource_id = 1 + turn % RESOURCES;
            return Command::new(HERD + turn, Action::CreateResource { resource_id });
        }
        self.made += 1;
        let command = Command::new((self.number << 32) + self.made, self.action());
        self.last = Some(command.clone());
        command
    }

    fn action(&mut self) -> Action {
        let resource_id = 1 + u128::from(self.rng.below(6));
        let ttl_slots = self.rng.between(1, 15);
        let hold = {
            let holds = self.shared.holds.lock().expect("a plain list");
            self.rng.pick(&holds).copied()
        };
        let Some((reservation_id, holder_id)) = hold else {
            return if self.rng.chance(50) {
                Action::CreateResource { resource_id }
            } else {
                self.reserve(resource_id, ttl_slots)
            };
        };
        match self.rng.below(12) {
            0 => Action::CreateResource { resource_id },
            1 => Action::DeleteResource { resource_id },
            2..6 => self.reserve(resource_id, ttl_slots),
            6 | 7 => Action::Confirm {
                reservation_id,
                holder_id,
            },
            8 => Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            },
            9 => Action::Release {
                reservation_id,
                holder_id,
            },
            10 => Action::Revoke { reservation_id },
            _ => Action::Reclaim { reservation_id },
        }
    }

    fn reserve(&mut self, first: u128, ttl_slots: u64) -> Action {
        let second = 1 + first % RESOURCES;
        let resource_ids = if self.rng.chance(30) {
            [first, second].as_slice().into()
        } else {
            [first].as_slice().into()
        };
        Action::Reserve {
            resource_ids,
            holder_id: self.number,
            ttl_slots,
        }
    }
}

/// Bounds that no check of ours meets full.
const _: () = assert!(THREADS_MAX * CALLS * 3 < 4096);
