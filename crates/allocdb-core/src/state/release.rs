//! release, revoke and reclaim, and how a reservation ends.

use super::record::{ReservationState, Standing};
use super::{Execution, State};
use crate::canary::{Canary, is_planted};
use crate::ids::{HolderId, Lsn, ReservationId, Slot};
use crate::outcome::ResultCode;
use crate::slab::Handle;

impl State {
    /// R50. Checks (R47): the reservation is there; it is this holder's; it is reserved or
    /// confirmed.
    pub(super) fn release(
        &mut self,
        lsn: Lsn,
        reservation_id: ReservationId,
        hash: u32,
        holder_id: HolderId,
    ) -> Execution {
        let handle = match self.held_by(reservation_id, hash, holder_id) {
            Ok(handle) => handle,
            Err(code) => return Execution::failed(code),
        };
        let record = self.reservations[handle];
        match record.state() {
            ReservationState::Reserved => {
                self.wheel
                    .unlink(&mut self.reservations, handle, record.deadline_slot());
            }
            ReservationState::Confirmed => {}
            _ => return Execution::failed(ResultCode::InvalidState),
        }
        self.end_reservation(handle, lsn, ReservationState::Released);
        Execution::done(reservation_id, Slot(0))
    }

    /// R51. Checks (R53): the reservation is there; it is confirmed. The resources stay taken:
    /// whoever had them may still be using them.
    pub(super) fn revoke(&mut self, reservation_id: ReservationId, hash: u32) -> Execution {
        let handle = match self.present(reservation_id, hash) {
            Ok(handle) => handle,
            Err(code) => return Execution::failed(code),
        };
        if self.reservations[handle].state() != ReservationState::Confirmed {
            return Execution::failed(ResultCode::InvalidState);
        }
        self.reservations[handle].stand(Standing::Revoking);
        self.bump_versions(handle);
        Execution::done(reservation_id, Slot(0))
    }

    /// R52. Checks (R53): the reservation is there; it is being revoked.
    pub(super) fn reclaim(
        &mut self,
        lsn: Lsn,
        reservation_id: ReservationId,
        hash: u32,
    ) -> Execution {
        let handle = match self.present(reservation_id, hash) {
            Ok(handle) => handle,
            Err(code) => return Execution::failed(code),
        };
        if self.reservations[handle].state() != ReservationState::Revoking {
            return Execution::failed(ResultCode::InvalidState);
        }
        self.end_reservation(handle, lsn, ReservationState::Revoked);
        Execution::done(reservation_id, Slot(0))
    }

    /// R80: frees every resource of a live reservation at once and lets it age. It is in no
    /// expiration list.
    pub(super) fn end_reservation(&mut self, handle: Handle, lsn: Lsn, end: ReservationState) {
        let record = self.reservations[handle];
        // R9, R83.
        assert!(
            record.state().is_live(),
            "a terminal reservation never ends again"
        );
        let mut freed_count = 0;
        let mut resource = record.first_resource;
        while !resource.is_none() {
            if planted_loss(freed_count, record.resource_count) {
                freed_count = record.resource_count;
                break;
            }
            let freed = &mut self.resources[resource];
            assert!(
                freed.reservation == handle,
                "a reservation's resources point back at it"
            );
            resource = freed.next_in_bundle;
            freed.reservation = Handle::NONE;
            freed.next_in_bundle = Handle::NONE;
            freed.version += 1;
            freed_count += 1;
        }
        assert!(
            freed_count == record.resource_count,
            "a bundle is freed whole"
        );
        let window = self.config.history_window_slots;
        let record = &mut self.reservations[handle];
        record.stand(Standing::Ended {
            state: end,
            ended_lsn: lsn,
            // R14: the window covers this slot and as many after it.
            retire_after_slot: Slot(self.last_slot.0.saturating_add(window + 1)),
        });
        record.first_resource = Handle::NONE;
        self.reservation_queue.push(handle);
    }

    /// R8: marks a state transition at every resource of a live reservation.
    pub(super) fn bump_versions(&mut self, handle: Handle) {
        let mut resource = self.reservations[handle].first_resource;
        assert!(!resource.is_none(), "a live reservation has resources");
        while !resource.is_none() {
            let record = &mut self.resources[resource];
            assert!(
                record.reservation == handle,
                "a reservation's resources point back at it"
            );
            record.version += 1;
            resource = record.next_in_bundle;
        }
    }

    /// R19: the reservation, if it is remembered.
    pub(super) fn present(
        &self,
        reservation_id: ReservationId,
        hash: u32,
    ) -> Result<Handle, ResultCode> {
        match self.find_reservation(reservation_id, hash) {
            Some(handle) if !self.is_retired(handle) => Ok(handle),
            Some(_) => Err(ResultCode::ReservationRetired),
            None if self.is_below_watermark(reservation_id) => Err(ResultCode::ReservationRetired),
            None => Err(ResultCode::ReservationNotFound),
        }
    }

    /// The reservation, if it is remembered and this holder's.
    pub(super) fn held_by(
        &self,
        reservation_id: ReservationId,
        hash: u32,
        holder_id: HolderId,
    ) -> Result<Handle, ResultCode> {
        let handle = self.present(reservation_id, hash)?;
        if self.reservations[handle].holder_id == holder_id.0 {
            Ok(handle)
        } else {
            Err(ResultCode::HolderMismatch)
        }
    }
}

/// [`Canary::BundleMemberLost`]: the last resource of a bundle stays taken.
fn planted_loss(freed_count: u16, resource_count: u16) -> bool {
    let is_last = freed_count > 0 && freed_count + 1 == resource_count;
    is_last && is_planted(Canary::BundleMemberLost)
}
