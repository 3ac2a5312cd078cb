//! Damage sweeps: the files of real databases, damaged in every way that can be tried whole and in
//! many that cannot, opened by the real recovery and judged one by one.
//!
//! | module | subject |
//! |---|---|
//! | [`specimen`] | the databases, and what each may be taken for |
//! | [`image`] | a directory as bytes |
//! | [`sweep`] | damage to the bytes of one file |
//! | [`mixes`] | damage to a directory |
//! | [`trial`] | an image opened, over a disk and over bytes |
//! | [`meter`] | what an opening reads and changes |
//! | [`judge`] | which answers are right: the list of what is undecidable is there |
//!
//! A run goes through the shapes of [`specimen::Shape`]; each specimen is swept to its end, so that
//! "every bit" means every bit. The first alone, a closed database with two snapshots, is what CI
//! asks for. Later rounds do the same with other histories, and more of what is drawn. Wherever a
//! damaged length or count could make an opening allocate, the allocator would know ([`heap`]).
//!
//! [`heap`]: crate::heap

pub mod image;
pub mod judge;
pub mod meter;
pub mod mixes;
pub mod specimen;
pub mod sweep;
pub mod trial;

use allocdb_node::FileName;

use crate::layer::Run;
use crate::random::Rng;
use image::text;
use specimen::{Shape, Specimen};
use sweep::Subject;
use trial::{Tally, Trial};

/// How much of what is tried.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Every bit over a disk too; else every bit of the core's alone.
    has_all_bits: bool,
    /// One truncation, extension, sector or pair in so many over a disk.
    stride: u64,
    /// Drawn damage to each file over a disk; ten times as much over bytes.
    drawn: usize,
    /// Drawn damage to several files at once.
    mixed: usize,
}

const WHOLE: Extent = Extent {
    has_all_bits: true,
    stride: 1,
    drawn: 2_000,
    mixed: 4_000,
};

/// The layer.
pub fn run(run: &mut Run) {
    let mut tally = Tally::default();
    for round in 0.. {
        // What one directory has shown of every bit, another history shows over bytes.
        let extent = Extent {
            has_all_bits: round == 0,
            ..WHOLE
        };
        for shape in Shape::ALL {
            sweep(shape, round, extent, &mut tally, run);
            if run.is_over() {
                for (kind, count) in &tally.found_by_kind {
                    run.find(format!("{count} times: {kind}"));
                }
                return;
            }
        }
    }
}

/// Everything, on one specimen.
fn sweep(shape: Shape, round: u64, extent: Extent, tally: &mut Tally, run: &mut Run) {
    let seed = run.seed().wrapping_mul(1 << 20).wrapping_add(round);
    let specimen = &Specimen::new(shape, seed);
    let mut dice = Rng::new(seed ^ 0xD1CE);
    sweep_bare(specimen, seed, extent, tally, &mut dice);
    tell(tally, run);
    for name in specimen.image.names() {
        let subject = subject(specimen, &name);
        let mut trial = Trial::new(specimen, seed, tally);
        let mut count = 0;
        let each = &mut |kind, bytes: &[u8]| {
            count += 1;
            if count % extent.stride == 0 {
                trial.file(&name, kind, bytes);
            }
        };
        if extent.has_all_bits {
            subject.each_bit(each);
        }
        subject.each_length(&mut dice, each);
        subject.each_sector(&mut dice, each);
        subject.each_drawn(extent.drawn, &mut dice, each);
        tell(tally, run);
    }
    let mut trial = Trial::new(specimen, seed, tally);
    let each = &mut |kind, image: &image::Image| trial.directory(kind, image);
    mixes::each_set(specimen, each);
    mixes::each_name(specimen, &mut dice, each);
    mixes::each_drawn(specimen, extent.mixed, &mut dice, each);
    tell(tally, run);
    conclude(tally, run);
}

/// The log and the snapshots by themselves.
fn sweep_bare(specimen: &Specimen, seed: u64, extent: Extent, tally: &mut Tally, dice: &mut Rng) {
    let drawn = 10 * extent.drawn;
    let log = subject(specimen, b"wal.adb");
    let mut trial = Trial::new(specimen, seed, tally);
    let each = &mut |kind, bytes: &[u8]| trial.bare_log(kind, bytes);
    log.each_bit(each);
    log.each_length(dice, each);
    log.each_sector(dice, each);
    log.each_drawn(drawn, dice, each);
    for lsn in specimen.image.snapshots() {
        let snapshot = subject(specimen, &text(FileName::Snapshot(lsn)));
        let each = &mut |kind, bytes: &[u8]| trial.bare_snapshot(lsn, kind, bytes);
        snapshot.each_bit(each);
        snapshot.each_length(dice, each);
        snapshot.each_sector(dice, each);
        snapshot.each_drawn(drawn, dice, each);
        trial.tally.snapshots += 1;
    }
    trial.tally.logs += 1;
}

/// A file, and what it may be mistaken for: a snapshot also for any other.
fn subject<'a>(specimen: &'a Specimen, name: &[u8]) -> Subject<'a> {
    let sound = specimen.image.get(name).expect("a file of the specimen");
    let is_snapshot = name.starts_with(b"snapshot-");
    let alike = |image: &'a image::Image| {
        let files = image.files().iter().filter(move |(other, _)| {
            other == name || (is_snapshot && other.starts_with(b"snapshot-"))
        });
        files.map(|(_, bytes)| bytes.as_slice())
    };
    let mut older: Vec<&[u8]> = specimen.older.iter().flat_map(alike).collect();
    older.sort_unstable();
    older.dedup();
    older.retain(|bytes| *bytes != sound);
    Subject {
        sound,
        older,
        foreign: alike(&specimen.foreign).collect(),
    }
}

fn tell(tally: &mut Tally, run: &mut Run) {
    for finding in tally.findings.drain(..) {
        run.find(finding);
    }
    let images = tally.directories + tally.bare;
    run.advance(images - run.done());
}

fn conclude(tally: &Tally, run: &mut Run) {
    for (&kind, &count) in tally.kinds.iter().chain(&tally.verdicts) {
        run.figure(kind, count);
    }
    run.figure("images_opened_over_a_disk", tally.directories);
    run.figure("images_read_by_the_core", tally.bare);
    run.figure("logs_every_bit", tally.logs);
    run.figure("snapshots_every_bit", tally.snapshots);
    run.figure("silent", tally.found);
    run.figure("panics", tally.panics);
    run.figure("largest_allocation_bytes", tally.largest_bytes as u64);
}

/// From `least` through `greatest`.
fn between(dice: &mut Rng, least: usize, greatest: usize) -> usize {
    least + dice.index(greatest - least + 1)
}

/// Any byte.
fn byte(dice: &mut Rng) -> u8 {
    dice.draw().to_le_bytes()[0]
}

#[cfg(test)]
mod tests;
