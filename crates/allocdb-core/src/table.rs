//! An index from ids to handles: fixed-capacity open addressing.
//!
//! A cell is 8 bytes: 32 hash bits above, handle + 1 below; 0 is empty. Cells are at least twice
//! the capacity, so the load never passes one half. A key lies in the first empty cell at or after
//! its home; removal shifts followers back towards their homes by the hash bits in the cells, so
//! it touches no record and leaves no tombstone.
//!
//! Two facts that others build upon: *which* cells are occupied depends on the set of keys alone,
//! not on the order they came in; and removing keys never moves a remaining key further from its
//! home. Hence acceptance can count placements ahead ([`Table::placement_within`]) and be right
//! whatever the commit removes in between.
//!
//! Lookups end at an empty cell and know no bound; only a *new* key is refused beyond
//! [`PLACEMENT_BOUND`], and before anything is logged. Rejected: Robin Hood order (shorter worst
//! probes, but the layout would depend on history) and chaining (an allocation a key).

use std::collections::TryReserveError;

use crate::slab::Handle;

/// R94: how far from its home a new key may lie, in cells; a format constant: two databases that
/// apply one log must refuse alike.
pub(crate) const PLACEMENT_BOUND: u32 = 128;

const EMPTY: u64 = 0;

/// The least number of cells; tiny tables still leave runs an end.
const CELLS_MIN: u64 = 16;

/// How far from a key's home [`Table::touch`] looks.
const TOUCHED_CELLS: usize = 4;

/// An open-addressed index. It does not know the keys: callers compare records.
#[derive(Debug)]
pub(crate) struct Table {
    cells: Vec<u64>,
    count: u32,
    capacity: u32,
    probe_len_max: u32,
}

/// Where a new key would lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Placement {
    /// The cell.
    pub(crate) cell: u32,
    /// Its distance from the key's home.
    pub(crate) distance: u32,
}

/// Where a new key with this hash goes, whatever its distance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Vacancy {
    hash: u32,
    place: Placement,
}

impl Vacancy {
    /// R32: whether a new key may go there.
    #[inline]
    pub(crate) const fn is_within_bound(&self) -> bool {
        self.place.distance <= PLACEMENT_BOUND
    }
}

impl Table {
    /// Reserves and clears the cells for `capacity` keys.
    pub(crate) fn new(capacity: u32) -> Result<Self, TryReserveError> {
        let cell_count = usize::try_from(Self::cell_count(capacity)).unwrap_or(usize::MAX);
        let mut cells = Vec::new();
        cells.try_reserve_exact(cell_count)?;
        cells.resize(cell_count, EMPTY);
        Ok(Self {
            cells,
            count: 0,
            capacity,
            probe_len_max: 0,
        })
    }

    /// Bytes that a table of this capacity reserves.
    pub(crate) const fn memory_bytes(capacity: u32) -> u64 {
        Self::cell_count(capacity) * 8
    }

    const fn cell_count(capacity: u32) -> u64 {
        let twice = capacity as u64 * 2;
        if twice < CELLS_MIN { CELLS_MIN } else { twice }
    }

    /// The handle under `hash` for which `is_match` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_match: impl Fn(Handle) -> bool) -> Option<Handle> {
        self.search(hash, is_match).ok()
    }

    /// The handle under `hash` for which `is_match` holds, or else where a key with this hash would
    /// go: one way through the cells tells both.
    #[inline]
    pub(crate) fn search(
        &self,
        hash: u32,
        is_match: impl Fn(Handle) -> bool,
    ) -> Result<Handle, Vacancy> {
        let home = self.home(hash);
        let mut cell = home;
        loop {
            let entry = self.cells[cell];
            if entry == EMPTY {
                return Err(self.vacant(hash, home, cell));
            }
            if entry_hash(entry) == hash && is_match(entry_handle(entry)) {
                return Ok(entry_handle(entry));
            }
            cell = self.after(cell);
        }
    }

    /// Where a new key with this hash would go, however far from its home.
    #[inline]
    pub(crate) fn vacancy(&self, hash: u32) -> Vacancy {
        let home = self.home(hash);
        let mut cell = home;
        while self.cells[cell] != EMPTY {
            cell = self.after(cell);
        }
        self.vacant(hash, home, cell)
    }

    #[inline]
    fn vacant(&self, hash: u32, home: usize, cell: usize) -> Vacancy {
        let distance = narrow(self.distance(home, cell));
        let cell = narrow(cell);
        let place = Placement { cell, distance };
        Vacancy { hash, place }
    }

    /// The handle of the first key with this hash: most likely the only one.
    #[inline]
    pub(crate) fn first_of(&self, hash: u32) -> Option<Handle> {
        self.find(hash, |_| true)
    }

    /// Loads the cell where a search for this hash begins, and one where it may end: half of the
    /// cells are empty, so few runs are longer, but many reach into the next line.
    #[inline]
    pub(crate) fn touch(&self, hash: u32) -> u64 {
        let home = self.home(hash);
        let end = (home + TOUCHED_CELLS).min(self.cells.len() - 1);
        self.cells[home] ^ self.cells[end]
    }

    /// Whether the table is so small that no key can ever lie beyond the bound: half of its cells
    /// stay empty, and every cell is within reach.
    pub(crate) const fn is_within_reach(&self) -> bool {
        self.cells.len() <= PLACEMENT_BOUND as usize + 1
    }

    /// Where a new key would lie, passing over cells that `is_taken` claims as well; `None` if that
    /// is more than `bound` cells from its home.
    #[inline]
    pub(crate) fn placement_within(
        &self,
        hash: u32,
        bound: u32,
        is_taken: impl Fn(u32) -> bool,
    ) -> Option<Placement> {
        let mut cell = self.home(hash);
        let mut distance = 0;
        while distance <= bound {
            if self.cells[cell] == EMPTY && !is_taken(narrow(cell)) {
                let cell = narrow(cell);
                return Some(Placement { cell, distance });
            }
            cell = self.after(cell);
            distance += 1;
        }
        None
    }

    /// Adds a key that is not there. Its placement has been judged before.
    pub(crate) fn insert(&mut self, hash: u32, handle: Handle) {
        self.fill(self.vacancy(hash), handle);
    }

    /// Adds a key that is not there, where it was found to go. No key may have been removed
    /// meanwhile: it would have made room nearer to the home.
    #[inline]
    pub(crate) fn fill(&mut self, vacancy: Vacancy, handle: Handle) {
        debug_assert_eq!(vacancy, self.vacancy(vacancy.hash), "as it was found");
        assert!(
            self.count < self.capacity,
            "the slab behind the table bounds it"
        );
        assert!(!handle.is_none(), "a key has a record");
        let cell = &mut self.cells[vacancy.place.cell as usize];
        assert!(*cell == EMPTY, "a cell has one key");
        *cell = entry(vacancy.hash, handle);
        self.count += 1;
        self.probe_len_max = self.probe_len_max.max(vacancy.place.distance + 1);
    }

    /// Removes the key with this handle, which must be there.
    pub(crate) fn remove(&mut self, hash: u32, handle: Handle) {
        let removed = entry(hash, handle);
        let mut hole = self.home(hash);
        loop {
            let found = self.cells[hole];
            if found == removed {
                break;
            }
            assert!(found != EMPTY, "a key that is removed is there");
            hole = self.after(hole);
        }
        let mut cell = self.after(hole);
        loop {
            let follower = self.cells[cell];
            if follower == EMPTY {
                break;
            }
            let home = self.home(entry_hash(follower));
            // A follower may move into the hole unless that lies before its home.
            if self.distance(home, cell) >= self.distance(hole, cell) {
                self.cells[hole] = follower;
                hole = cell;
            }
            cell = self.after(cell);
        }
        self.cells[hole] = EMPTY;
        self.count -= 1;
    }

    /// How many keys there are.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// The longest probe that an insert needed since this table was made.
    pub(crate) const fn probe_len_max(&self) -> u32 {
        self.probe_len_max
    }

    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "less than the number of cells"
    )]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.cells.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, cell: usize) -> usize {
        if cell + 1 == self.cells.len() {
            0
        } else {
            cell + 1
        }
    }

    #[inline]
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from {
            to - from
        } else {
            to + self.cells.len() - from
        }
    }
}

/// A key's cell. Adding one overflows nothing: no handle of a record is the greatest number.
const fn entry(hash: u32, handle: Handle) -> u64 {
    (hash as u64) << 32 | (handle.0 as u64 + 1)
}

#[allow(clippy::cast_possible_truncation, reason = "the upper half")]
const fn entry_hash(entry: u64) -> u32 {
    (entry >> 32) as u32
}

#[allow(clippy::cast_possible_truncation, reason = "the lower half")]
const fn entry_handle(entry: u64) -> Handle {
    Handle((entry as u32).wrapping_sub(1))
}

#[allow(clippy::cast_possible_truncation, reason = "at most 2^29 cells")]
const fn narrow(cell: usize) -> u32 {
    cell as u32
}

// The greatest capacity keeps every cell number within 32 bits.
const _: () = assert!(crate::config::CAPACITY_MAX <= 1 << 30);

#[cfg(test)]
mod tests;
