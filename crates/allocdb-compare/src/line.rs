//! The lines that measuring programs print, and that become tables and plots.
//!
//! ```text
//! {"row": "…", "system": "…", "value": 1.5, "unit": "µs", "command": "…", "detail": {…}}
//! {"plot": "…", "series": "…", "x": 1, "y": 2, "x_label": "…", "y_label": "…", "log_x": true}
//! {"note": "…"}
//! ```
//!
//! A figure may come many times, once for each run: the report takes the median. So may a point of
//! a plot. `command`, `detail`, the labels, `log_x` and `log_y` may be left out. Lines that do not
//! begin with `{` are for people and are passed over; those that do must be one of these, since a
//! figure that is lost in silence is worse than none.

use core::fmt;

use serde_json::{Map, Value, json};

/// One run's figure of one system.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Figure {
    /// What is compared.
    pub row: String,
    /// Who did it.
    pub system: String,
    /// How much.
    pub value: f64,
    /// Of what; a rate ends in `/s`, and then more is better.
    pub unit: String,
    /// What to type to see it again.
    pub command: String,
    /// More of the same run; numbers are shown, as medians.
    pub detail: Map<String, Value>,
}

/// One point of a plot.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Point {
    /// The plot's name, and its file's.
    pub plot: String,
    /// The line that it is on.
    pub series: String,
    /// Where.
    pub x: f64,
    /// How high.
    pub y: f64,
    /// Under the plot.
    pub x_label: String,
    /// Beside it.
    pub y_label: String,
    /// Steps along x are factors.
    pub log_x: bool,
    /// Steps along y are factors.
    pub log_y: bool,
}

/// A line.
#[derive(Clone, PartialEq, Debug)]
pub enum Line {
    /// A figure.
    Figure(Figure),
    /// A point.
    Point(Point),
    /// A sentence for the end of the table: what was left out, and why.
    Note(String),
}

/// A line that begins with `{` and is none of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.reason)
    }
}

impl core::error::Error for BadLine {}

/// All lines of a text.
pub fn parse_all(text: &str) -> Result<Vec<Line>, BadLine> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| line.trim_start().starts_with('{'));
    let parsed = lines.map(|(index, line)| {
        Line::parse(line).map_err(|reason| BadLine {
            number: index + 1,
            reason,
        })
    });
    parsed.collect()
}

impl Line {
    /// The line's meaning, or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let fields = value.as_object().ok_or("not an object")?;
        if fields.contains_key("row") {
            Figure::of(fields).map(Self::Figure)
        } else if fields.contains_key("plot") {
            Point::of(fields).map(Self::Point)
        } else {
            let note = text_of(fields, "note");
            note.map(Self::Note)
                .map_err(|_| "no `row`, `plot` or `note`".to_owned())
        }
    }
}

impl Figure {
    fn of(fields: &Map<String, Value>) -> Result<Self, String> {
        let detail = fields.get("detail").cloned().unwrap_or_else(|| json!({}));
        let Value::Object(detail) = detail else {
            return Err("`detail` is not an object".to_owned());
        };
        Ok(Self {
            row: text_of(fields, "row")?,
            system: text_of(fields, "system")?,
            value: number_of(fields, "value")?,
            unit: text_of(fields, "unit")?,
            command: text_of(fields, "command").unwrap_or_default(),
            detail,
        })
    }
}

impl Point {
    fn of(fields: &Map<String, Value>) -> Result<Self, String> {
        let is = |name| {
            fields
                .get(name)
                .and_then(Value::as_bool)
                .unwrap_or_default()
        };
        Ok(Self {
            plot: text_of(fields, "plot")?,
            series: text_of(fields, "series")?,
            x: number_of(fields, "x")?,
            y: number_of(fields, "y")?,
            x_label: text_of(fields, "x_label").unwrap_or_default(),
            y_label: text_of(fields, "y_label").unwrap_or_default(),
            log_x: is("log_x"),
            log_y: is("log_y"),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match self {
            Self::Figure(figure) => json!({
                "row": figure.row, "system": figure.system, "value": figure.value,
                "unit": figure.unit, "command": figure.command, "detail": figure.detail,
            }),
            Self::Point(point) => json!({
                "plot": point.plot, "series": point.series, "x": point.x, "y": point.y,
                "x_label": point.x_label, "y_label": point.y_label,
                "log_x": point.log_x, "log_y": point.log_y,
            }),
            Self::Note(note) => json!({ "note": note }),
        };
        write!(f, "{value}")
    }
}

fn text_of(fields: &Map<String, Value>, name: &str) -> Result<String, String> {
    let text = fields.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("`{name}` is not a text"))
}

/// JSON knows no infinity and no not-a-number, so that every number is one.
fn number_of(fields: &Map<String, Value>, name: &str) -> Result<f64, String> {
    let number = fields.get(name).and_then(Value::as_f64);
    number.ok_or_else(|| format!("`{name}` is not a number"))
}

#[cfg(test)]
mod tests;
