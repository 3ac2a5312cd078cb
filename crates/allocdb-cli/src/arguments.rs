//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// What each exit status means, for `--help`.
const STATUS_HELP: &str = "\
Exit status:
  0  done; for verify: it would open, and nothing in it is damaged
  1  damaged, or written by a version that this program does not know
  2  the command line is wrong
  3  in use: another process has the database open (its pid is named)
  4  not there: no directory, no database in it, or backup's TARGET is not empty
  5  the system refused: permissions, no room, no memory, an I/O error

inspect, verify and backup take no lock for longer than an instant, write nothing into DIR, and work
beside a running host. checkpoint opens the database as its owner.";

/// Looks at an AllocDB database, verifies it, checkpoints it, backs it up.
#[derive(Debug, Parser)]
#[command(name = "allocdb", version, after_help = STATUS_HELP, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: Action,
    /// Print one JSON document in place of text, also where the command fails.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Accept a network file system, on which neither locks nor syncs can be trusted.
    #[arg(long, global = true)]
    pub(crate) allow_network_fs: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show configuration, files, LSN, slots, tables and health figures.
    ///
    /// Reads the database as an observer does: what is durable, beside its host or without one.
    #[command(after_help = STATUS_HELP)]
    Inspect {
        /// The database's directory.
        directory: PathBuf,
    },
    /// Tell whether the database would open, and if not exactly why; change nothing.
    ///
    /// Reads every snapshot and the whole log, replays every way to the log's end, and compares.
    /// Beside a running host the end of the log moves, so only what is proved durable is judged.
    #[command(after_help = STATUS_HELP)]
    Verify {
        /// The database's directory.
        directory: PathBuf,
    },
    /// Open the database as its owner, write a snapshot, cut the log, close.
    ///
    /// Opening recovers first: a torn tail is cut, as the host's own opening would do.
    #[command(after_help = STATUS_HELP)]
    Checkpoint {
        /// The database's directory.
        directory: PathBuf,
    },
    /// Copy what is durable into TARGET, a new or an empty directory, as a database of its own.
    ///
    /// The copy has an id of its own, and LSNs that its original never gives.
    #[command(after_help = STATUS_HELP)]
    Backup {
        /// The database's directory.
        directory: PathBuf,
        /// The backup's directory; the one above it must exist.
        target: PathBuf,
    },
}

impl Arguments {
    /// How directories are opened.
    pub(crate) fn directory_options(&self) -> allocdb_node::storage::DirectoryOptions {
        allocdb_node::storage::DirectoryOptions {
            create: false,
            allow_network_file_system: self.allow_network_fs,
        }
    }

    /// How the database is opened: as it is stored, and never made.
    pub(crate) fn options(&self, read_only: bool) -> allocdb_node::Options {
        allocdb_node::Options {
            mode: allocdb_node::OpenMode::Existing,
            read_only,
            allow_network_fs: self.allow_network_fs,
            ..allocdb_node::Options::default()
        }
    }
}
