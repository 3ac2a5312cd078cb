//! Runs harnesses as processes of their own, some beside each other, and gathers what they tell.
//!
//! A process each, also for those in Rust: a harness that dies of what it found must not take the
//! others and the table with it. Time that is shared out goes to the harnesses in turn: whoever
//! starts gets an equal part of what is left, so that what one leaves over serves the next.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::layers::{How, Layer};

/// What to run, and how far.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The harnesses, with the goal of each.
    pub layers: Vec<(&'a Layer, u64)>,
    /// The time for all of them together; `None` is until each goal is reached.
    pub time: Option<Duration>,
    /// The seed that each is given.
    pub seed: u64,
    /// How many run beside each other.
    pub jobs: usize,
    /// Where each one's lines are kept.
    pub logs: PathBuf,
}

/// What came of one harness.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The harness.
    pub layer: Layer,
    /// Units that were asked for.
    pub goal: u64,
    /// Units that were done.
    pub done: u64,
    /// How long it took.
    pub time: Duration,
    /// Its figures, in the order told.
    pub figures: Vec<(String, f64)>,
    /// What it found.
    pub findings: Vec<String>,
    /// Why it could not run here, if it could not.
    pub skipped: Option<String>,
}

impl Outcome {
    /// Whether it ran and found nothing, or could not run for a reason that it named.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Runs everything; the outcomes in the order of the plan.
#[must_use]
pub fn run(plan: &Plan<'_>) -> Vec<Outcome> {
    let begun = Instant::now();
    let waiting: Mutex<VecDeque<_>> = Mutex::new(plan.layers.iter().enumerate().collect());
    let outcomes = Mutex::new(Vec::new());
    let bars = MultiProgress::new();
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some((index, &(layer, goal), seconds)) = next(plan, &waiting, begun) {
                    let bar = bars.add(bar(layer, goal));
                    let outcome = run_one(plan, layer, goal, seconds, &bar);
                    bar.finish_and_clear();
                    bars.suspend(|| println!("{}", line(&outcome)));
                    lock(&outcomes).push((index, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

type Waiting<'p> = VecDeque<(usize, &'p (&'p Layer, u64))>;

/// The next harness, and the seconds it may take; 0 is no limit.
fn next<'p>(
    plan: &Plan<'_>,
    waiting: &Mutex<Waiting<'p>>,
    begun: Instant,
) -> Option<(usize, &'p (&'p Layer, u64), u64)> {
    let mut waiting = lock(waiting);
    let sharers = waiting.len() as u64;
    let (index, row) = waiting.pop_front()?;
    let seconds = plan.time.map_or(0, |time| {
        let left = time.saturating_sub(begun.elapsed()).as_secs();
        (left * plan.jobs as u64 / sharers).clamp(1, left.max(1))
    });
    Some((index, row, seconds))
}

fn bar(layer: &Layer, goal: u64) -> ProgressBar {
    let template = "{prefix:20} {bar:30} {human_pos}/{human_len} {msg} {per_sec} ETA {eta}";
    let style = ProgressStyle::with_template(template).expect("the template is constant");
    ProgressBar::new(goal)
        .with_style(style)
        .with_prefix(layer.name)
        .with_message(layer.unit)
}

fn run_one(plan: &Plan<'_>, layer: &Layer, goal: u64, seconds: u64, bar: &ProgressBar) -> Outcome {
    let mut outcome = Outcome {
        layer: *layer,
        goal,
        done: 0,
        time: Duration::ZERO,
        figures: Vec::new(),
        findings: Vec::new(),
        skipped: None,
    };
    let begun = Instant::now();
    let log = plan.logs.join(format!("{}.log", layer.name));
    match start(layer, goal, seconds, plan.seed, &log) {
        Ok(child) => follow(child, &log, &mut outcome, bar),
        Err(error) => outcome.findings.push(format!("it did not start: {error}")),
    }
    outcome.time = begun.elapsed();
    outcome
}

/// The tree: programs are named from here.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn start(layer: &Layer, goal: u64, seconds: u64, seed: u64, log: &Path) -> std::io::Result<Child> {
    let mut command = match layer.how {
        How::Here(_) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["layer", layer.name]);
            command
        }
        How::Program(words) => {
            let mut command = Command::new(root().join(words[0]));
            command.args(&words[1..]);
            command
        }
    };
    command
        .args(["--goal", &goal.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .args(["--seed", &seed.to_string()])
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .spawn()
}

/// Reads what it tells until it ends. A status other than 0 without a finding is one.
fn follow(mut child: Child, log: &Path, outcome: &mut Outcome, bar: &ProgressBar) {
    let out = child.stdout.take().expect("it was asked for");
    let mut kept = File::options().append(true).open(log).ok();
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        if let Some(file) = &mut kept {
            let _ = std::io::Write::write_all(file, format!("{line}\n").as_bytes());
        }
        hear(&line, outcome);
        bar.set_position(outcome.done);
    }
    match child.wait() {
        Ok(status) if !status.success() && outcome.findings.is_empty() => {
            let text = format!("it ended with {status}; see {}", log.display());
            outcome.findings.push(text);
        }
        Ok(_) => {}
        Err(error) => outcome.findings.push(format!("it was lost: {error}")),
    }
    if outcome.skipped.is_none() && outcome.findings.is_empty() && outcome.done == 0 {
        outcome.findings.push("it did nothing".to_owned());
    }
}

/// One line of a harness, as `layer.rs` describes them.
fn hear(line: &str, outcome: &mut Outcome) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "progress" => outcome.done = rest.trim().parse().unwrap_or(outcome.done),
        "found" => outcome.findings.push(rest.to_owned()),
        "skipped" => outcome.skipped = Some(rest.to_owned()),
        "figure" => {
            let Some((name, value)) = rest.split_once(' ') else {
                return;
            };
            let Ok(value) = value.trim().parse() else {
                return;
            };
            outcome.figures.retain(|(known, _)| known != name);
            outcome.figures.push((name.to_owned(), value));
        }
        _ => {}
    }
}

/// What came of a harness, in a line.
fn line(outcome: &Outcome) -> String {
    let Outcome { layer, done, .. } = outcome;
    let seconds = outcome.time.as_secs_f64();
    let head = format!("{:20} {done} {}, {seconds:.1} s", layer.name, layer.unit);
    match (&outcome.skipped, outcome.findings.first()) {
        (_, Some(finding)) => format!("{head}: FOUND {finding}"),
        (Some(reason), None) => format!("{:20} skipped: {reason}", layer.name),
        (None, None) => head,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
