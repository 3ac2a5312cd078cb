//! What was counted beside what should have been.
//!
//! Each scenario counts twice: from the engine's answers, and from the plan alone, by rules written
//! down a second time, as plain as they can be. Both are lists of the same names. A harness that
//! only prints numbers proves nothing; one that compares them fails where they are wrong.

use allocdb_core::hash::Digest;

/// Counts by name, and a digest over all that the names only sum up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    rows: Vec<(&'static str, u64)>,
    detail: Digest,
}

impl Counts {
    /// None yet, under these names.
    #[must_use]
    pub fn new(names: &[&'static str]) -> Self {
        Self {
            rows: names.iter().map(|name| (*name, 0)).collect(),
            detail: Digest::default(),
        }
    }

    /// Adds to a count.
    pub fn add(&mut self, name: &'static str, count: u64) {
        let row = self.rows.iter_mut().find(|row| row.0 == name);
        row.expect("one of the names").1 += count;
    }

    /// Takes numbers into the digest.
    pub fn detail(&mut self, words: &[u64]) {
        for &word in words {
            self.detail.word(word);
        }
    }

    /// A count.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        let row = self.rows.iter().find(|row| row.0 == name);
        row.expect("one of the names").1
    }

    /// All counts.
    #[must_use]
    pub fn rows(&self) -> &[(&'static str, u64)] {
        &self.rows
    }

    /// The digest, as 32 hexadecimal digits.
    #[must_use]
    pub fn detail_text(&self) -> String {
        digest_text(self.detail)
    }
}

/// A digest as 32 hexadecimal digits.
#[must_use]
pub fn digest_text(digest: Digest) -> String {
    let [first, second] = digest.lanes;
    format!("{first:016x}{second:016x}")
}

/// A name whose two values differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// What.
    pub name: String,
    /// By the tally.
    pub expected: String,
    /// By the engine's answers.
    pub counted: String,
}

impl core::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            name,
            expected,
            counted,
        } = self;
        write!(f, "{name} is {counted}, must be {expected}")
    }
}

/// Everything in which the engine's counts are not the tally's.
#[must_use]
pub fn mismatches(expected: &Counts, counted: &Counts) -> Vec<Mismatch> {
    assert!(
        expected.rows.len() == counted.rows.len(),
        "the same names on both sides"
    );
    let mut found = Vec::new();
    let mut compare = |name: &str, expected: String, counted: String| {
        if expected != counted {
            found.push(Mismatch {
                name: name.to_string(),
                expected,
                counted,
            });
        }
    };
    for (expected, counted) in expected.rows.iter().zip(&counted.rows) {
        assert!(expected.0 == counted.0, "the same names in the same order");
        compare(expected.0, expected.1.to_string(), counted.1.to_string());
    }
    compare("detail", expected.detail_text(), counted.detail_text());
    found
}
