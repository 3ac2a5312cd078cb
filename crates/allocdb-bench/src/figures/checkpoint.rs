//! checkpoint: what commits wait for while a snapshot is written.
//!
//! A database of many resources, each with a live reservation, and threads that reserve and release
//! resources of their own, one command at a time, as fast as they are answered. The latency of
//! every commit is kept with the moment it began. A checkpoint is taken meanwhile: on demand by a
//! thread that commits nothing, or by the engine itself because the log has grown, on the thread
//! that leads. The commits that were under way at any moment of it are those that are shown, beside
//! those of a quiet time before, and beside all, with as long a quiet time after: where commits are
//! held, few of them meet a checkpoint, and each meets all of it.
//!
//! The engine tells how long a checkpoint took only when it is over, so when one of its own began
//! is reckoned back from when its end was seen, which is looked for a thousand times a second.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use allocdb_core::{ReservationId, ResultCode, Slot};
use allocdb_node::storage::FileStorage;
use allocdb_node::{Engine, Options, SyncMode};
use clap::{Args, ValueEnum};

use super::database::{
    Client, Database, FILL_BATCH, LONG_TTL_SLOTS, free_resources, operation, options, reserve,
    shuffled,
};
use super::sheet::Sample;
use super::{Common, Run, float, nanoseconds, number};
use crate::counts::Counts;
use crate::hot_spot::new_outcome;
use crate::knobs::{Refusal, Sync, THREADS_MAX};
use crate::order::{Held, Order, Submission, Wish};
use crate::random::Random;
use crate::report::rank;

/// The counts' names.
pub const NAMES: &[&str] = &[
    "checkpoints",
    "live reservations afterwards",
    "free resources of the writers afterwards",
    "commands that the engine counts otherwise",
    "checkpoints without a commit beside them",
];

/// Resources that a writer has to itself.
const RESOURCES_A_WRITER: u64 = 64;
/// Checkpoints until one is met by a commit.
const ATTEMPTS: u32 = 20;
/// Commits in a slot, all writers together: operations must retire, or the table fills.
const COMMITS_A_SLOT: u64 = 4_096;

/// Who takes the checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Trigger {
    /// A thread asks for it.
    Demand,
    /// The engine, because the log has grown.
    Growth,
}

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// Resources, each with a live reservation: 1 to 10000000.
    #[arg(long, default_value_t = 1_000_000, value_parser = number(1, 10_000_000))]
    pub resources: u64,
    /// Numbers of writers, one figure each: 1 to 64.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4],
          value_parser = number(1, THREADS_MAX))]
    pub threads: Vec<u64>,
    /// Who takes the checkpoint, one figure each.
    #[arg(long, value_enum, value_delimiter = ',',
          default_values_t = [Trigger::Demand, Trigger::Growth])]
    pub triggers: Vec<Trigger>,
    /// Log growth after which the engine takes one by itself, in KiB: 4 to 1048576.
    #[arg(long, default_value_t = 2_048, value_parser = number(4, 1 << 20))]
    pub growth_kib: u64,
    /// The quiet time after a checkpoint, and before one on demand, in milliseconds: 1 to 60000.
    #[arg(long, default_value_t = 500, value_parser = number(1, 60_000))]
    pub quiet_ms: u64,
    /// What a commit waits for.
    #[arg(long, value_enum, default_value_t = Sync::Full)]
    pub sync: Sync,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    pub common: Common,
}

impl Trigger {
    const fn name(self) -> &'static str {
        match self {
            Self::Demand => "on demand",
            Self::Growth => "by growth",
        }
    }
}

impl Knobs {
    fn writers_max(&self) -> u64 {
        self.threads.iter().copied().max().unwrap_or(0)
    }

    fn options(&self) -> Options {
        let own = self.writers_max() * RESOURCES_A_WRITER;
        let room = 16 * COMMITS_A_SLOT + own + FILL_BATCH;
        let all = self.resources + own;
        Options {
            sync: match self.sync {
                Sync::Full => SyncMode::Full,
                Sync::Os => SyncMode::Os,
            },
            ..options(&self.common, all, self.resources + room, room)
        }
    }

    /// The same, with checkpoints that the engine takes by itself or does not.
    fn options_for(&self, trigger: Trigger) -> Options {
        let options = self.options();
        match trigger {
            Trigger::Demand => options,
            Trigger::Growth => Options {
                checkpoint_wal_bytes: self.growth_kib << 10,
                ..options
            },
        }
    }

    /// See [`super::Figure::database_bytes`].
    pub(super) fn database_bytes(&self) -> Result<u64, Refusal> {
        Ok(self.options().memory_bound()?)
    }
}

/// What each run must count.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let mut counts = Counts::new(NAMES);
    for threads in &knobs.threads {
        let own = knobs.writers_max() * RESOURCES_A_WRITER;
        for _ in &knobs.triggers {
            counts.add("checkpoints", 1);
            counts.add("live reservations afterwards", knobs.resources);
            counts.add("free resources of the writers afterwards", own);
            counts.detail(&[*threads]);
        }
    }
    counts
}

/// All runs: one database, opened again where another trigger wants other settings.
pub(super) fn play(knobs: &Knobs) -> Result<Vec<Run>, String> {
    let mut database = Database::create(&knobs.common, &knobs.options())?;
    let mut random = Random::of(knobs.common.seed, 0);
    let order = shuffled(knobs.resources, &mut random);
    let mut client = Client::new(database.engine(), random, FILL_BATCH);
    let own = knobs.writers_max() * RESOURCES_A_WRITER;
    client.create(knobs.resources + own)?;
    client.reserve(order.into_iter().map(u64::from))?;
    let runs = (0..knobs.common.runs).map(|_| {
        let mut run = Run {
            samples: Vec::new(),
            counts: Counts::new(NAMES),
        };
        for &threads in &knobs.threads {
            for &trigger in &knobs.triggers {
                let seen = observe_some(knobs, threads, trigger, &mut database)?;
                count(knobs, threads, &database, &seen, &mut run)?;
                run.samples.extend(samples(threads, trigger, &seen));
            }
        }
        Ok(run)
    });
    runs.collect()
}

/// Opens the database as the trigger wants it and observes a checkpoint; again where no commit met
/// it, a few times.
fn observe_some(
    knobs: &Knobs,
    threads: u64,
    trigger: Trigger,
    database: &mut Database,
) -> Result<Seen, String> {
    for _ in 0..ATTEMPTS {
        database.close()?;
        database.open(&knobs.options_for(trigger))?;
        let seen = observe(knobs, threads, trigger, database.engine())?;
        if seen.has_commits() {
            return Ok(seen);
        }
    }
    Err(format!("{ATTEMPTS} checkpoints, and no commit met one"))
}

/// One checkpoint among commits.
struct Seen {
    /// Its beginning and end, after the common start.
    began_ns: u64,
    ended_ns: u64,
    /// What the engine says of it.
    duration_ns: u64,
    stall_ns: u64,
    checkpoints: u64,
    /// Each writer's commits.
    commits: Vec<Vec<Commit>>,
}

/// One commit: when it began, after the common start, and when it was answered.
#[derive(Clone, Copy)]
struct Commit {
    began_ns: u64,
    ended_ns: u64,
}

/// Lets the writers commit, and waits for a checkpoint among it.
fn observe(
    knobs: &Knobs,
    threads: u64,
    trigger: Trigger,
    engine: &Engine<FileStorage>,
) -> Result<Seen, String> {
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    // Slots of all writers: what they did before is forgotten as they go on.
    let turns = AtomicU64::new((engine.slot_default().0 + 1) * COMMITS_A_SLOT);
    std::thread::scope(|scope| {
        let writers = (0..threads).map(|number| {
            let (over, turns) = (&over, &turns);
            let writer = Writer {
                engine,
                random: Random::of(
                    knobs.common.seed,
                    1_000 + number + turns.load(Ordering::Relaxed),
                ),
                first: 1 + knobs.resources + number * RESOURCES_A_WRITER,
                begun,
            };
            scope.spawn(move || writer.run(over, turns))
        });
        let writers: Vec<_> = writers.collect();
        let taken = match trigger {
            Trigger::Demand => demand(knobs, engine, begun),
            Trigger::Growth => wait_for_growth(engine, begun),
        };
        std::thread::sleep(Duration::from_millis(knobs.quiet_ms));
        over.store(true, Ordering::Relaxed);
        let mut commits = Vec::new();
        for writer in writers {
            commits.push(writer.join().map_err(|_| "a writer panicked")??);
        }
        let (began_ns, ended_ns, duration_ns) = taken?;
        let health = engine.health(None);
        Ok(Seen {
            began_ns,
            ended_ns,
            duration_ns,
            stall_ns: health.checkpoint_stall_ns_last,
            checkpoints: health.checkpoints,
            commits,
        })
    })
}

/// A checkpoint that is asked for: beginning, end, and how long it says it took.
fn demand(
    knobs: &Knobs,
    engine: &Engine<FileStorage>,
    begun: Instant,
) -> Result<(u64, u64, u64), String> {
    std::thread::sleep(Duration::from_millis(knobs.quiet_ms));
    let began_ns = nanoseconds(begun);
    let report = engine.checkpoint().map_err(|error| error.to_string())?;
    if !report.written {
        return Err("a checkpoint wrote nothing".to_string());
    }
    Ok((began_ns, nanoseconds(begun), report.duration_ns))
}

/// The first checkpoint that the engine takes by itself.
fn wait_for_growth(
    engine: &Engine<FileStorage>,
    begun: Instant,
) -> Result<(u64, u64, u64), String> {
    loop {
        std::thread::sleep(Duration::from_millis(1));
        let health = engine.health(None);
        if health.checkpoints > 0 {
            let (ended_ns, took) = (nanoseconds(begun), health.checkpoint_ns_last);
            return Ok((ended_ns.saturating_sub(took), ended_ns, took));
        }
        if health.checkpoint_failures > 0 || !health.accepting_writes {
            return Err("the checkpoint failed".to_string());
        }
    }
}

/// A thread that commits.
struct Writer<'a> {
    engine: &'a Engine<FileStorage>,
    random: Random,
    first: u64,
    begun: Instant,
}

impl Writer<'_> {
    /// Reserves and releases until it is told to stop; leaves nothing reserved.
    fn run(mut self, over: &AtomicBool, turns: &AtomicU64) -> Result<Vec<Commit>, String> {
        // Not grown while a commit is timed: a minute of the fastest disk.
        let mut commits = Vec::with_capacity(1 << 20);
        let mut round = 0;
        while !over.load(Ordering::Relaxed) {
            let resource = self.first + round % RESOURCES_A_WRITER;
            round += 1;
            let (commit, reservation) = self.commit(turns, reserve(resource, LONG_TTL_SLOTS))?;
            commits.push(commit);
            let holder = resource.into();
            let held = Held {
                reservation,
                holder,
            };
            commits.push(self.commit(turns, held.release())?.0);
        }
        Ok(commits)
    }

    fn commit(&mut self, turns: &AtomicU64, wish: Wish) -> Result<(Commit, ReservationId), String> {
        let orders = [Order::plain(operation(&mut self.random), wish)];
        let slot = Slot(turns.fetch_add(1, Ordering::Relaxed) / COMMITS_A_SLOT);
        let mut answers = [None];
        let mut submission = Submission {
            orders: &orders,
            answers: &mut answers,
        };
        let began_ns = nanoseconds(self.begun);
        let submitted = self.engine.submit(Some(slot), &mut submission);
        let ended_ns = nanoseconds(self.begun);
        submitted.map_err(|error| error.to_string())?;
        let outcome = new_outcome(answers[0].as_ref().ok_or("not answered")?)?;
        if outcome.code != ResultCode::Done {
            return Err(format!("answered {}, must be done", outcome.code.name()));
        }
        let commit = Commit { began_ns, ended_ns };
        Ok((commit, outcome.reservation_id))
    }
}

fn count(
    knobs: &Knobs,
    threads: u64,
    database: &Database,
    seen: &Seen,
    run: &mut Run,
) -> Result<(), String> {
    let engine = database.engine();
    let health = engine.health(None);
    let counts = &mut run.counts;
    // Growth may have been enough for another one before the writers heard that it is over.
    counts.add("checkpoints", seen.checkpoints.min(1));
    let own = knobs.writers_max() * RESOURCES_A_WRITER;
    let own = knobs.resources + 1..=knobs.resources + own;
    let held = knobs.resources - free_resources(engine, 1..=knobs.resources)?;
    counts.add("live reservations afterwards", held);
    let free = free_resources(engine, own)?;
    counts.add("free resources of the writers afterwards", free);
    let answered: usize = seen.commits.iter().map(Vec::len).sum();
    let done = health.outcomes_by_code[ResultCode::Done as usize];
    let otherwise = done.abs_diff(answered as u64);
    counts.add("commands that the engine counts otherwise", otherwise);
    let without = u64::from(!seen.has_commits());
    counts.add("checkpoints without a commit beside them", without);
    counts.detail(&[threads]);
    Ok(())
}

impl Seen {
    /// Whether it tells anything: a busy machine may have kept the writers away all the time.
    fn has_commits(&self) -> bool {
        let mut commits = self.commits.iter().flatten();
        commits.any(|commit| self.is_beside(commit))
    }

    const fn is_beside(&self, commit: &Commit) -> bool {
        commit.began_ns <= self.ended_ns && commit.ended_ns >= self.began_ns
    }
}

fn samples(threads: u64, trigger: Trigger, seen: &Seen) -> Vec<Sample> {
    let latencies = |is_one: &dyn Fn(&Commit) -> bool| {
        let commits = seen.commits.iter().flatten();
        let commits = commits.filter(|commit| is_one(commit));
        let mut all: Vec<_> = commits
            .map(|commit| commit.ended_ns - commit.began_ns)
            .collect();
        all.sort_unstable();
        all
    };
    let beside = latencies(&|commit| seen.is_beside(commit));
    let quiet = latencies(&|commit| commit.ended_ns < seen.began_ns);
    let all = latencies(&|_| true);
    let writers = if threads == 1 { "writer" } else { "writers" };
    let name = |what: &str| format!("checkpoint {}, {threads} {writers}: {what}", trigger.name());
    let ms = |ns: u64| float(ns) / 1e6;
    let took = seen.ended_ns - seen.began_ns;
    let duration = Sample::new(name("duration"), ms(seen.duration_ns), "ms").with(&[
        ("commits held, ns", seen.stall_ns),
        ("from call to answer, ns", took),
        ("commits beside it", beside.len() as u64),
        ("commits before it", quiet.len() as u64),
        ("commits in all", all.len() as u64),
    ]);
    let mut samples = vec![duration];
    for (what, permille) in [("p50", 500), ("p99", 990), ("p99.9", 999), ("max", 1_000)] {
        let value = ms(rank(&beside, permille));
        let name = name(&format!("{what} of the commits beside it"));
        samples.push(Sample::new(name, value, "ms").with(&[
            ("of those before it, ns", rank(&quiet, permille)),
            ("of all, ns", rank(&all, permille)),
        ]));
    }
    samples
}
