//! One open database: the calls.
//!
//! Any number of threads call at once. Submissions, ticks and checkpoints go through the queue, one
//! group after the other; reads look at the state under a lock that no write to a file is made
//! under. After open no call allocates. Closing waits for the calls under way; halting wakes all
//! that wait, and what they get is indefinite, because a frame may be on its way to the disk.
//!
//! A handle that only reads (R97) is the same engine without a committer: it has a [`Reader`] in
//! its place, which moves the same state, under the same lock, when it is told to. So reads, the
//! byte API, halting, forking and closing have one implementation; what would need the committer is
//! refused at the door. Rejected: a second engine behind a trait, whose reads would be a copy.
//!
//! Generic over [`Storage`], so that a simulator drives this very code over a faulty disk.

use allocdb_core::canary::{Canary, panic_if_planted};
use allocdb_core::hash::Digest;
use allocdb_core::state::{Filter, Lookup, Reservation, Resource, State};
use allocdb_core::{Config, Lsn, OperationId, Outcome, ReservationId, ResourceId, Slot};

use crate::backup::Backup;
use crate::batch::Batch;
use crate::cancellation::CancellationOff;
use crate::clock;
use crate::commit::{Committer, Shared};
use crate::diagnostics::{Diagnostics, Level};
use crate::error::{
    BackupError, CheckpointError, IoError, OpenError, ReadError, RefreshError, SubmitError,
};
use crate::gate::Gate;
use crate::halt::HaltReason;
use crate::health::Health;
use crate::health_page::Sighting;
use crate::memory;
use crate::metrics;
use crate::options::{Clock, Options, Settings};
use crate::queue::{Group, Queue, QueueBounds, Refusal};
use crate::recovery::reader::{self, Reader};
use crate::recovery::{self, Recovered};
use crate::report::{BackupReport, CheckpointReport, RecoveryReport, TickResult};
use crate::storage::Storage;
use crate::submission::{CheckpointProgress, Submission};
use crate::sync::{Mutex, PoisonError, TryLockError, yield_now};

/// One open database.
pub struct Engine<S: Storage> {
    shared: Shared,
    gate: Gate,
    report: RecoveryReport,
    /// The leader's; none once closed, nor where the handle only reads.
    committer: Mutex<Option<Committer<S>>>,
    /// Only where the handle only reads.
    reading: Option<Reading<S>>,
}

/// What a handle that only reads has in a committer's place.
struct Reading<S: Storage> {
    storage: S,
    /// One refresh at a time.
    reader: Mutex<Reader>,
}

impl<S: Storage> Engine<S> {
    /// Opens the database in `storage`, making it where the options allow that.
    pub fn open(
        storage: S,
        options: &Options,
        diagnostics: Diagnostics,
    ) -> Result<Self, OpenError> {
        let settings = options.settings()?;
        if options.read_only {
            return Self::open_reading(storage, options, settings, diagnostics);
        }
        let Recovered {
            state,
            wal,
            report,
            grown_from,
        } = recovery::open(storage, options, &settings)?;
        panic_if_planted(Canary::PanicInOpen);
        let no_memory = OpenError::NoMemory {
            bytes: memory::memory_bytes(state.config(), &settings),
        };
        let queue = Queue::new(settings.queue_bounds()).map_err(|_| no_memory)?;
        let mut committer = Committer::new(wal, &settings).map_err(|_| no_memory)?;
        let shared = Shared::new(state, settings, report, queue, diagnostics);
        committer.open_page(&shared);
        shared.diagnostics.log(
            Level::Info,
            format_args!(
                "opened: {}, last LSN {}, {} records replayed, {} torn bytes cut",
                report.kind.name(),
                report.last_lsn.0,
                report.records_replayed,
                report.torn_bytes
            ),
        );
        if let Some(before) = grown_from {
            for (field, before, now) in before.differences(&shared.config) {
                let line = format_args!("grown: {field} from {before} to {now}");
                shared.diagnostics.log(Level::Info, line);
            }
        }
        Ok(Self {
            shared,
            gate: Gate::default(),
            report,
            committer: Mutex::new(Some(committer)),
            reading: None,
        })
    }

    /// R97: opens without a lock, and without writing anything.
    fn open_reading(
        storage: S,
        options: &Options,
        settings: Settings,
        diagnostics: Diagnostics,
    ) -> Result<Self, OpenError> {
        let (reader, state, report) = reader::open(&storage, options)?;
        let no_memory = OpenError::NoMemory {
            bytes: memory::memory_bytes_reading(state.config(), &settings),
        };
        let queue = Queue::new(QueueBounds::LEAST).map_err(|_| no_memory)?;
        let shared = Shared::new(state, settings, report, queue, diagnostics);
        shared.diagnostics.log(
            Level::Info,
            format_args!(
                "opened for reading: {}, last LSN {}",
                report.kind.name(),
                report.last_lsn.0
            ),
        );
        shared
            .figures()
            .follow(reader.log_bytes(), report.snapshot_lsn);
        Ok(Self {
            shared,
            gate: Gate::default(),
            report,
            committer: Mutex::new(None),
            reading: Some(Reading {
                storage,
                reader: Mutex::new(reader),
            }),
        })
    }

    /// Commits the commands of `batch` together, at `slot` or at the clock's. `Ok` means that each
    /// has been settled with an answer of its own; an error, that none of the new ones took effect
    /// or that nobody knows ([`SubmitError::is_indefinite`]).
    pub fn submit(&self, slot: Option<Slot>, batch: &mut dyn Batch) -> Result<(), SubmitError> {
        let _call = self.gate.enter().ok_or(SubmitError::Closed)?;
        if self.reading.is_some() {
            // R97.
            return Err(SubmitError::ReadOnly);
        }
        if let Some(reason) = self.shared.queue.halt_reason() {
            return Err(SubmitError::Halted { reason });
        }
        let (command_count, record_bytes) = self.measure(batch)?;
        if command_count == 0 {
            return Ok(());
        }
        let slot = slot.unwrap_or_else(|| self.slot_default());
        let mut submission = Submission::batch(batch, command_count, record_bytes, slot);
        self.run(&mut submission)?;
        submission.verdict
    }

    /// R36: how many commands and bytes, where a commit holds as many.
    fn measure(&self, batch: &dyn Batch) -> Result<(u32, u32), SubmitError> {
        let bounds = self.shared.queue.bounds();
        let (len, bytes) = (batch.len(), batch.record_bytes());
        let too_large = |field, value, bound: u32| SubmitError::CommandTooLarge {
            field,
            value,
            bound: bound.into(),
        };
        let command_count = u32::try_from(len).ok();
        let Some(command_count) = command_count.filter(|&count| count <= bounds.command_count)
        else {
            let value = len as u64;
            return Err(too_large("max_batch_commands", value, bounds.command_count));
        };
        let record_bytes = u32::try_from(bytes).ok();
        let Some(record_bytes) = record_bytes.filter(|&bytes| bytes <= bounds.record_bytes) else {
            // R24, R25: form comes first, so a bundle that is too long gets its own answer.
            for index in 0..command_count {
                let checked = batch
                    .command(index as usize)
                    .and_then(|command| command.check(&self.shared.config));
                if let Err(rejection) = checked {
                    return Err(SubmitError::Refused { index, rejection });
                }
            }
            let value = bytes as u64;
            return Err(too_large("max_batch_bytes", value, bounds.record_bytes));
        };
        Ok((command_count, record_bytes))
    }

    /// Expires up to `limit` due reservations at `slot` or at the clock's; 0 and anything beyond
    /// take `max_expirations_per_tick`. With nothing due it writes nothing.
    pub fn tick(&self, slot: Option<Slot>, limit: u32) -> Result<TickResult, SubmitError> {
        let _call = self.gate.enter().ok_or(SubmitError::Closed)?;
        if self.reading.is_some() {
            // R97.
            return Err(SubmitError::ReadOnly);
        }
        let bound = self.shared.config.max_expirations_per_tick;
        let limit = if limit == 0 { bound } else { limit.min(bound) };
        let slot = slot.unwrap_or_else(|| self.slot_default());
        if let Some(idle) = self.idle(slot) {
            return Ok(idle);
        }
        let mut submission = Submission::tick(slot, limit);
        self.run(&mut submission)?;
        submission.verdict.map(|()| submission.tick)
    }

    /// R59: what a tick answers where nothing is due. It is a read of the applied state, so it
    /// waits for no commit, and a host may ask in every slot. `None` where there is something to
    /// do, or something to refuse.
    fn idle(&self, slot: Slot) -> Option<TickResult> {
        let is_refused =
            slot > self.shared.config.slot_max() || self.shared.leap.check(slot).is_err();
        // Poison means that a leader panicked.
        let state = self.shared.state.read().ok()?;
        let is_halted = self.shared.queue.halt_reason().is_some();
        if is_refused || is_halted || state.is_due(slot) {
            return None;
        }
        Some(TickResult {
            slot: state.last_slot(),
            ..TickResult::default()
        })
    }

    /// Writes a snapshot and cuts the log. Commits go on between its slices, each of which takes
    /// its turn in the queue; reads never wait.
    pub fn checkpoint(&self) -> Result<CheckpointReport, CheckpointError> {
        let _call = self.gate.enter().ok_or(CheckpointError::Closed)?;
        if self.reading.is_some() {
            // R97.
            return Err(CheckpointError::ReadOnly);
        }
        let mut target = None;
        loop {
            let mut submission = Submission::checkpoint(target);
            match self.try_run(&mut submission) {
                Ok(()) => match submission.checkpoint? {
                    CheckpointProgress::Done(report) => return Ok(report),
                    CheckpointProgress::Pending { target: lsn } => target = Some(lsn),
                },
                // Under way it goes on behind the commits of those who fill the queue.
                Err(Refusal::Full) if target.is_some() => yield_now(),
                Err(refusal) => {
                    return Err(match self.refused(refusal) {
                        SubmitError::Overloaded { capacity } => {
                            CheckpointError::Overloaded { capacity }
                        }
                        SubmitError::Halted { reason } => CheckpointError::Halted { reason },
                        _ => unreachable!("the queue refuses for two reasons"),
                    });
                }
            }
        }
    }

    /// Copies the database, as it is between two commits, into `target`, a directory that is empty
    /// (R100 to R102). Commits wait while the copy's snapshot is written, not while it is synced;
    /// reads never do. Whatever fails, this database goes on, and a copy that is not whole does not
    /// open.
    pub fn backup<T: Storage>(&self, target: &T) -> Result<BackupReport, BackupError> {
        let _call = self.gate.enter().ok_or(BackupError::Closed)?;
        let made = self.backup_into(target);
        let diagnostics = &self.shared.diagnostics;
        match &made {
            Ok(BackupReport {
                source_lsn,
                snapshot_bytes,
                stall_ns,
                ..
            }) => {
                let (lsn, stall_ms) = (source_lsn.0, stall_ns / 1_000_000);
                let line = format_args!(
                    "backup at LSN {lsn}: {snapshot_bytes} bytes, commits held {stall_ms} ms"
                );
                diagnostics.log(Level::Info, line);
            }
            Err(error) => diagnostics.log(Level::Warning, format_args!("backup: {error}")),
        }
        made
    }

    fn backup_into<T: Storage>(&self, target: &T) -> Result<BackupReport, BackupError> {
        if let Some(reason) = self.shared.queue.halt_reason() {
            return Err(BackupError::Halted { reason });
        }
        let mut backup = Backup::begin(target)?;
        if let Some(reading) = &self.reading {
            self.take_still(reading, &mut backup)?;
            return backup.finish();
        }
        let mut taken = Err(BackupError::Panicked);
        let mut look = |state: &State| taken = backup.take(state);
        let mut submission = Submission::look(&mut look);
        let ran = self.run(&mut submission).and(submission.verdict);
        ran.map_err(|error| match error {
            SubmitError::Overloaded { capacity } => BackupError::Overloaded { capacity },
            SubmitError::Halted { reason } => BackupError::Halted { reason },
            _ => BackupError::Panicked,
        })?;
        taken?;
        backup.finish()
    }

    /// Copies the state of a handle that only reads. It is the refresh that has to wait: reads
    /// would queue up behind one that waits for the state's lock.
    fn take_still<T: Storage>(
        &self,
        reading: &Reading<S>,
        backup: &mut Backup<'_, T>,
    ) -> Result<(), BackupError> {
        let reason = HaltReason::Panic;
        let still = reading.reader.lock();
        let _still = still.map_err(|_| BackupError::Halted { reason })?;
        let state = self.shared.state.read();
        let state = state.map_err(|_| BackupError::Halted { reason })?;
        backup.take(&state)
    }

    /// Waits for the submission to be carried out; leads where it is this thread's turn.
    fn run(&self, submission: &mut Submission<'_>) -> Result<(), SubmitError> {
        let ran = self.try_run(submission);
        ran.map_err(|refusal| self.refused(refusal))
    }

    fn try_run(&self, submission: &mut Submission<'_>) -> Result<(), Refusal> {
        let _cancellation_off = CancellationOff::new();
        let queue = &self.shared.queue;
        let led = queue.run(submission, |group| self.lead(group));
        if queue.halt_reason().is_some() {
            self.show_halt();
        }
        led
    }

    /// Carries out one group on this thread.
    fn lead(&self, group: &mut Group<'_>) {
        let mut committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let committer = committer.as_mut();
        let committer = committer.expect("closing waits for the calls under way");
        committer.lead(&self.shared, group);
    }

    /// What a caller is told whom the queue refused.
    fn refused(&self, refusal: Refusal) -> SubmitError {
        let queue = &self.shared.queue;
        match refusal {
            Refusal::Full => {
                queue.count_overload();
                SubmitError::Overloaded {
                    capacity: queue.bounds().ticket_count,
                }
            }
            Refusal::Halted(reason) => SubmitError::Halted { reason },
        }
    }

    /// R99: lets a handle that only reads catch up with whoever writes; returns the last LSN that
    /// reads now see. What was durable when the call began is among it. A handle that writes has
    /// nothing to catch up with.
    ///
    /// Usually reads the log's new frames and allocates nothing. Where the files do not lead on
    /// from the handle's place (it has slept through two checkpoints, or the tables have grown) it
    /// builds the state again, for which it needs the memory of a second one meanwhile.
    pub fn refresh(&self) -> Result<Lsn, RefreshError> {
        let _call = self.gate.enter().ok_or(RefreshError::Closed)?;
        let _cancellation_off = CancellationOff::new();
        let halted = |reason| RefreshError::Halted { reason };
        if let Some(reason) = self.shared.queue.halt_reason() {
            return Err(halted(reason));
        }
        let Some(reading) = &self.reading else {
            return Ok(self.last_lsn());
        };
        let panicked = |_| halted(HaltReason::Panic);
        let mut reader = reading.reader.lock().map_err(panicked)?;
        let halt = |reason| self.shared.queue.halt(reason);
        let refreshed = reader.refresh(&reading.storage, &self.shared.state, &halt);
        self.shared.figures().follow(reader.log_bytes(), Lsn(0));
        match refreshed {
            Ok(refreshed) if refreshed.is_rebuilt => {
                let lsn = refreshed.lsn.0;
                let line = format_args!("read again from the beginning, up to LSN {lsn}");
                self.shared.diagnostics.log(Level::Info, line);
            }
            Ok(_) => {}
            Err(RefreshError::Halted { reason }) => self.shared.halt(reason),
            Err(error) => {
                let line = format_args!("refresh: {error}");
                self.shared.diagnostics.log(Level::Warning, line);
            }
        }
        refreshed.map(|refreshed| refreshed.lsn)
    }

    /// The resource with this id.
    pub fn resource(
        &self,
        required_lsn: Lsn,
        resource_id: ResourceId,
    ) -> Result<Resource, ReadError> {
        self.read(required_lsn, |state| {
            state.resource(resource_id).ok_or(ReadError::NotFound)
        })
    }

    /// The reservation with this id. While it is live, its resources are shown to `visit` in the
    /// order in which the reserve named them.
    pub fn reservation(
        &self,
        required_lsn: Lsn,
        reservation_id: ReservationId,
        visit: impl FnMut(ResourceId),
    ) -> Result<Reservation, ReadError> {
        self.read(required_lsn, |state| {
            match state.reservation(reservation_id) {
                Lookup::Found(reservation) => {
                    state.reservation_resources(reservation_id).for_each(visit);
                    Ok(reservation)
                }
                Lookup::NotFound => Err(ReadError::NotFound),
                Lookup::Retired => Err(ReadError::Retired),
            }
        })
    }

    /// The remembered outcome of an operation: did it happen?
    pub fn operation(
        &self,
        required_lsn: Lsn,
        operation_id: OperationId,
    ) -> Result<Outcome, ReadError> {
        self.read(required_lsn, |state| {
            state.operation(operation_id).ok_or(ReadError::NotFound)
        })
    }

    /// Shows up to `row_count_max` resources that pass the filter, from `cursor` on (0 starts).
    /// Returns the cursor to go on from, 0 at the end. Looks at a bounded number of records, so it
    /// may show fewer rows, or none, before the end.
    pub fn list_resources(
        &self,
        required_lsn: Lsn,
        filter: &Filter,
        cursor: u64,
        row_count_max: usize,
        visit: impl FnMut(Resource),
    ) -> Result<u64, ReadError> {
        self.read(required_lsn, |state| {
            Ok(state.list_resources(filter, cursor, row_count_max, visit))
        })
    }

    /// Shows reservations, live and remembered, as [`Engine::list_resources`] does.
    pub fn list_reservations(
        &self,
        required_lsn: Lsn,
        filter: &Filter,
        cursor: u64,
        row_count_max: usize,
        visit: impl FnMut(Reservation),
    ) -> Result<u64, ReadError> {
        self.read(required_lsn, |state| {
            Ok(state.list_reservations(filter, cursor, row_count_max, visit))
        })
    }

    /// Answers from the applied state, behind a fence.
    pub(crate) fn read<T>(
        &self,
        required: Lsn,
        answer: impl FnOnce(&State) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let _call = self.gate.enter().ok_or(ReadError::Closed)?;
        // Poison means that a leader panicked while it applied; the halt may not be set yet.
        let state = self.shared.state.read().map_err(|_| ReadError::Halted {
            reason: HaltReason::Panic,
        })?;
        // R78: memory may lag the log.
        if let Some(reason) = self.shared.queue.halt_reason() {
            return Err(ReadError::Halted { reason });
        }
        panic_if_planted(Canary::PanicInRead);
        let applied = state.last_lsn();
        // R73: the fence.
        if required > applied {
            return Err(ReadError::FenceNotApplied { required, applied });
        }
        answer(&state)
    }

    /// The engine's figures; the lag is that of `slot`, or of the clock's. Answered in any
    /// condition but while the database is being closed, also when halted. A handle that only reads
    /// shows those of the database's owner, as the owner last wrote them down, and its own where
    /// there are none.
    #[must_use]
    pub fn health(&self, slot: Option<Slot>) -> Health {
        let slot = slot.unwrap_or_else(|| self.slot_default());
        match &self.reading {
            None => self.shared.health(Some(slot), self.gate.is_closing()),
            Some(reading) => self.health_of_owner(reading, slot),
        }
    }

    /// The figures of the page, with what depends on the slot as of `slot`.
    fn health_of_owner(&self, reading: &Reading<S>, slot: Slot) -> Health {
        let own = Health {
            queue_capacity: 0,
            // R97.
            ..self.shared.health(Some(slot), true)
        };
        let database_id = self.shared.config.database_id;
        let page = Sighting::read(&reading.storage);
        let Some(page) = page.filter(|page| page.database_id == database_id) else {
            return own;
        };
        let owners = Health::from(&page.figures);
        Health {
            logical_slot_lag: slot.0.saturating_sub(owners.last_slot.0),
            // The owner cannot know what is due at the caller's slot; who has caught up does.
            expiration_backlog: if own.last_lsn == owners.last_lsn {
                own.expiration_backlog
            } else {
                owners.expiration_backlog
            },
            recovery: own.recovery,
            ..owners
        }
    }

    /// The figures of [`Engine::health`] as text for Prometheus, written to the front of `out`.
    /// Returns its length; the error is the length that it has, where `out` is shorter.
    pub fn metrics_text(&self, slot: Option<Slot>, out: &mut [u8]) -> Result<usize, usize> {
        metrics::write(&self.health(slot), out)
    }

    /// What recovery found and did.
    #[must_use]
    pub const fn recovery_report(&self) -> &RecoveryReport {
        &self.report
    }

    /// The stored configuration. On a handle that only reads, capacities may be greater after a
    /// refresh: the owner has grown them.
    #[must_use]
    pub fn configuration(&self) -> Config {
        if self.reading.is_none() {
            return self.shared.config;
        }
        let state = self.shared.state.read();
        *state.unwrap_or_else(PoisonError::into_inner).config()
    }

    /// Whether the handle only reads.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.reading.is_some()
    }

    /// The run-time settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The log lines.
    #[must_use]
    pub const fn diagnostics(&self) -> &Diagnostics {
        &self.shared.diagnostics
    }

    /// The system's clock in this database's slots.
    #[must_use]
    pub fn slot_now(&self) -> Slot {
        clock::slot_now(self.shared.config.slot_duration_ms)
    }

    /// The last applied log position, for a fence.
    #[must_use]
    pub fn last_lsn(&self) -> Lsn {
        let state = self.shared.state.read();
        state.unwrap_or_else(PoisonError::into_inner).last_lsn()
    }

    /// R70: the digest over everything applied: equal where the same commands had the same answers.
    pub fn digest(&self) -> Result<Digest, ReadError> {
        self.read(Lsn(0), |state| Ok(state.digest()))
    }

    /// Shows the state itself, for harnesses that compare it byte for byte.
    #[cfg(feature = "torture")]
    pub fn look<T>(&self, see: impl FnOnce(&State) -> T) -> T {
        let state = self.shared.state.read();
        see(&state.unwrap_or_else(PoisonError::into_inner))
    }

    /// The slot of a call that gives none.
    #[must_use]
    pub fn slot_default(&self) -> Slot {
        match self.shared.settings.clock {
            Clock::System => self.slot_now(),
            Clock::Host => {
                let state = self.shared.state.read();
                state.unwrap_or_else(PoisonError::into_inner).last_slot()
            }
        }
    }

    /// Halts: whoever waits is woken with an indefinite answer, later calls are refused. What a
    /// leader is about to write is not called back.
    pub fn halt(&self, reason: HaltReason) {
        self.shared.halt(reason);
        self.show_halt();
    }

    /// Shows observers that the engine has halted. Whoever halts it while another thread leads
    /// leaves that to the leader, which comes here when it is done.
    fn show_halt(&self) {
        let mut committer = match self.committer.try_lock() {
            Ok(committer) => committer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Some(committer) = committer.as_mut() {
            committer.show(&self.shared, true);
        }
    }

    /// Frees the memory and writes nothing: for a forked child, whose copy of the files is the
    /// parent's, and where the threads that held locks or were inside calls do not exist.
    pub fn abandon(mut self) {
        let committer = self.committer.get_mut();
        drop(committer.unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Lets no call in any more, waits for those under way, seals the log and lets go of the
    /// files. A second close, and a close of a halted engine, do nothing but that. An error says
    /// that the seal could not be written: nothing acknowledged is lost, and the next open does
    /// the work of recovery.
    pub fn close(&self) -> Result<(), IoError> {
        let _cancellation_off = CancellationOff::new();
        self.gate.close();
        let mut committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(mut committer) = committer.take() else {
            return Ok(());
        };
        if self.shared.queue.halt_reason().is_some() {
            committer.show(&self.shared, true);
            return Ok(());
        }
        let sealed = committer.seal(&self.shared);
        committer.show(&self.shared, true);
        let diagnostics = &self.shared.diagnostics;
        match &sealed {
            Ok(()) => diagnostics.log(Level::Info, format_args!("closed")),
            Err(error) => {
                diagnostics.log(Level::Error, format_args!("closed without a seal: {error}"));
            }
        }
        sealed
    }
}

impl<S: Storage> Drop for Engine<S> {
    fn drop(&mut self) {
        // Who wants to know closes first. Nothing is locked and nobody waited for if that is done.
        let committer = self.committer.get_mut();
        if committer.unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = self.close();
        }
    }
}

impl<S: Storage> core::fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
#[cfg(any(test, feature = "torture"))]
mod together;
