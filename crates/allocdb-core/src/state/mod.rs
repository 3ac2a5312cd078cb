//! The state machine: everything a database remembers, and the one function that changes it.
//!
//! [`State::apply`] takes a slot and a command and answers; live commits, recovery and any other
//! driver call it alike. It is total: whatever well-formed command comes, in whatever state, it
//! answers deterministically and never half-way. Every check comes before every change.
//!
//! | file | subject |
//! |---|---|
//! | `create` | create_resource, delete_resource |
//! | `reserve` | reserve, one and bundle |
//! | `confirm` | confirm, extend |
//! | `release` | release, revoke, reclaim, and how a reservation ends |
//! | `expire` | expire_due |
//! | `operation` | dedupe: retries, conflicts, remembering |
//! | `retire` | taking memory back |
//! | `acceptance` | the pure judgement before logging |
//! | `hashes` | what a command hashes to, worked out once |
//! | `look_ahead` | loading what a commit will need |
//! | `before_images` | the state as it was when a snapshot in slices began |
//! | `query` | reads |
//! | `invariants` | the whole-state check for tests and recovery |
//!
//! Complexity: every command is O(1) but for its bundle (O(bundle)) and `expire_due`
//! (O(limit × bundle)); take-backs add a constant number of records a command.

mod acceptance;
mod before_images;
mod confirm;
mod create;
mod expire;
mod hashes;
mod invariants;
mod look_ahead;
mod operation;
mod query;
pub(crate) mod record;
mod release;
mod reserve;
mod retire;

use std::collections::TryReserveError;

use crate::command::{Action, Command};
use crate::config::{Config, ConfigError};
use crate::hash::{Digest, HashKey};
use crate::ids::{Lsn, ReservationId, ResourceId, Slot};
use crate::outcome::{Applied, NO_INDEX, Outcome, Rejection, ResultCode, Verdict};
use crate::retire_queue::RetireQueue;
use crate::slab::{Handle, Slab};
use crate::table::{Table as Index, Vacancy};
use crate::wheel::Wheel;
use record::{OperationRecord, ReservationRecord, ResourceRecord};

pub use acceptance::{Acceptance, Admission};
pub use hashes::Hashes;
pub use invariants::Broken;
pub use look_ahead::{Glance, STRIDE};
pub use query::{
    Filter, LIST_LOOK_MAX, Lookup, Reservation, Resource, ResourceState, TableUsage, Usage,
};
pub use record::ReservationState;

/// One database's state.
#[derive(Debug)]
pub struct State {
    pub(crate) config: Config,
    pub(crate) hash_key: HashKey,
    pub(crate) last_lsn: Lsn,
    pub(crate) last_slot: Slot,
    /// The highest reservation LSN whose memory was taken back.
    pub(crate) retired_watermark: Lsn,
    pub(crate) digest: Digest,
    pub(crate) resources: Slab<ResourceRecord>,
    pub(crate) resource_index: Index,
    pub(crate) reservations: Slab<ReservationRecord>,
    pub(crate) reservation_index: Index,
    pub(crate) operations: Slab<OperationRecord>,
    pub(crate) operation_index: Index,
    pub(crate) wheel: Wheel,
    pub(crate) reservation_queue: RetireQueue,
    pub(crate) operation_queue: RetireQueue,
}

/// Why a state could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateError {
    /// A field of the configuration is out of bounds.
    Config(ConfigError),
    /// The memory that the configuration needs is not to be had.
    NoMemory {
        /// How much it needs, [`State::memory_bytes`].
        bytes: u64,
    },
}

impl core::fmt::Display for StateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::NoMemory { bytes } => {
                write!(f, "the configuration needs {bytes} bytes of memory")
            }
        }
    }
}

impl core::error::Error for StateError {}

/// What executing an action decided, before it has a place in the log.
#[derive(Clone, Copy, Debug)]
struct Execution {
    code: ResultCode,
    reservation_id: ReservationId,
    deadline_slot: Slot,
    failed_index: u32,
}

impl Execution {
    /// The action took effect and has nothing to tell.
    const DONE: Self = Self::failed(ResultCode::Done);

    /// State ruled the action out.
    const fn failed(code: ResultCode) -> Self {
        let (reservation_id, deadline_slot) = (ReservationId(0), Slot(0));
        Self {
            code,
            reservation_id,
            deadline_slot,
            failed_index: NO_INDEX,
        }
    }

    /// The action took effect on this reservation.
    const fn done(reservation_id: ReservationId, deadline_slot: Slot) -> Self {
        Self {
            reservation_id,
            deadline_slot,
            ..Self::DONE
        }
    }
}

impl State {
    /// An empty state. R86, R87: reserves all the memory it will ever use.
    pub fn new(config: Config) -> Result<Self, StateError> {
        config.validate().map_err(StateError::Config)?;
        let bytes = Self::memory_bytes(&config);
        Self::reserve_all(config).map_err(|_| StateError::NoMemory { bytes })
    }

    fn reserve_all(config: Config) -> Result<Self, TryReserveError> {
        Ok(Self {
            hash_key: HashKey::new(config.hash_seed),
            last_lsn: Lsn(0),
            last_slot: Slot(0),
            retired_watermark: Lsn(0),
            digest: Digest::default(),
            resources: Slab::new(config.max_resources)?,
            resource_index: Index::new(config.max_resources)?,
            reservations: Slab::new(config.max_reservations)?,
            reservation_index: Index::new(config.max_reservations)?,
            operations: Slab::new(config.max_operations)?,
            operation_index: Index::new(config.max_operations)?,
            wheel: Wheel::new(config.max_ttl_slots, config.max_expiration_bucket_len)?,
            reservation_queue: RetireQueue::new(config.max_reservations)?,
            operation_queue: RetireQueue::new(config.max_operations)?,
            config,
        })
    }

    /// R91: bytes that a state of this (valid) configuration reserves: a pure function, to be shown
    /// before anything is allocated.
    #[must_use]
    pub fn memory_bytes(config: &Config) -> u64 {
        let Config {
            max_resources,
            max_reservations,
            max_operations,
            ..
        } = *config;
        let slabs = Slab::<ResourceRecord>::memory_bytes(max_resources)
            + Slab::<ReservationRecord>::memory_bytes(max_reservations)
            + Slab::<OperationRecord>::memory_bytes(max_operations);
        let indexes = Index::memory_bytes(max_resources)
            + Index::memory_bytes(max_reservations)
            + Index::memory_bytes(max_operations);
        let queues =
            RetireQueue::memory_bytes(max_reservations) + RetireQueue::memory_bytes(max_operations);
        slabs + indexes + queues + Wheel::memory_bytes(config.max_ttl_slots)
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The log position of the last applied command.
    #[must_use]
    pub const fn last_lsn(&self) -> Lsn {
        self.last_lsn
    }

    /// The slot of the last applied command.
    #[must_use]
    pub const fn last_slot(&self) -> Slot {
        self.last_slot
    }

    /// The digest over everything applied.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Applies one command at `slot`, or at the last slot where that is later, under the next LSN.
    ///
    /// Total and deterministic (R68, R71). A command that acceptance would have refused gets its
    /// rejection as the answer and changes nothing else, so logs ordered elsewhere may carry such
    /// commands.
    pub fn apply(&mut self, slot: Slot, command: &Command<'_>) -> Applied {
        let hashes = self.hashes(command);
        self.apply_hashed(slot, command, &hashes)
    }

    /// [`State::apply`] for those who have the command's [`State::hashes`] at hand.
    pub fn apply_hashed(&mut self, slot: Slot, command: &Command<'_>, hashes: &Hashes) -> Applied {
        debug_assert_eq!(*hashes, self.hashes(command), "of this very command");
        // R5: an older slot counts as the last one. R3, R4: positions are dense and end.
        let slot = slot.max(self.last_slot);
        let Some(lsn) = self.last_lsn.after(1) else {
            let verdict = Verdict::Rejected(Rejection::LsnExhausted);
            return Applied {
                lsn: self.last_lsn,
                verdict,
            };
        };
        let verdict = self.verdict(slot, lsn, command, hashes);
        assert!(lsn > self.last_lsn, "log positions grow");
        self.last_lsn = lsn;
        let applied = Applied { lsn, verdict };
        self.absorb(&applied);
        applied
    }

    fn verdict(&mut self, slot: Slot, lsn: Lsn, command: &Command<'_>, hashes: &Hashes) -> Verdict {
        if let Err(rejection) = self.check_form(slot, command) {
            return Verdict::Rejected(rejection);
        }
        self.wheel.advance(&mut self.reservations, slot);
        self.last_slot = slot;
        self.take_back_some();
        match command.action {
            Action::ExpireDue { limit } => Verdict::Expired {
                count: self.expire_due(lsn, limit),
            },
            _ => match self.apply_client(lsn, command, hashes) {
                Ok(outcome) => Verdict::Outcome(outcome),
                Err(rejection) => Verdict::Rejected(rejection),
            },
        }
    }

    /// What command, configuration and slot decide (R6, R24 to R27).
    fn check_form(&self, slot: Slot, command: &Command<'_>) -> Result<(), Rejection> {
        command.check(&self.config)?;
        let bound = self.config.slot_max();
        if slot > bound {
            return Err(Rejection::SlotOverflow { slot, bound });
        }
        Ok(())
    }

    /// R28 to R33: the checks in their order. R22: all of them come before the first change.
    fn apply_client(
        &mut self,
        lsn: Lsn,
        command: &Command<'_>,
        hashes: &Hashes,
    ) -> Result<Outcome, Rejection> {
        let earlier = self.search_operation(command.operation_id, hashes.operation);
        if let Ok(handle) = earlier
            && let Some(repeated) = self.repeated(handle, hashes.fingerprint, self.last_slot)
        {
            return repeated;
        }
        self.check_validity(command.valid_until_slot, self.last_slot)?;
        self.check_operation_room()?;
        let vacancy = self.check_placement(command, hashes, earlier, lsn)?;
        let execution = self.execute(lsn, &command.action, hashes.target, vacancy);
        self.remember(lsn, command.operation_id, hashes, earlier, &execution);
        Ok(Outcome {
            lsn,
            code: execution.code,
            reservation_id: execution.reservation_id,
            deadline_slot: execution.deadline_slot,
            failed_index: execution.failed_index,
            from_retry_cache: false,
        })
    }

    /// `vacancy`: where a reserve's reservation goes.
    #[inline]
    fn execute(
        &mut self,
        lsn: Lsn,
        action: &Action<'_>,
        target_hash: u32,
        vacancy: Option<Vacancy>,
    ) -> Execution {
        match *action {
            Action::CreateResource { resource_id } => {
                self.create_resource(resource_id, target_hash)
            }
            Action::DeleteResource { resource_id } => {
                self.delete_resource(resource_id, target_hash)
            }
            Action::Reserve {
                resource_ids,
                holder_id,
                ttl_slots,
            } => {
                let vacancy = vacancy.expect("a reserve's placement is checked before");
                let resources = (resource_ids, target_hash);
                self.reserve((lsn, vacancy), resources, holder_id, ttl_slots)
            }
            Action::Confirm {
                reservation_id,
                holder_id,
            } => self.confirm(reservation_id, target_hash, holder_id),
            Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            } => self.extend(reservation_id, target_hash, holder_id, ttl_slots),
            Action::Release {
                reservation_id,
                holder_id,
            } => self.release(lsn, reservation_id, target_hash, holder_id),
            Action::Revoke { reservation_id } => self.revoke(reservation_id, target_hash),
            Action::Reclaim { reservation_id } => self.reclaim(lsn, reservation_id, target_hash),
            Action::ExpireDue { .. } => unreachable!("applied before the client commands"),
        }
    }

    /// R70: takes an answer into the digest, every field of it.
    fn absorb(&mut self, applied: &Applied) {
        self.digest.word(applied.lsn.0);
        match applied.verdict {
            Verdict::Outcome(outcome) => {
                let code = (outcome.code as u64) << 1 | u64::from(outcome.from_retry_cache);
                self.digest
                    .word(1 << 56 | code << 32 | u64::from(outcome.failed_index));
                self.digest.word(outcome.lsn.0);
                self.digest.word(outcome.reservation_id.lsn().0);
                self.digest.word(outcome.deadline_slot.0);
            }
            Verdict::Expired { count } => self.digest.word(2 << 56 | u64::from(count)),
            Verdict::Rejected(rejection) => {
                self.digest.word(3 << 56 | u64::from(rejection.status()));
            }
        }
    }

    /// The record of a resource whose id has this hash.
    #[inline]
    pub(crate) fn find_resource(&self, resource_id: ResourceId, hash: u32) -> Option<Handle> {
        self.search_resource(resource_id, hash).ok()
    }

    /// The record of a resource whose id has this hash, or where a new one's key would go.
    #[inline]
    fn search_resource(&self, resource_id: ResourceId, hash: u32) -> Result<Handle, Vacancy> {
        let is_match = |handle| self.resources[handle].resource_id == resource_id.0;
        self.resource_index.search(hash, is_match)
    }

    /// The record of a reservation of this shard, retired or not, whose LSN has this hash.
    #[inline]
    pub(crate) fn find_reservation(
        &self,
        reservation_id: ReservationId,
        hash: u32,
    ) -> Option<Handle> {
        if reservation_id.shard_id() != self.config.shard_id {
            return None;
        }
        let lsn = reservation_id.lsn();
        let is_match = |handle| self.reservations[handle].lsn == lsn;
        self.reservation_index.find(hash, is_match)
    }

    pub(crate) fn reservation_id(&self, lsn: Lsn) -> ReservationId {
        ReservationId::new(self.config.shard_id, lsn)
    }
}

#[cfg(test)]
mod tests;
