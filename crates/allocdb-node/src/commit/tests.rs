//! A bug planted on purpose: the commit must catch what it is built to catch.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use allocdb_core::state::Admission;
use allocdb_core::{Lsn, Rejection};

use crate::engine::tests::disk::Disk;
use crate::engine::tests::{create, open, small, submit_many};
use crate::halt::HaltReason;
use crate::options::Options;

thread_local! {
    static BELIEVES_IN_ROOM: Cell<bool> = const { Cell::new(false) };
}

/// An acceptance that miscounts the room for operations, while the canary runs.
pub(super) fn planted(admission: Admission) -> Admission {
    match admission {
        Admission::Rejected(Rejection::OperationTableFull { .. }) if BELIEVES_IN_ROOM.get() => {
            Admission::New { lsn: Lsn(0) }
        }
        sound => sound,
    }
}

#[test]
fn an_acceptance_that_disagrees_with_apply_about_room_halts_and_answers_nobody() {
    let options = Options {
        max_operations: 3,
        ..small()
    };
    let commands: Vec<_> = (1..=4).map(|id| create(id, id)).collect();

    let sound = open(&Disk::default(), &options);
    assert!(submit_many(&sound, 1, &commands).expect("answered")[3].is_err());
    assert!(sound.health(None).accepting_writes);

    let engine = open(&Disk::default(), &options);
    BELIEVES_IN_ROOM.set(true);
    let submitted = catch_unwind(AssertUnwindSafe(|| submit_many(&engine, 1, &commands)));
    BELIEVES_IN_ROOM.set(false);
    assert!(submitted.is_err(), "nobody is told that it was done");
    let health = engine.health(None);
    assert_eq!(health.halt, Some(HaltReason::Panic));
    assert!(engine.operation(Lsn(0), commands[0].operation_id).is_err());
}
