//! The scan: every frame of a log, and the judgement over its end.
//!
//! A power cut leaves the end of a log in many legal shapes; damage makes others. The scan walks
//! ([`super::walk`]) to the first place X where there is no valid frame and LSN `e` was expected,
//! surveys everything from X to the file's end, and decides, in this order:
//!
//! 1. X was durable, hence **corrupt**, if any of these holds: X lies below the file header's
//!    `synced_bytes`; a snapshot is *named* after an LSN of `e` or more; the file ends inside a
//!    frame or at a frame's end; a valid frame header of this database lies on a sector boundary
//!    beyond X that was written under `sync = full` or has `durable_lsn >= e`.
//! 2. Only zeros from X on: a **clean** end.
//! 3. X's first sector is not zero, and its header does not check: **corrupt**, since a sector is
//!    zero or new, and a new one checks.
//! 4. X's header checks and one of the frame's own sectors is all zero, or X's first sector is all
//!    zero: **torn**, never fully written. Except where X's header says `sync = full` and something
//!    other than zeros lies beyond the frame: nothing is written behind such a frame before all of
//!    it is durable.
//! 5. Else X was fully written and then changed: **corrupt**.
//!
//! Why this is right: the next frame under `sync = full` is written only after the sync of the one
//! before has returned, so any such frame proves what precedes it; under `sync = os` several
//! unsynced frames may each have lost any of their sectors, so neither a valid frame beyond X nor
//! rubbish beyond it proves anything. The file grows before a frame would fill its last sector, and
//! growth is synced first, so no crash leaves a file that ends where a frame ends.
//!
//! A file may end inside a sector, where a growth was cut short by a limit on file sizes: the rest
//! is taken for nothing if it is zero, and for a cut frame if it is not.
//!
//! A header inside the extent that X's own header claims is proof as well. What lies there in a
//! legal state is zeros or X's own payload, and nobody who chooses ids can spell a header, since
//! its checksum is seeded. Without this a drive that brings back a stale header (of a longer frame
//! that was torn here, and cut, before a shorter one took its place) would hide what came after.
//!
//! What no rule can tell on one disk: zeros in a frame that nothing later proves durable. Rejected:
//! the usual "the log ends at the first frame that does not check". It takes one flipped bit in
//! the middle for the end, and every commit behind it is silently gone.

use super::{
    CorruptReason, Corruption, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind, LogHeader,
    Marker, SECTOR, SECTOR_BYTES, ScanError, Walk, ZERO_SECTOR, offset_of,
};
use crate::canary::{Canary, is_planted};
use crate::ids::{Lsn, Slot};
use crate::stream::ByteSource;

/// Bytes of the tail that are read at a time; the zeros behind a log are not worth a larger step.
const STEP_BYTES: usize = 64 << 10;

const _: () = assert!(STEP_BYTES.is_multiple_of(SECTOR_BYTES));
const _: () = assert!(STEP_BYTES <= super::FRAME_BYTES_MAX);

/// Where a log ends, and what recovery and the writer need to go on from there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogEnd {
    /// The end of the last frame: where the next one goes.
    pub end_offset: u64,
    /// Bytes from there to the last one that is not zero: a torn tail to cut; 0 after a clean end.
    pub torn_bytes: u64,
    /// The file's length in whole sectors.
    pub file_bytes: u64,
    /// The newest LSN; `begins_after` when there is no record.
    pub last_lsn: Lsn,
    /// The newest slot; 0 when there is no frame.
    pub last_slot: Slot,
    /// What the next frame chains to.
    pub chain: u32,
    /// The newest LSN that something proves durable.
    pub durable_lsn: Lsn,
    /// The walk at the first frame that nothing proves durable, or at the end: what recovery must
    /// write again.
    pub unproven: Walk,
    /// Frames, of all kinds.
    pub frames: u64,
    /// Records.
    pub records: u64,
    /// The newest marker.
    pub newest_marker: Option<Marker>,
    /// Whether the last frame is a seal.
    pub is_sealed: bool,
}

/// Walks the whole log, lends every valid frame to `visit` in order, and judges the end.
///
/// `snapshot_lsn_max` is the greatest LSN in the *name* of a snapshot beside the log, damaged or
/// not. `buffer` holds at least [`super::FRAME_BYTES_MAX`]. An error of `visit` is reported as a
/// corruption at that frame. Nothing is allocated, whatever the bytes say.
pub fn scan<S, V>(
    source: &mut S,
    header: &LogHeader,
    snapshot_lsn_max: Option<Lsn>,
    buffer: &mut [u8],
    visit: V,
) -> Result<LogEnd, ScanError<S::Error>>
where
    S: ByteSource,
    V: FnMut(&Frame<'_>) -> Result<(), CorruptReason>,
{
    scan_and_judge(source, header, snapshot_lsn_max, buffer, visit, judge)
}

/// The scan with the judgement as an argument, so that a test can plant a wrong one.
fn scan_and_judge<S, V, J>(
    source: &mut S,
    header: &LogHeader,
    snapshot_lsn_max: Option<Lsn>,
    buffer: &mut [u8],
    mut visit: V,
    judge: J,
) -> Result<LogEnd, ScanError<S::Error>>
where
    S: ByteSource,
    V: FnMut(&Frame<'_>) -> Result<(), CorruptReason>,
    J: Fn(&Tail) -> Verdict,
{
    let file_bytes = source.len().map_err(ScanError::Source)?;
    let mut walk = Walk::new(header);
    let mut end = LogEnd::before_first_frame(header, file_bytes);
    let stop = loop {
        let before = walk;
        match walk.next(source, file_bytes, buffer) {
            Ok(None) => break None,
            Ok(Some(frame)) => {
                if let Err(reason) = visit(&frame) {
                    walk = before;
                    break Some(reason);
                }
                end.take_frame(&frame, before, walk, header.synced_bytes);
            }
            Err(ScanError::Corrupt(corruption)) => break Some(corruption.reason),
            Err(source_error) => return Err(source_error),
        }
    };
    let mut tail = Tail::at(&walk, file_bytes, header.synced_bytes, snapshot_lsn_max);
    tail.survey(source, &walk, buffer)
        .map_err(ScanError::Source)?;
    let verdict = stop.map_or_else(|| judge(&tail), Verdict::Corrupt);
    match verdict {
        Verdict::Clean => assert!(tail.nonzero_end.is_none(), "a clean end has zeros only"),
        Verdict::Torn => {
            end.torn_bytes = tail.nonzero_end.unwrap_or(walk.offset) - walk.offset;
        }
        Verdict::Corrupt(reason) => {
            let corruption = walk.corruption(reason);
            return Err(ScanError::Corrupt(Corruption {
                newest_lsn: tail.newest_lsn,
                ..corruption
            }));
        }
    }
    assert!(
        end.end_offset == walk.offset,
        "the log ends where the walk does"
    );
    assert!(
        end.chain == walk.chain,
        "what ends a log is what the next chains to"
    );
    Ok(end)
}

/// The first rule alone: what proves that the frame at `walk` was durable, where there is none, in
/// a file of `file_bytes` whose first `synced_bytes` were durable before it got its name. Headers
/// below `headers_from` do not count: the caller has seen that they are a whole frame's content.
pub(super) fn proof_beyond<S: ByteSource>(
    source: &mut S,
    walk: &Walk,
    (file_bytes, synced_bytes): (u64, u64),
    headers_from: u64,
    buffer: &mut [u8],
) -> Result<Option<Corruption>, S::Error> {
    let mut tail = Tail::at(walk, file_bytes, synced_bytes, None);
    tail.headers_from = headers_from;
    tail.survey(source, walk, buffer)?;
    let proof = tail.proof_of_durability();
    Ok(proof.map(|reason| Corruption {
        newest_lsn: tail.newest_lsn,
        ..walk.corruption(reason)
    }))
}

impl LogEnd {
    fn before_first_frame(header: &LogHeader, file_bytes: u64) -> Self {
        let walk = Walk::new(header);
        Self {
            end_offset: walk.offset,
            torn_bytes: 0,
            file_bytes: file_bytes - file_bytes % SECTOR,
            last_lsn: walk.last_lsn,
            last_slot: walk.last_slot,
            chain: walk.chain,
            durable_lsn: walk.last_lsn,
            unproven: walk,
            frames: 0,
            records: 0,
            newest_marker: None,
            is_sealed: false,
        }
    }

    fn take_frame(&mut self, frame: &Frame<'_>, before: Walk, after: Walk, synced_bytes: u64) {
        assert!(frame.offset == self.end_offset, "frames lie side by side");
        let lsn_before = before.last_lsn;
        assert!(
            frame.header.durable_lsn <= lsn_before,
            "the walk refuses what claims more"
        );
        // A frame under `sync = full` proves all that precedes it. One under `sync = os` proves
        // what it says; when that is less than all, what is proved is some earlier frame, and
        // writing a few frames again that are durable already harms nothing.
        if frame.header.is_synced || frame.header.durable_lsn == lsn_before {
            self.durable_lsn = lsn_before;
            self.unproven = before;
        }
        self.durable_lsn = self.durable_lsn.max(frame.header.durable_lsn);
        self.end_offset = frame.end_offset();
        self.last_lsn = frame.header.last_lsn();
        if self.end_offset <= synced_bytes {
            self.durable_lsn = self.last_lsn;
            self.unproven = after;
        }
        self.last_slot = frame.header.request_slot;
        self.chain = frame.header.chain_to_next();
        self.frames += 1;
        self.records += u64::from(frame.header.record_count);
        self.newest_marker = frame.marker().or(self.newest_marker);
        self.is_sealed = frame.header.kind == FrameKind::Seal;
    }
}

/// What lies from X to the file's end: all that the judgement goes by.
#[derive(Clone, Copy, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four facts that hold independently"
)]
struct Tail {
    /// X.
    offset: u64,
    /// `e`.
    expected_lsn: Lsn,
    file_bytes: u64,
    synced_bytes: u64,
    snapshot_lsn_max: Option<Lsn>,
    /// Headers in front of this place prove nothing.
    headers_from: u64,
    /// X's header, if it checks.
    header: Option<FrameHeader>,
    /// X's first sector is zero, or there is none.
    first_sector_is_zero: bool,
    /// X's header checks, and a sector of its frame is all zero.
    own_sector_is_zero: bool,
    /// Something other than zeros lies beyond X's frame; beyond X's first sector without a header.
    beyond_is_written: bool,
    /// The file ends inside a sector that is not zero.
    ends_in_written_sector: bool,
    /// The end of the last sector that is not zero.
    nonzero_end: Option<u64>,
    /// Where the first frame lies that proves X durable.
    proof_offset: Option<u64>,
    /// The newest LSN that anything beyond X, or a snapshot's name, tells of.
    newest_lsn: Lsn,
}

/// What X is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Clean,
    Torn,
    Corrupt(CorruptReason),
}

/// The five rules.
fn judge(tail: &Tail) -> Verdict {
    if is_planted(Canary::ZeroedSectorTaken) && tail.own_sector_is_zero {
        Verdict::Torn
    } else if let Some(reason) = tail.proof_of_durability() {
        Verdict::Corrupt(reason)
    } else if tail.nonzero_end.is_none() {
        Verdict::Clean
    } else if !tail.first_sector_is_zero && tail.header.is_none() {
        if is_planted(Canary::DamagedHeaderTaken) {
            return Verdict::Torn;
        }
        Verdict::Corrupt(CorruptReason::HeaderDamaged)
    } else if tail.was_never_fully_written() {
        Verdict::Torn
    } else {
        Verdict::Corrupt(CorruptReason::ContentDamaged)
    }
}

impl Tail {
    fn at(walk: &Walk, file_bytes: u64, synced_bytes: u64, snapshot_lsn_max: Option<Lsn>) -> Self {
        Self {
            offset: walk.offset,
            expected_lsn: walk.expected_lsn(),
            file_bytes,
            synced_bytes,
            snapshot_lsn_max,
            headers_from: walk.offset,
            header: None,
            first_sector_is_zero: true,
            own_sector_is_zero: false,
            beyond_is_written: false,
            ends_in_written_sector: false,
            nonzero_end: None,
            proof_offset: None,
            newest_lsn: snapshot_lsn_max.map_or(walk.last_lsn, |lsn| lsn.max(walk.last_lsn)),
        }
    }

    /// Rule 1.
    fn proof_of_durability(&self) -> Option<CorruptReason> {
        if self.is_cut() {
            let file_bytes = self.file_bytes;
            return Some(CorruptReason::FileCut { file_bytes });
        }
        if self.offset < self.synced_bytes {
            let synced_bytes = self.synced_bytes;
            return Some(CorruptReason::BelowSynced { synced_bytes });
        }
        if let Some(offset) = self.proof_offset {
            return Some(CorruptReason::ProvenByFrame { offset });
        }
        let ahead = |&lsn: &Lsn| lsn >= self.expected_lsn;
        let snapshot_lsn = self.snapshot_lsn_max.filter(ahead)?;
        Some(CorruptReason::ProvenBySnapshot { snapshot_lsn })
    }

    /// Whether the file ends inside X, or right where X would begin.
    fn is_cut(&self) -> bool {
        let own_end = match &self.header {
            Some(header) => self.offset + offset_of(header.frame_len()),
            None => self.offset,
        };
        // A whole sector is left behind the last frame, always.
        self.file_bytes < own_end.saturating_add(SECTOR) || self.ends_in_written_sector
    }

    /// Rule 4.
    fn was_never_fully_written(&self) -> bool {
        match &self.header {
            None => self.first_sector_is_zero,
            Some(header) => {
                let refuses = header.is_synced || is_planted(Canary::LegalCutRefused);
                self.own_sector_is_zero && !(refuses && self.beyond_is_written)
            }
        }
    }

    /// Reads everything from X on, once, in steps: the zeros behind a log may be many.
    fn survey<S: ByteSource>(
        &mut self,
        source: &mut S,
        walk: &Walk,
        buffer: &mut [u8],
    ) -> Result<(), S::Error> {
        let mut at = self.offset;
        while at < self.file_bytes {
            let rest = self.file_bytes - at;
            let step = usize::try_from(rest).map_or(STEP_BYTES, |rest| rest.min(STEP_BYTES));
            source.read_at(at, &mut buffer[..step])?;
            for sector in buffer[..step].chunks(SECTOR_BYTES) {
                self.take_sector(at, sector, walk);
                at += offset_of(sector.len());
            }
        }
        Ok(())
    }

    /// Notes what one sector, or the part of one that ends the file, tells.
    fn take_sector(&mut self, at: u64, sector: &[u8], walk: &Walk) {
        let is_zero = *sector == ZERO_SECTOR[..sector.len()];
        if is_zero {
            self.own_sector_is_zero |= self.is_own(at);
            return;
        }
        self.nonzero_end = Some(at + offset_of(sector.len()));
        self.ends_in_written_sector = sector.len() < SECTOR_BYTES;
        let header = sector
            .first_chunk::<FRAME_HEADER_BYTES>()
            .filter(|_| sector.len() == SECTOR_BYTES)
            .and_then(|head| FrameHeader::decode(head, &walk.key))
            .filter(|header| header.database_id == walk.key.database_id);
        if at == self.offset {
            self.first_sector_is_zero = false;
            self.header = header;
            self.note_lsn(header);
        } else {
            self.beyond_is_written |= !self.is_own(at);
            self.note_lsn(header);
            let proves =
                |header: &FrameHeader| header.is_synced || header.durable_lsn >= self.expected_lsn;
            let counts = self.proof_offset.is_none() && at >= self.headers_from;
            if counts && header.as_ref().is_some_and(proves) {
                self.proof_offset = Some(at);
            }
        }
    }

    /// Whether the sector at `at` belongs to the frame at X, as far as its header tells.
    fn is_own(&self, at: u64) -> bool {
        self.header
            .as_ref()
            .is_some_and(|header| at < self.offset.saturating_add(offset_of(header.frame_len())))
    }

    fn note_lsn(&mut self, header: Option<FrameHeader>) {
        if let Some(header) = header {
            self.newest_lsn = self.newest_lsn.max(header.last_lsn());
        }
    }
}

#[cfg(test)]
mod tests;
