//! The first rule of a log's end: each thing that proves a place durable, and what does not.

#![allow(clippy::cast_possible_truncation, reason = "test files are small")]

use super::rules::{forge, reason, scan_file, three_frames};
use crate::ids::Lsn;
use crate::log::fixture::LogWriter;
use crate::log::{CorruptReason, LogKey};

#[test]
fn rule_1_a_snapshot_ahead_of_its_log_is_corruption() {
    let log = three_frames(true);
    let file = log.file(2);
    assert!(scan_file(&log, &file, Some(6)).is_ok(), "level with it");
    let corruption = scan_file(&log, &file, Some(7)).expect_err("ahead of it");
    let snapshot_lsn = Lsn(7);
    assert_eq!(
        corruption.reason,
        CorruptReason::ProvenBySnapshot { snapshot_lsn }
    );
    assert_eq!(
        (corruption.expected_lsn, corruption.newest_lsn),
        (Lsn(7), Lsn(7))
    );

    // Also where the last frame looks torn: its LSNs 5 and 6 were durable before the snapshot was.
    let mut torn = file.clone();
    torn[log.frames[2].start..].fill(0);
    assert!(scan_file(&log, &torn, Some(4)).is_ok());
    assert!(scan_file(&log, &torn, Some(5)).is_err());
}

#[test]
fn rule_1_nothing_is_torn_in_the_part_that_was_synced_before_the_file_had_its_name() {
    let mut log = LogWriter::new(false);
    log.commands(2);
    log.checkpoint(2);
    let synced_bytes = log.header.synced_bytes;
    let mut file = log.file(2);
    file[4096 + 512..].fill(0);
    let expected = CorruptReason::BelowSynced { synced_bytes };
    assert_eq!(reason(scan_file(&log, &file, None)), expected);
    file[4096..].fill(0);
    assert_eq!(reason(scan_file(&log, &file, None)), expected);
}

#[test]
fn rule_1_a_later_frame_under_full_sync_or_with_the_durable_lsn_is_proof() {
    for (is_synced, durable_lsn, is_proof) in [
        (true, 0, true),
        (false, 0, false),
        (false, 1, true),
        (false, 2, true),
    ] {
        let mut log = LogWriter::new(false);
        log.commands(1);
        log.durable_lsn = durable_lsn;
        log.is_synced = is_synced;
        log.commands(1);
        let mut file = log.file(1);
        file[4096..4608].fill(0);
        let answer = scan_file(&log, &file, None);
        if is_proof {
            let corruption = answer.expect_err("proved durable");
            let offset = 4608;
            assert_eq!(corruption.reason, CorruptReason::ProvenByFrame { offset });
            assert_eq!((corruption.offset, corruption.newest_lsn), (4096, Lsn(4)));
        } else {
            let end = answer.expect("a legal power cut");
            assert_eq!((end.end_offset, end.torn_bytes), (4096, 1024));
        }
    }
}

#[test]
fn rule_1_a_header_inside_the_extent_of_a_stale_header_is_proof() {
    // A frame of three sectors was torn, with only its first on the disk, and cut. A commit of one
    // sector and a seal took its place. Then the drive brought the commit's sector back as it was
    // before: the old header checks, claims both sectors behind it, and one of them is zero. The
    // scan once looked for proof only beyond that extent, hence not at the seal, and an
    // acknowledged commit was cut for a torn tail without a word.
    let mut torn = LogWriter::new(true);
    torn.commands(3);
    let mut log = LogWriter::new(true);
    log.commands(1);
    log.seal();
    let mut file = log.file(2);
    file[4096..4608].copy_from_slice(&torn.file(1)[4096..4608]);
    let offset = 4608;
    let found = reason(scan_file(&log, &file, None));
    assert_eq!(found, CorruptReason::ProvenByFrame { offset });
    // Without anything behind it the same header is what a power cut leaves.
    file[4608..].fill(0);
    let end = scan_file(&log, &file, None).expect("torn");
    assert_eq!((end.end_offset, end.torn_bytes), (4096, 512));
}

#[test]
fn rule_1_a_frame_of_another_database_is_no_proof() {
    let mut log = LogWriter::new(true);
    log.commands(1);
    let mut other = crate::config::tests::sample();
    other.database_id += 1;
    forge(&mut log, &LogKey::new(&other), |_| ());
    let mut file = log.file(1);
    file[4096..4608].fill(0);
    assert_eq!(scan_file(&log, &file, None).expect("torn").end_offset, 4096);
}

#[test]
fn rule_1_a_file_that_ends_inside_a_frame_or_at_its_end_was_cut() {
    let log = three_frames(true);
    let last = log.frames[2];
    for file_len in [
        last.end,
        last.end + 1,
        last.end + 511,
        last.start,
        4096,
        100,
    ] {
        let answer = scan_file(&log, &log.file(3)[..file_len], None);
        let file_bytes = file_len as u64;
        assert_eq!(reason(answer), CorruptReason::FileCut { file_bytes });
    }
    // Also where the frame itself is damaged besides.
    let mut damaged = log.bytes.clone();
    damaged[last.end - 1] ^= 1;
    let file_bytes = damaged.len() as u64;
    let answer = scan_file(&log, &damaged, None);
    assert_eq!(reason(answer), CorruptReason::FileCut { file_bytes });
}

#[test]
fn the_first_of_several_proofs_is_named() {
    let mut log = LogWriter::new(true);
    for _ in 0..5 {
        log.commands(1);
    }
    let mut file = log.file(2);
    file[log.frames[1].start + 70] ^= 1;
    let offset = log.frames[2].start as u64;
    let corruption = scan_file(&log, &file, None).expect_err("proved");
    assert_eq!(corruption.reason, CorruptReason::ProvenByFrame { offset });
}
