//! Bugs that are planted on purpose, so that every test harness can show that it catches one.
//!
//! A harness that cannot fail proves nothing. Each [`Canary`] is one wrong line beside the right
//! one, at the place where the mistake would be made: `if is_planted(Canary::X) { wrong } else {
//! right }`. Without the feature `canaries` [`is_planted`] is a constant `false` and the wrong line
//! is not compiled into anything; no library that is shipped has the feature. With it, [`plant`]
//! turns one canary on, for the calling thread alone and until the guard is dropped, so that tests
//! beside each other do not meet each other's bugs. Rejected: patches that are applied to a copy
//! of the tree (they rot, and each wants a build of its own), and wrong copies of whole functions
//! (a harness would then try the copy).

/// One planted bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Canary {
    // Of the fuzz targets.
    /// The walk follows a frame's length beyond the end of the file.
    FrameLengthTrusted,
    /// A snapshot under right checksums is believed without a look at its invariants.
    SnapshotInvariantsUnchecked,
    /// The reserved word of a request is not looked at.
    RequestReservedIgnored,
    /// A response may be longer than its kind and counts need.
    ResponseLengthUnchecked,
    /// The length of an expiration list is not bounded by the number of reservations.
    BucketUnbounded,
    /// A duplicate is executed after the dedupe window in spite of its `valid_until_slot`.
    DuplicateAfterWindow,
    /// A torn rule that refuses a legal power cut under `sync = os`: two unsynced frames, of one
    /// the first sector on the disk, of the other the second.
    LegalCutRefused,
    /// A torn rule that takes a frame's zeroed sector for a torn write, whatever proves it durable.
    ZeroedSectorTaken,
    /// A torn rule that takes a damaged header of the last frame for a torn write.
    DamagedHeaderTaken,
    /// A chain checksum that covers itself: a constant, which links anything.
    ChainCoversItself,
    /// A reopen that trusts the page cache after a failed sync.
    PageCacheTrusted,
    /// A missing log that is taken for a fresh database.
    MissingLogIsFresh,
    /// A checkpoint that does not sync the log before its snapshot is published.
    SnapshotAheadOfLog,
    /// A checkpoint that does not sync the directory behind the new log's name, so that frames are
    /// acknowledged in a file which may lose it.
    AcknowledgedBeforeDirectorySync,
    /// A commit is acknowledged before its sync.
    AcknowledgedBeforeSync,
    /// A checkpoint keeps none of the frames that the snapshot before it would need.
    CheckpointDropsOverlap,
    /// A record that changes while a snapshot is written in slices, and is not kept as it was.
    ChangeNotKept,
    /// A growth runs the log's old commands again, on the larger tables.
    GrowthReplaysOldCommands,
    /// A section of a snapshot whose checksum is not compared.
    SectionUnchecked,
    /// Counts and capacities of a snapshot's header that are believed before its checksum.
    CountsTrusted,
    /// A field of the configuration that the log header's checksum leaves out.
    ConfigUncovered,
    /// A frame's length and the rest of its header followed before their checksum.
    LengthTrusted,
    /// A lock file that names another database than the log, and is not listened to.
    LockIdIgnored,
    /// `reserve` does not look whether a resource is taken: two winners.
    TwoWinners,
    /// A hold's deadline is one slot early.
    DeadlineOneEarly,
    /// The last resource of a bundle is not freed with the others.
    BundleMemberLost,
    /// An operation id that comes again after its window stays in its old record as well, which
    /// makes a snapshot unrestorable.
    ReusedIdStays,
    /// A snapshot is read back with each deadline's holds in the order of their handles: after an
    /// extend and a later reserve they expire in another order than without a restart.
    ExpiryOrderForgotten,
    /// Acceptance does not count the commit's own operations: it admits what `apply` has no room
    /// for.
    RoomIgnoresCommit,
    /// A panic in a commit, with the frame made and not written.
    PanicBeforeWrite,
    /// A panic in a commit, with the frame durable and not applied.
    PanicAfterWrite,
    /// A panic in a commit, between two commands that are applied.
    PanicInApply,
    /// A panic in a read, while the state is looked at.
    PanicInRead,
    /// A panic in a checkpoint, between the snapshot and the log.
    PanicInCheckpoint,
    /// A panic in a backup, while commits are held off.
    PanicInBackup,
    /// A panic while a database is opened, recovered and locked.
    PanicInOpen,
    /// A panic while a database is closed, before the log is sealed.
    PanicInClose,
    /// A backup whose copy has three log positions left: what nobody lives to see otherwise.
    LastPositionIsNear,
    /// A forked child that keeps its copy of the lock.
    ChildKeepsLock,
    /// A handle whose closing does not wait for the calls under way.
    CloseDoesNotWait,
    /// A call that lets its thread be cancelled inside.
    CancelledInside,
    /// A log callback that is let back into the library.
    CallbackMayCall,
    /// A leader that goes without waking one to lead the next group.
    NextGroupSleeps,
    /// A leader that does not say that it leads.
    LeaderUnmarked,
    /// Submissions are called done before their answers are there.
    DoneBeforeAnswered,
    /// A submission is handed back to its owner without ordering what was answered before it.
    DoneUnordered,
    /// A halt that wakes the threads of even groups alone.
    HaltWakesOneParity,
    /// A leader's panic that halts nothing.
    PanicHaltsNothing,
    /// An engine whose closing does not wait for the calls under way.
    GateDoesNotWait,
    /// The last call to leave wakes the closer without a look at the closer's lock.
    IdleUnlocked,
    /// Commands are applied, and shown to reads, before they are synced.
    AppliedBeforeSynced,
    /// A repeat within a commit gets the answer to that commit's first command.
    RepeatGetsAnother,
}

/// Whether `canary` is planted in this thread.
#[cfg(not(feature = "canaries"))]
#[inline]
#[must_use]
pub const fn is_planted(_canary: Canary) -> bool {
    false
}

/// Panics where `canary` is planted in this thread: for bugs that are a panic.
#[inline]
pub fn panic_if_planted(canary: Canary) {
    assert!(!is_planted(canary), "planted: {canary:?}");
}

#[cfg(feature = "canaries")]
pub use switch::{Planted, is_planted, plant};

#[cfg(feature = "canaries")]
mod switch {
    use core::cell::Cell;

    use super::Canary;

    std::thread_local! {
        static PLANTED: Cell<Option<Canary>> = const { Cell::new(None) };
    }

    /// Keeps a canary planted until it is dropped.
    #[derive(Debug)]
    #[must_use = "dropping it takes the bug out again"]
    pub struct Planted {
        before: Option<Canary>,
    }

    /// Whether `canary` is planted in this thread.
    #[inline]
    #[must_use]
    pub fn is_planted(canary: Canary) -> bool {
        PLANTED.get() == Some(canary)
    }

    /// Plants `canary` in this thread, instead of what was planted there before.
    pub fn plant(canary: Canary) -> Planted {
        Planted {
            before: PLANTED.replace(Some(canary)),
        }
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(self.before);
        }
    }
}
