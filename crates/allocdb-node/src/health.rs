//! A bounded snapshot of the engine's figures, readable while a sync is under way.
//!
//! Plain numbers, copied out under a lock that no sync is held under. Sync times go into a
//! histogram of fixed buckets, each twice as wide as the one before: a bucket's index is the
//! position of the highest bit of the time in microseconds. Rejected: an exact reservoir, which
//! would need memory that grows, or a random choice.

use allocdb_core::state::TableUsage;
use allocdb_core::{Lsn, Slot};

use crate::halt::HaltReason;
use crate::report::RecoveryReport;

/// Buckets of the sync time histogram: bucket i counts times below 2^i µs that no earlier bucket
/// counts; the last counts all that are longer.
pub const SYNC_BUCKETS: usize = 24;
/// Kinds of commands, counted by their number; index 0 is unused.
pub const KIND_COUNTERS: usize = 10;
/// Result codes, counted by their number.
pub const CODE_COUNTERS: usize = 11;

impl From<TableUsage> for TableHealth {
    fn from(usage: TableUsage) -> Self {
        Self {
            used: usage.used.into(),
            capacity: usage.capacity.into(),
            retired: usage.past.into(),
            probe_len_max: usage.probe_len_max,
        }
    }
}

/// How full one table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableHealth {
    /// Records in memory, retired ones among them.
    pub used: u64,
    /// How many fit.
    pub capacity: u64,
    /// Records in memory that are logically gone, and count as room.
    pub retired: u64,
    /// The longest way from a key's home that was ever seen.
    pub probe_len_max: u32,
}

/// The engine's figures at one moment. Counters count since open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// Whether a submission would be looked at: neither halted nor closing.
    pub accepting_writes: bool,
    /// Why not, if halted.
    pub halt: Option<HaltReason>,
    /// Submissions waiting.
    pub queue_len: u32,
    /// `max_queue`.
    pub queue_capacity: u32,
    /// The last applied log position.
    pub last_lsn: Lsn,
    /// The last applied slot.
    pub last_slot: Slot,
    /// How far the caller's slot is ahead of it.
    pub logical_slot_lag: u64,
    /// Reservations due at the caller's slot, or at the last applied one where that is later, and
    /// not yet expired.
    pub expiration_backlog: u64,
    /// Resources.
    pub resources: TableHealth,
    /// Reservations, live and remembered.
    pub reservations: TableHealth,
    /// Operations remembered.
    pub operations: TableHealth,
    /// Bytes of the log that hold frames.
    pub log_bytes: u64,
    /// Bytes by which it has grown since the last checkpoint.
    pub log_bytes_since_checkpoint: u64,
    /// The newest snapshot; 0 for none.
    pub snapshot_lsn: Lsn,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Checkpoints given up.
    pub checkpoint_failures: u64,
    /// How long the last one took.
    pub checkpoint_ns_last: u64,
    /// The longest that the last one held commits at a time.
    pub checkpoint_stall_ns_last: u64,
    /// The longest that any of them did.
    pub checkpoint_stall_ns_max: u64,
    /// New commands applied, by kind.
    pub commands_by_kind: [u64; KIND_COUNTERS],
    /// Their results, by code.
    pub outcomes_by_code: [u64; CODE_COUNTERS],
    /// Commands answered from an earlier submission.
    pub retries: u64,
    /// Commands rejected, in refused submissions once each.
    pub rejections: u64,
    /// Submissions refused because the queue was full.
    pub overloads: u64,
    /// Reservations that time ended.
    pub expirations: u64,
    /// Commits written.
    pub commits: u64,
    /// Records in them.
    pub records: u64,
    /// The most records in one of them.
    pub records_per_commit_max: u64,
    /// Commits synced.
    pub syncs: u64,
    /// Time in write and sync.
    pub sync_ns_sum: u64,
    /// The longest write and sync.
    pub sync_ns_max: u64,
    /// Their histogram.
    pub sync_histogram: [u64; SYNC_BUCKETS],
    /// What recovery did at open.
    pub recovery: RecoveryReport,
}

/// What the engine counts since open; a [`Health`] is made of it and of the state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) log_bytes: u64,
    pub(crate) log_bytes_since_checkpoint: u64,
    pub(crate) snapshot_lsn: Lsn,
    pub(crate) checkpoints: u64,
    pub(crate) checkpoint_failures: u64,
    pub(crate) checkpoint_ns_last: u64,
    pub(crate) checkpoint_stall_ns_last: u64,
    pub(crate) checkpoint_stall_ns_max: u64,
    pub(crate) commands_by_kind: [u64; KIND_COUNTERS],
    pub(crate) outcomes_by_code: [u64; CODE_COUNTERS],
    pub(crate) retries: u64,
    pub(crate) rejections: u64,
    pub(crate) expirations: u64,
    pub(crate) commits: u64,
    pub(crate) records: u64,
    pub(crate) records_per_commit_max: u64,
    pub(crate) syncs: u64,
    pub(crate) sync_ns_sum: u64,
    pub(crate) sync_ns_max: u64,
    pub(crate) sync_histogram: [u64; SYNC_BUCKETS],
    pub(crate) recovery: RecoveryReport,
}

impl Counters {
    /// Counts a write, and its sync.
    pub(crate) fn count_write(&mut self, write_ns: u64, is_synced: bool, record_count: u64) {
        self.commits += 1;
        self.records += record_count;
        self.records_per_commit_max = self.records_per_commit_max.max(record_count);
        if is_synced {
            self.syncs += 1;
            self.sync_ns_sum += write_ns;
            self.sync_ns_max = self.sync_ns_max.max(write_ns);
            self.sync_histogram[sync_bucket(write_ns)] += 1;
        }
    }

    /// Takes over what a reader has seen: bytes of the log; `snapshot_lsn` where it used one.
    pub(crate) fn follow(&mut self, log_bytes: u64, snapshot_lsn: Lsn) {
        self.log_bytes = log_bytes;
        self.snapshot_lsn = self.snapshot_lsn.max(snapshot_lsn);
    }

    /// The figures that do not come from elsewhere.
    pub(crate) fn health(&self) -> Health {
        Health {
            log_bytes: self.log_bytes,
            log_bytes_since_checkpoint: self.log_bytes_since_checkpoint,
            snapshot_lsn: self.snapshot_lsn,
            checkpoints: self.checkpoints,
            checkpoint_failures: self.checkpoint_failures,
            checkpoint_ns_last: self.checkpoint_ns_last,
            checkpoint_stall_ns_last: self.checkpoint_stall_ns_last,
            checkpoint_stall_ns_max: self.checkpoint_stall_ns_max,
            commands_by_kind: self.commands_by_kind,
            outcomes_by_code: self.outcomes_by_code,
            retries: self.retries,
            rejections: self.rejections,
            expirations: self.expirations,
            commits: self.commits,
            records: self.records,
            records_per_commit_max: self.records_per_commit_max,
            syncs: self.syncs,
            sync_ns_sum: self.sync_ns_sum,
            sync_ns_max: self.sync_ns_max,
            sync_histogram: self.sync_histogram,
            recovery: self.recovery,
            ..Health::default()
        }
    }
}

/// The histogram bucket of a time.
#[must_use]
pub fn sync_bucket(sync_ns: u64) -> usize {
    let microseconds = sync_ns / 1_000;
    let bits = (u64::BITS - microseconds.leading_zeros()) as usize;
    bits.min(SYNC_BUCKETS - 1)
}
