//! Looking ahead: touching the memory that a commit will need, before it is needed.
//!
//! A command with an operation id of its own misses the cache at least twice: at the cell of its
//! id, and at the cell and record of the oldest operation, which it takes back. One after the
//! other, between the steps of a command, each miss is waited for. In a loop that does nothing but
//! load, the processor has ten of them under way at once. So a commit of many commands first loads
//! what all of them will look at, and then carries them out.
//!
//! Nothing here changes or decides anything: an answer that was touched in vain costs its time
//! alone. Rejected: prefetch instructions, which are not to be had without `unsafe`; a load whose
//! value is handed to [`black_box`] does the same, and also fills the TLB.

use std::hint::black_box;

use super::State;
use crate::command::{Action, Command};
use crate::ids::{ResourceId, Slot};

impl State {
    /// Loads what judging these commands will look at: the cell of each operation id, and that of
    /// what the command names (of a bundle, its first resource).
    pub fn look_ahead<'a>(&self, commands: impl Iterator<Item = Command<'a>>) {
        for command in commands {
            let hash = self.hash_key.id(command.operation_id.0);
            black_box(self.operation_index.touch(hash));
            black_box(self.touch_target(&command.action));
        }
    }

    /// Loads what applying `command_count` commands at `slot` will take back: the oldest records
    /// past their window, and the cells of their ids.
    pub fn look_ahead_at_past(&self, slot: Slot, command_count: usize) {
        let past_operations = (0..command_count)
            .map_while(|index| self.operation_queue.at(index))
            .map(|handle| &self.operations[handle])
            .take_while(|record| slot >= record.retire_after_slot);
        for record in past_operations {
            let hash = self.hash_key.id(record.operation_id);
            black_box(self.operation_index.touch(hash));
        }
        let past_reservations = (0..command_count)
            .map_while(|index| self.reservation_queue.at(index))
            .map(|handle| &self.reservations[handle])
            .take_while(|record| slot >= record.retire_after_slot);
        for record in past_reservations {
            let hash = self.hash_key.id(record.lsn.0.into());
            black_box(self.reservation_index.touch(hash));
        }
    }

    fn touch_target(&self, action: &Action<'_>) -> u64 {
        let resource = |id: ResourceId| self.resource_index.touch(self.hash_key.id(id.0));
        match *action {
            Action::CreateResource { resource_id } | Action::DeleteResource { resource_id } => {
                resource(resource_id)
            }
            Action::Reserve { resource_ids, .. } => resource_ids.iter().next().map_or(0, resource),
            Action::Confirm { reservation_id, .. }
            | Action::Extend { reservation_id, .. }
            | Action::Release { reservation_id, .. }
            | Action::Revoke { reservation_id }
            | Action::Reclaim { reservation_id } => {
                let hash = self.hash_key.id(reservation_id.lsn().0.into());
                self.reservation_index.touch(hash)
            }
            Action::ExpireDue { .. } => 0,
        }
    }
}
