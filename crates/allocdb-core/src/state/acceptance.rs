//! Acceptance: what may be logged, judged before logging by a pure read (R66).
//!
//! An engine gathers commands into one commit and asks about each, in order, at the commit's slot.
//! The answer counts what the commit's earlier commands will take: places for operations, cells of
//! the tables, and their operation ids, so that a later equal one is a retry and a later different
//! one a conflict (R62). What is admitted here, [`State::apply`] never refuses: a logged command
//! always has its result. The other way round, acceptance may be stricter: it counts the cells that
//! earlier commands *could* take, where `apply` sees what they did.
//!
//! The scratch memory is stamped instead of cleared, so a commit of one command costs one.

use std::collections::TryReserveError;

use super::{Hashes, State};
use crate::canary::{Canary, is_planted};
use crate::command::{Action, Command};
use crate::ids::{Lsn, OperationId, Slot};
use crate::outcome::{Outcome, Rejection, Table};
use crate::table::{PLACEMENT_BOUND, Table as Index};

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
        assert!(
            slot >= state.last_slot,
            "a commit's slot is the greatest of its submissions'"
        );
        self.slot = slot;
        self.base_lsn = state.last_lsn;
        self.next_lsn = state.last_lsn.after(1 + u64::from(with_expire_due));
        self.room = state.operation_room(slot);
        self.pending.clear();
        self.taken.clear();
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
        assert!(
            state.last_lsn == self.base_lsn,
            "nothing is applied while a commit is judged"
        );
        match self.judge(state, command, hashes, tag) {
            Ok(admission) => admission,
            Err(rejection) => Admission::Rejected(rejection),
        }
    }

    /// How many commands are new so far.
    #[must_use]
    pub fn new_count(&self) -> usize {
        self.pending.entries.len()
    }

    fn judge(
        &mut self,
        state: &State,
        command: &Command<'_>,
        hashes: &Hashes,
        tag: u32,
    ) -> Result<Admission, Rejection> {
        if matches!(command.action, Action::ExpireDue { .. }) {
            return Err(Rejection::Malformed { field: "kind" });
        }
        command.check(&state.config)?;
        let bound = state.config.slot_max();
        if self.slot > bound {
            return Err(Rejection::SlotOverflow {
                slot: self.slot,
                bound,
            });
        }
        let operation_id = command.operation_id;
        if let Some(handle) = state.find_operation(operation_id, hashes.operation)
            && let Some(said) = state.repeated(handle, hashes.fingerprint, self.slot)
        {
            return said.map(Admission::Retry);
        }
        if let Some(earlier) = self.pending.find(operation_id, hashes.operation) {
            return if earlier.fingerprint == hashes.fingerprint {
                Ok(Admission::RetryOf { tag: earlier.tag })
            } else {
                Err(Rejection::OperationConflict { lsn: earlier.lsn })
            };
        }
        state.check_validity(command, self.slot)?;
        let taken = if is_planted(Canary::RoomIgnoresCommit) {
            0
        } else {
            self.pending.entries.len() as u64
        };
        if taken >= self.room {
            return Err(state.operation_table_full());
        }
        let lsn = self.take_cells(state, command, hashes)?;
        let pending = PendingOperation {
            operation_id,
            fingerprint: hashes.fingerprint,
            lsn,
            tag,
        };
        self.pending.insert(pending, hashes.operation);
        self.next_lsn = lsn.after(1);
        Ok(Admission::New { lsn })
    }

    /// R32: finds places for every key that the command may add, and claims them and the next LSN.
    fn take_cells(
        &mut self,
        state: &State,
        command: &Command<'_>,
        hashes: &Hashes,
    ) -> Result<Lsn, Rejection> {
        // R33: a reservation's place depends on its position.
        let lsn = self.next_lsn.ok_or(Rejection::LsnExhausted)?;
        let hash = hashes.operation;
        let operation = self.place(&state.operation_index, hash, Table::Operations)?;
        let other = match command.action {
            Action::CreateResource { .. } => {
                self.place(&state.resource_index, hashes.target, Table::Resources)?
            }
            Action::Reserve { .. } => {
                let hash = state.lsn_hash(lsn);
                self.place(&state.reservation_index, hash, Table::Reservations)?
            }
            _ => None,
        };
        for cell in [operation, other].into_iter().flatten() {
            self.taken.insert(cell);
        }
        Ok(lsn)
    }

    /// The cell that a new key would take; none where cells need not be counted, because the
    /// table's capacity alone keeps every key within the bound. Counting them there would answer
    /// `overloaded` to a commit with more keys than cells, and hide that the table is full.
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

#[derive(Clone, Copy, Debug)]
struct PendingOperation {
    operation_id: OperationId,
    fingerprint: u64,
    lsn: Lsn,
    tag: u32,
}

/// A cell of the scratch sets: meaningful while its stamp is the current one.
#[derive(Clone, Copy, Debug, Default)]
struct Stamped<T> {
    stamp: u32,
    value: T,
}

/// The new operation ids of the commit.
#[derive(Debug)]
struct PendingOperations {
    entries: Vec<PendingOperation>,
    cells: Vec<Stamped<u32>>,
    stamp: u32,
}

impl PendingOperations {
    fn new(count_max: usize) -> Result<Self, TryReserveError> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(count_max)?;
        Ok(Self {
            entries,
            cells: stamped_cells(Self::cell_count(count_max))?,
            stamp: 0,
        })
    }

    const fn cell_count(count_max: usize) -> usize {
        (count_max * 2).next_power_of_two()
    }

    fn memory_bytes(count_max: usize) -> u64 {
        let entries = count_max * size_of::<PendingOperation>();
        (entries + Self::cell_count(count_max) * size_of::<Stamped<u32>>()) as u64
    }

    fn clear(&mut self) {
        self.entries.clear();
        next_stamp(&mut self.stamp, &mut self.cells);
    }

    fn find(&self, operation_id: OperationId, hash: u32) -> Option<PendingOperation> {
        if self.entries.is_empty() {
            return None;
        }
        let mut cell = hash as usize & (self.cells.len() - 1);
        while self.cells[cell].stamp == self.stamp {
            let entry = self.entries[self.cells[cell].value as usize];
            if entry.operation_id == operation_id {
                return Some(entry);
            }
            cell = (cell + 1) & (self.cells.len() - 1);
        }
        None
    }

    fn insert(&mut self, entry: PendingOperation, hash: u32) {
        assert!(
            self.entries.len() < self.entries.capacity(),
            "a commit's commands are bounded"
        );
        let index = u32::try_from(self.entries.len()).expect("bounded by a u32");
        let mut cell = hash as usize & (self.cells.len() - 1);
        while self.cells[cell].stamp == self.stamp {
            cell = (cell + 1) & (self.cells.len() - 1);
        }
        self.cells[cell] = Stamped {
            stamp: self.stamp,
            value: index,
        };
        self.entries.push(entry);
    }
}

/// A table cell that the commit will occupy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct TakenCell {
    table: Table,
    cell: u32,
}

impl Default for TakenCell {
    fn default() -> Self {
        Self {
            table: Table::Resources,
            cell: 0,
        }
    }
}

/// The table cells that the commit's new keys will occupy: two a command at most.
#[derive(Debug)]
struct TakenCells {
    cells: Vec<Stamped<TakenCell>>,
    count: usize,
    stamp: u32,
}

impl TakenCells {
    fn new(count_max: usize) -> Result<Self, TryReserveError> {
        Ok(Self {
            cells: stamped_cells(Self::cell_count(count_max))?,
            count: 0,
            stamp: 0,
        })
    }

    const fn cell_count(count_max: usize) -> usize {
        (count_max * 4).next_power_of_two()
    }

    fn memory_bytes(count_max: usize) -> u64 {
        (Self::cell_count(count_max) * size_of::<Stamped<TakenCell>>()) as u64
    }

    fn clear(&mut self) {
        self.count = 0;
        next_stamp(&mut self.stamp, &mut self.cells);
    }

    fn home(&self, taken: TakenCell) -> usize {
        // Neighbouring cells are what gets asked about: a multiplication tears them apart.
        let spread =
            (u64::from(taken.cell) * 4 + taken.table as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        usize::try_from(spread >> 32).unwrap_or(0) & (self.cells.len() - 1)
    }

    fn contains(&self, taken: TakenCell) -> bool {
        if self.count == 0 {
            return false;
        }
        let mut cell = self.home(taken);
        while self.cells[cell].stamp == self.stamp {
            if self.cells[cell].value == taken {
                return true;
            }
            cell = (cell + 1) & (self.cells.len() - 1);
        }
        false
    }

    fn insert(&mut self, taken: TakenCell) {
        assert!(
            self.count < self.cells.len() / 2,
            "a commit's new keys are bounded"
        );
        assert!(!self.contains(taken), "a cell is claimed once");
        let mut cell = self.home(taken);
        while self.cells[cell].stamp == self.stamp {
            cell = (cell + 1) & (self.cells.len() - 1);
        }
        self.cells[cell] = Stamped {
            stamp: self.stamp,
            value: taken,
        };
        self.count += 1;
    }
}

fn stamped_cells<T: Copy + Default>(count: usize) -> Result<Vec<Stamped<T>>, TryReserveError> {
    let mut cells = Vec::new();
    cells.try_reserve_exact(count)?;
    cells.resize(count, Stamped::default());
    Ok(cells)
}

/// Outdates every cell at once; only when the stamps have run out are they cleared.
fn next_stamp<T: Copy + Default>(stamp: &mut u32, cells: &mut [Stamped<T>]) {
    *stamp = stamp.wrapping_add(1);
    if *stamp == 0 {
        cells.fill(Stamped::default());
        *stamp = 1;
    }
}

#[cfg(test)]
mod tests;
