//! The three kinds of record, and how they share their bytes.
//!
//! R7: a resource keeps no state of its own: it is whatever its reservation is, so the two can
//! never disagree. A reservation stores only the low half of its id (the high half is the shard,
//! the same for all), its place in the expiration index, and the first of a chain through its
//! resources. An operation stores the answer that a retry gets.
//!
//! Sizes are part of what a configuration costs, hence asserted. Resources and operations are
//! aligned to their sizes: no record lies in two cache lines, wherever its slab begins.

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
pub(crate) struct ReservationRecord {
    pub(crate) holder_id: u128,
    /// R10: kept apart from the chain, which ends with the reservation's life.
    pub(crate) first_resource_id: u128,
    /// Low half of the id; when it was made.
    pub(crate) lsn: Lsn,
    /// When it may be freed by time; 0 once confirmed.
    pub(crate) deadline_slot: Slot,
    pub(crate) ended_lsn: Lsn,
    pub(crate) retire_after_slot: Slot,
    /// Neighbours in the expiration index; `next` is the free link while unused.
    pub(crate) links: Links,
    /// Head of the chain through the resources; none once terminal.
    pub(crate) first_resource: Handle,
    pub(crate) resource_count: u16,
    pub(crate) state: ReservationState,
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
    pub(crate) free_link: Handle,
    /// [`NO_FAILED_INDEX`] where no id of a bundle failed.
    pub(crate) failed_index: u16,
    pub(crate) code: ResultCode,
}

/// The 16-bit form of [`NO_INDEX`].
pub(crate) const NO_FAILED_INDEX: u16 = u16::MAX;

const _: () = assert!(size_of::<ResourceRecord>() == 32);
const _: () = assert!(size_of::<ReservationRecord>() == 80);
const _: () = assert!(size_of::<OperationRecord>() == 64);
const _: () = assert!(crate::config::BUNDLE_LEN_MAX < NO_FAILED_INDEX as u32);

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
        deadline_slot: Slot(0),
        ended_lsn: Lsn(0),
        retire_after_slot: Slot(0),
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
        free_link: Handle::NONE,
        failed_index: NO_FAILED_INDEX,
        code: ResultCode::Done,
    };

    fn free_link(&self) -> Handle {
        self.free_link
    }

    fn set_free_link(&mut self, next: Handle) {
        self.free_link = next;
    }

    fn is_used(&self) -> bool {
        self.applied_lsn.0 != 0
    }
}

impl Linked for Slab<ReservationRecord> {
    fn links(&self, handle: Handle) -> Links {
        self[handle].links
    }

    fn links_mut(&mut self, handle: Handle) -> &mut Links {
        &mut self[handle].links
    }
}
