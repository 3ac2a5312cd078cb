//! What a round of the retry window does, drawn from the seed alone.
//!
//! With a window of W slots an operation made at slot `s` is remembered up to and including
//! `s + W` (R14). A round has two parts, and nothing is remembered when one begins:
//!
//! - Slots 0 to W: new operations, spread evenly. Some of them are repeated: beside themselves in
//!   the same step, somewhere within their window, at its last slot; some ids are used again for
//!   another command.
//! - Up to slot 2 W + 1: some of them come a slot too late. With a limit they are refused, without
//!   one they are executed again.
//! - K slots of flood: new operations fill the table to the last place; then come more of them,
//!   which are refused, and retries and conflicts, which are answered all the same.
//! - W + 1 slots after each of the flood's: what was made in that one is gone, so as many places
//!   are free, and more are asked for.
//!
//! The flood asks for one resource of its own, which is confirmed to somebody: so each of its
//! answers is the same, whichever of them find a place.

use crate::knobs::{FLOOD_SLOTS_MAX, Knobs};
use crate::random::{Random, Skew};

/// One operation of a round's first part.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Which resource, from 0.
    pub resource: usize,
    /// Who wants it.
    pub holder: u128,
    /// Slots after the round's first.
    pub birth: u64,
    /// Whether it may not be executed after its window.
    pub is_limited: bool,
}

/// What is done with an operation at a slot; the order is that of a slot's steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Deed {
    /// It is new.
    Birth,
    /// It is repeated in the same step.
    Twin,
    /// It is repeated within its window.
    Retry,
    /// It is repeated at the last slot of its window.
    LastRetry,
    /// Its id is used for another command, within its window.
    Conflict,
    /// It is repeated one slot after its window.
    Late,
}

impl Deed {
    /// Whether it belongs to a slot's first step.
    #[must_use]
    pub const fn is_first_step(self) -> bool {
        matches!(self, Self::Birth | Self::Twin)
    }
}

/// A deed of a round, in the order in which they are done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Event {
    /// Slots after the round's first.
    pub slot: u64,
    /// The slot's second step comes after its first.
    pub is_second_step: bool,
    /// Which operation.
    pub index: usize,
    /// What with it.
    pub deed: Deed,
}

/// The first part of a round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its operations.
    pub operations: Vec<Operation>,
    /// What is done with them, in order.
    pub events: Vec<Event>,
}

/// The second part of every round.
#[derive(Clone, Debug)]
pub struct Flood {
    /// New operations of each slot, which fill the table together.
    pub shares: Vec<u64>,
    /// Operations beyond what there is room for.
    pub excess: u64,
    /// Retries of the full table, and as many conflicts.
    pub retries: u64,
}

/// All rounds.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    knobs: &'a Knobs,
    skew: Skew,
    flood: Flood,
}

impl<'a> Plan<'a> {
    /// The plan of these knobs, for a table of `max_operations`.
    #[must_use]
    pub fn new(knobs: &'a Knobs, max_operations: u64) -> Self {
        let skew = u32::try_from(knobs.skew).expect("bounded");
        let resources = u32::try_from(knobs.resources).expect("bounded");
        let slots = FLOOD_SLOTS_MAX.min(knobs.window + 1);
        let excess = (max_operations / 16).max(1);
        let share = |slot| max_operations / slots + u64::from(slot < max_operations % slots);
        let flood = Flood {
            shares: (0..slots).map(share).collect(),
            excess,
            retries: excess.min(max_operations - ANCHOR_OPERATIONS),
        };
        let skew = Skew::new(resources, skew);
        Self { knobs, skew, flood }
    }

    /// The slot at which a round begins. The resources were made a window before the first.
    #[must_use]
    pub fn base_slot(&self, round: u64) -> u64 {
        let window = self.knobs.window;
        let first_part = 3 * window + 3;
        let second_part = self.flood.shares.len() as u64 + 3 * window + 4;
        window + 3 + round * (first_part + second_part)
    }

    /// The slots of a flood, then those at which their operations are gone.
    pub fn flood_slots(&self, round: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let first = self.base_slot(round) + 3 * self.knobs.window + 3;
        let shares = self.flood.shares.iter();
        shares.zip(first..).map(|(&share, slot)| (slot, share))
    }

    /// The slots at which a flood's operations are gone, with how many.
    pub fn drain_slots(&self, round: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let window = self.knobs.window;
        let slots = self.flood_slots(round);
        slots.map(move |(slot, share)| (slot + window + 1, share))
    }

    /// The slot at which what found a place while the table drained is gone too.
    #[must_use]
    pub fn end_slot(&self, round: u64) -> u64 {
        let last = self.flood_slots(round).last().expect("at least one slot").0;
        last + 2 * (self.knobs.window + 1)
    }

    /// The second part.
    #[must_use]
    pub const fn flood(&self) -> &Flood {
        &self.flood
    }

    /// The first part of a round.
    #[must_use]
    pub fn round(&self, number: u64) -> Round {
        let (knobs, mut random) = (self.knobs, Random::of(self.knobs.seed, number));
        let (commands, window) = (knobs.commands, knobs.window);
        let (mut operations, mut events) = (Vec::new(), Vec::new());
        for order in 0..commands {
            let birth = u128::from(order) * u128::from(window + 1) / u128::from(commands);
            let birth = u64::try_from(birth).expect("at most the window");
            let index = operations.len();
            operations.push(Operation {
                resource: self.skew.pick(&mut random),
                holder: u128::from(random.below(knobs.holders)) + 1,
                birth,
                is_limited: random.one_in(2),
            });
            let mut push = |slot, deed: Deed| {
                let is_second_step = !deed.is_first_step();
                events.push(Event {
                    slot,
                    is_second_step,
                    index,
                    deed,
                });
            };
            push(birth, Deed::Birth);
            if random.one_in(8) {
                push(birth, Deed::Twin);
            }
            if random.one_in(2) {
                push(birth + random.below(window + 1), Deed::Retry);
            }
            if random.one_in(4) {
                push(birth + window, Deed::LastRetry);
            }
            if random.one_in(4) {
                push(birth + random.below(window + 1), Deed::Conflict);
            }
            if random.one_in(2) {
                push(birth + window + 1, Deed::Late);
            }
        }
        events.sort_unstable();
        Round { operations, events }
    }
}

impl Round {
    /// The steps: events of one slot that are submitted together.
    pub fn steps(&self) -> impl Iterator<Item = &[Event]> {
        let together = |one: &Event, next: &Event| {
            (one.slot, one.is_second_step) == (next.slot, next.is_second_step)
        };
        self.events.chunk_by(together)
    }
}

/// Operations that reserve and confirm the flood's resource: part of its first share.
pub const ANCHOR_OPERATIONS: u64 = 2;
