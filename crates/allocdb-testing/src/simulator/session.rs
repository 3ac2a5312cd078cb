//! One session: the steps of the schedule on one open engine.

use allocdb_core::{Lsn, ResourceId, Slot};
use allocdb_node::{
    CheckpointError, Diagnostics, Engine, Level, OpenMode, Options, ReadError, RefreshError,
    SubmitError, TickResult,
};

use super::compare;
use super::judge::Caller;
use super::life::{End, Life, draw_keep};
use super::opening::libc_eio;
use super::schedule::{Kind, YEAR_SLOTS};
use crate::disk::{Disk, Fault, Keep};
use crate::random::Rng;
use crate::workload::resource_id;

/// ENOSPC, on every system that the product runs on.
const ENOSPC: i32 = 28;

/// A reader beside the writer, and what it showed last.
pub(super) type Reader<'d> = Option<(Engine<&'d Disk>, u64)>;

/// Whether the engine still works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Works {
    Yes,
    Halted,
}

impl Life<'_> {
    /// Carries out steps until the session ends.
    pub(super) fn session<'d>(
        &mut self,
        disk: &'d Disk,
        engine: &Engine<&'d Disk>,
        reader: &mut Reader<'d>,
    ) -> Result<End, String> {
        if self.send_again(engine)? == Works::Halted {
            return self.halted(disk, engine);
        }
        while self.next < self.schedule.steps.len() {
            self.next += 1;
            self.openings = 0;
            let mut dice = self.dice(0x57E9);
            let works = match self.step().kind {
                Kind::Submit => self.submit(engine, &mut dice)?,
                Kind::Wait => {
                    let slots = 1 + dice.below(2 * self.schedule.wait_slots_max);
                    self.wait(engine, slots)?
                }
                Kind::Year => {
                    let past = self.now - self.born;
                    self.wait(engine, YEAR_SLOTS.saturating_sub(past))?
                }
                Kind::Sleep => {
                    let slots = dice.below(3 * self.schedule.shape.bounds.max_ttl_slots);
                    self.now = self.now.saturating_add(slots);
                    self.keep_time();
                    Works::Yes
                }
                Kind::Tick => {
                    let slot = self.now.saturating_sub(dice.below(3));
                    self.tick(engine, slot, dice.between_u32(0, 3))?
                }
                Kind::Checkpoint => self.checkpoint(engine)?,
                Kind::Backup => {
                    self.backup(engine, &mut dice)?;
                    Works::Yes
                }
                Kind::Read => {
                    self.read(engine, &mut dice)?;
                    Works::Yes
                }
                Kind::Reader => {
                    self.read_beside(disk, engine, reader, &mut dice)?;
                    Works::Yes
                }
                Kind::Fault => {
                    self.plan_fault(disk, &mut dice);
                    Works::Yes
                }
                Kind::Full => self.fill(disk, engine, &mut dice)?,
                Kind::Restart => return Ok(Self::restart(disk, &mut dice)),
                Kind::Compare => {
                    self.compare(engine)?;
                    Works::Yes
                }
            };
            if works == Works::Halted || engine.health(None).halt.is_some() {
                return self.halted(disk, engine);
            }
        }
        Ok(End::Over)
    }

    fn restart(disk: &Disk, dice: &mut Rng) -> End {
        if disk.has_crashed() || dice.chance(35) {
            return End::Cut(draw_keep(dice));
        }
        disk.mend();
        End::Left
    }

    /// R78, R89: what has halted answers nothing, and only opening helps.
    fn halted(&mut self, disk: &Disk, engine: &Engine<&Disk>) -> Result<End, String> {
        self.tally.halts += 1;
        self.say(|| "halted".to_owned());
        if !self.is_faulty {
            return Err("halted, though nothing failed".to_owned());
        }
        let read = engine.resource(Lsn(0), ResourceId(1));
        if !matches!(read, Err(ReadError::Halted { .. })) {
            return Err(format!("a halted engine reads {read:?}"));
        }
        let ticked = engine.tick(Some(Slot(self.now)), 0);
        if !matches!(ticked, Err(SubmitError::Halted { .. })) {
            return Err(format!("a halted engine ticks {ticked:?}"));
        }
        let mut dice = self.dice(0x4A17);
        let is_cut = disk.has_crashed() || dice.chance(40);
        disk.mend();
        if is_cut {
            return Ok(End::Cut(draw_keep(&mut dice)));
        }
        Ok(End::Left)
    }

    /// What a crash left open is sent again, with the same operation ids.
    fn send_again(&mut self, engine: &Engine<&Disk>) -> Result<Works, String> {
        let repeats = std::mem::take(&mut self.repeats);
        if repeats.is_empty() {
            return Ok(Works::Yes);
        }
        self.tally.repeats_after_crash += repeats.len() as u64;
        let callers = repeats.chunks(8).map(|commands| Caller {
            slot: None,
            commands: commands.to_vec(),
            leaps: false,
        });
        for caller in callers {
            if self.commit(engine, &[caller], false)? == Works::Halted {
                return Ok(Works::Halted);
            }
        }
        Ok(Works::Yes)
    }

    fn submit(&mut self, engine: &Engine<&Disk>, dice: &mut Rng) -> Result<Works, String> {
        self.workload.rng = dice.fork();
        self.workload.adopt(self.now, core::iter::empty());
        if dice.chance(30) {
            self.now += 1;
            self.keep_time();
        }
        let count = match dice.below(8) {
            0..4 => 1,
            4..6 => 2,
            6 => dice.between(3, 5),
            _ => dice.between(6, 9),
        };
        let callers: Vec<_> = (0..count).map(|_| self.caller(engine, dice)).collect();
        self.commit(engine, &callers, dice.chance(70) || count > 1)
    }

    fn caller(&mut self, engine: &Engine<&Disk>, dice: &mut Rng) -> Caller {
        let slot_max = self.workload.shape().bounds.slot_max();
        let leap = engine.settings().max_slot_leap;
        let mut leaps = false;
        let slot = match dice.below(60) {
            0..6 => None,
            6..12 => Some(self.now.saturating_sub(dice.below(4))),
            12 if leap == 0 => Some(slot_max.saturating_add(1 + dice.below(2))),
            13 | 14 if leap > 0 && self.has_base(engine) => {
                leaps = true;
                Some(self.now + (leap << 4))
            }
            _ => Some(self.now),
        };
        let len = self.workload.commit_len();
        let model = &self.judge.model;
        let commands: Vec<_> = (0..len)
            .map(|_| self.workload.next_command(model))
            .collect();
        for command in &commands {
            self.note_operation(command.operation_id);
        }
        Caller {
            slot,
            commands,
            leaps,
        }
    }

    /// The bound on leaps counts from the first slot seen: make sure that it was a sane one.
    fn has_base(&self, engine: &Engine<&Disk>) -> bool {
        let model = &self.judge.model;
        let slot = model.last_slot();
        let is_early = self.now < 1 << 50 && !model.is_due(slot);
        is_early && engine.tick(Some(Slot(slot)), 1).is_ok()
    }

    /// Slots never go beyond the greatest that a command may carry.
    fn keep_time(&mut self) {
        let slot_max = self.workload.shape().bounds.slot_max();
        self.now = self.now.min(slot_max);
    }

    /// A tick in every slot.
    fn wait(&mut self, engine: &Engine<&Disk>, slots: u64) -> Result<Works, String> {
        let slot_max = self.workload.shape().bounds.slot_max();
        let end = self.now.saturating_add(slots).min(slot_max);
        self.tally.slots += end - self.now;
        let idle = |slot| TickResult {
            slot,
            ..TickResult::default()
        };
        let mut last = idle(Slot(self.judge.model.last_slot()));
        while self.now < end {
            self.now += 1;
            if self.judge.model.is_due(self.now) {
                if self.tick(engine, self.now, 0)? == Works::Halted {
                    return Ok(Works::Halted);
                }
                last = idle(Slot(self.judge.model.last_slot()));
                continue;
            }
            let ticked = engine.tick(Some(Slot(self.now)), 0);
            if ticked != Ok(last) {
                if matches!(ticked, Err(SubmitError::Halted { .. })) && self.is_faulty {
                    return Ok(Works::Halted);
                }
                return Err(format!("nothing is due, and a tick answers {ticked:?}"));
            }
        }
        Ok(Works::Yes)
    }

    /// One tick, whatever is due.
    fn tick(&mut self, engine: &Engine<&Disk>, slot: u64, limit: u32) -> Result<Works, String> {
        let most = self.judge.model.bounds().max_expirations_per_tick;
        let limit_used = if limit == 0 { most } else { limit.min(most) };
        let frame = self.judge.plan_tick(slot, limit_used);
        let ticked = engine.tick(Some(Slot(slot)), limit);
        let Some(frame) = frame else {
            let slot = Slot(self.judge.model.last_slot());
            let idle = TickResult {
                slot,
                ..TickResult::default()
            };
            return match ticked {
                Ok(ticked) if ticked == idle => Ok(Works::Yes),
                Err(SubmitError::Halted { .. }) if self.is_faulty => Ok(Works::Halted),
                _ => Err(format!("nothing is due, and a tick answers {ticked:?}")),
            };
        };
        let at = frame.slot;
        match ticked {
            Ok(ticked) => {
                let mut verdicts = Vec::new();
                self.judge.apply(frame, &mut verdicts);
                let model = &self.judge.model;
                let expired_count = match verdicts[0] {
                    crate::model::Verdict::Expired { count } => count,
                    _ => 0,
                };
                let wanted = TickResult {
                    lsn: Lsn(model.last_lsn()),
                    slot: Slot(at),
                    expired_count,
                    due_count: model.backlog(at) as u64,
                };
                if ticked != wanted {
                    return Err(format!("a tick answers {ticked:?}, not {wanted:?}"));
                }
                self.tally.ticks_due += 1;
                self.tally.expirations += u64::from(expired_count);
                self.mix(ticked.lsn.0 ^ u64::from(expired_count));
                self.say(|| format!("{ticked:?}"));
                self.committed(engine)?;
                Ok(Works::Yes)
            }
            Err(error) => self.failed(frame, error),
        }
    }

    fn checkpoint(&mut self, engine: &Engine<&Disk>) -> Result<Works, String> {
        let made = engine.checkpoint();
        self.say(|| format!("checkpoint: {made:?}"));
        match made {
            Ok(report) => {
                if report.anchor_lsn.0 != self.judge.model.last_lsn() {
                    return Err(format!("{report:?}"));
                }
                if report.written {
                    self.tally.checkpoints += 1;
                    self.snapshots += 1;
                }
                // Where nothing has moved since a checkpoint, that one synced it.
                self.judge.note_sync();
                Ok(Works::Yes)
            }
            Err(_) if !self.is_faulty => Err(format!("{made:?}, though nothing fails")),
            Err(CheckpointError::Temporary { .. }) => {
                self.tally.checkpoints_given_up += 1;
                Ok(Works::Yes)
            }
            Err(CheckpointError::Fatal { .. } | CheckpointError::Halted { .. }) => {
                Ok(Works::Halted)
            }
            Err(error) => Err(format!("checkpoint: {error}")),
        }
    }

    fn read(&mut self, engine: &Engine<&Disk>, dice: &mut Rng) -> Result<(), String> {
        self.tally.reads += 1;
        if engine.health(None).halt.is_some() {
            return Ok(());
        }
        let operation_id = match self.recent.len() {
            0 => 1,
            len => self.recent[dice.index(len)],
        };
        let id = resource_id(1 + dice.below(self.schedule.shape.resource_ids + 1));
        compare::some(engine, &self.judge.model, dice, operation_id, id)
    }

    /// Everything that can be read.
    pub(super) fn compare(&mut self, engine: &Engine<&Disk>) -> Result<(), String> {
        if engine.health(None).halt.is_some() {
            return Ok(());
        }
        self.tally.comparisons += 1;
        let operations = self.recent.iter().copied();
        let sum = compare::whole(engine, &self.judge.model, operations)?;
        self.mix(sum);
        // R76, R85, R95: listings keep their order across every restart.
        let lsn = self.judge.model.last_lsn();
        if let Some((at, before)) = self.listed
            && at == lsn
            && before != sum
        {
            return Err(format!(
                "at LSN {lsn} listings have another order than before"
            ));
        }
        self.listed = Some((lsn, sum));
        Ok(())
    }

    /// R97 to R99.
    fn read_beside<'d>(
        &mut self,
        disk: &'d Disk,
        engine: &Engine<&'d Disk>,
        reader: &mut Reader<'d>,
        dice: &mut Rng,
    ) -> Result<(), String> {
        if disk.has_crashed() {
            return Ok(());
        }
        if dice.chance(10) {
            *reader = None;
        }
        let before = if let Some((reader, before)) = reader {
            self.tally.refreshes += 1;
            let refreshed = reader.refresh();
            let lsn = refreshed.map_err(|error: RefreshError| format!("refresh: {error}"))?;
            if lsn.0 < *before {
                return Err(format!("a reader went back from {before} to {}", lsn.0));
            }
            *before = lsn.0;
            lsn.0
        } else {
            let options = Options {
                mode: OpenMode::Existing,
                read_only: true,
                log_ring_bytes: 64,
                ..Options::default()
            };
            let opened = Engine::open(disk, &options, Diagnostics::new(Level::Error, 64, None));
            let opened = opened.map_err(|error| format!("opening for reading: {error}"))?;
            self.tally.readers += 1;
            let lsn = opened.last_lsn().0;
            *reader = Some((opened, lsn));
            lsn
        };
        let (reader, _) = reader.as_ref().expect("it is open");
        self.judge.shown = self.judge.shown.max(before);
        self.mix(before);
        self.say(|| format!("a reader shows LSN {before}"));
        self.judge_reader(disk, engine, reader, before)
    }

    /// Whether a position is there when nothing survives but what was synced.
    fn survives(&mut self, disk: &Disk, lsn: u64) -> Result<(), String> {
        let image = disk.after_crash(Keep::Nothing);
        let options = Options {
            mode: OpenMode::Existing,
            log_ring_bytes: 64,
            ..Options::default()
        };
        let opened = Engine::open(&image, &options, Diagnostics::new(Level::Error, 64, None));
        let opened = opened.map_err(|error| format!("behind a cut: {error}"))?;
        let left = opened.last_lsn().0;
        self.tally.proofs_tried += 1;
        if left < lsn {
            return Err(format!("a reader shows LSN {lsn}, a cut leaves {left}"));
        }
        Ok(())
    }

    fn judge_reader(
        &mut self,
        disk: &Disk,
        engine: &Engine<&Disk>,
        reader: &Engine<&Disk>,
        lsn: u64,
    ) -> Result<(), String> {
        self.judge.note_durable(engine.health(None).snapshot_lsn.0);
        let durable = self.judge.durable();
        if lsn > durable {
            // More has been synced than the judge knows of, or the reader is wrong: cut and see.
            self.survives(disk, lsn)?;
        }
        if !self.is_faulty && lsn < durable {
            return Err(format!(
                "a reader shows LSN {lsn} only, {durable} is durable"
            ));
        }
        let digest = reader.digest().map_err(|error| error.to_string())?;
        let known = self.judge.digest_at(lsn);
        if known.is_some_and(|known| known != digest) {
            return Err(format!(
                "a reader at LSN {lsn} shows a state that never was"
            ));
        }
        if lsn == self.judge.model.last_lsn() {
            compare::whole_rows(reader, &self.judge.model)?;
        }
        Ok(())
    }

    fn plan_fault(&mut self, disk: &Disk, dice: &mut Rng) {
        let fault = match dice.below(20) {
            0..12 => Fault::Crash,
            12..16 => Fault::Errno(libc_eio()),
            16..18 => Fault::Errno(ENOSPC),
            18 => Fault::ErrnoForGood(libc_eio()),
            _ => Fault::ErrnoForGood(ENOSPC),
        };
        let skipped = dice.below(60);
        disk.plan(skipped, fault);
        self.is_faulty = true;
        self.tally.failed_operations += u64::from(fault != Fault::Crash);
        self.say(|| format!("after {skipped} operations: {fault:?}"));
    }

    /// The disk is full, or no file can be opened, for a few calls; then there is room again.
    fn fill(
        &mut self,
        disk: &Disk,
        engine: &Engine<&Disk>,
        dice: &mut Rng,
    ) -> Result<Works, String> {
        let was_faulty = std::mem::replace(&mut self.is_faulty, true);
        let is_full = dice.chance(70);
        if is_full {
            disk.bound_room(Some(disk.bytes() + dice.index(4) * 512));
        } else {
            disk.bound_descriptors(Some(0));
        }
        self.say(|| format!("no room: {is_full}; else no descriptors"));
        let mut works = Works::Yes;
        for _ in 0..dice.between(1, 6) {
            works = match dice.below(4) {
                0 => self.checkpoint(engine)?,
                _ => self.submit(engine, dice)?,
            };
            if works == Works::Halted {
                break;
            }
        }
        disk.bound_room(None);
        disk.bound_descriptors(None);
        let has_halted = engine.health(None).halt.is_some();
        if has_halted && !was_faulty {
            return Err("no room halted the engine".to_owned());
        }
        self.is_faulty = was_faulty;
        Ok(works)
    }
}
