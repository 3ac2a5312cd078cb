//! The words of docs/semantics.md as plain types: numbers, and one enum for each list in it.
//!
//! They look like the core's on purpose and are none of them: what compares the two goes through
//! `bridge`, where every name stands beside its other name once. Ids are bare numbers, because the
//! rules say nothing more about them.

use std::sync::Arc;

/// The resources of one reserve, in the order named. Shared, so that remembering a command is
/// cheap.
pub type Bundle = Arc<[u128]>;

/// The bounds of a database that its answers depend on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(
    missing_docs,
    reason = "each bears the name of the configuration's field"
)]
pub struct Bounds {
    pub shard_id: u64,
    pub max_ttl_slots: u64,
    pub operation_window_slots: u64,
    pub history_window_slots: u64,
    pub max_resources: u32,
    pub max_reservations: u32,
    pub max_operations: u32,
    pub max_bundle_len: u32,
    pub max_expiration_bucket_len: u32,
    pub max_expirations_per_tick: u32,
}

impl Bounds {
    /// R6: the greatest slot that a command may carry.
    #[must_use]
    pub fn slot_max(&self) -> u64 {
        let windows = self.operation_window_slots.max(self.history_window_slots);
        u64::MAX - self.max_ttl_slots.max(windows)
    }

    /// R2.
    #[must_use]
    pub fn reservation_id(&self, lsn: u64) -> u128 {
        u128::from(self.shard_id) << 64 | u128::from(lsn)
    }
}

/// One command with its operation id, which is zero for `expire_due` only.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub struct Command {
    pub operation_id: u128,
    pub valid_until_slot: u64,
    pub action: Action,
}

/// What a command does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum Action {
    CreateResource {
        resource_id: u128,
    },
    DeleteResource {
        resource_id: u128,
    },
    Reserve {
        resource_ids: Bundle,
        holder_id: u128,
        ttl_slots: u64,
    },
    Confirm {
        reservation_id: u128,
        holder_id: u128,
    },
    Extend {
        reservation_id: u128,
        holder_id: u128,
        ttl_slots: u64,
    },
    Release {
        reservation_id: u128,
        holder_id: u128,
    },
    Revoke {
        reservation_id: u128,
    },
    Reclaim {
        reservation_id: u128,
    },
    ExpireDue {
        limit: u32,
    },
}

impl Command {
    /// A command without a limit to its validity.
    #[must_use]
    pub const fn new(operation_id: u128, action: Action) -> Self {
        Self {
            operation_id,
            valid_until_slot: 0,
            action,
        }
    }

    /// The engine's own command. R54
    #[must_use]
    pub const fn expire(limit: u32) -> Self {
        Self::new(0, Action::ExpireDue { limit })
    }

    /// The same, valid until `slot`.
    #[must_use]
    pub const fn until(mut self, slot: u64) -> Self {
        self.valid_until_slot = slot;
        self
    }
}

impl Action {
    /// The reservation that it names, to be given another name.
    pub fn reservation_id_mut(&mut self) -> Option<&mut u128> {
        match self {
            Self::Confirm { reservation_id, .. }
            | Self::Extend { reservation_id, .. }
            | Self::Release { reservation_id, .. }
            | Self::Revoke { reservation_id }
            | Self::Reclaim { reservation_id } => Some(reservation_id),
            _ => None,
        }
    }
}

/// R23, with `None` where no id of a bundle failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub struct Outcome {
    pub lsn: u64,
    pub code: Code,
    pub reservation_id: u128,
    pub deadline_slot: u64,
    pub failed_index: Option<u32>,
    pub from_retry_cache: bool,
}

/// What state decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum Code {
    Done,
    ResourceExists,
    ResourceTableFull,
    ResourceNotFound,
    ResourceBusy,
    ReservationTableFull,
    ExpirationIndexFull,
    ReservationNotFound,
    ReservationRetired,
    HolderMismatch,
    InvalidState,
}

/// How many codes there are.
pub const CODE_COUNT: usize = Code::InvalidState as usize + 1;

/// R21, with what the answer tells besides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum Rejection {
    Malformed {
        field: &'static str,
    },
    BundleTooLarge {
        len: u64,
        bound: u32,
    },
    DuplicateResource {
        resource_id: u128,
    },
    TtlOutOfRange {
        ttl_slots: u64,
        bound: u64,
    },
    SlotOverflow {
        slot: u64,
        bound: u64,
    },
    OperationExpired {
        slot: u64,
        valid_until_slot: u64,
    },
    ValidUntilOutOfRange {
        valid_until_slot: u64,
        bound: u64,
    },
    OperationConflict {
        lsn: u64,
    },
    OperationTableFull {
        capacity: u32,
        window_slots: u64,
    },
    /// R32; the model never says it, for it has no cells.
    Overloaded {
        table: &'static str,
    },
    LsnExhausted,
}

impl Rejection {
    /// Which of them, counted from zero in the order above.
    #[must_use]
    pub const fn number(&self) -> usize {
        match self {
            Self::Malformed { .. } => 0,
            Self::BundleTooLarge { .. } => 1,
            Self::DuplicateResource { .. } => 2,
            Self::TtlOutOfRange { .. } => 3,
            Self::SlotOverflow { .. } => 4,
            Self::OperationExpired { .. } => 5,
            Self::ValidUntilOutOfRange { .. } => 6,
            Self::OperationConflict { .. } => 7,
            Self::OperationTableFull { .. } => 8,
            Self::Overloaded { .. } => 9,
            Self::LsnExhausted => 10,
        }
    }
}

/// How many rejections there are.
pub const REJECTION_COUNT: usize = Rejection::LsnExhausted.number() + 1;

/// What applying a command did, at this position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub struct Applied {
    pub lsn: u64,
    pub verdict: Verdict,
}

/// The answer at a position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum Verdict {
    Outcome(Outcome),
    Expired { count: u32 },
    Rejected(Rejection),
}

/// What is said of a command before it is logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum Admission {
    New {
        lsn: u64,
    },
    Retry(Outcome),
    /// Of the command that was admitted with this tag in the same commit. R62
    RetryOf {
        tag: u32,
    },
    Rejected(Rejection),
}

/// R7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum ResourceState {
    Available,
    Reserved,
    Confirmed,
    Revoking,
}

/// R9.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum ReservationState {
    Reserved,
    Confirmed,
    Revoking,
    Released,
    Expired,
    Revoked,
}

impl ReservationState {
    /// Whether it still has its resources.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Reserved | Self::Confirmed | Self::Revoking)
    }
}

/// A resource as it is read; zeros while available.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub struct Resource {
    pub resource_id: u128,
    pub state: ResourceState,
    pub reservation_id: u128,
    pub holder_id: u128,
    pub version: u64,
}

/// A reservation as it is read. R10, R11
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub struct Reservation {
    pub reservation_id: u128,
    pub holder_id: u128,
    pub state: ReservationState,
    pub resource_count: u32,
    pub first_resource_id: u128,
    pub created_lsn: u64,
    pub deadline_slot: u64,
    pub ended_lsn: u64,
    pub retire_after_slot: u64,
}

/// R74.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "as in docs/semantics.md")]
pub enum Lookup {
    Found(Reservation),
    NotFound,
    Retired,
}
