//! The tickets in the order in which they came, numbered into groups: what fits one commit.
//!
//! Only the leader uses it, or a halt, under the queue's lock; who comes does not.

use std::collections::TryReserveError;

use super::QueueBounds;
use super::inbox::Content;
use super::ticket::TicketAddress;
use crate::submission::{Kind, Submission};

/// Where a thread waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Even,
    Odd,
}

/// What decides which group a submission joins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Join {
    is_batch: bool,
    command_count: u32,
    record_bytes: u32,
}

/// The line.
pub(super) struct Line {
    ring: Box<[Option<TicketAddress>]>,
    head: usize,
    len: usize,
    newest: NewestGroup,
}

/// The group at the end of the line, which may still take more.
struct NewestGroup {
    number: u64,
    is_open: bool,
    command_count: u64,
    record_bytes: u64,
}

impl Join {
    pub(super) fn of(submission: &Submission<'_>) -> Self {
        Self {
            is_batch: submission.kind() == Kind::Batch,
            command_count: submission.command_count(),
            record_bytes: submission.record_bytes(),
        }
    }
}

impl Line {
    /// Room for as many tickets as may wait.
    pub(super) fn new(bounds: QueueBounds) -> Result<Self, TryReserveError> {
        let mut ring = Vec::new();
        ring.try_reserve_exact(bounds.ticket_count as usize)?;
        ring.resize(bounds.ticket_count as usize, None);
        Ok(Self {
            ring: ring.into_boxed_slice(),
            head: 0,
            len: 0,
            newest: NewestGroup {
                number: 0,
                is_open: false,
                command_count: 0,
                record_bytes: 0,
            },
        })
    }

    /// Puts what was taken out of the inbox at the end, oldest first. The queue's lock is held.
    pub(super) fn append(&mut self, content: &Content, bounds: QueueBounds) {
        let mut next = turned(content.newest);
        while let Some(address) = next {
            // SAFETY: just taken out of the inbox, so nobody marked it done; the lock is held.
            unsafe {
                next = address.below();
                let group = self.newest.join(address.join(), bounds);
                address.line_up(content.place, group);
            }
            self.push(address);
        }
    }

    const fn index(&self, position: usize) -> usize {
        let index = self.head + position;
        if index < self.ring.len() {
            index
        } else {
            index - self.ring.len()
        }
    }

    fn push(&mut self, address: TicketAddress) {
        assert!(self.len < self.ring.len(), "a place was taken before");
        let tail = self.index(self.len);
        self.ring[tail] = Some(address);
        self.len += 1;
    }

    fn front(&self) -> Option<TicketAddress> {
        if self.len == 0 {
            return None;
        }
        self.ring[self.head]
    }

    /// Takes the oldest ticket out.
    pub(super) fn pop(&mut self) -> Option<TicketAddress> {
        let address = self.front()?;
        self.ring[self.head] = None;
        self.head = self.index(1);
        self.len -= 1;
        self.newest.is_open &= self.len > 0;
        Some(address)
    }

    /// Where the owner of the oldest ticket waits. The queue's lock is held.
    pub(super) fn front_place(&self) -> Option<Place> {
        // SAFETY: in line, hence not done; the lock is held.
        self.front()
            .map(|address| unsafe { address.place_and_group() }.0)
    }

    /// Moves the oldest group to `taken`. The queue's lock is held.
    pub(super) fn take_group(&mut self, taken: &mut Vec<TicketAddress>) {
        assert!(taken.is_empty(), "the last group was finished");
        // SAFETY: in line, hence not done; the lock is held.
        let group = |address: TicketAddress| unsafe { address.place_and_group() }.1;
        let oldest = self.front().map(group);
        while let Some(address) = self.front().filter(|&front| Some(group(front)) == oldest) {
            assert!(taken.len() < taken.capacity(), "a group is bounded");
            taken.push(address);
            self.pop();
        }
    }
}

/// Lays tickets that were taken out of the inbox the other way round. Answers the oldest.
fn turned(newest: Option<TicketAddress>) -> Option<TicketAddress> {
    let (mut next, mut turned) = (newest, None);
    while let Some(address) = next {
        // SAFETY: just taken out of the inbox, so nobody marked it done.
        unsafe {
            next = address.below();
            address.lie_on(turned);
        }
        turned = Some(address);
    }
    turned
}

impl NewestGroup {
    /// The number of the group that a submission of this kind and size belongs to.
    fn join(&mut self, submission: Join, bounds: QueueBounds) -> u64 {
        let Join {
            is_batch,
            command_count,
            record_bytes,
        } = submission;
        let (command_count, record_bytes) = (u64::from(command_count), u64::from(record_bytes));
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
