//! Retry window: operations are repeated while they are remembered and after, and the table that
//! remembers them is driven full and drained by slots.
//!
//! [`plan`] says what is done, [`tally`](mod@tally) what must come out. Here the plan is played,
//! and the answers are counted and held against each other: a retry's answer must be the first one,
//! with its LSN; a conflict must name the first one's LSN.
//!
//! With several threads it differs from run to run which of a step's commands won a resource, and
//! which of a flood's found the last places, so the digest of the state differs too. How many did
//! is the same.

pub mod plan;
pub mod tally;

use allocdb_core::{Outcome, Rejection, ReservationId, ResultCode, Slot};
use allocdb_node::CommandResult;

use crate::counts::Counts;
use crate::crew::Crew;
use crate::figures::database::free_resources;
use crate::hot_spot::{create_resources, done, new_outcome};
use crate::knobs::Knobs;
use crate::order::{Order, Wish};
use plan::{Deed, Event, Operation, Plan, Round};

pub use tally::tally;

/// The counts' names.
pub const NAMES: &[&str] = &[
    "resources created",
    "new operations",
    "done",
    "busy",
    "retried in the same step",
    "retried within the window",
    "retried at its last slot",
    "conflicts",
    "too late, refused",
    "too late, executed again",
    "flood resource reserved and confirmed",
    "flood: accepted",
    "flood: operations remembered",
    "flood: refused, table full",
    "flood: retries answered",
    "flood: conflicts told",
    "drained: accepted",
    "drained: refused, table full",
    "flood resource released",
    "expired",
    "resources free at the end",
    "engine: done",
    "engine: busy",
    "engine: retries",
    "engine: rejections",
    "last LSN",
];

/// Plays all rounds, and counts from the engine's answers.
pub fn drive(knobs: &Knobs, max_operations: u64, crew: &mut Crew<'_>) -> Result<Counts, String> {
    let (resources, mut operation_last) = (knobs.resources + 1, 0);
    let mut counts = Counts::new(NAMES);
    let mut next = || {
        operation_last += 1;
        operation_last
    };
    counts.add(
        "resources created",
        create_resources(resources, crew, &mut next)?,
    );
    let mut play = Play {
        knobs,
        plan: Plan::new(knobs, max_operations),
        counts,
        operation_last,
        crew,
    };
    for number in 0..knobs.rounds {
        play.first_part(number)?;
        play.second_part(number)?;
    }
    play.finish(resources)
}

struct Play<'a, 'scope> {
    knobs: &'a Knobs,
    plan: Plan<'a>,
    counts: Counts,
    operation_last: u128,
    crew: &'a mut Crew<'scope>,
}

/// What became of one operation so far.
#[derive(Clone, Copy, Default)]
struct Record {
    /// Its last outcome that was not from the cache.
    outcome: Option<Outcome>,
    executed: u64,
    cached: u64,
    conflicts: u64,
    refused: u64,
}

impl Play<'_, '_> {
    fn next_operation(&mut self) -> u128 {
        self.operation_last += 1;
        self.operation_last
    }

    fn first_part(&mut self, number: u64) -> Result<(), String> {
        let (round, base) = (self.plan.round(number), self.plan.base_slot(number));
        let id_first = self.operation_last + 1;
        self.operation_last += round.operations.len() as u128;
        let mut records = vec![Record::default(); round.operations.len()];
        for step in round.steps() {
            let slot = base + step[0].slot;
            let orders = step.iter().map(|event| {
                let operation = round.operations[event.index];
                let id = id_first + event.index as u128;
                self.order(id, base, &operation, event.deed)
            });
            let orders: Vec<_> = orders.collect();
            let answers = self.crew.step(slot, &orders)?;
            self.judge(&round, step, &answers, &mut records)
                .map_err(|why| format!("slot {slot}: {why}"))?;
        }
        for (index, record) in records.iter().enumerate() {
            let Record {
                executed,
                cached,
                conflicts,
                refused,
                ..
            } = *record;
            let words = [number, index as u64, executed, cached, conflicts, refused];
            self.counts.detail(&words);
        }
        Ok(())
    }

    fn order(&self, id: u128, base: u64, operation: &Operation, deed: Deed) -> Order {
        // Another holder makes it another command.
        let other = u128::from(deed == Deed::Conflict) << 64;
        let (resource, holder) = (operation.resource as u128 + 1, operation.holder + other);
        let last_slot = base + operation.birth + self.knobs.window;
        Order {
            valid_until: if operation.is_limited { last_slot } else { 0 },
            ..Order::reserve(id, resource, holder, self.knobs.ttl)
        }
    }

    /// Counts a step's answers: first those that are new, since with several threads a twin may
    /// have been faster.
    fn judge(
        &mut self,
        round: &Round,
        step: &[Event],
        answers: &[CommandResult],
        records: &mut [Record],
    ) -> Result<(), String> {
        for (event, answer) in step.iter().zip(answers) {
            let Ok(outcome) = answer else { continue };
            if outcome.from_retry_cache {
                continue;
            }
            let record = &mut records[event.index];
            record.outcome = Some(*outcome);
            record.executed += 1;
            let name = match outcome.code {
                ResultCode::Done => "done",
                ResultCode::ResourceBusy => "busy",
                code => return Err(format!("a reserve was answered {}", code.name())),
            };
            self.counts.add(name, 1);
        }
        for (event, answer) in step.iter().zip(answers) {
            let record = &mut records[event.index];
            let is_limited = round.operations[event.index].is_limited;
            let name = named(event.deed, is_limited, answer, record)
                .map_err(|why| format!("{:?} of operation {}: {why}", event.deed, event.index))?;
            self.counts.add(name, 1);
        }
        Ok(())
    }

    fn second_part(&mut self, number: u64) -> Result<(), String> {
        let flood = self.plan.flood().clone();
        let slots: Vec<_> = self.plan.flood_slots(number).collect();
        let drains: Vec<_> = self.plan.drain_slots(number).collect();
        let reservation = self.anchor(slots[0].0)?;
        let mut accepted = Vec::new();
        let mut last_slot = 0;
        for (index, (slot, share)) in slots.into_iter().enumerate() {
            let taken = if index == 0 {
                plan::ANCHOR_OPERATIONS
            } else {
                0
            };
            let orders = self.flood_orders(share - taken);
            let answers = self.crew.step(slot, &orders)?;
            let refused =
                self.count_flood(&orders, &answers, ["flood: accepted", FLOOD_REFUSED])?;
            if !refused.is_empty() {
                return Err(format!("slot {slot}: refused before the table was full"));
            }
            accepted.extend(orders.into_iter().zip(answers));
            last_slot = slot;
        }
        let remembered = self.crew.engine().health(Some(Slot(last_slot))).operations;
        let remembered = remembered.used - remembered.retired;
        self.counts.add("flood: operations remembered", remembered);

        let orders = self.flood_orders(flood.excess);
        let answers = self.crew.step(last_slot, &orders)?;
        let mut waiting =
            self.count_flood(&orders, &answers, ["flood: accepted", FLOOD_REFUSED])?;
        let repeated = usize::try_from(flood.retries).expect("bounded");
        self.answered_by_a_full_table(last_slot, &accepted[..repeated])?;

        for (slot, share) in drains {
            // What was refused comes again, as it was: a refusal is not remembered.
            let more = self.flood_orders(share + flood.excess - waiting.len() as u64);
            let orders = [waiting, more].concat();
            let answers = self.crew.step(slot, &orders)?;
            waiting = self.count_flood(&orders, &answers, ["drained: accepted", DRAIN_REFUSED])?;
        }
        let holder = ANCHOR_HOLDER;
        let release = Wish::Release {
            reservation,
            holder,
        };
        let release = Order::plain(self.next_operation(), release);
        let released = self.crew.step(self.plan.end_slot(number), &[release])?;
        self.counts.add("flood resource released", done(&released)?);
        Ok(())
    }

    /// Gives the flood's resource to somebody for good.
    fn anchor(&mut self, slot: u64) -> Result<ReservationId, String> {
        let (resource, holder) = (self.flood_resource(), ANCHOR_HOLDER);
        let reserve = Order::reserve(self.next_operation(), resource, holder, self.knobs.ttl);
        let reserved = self.crew.step(slot, &[reserve])?;
        let reservation = new_outcome(&reserved[0])?.reservation_id;
        let confirm = Wish::Confirm {
            reservation,
            holder,
        };
        let confirm = Order::plain(self.next_operation(), confirm);
        let confirmed = self.crew.step(slot, &[confirm])?;
        let count = done(&reserved)? + done(&confirmed)?;
        self.counts
            .add("flood resource reserved and confirmed", count);
        Ok(reservation)
    }

    fn flood_resource(&self) -> u128 {
        u128::from(self.knobs.resources) + 1
    }

    fn flood_orders(&mut self, count: u64) -> Vec<Order> {
        let (resource, ttl) = (self.flood_resource(), self.knobs.ttl);
        let orders = (0..count).map(|_| {
            let operation = self.next_operation();
            Order::reserve(operation, resource, FLOOD_HOLDER, ttl)
        });
        orders.collect()
    }

    /// Counts answers as accepted or refused; the orders that were refused.
    fn count_flood(
        &mut self,
        orders: &[Order],
        answers: &[CommandResult],
        names: [&'static str; 2],
    ) -> Result<Vec<Order>, String> {
        let mut refused = Vec::new();
        for (order, answer) in orders.iter().zip(answers) {
            if let Err(Rejection::OperationTableFull { .. }) = answer {
                refused.push(*order);
                continue;
            }
            let code = new_outcome(answer)?.code;
            if code != ResultCode::ResourceBusy {
                return Err(format!("the flood's resource was answered {}", code.name()));
            }
            self.counts.add(names[0], 1);
        }
        self.counts.add(names[1], refused.len() as u64);
        Ok(refused)
    }

    /// R28 comes before R31: what is known is answered, however full the table is.
    fn answered_by_a_full_table(
        &mut self,
        slot: u64,
        known: &[(Order, CommandResult)],
    ) -> Result<(), String> {
        let orders: Vec<_> = known.iter().map(|(order, _)| *order).collect();
        let answers = self.crew.step(slot, &orders)?;
        for (answer, (_, first)) in answers.iter().zip(known) {
            let first = first.as_ref().map_err(|_| "a refusal was kept")?;
            check_cached(answer, first)?;
            self.counts.add("flood: retries answered", 1);
        }
        let others = orders.iter().map(|order| {
            let resource = self.flood_resource();
            Order::reserve(order.operation, resource, OTHER_HOLDER, self.knobs.ttl)
        });
        let others: Vec<_> = others.collect();
        let answers = self.crew.step(slot, &others)?;
        for (answer, (_, first)) in answers.iter().zip(known) {
            let first = first.as_ref().map_err(|_| "a refusal was kept")?;
            check_conflict(answer, first)?;
            self.counts.add("flood: conflicts told", 1);
        }
        Ok(())
    }

    /// Ends what is left, and asks the engine for its own counts.
    fn finish(mut self, resources: u64) -> Result<Counts, String> {
        let slot = Slot(self.plan.base_slot(self.knobs.rounds) + self.knobs.ttl);
        let ticked = self.crew.engine().tick(Some(slot), 0);
        ticked.map_err(|error| format!("tick: {error}"))?;
        let health = self.crew.engine().health(Some(slot));
        let by_code = |code: ResultCode| health.outcomes_by_code[code as usize];
        let counts = &mut self.counts;
        counts.add("expired", health.expirations);
        counts.add(
            "resources free at the end",
            free_resources(self.crew.engine(), 1..=resources)?,
        );
        counts.add("engine: done", by_code(ResultCode::Done));
        counts.add("engine: busy", by_code(ResultCode::ResourceBusy));
        counts.add("engine: retries", health.retries);
        counts.add("engine: rejections", health.rejections);
        counts.add("last LSN", health.last_lsn.0);
        Ok(self.counts)
    }
}

const FLOOD_REFUSED: &str = "flood: refused, table full";
const DRAIN_REFUSED: &str = "drained: refused, table full";
/// Who has the flood's resource, who asks for it in vain, and who another command is for.
const ANCHOR_HOLDER: u128 = 1;
const FLOOD_HOLDER: u128 = 2;
const OTHER_HOLDER: u128 = 3;

/// The count that an answer belongs to, if it is the one that the deed must have.
fn named(
    deed: Deed,
    is_limited: bool,
    answer: &CommandResult,
    record: &mut Record,
) -> Result<&'static str, String> {
    let first = record.outcome.ok_or("was never executed")?;
    match deed {
        // A twin is the same order at the same time: one of the two was executed, and the number
        // of executions is compared with the tally.
        Deed::Birth | Deed::Twin => {
            let outcome = answer.as_ref().map_err(ToString::to_string)?;
            if outcome.from_retry_cache {
                check_cached(answer, &first)?;
                record.cached += 1;
                return Ok("retried in the same step");
            }
            Ok("new operations")
        }
        Deed::Retry | Deed::LastRetry => {
            check_cached(answer, &first)?;
            record.cached += 1;
            if deed == Deed::Retry {
                return Ok("retried within the window");
            }
            Ok("retried at its last slot")
        }
        Deed::Conflict => {
            check_conflict(answer, &first)?;
            record.conflicts += 1;
            Ok("conflicts")
        }
        Deed::Late if is_limited => match answer {
            Err(Rejection::OperationExpired { .. }) => {
                record.refused += 1;
                Ok("too late, refused")
            }
            other => Err(format!("must be refused as expired: {other:?}")),
        },
        Deed::Late => {
            new_outcome(answer)?;
            Ok("too late, executed again")
        }
    }
}

/// R60: the first outcome, said to be from the cache.
fn check_cached(answer: &CommandResult, first: &Outcome) -> Result<(), String> {
    let wanted = Outcome {
        from_retry_cache: true,
        ..*first
    };
    match answer {
        Ok(outcome) if *outcome == wanted => Ok(()),
        other => Err(format!("must be {wanted:?} from the cache: {other:?}")),
    }
}

/// R61: a conflict, with the LSN of the first command.
fn check_conflict(answer: &CommandResult, first: &Outcome) -> Result<(), String> {
    match answer {
        Err(Rejection::OperationConflict { lsn }) if *lsn == first.lsn => Ok(()),
        other => Err(format!("must conflict with LSN {}: {other:?}", first.lsn.0)),
    }
}
