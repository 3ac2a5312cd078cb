//! What a log is refused for: the place, what may be missing, and what gave it away.
//!
//! A [`Corruption`] is an answer, not a repair: nothing here drops a byte. Its LSN range runs from
//! the first record that could not be read to the newest that anything left on the disk shows to
//! have been there, so that an operator knows what is at stake. Rejected: one flat "corrupt", which
//! sends people to a hex editor.

use crate::ids::{Lsn, Slot};

/// A log that must not be used as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corruption {
    /// Where the frame begins that is not what it must be.
    pub offset: u64,
    /// The first LSN that is not there.
    pub expected_lsn: Lsn,
    /// The newest LSN that something shows to have been written; below `expected_lsn` when
    /// nothing does.
    pub newest_lsn: Lsn,
    /// What gave it away.
    pub reason: CorruptReason,
}

/// What gave a corruption away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CorruptReason {
    /// The file ends inside a frame or at a frame's end, where no crash leaves it.
    FileCut {
        /// The file's length.
        file_bytes: u64,
    },
    /// The frame lies in the part that was durable before the file got its name.
    BelowSynced {
        /// The end of that part.
        synced_bytes: u64,
    },
    /// A later frame was written after this one was durable.
    ProvenByFrame {
        /// Where that frame begins.
        offset: u64,
    },
    /// A snapshot has a name that goes further than the log.
    ProvenBySnapshot {
        /// The LSN in its name.
        snapshot_lsn: Lsn,
    },
    /// The frame does not check, and whoever reads the log knows that it was durable.
    KnownDurable {
        /// The newest LSN that was.
        durable_lsn: Lsn,
    },
    /// The frame's first sector was written, and its header does not check.
    HeaderDamaged,
    /// The frame was fully written, and its content does not check.
    ContentDamaged,
    /// The header checks, and no writer of this format makes such a one.
    HeaderUnknown,
    /// The frame was written by another database.
    ForeignDatabase {
        /// The low half of that one's id.
        found: u64,
    },
    /// The frame's first LSN does not follow the one before.
    LsnDoesNotFollow {
        /// The LSN found.
        found: Lsn,
    },
    /// The frame does not chain to the one before.
    ChainBroken,
    /// The frame's slot lies before that of an earlier frame (R5).
    SlotWentBack {
        /// The slot found.
        found: Slot,
        /// The slot before.
        last_slot: Slot,
    },
    /// The frame says that LSNs were durable which no frame before it has.
    DurableLsnAhead {
        /// The LSN found.
        found: Lsn,
    },
    /// A record is none, or there are more or fewer than counted.
    RecordMalformed {
        /// The record's LSN.
        lsn: Lsn,
    },
    /// A marker names a snapshot that goes further than the log before it.
    MarkerAhead {
        /// The snapshot's LSN.
        anchor_lsn: Lsn,
    },
    /// A logged operation id was not new (R69). Found by whoever replays.
    OperationRepeated {
        /// The command's LSN.
        lsn: Lsn,
    },
    /// A logged command is one that acceptance refuses. Found by whoever replays.
    CommandNotAcceptable {
        /// The command's LSN.
        lsn: Lsn,
    },
}

impl core::fmt::Display for Corruption {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            offset,
            expected_lsn,
            newest_lsn,
            reason,
        } = self;
        write!(f, "at offset {offset}: {reason}; ")?;
        if newest_lsn < expected_lsn {
            write!(f, "LSN {} and later cannot be read", expected_lsn.0)
        } else {
            let (from, to) = (expected_lsn.0, newest_lsn.0);
            write!(f, "LSN {from} to {to} were written and cannot be read")
        }
    }
}

impl core::fmt::Display for CorruptReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::FileCut { file_bytes } => write!(f, "the file was cut at {file_bytes} bytes"),
            Self::BelowSynced { synced_bytes } => write!(
                f,
                "the frame does not check, below {synced_bytes} bytes that were synced"
            ),
            Self::ProvenByFrame { offset } => write!(
                f,
                "the frame does not check, and the frame at {offset} proves it was durable"
            ),
            Self::ProvenBySnapshot { snapshot_lsn } => write!(
                f,
                "the log ends here, and a snapshot is named after LSN {}",
                snapshot_lsn.0
            ),
            Self::KnownDurable { durable_lsn } => write!(
                f,
                "the frame does not check, and LSN {} was durable",
                durable_lsn.0
            ),
            Self::HeaderDamaged => f.write_str("the frame header is damaged"),
            Self::ContentDamaged => f.write_str("the frame was changed after it was written"),
            Self::HeaderUnknown => f.write_str("the frame header is of no known form"),
            Self::ForeignDatabase { found } => write!(f, "the frame is of database {found:#x}"),
            Self::LsnDoesNotFollow { found } => {
                write!(f, "the frame begins with LSN {}", found.0)
            }
            Self::ChainBroken => f.write_str("the frame does not chain to the one before"),
            Self::SlotWentBack { found, last_slot } => {
                write!(f, "slot {} comes after slot {}", found.0, last_slot.0)
            }
            Self::DurableLsnAhead { found } => {
                write!(f, "the frame calls LSN {} durable before it", found.0)
            }
            Self::RecordMalformed { lsn } => write!(f, "the record of LSN {} is none", lsn.0),
            Self::MarkerAhead { anchor_lsn } => {
                write!(f, "a marker names LSN {} ahead of its log", anchor_lsn.0)
            }
            Self::OperationRepeated { lsn } => {
                write!(f, "LSN {} repeats a remembered operation", lsn.0)
            }
            Self::CommandNotAcceptable { lsn } => {
                write!(f, "LSN {} is a command that is never accepted", lsn.0)
            }
        }
    }
}

impl core::error::Error for Corruption {}

/// Why a log could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanError<E> {
    /// Reading failed; nothing is known about the log.
    Source(E),
    /// The log was read, and is refused.
    Corrupt(Corruption),
}

impl<E> From<Corruption> for ScanError<E> {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}
