//! The program as a person or a script meets it: what it prints, and how it ends.

use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allocdb-bench"));
    command.args(arguments).arg("--directory");
    command.arg(std::env::temp_dir());
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

const SHORT: [&str; 11] = [
    "all",
    "--rounds",
    "2",
    "--runs",
    "2",
    "--holders",
    "64",
    "--commands",
    "64",
    "--sync",
    "os",
];

#[test]
fn one_command_prints_counts_and_times_and_ends_with_0() {
    let output = bench(&SHORT);
    let said = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{said}{}",
        text(&output.stderr)
    );
    for wanted in [
        "hot-spot: seed 1, resources 64, holders 64,",
        "retry-window: seed 1,",
        "memory: database ",
        "times, medians of 2 runs:",
        "submission, p99 ns",
        "state digest",
        "every count is what the tally says, in every run",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn json_holds_the_same_for_programs() {
    let output = bench(&[&SHORT[..], &["--json"]].concat());
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let reports = value.as_array().expect("a list");
    let names: Vec<_> = reports.iter().map(|one| one["scenario"].as_str()).collect();
    assert_eq!(names, [Some("hot-spot"), Some("retry-window")]);
    for report in reports {
        assert_eq!(report["right"], true);
        assert_eq!(report["state_digest"].as_str().map(str::len), Some(32));
        assert!(report["times"]["commands a second"].as_u64() > Some(0));
        assert_eq!(report["knobs"]["seed"], 1);
    }
}

#[test]
fn a_refused_knob_ends_with_2_and_leaves_nothing_behind() {
    for (arguments, wanted) in [
        (["all", "--batch", "0"], "0 is not in 1..=8192"),
        (
            ["all", "--max-resources", "3"],
            "--max-resources is 3, must be 64 to 268435456",
        ),
        (["all", "--memory-mib", "2"], "--memory-mib is 2, must be "),
    ] {
        let output = bench(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_run_that_cannot_begin_ends_with_1() {
    let output = Command::new(env!("CARGO_BIN_EXE_allocdb-bench"))
        .args(["hot-spot", "--directory", "no/such/directory"])
        .output()
        .expect("the program starts");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--directory no/such/directory"), "{said}");
}

#[test]
fn a_figure_is_printed_for_people_and_for_programs() {
    let figure = ["log-bytes", "--count", "1", "--runs", "1"];
    let output = bench(&figure);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("log-bytes: medians of 1 run,"), "{said}");
    let output = bench(&[&figure[..], &["--json"]].concat());
    let lines = text(&output.stdout);
    let rows = lines.lines().map(serde_json::from_str);
    let rows: Vec<serde_json::Value> = rows.collect::<Result<_, _>>().expect("JSON lines");
    assert_eq!(rows.len(), 3);
    let command = "cargo run --release -p allocdb-bench -- log-bytes --count 1 --runs 1";
    assert!(rows.iter().all(|row| row["command"] == command), "{lines}");
}

#[test]
fn memory_is_measured_in_processes_of_their_own() {
    let output = bench(&["memory", "--resources", "500", "--runs", "2"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(said.contains("memory: medians of 2 runs"), "{said}");
    assert!(said.contains("every count is what it must be"), "{said}");
}
