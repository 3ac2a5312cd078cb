//! What can go wrong, one enum a layer: each variant says what happened and whose fault it is, each
//! enum tells definite from indefinite, and every variant has its status number.
//!
//! *Definite* means that nothing happened and nothing will. *Indefinite* means that nobody can know
//! before the database is opened again: a frame may or may not have reached the disk. `Display`
//! writes the story with field, value, bound and offset, and allocates nothing; an operating
//! system's error is printed as its number, since the standard library's text for it is made on the
//! heap.

mod backup;
mod checkpoint;
mod io;
mod open;
mod read;
mod refresh;
mod submit;

use allocdb_core::{ConfigError, Rejection};

pub use backup::BackupError;
pub use checkpoint::CheckpointError;
pub use io::{FileName, IoError};
pub use open::OpenError;
pub use read::ReadError;
pub use refresh::RefreshError;
pub use submit::SubmitError;

/// Numbers for the C error about one rejected command: the value first, then the bound.
#[must_use]
pub fn rejection_detail(rejection: &Rejection) -> [u64; 4] {
    match *rejection {
        Rejection::BundleTooLarge { len, bound } => [len, bound.into(), 0, 0],
        Rejection::DuplicateResource { resource_id } => {
            [low(resource_id.0), low(resource_id.0 >> 64), 0, 0]
        }
        Rejection::TtlOutOfRange { ttl_slots, bound } => [ttl_slots, bound, 0, 0],
        Rejection::SlotOverflow { slot, bound } => [slot.0, bound.0, 0, 0],
        Rejection::OperationExpired {
            slot,
            valid_until_slot,
        } => [valid_until_slot.0, slot.0, 0, 0],
        Rejection::ValidUntilOutOfRange {
            valid_until_slot,
            bound,
        } => [valid_until_slot.0, bound.0, 0, 0],
        Rejection::OperationConflict { lsn } => [lsn.0, 0, 0, 0],
        Rejection::OperationTableFull {
            capacity,
            window_slots,
        } => [capacity.into(), window_slots, 0, 0],
        // The table's number: 1 resources, 2 reservations, 3 operations.
        Rejection::PlacementExceeded { table } => [0, table as u64 + 1, 0, 0],
        _ => [0; 4],
    }
}

/// Numbers for the C error about one option: the value's low half, then its bounds.
fn config_detail(error: &ConfigError) -> [u64; 4] {
    [low(error.value), error.least, error.greatest, 0]
}

/// The low half of a number whose high half only ids and seeds use.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
const fn low(value: u128) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests;
