//! The figures themselves: at tiny sizes every count is right and every line has its form, whatever
//! the machine takes for it; a planted wrong count is caught; what cannot be is refused beforehand.

use allocdb_bench::Failure;
use allocdb_bench::counts::Counts;
use allocdb_bench::figures::sheet::Sheet;
use allocdb_bench::figures::{Figure, measure, measure_against};
use allocdb_bench::program::{Part, Program};
use clap::Parser;
use serde_json::Value;

/// Every subject, as small as it is worth something, without a sync where none is needed; memory is
/// of the whole process, so it is tried in one of its own.
const TINY: [&str; 6] = [
    "apply --resources 40,1000 --batch 20 --commands 600 --runs 2",
    "expiry --reservations 2500 --resources 100,200 --ticks 50 --limits 64,3000 --runs 2",
    "recovery --commands 900 --batch 30 --resources 500 --reserved-percent 40 --runs 2",
    "checkpoint --resources 300 --threads 1,2 --quiet-ms 2 --growth-kib 64 --sync os --runs 2",
    "reads --resources 101 --reads 2000 --batches 1,30 --sync os --runs 2",
    "log-bytes --batches 1,1000 --count 2 --runs 2",
];

fn figure(line: &str) -> Figure {
    let directory = std::env::temp_dir();
    let words = ["allocdb-bench"].into_iter().chain(line.split(' '));
    let words = words.chain(["--directory", directory.to_str().expect("UTF-8")]);
    let program = Program::try_parse_from(words);
    let program = program.unwrap_or_else(|error| panic!("{line}: {error}"));
    match program.part {
        Some(Part::Figure(figure)) => figure,
        other => panic!("{line}: {other:?}"),
    }
}

fn measured(line: &str) -> Sheet {
    let sheet = measure(&figure(line)).unwrap_or_else(|failure| panic!("{line}: {failure}"));
    assert!(sheet.is_right(), "{line}: {:?}", sheet.mismatches());
    sheet
}

#[test]
fn every_count_is_right_and_something_was_done() {
    for line in TINY {
        let sheet = measured(line);
        let text = sheet.to_string();
        assert!(text.ends_with("every count is what it must be, in every run\n"));
        let tally = figure(line).tally();
        let done = tally.rows().iter().filter(|(_, count)| *count > 0).count();
        assert!(done >= 3, "{line}: {tally:?}");
    }
}

#[test]
fn every_line_has_the_form_that_collectors_read() {
    let row_keys = ["row", "system", "value", "unit", "command", "detail"];
    let point_keys = ["plot", "series", "x", "y", "x_label", "y_label", "log_x"];
    let (mut rows, mut points) = (0, 0);
    for line in TINY {
        for printed in measured(line).json_lines("a command") {
            let printed: Value = serde_json::from_str(&printed.to_string()).expect("JSON");
            let object = printed.as_object().expect("an object");
            let keys: Vec<_> = object.keys().map(String::as_str).collect();
            if keys == point_keys {
                points += 1;
                assert!(printed["x"].is_number() && printed["y"].is_number());
                assert_eq!(printed["series"], "AllocDB");
                assert_eq!(printed["log_x"], true);
                continue;
            }
            rows += 1;
            assert_eq!(keys, row_keys, "{line}");
            assert_eq!(printed["system"], "AllocDB");
            assert_eq!(printed["command"], "a command");
            assert!(printed["value"].as_f64().expect("a number") > 0.0);
            let detail = &printed["detail"];
            assert_eq!(detail["right"], true);
            assert!(detail["counts"].as_object().expect("counts").len() >= 3);
            assert!(detail["least"].as_f64() <= detail["greatest"].as_f64());
        }
    }
    // Of apply 2 of 2; of expiry 2 of 10; then rows alone: 2, 20, 7, 6.
    assert_eq!((rows, points), (2 + 10 + 2 + 20 + 7 + 6, 2 + 2));
}

#[test]
fn canary_a_planted_wrong_count_is_caught() {
    for line in TINY {
        let figure = figure(line);
        let right = figure.tally();
        let names: Vec<_> = right.rows().iter().map(|row| row.0).collect();
        let mut wrong = right.clone();
        for name in &names {
            wrong.add(name, 1);
        }
        wrong.detail(&[1]);
        let sheet = measure_against(&figure, &wrong).expect("measured");
        assert!(!sheet.is_right());
        let mut found: Vec<_> = sheet
            .mismatches()
            .iter()
            .map(|wrong| &wrong.name[..])
            .collect();
        found.sort_unstable();
        found.dedup();
        let mut wanted: Vec<&str> = names.iter().copied().chain(["detail"]).collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{line}");
        let text = sheet.to_string();
        assert!(text.contains("WRONG: ") && text.ends_with("not what they must be\n"));
        for printed in sheet.json_lines("") {
            assert!(printed["row"].is_null() || printed["detail"]["right"] == false);
        }
    }
}

#[test]
fn what_a_seed_decides_is_the_same_again() {
    let tally = |line: &str| figure(line).tally();
    let reads = TINY[4];
    let other = format!("{reads} --seed 2");
    assert_eq!(tally(reads), tally(reads));
    assert_ne!(tally(reads), tally(&other));
    measured(&other);
}

#[test]
fn shapes_at_the_edges_are_right() {
    for line in [
        "apply --resources 2 --batch 1 --commands 1 --runs 1 --held-percent 0",
        "apply --resources 90 --batch 9 --held-percent 50 --remembered-percent 1000 --runs 1 \
         --commands 1000",
        "expiry --reservations 1 --resources 1 --ticks 1 --limits 1 --runs 1",
        "recovery --commands 1 --batch 1 --resources 1 --reserved-percent 100 --runs 1",
        "recovery --commands 40000 --batch 8192 --resources 1 --runs 1",
        "reads --resources 2 --reads 1 --batches 8192 --sync os --runs 1",
        "log-bytes --batches 1 --count 1 --runs 1",
    ] {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        measured(&line);
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    for (line, knob, greatest) in [
        ("apply --resources 10,9 --batch 5", "--batch", 4),
        (
            "apply --resources 100000000 --memory-mib 100",
            "--memory-mib",
            1 << 20,
        ),
        (
            "checkpoint --resources 1000000 --memory-mib 1",
            "--memory-mib",
            1 << 20,
        ),
        (
            "log-bytes --batches 8192 --count 10000 --memory-mib 9",
            "--memory-mib",
            1 << 20,
        ),
    ] {
        let figure = figure(line);
        let refused = measure_against(&figure, &Counts::default());
        let Err(Failure::Refused(refusal)) = refused else {
            panic!("{line}: {refused:?}");
        };
        assert_eq!((refusal.knob, refusal.greatest), (knob, greatest), "{line}");
    }
}
