//! What the engine must answer, and what a restart may find.
//!
//! The judge has the model of everything acknowledged, one commit at most whose fate nobody knows,
//! and, where commits are not synced, the commits since the last sync. A group of submissions is
//! planned before its answers are looked at: who is refused, what is new, at which slot, with which
//! results. A restart then has few legal outcomes, told apart by the LSN alone (R3):
//!
//! - what was acknowledged, whole; with the undecided commit whole or without it (R64, R88);
//! - under `sync = os` and after a power cut or a failed sync, less than that: the end of any
//!   earlier commit, but nothing that was durable, and nothing that a reader was shown (R98).

use std::collections::BTreeMap;

use allocdb_core::hash::Digest;

use crate::model::{Action, Admission, Command, Model, Outcome, Rejection, Verdict};

/// Commands that were to be logged in one frame.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) slot: u64,
    pub(super) commands: Vec<Command>,
}

impl Frame {
    fn apply(&self, model: &mut Model) {
        for command in &self.commands {
            model.apply(self.slot, command);
        }
    }

    /// Its client commands, to be sent again.
    fn client_commands(&self) -> impl Iterator<Item = Command> + '_ {
        let is_client = |command: &&Command| command.operation_id != 0;
        self.commands.iter().filter(is_client).cloned()
    }
}

/// One caller's submission.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// As given; none takes the last applied one.
    pub(super) slot: Option<u64>,
    pub(super) commands: Vec<Command>,
    /// Whether the slot lies beyond what `max_slot_leap` allows.
    pub(super) leaps: bool,
}

/// What one command is to be answered.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Answer {
    Known(Result<Outcome, Rejection>),
    /// The record of this index in the frame.
    New(usize),
    /// That of the same operation, once the frame is applied.
    Repeat(u128),
}

/// What one submission is to be answered.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Fate {
    Refused(usize, Rejection),
    Overflows,
    Leaps,
    Judged(Vec<Answer>),
}

impl Fate {
    /// Whether it waits for the frame.
    pub(super) fn depends(&self) -> bool {
        let Self::Judged(answers) = self else {
            return false;
        };
        answers
            .iter()
            .any(|answer| !matches!(answer, Answer::Known(_)))
    }
}

/// What one group of submissions comes to.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) frame: Frame,
    pub(super) fates: Vec<Fate>,
}

/// How the database was left before it is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Nothing that was written is lost.
    Whole,
    /// What was not synced may be lost.
    Cut,
}

/// What a restart found.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    /// Whether there was an undecided commit, and whether it is there.
    pub(super) undecided: Option<bool>,
    pub(super) is_suffix_lost: bool,
    /// What did not survive, or may not have: to be sent again.
    pub(super) repeats: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) model: Model,
    pub(super) undecided: Option<Frame>,
    /// Under `sync = os`: the state at the last known sync, and what came after.
    unsynced: Option<(Model, Vec<Frame>)>,
    /// The engine's digest at the end of each commit.
    digests: BTreeMap<u64, Digest>,
    /// No restart goes below.
    durable: u64,
    /// The greatest position that a reader was shown.
    pub(super) shown: u64,
}

impl Judge {
    pub(super) fn new(model: Model) -> Self {
        Self {
            model,
            undecided: None,
            unsynced: None,
            digests: BTreeMap::new(),
            durable: 0,
            shown: 0,
        }
    }

    /// Everything so far is durable; what comes is synced, or not.
    pub(super) fn begin(&mut self, is_synced: bool) {
        self.durable = self.model.last_lsn();
        self.unsynced = (!is_synced).then(|| (self.model.clone(), Vec::new()));
    }

    /// Everything so far has been synced.
    pub(super) fn note_sync(&mut self) {
        let is_synced = self.unsynced.is_none();
        self.begin(is_synced);
    }

    /// Everything up to here has been synced.
    pub(super) fn note_durable(&mut self, lsn: u64) {
        self.durable = self.durable.max(lsn);
    }

    /// What may be lost by a power cut.
    pub(super) fn durable(&self) -> u64 {
        match self.unsynced {
            Some(_) => self.durable,
            None => self.model.last_lsn(),
        }
    }

    pub(super) fn note_digest(&mut self, digest: Digest) {
        self.digests.insert(self.model.last_lsn(), digest);
    }

    /// The engine's digest at the end of a commit that was acknowledged or recovered.
    pub(super) fn digest_at(&self, lsn: u64) -> Option<Digest> {
        self.digests.get(&lsn).copied()
    }

    /// Judges one group of submissions, as it is before its commit.
    pub(super) fn plan(&self, callers: &[Caller], auto_expire: bool) -> Plan {
        let model = &self.model;
        let slot_max = model.bounds().slot_max();
        let mut slot = model.last_slot();
        let refusal = |caller: &Caller| {
            let faulty = caller.commands.iter().enumerate();
            let mut faulty = faulty.filter_map(|(index, command)| {
                let checked = model.check(command);
                checked
                    .err()
                    .map(|rejection| Fate::Refused(index, rejection))
            });
            let given = caller.slot.unwrap_or(model.last_slot());
            let late = (given > slot_max).then_some(Fate::Overflows);
            let leap = caller.leaps.then_some(Fate::Leaps);
            faulty.next().or(late).or(leap)
        };
        let mut fates: Vec<_> = callers
            .iter()
            .map(|caller| {
                let refused = refusal(caller);
                if refused.is_none() {
                    slot = slot.max(caller.slot.unwrap_or(0));
                }
                refused.unwrap_or(Fate::Judged(Vec::new()))
            })
            .collect();
        let expires = auto_expire && model.is_due(slot);
        let mut commit = model.begin(slot, expires);
        let mut commands = Vec::new();
        if expires {
            commands.push(Command::expire(model.bounds().max_expirations_per_tick));
        }
        let first_client = commands.len();
        for (caller, fate) in callers.iter().zip(&mut fates) {
            let Fate::Judged(answers) = fate else {
                continue;
            };
            for command in &caller.commands {
                let answer = match model.admit(&mut commit, command, 0) {
                    Admission::New { .. } => {
                        commands.push(command.clone());
                        Answer::New(commands.len() - 1)
                    }
                    Admission::Retry(outcome) => Answer::Known(Ok(outcome)),
                    Admission::RetryOf { .. } => Answer::Repeat(command.operation_id),
                    Admission::Rejected(rejection) => Answer::Known(Err(rejection)),
                };
                answers.push(answer);
            }
        }
        if commands.len() == first_client {
            // R65.
            commands.clear();
        }
        let frame = Frame { slot, commands };
        Plan { frame, fates }
    }

    /// The frame of a tick that has something to do.
    pub(super) fn plan_tick(&self, slot: u64, limit: u32) -> Option<Frame> {
        let slot = slot.max(self.model.last_slot());
        self.model.is_due(slot).then(|| Frame {
            slot,
            commands: vec![Command {
                operation_id: 0,
                valid_until_slot: 0,
                action: Action::ExpireDue { limit },
            }],
        })
    }

    /// Applies a frame that was acknowledged; its verdicts in order.
    pub(super) fn apply(&mut self, frame: Frame, verdicts: &mut Vec<Verdict>) {
        for command in &frame.commands {
            let applied = self.model.apply(frame.slot, command);
            verdicts.push(applied.verdict);
        }
        if let Some((_, frames)) = &mut self.unsynced {
            frames.push(frame);
        }
    }

    /// Follows the database to the position where an opening found it.
    pub(super) fn resolve(&mut self, found: u64, left: Left) -> Result<Resolved, String> {
        let acknowledged = self.model.last_lsn();
        let mut resolved = Resolved::default();
        if let Some(frame) = self.undecided.take() {
            let whole = acknowledged + frame.commands.len() as u64;
            resolved.undecided = Some(found == whole);
            resolved.repeats.extend(frame.client_commands());
            if found == whole {
                frame.apply(&mut self.model);
                return Ok(resolved);
            }
        }
        if found == acknowledged {
            return Ok(resolved);
        }
        let floor = self.durable().max(self.shown);
        let may_lose = left == Left::Cut && self.unsynced.is_some();
        let is_legal = may_lose && (floor..acknowledged).contains(&found);
        let Some((base, frames)) = self.unsynced.take().filter(|_| is_legal) else {
            return Err(format!(
                "opened at LSN {found}: {acknowledged} was acknowledged, {floor} is durable"
            ));
        };
        let mut model = base;
        let mut frames = frames.into_iter();
        while model.last_lsn() < found {
            frames.next().expect("it lies below").apply(&mut model);
        }
        if model.last_lsn() != found {
            return Err(format!("opened at LSN {found}, inside of a commit"));
        }
        resolved.is_suffix_lost = true;
        resolved
            .repeats
            .extend(frames.flat_map(|frame| frame.client_commands().collect::<Vec<_>>()));
        self.digests.split_off(&(found + 1));
        model.grow(*self.model.bounds());
        self.model = model;
        Ok(resolved)
    }
}
