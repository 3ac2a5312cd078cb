//! Identifiers and scalars: explicit-width newtypes, so that a holder can never be passed for a
//! resource, nor a slot for a log position.
//!
//! Ids are 128 bits wide (a UUID fits) and zero is never one: an unset struct is caught at the
//! door. The database makes one kind of id itself, the [`ReservationId`]: it carries the log
//! position of the command that made it, so it grows strictly and serves as a fencing token.
//! Rejected: a separate token counter, which would be one more thing to persist and to keep in
//! step with the log.

macro_rules! caller_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[repr(transparent)]
        pub struct $name(pub u128);

        impl $name {
            /// Whether this is the one value that is never an id.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }
    };
}

caller_id! {
    /// A scarce thing to allocate, named by the caller; never 0.
    ResourceId
}
caller_id! {
    /// Who holds or asks for a resource, named by the caller; never 0.
    HolderId
}
caller_id! {
    /// One logical operation, named by the caller so that a retry can repeat it; never 0.
    OperationId
}
caller_id! {
    /// A reservation, named by the database: `(shard_id << 64) | lsn` of the reserving command.
    /// Strictly increasing within one lineage, hence also the fencing token; never 0.
    ReservationId
}

impl ReservationId {
    /// R2: the id that a reserve applied at `lsn` gives.
    #[must_use]
    pub fn new(shard_id: u64, lsn: Lsn) -> Self {
        assert!(lsn.0 != 0, "a reservation is made by a logged command");
        Self((u128::from(shard_id) << 64) | u128::from(lsn.0))
    }

    /// The shard that made it.
    #[must_use]
    pub const fn shard_id(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The log position of the command that made it.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the low half is the log position"
    )]
    pub const fn lsn(self) -> Lsn {
        Lsn(self.0 as u64)
    }
}

/// A log position: from 1, without gaps; 0 means "nothing yet".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The last log position: the one below the greatest number, so that the log can always say
    /// "the next one" (R4).
    pub const MAX: Self = Self(u64::MAX - 1);

    /// The position `count` further on, if there is one.
    #[must_use]
    pub fn after(self, count: u64) -> Option<Self> {
        let sum = self.0.checked_add(count).map(Self);
        sum.filter(|&lsn| lsn <= Self::MAX)
    }
}

/// Logical time: whatever monotonic count the host chooses, often
/// `unix_ms / slot_duration_ms`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Slot(pub u64);

const _: () = assert!(size_of::<ResourceId>() == 16);
const _: () = assert!(size_of::<ReservationId>() == 16);
const _: () = assert!(size_of::<Lsn>() == 8);
const _: () = assert!(size_of::<Slot>() == 8);
