//! The structs of the C API, byte for byte.
//!
//! Three may grow (`allocdb_options`, `allocdb_health`, `allocdb_recovery_report`): they start with
//! `struct_size`, and [`crate::growable`] is the only place that reads or writes one of another
//! size. All others are fixed for ever and carry reserved words for what comes. Every size is
//! asserted below, every offset is listed in `abi/layouts.txt` and compared from Rust and from C.
//!
//! No field is an enum, a bool or a long: their widths differ between compilers and languages. The
//! 128-bit id is two words, `lo` first, because in the memory of a little-endian machine that *is*
//! the little-endian u128 of the log, so a bundle is passed on without a copy.

use core::ffi::{c_char, c_void};

/// What a call answers: ALLOCDB_OK, or a number from one of the bands under "Errors" above.
pub type allocdb_status = i32;

/// An open database. Opaque: only pointers to it are passed around. All its functions may be called
/// by any number of threads at once.
pub struct allocdb {
    _opaque: [u8; 0],
}

/// A 128-bit id: of a resource, a holder, an operation or a reservation. {0, 0} is never one.
///
/// As the 16 bytes of a UUID it is big-endian, hi before lo: see allocdb_id_to_bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_id {
    /// The low 64 bits.
    pub lo: u64,
    /// The high 64 bits.
    pub hi: u64,
}

/// Names one logical operation, so that a retry can repeat it. Made by allocdb_operation_new, or by
/// the caller from its own ids. Keep it until the outcome is known.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_operation {
    /// Unique among all operations of the dedupe window; not {0, 0}. A random id is right.
    pub id: allocdb_id,
    /// The last slot at which the command may be executed; 0 for no limit. With a limit, the
    /// operation is executed at most once for ever; without one, at most once in each window.
    pub valid_until_slot: u64,
}

/// The story of a failed call. Output only, needs no initialization, holds nothing to free. Every
/// fallible call takes a pointer to one as its last parameter, which may be NULL. On success all of
/// it is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct allocdb_error {
    /// The status that the call returned.
    pub status: allocdb_status,
    /// The errno of the system call that failed; 0 if none did.
    pub os_errno: i32,
    /// Numbers for programs, per status: see "Detail words" above.
    pub detail: [u64; 4],
    /// One line for people, English, NUL-terminated: which field, which value, which bound, which
    /// file.
    pub message: [c_char; 216],
}

/// A log callback: see allocdb_options.log_function. It returns: no jump and no exception may leave
/// it, since it is called from the middle of a call.
///
/// @param context  options.log_context, untouched.
/// @param level    ALLOCDB_LOG_ERROR to ALLOCDB_LOG_INFO.
/// @param text     One line without a line break, NUL-terminated, valid during the callback only.
/// @param text_len Bytes of text without the NUL.
pub type allocdb_log_function = Option<
    unsafe extern "C" fn(context: *mut c_void, level: u32, text: *const c_char, text_len: usize),
>;

/// How to open a database. Zero is the default of every field: initialize with
/// allocdb_options_init, or with `allocdb_options options = {.struct_size = sizeof options};`.
///
/// The first group is stored with the data when the database is created. When one is reopened, 0
/// means "as stored", and another value than the stored one is ALLOCDB_E_CONFIG_MISMATCH; but what
/// is marked "may grow" may be greater, and is then stored: the tables grow before allocdb_open
/// returns, and every id, result and order stays as it was. A read-only handle grows nothing. The
/// second group is of this opening alone.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct allocdb_options {
    /// sizeof(allocdb_options) as the caller was compiled.
    pub struct_size: u32,
    /// ALLOCDB_OPEN_* and other flags, or-ed. 0: open, create if nothing is there.
    pub flags: u32,

    /// STORED. Names the database and its lineage. Default: drawn at random.
    pub database_id: allocdb_id,
    /// STORED. High half of every reservation id. Default 0.
    pub shard_id: u64,
    /// STORED. Keys every hash, so that nobody who chooses ids can aim at a table. Default: drawn.
    pub hash_seed: u64,
    /// STORED. Milliseconds a slot; 1 to 86,400,000. Default 100.
    pub slot_duration_ms: u64,
    /// STORED. Greatest TTL in slots; 1 to 2^28 - 1. Default 262,143 (7 h 16 min at 100 ms).
    pub max_ttl_slots: u64,
    /// STORED. How long an operation is remembered, in slots; 1 to 2^40. Default 300 (30 s).
    pub operation_window_slots: u64,
    /// STORED. How long an ended reservation stays readable, in slots; 1 to 2^40. Default 300.
    pub history_window_slots: u64,
    /// STORED, may grow. Capacity of the resource table; 1 to 2^28. Default 65,536.
    pub max_resources: u32,
    /// STORED, may grow. Capacity for reservations, live and remembered; 1 to 2^28. Default
    /// 262,144.
    pub max_reservations: u32,
    /// STORED, may grow. Capacity for remembered operations; 1 to 2^28. Default 524,288: 10,000
    /// commands a second over a window of 30 seconds, and then some.
    pub max_operations: u32,
    /// STORED. Most resources in one reservation; 1 to 1,024. Default 64.
    pub max_bundle_len: u32,
    /// STORED, may grow. Most reservations with one deadline; 1 to max_reservations. Default
    /// max_reservations; when that grows, this one stays as stored unless it is given too.
    pub max_expiration_bucket_len: u32,
    /// STORED. Most reservations that one expiry ends; 1 to 2^28. Default 1,024.
    pub max_expirations_per_tick: u32,

    /// ALLOCDB_SYNC_FULL (default) or ALLOCDB_SYNC_OS.
    pub sync: u32,
    /// ALLOCDB_CLOCK_SYSTEM (default) or ALLOCDB_CLOCK_HOST.
    pub clock: u32,
    /// Most submissions that wait at once; one more is ALLOCDB_E_OVERLOADED. Default 8,192.
    pub max_queue: u32,
    /// Most commands in one commit. Default 8,192.
    pub max_batch_commands: u32,
    /// Most bytes of commands in one commit, at most 16 MiB. Default 1 MiB.
    pub max_batch_bytes: u64,
    /// How far the log file is written ahead with zeros. Default 16 MiB.
    pub wal_prealloc_bytes: u64,
    /// A checkpoint is made when the log has grown by this. Default 64 MiB.
    pub checkpoint_wal_bytes: u64,
    /// A slot further ahead than this of what the clock explains is refused. Default 0: no check.
    pub max_slot_leap: u64,

    /// Called with each log line of log_level and above, from inside calls, by whichever thread is
    /// in one, recovery included. It must return, must not call AllocDB on any handle
    /// (ALLOCDB_E_REENTRANT), must not throw or longjmp. Default NULL: read the lines with
    /// allocdb_log_read.
    pub log_function: allocdb_log_function,
    /// Handed to log_function as it is; not touched otherwise. It must live as long as the handle.
    pub log_context: *mut c_void,
    /// The least important level that is logged. Default ALLOCDB_LOG_WARNING.
    pub log_level: u32,
    /// Zero.
    pub reserved0: u32,
    /// Bytes kept for allocdb_log_read; the oldest lines give way. Default 64 KiB.
    pub log_ring_bytes: u64,
}

/// One command of allocdb_submit: what the typed functions pass as parameters. What its kind does
/// not use must be zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct allocdb_command {
    /// ALLOCDB_COMMAND_CREATE_RESOURCE to ALLOCDB_COMMAND_RECLAIM.
    pub kind: u32,
    /// RESERVE: ids in `ids`; 0 to reserve the one resource target_id. Other kinds: 0.
    pub id_count: u32,
    /// allocdb_operation.id; not {0, 0}.
    pub operation_id: allocdb_id,
    /// The resource (CREATE_RESOURCE, DELETE_RESOURCE, RESERVE of one) or the reservation (all
    /// others). {0, 0} for a RESERVE with ids.
    pub target_id: allocdb_id,
    /// RESERVE, CONFIRM, EXTEND, RELEASE.
    pub holder_id: allocdb_id,
    /// RESERVE, EXTEND.
    pub ttl_slots: u64,
    /// allocdb_operation.valid_until_slot; 0 for no limit.
    pub valid_until_slot: u64,
    /// RESERVE: id_count ids, the caller's, read during the call only. NULL if id_count is 0.
    pub ids: *const allocdb_id,
    /// Zero.
    pub reserved: [u64; 6],
}

/// The answer to one command.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_outcome {
    /// ALLOCDB_OK: committed, and the rest says how it was decided. Otherwise this command was
    /// rejected, nothing happened, and the rest is zero.
    pub status: allocdb_status,
    /// ALLOCDB_DONE, ALLOCDB_RESOURCE_BUSY, ...
    pub code: u32,
    /// The log position at which the command was first applied.
    pub lsn: u64,
    /// The reservation that was made or changed; {0, 0} if none. Grows with every new
    /// reservation: show it to outside systems as a fencing token.
    pub reservation_id: allocdb_id,
    /// The deadline that a reserve or extend set; 0 otherwise.
    pub deadline_slot: u64,
    /// Which resource of a reserve failed, counted from 0; ALLOCDB_NO_INDEX otherwise.
    pub failed_index: u32,
    /// 1: this repeats the answer of an earlier submission of the same operation.
    pub from_retry_cache: u32,
    /// Zero.
    pub reserved: [u64; 2],
}

/// A resource, as allocdb_get_resource and allocdb_list_resources show it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_resource {
    /// The resource.
    pub resource_id: allocdb_id,
    /// Its live reservation; {0, 0} if it is available.
    pub reservation_id: allocdb_id,
    /// Who holds that; {0, 0} if it is available.
    pub holder_id: allocdb_id,
    /// Grows by one with each change of state. An observation, not a guard.
    pub version: u64,
    /// ALLOCDB_RESOURCE_STATE_*.
    pub state: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zero.
    pub reserved: [u64; 4],
}

/// A reservation, as allocdb_get_reservation and allocdb_list_reservations show it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_reservation {
    /// The reservation.
    pub reservation_id: allocdb_id,
    /// Who holds or held it.
    pub holder_id: allocdb_id,
    /// Its first resource.
    pub first_resource_id: allocdb_id,
    /// The log position of its reserve.
    pub created_lsn: u64,
    /// From this slot on a RESERVED one may be freed by time.
    pub deadline_slot: u64,
    /// The log position at which it ended; 0 while it lives.
    pub ended_lsn: u64,
    /// From this slot on an ended one is forgotten; 0 while it lives.
    pub retire_after_slot: u64,
    /// ALLOCDB_RESERVATION_STATE_*.
    pub state: u32,
    /// How many resources it holds or held.
    pub resource_count: u32,
    /// Zero.
    pub reserved: [u64; 5],
}

/// Which rows a listing shows. All zero: all of them.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_filter {
    /// The states wanted, as bits: 1u << ALLOCDB_RESOURCE_STATE_... (or ..RESERVATION_STATE..),
    /// or-ed. 0: all.
    pub states: u32,
    /// Zero.
    pub reserved0: u32,
    /// The holder wanted; {0, 0}: any.
    pub holder_id: allocdb_id,
    /// Zero.
    pub reserved: [u64; 5],
}

/// What allocdb_tick did.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_tick_result {
    /// The log position of the expiry; 0 if nothing was due, and then nothing was written.
    pub lsn: u64,
    /// The slot that it was applied at; the last applied slot if nothing was written.
    pub slot: u64,
    /// Reservations still due at that slot: tick again.
    pub due_count: u64,
    /// Reservations that it ended.
    pub expired_count: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zero.
    pub reserved: [u64; 4],
}

/// What recovery found when the database was opened. May grow.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_recovery_report {
    /// sizeof(allocdb_recovery_report) as the caller was compiled; set before the call.
    pub struct_size: u32,
    /// ALLOCDB_START_*.
    pub start_kind: u32,
    /// The snapshot that was used; 0 for none.
    pub snapshot_lsn: u64,
    /// Frames of commands that were replayed.
    pub frames_replayed: u64,
    /// Records that were replayed.
    pub records_replayed: u64,
    /// The last applied log position.
    pub last_lsn: u64,
    /// The last applied slot.
    pub last_slot: u64,
    /// Bytes of a torn tail that were cut: a commit that no caller was ever told of.
    pub torn_bytes: u64,
    /// Bytes of frames written again because nothing proved them durable.
    pub rewritten_bytes: u64,
    /// How long the opening took.
    pub duration_ns: u64,
}

/// How full one table is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_table_usage {
    /// Records in memory, those of `retired_count` included.
    pub used_count: u64,
    /// How many fit.
    pub capacity: u64,
    /// Records that are forgotten already and whose memory is taken back when it is needed.
    pub retired_count: u64,
    /// The longest search for a free place so far, in cells.
    pub probe_len_max: u32,
    /// Zero.
    pub reserved0: u32,
}

/// A snapshot of the engine's figures. May grow. Counters count since the opening.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct allocdb_health {
    /// sizeof(allocdb_health) as the caller was compiled; set before the call.
    pub struct_size: u32,
    /// 1: commands are accepted. 0: halted.
    pub is_accepting_writes: u32,
    /// ALLOCDB_HALT_*: why the engine no longer accepts or answers.
    pub halt_reason: u32,
    /// ALLOCDB_START_*, as in the recovery report.
    pub start_kind: u32,
    /// Submissions that wait or are being committed.
    pub queue_len: u32,
    /// max_queue.
    pub queue_capacity: u32,

    /// The last applied log position; 0 in a new database.
    pub last_lsn: u64,
    /// The last applied slot.
    pub last_slot: u64,
    /// How far the slot given to allocdb_health_get is ahead of last_slot.
    pub logical_slot_lag: u64,
    /// Reservations due at the slot given, or at last_slot where that is later, and not ended yet.
    pub expiration_backlog: u64,

    /// The resource table.
    pub resources: allocdb_table_usage,
    /// The reservation table.
    pub reservations: allocdb_table_usage,
    /// The operation table. Its fill is the pressure on the dedupe window.
    pub operations: allocdb_table_usage,

    /// Bytes of the log, without what is preallocated.
    pub log_bytes: u64,
    /// Of these, since the last checkpoint.
    pub log_bytes_since_checkpoint: u64,
    /// The newest snapshot's log position; 0 for none.
    pub snapshot_lsn: u64,
    /// Checkpoints made.
    pub checkpoint_count: u64,
    /// Checkpoints that failed and left everything as it was.
    pub checkpoint_failure_count: u64,
    /// How long the last checkpoint took.
    pub checkpoint_duration_ns: u64,
    /// The longest that it held commits at a time.
    pub checkpoint_stall_ns: u64,
    /// The longest that any of them did.
    pub checkpoint_stall_ns_max: u64,

    /// Commits: frames of commands written. record_count / commit_count is the group size.
    pub commit_count: u64,
    /// Commands logged in them, expiries included.
    pub record_count: u64,
    /// The most in one commit.
    pub records_per_commit_max: u64,
    /// Syncs of the log.
    pub sync_count: u64,
    /// Time spent in writing and syncing.
    pub sync_ns_sum: u64,
    /// The longest.
    pub sync_ns_max: u64,
    /// Write and sync by time: [i] counts those below 2^i microseconds that no earlier one
    /// counts, [23] all longer ones too.
    pub sync_histogram: [u64; 24],
    /// Logged commands by kind: [ALLOCDB_COMMAND_RESERVE], ...
    pub command_counts: [u64; 16],
    /// Logged client commands by result code: [ALLOCDB_RESOURCE_BUSY], ...
    pub result_counts: [u64; 32],
    /// Commands answered from the dedupe table.
    pub retry_count: u64,
    /// Commands rejected, definitely.
    pub rejection_count: u64,
    /// Submissions refused because the queue was full.
    pub overload_count: u64,
    /// Reservations ended by time.
    pub expired_count: u64,
}

const _: () = {
    assert!(size_of::<allocdb_id>() == 16);
    assert!(size_of::<allocdb_operation>() == 24);
    assert!(size_of::<allocdb_error>() == 256);
    assert!(size_of::<allocdb_options>() == 176);
    assert!(size_of::<allocdb_command>() == 128);
    assert!(size_of::<allocdb_outcome>() == 64);
    assert!(size_of::<allocdb_resource>() == 96);
    assert!(size_of::<allocdb_reservation>() == 128);
    assert!(size_of::<allocdb_filter>() == 64);
    assert!(size_of::<allocdb_tick_result>() == 64);
    assert!(size_of::<allocdb_recovery_report>() == 72);
    assert!(size_of::<allocdb_table_usage>() == 32);
    assert!(align_of::<allocdb_id>() == 8);
    assert!(align_of::<allocdb_error>() == 8);
    // A pointer and a size are 64 bits wide, the low half of an id comes first.
    assert!(size_of::<usize>() == 8);
    assert!(cfg!(target_endian = "little"));
    assert!(cfg!(target_os = "linux"));
};
