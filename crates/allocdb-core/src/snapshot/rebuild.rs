//! What a snapshot leaves out, because it follows from the records: the tables by id, and the
//! heads, tails and lengths of the expiration lists.

use super::SnapshotError;
use super::decode::broken;
use crate::canary::{Canary, is_planted};
use crate::ids::{OperationId, ResourceId, Slot};
use crate::slab::Handle;
use crate::state::State;
use crate::state::record::ReservationState;
use crate::wheel::{Linked, Links};

/// Rebuilds the tables, which are no part of the image. A repeated key is refused here: the table
/// would hide one of the two.
pub(super) fn restore_indexes<E>(state: &mut State) -> Result<(), SnapshotError<E>> {
    for handle in (0..state.resources.fresh_count()).map(Handle) {
        let Some(&record) = state.resources.used(handle) else {
            continue;
        };
        let hash = state.hash_key.id(record.resource_id);
        if state
            .find_resource(ResourceId(record.resource_id), hash)
            .is_some()
        {
            return broken("a resource id stands once", handle);
        }
        state.resource_index.insert(hash, handle);
    }
    for handle in (0..state.reservations.fresh_count()).map(Handle) {
        let Some(&record) = state.reservations.used(handle) else {
            continue;
        };
        let hash = state.hash_key.id(record.lsn.0.into());
        if state
            .find_reservation(state.reservation_id(record.lsn), hash)
            .is_some()
        {
            return broken("a reservation id stands once", handle);
        }
        state.reservation_index.insert(hash, handle);
    }
    for handle in (0..state.operations.fresh_count()).map(Handle) {
        let Some(&record) = state.operations.used(handle) else {
            continue;
        };
        if record.operation_id == 0 {
            continue;
        }
        let hash = state.hash_key.id(record.operation_id);
        if state
            .find_operation(OperationId(record.operation_id), hash)
            .is_some()
        {
            return broken("an operation id stands once", handle);
        }
        state.operations[handle].hash = hash;
        state.operation_index.insert(hash, handle);
    }
    Ok(())
}

/// Rebuilds the heads, tails and lengths of the expiration lists from the links.
pub(super) fn restore_wheel<E>(state: &mut State) -> Result<(), SnapshotError<E>> {
    for handle in (0..state.reservations.fresh_count()).map(Handle) {
        let Some(&record) = state.reservations.used(handle) else {
            continue;
        };
        if record.state() != ReservationState::Reserved {
            continue;
        }
        if is_planted(Canary::ExpiryOrderForgotten) {
            planted_link_by_handle(state, handle, record.deadline_slot());
            continue;
        }
        let deadline = record.deadline_slot();
        if !state.wheel.restore_linked(handle, deadline, record.links()) {
            return broken("a hold fits its expiration list", handle);
        }
    }
    Ok(())
}

/// [`Canary::ExpiryOrderForgotten`]: puts a hold behind those of lesser handles.
fn planted_link_by_handle(state: &mut State, handle: Handle, deadline: Slot) {
    let previous = state.wheel.list_of(deadline).tail;
    let next = Handle::NONE;
    let links = Links { previous, next };
    *state.reservations.links_mut(handle) = links;
    if !previous.is_none() {
        state.reservations.links_mut(previous).next = handle;
    }
    state.wheel.restore_linked(handle, deadline, links);
}
