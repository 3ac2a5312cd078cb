//! Every number of the C API: `#define`s in the header, appended to and never changed.
//!
//! They repeat the numbers of the node and the core, because cbindgen reads literals; the
//! assertions at the end, checked while compiling, keep the two from drifting apart. Rejected: C
//! enums, whose width is the compiler's choice and whose members shift when one is inserted.

use allocdb_core::command::CommandKind;
use allocdb_core::outcome::{NO_INDEX, ResultCode};
use allocdb_core::state::{ReservationState, ResourceState};
use allocdb_node::{Level, StartKind, status};

/// The header's version, as allocdb_version_number gives the library's.
pub const ALLOCDB_VERSION_NUMBER: u32 = 3_000;

/// The call did what was asked. For a command: it was committed, and `outcome.code` says how it
/// was decided.
pub const ALLOCDB_OK: i32 = 0;

/// An argument or option has a value that is not allowed: NULL, not aligned, out of bounds.
pub const ALLOCDB_E_INVALID: i32 = 1;
/// The struct_size of a struct that may grow is not one that this library can work with.
pub const ALLOCDB_E_STRUCT_SIZE: i32 = 2;
/// An output buffer is too small. Nothing was done; the size that is needed is given.
pub const ALLOCDB_E_BUFFER_TOO_SMALL: i32 = 3;
/// Two memory ranges of the call overlap, and one of them is an output.
pub const ALLOCDB_E_OVERLAP: i32 = 4;
/// The handle was closed.
pub const ALLOCDB_E_CLOSED: i32 = 5;
/// The handle was opened by a parent process: a forked child opens its own.
pub const ALLOCDB_E_FORKED: i32 = 6;
/// The call came from inside the log callback.
pub const ALLOCDB_E_REENTRANT: i32 = 7;

/// A command or message has a form that is never valid: a zero id, an unknown kind.
pub const ALLOCDB_E_MALFORMED: i32 = 100;
/// More commands or bytes than one commit may hold.
pub const ALLOCDB_E_COMMAND_TOO_LARGE: i32 = 101;
/// More resources in one reserve than max_bundle_len.
pub const ALLOCDB_E_BUNDLE_TOO_LARGE: i32 = 102;
/// One resource twice in one reserve.
pub const ALLOCDB_E_DUPLICATE_RESOURCE: i32 = 103;
/// ttl_slots is 0 or above max_ttl_slots.
pub const ALLOCDB_E_TTL_OUT_OF_RANGE: i32 = 104;
/// The slot is so late that a window beyond it could not be counted.
pub const ALLOCDB_E_SLOT_OVERFLOW: i32 = 105;
/// The slot is further ahead than max_slot_leap allows.
pub const ALLOCDB_E_SLOT_LEAP: i32 = 106;
/// valid_until_slot has passed: this submission did nothing and never will.
pub const ALLOCDB_E_OPERATION_EXPIRED: i32 = 107;
/// valid_until_slot lies further ahead than operations are remembered.
pub const ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE: i32 = 108;
/// The operation id is remembered with another command.
pub const ALLOCDB_E_OPERATION_CONFLICT: i32 = 109;
/// Every place for an operation is taken by one that is still remembered.
pub const ALLOCDB_E_OPERATION_TABLE_FULL: i32 = 110;
/// The queue or a table has no room right now. Nothing happened: try again later.
pub const ALLOCDB_E_OVERLOADED: i32 = 111;
/// The last log position has been given away.
pub const ALLOCDB_E_LSN_EXHAUSTED: i32 = 112;
/// No space for the log. Nothing was accepted; reads go on.
pub const ALLOCDB_E_STORAGE_FULL: i32 = 113;
/// The handle is open for reading only.
pub const ALLOCDB_E_READ_ONLY: i32 = 114;

/// A file operation failed; error.os_errno says how.
pub const ALLOCDB_E_IO: i32 = 200;
/// The database is open elsewhere; error.detail[0] is the owner's process id where known.
pub const ALLOCDB_E_LOCKED: i32 = 201;
/// The directory is not there (and was not to be created, or its parent is not there either).
pub const ALLOCDB_E_DIRECTORY_NOT_FOUND: i32 = 202;
/// The path holds something else than a database.
pub const ALLOCDB_E_NOT_A_DATABASE: i32 = 203;
/// The files are damaged. Nothing was changed.
pub const ALLOCDB_E_CORRUPT: i32 = 204;
/// An option differs from what is stored with the data; the message names it.
pub const ALLOCDB_E_CONFIG_MISMATCH: i32 = 205;
/// The files are of a format version that this library does not know.
pub const ALLOCDB_E_VERSION: i32 = 206;
/// Not enough memory for this configuration.
pub const ALLOCDB_E_NO_MEMORY: i32 = 207;
/// The directory is on a network file system, and ALLOCDB_ALLOW_NETWORK_FS was not given.
pub const ALLOCDB_E_UNSUPPORTED_FS: i32 = 208;
/// ALLOCDB_OPEN_NEW was given, and a database is there already.
pub const ALLOCDB_E_EXISTS: i32 = 209;

/// INDEFINITE: a write or sync failed. Whether the commands took effect is known after reopening.
pub const ALLOCDB_E_STORAGE_FAILURE: i32 = 300;
/// INDEFINITE: the engine had halted, or halted during the call. Reopen the database.
pub const ALLOCDB_E_HALTED: i32 = 301;
/// INDEFINITE: an internal error was caught and has halted the engine. Reopen the database.
pub const ALLOCDB_E_PANIC: i32 = 302;

/// A read's answer: nothing with this id.
pub const ALLOCDB_ID_NOT_FOUND: i32 = 400;
/// A read's answer: the reservation ended and is no longer remembered.
pub const ALLOCDB_RETIRED: i32 = 401;
/// A read's answer: the state has not reached required_lsn.
pub const ALLOCDB_FENCE_NOT_APPLIED: i32 = 402;

/// Category of ALLOCDB_OK.
pub const ALLOCDB_CATEGORY_OK: u32 = 0;
/// Category of 1 to 99: the call was misused; nothing happened.
pub const ALLOCDB_CATEGORY_MISUSE: u32 = 1;
/// Category of 100 to 199: nothing happened, for certain, and nothing will.
pub const ALLOCDB_CATEGORY_DEFINITE: u32 = 2;
/// Category of 200 to 299: opening and files.
pub const ALLOCDB_CATEGORY_OPEN: u32 = 3;
/// Category of 300 to 399: whether it took effect is not known yet.
pub const ALLOCDB_CATEGORY_INDEFINITE: u32 = 4;
/// Category of 400 to 499: a read's answer.
pub const ALLOCDB_CATEGORY_READ: u32 = 5;
/// Category of a number that is no status of this version.
pub const ALLOCDB_CATEGORY_UNKNOWN: u32 = 6;

/// Result code: the command took effect.
pub const ALLOCDB_DONE: u32 = 0;
/// Result code: a resource with this id is there already.
pub const ALLOCDB_RESOURCE_EXISTS: u32 = 1;
/// Result code: all max_resources places are taken.
pub const ALLOCDB_RESOURCE_TABLE_FULL: u32 = 2;
/// Result code: no resource with this id.
pub const ALLOCDB_RESOURCE_NOT_FOUND: u32 = 3;
/// Result code: the resource is reserved, confirmed or being revoked.
pub const ALLOCDB_RESOURCE_BUSY: u32 = 4;
/// Result code: all max_reservations places are taken by live or still remembered ones.
pub const ALLOCDB_RESERVATION_TABLE_FULL: u32 = 5;
/// Result code: max_expiration_bucket_len reservations already have this deadline.
pub const ALLOCDB_EXPIRATION_INDEX_FULL: u32 = 6;
/// Result code: no reservation with this id.
pub const ALLOCDB_RESERVATION_NOT_FOUND: u32 = 7;
/// Result code: the reservation ended and is no longer remembered.
pub const ALLOCDB_RESERVATION_RETIRED: u32 = 8;
/// Result code: the reservation belongs to another holder.
pub const ALLOCDB_HOLDER_MISMATCH: u32 = 9;
/// Result code: the reservation is not in a state that allows this.
pub const ALLOCDB_INVALID_STATE: u32 = 10;

/// outcome.failed_index where no id of a bundle failed.
pub const ALLOCDB_NO_INDEX: u32 = 0xFFFF_FFFF;
/// As `slot`: the system clock in the database's slots; with ALLOCDB_CLOCK_HOST the last applied
/// slot.
pub const ALLOCDB_SLOT_NOW: u64 = 0;

/// Command kind: allocdb_create_resource.
pub const ALLOCDB_COMMAND_CREATE_RESOURCE: u32 = 1;
/// Command kind: allocdb_delete_resource.
pub const ALLOCDB_COMMAND_DELETE_RESOURCE: u32 = 2;
/// Command kind: allocdb_reserve and allocdb_reserve_bundle.
pub const ALLOCDB_COMMAND_RESERVE: u32 = 3;
/// Command kind: allocdb_confirm.
pub const ALLOCDB_COMMAND_CONFIRM: u32 = 4;
/// Command kind: allocdb_extend.
pub const ALLOCDB_COMMAND_EXTEND: u32 = 5;
/// Command kind: allocdb_release.
pub const ALLOCDB_COMMAND_RELEASE: u32 = 6;
/// Command kind: allocdb_revoke.
pub const ALLOCDB_COMMAND_REVOKE: u32 = 7;
/// Command kind: allocdb_reclaim.
pub const ALLOCDB_COMMAND_RECLAIM: u32 = 8;
/// Command kind of the database's own expiry: counted in allocdb_health, never submitted.
pub const ALLOCDB_COMMAND_EXPIRE_DUE: u32 = 9;

/// Resource state: nobody has it.
pub const ALLOCDB_RESOURCE_STATE_AVAILABLE: u32 = 1;
/// Resource state: held until a deadline.
pub const ALLOCDB_RESOURCE_STATE_RESERVED: u32 = 2;
/// Resource state: held until released or revoked.
pub const ALLOCDB_RESOURCE_STATE_CONFIRMED: u32 = 3;
/// Resource state: its holder lost it, and it is not reusable before the reclaim.
pub const ALLOCDB_RESOURCE_STATE_REVOKING: u32 = 4;

/// Reservation state: held until a deadline.
pub const ALLOCDB_RESERVATION_STATE_RESERVED: u32 = 1;
/// Reservation state: held until released or revoked.
pub const ALLOCDB_RESERVATION_STATE_CONFIRMED: u32 = 2;
/// Reservation state: revoked by an operator, not yet reclaimed.
pub const ALLOCDB_RESERVATION_STATE_REVOKING: u32 = 3;
/// Reservation state: ended by its holder.
pub const ALLOCDB_RESERVATION_STATE_RELEASED: u32 = 4;
/// Reservation state: ended by its deadline.
pub const ALLOCDB_RESERVATION_STATE_EXPIRED: u32 = 5;
/// Reservation state: ended by an operator.
pub const ALLOCDB_RESERVATION_STATE_REVOKED: u32 = 6;

/// Open flag: the database must be there; nothing is created.
pub const ALLOCDB_OPEN_EXISTING: u32 = 1;
/// Open flag: the database must not be there; it is created.
pub const ALLOCDB_OPEN_NEW: u32 = 2;
/// Open flag: for reading only. The database must be there; nothing is locked, and nothing on the
/// disk is changed, so a process with the right to read suffices, and whoever writes is not
/// disturbed. Shows what was durable at the opening, and at each allocdb_refresh; commands, ticks
/// and checkpoints answer ALLOCDB_E_READ_ONLY. Not with ALLOCDB_OPEN_NEW.
pub const ALLOCDB_OPEN_READ_ONLY: u32 = 4;
/// Open flag: the directory may be on a network file system, whose syncs and locks the caller
/// vouches for.
pub const ALLOCDB_ALLOW_NETWORK_FS: u32 = 8;
/// Open flag: commits do not expire what is due; only allocdb_tick does.
pub const ALLOCDB_AUTO_EXPIRE_OFF: u32 = 16;

/// options.sync: every commit is on the disk before it is acknowledged.
pub const ALLOCDB_SYNC_FULL: u32 = 0;
/// options.sync: the kernel writes when it likes. A crash of the process loses nothing, a power
/// cut may lose the newest commits.
pub const ALLOCDB_SYNC_OS: u32 = 1;

/// options.clock: ALLOCDB_SLOT_NOW is the system clock divided by slot_duration_ms.
pub const ALLOCDB_CLOCK_SYSTEM: u32 = 0;
/// options.clock: the host counts slots; ALLOCDB_SLOT_NOW is the last applied slot.
pub const ALLOCDB_CLOCK_HOST: u32 = 1;

/// options.log_level: the default, which is ALLOCDB_LOG_WARNING.
pub const ALLOCDB_LOG_DEFAULT: u32 = 0;
/// Log level: the engine cannot go on.
pub const ALLOCDB_LOG_ERROR: u32 = 1;
/// Log level: something an operator should look at.
pub const ALLOCDB_LOG_WARNING: u32 = 2;
/// Log level: recovery, checkpoints, clean close.
pub const ALLOCDB_LOG_INFO: u32 = 3;
/// The least capacity of allocdb_log_read: the longest line, its line feed and a NUL.
pub const ALLOCDB_LOG_TEXT_MIN: usize = 514;

/// health.halt_reason: the engine has not halted.
pub const ALLOCDB_HALT_NONE: u32 = 0;
/// health.halt_reason: a write or sync failed.
pub const ALLOCDB_HALT_STORAGE: u32 = 1;
/// health.halt_reason: an internal error was caught.
pub const ALLOCDB_HALT_PANIC: u32 = 2;
/// health.halt_reason: it was asked for.
pub const ALLOCDB_HALT_REQUESTED: u32 = 3;

/// Start kind: a new database was created.
pub const ALLOCDB_START_FRESH: u32 = 0;
/// Start kind: from the log alone.
pub const ALLOCDB_START_WAL_ONLY: u32 = 1;
/// Start kind: from the newest snapshot; no record followed it.
pub const ALLOCDB_START_SNAPSHOT_ONLY: u32 = 2;
/// Start kind: from the newest snapshot and the records after it.
pub const ALLOCDB_START_SNAPSHOT_AND_WAL: u32 = 3;
/// Start kind: the newest snapshot was damaged; from the one before it and the log's overlap.
pub const ALLOCDB_START_PREVIOUS_SNAPSHOT_AND_WAL: u32 = 4;

/// Compares numbers of the header with those of the node and the core.
macro_rules! assert_same {
    ($($mine:ident = $theirs:expr;)*) => {
        $(const _: () = assert!($mine as u64 == $theirs as u64);)*
    };
}

assert_same! {
    ALLOCDB_OK = status::OK;
    ALLOCDB_E_INVALID = status::E_INVALID;
    ALLOCDB_E_STRUCT_SIZE = status::E_STRUCT_SIZE;
    ALLOCDB_E_BUFFER_TOO_SMALL = status::E_BUFFER_TOO_SMALL;
    ALLOCDB_E_OVERLAP = status::E_OVERLAP;
    ALLOCDB_E_CLOSED = status::E_CLOSED;
    ALLOCDB_E_FORKED = status::E_FORKED;
    ALLOCDB_E_REENTRANT = status::E_REENTRANT;
    ALLOCDB_E_MALFORMED = status::E_MALFORMED;
    ALLOCDB_E_COMMAND_TOO_LARGE = status::E_COMMAND_TOO_LARGE;
    ALLOCDB_E_BUNDLE_TOO_LARGE = status::E_BUNDLE_TOO_LARGE;
    ALLOCDB_E_DUPLICATE_RESOURCE = status::E_DUPLICATE_RESOURCE;
    ALLOCDB_E_TTL_OUT_OF_RANGE = status::E_TTL_OUT_OF_RANGE;
    ALLOCDB_E_SLOT_OVERFLOW = status::E_SLOT_OVERFLOW;
    ALLOCDB_E_SLOT_LEAP = status::E_SLOT_LEAP;
    ALLOCDB_E_OPERATION_EXPIRED = status::E_OPERATION_EXPIRED;
    ALLOCDB_E_VALID_UNTIL_OUT_OF_RANGE = status::E_VALID_UNTIL_OUT_OF_RANGE;
    ALLOCDB_E_OPERATION_CONFLICT = status::E_OPERATION_CONFLICT;
    ALLOCDB_E_OPERATION_TABLE_FULL = status::E_OPERATION_TABLE_FULL;
    ALLOCDB_E_OVERLOADED = status::E_OVERLOADED;
    ALLOCDB_E_LSN_EXHAUSTED = status::E_LSN_EXHAUSTED;
    ALLOCDB_E_STORAGE_FULL = status::E_STORAGE_FULL;
    ALLOCDB_E_READ_ONLY = status::E_READ_ONLY;
    ALLOCDB_E_IO = status::E_IO;
    ALLOCDB_E_LOCKED = status::E_LOCKED;
    ALLOCDB_E_DIRECTORY_NOT_FOUND = status::E_DIRECTORY_NOT_FOUND;
    ALLOCDB_E_NOT_A_DATABASE = status::E_NOT_A_DATABASE;
    ALLOCDB_E_CORRUPT = status::E_CORRUPT;
    ALLOCDB_E_CONFIG_MISMATCH = status::E_CONFIG_MISMATCH;
    ALLOCDB_E_VERSION = status::E_VERSION;
    ALLOCDB_E_NO_MEMORY = status::E_NO_MEMORY;
    ALLOCDB_E_UNSUPPORTED_FS = status::E_UNSUPPORTED_FS;
    ALLOCDB_E_EXISTS = status::E_EXISTS;
    ALLOCDB_E_STORAGE_FAILURE = status::E_STORAGE_FAILURE;
    ALLOCDB_E_HALTED = status::E_HALTED;
    ALLOCDB_E_PANIC = status::E_PANIC;
    ALLOCDB_ID_NOT_FOUND = status::ID_NOT_FOUND;
    ALLOCDB_RETIRED = status::RETIRED;
    ALLOCDB_FENCE_NOT_APPLIED = status::FENCE_NOT_APPLIED;
    ALLOCDB_CATEGORY_OK = status::Category::Ok;
    ALLOCDB_CATEGORY_MISUSE = status::Category::Misuse;
    ALLOCDB_CATEGORY_DEFINITE = status::Category::Definite;
    ALLOCDB_CATEGORY_OPEN = status::Category::Open;
    ALLOCDB_CATEGORY_INDEFINITE = status::Category::Indefinite;
    ALLOCDB_CATEGORY_READ = status::Category::Read;
    ALLOCDB_CATEGORY_UNKNOWN = status::Category::Unknown;
    ALLOCDB_DONE = ResultCode::Done;
    ALLOCDB_RESOURCE_EXISTS = ResultCode::ResourceExists;
    ALLOCDB_RESOURCE_TABLE_FULL = ResultCode::ResourceTableFull;
    ALLOCDB_RESOURCE_NOT_FOUND = ResultCode::ResourceNotFound;
    ALLOCDB_RESOURCE_BUSY = ResultCode::ResourceBusy;
    ALLOCDB_RESERVATION_TABLE_FULL = ResultCode::ReservationTableFull;
    ALLOCDB_EXPIRATION_INDEX_FULL = ResultCode::ExpirationIndexFull;
    ALLOCDB_RESERVATION_NOT_FOUND = ResultCode::ReservationNotFound;
    ALLOCDB_RESERVATION_RETIRED = ResultCode::ReservationRetired;
    ALLOCDB_HOLDER_MISMATCH = ResultCode::HolderMismatch;
    ALLOCDB_INVALID_STATE = ResultCode::InvalidState;
    ALLOCDB_NO_INDEX = NO_INDEX;
    ALLOCDB_COMMAND_CREATE_RESOURCE = CommandKind::CreateResource;
    ALLOCDB_COMMAND_DELETE_RESOURCE = CommandKind::DeleteResource;
    ALLOCDB_COMMAND_RESERVE = CommandKind::Reserve;
    ALLOCDB_COMMAND_CONFIRM = CommandKind::Confirm;
    ALLOCDB_COMMAND_EXTEND = CommandKind::Extend;
    ALLOCDB_COMMAND_RELEASE = CommandKind::Release;
    ALLOCDB_COMMAND_REVOKE = CommandKind::Revoke;
    ALLOCDB_COMMAND_RECLAIM = CommandKind::Reclaim;
    ALLOCDB_COMMAND_EXPIRE_DUE = CommandKind::ExpireDue;
    ALLOCDB_RESOURCE_STATE_AVAILABLE = ResourceState::Available;
    ALLOCDB_RESOURCE_STATE_RESERVED = ResourceState::Reserved;
    ALLOCDB_RESOURCE_STATE_CONFIRMED = ResourceState::Confirmed;
    ALLOCDB_RESOURCE_STATE_REVOKING = ResourceState::Revoking;
    ALLOCDB_RESERVATION_STATE_RESERVED = ReservationState::Reserved;
    ALLOCDB_RESERVATION_STATE_CONFIRMED = ReservationState::Confirmed;
    ALLOCDB_RESERVATION_STATE_REVOKING = ReservationState::Revoking;
    ALLOCDB_RESERVATION_STATE_RELEASED = ReservationState::Released;
    ALLOCDB_RESERVATION_STATE_EXPIRED = ReservationState::Expired;
    ALLOCDB_RESERVATION_STATE_REVOKED = ReservationState::Revoked;
    ALLOCDB_LOG_ERROR = Level::Error;
    ALLOCDB_LOG_WARNING = Level::Warning;
    ALLOCDB_LOG_INFO = Level::Info;
    ALLOCDB_START_FRESH = StartKind::Fresh;
    ALLOCDB_START_WAL_ONLY = StartKind::WalOnly;
    ALLOCDB_START_SNAPSHOT_ONLY = StartKind::SnapshotOnly;
    ALLOCDB_START_SNAPSHOT_AND_WAL = StartKind::SnapshotAndWal;
    ALLOCDB_START_PREVIOUS_SNAPSHOT_AND_WAL = StartKind::PreviousSnapshotAndWal;
}
