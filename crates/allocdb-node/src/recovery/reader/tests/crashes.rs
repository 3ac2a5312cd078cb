//! A power cut at every operation of a workload, with a reader that looks on before and after.
//!
//! The writer keeps a page, as the engine does. Whatever a reader showed before the cut must still
//! be there after it (R98), and what it shows of the disk that is left, recovery must keep.

use super::*;
use crate::storage::faulty::Fault;

/// What the writer's page calls durable.
type Page = fn(&Database<&Disk>) -> Lsn;

/// What the looking-on saw: the newest LSN that a reader showed.
fn work(disk: &Disk, options: &Options, digests: &[Digest], page: Page) -> Lsn {
    let mut shown = Lsn(0);
    let mut handle: Option<Handle> = None;
    let mut look = |disk: &Disk, lsn: Option<Lsn>| {
        if let Some(lsn) = lsn {
            show(disk, lsn);
        }
        if disk.has_crashed() {
            return;
        }
        match &mut handle {
            None => handle = Handle::open(&disk).ok(),
            Some(handle) => {
                handle.refresh(&disk).expect("a sound disk");
            }
        }
        if let Some(handle) = &handle {
            let (lsn, digest) = handle.mark();
            assert_eq!(digest, digests[usize::try_from(lsn.0).expect("small")]);
            assert!(lsn >= shown, "never back");
            shown = lsn;
        }
    };
    for checkpoints in [2, 0, 1] {
        let Ok(mut database) = Database::open(disk, options) else {
            return shown;
        };
        look(disk, Some(database.mark().0));
        for checkpoint in 0..=checkpoints {
            for count in [3, 1, 1, 1, 12] {
                if database.commit(count).is_err() {
                    return shown;
                }
                // Before the page says so, and after.
                look(disk, None);
                look(disk, Some(page(&database)));
            }
            if checkpoint < checkpoints && database.checkpoint().is_err() {
                return shown;
            }
            look(disk, Some(page(&database)));
        }
        if checkpoints != 0 && database.wal.seal().is_err() {
            return shown;
        }
        look(disk, None);
    }
    shown
}

fn images(disk: &Disk) -> Vec<Disk> {
    let dirty = disk.dirty_count();
    let mut keeps = vec![Keep::Nothing, Keep::Everything];
    keeps.extend((0..dirty.min(3)).flat_map(|at| [Keep::AllBut(at), Keep::Only(at)]));
    keeps.extend((1..=3).map(Keep::Some));
    keeps
        .into_iter()
        .map(|keep| disk.after_crash(keep))
        .collect()
}

fn check(disk: &Disk, options: &Options, shown: Lsn, digests: &[Digest]) {
    let before = disk.contents();
    let seen = Handle::open(&disk);
    assert_eq!(disk.contents(), before);
    let seen = seen.map(|handle| handle.mark());
    let database = Database::open(disk, options).expect("a legal crash");
    let (lsn, _) = database.mark();
    assert!(
        shown <= lsn,
        "shown {shown:?}, after the power cut there is {lsn:?}"
    );
    match seen {
        Ok((seen, digest)) => {
            // The page may be gone, and then nothing proves the last frame; recovery keeps it.
            let has_page = disk.read(FileName::Health).is_some();
            assert!(
                seen >= shown || !has_page,
                "what the page calls durable is shown"
            );
            assert!(seen <= lsn, "seen {seen:?}, recovered {lsn:?}");
            assert_eq!(digest, digests[usize::try_from(seen.0).expect("small")]);
        }
        // Its making was cut short.
        Err(OpenError::NotADatabase { .. }) => assert_eq!(lsn, Lsn(0)),
        Err(error) => panic!("{error}"),
    }
    // The next reader sees all that recovery kept: it is sealed, or proved already.
    let handle = Handle::open(&disk).expect("recovered");
    assert_eq!(handle.mark(), database.mark());
}

fn every_power_cut(options: &Options, page: Page) {
    let digests = digests(120);
    let disk = Disk::new();
    let last = work(&disk, options, &digests, page);
    assert!(last > Lsn(60), "the whole workload was seen: {last:?}");
    let operations = disk.operations();
    let mut images_checked = 0;
    for skipped in 0..operations {
        let disk = Disk::new();
        disk.plan(skipped, Fault::Crash);
        let shown = work(&disk, options, &digests, page);
        assert!(disk.has_crashed());
        for image in images(&disk) {
            check(&image, options, shown, &digests);
            images_checked += 1;
        }
    }
    assert!(images_checked > 500, "{images_checked} images");
}

#[test]
fn what_a_reader_has_shown_survives_every_power_cut() {
    every_power_cut(&options(), |database| database.wal.durable_lsn());
}

#[test]
fn what_a_reader_has_shown_survives_every_power_cut_without_syncs() {
    let options = Options {
        sync: SyncMode::Os,
        ..options()
    };
    every_power_cut(&options, |database| database.wal.durable_lsn());
}

#[test]
fn the_harness_catches_a_page_that_calls_durable_what_is_only_applied() {
    let options = Options {
        sync: SyncMode::Os,
        ..options()
    };
    let caught = std::panic::catch_unwind(|| {
        every_power_cut(&options, |database| database.mark().0);
    });
    let told = caught.expect_err("a power cut takes back what was shown");
    let told = told.downcast_ref::<String>().expect("a message");
    assert!(told.contains("after the power cut there is"), "{told}");
}

#[test]
fn a_failed_sync_is_never_shown() {
    let digests = digests(40);
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    show(&disk, database.commit(3).expect("a sound disk"));
    let mut handle = Handle::open(&&disk).expect("opened");
    // The write goes well; its sync does not, and the page cache goes on to show the frame.
    disk.plan(1, Fault::Errno(libc::EIO));
    assert!(database.commit(3).is_err());
    disk.mend();
    reaches(&mut handle, &disk, Lsn(3), &digests);
    drop(database);
    // The frame is there no more after this cut, and another takes its place.
    let disk = disk.after_crash(Keep::Nothing);
    let mut database = Database::open(&disk, &options()).expect("recovered");
    assert_eq!(database.mark().0, Lsn(3));
    database.commit(1).expect("a sound disk");
    show(&disk, database.commit(1).expect("a sound disk"));
    reaches(&mut handle, &disk, Lsn(5), &digests);
}
