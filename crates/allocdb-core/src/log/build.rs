//! Encoding a frame into a caller's reusable buffer.
//!
//! A [`FrameBuilder`] takes commands one by one. Commands are encoded, read back from the very
//! bytes that will be written, judged, and kept or left out ([`FrameSieve`]): so a host that
//! scribbles on its memory meanwhile cannot make log and state differ (R67). What is applied later
//! is decoded from the same bytes once more.
//!
//! Invariants: nothing is written past the frame; the frame fills whole sectors; no sector of it is
//! all zero, asserted sector by sector, because recovery takes a zero sector for one that was
//! never written. Rejected: encoding into a list of slices for a gathering write, which saves one
//! copy and gives up the single place where the bytes can be checked.

use super::frame::{CRC_AT, FLAG_UNSYNCED, MAGIC, MARKER_BYTES, PADDING, chain_value};
use super::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameKind, LOG_VERSION, LogKey, Marker, SECTOR_BYTES,
    ZERO_SECTOR,
};
use crate::bytes::Writer;
use crate::codec::{self, RecordHead};
use crate::command::Command;
use crate::ids::{Lsn, Slot};

/// What a frame says beside its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameMeta {
    /// Whether the writer syncs this frame before it writes the next (`sync = full`).
    pub is_synced: bool,
    /// LSN of the first record; in a marker or a seal, of the next one to come.
    pub first_lsn: Lsn,
    /// The commit's slot; in a marker or a seal, the last commit's.
    pub request_slot: Slot,
    /// The newest LSN that a returned sync covers.
    pub durable_lsn: Lsn,
    /// The chain value of the frame before, or the file header's `chain_start`.
    pub chain: u32,
}

/// A frame that is ready to be written: the first `len` bytes of the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncodedFrame {
    /// Bytes to write, whole sectors.
    pub len: usize,
    /// What the next frame chains to.
    pub chain: u32,
    /// The newest LSN with this frame.
    pub last_lsn: Lsn,
}

/// A place in a frame under construction, to come back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FramePosition {
    end: usize,
    record_count: u32,
}

/// A frame of commands under construction.
#[derive(Debug)]
pub struct FrameBuilder<'a> {
    buffer: &'a mut [u8],
    end: usize,
    record_count: u32,
}

impl<'a> FrameBuilder<'a> {
    /// Begins an empty frame at the front of `buffer`. What of it is beyond whole sectors or
    /// beyond [`FRAME_BYTES_MAX`] stays unused.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        let usable = buffer.len() - buffer.len() % SECTOR_BYTES;
        assert!(usable >= SECTOR_BYTES, "a frame has a sector at least");
        Self {
            buffer: &mut buffer[..usable.min(FRAME_BYTES_MAX)],
            end: FRAME_HEADER_BYTES,
            record_count: 0,
        }
    }

    /// Adds a command's record; `false`, with nothing added, when there is no room for it or its
    /// bundle is longer than any configuration allows.
    #[must_use]
    pub fn push(&mut self, command: &Command<'_>) -> bool {
        self.push_within(command, usize::MAX)
    }

    /// [`FrameBuilder::push`], but not of a record that takes more than `len_max` bytes.
    #[must_use]
    pub fn push_within(&mut self, command: &Command<'_>, len_max: usize) -> bool {
        let room = self.buffer.len() - self.end;
        let place = &mut self.buffer[self.end..][..room.min(len_max)];
        let Some(len) = codec::encode_record(command, place) else {
            return false;
        };
        self.end += len;
        self.record_count += 1;
        true
    }

    /// Goes through the records once more, from the first one on, to keep some.
    #[must_use]
    pub fn sift(self) -> FrameSieve<'a> {
        FrameSieve {
            staged_end: self.end,
            staged_count: self.record_count,
            buffer: self.buffer,
            at: FRAME_HEADER_BYTES,
            kept_end: FRAME_HEADER_BYTES,
            kept_count: 0,
        }
    }

    /// Where the next record will stand.
    #[must_use]
    pub const fn position(&self) -> FramePosition {
        FramePosition {
            end: self.end,
            record_count: self.record_count,
        }
    }

    /// The commands whose records stand from `position` on, read from the frame's bytes. It ends
    /// where one does not decode.
    pub fn commands_from(&self, position: FramePosition) -> impl Iterator<Item = Command<'_>> {
        let mut rest = &self.buffer[position.end..self.end];
        std::iter::from_fn(move || {
            let (command, len) = codec::decode_record(rest)?;
            rest = &rest[len..];
            Some(command)
        })
    }

    /// How many records stand from `position` on.
    #[must_use]
    pub fn count_from(&self, position: FramePosition) -> u32 {
        self.record_count - position.record_count
    }

    /// Takes back everything from `position` on.
    pub fn rewind(&mut self, position: FramePosition) {
        assert!(position.end <= self.end, "a frame is rewound, not advanced");
        assert!(
            position.record_count <= self.record_count,
            "a frame is rewound to a place of its own"
        );
        self.end = position.end;
        self.record_count = position.record_count;
    }

    /// How many records there are.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }

    /// Bytes of records so far.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.end - FRAME_HEADER_BYTES
    }

    /// Bytes that the frame would take as it is: what must be free in the file before it is
    /// written.
    #[must_use]
    pub const fn frame_len(&self) -> usize {
        self.end.next_multiple_of(SECTOR_BYTES)
    }

    /// The records so far, as they will be written.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.buffer[FRAME_HEADER_BYTES..self.end]
    }

    /// Completes the frame. It must have a record: a commit with nothing new writes none (R65).
    #[must_use]
    pub fn finish(self, key: &LogKey, meta: &FrameMeta) -> EncodedFrame {
        assert!(self.record_count > 0, "an empty commit writes no frame");
        let payload_len = self.end - FRAME_HEADER_BYTES;
        seal_frame(
            self.buffer,
            key,
            meta,
            FrameKind::Commands,
            payload_len,
            self.record_count,
        )
    }
}

/// A frame whose records are gone through once more, in order: each is kept or left out, and what
/// is kept moves up to close the gap. So a commit is staged where it will be written, and only one
/// in which something is a retry or refused is moved about.
#[derive(Debug)]
pub struct FrameSieve<'a> {
    buffer: &'a mut [u8],
    /// The record that is looked at.
    at: usize,
    staged_end: usize,
    staged_count: u32,
    kept_end: usize,
    kept_count: u32,
}

impl<'a> FrameSieve<'a> {
    /// The front of the client command that is to be kept or left out next, and its record's
    /// length; `None` behind the last one. For those who decoded the record before.
    #[inline]
    #[must_use]
    pub fn current_head(&self) -> Option<(RecordHead, usize)> {
        let staged = self.buffer.get(self.at..self.staged_end)?;
        codec::decode_head(staged)
    }

    /// Keeps the current record, of `len` bytes.
    #[inline]
    pub fn keep(&mut self, len: usize) {
        if self.at != self.kept_end {
            self.buffer
                .copy_within(self.at..self.at + len, self.kept_end);
        }
        self.kept_end += len;
        self.kept_count += 1;
        self.leave_out(len);
    }

    /// Leaves the current record, of `len` bytes, out.
    #[inline]
    pub fn leave_out(&mut self, len: usize) {
        self.at += len;
        assert!(self.at <= self.staged_end, "no record is passed twice");
        assert!(self.kept_end <= self.at, "what is kept only moves up");
    }

    /// The frame of what was kept. Every record must have been decided on.
    #[must_use]
    pub fn finish(self) -> FrameBuilder<'a> {
        assert!(
            self.at == self.staged_end,
            "every record is kept or left out"
        );
        assert!(
            self.kept_count <= self.staged_count,
            "no more is kept than was there"
        );
        FrameBuilder {
            buffer: self.buffer,
            end: self.kept_end,
            record_count: self.kept_count,
        }
    }
}

/// Encodes the marker of a published snapshot into the front of `buffer`, one sector.
#[must_use]
pub fn encode_marker(
    buffer: &mut [u8],
    key: &LogKey,
    meta: &FrameMeta,
    marker: Marker,
) -> EncodedFrame {
    assert!(
        marker.anchor_lsn < meta.first_lsn,
        "a snapshot is not ahead of its log"
    );
    let mut writer = Writer::new(&mut buffer[FRAME_HEADER_BYTES..SECTOR_BYTES]);
    writer.u64(marker.anchor_lsn.0);
    writer.u32(marker.snapshot_crc);
    assert!(
        writer.position() == MARKER_BYTES,
        "a marker's layout is fixed"
    );
    seal_frame(
        buffer,
        key,
        meta,
        FrameKind::SnapshotMarker,
        MARKER_BYTES,
        0,
    )
}

/// Encodes a seal into the front of `buffer`, one sector. Everything that precedes it must be
/// durable by then: that is all it says.
#[must_use]
pub fn encode_seal(buffer: &mut [u8], key: &LogKey, meta: &FrameMeta) -> EncodedFrame {
    assert!(meta.is_synced, "a seal is synced before anything follows");
    assert!(
        meta.durable_lsn.0 + 1 == meta.first_lsn.0,
        "a seal follows what is durable"
    );
    seal_frame(buffer, key, meta, FrameKind::Seal, 0, 0)
}

/// Pads, writes the header in front, and checks the whole.
fn seal_frame(
    buffer: &mut [u8],
    key: &LogKey,
    meta: &FrameMeta,
    kind: FrameKind,
    payload_len: usize,
    record_count: u32,
) -> EncodedFrame {
    let len = (FRAME_HEADER_BYTES + payload_len).next_multiple_of(SECTOR_BYTES);
    assert!(meta.first_lsn.0 >= 1, "log positions are counted from 1");
    let last_lsn = Lsn(meta.first_lsn.0 - 1).after(record_count.into());
    let last_lsn = last_lsn.expect("acceptance gives no LSN beyond the last");
    assert!(
        meta.durable_lsn < meta.first_lsn,
        "a frame is not durable before it is written"
    );
    let frame = &mut buffer[..len];
    frame[FRAME_HEADER_BYTES + payload_len..].fill(PADDING);
    let payload_crc = crc32c::crc32c(&frame[FRAME_HEADER_BYTES..]);

    let mut writer = Writer::new(&mut frame[..FRAME_HEADER_BYTES]);
    writer.bytes(&MAGIC);
    writer.u16(LOG_VERSION);
    writer.u8(kind as u8);
    writer.u8(if meta.is_synced { 0 } else { FLAG_UNSYNCED });
    writer.u64(meta.first_lsn.0);
    writer.u64(meta.request_slot.0);
    writer.u32(record_count);
    writer.u32(u32::try_from(payload_len).expect("a frame's length fits its field"));
    writer.u64(key.database_id);
    writer.u64(meta.durable_lsn.0);
    writer.u32(meta.chain);
    writer.u32(payload_crc);
    writer.u32(0);
    assert!(
        writer.position() == CRC_AT,
        "a frame header's layout is fixed"
    );
    let header_crc = key.header_crc(&frame[..CRC_AT]);
    frame[CRC_AT..FRAME_HEADER_BYTES].copy_from_slice(&header_crc.to_le_bytes());
    for sector in frame.chunks_exact(SECTOR_BYTES) {
        assert!(
            sector != ZERO_SECTOR,
            "a sector that was written is not all zero"
        );
    }
    EncodedFrame {
        len,
        chain: chain_value(header_crc),
        last_lsn,
    }
}

#[cfg(test)]
mod tests;
