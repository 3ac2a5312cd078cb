//! What a harness may say and do, played by small shells.

use super::*;

const fn shell(script: &'static [&'static str]) -> Layer {
    Layer {
        name: "planted",
        what: "a planted harness",
        unit: "units",
        goal_ci: 1,
        goal_long: 1,
        how: How::Program(script),
    }
}

fn outcome_of(script: &'static [&'static str]) -> Outcome {
    let layer = shell(script);
    let logs = tempfile::tempdir().expect("a directory");
    let plan = Plan {
        layers: vec![(&layer, 3)],
        time: None,
        seed: 1,
        jobs: 2,
        logs: logs.path().to_owned(),
    };
    run(&plan).remove(0)
}

#[test]
fn what_a_harness_tells_is_kept() {
    let script =
        "echo progress 2; echo figure a-b 7; echo noise; echo figure a-b 8; echo progress 3";
    let told = outcome_of(Box::leak(Box::new(["/bin/sh", "-c", script])));
    assert_eq!(told.done, 3);
    assert_eq!(told.figures, [("a-b".to_owned(), 8.0)]);
    assert!(told.is_good());
}

#[test]
fn a_finding_a_death_and_doing_nothing_are_no_success() {
    for script in [
        "echo progress 1; echo found two winners",
        "echo progress 1; kill -9 $$",
        ":",
    ] {
        let told = outcome_of(Box::leak(Box::new(["/bin/sh", "-c", script])));
        assert!(!told.is_good(), "{script}");
    }
    assert!(!outcome_of(&["/nowhere/at-all"]).is_good());
}

#[test]
fn a_harness_that_cannot_run_here_says_why() {
    let told = outcome_of(&["/bin/sh", "-c", "echo skipped no such tool"]);
    assert!(told.is_good());
    assert_eq!(told.skipped.as_deref(), Some("no such tool"));
}

#[test]
fn what_one_leaves_over_serves_the_next() {
    let layer = shell(&["/bin/sh", "-c", "echo progress ${4}"]);
    let rows = [(&layer, 1), (&layer, 1), (&layer, 1), (&layer, 1)];
    let plan = Plan {
        layers: rows.to_vec(),
        time: Some(Duration::from_secs(100)),
        seed: 1,
        jobs: 2,
        logs: PathBuf::new(),
    };
    let begun = Instant::now();
    let waiting = Mutex::new(rows.iter().enumerate().collect());
    let seconds: Vec<u64> = core::iter::from_fn(|| next(&plan, &waiting, begun))
        .map(|(_, _, seconds)| seconds)
        .collect();
    // Nobody takes any time here, so the later ones may take all of it.
    assert!((45..=50).contains(&seconds[0]), "{seconds:?}");
    assert!((60..=66).contains(&seconds[1]), "{seconds:?}");
    assert!((95..=100).contains(&seconds[3]), "{seconds:?}");
}
