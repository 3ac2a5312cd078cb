//! What a command is answered.
//!
//! Two kinds of answer that must not be mixed up: a *result* was decided by state, is logged and
//! remembered, and a retry gets it again; a *rejection* was decided by the command, the
//! configuration or the slot, was never logged, and says for certain that nothing happened. A busy
//! resource is a result: the losing buyer's answer is as durable as the winner's.
//!
//! The numbers are stored in snapshots and spoken over the C ABI: they are appended to, never
//! changed.

use crate::ids::{Lsn, ReservationId, ResourceId, Slot};

/// `failed_index` where no id of a bundle failed.
pub const NO_INDEX: u32 = u32::MAX;

/// A result: what state decided about a command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ResultCode {
    /// The command took effect.
    Done = 0,
    /// A resource with this id is there already.
    ResourceExists = 1,
    /// Every place for a resource is taken.
    ResourceTableFull = 2,
    /// No resource with this id.
    ResourceNotFound = 3,
    /// The resource is reserved, confirmed or being revoked.
    ResourceBusy = 4,
    /// Every place for a reservation is taken by a live or still remembered one.
    ReservationTableFull = 5,
    /// As many reservations as allowed already have this deadline.
    ExpirationIndexFull = 6,
    /// No reservation with this id.
    ReservationNotFound = 7,
    /// The reservation ended and is no longer remembered.
    ReservationRetired = 8,
    /// The reservation belongs to another holder.
    HolderMismatch = 9,
    /// The reservation is not in a state that allows this.
    InvalidState = 10,
}

impl ResultCode {
    /// Every code, in the order of the numbers.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::ResourceExists,
        Self::ResourceTableFull,
        Self::ResourceNotFound,
        Self::ResourceBusy,
        Self::ReservationTableFull,
        Self::ExpirationIndexFull,
        Self::ReservationNotFound,
        Self::ReservationRetired,
        Self::HolderMismatch,
        Self::InvalidState,
    ];

    /// The code with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name, as in the documentation and in every language.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::ResourceExists => "resource_exists",
            Self::ResourceTableFull => "resource_table_full",
            Self::ResourceNotFound => "resource_not_found",
            Self::ResourceBusy => "resource_busy",
            Self::ReservationTableFull => "reservation_table_full",
            Self::ExpirationIndexFull => "expiration_index_full",
            Self::ReservationNotFound => "reservation_not_found",
            Self::ReservationRetired => "reservation_retired",
            Self::HolderMismatch => "holder_mismatch",
            Self::InvalidState => "invalid_state",
        }
    }
}

const _: () = {
    let mut number = 0;
    while number < ResultCode::ALL.len() {
        assert!(ResultCode::ALL[number] as usize == number);
        number += 1;
    }
};

/// R23: a committed answer to one client command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The log position at which the command was first applied.
    pub lsn: Lsn,
    /// What state decided.
    pub code: ResultCode,
    /// The reservation that the command made or changed; 0 where it did neither.
    pub reservation_id: ReservationId,
    /// The deadline that a reserve or extend set; 0 otherwise.
    pub deadline_slot: Slot,
    /// Which id of a reserve failed; [`NO_INDEX`] otherwise.
    pub failed_index: u32,
    /// Whether this repeats the answer of an earlier submission of the same operation.
    pub from_retry_cache: bool,
}

/// A table whose placement bound can be met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// Resources by id.
    Resources,
    /// Reservations by id.
    Reservations,
    /// Operations by id.
    Operations,
}

impl Table {
    /// The table's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Reservations => "reservations",
            Self::Operations => "operations",
        }
    }
}

/// R21: a definite refusal: nothing was logged, nothing is remembered, nothing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Rejection {
    /// A field has a value that no command may have, such as a zero id.
    Malformed {
        /// Which field.
        field: &'static str,
    },
    /// More resources in one reserve than the configuration allows.
    BundleTooLarge {
        /// How many were named.
        len: u64,
        /// `max_bundle_len`.
        bound: u32,
    },
    /// One resource twice in one reserve.
    DuplicateResource {
        /// The repeated id.
        resource_id: ResourceId,
    },
    /// A TTL of 0 or beyond `max_ttl_slots`.
    TtlOutOfRange {
        /// What was given.
        ttl_slots: u64,
        /// `max_ttl_slots`.
        bound: u64,
    },
    /// A slot so late that a window beyond it could not be counted.
    SlotOverflow {
        /// What was given.
        slot: Slot,
        /// The greatest slot allowed.
        bound: Slot,
    },
    /// The commit's slot is past `valid_until_slot`: this submission never takes effect.
    OperationExpired {
        /// The commit's slot.
        slot: Slot,
        /// What the command carries.
        valid_until_slot: Slot,
    },
    /// `valid_until_slot` lies further ahead than operations are remembered.
    ValidUntilOutOfRange {
        /// What the command carries.
        valid_until_slot: Slot,
        /// The greatest value at this commit.
        bound: Slot,
    },
    /// The operation id is remembered with another command.
    OperationConflict {
        /// Where the first command with this id was applied, or will be in this commit.
        lsn: Lsn,
    },
    /// Every place for an operation is taken by one that is still remembered.
    OperationTableFull {
        /// `max_operations`.
        capacity: u32,
        /// `operation_window_slots`.
        window_slots: u64,
    },
    /// A new id's place in a table would lie further from its home than the placement bound.
    PlacementExceeded {
        /// Which table.
        table: Table,
    },
    /// The last log position has been given away.
    LsnExhausted,
}

impl Rejection {
    /// The status number, the same in the codec and in the C ABI.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 100,
            Self::BundleTooLarge { .. } => 102,
            Self::DuplicateResource { .. } => 103,
            Self::TtlOutOfRange { .. } => 104,
            Self::SlotOverflow { .. } => 105,
            Self::OperationExpired { .. } => 107,
            Self::ValidUntilOutOfRange { .. } => 108,
            Self::OperationConflict { .. } => 109,
            Self::OperationTableFull { .. } => 110,
            Self::PlacementExceeded { .. } => 111,
            Self::LsnExhausted => 112,
        }
    }
}

impl core::fmt::Display for Rejection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed { field } => write!(f, "{field} has a value that is never valid"),
            Self::BundleTooLarge { len, bound } => {
                write!(
                    f,
                    "{len} resources in one reserve, max_bundle_len is {bound}"
                )
            }
            Self::DuplicateResource { resource_id } => {
                write!(
                    f,
                    "resource {:#034x} is named twice in one reserve",
                    resource_id.0
                )
            }
            Self::TtlOutOfRange { ttl_slots, bound } => {
                write!(
                    f,
                    "ttl_slots is {ttl_slots}, must be 1 to max_ttl_slots = {bound}"
                )
            }
            Self::SlotOverflow { slot, bound } => {
                write!(f, "slot is {}, must be at most {}", slot.0, bound.0)
            }
            Self::OperationExpired {
                slot,
                valid_until_slot,
            } => write!(
                f,
                "valid_until_slot is {}, the commit's slot is {}: this submission did nothing \
                 and never will",
                valid_until_slot.0, slot.0
            ),
            Self::ValidUntilOutOfRange {
                valid_until_slot,
                bound,
            } => write!(
                f,
                "valid_until_slot is {}, must be at most {} (the commit's slot + \
                 operation_window_slots)",
                valid_until_slot.0, bound.0
            ),
            Self::OperationConflict { lsn } => write!(
                f,
                "operation_id was used for another command at LSN {}; a new command needs a new \
                 operation_id",
                lsn.0
            ),
            Self::OperationTableFull {
                capacity,
                window_slots,
            } => write!(
                f,
                "all {capacity} places for operations are remembered: max_operations sustains \
                 {} a slot over operation_window_slots = {window_slots}; raise max_operations",
                u64::from(*capacity) / window_slots.saturating_add(1)
            ),
            Self::PlacementExceeded { table } => write!(
                f,
                "a new id would lie beyond the placement bound of the {} table; retry later",
                table.name()
            ),
            Self::LsnExhausted => write!(f, "the last log position has been given away"),
        }
    }
}

impl core::error::Error for Rejection {}

/// What `apply` did with one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The log position the command took.
    pub lsn: Lsn,
    /// Its answer.
    pub verdict: Verdict,
}

/// The answer within an [`Applied`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A client command's outcome, new or repeated.
    Outcome(Outcome),
    /// How many reservations an `expire_due` ended.
    Expired {
        /// At most the command's limit.
        count: u32,
    },
    /// A command that an engine with acceptance would never have logged.
    Rejected(Rejection),
}
