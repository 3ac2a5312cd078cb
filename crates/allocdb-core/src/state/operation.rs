//! Dedupe: which operation ids are remembered, and what a retry gets.
//!
//! R14: an operation is remembered from its commit's slot through the `operation_window_slots`
//! slots after it: it is gone at `slot >= retire_after_slot = slot + window + 1`. The extra one
//! matters. A command may be valid until `slot + window`; were its record gone at that very slot, a
//! duplicate arriving then would be executed a second time (R34).

use super::record::{NO_FAILED_INDEX, OperationRecord};
use super::{Execution, Hashes, State};
use crate::canary::{Canary, is_planted};
use crate::command::{Action, Command};
use crate::ids::{Lsn, OperationId, ReservationId, Slot};
use crate::outcome::{NO_INDEX, Outcome, Rejection, Table};
use crate::slab::Handle;
use crate::table::Vacancy;

impl State {
    /// R60, R61: what the operation with a command's id says, if it is remembered at `slot`: its
    /// outcome to the same command, a conflict to another.
    pub(super) fn repeated(
        &self,
        handle: Handle,
        fingerprint: u64,
        slot: Slot,
    ) -> Option<Result<Outcome, Rejection>> {
        let record = &self.operations[handle];
        if slot >= record.retire_after_slot {
            return None;
        }
        if record.fingerprint != fingerprint {
            return Some(Err(Rejection::OperationConflict {
                lsn: record.applied_lsn,
            }));
        }
        Some(Ok(self.remembered_outcome(record)))
    }

    pub(super) fn remembered_outcome(&self, record: &OperationRecord) -> Outcome {
        assert!(
            record.applied_lsn.0 != 0,
            "a remembered operation was applied"
        );
        let reservation_id = match record.reservation_lsn {
            Lsn(0) => ReservationId(0),
            lsn => self.reservation_id(lsn),
        };
        Outcome {
            lsn: record.applied_lsn,
            code: record.code,
            reservation_id,
            deadline_slot: record.deadline_slot,
            failed_index: record.failed_index(),
            from_retry_cache: true,
        }
    }

    /// The record under this id, past its window or not.
    #[inline]
    pub(crate) fn find_operation(&self, operation_id: OperationId, hash: u32) -> Option<Handle> {
        self.search_operation(operation_id, hash).ok()
    }

    /// The record under this id, past its window or not, or where a new one's key would go.
    #[inline]
    pub(super) fn search_operation(
        &self,
        operation_id: OperationId,
        hash: u32,
    ) -> Result<Handle, Vacancy> {
        let is_match = |handle| self.operations[handle].operation_id == operation_id.0;
        self.operation_index.search(hash, is_match)
    }

    /// R29, R30: what `valid_until_slot` decides at a commit's slot.
    #[inline]
    pub(super) fn check_validity(
        &self,
        valid_until_slot: Slot,
        slot: Slot,
    ) -> Result<(), Rejection> {
        if valid_until_slot == Slot(0) {
            return Ok(());
        }
        if slot > valid_until_slot {
            return Err(Rejection::OperationExpired {
                slot,
                valid_until_slot,
            });
        }
        // Below the greatest slot, adding the window cannot overflow.
        let bound = Slot(slot.0 + self.config.operation_window_slots);
        if valid_until_slot > bound {
            return Err(Rejection::ValidUntilOutOfRange {
                valid_until_slot,
                bound,
            });
        }
        Ok(())
    }

    /// R31: how many new operations can be remembered at `slot`.
    pub(super) fn operation_room(&self, slot: Slot) -> u64 {
        let is_past = |handle: Handle| slot >= self.operations[handle].retire_after_slot;
        u64::from(self.operations.room()) + self.operation_queue.prefix_len(is_past) as u64
    }

    /// Whether one more operation can be remembered now: what is past has been taken back before.
    pub(super) fn check_operation_room(&self) -> Result<(), Rejection> {
        if self.operations.room() > 0 {
            Ok(())
        } else {
            Err(self.operation_table_full())
        }
    }

    pub(super) fn operation_table_full(&self) -> Rejection {
        Rejection::OperationTableFull {
            capacity: self.config.max_operations,
            window_slots: self.config.operation_window_slots,
        }
    }

    /// R32: whether every key that the command may add finds a place within the bound. Where a
    /// reserve's reservation goes.
    #[inline]
    pub(super) fn check_placement(
        &self,
        command: &Command<'_>,
        hashes: &Hashes,
        earlier: Result<Handle, Vacancy>,
        lsn: Lsn,
    ) -> Result<Option<Vacancy>, Rejection> {
        // An id whose old record is still in memory gives up its cell for the new one.
        if let Err(vacancy) = earlier {
            within_bound(vacancy, Table::Operations)?;
        }
        match command.action {
            Action::CreateResource { resource_id } => {
                if let Err(vacancy) = self.search_resource(resource_id, hashes.target) {
                    within_bound(vacancy, Table::Resources)?;
                }
                Ok(None)
            }
            Action::Reserve { .. } => {
                let vacancy = self.reservation_index.vacancy(self.lsn_hash(lsn));
                within_bound(vacancy, Table::Reservations)?;
                Ok(Some(vacancy))
            }
            _ => Ok(None),
        }
    }

    /// R12: remembers an answer, whatever it is. Room has been checked. `earlier` is the record
    /// that has had the id so far, or where the new one's key goes.
    #[inline]
    pub(super) fn remember(
        &mut self,
        lsn: Lsn,
        operation_id: OperationId,
        hashes: &Hashes,
        earlier: Result<Handle, Vacancy>,
        execution: &Execution,
    ) {
        let vacancy = match earlier {
            Err(vacancy) => vacancy,
            Ok(handle) => {
                self.forget_id(handle, hashes.operation);
                self.operation_index.vacancy(hashes.operation)
            }
        };
        let failed_index = match execution.failed_index {
            NO_INDEX => NO_FAILED_INDEX,
            index => u16::try_from(index).expect("an index lies within the bundle"),
        };
        let window = self.config.operation_window_slots;
        let after = u64::from(!is_planted(Canary::DuplicateAfterWindow));
        let record = OperationRecord {
            operation_id: operation_id.0,
            fingerprint: hashes.fingerprint,
            reservation_lsn: execution.reservation_id.lsn(),
            deadline_slot: execution.deadline_slot,
            applied_lsn: lsn,
            retire_after_slot: Slot(self.last_slot.0.saturating_add(window + after)),
            hash: hashes.operation,
            failed_index,
            code: execution.code,
        };
        let handle = self.operations.insert(record);
        let handle = handle.expect("room for an operation is checked before");
        self.operation_index.fill(vacancy, handle);
        self.operation_queue.push(handle);
    }

    /// R20: an id that came again after its window: the old record keeps its place in the queue,
    /// but answers to no id any more.
    fn forget_id(&mut self, handle: Handle, hash: u32) {
        assert!(
            self.is_operation_past(handle),
            "a remembered operation is never forgotten"
        );
        self.operation_index.remove(hash, handle);
        if !is_planted(Canary::ReusedIdStays) {
            self.operations[handle].operation_id = 0;
        }
    }
}

#[inline]
fn within_bound(vacancy: Vacancy, table: Table) -> Result<(), Rejection> {
    if vacancy.is_within_bound() {
        Ok(())
    } else {
        Err(Rejection::PlacementExceeded { table })
    }
}
