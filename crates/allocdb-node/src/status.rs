//! Every status number with its name: one list for the codec, the C ABI and the bindings.
//!
//! The bands say what a caller can conclude: 0 done; 1–99 the call was misused; 100s nothing
//! happened, for certain; 200s opening and files; 300s nobody knows yet; 400s a read's answer. The
//! 500s are kept for a served or replicated database. Numbers are appended to, never changed.

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $message:literal;)*) => {
        $($(#[$doc])* #[doc = $message] pub const $name: u16 = $number;)*

        /// Every status: number, name, what it means.
        pub const ALL: &[(u16, &str, &str)] = &[$(($number, stringify!($name), $message)),*];
    };
}

statuses! {
    OK = 0, "done";
    E_INVALID = 1, "an argument or option has a value that is not allowed";
    E_STRUCT_SIZE = 2, "a struct's size is not one that this library knows";
    E_BUFFER_TOO_SMALL = 3, "the output buffer is too small; the size needed is given";
    E_OVERLAP = 4, "two buffers of the call overlap";
    E_CLOSED = 5, "the database handle is closed";
    E_FORKED = 6, "the database was opened by a parent process";
    E_REENTRANT = 7, "called from within the log callback";
    E_MALFORMED = 100, "a command or message has a form that is never valid";
    E_COMMAND_TOO_LARGE = 101, "more commands or bytes than one commit may hold";
    E_BUNDLE_TOO_LARGE = 102, "more resources in one reserve than max_bundle_len";
    E_DUPLICATE_RESOURCE = 103, "one resource twice in one reserve";
    E_TTL_OUT_OF_RANGE = 104, "ttl_slots is 0 or above max_ttl_slots";
    E_SLOT_OVERFLOW = 105, "the slot is so late that a window beyond it could not be counted";
    E_SLOT_LEAP = 106, "the slot is further ahead than max_slot_leap allows";
    E_OPERATION_EXPIRED = 107, "valid_until_slot has passed: this submission never takes effect";
    E_VALID_UNTIL_OUT_OF_RANGE = 108, "valid_until_slot is beyond the operation window";
    E_OPERATION_CONFLICT = 109, "the operation id is remembered with another command";
    E_OPERATION_TABLE_FULL = 110, "every place for an operation is remembered";
    E_OVERLOADED = 111, "the queue or a table has no room right now";
    E_LSN_EXHAUSTED = 112, "the last log position has been given away";
    E_STORAGE_FULL = 113, "no space for the log; nothing was accepted";
    E_READ_ONLY = 114, "the database is open for reading only";
    E_IO = 200, "a file operation failed";
    E_LOCKED = 201, "the database is open elsewhere";
    E_DIRECTORY_NOT_FOUND = 202, "the directory is not there";
    E_NOT_A_DATABASE = 203, "the path holds something else than a database";
    E_CORRUPT = 204, "the files are damaged";
    E_CONFIG_MISMATCH = 205, "an option differs from what is stored";
    E_VERSION = 206, "the files are of a version that this library does not know";
    E_NO_MEMORY = 207, "not enough memory for this configuration";
    E_UNSUPPORTED_FS = 208, "the file system is not one that can be trusted with a sync";
    E_EXISTS = 209, "a database is there already";
    E_STORAGE_FAILURE = 300, "a write or sync failed: nobody knows whether it took effect";
    E_HALTED = 301, "the engine has halted; reopen the database";
    E_PANIC = 302, "an internal error was caught; reopen the database";
    ID_NOT_FOUND = 400, "nothing with this id";
    RETIRED = 401, "the reservation ended and is no longer remembered";
    FENCE_NOT_APPLIED = 402, "the state has not reached required_lsn";
}

/// What a caller can conclude from a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Category {
    /// Done.
    Ok = 0,
    /// The call was misused; nothing happened.
    Misuse = 1,
    /// Nothing happened, for certain.
    Definite = 2,
    /// Opening or files.
    Open = 3,
    /// Nobody knows yet: reopen, then repeat the operation or ask for it.
    Indefinite = 4,
    /// A read's answer.
    Read = 5,
    /// No status of this version.
    Unknown = 6,
}

/// The band that `status` lies in; also of numbers that are not given yet.
#[must_use]
pub const fn category(status: u16) -> Category {
    match status {
        0 => Category::Ok,
        1..=99 => Category::Misuse,
        100..=199 => Category::Definite,
        200..=299 => Category::Open,
        300..=399 => Category::Indefinite,
        400..=499 => Category::Read,
        _ => Category::Unknown,
    }
}

/// The name of `status`, as in C without the prefix.
#[must_use]
pub fn name(status: u16) -> &'static str {
    row(status).map_or("UNKNOWN", |row| row.1)
}

/// What `status` means, in one sentence.
#[must_use]
pub fn message(status: u16) -> &'static str {
    row(status).map_or("not a status of this version", |row| row.2)
}

fn row(status: u16) -> Option<&'static (u16, &'static str, &'static str)> {
    let index = ALL.binary_search_by_key(&status, |row| row.0).ok()?;
    ALL.get(index)
}

const _: () = {
    let mut index = 1;
    while index < ALL.len() {
        assert!(
            ALL[index - 1].0 < ALL[index].0,
            "the list is searched by number"
        );
        index += 1;
    }
};
