//! The plan by itself; what it is worth is shown by the crash model beside the scan.

use crate::ids::Lsn;
use crate::log::fixture::{Ending, LogWriter, key, long_log, scan_buffer};
use crate::log::{LogEnd, Walk, encode_seal, scan};

fn end_of(log: &LogWriter, file: &[u8]) -> LogEnd {
    let mut source = file;
    let answer = scan(&mut source, &log.header, None, &mut scan_buffer(), |_| {
        Ok(())
    });
    answer.expect("an undamaged log")
}

#[test]
fn a_fresh_log_needs_zeros_only() {
    let log = LogWriter::new(true);
    let repair = end_of(&log, &log.file(3)).repair();
    assert!(repair.rewrite.is_empty());
    assert_eq!((repair.zero, repair.seal_offset), (4096..4096 + 1536, None));
}

#[test]
fn the_last_frame_under_full_sync_is_written_again_and_sealed() {
    let log = long_log(Ending::Synced);
    let end = end_of(&log, &log.file(2));
    let repair = end.repair();
    let last = log.frames.last().expect("frames");
    assert_eq!(repair.rewrite, last.start as u64..last.end as u64);
    assert_eq!(repair.seal_offset, Some(last.end as u64));
    assert_eq!(end.durable_lsn, Lsn(last.lsn_before));
}

#[test]
fn all_frames_since_the_last_proof_are_written_again_under_os_sync() {
    let log = long_log(Ending::Unsynced);
    let repair = end_of(&log, &log.file(2)).repair();
    // The first of the four follows a seal, and says that all before it is durable.
    let first = log.frames[log.frames.len() - 4];
    assert_eq!(repair.rewrite, first.start as u64..log.bytes.len() as u64);
    assert!(repair.seal_offset.is_some());
}

#[test]
fn a_last_seal_is_written_again_and_not_sealed_once_more() {
    let log = long_log(Ending::Seal);
    let end = end_of(&log, &log.file(2));
    let repair = end.repair();
    assert!(end.is_sealed);
    assert_eq!(repair.rewrite.end - repair.rewrite.start, 512);
    assert_eq!(repair.seal_offset, None);
}

#[test]
fn what_was_copied_in_before_the_file_had_its_name_is_proved() {
    let mut log = LogWriter::new(false);
    log.commands(2);
    log.commands(1);
    log.checkpoint(4);
    let end = end_of(&log, &log.file(2));
    assert_eq!(
        (end.durable_lsn, end.unproven.offset),
        (Lsn(4), end.end_offset)
    );
    assert!(end.repair().rewrite.is_empty());
}

#[test]
fn the_seal_that_the_plan_asks_for_reads_back_and_proves_everything() {
    let mut log = long_log(Ending::Unsynced);
    let end = end_of(&log, &log.file(3));
    let meta = end.seal_meta();
    log.is_synced = true;
    log.add(|buffer, _| encode_seal(buffer, &key(), &meta));
    let sealed = end_of(&log, &log.file(2));
    assert!(sealed.is_sealed);
    assert_eq!(sealed.durable_lsn, sealed.last_lsn);
    assert_eq!(sealed.unproven.offset, end.end_offset);
}

#[test]
fn the_frames_to_write_again_are_those_that_were_read() {
    let log = long_log(Ending::Unsynced);
    let mut file = log.file(2);
    let end = end_of(&log, &file);
    let mut buffer = scan_buffer();
    let mut walk_over = |file: &[u8]| {
        let (mut walk, mut source) = (end.unproven, file);
        while walk.offset < end.end_offset {
            match walk.next(&mut source, file.len() as u64, &mut buffer) {
                Ok(Some(frame)) => {
                    let start = usize::try_from(frame.offset).expect("fits");
                    let stop = usize::try_from(frame.end_offset()).expect("fits");
                    assert_eq!(frame.bytes, &log.bytes[start..stop]);
                }
                _ => break,
            }
        }
        end.is_end_of(&walk)
    };
    assert!(walk_over(&file));
    // The last frame's pages are dropped from the cache meanwhile, and never reached the disk.
    file[log.frames.last().expect("frames").start..].fill(0);
    assert!(!walk_over(&file));
}

#[test]
fn a_walk_ends_a_log_only_with_its_place_its_chain_and_its_lsn() {
    let log = long_log(Ending::Synced);
    let end = end_of(&log, &log.file(2));
    let walk = Walk {
        offset: end.end_offset,
        last_lsn: end.last_lsn,
        chain: end.chain,
        ..Walk::new(&log.header)
    };
    assert!(end.is_end_of(&walk));
    for elsewhere in [
        Walk {
            offset: walk.offset + 512,
            ..walk
        },
        Walk {
            chain: walk.chain ^ 1,
            ..walk
        },
        Walk {
            last_lsn: Lsn(walk.last_lsn.0 - 1),
            ..walk
        },
    ] {
        assert!(!end.is_end_of(&elsewhere), "{elsewhere:?}");
    }
}
