//! What a scenario prints: the counts that prove the outcome, beside the times.
//!
//! Counts are the same on every machine. Times are of one machine and one moment: each is the
//! median of the runs' own figures, so one run that met a busy disk does not show.

use core::fmt::{self, Write};

use serde_json::{Map, Value};

use crate::counts::{Counts, Mismatch};
use crate::crew::Taken;
use crate::knobs::{Knobs, Scenario, Setup, Sync};

/// One scenario's report.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub scenario: Scenario,
    /// By which knobs.
    pub knobs: Knobs,
    /// The table sizes and the memory.
    pub setup: Setup,
    /// What came out of the first run.
    pub counts: Counts,
    /// The digest of the state, where it follows from the knobs: with one thread.
    pub state_digest: Option<String>,
    /// Where a run's counts are not the tally's, or its digest not the first run's.
    pub mismatches: Vec<Mismatch>,
    /// The times.
    pub times: Times,
}

/// Medians over the runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// The median time of a submission.
    pub submission_ns_median: u64,
    /// The time that 99 in 100 submissions do not exceed.
    pub submission_ns_p99: u64,
    /// Commands answered in a second.
    pub commands_per_second: u64,
    /// Commits written: with several threads, fewer than submissions.
    pub commits: u64,
    /// Snapshots written meanwhile.
    pub checkpoints: u64,
}

impl Times {
    /// The figures of one run.
    #[must_use]
    pub fn of(mut taken: Taken, commits: u64, checkpoints: u64) -> Self {
        taken.submit_ns.sort_unstable();
        let per_second = u128::from(taken.command_count) * 1_000_000_000;
        let per_second = per_second / u128::from(taken.step_ns.max(1));
        Self {
            submission_ns_median: rank(&taken.submit_ns, 500),
            submission_ns_p99: rank(&taken.submit_ns, 990),
            commands_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            commits,
            checkpoints,
        }
    }

    /// The median of each figure.
    #[must_use]
    pub fn median(runs: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> u64| {
            let mut all: Vec<_> = runs.iter().map(figure).collect();
            all.sort_unstable();
            rank(&all, 500)
        };
        Self {
            submission_ns_median: median(|run| run.submission_ns_median),
            submission_ns_p99: median(|run| run.submission_ns_p99),
            commands_per_second: median(|run| run.commands_per_second),
            commits: median(|run| run.commits),
            checkpoints: median(|run| run.checkpoints),
        }
    }

    fn rows(&self) -> [(&'static str, u64); 5] {
        [
            ("submission, median ns", self.submission_ns_median),
            ("submission, p99 ns", self.submission_ns_p99),
            ("commands a second", self.commands_per_second),
            ("commits", self.commits),
            ("checkpoints", self.checkpoints),
        ]
    }
}

/// The least value that `permille` of all do not exceed; 0 of none.
pub(crate) fn rank(sorted: &[u64], permille: usize) -> u64 {
    let place = (sorted.len() * permille).div_ceil(1_000).max(1) - 1;
    sorted.get(place).copied().unwrap_or(0)
}

impl Report {
    /// Whether every count is what it must be.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.mismatches.is_empty()
    }

    fn setup_rows(&self) -> Vec<(&'static str, u64)> {
        let (knobs, options) = (&self.knobs, &self.setup.options);
        let mut rows = vec![
            ("seed", knobs.seed),
            ("resources", knobs.resources),
            ("holders", knobs.holders),
        ];
        if self.scenario == Scenario::RetryWindow {
            rows.push(("commands", knobs.commands));
        }
        rows.extend([
            ("rounds", knobs.rounds),
            ("skew", knobs.skew),
            ("threads", knobs.threads),
            ("batch", knobs.batch),
            ("ttl", knobs.ttl),
            ("window", knobs.window),
            ("max-resources", options.max_resources.into()),
            ("max-reservations", options.max_reservations.into()),
            ("max-operations", options.max_operations.into()),
            ("runs", knobs.runs),
        ]);
        rows
    }

    const fn sync(&self) -> &'static str {
        match self.knobs.sync {
            Sync::Full => "full",
            Sync::Os => "os",
        }
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut setup = numbers(&self.setup_rows());
        setup.insert("sync".into(), self.sync().into());
        let mut memory = Map::new();
        memory.insert("database_bytes".into(), self.setup.database_bytes.into());
        memory.insert("harness_bytes".into(), self.setup.harness_bytes.into());
        let mismatches = self.mismatches.iter().map(|mismatch| {
            let mut object = Map::new();
            object.insert("name".into(), mismatch.name.clone().into());
            object.insert("expected".into(), mismatch.expected.clone().into());
            object.insert("counted".into(), mismatch.counted.clone().into());
            Value::Object(object)
        });
        let mismatches = mismatches.collect();
        let mut object = Map::new();
        object.insert("scenario".into(), self.scenario.name().into());
        object.insert("knobs".into(), Value::Object(setup));
        object.insert("memory".into(), Value::Object(memory));
        object.insert("counts".into(), Value::Object(numbers(self.counts.rows())));
        object.insert("detail".into(), self.counts.detail_text().into());
        let digest = self.state_digest.clone().map_or(Value::Null, Value::from);
        object.insert("state_digest".into(), digest);
        object.insert("times".into(), Value::Object(numbers(&self.times.rows())));
        object.insert("mismatches".into(), Value::Array(mismatches));
        object.insert("right".into(), self.is_right().into());
        Value::Object(object)
    }
}

fn numbers(rows: &[(&'static str, u64)]) -> Map<String, Value> {
    let rows = rows.iter();
    rows.map(|&(name, value)| (name.to_string(), value.into()))
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scenario.name())?;
        for (name, value) in self.setup_rows() {
            write!(f, " {name} {value},")?;
        }
        writeln!(f, " sync {}", self.sync())?;
        let (database, harness) = (self.setup.database_bytes, self.setup.harness_bytes);
        writeln!(
            f,
            "memory: database {}, harness {}, at most",
            bytes(database),
            bytes(harness)
        )?;
        for (name, value) in self.counts.rows() {
            writeln!(f, "  {name:<44} {:>14}", grouped(*value))?;
        }
        writeln!(f, "  {:<24} {:>34}", "detail", self.counts.detail_text())?;
        match &self.state_digest {
            Some(digest) => writeln!(f, "  {:<24} {digest:>34}", "state digest")?,
            None => writeln!(
                f,
                "  {:<24} {:>34}",
                "state digest", "depends on the threads"
            )?,
        }
        writeln!(f, "times, medians of {} runs:", self.knobs.runs)?;
        for (name, value) in self.times.rows() {
            writeln!(f, "  {name:<44} {:>14}", grouped(value))?;
        }
        for mismatch in &self.mismatches {
            writeln!(f, "WRONG: {mismatch}")?;
        }
        let verdict = if self.is_right() {
            "every count is what the tally says, in every run"
        } else {
            "the counts are not what the tally says"
        };
        writeln!(f, "{verdict}")
    }
}

/// A number in groups of three digits.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(count: u64) -> String {
    let mut text = grouped(count.div_ceil(1 << 10));
    let written = write!(text, " KiB");
    written.expect("text grows");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_of_those_who_do_not_exceed_them() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!((rank(&values, 500), rank(&values, 990)), (100, 198));
        assert_eq!(
            (rank(&[7], 500), rank(&[7], 990), rank(&[], 500)),
            (7, 7, 0)
        );
        assert_eq!((rank(&[1, 2, 3], 500), rank(&[1, 2], 500)), (2, 1));
    }

    #[test]
    fn medians_are_of_each_figure_by_itself() {
        let run = |median, p99| Times {
            submission_ns_median: median,
            submission_ns_p99: p99,
            ..Times::default()
        };
        let all = Times::median(&[run(1, 30), run(2, 10), run(9, 20)]);
        assert_eq!((all.submission_ns_median, all.submission_ns_p99), (2, 20));
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
