//! What every harness is given and what it tells: a goal, a deadline, a seed; progress, figures,
//! findings.
//!
//! A harness speaks in lines on its standard output, so that one in Rust, one in C under a tracer
//! and one in a script are the same thing to whoever runs them:
//!
//! ```text
//! progress 250000          units done so far
//! figure crashes 1034      a number worth keeping; the last of its name counts
//! found seed 7: two owners a finding: the run has failed
//! skipped no strace here   it cannot run on this machine, for this reason
//! ```
//!
//! Anything else is a log line. The exit status is 0 exactly if nothing was found. A harness in
//! Rust gets a [`Run`], which prints these lines; a script gets `--goal N --seconds S --seed N`.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// How long a harness runs, and from which seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Units to do: commands, images, cycles, whatever the harness counts.
    pub goal: u64,
    /// The time after which it stops short of its goal; `None` is no limit.
    pub time: Option<Duration>,
    /// Repeats the run.
    pub seed: u64,
}

/// One run of a harness.
#[derive(Debug)]
pub struct Run {
    budget: Budget,
    begun: Instant,
    done: u64,
    told_at: Instant,
    is_silent: bool,
    figures: Vec<(&'static str, u64)>,
    findings: Vec<String>,
}

/// Progress is told at most this often.
const TELL_EVERY: Duration = Duration::from_millis(200);

impl Run {
    /// A run that tells what it does on standard output.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let now = Instant::now();
        Self {
            budget,
            begun: now,
            done: 0,
            told_at: now,
            is_silent: false,
            figures: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// A run inside a test, which asks for figures and findings itself.
    #[must_use]
    pub fn silent(goal: u64, seed: u64) -> Self {
        let budget = Budget {
            goal,
            time: None,
            seed,
        };
        Self {
            is_silent: true,
            ..Self::new(budget)
        }
    }

    /// Units to do.
    #[must_use]
    pub const fn goal(&self) -> u64 {
        self.budget.goal
    }

    /// The seed that everything random comes from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.budget.seed
    }

    /// Units done.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// Whether the goal is reached or the time is up. Asks the clock: once a unit of real work.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.done >= self.budget.goal || self.is_out_of_time()
    }

    fn is_out_of_time(&self) -> bool {
        match self.budget.time {
            Some(time) => self.begun.elapsed() >= time,
            None => false,
        }
    }

    /// Counts `units` as done.
    pub fn advance(&mut self, units: u64) {
        self.done += units;
        if self.told_at.elapsed() >= TELL_EVERY {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told_at = Instant::now();
        self.say(format_args!("progress {}", self.done));
    }

    /// Keeps a number; a later one of the same name replaces it.
    pub fn figure(&mut self, name: &'static str, value: u64) {
        match self.figures.iter_mut().find(|(known, _)| *known == name) {
            Some((_, kept)) => *kept = value,
            None => self.figures.push((name, value)),
        }
    }

    /// Adds to a number.
    pub fn count(&mut self, name: &'static str, more: u64) {
        match self.figures.iter_mut().find(|(known, _)| *known == name) {
            Some((_, kept)) => *kept += more,
            None => self.figures.push((name, more)),
        }
    }

    /// A number that was kept; 0 if none was.
    #[must_use]
    pub fn figure_of(&self, name: &str) -> u64 {
        self.figures
            .iter()
            .find_map(|(known, value)| (*known == name).then_some(*value))
            .unwrap_or(0)
    }

    /// Reports a finding: the run has failed. The text says how to see it again.
    pub fn find(&mut self, finding: String) {
        self.say(format_args!("found {}", finding.replace('\n', " | ")));
        self.findings.push(finding);
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Tells the figures; whether nothing was found.
    #[must_use]
    pub fn conclude(mut self) -> bool {
        self.tell();
        for (name, value) in core::mem::take(&mut self.figures) {
            self.say(format_args!("figure {name} {value}"));
        }
        self.findings.is_empty()
    }

    fn say(&self, line: core::fmt::Arguments<'_>) {
        if self.is_silent {
            return;
        }
        let mut out = std::io::stdout().lock();
        // A reader that has gone away is its own affair; the exit status says the rest.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
