//! reads: what it takes to look at a resource, alone and beside a thread that commits.
//!
//! Resources are read at random; every second one is reserved, so a read is checked by what it
//! says. The rate is that of reads alone, without a clock between them. For the latency each read
//! is timed by itself, which costs as much as some reads: what an empty interval takes is told
//! beside it. The thread that commits reserves and releases other resources, one at a time and in
//! batches, with real syncs: reads must not wait for those.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use allocdb_core::state::ResourceState;
use allocdb_core::{Lsn, ResourceId};
use allocdb_node::storage::FileStorage;
use allocdb_node::{Engine, Options, SyncMode};
use clap::Args;

use super::database::{Client, Database, FILL_BATCH, OPERATIONS, options};
use super::sheet::Sample;
use super::{Common, MANY_MAX, Run, float, nanoseconds, number, per_second};
use crate::counts::Counts;
use crate::knobs::{BATCH_MAX, Refusal, Sync};
use crate::random::Random;
use crate::report::{grouped, rank};

/// The counts' names.
pub const NAMES: &[&str] = &[
    "reads",
    "resources found reserved",
    "resources found available",
    "times without a commit beside the reads",
];

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// Resources, of which every second one is reserved: 2 to 10000000.
    #[arg(long, default_value_t = 100_000, value_parser = number(2, 10_000_000))]
    pub resources: u64,
    /// Reads in a run, for the rate and for each latency: 1 to 100000000.
    #[arg(long, default_value_t = 2_000_000, value_parser = number(1, MANY_MAX))]
    pub reads: u64,
    /// Commands in a commit beside the reads, one figure each: 1 to 8192.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000],
          value_parser = number(1, BATCH_MAX))]
    pub batches: Vec<u64>,
    /// What a commit waits for.
    #[arg(long, value_enum, default_value_t = Sync::Full)]
    pub sync: Sync,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    pub common: Common,
}

impl Knobs {
    fn options(&self) -> Options {
        let all = self.resources + BATCH_MAX;
        Options {
            sync: match self.sync {
                Sync::Full => SyncMode::Full,
                Sync::Os => SyncMode::Os,
            },
            ..options(&self.common, all, all + OPERATIONS, OPERATIONS)
        }
    }

    /// See [`super::Figure::database_bytes`].
    pub(super) fn database_bytes(&self) -> Result<u64, Refusal> {
        Ok(self.options().memory_bound()?)
    }

    /// The resources that one pass of reads looks at.
    fn picks(&self, pass: u64) -> impl Iterator<Item = u64> + use<> {
        let (mut random, resources) = (Random::of(self.common.seed, pass), self.resources);
        (0..self.reads).map(move |_| 1 + random.below(resources))
    }

    /// The rate, the latency alone, and one with each batch.
    const fn passes(&self) -> u64 {
        2 + self.batches.len() as u64
    }
}

/// What each run must count: which resources are picked follows from the seed.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let mut counts = Counts::new(NAMES);
    for pass in 0..knobs.passes() {
        let reserved = knobs.picks(pass).filter(|id| id % 2 == 0).count() as u64;
        counts.add("reads", knobs.reads);
        counts.add("resources found reserved", reserved);
        counts.add("resources found available", knobs.reads - reserved);
    }
    counts
}

/// All runs, in one database.
pub(super) fn play(knobs: &Knobs) -> Result<Vec<Run>, String> {
    let mut database = Database::create(&knobs.common, &knobs.options())?;
    let random = Random::of(knobs.common.seed, 1_000);
    let mut client = Client::new(database.engine(), random, FILL_BATCH);
    client.create(knobs.resources + BATCH_MAX)?;
    let every_second = (2..=knobs.resources).step_by(2);
    client.reserve(every_second)?;
    let runs = (0..knobs.common.runs).map(|number| {
        let mut run = Run {
            samples: Vec::new(),
            counts: Counts::new(NAMES),
        };
        rate(knobs, database.engine(), &mut run)?;
        let times = time_reads(knobs, 1, database.engine(), &mut run)?;
        run.samples.extend(samples("alone", &times, 0));
        for (&batch, pass) in knobs.batches.iter().zip(2..) {
            let seed = 2_000 + number * 100 + pass;
            let (times, commits) =
                beside_commits(knobs, batch, (pass, seed), database.engine(), &mut run)?;
            let name = format!("beside commits of {}", grouped(batch));
            run.samples.extend(samples(&name, &times, commits));
        }
        Ok(run)
    });
    let runs = runs.collect::<Result<_, String>>()?;
    database.close()?;
    Ok(runs)
}

fn rate(knobs: &Knobs, engine: &Engine<FileStorage>, run: &mut Run) -> Result<(), String> {
    let mut reserved = 0;
    let begun = Instant::now();
    for id in knobs.picks(0) {
        reserved += read(engine, id)?;
    }
    let ns = nanoseconds(begun);
    count(knobs, reserved, run);
    let per_second = per_second(knobs.reads, ns);
    let sample = Sample::new("get_resource on one thread", per_second, "reads/s");
    let detail = [("ns a read", ns / knobs.reads)];
    run.samples.push(sample.with(&detail));
    Ok(())
}

/// 1 for a resource that is reserved.
fn read(engine: &Engine<FileStorage>, id: u64) -> Result<u64, String> {
    let resource = engine.resource(Lsn(0), ResourceId(id.into()));
    let resource = resource.map_err(|error| format!("resource {id}: {error}"))?;
    Ok(u64::from(resource.state == ResourceState::Reserved))
}

fn count(knobs: &Knobs, reserved: u64, run: &mut Run) {
    run.counts.add("reads", knobs.reads);
    run.counts.add("resources found reserved", reserved);
    let available = knobs.reads - reserved;
    run.counts.add("resources found available", available);
}

/// Each read's nanoseconds, sorted.
fn time_reads(
    knobs: &Knobs,
    pass: u64,
    engine: &Engine<FileStorage>,
    run: &mut Run,
) -> Result<Vec<u64>, String> {
    let mut times = Vec::with_capacity(super::index(knobs.reads));
    let mut reserved = 0;
    for id in knobs.picks(pass) {
        let begun = Instant::now();
        reserved += read(engine, id)?;
        times.push(nanoseconds(begun));
    }
    count(knobs, reserved, run);
    times.sort_unstable();
    Ok(times)
}

/// The same beside a thread that commits; also how many commands that committed.
fn beside_commits(
    knobs: &Knobs,
    batch: u64,
    (pass, seed): (u64, u64),
    engine: &Engine<FileStorage>,
    run: &mut Run,
) -> Result<(Vec<u64>, u64), String> {
    let (over, began) = (AtomicBool::new(false), AtomicBool::new(false));
    let (times, committed) = std::thread::scope(|scope| {
        let random = Random::of(knobs.common.seed, seed);
        let committer = scope.spawn(|| commit(knobs, batch, random, engine, (&began, &over)));
        while !began.load(Ordering::Relaxed) && !committer.is_finished() {
            std::thread::yield_now();
        }
        let times = time_reads(knobs, pass, engine, run);
        over.store(true, Ordering::Relaxed);
        let committed = committer.join().map_err(|_| "a thread panicked");
        (times, committed)
    });
    let (times, committed) = (times?, committed??);
    let idle = u64::from(committed == 0);
    run.counts
        .add("times without a commit beside the reads", idle);
    Ok((times, committed))
}

/// Reserves and releases until it is told to stop: how many commands.
fn commit(
    knobs: &Knobs,
    batch: u64,
    random: Random,
    engine: &Engine<FileStorage>,
    (began, over): (&AtomicBool, &AtomicBool),
) -> Result<u64, String> {
    let mut client = Client::new(engine, random, batch);
    let mut commands = 0;
    while !over.load(Ordering::Relaxed) {
        let first = knobs.resources + 1;
        let held = client.hold(first, first + batch - 1)?;
        began.store(true, Ordering::Relaxed);
        commands += held.len() as u64 + client.release(&held)?;
    }
    Ok(commands)
}

fn samples(name: &str, times: &[u64], commits: u64) -> [Sample; 2] {
    let clock = clock_ns();
    [("p50", 500), ("p99", 990)].map(|(what, permille)| {
        let value = float(rank(times, permille));
        let sample = Sample::new(format!("a read {name}, {what}"), value, "ns");
        sample.with(&[
            ("p99.9, ns", rank(times, 999)),
            ("max, ns", rank(times, 1_000)),
            ("of these the clock's, ns", clock),
            ("commands committed meanwhile", commits),
        ])
    })
}

/// What the clock itself takes: the median of empty intervals.
fn clock_ns() -> u64 {
    let mut empty: Vec<_> = (0..1_001).map(|_| nanoseconds(Instant::now())).collect();
    empty.sort_unstable();
    rank(&empty, 500)
}
