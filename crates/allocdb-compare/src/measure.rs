//! Running clients against a peer: a closed loop, a race; and checking what came out.
//!
//! Every run is checked, or its time is worth nothing: each answer as it comes; at the end, by the
//! system's own count, that every resource is available and every command was recorded; that a
//! repeated command gets the recorded outcome and is not carried out; and that deadlines count.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use allocdb_bench::random::Random;

use crate::job::{BUSY, Census, Command, DONE, Failure, Kind, Outcome, Peer, REFUSED, Session};
use crate::walk::{Ids, Slots, Walk};

/// Less than AllocDB and the map remember operations for.
const SLOTS_TO_RETRY: u64 = 15;

/// How a run is shaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) clients: u32,
    pub(crate) batch: usize,
    pub(crate) monotonic: bool,
    pub(crate) resources: u32,
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
}

/// What a run gave.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) commands: u64,
    pub(crate) elapsed: Duration,
    /// Of each call, sorted.
    pub(crate) call_ns: Vec<u64>,
    /// Reserves of a race that won.
    pub(crate) winners: u64,
    /// Reserves of a race.
    pub(crate) attempts: u64,
}

impl Taken {
    /// So many of these a second.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let count = count as f64;
        count / self.elapsed.as_secs_f64()
    }
}

/// One client's part of a run.
#[derive(Default)]
struct Part {
    commands: u64,
    call_ns: Vec<u64>,
    winners: Vec<u128>,
    attempts: u64,
    last: Option<(Command, Outcome)>,
    span: Option<(Instant, Instant)>,
}

/// What all clients of a run share.
pub(crate) struct Shared {
    pub(crate) slots: Slots,
    pub(crate) last_id: AtomicU64,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::default(),
            last_id: AtomicU64::new(0),
        }
    }

    pub(crate) fn ids(&self, shape: &Shape, client: u32) -> Ids<'_> {
        if shape.monotonic {
            Ids::Monotonic(&self.last_id)
        } else {
            Ids::Random(Random::of(shape.seed ^ 0x5EED, u64::from(client)))
        }
    }
}

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Each client walks through its own resources, one step after the other.
pub(crate) fn closed_loop(peer: &dyn Peer, shape: &Shape) -> Result<Taken, Failure> {
    let shared = Shared::new();
    let client = |number: u32, session: &mut dyn Session, end: &dyn Fn() -> bool| {
        let ids = shared.ids(shape, number);
        let place = (number, shape.clients);
        let mut walk = Walk::new(ids, shape.seed, place, shape.resources, shape.batch);
        let mut part = Part::default();
        let mut outcomes = Vec::with_capacity(shape.batch);
        while !(walk.is_at_rest() && end()) {
            outcomes.clear();
            let commands = walk.step(&shared.slots);
            let begun = Instant::now();
            session.perform(commands, &mut outcomes)?;
            part.call_ns.push(nanoseconds(begun.elapsed()));
            walk.take(&outcomes)?;
            part.commands += outcomes.len() as u64;
        }
        part.last = walk.last();
        Ok(part)
    };
    run(peer, shape, &shared, &client)
}

/// Every client wants the first resource; who has it confirms and releases it, so that it goes on.
pub(crate) fn race(peer: &dyn Peer, shape: &Shape) -> Result<Taken, Failure> {
    let shared = Shared::new();
    let is_held = AtomicBool::new(false);
    let client = |number: u32, session: &mut dyn Session, end: &dyn Fn() -> bool| {
        let mut ids = shared.ids(shape, number);
        let mut part = Part::default();
        let mut outcomes = Vec::new();
        while !end() {
            let mut command = Command {
                kind: Kind::Reserve,
                operation: ids.next(),
                resource: 1,
                token: 0,
                holder: u64::from(number) + 1,
                slot: shared.slots.pass(1),
                ttl_slots: 1000,
            };
            let begun = Instant::now();
            let outcome = perform_one(session, &command, &mut outcomes)?;
            part.call_ns.push(nanoseconds(begun.elapsed()));
            part.commands += 1;
            part.attempts += 1;
            part.last = Some((command, outcome));
            if outcome.code == BUSY {
                continue;
            }
            if outcome.code != DONE || is_held.swap(true, Ordering::SeqCst) {
                return Err(format!("{outcome:?} while somebody has it").into());
            }
            part.winners.push(outcome.token);
            for kind in [Kind::Confirm, Kind::Release] {
                command.kind = kind;
                command.operation = ids.next();
                command.token = outcome.token;
                command.slot = shared.slots.pass(1);
                if kind == Kind::Release {
                    is_held.store(false, Ordering::SeqCst);
                }
                let outcome = perform_one(session, &command, &mut outcomes)?;
                if outcome.code != DONE {
                    return Err(format!("the winner's {kind:?}: {outcome:?}").into());
                }
                part.commands += 1;
                part.last = Some((command, outcome));
            }
        }
        Ok(part)
    };
    run(peer, shape, &shared, &client)
}

fn perform_one(
    session: &mut dyn Session,
    command: &Command,
    outcomes: &mut Vec<Outcome>,
) -> Result<Outcome, Failure> {
    outcomes.clear();
    session.perform(std::slice::from_ref(command), outcomes)?;
    match outcomes.as_slice() {
        [outcome] => Ok(*outcome),
        _ => Err("not one answer to one command".into()),
    }
}

type Client<'run> =
    dyn Fn(u32, &mut dyn Session, &dyn Fn() -> bool) -> Result<Part, Failure> + Sync + 'run;

/// A thread for each client, which begin together; then the checks.
fn run(
    peer: &dyn Peer,
    shape: &Shape,
    shared: &Shared,
    client: &Client<'_>,
) -> Result<Taken, Failure> {
    let count = usize::try_from(shape.clients)?;
    let barrier = Barrier::new(count);
    // Who fails ends the run for all; nobody waits for a client that has left.
    let has_failed = AtomicBool::new(false);
    let work = |number: u32| -> Result<Part, Failure> {
        let session = peer.session();
        barrier.wait();
        let begun = Instant::now();
        let end = || begun.elapsed() >= shape.duration || has_failed.load(Ordering::Relaxed);
        let part = session.and_then(|mut session| client(number, session.as_mut(), &end));
        has_failed.fetch_or(part.is_err(), Ordering::Relaxed);
        part.map(|part| Part {
            span: Some((begun, Instant::now())),
            ..part
        })
    };
    let parts: Vec<Result<Part, Failure>> = std::thread::scope(|scope| {
        let started = (0..shape.clients).map(|number| scope.spawn(move || work(number)));
        let started: Vec<_> = started.collect();
        let ended = started.into_iter().map(ScopedJoinHandle::join);
        ended
            .map(|part| part.unwrap_or_else(|_| Err("a client panicked".into())))
            .collect()
    });
    let parts: Vec<Part> = parts.into_iter().collect::<Result<_, _>>()?;
    let taken = gather(&parts)?;
    let lasts: Vec<_> = parts.iter().filter_map(|part| part.last).collect();
    let mut session = peer.session()?;
    verify(session.as_mut(), shape, shared, taken.commands, &lasts)?;
    Ok(taken)
}

fn gather(parts: &[Part]) -> Result<Taken, Failure> {
    let mut taken = Taken::default();
    let mut tokens: HashSet<u128> = HashSet::new();
    for part in parts {
        taken.commands += part.commands;
        taken.attempts += part.attempts;
        taken.winners += part.winners.len() as u64;
        taken.call_ns.extend(&part.call_ns);
        tokens.extend(&part.winners);
    }
    if tokens.len() as u64 != taken.winners {
        return Err("two winners were given the same token".into());
    }
    taken.call_ns.sort_unstable();
    // Threads leave the barrier in any order: from the first beginning to the last end.
    let begun = parts
        .iter()
        .filter_map(|part| part.span)
        .map(|span| span.0)
        .min();
    let ended = parts
        .iter()
        .filter_map(|part| part.span)
        .map(|span| span.1)
        .max();
    if let (Some(begun), Some(ended)) = (begun, ended) {
        taken.elapsed = ended - begun;
    }
    Ok(taken)
}

/// Fails unless the system did its job.
pub(crate) fn verify(
    session: &mut dyn Session,
    shape: &Shape,
    shared: &Shared,
    commands: u64,
    lasts: &[(Command, Outcome)],
) -> Result<(), Failure> {
    let expected = Census {
        available: u64::from(shape.resources),
        operations: commands,
    };
    expect(&session.census()?, &expected, "after the run")?;
    let mut outcomes = Vec::new();
    // Who forgets does so after 20 slots: a client that the others left behind is not asked again.
    let now = shared.slots.now();
    let lasts: Vec<_> = lasts
        .iter()
        .filter(|(command, _)| now - command.slot <= SLOTS_TO_RETRY)
        .collect();
    expect(
        &lasts.is_empty(),
        &false,
        "that somebody's last command is asked for again",
    )?;
    for (command, outcome) in lasts {
        let mut again = *command;
        again.slot = now;
        let answer = perform_one(session, &again, &mut outcomes)?;
        expect(&answer, outcome, "a repeated command")?;
    }
    expect(&session.census()?, &expected, "after the repeated commands")?;
    let extra = verify_deadline(session, shape, shared)?;
    let expected = Census {
        operations: commands + extra,
        ..expected
    };
    expect(&session.census()?, &expected, "after the deadline")
}

fn expect<T: PartialEq + core::fmt::Debug>(
    found: &T,
    expected: &T,
    when: &str,
) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("WRONG {when}: {found:?}, must be {expected:?}").into())
}

/// A hold is somebody's until its deadline, and from then on the next one's. How many commands.
fn verify_deadline(
    session: &mut dyn Session,
    shape: &Shape,
    shared: &Shared,
) -> Result<u64, Failure> {
    let mut ids = shared.ids(shape, shape.clients + 1);
    let slot = shared.slots.now() + 1;
    let (first, second) = (7001, 7002);
    // Kind, holder, slot, whose token, the code that must come.
    let steps = [
        (Kind::Reserve, first, slot, None, DONE),
        (Kind::Reserve, second, slot, None, BUSY),
        (Kind::Reserve, second, slot + 2, None, DONE),
        (Kind::Confirm, first, slot + 2, Some(0), REFUSED),
        (Kind::Confirm, second, slot + 2, Some(2), DONE),
        (Kind::Release, second, slot + 2, Some(2), DONE),
    ];
    let mut answers: Vec<Outcome> = Vec::new();
    let mut outcomes = Vec::new();
    for (index, (kind, holder, slot, token_of, code)) in steps.into_iter().enumerate() {
        let command = Command {
            kind,
            operation: ids.next(),
            resource: 1,
            token: token_of.map_or(0, |step: usize| answers[step].token),
            holder,
            slot,
            ttl_slots: 1,
        };
        let answer = perform_one(session, &command, &mut outcomes)?;
        expect(
            &answer.code,
            &code,
            &format!("in step {index} of the deadline"),
        )?;
        answers.push(answer);
    }
    expect(
        &(answers[0].token < answers[2].token),
        &true,
        "that tokens grow",
    )?;
    Ok(steps.len() as u64)
}

#[cfg(test)]
mod tests;
