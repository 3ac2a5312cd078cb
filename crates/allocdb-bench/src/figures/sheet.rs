//! What a subject prints: its figures, the counts that prove them, and the points of a curve.
//!
//! As text for people, and with `--json` one object a line for programs that collect the figures of
//! several systems:
//!
//! ```json
//! {"row": "…", "system": "AllocDB", "value": 1.5, "unit": "…", "command": "…", "detail": {}}
//! {"plot": "…", "series": "AllocDB", "x": 1, "y": 2, "x_label": "…", "y_label": "…",
//!  "log_x": true}
//! ```
//!
//! A row's value is the median over the runs; its detail holds the least and the greatest beside
//! it, the medians of what else was measured, and the counts. Rejected: averages, which one run
//! that met a busy machine would move.

use core::fmt;

use serde_json::{Map, Value, json};

use crate::counts::{Counts, Mismatch};
use crate::report::grouped;

/// The system that is measured, as in the figures of others beside it.
pub const SYSTEM: &str = "AllocDB";

/// One measured value of one run.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// What it is of.
    pub row: String,
    /// The value.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What was measured beside it.
    pub detail: Vec<(&'static str, u64)>,
    /// Where it lies on a curve, if it does.
    pub place: Option<Place>,
}

/// A value's place on a curve; the value is the height.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    /// The curve's picture.
    pub plot: &'static str,
    /// How far to the right.
    pub x: f64,
    /// What that is.
    pub x_label: &'static str,
    /// What the height is.
    pub y_label: &'static str,
}

impl Sample {
    /// A value with nothing beside it.
    #[must_use]
    pub fn new(row: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            row: row.into(),
            value,
            unit,
            detail: Vec::new(),
            place: None,
        }
    }

    /// With more that was measured.
    #[must_use]
    pub fn with(mut self, detail: &[(&'static str, u64)]) -> Self {
        self.detail.extend_from_slice(detail);
        self
    }

    /// With a place on a curve.
    #[must_use]
    pub const fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

/// One row: the medians of all runs.
#[derive(Clone, PartialEq, Debug)]
struct Row {
    median: Sample,
    least: f64,
    greatest: f64,
}

/// One subject's figures.
#[derive(Clone, Debug)]
pub struct Sheet {
    name: &'static str,
    run_count: usize,
    rows: Vec<Row>,
    counts: Counts,
    mismatches: Vec<Mismatch>,
}

impl Sheet {
    /// Takes the medians of the runs' samples.
    #[must_use]
    pub fn new(
        name: &'static str,
        counts: Counts,
        mismatches: Vec<Mismatch>,
        runs: &[Vec<Sample>],
    ) -> Self {
        let first = runs.first().expect("at least one run");
        let rows = (0..first.len()).map(|place| {
            let samples: Vec<_> = runs.iter().map(|run| &run[place]).collect();
            row(&samples)
        });
        Self {
            name,
            run_count: runs.len(),
            rows: rows.collect(),
            counts,
            mismatches,
        }
    }

    /// Whether every count is what it must be.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// In what the counts are not what they must be.
    #[must_use]
    pub fn mismatches(&self) -> &[Mismatch] {
        &self.mismatches
    }

    /// The figures for programs, one object a line; `command` is what prints them.
    #[must_use]
    pub fn json_lines(&self, command: &str) -> Vec<Value> {
        let rows = self.rows.iter();
        let rows = rows.flat_map(|row| [Some(self.json_row(row, command)), json_point(row)]);
        rows.flatten().collect()
    }

    fn json_row(&self, row: &Row, command: &str) -> Value {
        let counts = self.counts.rows().iter();
        let counts: Map<_, _> = counts
            .map(|&(name, count)| (name.to_string(), count.into()))
            .collect();
        let mut detail = Map::new();
        detail.insert("runs".into(), self.run_count.into());
        detail.insert("least".into(), rounded(row.least).into());
        detail.insert("greatest".into(), rounded(row.greatest).into());
        for &(name, value) in &row.median.detail {
            detail.insert(name.into(), value.into());
        }
        detail.insert("counts".into(), counts.into());
        detail.insert("right".into(), self.is_right().into());
        json!({
            "row": row.median.row, "system": SYSTEM, "value": rounded(row.median.value),
            "unit": row.median.unit, "command": command, "detail": detail,
        })
    }
}

fn json_point(row: &Row) -> Option<Value> {
    let place = row.median.place?;
    Some(json!({
        "plot": place.plot, "series": SYSTEM, "x": place.x, "y": rounded(row.median.value),
        "x_label": place.x_label, "y_label": place.y_label, "log_x": true,
    }))
}

/// The medians of one row's samples.
fn row(samples: &[&Sample]) -> Row {
    let mut values: Vec<_> = samples.iter().map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    let middle = (values.len() - 1) / 2;
    let mut median = samples[0].clone();
    median.value = values[middle];
    for (place, detail) in median.detail.iter_mut().enumerate() {
        let mut beside: Vec<_> = samples
            .iter()
            .map(|sample| sample.detail[place].1)
            .collect();
        beside.sort_unstable();
        detail.1 = beside[middle];
    }
    let alike = samples.iter().all(|sample| sample.row == median.row);
    assert!(alike, "the same rows in every run");
    Row {
        median,
        least: values[0],
        greatest: values[values.len() - 1],
    }
}

/// Three digits behind the point are more than any clock is good for.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, runs) = (self.name, self.run_count);
        let runs_are = if runs == 1 { "run" } else { "runs" };
        writeln!(
            f,
            "{name}: medians of {runs} {runs_are}, least and greatest"
        )?;
        for row in &self.rows {
            let Sample {
                row: name,
                value,
                unit,
                detail,
                ..
            } = &row.median;
            let (value, least, greatest) = (text(*value), text(row.least), text(row.greatest));
            writeln!(
                f,
                "  {name:<50} {value:>14} {unit}  ({least} to {greatest})"
            )?;
            for (name, value) in detail {
                writeln!(f, "    {name:<48} {:>14}", grouped(*value))?;
            }
        }
        writeln!(f, "counted in each run:")?;
        for (name, count) in self.counts.rows() {
            writeln!(f, "  {name:<50} {:>14}", grouped(*count))?;
        }
        for mismatch in &self.mismatches {
            writeln!(f, "WRONG: {mismatch}")?;
        }
        let verdict = if self.is_right() {
            "every count is what it must be, in every run"
        } else {
            "the counts are not what they must be"
        };
        writeln!(f, "{verdict}")
    }
}

/// A value to as many digits as it is worth.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a figure is positive, and below 2^64"
)]
fn text(value: f64) -> String {
    if value < 1e3 {
        format!("{value:.1}")
    } else {
        grouped(value.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_median_of_the_runs_and_of_each_detail_by_itself() {
        let run = |value, detail| Sample::new("a row", value, "ns").with(&[("beside", detail)]);
        let runs = [run(3.0, 1), run(1.0, 3), run(2.0, 9)];
        let runs = runs.map(|sample| vec![sample]);
        let sheet = Sheet::new("subject", Counts::new(&["work"]), Vec::new(), &runs);
        let lines = sheet.json_lines("type this");
        assert_eq!(lines.len(), 1);
        assert_eq!(
            lines[0].to_string(),
            r#"{"row":"a row","system":"AllocDB","value":2.0,"unit":"ns","command":"type this","#
                .to_string()
                + r#""detail":{"runs":3,"least":1.0,"greatest":3.0,"beside":3,"#
                + r#""counts":{"work":0},"right":true}}"#
        );
    }

    #[test]
    fn a_row_with_a_place_is_a_point_too() {
        let place = Place {
            plot: "a plot",
            x: 10.0,
            x_label: "across",
            y_label: "up",
        };
        let runs = [vec![Sample::new("a row", 1_234.567_8, "ns").at(place)]];
        let sheet = Sheet::new("subject", Counts::new(&[]), Vec::new(), &runs);
        let lines = sheet.json_lines("");
        assert_eq!(
            lines[1].to_string(),
            r#"{"plot":"a plot","series":"AllocDB","x":10.0,"y":1234.568,"x_label":"across","#
                .to_string()
                + r#""y_label":"up","log_x":true}"#
        );
        assert!(sheet.to_string().contains(" 1,235 ns "), "{sheet}");
    }
}
