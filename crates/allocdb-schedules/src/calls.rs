//! What the threads of a scenario do, and what each answer must be by itself.
//!
//! Every answer goes onto a [`Board`], with the moments between which its call ran, counted by one
//! number. When the threads are through, [`Board::check`] states what must hold among the answers:
//! one position an operation, later calls later positions, one winner. The board uses std's locks:
//! it is no point of choice, so it does not change what is tried.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use allocdb_core::command::ResourceIds;
use allocdb_core::outcome::ResultCode;
use allocdb_core::{
    Action, Command, HolderId, Lsn, OperationId, Outcome, Rejection, ResourceId, Slot,
};
use allocdb_node::batch::Single;
use allocdb_node::{Batch, CommandResult, Engine, ReadError, SubmitError};

use crate::run::Draw;
use crate::watch::{Watch, Watched};

/// The resource that all reserve.
pub const PRIZE: u128 = 1000;
/// The operation that all submit.
pub const SHARED: u128 = 7777;

/// What may go wrong in a scenario, and then need not be an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// The engine may halt.
    pub halt: bool,
    /// A leader may panic.
    pub panic: bool,
    /// The engine may be closed meanwhile.
    pub close: bool,
}

/// One command that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The operation.
    pub id: u128,
    /// What was said.
    pub outcome: Outcome,
    begun: u64,
    ended: u64,
}

/// What the threads of one schedule have seen.
#[derive(Debug, Default)]
pub struct Board {
    moments: AtomicU64,
    answers: Mutex<Vec<Answer>>,
    /// The greatest position that was told to anybody.
    told_lsn: AtomicU64,
    /// Somebody was told that the engine has halted.
    pub is_halted: AtomicBool,
    /// Somebody's `close` has returned.
    pub is_closed: AtomicBool,
    /// Refused for lack of a place.
    pub overloads: AtomicU64,
    /// Refused because of closing.
    pub refusals: AtomicU64,
    /// Answered by nobody knows.
    pub failures: AtomicU64,
    /// Reads that were answered.
    pub reads: AtomicU64,
}

impl Board {
    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    /// Everything answered so far.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        self.answers.lock().expect("a plain list").clone()
    }

    /// What must hold among all answers.
    pub fn check(&self) {
        let answers = self.answers();
        for (place, one) in answers.iter().enumerate() {
            for other in &answers[..place] {
                let (a, b) = (one.outcome.lsn, other.outcome.lsn);
                assert!(
                    (a == b) == (one.id == other.id),
                    "a position is an operation's: {one:?}, {other:?}"
                );
                if a == b {
                    let mut repeated = one.outcome;
                    repeated.from_retry_cache = other.outcome.from_retry_cache;
                    assert!(repeated == other.outcome, "a retry is told the same");
                    let caches = one.outcome.from_retry_cache || other.outcome.from_retry_cache;
                    assert!(caches, "an operation is executed once");
                    continue;
                }
                let fresh = !one.outcome.from_retry_cache && !other.outcome.from_retry_cache;
                if fresh && one.ended < other.begun {
                    assert!(a < b, "later calls have later positions");
                } else if fresh && other.ended < one.begun {
                    assert!(b < a, "later calls have later positions");
                }
            }
        }
    }
}

/// A batch that panics when it is answered: a leader's panic while it applies.
struct Bomb;

impl Batch for Bomb {
    fn len(&self) -> usize {
        1
    }

    fn record_bytes(&self) -> usize {
        100
    }

    fn command(&self, _: usize) -> Result<Command<'_>, Rejection> {
        Ok(create(66, 66))
    }

    fn settle(&mut self, _: usize, _: CommandResult) {
        panic!("planted: a batch that breaks its contract");
    }
}

/// The creation of a resource.
#[must_use]
pub fn create(id: u128, resource: u128) -> Command<'static> {
    Command {
        operation_id: OperationId(id),
        valid_until_slot: Slot(0),
        action: Action::CreateResource {
            resource_id: ResourceId(resource),
        },
    }
}

fn reserve(id: u128, holder: u128) -> Command<'static> {
    const BUNDLE: [[u8; 16]; 1] = [PRIZE.to_le_bytes()];
    Command {
        operation_id: OperationId(id),
        valid_until_slot: Slot(0),
        action: Action::Reserve {
            resource_ids: ResourceIds::new(&BUNDLE),
            holder_id: HolderId(holder),
            ttl_slots: 9,
        },
    }
}

/// Threads and what they look at.
#[derive(Clone, Copy)]
pub struct Scene<'s, 'd> {
    /// The engine.
    pub engine: &'s Engine<Watched<'d>>,
    /// Its log.
    pub watch: &'s Watch,
    /// What they have seen.
    pub board: &'s Board,
    /// What may go wrong.
    pub allowed: Allowed,
}

impl Scene<'_, '_> {
    /// One thread's submissions, `count` of them, drawn.
    pub fn submits(&self, thread: u128, count: u64, draw: &mut Draw) {
        let mut last = None;
        for call in 0..count {
            let id = (thread << 32) + u128::from(call) + 1;
            let command = match (draw.below(8), last) {
                (0..=2, _) => create(id, id),
                (3 | 4, _) => reserve(id, thread + 1),
                (5, Some(command)) => command,
                _ => create(SHARED, SHARED),
            };
            last = Some(command);
            self.submit(command);
        }
    }

    /// One submission, and what its answer must be.
    pub fn submit(&self, command: Command<'static>) {
        let was_halted = self.board.is_halted.load(Ordering::Relaxed);
        let was_closed = self.board.is_closed.load(Ordering::Relaxed);
        let begun = self.board.moment();
        let mut batch = Single::new(command);
        let submitted = catch_unwind(AssertUnwindSafe(|| {
            self.engine.submit(Some(Slot(1)), &mut batch)
        }));
        let ended = self.board.moment();
        match submitted {
            Ok(Ok(())) => {
                assert!(!was_halted, "a halted engine acknowledges nothing");
                assert!(!was_closed, "a closed engine acknowledges nothing");
                let result = batch.result().expect("done means answered");
                let outcome = result.expect("there is room for all");
                self.take(command, outcome, (begun, ended));
            }
            Ok(Err(error)) => self.take_error(error),
            Err(_) => {
                assert!(self.allowed.panic, "a panic that nobody planted");
                self.take_failure();
            }
        }
    }

    fn take(&self, command: Command<'static>, outcome: Outcome, moments: (u64, u64)) {
        assert!(
            outcome.lsn.0 <= self.watch.synced_lsn(),
            "what is told is synced"
        );
        match command.action {
            Action::CreateResource { .. } => assert!(outcome.code == ResultCode::Done),
            _ => assert!(matches!(
                outcome.code,
                ResultCode::Done | ResultCode::ResourceBusy
            )),
        }
        self.board
            .told_lsn
            .fetch_max(outcome.lsn.0, Ordering::Relaxed);
        let answer = Answer {
            id: command.operation_id.0,
            outcome,
            begun: moments.0,
            ended: moments.1,
        };
        let mut answers = self.board.answers.lock().expect("a plain list");
        answers.push(answer);
    }

    fn take_error(&self, error: SubmitError) {
        match error {
            SubmitError::Overloaded { capacity } => {
                assert!(capacity == self.engine.settings().max_queue);
                self.board.overloads.fetch_add(1, Ordering::Relaxed);
            }
            SubmitError::Closed => {
                assert!(self.allowed.close, "nobody closed");
                self.board.refusals.fetch_add(1, Ordering::Relaxed);
            }
            SubmitError::Halted { .. } | SubmitError::StorageFailure { .. } => {
                assert!(self.allowed.halt, "nothing failed: {error}");
                assert!(error.is_indefinite());
                self.take_failure();
            }
            SubmitError::Panicked => {
                assert!(self.allowed.panic, "nobody panicked");
                assert!(error.is_indefinite());
                self.take_failure();
            }
            error => panic!("an answer for no reason: {error}"),
        }
    }

    /// Whoever hears that nobody knows finds the engine halted.
    fn take_failure(&self) {
        self.board.failures.fetch_add(1, Ordering::Relaxed);
        assert!(
            self.engine.health(None).halt.is_some(),
            "who does not know goes no further"
        );
        self.board.is_halted.store(true, Ordering::Relaxed);
    }

    /// A leader that panics while it applies.
    pub fn bursts(&self) {
        let submitted = catch_unwind(AssertUnwindSafe(|| {
            self.engine.submit(Some(Slot(1)), &mut Bomb)
        }));
        match submitted {
            Ok(Ok(())) => panic!("a batch that panics is not acknowledged"),
            Ok(Err(error)) => self.take_error(error),
            Err(_) => self.take_failure(),
        }
    }

    /// One read, which is answered or refused.
    pub fn looks(&self) {
        let was_closed = self.board.is_closed.load(Ordering::Relaxed);
        match self.engine.digest() {
            Ok(_) => assert!(!was_closed, "a closed engine answers no read"),
            Err(error) => assert!(error == ReadError::Closed, "a read for no reason: {error}"),
        }
        self.board.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads: only what is synced, never back, and all that anybody was told before.
    pub fn reads(&self, count: u64) {
        let mut seen = 0;
        for _ in 0..count {
            let told = self.board.told_lsn.load(Ordering::Relaxed);
            let told_answer = self.board.answers().last().copied();
            let was_halted = self.board.is_halted.load(Ordering::Relaxed);
            let id = told_answer.map_or(SHARED, |answer| answer.id);
            match self.engine.operation(Lsn(told), OperationId(id)) {
                Ok(outcome) => {
                    assert!(!was_halted, "a halted engine answers no read");
                    if let Some(answer) = told_answer {
                        assert!(
                            outcome.lsn == answer.outcome.lsn,
                            "reads agree with answers"
                        );
                    }
                    assert!(
                        outcome.lsn.0 <= self.watch.synced_lsn(),
                        "a read of unsynced state"
                    );
                }
                Err(ReadError::NotFound) => assert!(told_answer.is_none(), "lost: {id}"),
                Err(ReadError::Halted { .. }) => assert!(self.allowed.halt || self.allowed.panic),
                Err(ReadError::Closed) => assert!(self.allowed.close),
                Err(error) => panic!("a read for no reason: {error}"),
            }
            let last = self.engine.last_lsn().0;
            assert!(last >= seen, "reads never go back");
            assert!(last <= self.watch.synced_lsn(), "a read of unsynced state");
            seen = last;
            self.board.reads.fetch_add(1, Ordering::Relaxed);
        }
    }
}
