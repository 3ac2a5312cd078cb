//! A history: a pair driven through the steps that a workload draws, repeated, and shrunk.
//!
//! A shape's seed decides every step, so nothing is recorded while a history goes well: one that
//! fails is lived a second time with its steps written down. Those are then cut, halves first and
//! single commands last, for as long as what remains still fails. A reservation's id is its
//! position, which moves when something before it is cut; so a cut history is run by the ids that
//! its reserves once got, and each is replaced by the one that it gets now. Rejected: shrinking
//! the shape instead, which seldom gets a history below some hundred commands.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::{Action, Applied, Bounds, Code, Command, Flaw, Verdict};
use crate::pair::{Pair, Terms};
use crate::random::Rng;
use crate::tally::Tally;
use crate::workload::{Shape, Workload};

/// One step of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Commands judged at a slot, then those that are new applied, behind an `expire_due`.
    Commit {
        /// As the host gave it.
        slot: u64,
        /// Of the `expire_due`, if there is to be one.
        limit: Option<u32>,
        /// In order.
        commands: Vec<Command>,
    },
    /// A command applied without being asked about, as a log ordered elsewhere may hold it.
    Apply {
        /// As the host gave it.
        slot: u64,
        /// Any.
        command: Command,
    },
    /// A snapshot, and on from what is read back.
    Restart {
        /// Larger tables. R95
        bounds: Option<Bounds>,
        /// A later position. R101
        lsn_by: u64,
    },
}

/// A history that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How it failed at first.
    pub what: String,
    /// What is left of its steps, each of which is needed to fail.
    pub steps: Vec<Step>,
    /// How these fail.
    pub shrunk: String,
}

/// Positions are moved to this far before the last one there is.
const LAST_POSITIONS: u64 = 300;
/// In a row without anything applied: the end of time, or of positions, is reached.
const IDLE_STEPS_MAX: u32 = 300;
/// Reruns that shrinking may take.
const SHRINK_RERUNS_MAX: u32 = 2_000;

/// How a shape's pair is made.
#[must_use]
pub fn terms(shape: &Shape, flaw: Option<Flaw>) -> Terms {
    Terms {
        bounds: shape.bounds,
        hash_seed: shape.hash_seed(),
        flaw,
        is_replayed: shape.seed.is_multiple_of(5),
        commit_len_max: shape.commit_len_max,
    }
}

/// Steps as they were written down, and which operation once got which reservation.
#[derive(Clone, Debug, Default)]
struct Written {
    steps: Vec<Step>,
    made: BTreeMap<u128, u128>,
}

impl Written {
    fn note(&mut self, command: &Command, applied: &Applied) {
        if let Some(id) = made_by(command, applied) {
            self.made.insert(command.operation_id, id);
        }
    }
}

/// The reservation that a reserve made.
fn made_by(command: &Command, applied: &Applied) -> Option<u128> {
    match (&command.action, applied.verdict) {
        (Action::Reserve { .. }, Verdict::Outcome(outcome)) if outcome.code == Code::Done => {
            Some(outcome.reservation_id)
        }
        _ => None,
    }
}

/// Lives the history of `shape`; its counts go to `tally`.
pub fn live(shape: &Shape, flaw: Option<Flaw>, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let Err(what) = caught(|| drive(shape, flaw, tally, None)) else {
        return Ok(());
    };
    let mut written = Written::default();
    let again = caught(|| drive(shape, flaw, &mut Tally::default(), Some(&mut written)));
    assert!(again.is_err(), "a seed repeats its history");
    let Written { mut steps, made } = written;
    let mut reruns = 0;
    let mut is_failing = |steps: &[Step]| {
        reruns += 1;
        reruns <= SHRINK_RERUNS_MAX && rename(shape, flaw, steps, &made).1.is_err()
    };
    cut_steps(&mut steps, &mut is_failing);
    cut_commands(&mut steps, &mut is_failing);
    let (steps, _) = rename(shape, flaw, &steps, &made);
    let shrunk = repeat(shape, flaw, &steps).err().unwrap_or_default();
    Err(Box::new(Failure {
        what,
        steps,
        shrunk,
    }))
}

/// Runs steps as they stand.
pub fn repeat(shape: &Shape, flaw: Option<Flaw>, steps: &[Step]) -> Result<(), String> {
    rename(shape, flaw, steps, &BTreeMap::new()).1
}

/// Runs steps with the ids that reserves now get for those that they got by `made`; returns what
/// was run.
fn rename(
    shape: &Shape,
    flaw: Option<Flaw>,
    steps: &[Step],
    made: &BTreeMap<u128, u128>,
) -> (Vec<Step>, Result<(), String>) {
    let mut names = BTreeMap::new();
    let mut renamed = Vec::new();
    let result = caught(|| {
        let mut pair = Pair::new(&terms(shape, flaw));
        for step in steps {
            renamed.push(step.renamed(&names));
            let mut learn = |command: &Command, applied: &Applied| {
                if let Some(id) = made_by(command, applied)
                    && let Some(before) = made.get(&command.operation_id)
                {
                    names.insert(*before, id);
                }
            };
            match &renamed[renamed.len() - 1] {
                Step::Commit {
                    slot,
                    limit,
                    commands,
                } => pair.commit(*slot, *limit, commands, learn)?,
                Step::Apply { slot, command } => learn(command, &pair.apply(*slot, command)?),
                Step::Restart { bounds, lsn_by } => pair.restart(*bounds, *lsn_by)?,
            }
        }
        pair.restart(None, 0)
    });
    (renamed, result)
}

impl Step {
    fn renamed(&self, names: &BTreeMap<u128, u128>) -> Self {
        let mut step = self.clone();
        let commands = match &mut step {
            Self::Commit { commands, .. } => &mut commands[..],
            Self::Apply { command, .. } => std::slice::from_mut(command),
            Self::Restart { .. } => &mut [],
        };
        for command in commands {
            if let Some(id) = command.action.reservation_id_mut()
                && let Some(now) = names.get(id)
            {
                *id = *now;
            }
        }
        step
    }
}

/// A panic is a failure like any other: an assertion of the core that did not hold.
pub(crate) fn caught(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("a panic: {}", text.unwrap_or("without a word")))
        }
    }
}

fn drive(
    shape: &Shape,
    flaw: Option<Flaw>,
    tally: &mut Tally,
    mut written: Option<&mut Written>,
) -> Result<(), String> {
    let mut pair = Pair::new(&terms(shape, flaw));
    std::mem::swap(&mut pair.tally, tally);
    let before = pair.tally.commands;
    let mut workload = Workload::new(shape);
    let is_judged = shape.seed.is_multiple_of(2);
    let mut commands = Vec::new();
    let mut idle = 0;
    let result = loop {
        let lsn = pair.model().last_lsn();
        if idle > IDLE_STEPS_MAX || pair.tally.commands - before >= shape.commands {
            break pair.restart(None, 0);
        }
        if workload.rng.below(400) == 0 {
            let (bounds, lsn_by) = draw_restart(&mut workload, &pair);
            if let Some(written) = &mut written {
                written.steps.push(Step::Restart { bounds, lsn_by });
            }
            if let Err(what) = pair.restart(bounds, lsn_by) {
                break Err(what);
            }
        }
        let slot = workload.next_slot();
        let done = if is_judged {
            commands.clear();
            for _ in 0..workload.commit_len() {
                commands.push(workload.next_command(pair.model()));
            }
            let expires = workload.rng.chance(80);
            let limit = expires.then(|| workload.expire_limit());
            if let Some(written) = &mut written {
                let commands = commands.clone();
                written.steps.push(Step::Commit {
                    slot,
                    limit,
                    commands,
                });
            }
            pair.commit(slot, limit, &commands, |command, applied| {
                workload.observe(command, applied);
                if let Some(written) = &mut written {
                    written.note(command, applied);
                }
            })
        } else {
            apply_some(&mut pair, &mut workload, slot, &mut written)
        };
        if done.is_err() {
            break done;
        }
        let is_idle = pair.model().last_lsn() == lsn;
        idle = if is_idle { idle + 1 } else { 0 };
    };
    pair.tally.transfers += pair.witness().transfers();
    pair.tally.histories += 1;
    std::mem::swap(&mut pair.tally, tally);
    result
}

fn apply_some(
    pair: &mut Pair,
    workload: &mut Workload,
    slot: u64,
    written: &mut Option<&mut Written>,
) -> Result<(), String> {
    for _ in 0..workload.commit_len() {
        let command = if workload.rng.chance(8) {
            Command::expire(workload.expire_limit())
        } else {
            workload.next_command(pair.model())
        };
        if let Some(written) = written {
            let command = command.clone();
            written.steps.push(Step::Apply { slot, command });
        }
        let applied = pair.apply(slot, &command)?;
        workload.observe(&command, &applied);
        if let Some(written) = written {
            written.note(&command, &applied);
        }
    }
    Ok(())
}

fn draw_restart(workload: &mut Workload, pair: &Pair) -> (Option<Bounds>, u64) {
    let grown = larger(pair.model().bounds(), &mut workload.rng);
    let bounds = workload.rng.chance(10).then_some(grown);
    if let Some(bounds) = bounds {
        workload.grow(bounds);
    }
    let ahead = (u64::MAX - 1 - LAST_POSITIONS).saturating_sub(pair.model().last_lsn());
    let lsn_by = if workload.rng.chance(3) { ahead } else { 0 };
    (bounds, lsn_by)
}

/// Larger in at least one of the four that may grow.
#[must_use]
pub fn larger(bounds: &Bounds, rng: &mut Rng) -> Bounds {
    let mut grow = |capacity: u32| match rng.below(3) {
        0 => capacity,
        1 => capacity + 1,
        _ => capacity * 2 + 3,
    };
    let (max_reservations, bucket_len) = (
        grow(bounds.max_reservations),
        grow(bounds.max_expiration_bucket_len),
    );
    Bounds {
        max_resources: grow(bounds.max_resources),
        max_reservations,
        max_operations: grow(bounds.max_operations) + 1,
        max_expiration_bucket_len: bucket_len.min(max_reservations),
        ..*bounds
    }
}

/// Cuts runs of steps, from halves down to single ones.
fn cut_steps(steps: &mut Vec<Step>, is_failing: &mut impl FnMut(&[Step]) -> bool) {
    // What follows the failure is not needed, whatever else is.
    let mut len = steps.len().next_power_of_two();
    while len > 0 {
        let mut start = 0;
        while start < steps.len() {
            let end = (start + len).min(steps.len());
            let mut fewer = steps[..start].to_vec();
            fewer.extend_from_slice(&steps[end..]);
            if is_failing(&fewer) {
                *steps = fewer;
            } else {
                start = end;
            }
        }
        len /= 2;
    }
}

/// Cuts single commands out of commits.
fn cut_commands(steps: &mut Vec<Step>, is_failing: &mut impl FnMut(&[Step]) -> bool) {
    for at in 0..steps.len() {
        let mut index = 0;
        loop {
            let mut fewer = steps.clone();
            let Step::Commit { commands, .. } = &mut fewer[at] else {
                break;
            };
            if index >= commands.len() || commands.len() == 1 {
                break;
            }
            commands.remove(index);
            if is_failing(&fewer) {
                *steps = fewer;
            } else {
                index += 1;
            }
        }
    }
}
