//! What opening, ticking, checkpointing and backing up report: plain figures, copied out.

use allocdb_core::{Lsn, Slot};

/// What the state was rebuilt from when the database was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u32)]
pub enum StartKind {
    /// A new database was created.
    #[default]
    Fresh = 0,
    /// From the log alone.
    WalOnly = 1,
    /// From the newest snapshot; no record followed it.
    SnapshotOnly = 2,
    /// From the newest snapshot and the records after it.
    SnapshotAndWal = 3,
    /// The newest snapshot was damaged: from the one before it and the overlap in the log.
    PreviousSnapshotAndWal = 4,
}

impl StartKind {
    /// The name, as in the documentation and in every language.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::WalOnly => "wal_only",
            Self::SnapshotOnly => "snapshot_only",
            Self::SnapshotAndWal => "snapshot_and_wal",
            Self::PreviousSnapshotAndWal => "previous_snapshot_and_wal",
        }
    }
}

/// What recovery found and did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecoveryReport {
    /// What the state was rebuilt from.
    pub kind: StartKind,
    /// The snapshot used; 0 for none.
    pub snapshot_lsn: Lsn,
    /// Frames of commands replayed.
    pub frames_replayed: u64,
    /// Records replayed.
    pub records_replayed: u64,
    /// The last applied log position.
    pub last_lsn: Lsn,
    /// The last applied slot.
    pub last_slot: Slot,
    /// Bytes of a torn tail that were cut.
    pub torn_bytes: u64,
    /// Bytes of frames written again because nothing proved them durable.
    pub rewritten_bytes: u64,
    /// Time from the lock to the open database.
    pub duration_ns: u64,
}

/// What a tick did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TickResult {
    /// The log position of its `expire_due`; 0 when nothing was due and nothing was written.
    pub lsn: Lsn,
    /// The slot it was applied at; the last applied slot when nothing was written.
    pub slot: Slot,
    /// Reservations that it ended.
    pub expired_count: u32,
    /// Reservations still due at that slot.
    pub due_count: u64,
}

/// What a checkpoint did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CheckpointReport {
    /// The log position it stands at.
    pub anchor_lsn: Lsn,
    /// Whether anything was written; false when nothing changed since the last one.
    pub written: bool,
    /// Bytes of the new snapshot.
    pub snapshot_bytes: u64,
    /// Bytes of the log before it.
    pub log_bytes_before: u64,
    /// Bytes of the log after it.
    pub log_bytes_after: u64,
    /// How long it took, from its first slice to its last.
    pub duration_ns: u64,
    /// The longest that commits were held at a time.
    pub stall_ns: u64,
}

/// What a backup is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BackupReport {
    /// The original's log position that it has everything up to.
    pub source_lsn: Lsn,
    /// The log position that it begins at itself.
    pub lsn: Lsn,
    /// The last applied slot, of both.
    pub slot: Slot,
    /// Its own `database_id`.
    pub database_id: u128,
    /// Bytes of its snapshot.
    pub snapshot_bytes: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// How much of that time commits were held.
    pub stall_ns: u64,
}
