//! What a waiting thread puts into the queue: a place on its own stack, known to others by address.
//!
//! This is the crate's one place where unsafe code is about memory. A ticket's address is known to
//! others exactly from the push into the inbox until the ticket is marked done, and for as long its
//! owner stays in [`super::Queue`]'s wait: that is the queue's first invariant.

use core::cell::Cell;
use core::ptr::NonNull;

use allocdb_core::canary::{Canary, is_planted};

use super::line::{Join, Place};
use crate::submission::Submission;
use crate::sync::atomic::{AtomicBool, Ordering};

/// One call that waits.
pub(super) struct Ticket {
    /// The owner's submission, its lifetime forgotten; the address's being known stands in for it.
    submission: NonNull<Submission<'static>>,
    /// What decides which group it joins.
    join: Join,
    /// The one that came before it into the inbox.
    below: Cell<Option<TicketAddress>>,
    /// Where its owner waits, and in which group it is; set when it is lined up.
    place: Cell<Place>,
    group: Cell<u64>,
    /// Whether the submission is its owner's again.
    is_done: AtomicBool,
}

/// Where a ticket lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct TicketAddress(NonNull<Ticket>);

// SAFETY: a ticket's plain fields are used by one thread at a time: `below` by its owner before the
// push, then by whoever takes the inbox's content, to whom the inbox hands it over; place and group
// under the queue's lock; the submission by its owner before the push and after it is done, by the
// leader in between, handed over through inbox and lock, and back through `is_done`. What a
// submission refers to is `Send` (`Batch` is).
unsafe impl Send for TicketAddress {}

impl Ticket {
    pub(super) fn new(submission: &mut Submission<'_>) -> Self {
        Self {
            join: Join::of(submission),
            submission: NonNull::from(submission).cast(),
            below: Cell::new(None),
            place: Cell::new(Place::Even),
            group: Cell::new(0),
            is_done: AtomicBool::new(false),
        }
    }

    /// Before its address is known: which one lies below it.
    pub(super) fn lie_on(&self, below: Option<TicketAddress>) {
        self.below.set(below);
    }

    /// Whether the submission is its owner's again, with all that was answered.
    pub(super) fn is_done(&self) -> bool {
        self.is_done.load(done_ordering(Ordering::Acquire))
    }
}

impl TicketAddress {
    /// The address in a pointer; none in a null one.
    pub(super) fn of(pointer: *mut Ticket) -> Option<Self> {
        NonNull::new(pointer).map(Self)
    }

    /// The submission behind it.
    ///
    /// # Safety
    /// The ticket is not done, nobody else uses its submission for as long as `'g`, and the caller
    /// is its owner, holds the queue's lock with the ticket in line, or leads its group.
    pub(super) unsafe fn submission<'g>(self) -> &'g mut Submission<'g> {
        // SAFETY: both live, the ticket on its owner's stack and the submission behind a reference
        // that the owner lent for the time. The lifetime within the submission is shortened;
        // `Submission` keeps private what would make that matter.
        unsafe { self.0.as_ref().submission.cast().as_mut() }
    }

    /// The one that came before it.
    ///
    /// # Safety
    /// The caller has taken the ticket out of the inbox, and it is not done.
    pub(super) unsafe fn below(self) -> Option<Self> {
        // SAFETY: as the caller says: it lives, and its owner no longer touches the field.
        unsafe { self.0.as_ref() }.below.get()
    }

    /// Lays it on another one.
    ///
    /// # Safety
    /// As [`TicketAddress::below`].
    pub(super) unsafe fn lie_on(self, below: Option<Self>) {
        // SAFETY: as the caller says.
        unsafe { self.0.as_ref() }.below.set(below);
    }

    /// What decides its group.
    ///
    /// # Safety
    /// The ticket is not done.
    pub(super) unsafe fn join(self) -> Join {
        // SAFETY: as the caller says: it lives; the field never changes.
        unsafe { self.0.as_ref() }.join
    }

    /// Says where its owner waits and in which group it is.
    ///
    /// # Safety
    /// The ticket is not done, and the queue's lock is held.
    pub(super) unsafe fn line_up(self, place: Place, group: u64) {
        // SAFETY: as the caller says: it lives, and the lock keeps others from its cells.
        let ticket = unsafe { self.0.as_ref() };
        ticket.place.set(place);
        ticket.group.set(group);
    }

    /// Where its owner waits, and its group.
    ///
    /// # Safety
    /// The ticket is lined up and not done, and the queue's lock is held.
    pub(super) unsafe fn place_and_group(self) -> (Place, u64) {
        // SAFETY: as in `line_up`.
        let ticket = unsafe { self.0.as_ref() };
        (ticket.place.get(), ticket.group.get())
    }

    /// Marks it done: from here on the address is not to be used.
    ///
    /// # Safety
    /// The ticket is not done, and nobody else will mark it or use its submission.
    pub(super) unsafe fn finish(self) {
        // SAFETY: as the caller says; the owner may be gone as soon as it reads the word.
        let is_done = unsafe { &self.0.as_ref().is_done };
        // What the leader answered comes before; the owner acquires it.
        is_done.store(true, done_ordering(Ordering::Release));
    }
}

/// The ordering of a ticket's last word; none where that is the planted bug.
fn done_ordering(sound: Ordering) -> Ordering {
    if is_planted(Canary::DoneUnordered) {
        Ordering::Relaxed
    } else {
        sound
    }
}
