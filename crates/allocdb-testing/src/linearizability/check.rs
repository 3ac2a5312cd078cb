//! The check: one order of all calls, taken from the log, that explains every answer.
//!
//! What is looked at, for calls of which each has a moment at which it began and one at which it
//! ended:
//! 1. Replaying the log on the plain model gives at each position exactly the answer that was told
//!    for it, and the command there is the one that was submitted. One fresh answer a position;
//!    all others of that position are repeats of it, equal but for saying so.
//! 2. A fresh position is beyond every position that anybody had been told before the call began.
//! 3. A read has a place *between two commits* (a commit is seen whole or not at all) at which the
//!    model's row is what was read: not before anything that had been told when the read began,
//!    reads included, and not behind a command that was only submitted after the read had ended.
//! 4. Every logged command was submitted: answered once, or by one whose answer was lost.
//! 5. The fresh commands of one batch are in one commit.
//!
//! Reads are placed as early as they can be. That is without loss: a later place would only bind
//! the reads behind it more. Rejected: a general checker, which would have to find the order that
//! the log hands over.

use std::collections::BTreeMap;

use allocdb_core::Lsn;
use allocdb_core::log::{FRAME_HEADER_BYTES, SECTOR_BYTES, commands};

use super::Told;
use crate::bridge;
use crate::model::{Bounds, Command, Model, Outcome, Rejection, Resource, Verdict};

/// A command and what was said to it.
pub type Answered = (Command, Result<Outcome, Rejection>);

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// When it was made.
    pub begun: u64,
    /// When it was answered.
    pub ended: u64,
    /// What it saw.
    pub seen: Seen,
}

/// What a call saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// A batch's answers.
    Answers(Vec<Answered>),
    /// A batch of which nobody knows, and what was said.
    Failure(Vec<Command>, String),
    /// A resource's row.
    Row(u128, Option<Resource>),
    /// The last position.
    Last(u64),
}

/// One commit as it stands in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its slot.
    pub slot: u64,
    /// Its commands with their positions.
    pub commands: Vec<(u64, Command)>,
}

const LOG_HEADER_BYTES: usize = 4096;
const COMMANDS: u8 = 1;

/// The commits in a log file, read by nothing but the offsets of its format.
pub fn frames(log: &[u8]) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    let mut at = LOG_HEADER_BYTES;
    while log.get(at..at + 4) == Some(b"ADBF") {
        let word = |offset| u64::from_le_bytes(log[at + offset..][..8].try_into().expect("eight"));
        let payload_len = usize::try_from(word(24) >> 32).expect("a length of 32 bits");
        let payload = &log[at + FRAME_HEADER_BYTES..][..payload_len];
        if log[at + 6] == COMMANDS {
            let mut records = commands(payload, Lsn(word(8)));
            let logged = records
                .by_ref()
                .map(|(lsn, command)| (lsn.0, bridge::command_of(&command)));
            frames.push(Frame {
                slot: word(16),
                commands: logged.collect(),
            });
            if !records.rest().is_empty() {
                return Err(format!("the frame at {at} does not decode whole"));
            }
        }
        at += (FRAME_HEADER_BYTES + payload_len).next_multiple_of(SECTOR_BYTES);
    }
    Ok(frames)
}

/// Checks a history against a log that begins at position 1, with resources 1 to `resources`.
pub fn check(
    bounds: &Bounds,
    log: &[Frame],
    calls: &[Call],
    resources: u128,
) -> Result<Told, String> {
    let replay = Replay::new(bounds, log, resources)?;
    let mut told = Told {
        calls: calls.len() as u64,
        shared_commits: replay.shared_commits,
        expiries: replay.expiries,
        ..Told::default()
    };
    replay.check_answers(calls, &mut told)?;
    replay.check_order(calls, &mut told)?;
    Ok(told)
}

/// What the log says.
struct Replay {
    /// By position less one: the command, its answer (none for the engine's own), its commit.
    records: Vec<(Command, Option<Outcome>, usize)>,
    /// The last position of each commit; the first entry is the empty database.
    ends: Vec<u64>,
    /// For each resource, from which commit on it has which row.
    rows: BTreeMap<u128, Vec<(usize, Option<Resource>)>>,
    shared_commits: u64,
    expiries: u64,
}

impl Replay {
    fn new(bounds: &Bounds, log: &[Frame], resources: u128) -> Result<Self, String> {
        let mut model = Model::new(*bounds);
        let empty = || vec![(0, None)];
        let mut replay = Self {
            records: Vec::new(),
            ends: vec![0],
            rows: (1..=resources).map(|id| (id, empty())).collect(),
            shared_commits: 0,
            expiries: 0,
        };
        for frame in log {
            let commit = replay.ends.len();
            for (lsn, command) in &frame.commands {
                let applied = model.apply(frame.slot, command);
                if applied.lsn != *lsn {
                    return Err(format!("position {lsn} comes where {} is due", applied.lsn));
                }
                let outcome = match applied.verdict {
                    Verdict::Outcome(outcome) => Some(outcome),
                    Verdict::Expired { count } => {
                        replay.expiries += u64::from(count);
                        None
                    }
                    Verdict::Rejected(why) => {
                        return Err(format!("logged at {lsn}, refused by the model: {why:?}"));
                    }
                };
                replay.records.push((command.clone(), outcome, commit));
            }
            replay.shared_commits += u64::from(frame.commands.len() > 1);
            replay.ends.push(replay.records.len() as u64);
            for (id, rows) in &mut replay.rows {
                let row = model.resource(*id);
                if rows.last().is_some_and(|(_, last)| *last != row) {
                    rows.push((commit, row));
                }
            }
        }
        Ok(replay)
    }

    fn record(&self, lsn: u64) -> Option<&(Command, Option<Outcome>, usize)> {
        self.records.get(usize::try_from(lsn).ok()?.checked_sub(1)?)
    }

    /// Laws 1, 4 and 5.
    fn check_answers(&self, calls: &[Call], told: &mut Told) -> Result<(), String> {
        let mut is_claimed = vec![false; self.records.len()];
        let mut lost: Vec<&Command> = Vec::new();
        for call in calls {
            match &call.seen {
                Seen::Answers(answers) => {
                    let mut commit = None;
                    for (command, result) in answers {
                        told.commands += 1;
                        let Ok(outcome) = result else {
                            check_rejection(result)?;
                            continue;
                        };
                        let record = self.check_answer(command, outcome)?;
                        if outcome.from_retry_cache {
                            told.retries += 1;
                            continue;
                        }
                        let place = usize::try_from(outcome.lsn - 1).expect("it has a record");
                        if std::mem::replace(&mut is_claimed[place], true) {
                            return Err(format!("two were told that they made {}", outcome.lsn));
                        }
                        if *commit.get_or_insert(record) != record {
                            return Err(format!("a batch in two commits: {call:?}"));
                        }
                    }
                }
                Seen::Failure(commands, _) => {
                    told.unknown += 1;
                    lost.extend(commands);
                }
                Seen::Row(..) | Seen::Last(_) => told.reads += 1,
            }
        }
        for (lsn, ((command, outcome, _), is_claimed)) in
            (1..).zip(self.records.iter().zip(is_claimed))
        {
            if !is_claimed && outcome.is_some() && !lost.contains(&command) {
                return Err(format!("nobody was told of {lsn}: {command:?}"));
            }
        }
        Ok(())
    }

    /// The commit of a command that was answered as it should be.
    fn check_answer(&self, command: &Command, outcome: &Outcome) -> Result<usize, String> {
        let Some((logged, answer, commit)) = self.record(outcome.lsn) else {
            return Err(format!(
                "acknowledged and not in the log: {command:?}, {outcome:?}"
            ));
        };
        let answer = answer.map(|answer| Outcome {
            from_retry_cache: outcome.from_retry_cache,
            ..answer
        });
        if logged != command || answer != Some(*outcome) {
            return Err(format!(
                "{command:?} was told {outcome:?}; the log has {logged:?}, the model {answer:?}"
            ));
        }
        Ok(*commit)
    }

    /// Laws 2 and 3.
    fn check_order(&self, calls: &[Call], _told: &mut Told) -> Result<(), String> {
        let ceilings = Ceilings::new(calls);
        let mut by_begin: Vec<_> = calls.iter().collect();
        by_begin.sort_unstable_by_key(|call| call.begun);
        // Calls that have begun and whose end the sweep has not come to, with what they tell.
        let mut open: BTreeMap<u64, u64> = BTreeMap::new();
        let mut floor = 0;
        for call in by_begin {
            while let Some(first) = open.first_entry().filter(|entry| *entry.key() < call.begun) {
                floor = floor.max(first.remove());
            }
            let tells = self.place(call, floor)?;
            let is_read = matches!(call.seen, Seen::Row(..) | Seen::Last(_));
            if is_read && tells >= ceilings.at(call.ended) {
                return Err(format!(
                    "it shows {tells}, which was submitted after it had ended: {call:?}"
                ));
            }
            open.insert(call.ended, tells);
        }
        Ok(())
    }

    /// The position that a call tells of, which is not before `floor`.
    fn place(&self, call: &Call, floor: u64) -> Result<u64, String> {
        match &call.seen {
            Seen::Answers(answers) => {
                let mut tells = 0;
                for outcome in answers.iter().filter_map(|(_, result)| result.ok()) {
                    tells = tells.max(outcome.lsn);
                    if !outcome.from_retry_cache && outcome.lsn <= floor {
                        return Err(format!("{floor} was told before it began: {call:?}"));
                    }
                }
                Ok(tells)
            }
            Seen::Failure(..) => Ok(0),
            Seen::Last(lsn) => {
                if *lsn < floor || self.ends.binary_search(lsn).is_err() {
                    return Err(format!(
                        "no commit ends there, or {floor} was told: {call:?}"
                    ));
                }
                Ok(*lsn)
            }
            Seen::Row(id, row) => {
                let from = self.ends.partition_point(|&end| end < floor);
                let rows = &self.rows[id];
                let current = rows.partition_point(|(commit, _)| *commit <= from) - 1;
                let mut fitting = rows[current..].iter().filter(|(_, known)| known == row);
                let (commit, _) = fitting
                    .next()
                    .ok_or_else(|| format!("no state behind {floor} has that row: {call:?}"))?;
                let place = self.ends.get(from.max(*commit)).copied();
                place.ok_or_else(|| format!("{floor} was told and is not in the log: {call:?}"))
            }
        }
    }
}

/// Refusals that a history of ours may see: the tables are larger than it.
fn check_rejection(result: &Result<Outcome, Rejection>) -> Result<(), String> {
    match result {
        Err(Rejection::OperationConflict { .. }) => Ok(()),
        other => Err(format!("refused for no reason: {other:?}")),
    }
}

/// The least fresh position among the calls that begin after a moment.
struct Ceilings(Vec<(u64, u64)>);

impl Ceilings {
    fn new(calls: &[Call]) -> Self {
        let mut least: Vec<_> = calls
            .iter()
            .filter_map(|call| {
                let Seen::Answers(answers) = &call.seen else {
                    return None;
                };
                let fresh = answers.iter().filter_map(|(_, result)| result.ok());
                let fresh = fresh.filter(|outcome| !outcome.from_retry_cache);
                Some((call.begun, fresh.map(|outcome| outcome.lsn).min()?))
            })
            .collect();
        least.sort_unstable();
        for place in (1..least.len()).rev() {
            least[place - 1].1 = least[place - 1].1.min(least[place].1);
        }
        Self(least)
    }

    fn at(&self, moment: u64) -> u64 {
        let place = self.0.partition_point(|(begun, _)| *begun <= moment);
        self.0.get(place).map_or(u64::MAX, |(_, lsn)| *lsn)
    }
}
