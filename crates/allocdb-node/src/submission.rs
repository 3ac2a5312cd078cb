//! One call's work as it lies on its caller's stack while a leader carries it out.
//!
//! The caller fills it in, waits, and reads the verdict; in between only the leading thread touches
//! it. The verdict starts as "the leader panicked", so that a leader that never comes back has
//! already said so. The batch's reference is private and never replaced: the queue hands
//! submissions to leaders under a shorter lifetime than their own, which would otherwise allow to
//! put a reference into one that does not live long enough.

use allocdb_core::{Command, Lsn, Rejection, Slot};

use allocdb_core::state::State;

use crate::batch::{Batch, CommandResult};
use crate::error::{CheckpointError, SubmitError};
use crate::report::{CheckpointReport, TickResult};

/// What a submission asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Client commands, which may share a commit with those of others.
    Batch,
    /// An `expire_due` of its own.
    Tick {
        /// How many reservations at most.
        limit: u32,
    },
    /// A slice of a checkpoint.
    Checkpoint {
        /// What the caller waits for; none until a leader has told him.
        target: Option<Lsn>,
    },
    /// A look at the state between two commits.
    Look,
}

/// How far a checkpoint has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CheckpointProgress {
    /// It is done.
    Done(CheckpointReport),
    /// There is more to write.
    Pending {
        /// The log position that it has to reach.
        target: Lsn,
    },
}

/// What is to be done with the state while nothing changes it.
pub(crate) type Look<'a> = dyn FnMut(&State) + Send + 'a;

/// One call's work.
pub(crate) struct Submission<'a> {
    kind: Kind,
    batch: Option<&'a mut dyn Batch>,
    look: Option<&'a mut Look<'a>>,
    command_count: u32,
    record_bytes: u32,
    slot: Slot,
    /// Whether one of its commands is to be logged, or repeats one that is.
    pub(crate) depends_on_commit: bool,
    /// The answer as a whole.
    pub(crate) verdict: Result<(), SubmitError>,
    /// What a tick did.
    pub(crate) tick: TickResult,
    /// What a slice of a checkpoint did.
    pub(crate) checkpoint: Result<CheckpointProgress, CheckpointError>,
}

impl<'a> Submission<'a> {
    /// Commands at `slot`; both counts are within a commit's bounds.
    pub(crate) fn batch(
        batch: &'a mut dyn Batch,
        command_count: u32,
        record_bytes: u32,
        slot: Slot,
    ) -> Self {
        assert!(command_count > 0, "an empty batch never gets here");
        let mut submission = Self::alone(Kind::Batch, slot);
        submission.batch = Some(batch);
        submission.command_count = command_count;
        submission.record_bytes = record_bytes;
        submission
    }

    /// A tick at `slot`.
    pub(crate) fn tick(slot: Slot, limit: u32) -> Self {
        Self::alone(Kind::Tick { limit }, slot)
    }

    /// A slice of a checkpoint that has to reach `target`.
    pub(crate) fn checkpoint(target: Option<Lsn>) -> Self {
        Self::alone(Kind::Checkpoint { target }, Slot(0))
    }

    /// A look at the state.
    pub(crate) fn look(look: &'a mut Look<'a>) -> Self {
        let mut submission = Self::alone(Kind::Look, Slot(0));
        submission.look = Some(look);
        submission
    }

    fn alone(kind: Kind, slot: Slot) -> Self {
        Self {
            kind,
            batch: None,
            look: None,
            command_count: 0,
            record_bytes: 0,
            slot,
            depends_on_commit: false,
            verdict: Err(SubmitError::Panicked),
            tick: TickResult::default(),
            checkpoint: Err(CheckpointError::Panicked),
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) const fn slot(&self) -> Slot {
        self.slot
    }

    pub(crate) const fn command_count(&self) -> u32 {
        self.command_count
    }

    pub(crate) const fn record_bytes(&self) -> u32 {
        self.record_bytes
    }

    /// Whether it still stands as it came: neither refused nor carried out.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.verdict, Err(SubmitError::Panicked))
    }

    /// The command at `index`, which is read once.
    pub(crate) fn command(&self, index: u32) -> Result<Command<'_>, Rejection> {
        let batch = self.batch.as_ref().expect("only a batch has commands");
        batch.command(index as usize)
    }

    /// Shows the state to whoever asked.
    pub(crate) fn show(&mut self, state: &State) {
        let look = self.look.as_mut().expect("only a look looks");
        look(state);
    }

    /// Answers the command at `index`.
    pub(crate) fn settle(&mut self, index: u32, result: CommandResult) {
        let batch = self.batch.as_mut().expect("only a batch has commands");
        batch.settle(index as usize, result);
    }
}
