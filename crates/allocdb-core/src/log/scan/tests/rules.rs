//! Each rule by itself, and each thing that is corrupt whatever the checksums say.

#![allow(clippy::cast_possible_truncation, reason = "test files are small")]

use super::{read, whole_end};
use crate::ids::{Lsn, Slot};
use crate::log::fixture::{Ending, LogWriter, create, key, long_log, scan_buffer};
use crate::log::scan::{STEP_BYTES, judge};
use crate::log::{
    CorruptReason, Corruption, EncodedFrame, Frame, FrameBuilder, FrameMeta, LogEnd, LogHeader,
    LogKey, ScanError, Walk, scan,
};

pub(super) fn scan_file(
    log: &LogWriter,
    file: &[u8],
    snapshot: Option<u64>,
) -> Result<LogEnd, Corruption> {
    let mut source = file;
    let visit = |_: &Frame<'_>| Ok(());
    scan(
        &mut source,
        &log.header,
        snapshot.map(Lsn),
        &mut scan_buffer(),
        visit,
    )
    .map_err(|error| match error {
        ScanError::Corrupt(corruption) => corruption,
        ScanError::Source(never) => match never {},
    })
}

pub(super) fn reason(answer: Result<LogEnd, Corruption>) -> CorruptReason {
    answer.expect_err("corrupt").reason
}

/// One command in one sector, with any header field and key.
pub(super) fn forge(log: &mut LogWriter, key: &LogKey, change: impl FnOnce(&mut FrameMeta)) {
    log.add(|buffer, meta| {
        let mut meta = *meta;
        change(&mut meta);
        one_command(buffer, key, &meta)
    });
}

pub(super) fn one_command(buffer: &mut [u8], key: &LogKey, meta: &FrameMeta) -> EncodedFrame {
    let mut builder = FrameBuilder::new(buffer);
    assert!(builder.push(&create(77)));
    builder.finish(key, meta)
}

pub(super) fn three_frames(is_synced: bool) -> LogWriter {
    let mut log = LogWriter::new(is_synced);
    for sectors in [1, 2, 1] {
        log.commands(sectors);
    }
    log
}

#[test]
fn a_whole_log_reads_back_whatever_it_ends_with() {
    let mut buffer = scan_buffer();
    for ending in [Ending::Synced, Ending::Unsynced, Ending::Seal] {
        for sectors in [1, 2, 300] {
            let log = long_log(ending);
            let file = log.file(sectors);
            let end = read(&file, &log.header, &log.bytes, &mut buffer, judge);
            let end = end.expect("undamaged");
            assert_eq!(end, whole_end(&log, sectors, &end), "{ending:?}");
        }
    }
}

#[test]
fn a_fresh_log_ends_cleanly_where_it_begins() {
    let log = LogWriter::new(true);
    let end = scan_file(&log, &log.file(1), None).expect("clean");
    assert_eq!((end.end_offset, end.torn_bytes, end.frames), (4096, 0, 0));
    assert_eq!((end.last_lsn, end.unproven.offset), (Lsn(0), 4096));
}

#[test]
fn a_log_may_begin_after_any_lsn() {
    let mut log = LogWriter::new(true);
    log.header = LogHeader {
        begins_after: Lsn(900),
        chain_start: 0xABCD,
        ..log.header
    };
    (log.last_lsn, log.durable_lsn, log.chain) = (900, 900, 0xABCD);
    log.commands(1);
    let end = scan_file(&log, &log.file(1), Some(902)).expect("clean");
    assert_eq!((end.last_lsn, end.durable_lsn), (Lsn(902), Lsn(900)));
}

#[test]
fn a_file_may_end_inside_a_sector_of_zeros_only() {
    let log = three_frames(true);
    let mut file = log.file(2);
    file.truncate(file.len() - 100);
    let end = scan_file(&log, &file, None).expect("a growth that was cut short");
    assert_eq!(end.file_bytes, file.len() as u64 - 412);
    *file.last_mut().expect("not empty") = 1;
    let file_bytes = file.len() as u64;
    let answer = scan_file(&log, &file, None);
    assert_eq!(reason(answer), CorruptReason::FileCut { file_bytes });
}

#[test]
fn rule_3_a_damaged_header_of_the_last_frame_is_corruption_and_not_torn() {
    for is_synced in [true, false] {
        let log = three_frames(is_synced);
        let mut file = log.file(4);
        file[log.frames[2].start + 9] ^= 0x10;
        let corruption = scan_file(&log, &file, None).expect_err("damaged");
        assert_eq!(corruption.reason, CorruptReason::HeaderDamaged);
        assert_eq!(corruption.offset, log.frames[2].start as u64);
        assert_eq!(corruption.expected_lsn, Lsn(5));
    }
}

#[test]
fn rule_4_a_power_cut_that_left_the_odd_sectors_of_two_unsynced_frames_is_torn() {
    // Legal under `sync = os`: of the first frame only its first sector reached the disk, of the
    // second only its second.
    let mut log = LogWriter::new(false);
    log.commands(1);
    log.commands(2);
    log.commands(2);
    let (first, second) = (log.frames[1], log.frames[2]);
    let mut file = log.file(4);
    file[first.start + 512..first.end].fill(0);
    file[second.start..second.start + 512].fill(0);
    let end = scan_file(&log, &file, None).expect("a legal power cut");
    assert_eq!(end.end_offset, first.start as u64);
    assert_eq!(end.torn_bytes, (second.end - first.start) as u64);
    assert_eq!(end.last_lsn, Lsn(2));
}

#[test]
fn rule_4_nothing_lies_behind_a_torn_frame_under_full_sync() {
    let mut log = LogWriter::new(true);
    log.commands(2);
    let mut file = log.file(4);
    file[4096 + 512..4096 + 1024].fill(0);
    let end = scan_file(&log, &file, None).expect("torn");
    assert_eq!((end.end_offset, end.torn_bytes), (4096, 512));
    file[4096 + 1024 + 600] = 1;
    let answer = scan_file(&log, &file, None);
    assert_eq!(reason(answer), CorruptReason::ContentDamaged);
}

#[test]
fn rule_5_a_frame_whose_sectors_are_all_there_was_changed_and_is_not_torn() {
    for is_synced in [true, false] {
        let log = three_frames(is_synced);
        let mut file = log.file(4);
        let last = log.frames[2];
        file[last.end - 1] = 0; // one byte of padding
        let answer = scan_file(&log, &file, None);
        assert_eq!(reason(answer), CorruptReason::ContentDamaged);
    }
}

#[test]
fn rule_5_zeros_at_the_end_of_a_payload_are_no_zero_sector() {
    // A frame that were padded with zeros could have an all-zero last sector, and would be taken
    // for torn whenever anything in it changed.
    let mut log = LogWriter::new(true);
    log.commands(2);
    let mut file = log.file(2);
    assert!(file[4096 + 512..4096 + 1024].contains(&0xA5));
    file[4096 + 70] ^= 1;
    let answer = scan_file(&log, &file, None);
    assert_eq!(reason(answer), CorruptReason::ContentDamaged);
}

#[test]
fn what_no_writer_writes_is_corruption_under_right_checksums() {
    type Change = fn(&mut FrameMeta);
    let cases: [(Change, CorruptReason); 4] = [
        (
            |meta| meta.first_lsn = Lsn(8),
            CorruptReason::LsnDoesNotFollow { found: Lsn(8) },
        ),
        (|meta| meta.chain ^= 1, CorruptReason::ChainBroken),
        (
            |meta| meta.request_slot = Slot(2),
            CorruptReason::SlotWentBack {
                found: Slot(2),
                last_slot: Slot(3),
            },
        ),
        (
            |meta| (meta.first_lsn, meta.durable_lsn) = (Lsn(7), Lsn(6)),
            CorruptReason::HeaderUnknown,
        ),
    ];
    for (change, expected) in cases {
        let mut log = three_frames(true);
        forge(&mut log, &key(), change);
        if expected == CorruptReason::HeaderUnknown {
            let start = log.frames[3].start;
            log.bytes[start + 4] = 2;
            let crc = key().header_crc(&log.bytes[start..start + 60]);
            log.bytes[start + 60..start + 64].copy_from_slice(&crc.to_le_bytes());
        }
        let corruption = scan_file(&log, &log.file(1), None).expect_err("corrupt");
        assert_eq!(corruption.reason, expected);
        assert_eq!(corruption.offset, log.frames[3].start as u64);
        assert_eq!(corruption.expected_lsn, Lsn(7));
        assert!(!corruption.to_string().is_empty());
    }
}

#[test]
fn a_durable_lsn_above_what_precedes_is_corruption() {
    let mut log = three_frames(true);
    // The writer refuses to encode it, so the field is forged.
    forge(&mut log, &key(), |_| ());
    let start = log.frames[3].start;
    log.bytes[start + 40] = 7;
    let crc = key().header_crc(&log.bytes[start..start + 60]);
    log.bytes[start + 60..start + 64].copy_from_slice(&crc.to_le_bytes());
    let expected = CorruptReason::DurableLsnAhead { found: Lsn(7) };
    assert_eq!(reason(scan_file(&log, &log.file(1), None)), expected);
}

#[test]
fn a_foreign_frame_is_corruption() {
    let mut log = three_frames(true);
    let mut other = crate::config::tests::sample();
    other.database_id += 1;
    forge(&mut log, &LogKey::new(&other), |_| ());
    let expected = CorruptReason::ForeignDatabase { found: 0xD1 };
    assert_eq!(reason(scan_file(&log, &log.file(1), None)), expected);
}

#[test]
fn records_that_do_not_decode_are_corruption_under_right_checksums() {
    for (at, value) in [(64 + 4, 99), (24, 3), (28, 44)] {
        let mut log = three_frames(true);
        forge(&mut log, &key(), |_| ());
        let start = log.frames[3].start;
        log.bytes[start + at] = value; // a tag, the count, the length
        let payload_crc = crc32c::crc32c(&log.bytes[start + 64..start + 512]);
        log.bytes[start + 52..start + 56].copy_from_slice(&payload_crc.to_le_bytes());
        let crc = key().header_crc(&log.bytes[start..start + 60]);
        log.bytes[start + 60..start + 64].copy_from_slice(&crc.to_le_bytes());
        let answer = scan_file(&log, &log.file(1), None);
        let lsn = Lsn(if at == 24 { 8 } else { 7 });
        assert_eq!(reason(answer), CorruptReason::RecordMalformed { lsn });
    }
}

#[test]
fn a_marker_ahead_of_its_log_is_corruption() {
    let mut log = three_frames(true);
    log.checkpoint(6);
    log.header.synced_bytes = 4096;
    let start = log.frames[3].start;
    log.bytes[start + 64] = 7;
    let payload_crc = crc32c::crc32c(&log.bytes[start + 64..start + 512]);
    log.bytes[start + 52..start + 56].copy_from_slice(&payload_crc.to_le_bytes());
    let crc = key().header_crc(&log.bytes[start..start + 60]);
    log.bytes[start + 60..start + 64].copy_from_slice(&crc.to_le_bytes());
    let anchor_lsn = Lsn(7);
    let expected = CorruptReason::MarkerAhead { anchor_lsn };
    assert_eq!(reason(scan_file(&log, &log.file(1), None)), expected);
}

#[test]
fn a_frame_out_of_another_history_breaks_the_chain() {
    // Same database, same LSN, same length, right checksums: only the chain of the next frame can
    // tell. A chain that covers its own checksum is constant, and would not.
    let log = three_frames(true);
    let mut other = LogWriter::new(true);
    other.commands(1);
    other.last_slot = 0;
    other.commands(2);
    let placed = log.frames[1];
    assert_ne!(
        log.bytes[placed.start..placed.end],
        other.bytes[placed.start..placed.end]
    );
    let mut file = log.file(1);
    file[placed.start..placed.end].copy_from_slice(&other.bytes[placed.start..placed.end]);
    let corruption = scan_file(&log, &file, None).expect_err("spliced");
    assert_eq!(corruption.reason, CorruptReason::ChainBroken);
    assert_eq!(corruption.offset, log.frames[2].start as u64);
}

#[test]
fn what_the_visitor_refuses_is_corruption_at_its_frame() {
    // R69: whoever replays finds an operation id that is not new.
    let log = three_frames(true);
    let lsn = Lsn(3);
    let file = log.file(1);
    let mut source = &file[..];
    let answer = scan(
        &mut source,
        &log.header,
        None,
        &mut scan_buffer(),
        |frame| {
            if frame.header.first_lsn == lsn {
                Err(CorruptReason::OperationRepeated { lsn })
            } else {
                Ok(())
            }
        },
    );
    let Err(ScanError::Corrupt(corruption)) = answer else {
        panic!("refused");
    };
    assert_eq!(corruption.reason, CorruptReason::OperationRepeated { lsn });
    assert_eq!((corruption.offset, corruption.expected_lsn), (4608, lsn));
    assert_eq!(
        corruption.newest_lsn,
        Lsn(6),
        "the frames behind it are told of"
    );
}

#[test]
fn rubbish_is_found_however_far_behind_the_log() {
    let log = three_frames(true);
    let mut file = log.file(5 * STEP_BYTES / 512 / 2);
    let last = file.len() - 1;
    for at in [
        log.bytes.len() + STEP_BYTES - 1,
        log.bytes.len() + STEP_BYTES,
        last,
    ] {
        file[at] = 1;
        let end = scan_file(&log, &file, None).expect("never fully written");
        let sector_end = (at + 1).next_multiple_of(512);
        assert_eq!(end.torn_bytes as usize, sector_end - log.bytes.len());
        assert_eq!(end.end_offset as usize, log.bytes.len());
        file[at] = 0;
    }
}

#[test]
fn a_walk_goes_on_where_it_stopped() {
    let mut log = three_frames(true);
    let mut buffer = scan_buffer();
    let mut walk = Walk::new(&log.header);
    let mut count = 0;
    for _ in 0..3 {
        let file = log.file(1);
        let mut source = &file[..];
        while let Ok(Some(_)) = walk.next(&mut source, file.len() as u64, &mut buffer) {
            count += 1;
        }
        assert_eq!(
            (count, walk.offset as usize),
            (log.frames.len(), log.bytes.len())
        );
        log.commands(2);
    }
}

#[test]
fn a_source_that_fails_is_told_apart_from_a_log_that_is_damaged() {
    struct Failing<'a>(&'a [u8], u64);
    impl crate::stream::ByteSource for Failing<'_> {
        type Error = &'static str;
        fn len(&mut self) -> Result<u64, Self::Error> {
            Ok(self.0.len() as u64)
        }
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Self::Error> {
            if offset >= self.1 {
                return Err("EIO");
            }
            let start = usize::try_from(offset).expect("fits");
            out.copy_from_slice(&self.0[start..start + out.len()]);
            Ok(())
        }
    }
    let log = three_frames(true);
    let file = log.file(2);
    for at in (4096..file.len() as u64 - 512).step_by(512) {
        let mut source = Failing(&file, at);
        let answer = scan(&mut source, &log.header, None, &mut scan_buffer(), |_| {
            Ok(())
        });
        assert_eq!(answer, Err(ScanError::Source("EIO")), "at {at}");
    }
}
