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
