//! `allocdb inspect|verify|checkpoint|backup`: what an operator wants to know of a database, and
//! do to it, from a shell.
//!
//! | module | subject |
//! |---|---|
//! | `arguments` | the command line |
//! | `inspect`, `verify`, `checkpoint`, `backup` | a command each: from arguments to a report |
//! | `owner` | who has the database open |
//! | `failure` | errors as exit status, text and JSON |
//! | `report` | what a command found, once for people and once for programs |
//!
//! No file is touched here: all of that is the node's, through the same calls that a host uses. A
//! command builds one JSON value, from which the text is made too, so the two cannot differ.
//! Rejected: opening files to look at them here, which would be a second reading of the format.

mod arguments;
mod backup;
mod checkpoint;
mod failure;
mod inspect;
mod owner;
mod report;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Action, Arguments};
use failure::{Exit, Failure};
use report::Report;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.action {
        Action::Inspect { directory } => inspect::run(directory, &arguments),
        Action::Verify { directory } => verify::run(directory, &arguments),
        Action::Checkpoint { directory } => checkpoint::run(directory, &arguments),
        Action::Backup { directory, target } => backup::run(directory, target, &arguments),
    };
    let exit = show(&done, arguments.json);
    ExitCode::from(exit as u8)
}

/// Prints what came of it: a report to standard output; a failure to standard error, and with
/// `--json` to standard output too, so that a program reads one document in every case.
fn show(done: &Result<Report, Failure>, is_json: bool) -> Exit {
    let (text, exit) = match done {
        Ok(report) if is_json => (format!("{:#}\n", report.json()), report.exit),
        Ok(report) => (report.text(), report.exit),
        Err(failure) => {
            eprintln!("allocdb: {failure}");
            let json = format!("{:#}\n", failure.json());
            (if is_json { json } else { String::new() }, failure.exit())
        }
    };
    // A reader that has gone away is no news to it.
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => exit,
        Err(_) => exit.max(Exit::System),
    }
}
