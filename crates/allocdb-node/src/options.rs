//! What a caller may choose, the defaults, and the memory that follows.
//!
//! Zero is the default of every number. What is stored with the data takes its default when a
//! database is created, and means "as stored" when one is reopened; any other value must then equal
//! what is stored, but for four capacities, which may be greater: the tables then grow (R95).
//! Run-time settings may change at every open. The rule for the defaults: a naive
//! durable loop of 10,000 commands a second, for as long as it likes, never fills a table.
//!
//! The memory bound is a pure function of the options, known before anything is allocated: the
//! core's tables, and every buffer that opening reserves here.

use allocdb_core::{Config, ConfigError};

use crate::diagnostics::Level;
use crate::error::OpenError;
use crate::queue::QueueBounds;

/// The greatest `max_queue`.
pub const QUEUE_MAX: u32 = 1 << 20;
/// The greatest `max_batch_commands`.
pub const BATCH_COMMANDS_MAX: u32 = 1 << 17;
/// The greatest `max_batch_bytes`; a frame's size is a constant of the format.
pub const BATCH_BYTES_MAX: u64 = 16 << 20;
/// The least `max_batch_bytes`: the largest command fits, whatever the configuration.
pub const BATCH_BYTES_MIN: u64 = 32 << 10;
/// The greatest `wal_prealloc_bytes` and `checkpoint_wal_bytes`.
pub const LOG_STEP_BYTES_MAX: u64 = 1 << 40;
/// The greatest `log_ring_bytes`.
pub const LOG_RING_BYTES_MAX: u64 = 1 << 30;

const _: () = assert!(BATCH_BYTES_MIN >= allocdb_core::codec::RECORD_BYTES_MAX as u64);
const _: () = assert!(BATCH_BYTES_MAX == allocdb_core::log::BATCH_BYTES_MAX as u64);

/// Which database is expected at the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OpenMode {
    /// One that is there, or else a new one.
    #[default]
    CreateIfMissing,
    /// One that is there.
    Existing,
    /// None: a new one is made.
    New,
}

/// When a commit counts as durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncMode {
    /// After a sync: it survives a power cut.
    #[default]
    Full,
    /// After the write: it survives a crash of the process, and maybe not one of the machine.
    Os,
}

/// Who drives slots that a caller does not give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// The host: a submission without a slot takes the last applied one.
    Host,
}

/// All options; `Options::default()` is a working database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Which database is expected.
    pub mode: OpenMode,
    /// Open for reading only: an existing database, beside whoever writes it.
    pub read_only: bool,
    /// Accept a file system whose sync may lie.
    pub allow_network_fs: bool,
    /// Leave expiry to `Engine::tick`.
    pub auto_expire_off: bool,

    /// Stored. High half of every reservation id.
    pub shard_id: u64,
    /// Stored. Default 100.
    pub slot_duration_ms: u64,
    /// Stored, may grow. Default 65,536.
    pub max_resources: u32,
    /// Stored, may grow. Default 262,144.
    pub max_reservations: u32,
    /// Stored, may grow. Default 524,288.
    pub max_operations: u32,
    /// Stored. Default 64.
    pub max_bundle_len: u32,
    /// Stored. Default 262,143.
    pub max_ttl_slots: u64,
    /// Stored. Default 300.
    pub operation_window_slots: u64,
    /// Stored. Default 300.
    pub history_window_slots: u64,
    /// Stored, may grow. Default `max_reservations`.
    pub max_expiration_bucket_len: u32,
    /// Stored. Default 1,024.
    pub max_expirations_per_tick: u32,
    /// Stored. Drawn by default.
    pub hash_seed: u64,
    /// Stored. Drawn by default.
    pub database_id: u128,

    /// When a commit counts as durable.
    pub sync: SyncMode,
    /// Who drives slots.
    pub clock: Clock,
    /// Submissions that may wait. Default 8,192.
    pub max_queue: u32,
    /// Commands in one commit. Default 8,192.
    pub max_batch_commands: u32,
    /// Bytes of records in one commit. Default 1 MiB.
    pub max_batch_bytes: u64,
    /// By how much the log grows ahead. Default 16 MiB.
    pub wal_prealloc_bytes: u64,
    /// Log growth after which a checkpoint is due. Default 64 MiB.
    pub checkpoint_wal_bytes: u64,
    /// How far ahead of the expected slot one may lie; 0 turns it off.
    pub max_slot_leap: u64,
    /// Lines kept. Default warnings.
    pub log_level: Option<Level>,
    /// Bytes of the ring of log lines. Default 64 KiB.
    pub log_ring_bytes: u64,
}

/// The run-time settings with their defaults filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// See [`Options::mode`].
    pub mode: OpenMode,
    /// See [`Options::allow_network_fs`].
    pub allow_network_fs: bool,
    /// Whether commits put an `expire_due` in front.
    pub auto_expire: bool,
    /// See [`Options::sync`].
    pub sync: SyncMode,
    /// See [`Options::clock`].
    pub clock: Clock,
    /// See [`Options::max_queue`].
    pub max_queue: u32,
    /// See [`Options::max_batch_commands`].
    pub max_batch_commands: u32,
    /// See [`Options::max_batch_bytes`].
    pub max_batch_bytes: u32,
    /// See [`Options::wal_prealloc_bytes`].
    pub wal_prealloc_bytes: u64,
    /// See [`Options::checkpoint_wal_bytes`].
    pub checkpoint_wal_bytes: u64,
    /// See [`Options::max_slot_leap`].
    pub max_slot_leap: u64,
    /// See [`Options::log_level`].
    pub log_level: Level,
    /// See [`Options::log_ring_bytes`].
    pub log_ring_bytes: u32,
}

const DEFAULT_MAX_QUEUE: u32 = 8_192;
const DEFAULT_MAX_BATCH_COMMANDS: u32 = 8_192;
const DEFAULT_MAX_BATCH_BYTES: u64 = 1 << 20;
const DEFAULT_WAL_PREALLOC_BYTES: u64 = 16 << 20;
const DEFAULT_CHECKPOINT_WAL_BYTES: u64 = 64 << 20;
const DEFAULT_LOG_RING_BYTES: u64 = 64 << 10;

impl Options {
    /// The configuration of a database made with these options, where what is to be drawn has been
    /// drawn; R90.
    pub fn config_for_creation(
        &self,
        drawn_database_id: u128,
        drawn_hash_seed: u64,
    ) -> Result<Config, ConfigError> {
        let max_reservations = or(self.max_reservations, 262_144);
        let config = Config {
            database_id: if self.database_id == 0 {
                drawn_database_id
            } else {
                self.database_id
            },
            shard_id: self.shard_id,
            hash_seed: or_wide(self.hash_seed, drawn_hash_seed),
            slot_duration_ms: or_wide(self.slot_duration_ms, 100),
            max_ttl_slots: or_wide(self.max_ttl_slots, 262_143),
            operation_window_slots: or_wide(self.operation_window_slots, 300),
            history_window_slots: or_wide(self.history_window_slots, 300),
            max_resources: or(self.max_resources, 65_536),
            max_reservations,
            max_operations: or(self.max_operations, 524_288),
            max_bundle_len: or(self.max_bundle_len, 64),
            max_expiration_bucket_len: or(self.max_expiration_bucket_len, max_reservations),
            max_expirations_per_tick: or(self.max_expirations_per_tick, 1_024),
        };
        config.validate()?;
        Ok(config)
    }

    /// R92: the first stored option that an existing database cannot take: its name, what was
    /// given, what is stored. A greater capacity is none ([`Options::config_for_opening`]).
    #[must_use]
    pub fn mismatch(&self, stored: &Config) -> Option<(&'static str, u128, u128)> {
        let obstacle = stored.growth_obstacle(&self.wanted(stored));
        obstacle.map(|(field, stored, given)| (field, given, stored))
    }

    /// R92, R95: the configuration that opening a database of `stored` is to leave: what is stored,
    /// with the capacities that are given greater. `max_expiration_bucket_len` stays as stored
    /// unless given, also where `max_reservations` grows. A handle that only reads grows nothing:
    /// it takes what is stored, whatever greater capacities it is given.
    pub fn config_for_opening(&self, stored: &Config) -> Result<Config, OpenError> {
        if let Some((field, given, stored)) = self.mismatch(stored) {
            return Err(OpenError::ConfigMismatch {
                field,
                given,
                stored,
            });
        }
        let wanted = self.wanted(stored);
        // Each bound by itself may have been given too great, or one beyond another.
        wanted.validate()?;
        Ok(if self.read_only { *stored } else { wanted })
    }

    /// What is given, and what is stored in place of what is not.
    fn wanted(&self, stored: &Config) -> Config {
        Config {
            database_id: if self.database_id == 0 {
                stored.database_id
            } else {
                self.database_id
            },
            shard_id: or_wide(self.shard_id, stored.shard_id),
            hash_seed: or_wide(self.hash_seed, stored.hash_seed),
            slot_duration_ms: or_wide(self.slot_duration_ms, stored.slot_duration_ms),
            max_ttl_slots: or_wide(self.max_ttl_slots, stored.max_ttl_slots),
            operation_window_slots: or_wide(
                self.operation_window_slots,
                stored.operation_window_slots,
            ),
            history_window_slots: or_wide(self.history_window_slots, stored.history_window_slots),
            max_resources: or(self.max_resources, stored.max_resources),
            max_reservations: or(self.max_reservations, stored.max_reservations),
            max_operations: or(self.max_operations, stored.max_operations),
            max_bundle_len: or(self.max_bundle_len, stored.max_bundle_len),
            max_expiration_bucket_len: or(
                self.max_expiration_bucket_len,
                stored.max_expiration_bucket_len,
            ),
            max_expirations_per_tick: or(
                self.max_expirations_per_tick,
                stored.max_expirations_per_tick,
            ),
        }
    }

    /// The run-time settings; names the first that is out of its bounds.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let max_queue = or(self.max_queue, DEFAULT_MAX_QUEUE);
        let max_batch_commands = or(self.max_batch_commands, DEFAULT_MAX_BATCH_COMMANDS);
        let max_batch_bytes = or_wide(self.max_batch_bytes, DEFAULT_MAX_BATCH_BYTES);
        let wal_prealloc_bytes = or_wide(self.wal_prealloc_bytes, DEFAULT_WAL_PREALLOC_BYTES);
        let checkpoint_wal_bytes = or_wide(self.checkpoint_wal_bytes, DEFAULT_CHECKPOINT_WAL_BYTES);
        let log_ring_bytes = or_wide(self.log_ring_bytes, DEFAULT_LOG_RING_BYTES);
        let commands = u64::from(max_batch_commands);
        bounded("max_queue", max_queue.into(), 1, QUEUE_MAX.into())?;
        bounded("max_batch_commands", commands, 1, BATCH_COMMANDS_MAX.into())?;
        let bytes = (BATCH_BYTES_MIN, BATCH_BYTES_MAX);
        bounded("max_batch_bytes", max_batch_bytes, bytes.0, bytes.1)?;
        let step = (4_096, LOG_STEP_BYTES_MAX);
        bounded("wal_prealloc_bytes", wal_prealloc_bytes, step.0, step.1)?;
        bounded("checkpoint_wal_bytes", checkpoint_wal_bytes, step.0, step.1)?;
        bounded("log_ring_bytes", log_ring_bytes, 1, LOG_RING_BYTES_MAX)?;
        Ok(Settings {
            mode: self.mode,
            allow_network_fs: self.allow_network_fs,
            auto_expire: !self.auto_expire_off,
            sync: self.sync,
            clock: self.clock,
            max_queue,
            max_batch_commands,
            max_batch_bytes: narrow(max_batch_bytes),
            wal_prealloc_bytes,
            checkpoint_wal_bytes,
            max_slot_leap: self.max_slot_leap,
            log_level: self.log_level.unwrap_or(Level::Warning),
            log_ring_bytes: narrow(log_ring_bytes),
        })
    }
}

impl Settings {
    /// The queue's bounds.
    pub(crate) const fn queue_bounds(&self) -> QueueBounds {
        QueueBounds {
            ticket_count: self.max_queue,
            command_count: self.max_batch_commands,
            record_bytes: self.max_batch_bytes,
        }
    }
}

/// The given value, or the default in place of 0.
const fn or(given: u32, default: u32) -> u32 {
    if given == 0 { default } else { given }
}

/// The same, 64 bits wide.
const fn or_wide(given: u64, default: u64) -> u64 {
    if given == 0 { default } else { given }
}

/// A value whose bound has been checked to be below 2^32.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).expect("the bound is checked before")
}

fn bounded(field: &'static str, value: u64, least: u64, greatest: u64) -> Result<(), ConfigError> {
    if (least..=greatest).contains(&value) {
        return Ok(());
    }
    Err(ConfigError {
        field,
        value: value.into(),
        least,
        greatest,
    })
}
