//! Memory as a figure. It is that of the whole process, so there is one test here and no other
//! thread.

use allocdb_bench::figures::{measure, measure_against};
use allocdb_bench::program::{Part, Program};
use clap::Parser;

#[test]
fn resident_memory_is_below_the_announced_bound_and_a_planted_wrong_count_is_caught() {
    let directory = std::env::temp_dir();
    let words = "allocdb-bench memory --resources 20000 --runs 1 --directory";
    let words = words.split(' ').chain(directory.to_str());
    let part = Program::try_parse_from(words).expect("parsed").part;
    let Some(Part::Figure(figure)) = part else {
        panic!("{part:?}");
    };
    let sheet = measure(&figure).expect("measured");
    assert!(sheet.is_right(), "{:?}", sheet.mismatches());
    let values: Vec<_> = sheet
        .json_lines("")
        .iter()
        .map(|row| row["value"].as_f64())
        .collect();
    // 20,000 resources with all that belongs to them are more than a page, and less than announced.
    assert!(values[0] > Some(1.0) && values[0] < values[1], "{values:?}");
    let mut wrong = figure.tally();
    wrong.add("live reservations", 1);
    let sheet = measure_against(&figure, &wrong).expect("measured");
    assert_eq!(sheet.mismatches().len(), 1);
    assert!(
        sheet
            .to_string()
            .contains("WRONG: live reservations is 20000, must be 20001")
    );
}
