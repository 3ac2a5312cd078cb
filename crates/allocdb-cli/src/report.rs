//! What a command found: sentences first, then everything it knows, from one JSON value.
//!
//! The text is made from that value: a line for each number, a table for a list of alike things,
//! an indented part for what belongs together. Nothing is shown to people that programs do not get.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::failure::Exit;

/// A command's answer.
#[derive(Debug)]
pub(crate) struct Report {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What it comes to, in sentences.
    pub(crate) verdict: Vec<String>,
    /// All of it: an object.
    pub(crate) data: Map<String, Value>,
}

impl Report {
    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("exit_status".to_owned(), (self.exit as u8).into());
        all.insert("verdict".to_owned(), self.verdict.clone().into());
        all.extend(self.data.clone());
        Value::Object(all)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for sentence in &self.verdict {
            text.push_str(sentence);
            text.push('\n');
        }
        if !self.verdict.is_empty() {
            text.push('\n');
        }
        write_object(&mut text, &self.data, 0);
        text
    }
}

fn write_object(text: &mut String, object: &Map<String, Value>, depth: usize) {
    let is_plain = |value: &&Value| !value.is_object() && !value.is_array();
    let plain = object.iter().filter(|(_, value)| is_plain(value));
    let width = plain.map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = "  ".repeat(depth);
    for (name, value) in object {
        let label = name.replace('_', " ");
        match value {
            Value::Object(part) => {
                let _ = writeln!(text, "{indent}{label}");
                write_object(text, part, depth + 1);
            }
            Value::Array(rows) => {
                let _ = writeln!(text, "{indent}{label}");
                write_table(text, rows, depth + 1);
            }
            value => {
                let _ = writeln!(text, "{indent}{label:width$}  {}", spelled(value));
            }
        }
    }
}

/// Rows of objects with the same names, as columns; of anything else, a line each.
fn write_table(text: &mut String, rows: &[Value], depth: usize) {
    let indent = "  ".repeat(depth);
    let names = rows.first().and_then(Value::as_object);
    let Some(names) = names.map(|row| row.keys().cloned().collect::<Vec<_>>()) else {
        for row in rows {
            let _ = writeln!(text, "{indent}{}", spelled(row));
        }
        return;
    };
    let head = names.iter().map(|name| name.replace('_', " ")).collect();
    let cells = |row: &Value| names.iter().map(|name| spelled(&row[name])).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head)
        .chain(rows.iter().map(cells))
        .collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    for line in &lines {
        let mut padded = String::new();
        for (column, cell) in line.iter().enumerate() {
            let _ = write!(padded, "{cell:0$}  ", width(column).unwrap_or(0));
        }
        let _ = writeln!(text, "{indent}{}", padded.trim_end());
    }
}

fn spelled(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
