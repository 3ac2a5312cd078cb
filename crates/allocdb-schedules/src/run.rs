//! Trying a scenario under many schedules, and saying how to see one again.
//!
//! Schedules go in chunks. A chunk is named by scenario, scheduler and seed, and what it does
//! follows from these alone; a finding names them and the schedule's place in the chunk. Rejected:
//! printing the schedule itself, which runs to thousands of steps and breaks with the next change
//! of the code.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allocdb_node::Health;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::calls::Board;
use crate::scenario::Scenario;

/// Preemptions of which a bug found by [`Chooser::Priorities`] may need as many.
const DEPTH: usize = 4;
/// Steps after which a schedule counts as one that does not end; the longest seen had 4,000.
const STEPS_MAX: usize = 100_000;
const STACK_BYTES: usize = 256 << 10;

/// Who chooses which thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chooser {
    /// A coin at every step.
    Random,
    /// Priorities, which change at a few steps.
    Priorities,
    /// One schedule after the other, until there is no other.
    Every,
}

impl Chooser {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Priorities => "priorities",
            Self::Every => "every",
        }
    }
}

/// Numbers drawn from a seed, apart from the scheduler's own.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The numbers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An index into `len` items.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// Other numbers.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// What the schedules did; each must have happened, or nothing was tried.
#[derive(Debug, Default)]
pub struct Tally {
    /// Schedules begun.
    pub schedules: AtomicU64,
    /// Commands answered.
    pub answers: AtomicU64,
    /// Answers that repeat an earlier one.
    pub retries: AtomicU64,
    /// Schedules in which threads shared a commit.
    pub shared_commits: AtomicU64,
    /// Calls refused for lack of a place.
    pub overloads: AtomicU64,
    /// Calls refused because of closing.
    pub refusals: AtomicU64,
    /// Calls that were told that nobody knows.
    pub failures: AtomicU64,
    /// Reads.
    pub reads: AtomicU64,
    /// Checkpoints.
    pub checkpoints: AtomicU64,
}

impl Tally {
    /// Adds what one schedule did.
    pub fn take(&self, board: &Board, health: &Health) {
        let answers = board.answers();
        let retries = answers
            .iter()
            .filter(|answer| answer.outcome.from_retry_cache);
        let relaxed = Ordering::Relaxed;
        self.retries.fetch_add(retries.count() as u64, relaxed);
        self.answers.fetch_add(answers.len() as u64, relaxed);
        let is_shared = health.records_per_commit_max > 1;
        self.shared_commits.fetch_add(is_shared.into(), relaxed);
        self.checkpoints.fetch_add(health.checkpoints, relaxed);
        for (sum, more) in [
            (&self.overloads, &board.overloads),
            (&self.refusals, &board.refusals),
            (&self.failures, &board.failures),
            (&self.reads, &board.reads),
        ] {
            sum.fetch_add(more.load(relaxed), relaxed);
        }
    }

    /// Names and numbers.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, u64); 9] {
        [
            ("schedules", &self.schedules),
            ("answers", &self.answers),
            ("retries", &self.retries),
            ("shared_commits", &self.shared_commits),
            ("overloads", &self.overloads),
            ("closed_refusals", &self.refusals),
            ("indefinite_answers", &self.failures),
            ("reads", &self.reads),
            ("checkpoints", &self.checkpoints),
        ]
        .map(|(name, number)| (name, number.load(Ordering::Relaxed)))
    }
}

/// Some schedules of one scenario.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// What is tried.
    pub scenario: Scenario,
    /// Who chooses.
    pub chooser: Chooser,
    /// From what.
    pub seed: u64,
    /// How many at most.
    pub count: usize,
}

impl Chunk {
    /// Tries them. The error says what was found, and how to see it again.
    pub fn run(self, tally: &Arc<Tally>) -> Result<usize, String> {
        listen();
        FOUND.with_borrow_mut(String::clear);
        let begun = Arc::new(AtomicU64::new(0));
        let (place, tally) = (Arc::clone(&begun), Arc::clone(tally));
        let play = move || {
            let number = place.fetch_add(1, Ordering::Relaxed);
            tally.schedules.fetch_add(1, Ordering::Relaxed);
            // Every schedule of a search must be of the same scene.
            let turn = if self.chooser == Chooser::Every {
                0
            } else {
                number
            };
            let draw = Draw::new(self.seed ^ turn.wrapping_mul(0xD6E8_FEB8_6659_FD93));
            self.scenario.play(draw, &tally);
        };
        let ran = catch_unwind(AssertUnwindSafe(|| match self.chooser {
            Chooser::Random => run(RandomScheduler::new_from_seed(self.seed, self.count), play),
            Chooser::Priorities => run(
                PctScheduler::new_from_seed(self.seed, DEPTH, self.count),
                play,
            ),
            Chooser::Every => run(DfsScheduler::new(Some(self.count), false), play),
        }));
        ran.map_err(|_| {
            format!(
                "--scenario {} --chooser {} --seed {}, schedule {}: {}",
                self.scenario.name(),
                self.chooser.name(),
                self.seed,
                begun.load(Ordering::Relaxed) - 1,
                FOUND.with_borrow(String::clone)
            )
        })
    }
}

fn run(scheduler: impl Scheduler + 'static, play: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(play)
}

std::thread_local! {
    static FOUND: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics say, in place of the scheduler's hook, which would print a schedule for every
/// planted panic.
fn listen() {
    static LISTENING: std::sync::Once = std::sync::Once::new();
    LISTENING.call_once(|| {
        // The scheduler sets its hook when it first runs, and not again.
        run(RandomScheduler::new_from_seed(0, 1), || {});
        std::panic::set_hook(Box::new(|info| {
            let text = info.to_string().replace('\n', " ");
            if !text.contains("planted: ") {
                FOUND.with_borrow_mut(|found| {
                    if found.len() < 2000 {
                        found.push_str(&text);
                        found.push_str("; ");
                    }
                });
            }
        }));
    });
}
