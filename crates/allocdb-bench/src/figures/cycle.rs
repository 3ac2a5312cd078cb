//! A state in which everything goes round: each turn is a slot, in which a batch of resources is
//! reserved, an older batch confirmed and the oldest released.
//!
//! Resources are taken in an order drawn at random, so their records are as far apart as they can
//! be; what is reserved stays held for a number of turns, so that a confirm does not find its
//! record still in the cache. Operations and ended reservations are remembered for a number of
//! slots. Once all of this has gone round, each turn takes back exactly as much as it adds: the
//! steady state of a database that runs for years.
//!
//! The core is driven as the engine drives it: hashes are worked out once, and what the commands of
//! a stride will touch is loaded before they are applied one by one. All of this is timed; making
//! the commands is not.

use std::collections::VecDeque;
use std::time::Instant;

use allocdb_core::outcome::Verdict;
use allocdb_core::state::{Glance, STRIDE};
use allocdb_core::{Command, Config, Outcome, ResultCode, Slot, State};

use super::database::{operation, reserve, shuffled};
use super::{index, nanoseconds, narrow};
use crate::order::{Held, Order, Wish};
use crate::random::Random;

/// How large a cycle is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Resources.
    pub resources: u64,
    /// Commands of a kind in a turn.
    pub batch: u64,
    /// Turns for which a batch is held.
    pub held_turns: u64,
    /// Slots for which operations and ended reservations are remembered.
    pub window_slots: u64,
}

impl Shape {
    /// The configuration that it needs.
    #[must_use]
    pub fn config(&self, seed: u64) -> Config {
        // What is past is taken back within its turn; so there is a turn more in memory.
        let remembered_turns = self.window_slots + 2;
        let reservations = self.batch * (self.held_turns + remembered_turns + 1);
        Config {
            database_id: 1,
            shard_id: 0,
            hash_seed: seed | 1,
            slot_duration_ms: 100,
            max_ttl_slots: self.held_turns + 2,
            operation_window_slots: self.window_slots,
            history_window_slots: self.window_slots,
            max_resources: narrow(self.resources),
            max_reservations: narrow(reservations),
            max_operations: narrow(3 * self.batch * remembered_turns),
            max_bundle_len: 1,
            max_expiration_bucket_len: narrow(reservations),
            max_expirations_per_tick: 1_024,
        }
    }

    /// Operations that are remembered at the end of each turn (R14).
    #[must_use]
    pub const fn remembered_operations(&self) -> u64 {
        3 * self.batch * (self.window_slots + 1)
    }

    /// Reservations that are live or remembered at the end of each turn.
    #[must_use]
    pub const fn known_reservations(&self) -> u64 {
        self.batch * (self.held_turns + self.window_slots + 1)
    }

    /// Turns until everything has gone round.
    const fn warming_turns(&self) -> u64 {
        self.held_turns + self.window_slots + 2
    }
}

/// What a number of turns took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Commands of each kind that were done.
    pub done: [u64; 3],
    /// Nanoseconds of each kind.
    pub ns: [u64; 3],
}

/// The state and its place in the cycle.
#[derive(Debug)]
pub struct Cycle {
    state: State,
    shape: Shape,
    random: Random,
    order: Vec<u32>,
    place: usize,
    slot: Slot,
    held: VecDeque<Vec<Held>>,
}

impl Cycle {
    /// A state with all resources, turned until it is steady.
    pub fn new(shape: Shape, seed: u64) -> Result<Self, String> {
        let state = State::new(shape.config(seed)).map_err(|error| error.to_string())?;
        let mut random = Random::of(seed, shape.resources);
        let mut cycle = Self {
            state,
            shape,
            order: shuffled(shape.resources, &mut random),
            random,
            place: 0,
            slot: Slot(0),
            held: VecDeque::new(),
        };
        cycle.create()?;
        cycle.turn(shape.warming_turns())?;
        Ok(cycle)
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    fn create(&mut self) -> Result<(), String> {
        let mut id = 1;
        while id <= self.shape.resources {
            self.slot.0 += 1;
            let end = (id + 3 * self.shape.batch).min(self.shape.resources + 1);
            let wishes: Vec<_> = (id..end)
                .map(|id| Wish::Create {
                    resource: id.into(),
                })
                .collect();
            self.apply(&wishes, &|work| work(), |_| ())?;
            id = end;
        }
        Ok(())
    }

    /// Goes on by so many turns.
    pub fn turn(&mut self, count: u64) -> Result<Taken, String> {
        self.turn_within(count, &|work| work())
    }

    /// The same, with every batch applied within `within`.
    pub fn turn_within(&mut self, count: u64, within: Within<'_>) -> Result<Taken, String> {
        let mut taken = Taken::default();
        let (held_turns, batch) = (index(self.shape.held_turns), index(self.shape.batch));
        for _ in 0..count {
            self.slot.0 += 1;
            let ttl_slots = self.shape.held_turns + 2;
            let resources: Vec<_> = (0..batch).map(|_| self.next_resource()).collect();
            let wishes = resources.iter().map(|&id| reserve(id, ttl_slots));
            let wishes: Vec<_> = wishes.collect();
            let mut held = Vec::with_capacity(batch);
            let ns = self.apply(&wishes, within, |outcome| held.push(outcome.reservation_id))?;
            taken.count(0, held.len(), ns);
            let held = held.into_iter().zip(resources);
            let held = held.map(|(reservation, id)| Held {
                reservation,
                holder: id.into(),
            });
            self.held.push_back(held.collect());
            if let Some(place) = self.held.len().checked_sub(1 + held_turns / 2) {
                let wishes: Vec<_> = self.held[place].iter().map(Held::confirm).collect();
                taken.count(1, wishes.len(), self.apply(&wishes, within, |_| ())?);
            }
            if self.held.len() > held_turns {
                let oldest = self.held.pop_front().expect("there is one");
                let wishes: Vec<_> = oldest.iter().map(Held::release).collect();
                taken.count(2, wishes.len(), self.apply(&wishes, within, |_| ())?);
            }
        }
        Ok(taken)
    }

    /// The one that was taken longest ago.
    fn next_resource(&mut self) -> u64 {
        let id = self.order[self.place];
        self.place = (self.place + 1) % self.order.len();
        id.into()
    }

    /// Applies commands for these wishes, all of which must be done. The nanoseconds it took.
    fn apply(
        &mut self,
        wishes: &[Wish],
        within: Within<'_>,
        mut see: impl FnMut(&Outcome),
    ) -> Result<u64, String> {
        let random = &mut self.random;
        let orders: Vec<_> = wishes
            .iter()
            .map(|&wish| Order::plain(operation(random), wish))
            .collect();
        let commands: Vec<_> = orders.iter().map(Order::command).collect();
        let mut scratch = Scratch {
            glances: Vec::with_capacity(commands.len()),
            verdicts: Vec::with_capacity(commands.len()),
        };
        let begun = Instant::now();
        within(&mut || apply(&mut self.state, self.slot, &commands, &mut scratch));
        let ns = nanoseconds(begun);
        for verdict in scratch.verdicts {
            match verdict {
                Verdict::Outcome(outcome) if outcome.code == ResultCode::Done => see(&outcome),
                other => return Err(format!("slot {}: {other:?}", self.slot.0)),
            }
        }
        Ok(ns)
    }
}

/// What a batch is applied within: nothing, or something that counts.
pub type Within<'a> = &'a dyn Fn(&mut dyn FnMut());

/// Applies one batch as the engine does: hashes once, then in strides that are looked ahead.
fn apply(state: &mut State, slot: Slot, commands: &[Command<'_>], scratch: &mut Scratch) {
    let glances = commands.iter().map(|command| Glance {
        kind: command.action.kind(),
        hashes: state.hashes(command),
    });
    scratch.glances.extend(glances);
    let strides = scratch.glances.chunks(STRIDE);
    for (commands, glances) in commands.chunks(STRIDE).zip(strides) {
        state.look_ahead_to_apply(slot, glances.iter().copied());
        for (command, glance) in commands.iter().zip(glances) {
            let applied = state.apply_hashed(slot, command, &glance.hashes);
            scratch.verdicts.push(applied.verdict);
        }
    }
}

/// What one batch leaves, in memory that is reserved before.
struct Scratch {
    glances: Vec<Glance>,
    verdicts: Vec<Verdict>,
}

impl Taken {
    fn count(&mut self, kind: usize, count: usize, ns: u64) {
        self.done[kind] += count as u64;
        self.ns[kind] += ns;
    }
}
