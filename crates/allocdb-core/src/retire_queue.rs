//! A retirement queue: a ring of handles in `retire_after_slot` order.
//!
//! Records join at the back when they begin to age; since slots never go back and the window is
//! constant, the ring is sorted by construction. Memory is taken back from the front only. How
//! many are past their window is a binary search, so acceptance can count room without walking.

use std::collections::TryReserveError;

use crate::slab::Handle;

/// A bounded ring of handles.
#[derive(Debug)]
pub(crate) struct RetireQueue {
    handles: Vec<Handle>,
    head: usize,
    len: usize,
}

impl RetireQueue {
    /// Reserves a ring for `capacity` handles.
    pub(crate) fn new(capacity: u32) -> Result<Self, TryReserveError> {
        let mut handles = Vec::new();
        handles.try_reserve_exact(capacity as usize)?;
        handles.resize(capacity as usize, Handle::NONE);
        Ok(Self {
            handles,
            head: 0,
            len: 0,
        })
    }

    /// Bytes that a ring of this capacity reserves.
    pub(crate) const fn memory_bytes(capacity: u32) -> u64 {
        capacity as u64 * size_of::<Handle>() as u64
    }

    /// How many handles wait.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The handle at `index` from the front.
    pub(crate) fn at(&self, index: usize) -> Option<Handle> {
        (index < self.len).then(|| self.handles[self.place(index)])
    }

    /// Adds a handle at the back.
    pub(crate) fn push(&mut self, handle: Handle) {
        assert!(!handle.is_none(), "only records retire");
        assert!(
            self.len < self.handles.len(),
            "a record waits in one place once"
        );
        let place = self.place(self.len);
        self.handles[place] = handle;
        self.len += 1;
    }

    /// Takes the front handle.
    pub(crate) fn pop(&mut self) -> Option<Handle> {
        let front = self.at(0)?;
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

    fn place(&self, index: usize) -> usize {
        let place = self.head + index;
        if place >= self.handles.len() {
            place - self.handles.len()
        } else {
            place
        }
    }
}

#[cfg(test)]
mod tests;
