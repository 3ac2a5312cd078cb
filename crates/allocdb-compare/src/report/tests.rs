//! Medians over runs, ratios the right way round, and what the table says.

use super::*;
use crate::line::parse_all;

fn report(lines: &str) -> Report {
    Report::of(&parse_all(lines).unwrap())
}

const RATES: &str = r#"
{"row": "batches", "system": "AllocDB", "value": 900, "unit": "commands/s", "command": "a"}
{"row": "batches", "system": "Other", "value": 100, "unit": "commands/s", "command": "a"}
{"row": "batches", "system": "AllocDB", "value": 1000, "unit": "commands/s", "command": "a"}
{"row": "batches", "system": "Other", "value": 300, "unit": "commands/s", "command": "b"}
{"row": "batches", "system": "AllocDB", "value": 5000, "unit": "commands/s", "command": "a"}
{"row": "batches", "system": "Other", "value": 200, "unit": "commands/s", "command": "a"}
"#;

const TIMES: &str = r#"
{"row": "latency", "system": "AllocDB", "value": 110, "unit": "µs", "detail": {"p99_us": 200}}
{"row": "latency", "system": "Slow", "value": 1100, "unit": "µs", "detail": {"p99_us": 9000}}
{"row": "latency", "system": "raw append", "value": 400, "unit": "µs", "detail": {"raw": true}}
{"row": "latency", "system": "raw over", "value": 100, "unit": "µs", "detail": {"raw": true}}
"#;

fn near(one: Option<f64>, other: f64) -> bool {
    one.is_some_and(|one| (one - other).abs() < 1e-9)
}

#[test]
fn a_system_is_quoted_by_the_median_of_its_runs() {
    let report = report(RATES);
    let [row] = report.rows.as_slice() else {
        panic!("one row")
    };
    let medians: Vec<f64> = row.systems.iter().map(System::median).collect();
    assert_eq!(medians, [1000.0, 200.0]);
    assert_eq!(row.commands, ["a", "b"]);
}

#[test]
fn of_rates_the_greater_and_of_times_the_less_is_better() {
    let rates = report(RATES);
    let row = &rates.rows[0];
    assert!(near(row.better_by(&row.systems[1]), 5.0));
    assert!(near(row.better_by(&row.systems[0]), 1.0));
    assert_eq!(row.beside_raw(&row.systems[0]), None);
    let times = report(TIMES);
    let row = &times.rows[0];
    assert!(near(row.better_by(&row.systems[1]), 10.0));
    assert!(near(row.beside_raw(&row.systems[0]), 1.1));
    assert!(near(row.beside_raw(&row.systems[2]), 4.0));
}

#[test]
fn another_unit_is_not_compared() {
    let report = report(concat!(
        r#"{"row": "a", "system": "AllocDB", "value": 1, "unit": "µs"}"#,
        "\n",
        r#"{"row": "a", "system": "B", "value": 1, "unit": "ms"}"#,
    ));
    let row = &report.rows[0];
    assert_eq!(row.better_by(&row.systems[1]), None);
}

#[test]
fn the_tables_show_each_system_with_its_ratios() {
    let text = report(&format!(
        "{RATES}{TIMES}{{\"note\": \"n\"}}\n{{\"note\": \"n\"}}"
    ))
    .markdown("Side by side");
    assert!(text.starts_with("# Side by side\n\n## batches\n\n`a`\n\n`b`\n\n| system |"));
    assert!(text.contains("\n| Other | 200 | commands/s | 100 to 300 | 3 | 5.00× |  |\n"));
    let slow = "\n| Slow | 1,100 | µs | 1,100 to 1,100 | 1 | 10.0× | 11.0× | p99_us 9,000 |\n";
    assert!(text.contains(slow), "{text}");
    assert!(text.ends_with("\n## Notes\n\n- n\n"));
    assert!(text.contains("| runs | AllocDB better by | beside raw |"));
    for line in text.lines().filter(|line| line.starts_with("| Slow")) {
        let rule = text
            .lines()
            .filter(|line| line.starts_with("|---"))
            .nth(1)
            .unwrap();
        assert_eq!(line.matches('|').count(), rule.matches('|').count());
    }
}

#[test]
fn allocdb_beside_itself_is_measured_by_the_first() {
    let text = report(concat!(
        r#"{"row": "a", "system": "AllocDB, 1", "value": 10, "unit": "commands/s"}"#,
        "\n",
        r#"{"row": "a", "system": "AllocDB, 8", "value": 40, "unit": "commands/s"}"#,
    ))
    .markdown("h");
    assert!(text.contains("| as good as AllocDB, 1 |"), "{text}");
    assert!(text.contains("| 40.0 to 40.0 | 1 | 4.00× |"), "{text}");
}

#[test]
fn a_name_cannot_break_the_table() {
    let text = report(r#"{"row": "a", "system": "O_DIRECT|O_DSYNC", "value": 1, "unit": "µs"}"#);
    assert!(
        text.markdown("h")
            .contains("\n| O_DIRECT\\|O_DSYNC | 1.00 |")
    );
}

#[test]
fn the_json_has_every_run() {
    let json = report(&format!("{RATES}{TIMES}")).json();
    let other = &json["rows"][0]["systems"][1];
    assert_eq!(other["values"], json!([100.0, 300.0, 200.0]));
    assert_eq!(other["median"], json!(200.0));
    assert_eq!(other["allocdb_better_by"], json!(5.0));
    let slow = &json["rows"][1]["systems"][1];
    assert_eq!(slow["detail_medians"], json!({"p99_us": 9000.0}));
    assert_eq!(json["rows"][0]["systems"][1]["beside_raw"], Value::Null);
}

#[test]
fn points_of_several_runs_become_one_line() {
    let report = report(concat!(
        r#"{"plot": "by batch", "series": "A", "x": 8, "y": 30, "log_x": true}"#,
        "\n",
        r#"{"plot": "by batch", "series": "A", "x": 1, "y": 10}"#,
        "\n",
        r#"{"plot": "by batch", "series": "B", "x": 1, "y": 7}"#,
        "\n",
        r#"{"plot": "by batch", "series": "A", "x": 1, "y": 20}"#,
    ));
    let [plot] = report.plots.as_slice() else {
        panic!("one plot")
    };
    assert_eq!((plot.file_name().as_str(), plot.log_x), ("by-batch", true));
    assert_eq!(plot.series[0].points, [(1.0, 15.0), (8.0, 30.0)]);
    assert_eq!(plot.series[1].points, [(1.0, 7.0)]);
    assert_eq!(
        report.json()["plots"][0]["series"][0]["points"][1],
        json!([8.0, 30.0])
    );
}

#[test]
fn numbers_are_shown_for_people() {
    let cases = [
        (0.0, "0.00"),
        (0.999, "0.999"),
        (1.0, "1.00"),
        (12.345, "12.3"),
        (999.4, "999"),
        (1_182_262.4, "1,182,262"),
        (-1234.0, "-1,234"),
    ];
    for (value, text) in cases {
        assert_eq!(shown(value), text);
    }
}
