//! The whole-state check: every invariant, over every record.
//!
//! Costs a walk over all memory, so it belongs to tests, to restoring a snapshot and to `verify`;
//! the hot path asserts its own small share of each law instead. It never panics: restoring runs it
//! over what a disk said.

use super::State;
use super::record::{ReservationRecord, ReservationState};
use crate::canary::{Canary, is_planted};
use crate::ids::{Lsn, ReservationId, Slot};
use crate::slab::{Handle, Record, Slab};
use crate::table::Table as Index;
use crate::wheel::List;

/// A broken invariant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The law that does not hold.
    pub law: &'static str,
    /// Which record, by its place in its table.
    pub handle: u32,
}

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (record {})", self.law, self.handle)
    }
}

fn law(holds: bool, law: &'static str, handle: Handle) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(Broken {
            law,
            handle: handle.0,
        })
    }
}

impl State {
    /// Checks every invariant over every record; the first broken one is the answer.
    pub fn check_invariants(&self) -> Result<(), Broken> {
        law(
            self.wheel.slot() == self.last_slot,
            "the wheel stands at the last slot",
            Handle::NONE,
        )?;
        law(
            self.resources.free_list_is_whole()
                && self.reservations.free_list_is_whole()
                && self.operations.free_list_is_whole(),
            "every unused record is free exactly once",
            Handle::NONE,
        )?;
        self.check_resources()?;
        self.check_reservations()?;
        self.check_operations()?;
        self.check_queues()
    }

    /// The same for a state that was restored: only so is it believed.
    pub(crate) fn check_restored(&self) -> Result<(), Broken> {
        if is_planted(Canary::SnapshotInvariantsUnchecked) {
            return Ok(());
        }
        self.check_invariants()
    }

    fn check_resources(&self) -> Result<(), Broken> {
        check_count(&self.resources, &self.resource_index)?;
        for (handle, record) in used(&self.resources) {
            let hash = self.hash_key.id(record.resource_id);
            let found = self.find_resource(crate::ids::ResourceId(record.resource_id), hash);
            law(
                found == Some(handle),
                "a resource is found by its id",
                handle,
            )?;
            // Made by one logged command, changed by others: so a version can never wrap.
            let is_counted = record.version < self.last_lsn.0;
            law(is_counted, "a version counts logged changes", handle)?;
            if record.reservation.is_none() {
                law(
                    record.next_in_bundle.is_none(),
                    "an available resource is alone",
                    handle,
                )?;
                continue;
            }
            let held = self.reservations.used(record.reservation);
            let is_live = held.is_some_and(|reservation| reservation.state().is_live());
            law(is_live, "a taken resource has a live reservation", handle)?;
        }
        Ok(())
    }

    /// R79, R81, R83: every reservation is where its state says it is, and nowhere else.
    fn check_reservations(&self) -> Result<(), Broken> {
        check_count(&self.reservations, &self.reservation_index)?;
        let (mut linked_count, mut chained_count) = (0, 0);
        for (handle, record) in used(&self.reservations) {
            let id = ReservationId::new(self.config.shard_id, record.lsn);
            law(
                self.find_reservation(id, self.reservation_hash(id)) == Some(handle),
                "a reservation is found",
                handle,
            )?;
            law(
                record.lsn <= self.last_lsn,
                "a reservation was logged",
                handle,
            )?;
            law(record.holder_id != 0, "a reservation has a holder", handle)?;
            law(
                record.first_resource_id != 0,
                "a reservation names a resource",
                handle,
            )?;
            let count = u32::from(record.resource_count);
            let is_bounded = (1..=self.config.max_bundle_len).contains(&count);
            law(is_bounded, "a bundle is bounded", handle)?;
            let is_reserved = record.state() == ReservationState::Reserved;
            if is_reserved {
                self.check_links(handle, record)?;
                linked_count += 1;
            }
            if record.state().is_live() {
                self.check_chain(handle, record)?;
                chained_count += count;
            } else {
                law(
                    record.first_resource.is_none(),
                    "an ended one has no resources",
                    handle,
                )?;
                law(
                    record.ended_lsn() > record.lsn,
                    "a reservation ends after it began",
                    handle,
                )?;
                let window = self.config.history_window_slots;
                let is_bounded = self.may_retire(record.retire_after_slot(), window);
                law(is_bounded, "windows are bounded", handle)?;
            }
        }
        let taken = used(&self.resources).filter(|(_, resource)| !resource.reservation.is_none());
        law(
            u32::try_from(taken.count()) == Ok(chained_count),
            "a taken resource is in its reservation's chain",
            Handle::NONE,
        )?;
        let counted = self.wheel.linked_count() == linked_count;
        law(
            counted,
            "every hold is in the expiration index once",
            Handle::NONE,
        )
    }

    /// Whether a command at the last slot or before can have set this retirement.
    fn may_retire(&self, retire_after_slot: Slot, window_slots: u64) -> bool {
        let last = self.last_slot.0.saturating_add(window_slots + 1);
        (window_slots + 1..=last).contains(&retire_after_slot.0)
    }

    /// A live reservation's resources all point back at it, and are as many as it says.
    fn check_chain(&self, handle: Handle, record: &ReservationRecord) -> Result<(), Broken> {
        let mut next = record.first_resource;
        let mut first_resource_id = 0;
        for position in 0..record.resource_count {
            let Some(resource) = self.resources.used(next) else {
                return law(false, "a bundle is whole", handle);
            };
            law(
                resource.reservation == handle,
                "a bundle points back",
                handle,
            )?;
            if position == 0 {
                first_resource_id = resource.resource_id;
            }
            next = resource.next_in_bundle;
        }
        law(
            first_resource_id == record.first_resource_id,
            "the first id is the first",
            handle,
        )?;
        law(next.is_none(), "a bundle ends where its count says", handle)
    }

    /// A hold's neighbours agree with it and share its list.
    fn check_links(&self, handle: Handle, record: &ReservationRecord) -> Result<(), Broken> {
        let (deadline_slot, links) = (record.deadline_slot(), record.links());
        let list = self.wheel.list_of(deadline_slot);
        let last = self.last_slot.0.saturating_add(self.config.max_ttl_slots);
        law(
            (1..=last).contains(&deadline_slot.0),
            "a deadline lies within the wheel",
            handle,
        )?;
        let is_due = deadline_slot <= self.last_slot;
        let shares_list = |other: &ReservationRecord| {
            other.state() == ReservationState::Reserved
                && if is_due {
                    other.deadline_slot() <= self.last_slot
                } else {
                    other.deadline_slot() == deadline_slot
                }
        };
        law(!list.head.is_none(), "a list has a head", handle)?;
        if links.previous.is_none() {
            law(list.head == handle, "a list has one head", handle)?;
            law(
                self.walk_len(list) == Some(list.len),
                "a list is as long as it says",
                handle,
            )?;
        } else {
            let previous = self.reservations.used(links.previous);
            let agrees = previous.is_some_and(|previous| {
                previous.links().next == handle
                    && shares_list(previous)
                    && previous.deadline_slot() <= deadline_slot
            });
            law(
                agrees,
                "a hold's predecessor is before it in its list",
                handle,
            )?;
        }
        if links.next.is_none() {
            law(list.tail == handle, "a list has one tail", handle)?;
        } else {
            let next = self.reservations.used(links.next);
            let agrees = next.is_some_and(|next| next.links().previous == handle);
            law(agrees, "a hold's successor is behind it", handle)?;
        }
        Ok(())
    }

    /// How many steps lead from a list's head to its end; `None` if more than its length.
    fn walk_len(&self, list: &List) -> Option<u32> {
        let mut next = list.head;
        for len in 0..=list.len {
            if next.is_none() {
                return Some(len);
            }
            next = self.reservations.used(next)?.links().next;
        }
        None
    }

    fn check_operations(&self) -> Result<(), Broken> {
        let named = used(&self.operations)
            .filter(|(_, record)| record.operation_id != 0)
            .count();
        let counted = u32::try_from(named) == Ok(self.operation_index.count());
        law(counted, "every named operation is indexed", Handle::NONE)?;
        let queued = self.operations.used_count() as usize == self.operation_queue.len();
        law(queued, "every operation waits to retire", Handle::NONE)?;
        for (handle, record) in used(&self.operations) {
            law(
                record.applied_lsn <= self.last_lsn,
                "an operation was logged",
                handle,
            )?;
            let window = self.config.operation_window_slots;
            law(
                self.may_retire(record.retire_after_slot, window),
                "windows are bounded",
                handle,
            )?;
            let reserves = record.reservation_lsn <= record.applied_lsn;
            law(
                reserves,
                "an operation's reservation is not later than it",
                handle,
            )?;
            if record.operation_id == 0 {
                law(
                    self.is_operation_past(handle),
                    "only a past id is reused",
                    handle,
                )?;
                continue;
            }
            let id = crate::ids::OperationId(record.operation_id);
            let hash = self.hash_key.id(id.0);
            law(
                record.hash == hash && self.find_operation(id, hash) == Some(handle),
                "an operation is found by its id",
                handle,
            )?;
        }
        Ok(())
    }

    /// Both queues hold used records, each once, in retirement order.
    fn check_queues(&self) -> Result<(), Broken> {
        let mut last = (Slot(0), Lsn(0));
        for handle in (0..self.operation_queue.len()).filter_map(|i| self.operation_queue.at(i)) {
            let record = self.operations.used(handle);
            let key = record.map_or(last, |record| {
                (record.retire_after_slot, record.applied_lsn)
            });
            // Strictly growing, so none stands twice.
            law(
                record.is_some() && key.0 >= last.0 && key.1 > last.1,
                "operations age",
                handle,
            )?;
            last = key;
        }
        // Reservations that ended together have equal keys: a mark each tells a repetition.
        let mut is_queued = vec![false; self.reservations.fresh_count() as usize];
        let mut last = (Slot(0), Lsn(0));
        for handle in (0..self.reservation_queue.len()).filter_map(|i| self.reservation_queue.at(i))
        {
            let record = self
                .reservations
                .used(handle)
                .filter(|record| !record.state().is_live());
            let key = record.map_or(last, |record| {
                (record.retire_after_slot(), record.ended_lsn())
            });
            law(
                record.is_some() && key.0 >= last.0 && key.1 >= last.1,
                "the ended age",
                handle,
            )?;
            let was_logged = key.1 <= self.last_lsn && key.1 != Lsn(0);
            law(was_logged, "an end was logged", handle)?;
            let mark = is_queued.get_mut(handle.0 as usize);
            let is_first = mark.is_some_and(|mark| !std::mem::replace(mark, true));
            law(is_first, "an ended reservation waits once", handle)?;
            last = key;
        }
        let ended = used(&self.reservations)
            .filter(|(_, record)| !record.state().is_live())
            .count();
        let all_wait = ended == self.reservation_queue.len();
        law(all_wait, "every ended reservation waits", Handle::NONE)
    }
}

fn used<T: Record>(slab: &Slab<T>) -> impl Iterator<Item = (Handle, &T)> {
    (0..slab.fresh_count())
        .map(Handle)
        .filter_map(|handle| slab.used(handle).map(|record| (handle, record)))
}

fn check_count<T: Record>(slab: &Slab<T>, index: &Index) -> Result<(), Broken> {
    law(
        slab.used_count() == index.count(),
        "every record is indexed",
        Handle::NONE,
    )
}
