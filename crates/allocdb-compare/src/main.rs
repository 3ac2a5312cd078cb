//! `allocdb-compare run|report`: see `--help`, and `scripts/bench.sh`, which does both.
//!
//! Status 0: every run was right. 1: one was not, or something failed. 2: an argument was refused.

mod arguments;
mod job;
mod measure;
mod peers;
mod plot;
mod raw;
mod rows;
mod systems;
mod walk;

use std::process::ExitCode;

use allocdb_compare::line::parse_all;
use allocdb_compare::report::Report;
use clap::Parser;

use arguments::{Action, Arguments};
use job::Failure;

fn main() -> ExitCode {
    let done = match Arguments::parse().action {
        Action::Run(run) => rows::run(&run),
        Action::Report(wanted) => report(&wanted),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("allocdb-compare: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn report(wanted: &arguments::Report) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for file in &wanted.files {
        let name = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
        lines.extend(parse_all(&text).map_err(|error| format!("{name}, {error}"))?);
    }
    let report = Report::of(&lines);
    std::fs::create_dir_all(&wanted.out)?;
    std::fs::write(
        wanted.out.join("table.md"),
        report.markdown(&wanted.heading),
    )?;
    let json = format!("{:#}\n", report.json());
    std::fs::write(wanted.out.join("figures.json"), json)?;
    for plot in &report.plots {
        plot::draw(plot, &wanted.out.join(format!("{}.svg", plot.file_name())))?;
    }
    Ok(())
}
