//! `torture`: runs the harnesses. Use `scripts/torture.sh`, which builds what they need.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use allocdb_testing::layer::{Budget, Run};
use allocdb_testing::layers::{self, How, LAYERS, Layer};
use allocdb_testing::runner::{self, Outcome, Plan};
use allocdb_testing::table;
use clap::{Args, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: allocdb_testing::heap::Noting = allocdb_testing::heap::Noting;

#[derive(Parser)]
#[command(about = "Runs the harnesses that try to break AllocDB.")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Shows the harnesses and their goals.
    List,
    /// Runs them, in processes of their own, and writes the table of figures.
    Run(RunArguments),
    /// Runs one in the foreground, speaking the lines that `layer.rs` describes.
    Layer(LayerArguments),
}

#[derive(Args)]
struct RunArguments {
    /// The goals for CI instead of the long ones.
    #[arg(long)]
    ci: bool,
    /// Minutes for all together; each stops at its goal or at its share of the time.
    #[arg(long)]
    minutes: Option<u64>,
    /// Only this harness; may be given several times.
    #[arg(long, value_name = "LAYER")]
    only: Vec<String>,
    /// Repeats a run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many run beside each other.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Where the table and each harness's lines go.
    #[arg(long, default_value = "target/figures")]
    out: PathBuf,
}

#[derive(Args)]
struct LayerArguments {
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
}

fn main() -> ExitCode {
    let done = match Arguments::parse().action {
        Action::List => {
            list();
            Ok(true)
        }
        Action::Run(arguments) => run(&arguments),
        Action::Layer(arguments) => layer(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(refusal) => {
            eprintln!("torture: {refusal}");
            ExitCode::from(2)
        }
    }
}

fn list() {
    for layer in LAYERS {
        println!(
            "{:20} {} ({} {} in CI, {} in the long form)",
            layer.name, layer.what, layer.goal_ci, layer.unit, layer.goal_long
        );
    }
}

fn named(name: &str) -> Result<&'static Layer, String> {
    layers::find(name).ok_or_else(|| {
        let names: Vec<_> = LAYERS.iter().map(|layer| layer.name).collect();
        format!("'{name}' is none of {}", names.join(", "))
    })
}

fn run(arguments: &RunArguments) -> Result<bool, String> {
    let chosen: Vec<&Layer> = if arguments.only.is_empty() {
        LAYERS.iter().collect()
    } else {
        let named = arguments.only.iter().map(|name| named(name));
        named.collect::<Result<_, _>>()?
    };
    let goal = |layer: &Layer| {
        if arguments.ci {
            layer.goal_ci
        } else {
            layer.goal_long
        }
    };
    let plan = Plan {
        layers: chosen
            .into_iter()
            .map(|layer| (layer, goal(layer)))
            .filter(|(_, goal)| *goal > 0)
            .collect(),
        time: arguments
            .minutes
            .map(|minutes| Duration::from_secs(60 * minutes)),
        seed: arguments.seed,
        jobs: arguments.jobs,
        logs: arguments.out.clone(),
    };
    std::fs::create_dir_all(&plan.logs)
        .map_err(|error| format!("--out {}: {error}", plan.logs.display()))?;
    let outcomes = runner::run(&plan);
    write(arguments, &outcomes)?;
    let failed = outcomes.iter().filter(|outcome| !outcome.is_good()).count();
    println!(
        "torture: {} passed, {failed} failed",
        outcomes.len() - failed
    );
    Ok(failed == 0 && !outcomes.is_empty())
}

fn write(arguments: &RunArguments, outcomes: &[Outcome]) -> Result<(), String> {
    let mut words = vec!["scripts/torture.sh".to_owned()];
    if arguments.ci {
        words.push("--ci".to_owned());
    }
    if let Some(minutes) = arguments.minutes {
        words.push(format!("--minutes {minutes}"));
    }
    let only = arguments.only.iter().map(|name| format!("--only {name}"));
    words.extend(only);
    words.push(format!("--seed {}", arguments.seed));
    let command = words.join(" ");
    let markdown = table::markdown(outcomes, &command);
    println!("\n{markdown}");
    let files = [
        ("figures.md", markdown),
        (
            "figures.json",
            format!("{:#}\n", table::json(outcomes, &command)),
        ),
    ];
    for (name, text) in files {
        let path = arguments.out.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn layer(arguments: &LayerArguments) -> Result<bool, String> {
    let layer = named(&arguments.name)?;
    let How::Here(harness) = layer.how else {
        return Err(format!("'{}' is a program of its own", layer.name));
    };
    let mut run = Run::new(Budget {
        goal: arguments.goal.unwrap_or(layer.goal_ci),
        time: (arguments.seconds > 0).then(|| Duration::from_secs(arguments.seconds)),
        seed: arguments.seed,
    });
    harness(&mut run);
    Ok(run.conclude())
}
