//! One life: a schedule carried out on the real engine, judged after every answer.
//!
//! A life is a row of *eras*, each on one disk, which ends with a power cut; an era is a row of
//! *sessions* of one open engine, which end with a close, the death of the process, or the cut. A
//! reader beside the writer lives as long as its disk. What a session does step by step is in
//! `session`, what an opening may find in `opening`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use allocdb_node::Engine;

use super::judge::{Judge, Left};
use super::schedule::{Schedule, Step};
use super::tally::Tally;
use crate::disk::{Disk, Keep};
use crate::model::{Bounds, Command, Model};
use crate::random::Rng;
use crate::workload::Workload;

/// Ids of operations that are asked for now and then.
const RECENT_LEN: usize = 48;

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The process goes on with the same disk.
    Left,
    /// The power is cut.
    Cut(Keep),
    /// The schedule is over.
    Over,
}

/// Whether the newest snapshot is rotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Damage {
    None,
    /// The next opening meets it.
    Fresh,
    /// Unless a checkpoint has put another before it since.
    Old,
}

/// What is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The step's index in the schedule.
    pub step: usize,
    /// What.
    pub text: String,
}

/// What a life came to.
#[derive(Clone, Debug)]
pub struct Lived {
    /// What it met.
    pub tally: Tally,
    /// A checksum over every answer: equal for equal schedules.
    pub digest: u64,
    /// What was wrong, if anything was.
    pub failure: Option<Failure>,
    /// A line for each event, if asked for.
    pub trace: Vec<String>,
}

/// Carries out a schedule.
#[must_use]
pub fn live(schedule: &Schedule, is_traced: bool) -> Lived {
    let mut life = Life::new(schedule, is_traced);
    // An assertion of the engine that fails is a finding like any other.
    let lived = catch_unwind(AssertUnwindSafe(|| life.run()));
    let text = match lived {
        Ok(Ok(())) => None,
        Ok(Err(text)) => Some(text),
        Err(panic) => Some(format!("panicked: {}", panic_text(&*panic))),
    };
    let step = life.next.saturating_sub(1);
    life.tally.lives = 1;
    Lived {
        tally: life.tally,
        digest: life.digest,
        failure: text.map(|text| Failure { step, text }),
        trace: life.trace.unwrap_or_default(),
    }
}

fn panic_text(panic: &(dyn core::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}

#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Life<'s> {
    pub(super) schedule: &'s Schedule,
    /// The next step.
    pub(super) next: usize,
    pub(super) judge: Judge,
    pub(super) workload: Workload,
    pub(super) now: u64,
    pub(super) born: u64,
    pub(super) recent: VecDeque<u128>,
    /// What a crash left open, to be sent again.
    pub(super) repeats: Vec<Command>,
    /// What the tables may be: the last is what was asked for last.
    pub(super) bounds: Vec<Bounds>,
    pub(super) is_created: bool,
    /// Openings tried since the step began.
    pub(super) openings: u64,
    pub(super) left: Left,
    /// Whether the last session ended with a clean close.
    pub(super) is_closed: bool,
    /// A fault is planned, or has come.
    pub(super) is_faulty: bool,
    /// The cache may be dropped when the log is next opened.
    pub(super) is_evicted: bool,
    /// Checkpoints since a snapshot last stood alone.
    pub(super) snapshots: u32,
    pub(super) damage: Damage,
    pub(super) may_damage: bool,
    /// Listing order at a position.
    pub(super) listed: Option<(u64, u64)>,
    pub(super) tally: Tally,
    pub(super) digest: u64,
    pub(super) trace: Option<Vec<String>>,
}

impl<'s> Life<'s> {
    fn new(schedule: &'s Schedule, is_traced: bool) -> Self {
        let workload = Workload::new(&schedule.shape);
        let now = workload.slot();
        Self {
            schedule,
            next: 0,
            judge: Judge::new(Model::new(schedule.shape.bounds)),
            workload,
            now,
            born: now,
            recent: VecDeque::with_capacity(RECENT_LEN),
            repeats: Vec::new(),
            bounds: vec![schedule.shape.bounds],
            is_created: false,
            openings: 0,
            left: Left::Whole,
            is_closed: false,
            is_faulty: false,
            is_evicted: false,
            snapshots: 0,
            damage: Damage::None,
            may_damage: true,
            listed: None,
            tally: Tally::default(),
            digest: 0xCBF2_9CE4_8422_2325,
            trace: is_traced.then(Vec::new),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let mut disk = Disk::new();
        while let Some(keep) = self.era(&disk)? {
            self.tally.crashes += 1;
            self.say(|| format!("power cut, {keep:?} survives"));
            disk = disk.after_crash(keep);
            self.left = Left::Cut;
            self.is_closed = false;
            self.is_faulty = false;
            self.is_evicted = false;
        }
        Ok(())
    }

    /// One disk, until the power is cut; `None` when the schedule is over.
    fn era(&mut self, disk: &Disk) -> Result<Option<Keep>, String> {
        let mut reader = None;
        loop {
            let Some(engine) = self.open(disk)? else {
                let keep = draw_keep(&mut self.dice(0xC07));
                return Ok(Some(keep));
            };
            let end = self.session(disk, &engine, &mut reader)?;
            self.judge.note_durable(engine.health(None).snapshot_lsn.0);
            match end {
                End::Left => self.leave(disk, engine)?,
                End::Cut(keep) => {
                    self.is_closed = false;
                    engine.abandon();
                    return Ok(Some(keep));
                }
                End::Over => {
                    self.leave(disk, engine)?;
                    disk.mend();
                    return self.finish(disk);
                }
            }
        }
    }

    /// In the end it opens, with all that there is.
    fn finish(&mut self, disk: &Disk) -> Result<Option<Keep>, String> {
        if disk.has_crashed() {
            return Ok(Some(Keep::Everything));
        }
        if let Some(engine) = self.open(disk)? {
            self.compare(&engine)?;
            return Ok(None);
        }
        Ok(Some(Keep::Everything))
    }

    /// The end of a process whose disk goes on: a close, or none.
    fn leave(&mut self, disk: &Disk, engine: Engine<&Disk>) -> Result<(), String> {
        let mut dice = self.dice(0x1EAF);
        let is_alive = engine.health(None).accepting_writes;
        self.is_closed = false;
        if dice.chance(55) {
            match engine.close() {
                Ok(()) if is_alive => {
                    self.tally.closes += 1;
                    self.judge.note_sync();
                    self.is_closed = true;
                    self.say(|| "closed".to_owned());
                }
                Ok(()) => {}
                Err(error) if self.is_faulty => {
                    self.left = Left::Cut;
                    self.say(|| format!("closed without a seal: {error}"));
                }
                Err(error) => return Err(format!("close: {error}")),
            }
            drop(engine);
        } else {
            self.tally.deaths += 1;
            self.say(|| "the process dies".to_owned());
            engine.abandon();
        }
        if self.is_faulty && !disk.has_crashed() && dice.chance(40) {
            // A sync may have failed: its pages are clean, and may be dropped at any time.
            disk.evict_at_next_write_open();
            self.is_evicted = true;
            self.left = Left::Cut;
            self.tally.evictions += 1;
            self.say(|| "the kernel drops clean pages".to_owned());
        }
        self.damage(disk, &mut dice);
        Ok(())
    }

    /// The step that is under way.
    pub(super) fn step(&self) -> Step {
        let last = self.schedule.steps.len().saturating_sub(1);
        let index = self.next.saturating_sub(1).min(last);
        let none = Step {
            kind: super::schedule::Kind::Compare,
            seed: 0,
        };
        self.schedule.steps.get(index).copied().unwrap_or(none)
    }

    /// A stream that follows from the step under way.
    pub(super) fn dice(&self, salt: u64) -> Rng {
        Rng::new(self.step().seed ^ self.schedule.shape.seed ^ salt.rotate_left(32))
    }

    pub(super) fn note_operation(&mut self, id: u128) {
        if self.recent.len() == RECENT_LEN {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }

    /// Takes an answer into the life's checksum.
    pub(super) fn mix(&mut self, word: u64) {
        self.digest = (self.digest ^ word)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(23);
    }

    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let step = self.next.saturating_sub(1);
            trace.push(format!("{step:4} slot {:8}  {}", self.now, line()));
        }
    }
}

/// What survives a power cut.
pub(super) fn draw_keep(dice: &mut Rng) -> Keep {
    match dice.below(10) {
        0 => Keep::Nothing,
        1 | 2 => Keep::Everything,
        3 => Keep::AllBut(dice.index(6)),
        4 => Keep::Only(dice.index(6)),
        _ => Keep::Some(dice.draw()),
    }
}
