//! Every bit and every cut of every file: the same answers as before, or a refusal; never a panic,
//! never fewer commands.

use super::*;
use crate::status;

/// Opens a damaged copy: all is there, or the database is refused as corrupt.
fn check(disk: &Disk, what: &str) -> bool {
    match Database::open(disk, &options()) {
        Ok(database) => {
            assert_eq!(database.mark().0, Lsn(24), "{what}: silently shorter");
            true
        }
        Err(error) => {
            assert_eq!(error.status(), status::E_CORRUPT, "{what}: {error}");
            false
        }
    }
}

/// Hands out a disk for each bit, with that bit flipped. A refusal leaves it as it was, so only an
/// opened one costs a new copy.
fn each_bit(name: FileName, mut each: impl FnMut(&Disk, usize) -> bool) {
    let whole = disk_with_two_snapshots();
    let bytes = whole.read(name).expect("there");
    let mut copy = whole.clone();
    for bit in 0..bytes.len() * 8 {
        copy.flip(name, bit / 8, 1 << (bit % 8));
        if each(&copy, bit) {
            copy = whole.clone();
        } else {
            copy.flip(name, bit / 8, 1 << (bit % 8));
        }
    }
}

fn each_cut(name: FileName, mut each: impl FnMut(&Disk, usize)) {
    let disk = disk_with_two_snapshots();
    let bytes = disk.read(name).expect("there");
    for len in 0..bytes.len() {
        let copy = disk.clone();
        copy.put(name, bytes[..len].to_vec());
        each(&copy, len);
    }
}

#[test]
fn every_flipped_bit_of_the_log_is_refused_or_harmless() {
    let disk = disk_with_two_snapshots();
    let probe = Database::open(&disk, &options()).expect("sound");
    let end = usize::try_from(probe.wal.log_bytes()).expect("small");
    drop(probe);
    each_bit(FileName::Wal, |copy, bit| {
        let opened = check(copy, &format!("bit {bit}"));
        // In use, or the sector that would be written next.
        let is_in_use = bit / 8 < end + SECTOR_BYTES;
        assert_eq!(opened, !is_in_use, "bit {bit}");
        opened
    });
}

#[test]
fn every_flipped_bit_of_a_snapshot_or_the_lock_file_is_survived() {
    for name in [
        FileName::Snapshot(Lsn(18)),
        FileName::Snapshot(Lsn(9)),
        FileName::Lock,
    ] {
        each_bit(name, |copy, bit| {
            assert!(
                check(copy, &format!("{name} bit {bit}")),
                "{name} bit {bit}"
            );
            true
        });
    }
}

#[test]
fn every_cut_of_any_file_is_refused_or_harmless() {
    each_cut(FileName::Wal, |copy, len| {
        check(copy, &format!("cut at {len}"));
    });
    for name in [
        FileName::Snapshot(Lsn(18)),
        FileName::Snapshot(Lsn(9)),
        FileName::Lock,
    ] {
        each_cut(name, |copy, len| {
            assert!(
                check(copy, &format!("{name} cut at {len}")),
                "{name} cut at {len}"
            );
        });
    }
}

#[test]
fn every_zeroed_swapped_or_doubled_sector_of_the_log_is_refused_or_harmless() {
    let disk = disk_with_two_snapshots();
    let bytes = disk.read(FileName::Wal).expect("there");
    let sectors = bytes.len() / SECTOR_BYTES;
    let at = |sector: usize| sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
    let open = |bytes: Vec<u8>, what: &str| {
        let copy = disk.clone();
        copy.put(FileName::Wal, bytes);
        check(&copy, what)
    };
    for first in 0..sectors {
        let mut zeroed = bytes.clone();
        zeroed[at(first)].fill(0);
        open(zeroed, &format!("sector {first} zeroed"));
        for second in (0..sectors).filter(|&second| second != first) {
            let mut doubled = bytes.clone();
            doubled.copy_within(at(first), second * SECTOR_BYTES);
            open(doubled, &format!("sector {first} over {second}"));
            let mut swapped = bytes.clone();
            swapped[at(first)].copy_from_slice(&bytes[at(second)]);
            swapped[at(second)].copy_from_slice(&bytes[at(first)]);
            open(swapped, &format!("sectors {first} and {second} swapped"));
        }
    }
}

/// What a growth leaves, and a backup: one snapshot alone, and an empty log after it. Nothing can
/// stand in for either, so each bit of them is the difference between all and a refusal.
#[test]
fn every_flipped_bit_behind_a_growth_is_refused_or_harmless() {
    let whole = disk_with(6);
    let larger = Options {
        max_operations: 65,
        ..options()
    };
    let mut database = Database::open(&whole, &larger).expect("it grows");
    database.wal.seal().expect("sound");
    let (mark, end) = (database.mark(), database.wal.log_bytes());
    drop(database);
    let in_use = usize::try_from(end).expect("small") + SECTOR_BYTES;
    let stored = Options {
        max_operations: 0,
        ..options()
    };
    for name in [FileName::Wal, FileName::Snapshot(mark.0)] {
        let len = whole.read(name).expect("there").len();
        let len_in_use = if name == FileName::Wal { in_use } else { len };
        let mut copy = whole.clone();
        for bit in 0..len * 8 {
            copy.flip(name, bit / 8, 1 << (bit % 8));
            match Database::open(&copy, &stored).map(|database| database.mark()) {
                Ok(found) => {
                    assert!(bit / 8 >= len_in_use, "{name} bit {bit} is in use");
                    assert_eq!(found, mark, "{name} bit {bit}");
                    copy = whole.clone();
                }
                Err(error) => {
                    assert!(bit / 8 < len_in_use, "{name} bit {bit}: {error}");
                    assert_eq!(
                        error.status(),
                        status::E_CORRUPT,
                        "{name} bit {bit}: {error}"
                    );
                    copy.flip(name, bit / 8, 1 << (bit % 8));
                }
            }
        }
    }
}

/// A growth that was interrupted, whose snapshot is then damaged: the old log still has everything.
#[test]
fn every_flipped_bit_of_an_interrupted_growths_snapshot_is_survived() {
    let larger = Options {
        max_operations: 65,
        ..options()
    };
    let grown = disk_with(6);
    let mark = Database::open(&grown, &larger).expect("it grows").mark();
    let snapshot = grown.read(FileName::Snapshot(mark.0)).expect("there");
    let whole = disk_with(6);
    whole.put(FileName::Snapshot(mark.0), snapshot.clone());
    for bit in 0..snapshot.len() * 8 {
        let copy = whole.clone();
        copy.flip(FileName::Snapshot(mark.0), bit / 8, 1 << (bit % 8));
        let database = Database::open(&copy, &options()).expect("the log has all");
        assert_eq!(database.mark(), mark, "bit {bit}");
        assert_eq!(database.wal.config().max_operations, 64, "bit {bit}");
    }
}
