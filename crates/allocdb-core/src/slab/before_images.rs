//! What the records of a slab were at a moment that is being written down, while they change.
//!
//! A snapshot in slices walks over the records while commits go on between its slices. From
//! [`BeforeImages::begin`] on, the first change of a record that the walk has not passed keeps a
//! copy of it, and the walk reads the copy; once it has passed, the copy's place is free again. The
//! room is bounded ([`image_count_max`]) and reserved with the slab. Whoever changes more than fits
//! loses the moment, not the state: [`BeforeImages::is_lost`] says so, and the snapshot has to be
//! begun again.
//!
//! Rejected: a copy of the slab (its memory twice, and all of it touched while commits wait);
//! copies of whole pages (commands meet records at random, a page each); and a hash table from
//! handle to copy, whose deletions cost more code than four bytes a record cost memory.

use std::collections::TryReserveError;

use super::{Handle, Record};
use crate::canary::{Canary, is_planted};

/// Copies that there is room for, at least, where a slab has as many records.
const IMAGE_COUNT_LEAST: u32 = 1 << 14;
/// One copy for so many records, where that is more.
const RECORDS_PER_IMAGE: u32 = 16;

/// How many copies there is room for beside `capacity` records.
pub(crate) const fn image_count_max(capacity: u32) -> u32 {
    let part = capacity / RECORDS_PER_IMAGE;
    let most = if part > IMAGE_COUNT_LEAST {
        part
    } else {
        IMAGE_COUNT_LEAST
    };
    if most < capacity { most } else { capacity }
}

/// Copies of records from before they changed.
#[derive(Debug)]
pub(super) struct BeforeImages<T> {
    /// The first record that the walk has not passed.
    begin: u32,
    /// Where the walk ends: 0 where nothing is being written down.
    end: u32,
    /// For each handle one more than the place of its copy; 0 for none.
    place_of: Vec<u32>,
    images: Vec<T>,
    /// Places in `images` whose record the walk has passed.
    free_places: Vec<u32>,
    image_count_max: u32,
    is_lost: bool,
}

impl<T: Record> BeforeImages<T> {
    pub(super) fn new(capacity: u32) -> Result<Self, TryReserveError> {
        let image_count_max = image_count_max(capacity);
        let (mut place_of, mut images, mut free_places) = (Vec::new(), Vec::new(), Vec::new());
        place_of.try_reserve_exact(capacity as usize)?;
        images.try_reserve_exact(image_count_max as usize)?;
        free_places.try_reserve_exact(image_count_max as usize)?;
        Ok(Self {
            begin: 0,
            end: 0,
            place_of,
            images,
            free_places,
            image_count_max,
            is_lost: false,
        })
    }

    pub(super) const fn memory_bytes(capacity: u32) -> u64 {
        let place_bytes = size_of::<u32>() as u64;
        let image_bytes = size_of::<T>() as u64 + place_bytes;
        capacity as u64 * place_bytes + image_count_max(capacity) as u64 * image_bytes
    }

    /// Begins a walk over the first `record_count` records.
    pub(super) fn begin(&mut self, record_count: u32) {
        assert!(self.end == 0, "one walk at a time");
        let known = record_count as usize;
        assert!(
            known <= self.place_of.capacity(),
            "reserved for every record"
        );
        if self.place_of.len() < known {
            self.place_of.resize(known, 0);
        }
        (self.begin, self.end) = (0, record_count);
        self.is_lost = false;
    }

    /// Whether a change of this record has to be told to [`BeforeImages::keep`] first. One
    /// comparison, since every change asks.
    #[inline]
    pub(super) const fn is_concerned(&self, handle: Handle) -> bool {
        handle.0 < self.end
    }

    /// Keeps what a record is before its first change, unless the walk has passed it.
    #[cold]
    pub(super) fn keep(&mut self, handle: Handle, record: &T) {
        let is_known = handle.0 < self.begin || self.place_of[handle.index()] != 0;
        if is_known || is_planted(Canary::ChangeNotKept) {
            return;
        }
        let record = *record;
        let place = match self.free_places.pop() {
            Some(place) => {
                self.images[place as usize] = record;
                place
            }
            None if self.room() > 0 => {
                self.images.push(record);
                u32::try_from(self.images.len() - 1).expect("bounded by a u32")
            }
            None => {
                (self.is_lost, self.end) = (true, 0);
                return;
            }
        };
        self.place_of[handle.index()] = place + 1;
    }

    /// What a record was when the walk began, if it has changed since and the walk has not passed.
    pub(super) fn get(&self, handle: Handle) -> Option<&T> {
        let place = *self.place_of.get(handle.index())?;
        let place = place.checked_sub(1)?;
        Some(&self.images[place as usize])
    }

    /// The walk has passed all records before `next`.
    pub(super) fn pass(&mut self, next: u32) {
        let next = next.max(self.begin).min(self.end);
        for handle in self.begin..next {
            let place = &mut self.place_of[handle as usize];
            if let Some(free) = place.checked_sub(1) {
                *place = 0;
                self.free_places.push(free);
            }
        }
        self.begin = next;
        if next == self.end {
            (self.begin, self.end) = (0, 0);
        }
    }

    /// Ends the walk, wherever it stands.
    pub(super) fn end(&mut self) {
        if self.end > 0 || self.is_lost {
            self.place_of.fill(0);
        }
        (self.begin, self.end, self.is_lost) = (0, 0, false);
        self.images.clear();
        self.free_places.clear();
    }

    /// How many more records may change; without a walk, any number.
    pub(super) fn room(&self) -> u32 {
        if self.end == 0 {
            return u32::MAX;
        }
        let kept_count = self.images.len() - self.free_places.len();
        self.image_count_max - u32::try_from(kept_count).expect("bounded by a u32")
    }

    /// Whether more changed than there was room for.
    pub(super) const fn is_lost(&self) -> bool {
        self.is_lost
    }
}
