//! What recovery must write before it may trust what it read.
//!
//! After a sync that failed, the kernel may show pages that never reached the disk: the scan reads
//! a valid frame, a retry is acknowledged from it, and at the next power cut it is gone. So before
//! the first result is published, recovery makes durable what it read:
//!
//! 1. writes again, byte for byte, every frame that nothing proves durable: those in
//!    [`Repair::rewrite`], usually the last one alone. They are read once more by a walk from
//!    [`LogEnd::unproven`], which must end as the scan did ([`LogEnd::is_end_of`]): a page that was
//!    dropped from the cache meanwhile shows what the disk has, and must not be written as if it
//!    were what had been replayed;
//! 2. writes zeros over [`Repair::zero`], from the last frame's end to the file's end, *also where
//!    it reads zeros*: they may be an earlier recovery's whose sync failed, over a torn tail that
//!    is still on the disk, and would stand behind the next frame as rubbish;
//! 3. syncs file and directory;
//! 4. where [`Repair::seal_offset`] says so, writes a seal there and syncs again: it proves what
//!    was made durable, so that a later zeroed sector in it is known as damage.
//!
//! A crash between any two of these sectors leaves a log that scans to the same frames: rewriting
//! changes nothing, zeroing leaves a torn tail torn or makes it clean, and the seal is one sector.
//!
//! No seal is added where the last frame is one. It is itself unproven and is written again; what
//! precedes it was durable before it was written, whether it reached the disk or not. Rejected: a
//! seal at every open, which would grow the log with every start; and not rewriting a last seal,
//! since frames that follow one which is not on the disk would prove a hole.

use core::ops::Range;

use super::{FrameMeta, LogEnd, Walk};
use crate::ids::Lsn;

/// Recovery's writes, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repair {
    /// Bytes to write again as they are read; may be empty.
    pub rewrite: Range<u64>,
    /// Bytes to write zeros over.
    pub zero: Range<u64>,
    /// Where a seal goes, once the above is durable; the file must have a sector beyond it.
    pub seal_offset: Option<u64>,
}

impl LogEnd {
    /// What recovery must write.
    #[must_use]
    pub fn repair(&self) -> Repair {
        assert!(
            self.unproven.offset <= self.end_offset,
            "nothing beyond the last frame is proved"
        );
        assert!(
            self.end_offset < self.file_bytes,
            "the scan refuses a file without a free sector"
        );
        let is_rewritten = self.unproven.offset < self.end_offset;
        Repair {
            rewrite: self.unproven.offset..self.end_offset,
            zero: self.end_offset..self.file_bytes,
            seal_offset: (is_rewritten && !self.is_sealed).then_some(self.end_offset),
        }
    }

    /// Whether a walk over the frames to write again has ended as the scan did, with the very
    /// same frames: the chain covers every header, and each header its payload.
    #[must_use]
    pub fn is_end_of(&self, walk: &Walk) -> bool {
        walk.offset == self.end_offset && walk.chain == self.chain && walk.last_lsn == self.last_lsn
    }

    /// What a seal at the end of this log says, once everything before it is durable.
    #[must_use]
    pub fn seal_meta(&self) -> FrameMeta {
        FrameMeta {
            is_synced: true,
            first_lsn: Lsn(self.last_lsn.0 + 1),
            request_slot: self.last_slot,
            durable_lsn: self.last_lsn,
            chain: self.chain,
        }
    }
}

#[cfg(test)]
mod tests;
