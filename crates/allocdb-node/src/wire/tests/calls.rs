//! What a call means: grouping, order, and a status for each message.

use super::*;
use crate::error::{FileName, IoError};
use crate::status;
use crate::wire::response::Body as Answer;
use allocdb_core::outcome::{Rejection, ResultCode};

const SYNC_FAILED: IoError = IoError {
    operation: "sync",
    file: FileName::Wal,
    os_errno: 5,
    offset: 0,
};

/// The status of each response, and its result code where it has one.
fn statuses(bytes: &[u8]) -> Vec<(u16, Option<ResultCode>)> {
    let said = |body: &Answer<'_>| match body {
        Answer::Failed(failure) => (failure.status, None),
        Answer::Outcome(outcome) => (0, Some(outcome.code)),
        _ => (0, None),
    };
    responses(bytes)
        .iter()
        .map(|response| said(&response.body))
        .collect()
}

fn state_of(bytes: &[u8], index: usize) -> u32 {
    match responses(bytes)[index].body {
        Answer::Resource(row) => row.state,
        other => panic!("expected a resource, got {other:?}"),
    }
}

#[test]
fn no_messages_give_no_responses() {
    let plain = Plain::new(small_bounds());
    assert_eq!(plain.call(&[]), Ok(Vec::new()));
}

#[test]
fn consecutive_commands_are_one_commit() {
    let plain = Plain::new(small_bounds());
    let requests = [create(1, 1, 1), create(1, 2, 2), create(1, 3, 1)];
    let out = plain.call(&call_of(&requests)).unwrap();
    let (done, exists) = (Some(ResultCode::Done), Some(ResultCode::ResourceExists));
    assert_eq!(statuses(&out), [(0, done), (0, done), (0, exists)]);
    assert_eq!(*plain.commits.borrow(), [Slot(1)]);
    let tags: Vec<_> = responses(&out)
        .iter()
        .map(|response| response.tag)
        .collect();
    assert_eq!(tags, [1, 2, 3], "tags come back unchanged");
}

#[test]
fn commands_over_the_bounds_of_a_commit_are_several() {
    let by_count = Bounds {
        max_batch_commands: 2,
        ..small_bounds()
    };
    // The record of a create takes 45 bytes.
    let by_bytes = Bounds {
        max_batch_bytes: 100,
        ..small_bounds()
    };
    for bounds in [by_count, by_bytes] {
        let plain = Plain::new(bounds);
        let requests: Vec<_> = (1..=5).map(|n| create(1, n, n)).collect();
        let out = plain.call(&call_of(&requests)).unwrap();
        assert_eq!(plain.commits.borrow().len(), 3);
        assert_eq!(statuses(&out), [(0, Some(ResultCode::Done)); 5]);
    }
}

#[test]
fn a_read_sees_the_commands_before_it_and_not_those_after() {
    let plain = Plain::new(small_bounds());
    let id = [1u128.to_le_bytes()];
    let requests = [
        get(1, 1),
        create(1, 2, 1),
        get(3, 1),
        reserve(1, 4, &id),
        get(5, 1),
    ];
    let out = plain.call(&call_of(&requests)).unwrap();
    assert_eq!(statuses(&out)[0], (status::ID_NOT_FOUND, None));
    assert_eq!((state_of(&out, 2), state_of(&out, 4)), (1, 2));
    assert_eq!(plain.commits.borrow().len(), 2);
}

#[test]
fn a_commit_has_the_greatest_slot_of_its_messages() {
    let rows: [(&[u64], u64); 4] = [
        (&[5, 9, 7], 9),
        (&[0, 0], 1000),
        (&[5, 0], 1000),
        (&[0, 2000], 2000),
    ];
    for (slots, expected) in rows {
        let plain = Plain::new(small_bounds());
        let requests: Vec<_> = slots
            .iter()
            .zip(1..)
            .map(|(&slot, n)| create(slot, n, n))
            .collect();
        plain.call(&call_of(&requests)).unwrap();
        assert_eq!(*plain.commits.borrow(), [Slot(expected)]);
    }
}

#[test]
fn retry_and_conflict_are_answered_each_in_its_place() {
    let plain = Plain::new(small_bounds());
    let first = plain.call(&call_of(&[create(1, 1, 1)])).unwrap();
    let requests = [
        create(1, 2, 2),
        create(1, 1, 1),
        create(1, 1, 3),
        create(1, 2, 2),
        create(1, 2, 4),
    ];
    let out = plain.call(&call_of(&requests)).unwrap();
    let said = responses(&out);
    let Answer::Outcome(original) = responses(&first)[0].body else {
        panic!("an outcome");
    };
    assert_eq!(
        said[1].body,
        Answer::Outcome(Outcome {
            from_retry_cache: true,
            ..original
        })
    );
    let conflict = (status::E_OPERATION_CONFLICT, None);
    assert_eq!(statuses(&out)[2], conflict);
    assert_eq!(statuses(&out)[4], conflict);
    for (index, lsn) in [(2, 1), (4, 2)] {
        let Answer::Failed(failure) = said[index].body else {
            panic!("a conflict");
        };
        assert_eq!(failure.detail, [lsn, 0, 0, 0]);
    }
    assert!(matches!(said[3].body, Answer::Outcome(o) if o.from_retry_cache && o.lsn == Lsn(2)));
}

#[test]
fn a_later_failure_never_hides_an_earlier_outcome() {
    let plain = Plain::new(small_bounds());
    let failure = SubmitError::StorageFailure { error: SYNC_FAILED };
    *plain.script.borrow_mut() = [None, Some(failure)].into();
    let requests = [
        create(1, 1, 1),
        get(2, 1),
        create(1, 3, 3),
        create(1, 4, 4),
        get(5, 1),
        create(1, 6, 6),
        read(
            7,
            Body::Tick {
                slot: Slot(0),
                limit: 0,
            },
        ),
        read(8, Body::Checkpoint),
        read(9, Body::Health { slot: Slot(0) }),
        read(10, Body::Configuration),
    ];
    let out = plain.call(&call_of(&requests)).unwrap();
    let (failed, halted) = ((status::E_STORAGE_FAILURE, None), (status::E_HALTED, None));
    let expected = [
        (0, Some(ResultCode::Done)),
        (0, None),
        failed,
        failed,
        halted,
        halted,
        halted,
        halted,
        (0, None),
        (0, None),
    ];
    assert_eq!(statuses(&out), expected);
    let Answer::Failed(said) = responses(&out)[2].body else {
        panic!("a failure");
    };
    assert_eq!(said.os_errno, 5);
    let Answer::Health(figures) = responses(&out)[8].body else {
        panic!("figures");
    };
    assert_eq!((figures.0[0], figures.0[1], figures.0[2]), (0, 1, 5));
}

#[test]
fn a_definite_refusal_of_one_commit_leaves_the_others() {
    let plain = Plain::new(small_bounds());
    *plain.script.borrow_mut() = [Some(SubmitError::Overloaded { capacity: 10 })].into();
    let requests = [create(1, 1, 1), create(1, 2, 2), get(3, 1), create(1, 4, 4)];
    let out = plain.call(&call_of(&requests)).unwrap();
    let overloaded = (status::E_OVERLOADED, None);
    let missing = (status::ID_NOT_FOUND, None);
    let expected = [overloaded, overloaded, missing, (0, Some(ResultCode::Done))];
    assert_eq!(statuses(&out), expected);
    let Answer::Failed(said) = responses(&out)[0].body else {
        panic!("a failure");
    };
    assert_eq!(said.detail[0], 10);
}

#[test]
fn a_slot_that_leaps_is_refused_alone() {
    let plain = Plain {
        slot_leap_bound: Slot(100),
        ..Plain::new(small_bounds())
    };
    let requests = [create(50, 1, 1), create(5000, 2, 2), create(60, 3, 3)];
    let out = plain.call(&call_of(&requests)).unwrap();
    let done = (0, Some(ResultCode::Done));
    assert_eq!(statuses(&out), [done, (status::E_SLOT_LEAP, None), done]);
    let Answer::Failed(said) = responses(&out)[1].body else {
        panic!("a failure");
    };
    assert_eq!(said.detail, [5000, 100, 0, 0]);
    assert_eq!(*plain.commits.borrow(), [Slot(50), Slot(60)]);
}

#[test]
fn what_the_configuration_rules_out_refuses_the_call_whole() {
    let ids: Vec<_> = (1..=5u128).map(u128::to_le_bytes).collect();
    let twice = [[7; 16], [8; 16], [7; 16]];
    let mut long_ttl = reserve(1, 2, &ids[..1]);
    if let Body::Command { command, .. } = &mut long_ttl.body
        && let Action::Reserve { ttl_slots, .. } = &mut command.action
    {
        *ttl_slots = 1001;
    }
    let extend = Action::Extend {
        reservation_id: ReservationId(1),
        holder_id: HolderId(1),
        ttl_slots: 0,
    };
    let late = small_config().slot_max().0 + 1;
    let tick = read(
        2,
        Body::Tick {
            slot: Slot(late),
            limit: 0,
        },
    );
    let rows: [(Request<'_>, usize, u16); 6] = [
        (reserve(1, 2, &ids), 72, status::E_BUNDLE_TOO_LARGE),
        (
            reserve(1, 2, &twice),
            80 + 2 * 16,
            status::E_DUPLICATE_RESOURCE,
        ),
        (long_ttl, 64, status::E_TTL_OUT_OF_RANGE),
        (command(1, 2, extend), 80, status::E_TTL_OUT_OF_RANGE),
        (create(late, 2, 2), 16, status::E_SLOT_OVERFLOW),
        (tick, 16, status::E_SLOT_OVERFLOW),
    ];
    let plain = Plain::new(small_bounds());
    for (request, offset, expected) in rows {
        let error = plain
            .call(&call_of(&[create(1, 1, 1), request]))
            .unwrap_err();
        assert_eq!(error.status(), expected);
        assert_eq!(error.detail()[..2], [1, 64 + offset as u64], "{error}");
    }
    assert_eq!(
        plain.state.borrow().last_lsn(),
        Lsn(0),
        "nothing was sequenced"
    );
}

#[test]
fn a_buffer_that_is_too_small_executes_nothing_and_learns_the_size() {
    let plain = Plain::new(small_bounds());
    let listing = Listing {
        required_lsn: Lsn(0),
        cursor: 0,
        holder_id: HolderId(0),
        state_mask: 0,
        row_count_max: 3,
    };
    let requests = [
        create(1, 1, 1),
        get(2, 1),
        read(3, Body::ListReservations(listing)),
        create(1, 4, 4),
    ];
    let bytes = call_of(&requests);
    let needed = 72 + 88 + (56 + 3 * 96) + 72;
    for given in 0..needed {
        let mut out = vec![0xEE; given];
        let error = call(&plain, &bytes, &mut out).unwrap_err();
        assert_eq!(error, CallError::BufferTooSmall { needed, given });
        assert!(out.iter().all(|&byte| byte == 0xEE), "nothing was written");
    }
    assert_eq!(
        plain.state.borrow().last_lsn(),
        Lsn(0),
        "nothing was sequenced"
    );
    let mut out = vec![0xEE; needed + 9];
    let len = call(&plain, &bytes, &mut out).unwrap();
    assert_eq!(len, needed - 3 * 96, "no reservation is there");
    assert!(
        out[len..].iter().all(|&byte| byte == 0xEE),
        "nothing behind it was written"
    );
}

#[test]
fn a_fence_ahead_of_the_state_is_not_applied() {
    let plain = Plain::new(small_bounds());
    let fenced = |required| Body::GetResource {
        required_lsn: Lsn(required),
        resource_id: ResourceId(1),
    };
    let requests = [create(1, 1, 1), read(2, fenced(1)), read(3, fenced(2))];
    let out = plain.call(&call_of(&requests)).unwrap();
    assert_eq!(state_of(&out, 1), 1);
    let Answer::Failed(said) = responses(&out)[2].body else {
        panic!("a failure");
    };
    assert_eq!(
        (said.status, said.detail),
        (status::FENCE_NOT_APPLIED, [2, 1, 0, 0])
    );
}

#[test]
fn a_reservation_is_read_with_as_many_ids_as_asked_for() {
    let plain = Plain::new(small_bounds());
    let ids: Vec<_> = (1..=3u128).map(u128::to_le_bytes).collect();
    let requests = [
        create(1, 1, 1),
        create(1, 2, 2),
        create(1, 3, 3),
        reserve(1, 4, &ids),
    ];
    let out = plain.call(&call_of(&requests)).unwrap();
    let Answer::Outcome(reserved) = responses(&out)[3].body else {
        panic!("an outcome");
    };
    assert_eq!(reserved.reservation_id, ReservationId(7 << 64 | 4));
    for capacity in 0..6 {
        let body = Body::GetReservation {
            required_lsn: Lsn(0),
            reservation_id: reserved.reservation_id,
            capacity,
        };
        let out = plain.call(&call_of(&[read(5, body)])).unwrap();
        let Answer::Reservation { row, resource_ids } = responses(&out)[0].body else {
            panic!("a reservation");
        };
        let expected = ids.len().min(capacity as usize);
        assert_eq!(resource_ids.as_bytes(), ids[..expected].as_flattened());
        assert_eq!((row.resource_count, row.deadline_slot), (3, Slot(11)));
        assert_eq!(out.len(), 128 + 16 * expected);
    }
}

#[test]
fn lists_are_read_page_by_page() {
    let plain = Plain::new(small_bounds());
    let ids = [3u128.to_le_bytes(), 5u128.to_le_bytes()];
    let mut requests: Vec<_> = (1..=7).map(|n| create(1, n, n)).collect();
    requests.push(reserve(1, 8, &ids));
    plain.call(&call_of(&requests)).unwrap();
    let list = |cursor, state_mask, holder| {
        let listing = Listing {
            required_lsn: Lsn(8),
            cursor,
            holder_id: HolderId(holder),
            state_mask,
            row_count_max: 3,
        };
        let out = plain
            .call(&call_of(&[read(1, Body::ListResources(listing))]))
            .unwrap();
        let Answer::Resources {
            next_cursor,
            applied_lsn,
            rows,
        } = responses(&out)[0].body
        else {
            panic!("rows");
        };
        assert_eq!(applied_lsn, Lsn(8));
        (
            next_cursor,
            rows.resources()
                .map(|row| row.resource_id.0)
                .collect::<Vec<_>>(),
        )
    };
    let (second, first_page) = list(0, 0, 0);
    let (third, second_page) = list(second, 0, 0);
    let (end, third_page) = list(third, 0, 0);
    assert_eq!(
        [first_page, second_page, third_page].concat(),
        [1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(end, 0);
    assert_eq!(list(0, 1 << 2, 0), (0, vec![3, 5]));
    assert_eq!(list(0, 0, 9), (0, vec![3, 5]));
    assert_eq!(list(0, 1 << 1, 9), (0, vec![]));
    assert_eq!(
        list(u64::MAX, 0, 0),
        (0, vec![]),
        "a cursor nobody gave ends the list"
    );
}

#[test]
fn a_tick_expires_and_a_limit_of_zero_is_the_configured_one() {
    let plain = Plain::new(small_bounds());
    let id = [1u128.to_le_bytes()];
    let tick = |slot| {
        read(
            9,
            Body::Tick {
                slot: Slot(slot),
                limit: 0,
            },
        )
    };
    let requests = [
        create(1, 1, 1),
        reserve(1, 2, &id),
        tick(5),
        tick(11),
        get(3, 1),
    ];
    let out = plain.call(&call_of(&requests)).unwrap();
    let said = responses(&out);
    assert!(matches!(said[2].body, Answer::Tick(tick) if tick.expired_count == 0));
    let Answer::Tick(tick) = said[3].body else {
        panic!("a tick");
    };
    assert_eq!(
        (tick.expired_count, tick.lsn, tick.slot),
        (1, Lsn(3), Slot(11))
    );
    assert_eq!(state_of(&out, 4), 1);
}

#[test]
fn the_configuration_keeps_its_seed_to_itself() {
    let plain = Plain::new(small_bounds());
    let out = plain
        .call(&call_of(&[read(1, Body::Configuration)]))
        .unwrap();
    let Answer::Configuration(bounds) = responses(&out)[0].body else {
        panic!("a configuration");
    };
    let config = Config {
        hash_seed: 0,
        ..small_config()
    };
    assert_eq!(
        bounds,
        Bounds {
            config,
            ..small_bounds()
        }
    );
}

#[test]
fn commands_may_be_asked_for_in_any_order() {
    let requests: Vec<_> = (1..=9).map(|n| create(1, n, n)).collect();
    let bytes = call_of(&requests);
    let mut room = [0; 9 * 72];
    crate::wire::group::with_group(&small_bounds(), &bytes, &mut room, |group| {
        for index in [0, 1, 2, 8, 3, 3, 0, 7] {
            let operation_id = group.command(index).unwrap().operation_id;
            assert_eq!(operation_id, OperationId(index as u128 + 1));
        }
        let changed = Err(Rejection::Malformed { field: "message" });
        assert_eq!(group.command(9), changed);
    });
}
