//! `allocdb-bench hot-spot|retry-window|all [knobs]`: see `--help`.
//!
//! Status 0: every count was right. 1: one was not, or a run ended early. 2: a knob was refused.

use std::process::ExitCode;

use allocdb_bench::knobs::Knobs;
use allocdb_bench::report::Report;
use allocdb_bench::{Failure, run};
use clap::Parser;
use serde_json::Value;

fn main() -> ExitCode {
    let knobs = Knobs::parse();
    match run(&knobs) {
        Ok(reports) => {
            if knobs.json {
                let reports: Vec<Value> = reports.iter().map(Report::json).collect();
                println!("{:#}", Value::Array(reports));
            } else {
                let texts: Vec<String> = reports.iter().map(ToString::to_string).collect();
                print!("{}", texts.join("\n"));
            }
            ExitCode::from(u8::from(!reports.iter().all(Report::is_right)))
        }
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
