//! Acceptance: what may be logged, judged before logging by a pure read (R66).
//!
//! An engine gathers commands into one commit and asks about each, in order, at the commit's slot.
//! The answer counts what the commit's earlier commands will take: places for operations, cells of
//! the tables, and their operation ids, so that a later equal one is a retry and a later different
//! one a conflict (R62). What is admitted here, [`State::apply`] never refuses: a logged command
//! always has its result. The other way round, acceptance may be stricter: it counts the cells that
//! earlier commands *could* take, where `apply` sees what they did.
//!
//! A command's form is judged apart from what the state says about it: an engine checks it when it
//! first reads the command, and needs no more than the front of its record afterwards.

mod scratch;

use std::collections::TryReserveError;

use super::{Hashes, State};
use crate::canary::{Canary, is_planted};
use crate::codec::RecordHead;
use crate::command::{Command, CommandKind};
use crate::ids::{Lsn, Slot};
use crate::outcome::{Outcome, Rejection, Table};
use crate::table::{PLACEMENT_BOUND, Table as Index};
use scratch::{PendingOperation, PendingOperations, TakenCell, TakenCells};

/// What acceptance says about one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// To be logged, at this position.
    New {
        /// The position.
        lsn: Lsn,
    },
    /// A remembered operation: here is its outcome; nothing to log.
    Retry(Outcome),
    /// The same command as an earlier one of this commit; nothing to log.
    RetryOf {
        /// The tag that the earlier one was admitted with.
        tag: u32,
    },
    /// Definitely refused.
    Rejected(Rejection),
}

/// The judgement of one commit at a time, with memory for the largest.
#[derive(Debug)]
pub struct Acceptance {
    slot: Slot,
    base_lsn: Lsn,
    next_lsn: Option<Lsn>,
    room: u64,
    command_count_max: usize,
    pending: PendingOperations,
    taken: TakenCells,
}

impl Acceptance {
    /// Reserves memory for commits of up to `command_count_max` commands.
    pub fn new(command_count_max: u32) -> Result<Self, TryReserveError> {
        Ok(Self {
            slot: Slot(0),
            base_lsn: Lsn(0),
            next_lsn: None,
            room: 0,
            command_count_max: command_count_max as usize,
            pending: PendingOperations::new(command_count_max as usize)?,
            taken: TakenCells::new(command_count_max as usize)?,
        })
    }

    /// Bytes that [`Acceptance::new`] reserves.
    #[must_use]
    pub fn memory_bytes(command_count_max: u32) -> u64 {
        let count = command_count_max as usize;
        PendingOperations::memory_bytes(count) + TakenCells::memory_bytes(count)
    }

    /// Begins a commit at `slot`, which is not before the state's last one. With
    /// `with_expire_due`, the first position goes to an `expire_due` in front.
    pub fn begin(&mut self, state: &State, slot: Slot, with_expire_due: bool) {
        self.begin_of(state, slot, with_expire_due, self.command_count_max);
    }

    /// [`Acceptance::begin`] for those who know how many commands there are at most: a small commit
    /// then stays in a small part of the scratch memory.
    pub fn begin_of(
        &mut self,
        state: &State,
        slot: Slot,
        with_expire_due: bool,
        command_count: usize,
    ) {
        assert!(
            slot >= state.last_slot,
            "a commit's slot is the greatest of its submissions'"
        );
        self.slot = slot;
        self.base_lsn = state.last_lsn;
        self.next_lsn = state.last_lsn.after(1 + u64::from(with_expire_due));
        self.room = state.operation_room(slot);
        self.pending.clear(command_count);
        self.taken.clear(command_count);
    }

    /// Judges the next command; if it is new, counts it in. `tag` names it for later retries.
    pub fn admit(&mut self, state: &State, command: &Command<'_>, tag: u32) -> Admission {
        let hashes = state.hashes(command);
        self.admit_hashed(state, command, &hashes, tag)
    }

    /// [`Acceptance::admit`] for those who have the command's [`State::hashes`] at hand.
    pub fn admit_hashed(
        &mut self,
        state: &State,
        command: &Command<'_>,
        hashes: &Hashes,
        tag: u32,
    ) -> Admission {
        debug_assert_eq!(*hashes, state.hashes(command), "of this very command");
        let kind = command.action.kind();
        if kind == CommandKind::ExpireDue {
            return Admission::Rejected(Rejection::Malformed { field: "kind" });
        }
        if let Err(rejection) = command.check(&state.config) {
            return Admission::Rejected(rejection);
        }
        let head = RecordHead {
            kind,
            operation_id: command.operation_id,
            valid_until_slot: command.valid_until_slot,
        };
        self.admit_checked(state, &head, hashes, tag)
    }

    /// [`Acceptance::admit_hashed`] of a client command whose form has been checked
    /// ([`Command::check`]): all that is asked of it then stands at the front of its record.
    #[inline]
    pub fn admit_checked(
        &mut self,
        state: &State,
        head: &RecordHead,
        hashes: &Hashes,
        tag: u32,
    ) -> Admission {
        assert!(
            state.last_lsn == self.base_lsn,
            "nothing is applied while a commit is judged"
        );
        match self.judge(state, head, hashes, tag) {
            Ok(admission) => admission,
            Err(rejection) => Admission::Rejected(rejection),
        }
    }

    /// How many commands are new so far.
    #[must_use]
    pub fn new_count(&self) -> usize {
        self.pending.len()
    }

    #[inline]
    fn judge(
        &mut self,
        state: &State,
        head: &RecordHead,
        hashes: &Hashes,
        tag: u32,
    ) -> Result<Admission, Rejection> {
        let bound = state.config.slot_max();
        if self.slot > bound {
            return Err(Rejection::SlotOverflow {
                slot: self.slot,
                bound,
            });
        }
        let operation_id = head.operation_id;
        if let Some(handle) = state.find_operation(operation_id, hashes.operation)
            && let Some(said) = state.repeated(handle, hashes.fingerprint, self.slot)
        {
            return said.map(Admission::Retry);
        }
        let vacant = match self.pending.search(operation_id, hashes.operation) {
            Err(vacant) => vacant,
            Ok(earlier) if earlier.fingerprint == hashes.fingerprint => {
                return Ok(Admission::RetryOf { tag: earlier.tag });
            }
            Ok(earlier) => return Err(Rejection::OperationConflict { lsn: earlier.lsn }),
        };
        state.check_validity(head.valid_until_slot, self.slot)?;
        let taken = if is_planted(Canary::RoomIgnoresCommit) {
            0
        } else {
            self.pending.len() as u64
        };
        if taken >= self.room {
            return Err(state.operation_table_full());
        }
        let lsn = self.take_cells(state, head.kind, hashes)?;
        let pending = PendingOperation {
            operation_id,
            fingerprint: hashes.fingerprint,
            lsn,
            tag,
        };
        self.pending.insert(pending, vacant);
        self.next_lsn = lsn.after(1);
        Ok(Admission::New { lsn })
    }

    /// R32: finds places for every key that the command may add, and claims them and the next LSN.
    #[inline]
    fn take_cells(
        &mut self,
        state: &State,
        kind: CommandKind,
        hashes: &Hashes,
    ) -> Result<Lsn, Rejection> {
        // R33: a reservation's place depends on its position.
        let lsn = self.next_lsn.ok_or(Rejection::LsnExhausted)?;
        let hash = hashes.operation;
        let operation = self.place(&state.operation_index, hash, Table::Operations)?;
        let other = match kind {
            CommandKind::CreateResource => {
                self.place(&state.resource_index, hashes.target, Table::Resources)?
            }
            CommandKind::Reserve => {
                let hash = state.lsn_hash(lsn);
                self.place(&state.reservation_index, hash, Table::Reservations)?
            }
            _ => None,
        };
        if let Some(cell) = operation {
            self.taken.insert(cell);
        }
        if let Some(cell) = other {
            self.taken.insert(cell);
        }
        Ok(lsn)
    }

    /// The cell that a new key would take; none where cells need not be counted, because the
    /// table's capacity alone keeps every key within the bound. Counting them there would answer
    /// `overloaded` to a commit with more keys than cells, and hide that the table is full.
    #[inline]
    fn place(
        &self,
        index: &Index,
        hash: u32,
        table: Table,
    ) -> Result<Option<TakenCell>, Rejection> {
        if index.is_within_reach() {
            return Ok(None);
        }
        let is_taken = |cell| self.taken.contains(TakenCell { table, cell });
        let place = index.placement_within(hash, PLACEMENT_BOUND, is_taken);
        let place = place.ok_or(Rejection::PlacementExceeded { table })?;
        let cell = place.cell;
        Ok(Some(TakenCell { table, cell }))
    }
}

#[cfg(test)]
mod tests;
