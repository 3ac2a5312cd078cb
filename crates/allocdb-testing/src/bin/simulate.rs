//! `simulate`: repeats a life of the deterministic simulator, and tells the story of a failure.
//!
//! `--seed N` is the seed that a finding names. One life is run; with `--commands` as many after it
//! as it takes. A failing schedule is shrunk, and printed with what happened around the failure.

use std::process::ExitCode;
use std::time::Duration;

use allocdb_testing::simulator::life::live;
use allocdb_testing::simulator::schedule::Schedule;
use allocdb_testing::simulator::story;
use allocdb_testing::simulator::tally::Tally;
use clap::Parser;

#[derive(Parser)]
#[command(about = "Repeats lives of databases on a disk that fails.")]
struct Arguments {
    /// The first life.
    #[arg(long)]
    seed: u64,
    /// Commands to run at least; one life if left out.
    #[arg(long, default_value_t = 1)]
    commands: u64,
    /// Prints every event.
    #[arg(long)]
    trace: bool,
    /// Seconds for making a failing schedule short.
    #[arg(long, default_value_t = 30)]
    shrink: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut tally = Tally::default();
    let mut seed = arguments.seed;
    while tally.commands < arguments.commands {
        let schedule = Schedule::draw(seed);
        let lived = live(&schedule, arguments.trace);
        lived.trace.iter().for_each(|line| println!("{line}"));
        tally.add(&lived.tally);
        if let Some(failure) = lived.failure {
            println!("seed {seed}, step {}: {}", failure.step, failure.text);
            // Assertions that fail on purpose from here on are part of the story's end.
            std::panic::set_hook(Box::new(|_| {}));
            let time = Duration::from_secs(arguments.shrink);
            println!("{}", story(&schedule, time));
            return ExitCode::FAILURE;
        }
        println!("seed {seed}: schedule digest {:016x}", lived.digest);
        seed += 1;
    }
    for (name, value) in tally.rows() {
        println!("{name:26} {value}");
    }
    ExitCode::SUCCESS
}
