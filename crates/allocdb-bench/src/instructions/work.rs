//! The workloads themselves: what is prepared, what is counted, and that it was done.

use allocdb_core::state::ResourceState;
use allocdb_core::{Lsn, ResourceId, ResultCode, Slot};
use allocdb_node::wire::{Request, request, response};
use allocdb_node::{Clock, CommandResult, Diagnostics, Engine, Level, Options};

use super::store::Store;
use super::{BATCH, measured};
use crate::figures::cycle::{Cycle, Shape};
use crate::figures::database::{operation, reserve};
use crate::hot_spot::new_outcome;
use crate::order::{Held, Order, Submission, Wish};
use crate::random::Random;

/// Resources that everything is about.
const RESOURCES: u64 = 4 * BATCH;
/// Where there are turns, so many: what happens once in a while is among it.
const TURNS: u64 = 4;
/// Slots of a hold.
const TTL_SLOTS: u64 = 1_000;

/// An engine over files in memory, with all resources made.
struct Rig<'a> {
    engine: Engine<&'a Store>,
    random: Random,
    slot: u64,
}

fn options() -> Options {
    Options {
        clock: Clock::Host,
        max_resources: narrow(RESOURCES),
        max_reservations: narrow(4 * RESOURCES),
        max_operations: narrow(8 * RESOURCES),
        max_ttl_slots: TTL_SLOTS,
        operation_window_slots: 2,
        history_window_slots: 2,
        max_expirations_per_tick: narrow(BATCH),
        hash_seed: 1,
        database_id: 1,
        // Room for all that is written, and little that is not: opening reads it all.
        wal_prealloc_bytes: 2 << 20,
        ..Options::default()
    }
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).expect("a constant")
}

fn open(store: &Store) -> Result<Engine<&Store>, String> {
    let diagnostics = Diagnostics::new(Level::Warning, 4_096, None);
    let engine = Engine::open(store, &options(), diagnostics);
    engine.map_err(|error| error.to_string())
}

impl<'a> Rig<'a> {
    fn new(store: &'a Store) -> Result<Self, String> {
        let mut rig = Self {
            engine: open(store)?,
            random: Random::of(1, 0),
            slot: 1,
        };
        let wishes: Vec<_> = (1..=RESOURCES)
            .map(|id| Wish::Create {
                resource: id.into(),
            })
            .collect();
        rig.prepare(&wishes, BATCH)?;
        Ok(rig)
    }

    fn orders(&mut self, wishes: &[Wish]) -> Vec<Order> {
        let wishes = wishes.iter();
        wishes
            .map(|&wish| Order::plain(operation(&mut self.random), wish))
            .collect()
    }

    /// Submits in batches, at the next slot; what is held by what was reserved.
    fn submit(
        &mut self,
        wishes: &[Wish],
        batch: u64,
        count: impl Fn(&mut dyn FnMut()),
    ) -> Result<Vec<Held>, String> {
        self.slot += 1;
        let orders = self.orders(wishes);
        let mut answers: Vec<Option<CommandResult>> = vec![None; orders.len()];
        let (batch, slot) = (usize::try_from(batch).expect("small"), Slot(self.slot));
        let (mut failed, engine) = (None, &self.engine);
        count(&mut || {
            for (orders, answers) in orders.chunks(batch).zip(answers.chunks_mut(batch)) {
                let mut submission = Submission { orders, answers };
                if let Err(error) = engine.submit(Some(slot), &mut submission) {
                    failed = Some(error);
                }
            }
        });
        if let Some(error) = failed {
            return Err(error.to_string());
        }
        let held = answers.iter().zip(wishes).map(|(answer, wish)| {
            let outcome = new_outcome(answer.as_ref().ok_or("not answered")?)?;
            if outcome.code != ResultCode::Done {
                return Err(format!("answered {}, must be done", outcome.code.name()));
            }
            let holder = match wish {
                Wish::Reserve { holder, .. } => *holder,
                _ => 0,
            };
            Ok(Held {
                reservation: outcome.reservation_id,
                holder,
            })
        });
        held.collect()
    }

    fn prepare(&mut self, wishes: &[Wish], batch: u64) -> Result<Vec<Held>, String> {
        self.submit(wishes, batch, |work| work())
    }

    /// Reserves all resources.
    fn reserve_all(&mut self) -> Result<Vec<Held>, String> {
        let wishes: Vec<_> = (1..=RESOURCES).map(|id| reserve(id, TTL_SLOTS)).collect();
        self.prepare(&wishes, BATCH)
    }
}

/// Wishes for the resources of a turn.
fn wanted(turn: u64) -> Vec<Wish> {
    let first = 1 + turn * BATCH % RESOURCES;
    (first..first + BATCH)
        .map(|id| reserve(id, TTL_SLOTS))
        .collect()
}

pub(super) fn submissions(batch: u64) -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    // The first turn fills what later ones take back.
    for turn in 0..=TURNS {
        let count = |work: &mut dyn FnMut()| if turn > 0 { measured(work) } else { work() };
        let held = rig.submit(&wanted(turn), batch, count)?;
        let confirms: Vec<_> = held.iter().map(Held::confirm).collect();
        rig.submit(&confirms, batch, count)?;
        let releases: Vec<_> = held.iter().map(Held::release).collect();
        rig.submit(&releases, batch, count)?;
    }
    let done = rig.engine.health(None).outcomes_by_code[ResultCode::Done as usize];
    expect("done", RESOURCES + 3 * BATCH * (TURNS + 1), done)?;
    Ok(3 * BATCH * TURNS)
}

pub(super) fn apply() -> Result<u64, String> {
    let shape = Shape {
        resources: RESOURCES,
        batch: BATCH,
        held_turns: 2,
        window_slots: 2,
    };
    let mut cycle = Cycle::new(shape, 1)?;
    let before = cycle.state().last_lsn().0;
    cycle.turn_within(TURNS, &|work| measured(work))?;
    let done = cycle.state().last_lsn().0 - before;
    expect("applied", 3 * BATCH * TURNS, done)?;
    Ok(done)
}

pub(super) fn reads() -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    rig.reserve_all()?;
    let mut random = Random::of(1, 1);
    let ids: Vec<_> = (0..BATCH).map(|_| 1 + random.below(RESOURCES)).collect();
    let mut reserved = 0;
    measured(&mut || {
        for &id in &ids {
            let resource = rig.engine.resource(Lsn(0), ResourceId(id.into()));
            let is_reserved = resource.is_ok_and(|found| found.state == ResourceState::Reserved);
            reserved += u64::from(is_reserved);
        }
    });
    expect("found reserved", BATCH, reserved)?;
    Ok(BATCH)
}

pub(super) fn idle_ticks() -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    rig.reserve_all()?;
    let (slot, before) = (Slot(rig.slot), rig.engine.last_lsn());
    let mut answered = 0;
    measured(&mut || {
        for _ in 0..BATCH {
            answered += u64::from(rig.engine.tick(Some(slot), 0).is_ok());
        }
    });
    expect("ticks", BATCH, answered)?;
    expect("log position", before.0, rig.engine.last_lsn().0)?;
    Ok(BATCH)
}

/// Requests for `orders`, at `slot`.
fn encode(orders: &[Order], slot: Slot, out: &mut [u8]) -> Option<usize> {
    let mut end = 0;
    for (order, tag) in orders.iter().zip(1..) {
        let command = order.command();
        let body = request::Body::Command { slot, command };
        end += request::encode(&Request { tag, body }, &mut out[end..])?;
    }
    Some(end)
}

fn decode_requests(bytes: &[u8]) -> u64 {
    let (mut begin, mut count) = (0, 0);
    while let Ok((request, len)) = request::decode(&bytes[begin..]) {
        begin += len;
        count += u64::from(request.tag > 0);
    }
    count
}

/// How many say that a command was done.
fn decode_responses(bytes: &[u8]) -> u64 {
    let (mut begin, mut count) = (0, 0);
    while let Ok((response, len)) = response::decode(&bytes[begin..]) {
        begin += len;
        if let response::Body::Outcome(outcome) = response.body {
            count += u64::from(outcome.code == ResultCode::Done);
        }
    }
    count
}

/// Room for the messages of a batch.
const MESSAGES_BYTES: usize = 256 << 10;

pub(super) fn codec() -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    let orders = rig.orders(&wanted(0));
    let (mut asked, mut answer) = (vec![0; MESSAGES_BYTES], vec![0; MESSAGES_BYTES]);
    let slot = Slot(rig.slot + 1);
    let len = encode(&orders, slot, &mut asked).ok_or("no room for the requests")?;
    let answered = rig.engine.call(&asked[..len], &mut answer);
    let answered = answered.map_err(|error| error.to_string())?;
    let (mut encoded, mut requests, mut responses) = (None, 0, 0);
    measured(&mut || {
        encoded = encode(&orders, slot, &mut asked);
        requests = decode_requests(&asked[..len]);
        responses = decode_responses(&answer[..answered]);
    });
    expect("bytes", len as u64, encoded.unwrap_or(0) as u64)?;
    expect("requests", BATCH, requests)?;
    expect("responses", BATCH, responses)?;
    Ok(BATCH)
}

pub(super) fn call() -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    let (mut asked, mut answer) = (vec![0; MESSAGES_BYTES], vec![0; MESSAGES_BYTES]);
    let (mut done, mut failed) = (0, None);
    for turn in 0..TURNS {
        rig.slot += 1;
        let orders = rig.orders(&wanted(turn));
        let len = encode(&orders, Slot(rig.slot), &mut asked).ok_or("no room for the requests")?;
        let mut answered = 0;
        measured(&mut || match rig.engine.call(&asked[..len], &mut answer) {
            Ok(bytes) => answered = bytes,
            Err(error) => failed = Some(error),
        });
        done += decode_responses(&answer[..answered]);
    }
    if let Some(error) = failed {
        return Err(error.to_string());
    }
    expect("done", BATCH * TURNS, done)?;
    Ok(BATCH * TURNS)
}

pub(super) fn expiry() -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    rig.reserve_all()?;
    let slot = Slot(rig.slot + TTL_SLOTS);
    let mut expired = 0;
    measured(&mut || {
        for _ in 0..RESOURCES / BATCH {
            let ticked = rig.engine.tick(Some(slot), 0);
            expired += ticked.map_or(0, |ticked| u64::from(ticked.expired_count));
        }
    });
    expect("expired", RESOURCES, expired)?;
    Ok(expired)
}

pub(super) fn replay() -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    for turn in 0..TURNS {
        let held = rig.prepare(&wanted(turn), BATCH)?;
        let confirms: Vec<_> = held.iter().map(Held::confirm).collect();
        rig.prepare(&confirms, BATCH)?;
        let releases: Vec<_> = held.iter().map(Held::release).collect();
        rig.prepare(&releases, BATCH)?;
    }
    rig.engine.abandon();
    let mut opened = Err(String::new());
    measured(&mut || opened = open(&store));
    let replayed = opened?.recovery_report().records_replayed;
    expect("replayed", RESOURCES + 3 * BATCH * TURNS, replayed)?;
    Ok(replayed)
}

pub(super) fn checkpoint() -> Result<u64, String> {
    let store = Store::default();
    let mut rig = Rig::new(&store)?;
    rig.reserve_all()?;
    let mut written = false;
    measured(&mut || {
        let report = rig.engine.checkpoint();
        written = report.is_ok_and(|report| report.written);
    });
    expect("written", 1, written.into())?;
    Ok(RESOURCES)
}

/// What was done is what was to be done.
fn expect(name: &str, wanted: u64, counted: u64) -> Result<(), String> {
    if wanted == counted {
        return Ok(());
    }
    Err(format!("WRONG: {name} is {counted}, must be {wanted}"))
}
