//! What random histories did, counted, so that a run in which something never happened is no
//! success.

use crate::layer::Run;
use crate::model::{
    Action, Admission, Applied, CODE_COUNT, Command, REJECTION_COUNT, Rejection, Verdict,
};

/// Counts over any number of histories.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "each is what its name says")]
pub struct Tally {
    pub histories: u64,
    pub commands: u64,
    pub judged: u64,
    pub codes: [u64; CODE_COUNT],
    pub refused: [u64; REJECTION_COUNT],
    pub expired: u64,
    pub retries: u64,
    pub transfers: u64,
    pub bundles: u64,
    pub snapshots: u64,
    /// Snapshots that were written in slices while commands went on.
    pub sliced: u64,
    pub replayed: u64,
    pub growths: u64,
    /// Moves to a position near the last one there is.
    pub last_positions: u64,
    pub slots_back: u64,
}

/// Too little to be sure that a thing is seldom and not impossible.
const COMMANDS_LEAST: u64 = 1_000_000;

impl Tally {
    /// Counts a judgement.
    pub fn count_admission(&mut self, admission: &Admission) {
        self.judged += 1;
        match admission {
            Admission::Rejected(rejection) => self.refused[rejection.number()] += 1,
            Admission::Retry(_) | Admission::RetryOf { .. } => self.retries += 1,
            Admission::New { .. } => {}
        }
    }

    /// Counts an applied command.
    pub fn count_applied(&mut self, command: &Command, applied: &Applied) {
        self.commands += 1;
        match applied.verdict {
            Verdict::Outcome(outcome) if outcome.from_retry_cache => self.retries += 1,
            Verdict::Outcome(outcome) => {
                self.codes[outcome.code as usize] += 1;
                let is_bundle = matches!(&command.action, Action::Reserve { resource_ids, .. }
                    if resource_ids.len() > 1);
                self.bundles += u64::from(is_bundle);
            }
            Verdict::Expired { count } => self.expired += u64::from(count),
            Verdict::Rejected(rejection) => self.refused[rejection.number()] += 1,
        }
    }

    /// Enters the counts as figures.
    pub fn tell(&self, run: &mut Run) {
        let figures = [
            ("histories", self.histories),
            ("commands", self.commands),
            ("judged", self.judged),
            ("transfers", self.transfers),
            ("bundles", self.bundles),
            ("expirations", self.expired),
            ("retries", self.retries),
            ("refused", self.refused.iter().sum()),
            ("snapshots", self.snapshots),
            ("sliced", self.sliced),
            ("replayed", self.replayed),
            ("growths", self.growths),
        ];
        for (name, value) in figures {
            run.figure(name, value);
        }
    }

    /// What never happened in a run long enough for all of it.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        if self.commands < COMMANDS_LEAST {
            return Vec::new();
        }
        let overloaded = Rejection::Overloaded { table: "" }.number();
        let codes = self.codes.iter().enumerate();
        let codes = codes.map(|(number, count)| (format!("result {number}"), *count));
        let refused = self.refused.iter().enumerate();
        let refused = refused.filter(|(number, _)| *number != overloaded);
        let refused = refused.map(|(number, count)| (format!("rejection {number}"), *count));
        let rest = [
            ("expirations", self.expired),
            ("retries", self.retries),
            ("transfers", self.transfers),
            ("bundles", self.bundles),
            ("snapshots", self.snapshots),
            ("snapshots in slices", self.sliced),
            ("replays", self.replayed),
            ("growths", self.growths),
            ("last positions", self.last_positions),
            ("slots that go back", self.slots_back),
        ];
        let rest = rest.map(|(name, count)| (name.to_owned(), count));
        let all = codes.chain(refused).chain(rest);
        all.filter(|(_, count)| *count < 10)
            .map(|(name, count)| format!("{name}: {count} times only"))
            .collect()
    }
}
