//! The program's command line: a scenario with its knobs, or a figure with its own.

use clap::{Parser, Subcommand};

use crate::figures::Figure;
use crate::instructions;
use crate::knobs::Knobs;

/// Hot spots and retries through the real engine, and figures of single parts: counts that prove
/// that the work was done, and times.
///
/// Counts depend on the knobs alone, and are compared with an independent tally: a wrong one makes
/// this program fail with status 1. A knob that is refused makes it fail with status 2.
#[derive(Clone, PartialEq, Eq, Debug, Parser)]
#[command(
    name = "allocdb-bench",
    version,
    allow_negative_numbers = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Program {
    /// A part, by itself.
    #[command(subcommand)]
    pub part: Option<Part>,
    /// A scenario.
    #[command(flatten)]
    pub scenarios: Option<Knobs>,
}

/// A part of the database.
#[derive(Clone, PartialEq, Eq, Debug, Subcommand)]
pub enum Part {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where they are")]
    Figure(Figure),
    /// Fixed work whose instructions are counted; see scripts/check_perf.sh.
    #[command(hide = true)]
    Instructions(instructions::Knobs),
}

/// What somebody types in the repository to get the same: without where the files are, and without
/// the form of the answer, which decide nothing.
pub fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo run --release -p allocdb-bench --".to_string()];
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => {}
            "--directory" => drop(arguments.next()),
            other if other.starts_with("--directory=") => {}
            _ => words.push(argument),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_command_line_is_what_decides_the_figures() {
        let typed = "apply --json --resources 10,20 --directory somewhere --runs 3 --directory=x";
        let line = command_line(typed.split(' ').map(String::from));
        let wanted = "cargo run --release -p allocdb-bench -- apply --resources 10,20 --runs 3";
        assert_eq!(line, wanted);
    }

    #[test]
    fn a_scenario_and_a_figure_are_told_apart_and_one_of_them_is_wanted() {
        let parsed = |line: &str| Program::try_parse_from(line.split(' '));
        let scenario = parsed("allocdb-bench hot-spot --rounds 2").expect("a scenario");
        assert!(scenario.part.is_none() && scenario.scenarios.is_some());
        let figure = parsed("allocdb-bench reads --runs 2").expect("a figure");
        assert!(figure.part.is_some() && figure.scenarios.is_none());
        for refused in [
            "allocdb-bench",
            "allocdb-bench cold-spot",
            "allocdb-bench hot-spot reads",
            "allocdb-bench reads --rounds 2",
        ] {
            assert!(parsed(refused).is_err(), "{refused}");
        }
    }

    /// The bounds that a knob's help names.
    fn bounds(help: &str) -> Option<(u64, u64)> {
        let (_, bounds) = help.split_once(": ")?;
        let (least, greatest) = bounds.split_once(" to ")?;
        let digits = greatest.find(|symbol: char| !symbol.is_ascii_digit());
        let greatest = &greatest[..digits.unwrap_or(greatest.len())];
        Some((least.parse().ok()?, greatest.parse().ok()?))
    }

    #[test]
    fn every_knob_of_a_figure_is_taken_at_the_bounds_it_names_and_refused_beside_them() {
        let program = Program::command();
        let mut knobs = 0;
        for part in program.get_subcommands().filter(|part| !part.is_hide_set()) {
            for knob in part.get_arguments() {
                let (name, help) = (knob.get_long(), knob.get_help());
                let (name, help) = (name.expect("a name"), help.map(ToString::to_string));
                let is_free = matches!(
                    name,
                    "seed" | "directory" | "json" | "sync" | "triggers" | "help"
                );
                let Some((least, greatest)) = bounds(&help.expect("a help")) else {
                    assert!(is_free, "{name} of {part} names no bounds");
                    continue;
                };
                if name == "seed" {
                    continue;
                }
                knobs += 1;
                let is_taken = |value: String| {
                    let words = [
                        "allocdb-bench",
                        part.get_name(),
                        &format!("--{name}"),
                        &value,
                    ];
                    Program::try_parse_from(words).is_ok()
                };
                assert!(is_taken(least.to_string()), "{part} --{name} {least}");
                assert!(is_taken(greatest.to_string()), "{part} --{name} {greatest}");
                let below = i128::from(least) - 1;
                assert!(!is_taken(below.to_string()), "{part} --{name} {below}");
                let above = u128::from(greatest) + 1;
                assert!(!is_taken(above.to_string()), "{part} --{name} {above}");
            }
        }
        // Runs and memory of seven figures, and their own.
        assert_eq!(knobs, 2 * 7 + 5 + 4 + 4 + 4 + 3 + 1 + 2);
    }
}
