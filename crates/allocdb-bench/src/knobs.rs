//! The knobs of the command line, each with its bounds, and what follows from them together: the
//! database's options and the memory. All of it is checked before anything is allocated.
//!
//! A knob's own bounds are the parser's to check; what one knob demands of another is checked here.
//! Table sizes that are not given are what the scenario needs, so a run never stumbles over a table
//! that it did not mean to fill. Rejected: growing a knob that is too small by itself, since the
//! figures would then be of another configuration than the one that was asked for.

use std::path::PathBuf;

use allocdb_core::config::{CAPACITY_MAX, TTL_SLOTS_MAX};
use allocdb_core::{Config, ConfigError};
use allocdb_node::{Clock, Options, SyncMode};
use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};

use crate::order::Order;

/// The most resources, holders and commands a round.
pub const COUNT_MAX: u64 = 1 << 20;
/// The most commands in one submission.
pub const BATCH_MAX: u64 = 8_192;
/// The most threads.
pub const THREADS_MAX: u64 = 64;
/// The most rounds.
pub const ROUNDS_MAX: u64 = 1_000_000;
/// The most runs.
pub const RUNS_MAX: u64 = 999;
/// The widest window.
pub const WINDOW_SLOTS_MAX: u64 = 1 << 30;
/// The most slots in which retry-window floods the table of operations.
pub const FLOOD_SLOTS_MAX: u64 = 8;
/// The steepest skew.
pub const SKEW_MAX: u64 = 2;
/// The most memory that can be allowed: 1 TiB.
pub const MEMORY_MIB_MAX: u64 = 1 << 20;

/// One scenario, or all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Choice {
    /// Many holders contend for few resources.
    HotSpot,
    /// Operations are repeated within the dedupe window and after it, and the table of operations
    /// is driven full and drained.
    RetryWindow,
    /// Both, one after the other.
    All,
}

/// What a commit waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Sync {
    /// The disk: it survives a power cut.
    Full,
    /// The operating system: it survives the end of the process.
    Os,
}

/// A scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// See [`Choice::HotSpot`].
    HotSpot,
    /// See [`Choice::RetryWindow`].
    RetryWindow,
}

impl Scenario {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HotSpot => "hot-spot",
            Self::RetryWindow => "retry-window",
        }
    }
}

/// A parser of whole numbers within bounds.
fn number(least: u64, greatest: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(least..=greatest)
}

/// Hot spots and retries through the real engine: counts that prove the outcome, and times.
///
/// Counts depend on the knobs alone, and are compared with an independent tally: a wrong one makes
/// this program fail with status 1. A knob that is refused makes it fail with status 2.
#[derive(Clone, PartialEq, Eq, Debug, Parser)]
#[command(name = "allocdb-bench", version, allow_negative_numbers = true)]
pub struct Knobs {
    /// What to run.
    pub scenario: Choice,
    /// Every choice follows from it: 0 to 2^64 - 1.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Resources: 1 to 1048576.
    #[arg(long, default_value_t = 64, value_parser = number(1, COUNT_MAX))]
    pub resources: u64,
    /// Holders; in hot-spot each wants one resource a round: 1 to 1048576.
    #[arg(long, default_value_t = 4_096, value_parser = number(1, COUNT_MAX))]
    pub holders: u64,
    /// New operations a round of retry-window: 1 to 1048576.
    #[arg(long, default_value_t = 4_096, value_parser = number(1, COUNT_MAX))]
    pub commands: u64,
    /// Rounds: 1 to 1000000.
    #[arg(long, default_value_t = 20, value_parser = number(1, ROUNDS_MAX))]
    pub rounds: u64,
    /// How much the first resources are preferred: 0 (not at all), 1 (Zipf's law) or 2.
    #[arg(long, default_value_t = 1, value_parser = number(0, SKEW_MAX))]
    pub skew: u64,
    /// Threads that submit: 1 to 64.
    #[arg(long, default_value_t = 1, value_parser = number(1, THREADS_MAX))]
    pub threads: u64,
    /// Commands in one submission: 1 to 8192.
    #[arg(long, default_value_t = 64, value_parser = number(1, BATCH_MAX))]
    pub batch: u64,
    /// Slots of a hold: 1 to 268435455.
    #[arg(long, default_value_t = 4, value_parser = number(1, TTL_SLOTS_MAX))]
    pub ttl: u64,
    /// Slots for which operations and ended reservations are remembered: 1 to 1073741824.
    #[arg(long, default_value_t = 64, value_parser = number(1, WINDOW_SLOTS_MAX))]
    pub window: u64,
    /// Capacity of the resource table: 1 to 268435456 [default: what the scenario needs].
    #[arg(long, value_parser = number(1, CAPACITY_MAX.into()))]
    pub max_resources: Option<u64>,
    /// Capacity of the reservation table: 1 to 268435456 [default: what the scenario needs].
    #[arg(long, value_parser = number(1, CAPACITY_MAX.into()))]
    pub max_reservations: Option<u64>,
    /// Capacity of the operation table: 1 to 268435456 [default: what hot-spot needs; for
    /// retry-window, which fills it, twice the commands].
    #[arg(long, value_parser = number(1, CAPACITY_MAX.into()))]
    pub max_operations: Option<u64>,
    /// What a commit waits for.
    #[arg(long, value_enum, default_value_t = Sync::Full)]
    pub sync: Sync,
    /// Runs of each scenario, whose medians are shown: 1 to 999.
    #[arg(long, default_value_t = 5, value_parser = number(1, RUNS_MAX))]
    pub runs: u64,
    /// MiB that a scenario may need: 1 to 1048576.
    #[arg(long, default_value_t = 1_024, value_parser = number(1, MEMORY_MIB_MAX))]
    pub memory_mib: u64,
    /// Where each run makes a directory for its database, and removes it.
    #[arg(long, default_value = ".")]
    pub directory: PathBuf,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A knob whose value another one rules out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The knob.
    pub knob: &'static str,
    /// Its value, given or needed.
    pub value: u64,
    /// The least that is allowed.
    pub least: u64,
    /// The greatest that is allowed.
    pub greatest: u64,
    /// What the bound comes from.
    pub why: &'static str,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            knob,
            value,
            least,
            greatest,
            why,
        } = self;
        write!(f, "{knob} is {value}, must be {least} to {greatest}: {why}")
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self {
            knob: error.field,
            value: u64::try_from(error.value).unwrap_or(u64::MAX),
            least: error.least,
            greatest: error.greatest,
            why: "the engine's own bound",
        }
    }
}

/// What a scenario will take: all that is known before it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// How its databases are opened.
    pub options: Options,
    /// Bytes that an open database reserves, at most.
    pub database_bytes: u64,
    /// Bytes that the harness takes for plans, answers and times, at most.
    pub harness_bytes: u64,
}

impl Knobs {
    /// The scenarios that are to be run.
    #[must_use]
    pub const fn scenarios(&self) -> &'static [Scenario] {
        match self.scenario {
            Choice::HotSpot => &[Scenario::HotSpot],
            Choice::RetryWindow => &[Scenario::RetryWindow],
            Choice::All => &[Scenario::HotSpot, Scenario::RetryWindow],
        }
    }

    /// Checks the knobs against each other: options and memory, or the first knob that is refused.
    pub fn setup(&self, scenario: Scenario) -> Result<Setup, Refusal> {
        let options = self.options(scenario)?;
        let database_bytes = options.memory_bound()?;
        let harness_bytes = self.harness_bytes(scenario);
        let (needed, allowed) = (database_bytes + harness_bytes, self.memory_mib << 20);
        if needed > allowed {
            return Err(Refusal {
                knob: "--memory-mib",
                value: self.memory_mib,
                least: needed.div_ceil(1 << 20),
                greatest: MEMORY_MIB_MAX,
                why: "the memory that these knobs need",
            });
        }
        Ok(Setup {
            options,
            database_bytes,
            harness_bytes,
        })
    }

    fn options(&self, scenario: Scenario) -> Result<Options, Refusal> {
        let needs = self.needs(scenario);
        let max_resources = capacity("--max-resources", self.max_resources, needs.resources)?;
        let given = self.max_reservations;
        let max_reservations = capacity("--max-reservations", given, needs.reservations)?;
        let given = match scenario {
            Scenario::HotSpot => self.max_operations,
            Scenario::RetryWindow => Some(self.operations()),
        };
        let max_operations = capacity("--max-operations", given, needs.operations)?;
        Ok(Options {
            clock: Clock::Host,
            sync: match self.sync {
                Sync::Full => SyncMode::Full,
                Sync::Os => SyncMode::Os,
            },
            max_resources,
            max_reservations,
            max_operations,
            max_bundle_len: 1,
            max_ttl_slots: self.ttl,
            operation_window_slots: self.window,
            history_window_slots: self.window,
            // All that is due ends in front of the first commit of a slot, so that the log is the
            // same however the rest of the slot is cut into commits.
            max_expirations_per_tick: max_resources,
            // Nothing may differ between runs.
            hash_seed: self.seed | 1,
            database_id: 1,
            max_batch_commands: u32::try_from(BATCH_MAX).expect("a constant"),
            max_batch_bytes: BATCH_BYTES,
            ..Options::default()
        })
    }

    /// The least capacities with which the tally's rules hold: nothing full that is not meant to
    /// be. Acceptance (R32) counts a place for each reserve of a commit, also for those that will
    /// find their resource busy, and refuses one whose place would lie too far off; so there are
    /// as many places more as one commit may hold.
    fn needs(&self, scenario: Scenario) -> Needs {
        let (resources, window, ttl) = (self.resources, self.window, self.ttl);
        match scenario {
            // A round each `ttl` slots. Its operations are remembered for a window, and so are
            // its reservations from when they end, at the next round at the latest.
            Scenario::HotSpot => Needs {
                resources,
                reservations: resources * (window / ttl + 2).min(self.rounds + 1)
                    + self.holders.min(BATCH_MAX),
                operations: (self.holders + 2 * resources) * (window / ttl + 1).min(self.rounds)
                    + resources,
            },
            // One resource more to flood. A resource is reserved once in `ttl` slots at most, and
            // by an operation of the round or one executed again.
            Scenario::RetryWindow => Needs {
                resources: resources + 1,
                reservations: (resources * (window / ttl + 2)).min(resources + 2 * self.commands)
                    + 2
                    + BATCH_MAX,
                operations: self.commands.max(resources + 1).max(2 * FLOOD_SLOTS_MAX),
            },
        }
    }

    /// Plans, orders, answers and times of one run, at most; several threads hold an order and its
    /// answer twice.
    fn harness_bytes(&self, scenario: Scenario) -> u64 {
        let order = 8 * size_of::<Order>() as u64;
        let (commands, steps) = self.scale(scenario);
        let submissions = commands / self.batch + steps * self.threads;
        // The program itself, and the threads' stacks.
        let program = (4 << 20) + (self.threads << 17);
        let plan = match scenario {
            Scenario::HotSpot => self.holders * order,
            Scenario::RetryWindow => self.commands * order + self.operations() * order / 2,
        };
        program + 128 * (self.resources + 1) + 16 * submissions + plan
    }

    /// Places of the table that retry-window fills.
    fn operations(&self) -> u64 {
        let needed = self.needs(Scenario::RetryWindow).operations;
        // Room beyond the commands, so that what fills it is the flood alone.
        self.max_operations.unwrap_or(needed.max(2 * self.commands))
    }

    /// Commands and steps of one run, at most.
    fn scale(&self, scenario: Scenario) -> (u64, u64) {
        match scenario {
            Scenario::HotSpot => {
                let round = self.holders + 2 * self.resources;
                (self.rounds * round + self.resources, 3 * self.rounds + 1)
            }
            Scenario::RetryWindow => {
                let round = 6 * self.commands + 4 * self.operations();
                let steps = 4 * self.commands + 4 * FLOOD_SLOTS_MAX + 8;
                (
                    self.rounds * round + self.resources,
                    self.rounds * steps + 1,
                )
            }
        }
    }
}

/// A group of as many commands as a commit may hold fits, whatever they are.
const BATCH_BYTES: u64 = 2 << 20;

/// The least capacities.
struct Needs {
    resources: u64,
    reservations: u64,
    operations: u64,
}

/// The capacity given, or the one needed.
fn capacity(knob: &'static str, given: Option<u64>, needed: u64) -> Result<u32, Refusal> {
    let (value, greatest) = (given.unwrap_or(needed), u64::from(CAPACITY_MAX));
    if value < needed || value > greatest {
        return Err(Refusal {
            knob,
            value,
            least: needed,
            greatest,
            why: "what the scenario needs with the other knobs",
        });
    }
    Ok(u32::try_from(value).expect("bounded above"))
}

/// The stored configuration that the options give, for a report.
#[must_use]
pub fn configuration(options: &Options) -> Config {
    let config = options.config_for_creation(1, 1);
    config.expect("the knobs are checked")
}

#[cfg(test)]
mod tests;
