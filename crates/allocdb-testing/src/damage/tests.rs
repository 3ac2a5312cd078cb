//! The sweeps at a small size, and the bugs that they must catch: each is planted, and the same
//! sweep is clean without it.

use allocdb_core::canary::{Canary, plant};
use allocdb_node::FileName;

use super::image::text;
use super::specimen::{Shape, Specimen};
use super::trial::{Tally, Trial};
use super::{Extent, mixes, subject, sweep};
use crate::layer::Run;
use crate::random::Rng;

const SEED: u64 = 7;

/// What part of the sweeps finds, with a bug or without.
fn findings(canary: Option<Canary>, shape: Shape, part: fn(&Specimen, &mut Trial<'_>)) -> u64 {
    let _planted = canary.map(plant);
    // Under the bug as well: a log is written and read by one program.
    let specimen = Specimen::new(shape, SEED);
    let mut tally = Tally::default();
    part(&specimen, &mut Trial::new(&specimen, SEED, &mut tally));
    assert!(tally.directories + tally.bare > 0, "something was tried");
    tally.found
}

fn is_caught(canary: Canary, shape: Shape, part: fn(&Specimen, &mut Trial<'_>)) {
    let sound = findings(None, shape, part);
    let planted = findings(Some(canary), shape, part);
    assert_eq!(sound, 0, "{canary:?} is not planted");
    assert!(planted > 0, "{canary:?} is planted");
}

fn log_sectors(specimen: &Specimen, trial: &mut Trial<'_>) {
    let subject = subject(specimen, b"wal.adb");
    subject.each_sector(&mut Rng::new(SEED), &mut |kind, bytes| {
        trial.bare_log(kind, bytes);
    });
}

/// Every bit of the file header that is used, and of every frame header.
fn log_header_bits(specimen: &Specimen, trial: &mut Trial<'_>) {
    let mut log = specimen.log.log.clone();
    let frames = specimen.log.frames.iter().map(|span| span.start);
    for start in [0, 64, 128].into_iter().chain(frames) {
        for bit in start * 8..(start + 64) * 8 {
            log[bit / 8] ^= 1 << (bit % 8);
            trial.bare_log("bit_flips", &log);
            log[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

fn file_sets(specimen: &Specimen, trial: &mut Trial<'_>) {
    mixes::each_set(specimen, &mut |kind, image| trial.directory(kind, image));
}

fn snapshot_bits(specimen: &Specimen, trial: &mut Trial<'_>) {
    for lsn in specimen.image.snapshots() {
        let subject = subject(specimen, &text(FileName::Snapshot(lsn)));
        subject.each_bit(&mut |kind, bytes| trial.bare_snapshot(lsn, kind, bytes));
    }
}

/// The low bits of the capacities in a snapshot's header: what they ask for is there.
fn snapshot_capacities(specimen: &Specimen, trial: &mut Trial<'_>) {
    let lsn = specimen.image.snapshots()[0];
    let sound = specimen.image.get(&text(FileName::Snapshot(lsn)));
    let sound = sound.expect("listed");
    for at in (16..144).step_by(4) {
        for bit in 4..16 {
            let mut bytes = sound.to_vec();
            bytes[at + bit / 8] ^= 1 << (bit % 8);
            trial.bare_snapshot(lsn, "bit_flips", &bytes);
        }
    }
}

#[test]
fn a_sweep_of_one_database_finds_nothing() {
    let mut run = Run::silent(1, SEED);
    let extent = Extent {
        has_all_bits: false,
        stride: 16,
        drawn: 300,
        mixed: 300,
    };
    sweep(Shape::Closed, 0, extent, &mut Tally::default(), &mut run);
    assert_eq!(run.findings(), &[] as &[String]);
    for figure in [
        "refused",
        "harmless",
        "undecidable_zeros",
        "undecidable_older_log",
        "undecidable_older_directory",
        "undecidable_foreign_log",
        "undecidable_emptied",
        "images_opened_over_a_disk",
        "images_read_by_the_core",
    ] {
        assert!(run.figure_of(figure) > 0, "{figure} never came up");
    }
}

#[test]
fn canary_zeroed_sector_taken_is_caught() {
    is_caught(Canary::ZeroedSectorTaken, Shape::Closed, log_sectors);
}

#[test]
fn canary_damaged_header_taken_is_caught() {
    is_caught(Canary::DamagedHeaderTaken, Shape::Killed, log_header_bits);
}

#[test]
fn canary_length_trusted_is_caught() {
    is_caught(Canary::LengthTrusted, Shape::Closed, log_header_bits);
}

#[test]
fn canary_config_uncovered_is_caught() {
    is_caught(Canary::ConfigUncovered, Shape::LogAlone, log_header_bits);
}

#[test]
fn canary_missing_log_is_fresh_is_caught() {
    is_caught(Canary::MissingLogIsFresh, Shape::Closed, file_sets);
}

#[test]
fn canary_lock_id_ignored_is_caught() {
    is_caught(Canary::LockIdIgnored, Shape::LogAlone, file_sets);
}

#[test]
fn canary_section_unchecked_is_caught() {
    is_caught(Canary::SectionUnchecked, Shape::Closed, snapshot_bits);
}

#[test]
fn canary_counts_trusted_is_caught() {
    is_caught(Canary::CountsTrusted, Shape::Closed, snapshot_capacities);
}
