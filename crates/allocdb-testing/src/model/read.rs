//! What can be read, at the last applied slot. R72, R74, R75

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::types::{
    Bounds, Code, Lookup, Outcome, Reservation, ReservationState as R, Resource, ResourceState,
};
use super::{Model, ReservationRecord, ResourceRecord};

impl Model {
    /// The bounds it lives by.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The position of the last applied command.
    #[must_use]
    pub const fn last_lsn(&self) -> u64 {
        self.lsn
    }

    /// The slot of the last applied command.
    #[must_use]
    pub const fn last_slot(&self) -> u64 {
        self.slot
    }

    /// The resource with this id.
    #[must_use]
    pub fn resource(&self, id: u128) -> Option<Resource> {
        self.resources
            .get(&id)
            .map(|record| self.resource_row(id, record))
    }

    fn resource_row(&self, resource_id: u128, record: &ResourceRecord) -> Resource {
        let held = record.held_by.map(|lsn| (lsn, &self.reservations[&lsn]));
        Resource {
            resource_id,
            state: resource_state(held.map(|(_, reservation)| reservation)),
            reservation_id: self.id_or_zero(record.held_by.unwrap_or(0)),
            holder_id: held.map_or(0, |(_, reservation)| reservation.holder),
            version: record.version,
        }
    }

    /// The state of the resource with this id.
    #[must_use]
    pub fn resource_state(&self, id: u128) -> Option<ResourceState> {
        let record = self.resources.get(&id)?;
        let held = record.held_by.map(|lsn| &self.reservations[&lsn]);
        Some(resource_state(held))
    }

    /// The reservation with this id. R74
    #[must_use]
    pub fn reservation(&self, id: u128) -> Lookup {
        match self.find(id) {
            Ok((lsn, record)) => Lookup::Found(self.reservation_row(lsn, record)),
            Err(Code::ReservationRetired) => Lookup::Retired,
            Err(_) => Lookup::NotFound,
        }
    }

    /// The state of the reservation with this id, if it can be read.
    #[must_use]
    pub fn reservation_state(&self, id: u128) -> Option<R> {
        let (_, record) = self.find(id).ok()?;
        Some(record.state)
    }

    fn reservation_row(&self, lsn: u64, record: &ReservationRecord) -> Reservation {
        Reservation {
            reservation_id: self.id_or_zero(lsn),
            holder_id: record.holder,
            state: record.state,
            resource_count: u32::try_from(record.resources.len()).expect("short"),
            first_resource_id: record.resources[0],
            created_lsn: lsn,
            deadline_slot: record.deadline,
            ended_lsn: record.ended_lsn,
            retire_after_slot: record.retire_after,
        }
    }

    /// The resources of a live reservation, in the order named. R10
    #[must_use]
    pub fn reservation_resources(&self, id: u128) -> &[u128] {
        match self.find(id) {
            Ok((_, record)) if record.state.is_live() => &record.resources,
            _ => &[],
        }
    }

    /// R75.
    #[must_use]
    pub fn operation(&self, id: u128) -> Option<Outcome> {
        let record = self.operations.get(&id)?;
        (self.slot < record.retire_after).then_some(Outcome {
            from_retry_cache: true,
            ..record.outcome
        })
    }

    /// R55, R56.
    #[must_use]
    pub fn is_due(&self, slot: u64) -> bool {
        let slot = slot.max(self.slot);
        self.index
            .first()
            .is_some_and(|first| self.is_past(first.0, slot))
    }

    /// How many are due at `slot`. R55
    #[must_use]
    pub fn backlog(&self, slot: u64) -> usize {
        let slot = slot.max(self.slot);
        let ahead = |entry: &&(u64, u64, u64)| self.is_past(entry.0, slot);
        self.index.iter().take_while(ahead).count()
    }

    /// How many have a deadline.
    #[must_use]
    pub fn expiring(&self) -> usize {
        self.index.len()
    }

    /// How many operations are remembered.
    #[must_use]
    pub fn operations_not_gone(&self) -> u64 {
        self.operations_kept(self.slot)
    }

    /// Live ones and those whose memory has not been taken back.
    #[must_use]
    pub fn reservations_in_memory(&self) -> usize {
        self.reservations.len()
    }

    /// Those in memory that nobody can read any more.
    #[must_use]
    pub fn reservations_gone(&self) -> usize {
        self.ended.partition_point(|entry| entry.0 <= self.slot)
    }

    /// Every resource, by id.
    pub fn resources(&self) -> impl Iterator<Item = Resource> + '_ {
        self.resources
            .iter()
            .map(|(&id, record)| self.resource_row(id, record))
    }

    /// Every reservation that can be read, by id.
    pub fn reservations(&self) -> impl Iterator<Item = Reservation> + '_ {
        self.reservations
            .iter()
            .filter(|(_, record)| !self.is_gone(record))
            .map(|(&lsn, record)| self.reservation_row(lsn, record))
    }

    /// What decides the answers to come, and nothing else: slots from the last one on, positions
    /// by their rank, no versions, and of operations only what `named` was and how long the others
    /// take a place. Two states of one shape answer alike whatever comes, when it names
    /// reservations by rank and of the operations only that one.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "ids of an exploration are small"
    )]
    pub fn shape(&self, named: u128) -> Vec<u64> {
        const APART: u64 = u64::MAX;
        let rank = |lsn: u64| self.reservations.range(..=lsn).count() as u64;
        let ahead = |slot: u64| slot.saturating_sub(self.slot);
        let mut shape = Vec::new();
        for (id, record) in &self.resources {
            shape.extend([*id as u64, record.held_by.map_or(0, rank)]);
        }
        shape.push(APART);
        for record in self.reservations.values() {
            shape.extend([record.holder as u64, record.state as u64]);
            shape.extend(record.resources.iter().map(|id| *id as u64));
            shape.push(APART);
        }
        for (deadline, _, lsn) in &self.index {
            shape.extend([ahead(*deadline), rank(*lsn)]);
        }
        shape.push(APART);
        for (retire_after, lsn) in &self.ended {
            shape.extend([ahead(*retire_after), rank(*lsn)]);
        }
        shape.push(APART);
        for (retire_after, id) in &self.windows {
            let record = self.operations.get(id).filter(|_| *id == named);
            let hash = record.map_or(0, |record| {
                let mut action = record.command.action.clone();
                if let Some(named) = action.reservation_id_mut() {
                    *named = rank(*named as u64).into();
                }
                let outcome = record.outcome;
                let mut hasher = DefaultHasher::new();
                action.hash(&mut hasher);
                (outcome.code, outcome.failed_index).hash(&mut hasher);
                rank(outcome.reservation_id as u64).hash(&mut hasher);
                ahead(outcome.deadline_slot).hash(&mut hasher);
                (record.retire_after == *retire_after).hash(&mut hasher);
                hasher.finish()
            });
            shape.extend([ahead(*retire_after), hash]);
        }
        shape
    }
}

fn resource_state(held: Option<&ReservationRecord>) -> ResourceState {
    match held.map(|record| record.state) {
        None => ResourceState::Available,
        Some(R::Reserved) => ResourceState::Reserved,
        Some(R::Confirmed) => ResourceState::Confirmed,
        Some(_) => ResourceState::Revoking,
    }
}
