//! Records are gone by the slot alone; memory follows, bounded.

use super::*;
use crate::state::retire::TAKE_BACK_COUNT;

/// R14, R15, R17, R18, R19, R74.
#[test]
fn an_ended_reservation_is_readable_through_its_window_and_then_retired() {
    let mut fixture = Fixture::with_resources(config(), 2);
    let id = fixture.hold(&[1], 10);
    fixture.release(id);
    let retire_after = fixture.slot + config().history_window_slots + 1;
    assert_eq!(fixture.found(id).retire_after_slot, Slot(retire_after));
    fixture.slot = retire_after - 1;
    fixture.delete(99);
    assert_eq!(fixture.found(id).state, ReservationState::Released);
    fixture.slot = retire_after;
    fixture.delete(99);
    assert_eq!(fixture.state.reservation(id), Lookup::Retired);
    // Whether or not its memory was taken back by then.
    fixture.delete(99);
    assert_eq!(fixture.state.reservations.used_count(), 0);
    assert_eq!(fixture.state.reservation(id), Lookup::Retired);
    let later = ReservationId::new(3, Lsn(id.lsn().0 + 1));
    assert_eq!(
        fixture.state.reservation(later),
        Lookup::NotFound,
        "above the watermark"
    );
    let elsewhere = ReservationId::new(4, id.lsn());
    assert_eq!(fixture.state.reservation(elsewhere), Lookup::NotFound);
    assert_eq!(
        fixture.state.reservation(ReservationId(3 << 64)),
        Lookup::NotFound
    );
}

/// R18: a live reservation below the watermark is found.
#[test]
fn the_watermark_hides_nothing_that_is_there() {
    let mut fixture = Fixture::with_resources(config(), 2);
    let old = fixture.hold(&[1], 10);
    fixture.confirm(old);
    let young = fixture.hold(&[2], 10);
    fixture.release(young);
    fixture.slot += 1000;
    fixture.delete(99);
    assert_eq!(fixture.state.retired_watermark, young.lsn());
    assert_eq!(fixture.found(old).state, ReservationState::Confirmed);
    assert_eq!(fixture.state.reservation(young), Lookup::Retired);
}

/// R16, R86.
#[test]
fn a_command_takes_back_a_bounded_number_of_records() {
    let mut fixture = Fixture::with_resources(config(), 12);
    for id in 1..=12 {
        fixture.hold(&[id], 5);
    }
    fixture.slot += 5;
    assert_eq!(fixture.expire(8) + fixture.expire(8), 12);
    let operations = fixture.state.operations.used_count();
    fixture.slot += 1000;
    let reads_take_nothing = fixture.image();
    assert_eq!(
        fixture
            .state
            .reservation(ReservationId::new(3, Lsn(13)))
            .clone(),
        {
            // Reads judge at the last applied slot.
            Lookup::Found(fixture.found(ReservationId::new(3, Lsn(13))))
        }
    );
    assert_eq!(fixture.image(), reads_take_nothing);
    fixture.expire(1);
    assert_eq!(
        fixture.state.reservations.used_count(),
        12 - TAKE_BACK_COUNT
    );
    assert_eq!(
        fixture.state.operations.used_count(),
        operations - TAKE_BACK_COUNT
    );
    let usage = fixture.state.usage(Slot(0));
    assert_eq!(usage.reservations.past, 12 - TAKE_BACK_COUNT);
    assert_eq!(usage.operations.past, operations - TAKE_BACK_COUNT);
}

/// R45: a full table gives up what is past its window.
#[test]
fn a_reserve_finds_room_where_a_past_reservation_lies() {
    let config = Config {
        max_reservations: 2,
        max_expiration_bucket_len: 2,
        ..config()
    };
    let mut fixture = Fixture::with_resources(config, 4);
    let (first, second) = (fixture.hold(&[1], 5), fixture.hold(&[2], 5));
    assert_eq!(
        fixture.reserve(&[3], ALICE, 5).code,
        ResultCode::ReservationTableFull
    );
    fixture.release(first);
    let before = fixture.visible();
    assert_eq!(
        fixture.reserve(&[3], ALICE, 5).code,
        ResultCode::ReservationTableFull
    );
    assert_eq!(fixture.visible(), before, "still readable, hence no room");
    fixture.slot += config.history_window_slots + 1;
    assert_eq!(fixture.reserve(&[3], ALICE, 5).code, ResultCode::Done);
    assert_eq!(fixture.state.reservation(first), Lookup::Retired);
    assert_eq!(fixture.found(second).state, ReservationState::Reserved);
}

/// R31: a full operation table gives up what is past its window, exactly.
#[test]
fn operations_find_room_exactly_when_the_oldest_is_past() {
    let config = Config {
        max_operations: 3,
        ..config()
    };
    let mut fixture = Fixture::new(config);
    for id in 1..=3 {
        assert_eq!(fixture.create(id).code, ResultCode::Done);
        fixture.slot += 1;
    }
    fixture.slot = 1000 + config.operation_window_slots;
    let full = Rejection::OperationTableFull {
        capacity: 3,
        window_slots: 50,
    };
    let create = |id| Action::CreateResource {
        resource_id: ResourceId(id),
    };
    assert_eq!(fixture.apply(create(4)), Verdict::Rejected(full));
    assert_eq!(fixture.state.resource(ResourceId(4)), None);
    fixture.slot += 1;
    assert_eq!(fixture.create(4).code, ResultCode::Done);
    assert_eq!(fixture.apply(create(5)), Verdict::Rejected(full));
}

/// R18: the watermark is the highest id taken back, not the last one.
#[test]
fn the_watermark_never_falls() {
    let mut fixture = Fixture::with_resources(config(), 2);
    let (old, young) = (fixture.hold(&[1], 10), fixture.hold(&[2], 10));
    fixture.release(young);
    fixture.release(old);
    fixture.slot += config().history_window_slots + 1;
    fixture.delete(99);
    assert_eq!(fixture.state.reservations.used_count(), 0);
    assert_eq!(fixture.state.reservation(young), Lookup::Retired);
    assert_eq!(fixture.state.reservation(old), Lookup::Retired);
}

/// R15, R17, R76: what is past its window is not listed, though its memory was not taken back.
#[test]
fn a_past_reservation_in_memory_is_not_listed() {
    let mut fixture = Fixture::with_resources(config(), 12);
    for id in 1..=12 {
        let hold = fixture.hold(&[id], 10);
        fixture.release(hold);
    }
    assert_eq!(fixture.visible().1.len(), 12);
    fixture.slot += config().history_window_slots + 1;
    fixture.delete(99);
    assert_eq!(
        fixture.state.reservations.used_count(),
        12 - TAKE_BACK_COUNT
    );
    assert_eq!(fixture.visible().1, []);
}
