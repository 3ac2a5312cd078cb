//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Runs AllocDB and its rivals side by side, and makes tables and plots of what programs measured.
/// `scripts/bench.sh` does both.
#[derive(Parser, Debug)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Measures; prints a line of JSON for each figure.
    Run(Run),
    /// Reads such lines and writes table.md, figures.json and the plots.
    Report(Report),
}

#[derive(clap::Args, Debug)]
pub(crate) struct Run {
    /// The staged library.
    #[arg(long, default_value = "target/stage/lib/libAllocDB.so")]
    pub(crate) library: PathBuf,
    /// Where databases are made and deleted: on the disk in question.
    #[arg(long, default_value = "target")]
    pub(crate) directory: PathBuf,
    /// How often everything is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// One round of moments: shows that all works, gives no figures.
    #[arg(long)]
    pub(crate) quick: bool,
    /// One row.
    #[arg(long)]
    pub(crate) only: Option<Row>,
    /// What resources' order and operation ids are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Report {
    /// Files of lines.
    pub(crate) files: Vec<PathBuf>,
    /// Where the report goes.
    #[arg(long, default_value = "target/figures/bench")]
    pub(crate) out: PathBuf,
    /// The table's first line.
    #[arg(long, default_value = "Side by side")]
    pub(crate) heading: String,
}

/// What can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Row {
    /// One durable command at a time, beside the raw disk.
    Latency,
    /// A thousand commands in a commit.
    Batches,
    /// AllocDB by the size of a batch.
    Sizes,
    /// AllocDB by the number of resources.
    Tables,
    /// Many clients, one command at a time each.
    Threads,
    /// 64 clients after one resource.
    Race,
}

impl Row {
    /// As it is typed.
    pub(crate) fn typed(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Batches => "batches",
            Self::Sizes => "sizes",
            Self::Tables => "tables",
            Self::Threads => "threads",
            Self::Race => "race",
        }
    }
}
