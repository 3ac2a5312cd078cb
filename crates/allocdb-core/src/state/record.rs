//! The three kinds of record, and how they share their bytes.
//!
//! R7: a resource keeps no state of its own: it is whatever its reservation is, so the two can
//! never disagree. A reservation stores only the low half of its id (the high half is the shard,
//! the same for all), its place in the expiration index, and the first of a chain through its
//! resources. An operation stores the answer that a retry gets.
//!
//! Sizes are part of what a configuration costs, hence asserted. Records are aligned to their
//! sizes: none lies in two cache lines, wherever its slab begins. For a reservation to fit one,
//! what only a hold has and what only an end has share their bytes; they are read and written by
//! [`ReservationRecord`]'s own functions alone.

use crate::ids::{Lsn, Slot};
use crate::outcome::{NO_INDEX, ResultCode};
use crate::slab::{Handle, Record, Slab};
use crate::wheel::{Linked, Links};

/// A resource. Used while its id is not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(align(32))]
pub(crate) struct ResourceRecord {
    pub(crate) resource_id: u128,
    /// Grows by one at each state transition.
    pub(crate) version: u64,
    /// The live reservation that has it; none while available.
    pub(crate) reservation: Handle,
    /// The next resource of the same reservation; the free link while unused.
    pub(crate) next_in_bundle: Handle,
}

/// R9: the states of a reservation. The numbers are stored, and spoken over the C ABI.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ReservationState {
    /// Held until its deadline.
    Reserved = 1,
    /// Held without a deadline.
    Confirmed = 2,
    /// The holder has lost its authority; the resources are not yet reusable.
    Revoking = 3,
    /// Given back by its holder. Terminal.
    Released = 4,
    /// Ended by time. Terminal.
    Expired = 5,
    /// Ended by an operator. Terminal.
    Revoked = 6,
}

impl ReservationState {
    /// Every state, in the order of the numbers.
    pub const ALL: [Self; 6] = [
        Self::Reserved,
        Self::Confirmed,
        Self::Revoking,
        Self::Released,
        Self::Expired,
        Self::Revoked,
    ];

    /// The state with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number.checked_sub(1)?)).copied()
    }

    /// Whether the reservation has its resources.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Reserved | Self::Confirmed | Self::Revoking)
    }

    /// The name, as in the documentation and in every language.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Revoking => "revoking",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A reservation. Used while its LSN is not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(align(64))]
pub(crate) struct ReservationRecord {
    pub(crate) holder_id: u128,
    /// R10: kept apart from the chain, which ends with the reservation's life.
    pub(crate) first_resource_id: u128,
    /// Low half of the id; when it was made.
    pub(crate) lsn: Lsn,
    /// A hold's deadline; once terminal, when it is gone; else 0.
    slot: Slot,
    /// A hold's neighbours in the expiration index; once terminal, the LSN of its end, in halves;
    /// `next` is the free link while unused.
    links: Links,
    /// Head of the chain through the resources; none once terminal.
    pub(crate) first_resource: Handle,
    pub(crate) resource_count: u16,
    state: ReservationState,
}

/// A remembered operation. Used while its LSN is not zero; its id becomes zero when the same id
/// comes again after the window and takes a record of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(align(64))]
pub(crate) struct OperationRecord {
    pub(crate) operation_id: u128,
    pub(crate) fingerprint: u64,
    /// Low half of the result's reservation id; 0 where it has none.
    pub(crate) reservation_lsn: Lsn,
    pub(crate) deadline_slot: Slot,
    pub(crate) applied_lsn: Lsn,
    pub(crate) retire_after_slot: Slot,
    /// Of its id, for its place in the index; the free link while unused.
    pub(crate) hash: u32,
    /// [`NO_FAILED_INDEX`] where no id of a bundle failed.
    pub(crate) failed_index: u16,
    pub(crate) code: ResultCode,
}

/// The 16-bit form of [`NO_INDEX`].
pub(crate) const NO_FAILED_INDEX: u16 = u16::MAX;

const _: () = assert!(size_of::<ResourceRecord>() == 32);
const _: () = assert!(size_of::<ReservationRecord>() == 64);
const _: () = assert!(size_of::<OperationRecord>() == 64);
const _: () = assert!(crate::config::BUNDLE_LEN_MAX < NO_FAILED_INDEX as u32);

/// How a reservation stands: what of its record changes with its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// A hold, freed by time at its deadline, and its neighbours in the expiration index.
    Reserved { deadline_slot: Slot, links: Links },
    /// Held without a deadline.
    Confirmed,
    /// No longer the holder's, and not yet free.
    Revoking,
    /// Ended, in one of the three terminal states.
    Ended {
        state: ReservationState,
        ended_lsn: Lsn,
        retire_after_slot: Slot,
    },
}

impl ReservationRecord {
    /// The state.
    #[inline]
    pub(crate) const fn state(&self) -> ReservationState {
        self.state
    }

    /// Lets it stand otherwise.
    #[inline]
    pub(crate) fn stand(&mut self, standing: Standing) {
        (self.state, self.slot, self.links) = match standing {
            Standing::Reserved {
                deadline_slot,
                links,
            } => (ReservationState::Reserved, deadline_slot, links),
            Standing::Confirmed => (ReservationState::Confirmed, Slot(0), Links::NONE),
            Standing::Revoking => (ReservationState::Revoking, Slot(0), Links::NONE),
            Standing::Ended {
                state,
                ended_lsn,
                retire_after_slot,
            } => {
                assert!(!state.is_live(), "an end is terminal");
                (state, retire_after_slot, links_of_lsn(ended_lsn))
            }
        };
    }

    /// A hold's deadline; 0 in every other state (R11).
    #[inline]
    pub(crate) const fn deadline_slot(&self) -> Slot {
        match self.state {
            ReservationState::Reserved => self.slot,
            _ => Slot(0),
        }
    }

    /// A hold's neighbours in the expiration index; none in every other state.
    #[inline]
    pub(crate) const fn links(&self) -> Links {
        match self.state {
            ReservationState::Reserved => self.links,
            _ => Links::NONE,
        }
    }

    /// The LSN at which it ended; 0 while it is live.
    #[inline]
    pub(crate) const fn ended_lsn(&self) -> Lsn {
        if self.state.is_live() {
            Lsn(0)
        } else {
            lsn_of_links(self.links)
        }
    }

    /// When it is gone; 0 while it is live.
    #[inline]
    pub(crate) const fn retire_after_slot(&self) -> Slot {
        if self.state.is_live() {
            Slot(0)
        } else {
            self.slot
        }
    }

    /// Whether it has ended and is gone at `slot`.
    #[inline]
    pub(crate) fn is_past(&self, slot: Slot) -> bool {
        !self.state.is_live() && slot >= self.slot
    }
}

#[allow(clippy::cast_possible_truncation, reason = "both halves are kept")]
const fn links_of_lsn(lsn: Lsn) -> Links {
    Links {
        previous: Handle((lsn.0 >> 32) as u32),
        next: Handle(lsn.0 as u32),
    }
}

const fn lsn_of_links(links: Links) -> Lsn {
    Lsn((links.previous.0 as u64) << 32 | links.next.0 as u64)
}

impl OperationRecord {
    /// The failed index in its 32-bit form.
    pub(crate) fn failed_index(&self) -> u32 {
        if self.failed_index == NO_FAILED_INDEX {
            NO_INDEX
        } else {
            self.failed_index.into()
        }
    }
}

impl Record for ResourceRecord {
    const EMPTY: Self = Self {
        resource_id: 0,
        version: 0,
        reservation: Handle::NONE,
        next_in_bundle: Handle::NONE,
    };

    fn free_link(&self) -> Handle {
        self.next_in_bundle
    }

    fn set_free_link(&mut self, next: Handle) {
        self.next_in_bundle = next;
    }

    fn is_used(&self) -> bool {
        self.resource_id != 0
    }
}

impl Record for ReservationRecord {
    const EMPTY: Self = Self {
        holder_id: 0,
        first_resource_id: 0,
        lsn: Lsn(0),
        slot: Slot(0),
        links: Links::NONE,
        first_resource: Handle::NONE,
        resource_count: 0,
        state: ReservationState::Released,
    };

    fn free_link(&self) -> Handle {
        self.links.next
    }

    fn set_free_link(&mut self, next: Handle) {
        self.links.next = next;
    }

    fn is_used(&self) -> bool {
        self.lsn.0 != 0
    }
}

impl Record for OperationRecord {
    const EMPTY: Self = Self {
        operation_id: 0,
        fingerprint: 0,
        reservation_lsn: Lsn(0),
        deadline_slot: Slot(0),
        applied_lsn: Lsn(0),
        retire_after_slot: Slot(0),
        hash: Handle::NONE.0,
        failed_index: NO_FAILED_INDEX,
        code: ResultCode::Done,
    };

    fn free_link(&self) -> Handle {
        Handle(self.hash)
    }

    fn set_free_link(&mut self, next: Handle) {
        self.hash = next.0;
    }

    fn is_used(&self) -> bool {
        self.applied_lsn.0 != 0
    }
}

impl Linked for Slab<ReservationRecord> {
    fn links(&self, handle: Handle) -> Links {
        self[handle].links()
    }

    fn links_mut(&mut self, handle: Handle) -> &mut Links {
        let record = &mut self[handle];
        assert!(
            record.state == ReservationState::Reserved,
            "only holds are in the expiration index"
        );
        &mut record.links
    }
}
