//! reserve: one resource or a bundle, all or nothing.

use super::record::{ReservationRecord, Standing};
use super::{Execution, State};
use crate::canary::{Canary, is_planted};
use crate::command::ResourceIds;
use crate::ids::{HolderId, Lsn, Slot};
use crate::outcome::ResultCode;
use crate::slab::{Handle, Record};
use crate::table::Vacancy;
use crate::wheel::Links;

impl State {
    /// R41, R42. Checks (R43): each id in the order given is there and available; there is room for
    /// a reservation; the deadline's bucket has room.
    pub(super) fn reserve(
        &mut self,
        (lsn, vacancy): (Lsn, Vacancy),
        (resource_ids, first_hash): (ResourceIds<'_>, u32),
        holder_id: HolderId,
        ttl_slots: u64,
    ) -> Execution {
        let deadline_slot = Slot(self.last_slot.0 + planted_ttl(ttl_slots));
        assert!(deadline_slot > self.last_slot, "a deadline lies ahead");
        let first_resource = match self.all_available(resource_ids, first_hash) {
            Ok(first_resource) => first_resource,
            Err(failure) => return failure,
        };
        // R45: what is past has been taken back before.
        if self.reservations.room() == 0 {
            return Execution::failed(ResultCode::ReservationTableFull);
        }
        if !self.wheel.has_room(deadline_slot) {
            return Execution::failed(ResultCode::ExpirationIndexFull);
        }
        let handle = self.insert_reservation(lsn, resource_ids, holder_id, deadline_slot);
        self.reservation_index.fill(vacancy, handle);
        self.chain_resources(handle, first_resource, resource_ids);
        self.wheel
            .link(&mut self.reservations, handle, deadline_slot);
        Execution::done(self.reservation_id(lsn), deadline_slot)
    }

    /// R44: the first of the resources, if all can be had, else the answer about the first that
    /// cannot.
    fn all_available(
        &self,
        resource_ids: ResourceIds<'_>,
        first_hash: u32,
    ) -> Result<Handle, Execution> {
        let mut first_resource = Handle::NONE;
        for (failed_index, resource_id) in (0..).zip(resource_ids.iter()) {
            let hash = match failed_index {
                0 => first_hash,
                _ => self.hash_key.id(resource_id.0),
            };
            let code = match self.find_resource(resource_id, hash) {
                None => ResultCode::ResourceNotFound,
                Some(handle) if self.is_taken(handle) => ResultCode::ResourceBusy,
                Some(handle) => {
                    if failed_index == 0 {
                        first_resource = handle;
                    }
                    continue;
                }
            };
            return Err(Execution {
                failed_index,
                ..Execution::failed(code)
            });
        }
        Ok(first_resource)
    }

    fn is_taken(&self, resource: Handle) -> bool {
        !self.resources[resource].reservation.is_none() && !is_planted(Canary::TwoWinners)
    }

    fn insert_reservation(
        &mut self,
        lsn: Lsn,
        resource_ids: ResourceIds<'_>,
        holder_id: HolderId,
        deadline_slot: Slot,
    ) -> Handle {
        let first_resource_id = resource_ids
            .iter()
            .next()
            .expect("the form is checked before");
        let resource_count = u16::try_from(resource_ids.len()).expect("the form is checked before");
        let mut record = ReservationRecord::EMPTY;
        record.holder_id = holder_id.0;
        record.first_resource_id = first_resource_id.0;
        record.lsn = lsn;
        record.resource_count = resource_count;
        record.stand(Standing::Reserved {
            deadline_slot,
            links: Links::NONE,
        });
        let handle = self.reservations.insert(record);
        handle.expect("room is checked before")
    }

    /// Chains the resources, of which the first is at hand, to the reservation, in the order given.
    fn chain_resources(
        &mut self,
        reservation: Handle,
        first_resource: Handle,
        resource_ids: ResourceIds<'_>,
    ) {
        let mut previous = Handle::NONE;
        for resource_id in resource_ids.iter() {
            let resource = if previous.is_none() {
                first_resource
            } else {
                let hash = self.hash_key.id(resource_id.0);
                self.find_resource(resource_id, hash).expect("found before")
            };
            let record = &mut self.resources[resource];
            // R79, the one rule of the product: it was checked before, and is asserted here.
            if is_planted(Canary::TwoWinners) {
                record.next_in_bundle = Handle::NONE;
            } else {
                assert!(record.reservation.is_none(), "one resource, one winner");
            }
            assert!(
                record.next_in_bundle.is_none(),
                "an available resource is in no bundle"
            );
            record.reservation = reservation;
            record.version += 1;
            if previous.is_none() {
                self.reservations[reservation].first_resource = resource;
            } else {
                self.resources[previous].next_in_bundle = resource;
            }
            previous = resource;
        }
    }
}

/// [`Canary::DeadlineOneEarly`]: a deadline that is one slot early where it may be.
fn planted_ttl(ttl_slots: u64) -> u64 {
    ttl_slots - u64::from(ttl_slots > 1 && is_planted(Canary::DeadlineOneEarly))
}
