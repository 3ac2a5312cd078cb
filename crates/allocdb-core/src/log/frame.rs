//! A frame: one commit, there whole or not at all (R64).
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic u32, the letters `ADBF` |
//! | 4 | format version u16 |
//! | 6 | kind u8: 1 commands, 2 snapshot marker, 3 seal |
//! | 7 | flags u8: 1 written under `sync = os`; others zero |
//! | 8 | `first_lsn` u64: of the first record; of the next one to come where there is none |
//! | 16 | `request_slot` u64: the commit's slot (R63) |
//! | 24 | `record_count` u32 |
//! | 28 | `payload_len` u32, without the padding |
//! | 32 | `database_id` u64, the low half |
//! | 40 | `durable_lsn` u64: the newest LSN known to be synced when this frame was written |
//! | 48 | chain u32: bytes 60..64 of the frame before, or the file header's `chain_start` |
//! | 52 | payload CRC32C u32, over bytes 64 to the frame's end, padding included |
//! | 56 | u32, zero |
//! | 60 | header CRC32C u32 over `hash_seed` (8 bytes), then bytes 0..60 |
//! | 64 | payload: records (see [`crate::codec`]); of a marker: LSN u64, snapshot CRC u32 |
//! | | padding: `0xA5` to the end of the sector |
//!
//! A header is valid if and only if its magic and its CRC hold. Only then is anything in it
//! believed, its length first of all. Nobody who chooses ids can spell a header, since the CRC is
//! keyed with a seed that they do not know.
//!
//! **No sector of a frame is all zero**: it has a header, padding, or 512 bytes of records, which
//! hold ids that are not zero. Space that was never written is all zero. So each sector says
//! whether it was written, and the end of the log can be judged ([`crate::log::scan`]).
//!
//! The chain is the *value* of the field at offset 60 of the frame before. Rejected: a CRC over the
//! whole header of the frame before, its CRC field included. A CRC over bytes that end with
//! their own CRC is one constant, whatever the bytes, and such a chain would link anything.

use super::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES, LOG_VERSION, SECTOR_BYTES, offset_of};
use crate::bytes::Reader;
use crate::canary::{Canary, is_planted};
use crate::codec;
use crate::command::Command;
use crate::config::Config;
use crate::ids::{Lsn, Slot};

pub(super) const MAGIC: [u8; 4] = *b"ADBF";
pub(super) const FLAG_UNSYNCED: u8 = 1;
pub(super) const PADDING: u8 = 0xA5;
/// Bytes of a marker's payload.
pub(super) const MARKER_BYTES: usize = 12;
/// Where the header's own CRC stands: what the next frame chains to.
pub(super) const CRC_AT: usize = 60;

const _: () = assert!(CRC_AT + 4 == FRAME_HEADER_BYTES);
const _: () = assert!(FRAME_HEADER_BYTES + MARKER_BYTES <= SECTOR_BYTES);

/// What a database's frames are known by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogKey {
    /// The low half of the database's id.
    pub database_id: u64,
    /// What every header's checksum starts from.
    header_seed: u32,
}

impl LogKey {
    /// The key of the database with this configuration.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a frame carries the low half of the id"
    )]
    pub fn new(config: &Config) -> Self {
        Self {
            database_id: config.database_id as u64,
            header_seed: crc32c::crc32c(&config.hash_seed.to_le_bytes()),
        }
    }

    /// The checksum of a header's first 60 bytes.
    pub(super) fn header_crc(&self, bytes: &[u8]) -> u32 {
        assert!(bytes.len() == CRC_AT, "a header's CRC leaves out itself");
        crc32c::crc32c_append(self.header_seed, bytes)
    }
}

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// Records, at least one.
    Commands = 1,
    /// The LSN and CRC of a snapshot that was published.
    SnapshotMarker = 2,
    /// Nothing: it proves that what precedes it was durable.
    Seal = 3,
}

/// A header whose checksum holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// What the frame holds.
    pub kind: FrameKind,
    /// Whether the writer syncs each frame before it writes the next (`sync = full`).
    pub is_synced: bool,
    /// LSN of the first record, or of the one to come.
    pub first_lsn: Lsn,
    /// The commit's slot.
    pub request_slot: Slot,
    /// How many records.
    pub record_count: u32,
    /// Bytes of payload.
    pub payload_len: u32,
    /// Low half of the id of the database that wrote it.
    pub database_id: u64,
    /// The newest LSN known to be durable when it was written.
    pub durable_lsn: Lsn,
    /// The header CRC of the frame before.
    pub chain: u32,
    /// Checksum of payload and padding.
    pub payload_crc: u32,
    /// This header's own checksum, to which the next frame chains.
    pub header_crc: u32,
}

/// Why 64 bytes are no header to be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderFault {
    /// Magic or checksum does not hold: not written, or damaged.
    Invalid,
    /// The checksum holds, but no writer of this format makes such a header.
    Unknown,
}

impl FrameHeader {
    /// Reads a header whose magic and checksum hold and whose fields this format knows.
    #[must_use]
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES], key: &LogKey) -> Option<Self> {
        Self::parse(bytes, key).ok()
    }

    pub(super) fn parse(
        bytes: &[u8; FRAME_HEADER_BYTES],
        key: &LogKey,
    ) -> Result<Self, HeaderFault> {
        let (body, crc) = bytes.split_at(CRC_AT);
        // The magic first: it spares the checksum of all the sectors that are none.
        let is_magic = body[..4] == MAGIC;
        let is_whole = is_magic && *crc == key.header_crc(body).to_le_bytes();
        let is_taken = is_whole || (is_magic && is_planted(Canary::LengthTrusted));
        if !is_taken {
            return Err(HeaderFault::Invalid);
        }
        Self::parse_fields(bytes).ok_or(HeaderFault::Unknown)
    }

    fn parse_fields(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(&bytes[4..]);
        let version = reader.u16()?;
        let kind = match reader.u8()? {
            1 => FrameKind::Commands,
            2 => FrameKind::SnapshotMarker,
            3 => FrameKind::Seal,
            _ => return None,
        };
        let flags = reader.u8()?;
        let header = Self {
            kind,
            is_synced: flags & FLAG_UNSYNCED == 0,
            first_lsn: Lsn(reader.u64()?),
            request_slot: Slot(reader.u64()?),
            record_count: reader.u32()?,
            payload_len: reader.u32()?,
            database_id: reader.u64()?,
            durable_lsn: Lsn(reader.u64()?),
            chain: reader.u32()?,
            payload_crc: reader.u32()?,
            header_crc: {
                let reserved = reader.u32()?;
                let header_crc = reader.u32()?;
                (reserved == 0).then_some(header_crc)?
            },
        };
        let is_known = version == LOG_VERSION && flags & !FLAG_UNSYNCED == 0;
        (is_known && header.has_possible_sizes()).then_some(header)
    }

    /// Whether the counts are ones that a frame of this kind can have.
    fn has_possible_sizes(&self) -> bool {
        let payload_len = self.payload_len as usize;
        let sizes = match self.kind {
            FrameKind::Commands => {
                self.record_count > 0 && payload_len <= FRAME_BYTES_MAX - FRAME_HEADER_BYTES
            }
            FrameKind::SnapshotMarker => self.record_count == 0 && payload_len == MARKER_BYTES,
            FrameKind::Seal => self.record_count == 0 && payload_len == 0,
        };
        let lsn_before = self.first_lsn.0.checked_sub(1).map(Lsn);
        let last_lsn = lsn_before.and_then(|lsn| lsn.after(self.record_count.into()));
        sizes && last_lsn.is_some()
    }

    /// What the next frame chains to.
    #[must_use]
    pub fn chain_to_next(&self) -> u32 {
        chain_value(self.header_crc)
    }

    /// Bytes of the frame: header, payload and padding, in whole sectors.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        (FRAME_HEADER_BYTES + self.payload_len as usize).next_multiple_of(SECTOR_BYTES)
    }

    /// The newest LSN once this frame is applied.
    #[must_use]
    pub fn last_lsn(&self) -> Lsn {
        Lsn(self.first_lsn.0 + u64::from(self.record_count) - 1)
    }
}

/// What chains to a header with this checksum.
pub(super) fn chain_value(header_crc: u32) -> u32 {
    if is_planted(Canary::ChainCoversItself) {
        return crc32c::crc32c_append(header_crc, &header_crc.to_le_bytes());
    }
    header_crc
}

/// The snapshot that a marker names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    /// The LSN up to which the snapshot goes.
    pub anchor_lsn: Lsn,
    /// The snapshot's checksum.
    pub snapshot_crc: u32,
}

/// A frame that was found valid: its place, its header, its payload.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its header.
    pub header: FrameHeader,
    /// All its bytes, as they stand in the file.
    pub bytes: &'a [u8],
    /// Its payload, without the padding.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Where the next frame begins.
    #[must_use]
    pub fn end_offset(&self) -> u64 {
        self.offset + offset_of(self.header.frame_len())
    }

    /// The commands, none in a marker or a seal.
    #[must_use]
    pub fn commands(&self) -> Commands<'a> {
        match self.header.kind {
            FrameKind::Commands => commands(self.payload, self.header.first_lsn),
            FrameKind::SnapshotMarker | FrameKind::Seal => commands(&[], self.header.first_lsn),
        }
    }

    /// The snapshot that it names, if it is a marker.
    #[must_use]
    pub fn marker(&self) -> Option<Marker> {
        let mut reader = Reader::new(self.payload);
        let marker = Marker {
            anchor_lsn: Lsn(reader.u64()?),
            snapshot_crc: reader.u32()?,
        };
        (self.header.kind == FrameKind::SnapshotMarker).then_some(marker)
    }
}

/// The records of `payload` as commands, the first with `first_lsn`.
#[must_use]
pub fn commands(payload: &[u8], first_lsn: Lsn) -> Commands<'_> {
    Commands {
        rest: payload,
        next_lsn: first_lsn,
    }
}

/// Commands in the order of the log, with their LSNs. Ends at the first record that does not
/// decode, with a rest that is not empty; the records of a [`Frame`] all decode.
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    rest: &'a [u8],
    next_lsn: Lsn,
}

impl<'a> Commands<'a> {
    /// The bytes that are not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The LSN of the next one.
    #[must_use]
    pub const fn next_lsn(&self) -> Lsn {
        self.next_lsn
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = (Lsn, Command<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (command, len) = codec::decode_record(self.rest)?;
        let lsn = self.next_lsn;
        self.rest = self.rest.get(len..)?;
        self.next_lsn = Lsn(lsn.0.checked_add(1)?);
        Some((lsn, command))
    }
}

#[cfg(test)]
mod tests;
