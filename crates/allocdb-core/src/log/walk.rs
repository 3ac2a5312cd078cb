//! One valid frame after the other, from the file header on.
//!
//! A step accepts the frame at the walk's offset if and only if its header checks, its length lies
//! within the file, its payload checks, its first LSN, chain, slot, `durable_lsn` and database are
//! the ones that must follow, and its records decode, exactly as many as counted. Otherwise it
//! either stops, which only says "no valid frame here" and leaves the judgement to
//! [`super::scan`], or finds what no crash can leave, which is a [`Corruption`] at once: a header
//! that checks is exactly as it was written, so what it says wrongly was written wrongly.
//!
//! No length is followed before the checksum over it holds. A `Walk` is a plain value: a reader
//! that keeps it goes on later from where it stopped. Rejected: a callback that is handed frames
//! whose records may fail to decode; half a commit would be applied before its fault is found.

use super::frame::HeaderFault;
use super::{
    CorruptReason, Corruption, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind,
    LOG_HEADER_BYTES, LogHeader, LogKey, SECTOR, SECTOR_BYTES, ScanError, offset_of,
};
use crate::canary::{Canary, is_planted};
use crate::ids::{Lsn, Slot};
use crate::stream::ByteSource;

/// Where the next frame is expected, and what it must follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk {
    /// Where the next frame begins.
    pub offset: u64,
    /// The newest LSN so far; the file header's `begins_after` before the first frame.
    pub last_lsn: Lsn,
    /// The newest slot so far.
    pub last_slot: Slot,
    /// What the next frame chains to.
    pub chain: u32,
    /// What frames of this database are known by.
    pub key: LogKey,
}

impl Walk {
    /// Starts at the first frame of a log.
    #[must_use]
    pub fn new(header: &LogHeader) -> Self {
        Self {
            offset: offset_of(LOG_HEADER_BYTES),
            last_lsn: header.begins_after,
            last_slot: Slot(0),
            chain: header.chain_start,
            key: LogKey::new(&header.config),
        }
    }

    /// The LSN that the next record must have.
    #[must_use]
    pub const fn expected_lsn(&self) -> Lsn {
        Lsn(self.last_lsn.0 + 1)
    }

    /// Reads the next frame of a file of `file_bytes` into `buffer`, which holds
    /// [`FRAME_BYTES_MAX`]. `None` where there is no valid frame; the walk has not moved then, nor
    /// after an error.
    pub fn next<'b, S: ByteSource>(
        &mut self,
        source: &mut S,
        file_bytes: u64,
        buffer: &'b mut [u8],
    ) -> Result<Option<Frame<'b>>, ScanError<S::Error>> {
        assert!(
            buffer.len() >= FRAME_BYTES_MAX,
            "the buffer holds any frame there may be"
        );
        if file_bytes.saturating_sub(self.offset) < SECTOR {
            return Ok(None);
        }
        source
            .read_at(self.offset, &mut buffer[..SECTOR_BYTES])
            .map_err(ScanError::Source)?;
        let head = buffer.first_chunk::<FRAME_HEADER_BYTES>();
        let head = head.expect("a sector is longer than a frame header");
        let header = match FrameHeader::parse(head, &self.key) {
            Ok(header) => header,
            Err(HeaderFault::Invalid) => return Ok(None),
            Err(HeaderFault::Unknown) => {
                return Err(self.corruption(CorruptReason::HeaderUnknown).into());
            }
        };
        self.check_header(&header)?;
        let frame_len = header.frame_len();
        assert!(frame_len <= buffer.len(), "a decoded length is bounded");
        let is_cut = file_bytes - self.offset < offset_of(frame_len);
        if is_cut && !is_planted(Canary::FrameLengthTrusted) {
            return Ok(None);
        }
        source
            .read_at(self.offset + SECTOR, &mut buffer[SECTOR_BYTES..frame_len])
            .map_err(ScanError::Source)?;
        if crc32c::crc32c(&buffer[FRAME_HEADER_BYTES..frame_len]) != header.payload_crc {
            return Ok(None);
        }
        let payload_end = FRAME_HEADER_BYTES + header.payload_len as usize;
        let frame = Frame {
            offset: self.offset,
            header,
            bytes: &buffer[..frame_len],
            payload: &buffer[FRAME_HEADER_BYTES..payload_end],
        };
        self.check_payload(&frame)?;
        self.advance(&frame);
        Ok(Some(frame))
    }

    /// A corruption at the walk's place.
    pub(super) fn corruption(&self, reason: CorruptReason) -> Corruption {
        Corruption {
            offset: self.offset,
            expected_lsn: self.expected_lsn(),
            newest_lsn: self.last_lsn,
            reason,
        }
    }

    fn check_header(&self, header: &FrameHeader) -> Result<(), Corruption> {
        let fault = if header.database_id != self.key.database_id {
            CorruptReason::ForeignDatabase {
                found: header.database_id,
            }
        } else if header.first_lsn != self.expected_lsn() {
            CorruptReason::LsnDoesNotFollow {
                found: header.first_lsn,
            }
        } else if header.chain != self.chain {
            CorruptReason::ChainBroken
        } else if header.request_slot < self.last_slot {
            CorruptReason::SlotWentBack {
                found: header.request_slot,
                last_slot: self.last_slot,
            }
        } else if header.durable_lsn > self.last_lsn {
            CorruptReason::DurableLsnAhead {
                found: header.durable_lsn,
            }
        } else {
            return Ok(());
        };
        Err(self.corruption(fault))
    }

    fn check_payload(&self, frame: &Frame<'_>) -> Result<(), Corruption> {
        if let Some(marker) = frame.marker() {
            return if marker.anchor_lsn <= self.last_lsn {
                Ok(())
            } else {
                let anchor_lsn = marker.anchor_lsn;
                Err(self.corruption(CorruptReason::MarkerAhead { anchor_lsn }))
            };
        }
        let mut commands = frame.commands();
        let count = commands.by_ref().count();
        let is_whole = count == frame.header.record_count as usize && commands.rest().is_empty();
        if is_whole {
            Ok(())
        } else {
            let lsn = commands.next_lsn();
            Err(self.corruption(CorruptReason::RecordMalformed { lsn }))
        }
    }

    fn advance(&mut self, frame: &Frame<'_>) {
        assert!(
            frame.header.last_lsn() >= self.last_lsn,
            "a log's LSNs only grow"
        );
        assert!(
            frame.header.kind == FrameKind::Commands || frame.header.record_count == 0,
            "only commands take LSNs"
        );
        self.offset = frame.end_offset();
        self.last_lsn = frame.header.last_lsn();
        self.last_slot = frame.header.request_slot;
        self.chain = frame.header.chain_to_next();
    }
}
