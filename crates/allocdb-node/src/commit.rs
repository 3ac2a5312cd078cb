//! One group commit, from the callers' commands to their answers.
//!
//! 1. *Stage*: each command is read once from its caller, encoded into the frame, decoded from
//!    there, and checked by what it and the configuration decide. A submission with one that fails
//!    is refused whole, before anything of it is sequenced. From here on its form is not asked
//!    about until it is applied.
//! 2. *Accept*: a pure read at the commit's slot, the greatest of all (R63). Retries, conflicts and
//!    what state rules out are answered at once and leave the frame; what is new stays in it.
//! 3. *Log*: room in the file first, then the frame is made durable. With nothing new, neither
//!    (R65).
//! 4. *Apply*: the records are decoded from the very bytes that were written (R67), by the same
//!    `apply` as in recovery; each answer goes to its caller.
//! 5. *Publish*: the group's threads are woken. If the log has grown enough, the leader writes a
//!    slice of a checkpoint ([`upkeep`]), while the next group gathers.
//!
//! The state's lock is held for reading in steps 1 and 2, for writing in step 4, and not in
//! between: no read ever waits for a sync (R72). What does not agree between steps 2 and 4 is an
//! assertion, and the panic halts the engine: an answer that the log does not hold is worse than
//! none.
//!
//! Commands are looked at in strides, for which the memory that they need is loaded first.
//!
//! Rejected: staging apart from the frame, so that a retry leaves no hole. Few commits have one,
//! and closing it moves the records behind it once; staging apart copied every record of every
//! commit.

mod upkeep;

use std::collections::TryReserveError;
use std::ops::Range;
use std::time::Instant;

use allocdb_core::canary::{Canary, is_planted, panic_if_planted};
use allocdb_core::codec::EXPIRE_DUE_BYTES;
use allocdb_core::log::{
    EncodedFrame, FRAME_HEADER_BYTES, FrameBuilder, FrameMeta, SECTOR_BYTES, commands,
};
use allocdb_core::outcome::Verdict;
use allocdb_core::state::{Acceptance, Admission, Glance, STRIDE, State};
use allocdb_core::{Action, Command, Config, Lsn, OperationId, Rejection, Slot};

use crate::aligned::AlignedBytes;
use crate::checkpoint::Checkpoint;
use crate::clock::LeapGuard;
use crate::diagnostics::{Diagnostics, Level};
use crate::error::{FileName, IoError, SubmitError};
use crate::halt::HaltReason;
use crate::health::{Counters, Health};
use crate::health_page::HealthPage;
use crate::options::{Settings, SyncMode};
use crate::queue::{Group, Queue};
use crate::report::{CheckpointReport, RecoveryReport, TickResult};
use crate::storage::Storage;
use crate::submission::{Kind, Submission};
use crate::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::wal::{ReserveError, Wal};
use crate::wire::figures::Figures;

/// What commits and reads share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) state: RwLock<State>,
    pub(crate) figures: Mutex<Counters>,
    pub(crate) leap: LeapGuard,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) queue: Queue,
}

impl Shared {
    /// What an engine that has just opened shares.
    pub(crate) fn new(
        state: State,
        settings: Settings,
        recovery: RecoveryReport,
        queue: Queue,
        diagnostics: Diagnostics,
    ) -> Self {
        let config = *state.config();
        let leap = LeapGuard::new(
            settings.max_slot_leap,
            settings.clock,
            config.slot_duration_ms,
            state.last_slot(),
        );
        let counters = Counters {
            recovery,
            ..Counters::default()
        };
        Self {
            config,
            settings,
            state: RwLock::new(state),
            figures: Mutex::new(counters),
            leap,
            diagnostics,
            queue,
        }
    }

    /// Halts the engine and says so.
    pub(crate) fn halt(&self, reason: HaltReason) {
        self.queue.halt(reason);
        self.diagnostics
            .log(Level::Error, format_args!("halted: {reason}"));
    }

    pub(crate) fn figures(&self) -> MutexGuard<'_, Counters> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for a leader: poison means that an earlier one panicked, after which none leads.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("a halted engine has no leader")
    }

    /// The same, for what a leader changes.
    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("a halted engine has no leader")
    }

    /// The engine's figures as of `slot`, or of the last applied one.
    pub(crate) fn health(&self, slot: Option<Slot>, is_closing: bool) -> Health {
        let halt = self.queue.halt_reason();
        let (queue_len, overloads) = self.queue.len_and_overloads();
        // A halted engine's state is still good for figures.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        // As of the caller's slot: where nobody commits, the last applied one would show nothing
        // due.
        let slot = slot.unwrap_or(state.last_slot());
        let usage = state.usage(slot);
        Health {
            accepting_writes: halt.is_none() && !is_closing,
            halt,
            queue_len,
            queue_capacity: self.queue.bounds().ticket_count,
            overloads,
            last_lsn: state.last_lsn(),
            last_slot: state.last_slot(),
            logical_slot_lag: slot.0.saturating_sub(state.last_slot().0),
            expiration_backlog: usage.expiration_backlog.into(),
            resources: usage.resources.into(),
            reservations: usage.reservations.into(),
            operations: usage.operations.into(),
            ..self.figures().health()
        }
    }
}

/// What the leader works with; everything is reserved at open.
pub(crate) struct Committer<S: Storage> {
    wal: Wal<S>,
    /// What observers see; none where it could not be had.
    page: Option<HealthPage<S>>,
    acceptance: Acceptance,
    /// The frame of the commit.
    frame: AlignedBytes,
    /// The commit's commands, retries and all.
    staged: Vec<Staged>,
    /// For each client record of the frame, its command in `staged`.
    logged: Vec<u32>,
    /// Commands that repeat one of the same commit.
    repeats: Vec<Repeat>,
    /// Log growth at which the next checkpoint is due.
    checkpoint_due_bytes: u64,
    /// The checkpoint under way.
    checkpoint: Option<Checkpoint<S>>,
    /// The last one.
    finished: CheckpointReport,
}

/// One command of the commit.
#[derive(Clone, Copy, Debug)]
struct Staged {
    /// Its submission in the group.
    submission: u32,
    /// Its place in that submission.
    index: u32,
    glance: Glance,
}

/// A command that repeats an earlier one of its commit, in `staged`.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    tag: u32,
    operation_id: OperationId,
}

/// A frame that is accepted and encoded, to be written.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    meta: FrameMeta,
    encoded: EncodedFrame,
    record_count: u32,
    payload_len: usize,
}

impl<S: Storage> Committer<S> {
    /// Reserves the leader's memory.
    pub(crate) fn new(wal: Wal<S>, settings: &Settings) -> Result<Self, TryReserveError> {
        let command_count = settings.max_batch_commands as usize;
        Ok(Self {
            wal,
            page: None,
            acceptance: Acceptance::new(settings.max_batch_commands)?,
            frame: AlignedBytes::new(frame_bytes(settings))?,
            staged: reserved(command_count)?,
            logged: reserved(command_count)?,
            repeats: reserved(command_count)?,
            checkpoint_due_bytes: settings.checkpoint_wal_bytes,
            checkpoint: None,
            finished: CheckpointReport::default(),
        })
    }

    /// Carries out one group.
    pub(crate) fn lead(&mut self, shared: &Shared, group: &mut Group<'_>) {
        match group.submission(0).kind() {
            Kind::Batch => self.commit(shared, group),
            Kind::Tick { limit } => {
                assert!(group.len() == 1, "a tick is alone in its group");
                self.tick(shared, group.submission(0), limit);
            }
            Kind::Checkpoint { target } => {
                assert!(group.len() == 1, "a checkpoint is alone in its group");
                let result = self.checkpoint_for(shared, target);
                let submission = group.submission(0);
                submission.checkpoint = result;
                submission.verdict = Ok(());
                return self.show(shared, false);
            }
            Kind::Look => {
                assert!(group.len() == 1, "a look is alone in its group");
                let submission = group.submission(0);
                submission.show(&shared.state());
                submission.verdict = Ok(());
            }
        }
        // Before anybody is answered: who hears of a commit finds it in the page.
        self.show(shared, false);
        if shared.queue.halt_reason().is_none() && self.has_upkeep() {
            // Nobody waits for a checkpoint; else the group goes when the next leader is called.
            group.publish();
            self.keep_up(shared);
            self.show(shared, false);
        }
    }

    /// Seals the log at a clean close.
    pub(crate) fn seal(&mut self, shared: &Shared) -> Result<(), IoError> {
        panic_if_planted(Canary::PanicInClose);
        self.give_up_checkpoint(shared);
        self.wal.seal()
    }

    /// Begins to show observers what goes on, once the database is open.
    pub(crate) fn open_page(&mut self, shared: &Shared) {
        match HealthPage::open(&self.wal.storage, shared.config.database_id) {
            Ok(page) => {
                self.page = Some(page);
                self.show(shared, false);
            }
            Err(error) => self.give_up_page(shared, error),
        }
    }

    /// Shows observers the figures and what is durable, as they are now.
    pub(crate) fn show(&mut self, shared: &Shared, is_closing: bool) {
        self.count_log(shared);
        let Some(page) = &mut self.page else {
            return;
        };
        let health = shared.health(None, is_closing);
        let reached = (self.wal.durable_lsn(), health.last_slot);
        let update = |figures: &mut Figures| figures.show(&health);
        let shown = page.publish(&self.wal.storage, reached, update);
        if let Err(error) = shown {
            self.give_up_page(shared, error);
        }
    }

    /// Goes on without a page. What lies there is removed: a page that nobody updates would pass
    /// for an idle owner's.
    fn give_up_page(&mut self, shared: &Shared, error: IoError) {
        self.page = None;
        let _ = self.wal.storage.remove(FileName::Health);
        shared.diagnostics.log(
            Level::Warning,
            format_args!("observers in other processes see no figures: {error}"),
        );
    }

    fn commit(&mut self, shared: &Shared, group: &mut Group<'_>) {
        self.make_room_for_group(shared, group);
        let accepted = self.accept(shared, group);
        if is_planted(Canary::DoneBeforeAnswered) {
            conclude(group);
            group.publish();
        }
        if let Some(accepted) = accepted {
            if is_planted(Canary::AppliedBeforeSynced) {
                self.apply(shared, group, accepted);
                if let Err(error) = self.write(shared, accepted) {
                    fail(group, error);
                }
                return conclude(group);
            }
            match self.write(shared, accepted) {
                Ok(()) => self.apply(shared, group, accepted),
                Err(error) => fail(group, error),
            }
        }
        conclude(group);
    }

    /// Stages the group's commands in the frame and judges them in order; what is new stays in the
    /// frame. `None` when nothing is (R65).
    fn accept(&mut self, shared: &Shared, group: &mut Group<'_>) -> Option<Accepted> {
        self.staged.clear();
        self.logged.clear();
        self.repeats.clear();
        let state = shared.state();
        let mut frame = FrameBuilder::new(self.frame.bytes_mut());
        let may_expire = shared.settings.auto_expire && state.is_due(slot_at_most(group, &state));
        if may_expire {
            let command = expire_due(shared.config.max_expirations_per_tick);
            assert!(frame.push(&command), "the frame has room for it");
        }
        let slot = stage(shared, &state, group, &mut frame, &mut self.staged);
        let mut sieve = frame.sift();
        // R59: one expire_due in front, when there is something due and something new.
        let expires = may_expire && state.is_due(slot);
        if expires {
            sieve.keep(EXPIRE_DUE_BYTES);
        } else if may_expire {
            sieve.leave_out(EXPIRE_DUE_BYTES);
        }
        let (mut retries, mut rejections) = (0, 0);
        self.acceptance
            .begin_of(&state, slot, expires, self.staged.len());
        let first_lsn = Lsn(state.last_lsn().0.saturating_add(1 + u64::from(expires)));
        for (stride, tag_begin) in self.staged.chunks(STRIDE).zip((0..).step_by(STRIDE)) {
            let lsn = Lsn(first_lsn.0.saturating_add(self.logged.len() as u64));
            state.look_ahead(lsn, stride.iter().map(|staged| staged.glance));
            for (tag, staged) in (tag_begin..).zip(stride) {
                let head = sieve.current_head();
                let (head, len) = head.expect("what was staged was decoded and checked before");
                let operation_id = head.operation_id;
                let submission = group.submission(staged.submission as usize);
                let hashes = &staged.glance.hashes;
                let admission = self.acceptance.admit_checked(&state, &head, hashes, tag);
                #[cfg(test)]
                let admission = tests::planted(admission);
                if matches!(admission, Admission::New { .. }) {
                    sieve.keep(len);
                } else {
                    sieve.leave_out(len);
                }
                match admission {
                    Admission::New { .. } => {
                        submission.depends_on_commit = true;
                        self.logged.push(tag);
                    }
                    Admission::RetryOf { .. } => {
                        submission.depends_on_commit = true;
                        self.repeats.push(Repeat { tag, operation_id });
                        retries += 1;
                    }
                    Admission::Retry(outcome) => {
                        submission.settle(staged.index, Ok(outcome));
                        retries += 1;
                    }
                    Admission::Rejected(rejection) => {
                        submission.settle(staged.index, Err(rejection));
                        rejections += 1;
                    }
                }
            }
        }
        let refused = (0..group.len()).filter(|&number| !group.submission(number).is_open());
        let refused = refused.count() as u64;
        let mut figures = shared.figures();
        figures.retries += retries;
        figures.rejections += rejections + refused;
        let has_new = !self.logged.is_empty();
        has_new.then(|| finish(&self.wal, shared, sieve.finish(), slot))
    }

    /// Makes the frame durable, before anything of it is applied or answered (R88). An error that
    /// is definite leaves everything as it was; any other halts (R89).
    fn write(&mut self, shared: &Shared, accepted: Accepted) -> Result<(), SubmitError> {
        assert!(accepted.record_count > 0, "a commit has something new");
        let frame = &self.frame.bytes()[..accepted.encoded.len];
        match self.wal.reserve(frame.len()) {
            Ok(()) => {}
            Err(ReserveError::Full(error)) => {
                shared
                    .diagnostics
                    .log(Level::Warning, format_args!("the log cannot grow: {error}"));
                return Err(SubmitError::StorageFull { error });
            }
            Err(ReserveError::Failed(error)) => {
                shared.halt(HaltReason::Storage(error));
                return Err(SubmitError::StorageFailure { error });
            }
        }
        panic_if_planted(Canary::PanicBeforeWrite);
        let begun = Instant::now();
        let appended = self.wal.append(frame, &accepted.encoded, &accepted.meta);
        if let Err(error) = appended {
            shared.halt(HaltReason::Storage(error));
            return Err(SubmitError::StorageFailure { error });
        }
        panic_if_planted(Canary::PanicAfterWrite);
        let write_ns = elapsed_ns(begun);
        let record_count = accepted.record_count.into();
        shared
            .figures()
            .count_write(write_ns, accepted.meta.is_synced, record_count);
        Ok(())
    }

    /// Applies the records of the frame as it was written, and answers.
    fn apply(&mut self, shared: &Shared, group: &mut Group<'_>, accepted: Accepted) {
        let payload = &self.frame.bytes()[FRAME_HEADER_BYTES..][..accepted.payload_len];
        let slot = accepted.meta.request_slot;
        let mut state = shared.state_mut();
        let mut figures = shared.figures();
        let mut records = commands(payload, accepted.meta.first_lsn);
        if accepted.record_count as usize > self.logged.len() {
            let (lsn, command) = records.next().expect("an expire_due stands in front");
            let applied = state.apply(slot, &command);
            assert!(applied.lsn == lsn, "a command takes the LSN it was given");
            let Verdict::Expired { count } = applied.verdict else {
                panic!("an expire_due within its bounds is never refused");
            };
            figures.expirations += u64::from(count);
            figures.commands_by_kind[command.action.kind() as usize] += 1;
        }
        for tags in self.logged.chunks(STRIDE) {
            let glances = tags.iter().map(|&tag| self.staged[tag as usize].glance);
            state.look_ahead_to_apply(slot, glances);
            for (tag, (lsn, command)) in tags.iter().zip(&mut records) {
                let staged = self.staged[*tag as usize];
                let applied = state.apply_hashed(slot, &command, &staged.glance.hashes);
                assert!(applied.lsn == lsn, "a command takes the LSN it was given");
                panic_if_planted(Canary::PanicInApply);
                figures.commands_by_kind[staged.glance.kind as usize] += 1;
                let Verdict::Outcome(outcome) = applied.verdict else {
                    panic!("accepted at LSN {}, then {:?}", lsn.0, applied.verdict);
                };
                assert!(!outcome.from_retry_cache, "what is logged is new");
                figures.outcomes_by_code[outcome.code as usize] += 1;
                let submission = group.submission(staged.submission as usize);
                submission.settle(staged.index, Ok(outcome));
            }
        }
        assert!(records.next().is_none(), "every record is answered");
        assert!(records.rest().is_empty(), "what was written decodes whole");
        let last_lsn = accepted.encoded.last_lsn;
        assert!(state.last_lsn() == last_lsn, "every answer has its record");
        // R62: an equal command of the same commit gets the first one's answer.
        for &Repeat { tag, operation_id } in &self.repeats {
            let staged = self.staged[tag as usize];
            let operation_id = if is_planted(Canary::RepeatGetsAnother) {
                let mut logged = commands(payload, accepted.meta.first_lsn);
                let first = logged.find(|(_, command)| !command.operation_id.is_zero());
                first.expect("something is new").1.operation_id
            } else {
                operation_id
            };
            let outcome = state.operation(operation_id);
            let outcome = outcome.expect("the first one was just applied");
            let submission = group.submission(staged.submission as usize);
            submission.settle(staged.index, Ok(outcome));
        }
    }

    fn tick(&mut self, shared: &Shared, submission: &mut Submission<'_>, limit: u32) {
        submission.verdict = self
            .tick_at(shared, submission.slot(), limit)
            .map(|result| {
                submission.tick = result;
            });
    }

    fn tick_at(
        &mut self,
        shared: &Shared,
        slot: Slot,
        limit: u32,
    ) -> Result<TickResult, SubmitError> {
        let bound = shared.config.slot_max();
        if slot > bound {
            return Err(SubmitError::SlotOverflow { slot, bound });
        }
        if let Err(bound) = shared.leap.check(slot) {
            return Err(SubmitError::SlotLeap { slot, bound });
        }
        let (slot, last_lsn) = {
            let state = shared.state();
            let slot = slot.max(state.last_slot());
            if !state.is_due(slot) {
                // R59: with nothing due it writes nothing.
                let slot = state.last_slot();
                return Ok(TickResult {
                    slot,
                    ..TickResult::default()
                });
            }
            (slot, state.last_lsn())
        };
        if last_lsn.after(1).is_none() {
            return Err(SubmitError::LsnExhausted);
        }
        self.make_room(shared, limit as usize);
        let mut frame = FrameBuilder::new(self.frame.bytes_mut());
        assert!(frame.push(&expire_due(limit)), "a frame has room for one");
        let accepted = finish(&self.wal, shared, frame, slot);
        self.write(shared, accepted)?;
        let mut state = shared.state_mut();
        let applied = state.apply(slot, &expire_due(limit));
        assert!(
            applied.lsn == accepted.encoded.last_lsn,
            "a command takes the LSN it was given"
        );
        let Verdict::Expired { count } = applied.verdict else {
            panic!("an expire_due within its bounds is never refused");
        };
        let mut figures = shared.figures();
        figures.expirations += u64::from(count);
        figures.commands_by_kind[expire_due(limit).action.kind() as usize] += 1;
        Ok(TickResult {
            lsn: applied.lsn,
            slot,
            expired_count: count,
            due_count: state.usage(slot).expiration_backlog.into(),
        })
    }

    /// Takes over the log's figures, so that health can be read while it is written.
    fn count_log(&self, shared: &Shared) {
        let mut figures = shared.figures();
        figures.log_bytes = self.wal.log_bytes();
        figures.log_bytes_since_checkpoint = self.wal.bytes_since_checkpoint();
        figures.snapshot_lsn = self.wal.snapshot_lsn();
    }
}

/// Bytes that [`Committer::new`] reserves.
pub(crate) fn memory_bytes(settings: &Settings) -> u64 {
    let command_count = settings.max_batch_commands as usize;
    let per_command = size_of::<Staged>() + size_of::<u32>() + size_of::<Repeat>();
    let buffers = AlignedBytes::memory_bytes(frame_bytes(settings));
    Acceptance::memory_bytes(settings.max_batch_commands)
        + (buffers + command_count * per_command) as u64
}

/// The commit's slot, if none of its submissions is refused: no commit of this group has a later
/// one.
fn slot_at_most(group: &mut Group<'_>, state: &State) -> Slot {
    let bound = state.config().slot_max();
    let slots = (0..group.len()).map(|number| group.submission(number).slot());
    let slots = slots.filter(|&slot| slot <= bound);
    slots.fold(state.last_slot(), Slot::max)
}

/// Reads every command of the group once, into the frame. Returns the commit's slot.
fn stage(
    shared: &Shared,
    state: &State,
    group: &mut Group<'_>,
    frame: &mut FrameBuilder<'_>,
    staged: &mut Vec<Staged>,
) -> Slot {
    // R63: the greatest of the last applied slot and those of all submissions.
    let mut slot = state.last_slot();
    for number in 0..group.len() {
        let submission = group.submission(number);
        let (position, count) = (frame.position(), staged.len());
        match stage_one(shared, state, submission, narrow(number), frame, staged) {
            Ok(()) => slot = slot.max(submission.slot()),
            Err(error) => {
                submission.verdict = Err(error);
                frame.rewind(position);
                staged.truncate(count);
            }
        }
    }
    slot
}

/// Reads one submission's commands, a stride at a time: all of a stride are written before the
/// first is read back, for what has just been stored in pieces is slow to be loaded whole.
fn stage_one(
    shared: &Shared,
    state: &State,
    submission: &Submission<'_>,
    number: u32,
    frame: &mut FrameBuilder<'_>,
    staged: &mut Vec<Staged>,
) -> Result<(), SubmitError> {
    let end_max = frame.payload_len() + submission.record_bytes() as usize;
    let mut index = 0;
    while index < submission.command_count() {
        let position = frame.position();
        let wanted = index..submission.command_count().min(index + narrow(STRIDE));
        let refused = push_stride(submission, wanted, state, frame, end_max);
        let mut copies = frame.commands_from(position);
        for _ in 0..frame.count_from(position) {
            let glance = check_copy(copies.next(), state)
                .map_err(|rejection| SubmitError::Refused { index, rejection })?;
            staged.push(Staged {
                submission: number,
                index,
                glance,
            });
            index += 1;
        }
        // What was pushed before comes first.
        if let Err(rejection) = refused {
            return Err(SubmitError::Refused { index, rejection });
        }
    }
    let (slot, bound) = (submission.slot(), shared.config.slot_max());
    // R6, R27: the slot is judged after the form.
    if slot > bound {
        return Err(SubmitError::SlotOverflow { slot, bound });
    }
    match shared.leap.check(slot) {
        Ok(()) => Ok(()),
        Err(bound) => Err(SubmitError::SlotLeap { slot, bound }),
    }
}

/// Reads commands from their caller into the frame, whose payload may grow up to `end_max`; ends at
/// the first one that is refused.
fn push_stride(
    submission: &Submission<'_>,
    indices: Range<u32>,
    state: &State,
    frame: &mut FrameBuilder<'_>,
    end_max: usize,
) -> Result<(), Rejection> {
    for index in indices {
        let command = submission.command(index)?;
        if !frame.push_within(&command, end_max - frame.payload_len()) {
            // Too long a bundle has its own answer; otherwise the caller changed it meanwhile.
            command.check(state.config())?;
            return Err(Rejection::Malformed {
                field: "record_bytes",
            });
        }
    }
    Ok(())
}

/// Checks what a command and the configuration decide, on the copy that was read back from the
/// frame.
#[inline]
fn check_copy(copy: Option<Command<'_>>, state: &State) -> Result<Glance, Rejection> {
    let copy = copy.ok_or(Rejection::Malformed { field: "kind" })?;
    if matches!(copy.action, Action::ExpireDue { .. }) {
        return Err(Rejection::Malformed { field: "kind" });
    }
    copy.check(state.config())?;
    Ok(state.glance(&copy))
}

/// Completes the frame of a commit at `slot`.
fn finish<S: Storage>(
    wal: &Wal<S>,
    shared: &Shared,
    frame: FrameBuilder<'_>,
    slot: Slot,
) -> Accepted {
    let meta = wal.meta(slot, shared.settings.sync == SyncMode::Full);
    let (record_count, payload_len) = (frame.record_count(), frame.payload_len());
    Accepted {
        meta,
        encoded: frame.finish(wal.key(), &meta),
        record_count,
        payload_len,
    }
}

/// Tells those whose commands were to be logged that they were not, or that nobody knows.
fn fail(group: &mut Group<'_>, error: SubmitError) {
    for index in 0..group.len() {
        let submission = group.submission(index);
        if submission.depends_on_commit {
            submission.verdict = Err(error);
        }
    }
}

/// Those that nothing spoke against are carried out. Not before the end: a leader that panics on
/// the way must have told nobody that all is well.
fn conclude(group: &mut Group<'_>) {
    for index in 0..group.len() {
        let submission = group.submission(index);
        if submission.is_open() {
            submission.verdict = Ok(());
        }
    }
}

fn expire_due(limit: u32) -> Command<'static> {
    Command {
        operation_id: OperationId(0),
        valid_until_slot: Slot(0),
        action: Action::ExpireDue { limit },
    }
}

/// Bytes of the largest frame under these settings.
fn frame_bytes(settings: &Settings) -> usize {
    let payload = EXPIRE_DUE_BYTES + settings.max_batch_bytes as usize;
    (FRAME_HEADER_BYTES + payload).next_multiple_of(SECTOR_BYTES)
}

fn reserved<T>(count: usize) -> Result<Vec<T>, TryReserveError> {
    let mut items = Vec::new();
    items.try_reserve_exact(count)?;
    Ok(items)
}

/// A number within bounds that fit a `u32`.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("a commit's counts are bounded by a u32")
}

pub(crate) fn elapsed_ns(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
