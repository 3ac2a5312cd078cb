//! The moment that a snapshot in slices is of, lost in any one of its five parts, and forgotten.

use super::*;
use crate::slab::{Handle, Record};

/// More than there is room to keep as it was.
const MANY: u32 = 16_385;

/// A state that has so many of everything; only what lies in slabs and queues is sound.
fn crowded() -> State {
    let config = Config {
        max_resources: MANY,
        max_reservations: MANY,
        max_operations: MANY,
        ..config()
    };
    let mut state = State::new(config).expect("a valid configuration");
    for handle in (0..MANY).map(Handle) {
        let resource = record::ResourceRecord {
            resource_id: 1,
            ..Record::EMPTY
        };
        let mut reservation = record::ReservationRecord::EMPTY;
        reservation.lsn = Lsn(1);
        let operation = record::OperationRecord {
            applied_lsn: Lsn(1),
            ..Record::EMPTY
        };
        assert_eq!(state.resources.insert(resource), Some(handle));
        assert_eq!(state.reservations.insert(reservation), Some(handle));
        assert_eq!(state.operations.insert(operation), Some(handle));
        state.reservation_queue.push(handle);
        state.operation_queue.push(handle);
    }
    state
}

#[test]
fn the_moment_is_lost_with_any_of_its_parts_and_the_next_one_is_whole() {
    type Change = fn(&mut State, Handle);
    let changes: [Change; 5] = [
        |state, handle| state.resources[handle].version += 1,
        |state, handle| state.reservations[handle].resource_count += 1,
        |state, handle| state.operations[handle].fingerprint += 1,
        |state, handle| {
            state.reservation_queue.pop();
            state.reservation_queue.push(handle);
        },
        |state, handle| {
            state.operation_queue.pop();
            state.operation_queue.push(handle);
        },
    ];
    let mut state = crowded();
    for change in changes {
        state.begin_before_images();
        let room = state.before_image_room();
        assert_eq!(room, MANY as usize - 1);
        for handle in (0..MANY).map(Handle) {
            assert!(!state.has_lost_before_images(), "{handle:?}");
            assert_eq!(state.before_image_room(), room - handle.0 as usize);
            change(&mut state, handle);
        }
        assert!(state.has_lost_before_images());
        state.end_before_images();
        assert!(!state.has_lost_before_images());
    }
}
