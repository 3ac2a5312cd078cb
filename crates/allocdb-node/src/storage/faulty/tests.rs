//! The media assumptions themselves: a disk that were kinder than a real one would prove nothing,
//! and one that were worse would refuse sound code.

use std::collections::BTreeSet;

use super::*;

const LOG: FileName = FileName::Wal;

/// A disk with a log of `sectors` synced sectors of ones.
fn settled(sectors: usize) -> Disk {
    let disk = Disk::new();
    disk.put(LOG, vec![1; sectors * SECTOR]);
    disk
}

fn write(disk: &Disk, sector: usize, byte: u8, sectors: usize) -> Result<(), IoError> {
    let file = (&disk).open(LOG, FileMode::ReadWrite).expect("there");
    (&disk).write_at(
        &file,
        (sector * SECTOR) as u64,
        &vec![byte; sectors * SECTOR],
    )
}

fn sync(disk: &Disk) -> Result<(), IoError> {
    let file = (&disk).open(LOG, FileMode::ReadWrite).expect("there");
    (&disk).sync_data(&file)
}

/// The first byte of each sector.
fn shown(disk: &Disk) -> Vec<u8> {
    let bytes = disk.read(LOG).expect("there");
    for sector in bytes.chunks(SECTOR) {
        assert!(
            sector.iter().all(|byte| *byte == sector[0]),
            "a sector is whole"
        );
    }
    bytes.iter().step_by(SECTOR).copied().collect()
}

fn images(disk: &Disk) -> BTreeSet<Vec<u8>> {
    let cuts = disk.cuts();
    let images: Vec<_> = cuts.images(1 << 12, 7).collect();
    assert_eq!(images.len() as u64, cuts.count(), "all are listed");
    images.iter().map(shown).collect()
}

#[test]
fn every_subset_of_unsynced_sectors_is_an_image_and_nothing_else_is() {
    let disk = settled(3);
    assert_eq!(images(&disk), BTreeSet::from([vec![1, 1, 1]]));
    write(&disk, 1, 2, 2).expect("sound");
    let all = [[1, 1, 1], [1, 2, 1], [1, 1, 2], [1, 2, 2]];
    assert_eq!(images(&disk), all.map(Vec::from).into());
    sync(&disk).expect("sound");
    assert_eq!(images(&disk), BTreeSet::from([vec![1, 2, 2]]));
    write(&disk, 0, 1, 1).expect("sound");
    assert_eq!(disk.cuts().count(), 1, "the same bytes again are no choice");
}

#[test]
fn a_sector_written_twice_may_be_any_of_its_versions() {
    let disk = settled(1);
    write(&disk, 0, 2, 1).expect("sound");
    write(&disk, 0, 3, 1).expect("sound");
    assert_eq!(images(&disk), [vec![1], vec![2], vec![3]].into());
}

#[test]
fn a_file_being_grown_has_any_length_between_and_zeros_where_nothing_survived() {
    let disk = settled(1);
    write(&disk, 1, 2, 2).expect("sound");
    let all = [
        &[1][..],
        &[1, 0],
        &[1, 2],
        &[1, 0, 0],
        &[1, 2, 0],
        &[1, 0, 2],
        &[1, 2, 2],
    ];
    assert_eq!(images(&disk), all.map(Vec::from).into());
}

#[test]
fn a_failed_sync_is_shown_by_reads_kept_by_no_later_sync_and_gone_or_there_after_a_cut() {
    let disk = settled(2);
    write(&disk, 0, 2, 1).expect("sound");
    disk.plan(0, Fault::Errno(libc::EIO));
    assert_eq!(sync(&disk).expect_err("planned").os_errno, libc::EIO);
    assert_eq!(shown(&disk), [2, 1], "the cache shows it");
    sync(&disk).expect("the next one finds nothing to do");
    assert_eq!(images(&disk), [vec![1, 1], vec![2, 1]].into());
    assert_eq!(shown(&disk.after_crash(Keep::Everything)), [1, 1]);
    let dropped = disk.clone();
    dropped.evict();
    assert_eq!(shown(&dropped), [1, 1], "read from the disk again");
    write(&disk, 0, 2, 1).expect("sound");
    sync(&disk).expect("sound");
    assert_eq!(images(&disk), [vec![2, 1]].into(), "written again");
}

#[test]
fn a_short_write_ends_between_sectors() {
    let disk = settled(3);
    disk.plan(0, Fault::Short(1, libc::ENOSPC));
    let failed = write(&disk, 0, 2, 3).expect_err("planned");
    assert_eq!(failed.os_errno, libc::ENOSPC);
    assert_eq!(shown(&disk), [2, 1, 1]);
    disk.bound_room(Some(4 * SECTOR + 100));
    assert!(write(&disk, 2, 3, 4).is_err(), "the disk is full");
    assert_eq!(shown(&disk), [2, 1, 3, 3]);
    disk.bound_room(None);
    write(&disk, 2, 3, 4).expect("there is room again");
}

#[test]
fn a_name_is_as_before_or_after_until_the_directory_is_synced() {
    let disk = settled(1);
    let storage = &disk;
    drop(storage.open(FileName::WalTemporary, FileMode::Create));
    let there = |disk: &Disk, name| disk.read(name).is_some();
    let seen = |disk: &Disk| {
        let cuts = disk.cuts();
        let images = cuts.images(1 << 10, 1);
        let seen = images.map(|image| {
            (
                there(&image, FileName::WalTemporary),
                image.read(LOG).map(|log| log.len()),
            )
        });
        seen.collect::<BTreeSet<_>>()
    };
    assert_eq!(
        seen(&disk),
        [(false, Some(SECTOR)), (true, Some(SECTOR))].into()
    );
    storage.rename(FileName::WalTemporary, LOG).expect("sound");
    let all = [
        (false, Some(SECTOR)),
        (true, Some(SECTOR)),
        (false, Some(0)),
    ];
    assert_eq!(seen(&disk), all.into());
    storage.sync_directory().expect("sound");
    assert_eq!(seen(&disk), [(false, Some(0))].into());
}

#[test]
fn changes_of_names_that_have_nothing_in_common_survive_in_any_order() {
    let disk = Disk::new();
    let storage = &disk;
    let (first, second) = (FileName::Snapshot(allocdb_core::Lsn(1)), LOG);
    drop(storage.open(first, FileMode::Create));
    drop(storage.open(second, FileMode::Create));
    let cuts = disk.cuts();
    let images = cuts.images(16, 0);
    let seen: BTreeSet<_> = images
        .map(|image| (image.read(first).is_some(), image.read(second).is_some()))
        .collect();
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_trace_has_the_disk_before_each_change_and_at_the_end() {
    let disk = settled(1);
    disk.begin_trace();
    write(&disk, 0, 2, 1).expect("sound");
    disk.note(5);
    sync(&disk).expect("sound");
    let moments = disk.end_trace();
    let told: Vec<_> = moments
        .iter()
        .map(|moment| (moment.mark, images(&moment.disk).len()))
        .collect();
    assert_eq!(told, [(0, 1), (5, 2), (5, 1)]);
}

#[test]
fn the_nth_operation_of_a_kind_fails_once_or_for_good() {
    let disk = settled(1);
    disk.plan_among(Among::Opens, 1, Fault::Errno(libc::EMFILE));
    assert!(write(&disk, 0, 2, 1).is_ok());
    let open = || (&disk).open(LOG, FileMode::Read).map(drop);
    assert_eq!(open().expect_err("planned").os_errno, libc::EMFILE);
    assert!(open().is_ok());
    disk.plan_among(Among::Calls, 0, Fault::ErrnoForGood(libc::EIO));
    assert!(open().is_err() && open().is_err());
    disk.mend();
    assert!(open().is_ok());
}

#[test]
fn more_images_than_the_bound_are_the_corners_and_seeded_others() {
    let disk = settled(12);
    write(&disk, 0, 2, 12).expect("sound");
    let cuts = disk.cuts();
    assert_eq!(cuts.count(), 1 << 12);
    let list = |seed| {
        cuts.images(200, seed)
            .map(|image| shown(&image))
            .collect::<Vec<_>>()
    };
    let (first, again, other) = (list(1), list(1), list(2));
    assert!((190..=210).contains(&first.len()), "{}", first.len());
    assert!(first == again && first != other, "the seed alone decides");
    let count = |image: &Vec<u8>| {
        image
            .iter()
            .map(|&byte| usize::from(byte == 2))
            .sum::<usize>()
    };
    for corner in [0, 1, 11, 12] {
        assert!(
            first.iter().any(|image| count(image) == corner),
            "{corner} sectors"
        );
    }
}

#[test]
fn equal_images_have_equal_fingerprints_and_others_do_not() {
    let disk = settled(9);
    write(&disk, 0, 2, 9).expect("sound");
    let cuts = disk.cuts();
    let seen: BTreeSet<_> = cuts
        .images(1 << 9, 0)
        .map(|image| image.fingerprint())
        .collect();
    assert_eq!(seen.len(), 1 << 9);
    assert_eq!(disk.fingerprint(), disk.clone().fingerprint());
    // An empty file is none the less a file: once, its name and what came before it cancelled out.
    let with_empty = disk.clone();
    with_empty.put(FileName::WalTemporary, Vec::new());
    let other = settled(9);
    other.put(FileName::WalTemporary, Vec::new());
    assert_ne!(with_empty.fingerprint(), disk.fingerprint());
    assert_ne!(with_empty.fingerprint(), other.fingerprint());
}

#[test]
fn files_without_a_name_are_freed() {
    let disk = settled(1);
    let storage = &disk;
    for _ in 0..100 {
        drop(storage.open(FileName::WalTemporary, FileMode::Create));
        storage.rename(FileName::WalTemporary, LOG).expect("sound");
        storage.sync_directory().expect("sound");
    }
    assert!(disk.inner().files.len() < 4);
}
