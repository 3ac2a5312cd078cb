//! Checkpoints beside commits: who writes the next slice, and when.
//!
//! A checkpoint that the log's growth makes due is begun by the leader whose commit trips it, and
//! goes on by a slice behind each commit, once that is answered. Whoever asks for one by a call
//! drives it with slices of his own, which take their turn in the queue like any other submission.
//! The state keeps what it was in bounded memory; a commit that could overrun it has slices written
//! first. Where one overran it nevertheless (bundles, expirations), the checkpoint is begun again
//! and taken in one go, with commits held.

use allocdb_core::Lsn;

use super::{Committer, Shared, slot_at_most};
use crate::checkpoint::{Checkpoint, report_of};
use crate::diagnostics::Level;
use crate::error::CheckpointError;
use crate::halt::HaltReason;
use crate::queue::Group;
use crate::report::CheckpointReport;
use crate::storage::Storage;
use crate::submission::CheckpointProgress;

/// Records of one kind that a command changes, more or less: its own reservation and its two
/// neighbours in the expiration list, and one that is taken back.
const CHANGES_PER_COMMAND: usize = 4;

impl<S: Storage> Committer<S> {
    /// Whether a slice is to be written behind a commit.
    pub(super) fn has_upkeep(&self) -> bool {
        self.checkpoint.is_some() || self.wal.bytes_since_checkpoint() >= self.checkpoint_due_bytes
    }

    /// Writes the next slice, of the checkpoint under way or of a new one. What fails is said in
    /// the log and counted; nobody waits for it.
    pub(super) fn keep_up(&mut self, shared: &Shared) {
        if self.checkpoint.is_some() || self.begin_checkpoint(shared) == Ok(true) {
            let _ = self.go_on(shared);
        }
    }

    /// A slice for somebody who waits for a checkpoint of what there was when he first asked, at
    /// `target`; who asks first has none.
    pub(super) fn checkpoint_for(
        &mut self,
        shared: &Shared,
        target: Option<Lsn>,
    ) -> Result<CheckpointProgress, CheckpointError> {
        if let Some(target) = target
            && self.finished.anchor_lsn >= target
        {
            return Ok(CheckpointProgress::Done(self.finished));
        }
        let target = target.unwrap_or(self.wal.last_lsn());
        if self.checkpoint.is_none() && !self.begin_checkpoint(shared)? {
            return Ok(CheckpointProgress::Done(report_of(&self.wal, target)));
        }
        match self.go_on(shared)? {
            Some(report) if report.anchor_lsn >= target => Ok(CheckpointProgress::Done(report)),
            _ => Ok(CheckpointProgress::Pending { target }),
        }
    }

    /// Writes slices until the state can keep what a group changes.
    pub(super) fn make_room_for_group(&mut self, shared: &Shared, group: &mut Group<'_>) {
        if self.checkpoint.is_none() {
            return;
        }
        let counts = (0..group.len()).map(|number| group.submission(number).command_count());
        let command_count: usize = counts.map(|count| count as usize).sum();
        let state = shared.state();
        let is_due = shared.settings.auto_expire && state.is_due(slot_at_most(group, &state));
        drop(state);
        let expiration_count = if is_due {
            shared.config.max_expirations_per_tick as usize
        } else {
            0
        };
        self.make_room(shared, command_count + expiration_count);
    }

    /// The same, for so many commands or expirations.
    pub(super) fn make_room(&mut self, shared: &Shared, count: usize) {
        let needed = CHANGES_PER_COMMAND * count;
        while self.checkpoint.is_some() && shared.state().before_image_room() < needed {
            if self.go_on(shared).is_err() {
                return;
            }
        }
    }

    /// Ends a checkpoint under way, before a close.
    pub(super) fn give_up_checkpoint(&mut self, shared: &Shared) {
        if let Some(checkpoint) = self.checkpoint.take() {
            checkpoint.give_up(&self.wal, &mut shared.state_mut());
        }
    }

    /// Whether one has begun: not where nothing has moved.
    fn begin_checkpoint(&mut self, shared: &Shared) -> Result<bool, CheckpointError> {
        let begun = Checkpoint::begin(&mut self.wal, &mut shared.state_mut());
        self.checkpoint = begun.map_err(|error| self.failed(shared, error))?;
        Ok(self.checkpoint.is_some())
    }

    /// Writes a slice, or all of them where what the state was is lost.
    fn go_on(&mut self, shared: &Shared) -> Result<Option<CheckpointReport>, CheckpointError> {
        if !shared.state().has_lost_before_images() {
            let done = self.slice(shared)?;
            return Ok(done.map(|report| self.succeeded(shared, report)));
        }
        self.give_up_checkpoint(shared);
        self.begin_checkpoint(shared)?;
        loop {
            if let Some(report) = self.slice(shared)? {
                let report = CheckpointReport {
                    stall_ns: report.duration_ns,
                    ..report
                };
                return Ok(Some(self.succeeded(shared, report)));
            }
        }
    }

    fn slice(&mut self, shared: &Shared) -> Result<Option<CheckpointReport>, CheckpointError> {
        let checkpoint = self.checkpoint.as_mut().expect("one is under way");
        let stepped = checkpoint.step(&mut self.wal, &shared.state());
        checkpoint.release(&mut shared.state_mut());
        match stepped {
            Ok(None) => {}
            Ok(Some(_)) => self.checkpoint = None,
            Err(_) => self.give_up_checkpoint(shared),
        }
        stepped.map_err(|error| self.failed(shared, error))
    }

    fn succeeded(&mut self, shared: &Shared, report: CheckpointReport) -> CheckpointReport {
        self.checkpoint_due_bytes = shared.settings.checkpoint_wal_bytes;
        self.finished = report;
        let mut figures = shared.figures();
        figures.checkpoints += 1;
        figures.checkpoint_ns_last = report.duration_ns;
        figures.checkpoint_stall_ns_last = report.stall_ns;
        figures.checkpoint_stall_ns_max = figures.checkpoint_stall_ns_max.max(report.stall_ns);
        drop(figures);
        let (lsn, bytes) = (report.anchor_lsn.0, report.snapshot_bytes);
        let [took_ms, held_ms] = [report.duration_ns, report.stall_ns].map(|ns| ns / 1_000_000);
        let line = format_args!(
            "checkpoint at LSN {lsn}: {bytes} bytes in {took_ms} ms, commits held {held_ms} ms"
        );
        shared.diagnostics.log(Level::Info, line);
        report
    }

    fn failed(&mut self, shared: &Shared, error: CheckpointError) -> CheckpointError {
        // Back off: what failed for lack of room is not tried at every commit.
        let grown = self.wal.bytes_since_checkpoint();
        self.checkpoint_due_bytes = grown.saturating_mul(2);
        shared.figures().checkpoint_failures += 1;
        let line = format_args!("checkpoint: {error}");
        shared.diagnostics.log(Level::Warning, line);
        if let CheckpointError::Fatal { error } = error {
            shared.halt(HaltReason::Storage(error));
        }
        error
    }
}
