//! Opening: every start, every refusal, every crash, every damage.
//!
//! | file | subject |
//! |---|---|
//! | `starts` | real files, fallbacks, the report |
//! | `refusals` | what is not opened, and that nothing is changed by trying |
//! | `crashes` | a power cut or a failure at every operation of a workload |
//! | `damage` | every bit and every cut of every file |
//! | `growth` | larger tables: the same history, whatever happens on the way |
//! | `lives` | all of it in random order, from a seed |

mod crashes;
mod damage;
mod growth;
mod lives;
mod refusals;
mod starts;

use super::fixture::{CommitError, Database, digests, options};
use super::*;
use crate::error::CheckpointError;
use crate::options::SyncMode;
use crate::storage::faulty::{Disk, Fault, Keep};

/// A database with `frames` frames of three commands on a disk of its own.
fn disk_with(frames: u64) -> Disk {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    for _ in 0..frames {
        database.commit(3).expect("a sound disk");
    }
    drop(database);
    disk
}

/// One with a checkpoint after 9 and after 18 commands, and 6 commands behind; closed cleanly.
fn disk_with_two_snapshots() -> Disk {
    let disk = Disk::new();
    let mut database = Database::open(&disk, &options()).expect("a sound disk");
    for commits in [3, 3, 2] {
        for _ in 0..commits {
            database.commit(3).expect("a sound disk");
        }
        if commits == 3 {
            assert!(database.checkpoint().expect("a sound disk").written);
        }
    }
    database.wal.seal().expect("a sound disk");
    drop(database);
    disk
}

/// Opens what must be refused, and checks that trying changed nothing.
fn refusal(disk: &Disk, options: &Options) -> OpenError {
    let before = disk.contents();
    let error = Database::open(disk, options)
        .map(|_| ())
        .expect_err("refused");
    assert_eq!(
        disk.contents(),
        before,
        "a refusal changes nothing: {error}"
    );
    error
}
