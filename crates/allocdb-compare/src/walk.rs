//! What a client asks for: its resources in a shuffled order, each reserved, confirmed and
//! released.
//!
//! A step is as many commands of one kind as fit a batch, on as many resources. Three steps are a
//! turn, after which everything is available again. Each answer must be "done", and the token of
//! the reserve is what the next two steps show.

use std::sync::atomic::{AtomicU64, Ordering};

use allocdb_bench::random::Random;

use crate::job::{Command, DONE, Failure, Kind, Outcome};

/// Slots that a hold lasts: longer than any run, so that nothing ends by itself.
const TTL_SLOTS: u64 = 1000;
const SLOT_FIRST: u64 = 1000;
/// As 100 ms at a hundred thousand commands a second.
const COMMANDS_PER_SLOT: u64 = 10_000;

/// Time, which goes on with the commands of all clients.
#[derive(Debug, Default)]
pub(crate) struct Slots(AtomicU64);

impl Slots {
    /// The slot for the next commands.
    pub(crate) fn pass(&self, commands: u64) -> u64 {
        SLOT_FIRST + self.0.fetch_add(commands, Ordering::Relaxed) / COMMANDS_PER_SLOT
    }

    /// The slot now.
    pub(crate) fn now(&self) -> u64 {
        self.pass(0)
    }
}

/// Where operation ids come from.
pub(crate) enum Ids<'ids> {
    /// 128 bits each, as UUIDv4 has them.
    Random(Random),
    /// Each one more than the last, whoever asks.
    Monotonic(&'ids AtomicU64),
}

impl Ids<'_> {
    /// The next one, which is not 0.
    pub(crate) fn next(&mut self) -> u128 {
        match self {
            Self::Random(random) => {
                u128::from(random.draw()) << 64 | u128::from(random.draw()) | 1 << 64
            }
            Self::Monotonic(last) => u128::from(last.fetch_add(1, Ordering::Relaxed) + 1),
        }
    }
}

/// One client's way.
pub(crate) struct Walk<'ids> {
    ids: Ids<'ids>,
    resources: Vec<u32>,
    at: usize,
    holder: u64,
    kind: Kind,
    batch: usize,
    commands: Vec<Command>,
    /// The last command and its outcome, to be asked for again.
    last: Option<(Command, Outcome)>,
}

impl<'ids> Walk<'ids> {
    /// The way of client `number` of `count` through its share of the resources.
    pub(crate) fn new(
        ids: Ids<'ids>,
        seed: u64,
        (number, count): (u32, u32),
        resources: u32,
        batch: usize,
    ) -> Self {
        let share = resources / count;
        let mut own: Vec<u32> = (number * share + 1..=(number + 1) * share).collect();
        assert!(own.len() >= batch, "no resource twice in a step");
        let mut random = Random::of(seed, u64::from(number));
        for last in (1..own.len()).rev() {
            let other = random.below(last as u64 + 1);
            own.swap(last, usize::try_from(other).expect("an index"));
        }
        Self {
            ids,
            resources: own,
            at: 0,
            holder: u64::from(number) + 1,
            kind: Kind::Reserve,
            batch,
            commands: Vec::with_capacity(batch),
            last: None,
        }
    }

    /// Nothing is held.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.kind == Kind::Reserve
    }

    /// The next step.
    pub(crate) fn step(&mut self, slots: &Slots) -> &[Command] {
        let slot = slots.pass(self.batch as u64);
        if self.kind == Kind::Reserve {
            self.commands.clear();
            if self.at + self.batch > self.resources.len() {
                self.at = 0;
            }
            for &resource in &self.resources[self.at..self.at + self.batch] {
                self.commands.push(Command {
                    kind: Kind::Reserve,
                    operation: 0,
                    resource,
                    token: 0,
                    holder: self.holder,
                    slot,
                    ttl_slots: TTL_SLOTS,
                });
            }
            self.at += self.batch;
        }
        for command in &mut self.commands {
            command.kind = self.kind;
            command.operation = self.ids.next();
            command.slot = slot;
        }
        &self.commands
    }

    /// Takes the answers to the step and goes on to the next.
    pub(crate) fn take(&mut self, outcomes: &[Outcome]) -> Result<(), Failure> {
        if outcomes.len() != self.commands.len() {
            return Err(format!("{} answers to {}", outcomes.len(), self.commands.len()).into());
        }
        let command = *self.commands.last().expect("a step has commands");
        self.last = outcomes.last().map(|&outcome| (command, outcome));
        for (command, outcome) in self.commands.iter_mut().zip(outcomes) {
            if outcome.code != DONE || outcome.token == 0 {
                return Err(format!("{command:?} was answered with {outcome:?}").into());
            }
            command.token = outcome.token;
        }
        self.kind = match self.kind {
            Kind::Reserve => Kind::Confirm,
            Kind::Confirm => Kind::Release,
            Kind::Release => Kind::Reserve,
        };
        Ok(())
    }

    /// The last command, with its outcome.
    pub(crate) const fn last(&self) -> Option<(Command, Outcome)> {
        self.last
    }
}
