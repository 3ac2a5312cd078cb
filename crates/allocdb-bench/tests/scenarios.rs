//! The harness itself: short runs are right, the same seed gives the same counts and digests
//! whatever the batch and the threads, and a planted wrong tally is caught.

use allocdb_bench::counts::{Counts, Mismatch};
use allocdb_bench::knobs::{Knobs, Scenario};
use allocdb_bench::report::Report;
use allocdb_bench::{run, run_against, tally};
use clap::Parser;

const SHORT: &str = "allocdb-bench all --sync os --runs 1 --rounds 3 --resources 16 --holders 200 \
                     --commands 300 --window 9 --max-operations 5000";

/// Short runs, with knobs that differ; in memory where there is some, since no time is looked at.
fn knobs(more: &str) -> Knobs {
    let words = SHORT.split_whitespace().chain(more.split_whitespace());
    let mut kept: Vec<&str> = Vec::new();
    for word in words {
        // A knob that comes again takes the place of the first.
        if let Some(place) = kept
            .iter()
            .position(|&other| word.starts_with("--") && other == word)
        {
            kept.drain(place..place + 2);
        }
        kept.push(word);
    }
    let mut knobs = Knobs::try_parse_from(kept).expect("knobs");
    knobs.directory = std::env::temp_dir();
    knobs
}

fn reports(more: &str) -> Vec<Report> {
    let reports = run(&knobs(more)).unwrap_or_else(|failure| panic!("{more}: {failure}"));
    for report in &reports {
        assert!(report.is_right(), "{more}: {:?}", report.mismatches);
    }
    reports
}

fn counts(reports: &[Report]) -> Vec<&Counts> {
    reports.iter().map(|report| &report.counts).collect()
}

fn digests(reports: &[Report]) -> Vec<&Option<String>> {
    reports.iter().map(|report| &report.state_digest).collect()
}

#[test]
fn the_same_seed_gives_the_same_counts_and_digest_whatever_the_batch() {
    let first = reports("--runs 2");
    assert!(first.iter().all(|report| report.state_digest.is_some()));
    for more in [
        "--batch 1",
        "--batch 7",
        "--batch 8192",
        "--memory-mib 2000",
    ] {
        let again = reports(more);
        assert_eq!(counts(&first), counts(&again), "{more}");
        assert_eq!(digests(&first), digests(&again), "{more}");
    }
    let synced = reports("--sync full --rounds 1");
    let unsynced = reports("--rounds 1");
    assert_eq!(digests(&synced), digests(&unsynced));
}

#[test]
fn threads_change_no_count_and_the_state_s_digest_is_then_not_shown() {
    let first = reports("");
    for more in [
        "--threads 2 --batch 3",
        "--threads 5 --batch 64",
        "--threads 64 --batch 1",
    ] {
        let again = reports(more);
        for (one, other) in first.iter().zip(&again) {
            let different: Vec<_> = one.counts.rows().iter().zip(other.counts.rows()).collect();
            let different: Vec<_> = different
                .iter()
                .filter(|(one, other)| one != other)
                .collect();
            // Who came first is known with one thread only.
            let known = different
                .iter()
                .all(|(one, _)| one.0 == "winners that came first");
            assert!(known, "{more}: {different:?}");
            assert_eq!(
                one.counts.detail_text(),
                other.counts.detail_text(),
                "{more}"
            );
        }
        assert!(again.iter().all(|report| report.state_digest.is_none()));
    }
}

/// Quoted in documents, and compared between versions: what changes them changes what commands are
/// answered, or in which order they are logged.
#[test]
fn the_digests_of_a_seed_never_change() {
    let known = [
        (
            "1a653f7fac4908b37170fa834f5380e9",
            "7e15b9bdf48c64188da51d54adde9568",
        ),
        (
            "4b2d2d150ea0a82b290f390de22d6fe6",
            "82c2949f2568876008922de702f69169",
        ),
    ];
    for (report, (detail, state)) in reports("").iter().zip(known) {
        assert_eq!(report.counts.detail_text(), detail);
        assert_eq!(report.state_digest.as_deref(), Some(state));
    }
}

#[test]
fn another_seed_gives_another_run() {
    let (one, other) = (reports(""), reports("--seed 2"));
    for (one, other) in one.iter().zip(&other) {
        assert_ne!(one.counts.detail_text(), other.counts.detail_text());
        assert_ne!(one.state_digest, other.state_digest);
    }
}

#[test]
fn shapes_at_the_edges_are_right() {
    // R14: also with a window of one slot, holds longer than the window, one of everything.
    let shapes = [
        "--window 1 --ttl 1 --resources 1 --holders 1 --commands 1 --max-operations 16",
        "--window 1 --ttl 1 --max-operations 4096",
        "--window 3 --ttl 50 --rounds 12 --max-operations 16000",
        "--window 100 --ttl 7 --commands 50 --skew 2",
        "--window 7 --ttl 7 --skew 0",
        "--window 100000 --ttl 30000 --commands 64",
        "--max-operations 5001 --batch 8191",
    ];
    for (shape, seed) in shapes.iter().zip(100..) {
        reports(&format!("{shape} --seed {seed}"));
    }
}

/// Every scenario with something worth counting in every count: else a comparison proves nothing.
#[test]
fn every_count_that_can_be_is_above_zero() {
    for report in reports("") {
        for (name, count) in report.counts.rows() {
            let is_fault = matches!(
                *name,
                "resources won more than once in a round"
                    | "resources contended for and not won"
                    | "engine: retries and rejections"
            );
            assert_eq!(*count == 0, is_fault, "{name}: {count}");
        }
    }
}

#[test]
fn canary_a_planted_wrong_tally_is_caught() {
    let knobs = knobs("--rounds 1");
    for scenario in [Scenario::HotSpot, Scenario::RetryWindow] {
        let setup = knobs.setup(scenario).unwrap();
        let right = tally(scenario, &knobs, &setup);
        let names: Vec<_> = right.rows().iter().map(|row| row.0).collect();
        for name in names {
            let mut wrong = right.clone();
            wrong.add(name, 1);
            let report = run_against(scenario, &knobs, &setup, &wrong).expect("a run");
            assert!(!report.is_right(), "{name}");
            let found: Vec<_> = report.mismatches.iter().map(|one| &one.name[..]).collect();
            assert_eq!(found, [name]);
            assert!(report.to_string().contains(&format!("WRONG: {name} is ")));
            assert_eq!(report.json()["right"], false);
        }
        let mut wrong = right.clone();
        wrong.detail(&[0]);
        let report = run_against(scenario, &knobs, &setup, &wrong).expect("a run");
        let Mismatch { name, .. } = &report.mismatches[0];
        assert_eq!((report.mismatches.len(), &name[..]), (1, "detail"));
    }
}
