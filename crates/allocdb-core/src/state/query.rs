//! Reads: pure, judged at the last applied slot (R72, R74).
//!
//! Listings walk the slabs by handle, which is a deterministic order that a restart keeps (R76).
//! R77: a row that does not change while a listing runs stays at its handle, so it appears exactly
//! once. Each call looks at a bounded number of records, whatever the filter passes over.

use super::State;
use super::record::{ReservationRecord, ReservationState, ResourceRecord};
use crate::ids::{HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot};
use crate::outcome::Outcome;
use crate::slab::{Handle, Record, Slab};

/// How many records one listing call looks at.
pub const LIST_LOOK_MAX: u32 = 4096;

/// The states of a resource. The numbers are spoken over the C ABI.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ResourceState {
    /// Free to be reserved.
    Available = 1,
    /// In a hold that has a deadline.
    Reserved = 2,
    /// In a confirmed reservation.
    Confirmed = 3,
    /// Taken from its holder, not yet reusable.
    Revoking = 4,
}

impl ResourceState {
    /// Every state, in the order of the numbers.
    pub const ALL: [Self; 4] = [
        Self::Available,
        Self::Reserved,
        Self::Confirmed,
        Self::Revoking,
    ];

    /// The name, as in the documentation and in every language.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Revoking => "revoking",
        }
    }
}

/// A resource as a read shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resource {
    /// Its id.
    pub resource_id: ResourceId,
    /// Its state.
    pub state: ResourceState,
    /// The live reservation that has it; 0 while available.
    pub reservation_id: ReservationId,
    /// That reservation's holder; 0 while available.
    pub holder_id: HolderId,
    /// How many state transitions it has seen. An observation, never a write guard.
    pub version: u64,
}

/// A reservation as a read shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// Its id, which is its fencing token.
    pub reservation_id: ReservationId,
    /// Its holder.
    pub holder_id: HolderId,
    /// Its state.
    pub state: ReservationState,
    /// How many resources it has, or had.
    pub resource_count: u32,
    /// The first of them, as named by the reserve.
    pub first_resource_id: ResourceId,
    /// When it was made.
    pub created_lsn: Lsn,
    /// When it may be freed by time; 0 once confirmed.
    pub deadline_slot: Slot,
    /// When it ended; 0 while live.
    pub ended_lsn: Lsn,
    /// From when on it can no longer be read; 0 while live.
    pub retire_after_slot: Slot,
}

/// What a lookup of a reservation finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookup<T> {
    /// There it is.
    Found(T),
    /// There is none with this id.
    NotFound,
    /// There was one, as far as the watermark tells; it is no longer remembered.
    Retired,
}

/// Which rows a listing shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// States to show, bit `1 << number` each; 0 shows all.
    pub states: u32,
    /// Whose; 0 shows everybody's.
    pub holder_id: HolderId,
}

impl Filter {
    const fn passes(&self, state_number: u8, holder_id: u128) -> bool {
        (self.states == 0 || self.states & (1 << state_number) != 0)
            && (self.holder_id.is_zero() || self.holder_id.0 == holder_id)
    }
}

/// How full one table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableUsage {
    /// Records in memory.
    pub used: u32,
    /// Of these, past their window: gone for every reader, their memory to be taken back.
    pub past: u32,
    /// The bound.
    pub capacity: u32,
    /// The longest probe an insert needed since the database was opened.
    pub probe_len_max: u32,
}

/// How full everything is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Resources.
    pub resources: TableUsage,
    /// Reservations, live and remembered.
    pub reservations: TableUsage,
    /// Operations.
    pub operations: TableUsage,
    /// Reservations with a deadline.
    pub expiring: u32,
    /// Reservations whose deadline the given slot has passed and that are not yet expired.
    pub expiration_backlog: u32,
}

impl State {
    /// The resource with this id.
    #[must_use]
    pub fn resource(&self, resource_id: ResourceId) -> Option<Resource> {
        self.find_resource(resource_id, self.hash_key.id(resource_id.0))
            .map(|handle| self.view_resource(&self.resources[handle]))
    }

    /// The reservation with this id.
    #[must_use]
    pub fn reservation(&self, reservation_id: ReservationId) -> Lookup<Reservation> {
        match self.present(reservation_id, self.reservation_hash(reservation_id)) {
            Ok(handle) => Lookup::Found(self.view_reservation(&self.reservations[handle])),
            Err(crate::outcome::ResultCode::ReservationRetired) => Lookup::Retired,
            Err(_) => Lookup::NotFound,
        }
    }

    /// The resources of a live reservation in the order the reserve named them; nothing for a
    /// terminal or unknown one.
    pub fn reservation_resources(
        &self,
        reservation_id: ReservationId,
    ) -> impl Iterator<Item = ResourceId> + '_ {
        let handle = self
            .present(reservation_id, self.reservation_hash(reservation_id))
            .ok();
        let mut next = handle.map_or(Handle::NONE, |h| self.reservations[h].first_resource);
        std::iter::from_fn(move || {
            if next.is_none() {
                return None;
            }
            let record = &self.resources[next];
            next = record.next_in_bundle;
            Some(ResourceId(record.resource_id))
        })
    }

    /// R75: the outcome of a remembered operation.
    #[must_use]
    pub fn operation(&self, operation_id: OperationId) -> Option<Outcome> {
        if operation_id.is_zero() {
            return None;
        }
        let handle = self.find_operation(operation_id, self.hash_key.id(operation_id.0))?;
        let is_remembered = !self.is_operation_past(handle);
        is_remembered.then(|| self.remembered_outcome(&self.operations[handle]))
    }

    /// Shows up to `row_count_max` resources that pass, from `cursor` on (0 starts). Returns the
    /// cursor to go on from, 0 at the end.
    pub fn list_resources(
        &self,
        filter: &Filter,
        cursor: u64,
        row_count_max: usize,
        mut visit: impl FnMut(Resource),
    ) -> u64 {
        list(&self.resources, cursor, row_count_max, |record| {
            let row = self.view_resource(record);
            let passes = filter.passes(row.state as u8, row.holder_id.0);
            if passes {
                visit(row);
            }
            passes
        })
    }

    /// Shows up to `row_count_max` reservations that pass, live and remembered, as
    /// [`State::list_resources`] does.
    pub fn list_reservations(
        &self,
        filter: &Filter,
        cursor: u64,
        row_count_max: usize,
        mut visit: impl FnMut(Reservation),
    ) -> u64 {
        list(&self.reservations, cursor, row_count_max, |record| {
            let passes = !record.is_past(self.last_slot)
                && filter.passes(record.state() as u8, record.holder_id);
            if passes {
                visit(self.view_reservation(record));
            }
            passes
        })
    }

    /// How full everything is; the backlog as of `slot`, or of the last slot where that is later.
    #[must_use]
    pub fn usage(&self, slot: Slot) -> Usage {
        let past_reservations = self.reservation_queue.prefix_len(|h| self.is_retired(h));
        let past_operations = self
            .operation_queue
            .prefix_len(|h| self.is_operation_past(h));
        let narrow = |count: usize| u32::try_from(count).expect("bounded by a capacity");
        let table = |used, past, capacity, probe_len_max| TableUsage {
            used,
            past,
            capacity,
            probe_len_max,
        };
        Usage {
            resources: table(
                self.resources.used_count(),
                0,
                self.resources.capacity(),
                self.resource_index.probe_len_max(),
            ),
            reservations: table(
                self.reservations.used_count(),
                narrow(past_reservations),
                self.reservations.capacity(),
                self.reservation_index.probe_len_max(),
            ),
            operations: table(
                self.operations.used_count(),
                narrow(past_operations),
                self.operations.capacity(),
                self.operation_index.probe_len_max(),
            ),
            expiring: self.wheel.linked_count(),
            expiration_backlog: self.wheel.due_count(slot.max(self.last_slot)),
        }
    }

    fn view_resource(&self, record: &ResourceRecord) -> Resource {
        let reservation = record.reservation;
        let holder = (!reservation.is_none()).then(|| &self.reservations[reservation]);
        Resource {
            resource_id: ResourceId(record.resource_id),
            state: resource_state(holder),
            reservation_id: holder.map_or(ReservationId(0), |held| self.reservation_id(held.lsn)),
            holder_id: HolderId(holder.map_or(0, |held| held.holder_id)),
            version: record.version,
        }
    }

    fn view_reservation(&self, record: &ReservationRecord) -> Reservation {
        Reservation {
            reservation_id: self.reservation_id(record.lsn),
            holder_id: HolderId(record.holder_id),
            state: record.state(),
            resource_count: record.resource_count.into(),
            first_resource_id: ResourceId(record.first_resource_id),
            created_lsn: record.lsn,
            deadline_slot: record.deadline_slot(),
            ended_lsn: record.ended_lsn(),
            retire_after_slot: record.retire_after_slot(),
        }
    }
}

fn resource_state(holder: Option<&ReservationRecord>) -> ResourceState {
    match holder.map(ReservationRecord::state) {
        None => ResourceState::Available,
        Some(ReservationState::Reserved) => ResourceState::Reserved,
        Some(ReservationState::Confirmed) => ResourceState::Confirmed,
        Some(ReservationState::Revoking) => ResourceState::Revoking,
        Some(_) => unreachable!("a terminal reservation has no resources"),
    }
}

/// Walks a slab from `cursor`, showing used records to `visit`, which tells whether it took one.
fn list<T: Record>(
    slab: &Slab<T>,
    cursor: u64,
    row_count_max: usize,
    mut visit: impl FnMut(&T) -> bool,
) -> u64 {
    let mut row_count = 0;
    let mut looked_count = 0;
    let Ok(mut index) = u32::try_from(cursor) else {
        return 0;
    };
    while index < slab.fresh_count() {
        if row_count == row_count_max || looked_count == LIST_LOOK_MAX {
            return u64::from(index);
        }
        if let Some(record) = slab.used(Handle(index)) {
            row_count += usize::from(visit(record));
        }
        looked_count += 1;
        index += 1;
    }
    0
}
