//! Holds end by time late, never early, in one order.

use super::*;

/// R54, R55, R56, R82.
#[test]
fn a_deadline_frees_nothing_until_an_expire_due_is_applied() {
    let mut fixture = Fixture::with_resources(config(), 3);
    let hold = fixture.hold(&[1], 10);
    let kept = fixture.hold(&[2], 10);
    fixture.confirm(kept);
    let revoked = fixture.hold(&[3], 10);
    fixture.confirm(revoked);
    fixture.revoke(revoked);
    fixture.slot += 9;
    assert!(!fixture.state.is_due(Slot(fixture.slot)));
    assert_eq!(
        fixture.expire(8),
        0,
        "a TTL of 10 holds through the ninth slot after"
    );
    fixture.slot += 1;
    assert!(fixture.state.is_due(Slot(fixture.slot)));
    assert_eq!(
        fixture.reserve(&[1], BOB, 5).code,
        ResultCode::ResourceBusy,
        "late, not early"
    );
    fixture.slot += 500;
    assert_eq!(fixture.expire(8), 1);
    assert_eq!(fixture.found(hold).state, ReservationState::Expired);
    assert_eq!(fixture.found(hold).ended_lsn, fixture.state.last_lsn());
    assert_eq!(fixture.found(kept).state, ReservationState::Confirmed);
    assert_eq!(fixture.found(revoked).state, ReservationState::Revoking);
    assert_eq!(fixture.reserve(&[1], BOB, 5).code, ResultCode::Done);
    assert_eq!(fixture.expire(8), 0);
}

/// R56: confirm, release and extend race with expiry; whatever is ordered first wins.
#[test]
fn whatever_is_ordered_before_the_expiry_wins() {
    type Run = fn(&mut Fixture, ReservationId) -> Outcome;
    let rows: [(Run, ReservationState); 3] = [
        (|f, id| f.confirm(id), ReservationState::Confirmed),
        (|f, id| f.release(id), ReservationState::Released),
        (|f, id| f.extend(id, 30), ReservationState::Reserved),
    ];
    for (run, state) in rows {
        // Before the expiry, though past the deadline.
        let mut fixture = Fixture::with_resources(config(), 1);
        let id = fixture.hold(&[1], 10);
        fixture.slot += 15;
        assert_eq!(run(&mut fixture, id).code, ResultCode::Done);
        assert_eq!(fixture.expire(8), 0);
        assert_eq!(fixture.found(id).state, state);
        // After it.
        let mut fixture = Fixture::with_resources(config(), 1);
        let id = fixture.hold(&[1], 10);
        fixture.slot += 15;
        assert_eq!(fixture.expire(8), 1);
        let before = fixture.visible();
        assert_eq!(run(&mut fixture, id).code, ResultCode::InvalidState);
        assert_eq!(fixture.visible(), before);
    }
}

fn expiry_order(fixture: &mut Fixture, ids: &[ReservationId]) -> Vec<ReservationId> {
    let mut order = Vec::new();
    while fixture.expire(1) == 1 {
        let ended = ids.iter().filter(|&&id| {
            fixture.found(id).state == ReservationState::Expired && !order.contains(&id)
        });
        let ended: Vec<_> = ended.copied().collect();
        assert_eq!(ended.len(), 1, "one a command");
        order.extend(ended);
    }
    order
}

/// R57.
#[test]
fn holds_expire_by_deadline_and_then_by_when_they_got_it() {
    let mut fixture = Fixture::with_resources(config(), 6);
    let late = fixture.hold(&[1], 20);
    let early = fixture.hold(&[2], 10);
    let extended = fixture.hold(&[3], 5);
    let same = fixture.hold(&[4], 10);
    // Gets deadline 10 after the others have it.
    fixture.extend(extended, 10);
    let last = fixture.hold(&[5], 10);
    fixture.slot += 10;
    // Onto the due list, then one more bucket behind it.
    let next = fixture.hold(&[6], 5);
    fixture.slot += 30;
    let ids = [late, early, extended, same, last, next];
    assert_eq!(
        expiry_order(&mut fixture, &ids),
        [early, same, extended, last, next, late]
    );
}

/// R57: wherever the slots leap, also more than once round the wheel.
#[test]
fn the_order_does_not_depend_on_how_the_slots_advanced() {
    for steps in [
        vec![1; 120],
        vec![7; 20],
        vec![64, 64],
        vec![1000],
        vec![u64::MAX / 2],
    ] {
        let mut fixture = Fixture::with_resources(config(), 8);
        let ttls = [100, 1, 50, 63, 64, 65, 2, 99];
        let mut holds = Vec::new();
        for (id, ttl_slots) in (1..).zip(ttls) {
            holds.push((ttl_slots, fixture.hold(&[id], ttl_slots)));
        }
        for step in steps {
            fixture.slot += step;
            fixture.delete(99);
        }
        let ids: Vec<_> = holds.iter().map(|&(_, id)| id).collect();
        holds.sort();
        let expected: Vec<_> = holds.iter().map(|&(_, id)| id).collect();
        assert_eq!(expiry_order(&mut fixture, &ids), expected);
    }
}

/// R54, R86.
#[test]
fn one_command_ends_no_more_than_its_limit() {
    let mut fixture = Fixture::with_resources(config(), 10);
    for id in 1..=10 {
        fixture.hold(&[id], 5);
    }
    fixture.slot += 5;
    assert_eq!(
        fixture.state.usage(Slot(0)).expiration_backlog,
        0,
        "seen from the last slot"
    );
    assert_eq!(
        fixture.state.usage(Slot(fixture.slot)).expiration_backlog,
        10
    );
    assert_eq!(fixture.expire(3), 3);
    assert_eq!(fixture.state.usage(Slot(0)).expiration_backlog, 7);
    assert_eq!(fixture.expire(8), 7);
    assert_eq!(fixture.state.usage(Slot(0)).expiring, 0);
}

/// R24: a limit beyond the configured one is no command.
#[test]
fn an_expire_due_beyond_the_bound_is_malformed() {
    let mut fixture = Fixture::new(config());
    for limit in [0, config().max_expirations_per_tick + 1] {
        let command = Command {
            operation_id: OperationId(0),
            valid_until_slot: Slot(0),
            action: Action::ExpireDue { limit },
        };
        let verdict = fixture.apply_command(command);
        assert_eq!(
            verdict,
            Verdict::Rejected(Rejection::Malformed { field: "limit" })
        );
    }
}

/// R81: confirmed and released ones leave the index, from its middle and its ends.
#[test]
fn leaving_the_index_keeps_the_others_in_order() {
    for leaving in 0..4 {
        for past in [false, true] {
            let mut fixture = Fixture::with_resources(config(), 4);
            let mut ids: Vec<_> = (1..=4).map(|id| fixture.hold(&[id], 10)).collect();
            fixture.slot += if past { 10 } else { 5 };
            fixture.confirm(ids[leaving]);
            ids.remove(leaving);
            fixture.slot += 10;
            let order = expiry_order(&mut fixture, &ids);
            assert_eq!(order, ids);
        }
    }
}
