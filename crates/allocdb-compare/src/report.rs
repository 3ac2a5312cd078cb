//! The report: runs gathered, medians and ratios, as Markdown and as JSON.
//!
//! Rows and systems stand in the order in which they were first seen. The first system of a row
//! whose name begins with `AllocDB` is what the others are put beside: "better by" says how many
//! times as good it is, for a rate as for a time. In a row of AllocDB alone the first measures the
//! others: "as good as". Where a row has raw disk writes (figures whose detail says `"raw": true`),
//! every time is also put beside the fastest of them.

use core::fmt::Write;

use serde_json::{Map, Value, json};

use crate::line::{Figure, Line, Point};
use crate::median::median;

/// Everything that was said.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// What was compared.
    pub rows: Vec<Row>,
    /// What is drawn.
    pub plots: Vec<Plot>,
    /// What is said at the end.
    pub notes: Vec<String>,
}

/// One comparison.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What to type.
    pub commands: Vec<String>,
    /// Who took part.
    pub systems: Vec<System>,
}

/// One system in one row.
#[derive(Clone, PartialEq, Debug)]
pub struct System {
    /// Its name.
    pub name: String,
    /// Of what the values are.
    pub unit: String,
    /// One for each run.
    pub values: Vec<f64>,
    /// One for each run.
    pub details: Vec<Map<String, Value>>,
}

/// A plot.
#[derive(Clone, PartialEq, Debug)]
pub struct Plot {
    /// Its name.
    pub name: String,
    /// Under it.
    pub x_label: String,
    /// Beside it.
    pub y_label: String,
    /// Steps along x are factors.
    pub log_x: bool,
    /// Steps along y are factors.
    pub log_y: bool,
    /// Its lines.
    pub series: Vec<Series>,
}

/// A line of a plot.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// By x; where several runs had the same x, the median of their y.
    pub points: Vec<(f64, f64)>,
}

impl Report {
    /// Gathers lines.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let mut report = Self::default();
        let mut points = Vec::new();
        for line in lines {
            match line {
                Line::Figure(figure) => report.add(figure),
                Line::Point(point) => points.push(point),
                Line::Note(note) if report.notes.contains(note) => {}
                Line::Note(note) => report.notes.push(note.clone()),
            }
        }
        report.plots = plots(&points);
        report
    }

    fn add(&mut self, figure: &Figure) {
        let row = place(
            &mut self.rows,
            |row| row.name == figure.row,
            || Row {
                name: figure.row.clone(),
                commands: Vec::new(),
                systems: Vec::new(),
            },
        );
        if !figure.command.is_empty() && !row.commands.contains(&figure.command) {
            row.commands.push(figure.command.clone());
        }
        let is_same = |system: &System| system.name == figure.system && system.unit == figure.unit;
        let system = place(&mut row.systems, is_same, || System {
            name: figure.system.clone(),
            unit: figure.unit.clone(),
            values: Vec::new(),
            details: Vec::new(),
        });
        system.values.push(figure.value);
        system.details.push(figure.detail.clone());
    }

    /// The tables.
    #[must_use]
    pub fn markdown(&self, heading: &str) -> String {
        let mut text = format!("# {heading}\n");
        for row in &self.rows {
            row.write(&mut text);
        }
        if !self.plots.is_empty() {
            text.push_str("\n## Plots\n\n");
        }
        for plot in &self.plots {
            let _ = writeln!(text, "![{}]({}.svg)\n", plot.name, plot.file_name());
        }
        if !self.notes.is_empty() {
            text.push_str("\n## Notes\n\n");
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    /// The same for programs, with each run's value.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let plots: Vec<Value> = self.plots.iter().map(Plot::json).collect();
        json!({ "rows": rows, "plots": plots, "notes": self.notes })
    }
}

/// What is there already, or made now at the end.
fn place<T>(all: &mut Vec<T>, is_same: impl FnMut(&T) -> bool, make: impl FnOnce() -> T) -> &mut T {
    let index = all.iter().position(is_same).unwrap_or(all.len());
    if index == all.len() {
        all.push(make());
    }
    &mut all[index]
}

impl Row {
    /// AllocDB beside itself.
    fn is_own(&self) -> bool {
        let mut systems = self.systems.iter();
        systems.all(|system| system.name.starts_with("AllocDB"))
    }

    /// What the others are put beside.
    fn ours(&self) -> Option<&System> {
        self.systems
            .iter()
            .find(|system| system.name.starts_with("AllocDB"))
    }

    /// How many times as good the row's AllocDB is; nothing without one, or in another unit.
    #[must_use]
    pub fn better_by(&self, system: &System) -> Option<f64> {
        let ours = self.ours()?;
        if ours.unit != system.unit {
            return None;
        }
        let (our, their) = (ours.median(), system.median());
        let ratio = if system.is_rate() {
            our / their
        } else {
            their / our
        };
        ratio.is_finite().then_some(ratio)
    }

    /// The time as a multiple of the fastest raw write's.
    #[must_use]
    pub fn beside_raw(&self, system: &System) -> Option<f64> {
        let raw = self
            .systems
            .iter()
            .filter(|other| other.is_raw() && other.unit == system.unit);
        let fastest = raw.map(System::median).min_by(f64::total_cmp)?;
        let ratio = system.median() / fastest;
        (!system.is_rate() && ratio.is_finite()).then_some(ratio)
    }

    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "\n## {}\n", self.name);
        for command in &self.commands {
            let _ = writeln!(text, "`{command}`\n");
        }
        let has_raw = self.systems.iter().any(System::is_raw);
        let raw_head = if has_raw { " beside raw |" } else { "" };
        let is_own = self.is_own();
        let ours = match self.ours() {
            None => String::new(),
            Some(ours) if is_own => format!("as good as {}", ours.name),
            Some(ours) => format!("{} better by", ours.name),
        };
        let turned = |ratio: f64| if is_own { ratio.recip() } else { ratio };
        let raw_rule = if has_raw { "--:|" } else { "" };
        let _ = writeln!(
            text,
            "| system | median | unit | least to greatest | runs | {ours} |{raw_head} \
             more, medians |\n|---|--:|---|--:|--:|--:|{raw_rule}---|"
        );
        for system in &self.systems {
            let times = |ratio: Option<f64>| {
                ratio.map_or(String::new(), |ratio| format!("{}×", shown(ratio)))
            };
            let raw = if has_raw {
                format!(" {} |", times(self.beside_raw(system)))
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} to {} | {} | {} |{raw} {} |",
                system.name.replace('|', "\\|"),
                shown(system.median()),
                system.unit,
                shown(system.least()),
                shown(system.greatest()),
                system.values.len(),
                times(self.better_by(system).map(turned)),
                system.more(),
            );
        }
    }

    fn json(&self) -> Value {
        let systems = self.systems.iter().map(|system| {
            json!({
                "system": system.name, "unit": system.unit, "median": system.median(),
                "least": system.least(), "greatest": system.greatest(),
                "allocdb_better_by": self.better_by(system),
                "beside_raw": self.beside_raw(system),
                "values": system.values, "detail_medians": system.detail_medians(),
                "details": system.details,
            })
        });
        let systems: Vec<Value> = systems.collect();
        json!({ "row": self.name, "commands": self.commands, "systems": systems })
    }
}

impl System {
    /// The value in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&self.values)
    }

    fn least(&self) -> f64 {
        self.values
            .iter()
            .copied()
            .min_by(f64::total_cmp)
            .unwrap_or_default()
    }

    fn greatest(&self) -> f64 {
        self.values
            .iter()
            .copied()
            .max_by(f64::total_cmp)
            .unwrap_or_default()
    }

    /// More is better.
    fn is_rate(&self) -> bool {
        self.unit.ends_with("/s")
    }

    fn is_raw(&self) -> bool {
        let says_so = |detail: &Map<String, Value>| detail.get("raw") == Some(&json!(true));
        self.details.iter().any(says_so)
    }

    /// The median of each number in the details.
    #[must_use]
    pub fn detail_medians(&self) -> Map<String, Value> {
        let mut medians = Map::new();
        let names = self.details.iter().flat_map(Map::keys);
        for name in names {
            let numbers = self
                .details
                .iter()
                .filter_map(|detail| detail.get(name)?.as_f64());
            let numbers: Vec<f64> = numbers.collect();
            if !numbers.is_empty() {
                medians.insert(name.clone(), json!(median(&numbers)));
            }
        }
        medians
    }

    fn more(&self) -> String {
        let medians = self.detail_medians();
        let parts = medians
            .iter()
            .map(|(name, value)| format!("{name} {}", shown(value.as_f64().unwrap_or_default())));
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Plot {
    /// Its file, without the ending.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = self.name.chars();
        name.map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
    }

    fn json(&self) -> Value {
        let series = self.series.iter().map(|series| {
            let points = series.points.iter().map(|&(x, y)| json!([x, y]));
            json!({ "series": series.name, "points": points.collect::<Vec<_>>() })
        });
        json!({
            "plot": self.name, "x_label": self.x_label, "y_label": self.y_label,
            "log_x": self.log_x, "log_y": self.log_y, "series": series.collect::<Vec<_>>(),
        })
    }
}

fn plots(points: &[&Point]) -> Vec<Plot> {
    let mut plots: Vec<Plot> = Vec::new();
    for point in points {
        let plot = place(
            &mut plots,
            |plot| plot.name == point.plot,
            || Plot {
                name: point.plot.clone(),
                x_label: point.x_label.clone(),
                y_label: point.y_label.clone(),
                log_x: point.log_x,
                log_y: point.log_y,
                series: Vec::new(),
            },
        );
        let series = place(
            &mut plot.series,
            |series| series.name == point.series,
            || Series {
                name: point.series.clone(),
                points: Vec::new(),
            },
        );
        series.points.push((point.x, point.y));
    }
    for series in plots.iter_mut().flat_map(|plot| &mut plot.series) {
        series
            .points
            .sort_by(|one, other| one.0.total_cmp(&other.0));
        let runs = series
            .points
            .chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq());
        let middle = runs.map(|run| {
            let ys: Vec<f64> = run.iter().map(|point| point.1).collect();
            (run[0].0, median(&ys))
        });
        series.points = middle.collect();
    }
    plots
}

/// A number as people read it: three digits at least, and a comma at each thousand.
#[must_use]
pub fn shown(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, whole) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests;
