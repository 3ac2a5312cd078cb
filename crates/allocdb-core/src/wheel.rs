//! The expiration index: a timing wheel with one bucket a slot, and the `due` list behind it.
//!
//! The wheel holds the deadlines in `(slot, slot + max_ttl_slots]`; having at least
//! `max_ttl_slots + 1` buckets, a power of two, no bucket ever holds two deadlines. A bucket is a
//! doubly linked list through the reservation records, in the order in which they got their
//! deadline. As the slot advances, each bucket that it passes is spliced, whole, in slot order,
//! onto `due`: expiry order is therefore (deadline, order of getting it), R57, whatever happened
//! between. A bitmap finds the next occupied bucket.
//!
//! Invariant: a linked reservation lies in the bucket of its deadline if that is later than the
//! wheel's slot, else on `due`. So no record says where it is linked. Rejected: a heap (log n
//! moves a command, and ties need a sequence number) and a hierarchical wheel (cascades make one
//! unlucky command pay for many).

use std::collections::TryReserveError;

use crate::ids::Slot;
use crate::slab::Handle;

/// The two links that a record lends to the wheel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Links {
    pub(crate) previous: Handle,
    pub(crate) next: Handle,
}

impl Links {
    /// Not in any list.
    pub(crate) const NONE: Self = Self {
        previous: Handle::NONE,
        next: Handle::NONE,
    };
}

/// Where the wheel finds its members' links.
pub(crate) trait Linked {
    fn links(&self, handle: Handle) -> Links;
    fn links_mut(&mut self, handle: Handle) -> &mut Links;
}

/// A list through records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct List {
    pub(crate) head: Handle,
    pub(crate) tail: Handle,
    pub(crate) len: u32,
}

impl List {
    const EMPTY: Self = Self {
        head: Handle::NONE,
        tail: Handle::NONE,
        len: 0,
    };

    fn push(&mut self, members: &mut impl Linked, handle: Handle) {
        assert!(
            members.links(handle) == Links::NONE,
            "a record is linked once"
        );
        assert!(self.head != handle, "a record is linked once");
        members.links_mut(handle).previous = self.tail;
        if self.tail.is_none() {
            assert!(self.len == 0, "a list without a tail is empty");
            self.head = handle;
        } else {
            members.links_mut(self.tail).next = handle;
        }
        self.tail = handle;
        self.len += 1;
    }

    fn unlink(&mut self, members: &mut impl Linked, handle: Handle) {
        let links = std::mem::replace(members.links_mut(handle), Links::NONE);
        assert!(self.len > 0, "a linked record's list is not empty");
        if links.previous.is_none() {
            assert!(
                self.head == handle,
                "a record without predecessor is the head"
            );
            self.head = links.next;
        } else {
            members.links_mut(links.previous).next = links.next;
        }
        if links.next.is_none() {
            assert!(
                self.tail == handle,
                "a record without successor is the tail"
            );
            self.tail = links.previous;
        } else {
            members.links_mut(links.next).previous = links.previous;
        }
        self.len -= 1;
    }

    /// Moves all of `later` behind this list in constant time.
    fn splice(&mut self, members: &mut impl Linked, later: &mut Self) {
        let moved = std::mem::replace(later, Self::EMPTY);
        assert!(moved.len > 0, "only an occupied bucket is spliced");
        if self.tail.is_none() {
            *self = moved;
            return;
        }
        members.links_mut(self.tail).next = moved.head;
        members.links_mut(moved.head).previous = self.tail;
        self.tail = moved.tail;
        self.len += moved.len;
    }
}

/// The wheel and its `due` list.
#[derive(Debug)]
pub(crate) struct Wheel {
    buckets: Vec<List>,
    occupied: Vec<u64>,
    due: List,
    slot: Slot,
    linked_count: u32,
    bucket_len_max: u32,
}

impl Wheel {
    /// Reserves the buckets for TTLs up to `max_ttl_slots`, each of at most `bucket_len_max`.
    pub(crate) fn new(max_ttl_slots: u64, bucket_len_max: u32) -> Result<Self, TryReserveError> {
        let bucket_count = bucket_count(max_ttl_slots);
        let word_count = bucket_count.div_ceil(64);
        let (mut buckets, mut occupied) = (Vec::new(), Vec::new());
        buckets.try_reserve_exact(bucket_count)?;
        occupied.try_reserve_exact(word_count)?;
        buckets.resize(bucket_count, List::EMPTY);
        occupied.resize(word_count, 0);
        let due = List::EMPTY;
        Ok(Self {
            buckets,
            occupied,
            due,
            slot: Slot(0),
            linked_count: 0,
            bucket_len_max,
        })
    }

    /// Bytes that a wheel for these TTLs reserves.
    pub(crate) fn memory_bytes(max_ttl_slots: u64) -> u64 {
        let buckets = bucket_count(max_ttl_slots) as u64;
        buckets * size_of::<List>() as u64 + buckets.div_ceil(64) * 8
    }

    /// The slot up to which buckets have been passed.
    pub(crate) const fn slot(&self) -> Slot {
        self.slot
    }

    /// The list of what is due and not yet expired.
    pub(crate) const fn due(&self) -> &List {
        &self.due
    }

    /// Reservations in the wheel and on `due`.
    pub(crate) const fn linked_count(&self) -> u32 {
        self.linked_count
    }

    /// R58: whether one more reservation may get this deadline; `due` is not bounded by it.
    pub(crate) fn has_room(&self, deadline: Slot) -> bool {
        self.buckets[self.bucket_of(deadline)].len < self.bucket_len_max
    }

    /// Links a reservation under its deadline, behind those that got it earlier.
    pub(crate) fn link(&mut self, members: &mut impl Linked, handle: Handle, deadline: Slot) {
        assert!(deadline > self.slot, "a new deadline lies ahead");
        assert!(
            deadline.0 - self.slot.0 < self.buckets.len() as u64,
            "a TTL is bounded"
        );
        assert!(
            self.has_room(deadline),
            "the bucket's bound is checked before"
        );
        let bucket = self.bucket_of(deadline);
        self.buckets[bucket].push(members, handle);
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.linked_count += 1;
    }

    /// Takes a reservation out, wherever its deadline says it is.
    pub(crate) fn unlink(&mut self, members: &mut impl Linked, handle: Handle, deadline: Slot) {
        if deadline <= self.slot {
            self.due.unlink(members, handle);
        } else {
            let bucket = self.bucket_of(deadline);
            self.buckets[bucket].unlink(members, handle);
            if self.buckets[bucket].len == 0 {
                self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            }
        }
        self.linked_count -= 1;
    }

    /// Moves the wheel to `slot`: every bucket passed joins `due`, in slot order.
    pub(crate) fn advance(&mut self, members: &mut impl Linked, slot: Slot) {
        assert!(slot >= self.slot, "slots never go back");
        while let Some(deadline) = self.next_deadline(slot) {
            let bucket = self.bucket_of(deadline);
            self.due.splice(members, &mut self.buckets[bucket]);
            self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            // Step by step, so that the search for the next one starts behind this one.
            self.slot = deadline;
        }
        self.slot = slot;
    }

    /// Whether anything would be due at `slot`.
    pub(crate) fn is_due(&self, slot: Slot) -> bool {
        self.due.len > 0 || self.next_deadline(slot).is_some()
    }

    /// How many reservations would be due at `slot`: a sum over the buckets up to there.
    pub(crate) fn due_count(&self, slot: Slot) -> u32 {
        let mut count = self.due.len;
        let mut from = self.slot;
        while let Some(deadline) = self.next_occupied(from, slot) {
            count += self.buckets[self.bucket_of(deadline)].len;
            from = deadline;
        }
        count
    }

    /// The earliest occupied bucket's deadline after the wheel's slot and at most `limit`.
    fn next_deadline(&self, limit: Slot) -> Option<Slot> {
        self.next_occupied(self.slot, limit)
    }

    /// The earliest occupied deadline in `(after, limit]`, for `after` not before the wheel's slot.
    fn next_occupied(&self, after: Slot, limit: Slot) -> Option<Slot> {
        if self.linked_count == self.due.len || limit <= after {
            return None;
        }
        // Nothing lies further ahead than one turn from the wheel's own slot.
        let turn_end = self.slot.0.saturating_add(self.buckets.len() as u64 - 1);
        let last = limit.0.min(turn_end);
        let mut slot = after.0 + 1;
        while slot <= last {
            let bucket = self.bucket_of(Slot(slot));
            let word = self.occupied[bucket / 64] >> (bucket % 64);
            let step = u64::from(word.trailing_zeros());
            if word != 0 {
                return (slot + step <= last).then_some(Slot(slot + step));
            }
            // To the next word of the bitmap, or round to the first; past the last slot there is
            // nothing more.
            let step = (64 - (bucket % 64) as u64).min((self.buckets.len() - bucket) as u64);
            slot = slot.checked_add(step)?;
        }
        None
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "masked by the number of buckets"
    )]
    fn bucket_of(&self, deadline: Slot) -> usize {
        deadline.0 as usize & (self.buckets.len() - 1)
    }

    /// Restoring: starts an empty wheel at `slot`.
    pub(crate) fn restore_slot(&mut self, slot: Slot) {
        assert!(self.linked_count == 0, "only a new wheel is restored into");
        self.slot = slot;
    }

    /// The bucket or `due`, wherever a reservation with this deadline lies.
    pub(crate) fn list_of(&self, deadline: Slot) -> &List {
        if deadline <= self.slot {
            &self.due
        } else {
            &self.buckets[self.bucket_of(deadline)]
        }
    }

    /// Restoring: counts a linked record in, which knows its own neighbours. `false` if its
    /// deadline does not fit the wheel, its bucket is over the bound, or a second head or tail
    /// shows up. Whether the links agree is the invariants' to check.
    pub(crate) fn restore_linked(&mut self, handle: Handle, deadline: Slot, links: Links) -> bool {
        let is_due = deadline <= self.slot;
        if !is_due && deadline.0 - self.slot.0 >= self.buckets.len() as u64 {
            return false;
        }
        let bucket = self.bucket_of(deadline);
        let list = if is_due {
            &mut self.due
        } else {
            &mut self.buckets[bucket]
        };
        list.len += 1;
        self.linked_count += 1;
        let mut is_new = true;
        if links.previous.is_none() {
            is_new = list.head.is_none();
            list.head = handle;
        }
        if links.next.is_none() {
            is_new &= list.tail.is_none();
            list.tail = handle;
        }
        let fits = is_due || list.len <= self.bucket_len_max;
        if !is_due {
            self.occupied[bucket / 64] |= 1 << (bucket % 64);
        }
        is_new && fits
    }
}

/// A power of two above the greatest TTL. One more than the TTLs need, so that a bucket passed
/// and the furthest one ahead never meet.
#[allow(
    clippy::cast_possible_truncation,
    reason = "validated: at most 2^28 - 1"
)]
fn bucket_count(max_ttl_slots: u64) -> usize {
    assert!(
        max_ttl_slots <= crate::config::TTL_SLOTS_MAX,
        "a validated configuration"
    );
    (max_ttl_slots as usize + 1).next_power_of_two()
}

#[cfg(test)]
mod tests;
