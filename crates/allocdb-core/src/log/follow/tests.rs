//! Following logs of every shape: as far as something proves it, quietly beyond, loudly below.

use super::super::fixture::{Ending, LogWriter, Placed, key, long_log, scan_buffer};
use super::super::{LOG_HEADER_BYTES, SECTOR_BYTES, scan};
use super::*;
use crate::ids::Slot;

mod growing;
mod unreadable;

use growing::Growing;

/// What a look at a file shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shown {
    /// The newest LSN that was lent.
    lsn: Lsn,
    /// Where the walk may be kept.
    kept: Walk,
}

type Error = ScanError<core::convert::Infallible>;

fn look(file: &[u8], log: &LogWriter, known: u64, buffer: &mut [u8]) -> Result<Shown, Error> {
    look_from(Walk::new(&log.header), file, log, known, buffer)
}

fn look_from(
    begin: Walk,
    mut file: &[u8],
    log: &LogWriter,
    known: u64,
    buffer: &mut [u8],
) -> Result<Shown, Error> {
    let mut follow = Follow::new(&mut file, &log.header, Lsn(known), buffer);
    let mut kept = begin;
    let stop = follow.measure(&begin)?;
    follow.survey(&stop)?;
    let mut lsn = begin.last_lsn;
    follow.advance(&mut kept, |frame| {
        lsn = lsn.max(frame.header.last_lsn());
        Ok(())
    })?;
    Ok(Shown { lsn, kept })
}

/// What the first frames of a log prove by themselves, said once more.
fn proven(log: &LogWriter, frames: &[Placed]) -> u64 {
    let below_synced = |frame: &&Placed| frame.end as u64 <= log.header.synced_bytes;
    let copied = frames.iter().filter(below_synced).count();
    let copied_lsn = log
        .frames
        .get(copied)
        .map_or(log.last_lsn, |next| next.lsn_before);
    let by_frames = frames.iter().map(|frame| {
        let before = if frame.is_synced { frame.lsn_before } else { 0 };
        before.max(frame.durable_lsn)
    });
    let copied_lsn = if copied == 0 { 0 } else { copied_lsn };
    by_frames.max().unwrap_or(0).max(copied_lsn)
}

/// The file after its first `count` frames, with room behind.
fn file_of(log: &LogWriter, count: usize) -> Vec<u8> {
    let end = log
        .frames
        .get(count)
        .map_or(log.bytes.len(), |next| next.start);
    let mut file = log.bytes[..end].to_vec();
    file.resize(log.bytes.len() + 4 * SECTOR_BYTES, 0);
    file
}

#[test]
fn frames_count_as_far_as_something_proves_them() {
    let mut buffer = scan_buffer();
    let mut unproven = 0;
    for ending in [Ending::Synced, Ending::Unsynced, Ending::Seal] {
        let log = long_log(ending);
        let copied = |frame: &&Placed| frame.end as u64 <= log.header.synced_bytes;
        let copied = log.frames.iter().filter(copied).count();
        for count in copied..=log.frames.len() {
            let file = file_of(&log, count);
            let shown = look(&file, &log, 0, &mut buffer).expect("sound");
            let wanted = proven(&log, &log.frames[..count]);
            assert_eq!(shown.lsn, Lsn(wanted), "{count} frames, {ending:?}");
            let written = log
                .frames
                .get(count)
                .map_or(log.last_lsn, |next| next.lsn_before);
            unproven += u64::from(written > wanted);
            // What somebody knows counts, and nothing beyond what is there.
            for known in [wanted, written] {
                let shown = look(&file, &log, known, &mut buffer).expect("sound");
                assert_eq!(shown.lsn, Lsn(known));
            }
            assert!(look(&file, &log, written + 1, &mut buffer).is_err());
        }
    }
    assert!(unproven > 20, "{unproven}");
}

#[test]
fn a_kept_walk_goes_on_as_if_it_had_begun_anew_and_stands_behind_commands() {
    let mut buffer = scan_buffer();
    let log = long_log(Ending::Unsynced);
    let mut kept = Walk::new(&log.header);
    let mut ends: Vec<u64> = vec![LOG_HEADER_BYTES as u64];
    let before = log.frames.iter().map(|frame| frame.lsn_before);
    let after = before.skip(1).chain([log.last_lsn]);
    for (frame, lsn_after) in log.frames.iter().zip(after) {
        if lsn_after > frame.lsn_before || frame.end as u64 <= log.header.synced_bytes {
            ends.push(frame.end as u64);
        }
    }
    let copied = |frame: &&Placed| frame.end as u64 <= log.header.synced_bytes;
    for count in log.frames.iter().filter(copied).count()..=log.frames.len() {
        let file = file_of(&log, count);
        let shown = look_from(kept, &file, &log, 0, &mut buffer).expect("sound");
        let anew = look(&file, &log, 0, &mut buffer).expect("sound");
        assert_eq!(shown.kept, anew.kept, "{count} frames");
        assert!(shown.kept.offset >= kept.offset);
        assert!(ends.contains(&shown.kept.offset), "{count} frames");
        kept = shown.kept;
    }
    assert!(kept.last_lsn > Lsn(0));
}

#[test]
fn a_frame_that_is_being_written_stops_a_reader_quietly() {
    let mut buffer = scan_buffer();
    for ending in [Ending::Synced, Ending::Unsynced] {
        let log = long_log(ending);
        let last = log.frames.last().expect("many");
        let whole = file_of(&log, log.frames.len());
        let before = file_of(&log, log.frames.len() - 1);
        let wanted = look(&before, &log, last.lsn_before, &mut buffer).expect("sound");
        let sectors = (last.end - last.start) / SECTOR_BYTES;
        // Any of its sectors there, and any number of bytes.
        for there in 0..1u32 << sectors {
            let mut file = before.clone();
            for sector in 0..sectors {
                if there & (1 << sector) != 0 {
                    let range = last.start + sector * SECTOR_BYTES..;
                    let range = range.start..range.start + SECTOR_BYTES;
                    file[range.clone()].copy_from_slice(&whole[range]);
                }
            }
            let shown = look(&file, &log, last.lsn_before, &mut buffer).expect("quiet");
            assert_eq!(shown, wanted, "sectors {there:b}");
        }
        for end in (last.start..last.end).step_by(37) {
            let mut file = before.clone();
            file[last.start..end].copy_from_slice(&whole[last.start..end]);
            let shown = look(&file, &log, last.lsn_before, &mut buffer).expect("quiet");
            assert_eq!(shown, wanted, "up to byte {end}");
        }
    }
}

#[test]
fn damage_below_what_is_durable_is_reported_at_its_place() {
    let mut buffer = scan_buffer();
    let log = long_log(Ending::Unsynced);
    let whole = file_of(&log, log.frames.len());
    for frame in &log.frames {
        for byte in (frame.start..frame.end).step_by(113) {
            let mut file = whole.clone();
            file[byte] ^= 0x10;
            let error = look(&file, &log, log.last_lsn, &mut buffer).expect_err("damaged");
            let ScanError::Corrupt(corruption) = error;
            assert_eq!(corruption.offset, frame.start as u64, "byte {byte}");
            assert_eq!(corruption.expected_lsn, Lsn(frame.lsn_before + 1));
            assert!(corruption.newest_lsn >= corruption.expected_lsn);
        }
    }
}

#[test]
fn damage_that_a_later_frame_tells_of_is_found_by_the_survey() {
    let mut buffer = scan_buffer();
    let log = long_log(Ending::Seal);
    let whole = file_of(&log, log.frames.len());
    for frame in &log.frames[..log.frames.len() - 1] {
        let mut file = whole.clone();
        file[frame.start + 70] ^= 1;
        let error = look(&file, &log, 0, &mut buffer).expect_err("damaged");
        assert!(matches!(error, ScanError::Corrupt(_)), "{frame:?}");
    }
    // The seal itself: nothing beyond it tells, and nothing is missing.
    let seal = log.frames.last().expect("many");
    let mut file = whole;
    file[seal.start + 70] ^= 1;
    look(&file, &log, 0, &mut buffer).expect("the seal proves no more");
}

/// The damage sweeps found this one: a log that was cut inside its last frame or its seal was shown
/// to readers without the frame in front of the cut, and without a word. The survey saw the cut,
/// but took the frame in front of it, which is whole, for one that had been written meanwhile, in a
/// file grown meanwhile; after four such looks it believed. A file grows before it is written to
/// its end: one whose length has not changed was cut.
#[test]
fn a_log_that_was_cut_behind_a_whole_frame_is_damage_to_a_reader_too() {
    let mut buffer = scan_buffer();
    for ending in [Ending::Synced, Ending::Seal] {
        let log = long_log(ending);
        let file = file_of(&log, log.frames.len());
        let last = log.frames.last().expect("there are frames");
        let begin = log.frames[log.frames.len() - 4].start;
        for len in begin..last.end + SECTOR_BYTES {
            let Err(ScanError::Corrupt(corruption)) = look(&file[..len], &log, 0, &mut buffer)
            else {
                panic!("{ending:?}: cut at {len} and shown");
            };
            let is_cut = matches!(corruption.reason, CorruptReason::FileCut { .. });
            assert!(is_cut, "{ending:?}, cut at {len}: {corruption}");
        }
        let rest = &file[..last.end + SECTOR_BYTES];
        assert!(look(rest, &log, 0, &mut buffer).is_ok(), "{ending:?}");
    }
}

/// The damage sweeps found this one: a sector of an earlier frame that strays behind the end of a
/// log under `sync = os` was believed to prove the frames before it, and readers were shown what
/// the next power cut may take back. A frame can prove only what it can follow.
#[test]
fn a_frame_of_an_earlier_time_behind_the_end_proves_nothing_to_a_reader() {
    let mut buffer = scan_buffer();
    let log = long_log(Ending::Unsynced);
    let end = log.bytes.len();
    for stray in log.frames.iter().filter(|frame| frame.is_synced) {
        let mut file = file_of(&log, log.frames.len());
        file.copy_within(stray.start..stray.start + SECTOR_BYTES, end + SECTOR_BYTES);
        let looked = look(&file, &log, 0, &mut buffer);
        let Err(ScanError::Corrupt(corruption)) = looked else {
            panic!("the frame at {} is believed: {looked:?}", stray.start);
        };
        assert_eq!(corruption.offset, (end + SECTOR_BYTES) as u64);
        let is_told = matches!(corruption.reason, CorruptReason::LsnDoesNotFollow { .. });
        assert!(is_told, "{corruption}");
        let expected = log.frames[log.frames.len() - 4..].iter();
        let expected = expected
            .map(|frame| Lsn(frame.lsn_before + 1))
            .chain([Lsn(log.last_lsn + 1)]);
        assert!(
            expected.skip(1).any(|lsn| lsn == corruption.expected_lsn),
            "{corruption}"
        );
    }
}

/// A review of the survey found this one: under `sync = os`, a damaged frame behind five or more
/// whole ones of one session was passed over in silence, although the seal behind it proved them
/// all. Each look took no more than one whole frame for proved, and after four the survey believed
/// that a writer was at work. What is proved is what the frame beyond says, at once.
#[test]
fn a_frame_beyond_the_damage_proves_all_frames_before_it_at_once() {
    let mut buffer = scan_buffer();
    let mut log = LogWriter::new(false);
    for sectors in [1, 2, 1, 1, 3, 1, 1, 2, 1] {
        log.commands(sectors);
    }
    log.seal();
    let whole = file_of(&log, log.frames.len());
    for frame in &log.frames[..log.frames.len() - 1] {
        let mut file = whole.clone();
        file[frame.start + 70] ^= 1;
        let looked = look(&file, &log, 0, &mut buffer);
        let Err(ScanError::Corrupt(corruption)) = looked else {
            panic!("{frame:?} is passed over: {looked:?}");
        };
        assert_eq!(corruption.offset, frame.start as u64);
        assert_eq!(corruption.newest_lsn, Lsn(log.last_lsn));
    }
    // A writer that is just closing is no damage, at whatever read of the survey it does so.
    let before = file_of(&log, log.frames.len() - 3);
    for left in 1..60 {
        let mut source = Growing {
            files: [&before, &whole],
            left,
        };
        let mut follow = Follow::new(&mut source, &log.header, Lsn(0), &mut buffer);
        let stop = follow.measure(&Walk::new(&log.header)).expect("sound");
        follow.survey(&stop).expect("no damage");
    }
}

/// Coverage-guided fuzzing found this one: a whole frame under `sync = os` whose content looks, at
/// a sector's begin, like the header of an earlier frame. The scan takes it for the content that
/// it is; the survey took it for a frame beyond, and refused the log. Nobody can spell such bytes
/// through a command, since a header's checksum is seeded, but a reader must not differ from the
/// owner.
#[test]
fn a_header_inside_a_whole_frame_is_its_content() {
    let mut buffer = scan_buffer();
    let (log, disguised) = disguised();
    for (frame, file) in &disguised {
        let mut source = file.as_slice();
        let accepted = scan(&mut source, &log.header, None, &mut buffer, |_| Ok(()));
        accepted.expect("whole frames, as far as an owner can tell");
        let shown = look(file, &log, 0, &mut buffer).expect("what the owner accepts");
        assert_eq!(shown.lsn, Lsn(log.frames[2].lsn_before), "{frame:?}");
    }
    assert_eq!(disguised.len(), 3);
}

/// A log, and files of it in each of which the last sector of a frame looks like an early header.
fn disguised() -> (LogWriter, Vec<(Placed, Vec<u8>)>) {
    let mut log = LogWriter::new(true);
    log.commands(1);
    log.commands(1);
    let early = log.frames[0].start;
    log.is_synced = false;
    for sectors in [1, 3, 2, 3] {
        log.commands(sectors);
    }
    let is_long = |frame: &&Placed| frame.end - frame.start > SECTOR_BYTES;
    let disguise = |frame: &Placed| {
        let mut file = file_of(&log, log.frames.len());
        let end = frame.end;
        file.truncate(end);
        file.copy_within(early..early + FRAME_HEADER_BYTES, end - SECTOR_BYTES);
        // The frame's own checksums are right.
        let disguised = &mut file[frame.start..end];
        let payload_crc = crc32c::crc32c(&disguised[FRAME_HEADER_BYTES..]);
        disguised[52..56].copy_from_slice(&payload_crc.to_le_bytes());
        let header_crc = key().header_crc(&disguised[..60]);
        disguised[60..64].copy_from_slice(&header_crc.to_le_bytes());
        file.resize(end + 4 * SECTOR_BYTES, 0);
        (*frame, file)
    };
    let files = log.frames[2..].iter().filter(is_long).map(disguise);
    let files = files.collect();
    (log, files)
}

#[test]
fn a_place_is_found_again_in_a_log_that_was_rewritten() {
    let mut buffer = scan_buffer();
    let mut log = LogWriter::new(true);
    for _ in 0..6 {
        log.commands(1);
    }
    let old = file_of(&log, log.frames.len());
    let kept = look(&old, &log, log.last_lsn, &mut buffer)
        .expect("sound")
        .kept;
    // The same frames from the third on, behind another header.
    let cut = log.frames[2];
    let mut file = log.bytes[cut.start..].to_vec();
    let mut chain = [0; 4];
    chain.copy_from_slice(&log.bytes[log.frames[1].start + 60..][..4]);
    let header = LogHeader {
        begins_after: Lsn(cut.lsn_before),
        chain_start: u32::from_le_bytes(chain),
        ..log.header
    };
    file.splice(0..0, header.encode());
    file.resize(file.len() + 4 * SECTOR_BYTES, 0);
    let mut source = file.as_slice();
    let mut find = |header: &LogHeader, reached: &Walk| {
        let mut follow = Follow::new(&mut source, header, Lsn(0), &mut buffer);
        follow.find(reached).expect("readable")
    };
    let found = find(&header, &kept).expect("among the frames kept");
    let moved = (cut.start - LOG_HEADER_BYTES) as u64;
    let wanted = Walk {
        offset: kept.offset - moved,
        ..kept
    };
    assert_eq!((found, found.key), (wanted, key()));
    let first = Walk {
        last_lsn: header.begins_after,
        chain: header.chain_start,
        ..kept
    };
    let beginning = find(&header, &first).expect("at its beginning");
    assert_eq!(
        (beginning.offset, beginning.last_slot),
        (4096, kept.last_slot)
    );
    for lost in [
        // Before its beginning, after its end, and of another history.
        Walk {
            last_lsn: Lsn(1),
            ..kept
        },
        Walk {
            last_lsn: Lsn(1_000),
            ..kept
        },
        Walk {
            chain: kept.chain ^ 1,
            ..kept
        },
    ] {
        assert_eq!(find(&header, &lost), None);
    }
    assert!(kept.last_slot > Slot(0));
}

#[test]
fn a_place_behind_a_marker_is_found_again() {
    let mut buffer = scan_buffer();
    let mut log = LogWriter::new(true);
    log.commands(1);
    log.commands(2);
    log.checkpoint(2);
    let file = file_of(&log, log.frames.len());
    let kept = look(&file, &log, log.last_lsn, &mut buffer)
        .expect("sound")
        .kept;
    assert_eq!(kept.offset, log.bytes.len() as u64, "behind the marker");
    let mut source = file.as_slice();
    let mut follow = Follow::new(&mut source, &log.header, Lsn(0), &mut buffer);
    assert_eq!(follow.find(&kept), Ok(Some(kept)));
}

#[test]
fn a_frame_under_os_sync_proves_what_it_says_and_no_more() {
    let mut buffer = scan_buffer();
    let mut log = LogWriter::new(false);
    for _ in 0..4 {
        log.commands(1);
    }
    // The kernel was told to sync behind the second frame, as the fifth one says.
    let proved_lsn = log.frames[2].lsn_before;
    log.durable_lsn = proved_lsn;
    log.commands(1);
    let mut file = file_of(&log, log.frames.len());
    file[log.frames[3].start + 70] ^= 1;
    let shown = look(&file, &log, 0, &mut buffer).expect("what is damaged may be torn");
    assert_eq!(shown.lsn, Lsn(proved_lsn));
}

#[test]
fn an_error_of_the_taker_is_damage_at_that_frame_and_the_walk_stays_before_it() {
    let mut buffer = scan_buffer();
    let log = long_log(Ending::Synced);
    let file = file_of(&log, log.frames.len());
    let mut source = file.as_slice();
    let mut walk = Walk::new(&log.header);
    let mut follow = Follow::new(&mut source, &log.header, Lsn(log.last_lsn), &mut buffer);
    let mut taken = 0;
    let reason = CorruptReason::OperationRepeated { lsn: Lsn(9) };
    let error = follow.advance(&mut walk, |_| {
        taken += 1;
        if taken == 5 { Err(reason) } else { Ok(()) }
    });
    let Err(ScanError::Corrupt(corruption)) = error else {
        panic!("the taker refused");
    };
    assert_eq!(corruption.reason, reason);
    assert_eq!(corruption.offset, log.frames[4].start as u64);
    assert_eq!(walk.offset, log.frames[4].start as u64);
}
