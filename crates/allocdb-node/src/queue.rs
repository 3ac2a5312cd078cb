//! Who waits, who leads: the bounded queue in front of the commits.
//!
//! A caller puts a ticket, which lies on its stack, into the inbox, and waits. Whoever finds nobody
//! leading lines up what has come, takes the oldest group of what fits one commit, carries it out,
//! marks its tickets done, wakes one thread to lead the next group, and then exactly the threads of
//! its own. While it syncs, the next group gathers. Those who come wait at one of two events, in
//! turn, so that waking one group does not wake the other. No lock is taken on the way in, nor on
//! the way out: of the threads, only the leader takes the queue's.
//!
//! Rejected: a lock around the way in (`inbox.rs` says why); condition variables (everybody who is
//! woken queues up for the lock), one event for all (each commit wakes everybody: less than half
//! the throughput at 64 threads), one per ticket (a system call for each thread that is woken), a
//! thread of the library's own (a library that starts threads owns a part of its host).
//!
//! Invariants:
//! 1. A ticket's address is in the inbox, in line or with the leader exactly from its push until it
//!    is marked done, and `run` does not return, nor unwind, before that.
//! 2. The inbox says `LEADING` exactly while one thread is between setting it and its group's drop.
//! 3. Where nobody leads and a ticket waits, its owner or a woken thread is on its way to lead, or
//!    a thread that has led is about to wake its whole group and, with it, all who wait where it
//!    waits.

use core::mem;
use std::collections::TryReserveError;

use allocdb_core::canary::{Canary, is_planted};

use crate::error::{CheckpointError, SubmitError};
use crate::halt::HaltReason;
use crate::submission::Submission;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::event::Event;
use crate::sync::{Mutex, MutexGuard, PoisonError};

use gathering::Gathering;
use inbox::{Content, Entered, Inbox};
use line::{Line, Place};
use ticket::{Ticket, TicketAddress};

mod gathering;
mod inbox;
mod line;
mod ticket;

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
    inbox: Inbox,
    /// Tickets in the inbox and in line, and those about to get there.
    waiting_count: AtomicU32,
    overloads: AtomicU64,
    /// Where the threads wait.
    even: Event,
    odd: Event,
    /// Mirrors `Inner::halt`, so that reads ask without a lock.
    is_halted: AtomicBool,
    inner: Mutex<Inner>,
}

/// What only a leader or a halt touches.
struct Inner {
    line: Line,
    /// Room for a group; with the leader while there is one.
    spare: Vec<TicketAddress>,
    gathering: Gathering,
    halt: Option<HaltReason>,
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
        let mut spare = Vec::new();
        spare.try_reserve_exact(Self::group_len_max(bounds))?;
        Ok(Self {
            bounds,
            inbox: Inbox::new(),
            waiting_count: AtomicU32::new(0),
            overloads: AtomicU64::new(0),
            even: Event::default(),
            odd: Event::default(),
            is_halted: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                line: Line::new(bounds)?,
                spare,
                gathering: Gathering::default(),
                halt: None,
            }),
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
        let ticket = Ticket::new(submission);
        let entered = self.enter(&ticket)?;
        // From here to the end of the wait the ticket's address is known to others: nothing in
        // between returns, and what unwinds (a leader's panic) has marked every ticket done before.
        self.wait(&ticket, &entered, &mut lead);
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
        let tickets: Vec<_> = submissions.iter_mut().map(Ticket::new).collect();
        // The first to get in has to lead, and does so when all are in.
        let entered: Vec<_> = tickets.iter().map(|ticket| self.enter(ticket)).collect();
        for (ticket, entered) in tickets.iter().zip(&entered) {
            if let Ok(entered) = entered {
                self.wait(ticket, entered, &mut lead);
            }
        }
        entered
            .into_iter()
            .map(|entered| entered.map(|_| ()))
            .collect()
    }

    /// Puts a ticket in. Its owner must [`Queue::wait`].
    fn enter(&self, ticket: &Ticket) -> Result<Entered, Refusal> {
        if let Some(reason) = self.halt_reason() {
            return Err(Refusal::Halted(reason));
        }
        let bound = self.bounds.ticket_count;
        let more = |count: u32| (count < bound).then_some(count + 1);
        let order = Ordering::Relaxed;
        if self.waiting_count.fetch_update(order, order, more).is_err() {
            return Err(Refusal::Full);
        }
        self.inbox.push(ticket).ok_or_else(|| {
            self.waiting_count.fetch_sub(1, order);
            let reason = self.lock().halt;
            Refusal::Halted(reason.expect("it is said before the inbox is shut"))
        })
    }

    /// Waits until a ticket that was put in is done, and leads where nobody does.
    fn wait(&self, ticket: &Ticket, entered: &Entered, lead: &mut impl FnMut(&mut Group<'_>)) {
        if entered.leads {
            self.lead_one(lead);
        }
        let event = self.event(entered.place);
        while !ticket.is_done() {
            // What is looked at from here on changes before the number does.
            let number = event.number();
            if ticket.is_done() {
                return;
            }
            if self.inbox.lead() {
                self.lead_one(lead);
            } else {
                event.wait(number);
            }
        }
    }

    /// Carries out the oldest group, if a halt has not answered it meanwhile. This thread leads.
    fn lead_one(&self, lead: &mut impl FnMut(&mut Group<'_>)) {
        let mut group = Group {
            queue: self,
            tickets: Vec::new(),
            is_complete: false,
        };
        group.take();
        if group.len() > 0 {
            lead(&mut group);
        }
        group.is_complete = true;
        // Its drop ends the leadership, also when `lead` panics.
    }

    /// Halts: everything that waits is answered, and nothing gets in any more.
    pub(crate) fn halt(&self, reason: HaltReason) {
        let mut inner = self.lock();
        self.halt_locked(&mut inner, reason);
    }

    fn halt_locked(&self, inner: &mut Inner, reason: HaltReason) {
        let reason = *inner.halt.get_or_insert(reason);
        self.is_halted.store(true, Ordering::Release);
        self.line_up(inner, &self.inbox.halt());
        while let Some(address) = inner.line.pop() {
            // SAFETY: the lock is held, and no leader has this ticket: it was still in line.
            let submission = unsafe { address.submission() };
            submission.verdict = Err(SubmitError::Halted { reason });
            submission.checkpoint = Err(CheckpointError::Halted { reason });
            // SAFETY: as above.
            unsafe { address.finish() };
            self.waiting_count.fetch_sub(1, Ordering::Relaxed);
        }
        self.even.wake_all();
        if !is_planted(Canary::HaltWakesOneParity) {
            self.odd.wake_all();
        }
    }

    /// Puts what has come at the end of the line.
    fn line_up(&self, inner: &mut Inner, content: &Content) {
        inner.line.append(content, self.bounds);
    }

    /// Why it has halted, if it has.
    pub(crate) fn halt_reason(&self) -> Option<HaltReason> {
        if self.is_halted.load(Ordering::Acquire) {
            self.lock().halt
        } else {
            None
        }
    }

    /// Counts a caller who is told that there is no place.
    pub(crate) fn count_overload(&self) {
        self.overloads.fetch_add(1, Ordering::Relaxed);
    }

    /// Tickets that wait, and how many callers were told that there is no place.
    pub(crate) fn len_and_overloads(&self) -> (u32, u64) {
        let order = Ordering::Relaxed;
        (self.waiting_count.load(order), self.overloads.load(order))
    }

    pub(crate) const fn bounds(&self) -> QueueBounds {
        self.bounds
    }

    const fn event(&self, place: Place) -> &Event {
        match place {
            Place::Even => &self.even,
            Place::Odd => &self.odd,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The group that a leader carries out.
pub(crate) struct Group<'q> {
    queue: &'q Queue,
    tickets: Vec<TicketAddress>,
    is_complete: bool,
}

impl Group<'_> {
    /// Lets others come, lines up who has, and takes the oldest group.
    fn take(&mut self) {
        let queue = self.queue;
        if is_planted(Canary::LeaderUnmarked) {
            queue.inbox.stop_leading();
        }
        let waiting_count = || queue.waiting_count.load(Ordering::Relaxed);
        let mut inner = queue.lock();
        self.tickets = mem::take(&mut inner.spare);
        assert!(self.tickets.capacity() > 0, "one thread leads");
        if inner.gathering.is_worthwhile(waiting_count()) {
            drop(inner);
            let time = gathering::gather(waiting_count);
            inner = queue.lock();
            inner.gathering.took(time);
        }
        queue.line_up(&mut inner, &queue.inbox.take());
        inner.line.take_group(&mut self.tickets);
        let count = u32::try_from(self.tickets.len()).expect("the line is bounded by a u32");
        inner.gathering.closed(count);
        drop(inner);
        queue.waiting_count.fetch_sub(count, Ordering::Relaxed);
    }

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
        let inner = self.queue.lock();
        let finished = self.finish(&inner);
        drop(inner);
        self.wake(finished);
    }

    /// Marks every ticket done. Returns where their owners wait: at one place or, where a group was
    /// lined up in parts, at two.
    fn finish(&mut self, _inner: &Inner) -> [Option<Place>; 2] {
        let mut places = [None; 2];
        for address in self.tickets.drain(..) {
            // SAFETY: with the leader, hence not done; the lock is held.
            let (place, _) = unsafe { address.place_and_group() };
            places[usize::from(place == Place::Odd)] = Some(place);
            // SAFETY: only the leader has it.
            unsafe { address.finish() };
        }
        places
    }

    fn wake(&self, places: [Option<Place>; 2]) {
        for place in places.into_iter().flatten() {
            self.queue.event(place).wake_all();
        }
    }
}

impl Drop for Group<'_> {
    /// Ends the leadership. A leader that panicked halts the engine: what its group was answered
    /// before it was carried out, "panicked", stands.
    fn drop(&mut self) {
        let queue = self.queue;
        let mut inner = queue.lock();
        let finished = self.finish(&inner);
        inner.spare = mem::take(&mut self.tickets);
        if !self.is_complete && !is_planted(Canary::PanicHaltsNothing) {
            queue.halt_locked(&mut inner, HaltReason::Panic);
        }
        let in_line = inner.line.front_place();
        // Whoever leads next takes the lock at once.
        drop(inner);
        let in_inbox = queue.inbox.stop_leading();
        let next = in_line.or(in_inbox);
        // The next group is led while this one wakes up.
        if let Some(place) = next.filter(|_| !is_planted(Canary::NextGroupSleeps)) {
            queue.event(place).wake_one();
        }
        self.wake(finished);
    }
}

#[cfg(test)]
mod tests;
