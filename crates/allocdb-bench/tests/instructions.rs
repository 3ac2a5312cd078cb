//! The fixed work: each workload does what it says, as often as it says, and again the same.

use std::process::Command;

use allocdb_bench::instructions::{Workload, do_once};
use clap::ValueEnum;

#[test]
fn every_workload_is_done_and_the_same_again() {
    for &workload in Workload::value_variants() {
        let first = do_once(workload);
        let count = *first
            .as_ref()
            .unwrap_or_else(|why| panic!("{workload:?}: {why}"));
        assert!(count >= 1_000, "{workload:?}: {count}");
        assert_eq!(do_once(workload), first, "{workload:?}");
    }
}

#[test]
fn the_program_prints_names_and_counts() {
    let printed = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_allocdb-bench"))
            .arg("instructions")
            .args(arguments)
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let names = printed(&[]);
    assert_eq!(names.lines().count(), Workload::value_variants().len());
    assert_eq!(names.lines().next(), Some("single"));
    assert_eq!(printed(&["read"]), "read 1000\n");
    assert_eq!(printed(&["read", "--extra", "5"]), "read 1000\n");
}

/// What is committed is of what there is.
#[test]
fn the_baseline_names_every_workload() {
    let baseline = include_str!("../perf-baseline.txt");
    let lines = baseline.lines().filter(|line| !line.starts_with('#'));
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(' ').expect("a name and a value");
        match Workload::from_str(name, false) {
            Ok(workload) => {
                named.push(workload);
                assert!(value.parse::<f64>().expect("a number") > 0.0);
            }
            Err(_) => others.push(name),
        }
    }
    assert_eq!(named, Workload::value_variants());
    assert_eq!(others, ["rustc", "target"]);
}
