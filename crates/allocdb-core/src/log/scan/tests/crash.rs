//! Every crash of every short history, over the real bytes, the real scan and the real repair.
//!
//! Histories: up to four frames of one to three sectors, under `sync = full` and under `sync = os`
//! with a sync between any two frames, in a file that grows as it must. At every write: a power cut
//! with every subset of the unsynced sectors on the disk, and in shorter histories a failed sync
//! with every fate of each sector. After each: recovery as [`crate::log::repair`] plans it, with a
//! power cut at each of *its* writes, a failed sync in each of its syncs, recovery after those, and
//! one more frame of an engine that goes on under either sync.
//!
//! The laws: no legal state is refused; no acknowledged frame is lost; what is read is a prefix of
//! what was written, the longest that is there in whole. A harness that cannot fail proves nothing,
//! so wrong rules and wrong recoveries are planted, and each must be caught.

use std::collections::BTreeSet;

use super::crash_disk::Disk;
use super::{Judge, read};
use crate::log::fixture::{LogWriter, key, scan_buffer};
use crate::log::scan::{LogEnd, Tail, Verdict, judge};
use crate::log::{CorruptReason, Repair, encode_seal};

/// A recovery that may be wrong on purpose.
#[derive(Clone, Copy)]
struct Planted {
    judge: Judge,
    /// Changes the plan, given the end it was made from and the bytes that were read.
    plan: fn(&LogEnd, &[u8], Repair) -> Repair,
    /// Seals before what it seals is synced.
    seals_early: bool,
    /// Writes again whatever it reads the second time.
    copies_blindly: bool,
}

const RIGHT: Planted = Planted {
    judge,
    plan: |_, _, repair| repair,
    seals_early: false,
    copies_blindly: false,
};

/// What was written and what of it must survive.
#[derive(Clone)]
struct Lineage {
    log: LogWriter,
    /// Everything below was acknowledged.
    acknowledged: usize,
}

struct Model {
    planted: Planted,
    buffer: Vec<u8>,
    /// Recoveries that were tried already, by a hash of what they found and what must survive.
    seen: BTreeSet<(u32, u32, usize)>,
    frames_max: usize,
    failures: u32,
    histories: u64,
    images: u64,
    recoveries: u64,
}

impl Model {
    fn new(planted: Planted, frames_max: usize, failures: u32) -> Self {
        Self {
            planted,
            buffer: scan_buffer(),
            seen: BTreeSet::new(),
            frames_max,
            failures,
            histories: 0,
            images: 0,
            recoveries: 0,
        }
    }

    /// All histories under one sync.
    fn run(&mut self, is_synced: bool) -> Result<(), String> {
        let log = LogWriter::new(is_synced);
        let disk = Disk::settled(log.file(4));
        let acknowledged = log.bytes.len();
        self.extend(&disk, &Lineage { log, acknowledged }, 0)
    }

    /// Every history that goes on from here.
    fn extend(&mut self, disk: &Disk, lineage: &Lineage, frames: usize) -> Result<(), String> {
        self.histories += 1;
        if frames == self.frames_max {
            return Ok(());
        }
        for sectors in 1..=3 {
            let (mut disk, mut lineage) = (disk.clone(), lineage.clone());
            self.append(&mut disk, &mut lineage, sectors)?;
            if !lineage.log.is_synced {
                self.extend(&disk, &lineage, frames + 1)?;
            }
            disk.sync();
            lineage.acknowledged = lineage.log.bytes.len();
            lineage.log.durable_lsn = lineage.log.last_lsn;
            self.extend(&disk, &lineage, frames + 1)?;
        }
        Ok(())
    }

    /// Writes one more frame, growing the file first where it must, with every fault on the way.
    fn append(
        &mut self,
        disk: &mut Disk,
        lineage: &mut Lineage,
        sectors: usize,
    ) -> Result<(), String> {
        let start = lineage.log.bytes.len();
        self.grow(disk, lineage, start + sectors * 512)?;
        lineage.log.commands(sectors);
        disk.write(start, &lineage.log.bytes[start..]);
        self.fault(disk, lineage, self.failures)
    }

    /// Makes room for frames up to `end` and a sector behind them.
    fn grow(&mut self, disk: &mut Disk, lineage: &mut Lineage, end: usize) -> Result<(), String> {
        let len = disk.view().len();
        if end < len {
            return Ok(());
        }
        disk.write(len, &[0; 4 * 512]);
        self.fault(disk, lineage, self.failures)?;
        disk.sync();
        lineage.acknowledged = lineage.log.bytes.len();
        lineage.log.durable_lsn = lineage.log.last_lsn;
        Ok(())
    }

    /// Every power cut, and every failed sync while some are left.
    fn fault(&mut self, disk: &Disk, lineage: &Lineage, failures: u32) -> Result<(), String> {
        disk.power_cuts(|image| {
            self.images += 1;
            let end = self.check(image, lineage)?;
            let longest = longest_prefix(image, lineage);
            if end.end_offset != longest as u64 {
                return Err(format!("{longest} bytes are whole, read {end:?}"));
            }
            self.recover(&Disk::settled(image.to_vec()), lineage, failures)
        })?;
        if failures > 0 {
            disk.failed_syncs(|left| self.recover(&left, lineage, failures - 1))?;
        }
        Ok(())
    }

    /// Reads an image of a legal state: never refused, nothing acknowledged missing.
    fn check(&mut self, image: &[u8], lineage: &Lineage) -> Result<LogEnd, String> {
        let log = &lineage.log;
        let answer = read(
            image,
            &log.header,
            &log.bytes,
            &mut self.buffer,
            self.planted.judge,
        );
        let end = answer.map_err(|corruption| format!("refused: {corruption}"))?;
        if end.end_offset < lineage.acknowledged as u64 {
            let acknowledged = lineage.acknowledged;
            return Err(format!("{acknowledged} bytes acknowledged, read {end:?}"));
        }
        Ok(end)
    }

    /// Opens what a fault left, with every fault on the way, and goes on.
    fn recover(&mut self, disk: &Disk, lineage: &Lineage, failures: u32) -> Result<(), String> {
        let (cache, durable) = disk.hash(failures);
        if !self.seen.insert((cache, durable, lineage.acknowledged)) {
            return Ok(());
        }
        self.recoveries += 1;
        let end = self.check(disk.view(), lineage)?;
        let repair = (self.planted.plan)(&end, disk.view(), end.repair());
        // Pages may be dropped from the cache between the scan and the writing.
        disk.evictions(|mut disk| {
            if !self.write_again(&mut disk, &end, &repair)? {
                // The open fails; the next one finds what the disk has.
                return self.recover(&disk, lineage, failures);
            }
            let mut lineage = after_cut(lineage, &end);
            self.clear_and_seal(&mut disk, &mut lineage, &end, &repair, failures)?;
            self.go_on(&disk, &lineage)
        })
    }

    /// Writes the unproven frames again; whether they are still those that were scanned.
    fn write_again(
        &mut self,
        disk: &mut Disk,
        end: &LogEnd,
        repair: &Repair,
    ) -> Result<bool, String> {
        let view = disk.view().to_vec();
        if self.planted.copies_blindly || repair.rewrite.is_empty() {
            let (from, to) = (to_len(repair.rewrite.start), to_len(repair.rewrite.end));
            disk.write(from, &view[from..to]);
            return Ok(true);
        }
        let mut walk = end.unproven;
        let mut source = &view[..];
        while walk.offset < end.end_offset {
            let frame = walk.next(&mut source, view.len() as u64, &mut self.buffer);
            let Some(frame) = frame.map_err(|error| format!("{error:?}"))? else {
                break;
            };
            disk.write(to_len(frame.offset), frame.bytes);
        }
        Ok(end.is_end_of(&walk))
    }

    /// The rest of recovery: zeros, sync, seal, sync.
    fn clear_and_seal(
        &mut self,
        disk: &mut Disk,
        lineage: &mut Lineage,
        end: &LogEnd,
        repair: &Repair,
        failures: u32,
    ) -> Result<(), String> {
        let (mut from, to) = (to_len(repair.zero.start), to_len(repair.zero.end));
        let is_early = self.planted.seals_early && repair.seal_offset.is_some();
        if is_early {
            from += 512; // the seal takes this sector in the same sync
        }
        disk.write(from, &vec![0; to - from]);
        if !is_early {
            self.fault(disk, lineage, failures)?;
            disk.sync();
            lineage.acknowledged = lineage.log.bytes.len();
        }
        if repair.seal_offset.is_none() {
            return Ok(());
        }
        let start = lineage.log.bytes.len();
        if !is_early {
            self.grow(disk, lineage, start + 512)?;
        }
        lineage.log.durable_lsn = lineage.log.last_lsn;
        let meta = end.seal_meta();
        assert_eq!(meta, lineage.log.meta(), "the plan's seal is the writer's");
        let seal = |buffer: &mut [u8], _: &_| encode_seal(buffer, &key(), &meta);
        lineage.log.add(seal);
        disk.write(start, &lineage.log.bytes[start..]);
        self.fault(disk, lineage, failures)?;
        disk.sync();
        lineage.acknowledged = lineage.log.bytes.len();
        Ok(())
    }

    /// One more frame after recovery, under either sync, and power cuts while it is written.
    fn go_on(&mut self, disk: &Disk, lineage: &Lineage) -> Result<(), String> {
        for is_synced in [true, false] {
            for sectors in [1, 2] {
                let (mut disk, mut lineage) = (disk.clone(), lineage.clone());
                lineage.log.is_synced = is_synced;
                let start = lineage.log.bytes.len();
                if start + sectors * 512 >= disk.view().len() {
                    disk.write(disk.view().len(), &[0; 4 * 512]);
                    disk.sync();
                }
                lineage.log.durable_lsn = lineage.log.last_lsn;
                lineage.log.commands(sectors);
                disk.write(start, &lineage.log.bytes[start..]);
                disk.power_cuts(|image| {
                    self.images += 1;
                    self.check(image, &lineage).map(|_| ())
                })?;
                disk.sync();
                lineage.acknowledged = lineage.log.bytes.len();
                self.check(disk.view(), &lineage)?;
            }
        }
        Ok(())
    }
}

fn to_len(offset: u64) -> usize {
    usize::try_from(offset).expect("small files")
}

/// The end of the last frame that is there in whole, with all before it.
fn longest_prefix(image: &[u8], lineage: &Lineage) -> usize {
    let log = &lineage.log;
    let is_whole = |end: usize| image.len() >= end && image[4096..end] == log.bytes[4096..end];
    let ends = log.frames.iter().map(|frame| frame.end);
    ends.take_while(|&end| is_whole(end)).last().unwrap_or(4096)
}

/// The writer as it goes on from what was read.
fn after_cut(lineage: &Lineage, end: &LogEnd) -> Lineage {
    let mut after = lineage.clone();
    let log = &mut after.log;
    log.frames
        .retain(|frame| frame.end as u64 <= end.end_offset);
    log.bytes.truncate(to_len(end.end_offset));
    log.last_lsn = end.last_lsn.0;
    log.durable_lsn = end.last_lsn.0;
    log.last_slot = end.last_slot.0;
    log.chain = end.chain;
    log.is_synced = true;
    after
}

// R64: each law above is judged frame by frame: one is there whole, or not at all.
#[test]
fn no_crash_of_short_histories_is_refused_or_loses_what_was_acknowledged() {
    let mut figures = [0; 3];
    for is_synced in [true, false] {
        let mut model = Model::new(RIGHT, 4, 0);
        model.run(is_synced).expect("holds");
        figures[0] += model.histories;
        figures[1] += model.images;
        figures[2] += model.recoveries;
    }
    let [histories, images, recoveries] = figures;
    println!("{histories} histories, {images} crash images, {recoveries} recoveries");
    assert!(histories > 1500 && images > 100_000 && recoveries > 4_000);
}

#[test]
fn no_failed_sync_loses_what_was_acknowledged() {
    let mut recoveries = 0;
    for (is_synced, frames_max) in [(true, 3), (false, 2)] {
        let mut model = Model::new(RIGHT, frames_max, 2);
        model.run(is_synced).expect("holds");
        recoveries += model.recoveries;
        println!("{} images after failed syncs", model.images);
    }
    assert!(recoveries > 3_000, "{recoveries}");
}

/// Whether any fault within reach catches what is planted.
fn is_caught(planted: Planted) -> bool {
    [true, false].into_iter().any(|is_synced| {
        Model::new(planted, 2, 0).run(is_synced).is_err()
            || Model::new(planted, 2, 2).run(is_synced).is_err()
    })
}

/// Takes any valid frame beyond X for proof, as if nothing were ever unsynced.
fn any_later_frame_is_proof(tail: &Tail) -> Verdict {
    let verdict = judge(tail);
    let later = tail.newest_lsn > tail.expected_lsn;
    if verdict == Verdict::Torn && later && tail.beyond_is_written {
        return Verdict::Corrupt(CorruptReason::ContentDamaged);
    }
    verdict
}

/// Refuses whatever lies beyond a torn frame, under either sync.
fn nothing_may_lie_beyond(tail: &Tail) -> Verdict {
    let verdict = judge(tail);
    if verdict == Verdict::Torn && tail.beyond_is_written {
        return Verdict::Corrupt(CorruptReason::ContentDamaged);
    }
    verdict
}

/// Takes a frame without its first sector for damaged.
fn first_sector_must_be_there(tail: &Tail) -> Verdict {
    let verdict = judge(tail);
    if verdict == Verdict::Torn && tail.first_sector_is_zero {
        return Verdict::Corrupt(CorruptReason::HeaderDamaged);
    }
    verdict
}

#[test]
fn the_model_catches_planted_rules_that_refuse_a_legal_power_cut() {
    for judge in [
        any_later_frame_is_proof as Judge,
        nothing_may_lie_beyond,
        first_sector_must_be_there,
    ] {
        assert!(is_caught(Planted { judge, ..RIGHT }));
    }
}

#[test]
fn the_model_catches_a_recovery_that_trusts_the_page_cache() {
    let trusts_frames = |end: &LogEnd, _: &[u8], repair: Repair| Repair {
        rewrite: end.end_offset..end.end_offset,
        ..repair
    };
    assert!(is_caught(Planted {
        plan: trusts_frames,
        ..RIGHT
    }));
    let trusts_zeros = |end: &LogEnd, view: &[u8], repair: Repair| {
        let behind = &view[to_len(end.end_offset)..];
        let has_zeros_only = behind.iter().all(|&byte| byte == 0);
        let zero = if has_zeros_only {
            end.end_offset..end.end_offset
        } else {
            repair.zero.clone()
        };
        Repair { zero, ..repair }
    };
    assert!(is_caught(Planted {
        plan: trusts_zeros,
        ..RIGHT
    }));
}

#[test]
fn the_model_catches_a_recovery_that_writes_again_what_it_did_not_scan() {
    assert!(is_caught(Planted {
        copies_blindly: true,
        ..RIGHT
    }));
}

#[test]
fn the_model_catches_a_recovery_that_leaves_a_last_seal_unwritten() {
    let trusts_seal = |end: &LogEnd, _: &[u8], repair: Repair| {
        let rewrite = if end.is_sealed {
            end.end_offset..end.end_offset
        } else {
            repair.rewrite.clone()
        };
        Repair { rewrite, ..repair }
    };
    assert!(is_caught(Planted {
        plan: trusts_seal,
        ..RIGHT
    }));
}

#[test]
fn the_model_catches_a_recovery_that_leaves_a_torn_tail() {
    let cuts_nothing = |end: &LogEnd, _: &[u8], repair: Repair| Repair {
        zero: end.end_offset..end.end_offset,
        ..repair
    };
    assert!(is_caught(Planted {
        plan: cuts_nothing,
        ..RIGHT
    }));
}

#[test]
fn the_model_catches_a_seal_before_the_sync_of_what_it_seals() {
    assert!(is_caught(Planted {
        seals_early: true,
        ..RIGHT
    }));
}
