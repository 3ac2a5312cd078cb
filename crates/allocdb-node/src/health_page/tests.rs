//! A page is whole or not taken, whatever hits it; and the engine keeps it up to date.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::storage::{DirectoryOptions, FileStorage};

fn sighting(sequence: u64) -> Sighting {
    Sighting {
        database_id: 0xDA7A << 100 | 0x1234,
        pid: 4_321,
        sequence,
        durable_lsn: Lsn(1_000 + sequence),
        last_slot: Slot(77),
        figures: Figures(std::array::from_fn(|word| sequence * 1_000 + word as u64)),
    }
}

fn storage() -> (tempfile::TempDir, FileStorage) {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = FileStorage::open(directory.path(), DirectoryOptions::default());
    (directory, storage.expect("opened"))
}

fn publish(page: &mut HealthPage<FileStorage>, storage: &FileStorage, sequence: u64) {
    let Sighting {
        durable_lsn,
        last_slot,
        figures,
        ..
    } = sighting(sequence);
    page.publish(storage, (durable_lsn, last_slot), |shown| *shown = figures)
        .expect("written");
}

#[test]
fn the_layout_is_the_documented_one() {
    let bytes = sighting(6).encode();
    assert_eq!(&bytes[..8], b"ALLOCHLT");
    assert_eq!(&bytes[8..16], &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[16..32], &sighting(6).database_id.to_le_bytes());
    assert_eq!(&bytes[32..40], &4_321u64.to_le_bytes());
    assert_eq!(&bytes[40..48], &6u64.to_le_bytes());
    assert_eq!(&bytes[48..56], &1_006u64.to_le_bytes());
    assert_eq!(&bytes[56..64], &77u64.to_le_bytes());
    assert_eq!(&bytes[64..72], &6_000u64.to_le_bytes());
    assert_eq!(&bytes[1_080..1_088], &6_127u64.to_le_bytes());
    assert_eq!(&bytes[1_088..1_096], &6u64.to_le_bytes());
    assert_eq!(&bytes[1_096..1_100], &[0; 4]);
    let crc = crc32c::crc32c(&bytes[..1_100]);
    assert_eq!(&bytes[1_100..], &crc.to_le_bytes());
    assert_eq!(COPY_OFFSETS, [0, 2_048]);
}

#[test]
fn every_flipped_bit_of_a_copy_is_noticed() {
    let bytes = sighting(6).encode();
    assert_eq!(Sighting::decode(&bytes), Some(sighting(6)));
    for bit in 0..COPY_BYTES * 8 {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Sighting::decode(&changed), None, "bit {bit}");
    }
}

#[test]
fn a_copy_of_another_version_is_no_copy() {
    let mut bytes = sighting(6).encode();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
    bytes[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Sighting::decode(&bytes), None);
}

#[test]
fn the_newest_whole_copy_is_taken_and_a_torn_one_falls_back_to_the_one_before() {
    let (_directory, storage) = storage();
    assert_eq!(Sighting::read(&storage), None, "no file");
    let mut page = HealthPage::open(&storage, sighting(0).database_id).expect("made");
    assert_eq!(Sighting::read(&storage), None, "nothing shown yet");
    let seen = |sequence| {
        let seen = Sighting::read(&storage)?;
        let pid = std::process::id();
        assert_eq!(
            seen,
            Sighting {
                pid,
                ..sighting(sequence)
            }
        );
        Some(())
    };
    for sequence in 1..5 {
        publish(&mut page, &storage, sequence);
        seen(sequence).expect("shown");
    }
    // A copy cut short at any place, as a kill in the middle of an update leaves it.
    let file = storage
        .open(FileName::Health, FileMode::ReadWrite)
        .expect("there");
    for cut in [1, 47, 56, 600, 1_099, COPY_BYTES - 1] {
        let next = Sighting {
            pid: std::process::id(),
            ..sighting(5)
        }
        .encode();
        let offset = COPY_OFFSETS[1] as u64;
        storage
            .write_at(&file, offset, &next[..cut])
            .expect("written");
        seen(4).expect("the copy before is whole");
    }
}

#[test]
fn a_new_owner_is_seen_at_once_however_long_the_one_before_lived() {
    let (_directory, storage) = storage();
    let mut page = HealthPage::open(&storage, sighting(0).database_id).expect("made");
    for sequence in 1..100 {
        publish(&mut page, &storage, sequence);
    }
    let mut page = HealthPage::open(&storage, 5).expect("taken over");
    publish(&mut page, &storage, 1);
    let seen = Sighting::read(&storage).expect("shown");
    assert_eq!((seen.database_id, seen.sequence), (5, 1));
}

#[test]
fn a_reader_beside_a_writer_that_never_waits_sees_only_whole_pages() {
    const READS: u64 = 20_000;
    let (_directory, storage) = storage();
    let mut page = HealthPage::open(&storage, sighting(0).database_id).expect("made");
    publish(&mut page, &storage, 1);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (storage, is_over) = (&storage, &is_over);
        scope.spawn(move || {
            for sequence in 2.. {
                publish(&mut page, storage, sequence);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut seen = 0;
        for _ in 0..READS {
            // Both copies may change while they are read, where the writer is fast.
            if let Some(found) = Sighting::read(storage) {
                let pid = std::process::id();
                assert_eq!(
                    found,
                    Sighting {
                        pid,
                        ..sighting(found.sequence)
                    }
                );
                seen += 1;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(seen > 0);
    });
}
