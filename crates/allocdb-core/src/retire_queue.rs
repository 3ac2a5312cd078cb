//! A retirement queue: a ring of handles in `retire_after_slot` order.
//!
//! Records join at the back when they begin to age; since slots never go back and the window is
//! constant, the ring is sorted by construction. Memory is taken back from the front only. How
//! many are past their window is a binary search, so acceptance can count room without walking.
//!
//! While a snapshot is written in slices, what new handles overwrite of the ring as it was is kept,
//! as far as there is room: they come round to its old front first, and go on in order.

use std::collections::TryReserveError;

use crate::slab::{Handle, image_count_max};

/// A bounded ring of handles.
#[derive(Debug)]
pub(crate) struct RetireQueue {
    handles: Vec<Handle>,
    head: usize,
    len: usize,
    before: Before,
}

/// The ring at a moment that is being written down.
#[derive(Debug)]
struct Before {
    /// Its first handle's place.
    head: usize,
    /// How many it had; 0 where nothing is being written down.
    len: usize,
    /// It is written, so nothing of it is asked for any more.
    is_passed: bool,
    /// How many more may come before they overwrite one of its own.
    push_count: usize,
    /// The first of its handles, in order, that were overwritten.
    overwritten: Vec<Handle>,
    is_lost: bool,
}

impl RetireQueue {
    /// Reserves a ring for `capacity` handles.
    pub(crate) fn new(capacity: u32) -> Result<Self, TryReserveError> {
        let mut handles = Vec::new();
        handles.try_reserve_exact(capacity as usize)?;
        handles.resize(capacity as usize, Handle::NONE);
        let mut overwritten = Vec::new();
        overwritten.try_reserve_exact(image_count_max(capacity) as usize)?;
        Ok(Self {
            handles,
            head: 0,
            len: 0,
            before: Before {
                head: 0,
                len: 0,
                is_passed: false,
                push_count: usize::MAX,
                overwritten,
                is_lost: false,
            },
        })
    }

    /// Bytes that a ring of this capacity reserves.
    pub(crate) const fn memory_bytes(capacity: u32) -> u64 {
        (capacity as u64 + image_count_max(capacity) as u64) * size_of::<Handle>() as u64
    }

    /// How many handles wait.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The handle at `index` from the front.
    pub(crate) fn at(&self, index: usize) -> Option<Handle> {
        (index < self.len).then(|| self.handles[self.place(index)])
    }

    /// The handle that has waited longest.
    #[inline]
    pub(crate) fn front(&self) -> Option<Handle> {
        (self.len > 0).then(|| self.handles[self.head])
    }

    /// Adds a handle at the back.
    pub(crate) fn push(&mut self, handle: Handle) {
        assert!(!handle.is_none(), "only records retire");
        assert!(
            self.len < self.handles.len(),
            "a record waits in one place once"
        );
        let place = self.place(self.len);
        if self.before.push_count == 0 {
            self.before.keep(self.handles[place]);
        } else {
            self.before.push_count -= 1;
        }
        self.handles[place] = handle;
        self.len += 1;
    }

    /// Takes the front handle.
    pub(crate) fn pop(&mut self) -> Option<Handle> {
        let front = self.front()?;
        self.head = self.place(1);
        self.len -= 1;
        Some(front)
    }

    /// How many handles from the front satisfy `is_past`, which must hold for a prefix. Takes time
    /// with the logarithm of the answer, which is usually small, not of the queue's length.
    pub(crate) fn prefix_len(&self, is_past: impl Fn(Handle) -> bool) -> usize {
        let (mut low, mut high) = (0, 1);
        while high <= self.len && is_past(self.handles[self.place(high - 1)]) {
            low = high;
            high *= 2;
        }
        high = (high - 1).min(self.len).max(low);
        while low < high {
            let middle = low + (high - low) / 2;
            let handle = self.handles[self.place(middle)];
            if is_past(handle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// From now on keeps the ring as it is, until it has been passed.
    pub(crate) fn begin_before_images(&mut self) {
        let before = &mut self.before;
        assert!(before.len == 0, "one walk at a time");
        (before.head, before.len) = (self.head, self.len);
        before.push_count = self.handles.len() - self.len;
    }

    /// The handle that was at `index` from the front when that began; now, if it never did.
    pub(crate) fn before(&self, index: usize) -> Handle {
        let before = &self.before;
        let head = if before.len == 0 {
            self.head
        } else {
            before.head
        };
        match before.overwritten.get(index) {
            Some(handle) => *handle,
            None => self.handles[self.wrapped(head + index)],
        }
    }

    /// Nothing of it will be asked for any more, but another walk may not begin yet.
    pub(crate) fn pass_before_images(&mut self) {
        self.before.is_passed = true;
    }

    /// Nothing will be asked for any more.
    pub(crate) fn end_before_images(&mut self) {
        self.before.end();
        self.before.is_lost = false;
    }

    /// How many more handles may come before what some were is lost.
    pub(crate) fn before_image_room(&self) -> usize {
        let before = &self.before;
        if before.len == before.overwritten.len() || before.is_passed {
            return usize::MAX;
        }
        before.push_count + (before.overwritten.capacity() - before.overwritten.len())
    }

    /// Whether what some were is lost.
    pub(crate) const fn has_lost_before_images(&self) -> bool {
        self.before.is_lost
    }

    fn place(&self, index: usize) -> usize {
        self.wrapped(self.head + index)
    }

    fn wrapped(&self, place: usize) -> usize {
        if place >= self.handles.len() {
            place - self.handles.len()
        } else {
            place
        }
    }
}

impl Before {
    /// Keeps the next handle that is overwritten.
    #[cold]
    fn keep(&mut self, handle: Handle) {
        let overwritten_count = self.overwritten.len();
        if self.is_passed || overwritten_count == self.len {
            // Nothing of it is asked for any more, or all is kept.
            self.push_count = usize::MAX;
        } else if overwritten_count < self.overwritten.capacity() {
            self.overwritten.push(handle);
        } else {
            self.end();
            self.is_lost = true;
        }
    }

    fn end(&mut self) {
        (self.head, self.len, self.is_passed) = (0, 0, false);
        self.push_count = usize::MAX;
        self.overwritten.clear();
    }
}

#[cfg(test)]
mod tests;
