//! Following a log that somebody else may be writing: every frame that is durable, and no judgement
//! over the rest.
//!
//! The scan ([`super::scan`]) has the log to itself and decides what its end is. Here a writer may
//! be in the middle of a frame, a new owner may be cutting a dead one's torn tail, and what is read
//! may be gone at the next power cut. So a frame counts only where something proves it durable:
//!
//! 1. the caller knows an LSN that was durable *before* it opened this file (from the owner's page,
//!    or a snapshot's name), and the frame begins at it or below;
//! 2. it lies below the file header's `synced_bytes`;
//! 3. a later frame proves it, by the rule of the scan: one under `sync = full` proves all before
//!    it, any other what its `durable_lsn` says. A seal is such a frame.
//!
//! The walk stops quietly at the first frame that is not whole or not proved. It is damage only if
//! an LSN that is known to be durable was expected there, or if something beyond it proves it
//! ([`Follow::survey`], the scan's first rule), and still does after a second look at a file that
//! may have grown since.
//!
//! A walk that is kept between two calls stands behind a frame of commands, never behind a marker
//! or seal that nothing proves: those may be lost in a power cut and others written in their place.
//!
//! Rejected: asking whether a writer is there and judging the tail where none is. The answer is old
//! by the time it is used.

use super::scan::proof_beyond;
use super::{
    CorruptReason, Corruption, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind, LogHeader,
    ScanError, Walk,
};
use crate::ids::Lsn;
use crate::stream::ByteSource;

/// How often a survey begins anew because the frame that it found wanting is there by now. Damage
/// takes two: the frame before it is whole, and the survey alone has found what proves both.
const SURVEYS_MAX: u32 = 4;

/// One look at a log.
#[derive(Debug)]
pub struct Follow<'a, S: ByteSource> {
    source: &'a mut S,
    header: &'a LogHeader,
    /// The newest LSN that is known to be durable.
    durable_lsn: Lsn,
    buffer: &'a mut [u8],
}

impl<'a, S: ByteSource> Follow<'a, S> {
    /// Looks at the log with this header. `durable_lsn` is known to have been durable before the
    /// file was opened. `buffer` holds at least [`super::FRAME_BYTES_MAX`].
    pub fn new(
        source: &'a mut S,
        header: &'a LogHeader,
        durable_lsn: Lsn,
        buffer: &'a mut [u8],
    ) -> Self {
        Self {
            source,
            header,
            durable_lsn: durable_lsn.max(header.begins_after),
            buffer,
        }
    }

    /// The newest LSN that is known to be durable, by now.
    #[must_use]
    pub const fn durable_lsn(&self) -> Lsn {
        self.durable_lsn
    }

    /// Finds out how far the log is durable from `walk` on, and that everything up to there is
    /// whole. Returns where that ends: what lies there is no matter of this reader.
    pub fn measure(&mut self, walk: &Walk) -> Result<Walk, ScanError<S::Error>> {
        let mut at = *walk;
        let mut stop = self.pass(&mut at, |_, _| Ok(()))?;
        let proven = self.look_ahead(at)?;
        if proven > self.durable_lsn {
            self.durable_lsn = proven;
            stop = self.pass(&mut at, |_, _| Ok(()))?;
        }
        if at.last_lsn < self.durable_lsn {
            let durable_lsn = self.durable_lsn;
            let reason = stop.unwrap_or(CorruptReason::KnownDurable { durable_lsn });
            return Err(self.corruption(&at, reason).into());
        }
        Ok(at)
    }

    /// Looks at everything beyond the place where [`Follow::measure`] ended, for a frame that
    /// proves it durable: then the frame there is damaged, or may be shown. Reads the file to its
    /// end.
    pub fn survey(&mut self, stop: &Walk) -> Result<(), ScanError<S::Error>> {
        let mut stop = *stop;
        let mut headers_from = stop.offset;
        for _ in 0..SURVEYS_MAX {
            let file_bytes = self.source.len().map_err(ScanError::Source)?;
            let beyond = (file_bytes, self.header.synced_bytes);
            let proof = proof_beyond(self.source, &stop, beyond, headers_from, self.buffer);
            let Some(corruption) = proof.map_err(ScanError::Source)? else {
                return Ok(());
            };
            if let CorruptReason::ProvenByFrame { offset } = corruption.reason
                && let Some(end) = self.whole_frame_around(offset, &stop)?
            {
                headers_from = end;
                continue;
            }
            // A writer may have completed the frame since, and written the next, or grown the file
            // for it. The second look comes after the proof, and a frame is whole before another
            // proves it; the length is older than the frame that seems to be cut.
            let mut again = stop;
            let file_bytes_now = self.source.len().map_err(ScanError::Source)?;
            let was_grown = file_bytes_now != file_bytes;
            let next = again.next(self.source, file_bytes_now, self.buffer);
            let whole_lsn = match next {
                Ok(Some(frame)) => Some(frame.header.last_lsn()),
                Ok(None) | Err(ScanError::Corrupt(_)) => None,
                Err(error) => return Err(error),
            };
            match (whole_lsn, corruption.reason) {
                // Whole and durable: what is damaged, if anything, lies behind it.
                (Some(lsn), CorruptReason::ProvenByFrame { offset }) => {
                    let proven = self.proven_at(offset, lsn, &stop)?;
                    self.durable_lsn = self.durable_lsn.max(proven);
                }
                // A file grows before it is written to its end.
                (Some(_), CorruptReason::FileCut { .. }) if was_grown => {}
                (None, _) if was_grown => continue,
                (_, CorruptReason::FileCut { .. }) | (None, _) => return Err(corruption.into()),
                (Some(_), _) => {}
            }
            stop = self.measure(&stop)?;
        }
        Ok(())
    }

    /// Where the frame ends inside of which `offset` lies, if it and all before it, from `walk` on,
    /// are whole: what looks like a header there is its content.
    fn whole_frame_around(
        &mut self,
        offset: u64,
        walk: &Walk,
    ) -> Result<Option<u64>, ScanError<S::Error>> {
        let file_bytes = self.source.len().map_err(ScanError::Source)?;
        let mut at = *walk;
        while at.offset < offset {
            match at.next(self.source, file_bytes, self.buffer) {
                Ok(Some(_)) => {}
                Ok(None) | Err(ScanError::Corrupt(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok((at.offset > offset).then_some(at.offset))
    }

    /// The newest LSN that the frame at `offset` proves durable, beyond a whole one at `walk` that
    /// ends with `lsn`. It must be able to follow that one: a frame of an earlier time proves
    /// nothing. A header that is gone by now was a torn frame's, and a new owner has cleared it.
    fn proven_at(
        &mut self,
        offset: u64,
        lsn: Lsn,
        walk: &Walk,
    ) -> Result<Lsn, ScanError<S::Error>> {
        let mut head = [0; FRAME_HEADER_BYTES];
        let read = self.source.read_at(offset, &mut head);
        read.map_err(ScanError::Source)?;
        match FrameHeader::decode(&head, &walk.key) {
            None => Ok(lsn),
            Some(proof) if proof.first_lsn <= lsn => {
                let found = proof.first_lsn;
                let behind = Walk {
                    offset,
                    last_lsn: lsn,
                    ..*walk
                };
                let reason = CorruptReason::LsnDoesNotFollow { found };
                Err(self.corruption(&behind, reason).into())
            }
            Some(proof) if proof.is_synced => Ok(Lsn(proof.first_lsn.0 - 1)),
            Some(proof) => Ok(proof.durable_lsn.max(lsn)),
        }
    }

    /// Lends every durable frame from `walk` on to `take`, in order, and moves `walk` behind those
    /// that were taken, as far as it may be kept. An error of `take` is a corruption at that frame.
    pub fn advance<V>(&mut self, walk: &mut Walk, mut take: V) -> Result<(), ScanError<S::Error>>
    where
        V: FnMut(&Frame<'_>) -> Result<(), CorruptReason>,
    {
        let mut at = *walk;
        let synced_bytes = self.header.synced_bytes;
        self.pass(&mut at, |frame, after| {
            take(frame)?;
            if frame.header.kind == FrameKind::Commands || frame.end_offset() <= synced_bytes {
                *walk = *after;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Finds the place in this log that a walk in an earlier log of the database had reached: a
    /// checkpoint copies frames byte for byte, so they chain alike. `None` where this log begins
    /// later, or has another history.
    pub fn find(&mut self, reached: &Walk) -> Result<Option<Walk>, ScanError<S::Error>> {
        let mut at = Walk::new(self.header);
        loop {
            if at.last_lsn == reached.last_lsn && at.chain == reached.chain {
                let last_slot = reached.last_slot;
                return Ok(Some(Walk { last_slot, ..at }));
            }
            if at.last_lsn > reached.last_lsn {
                return Ok(None);
            }
            let file_bytes = self.source.len().map_err(ScanError::Source)?;
            match at.next(self.source, file_bytes, self.buffer) {
                Ok(Some(_)) => {}
                Ok(None) | Err(ScanError::Corrupt(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Walks over durable frames. Answers what was found wrong with the frame at which it stopped,
    /// where that is more than "not whole".
    fn pass<V>(
        &mut self,
        walk: &mut Walk,
        mut visit: V,
    ) -> Result<Option<CorruptReason>, ScanError<S::Error>>
    where
        V: FnMut(&Frame<'_>, &Walk) -> Result<(), CorruptReason>,
    {
        loop {
            let before = *walk;
            let file_bytes = self.source.len().map_err(ScanError::Source)?;
            match walk.next(self.source, file_bytes, self.buffer) {
                Ok(Some(frame)) => {
                    // R98: nothing that a crash could take back. A frame is there whole or not at
                    // all, so one position of it that is durable stands for all of them.
                    let least_lsn = match frame.header.kind {
                        FrameKind::Commands => frame.header.first_lsn,
                        FrameKind::SnapshotMarker | FrameKind::Seal => frame.header.last_lsn(),
                    };
                    let is_durable = least_lsn <= self.durable_lsn
                        || frame.end_offset() <= self.header.synced_bytes;
                    if !is_durable {
                        *walk = before;
                        return Ok(None);
                    }
                    if let Err(reason) = visit(&frame, walk) {
                        *walk = before;
                        return Err(self.corruption(&before, reason).into());
                    }
                }
                Ok(None) => return Ok(None),
                Err(ScanError::Corrupt(corruption)) => return Ok(Some(corruption.reason)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The newest LSN that frames from `walk` on prove durable. Looks at what was there when it
    /// began: a writer may be faster than a reader.
    fn look_ahead(&mut self, walk: Walk) -> Result<Lsn, ScanError<S::Error>> {
        let file_bytes = self.source.len().map_err(ScanError::Source)?;
        let mut at = walk;
        let mut proven = self.durable_lsn;
        loop {
            let before = at.last_lsn;
            match at.next(self.source, file_bytes, self.buffer) {
                Ok(Some(frame)) => {
                    proven = proven.max(frame.header.durable_lsn);
                    if frame.header.is_synced {
                        proven = proven.max(before);
                    }
                    if frame.end_offset() <= self.header.synced_bytes {
                        proven = proven.max(frame.header.last_lsn());
                    }
                }
                Ok(None) | Err(ScanError::Corrupt(_)) => return Ok(proven),
                Err(error) => return Err(error),
            }
        }
    }

    fn corruption(&self, walk: &Walk, reason: CorruptReason) -> Corruption {
        Corruption {
            newest_lsn: self.durable_lsn.max(walk.last_lsn),
            ..walk.corruption(reason)
        }
    }
}

#[cfg(test)]
mod tests;
