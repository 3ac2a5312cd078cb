//! The log: a file header, then frames, one a commit; and the scan that reads them back and tells
//! an unfinished write from damage.
//!
//! | file | subject |
//! |---|---|
//! | [`header`] | the block at the front of the file |
//! | [`frame`] | a frame's bytes and what they say |
//! | [`build`] | encoding a frame into a caller's buffer |
//! | [`walk`] | one valid frame after the other |
//! | [`scan`] | the whole log, and the judgement over its end |
//! | [`follow`] | a log that somebody else writes: what is durable, and no judgement |
//! | [`repair`] | what recovery must write before it may trust what it read |
//!
//! Everything here is bytes in, values out: files, syncs and preallocation are the engine's. Memory
//! comes from the caller, one buffer of [`FRAME_BYTES_MAX`], whatever the bytes say.
//!
//! Rejected: a sync marker or a separate file that says where the log ends. It would have to be
//! synced in its turn, at the price of a second sync a commit.

pub mod build;
pub mod corruption;
pub mod follow;
pub mod frame;
pub mod header;
pub mod repair;
pub mod scan;
pub mod walk;

pub use build::{
    EncodedFrame, FrameBuilder, FrameMeta, FramePosition, FrameSieve, encode_marker, encode_seal,
};
pub use corruption::{CorruptReason, Corruption, ScanError};
pub use follow::Follow;
pub use frame::{Commands, Frame, FrameHeader, FrameKind, LogKey, Marker, commands};
pub use header::{LogHeader, LogHeaderError};
pub use repair::Repair;
pub use scan::{LogEnd, scan};
pub use walk::Walk;

use crate::codec::EXPIRE_DUE_BYTES;

/// The unit that a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;
/// The file header: one block.
pub const LOG_HEADER_BYTES: usize = 4096;
/// A frame's header.
pub const FRAME_HEADER_BYTES: usize = 64;
/// The greatest sum of records that a commit of client commands may have.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// The greatest frame: the greatest batch, the header, and the `expire_due` that the engine may
/// put in front, in whole sectors. Part of the format: a reader needs no larger buffer, ever.
pub const FRAME_BYTES_MAX: usize =
    (FRAME_HEADER_BYTES + EXPIRE_DUE_BYTES + BATCH_BYTES_MAX).next_multiple_of(SECTOR_BYTES);
/// The version of the log's format, in the file header and in every frame.
pub const LOG_VERSION: u16 = 1;

const _: () = assert!(LOG_HEADER_BYTES.is_multiple_of(SECTOR_BYTES));
const _: () = assert!(FRAME_BYTES_MAX == BATCH_BYTES_MAX + SECTOR_BYTES);
const _: () = assert!(FRAME_BYTES_MAX <= u32::MAX as usize);

/// File offsets are `u64`, buffers `usize`: the same width wherever this runs.
pub(crate) const fn offset_of(len: usize) -> u64 {
    len as u64
}

const SECTOR: u64 = offset_of(SECTOR_BYTES);
const ZERO_SECTOR: [u8; SECTOR_BYTES] = [0; SECTOR_BYTES];

#[cfg(test)]
mod fixture;
