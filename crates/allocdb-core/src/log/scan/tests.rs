//! The scan and its judgement: each rule by itself, every damage of whole logs, every crash.

mod crash;
mod crash_disk;
mod damage;
mod proof;
mod rules;

use super::{LogEnd, Tail, Verdict, scan_and_judge};
use crate::ids::Lsn;
use crate::log::fixture::LogWriter;
use crate::log::{Corruption, LogHeader, ScanError};

/// A judgement, right or planted.
type Judge = fn(&Tail) -> Verdict;

/// Reads an image; `Ok` only if its frames are, byte for byte, the first ones of `written`.
fn read(
    image: &[u8],
    header: &LogHeader,
    written: &[u8],
    buffer: &mut [u8],
    judge: Judge,
) -> Result<LogEnd, Corruption> {
    let mut source = image;
    let mut end_offset = 4096;
    let answer = scan_and_judge(
        &mut source,
        header,
        None,
        buffer,
        |frame| {
            assert_eq!(frame.offset, end_offset, "frames lie side by side");
            end_offset = frame.end_offset();
            Ok(())
        },
        judge,
    );
    match answer {
        Ok(end) => {
            assert_eq!(end.end_offset, end_offset);
            let len = usize::try_from(end_offset).expect("fits");
            assert!(image[4096..len] == written[4096..len], "silently wrong");
            Ok(end)
        }
        Err(ScanError::Corrupt(corruption)) => Err(corruption),
        Err(ScanError::Source(never)) => match never {},
    }
}

/// What the scan must say of an undamaged log with `sectors` free behind it; of the walk to the
/// unproven frames, only the offset is foretold.
fn whole_end(log: &LogWriter, sectors: usize, found: &LogEnd) -> LogEnd {
    let last = log.frames.last().expect("a log with frames");
    let proven = log
        .frames
        .iter()
        .filter(|frame| frame.is_synced || frame.durable_lsn == frame.lsn_before)
        .map(|frame| frame.start);
    let proven = proven.max().expect("the first frame follows nothing");
    let durable_lsn = log.frames.iter().map(|frame| frame.durable_lsn).max();
    LogEnd {
        end_offset: last.end as u64,
        torn_bytes: 0,
        file_bytes: (last.end + sectors * 512) as u64,
        last_lsn: Lsn(log.last_lsn),
        last_slot: crate::ids::Slot(log.last_slot),
        chain: log.chain,
        durable_lsn: Lsn(durable_lsn.unwrap_or(0)),
        unproven: crate::log::Walk {
            offset: (proven as u64).max(log.header.synced_bytes),
            ..found.unproven
        },
        frames: log.frames.len() as u64,
        records: log.last_lsn,
        newest_marker: log.frames.iter().rev().find_map(|placed| {
            let payload = &log.bytes[placed.start + 64..];
            (log.bytes[placed.start + 6] == 2).then(|| crate::log::Marker {
                anchor_lsn: Lsn(u64::from_le_bytes(*payload.first_chunk().unwrap())),
                snapshot_crc: 0xC0FF_EE00,
            })
        }),
        is_sealed: log.bytes[last.start + 6] == 3,
    }
}
