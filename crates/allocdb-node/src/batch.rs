//! What a caller hands to the engine: commands to read once, answers to write once.
//!
//! The engine asks a [`Batch`] for each command exactly once, copies it, and looks at the copy
//! alone: a host that changes its structs during a call can harm only itself. Answers go straight
//! into the caller's memory, so a commit needs no buffer of results. Rejected: a slice of commands
//! in and a slice of results out, which would make the C layer and the codec translate every
//! command into a buffer that nobody may allocate.

use allocdb_core::{Command, Outcome, Rejection};

/// The answer to one command of a submission: what state decided, or that nothing happened.
pub type CommandResult = Result<Outcome, Rejection>;

/// A submission: commands that are committed together. The thread that leads a commit calls it,
/// which need not be the thread that submitted it; hence `Send`. Neither method may panic or call
/// the engine: a panic while leading halts it.
pub trait Batch: Send {
    /// How many commands. Asked once.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all its log records ([`allocdb_core::codec::record_len`]), or an upper bound of
    /// them. Asked once, before the commands are read; a batch whose commands then need more is
    /// refused.
    fn record_bytes(&self) -> usize;

    /// The command at `index`, or why its form is none. Asked once for each index, in order; not of
    /// all where one refuses the submission.
    fn command(&self, index: usize) -> Result<Command<'_>, Rejection>;

    /// Takes the answer to the command at `index`. Called once for each index of a submission that
    /// is not refused as a whole, in any order.
    fn settle(&mut self, index: usize, result: CommandResult);
}

/// A batch of one command that is at hand as a value: the simplest [`Batch`].
#[derive(Debug)]
pub struct Single<'a> {
    command: Command<'a>,
    result: Option<CommandResult>,
}

impl<'a> Single<'a> {
    /// A batch of `command`.
    #[must_use]
    pub const fn new(command: Command<'a>) -> Self {
        Self {
            command,
            result: None,
        }
    }

    /// The answer, once submitted.
    #[must_use]
    pub const fn result(&self) -> Option<&CommandResult> {
        self.result.as_ref()
    }
}

impl Batch for Single<'_> {
    fn len(&self) -> usize {
        1
    }

    fn record_bytes(&self) -> usize {
        allocdb_core::codec::record_len(&self.command)
    }

    fn command(&self, _index: usize) -> Result<Command<'_>, Rejection> {
        Ok(self.command)
    }

    fn settle(&mut self, _index: usize, result: CommandResult) {
        self.result = Some(result);
    }
}

/// A batch over a slice of commands and a vector of answers with room for as many.
#[derive(Debug)]
pub struct Many<'a> {
    commands: &'a [Command<'a>],
    results: &'a mut [Option<CommandResult>],
}

impl<'a> Many<'a> {
    /// A batch of `commands`, answered in `results`, which is as long.
    #[must_use]
    pub fn new(commands: &'a [Command<'a>], results: &'a mut [Option<CommandResult>]) -> Self {
        assert!(
            commands.len() == results.len(),
            "one place for each command's answer"
        );
        Self { commands, results }
    }
}

impl Batch for Many<'_> {
    fn len(&self) -> usize {
        self.commands.len()
    }

    fn record_bytes(&self) -> usize {
        let lens = self.commands.iter().map(allocdb_core::codec::record_len);
        lens.sum()
    }

    fn command(&self, index: usize) -> Result<Command<'_>, Rejection> {
        Ok(self.commands[index])
    }

    fn settle(&mut self, index: usize, result: CommandResult) {
        self.results[index] = Some(result);
    }
}
