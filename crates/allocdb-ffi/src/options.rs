//! The options of the C API as those of the engine, and back.

use core::ffi::c_void;

use allocdb_core::{Config, ConfigError};
use allocdb_node::{Clock, Level, OpenMode, Options, Settings, SyncMode};

use crate::constants as number;
use crate::failure::Failure;
use crate::growable;
use crate::types::{allocdb_id, allocdb_log_function, allocdb_options};

/// What an opening asks for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) options: Options,
    pub(crate) flags: u32,
    pub(crate) log_function: allocdb_log_function,
    pub(crate) log_context: *mut c_void,
}

const FLAGS: u32 = number::ALLOCDB_OPEN_EXISTING
    | number::ALLOCDB_OPEN_NEW
    | number::ALLOCDB_OPEN_READ_ONLY
    | number::ALLOCDB_ALLOW_NETWORK_FS
    | number::ALLOCDB_AUTO_EXPIRE_OFF;

/// The caller's options, checked; NULL is all defaults.
///
/// # Safety
/// `options` is NULL, or as long as its struct_size says, which was checked.
pub(crate) unsafe fn wanted(
    position: u32,
    options: *const allocdb_options,
) -> Result<Wanted, Failure> {
    if options.is_null() {
        return Ok(Wanted::defaults());
    }
    // SAFETY: not NULL; as the caller of this function says.
    let given = unsafe {
        let size = options.cast::<u32>().read() as usize;
        growable::read(position, options, size)
    }?;
    Wanted::from_c(&given)
}

impl Wanted {
    /// All defaults.
    pub(crate) fn defaults() -> Self {
        Self {
            options: Options::default(),
            flags: 0,
            log_function: None,
            log_context: core::ptr::null_mut(),
        }
    }

    /// Checks what the engine does not see: flags, numbers that stand for a choice.
    pub(crate) fn from_c(given: &allocdb_options) -> Result<Self, Failure> {
        let flags = given.flags;
        let is_set = |flag| flags & flag != 0;
        if flags & !FLAGS != 0 {
            return Err(Failure::option("flags", flags.into(), 0, FLAGS.into()));
        }
        let read_only = is_set(number::ALLOCDB_OPEN_READ_ONLY);
        if read_only && is_set(number::ALLOCDB_OPEN_NEW) {
            return Err(Failure::argument(
                2,
                format_args!("flags has both ALLOCDB_OPEN_READ_ONLY and ALLOCDB_OPEN_NEW"),
            ));
        }
        if given.reserved0 != 0 {
            return Err(Failure::option("reserved0", given.reserved0.into(), 0, 0));
        }
        let options = Options {
            mode: mode_of(flags)?,
            read_only,
            allow_network_fs: is_set(number::ALLOCDB_ALLOW_NETWORK_FS),
            auto_expire_off: is_set(number::ALLOCDB_AUTO_EXPIRE_OFF),
            shard_id: given.shard_id,
            slot_duration_ms: given.slot_duration_ms,
            max_resources: given.max_resources,
            max_reservations: given.max_reservations,
            max_operations: given.max_operations,
            max_bundle_len: given.max_bundle_len,
            max_ttl_slots: given.max_ttl_slots,
            operation_window_slots: given.operation_window_slots,
            history_window_slots: given.history_window_slots,
            max_expiration_bucket_len: given.max_expiration_bucket_len,
            max_expirations_per_tick: given.max_expirations_per_tick,
            hash_seed: given.hash_seed,
            database_id: given.database_id.number(),
            sync: sync_of(given.sync)?,
            clock: clock_of(given.clock)?,
            max_queue: given.max_queue,
            max_batch_commands: given.max_batch_commands,
            max_batch_bytes: given.max_batch_bytes,
            wal_prealloc_bytes: given.wal_prealloc_bytes,
            checkpoint_wal_bytes: given.checkpoint_wal_bytes,
            max_slot_leap: given.max_slot_leap,
            log_level: log_level_of(given.log_level)?,
            log_ring_bytes: given.log_ring_bytes,
        };
        Ok(Self {
            options,
            flags,
            log_function: given.log_function,
            log_context: given.log_context,
        })
    }

    /// What holds in an open database, with the defaults filled in; struct_size is left 0.
    pub(crate) fn effective(&self, config: &Config, settings: &Settings) -> allocdb_options {
        allocdb_options {
            struct_size: 0,
            flags: self.flags,
            database_id: allocdb_id::from_number(config.database_id),
            shard_id: config.shard_id,
            hash_seed: config.hash_seed,
            slot_duration_ms: config.slot_duration_ms,
            max_ttl_slots: config.max_ttl_slots,
            operation_window_slots: config.operation_window_slots,
            history_window_slots: config.history_window_slots,
            max_resources: config.max_resources,
            max_reservations: config.max_reservations,
            max_operations: config.max_operations,
            max_bundle_len: config.max_bundle_len,
            max_expiration_bucket_len: config.max_expiration_bucket_len,
            max_expirations_per_tick: config.max_expirations_per_tick,
            sync: match settings.sync {
                SyncMode::Full => number::ALLOCDB_SYNC_FULL,
                SyncMode::Os => number::ALLOCDB_SYNC_OS,
            },
            clock: match settings.clock {
                Clock::System => number::ALLOCDB_CLOCK_SYSTEM,
                Clock::Host => number::ALLOCDB_CLOCK_HOST,
            },
            max_queue: settings.max_queue,
            max_batch_commands: settings.max_batch_commands,
            max_batch_bytes: settings.max_batch_bytes.into(),
            wal_prealloc_bytes: settings.wal_prealloc_bytes,
            checkpoint_wal_bytes: settings.checkpoint_wal_bytes,
            max_slot_leap: settings.max_slot_leap,
            log_function: self.log_function,
            log_context: self.log_context,
            log_level: settings.log_level as u32,
            reserved0: 0,
            log_ring_bytes: settings.log_ring_bytes.into(),
        }
    }
}

fn mode_of(flags: u32) -> Result<OpenMode, Failure> {
    let is_existing = flags & number::ALLOCDB_OPEN_EXISTING != 0;
    let is_new = flags & number::ALLOCDB_OPEN_NEW != 0;
    match (is_existing, is_new) {
        (false, false) => Ok(OpenMode::CreateIfMissing),
        (true, false) => Ok(OpenMode::Existing),
        (false, true) => Ok(OpenMode::New),
        (true, true) => Err(Failure::argument(
            2,
            format_args!("flags has both ALLOCDB_OPEN_EXISTING and ALLOCDB_OPEN_NEW"),
        )),
    }
}

fn sync_of(sync: u32) -> Result<SyncMode, Failure> {
    match sync {
        number::ALLOCDB_SYNC_FULL => Ok(SyncMode::Full),
        number::ALLOCDB_SYNC_OS => Ok(SyncMode::Os),
        other => Err(Failure::option("sync", other.into(), 0, 1)),
    }
}

fn clock_of(clock: u32) -> Result<Clock, Failure> {
    match clock {
        number::ALLOCDB_CLOCK_SYSTEM => Ok(Clock::System),
        number::ALLOCDB_CLOCK_HOST => Ok(Clock::Host),
        other => Err(Failure::option("clock", other.into(), 0, 1)),
    }
}

fn log_level_of(level: u32) -> Result<Option<Level>, Failure> {
    if level == number::ALLOCDB_LOG_DEFAULT {
        return Ok(None);
    }
    let known = Level::from_number(level);
    let unknown = || Failure::option("log_level", level.into(), 0, 3);
    known.map(Some).ok_or_else(unknown)
}

impl Failure {
    /// An option outside its bounds, as the engine found it.
    pub(crate) fn from_config(error: ConfigError) -> Self {
        Self::from(allocdb_node::OpenError::Option(error))
    }
}

impl allocdb_id {
    /// The id as one number.
    pub(crate) fn number(self) -> u128 {
        (u128::from(self.hi) << 64) | u128::from(self.lo)
    }

    /// The id of a number.
    pub(crate) fn from_number(number: u128) -> Self {
        let [lo, hi]: [u64; 2] = {
            let bytes = number.to_le_bytes();
            let (halves, _) = bytes.as_chunks::<8>();
            [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
        };
        Self { lo, hi }
    }

    /// Whether this is the one value that is never an id.
    pub(crate) const fn is_zero(self) -> bool {
        self.lo == 0 && self.hi == 0
    }
}
