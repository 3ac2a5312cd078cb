//! expiry: how fast what is due ends, and what it costs to ask when nothing is.
//!
//! Reservations are made over many slots, of resources in an order drawn at random; then time
//! passes all their deadlines at once, and they are ended by as few `expire_due` as the limit
//! allows. Once through the core alone, with one TTL for all and with TTLs drawn at random, which
//! makes the order of the deadlines another than that of the reservations; and through the engine's
//! tick, without syncs and with them. What is timed is the whole backlog, the first step of the
//! wheel included.
//!
//! Then databases in which everything is reserved and nothing due are asked by a tick, again and
//! again: its cost must not depend on their size.

use std::time::Instant;

use allocdb_core::outcome::Verdict;
use allocdb_core::{Action, Command, Config, OperationId, Slot, State};
use allocdb_node::{Options, SyncMode};
use clap::Args;

use super::database::{
    Client, Database, FILL_BATCH, LONG_TTL_SLOTS, OPERATIONS, options, shuffled,
};
use super::sheet::{Place, Sample};
use super::{Common, MANY_MAX, Run, float, nanoseconds, narrow, number, per_second};
use crate::counts::Counts;
use crate::knobs::Refusal;
use crate::order::{Order, Wish};
use crate::random::Random;
use crate::report::grouped;

/// The counts' names.
pub const NAMES: &[&str] = &[
    "reserved in the core",
    "expired in the core",
    "still due in the core",
    "reserved in databases",
    "expired by ticks",
    "still due in databases",
    "idle ticks",
    "log positions of idle ticks",
];

/// Reservations made in one slot.
const RESERVED_A_SLOT: u64 = 1_000;
/// Slots over which TTLs are drawn.
const DRAWN_TTL_SLOTS: u64 = 4_096;

/// The knobs.
#[derive(Clone, PartialEq, Eq, Debug, Args)]
pub struct Knobs {
    /// Reservations that become due: 1 to 10000000.
    #[arg(long, default_value_t = 1_000_000, value_parser = number(1, 10_000_000))]
    pub reservations: u64,
    /// Reservations that one expire_due may end, one figure each: 1 to 1000000.
    #[arg(long, value_delimiter = ',', default_values_t = [1_024, 8_192],
          value_parser = number(1, 1_000_000))]
    pub limits: Vec<u64>,
    /// Numbers of resources of databases in which nothing is due: 1 to 100000000.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000, 10_000_000],
          value_parser = number(1, MANY_MAX))]
    pub resources: Vec<u64>,
    /// Ticks with nothing due in a run: 1 to 100000000.
    #[arg(long, default_value_t = 100_000, value_parser = number(1, MANY_MAX))]
    pub ticks: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    pub common: Common,
}

impl Knobs {
    /// See [`super::Figure::database_bytes`].
    pub(super) fn database_bytes(&self) -> Result<u64, Refusal> {
        let mut greatest = State::memory_bytes(&self.config());
        let sizes = self.resources.iter().chain([&self.reservations]);
        for &size in sizes {
            greatest = greatest.max(self.options(size, 1).memory_bound()?);
        }
        Ok(greatest)
    }

    fn options(&self, size: u64, limit: u64) -> Options {
        Options {
            max_expirations_per_tick: narrow(limit),
            auto_expire_off: true,
            ..options(&self.common, size, size, OPERATIONS)
        }
    }

    fn config(&self) -> Config {
        Config {
            database_id: 1,
            shard_id: 0,
            hash_seed: self.common.seed | 1,
            slot_duration_ms: 100,
            max_ttl_slots: self.due_slot() + DRAWN_TTL_SLOTS,
            operation_window_slots: 1,
            // What has ended stays: taking memory back is another subject.
            history_window_slots: 1 << 30,
            max_resources: narrow(self.reservations),
            max_reservations: narrow(self.reservations),
            max_operations: narrow(4 * RESERVED_A_SLOT),
            max_bundle_len: 1,
            max_expiration_bucket_len: narrow(self.reservations),
            max_expirations_per_tick: 1_000_000,
        }
    }

    /// Slots in which resources and reservations are made: no deadline is before.
    const fn due_slot(&self) -> u64 {
        2 * self.reservations.div_ceil(RESERVED_A_SLOT) + 2
    }
}

/// What each run must count.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let mut counts = Counts::new(NAMES);
    // Two ways of drawing TTLs in the core, two ways of syncing in a database.
    let all = 2 * knobs.reservations * knobs.limits.len() as u64;
    counts.add("reserved in the core", all);
    counts.add("expired in the core", all);
    counts.add("reserved in databases", all);
    counts.add("expired by ticks", all);
    counts.add("idle ticks", knobs.ticks * knobs.resources.len() as u64);
    counts
}

/// All runs.
pub(super) fn play(knobs: &Knobs) -> Result<Vec<Run>, String> {
    let fresh = || Run {
        samples: Vec::new(),
        counts: Counts::new(NAMES),
    };
    let mut runs: Vec<_> = (0..knobs.common.runs).map(|_| fresh()).collect();
    for run in &mut runs {
        for &limit in &knobs.limits {
            core(knobs, limit, 1, "one TTL", run)?;
            core(knobs, limit, DRAWN_TTL_SLOTS, "TTLs drawn", run)?;
            ticks(knobs, limit, SyncMode::Os, "not synced", run)?;
            ticks(knobs, limit, SyncMode::Full, "synced", run)?;
        }
    }
    for &resources in &knobs.resources {
        idle(knobs, resources, &mut runs)?;
    }
    Ok(runs)
}

/// The backlog ended by the core alone.
fn core(knobs: &Knobs, limit: u64, spread: u64, name: &str, run: &mut Run) -> Result<(), String> {
    let mut state = State::new(knobs.config()).map_err(|error| error.to_string())?;
    let reserved = reserve_in_core(knobs, &mut state, spread)?;
    run.counts.add("reserved in the core", reserved);
    let slot = Slot(state.last_slot().0 + knobs.due_slot() + DRAWN_TTL_SLOTS);
    let command = expire_due(limit);
    let (mut expired, mut commands) = (0, 0);
    let begun = Instant::now();
    loop {
        let Verdict::Expired { count } = state.apply(slot, &command).verdict else {
            return Err("an expire_due was refused".to_string());
        };
        commands += 1;
        expired += u64::from(count);
        if u64::from(count) < limit {
            break;
        }
    }
    let ns = nanoseconds(begun);
    run.counts.add("expired in the core", expired);
    let backlog = state.usage(slot).expiration_backlog;
    run.counts.add("still due in the core", backlog.into());
    let row = format!("expired by apply, {} at a time, {name}", grouped(limit));
    let detail = [
        ("expire_due", commands),
        ("ns a reservation", ns / expired.max(1)),
    ];
    let sample = Sample::new(row, per_second(expired, ns), "reservations/s");
    run.samples.push(sample.with(&detail));
    Ok(())
}

/// Makes all resources and reserves them, in slots none of which is a deadline.
fn reserve_in_core(knobs: &Knobs, state: &mut State, spread: u64) -> Result<u64, String> {
    let mut random = Random::of(knobs.common.seed, spread);
    let order = shuffled(knobs.reservations, &mut random);
    let mut wishes: Vec<Wish> = Vec::new();
    let all = u64::from(narrow(knobs.reservations));
    wishes.extend((1..=all).map(|id| Wish::Create {
        resource: id.into(),
    }));
    wishes.extend(order.iter().map(|&id| {
        let ttl_slots = knobs.due_slot() + random.below(spread);
        super::database::reserve(id.into(), ttl_slots)
    }));
    let per_slot = usize::try_from(RESERVED_A_SLOT).expect("a constant");
    let mut done = 0;
    for (wishes, slot) in wishes.chunks(per_slot).zip(1..) {
        for &wish in wishes {
            let order = Order::plain(super::database::operation(&mut random), wish);
            let applied = state.apply(Slot(slot), &order.command());
            match (applied.verdict, wish) {
                (Verdict::Outcome(outcome), _) if outcome.reservation_id.0 != 0 => done += 1,
                (Verdict::Outcome(_), Wish::Create { .. }) => {}
                (other, _) => return Err(format!("{other:?}")),
            }
        }
    }
    Ok(done)
}

fn expire_due(limit: u64) -> Command<'static> {
    Command {
        operation_id: OperationId(0),
        valid_until_slot: Slot(0),
        action: Action::ExpireDue {
            limit: narrow(limit),
        },
    }
}

/// The backlog ended by the engine's ticks.
fn ticks(
    knobs: &Knobs,
    limit: u64,
    sync: SyncMode,
    name: &str,
    run: &mut Run,
) -> Result<(), String> {
    let options = Options {
        sync,
        ..knobs.options(knobs.reservations, limit)
    };
    let mut database = Database::create(&knobs.common, &options)?;
    let engine = database.engine();
    let reserved = fill(knobs, knobs.reservations, &database)?;
    run.counts.add("reserved in databases", reserved);
    let slot = Some(Slot(engine.slot_default().0 + LONG_TTL_SLOTS));
    let (mut expired, mut commits, mut due) = (0, 0, 1);
    let begun = Instant::now();
    while due > 0 {
        let ticked = engine.tick(slot, 0).map_err(|error| error.to_string())?;
        expired += u64::from(ticked.expired_count);
        due = ticked.due_count;
        commits += 1;
    }
    let ns = nanoseconds(begun);
    run.counts.add("expired by ticks", expired);
    run.counts.add("still due in databases", due);
    let row = format!("expired by ticks, {} at a time, {name}", grouped(limit));
    let detail = [("ticks", commits), ("ns a tick", ns / commits)];
    let sample = Sample::new(row, per_second(expired, ns), "reservations/s");
    run.samples.push(sample.with(&detail));
    database.close()
}

/// Makes all resources and reserves them in an order drawn at random.
fn fill(knobs: &Knobs, size: u64, database: &Database) -> Result<u64, String> {
    let mut random = Random::of(knobs.common.seed, size);
    let order = shuffled(size, &mut random);
    let mut client = Client::new(database.engine(), random, FILL_BATCH);
    client.create(size)?;
    client.reserve(order.into_iter().map(u64::from))
}

/// Ticks with nothing due, in one database for all runs.
fn idle(knobs: &Knobs, resources: u64, runs: &mut [Run]) -> Result<(), String> {
    let options = Options {
        sync: SyncMode::Os,
        ..knobs.options(resources, 1_024)
    };
    let mut database = Database::create(&knobs.common, &options)?;
    fill(knobs, resources, &database)?;
    let engine = database.engine();
    for run in runs {
        let (before, slot) = (engine.last_lsn().0, engine.slot_default().0);
        let begun = Instant::now();
        for later in 0..knobs.ticks {
            // A slot later each time, though none at which anything is due.
            let slot = Slot(slot + later % 1_024);
            let ticked = engine.tick(Some(slot), 0);
            ticked.map_err(|error| error.to_string())?;
        }
        let ns = nanoseconds(begun);
        run.counts.add("idle ticks", knobs.ticks);
        let written = engine.last_lsn().0 - before;
        run.counts.add("log positions of idle ticks", written);
        let row = format!("a tick with nothing due, {} resources", grouped(resources));
        let place = Place {
            plot: "cost of an idle tick by resources",
            x: float(resources),
            x_label: "resources",
            y_label: "ns a tick",
        };
        let value = float(ns) / float(knobs.ticks);
        run.samples.push(Sample::new(row, value, "ns").at(place));
    }
    database.close()
}
