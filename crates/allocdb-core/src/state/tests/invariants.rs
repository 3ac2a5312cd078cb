//! The whole-state check tells a state that breaks one law, at the last value that breaks it.

use super::record::Standing;
use super::*;
use crate::slab::Handle;
use crate::wheel::Linked;

fn broken(change: impl FnOnce(&mut State)) -> Option<&'static str> {
    let mut fixture = Fixture::with_resources(config(), 3);
    let ended = fixture.hold(&[1], 5);
    fixture.release(ended);
    fixture.hold(&[2, 3], 5);
    assert_eq!(fixture.state.check_invariants(), Ok(()));
    change(&mut fixture.state);
    fixture
        .state
        .check_invariants()
        .err()
        .map(|broken| broken.law)
}

/// The reservation that has ended; the first to be made.
const ENDED: Handle = Handle(0);

#[test]
fn a_record_that_is_neither_used_nor_free_breaks_a_law() {
    let law = Some("every unused record is free exactly once");
    let unlisted = |change: fn(&mut State) -> bool| {
        let mut state = State::new(config()).expect("a valid configuration");
        assert_eq!(state.check_invariants(), Ok(()));
        assert!(change(&mut state));
        state.check_invariants().err().map(|broken| broken.law)
    };
    assert_eq!(unlisted(|state| state.resources.restore_fresh(1)), law);
    assert_eq!(unlisted(|state| state.reservations.restore_fresh(1)), law);
    assert_eq!(unlisted(|state| state.operations.restore_fresh(1)), law);
}

/// R8.
#[test]
fn a_version_beyond_what_was_logged_breaks_a_law() {
    let version_of = |state: &mut State, version| state.resources[Handle(0)].version = version;
    let law = Some("a version counts logged changes");
    assert_eq!(broken(|state| version_of(state, state.last_lsn.0)), law);
    assert_eq!(
        broken(|state| version_of(state, state.last_lsn.0 - 1)),
        None
    );
}

/// R9.
#[test]
fn an_end_that_is_not_after_the_beginning_breaks_a_law() {
    let law = Some("a reservation ends after it began");
    let end_at = |state: &mut State, after: u64| {
        let record = &mut state.reservations[ENDED];
        record.stand(Standing::Ended {
            state: record.state(),
            ended_lsn: Lsn(record.lsn.0 + after),
            retire_after_slot: record.retire_after_slot(),
        });
    };
    assert_eq!(broken(|state| end_at(state, 0)), law);
    assert_eq!(broken(|state| end_at(state, 1)), None);
}

/// R14.
#[test]
fn a_retirement_that_no_command_can_have_set_breaks_a_law() {
    let law = Some("windows are bounded");
    let window = config().history_window_slots;
    let retire_at = |state: &mut State, slot| {
        let record = &mut state.reservations[ENDED];
        record.stand(Standing::Ended {
            state: record.state(),
            ended_lsn: record.ended_lsn(),
            retire_after_slot: Slot(slot),
        });
    };
    assert_eq!(broken(|state| retire_at(state, window)), law);
    assert_eq!(broken(|state| retire_at(state, window + 1)), None);
    assert_eq!(
        broken(|state| retire_at(state, state.last_slot.0 + window + 1)),
        None
    );
    assert_eq!(
        broken(|state| retire_at(state, state.last_slot.0 + window + 2)),
        law
    );
}

/// R11: a hold has a deadline, and the wheel has a place for it.
#[test]
fn a_deadline_that_no_command_can_have_set_breaks_a_law() {
    let law = Some("a deadline lies within the wheel");
    let hold = Handle(1);
    let due_at = |state: &mut State, deadline_slot| {
        let record = &mut state.reservations[hold];
        let links = record.links();
        let deadline_slot = Slot(deadline_slot);
        record.stand(Standing::Reserved {
            deadline_slot,
            links,
        });
    };
    let last = |state: &State| state.last_slot.0 + config().max_ttl_slots;
    assert_eq!(broken(|state| due_at(state, 0)), law);
    assert_eq!(broken(|state| due_at(state, last(state) + 1)), law);
    // These would be in another list, which is another law.
    assert_ne!(broken(|state| due_at(state, 1)), law);
    assert_ne!(broken(|state| due_at(state, last(state))), law);
}

/// R57, R81: each of the things that make a predecessor one.
#[test]
fn a_hold_whose_predecessor_does_not_lead_to_it_breaks_a_law() {
    let mut fixture = Fixture::with_resources(config(), 3);
    let last = fixture.hold(&[1], 5);
    fixture.hold(&[2], 9);
    fixture.hold(&[3], 9);
    assert_eq!(fixture.extend(last, 9).code, ResultCode::Done);
    // One list of three: the record that was made first stands last.
    let [last, first] = [Handle(0), Handle(1)];
    assert_eq!(fixture.state.check_invariants(), Ok(()));
    fixture.state.reservations.links_mut(last).previous = first;
    let law = fixture
        .state
        .check_invariants()
        .map_err(|broken| broken.law);
    assert_eq!(law, Err("a hold's predecessor is before it in its list"));
}

/// R80: the chain of a bundle, from the reservation through its resources and no further.
#[test]
fn a_chain_that_does_not_hold_the_bundle_breaks_a_law() {
    // Of the reservation of the second and the third resource.
    let (bundle, second, third) = (Handle(1), Handle(1), Handle(2));
    assert_eq!(
        broken(|state| state.resources[third].next_in_bundle = second),
        Some("a bundle ends where its count says")
    );
    assert_eq!(
        broken(|state| state.reservations[bundle].first_resource_id ^= 1),
        Some("the first id is the first")
    );
    assert_eq!(
        broken(|state| state.resources[second].next_in_bundle = Handle(0)),
        Some("a bundle points back")
    );
}

/// An operation keeps the hash of its id: by that it is taken back.
#[test]
fn an_operation_that_keeps_another_hash_breaks_a_law() {
    let law = Some("an operation is found by its id");
    assert_eq!(broken(|state| state.operations[Handle(0)].hash ^= 1), law);
}

#[test]
fn a_table_with_a_key_too_many_breaks_a_law() {
    let law = Some("every record is indexed");
    let (hash, handle) = (0x1234_5678, Handle(0));
    assert_eq!(
        broken(|state| state.resource_index.insert(hash, handle)),
        law
    );
    assert_eq!(
        broken(|state| state.reservation_index.insert(hash, handle)),
        law
    );
}
