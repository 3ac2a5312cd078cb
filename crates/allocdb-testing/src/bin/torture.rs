//! `torture`: runs the harnesses. Use `scripts/torture.sh`, which builds what they need.

use std::process::ExitCode;
use std::time::Duration;

use allocdb_testing::layer::{Budget, Run};
use allocdb_testing::layers::{self, How};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Runs the harnesses that try to break AllocDB.")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Runs one harness in the foreground, speaking the lines that `layer.rs` describes.
    Layer {
        /// Its name.
        name: String,
        /// Units to do; the CI goal if left out.
        #[arg(long)]
        goal: Option<u64>,
        /// Seconds after which it stops short of its goal; 0 is no limit.
        #[arg(long, default_value_t = 0)]
        seconds: u64,
        /// Repeats a run.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    let Action::Layer {
        name,
        goal,
        seconds,
        seed,
    } = Arguments::parse().action;
    let Some(layer) = layers::find(&name) else {
        eprintln!("no layer is called '{name}'");
        return ExitCode::from(2);
    };
    let How::Here(harness) = layer.how else {
        eprintln!("'{name}' is a program of its own");
        return ExitCode::from(2);
    };
    let mut run = Run::new(Budget {
        goal: goal.unwrap_or(layer.goal_ci),
        time: (seconds > 0).then(|| Duration::from_secs(seconds)),
        seed,
    });
    harness(&mut run);
    if run.conclude() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
