//! The table of figures, as Markdown for people and as JSON for programs.

use core::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::runner::Outcome;

/// The table as Markdown; `command` is what printed it.
#[must_use]
pub fn markdown(outcomes: &[Outcome], command: &str) -> String {
    let mut text = format!("`{command}`\n\n");
    text.push_str(
        "| layer | tries | done | seconds | found | figures |\n|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let layer = &outcome.layer;
        let done = match &outcome.skipped {
            Some(reason) => format!("skipped: {reason}"),
            None => format!("{} {}", grouped(outcome.done), layer.unit),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {done} | {:.0} | {} | {} |",
            layer.name,
            layer.what,
            outcome.time.as_secs_f64(),
            outcome.findings.len(),
            figures(outcome)
        );
    }
    for outcome in outcomes {
        for finding in &outcome.findings {
            let _ = writeln!(text, "\n**{}** found: {finding}", outcome.layer.name);
        }
    }
    text
}

/// The same for programs.
#[must_use]
pub fn json(outcomes: &[Outcome], command: &str) -> Value {
    let rows = outcomes.iter().map(|outcome| {
        let figures: Map<String, Value> = outcome
            .figures
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({
            "layer": outcome.layer.name,
            "tries": outcome.layer.what,
            "unit": outcome.layer.unit,
            "goal": outcome.goal,
            "done": outcome.done,
            "seconds": outcome.time.as_secs_f64(),
            "skipped": outcome.skipped,
            "found": outcome.findings,
            "figures": figures,
        })
    });
    json!({ "command": command, "layers": rows.collect::<Vec<_>>() })
}

fn figures(outcome: &Outcome) -> String {
    let each = outcome.figures.iter().map(|(name, value)| {
        let name = name.replace(['-', '_'], " ");
        // A number that is none of a count is shown as told.
        if value.fract() == 0.0 && (0.0..1e15).contains(value) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let count = *value as u64;
            format!("{name} {}", grouped(count))
        } else {
            format!("{name} {value}")
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::layers::{How, Layer};

    fn outcome() -> Outcome {
        Outcome {
            layer: Layer {
                name: "planted",
                what: "planted bugs",
                unit: "images",
                goal_ci: 1,
                goal_long: 2,
                how: How::Program(&["true"]),
            },
            goal: 2_000_000,
            done: 1_234_567,
            time: Duration::from_millis(61_400),
            figures: vec![("torn-tails".to_owned(), 4_096.0)],
            findings: vec!["seed 7: two winners".to_owned()],
            skipped: None,
        }
    }

    #[test]
    fn a_row_has_the_figures_and_a_finding_is_spelled_out() {
        let text = markdown(&[outcome()], "scripts/torture.sh");
        let row = "| planted | planted bugs | 1,234,567 images | 61 | 1 | torn tails 4,096 |";
        assert!(text.contains(row), "{text}");
        assert!(
            text.contains("**planted** found: seed 7: two winners"),
            "{text}"
        );
    }

    #[test]
    fn programs_get_the_same() {
        let value = json(&[outcome()], "scripts/torture.sh");
        let row = &value["layers"][0];
        assert_eq!(row["done"], 1_234_567);
        assert_eq!(row["figures"]["torn-tails"], 4_096.0);
        assert_eq!(row["found"][0], "seed 7: two winners");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown = [0, 12, 999, 1_000, 1_000_000].map(grouped);
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,000,000"]);
    }
}
