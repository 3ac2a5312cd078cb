//! Hot spot: many holders contend for few resources.
//!
//! A round is `ttl` slots long. At its slot each holder asks for one resource, which it picks by
//! the skew; so most ask for the same few, and each resource that anybody asks for must have
//! exactly one winner. What becomes of a hold was decided by the plan, for the resource and not for
//! the holder: given back at once, confirmed and then given back, or left for time to end, which
//! makes it due at the very slot of the next round. So all resources are free when a round begins.
//!
//! Whoever comes first wins, so with several threads the winners' names differ from run to run,
//! and with them the digest of the state. Everything counted here does not.

use allocdb_core::{Outcome, ResultCode, Slot};
use allocdb_node::CommandResult;

use crate::counts::Counts;
use crate::crew::Crew;
use crate::figures::database::free_resources;
use crate::knobs::Knobs;
use crate::order::{Held, Order, Wish};
use crate::random::{Random, Skew};

/// The counts' names.
pub const NAMES: &[&str] = &[
    "resources created",
    "attempts",
    "attempts at the hottest resource",
    "resources contended for",
    "winners",
    "resources won more than once in a round",
    "resources contended for and not won",
    "winners that came first",
    "busy",
    "confirmed",
    "released",
    "expired",
    "resources free at the end",
    "engine: done",
    "engine: busy",
    "engine: retries and rejections",
    "last LSN",
];

/// What becomes of a resource's hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Released,
    ConfirmedAndReleased,
    LeftToTime,
}

/// One round, from the seed alone.
struct Round {
    /// Each holder's resource, from 0.
    choices: Vec<usize>,
    /// Each resource's fate, should somebody win it.
    fates: Vec<Fate>,
}

/// Draws the rounds.
struct Plan<'a> {
    knobs: &'a Knobs,
    skew: Skew,
}

impl<'a> Plan<'a> {
    fn new(knobs: &'a Knobs) -> Self {
        let skew = u32::try_from(knobs.skew).expect("bounded");
        let resources = u32::try_from(knobs.resources).expect("bounded");
        let skew = Skew::new(resources, skew);
        Self { knobs, skew }
    }

    fn round(&self, number: u64) -> Round {
        let mut random = Random::of(self.knobs.seed, number);
        let choices = (0..self.knobs.holders).map(|_| self.skew.pick(&mut random));
        let choices = choices.collect();
        let fates = (0..self.knobs.resources).map(|_| match random.below(4) {
            0 => Fate::LeftToTime,
            1 => Fate::ConfirmedAndReleased,
            _ => Fate::Released,
        });
        let fates = fates.collect();
        Round { choices, fates }
    }

    const fn slot(&self, round: u64) -> u64 {
        FIRST_SLOT + round * self.knobs.ttl
    }
}

/// The slot of the first round; the resources are made one earlier.
const FIRST_SLOT: u64 = 2;

/// What must come out: counted from the plan alone, by the rule that each resource which anybody
/// asks for is won by exactly one.
#[must_use]
pub fn tally(knobs: &Knobs) -> Counts {
    let (plan, mut counts) = (Plan::new(knobs), Counts::new(NAMES));
    counts.add("resources created", knobs.resources);
    let mut lsn = knobs.resources;
    let mut is_something_left = false;
    for number in 0..knobs.rounds {
        let round = plan.round(number);
        let mut attempts = vec![0; round.fates.len()];
        round
            .choices
            .iter()
            .for_each(|&choice| attempts[choice] += 1);
        // R59: one expire_due in front of the round's first commit, if anything is due.
        lsn += u64::from(is_something_left);
        is_something_left = false;
        counts.add("attempts", knobs.holders);
        counts.add("attempts at the hottest resource", attempts[0]);
        lsn += knobs.holders;
        for (index, (&attempts, fate)) in attempts.iter().zip(&round.fates).enumerate() {
            if attempts == 0 {
                continue;
            }
            counts.add("resources contended for", 1);
            counts.add("winners", 1);
            counts.add("busy", attempts - 1);
            counts.detail(&[number, index as u64, attempts, 1]);
            lsn += match fate {
                Fate::LeftToTime => {
                    counts.add("expired", 1);
                    is_something_left = true;
                    0
                }
                Fate::Released => {
                    counts.add("released", 1);
                    1
                }
                Fate::ConfirmedAndReleased => {
                    counts.add("confirmed", 1);
                    counts.add("released", 1);
                    2
                }
            };
        }
    }
    lsn += u64::from(is_something_left);
    if knobs.threads == 1 {
        counts.add("winners that came first", counts.count("winners"));
    }
    let done = ["resources created", "winners", "confirmed", "released"];
    let done = done.map(|name| counts.count(name)).iter().sum();
    counts.add("engine: done", done);
    counts.add("engine: busy", counts.count("busy"));
    counts.add("resources free at the end", knobs.resources);
    counts.add("last LSN", lsn);
    counts
}

/// A hold that was won.
#[derive(Clone, Copy)]
struct Won {
    resource: usize,
    held: Held,
}

/// Plays all rounds, and counts from the engine's answers.
pub fn drive(knobs: &Knobs, crew: &mut Crew<'_>) -> Result<Counts, String> {
    let (plan, mut counts) = (Plan::new(knobs), Counts::new(NAMES));
    let mut operations = 1u128..;
    let mut next = || operations.next().expect("2^128 operations");
    let created = create_resources(knobs.resources, crew, &mut next)?;
    counts.add("resources created", created);
    for number in 0..knobs.rounds {
        let (round, slot) = (plan.round(number), plan.slot(number));
        let won = contend(knobs, &round, number, &mut next, crew, &mut counts)?;
        let fate = |won: &&Won| round.fates[won.resource];
        let confirmed = won
            .iter()
            .filter(|won| fate(won) == Fate::ConfirmedAndReleased);
        let confirm = confirmed.map(|won| Order::plain(next(), won.held.confirm()));
        let orders: Vec<_> = confirm.collect();
        counts.add("confirmed", done(&crew.step(slot, &orders)?)?);
        let released = won.iter().filter(|won| fate(won) != Fate::LeftToTime);
        let release = released.map(|won| Order::plain(next(), won.held.release()));
        let orders: Vec<_> = release.collect();
        counts.add("released", done(&crew.step(slot, &orders)?)?);
    }
    let slot = Slot(plan.slot(knobs.rounds));
    let ticked = crew.engine().tick(Some(slot), 0);
    ticked.map_err(|error| format!("tick: {error}"))?;
    count_engine(crew, slot, &mut counts);
    counts.add(
        "resources free at the end",
        free_resources(crew.engine(), 1..=knobs.resources)?,
    );
    Ok(counts)
}

/// All holders ask at once.
fn contend(
    knobs: &Knobs,
    round: &Round,
    number: u64,
    next: &mut impl FnMut() -> u128,
    crew: &mut Crew<'_>,
    counts: &mut Counts,
) -> Result<Vec<Won>, String> {
    let slot = FIRST_SLOT + number * knobs.ttl;
    let orders = round.choices.iter().zip(1..);
    let orders = orders
        .map(|(&choice, holder)| Order::reserve(next(), choice as u128 + 1, holder, knobs.ttl));
    let orders: Vec<_> = orders.collect();
    let answers = crew.step(slot, &orders)?;
    let mut asked = vec![Asked::default(); round.fates.len()];
    let mut won = Vec::new();
    for (answer, (&choice, holder)) in answers.iter().zip(round.choices.iter().zip(1..)) {
        let outcome = new_outcome(answer)?;
        let asked = &mut asked[choice];
        asked.attempts += 1;
        match outcome.code {
            ResultCode::Done => {
                asked.winners += 1;
                asked.is_first = asked.attempts == 1;
                won.push(Won {
                    resource: choice,
                    held: Held {
                        holder,
                        reservation: outcome.reservation_id,
                    },
                });
            }
            ResultCode::ResourceBusy => counts.add("busy", 1),
            code => return Err(format!("a reserve was answered {}", code.name())),
        }
    }
    counts.add("attempts", answers.len() as u64);
    counts.add("attempts at the hottest resource", asked[0].attempts);
    counts.add("winners", won.len() as u64);
    for (index, asked) in asked
        .iter()
        .enumerate()
        .filter(|(_, asked)| asked.attempts > 0)
    {
        counts.add("resources contended for", 1);
        counts.detail(&[number, index as u64, asked.attempts, asked.winners]);
        counts.add(
            "resources won more than once in a round",
            u64::from(asked.winners > 1),
        );
        counts.add(
            "resources contended for and not won",
            u64::from(asked.winners == 0),
        );
        if knobs.threads == 1 {
            counts.add("winners that came first", u64::from(asked.is_first));
        }
    }
    // In the plan's order, whoever won.
    won.sort_unstable_by_key(|won| won.resource);
    Ok(won)
}

/// What became of the attempts at one resource.
#[derive(Clone, Copy, Default)]
struct Asked {
    attempts: u64,
    winners: u64,
    is_first: bool,
}

/// Creates resources 1 to `count` one slot before the first round.
pub(crate) fn create_resources(
    count: u64,
    crew: &mut Crew<'_>,
    next: &mut impl FnMut() -> u128,
) -> Result<u64, String> {
    let orders = (1..=count).map(|resource| {
        let resource = resource.into();
        Order::plain(next(), Wish::Create { resource })
    });
    let orders: Vec<_> = orders.collect();
    done(&crew.step(FIRST_SLOT - 1, &orders)?)
}

/// How many answers there are, all of which must be new and done.
pub(crate) fn done(answers: &[CommandResult]) -> Result<u64, String> {
    for answer in answers {
        let code = new_outcome(answer)?.code;
        if code != ResultCode::Done {
            return Err(format!("answered {}, must be done", code.name()));
        }
    }
    Ok(answers.len() as u64)
}

/// An outcome that is not from the retry cache.
pub(crate) fn new_outcome(answer: &CommandResult) -> Result<&Outcome, String> {
    let outcome = answer.as_ref();
    let outcome = outcome.map_err(|rejection| format!("rejected: {rejection}"))?;
    if outcome.from_retry_cache {
        return Err(format!("LSN {} was answered again", outcome.lsn.0));
    }
    Ok(outcome)
}

/// The engine's own counts, which nothing above has a part in.
fn count_engine(crew: &Crew<'_>, slot: Slot, counts: &mut Counts) {
    let health = crew.engine().health(Some(slot));
    let by_code = |code: ResultCode| health.outcomes_by_code[code as usize];
    counts.add("expired", health.expirations);
    counts.add("engine: done", by_code(ResultCode::Done));
    counts.add("engine: busy", by_code(ResultCode::ResourceBusy));
    counts.add(
        "engine: retries and rejections",
        health.retries + health.rejections,
    );
    counts.add("last LSN", health.last_lsn.0);
}
