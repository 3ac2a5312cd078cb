//! The health response: 128 words of 64 bits, each at a place of its own.
//!
//! Word n stands at offset 24 + 8 × n of the message. Words without a name are zero and kept for
//! later figures. Counters count since open.
//!
//! | words | figure |
//! |---|---|
//! | 0 to 38 | [`NAMES`], in that order |
//! | 48 to 63 | commands applied, by kind's number |
//! | 64 to 95 | their results, by code's number |
//! | 96 to 127 | commits by sync time: word 96 + i counts those below 2^i µs that no earlier |
//! | | one counts |
//!
//! Rejected: fields of their natural widths, which save half of a kilobyte in a message that is
//! asked for once a second, and cost every language a table of offsets.

use allocdb_core::bytes::{Reader, Writer};
use allocdb_core::{Lsn, Slot};

use super::message::BODY;
use super::message::{Fault, Reason};
use crate::error::{FileName, IoError};
use crate::halt::HaltReason;
use crate::health::{CODE_COUNTERS, Health, KIND_COUNTERS, SYNC_BUCKETS, TableHealth};
use crate::report::RecoveryReport;

/// How many words.
pub const WORD_COUNT: usize = 128;
/// Bytes of a health response.
pub const HEALTH_BYTES: usize = BODY + 8 * WORD_COUNT;
/// The word of command kind 0; the other kinds follow.
pub const COMMANDS_WORD: usize = 48;
/// The word of result code 0; the other codes follow.
pub const OUTCOMES_WORD: usize = 64;
/// The word of the first bucket of sync times; the other buckets follow.
pub const SYNCS_WORD: usize = 96;

const _: () = assert!(NAMES.len() <= COMMANDS_WORD);
const _: () = assert!(COMMANDS_WORD + KIND_COUNTERS <= OUTCOMES_WORD);
const _: () = assert!(OUTCOMES_WORD + CODE_COUNTERS <= SYNCS_WORD);
const _: () = assert!(SYNCS_WORD + SYNC_BUCKETS <= WORD_COUNT);

/// The names of the words from 0 on.
pub const NAMES: [&str; 39] = [
    "accepting_writes",
    "halt_reason",
    "halt_os_errno",
    "queue_len",
    "queue_capacity",
    "last_lsn",
    "last_slot",
    "logical_slot_lag",
    "expiration_backlog",
    "resources_used",
    "resources_capacity",
    "resources_retired",
    "resources_probe_len_max",
    "reservations_used",
    "reservations_capacity",
    "reservations_retired",
    "reservations_probe_len_max",
    "operations_used",
    "operations_capacity",
    "operations_retired",
    "operations_probe_len_max",
    "log_bytes",
    "log_bytes_since_checkpoint",
    "snapshot_lsn",
    "checkpoints",
    "checkpoint_failures",
    "checkpoint_ns_last",
    "checkpoint_stall_ns_last",
    "checkpoint_stall_ns_max",
    "retries",
    "rejections",
    "overloads",
    "expirations",
    "commits",
    "records",
    "records_per_commit_max",
    "syncs",
    "sync_ns_sum",
    "sync_ns_max",
];

/// The health figures as words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures(pub [u64; WORD_COUNT]);

impl Figures {
    /// All zero.
    pub const ZERO: Self = Self([0; WORD_COUNT]);

    /// The figure with this name in [`NAMES`].
    #[must_use]
    pub fn named(&self, name: &str) -> Option<u64> {
        let index = NAMES.iter().position(|other| *other == name)?;
        self.0.get(index).copied()
    }
}

impl From<&Health> for Figures {
    fn from(health: &Health) -> Self {
        let mut figures = Self::ZERO;
        figures.show(health);
        figures
    }
}

impl Figures {
    /// Takes over what health says. Words without a name stay as they are.
    pub(crate) fn show(&mut self, health: &Health) {
        let halt_errno = match health.halt {
            Some(HaltReason::Storage(error)) => error.os_errno.unsigned_abs(),
            _ => 0,
        };
        let first: [u64; 9] = [
            health.accepting_writes.into(),
            health.halt.map_or(0, |reason| reason.number()).into(),
            halt_errno.into(),
            health.queue_len.into(),
            health.queue_capacity.into(),
            health.last_lsn.0,
            health.last_slot.0,
            health.logical_slot_lag,
            health.expiration_backlog,
        ];
        let last: [u64; 18] = [
            health.log_bytes,
            health.log_bytes_since_checkpoint,
            health.snapshot_lsn.0,
            health.checkpoints,
            health.checkpoint_failures,
            health.checkpoint_ns_last,
            health.checkpoint_stall_ns_last,
            health.checkpoint_stall_ns_max,
            health.retries,
            health.rejections,
            health.overloads,
            health.expirations,
            health.commits,
            health.records,
            health.records_per_commit_max,
            health.syncs,
            health.sync_ns_sum,
            health.sync_ns_max,
        ];
        let tables = [health.resources, health.reservations, health.operations].map(table_words);
        let words = &mut self.0;
        words[..9].copy_from_slice(&first);
        words[9..21].copy_from_slice(tables.as_flattened());
        words[21..NAMES.len()].copy_from_slice(&last);
        words[COMMANDS_WORD..][..KIND_COUNTERS].copy_from_slice(&health.commands_by_kind);
        words[OUTCOMES_WORD..][..CODE_COUNTERS].copy_from_slice(&health.outcomes_by_code);
        words[SYNCS_WORD..][..SYNC_BUCKETS].copy_from_slice(&health.sync_histogram);
    }
}

/// The way back: figures that another process wrote. What words do not hold is left at its default:
/// of a failed operation only the number is known, and the recovery report is the owner's own.
impl From<&Figures> for Health {
    fn from(figures: &Figures) -> Self {
        let words = &figures.0;
        let run = |from: usize| words.iter().skip(from).copied();
        let narrow = |word: u64| u32::try_from(word).unwrap_or(u32::MAX);
        let [
            accepting,
            halt_number,
            halt_errno,
            queue_len,
            queue_capacity,
        ] = first(run(0));
        let [last_lsn, last_slot, logical_slot_lag, expiration_backlog] = first(run(5));
        let table = |from: usize| {
            let [used, capacity, retired, probe_len_max] = first(run(from));
            TableHealth {
                used,
                capacity,
                retired,
                probe_len_max: narrow(probe_len_max),
            }
        };
        let [log_bytes, log_bytes_since_checkpoint, snapshot_lsn] = first(run(21));
        let [checkpoints, checkpoint_failures, checkpoint_ns_last] = first(run(24));
        let [checkpoint_stall_ns_last, checkpoint_stall_ns_max] = first(run(27));
        let [retries, rejections, overloads, expirations] = first(run(29));
        let [commits, records, records_per_commit_max] = first(run(33));
        let [syncs, sync_ns_sum, sync_ns_max] = first(run(36));
        Self {
            accepting_writes: accepting != 0,
            halt: halt_of(halt_number, halt_errno),
            queue_len: narrow(queue_len),
            queue_capacity: narrow(queue_capacity),
            last_lsn: Lsn(last_lsn),
            last_slot: Slot(last_slot),
            logical_slot_lag,
            expiration_backlog,
            resources: table(9),
            reservations: table(13),
            operations: table(17),
            log_bytes,
            log_bytes_since_checkpoint,
            snapshot_lsn: Lsn(snapshot_lsn),
            checkpoints,
            checkpoint_failures,
            checkpoint_ns_last,
            checkpoint_stall_ns_last,
            checkpoint_stall_ns_max,
            commands_by_kind: first(run(COMMANDS_WORD)),
            outcomes_by_code: first(run(OUTCOMES_WORD)),
            retries,
            rejections,
            overloads,
            expirations,
            commits,
            records,
            records_per_commit_max,
            syncs,
            sync_ns_sum,
            sync_ns_max,
            sync_histogram: first(run(SYNCS_WORD)),
            recovery: RecoveryReport::default(),
        }
    }
}

/// The next words, as many as asked for.
fn first<const COUNT: usize>(mut words: impl Iterator<Item = u64>) -> [u64; COUNT] {
    core::array::from_fn(|_| words.next().expect("the table above has as many words"))
}

fn halt_of(number: u64, errno: u64) -> Option<HaltReason> {
    match number {
        0 => None,
        1 => Some(HaltReason::Storage(IoError {
            operation: "write or sync",
            file: FileName::Wal,
            offset: 0,
            os_errno: i32::try_from(errno).unwrap_or(i32::MAX),
        })),
        3 => Some(HaltReason::Requested),
        // A reason of a later version is some internal one to this.
        _ => Some(HaltReason::Panic),
    }
}

fn table_words(table: TableHealth) -> [u64; 4] {
    [
        table.used,
        table.capacity,
        table.retired,
        table.probe_len_max.into(),
    ]
}

/// Writes the words of a health response.
pub(crate) fn write(writer: &mut Writer<'_>, figures: &Figures) {
    figures.0.iter().for_each(|&word| writer.u64(word));
}

/// Reads the words of a health response.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Figures, Fault> {
    let mut words = [0; WORD_COUNT];
    for word in &mut words {
        *word = reader.u64().ok_or(Fault::new(0, Reason::Length, "len"))?;
    }
    Ok(Figures(words))
}
