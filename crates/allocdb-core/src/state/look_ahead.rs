//! Looking ahead: touching the memory that a commit will need, before it is needed.
//!
//! A command misses the cache several times: at the cell of its operation id, at the cell and
//! record of what it names, at a reservation's resource, and at the cell and record of the oldest
//! operation and reservation, which it takes back. One after the other, between the steps of a
//! command, each miss is waited for. In a loop that does nothing but load, the processor has ten of
//! them under way at once. So a commit goes through its commands in strides: first it loads what
//! all commands of a stride will look at, level by level, and then it carries them out.
//!
//! A stride is short enough for all that it loads to stay in the nearest caches, and long enough
//! for the misses to overlap.
//!
//! Nothing here changes or decides anything: an answer that was touched in vain costs its time
//! alone. Rejected: prefetch instructions, which are not to be had without `unsafe`; a load whose
//! value is handed to [`black_box`] does the same, and also fills the TLB. Rejected too: looking
//! ahead over a whole commit at once; thousands of commands push each other's lines out again; and
//! going along the lists of free and of due records, each of which has to come before the next one
//! is known: the waiting only moves from the command into the loop.

use std::hint::black_box;

use super::retire::TAKE_BACK_COUNT;
use super::{Hashes, State};
use crate::command::{Command, CommandKind};
use crate::ids::{Lsn, Slot};
use crate::slab::Handle;

/// How many commands are looked ahead at a time.
pub const STRIDE: usize = 64;

/// What looking ahead goes by: a command's kind and hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance {
    /// The kind.
    pub kind: CommandKind,
    /// The [`State::hashes`].
    pub hashes: Hashes,
}

/// Which table a command's target lies in.
enum Target {
    Resource,
    Reservation,
}

impl State {
    /// What looking ahead goes by for `command`.
    #[must_use]
    pub fn glance(&self, command: &Command<'_>) -> Glance {
        Glance {
            kind: command.action.kind(),
            hashes: self.hashes(command),
        }
    }

    /// Loads what judging these commands will look at, if the first new one takes `next_lsn`: the
    /// cells of their operation ids, and those that new resources and reservations will take.
    pub fn look_ahead(&self, next_lsn: Lsn, glances: impl Iterator<Item = Glance>) {
        for (ahead, glance) in (0..).zip(glances) {
            black_box(self.operation_index.touch(glance.hashes.operation));
            match glance.kind {
                CommandKind::CreateResource => {
                    black_box(self.resource_index.touch(glance.hashes.target));
                }
                CommandKind::Reserve => {
                    let lsn = Lsn(next_lsn.0.wrapping_add(ahead));
                    black_box(self.reservation_index.touch(self.lsn_hash(lsn)));
                }
                _ => {}
            }
        }
    }

    /// Loads what applying these commands next, at `slot`, will look at: what judging them does,
    /// which in a large commit is long gone from the caches again, what they name, and the oldest
    /// records past their window, which they take back.
    pub fn look_ahead_to_apply(&self, slot: Slot, glances: impl Iterator<Item = Glance> + Clone) {
        self.look_ahead(Lsn(self.last_lsn.0.wrapping_add(1)), glances.clone());
        let mut count = 0;
        for glance in glances.clone() {
            count += 1;
            match target_of(glance.kind) {
                Some(Target::Resource) => {
                    black_box(self.resource_index.touch(glance.hashes.target));
                }
                Some(Target::Reservation) => {
                    black_box(self.reservation_index.touch(glance.hashes.target));
                }
                None => {}
            }
        }
        // Each of them takes several back where a window has just passed over many.
        let past_count = count * TAKE_BACK_COUNT as usize;
        let (operations, reservations) = self.touch_past_records(slot, past_count);
        for glance in glances.clone() {
            self.touch_target(&glance);
        }
        self.touch_past_cells(operations, reservations);
        for glance in glances {
            self.touch_held_resource(&glance);
        }
    }

    fn touch_target(&self, glance: &Glance) {
        match target_of(glance.kind) {
            Some(Target::Resource) => {
                if let Some(handle) = self.resource_index.first_of(glance.hashes.target) {
                    black_box(self.resources[handle].version);
                }
            }
            Some(Target::Reservation) => {
                if let Some(handle) = self.reservation_index.first_of(glance.hashes.target) {
                    black_box(self.reservations[handle].lsn);
                }
            }
            None => {}
        }
    }

    fn touch_held_resource(&self, glance: &Glance) {
        if let Some(Target::Reservation) = target_of(glance.kind)
            && let Some(handle) = self.reservation_index.first_of(glance.hashes.target)
        {
            let resource = self.reservations[handle].first_resource;
            if !resource.is_none() {
                black_box(self.resources[resource].version);
            }
        }
    }

    /// How many operations and reservations there were.
    fn touch_past_records(&self, slot: Slot, count: usize) -> (usize, usize) {
        let operations = self.past_operations(slot, count).count();
        // Whether a record is past, the record itself says.
        let reservations = self.past_reservations(slot, count).count();
        (operations, reservations)
    }

    /// The cells of so many records at the front, all of them past.
    fn touch_past_cells(&self, operations: usize, reservations: usize) {
        for index in 0..operations {
            if let Some(handle) = self.operation_queue.at(index) {
                black_box(self.operation_index.touch(self.operations[handle].hash));
            }
        }
        for index in 0..reservations {
            if let Some(handle) = self.reservation_queue.at(index) {
                let hash = self.lsn_hash(self.reservations[handle].lsn);
                black_box(self.reservation_index.touch(hash));
            }
        }
    }

    fn past_operations(&self, slot: Slot, count: usize) -> impl Iterator<Item = Handle> + '_ {
        (0..count)
            .map_while(|index| self.operation_queue.at(index))
            .take_while(move |&handle| slot >= self.operations[handle].retire_after_slot)
    }

    fn past_reservations(&self, slot: Slot, count: usize) -> impl Iterator<Item = Handle> + '_ {
        (0..count)
            .map_while(|index| self.reservation_queue.at(index))
            .take_while(move |&handle| self.reservations[handle].is_past(slot))
    }
}

const fn target_of(kind: CommandKind) -> Option<Target> {
    match kind {
        CommandKind::CreateResource | CommandKind::DeleteResource | CommandKind::Reserve => {
            Some(Target::Resource)
        }
        CommandKind::Confirm
        | CommandKind::Extend
        | CommandKind::Release
        | CommandKind::Revoke
        | CommandKind::Reclaim => Some(Target::Reservation),
        CommandKind::ExpireDue => None,
    }
}
