//! A reader beside a writer: what it shows is durable, is a state that the writer had, and never
//! goes back; whatever happens to the files meanwhile.

mod crashes;
mod damage;
mod restless;

use allocdb_core::Slot;
use allocdb_core::hash::Digest;

use super::*;
use crate::health_page::HealthPage;
use crate::options::SyncMode;
use crate::recovery::fixture::{Database, digests, options};
use crate::storage::faulty::{Disk, Keep};

/// A reader and its state.
struct Handle {
    reader: Reader,
    state: RwLock<State>,
}

impl Handle {
    fn open<S: Storage>(storage: &S) -> Result<Self, OpenError> {
        // Everything as stored.
        let options = Options {
            read_only: true,
            ..Options::default()
        };
        let (reader, state, _) = open(storage, &options)?;
        let state = RwLock::new(state);
        Ok(Self { reader, state })
    }

    fn refresh<S: Storage>(&mut self, storage: &S) -> Result<Refreshed, RefreshError> {
        let halt = |reason| panic!("halted: {reason}");
        self.reader.refresh(storage, &self.state, &halt)
    }

    fn mark(&self) -> (Lsn, Digest) {
        let state = self.state.read().expect("sound");
        (state.last_lsn(), state.digest())
    }
}

/// Shows on the page that everything up to `lsn` is durable.
fn show(disk: &Disk, lsn: Lsn) {
    let storage = &disk;
    let mut page = HealthPage::open(storage, options().database_id).expect("made");
    let reached = (lsn, Slot(0));
    page.publish(storage, reached, |_| {}).expect("written");
}

/// A refresh that must go well and reach `lsn`.
fn reaches(handle: &mut Handle, disk: &Disk, lsn: Lsn, digests: &[Digest]) -> Refreshed {
    let refreshed = handle.refresh(&disk).expect("refreshed");
    let at = usize::try_from(lsn.0).expect("small");
    assert_eq!(handle.mark(), (lsn, digests[at]));
    assert_eq!(refreshed.lsn, lsn);
    refreshed
}

#[test]
fn without_a_page_a_reader_shows_what_the_log_proves_and_all_of_it_once_sealed() {
    let (disk, digests) = (Disk::new(), digests(20));
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    for _ in 0..3 {
        database.commit(3).expect("a sound disk");
    }
    // The last frame may be one whose sync has not returned.
    let mut handle = Handle::open(&&disk).expect("opened");
    assert_eq!(handle.mark(), (Lsn(6), digests[6]));
    reaches(&mut handle, &disk, Lsn(6), &digests);
    database.commit(3).expect("a sound disk");
    let refreshed = reaches(&mut handle, &disk, Lsn(9), &digests);
    assert!(!refreshed.is_rebuilt);
    database.wal.seal().expect("a sound disk");
    reaches(&mut handle, &disk, Lsn(12), &digests);
}

#[test]
fn with_a_page_a_reader_shows_every_commit_that_it_calls_durable_and_no_other() {
    let (disk, digests) = (Disk::new(), digests(40));
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    show(&disk, Lsn(0));
    let mut handle = Handle::open(&&disk).expect("opened");
    for round in 1..=12 {
        let lsn = database.commit(3).expect("a sound disk");
        reaches(&mut handle, &disk, Lsn(3 * (round - 1)), &digests);
        show(&disk, lsn);
        reaches(&mut handle, &disk, lsn, &digests);
    }
}

#[test]
fn what_is_not_synced_is_shown_when_a_sync_covers_it() {
    let (disk, digests) = (Disk::new(), digests(40));
    let options = Options {
        sync: SyncMode::Os,
        ..options()
    };
    let mut database = Database::open(&disk, &options).expect("a sound disk");
    for _ in 0..4 {
        database.commit(3).expect("a sound disk");
    }
    show(&disk, database.wal.durable_lsn());
    let mut handle = Handle::open(&&disk).expect("opened");
    assert_eq!(handle.mark(), (Lsn(0), digests[0]));
    database.wal.flush().expect("synced");
    database.commit(3).expect("a sound disk");
    // No page is needed: the frame says that what precedes it is durable.
    reaches(&mut handle, &disk, Lsn(12), &digests);
}

#[test]
fn a_page_of_another_database_and_an_old_one_mislead_nobody() {
    let (disk, digests) = (Disk::new(), digests(40));
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    for _ in 0..3 {
        database.commit(3).expect("a sound disk");
    }
    let mut page = HealthPage::open(&&disk, 0xF0E1).expect("made");
    let reached = (Lsn(1_000), Slot(0));
    page.publish(&&disk, reached, |_| {}).expect("written");
    let mut handle = Handle::open(&&disk).expect("opened");
    assert_eq!(handle.mark(), (Lsn(6), digests[6]));
    show(&disk, Lsn(3));
    reaches(&mut handle, &disk, Lsn(6), &digests);
}

#[test]
fn checkpoints_are_followed_by_their_overlap_and_missed_ones_from_the_snapshot() {
    let (disk, digests) = (Disk::new(), digests(200));
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    show(&disk, Lsn(0));
    let mut handle = Handle::open(&&disk).expect("opened");
    let mut rebuilt = 0;
    for round in 0u64..30 {
        for _ in 0..=round % 3 {
            let lsn = database.commit(2).expect("a sound disk");
            show(&disk, lsn);
        }
        database.checkpoint().expect("a sound disk");
        // Every fourth round the reader sleeps through three checkpoints.
        if round % 4 != 1 && round % 4 != 2 {
            let (lsn, _) = database.mark();
            let refreshed = reaches(&mut handle, &disk, lsn, &digests);
            rebuilt += u64::from(refreshed.is_rebuilt);
            assert_eq!(refreshed.is_rebuilt, round % 4 == 3, "round {round}");
        }
    }
    assert_eq!(rebuilt, 7);
}

#[test]
fn a_state_that_is_built_again_is_the_writer_s_byte_for_byte() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    show(&disk, Lsn(0));
    let mut handle = Handle::open(&&disk).expect("opened");
    let image = |state: &State| {
        let mut bytes = Vec::new();
        allocdb_core::snapshot::encode(state, &mut bytes).expect("memory");
        bytes
    };
    for round in 0..20 {
        show(&disk, database.commit(3).expect("a sound disk"));
        if round % 3 == 0 {
            database.checkpoint().expect("a sound disk");
        }
        if round % 7 < 4 {
            handle.refresh(&&disk).expect("refreshed");
            let state = handle.state.read().expect("sound");
            assert!(image(&state) == image(&database.state), "round {round}");
        }
    }
}

#[test]
fn reading_changes_nothing_on_the_disk() {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    database.commit(3).expect("a sound disk");
    database.checkpoint().expect("a sound disk");
    show(&disk, database.commit(3).expect("a sound disk"));
    let before = (disk.operations(), disk.contents());
    let mut handle = Handle::open(&&disk).expect("opened beside the writer, without its lock");
    handle.refresh(&&disk).expect("refreshed");
    drop(handle);
    assert_eq!((disk.operations(), disk.contents()), before);
}

#[test]
fn a_new_owner_and_its_recovery_are_followed() {
    let (disk, digests) = (Disk::new(), digests(100));
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    show(&disk, database.commit(3).expect("a sound disk"));
    let mut handle = Handle::open(&&disk).expect("opened");
    for round in 0..10 {
        show(&disk, database.commit(3).expect("a sound disk"));
        if round % 3 == 1 {
            reaches(&mut handle, &disk, database.mark().0, &digests);
        }
        // One that nobody has called durable yet.
        let (lsn, _) = database.mark();
        database.commit(1).expect("a sound disk");
        drop(database);
        reaches(&mut handle, &disk, lsn, &digests);
        database = Database::open(&disk, &options()).expect("recovered");
        // The new owner has sealed it.
        reaches(&mut handle, &disk, Lsn(lsn.0 + 1), &digests);
        if round % 4 == 2 {
            database.checkpoint().expect("a sound disk");
        }
    }
}

#[test]
fn grown_tables_are_taken_over_with_their_configuration() {
    let (disk, digests) = (Disk::new(), digests(100));
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    show(&disk, database.commit(3).expect("a sound disk"));
    let mut handle = Handle::open(&&disk).expect("opened");
    drop(database);
    let larger = Options {
        max_operations: 2 * options().max_operations,
        ..options()
    };
    let mut database = Database::open(&disk, &larger).expect("grown");
    let refreshed = reaches(&mut handle, &disk, Lsn(3), &digests);
    assert!(refreshed.is_rebuilt);
    let config = *handle.state.read().expect("sound").config();
    assert_eq!(config, *database.state.config());
    show(&disk, database.commit(3).expect("a sound disk"));
    let refreshed = reaches(&mut handle, &disk, Lsn(6), &digests);
    assert!(!refreshed.is_rebuilt);
}

#[test]
fn a_growth_that_was_interrupted_between_its_renames_is_read_as_it_will_be() {
    let digests = digests(20);
    let mut met = 0;
    for skipped in 0..80 {
        let disk = Disk::new();
        let mut database = Database::open(&disk, &options()).expect("a sound disk");
        database.commit(3).expect("a sound disk");
        database.wal.seal().expect("a sound disk");
        drop(database);
        let larger = Options {
            max_operations: 2 * options().max_operations,
            ..options()
        };
        disk.plan(skipped, crate::storage::faulty::Fault::Crash);
        let grown = Database::open(&disk, &larger);
        if !disk.has_crashed() {
            assert!(grown.is_ok());
            break;
        }
        drop(grown);
        let disk = disk.after_crash(Keep::Everything);
        let mut handle = Handle::open(&&disk).expect("opened");
        assert_eq!(handle.mark(), (Lsn(3), digests[3]), "crash after {skipped}");
        met += 1;
        let mut database = Database::open(&disk, &larger).expect("grown");
        show(&disk, database.commit(2).expect("a sound disk"));
        reaches(&mut handle, &disk, Lsn(5), &digests);
        assert_eq!(
            *handle.state.read().expect("sound").config(),
            *database.state.config()
        );
    }
    assert!(met > 8, "{met} crashes");
}
