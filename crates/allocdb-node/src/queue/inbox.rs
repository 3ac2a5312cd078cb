//! Where tickets come in, and who leads: one word, so that coming takes no lock.
//!
//! A lock here was where threads queued up for nothing. A thread that is woken while all others are
//! woken too soon loses the processor with the lock in its hands, and everybody who comes goes to
//! sleep for a second time: with 64 threads on two cores, each command slept twice.
//!
//! The word is the address of the newest ticket, below which lie the older ones, and three bits:
//!
//! | bit | |
//! |---|---|
//! | `LEADING` | a thread leads, or is about to |
//! | `ODD` | where those wait who come now; it turns whenever the content is taken |
//! | `HALTED` | nobody comes in any more |
//!
//! Who pushes onto a word without `LEADING` sets it, and leads. So whoever sleeps has left its
//! ticket in a word that a leader looks at once more, when it takes the bit back.
//!
//! That an address may come back between a push's look and its exchange does no harm: the ticket
//! that is then on top is the one that the new one was laid on. Content is only taken as a whole.

use core::ptr;

use super::line::Place;
use super::ticket::{Ticket, TicketAddress};
use crate::sync::atomic::{AtomicPtr, Ordering};

const LEADING: usize = 1;
const ODD: usize = 2;
const HALTED: usize = 4;
const BITS: usize = LEADING | ODD | HALTED;

const _: () = assert!(align_of::<Ticket>() > BITS);

/// The word.
pub(super) struct Inbox(AtomicPtr<Ticket>);

/// What a push answers.
pub(super) struct Entered {
    /// Where to wait.
    pub(super) place: Place,
    /// Whether the thread that pushed has to lead.
    pub(super) leads: bool,
}

/// Everything that was in an inbox: the newest ticket, and where the owners wait.
pub(super) struct Content {
    pub(super) newest: Option<TicketAddress>,
    pub(super) place: Place,
}

impl Inbox {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts a ticket in; `None` when halted. Its owner must wait until it is done, and lead if it
    /// is told to.
    pub(super) fn push(&self, ticket: &Ticket) -> Option<Entered> {
        let is_in = |word| bits(word) & HALTED == 0;
        let before = self.change(|word| {
            if !is_in(word) {
                return word;
            }
            ticket.lie_on(top(word).newest);
            let address = ptr::from_ref(ticket).cast_mut();
            address.map_addr(|address| address | bits(word) | LEADING)
        });
        is_in(before).then(|| Entered {
            place: top(before).place,
            leads: bits(before) & LEADING == 0,
        })
    }

    /// Begins to lead, unless somebody does.
    pub(super) fn lead(&self) -> bool {
        let before = self.change(|word| word.map_addr(|address| address | LEADING));
        bits(before) & LEADING == 0
    }

    /// Ends leading. Answers where somebody waits whose ticket was not taken.
    pub(super) fn stop_leading(&self) -> Option<Place> {
        let before = self.change(|word| word.map_addr(|address| address & !LEADING));
        let Content { newest, place } = top(before);
        newest.map(|_| place)
    }

    /// Takes everything. Those who come from now on wait at the other place. Only the leader does
    /// this, or a halt, with the queue's lock in their hands.
    pub(super) fn take(&self) -> Content {
        top(self.change(|word| {
            let turned = if top(word).newest.is_some() { ODD } else { 0 };
            ptr::without_provenance_mut(bits(word) ^ turned)
        }))
    }

    /// Takes everything, and lets nobody in any more.
    pub(super) fn halt(&self) -> Content {
        top(self.change(|word| ptr::without_provenance_mut(bits(word) | HALTED)))
    }

    /// Changes the word; answers what it was. Every change acquires and releases: what lies below
    /// the newest ticket was written before its push.
    fn change(&self, change: impl Fn(*mut Ticket) -> *mut Ticket) -> *mut Ticket {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let changed = change(word);
            if changed == word {
                return word;
            }
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match self
                .0
                .compare_exchange_weak(word, changed, success, failure)
            {
                Ok(before) => return before,
                Err(now) => word = now,
            }
        }
    }
}

fn bits(word: *mut Ticket) -> usize {
    word.addr() & BITS
}

fn top(word: *mut Ticket) -> Content {
    Content {
        newest: TicketAddress::of(word.map_addr(|address| address & !BITS)),
        place: if word.addr() & ODD == 0 {
            Place::Even
        } else {
            Place::Odd
        },
    }
}
