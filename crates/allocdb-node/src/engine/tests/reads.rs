//! Reads: durable state only, fences, no waiting for a sync.

use std::thread;
use std::time::Duration;

use allocdb_core::state::{Filter, ReservationState, ResourceState};

use super::*;
use crate::error::ReadError;

#[test]
fn reads_during_a_blocked_sync_return_at_once_and_show_what_is_durable() {
    let disk = Disk::default();
    let engine = open(&disk, &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    disk.script(|script| script.sync_blocks = true);
    thread::scope(|scope| {
        let engine = &engine;
        let writer = scope.spawn(move || outcome(submit_one(engine, 1, create(2, 2))));
        disk.wait_for_blocked_sync();
        thread::sleep(Duration::from_millis(5));
        // R72: neither waits for the sync, nor shows what it has not covered yet.
        assert!(engine.resource(Lsn(0), ResourceId(1)).is_ok());
        assert_eq!(
            engine.resource(Lsn(0), ResourceId(2)),
            Err(ReadError::NotFound)
        );
        assert_eq!(
            engine.operation(Lsn(0), OperationId(2)),
            Err(ReadError::NotFound)
        );
        assert_eq!(engine.last_lsn(), Lsn(1));
        assert_eq!(engine.health(None).commits, 1);
        assert!(!writer.is_finished());
        disk.script(|script| script.sync_blocks = false);
        writer.join().expect("committed");
    });
    assert!(engine.resource(Lsn(2), ResourceId(2)).is_ok());
}

#[test]
fn a_fence_ahead_of_the_state_is_not_applied() {
    let engine = open(&Disk::default(), &small());
    outcome(submit_one(&engine, 1, create(1, 1)));
    // R73
    let error = engine.resource(Lsn(2), ResourceId(1)).expect_err("ahead");
    let (required, applied) = (Lsn(2), Lsn(1));
    assert_eq!(error, ReadError::FenceNotApplied { required, applied });
    assert_eq!((error.status(), error.detail()), (402, [2, 1, 0, 0]));
    assert!(engine.resource(Lsn(1), ResourceId(1)).is_ok());
    assert_eq!(
        engine
            .operation(Lsn(9), OperationId(1))
            .expect_err("ahead")
            .status(),
        402
    );
    let listed = engine.list_resources(Lsn(9), &Filter::default(), 0, 10, |_| ());
    assert_eq!(listed.expect_err("ahead").status(), 402);
}

#[test]
fn a_reservation_is_found_with_its_bundle_or_not_found_or_retired() {
    let engine = open(&Disk::default(), &small());
    let ids: Vec<[u8; 16]> = [3u128, 1, 2].map(u128::to_le_bytes).into();
    let commands: Vec<_> = (1..=3).map(|id| create(id, id)).collect();
    submit_many(&engine, 1, &commands).expect("committed");
    let held = outcome(submit_one(&engine, 1, reserve(10, &ids, 7, 5)));
    let mut seen = Vec::new();
    let reservation = engine
        .reservation(Lsn(0), held.reservation_id, |id| seen.push(id.0))
        .expect("live");
    assert_eq!(seen, [3, 1, 2]);
    assert_eq!(
        (reservation.state, reservation.resource_count),
        (ReservationState::Reserved, 3)
    );
    let unknown = ReservationId(held.reservation_id.0 + 1);
    let error = engine
        .reservation(Lsn(0), unknown, |_| ())
        .expect_err("unknown");
    assert_eq!((error, error.status()), (ReadError::NotFound, 400));
    // Expired at slot 6, forgotten after the history window.
    let error = (10..200).find_map(|slot| {
        submit_one(&engine, slot, create(u128::from(slot) + 100, 60))
            .expect("answered")
            .expect("logged");
        engine
            .reservation(Lsn(0), held.reservation_id, |_| ())
            .err()
    });
    let error = error.expect("it retires");
    // R74
    assert_eq!((error, error.status()), (ReadError::Retired, 401));
}

#[test]
fn an_operation_can_be_asked_for_until_its_window_is_past() {
    let engine = open(&Disk::default(), &small());
    let first = outcome(submit_one(&engine, 1, create(1, 1)));
    let asked = engine
        .operation(Lsn(0), OperationId(1))
        .expect("remembered");
    // R75
    assert_eq!((asked.lsn, asked.from_retry_cache), (first.lsn, true));
    outcome(submit_one(&engine, 12, create(2, 2)));
    let error = engine.operation(Lsn(0), OperationId(1)).expect_err("past");
    assert_eq!(error.status(), 400);
}

#[test]
fn listings_page_by_a_cursor_and_filter() {
    let engine = open(&Disk::default(), &small());
    let commands: Vec<_> = (1..=20).map(|id| create(id, id)).collect();
    submit_many(&engine, 1, &commands).expect("committed");
    let held: Vec<_> = (1..=5u128)
        .map(|id| {
            let ids = [id.to_le_bytes()];
            outcome(submit_one(
                &engine,
                1,
                reserve(100 + id, &ids, id % 2 + 1, 9),
            ))
            .reservation_id
        })
        .collect();
    outcome(submit_one(&engine, 1, confirm(200, held[0], 2)));
    // R76, R77
    let (mut cursor, mut rows) = (0, Vec::new());
    loop {
        let page = |row: allocdb_core::state::Resource| rows.push(row.resource_id.0);
        cursor = engine
            .list_resources(Lsn(0), &Filter::default(), cursor, 7, page)
            .expect("read");
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(rows, (1..=20).collect::<Vec<u128>>());
    let count = |filter: Filter| {
        let mut count = 0;
        let end = engine.list_resources(Lsn(0), &filter, 0, 100, |_| count += 1);
        assert_eq!(end, Ok(0));
        count
    };
    let states = 1 << ResourceState::Confirmed as u32;
    assert_eq!(
        count(Filter {
            states,
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        count(Filter {
            states: 0,
            holder_id: HolderId(1)
        }),
        2
    );
    let mut reservations = Vec::new();
    let end = engine.list_reservations(Lsn(0), &Filter::default(), 0, 100, |row| {
        reservations.push(row.reservation_id);
    });
    assert_eq!((end, reservations), (Ok(0), held));
}
