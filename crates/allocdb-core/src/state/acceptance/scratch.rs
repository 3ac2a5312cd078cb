//! The scratch sets of one commit: its operation ids, and the table cells that its keys will
//! occupy.
//!
//! Both are open-addressed. Their cells are stamped instead of cleared, and a commit uses as many
//! of them as it may need: so one of a single command costs one, and what a middling one touches
//! stays in the nearest caches.

use std::collections::TryReserveError;

use crate::ids::{Lsn, OperationId};
use crate::outcome::Table;

/// A command that was admitted as new.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingOperation {
    pub(super) operation_id: OperationId,
    pub(super) fingerprint: u64,
    pub(super) lsn: Lsn,
    pub(super) tag: u32,
}

/// The new operation ids of the commit.
#[derive(Debug)]
pub(super) struct PendingOperations {
    entries: Vec<PendingOperation>,
    /// A stamp above, the place in `entries` below.
    cells: Vec<u64>,
    mask: usize,
    pub(super) stamp: u32,
}

/// Where an operation id that was not found goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vacant(usize);

impl PendingOperations {
    pub(super) fn new(count_max: usize) -> Result<Self, TryReserveError> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(count_max)?;
        let cells = zeroed(Self::cell_count(count_max))?;
        Ok(Self {
            mask: cells.len() - 1,
            entries,
            cells,
            stamp: 1,
        })
    }

    pub(super) const fn cell_count(count_max: usize) -> usize {
        (count_max * 2).next_power_of_two()
    }

    pub(super) fn memory_bytes(count_max: usize) -> u64 {
        let entries = count_max * size_of::<PendingOperation>();
        (entries + Self::cell_count(count_max) * size_of::<u64>()) as u64
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Forgets all, for a commit of so many commands at most.
    pub(super) fn clear(&mut self, count: usize) {
        self.entries.clear();
        self.mask = Self::cell_count(count).min(self.cells.len()) - 1;
        if self.stamp == u32::MAX {
            self.cells.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    /// The operation with this id, or where it goes.
    #[inline]
    pub(super) fn search(
        &self,
        operation_id: OperationId,
        hash: u32,
    ) -> Result<&PendingOperation, Vacant> {
        let mut cell = hash as usize & self.mask;
        loop {
            let found = self.cells[cell];
            if found >> 32 != u64::from(self.stamp) {
                return Err(Vacant(cell));
            }
            let entry = &self.entries[index_of(found)];
            if entry.operation_id == operation_id {
                return Ok(entry);
            }
            cell = (cell + 1) & self.mask;
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, entry: PendingOperation, Vacant(cell): Vacant) {
        // Half of the cells in use stay empty, so searches end.
        assert!(
            self.entries.len() <= self.mask / 2 && self.entries.len() < self.entries.capacity(),
            "a commit's commands are bounded"
        );
        self.cells[cell] = u64::from(self.stamp) << 32 | self.entries.len() as u64;
        self.entries.push(entry);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the lower half")]
const fn index_of(cell: u64) -> usize {
    cell as u32 as usize
}

/// A table cell that the commit will occupy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TakenCell {
    pub(super) table: Table,
    pub(super) cell: u32,
}

impl TakenCell {
    /// Cell and table in one number.
    #[inline]
    const fn key(self) -> u64 {
        (self.cell as u64) << TABLE_BITS | self.table as u64
    }
}

const TABLE_BITS: u32 = 2;
/// Above the cell's number and its table.
const STAMP_SHIFT: u32 = 32 + TABLE_BITS;
pub(super) const STAMP_MAX: u64 = u64::MAX >> STAMP_SHIFT;

/// The table cells that the commit's new keys will occupy: two a command at most.
#[derive(Debug)]
pub(super) struct TakenCells {
    /// A stamp above, [`TakenCell::key`] below.
    pub(super) cells: Vec<u64>,
    mask: usize,
    count: usize,
    pub(super) stamp: u64,
}

impl TakenCells {
    pub(super) fn new(count_max: usize) -> Result<Self, TryReserveError> {
        let cells = zeroed(Self::cell_count(count_max))?;
        Ok(Self {
            mask: cells.len() - 1,
            cells,
            count: 0,
            stamp: 1,
        })
    }

    const fn cell_count(count_max: usize) -> usize {
        (count_max * 4).next_power_of_two()
    }

    pub(super) fn memory_bytes(count_max: usize) -> u64 {
        (Self::cell_count(count_max) * size_of::<u64>()) as u64
    }

    /// Forgets all, for a commit of so many commands at most.
    pub(super) fn clear(&mut self, count: usize) {
        self.count = 0;
        self.mask = Self::cell_count(count).min(self.cells.len()) - 1;
        if self.stamp == STAMP_MAX {
            self.cells.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    #[inline]
    pub(super) fn home(&self, taken: TakenCell) -> usize {
        // Neighbouring cells are what gets asked about: a multiplication tears them apart.
        let spread = taken.key().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        usize::try_from(spread >> 32).unwrap_or(0) & self.mask
    }

    #[inline]
    pub(super) fn contains(&self, taken: TakenCell) -> bool {
        let wanted = self.stamp << STAMP_SHIFT | taken.key();
        let mut cell = self.home(taken);
        loop {
            let found = self.cells[cell];
            if found >> STAMP_SHIFT != self.stamp {
                return false;
            }
            if found == wanted {
                return true;
            }
            cell = (cell + 1) & self.mask;
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, taken: TakenCell) {
        // Half of the cells in use stay empty, so searches end.
        assert!(
            self.count <= self.mask / 2,
            "a commit's new keys are bounded"
        );
        let wanted = self.stamp << STAMP_SHIFT | taken.key();
        let mut cell = self.home(taken);
        while self.cells[cell] >> STAMP_SHIFT == self.stamp {
            assert!(self.cells[cell] != wanted, "a cell is claimed once");
            cell = (cell + 1) & self.mask;
        }
        self.cells[cell] = wanted;
        self.count += 1;
    }
}

fn zeroed(count: usize) -> Result<Vec<u64>, TryReserveError> {
    let mut cells = Vec::new();
    cells.try_reserve_exact(count)?;
    cells.resize(count, 0);
    Ok(cells)
}
