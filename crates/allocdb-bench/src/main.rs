//! `allocdb-bench hot-spot|retry-window|all [knobs]`, `allocdb-bench apply|expiry|… [knobs]`: see
//! `--help`.
//!
//! Status 0: every count was right. 1: one was not, or a run ended early. 2: a knob was refused.

use std::process::ExitCode;

use allocdb_bench::figures::{self, Figure};
use allocdb_bench::instructions;
use allocdb_bench::knobs::Knobs;
use allocdb_bench::program::{self, Part, Program};
use allocdb_bench::report::Report;
use allocdb_bench::{Failure, run};
use allocdb_node::huge_pages::HugePages;
use clap::Parser;
use serde_json::Value;

/// As in the library that is shipped.
#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

fn main() -> ExitCode {
    let program = Program::parse();
    let is_right = match (&program.part, &program.scenarios) {
        (Some(Part::Figure(figure)), _) => show_figure(figure),
        (Some(Part::Instructions(knobs)), _) => do_fixed_work(knobs),
        (None, Some(knobs)) => show_scenarios(knobs),
        (None, None) => unreachable!("the parser wants one of them"),
    };
    match is_right {
        Ok(is_right) => ExitCode::from(u8::from(!is_right)),
        Err(failure) => {
            eprintln!("allocdb-bench: {failure}");
            ExitCode::from(if matches!(failure, Failure::Refused(_)) {
                2
            } else {
                1
            })
        }
    }
}

fn show_scenarios(knobs: &Knobs) -> Result<bool, Failure> {
    let reports = run(knobs)?;
    if knobs.json {
        let reports: Vec<Value> = reports.iter().map(Report::json).collect();
        println!("{:#}", Value::Array(reports));
    } else {
        let texts: Vec<String> = reports.iter().map(ToString::to_string).collect();
        print!("{}", texts.join("\n"));
    }
    Ok(reports.iter().all(Report::is_right))
}

fn show_figure(figure: &Figure) -> Result<bool, Failure> {
    let sheet = figures::measure(figure)?;
    if figure.common().json {
        let command = program::command_line(std::env::args().skip(1));
        for line in sheet.json_lines(&command) {
            println!("{line}");
        }
        // A collector of lines must not be the only one who hears of it.
        for mismatch in sheet.mismatches() {
            eprintln!("WRONG: {mismatch}");
        }
    } else {
        print!("{sheet}");
    }
    Ok(sheet.is_right())
}

fn do_fixed_work(knobs: &instructions::Knobs) -> Result<bool, Failure> {
    let lines = instructions::run(knobs).map_err(Failure::Stopped)?;
    println!("{}", lines.join("\n"));
    Ok(true)
}
