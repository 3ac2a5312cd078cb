//! Every single-bit flip, every truncation, every zeroed and every swapped sector of whole logs.
//!
//! The answers that are allowed, and no others:
//!
//! | damage | answer |
//! |---|---|
//! | a bit of the file header | the header is refused as damaged |
//! | a bit of any frame, the last one and seals included | corrupt, at that frame |
//! | a bit of the sector right behind the last frame | corrupt, at the log's end |
//! | a bit behind that | the same content; a torn tail up to that sector is reported |
//! | cut inside the file header | the header is refused |
//! | cut inside a frame, at its end, or less than a sector behind the last frame | corrupt |
//! | cut behind that | the same content, a clean end |
//! | a zeroed sector of a frame that something proves durable | corrupt, at that frame |
//! | the same where nothing proves it | torn, cut at that frame (\*) |
//! | two different sectors swapped | corrupt, or torn where nothing proves |
//!
//! (\*) Corrupt where its header says `sync = full` and more lies behind it.

use super::{Judge, read};
use crate::log::fixture::{Ending, LogWriter, long_log, scan_buffer};
use crate::log::header::{LogHeader, LogHeaderError};
use crate::log::scan::{Tail, Verdict, judge};

const TAIL_SECTORS: usize = 4;
const ENDINGS: [Ending; 3] = [Ending::Synced, Ending::Unsynced, Ending::Seal];

/// What the reading of a damaged log must give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    /// Corrupt, at this offset.
    Corrupt(usize),
    /// The frames up to this offset, and a torn tail of so many bytes behind them.
    Content(usize, usize),
}

fn answer(log: &LogWriter, image: &[u8], buffer: &mut [u8], judge: Judge) -> Answer {
    match read(image, &log.header, &log.bytes, buffer, judge) {
        Ok(end) => Answer::Content(
            usize::try_from(end.end_offset).expect("fits"),
            usize::try_from(end.torn_bytes).expect("fits"),
        ),
        Err(corruption) => Answer::Corrupt(usize::try_from(corruption.offset).expect("fits")),
    }
}

fn expect(answer: Answer, expected: Answer, what: &str, at: usize) -> Result<(), String> {
    if answer == expected {
        Ok(())
    } else {
        Err(format!("{what} at {at}: {answer:?}, not {expected:?}"))
    }
}

/// Every bit of frames and tail; the number of images.
fn flip_every_bit(log: &LogWriter, step: usize, judge: Judge) -> Result<usize, String> {
    let mut buffer = scan_buffer();
    let mut image = log.file(TAIL_SECTORS);
    let end = log.bytes.len();
    for bit in (4096 * 8..image.len() * 8).step_by(step) {
        let at = bit / 8;
        let sector_end = at - at % 512 + 512;
        let expected = if let Some(hit) = log.frames.iter().find(|frame| at < frame.end) {
            Answer::Corrupt(hit.start)
        } else if at < end + 512 {
            Answer::Corrupt(end)
        } else {
            Answer::Content(end, sector_end - end)
        };
        image[at] ^= 1 << (bit % 8);
        let answer = answer(log, &image, &mut buffer, judge);
        expect(answer, expected, "flipped bit", bit)?;
        image[at] ^= 1 << (bit % 8);
    }
    Ok((image.len() - 4096) * 8 / step)
}

/// Whether something in an undamaged rest of the log proves the frame at `index` durable.
fn is_proved(log: &LogWriter, index: usize) -> bool {
    let frame = log.frames[index];
    let expected_lsn = frame.lsn_before + 1;
    frame.end as u64 <= log.header.synced_bytes
        || log.frames[index + 1..]
            .iter()
            .any(|later| later.is_synced || later.durable_lsn >= expected_lsn)
}

/// Every run of up to three sectors zeroed.
fn zero_sectors(log: &LogWriter, judge: Judge) -> Result<usize, String> {
    let mut buffer = scan_buffer();
    let whole = log.file(TAIL_SECTORS);
    let mut images = 0;
    for start in (4096..log.bytes.len()).step_by(512) {
        for len in [512, 1024, 1536] {
            let mut image = whole.clone();
            let zeroed_end = (start + len).min(image.len());
            image[start..zeroed_end].fill(0);
            let index = log.frames.iter().position(|frame| start < frame.end);
            let index = index.expect("a frame is hit");
            let hit = log.frames[index];
            // Frames that are zeroed as well prove nothing any more.
            let mut rest = log.clone();
            let first = index + 1;
            rest.frames.retain({
                let mut place = 0;
                move |frame| {
                    place += 1;
                    place <= first || frame.start >= zeroed_end
                }
            });
            let written = image.iter().rposition(|&byte| byte != 0);
            let written_end = written.map_or(0, |at| at - at % 512 + 512);
            // Nothing legal lies behind an unfinished frame whose header says `sync = full`.
            let has_rubbish_behind = hit.is_synced && hit.start < start && hit.end < written_end;
            let expected = if is_proved(&rest, index) || has_rubbish_behind {
                Answer::Corrupt(hit.start)
            } else {
                Answer::Content(hit.start, written_end.saturating_sub(hit.start))
            };
            let answer = answer(log, &image, &mut buffer, judge);
            expect(answer, expected, "zeroed sectors", start)?;
            images += 1;
        }
    }
    Ok(images)
}

#[test]
fn every_flipped_bit_of_the_file_header_is_damage() {
    let block = long_log(Ending::Seal).bytes;
    for bit in 0..4096 * 8 {
        let mut flipped = block[..4096].to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(LogHeader::decode(&flipped), Err(LogHeaderError::Damaged));
    }
}

#[test]
fn every_flipped_bit_gives_the_answer_of_the_rule() {
    for ending in ENDINGS {
        let images = flip_every_bit(&long_log(ending), 1, judge);
        assert!(images.expect("never silent") > 100_000);
    }
}

#[test]
fn every_truncation_gives_the_answer_of_the_rule() {
    let mut buffer = scan_buffer();
    for ending in ENDINGS {
        let log = long_log(ending);
        let (file, end) = (log.file(TAIL_SECTORS), log.bytes.len());
        for len in 0..file.len() {
            let image = &file[..len];
            if len < 4096 {
                assert!(LogHeader::decode(image).is_err(), "cut at {len}");
                continue;
            }
            let expected = match log.frames.iter().find(|frame| len < frame.end) {
                Some(cut) => Answer::Corrupt(cut.start),
                None if len < end + 512 => Answer::Corrupt(end),
                None => Answer::Content(end, 0),
            };
            let answer = answer(&log, image, &mut buffer, judge);
            assert_eq!(answer, expected, "cut at {len}");
        }
    }
}

#[test]
fn every_zeroed_sector_gives_the_answer_of_the_rule() {
    for ending in ENDINGS {
        let images = zero_sectors(&long_log(ending), judge);
        assert!(images.expect("never silent") > 80);
    }
}

#[test]
fn swapped_sectors_are_never_silent() {
    let mut buffer = scan_buffer();
    for ending in ENDINGS {
        let log = long_log(ending);
        let file = log.file(TAIL_SECTORS);
        let last_proved = (0..log.frames.len()).rfind(|&index| is_proved(&log, index));
        let proved_end = log.frames[last_proved.expect("most are")].end;
        for one in (4096..log.bytes.len()).step_by(512) {
            for other in (one + 512..file.len()).step_by(512) {
                if file[one..one + 512] == file[other..other + 512] {
                    continue;
                }
                let mut image = file.clone();
                image.copy_within(other..other + 512, one);
                image[other..other + 512].copy_from_slice(&file[one..one + 512]);
                let hit = log.frames.iter().find(|frame| one < frame.end);
                let hit = hit.expect("a frame is hit").start;
                let answer = answer(&log, &image, &mut buffer, judge);
                let is_right = match answer {
                    Answer::Corrupt(offset) => offset == hit,
                    Answer::Content(end, torn) => end == hit && torn > 0 && hit >= proved_end,
                };
                assert!(is_right, "{ending:?}, {one} with {other}: {answer:?}");
            }
        }
    }
}

#[test]
fn stale_sectors_are_never_silent() {
    // A sector of an older log of the same database, at the same place: a write that was lost by
    // the drive after it had been acknowledged.
    let mut buffer = scan_buffer();
    for ending in ENDINGS {
        let log = long_log(ending);
        let mut older = LogWriter::new(true);
        while older.bytes.len() < log.bytes.len() {
            older.commands(1 + older.frames.len() % 3);
        }
        for start in (4096..log.bytes.len()).step_by(512) {
            let mut image = log.file(TAIL_SECTORS);
            let stale = &older.bytes[start..start + 512];
            if image[start..start + 512] == *stale {
                continue;
            }
            image[start..start + 512].copy_from_slice(stale);
            let hit = log.frames.iter().position(|frame| start < frame.end);
            let hit = hit.expect("a frame is hit");
            let answer = answer(&log, &image, &mut buffer, judge);
            let next = log.frames.get(hit + 1).map(|frame| frame.start);
            // A whole older frame checks by itself, and is given away by the chain of the next.
            let is_right = answer == Answer::Corrupt(log.frames[hit].start)
                || next.is_some_and(|next| answer == Answer::Corrupt(next));
            assert!(is_right, "{ending:?}, sector at {start}: {answer:?}");
        }
    }
}

/// The usual rule: the log ends at the first frame that does not check.
fn ends_at_the_first_bad_frame(tail: &Tail) -> Verdict {
    if tail.nonzero_end.is_some() {
        Verdict::Torn
    } else {
        Verdict::Clean
    }
}

/// Takes a frame with an all-zero sector for torn, whatever lies beyond it.
fn zero_sector_means_torn(tail: &Tail) -> Verdict {
    if tail.own_sector_is_zero {
        Verdict::Torn
    } else {
        judge(tail)
    }
}

/// Takes a header that does not check for a torn one, if nothing proves otherwise.
fn bad_header_means_torn(tail: &Tail) -> Verdict {
    match judge(tail) {
        Verdict::Corrupt(crate::log::CorruptReason::HeaderDamaged) => Verdict::Torn,
        verdict => verdict,
    }
}

#[test]
fn the_sweeps_catch_planted_rules() {
    let log = long_log(Ending::Synced);
    assert!(flip_every_bit(&log, 37, ends_at_the_first_bad_frame).is_err());
    assert!(flip_every_bit(&log, 37, bad_header_means_torn).is_err());
    assert!(zero_sectors(&log, zero_sector_means_torn).is_err());
    assert!(flip_every_bit(&log, 37, judge).is_ok());
    assert!(zero_sectors(&log, judge).is_ok());
}
