//! Every failing operation of two lives; and what is planted is caught.

use allocdb_core::canary::{Canary, plant};

use super::*;

fn findings(goal: u64) -> Vec<String> {
    let mut run = Run::silent(goal, 3);
    super::run(&mut run);
    run.findings().to_vec()
}

#[test]
fn no_failing_operation_loses_anything_or_is_answered_wrongly() {
    assert_eq!(findings(5_000), Vec::<String>::new());
}

#[test]
fn canary_page_cache_trusted_is_caught() {
    let _planted = plant(Canary::PageCacheTrusted);
    assert!(!findings(5_000).is_empty());
}

/// A log is written under a temporary name and used through the same descriptor ever after; so a
/// failed commit behind a checkpoint, or in a database made in this process, was reported as one of
/// `wal.adb.tmp`, a file that no operator would find.
#[test]
fn a_failure_of_the_log_is_told_under_the_name_that_it_has() {
    let disk = Disk::new();
    let script = Script::new(1);
    let mut host = Host::new(&disk, &script);
    host.step(0).expect("a script opens first");
    disk.plan(0, Fault::Errno(libc::EIO));
    let failed = script::commit(host.engine(), allocdb_core::Slot(1), 1);
    let Err(SubmitError::StorageFailure { error }) = failed else {
        panic!("the write of the frame was to fail: {failed:?}");
    };
    assert_eq!(error.file, FileName::Wal);
}
