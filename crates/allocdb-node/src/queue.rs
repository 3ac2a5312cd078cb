//! Who waits, who leads: the bounded queue in front of the commits.
//!
//! A caller puts a ticket, which lies on its stack, into a ring that was reserved at open, and
//! waits. Tickets are numbered into groups as they come; a group is what fits one commit. Whoever
//! finds nobody leading takes the oldest group, carries it out, marks its tickets done, wakes one
//! thread to lead the next group, and then exactly the threads of its own. While it syncs, the next
//! group gathers. The groups alternate between two events, so that waking one group does not wake
//! the other. Who is woken and finds its ticket done goes back to its caller without the queue's
//! lock. Rejected: condition variables (everybody who is woken queues up for the lock), one event
//! for all (each commit wakes everybody: less than half the throughput at 64 threads), one per
//! ticket (a system call for each thread that is woken), a thread of the library's own (a library
//! that starts threads owns a part of its host).
//!
//! Invariants:
//! 1. A ticket's address is in the ring or with the leader exactly from `enter` until it is marked
//!    done, and `run` does not return, nor unwind, before that.
//! 2. `is_leading` is true exactly while a thread is between taking a group and its guard's drop.
//! 3. Where nobody leads and a ticket waits, its owner or a woken thread is on its way to lead, or
//!    a thread that has led is about to wake its whole group and, with it, all who wait where it
//!    waits.
//!
//! This is the crate's one place where unsafe code is about memory: the tickets' addresses.

use core::cell::Cell;
use core::ptr::NonNull;
use std::collections::TryReserveError;

use allocdb_core::canary::{Canary, is_planted};

use crate::error::SubmitError;
use crate::halt::HaltReason;
use crate::submission::{Kind, Submission};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::event::Event;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Why a submission did not get into the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Every place is taken.
    Full,
    /// The engine has halted.
    Halted(HaltReason),
}

/// The bounds of a queue and of the groups it forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct QueueBounds {
    /// Tickets that may wait.
    pub(crate) ticket_count: u32,
    /// Commands in one group.
    pub(crate) command_count: u32,
    /// Bytes of records in one group.
    pub(crate) record_bytes: u32,
}

/// The queue.
pub(crate) struct Queue {
    bounds: QueueBounds,
    /// Mirrors `Inner::halt`, so that reads ask without a lock.
    is_halted: AtomicBool,
    inner: Mutex<Inner>,
    /// The leader's group.
    taken: Mutex<Vec<TicketAddress>>,
    /// Where the threads of even and of odd groups wait.
    wake: [Event; 2],
}

struct Inner {
    ring: Box<[Option<TicketAddress>]>,
    head: usize,
    len: usize,
    is_leading: bool,
    halt: Option<HaltReason>,
    gathering: Gathering,
    overloads: u64,
}

/// The group that new tickets join.
struct Gathering {
    number: u64,
    is_open: bool,
    command_count: u64,
    record_bytes: u64,
}

struct Ticket {
    /// The owner's submission, its lifetime forgotten; invariant 1 stands in for it.
    submission: NonNull<Submission<'static>>,
    group: Cell<u64>,
    /// Whether the submission is its owner's again.
    is_done: AtomicBool,
}

/// Where a ticket lies.
#[derive(Clone, Copy)]
struct TicketAddress(NonNull<Ticket>);

// SAFETY: a ticket's plain fields are used by one thread at a time: `group` under the queue's lock
// or by its owner, who alone changes it, before `push`; the submission by its owner before `push`
// and after it is done, by the leader in between, handed over through the lock and back through
// `is_done`. What a submission refers to is `Send` (`Batch` is).
unsafe impl Send for TicketAddress {}

impl TicketAddress {
    /// The submission behind it.
    ///
    /// # Safety
    /// The ticket is not done, nobody else uses its submission for as long as `'g`, and the caller
    /// is its owner, holds the queue's lock with the ticket in the ring, or leads its group.
    unsafe fn submission<'g>(self) -> &'g mut Submission<'g> {
        // SAFETY: invariant 1: both live, the ticket on its owner's stack and the submission behind
        // a reference that the owner lent for the time. The lifetime within the submission is
        // shortened; `Submission` keeps private what would make that matter.
        unsafe { self.0.as_ref().submission.cast().as_mut() }
    }

    /// Its group; the queue's lock is held.
    fn group(self, _inner: &Inner) -> u64 {
        // SAFETY: invariant 1: the ticket lives; the lock keeps others from its cells.
        unsafe { self.0.as_ref() }.group.get()
    }

    /// Marks it done: from here on the address is not to be used. The queue's lock is held.
    fn finish(self, _inner: &mut Inner) {
        // SAFETY: as in `group`; the owner may be gone as soon as it reads the word.
        let is_done = unsafe { &self.0.as_ref().is_done };
        // What the leader answered comes before; the owner acquires it.
        is_done.store(true, done_ordering(Ordering::Release));
    }
}

impl QueueBounds {
    /// For a queue that is never used.
    pub(crate) const LEAST: Self = Self {
        ticket_count: 1,
        command_count: 1,
        record_bytes: 1,
    };
}

impl Queue {
    /// Reserves everything it will ever use.
    pub(crate) fn new(bounds: QueueBounds) -> Result<Self, TryReserveError> {
        let mut ring = Vec::new();
        ring.try_reserve_exact(bounds.ticket_count as usize)?;
        ring.resize(bounds.ticket_count as usize, None);
        let mut taken = Vec::new();
        taken.try_reserve_exact(Self::group_len_max(bounds))?;
        let inner = Inner {
            ring: ring.into_boxed_slice(),
            head: 0,
            len: 0,
            is_leading: false,
            halt: None,
            gathering: Gathering {
                number: 0,
                is_open: false,
                command_count: 0,
                record_bytes: 0,
            },
            overloads: 0,
        };
        Ok(Self {
            bounds,
            is_halted: AtomicBool::new(false),
            inner: Mutex::new(inner),
            taken: Mutex::new(taken),
            wake: [Event::default(), Event::default()],
        })
    }

    /// Bytes that [`Queue::new`] reserves.
    pub(crate) fn memory_bytes(bounds: QueueBounds) -> u64 {
        let tickets = bounds.ticket_count as usize + Self::group_len_max(bounds);
        (tickets * size_of::<Option<TicketAddress>>()) as u64
    }

    /// Every batch has a command, so a group has no more tickets than commands.
    const fn group_len_max(bounds: QueueBounds) -> usize {
        if bounds.ticket_count < bounds.command_count {
            bounds.ticket_count as usize
        } else {
            bounds.command_count as usize
        }
    }

    /// Waits until `submission` has been carried out, by a call of `lead` on this thread or on
    /// another. `lead` may be called for groups that this submission is not in.
    pub(crate) fn run(
        &self,
        submission: &mut Submission<'_>,
        mut lead: impl FnMut(&mut Group<'_>),
    ) -> Result<(), Refusal> {
        let join = join_of(submission);
        let ticket = Ticket::new(submission);
        let mut inner = self.lock();
        inner.enter(&ticket, join, self.bounds)?;
        // From here to the end of the wait the ticket's address is known to others: nothing in
        // between returns, and what unwinds (a leader's panic) has marked every ticket done before.
        self.wait(inner, &ticket, &mut lead);
        Ok(())
    }

    /// The same for several submissions, all of which are in the queue before anybody leads: group
    /// commit as one schedule on one thread.
    #[cfg(any(test, feature = "torture"))]
    pub(crate) fn run_together(
        &self,
        submissions: &mut [Submission<'_>],
        mut lead: impl FnMut(&mut Group<'_>),
    ) -> Vec<Result<(), Refusal>> {
        let joins: Vec<_> = submissions.iter().map(join_of).collect();
        let tickets: Vec<_> = submissions.iter_mut().map(Ticket::new).collect();
        let mut inner = self.lock();
        let enter = |(ticket, join)| inner.enter(ticket, join, self.bounds);
        let entered: Vec<_> = tickets.iter().zip(joins).map(enter).collect();
        drop(inner);
        for (ticket, _) in tickets.iter().zip(&entered).filter(|(_, in_)| in_.is_ok()) {
            self.wait(self.lock(), ticket, &mut lead);
        }
        entered
    }

    /// Waits until a ticket that is in the ring is done, and leads where nobody does.
    fn wait<'q>(
        &'q self,
        mut inner: MutexGuard<'q, Inner>,
        ticket: &Ticket,
        lead: &mut impl FnMut(&mut Group<'_>),
    ) {
        while !ticket.is_done() {
            if inner.is_leading {
                let event = &self.wake[parity(ticket.group.get())];
                let number = event.number();
                drop(inner);
                event.wait(number);
                if ticket.is_done() {
                    return;
                }
                inner = self.lock();
            } else {
                inner = self.lead_one(inner, lead);
            }
        }
    }

    /// Takes the oldest group and carries it out.
    fn lead_one<'q>(
        &'q self,
        mut inner: MutexGuard<'q, Inner>,
        lead: &mut impl FnMut(&mut Group<'_>),
    ) -> MutexGuard<'q, Inner> {
        assert!(!inner.is_leading, "one thread leads");
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        inner.take_group(&mut taken);
        inner.is_leading = !is_planted(Canary::LeaderUnmarked);
        drop(inner);
        {
            let mut group = Group {
                queue: self,
                tickets: &mut taken,
                is_complete: false,
            };
            lead(&mut group);
            group.is_complete = true;
            // Its drop ends the leadership, also when `lead` panics.
        }
        drop(taken);
        self.lock()
    }

    /// Halts: everything that waits is answered, and nothing gets in any more.
    pub(crate) fn halt(&self, reason: HaltReason) {
        let mut inner = self.lock();
        self.halt_locked(&mut inner, reason);
    }

    fn halt_locked(&self, inner: &mut Inner, reason: HaltReason) {
        let reason = *inner.halt.get_or_insert(reason);
        self.is_halted.store(true, Ordering::Release);
        while let Some(address) = inner.pop() {
            // SAFETY: the lock is held, and no leader has this ticket: it was still in the ring.
            let submission = unsafe { address.submission() };
            submission.verdict = Err(SubmitError::Halted { reason });
            submission.checkpoint = Err(crate::error::CheckpointError::Halted { reason });
            address.finish(inner);
        }
        inner.gathering.is_open = false;
        let woken = if is_planted(Canary::HaltWakesOneParity) {
            1
        } else {
            2
        };
        for event in &self.wake[..woken] {
            event.change();
            event.wake_all();
        }
    }

    /// Why it has halted, if it has.
    pub(crate) fn halt_reason(&self) -> Option<HaltReason> {
        if self.is_halted.load(Ordering::Acquire) {
            self.lock().halt
        } else {
            None
        }
    }

    /// Tickets that wait, and how many were refused for lack of a place.
    pub(crate) fn len_and_overloads(&self) -> (u32, u64) {
        let inner = self.lock();
        let len = u32::try_from(inner.len).expect("the ring is bounded by a u32");
        (len, inner.overloads)
    }

    pub(crate) const fn bounds(&self) -> QueueBounds {
        self.bounds
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn new(submission: &mut Submission<'_>) -> Self {
        Self {
            submission: NonNull::from(submission).cast(),
            group: Cell::new(0),
            is_done: AtomicBool::new(false),
        }
    }

    /// Whether the submission is its owner's again, with all that was answered.
    fn is_done(&self) -> bool {
        self.is_done.load(done_ordering(Ordering::Acquire))
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

/// What decides which group a submission joins.
const fn join_of(submission: &Submission<'_>) -> (Kind, u32, u32) {
    (
        submission.kind(),
        submission.command_count(),
        submission.record_bytes(),
    )
}

impl Inner {
    /// Numbers a ticket into a group and puts it into the ring. Its owner must [`Queue::wait`].
    fn enter(
        &mut self,
        ticket: &Ticket,
        join: (Kind, u32, u32),
        bounds: QueueBounds,
    ) -> Result<(), Refusal> {
        if let Some(reason) = self.halt {
            return Err(Refusal::Halted(reason));
        }
        if self.len == self.ring.len() {
            self.overloads += 1;
            return Err(Refusal::Full);
        }
        ticket.group.set(self.gathering.join(join, bounds));
        self.push(TicketAddress(NonNull::from(ticket)));
        Ok(())
    }

    fn push(&mut self, address: TicketAddress) {
        assert!(self.len < self.ring.len(), "the bound is checked before");
        let tail = (self.head + self.len) % self.ring.len();
        self.ring[tail] = Some(address);
        self.len += 1;
    }

    fn front(&self) -> Option<TicketAddress> {
        if self.len == 0 {
            return None;
        }
        self.ring[self.head]
    }

    fn pop(&mut self) -> Option<TicketAddress> {
        let address = self.front()?;
        self.ring[self.head] = None;
        self.head = (self.head + 1) % self.ring.len();
        self.len -= 1;
        Some(address)
    }

    /// Moves the oldest group to `taken`.
    fn take_group(&mut self, taken: &mut Vec<TicketAddress>) {
        assert!(taken.is_empty(), "the last group was finished");
        let first = self.front().expect("a leader has a ticket in the ring");
        let number = first.group(self);
        while let Some(address) = self.front() {
            if address.group(self) != number {
                break;
            }
            assert!(taken.len() < taken.capacity(), "a group is bounded");
            taken.push(address);
            self.pop();
        }
        if self.gathering.number == number {
            self.gathering.is_open = false;
        }
    }
}

impl Gathering {
    /// The number of the group that a submission of this kind and size belongs to.
    fn join(&mut self, submission: (Kind, u32, u32), bounds: QueueBounds) -> u64 {
        let (kind, command_count, record_bytes) = submission;
        let (command_count, record_bytes) = (u64::from(command_count), u64::from(record_bytes));
        let is_batch = kind == Kind::Batch;
        let fits = self.command_count + command_count <= bounds.command_count.into()
            && self.record_bytes + record_bytes <= bounds.record_bytes.into();
        if !(self.is_open && is_batch && fits) {
            self.number += 1;
            self.command_count = 0;
            self.record_bytes = 0;
            // What is not a batch stays alone in its group.
            self.is_open = is_batch;
        }
        self.command_count += command_count;
        self.record_bytes += record_bytes;
        self.number
    }
}

/// The group that a leader carries out.
pub(crate) struct Group<'q> {
    queue: &'q Queue,
    tickets: &'q mut Vec<TicketAddress>,
    is_complete: bool,
}

impl<'q> Group<'q> {
    /// How many submissions it has; none once published.
    pub(crate) fn len(&self) -> usize {
        self.tickets.len()
    }

    /// The submission at `index`.
    pub(crate) fn submission(&mut self, index: usize) -> &mut Submission<'_> {
        let address = self.tickets[index];
        // SAFETY: the ticket is in the leader's group, hence not done, and the leader borrows its
        // group mutably for as long as it uses the submission.
        unsafe { address.submission() }
    }

    /// Tells the owners that their submissions are carried out, and lets them go, before the
    /// leadership ends.
    pub(crate) fn publish(&mut self) {
        let mut inner = self.queue.lock();
        let finished = self.finish(&mut inner);
        drop(inner);
        if let Some(event) = finished {
            event.wake_all();
        }
    }

    /// Marks every ticket done. Returns where their owners wait.
    fn finish(&mut self, inner: &mut Inner) -> Option<&'q Event> {
        let first = self.tickets.first()?;
        let event = &self.queue.wake[parity(first.group(inner))];
        for address in self.tickets.drain(..) {
            address.finish(inner);
        }
        event.change();
        Some(event)
    }
}

impl Drop for Group<'_> {
    /// Ends the leadership. A leader that panicked halts the engine: what its group was answered
    /// before it was carried out, "panicked", stands.
    fn drop(&mut self) {
        let mut inner = self.queue.lock();
        let finished = self.finish(&mut inner);
        inner.is_leading = false;
        if !self.is_complete && !is_planted(Canary::PanicHaltsNothing) {
            self.queue.halt_locked(&mut inner, HaltReason::Panic);
        }
        let next = inner.front().map(|next| parity(next.group(&inner)));
        let next = next.filter(|_| !is_planted(Canary::NextGroupSleeps));
        let next = next.map(|parity| &self.queue.wake[parity]);
        if let Some(event) = next {
            event.change();
        }
        drop(inner);
        // The next group is led while this one wakes up.
        if let Some(event) = next {
            event.wake_one();
        }
        if let Some(event) = finished {
            event.wake_all();
        }
    }
}

const fn parity(group: u64) -> usize {
    (group & 1) as usize
}
