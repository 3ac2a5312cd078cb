//! Databases to measure: opened in a directory of their own on the disk that `--directory` names,
//! filled, closed, left without closing, opened again.
//!
//! Nothing that is not measured may disturb what is: there is no checkpoint unless it is the
//! subject, slots are the harness's, and what is not asked for retires by itself as slots advance.

use allocdb_core::config::TTL_SLOTS_MAX;
use allocdb_core::state::ResourceState;
use allocdb_core::{Lsn, Outcome, ResourceId, ResultCode, Slot};
use allocdb_node::options::LOG_STEP_BYTES_MAX;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{CommandResult, Diagnostics, Engine, Level, Options};
use tempfile::TempDir;

use super::{Common, index, narrow};
use crate::hot_spot::new_outcome;
use crate::order::{Held, Order, Submission, Wish};
use crate::random::Random;

/// Commands in a submission where their number is not the subject.
pub const FILL_BATCH: u64 = 8_192;
/// Commands in a slot.
const COMMANDS_A_SLOT: u64 = FILL_BATCH;
/// Places for the operations of a [`Client`]: those of two slots and of a submission, each longer
/// by a submission that began in it.
pub const OPERATIONS: u64 = 6 * FILL_BATCH;
/// Slots of a hold that is to last.
pub const LONG_TTL_SLOTS: u64 = 1 << 16;
const _: () = assert!(LONG_TTL_SLOTS <= TTL_SLOTS_MAX);
/// A submission of [`FILL_BATCH`] commands fits, whatever they are.
const BATCH_BYTES: u64 = 2 << 20;

/// How a database of these capacities is opened: operations are remembered for a slot, ended
/// reservations too.
#[must_use]
pub fn options(common: &Common, resources: u64, reservations: u64, operations: u64) -> Options {
    Options {
        clock: allocdb_node::Clock::Host,
        max_resources: narrow(resources),
        max_reservations: narrow(reservations),
        max_operations: narrow(operations),
        max_bundle_len: 1,
        max_ttl_slots: LONG_TTL_SLOTS,
        operation_window_slots: 1,
        history_window_slots: 1,
        max_expirations_per_tick: narrow(reservations),
        // Nothing may differ between runs.
        hash_seed: common.seed | 1,
        database_id: 1,
        max_batch_commands: narrow(FILL_BATCH),
        max_batch_bytes: BATCH_BYTES,
        checkpoint_wal_bytes: LOG_STEP_BYTES_MAX,
        ..Options::default()
    }
}

/// A database in a directory of its own, which goes with it.
#[derive(Debug)]
pub struct Database {
    home: TempDir,
    engine: Option<Engine<FileStorage>>,
}

impl Database {
    /// A new one.
    pub fn create(common: &Common, options: &Options) -> Result<Self, String> {
        let home = TempDir::with_prefix_in("allocdb-bench-", &common.directory);
        let home =
            home.map_err(|error| format!("--directory {}: {error}", common.directory.display()))?;
        let mut database = Self { home, engine: None };
        database.open(options)?;
        Ok(database)
    }

    /// Opens it, closed or left before.
    pub fn open(&mut self, options: &Options) -> Result<(), String> {
        assert!(self.engine.is_none(), "it is open");
        let create = DirectoryOptions {
            create: true,
            ..DirectoryOptions::default()
        };
        let storage = FileStorage::open(&self.path(), create);
        let storage = storage.map_err(|error| error.to_string())?;
        let diagnostics = Diagnostics::new(Level::Warning, 4_096, None);
        let engine = Engine::open(storage, options, diagnostics);
        self.engine = Some(engine.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Its engine, while it is open.
    #[must_use]
    pub const fn engine(&self) -> &Engine<FileStorage> {
        self.engine.as_ref().expect("it is open")
    }

    /// Where its files are.
    #[must_use]
    pub fn path(&self) -> std::path::PathBuf {
        self.home.path().join("database")
    }

    /// Closes it.
    pub fn close(&mut self) -> Result<(), String> {
        let engine = self.engine.take().expect("it is open");
        engine.close().map_err(|error| error.to_string())
    }

    /// Leaves it as `kill -9` does: the files are as they are, nothing more is written.
    pub fn leave(&mut self) {
        self.engine.take().expect("it is open").abandon();
    }
}

/// Who submits, with operation ids drawn at random; everything must be done as if for the first
/// time. Slots go with the commands, so that as many operations are remembered whatever the batch.
#[derive(Debug)]
pub struct Client<'a> {
    engine: &'a Engine<FileStorage>,
    random: Random,
    batch: usize,
    slot_first: u64,
    command_count: u64,
    orders: Vec<Order>,
    answers: Vec<Option<CommandResult>>,
}

impl<'a> Client<'a> {
    /// One that submits up to `batch` commands at a time, from the last slot on.
    #[must_use]
    pub fn new(engine: &'a Engine<FileStorage>, random: Random, batch: u64) -> Self {
        let batch = index(batch);
        Self {
            engine,
            random,
            batch,
            slot_first: engine.slot_default().0,
            command_count: 0,
            orders: Vec::with_capacity(batch),
            answers: vec![None; batch],
        }
    }

    /// Submits all of `wishes`; shows each outcome in their order. How many there were.
    pub fn submit(
        &mut self,
        wishes: impl IntoIterator<Item = Wish>,
        mut see: impl FnMut(&Outcome),
    ) -> Result<u64, String> {
        let (mut wishes, mut count) = (wishes.into_iter(), 0);
        loop {
            self.orders.clear();
            for wish in wishes.by_ref().take(self.batch) {
                let operation = operation(&mut self.random);
                self.orders.push(Order::plain(operation, wish));
            }
            if self.orders.is_empty() {
                return Ok(count);
            }
            count += self.submit_batch(&mut see)?;
        }
    }

    fn submit_batch(&mut self, see: &mut impl FnMut(&Outcome)) -> Result<u64, String> {
        let answers = &mut self.answers[..self.orders.len()];
        let mut submission = Submission {
            orders: &self.orders,
            answers,
        };
        let slot = self.slot_first + self.command_count / COMMANDS_A_SLOT;
        let submitted = self.engine.submit(Some(Slot(slot)), &mut submission);
        submitted.map_err(|error| format!("slot {slot}: {error}"))?;
        self.command_count += self.orders.len() as u64;
        for answer in answers.iter().flatten() {
            let outcome = new_outcome(answer)?;
            if outcome.code != ResultCode::Done {
                return Err(format!("answered {}, must be done", outcome.code.name()));
            }
            see(outcome);
        }
        Ok(self.orders.len() as u64)
    }

    /// Makes resources 1 to `count`.
    pub fn create(&mut self, count: u64) -> Result<u64, String> {
        let wishes = (1..=count).map(|id| Wish::Create {
            resource: id.into(),
        });
        self.submit(wishes, |_| ())
    }

    /// Reserves each of these resources, for the holder of its number.
    pub fn reserve(&mut self, resources: impl IntoIterator<Item = u64>) -> Result<u64, String> {
        let wishes = resources.into_iter().map(|id| reserve(id, LONG_TTL_SLOTS));
        self.submit(wishes, |_| ())
    }

    /// The same for resources `first` to `last`, and keeps what is held.
    pub fn hold(&mut self, first: u64, last: u64) -> Result<Vec<Held>, String> {
        let (mut held, mut holder) = (Vec::new(), u128::from(first));
        let wishes = (first..=last).map(|id| reserve(id, LONG_TTL_SLOTS));
        self.submit(wishes, |outcome| {
            let reservation = outcome.reservation_id;
            held.push(Held {
                reservation,
                holder,
            });
            holder += 1;
        })?;
        Ok(held)
    }

    /// Confirms all of `held`.
    pub fn confirm(&mut self, held: &[Held]) -> Result<u64, String> {
        self.submit(held.iter().map(Held::confirm), |_| ())
    }

    /// Releases all of `held`.
    pub fn release(&mut self, held: &[Held]) -> Result<u64, String> {
        self.submit(held.iter().map(Held::release), |_| ())
    }
}

/// The wish for one resource, by the holder of its number.
#[must_use]
pub const fn reserve(resource: u64, ttl_slots: u64) -> Wish {
    Wish::Reserve {
        resource: [(resource as u128).to_le_bytes()],
        holder: resource as u128,
        ttl_slots,
    }
}

/// How many of these resources are available.
pub fn free_resources(
    engine: &Engine<FileStorage>,
    resources: impl IntoIterator<Item = u64>,
) -> Result<u64, String> {
    let mut free = 0;
    for id in resources {
        let resource = engine.resource(Lsn(0), ResourceId(id.into()));
        let resource = resource.map_err(|error| format!("resource {id}: {error}"))?;
        free += u64::from(resource.state == ResourceState::Available);
    }
    Ok(free)
}

/// An operation id drawn at random, as callers draw them.
pub fn operation(random: &mut Random) -> u128 {
    let (low, high) = (random.draw(), random.draw());
    (u128::from(high) << 64 | u128::from(low)).max(1)
}

/// Numbers 1 to `count` in an order drawn at random.
#[must_use]
pub fn shuffled(count: u64, random: &mut Random) -> Vec<u32> {
    let mut numbers: Vec<u32> = (1..=narrow(count)).collect();
    for last in (1..numbers.len()).rev() {
        let other = random.below(last as u64 + 1);
        numbers.swap(last, index(other));
    }
    numbers
}
