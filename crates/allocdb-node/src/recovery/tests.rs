//! Opening: every start, every refusal, and real files.

use super::fixture::{Database, digests, options};
use super::*;
use crate::storage::{DirectoryOptions, FileStorage};

#[test]
fn a_real_directory_is_created_committed_to_checkpointed_and_reopened() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || {
        let storage = FileStorage::open(directory.path(), DirectoryOptions::default());
        Database::open(storage.expect("it is there"), &options())
    };
    let mut database = open().expect("created");
    assert_eq!(database.report.kind, StartKind::Fresh);
    for _ in 0..20 {
        database.commit(3).expect("a sound disk");
    }
    let locked = open().map(|_| ()).expect_err("open already");
    let owner_pid = std::process::id();
    assert_eq!(locked, OpenError::Locked { owner_pid });
    let mark = database.mark();
    drop(database);

    let mut database = open().expect("killed without a seal");
    assert_eq!(database.report.kind, StartKind::WalOnly);
    assert_eq!(database.report.records_replayed, 60);
    assert!(database.report.rewritten_bytes >= 512);
    assert_eq!(database.mark(), mark);
    assert!(database.checkpoint().expect("a sound disk").written);
    database.wal.seal().expect("a sound disk");
    drop(database);

    let mut database = open().expect("sealed");
    assert_eq!(database.report.kind, StartKind::SnapshotOnly);
    assert_eq!(database.mark(), mark);
    database.commit(1).expect("a sound disk");
    let mark = database.mark();
    drop(database);
    let database = open().expect("killed");
    assert_eq!(database.report.kind, StartKind::SnapshotAndWal);
    assert_eq!(database.mark(), mark);
    assert_eq!(mark.1, digests(mark.0.0)[61]);
}
