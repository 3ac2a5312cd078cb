//! A slab: fixed-capacity storage of one kind of record, addressed by 32-bit handles.
//!
//! The memory is reserved once and never grows; records are appended as handles are first used,
//! so the resident size follows use while the reserve bounds it. Handles that were given back form
//! a last-in-first-out list through the records themselves. Both the number of handles ever used
//! and the order of that list belong to the state's image: equal histories hand out equal handles.
//!
//! While a snapshot is written in slices, the first change of a record that is still to be written
//! keeps what it was ([`before_images`]): every change comes by way of [`IndexMut`].
//!
//! Rejected: writing every record at start-up (opening a large database would touch all of its
//! memory) and keeping the free handles in an array of their own (four bytes a record for
//! nothing).

mod before_images;

use std::collections::TryReserveError;
use std::ops::{Index, IndexMut};

use before_images::BeforeImages;
pub(crate) use before_images::image_count_max;

/// The place of a record in its slab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Handle(pub(crate) u32);

impl Handle {
    /// No record.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// Whether this names no record.
    pub(crate) const fn is_none(self) -> bool {
        self.0 == u32::MAX
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a slab needs of its records: an empty value that can carry the link of the free list.
pub(crate) trait Record: Copy {
    /// A record that is not in use.
    const EMPTY: Self;
    /// The next free handle; read only while the record is free.
    fn free_link(&self) -> Handle;
    /// Sets the next free handle of a free record.
    fn set_free_link(&mut self, next: Handle);
    /// Whether the record is in use.
    fn is_used(&self) -> bool;
}

/// Fixed-capacity storage for records of type `T`.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    records: Vec<T>,
    capacity: u32,
    free_head: Handle,
    free_count: u32,
    before: BeforeImages<T>,
}

impl<T: Record> Slab<T> {
    /// Reserves room for `capacity` records.
    pub(crate) fn new(capacity: u32) -> Result<Self, TryReserveError> {
        assert!(capacity < Handle::NONE.0, "every handle differs from none");
        let mut records = Vec::new();
        records.try_reserve_exact(capacity as usize)?;
        Ok(Self {
            records,
            capacity,
            free_head: Handle::NONE,
            free_count: 0,
            before: BeforeImages::new(capacity)?,
        })
    }

    /// Bytes that a slab of this capacity reserves.
    pub(crate) const fn memory_bytes(capacity: u32) -> u64 {
        capacity as u64 * size_of::<T>() as u64 + BeforeImages::<T>::memory_bytes(capacity)
    }

    /// Stores a record; `None` when the slab is full.
    pub(crate) fn insert(&mut self, record: T) -> Option<Handle> {
        assert!(record.is_used(), "only a used record is stored");
        if !self.free_head.is_none() {
            let handle = self.free_head;
            assert!(self.free_count > 0, "a list with a head is not empty");
            assert!(!self[handle].is_used(), "the free list holds free records");
            self.free_head = self[handle].free_link();
            self.free_count -= 1;
            self[handle] = record;
            return Some(handle);
        }
        if self.fresh_count() == self.capacity {
            return None;
        }
        let handle = Handle(self.fresh_count());
        assert!(
            self.records.len() < self.records.capacity(),
            "a slab never grows"
        );
        self.records.push(record);
        Some(handle)
    }

    /// Takes a record's memory back.
    pub(crate) fn remove(&mut self, handle: Handle) {
        assert!(self[handle].is_used(), "a record is freed once");
        let next = self.free_head;
        let record = &mut self[handle];
        *record = T::EMPTY;
        record.set_free_link(next);
        self.free_head = handle;
        self.free_count += 1;
        assert!(
            self.free_count <= self.fresh_count(),
            "no more records are free than exist"
        );
    }

    /// The record, if the handle was ever given out and is in use.
    pub(crate) fn used(&self, handle: Handle) -> Option<&T> {
        self.records
            .get(handle.index())
            .filter(|record| record.is_used())
    }

    /// How many handles were ever given out; they are `0..fresh_count`.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "never more than the u32 capacity"
    )]
    pub(crate) fn fresh_count(&self) -> u32 {
        assert!(
            self.records.len() <= self.capacity as usize,
            "the capacity bounds the slab"
        );
        self.records.len() as u32
    }

    /// How many records are in use.
    pub(crate) fn used_count(&self) -> u32 {
        self.fresh_count() - self.free_count
    }

    /// How many more records fit.
    pub(crate) fn room(&self) -> u32 {
        self.capacity - self.used_count()
    }

    /// The capacity.
    pub(crate) const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The free handles, next to be given out first.
    #[cfg(test)]
    pub(crate) fn free_handles(&self) -> impl Iterator<Item = Handle> + '_ {
        let mut next = self.free_head;
        std::iter::from_fn(move || {
            let handle = next;
            if handle.is_none() {
                return None;
            }
            next = self[handle].free_link();
            Some(handle)
        })
    }

    /// The free handle to be given out next; none where there is none.
    pub(crate) const fn free_head(&self) -> Handle {
        self.free_head
    }

    /// From now on keeps what records are before they change, until each has been passed.
    pub(crate) fn begin_before_images(&mut self) {
        self.before.begin(self.fresh_count());
    }

    /// What the record was when that began, whether it is in use or free.
    #[inline]
    pub(crate) fn before(&self, handle: Handle) -> &T {
        match self.before.get(handle) {
            Some(image) => image,
            None => &self[handle],
        }
    }

    /// No record before `next` will be asked for any more.
    pub(crate) fn pass_before_images(&mut self, next: u32) {
        self.before.pass(next);
    }

    /// Nothing will be asked for any more.
    pub(crate) fn end_before_images(&mut self) {
        self.before.end();
    }

    /// How many more records may change before what some were is lost.
    pub(crate) fn before_image_room(&self) -> u32 {
        self.before.room()
    }

    /// Whether what some were is lost.
    pub(crate) const fn has_lost_before_images(&self) -> bool {
        self.before.is_lost()
    }

    /// Restoring: makes handles `0..fresh_count` exist, all unused. `false` if they do not fit.
    pub(crate) fn restore_fresh(&mut self, fresh_count: u32) -> bool {
        assert!(self.records.is_empty(), "only a new slab is restored into");
        if fresh_count > self.capacity {
            return false;
        }
        self.records.resize(fresh_count as usize, T::EMPTY);
        true
    }

    /// Restoring: puts a record at its handle. `false` if the handle does not exist or is taken.
    pub(crate) fn restore_record(&mut self, handle: Handle, record: T) -> bool {
        assert!(record.is_used(), "only a used record is stored");
        match self.records.get_mut(handle.index()) {
            Some(place) if !place.is_used() => {
                *place = record;
                true
            }
            _ => false,
        }
    }

    /// Restoring: lists a free handle behind `last`, the one listed before, or first where that is
    /// none. `false` if it does not exist or is used. That none was listed twice,
    /// [`Slab::free_list_is_whole`] tells.
    pub(crate) fn restore_free(&mut self, last: Handle, handle: Handle) -> bool {
        if self.free_count == self.capacity {
            return false;
        }
        match self.records.get_mut(handle.index()) {
            Some(place) if !place.is_used() => place.set_free_link(Handle::NONE),
            _ => return false,
        }
        if last.is_none() {
            self.free_head = handle;
        } else {
            self[last].set_free_link(handle);
        }
        self.free_count += 1;
        true
    }

    /// Whether the free list holds every unused handle exactly once: it must end after as many
    /// steps as it counts, which no list with a repetition does.
    pub(crate) fn free_list_is_whole(&self) -> bool {
        let unused = self
            .records
            .iter()
            .filter(|record| !record.is_used())
            .count();
        let mut next = self.free_head;
        for _ in 0..self.free_count {
            match self.records.get(next.index()) {
                Some(record) if !record.is_used() => next = record.free_link(),
                _ => return false,
            }
        }
        next.is_none() && unused == self.free_count as usize
    }
}

impl<T> Index<Handle> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, handle: Handle) -> &T {
        &self.records[handle.index()]
    }
}

impl<T: Record> IndexMut<Handle> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, handle: Handle) -> &mut T {
        if self.before.is_concerned(handle) {
            self.before.keep(handle, &self.records[handle.index()]);
        }
        &mut self.records[handle.index()]
    }
}

#[cfg(test)]
mod tests;
