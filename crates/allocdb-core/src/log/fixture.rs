//! Logs for the tests: frames of chosen sizes and kinds, one behind the other, in memory.

#![allow(clippy::cast_possible_truncation, reason = "test values fit")]

use super::{
    EncodedFrame, FRAME_BYTES_MAX, FrameBuilder, FrameMeta, LOG_HEADER_BYTES, LogHeader, LogKey,
    Marker, SECTOR_BYTES, encode_marker, encode_seal,
};
use crate::command::{Action, Command, ResourceIds};
use crate::config::tests::sample;
use crate::ids::{HolderId, Lsn, OperationId, ResourceId, Slot};

/// Room for any frame; the memory is not touched before it is used.
pub(super) fn scan_buffer() -> Vec<u8> {
    vec![0; FRAME_BYTES_MAX]
}

pub(super) fn key() -> LogKey {
    LogKey::new(&sample())
}

/// Distinct ids, none zero.
pub(super) fn ids(count: usize) -> Vec<[u8; 16]> {
    (1..=count as u128)
        .map(|id| (id << 64 | id).to_le_bytes())
        .collect()
}

pub(super) fn create(operation_id: u128) -> Command<'static> {
    Command {
        operation_id: OperationId(operation_id),
        valid_until_slot: Slot(0),
        action: Action::CreateResource {
            resource_id: ResourceId(operation_id << 1),
        },
    }
}

pub(super) fn reserve(operation_id: u128, ids: &[[u8; 16]]) -> Command<'_> {
    Command {
        operation_id: OperationId(operation_id),
        valid_until_slot: Slot(9),
        action: Action::Reserve {
            resource_ids: ResourceIds::new(ids),
            holder_id: HolderId(5),
            ttl_slots: 7,
        },
    }
}

/// Where a frame of a [`LogWriter`] stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) is_synced: bool,
    /// The newest LSN before it.
    pub(super) lsn_before: u64,
    pub(super) durable_lsn: u64,
}

/// A log under construction, as a writer keeps it.
#[derive(Clone, Debug)]
pub(super) struct LogWriter {
    pub(super) header: LogHeader,
    /// File header and frames, no tail.
    pub(super) bytes: Vec<u8>,
    pub(super) frames: Vec<Placed>,
    pub(super) last_lsn: u64,
    pub(super) durable_lsn: u64,
    pub(super) last_slot: u64,
    pub(super) chain: u32,
    pub(super) is_synced: bool,
}

impl LogWriter {
    pub(super) fn new(is_synced: bool) -> Self {
        let header = LogHeader::fresh(sample());
        Self {
            header,
            bytes: header.encode().to_vec(),
            frames: Vec::new(),
            last_lsn: 0,
            durable_lsn: 0,
            last_slot: 0,
            chain: header.chain_start,
            is_synced,
        }
    }

    pub(super) fn meta(&self) -> FrameMeta {
        FrameMeta {
            is_synced: self.is_synced,
            first_lsn: Lsn(self.last_lsn + 1),
            request_slot: Slot(self.last_slot),
            durable_lsn: Lsn(self.durable_lsn),
            chain: self.chain,
        }
    }

    /// Adds what a closure encodes, as it is.
    pub(super) fn add(&mut self, encode: impl FnOnce(&mut [u8], &FrameMeta) -> EncodedFrame) {
        let mut buffer = [0xEE; 16 * SECTOR_BYTES];
        let meta = self.meta();
        let encoded = encode(&mut buffer, &meta);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&buffer[..encoded.len]);
        self.frames.push(Placed {
            start,
            end: self.bytes.len(),
            is_synced: meta.is_synced,
            lsn_before: self.last_lsn,
            durable_lsn: meta.durable_lsn.0,
        });
        self.last_lsn = encoded.last_lsn.0;
        self.chain = encoded.chain;
    }

    /// A frame of commands that fills exactly `sectors`; under `sync = full` it is durable then.
    pub(super) fn commands(&mut self, sectors: usize) {
        self.last_slot += 1;
        let next_lsn = u128::from(self.last_lsn + 1);
        let ids = ids(1 + (sectors - 1) * 32);
        self.add(|buffer, meta| {
            let mut builder = FrameBuilder::new(buffer);
            assert!(builder.push(&reserve(next_lsn, &ids)));
            assert!(builder.push(&create(next_lsn + 1)));
            builder.finish(&key(), meta)
        });
        let placed = self.frames.last().expect("just added");
        assert_eq!(placed.end - placed.start, sectors * SECTOR_BYTES);
        if self.is_synced {
            self.durable_lsn = self.last_lsn;
        }
    }

    /// Syncs, and adds a seal.
    pub(super) fn seal(&mut self) {
        self.durable_lsn = self.last_lsn;
        let is_synced = self.is_synced;
        self.is_synced = true;
        self.add(|buffer, meta| encode_seal(buffer, &key(), meta));
        self.is_synced = is_synced;
    }

    /// A marker, and everything so far counts as copied in before the file got its name.
    pub(super) fn checkpoint(&mut self, anchor_lsn: u64) {
        let marker = Marker {
            anchor_lsn: Lsn(anchor_lsn),
            snapshot_crc: 0xC0FF_EE00,
        };
        self.durable_lsn = self.last_lsn;
        self.add(|buffer, meta| encode_marker(buffer, &key(), meta, marker));
        self.header.synced_bytes = self.bytes.len() as u64;
        self.bytes[..LOG_HEADER_BYTES].copy_from_slice(&self.header.encode());
    }

    /// The file: header, frames, and `sectors` of zeros.
    pub(super) fn file(&self, sectors: usize) -> Vec<u8> {
        let mut file = self.bytes.clone();
        file.resize(file.len() + sectors * SECTOR_BYTES, 0);
        file
    }
}

/// How a log ends that [`long_log`] makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// A frame under `sync = full`, whose sync may or may not have returned.
    Synced,
    /// Frames under `sync = os` since the last open.
    Unsynced,
    /// A seal.
    Seal,
}

/// More than twenty frames of every kind: a checkpoint's copied part with two markers, seals,
/// several openings under either sync, frames of one to four sectors.
pub(super) fn long_log(ending: Ending) -> LogWriter {
    let mut log = LogWriter::new(true);
    log.commands(1);
    log.checkpoint(2);
    log.commands(2);
    log.commands(1);
    log.checkpoint(4);
    for sectors in [1, 3, 1] {
        log.commands(sectors);
    }
    log.seal();
    log.is_synced = false;
    for sectors in [1, 2, 1] {
        log.commands(sectors);
    }
    // The kernel was told to sync here, for a checkpoint that then failed.
    log.durable_lsn = log.last_lsn;
    for sectors in [2, 1] {
        log.commands(sectors);
    }
    log.seal();
    log.is_synced = true;
    for sectors in [1, 1, 4, 1, 2] {
        log.commands(sectors);
    }
    match ending {
        Ending::Synced => log.commands(3),
        Ending::Unsynced => {
            log.seal();
            log.is_synced = false;
            for sectors in [2, 1, 3, 1] {
                log.commands(sectors);
            }
        }
        Ending::Seal => log.seal(),
    }
    assert!(log.frames.len() >= 20, "{} frames", log.frames.len());
    log
}
