//! The table of all harnesses: what each tries, what it counts, how far it goes.
//!
//! A goal for CI is sized in seconds, a long one by what a claim needs. A new harness is a row
//! here; nothing else has to know it.

use crate::layer::Run;

/// One harness.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// What it is called on command lines.
    pub name: &'static str,
    /// What it tries, in a line.
    pub what: &'static str,
    /// What it counts.
    pub unit: &'static str,
    /// Units in CI; 0 where it does not run there.
    pub goal_ci: u64,
    /// Units in the long form.
    pub goal_long: u64,
    /// Where it is.
    pub how: How,
}

/// Where a harness is.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// A function of this crate.
    Here(fn(&mut Run)),
    /// A program with its first arguments, its path relative to the tree.
    Program(&'static [&'static str]),
}

/// All harnesses, the quick ones first.
pub const LAYERS: &[Layer] = &[
    Layer {
        name: "damage",
        what: "every bit, cut, sector and mix-up of a database's files, opened and judged",
        unit: "images",
        goal_ci: 100_000,
        goal_long: 10_000_000,
        how: How::Here(crate::damage::run),
    },
    Layer {
        name: "fuzz-log",
        what: "a log of any bytes, or frames under right checksums, is scanned and followed",
        unit: "executions",
        goal_ci: 1_000_000,
        goal_long: 100_000_000,
        how: How::Program(&["scripts/torture/fuzz.sh", "log"]),
    },
    Layer {
        name: "fuzz-snapshot",
        what: "a snapshot of any bytes, or fields under right checksums, is refused or sound",
        unit: "executions",
        goal_ci: 400_000,
        goal_long: 100_000_000,
        how: How::Program(&["scripts/torture/fuzz.sh", "snapshot"]),
    },
    Layer {
        name: "fuzz-request",
        what: "a request of any bytes is refused or re-encodes to the same bytes",
        unit: "executions",
        goal_ci: 4_000_000,
        goal_long: 100_000_000,
        how: How::Program(&["scripts/torture/fuzz.sh", "request"]),
    },
    Layer {
        name: "fuzz-response",
        what: "a response of any bytes is refused or says what stands in it, in Rust",
        unit: "executions",
        goal_ci: 4_000_000,
        goal_long: 100_000_000,
        how: How::Program(&["scripts/torture/fuzz.sh", "response"]),
    },
    Layer {
        name: "fuzz-options",
        what: "options of any values are refused by name or make a database",
        unit: "executions",
        goal_ci: 1_000_000,
        goal_long: 10_000_000,
        how: How::Program(&["scripts/torture/fuzz.sh", "options"]),
    },
    Layer {
        name: "fuzz-commands",
        what: "histories that coverage draws, the core beside the model",
        unit: "executions",
        goal_ci: 200_000,
        goal_long: 10_000_000,
        how: How::Program(&["scripts/torture/fuzz.sh", "commands"]),
    },
    Layer {
        name: "fuzz-crash-recover",
        what: "lives on a disk that loses and fails, opened again and again",
        unit: "executions",
        goal_ci: 50_000,
        goal_long: 1_000_000,
        how: How::Program(&["scripts/torture/fuzz.sh", "crash-recover"]),
    },
    Layer {
        name: "fuzz-go",
        what: "a response of any bytes is refused or says what stands in it, in Go",
        unit: "executions",
        goal_ci: 150_000,
        goal_long: 100_000_000,
        how: How::Program(&["scripts/torture/fuzz_go.sh"]),
    },
    Layer {
        name: "fuzz-python",
        what: "a response of any bytes is refused or says what stands in it, in Python",
        unit: "executions",
        goal_ci: 300_000,
        goal_long: 100_000_000,
        how: How::Program(&["scripts/torture/fuzz_python.sh"]),
    },
    Layer {
        name: "kill",
        what: "kill -9 over hosts in C, Python and Go on one database, audited from outside",
        unit: "kills",
        goal_ci: 500,
        goal_long: 10_000,
        how: How::Program(&["scripts/torture/kill.sh"]),
    },
    Layer {
        name: "strace",
        what: "every system call of the built C library failing, or the process killed at it",
        unit: "runs",
        goal_ci: 60,
        goal_long: 3_000,
        how: How::Program(&["scripts/torture/strace.sh"]),
    },
    Layer {
        name: "limits",
        what: "full disks, too few descriptors, too little memory, files and directories closed",
        unit: "runs",
        goal_ci: 100,
        goal_long: 1_000,
        how: How::Program(&["scripts/torture/limits.sh"]),
    },
    Layer {
        name: "power-cut",
        what: "the power of a guest machine is cut while it commits; a control without syncs",
        unit: "cuts",
        goal_ci: 0,
        goal_long: 100,
        how: How::Program(&["scripts/torture/power_cut.sh"]),
    },
    Layer {
        name: "model",
        what: "random histories, the core beside a plain model of the rules",
        unit: "commands",
        goal_ci: 10_000_000,
        goal_long: 1_000_000_000,
        how: How::Here(crate::model_check::run),
    },
    Layer {
        name: "abi",
        what: "the C tests under sanitizers and valgrind; forks, races, panics inside the engine",
        unit: "runs",
        goal_ci: 22,
        goal_long: 200,
        how: How::Program(&["scripts/torture/abi.sh"]),
    },
    Layer {
        name: "crash-images",
        what: "a power cut at every storage operation, every image it may leave, recovered",
        unit: "images",
        goal_ci: 1_000_000,
        goal_long: 10_000_000,
        how: How::Here(crate::crashes::run),
    },
    Layer {
        name: "shuttle",
        what: "schedules of threads over queue, gate and engine, drawn or every one",
        unit: "schedules",
        goal_ci: 10_000,
        goal_long: 5_000_000,
        how: How::Program(&["scripts/torture/shuttle.sh"]),
    },
    Layer {
        name: "linearizability",
        what: "what real threads were told, against the log's order and a plain model",
        unit: "calls",
        goal_ci: 200_000,
        goal_long: 20_000_000,
        how: How::Here(crate::linearizability::run),
    },
    Layer {
        name: "explore",
        what: "every state that a few commands lead to, by their number",
        unit: "acts deep",
        goal_ci: 6,
        goal_long: 8,
        how: How::Here(crate::explore::run),
    },
    Layer {
        name: "failing-operations",
        what: "storage operation 1, 2, 3 ... of a life fails, in every way, once and for good",
        unit: "runs",
        goal_ci: 20_000,
        goal_long: 500_000,
        how: How::Here(crate::failing::run),
    },
    Layer {
        name: "simulate",
        what: "the real engine on a failing disk, many clients as one seeded schedule, against the \
               model",
        unit: "commands",
        goal_ci: 1_000_000,
        goal_long: 100_000_000,
        how: How::Here(crate::simulator::run),
    },
    Layer {
        name: "tsan",
        what: "the C API's thread and close tests under ThreadSanitizer, nothing suppressed",
        unit: "runs",
        goal_ci: 0,
        goal_long: 40,
        how: How::Program(&["scripts/torture/tsan.sh"]),
    },
];

/// The harness of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}
