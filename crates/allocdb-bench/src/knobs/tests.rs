//! Every knob at its bounds and beside them, and what one demands of another.

use super::*;

fn parsed(arguments: &[&str]) -> Result<Knobs, String> {
    let arguments = ["allocdb-bench", "all"].iter().chain(arguments);
    Knobs::try_parse_from(arguments).map_err(|error| error.to_string())
}

fn knobs(arguments: &[&str]) -> Knobs {
    parsed(arguments).expect("accepted")
}

fn refusal(arguments: &[&str], scenario: Scenario) -> Refusal {
    let refused = knobs(arguments).setup(scenario);
    refused.expect_err("refused")
}

#[test]
fn every_knob_is_taken_at_its_bounds_and_refused_beside_them() {
    let capacity = u64::from(CAPACITY_MAX);
    let bounds: [(&str, u64, u64); 14] = [
        ("--resources", 1, COUNT_MAX),
        ("--holders", 1, COUNT_MAX),
        ("--commands", 1, COUNT_MAX),
        ("--rounds", 1, ROUNDS_MAX),
        ("--skew", 0, SKEW_MAX),
        ("--threads", 1, THREADS_MAX),
        ("--batch", 1, BATCH_MAX),
        ("--ttl", 1, TTL_SLOTS_MAX),
        ("--window", 1, WINDOW_SLOTS_MAX),
        ("--max-resources", 1, capacity),
        ("--max-reservations", 1, capacity),
        ("--max-operations", 1, capacity),
        ("--runs", 1, RUNS_MAX),
        ("--memory-mib", 1, MEMORY_MIB_MAX),
    ];
    let help = Knobs::try_parse_from(["allocdb-bench", "--help"]);
    let help = help.expect_err("help").to_string().replace(['\n', ' '], "");
    for (knob, least, greatest) in bounds {
        let given = |value: String| parsed(&[knob, &value]);
        assert!(given(least.to_string()).is_ok(), "{knob} {least}");
        assert!(given(greatest.to_string()).is_ok(), "{knob} {greatest}");
        let below = least
            .checked_sub(1)
            .map_or("-1".to_string(), |value| value.to_string());
        for beside in [below, (greatest + 1).to_string(), "many".to_string()] {
            let said = given(beside.clone()).expect_err(knob);
            assert!(said.contains(knob) && said.contains(&beside), "{said}");
            if beside == (greatest + 1).to_string() {
                assert!(said.contains(&format!("{least}..={greatest}")), "{said}");
            }
        }
        // The help names the same bounds as the parser.
        assert!(
            help.contains(&format!("{least}to{greatest}")),
            "{knob}: {help}"
        );
    }
    assert!(parsed(&["--seed", "18446744073709551615"]).is_ok());
    let said = parsed(&["--seed", "18446744073709551616"]).expect_err("too large");
    assert!(said.contains("--seed"), "{said}");
    let said = parsed(&["--sync", "never"]).expect_err("no such sync");
    assert!(
        said.contains("--sync") && said.contains("full, os"),
        "{said}"
    );
    assert!(Knobs::try_parse_from(["allocdb-bench", "cold-spot"]).is_err());
    assert!(Knobs::try_parse_from(["allocdb-bench"]).is_err());
}

#[test]
fn no_knob_is_left_out_of_the_bounds() {
    use clap::CommandFactory;
    let command = Knobs::command();
    let knobs: Vec<_> = command
        .get_arguments()
        .filter_map(|knob| knob.get_long())
        .collect();
    // 14 with bounds above; seed and sync by themselves; directory and json have none.
    assert_eq!(knobs.len(), 18, "{knobs:?}");
}

#[test]
fn a_table_that_is_too_small_is_refused_with_what_is_needed() {
    let (hot_spot, retry_window) = (Scenario::HotSpot, Scenario::RetryWindow);
    let small = [
        "--resources",
        "8",
        "--holders",
        "16",
        "--commands",
        "100",
        "--rounds",
        "3",
    ];
    // Window 64 and ttl 4: 17 rounds would be remembered, but there are 3.
    let cases = [
        ("--max-resources", hot_spot, 8),
        ("--max-reservations", hot_spot, 8 * 4 + 16),
        ("--max-operations", hot_spot, (16 + 16) * 3 + 8),
        ("--max-resources", retry_window, 9),
        ("--max-reservations", retry_window, 8 * 18 + 2 + BATCH_MAX),
        ("--max-operations", retry_window, 100),
    ];
    for (knob, scenario, needed) in cases {
        let given = |value: u64| [&small[..], &[knob, &value.to_string()]].concat().join(" ");
        let arguments = given(needed);
        let arguments: Vec<_> = arguments.split(' ').collect();
        assert!(knobs(&arguments).setup(scenario).is_ok(), "{knob} {needed}");
        let arguments = given(needed - 1);
        let arguments: Vec<_> = arguments.split(' ').collect();
        let refused = refusal(&arguments, scenario);
        let known = (refused.knob, refused.value, refused.least, refused.greatest);
        assert_eq!(known, (knob, needed - 1, needed, CAPACITY_MAX.into()));
        let said = format!(
            "{knob} is {}, must be {needed} to {CAPACITY_MAX}",
            needed - 1
        );
        assert!(refused.to_string().starts_with(&said), "{refused}");
    }
}

#[test]
fn a_need_beyond_the_engine_is_refused_before_anything_is_made() {
    let refused = refusal(
        &[
            "--holders",
            "1048576",
            "--ttl",
            "1",
            "--window",
            "100000",
            "--rounds",
            "100000",
        ],
        Scenario::HotSpot,
    );
    assert_eq!(
        (refused.knob, refused.greatest),
        ("--max-operations", CAPACITY_MAX.into())
    );
    assert!(refused.value > refused.greatest);
    // The greatest of all knobs at once: refused, not wrapped around.
    let greatest = [
        "--resources",
        "1048576",
        "--holders",
        "1048576",
        "--commands",
        "1048576",
        "--rounds",
        "1000000",
        "--threads",
        "64",
        "--batch",
        "8192",
        "--ttl",
        "268435455",
        "--window",
        "1073741824",
        "--runs",
        "999",
        "--seed",
        "18446744073709551615",
    ];
    assert_eq!(refusal(&greatest, Scenario::HotSpot).knob, "--memory-mib");
    assert_eq!(
        refusal(&greatest, Scenario::RetryWindow).knob,
        "--memory-mib"
    );
    let narrow = [
        "--ttl",
        "1",
        "--resources",
        "1048576",
        "--window",
        "1073741824",
    ];
    let narrow = [
        &narrow[..],
        &["--rounds", "1000000", "--commands", "1048576"],
    ]
    .concat();
    assert_eq!(
        refusal(&narrow, Scenario::HotSpot).knob,
        "--max-reservations"
    );
}

#[test]
fn memory_is_known_and_refused_beforehand() {
    for scenario in [Scenario::HotSpot, Scenario::RetryWindow] {
        let setup = knobs(&[]).setup(scenario).expect("the defaults are right");
        let needed = (setup.database_bytes + setup.harness_bytes).div_ceil(1 << 20);
        assert_eq!(setup.database_bytes, setup.options.memory_bound().unwrap());
        let allowed = needed.to_string();
        assert!(knobs(&["--memory-mib", &allowed]).setup(scenario).is_ok());
        let refused = refusal(&["--memory-mib", &(needed - 1).to_string()], scenario);
        let known = (refused.knob, refused.value, refused.least);
        assert_eq!(known, ("--memory-mib", needed - 1, needed));
    }
}
