//! A baseline: a snapshot, and an empty log that begins after it. What a growth leaves of a
//! database, and what a backup makes of one.
//!
//! The log holds nothing but the snapshot's marker, so the checkpoint at the snapshot counts as
//! complete, and a snapshot of another moment under the same name is told by its checksum. Files
//! are written under temporary names; giving them their own, in which order, and between which
//! syncs, is the caller's, whose crashes differ.

use allocdb_core::log::{
    FrameMeta, LOG_HEADER_BYTES, LogHeader, LogKey, Marker, SECTOR_BYTES, encode_marker,
};
use allocdb_core::snapshot::{self, Overrides, SnapshotInfo};
use allocdb_core::state::State;
use allocdb_core::{Config, Lsn, Slot};

use crate::error::{FileName, IoError};
use crate::storage::{FileMode, Storage};
use crate::wal::{Anchor, FileSink, Tail, write_zeros};

const HEADER: u64 = LOG_HEADER_BYTES as u64;
const SECTOR: u64 = SECTOR_BYTES as u64;

/// Writes a snapshot to a new file. It is not synced.
pub(crate) fn write_snapshot<S: Storage>(
    storage: &S,
    name: FileName,
    state: &State,
    overrides: &Overrides,
) -> Result<(S::File, SnapshotInfo), IoError> {
    let file = storage.open(name, FileMode::Create)?;
    let mut sink = FileSink {
        storage,
        file: &file,
        offset: 0,
    };
    let info = snapshot::encode_as(state, overrides, &[], &mut sink)?;
    assert!(
        info.bytes == sink.offset,
        "a snapshot is as long as it says"
    );
    Ok((file, info))
}

/// Where an empty log begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    /// What its header has.
    pub(crate) config: Config,
    /// The LSN that it begins after.
    pub(crate) lsn: Lsn,
    /// That LSN's slot.
    pub(crate) slot: Slot,
    /// What its first frame chains to.
    pub(crate) chain: u32,
    /// The checksum of the snapshot at `lsn`; none where that is 0, before which nothing happened.
    pub(crate) snapshot_crc: Option<u32>,
    /// The step by which it grows, in whole sectors.
    pub(crate) prealloc_bytes: u64,
}

/// Writes an empty log to a new file, and syncs it.
pub(crate) fn write_log<S: Storage>(
    storage: &S,
    name: FileName,
    start: &Start,
) -> Result<(S::File, Tail, Option<Anchor>), IoError> {
    assert!(
        start.snapshot_crc.is_some() == (start.lsn > Lsn(0)),
        "a log without its beginning has a snapshot"
    );
    let mut marker = [0; SECTOR_BYTES];
    let encoded = start.snapshot_crc.map(|snapshot_crc| {
        let meta = FrameMeta {
            is_synced: true,
            first_lsn: Lsn(start.lsn.0 + 1),
            request_slot: start.slot,
            durable_lsn: start.lsn,
            chain: start.chain,
        };
        let anchor_lsn = start.lsn;
        let key = LogKey::new(&start.config);
        let said = Marker {
            anchor_lsn,
            snapshot_crc,
        };
        encode_marker(&mut marker, &key, &meta, said)
    });
    let end_offset = HEADER + encoded.map_or(0, |_| SECTOR);
    let file_bytes = (end_offset + SECTOR).next_multiple_of(start.prealloc_bytes);
    let header = LogHeader {
        config: start.config,
        begins_after: start.lsn,
        synced_bytes: end_offset,
        chain_start: start.chain,
    };
    let file = storage.open(name, FileMode::Create)?;
    storage.write_at(&file, 0, &header.encode())?;
    if encoded.is_some() {
        storage.write_at(&file, HEADER, &marker)?;
    }
    write_zeros(storage, &file, end_offset, file_bytes)?;
    storage.sync_all(&file)?;

    let tail = Tail {
        begins_after: start.lsn,
        chain_start: start.chain,
        end_offset,
        file_bytes,
        last_lsn: start.lsn,
        last_slot: start.slot,
        durable_lsn: start.lsn,
        chain: encoded.map_or(start.chain, |encoded| encoded.chain),
        is_sealed: false,
        checkpoint_offset: end_offset,
    };
    let anchor = encoded.map(|_| Anchor {
        lsn: start.lsn,
        offset: HEADER,
        chain: start.chain,
        is_complete: true,
    });
    Ok((file, tail, anchor))
}
