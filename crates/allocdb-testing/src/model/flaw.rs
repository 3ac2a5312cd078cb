//! Rules turned wrong, one at a time.
//!
//! Each has to be caught by the very comparison that the harnesses use, or that comparison proves
//! nothing. They are the other half of the canaries: those are bugs in the core, these are bugs in
//! what the core is measured by.

/// One rule turned wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Flaw {
    /// Operations are gone one slot early: a duplicate may run twice.
    WindowEndsEarly,
    /// Ended reservations are gone one slot early.
    HistoryEndsEarly,
    /// Among equal deadlines, the last one expires first.
    ExpiresLastFirst,
    /// An extend to an earlier deadline loses its place in the order.
    ExtendLosesPlace,
    /// A bucket's bound counts what is due already.
    BucketCountsDue,
    /// The bundle's failed index counts from one.
    FailedIndexFromOne,
    /// Busy comes before not found, whatever the order of ids.
    BusyFirst,
    /// What was taken back is not remembered by a watermark.
    NoWatermark,
    /// Failed results are not remembered.
    ForgetsFailures,
    /// A hold is due one slot late.
    DueLate,
    /// Confirming takes effect only before the deadline.
    ConfirmNeedsTime,
    /// A commit's own operations do not count for room.
    RoomIgnoresCommit,
    /// The holder is checked after the state.
    StateBeforeHolder,
    /// Revoking changes the reservation but no version.
    RevokeKeepsVersion,
    /// A retry must carry the same limit.
    RetryComparesLimit,
}

impl Flaw {
    /// Every one.
    pub const ALL: [Self; 15] = [
        Self::WindowEndsEarly,
        Self::HistoryEndsEarly,
        Self::ExpiresLastFirst,
        Self::ExtendLosesPlace,
        Self::BucketCountsDue,
        Self::FailedIndexFromOne,
        Self::BusyFirst,
        Self::NoWatermark,
        Self::ForgetsFailures,
        Self::DueLate,
        Self::ConfirmNeedsTime,
        Self::RoomIgnoresCommit,
        Self::StateBeforeHolder,
        Self::RevokeKeepsVersion,
        Self::RetryComparesLimit,
    ];
}
