//! Lines survive being written and read; what is wrong with one is said.

use super::*;

#[test]
fn a_figure_is_what_it_was_written_as() {
    let figure = Figure {
        row: "one durable command".to_owned(),
        system: "AllocDB".to_owned(),
        value: 134.25,
        unit: "µs".to_owned(),
        command: "scripts/bench.sh --only latency".to_owned(),
        detail: json!({"p99_us": 200.5, "round": 1})
            .as_object()
            .cloned()
            .unwrap(),
    };
    let line = Line::Figure(figure);
    assert_eq!(Line::parse(&line.to_string()), Ok(line));
}

#[test]
fn a_point_and_a_note_are_what_they_were_written_as() {
    let point = Line::Point(Point {
        plot: "threads".to_owned(),
        series: "AllocDB".to_owned(),
        x: 64.0,
        y: 100_000.0,
        x_label: "threads".to_owned(),
        y_label: "commands/s".to_owned(),
        log_x: true,
        log_y: false,
    });
    assert_eq!(Line::parse(&point.to_string()), Ok(point));
    let note = Line::Note("Redis is not there: \"redis-server\"".to_owned());
    assert_eq!(Line::parse(&note.to_string()), Ok(note));
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let line = r#"{"row": "a", "system": "b", "value": 3, "unit": "c"}"#;
    let Ok(Line::Figure(figure)) = Line::parse(line) else {
        panic!("a figure")
    };
    assert_eq!((figure.value, figure.command.as_str()), (3.0, ""));
    let line = r#"{"plot": "a", "series": "b", "x": 1, "y": 2}"#;
    assert!(matches!(Line::parse(line), Ok(Line::Point(point)) if !point.log_x && !point.log_y));
}

#[test]
fn lines_for_people_are_passed_over_and_others_must_be_right() {
    let text = "measuring ...\n{\"note\": \"n\"}\n\nok\n";
    assert_eq!(parse_all(text), Ok(vec![Line::Note("n".to_owned())]));
    for (line, reason) in [
        ("{\"row\": \"a\"", "EOF"),
        ("{}", "no `row`"),
        (
            r#"{"row": "a", "system": "b", "value": "3", "unit": "c"}"#,
            "`value`",
        ),
        (
            r#"{"row": "a", "system": "b", "value": 3, "unit": "c", "detail": 1}"#,
            "`detail`",
        ),
        (r#"{"plot": "a", "series": "b", "x": 1}"#, "`y`"),
    ] {
        let bad = parse_all(&format!("fine\n{line}\n")).unwrap_err();
        assert_eq!(bad.number, 2);
        assert!(bad.reason.contains(reason), "{bad}");
    }
}
