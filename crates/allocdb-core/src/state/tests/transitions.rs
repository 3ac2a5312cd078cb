//! Every command on every state of a resource and of a reservation.

use super::*;

/// A reservation of resources 1 and 2 by Alice, brought into a state.
fn reservation_in(state: ReservationState) -> (Fixture, ReservationId) {
    let mut fixture = Fixture::with_resources(config(), 4);
    let id = fixture.hold(&[1, 2], 10);
    match state {
        ReservationState::Reserved => {}
        ReservationState::Confirmed => {
            fixture.confirm(id);
        }
        ReservationState::Revoking => {
            fixture.confirm(id);
            fixture.revoke(id);
        }
        ReservationState::Released => {
            fixture.release(id);
        }
        ReservationState::Expired => {
            fixture.slot += 10;
            assert_eq!(fixture.expire(8), 1);
        }
        ReservationState::Revoked => {
            fixture.confirm(id);
            fixture.revoke(id);
            fixture.reclaim(id);
        }
    }
    assert_eq!(fixture.found(id).state, state);
    (fixture, id)
}

type Run = fn(&mut Fixture, ReservationId, HolderId) -> Outcome;

/// Each command on a reservation, whether it names a holder, and what it makes of each state.
fn commands() -> [(&'static str, Run, bool, [Option<ReservationState>; 6]); 5] {
    use ReservationState::{Confirmed, Released, Reserved, Revoked, Revoking};
    [
        (
            "confirm",
            |f, reservation_id, holder_id| {
                f.run(Action::Confirm {
                    reservation_id,
                    holder_id,
                })
            },
            true,
            [Some(Confirmed), None, None, None, None, None],
        ),
        (
            "extend",
            |f, reservation_id, holder_id| {
                f.run(Action::Extend {
                    reservation_id,
                    holder_id,
                    ttl_slots: 20,
                })
            },
            true,
            [Some(Reserved), None, None, None, None, None],
        ),
        (
            "release",
            |f, reservation_id, holder_id| {
                f.run(Action::Release {
                    reservation_id,
                    holder_id,
                })
            },
            true,
            [Some(Released), Some(Released), None, None, None, None],
        ),
        (
            "revoke",
            |f, reservation_id, _| f.run(Action::Revoke { reservation_id }),
            false,
            [None, Some(Revoking), None, None, None, None],
        ),
        (
            "reclaim",
            |f, reservation_id, _| f.run(Action::Reclaim { reservation_id }),
            false,
            [None, None, Some(Revoked), None, None, None],
        ),
    ]
}

/// R9, R11, R46, R47, R48, R50, R51, R52, R53, R7, R8, R22.
#[test]
fn every_command_on_every_state_does_its_one_transition_or_nothing() {
    for (name, run, _, transitions) in commands() {
        for (state, becomes) in ReservationState::ALL.into_iter().zip(transitions) {
            let (mut fixture, id) = reservation_in(state);
            let before = fixture.visible();
            let outcome = run(&mut fixture, id, ALICE);
            let Some(becomes) = becomes else {
                assert_eq!(
                    outcome.code,
                    ResultCode::InvalidState,
                    "{name} on {state:?}"
                );
                assert_eq!(outcome.reservation_id, ReservationId(0));
                assert_eq!(fixture.visible(), before, "a failure changes nothing");
                continue;
            };
            assert_eq!(outcome.code, ResultCode::Done, "{name} on {state:?}");
            assert_eq!(outcome.reservation_id, id);
            let after = fixture.found(id);
            assert_eq!(after.state, becomes);
            let is_reserved = becomes == ReservationState::Reserved;
            assert_eq!(
                after.deadline_slot.0 != 0,
                is_reserved,
                "only holds have deadlines"
            );
            assert_eq!(outcome.deadline_slot, after.deadline_slot);
            check_resources(&fixture, &before.0, id, state, becomes);
        }
    }
}

/// The resources follow their reservation, and count the change.
fn check_resources(
    fixture: &Fixture,
    before: &[Resource],
    id: ReservationId,
    state: ReservationState,
    becomes: ReservationState,
) {
    for old in &before[..2] {
        let new = fixture.resource(old.resource_id.0);
        let expected = match becomes {
            ReservationState::Reserved => ResourceState::Reserved,
            ReservationState::Confirmed => ResourceState::Confirmed,
            ReservationState::Revoking => ResourceState::Revoking,
            _ => ResourceState::Available,
        };
        assert_eq!(new.state, expected);
        let owner = if becomes.is_live() {
            id
        } else {
            ReservationId(0)
        };
        assert_eq!(new.reservation_id, owner);
        assert_eq!(new.version, old.version + u64::from(state != becomes));
    }
    // The others are left alone.
    assert_eq!(fixture.resource(3), before[2]);
    assert_eq!(fixture.resource(4), before[3]);
}

/// R47: found and retired come first, then the holder, then the state.
#[test]
fn a_stranger_is_told_so_in_every_state_before_the_state_is_looked_at() {
    for (name, run, names_holder, _) in commands() {
        for state in ReservationState::ALL {
            let (mut fixture, id) = reservation_in(state);
            let before = fixture.visible();
            if names_holder {
                let outcome = run(&mut fixture, id, BOB);
                assert_eq!(
                    outcome.code,
                    ResultCode::HolderMismatch,
                    "{name} on {state:?}"
                );
                assert_eq!(fixture.visible(), before);
            }
        }
    }
}

/// R19, R47, R53.
#[test]
fn an_unknown_reservation_is_not_found_and_a_forgotten_one_is_retired() {
    for (name, run, _, _) in commands() {
        let (mut fixture, id) = reservation_in(ReservationState::Released);
        let unknown = [
            ReservationId::new(3, Lsn(u64::MAX)),
            ReservationId::new(4, id.lsn()),
            ReservationId(id.lsn().0.into()),
        ];
        for id in unknown {
            let outcome = run(&mut fixture, id, ALICE);
            assert_eq!(
                outcome.code,
                ResultCode::ReservationNotFound,
                "{name} on {id:?}"
            );
        }
        fixture.slot += config().history_window_slots + 1;
        let outcome = run(&mut fixture, id, ALICE);
        assert_eq!(outcome.code, ResultCode::ReservationRetired, "{name}");
    }
}

/// R37, R38.
#[test]
fn a_resource_is_created_once_and_starts_available() {
    let mut fixture = Fixture::new(config());
    let outcome = fixture.create(9);
    assert_eq!((outcome.code, outcome.lsn), (ResultCode::Done, Lsn(1)));
    assert_eq!(outcome.reservation_id, ReservationId(0));
    assert_eq!(outcome.failed_index, NO_INDEX);
    let expected = Resource {
        resource_id: ResourceId(9),
        state: ResourceState::Available,
        reservation_id: ReservationId(0),
        holder_id: HolderId(0),
        version: 0,
    };
    assert_eq!(fixture.resource(9), expected);
    let before = fixture.visible();
    assert_eq!(fixture.create(9).code, ResultCode::ResourceExists);
    assert_eq!(fixture.visible(), before);
}

/// R39, R40.
#[test]
fn only_an_available_resource_is_deleted() {
    for state in ReservationState::ALL {
        let (mut fixture, _) = reservation_in(state);
        let before = fixture.visible();
        let outcome = fixture.delete(1);
        if state.is_live() {
            assert_eq!(outcome.code, ResultCode::ResourceBusy, "{state:?}");
            assert_eq!(fixture.visible(), before);
        } else {
            assert_eq!(outcome.code, ResultCode::Done, "{state:?}");
            assert_eq!(fixture.state.resource(ResourceId(1)), None);
            assert_eq!(fixture.delete(1).code, ResultCode::ResourceNotFound);
            assert_eq!(fixture.create(1).code, ResultCode::Done);
            assert_eq!(
                fixture.resource(1).version,
                0,
                "a new resource with an old name"
            );
        }
    }
}

/// R2, R41, R42, R10.
#[test]
fn a_reserve_takes_every_resource_it_names() {
    let mut fixture = Fixture::with_resources(config(), 4);
    let outcome = fixture.reserve(&[3, 1, 4], BOB, 7);
    assert_eq!(outcome.code, ResultCode::Done);
    assert_eq!(
        outcome.reservation_id,
        ReservationId((3 << 64) | u128::from(outcome.lsn.0))
    );
    assert_eq!(outcome.deadline_slot, Slot(fixture.slot + 7));
    assert_eq!(outcome.failed_index, NO_INDEX);
    let reservation = fixture.found(outcome.reservation_id);
    let expected = Reservation {
        reservation_id: outcome.reservation_id,
        holder_id: BOB,
        state: ReservationState::Reserved,
        resource_count: 3,
        first_resource_id: ResourceId(3),
        created_lsn: outcome.lsn,
        deadline_slot: outcome.deadline_slot,
        ended_lsn: Lsn(0),
        retire_after_slot: Slot(0),
    };
    assert_eq!(reservation, expected);
    let resources = fixture.state.reservation_resources(outcome.reservation_id);
    assert_eq!(
        resources.map(|id| id.0).collect::<Vec<_>>(),
        [3, 1, 4],
        "in the order given"
    );
    for id in [1, 3, 4] {
        assert_eq!(fixture.resource(id).holder_id, BOB);
    }
    assert_eq!(fixture.resource(2).state, ResourceState::Available);
}

/// R43, R44, R42, R79.
#[test]
fn a_reserve_fails_at_the_first_id_that_cannot_be_had_and_takes_none() {
    let mut fixture = Fixture::with_resources(config(), 4);
    fixture.hold(&[2], 10);
    let before = fixture.visible();
    let rows = [
        (&[1u128, 2, 99][..], ResultCode::ResourceBusy, 1),
        (&[1, 99, 2], ResultCode::ResourceNotFound, 1),
        (&[99], ResultCode::ResourceNotFound, 0),
        (&[2], ResultCode::ResourceBusy, 0),
        (&[1, 3, 4, 2], ResultCode::ResourceBusy, 3),
    ];
    for (ids, code, failed_index) in rows {
        let outcome = fixture.reserve(ids, BOB, 5);
        assert_eq!(
            (outcome.code, outcome.failed_index),
            (code, failed_index),
            "{ids:?}"
        );
        assert_eq!(outcome.reservation_id, ReservationId(0));
        assert_eq!(outcome.deadline_slot, Slot(0));
        assert_eq!(fixture.visible(), before, "all or nothing");
    }
}

/// R43, R79: it is the resource's state that counts, not who asks.
#[test]
fn a_taken_resource_is_busy_in_every_live_state_even_for_its_holder() {
    for state in ReservationState::ALL {
        let (mut fixture, _) = reservation_in(state);
        let outcome = fixture.reserve(&[1], ALICE, 5);
        let expected = if state.is_live() {
            ResultCode::ResourceBusy
        } else {
            ResultCode::Done
        };
        assert_eq!(outcome.code, expected, "{state:?}");
    }
}

/// R80, R84: the whole bundle at once.
#[test]
fn the_resources_of_a_bundle_become_free_together_and_can_be_had_again() {
    let mut fixture = Fixture::with_resources(config(), 4);
    let first = fixture.hold(&[1, 2, 3, 4], 10);
    fixture.release(first);
    let second = fixture.hold(&[4, 3, 2, 1], 10);
    assert!(second > first, "a fencing token grows");
    assert_eq!(fixture.found(first).ended_lsn.0, second.lsn().0 - 1);
    assert_eq!(fixture.state.reservation_resources(first).count(), 0);
    assert_eq!(fixture.found(first).first_resource_id, ResourceId(1));
    assert_eq!(fixture.found(first).resource_count, 4);
}

/// R48.
#[test]
fn an_extension_never_brings_a_deadline_forward() {
    let mut fixture = Fixture::with_resources(config(), 1);
    let id = fixture.hold(&[1], 10);
    let deadline = fixture.found(id).deadline_slot;
    for (ttl_slots, expected) in [(5, deadline), (10, deadline), (11, Slot(deadline.0 + 1))] {
        let outcome = fixture.extend(id, ttl_slots);
        assert_eq!(
            (outcome.code, outcome.deadline_slot),
            (ResultCode::Done, expected)
        );
        assert_eq!(fixture.found(id).deadline_slot, expected);
    }
    assert_eq!(
        fixture.resource(1).version,
        1,
        "no change of state, no new version"
    );
}

/// R5.
#[test]
fn an_older_slot_counts_as_the_last_one() {
    let mut fixture = Fixture::with_resources(config(), 1);
    fixture.slot = 5;
    let outcome = fixture.reserve(&[1], ALICE, 10);
    assert_eq!(outcome.deadline_slot, Slot(1010));
    assert_eq!(fixture.state.last_slot(), Slot(1000));
}
