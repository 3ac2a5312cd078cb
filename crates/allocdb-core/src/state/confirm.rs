//! confirm and extend: what a holder does with a hold it has.

use super::record::{ReservationState, Standing};
use super::{Execution, State};
use crate::ids::{HolderId, ReservationId, Slot};
use crate::outcome::ResultCode;
use crate::wheel::Links;

impl State {
    /// R46. Checks (R47): the reservation is there; it is this holder's; it is reserved. That its
    /// deadline has passed does not matter: whatever is ordered first wins.
    pub(super) fn confirm(
        &mut self,
        reservation_id: ReservationId,
        hash: u32,
        holder_id: HolderId,
    ) -> Execution {
        let handle = match self.held_by(reservation_id, hash, holder_id) {
            Ok(handle) => handle,
            Err(code) => return Execution::failed(code),
        };
        let record = self.reservations[handle];
        if record.state() != ReservationState::Reserved {
            return Execution::failed(ResultCode::InvalidState);
        }
        self.wheel
            .unlink(&mut self.reservations, handle, record.deadline_slot());
        self.reservations[handle].stand(Standing::Confirmed);
        self.bump_versions(handle);
        Execution::done(reservation_id, Slot(0))
    }

    /// R48. Checks (R47, R49): as confirm; then the later deadline's bucket has room. An earlier or
    /// equal deadline changes nothing and answers the one that stands.
    pub(super) fn extend(
        &mut self,
        reservation_id: ReservationId,
        hash: u32,
        holder_id: HolderId,
        ttl_slots: u64,
    ) -> Execution {
        let handle = match self.held_by(reservation_id, hash, holder_id) {
            Ok(handle) => handle,
            Err(code) => return Execution::failed(code),
        };
        let record = self.reservations[handle];
        if record.state() != ReservationState::Reserved {
            return Execution::failed(ResultCode::InvalidState);
        }
        let deadline_slot = Slot(self.last_slot.0 + ttl_slots);
        let before = record.deadline_slot();
        if deadline_slot <= before {
            return Execution::done(reservation_id, before);
        }
        if !self.wheel.has_room(deadline_slot) {
            return Execution::failed(ResultCode::ExpirationIndexFull);
        }
        self.wheel.unlink(&mut self.reservations, handle, before);
        self.reservations[handle].stand(Standing::Reserved {
            deadline_slot,
            links: Links::NONE,
        });
        self.wheel
            .link(&mut self.reservations, handle, deadline_slot);
        assert!(
            self.reservations[handle].deadline_slot() > before,
            "a deadline only moves later"
        );
        Execution::done(reservation_id, deadline_slot)
    }
}
