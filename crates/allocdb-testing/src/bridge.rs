//! From the model's words to the core's and back: each name beside its other name, once.
//!
//! Model and core share no type, so that neither can lend the other a mistake. Whatever compares
//! them brings the core's answer here into the model's words; the way there, for commands, lends
//! the core a bundle in bytes, as it wants one. Where the core says more than the rules do,
//! nothing is lost on the way: a rejection's every field is there to be compared.

use allocdb_core as core;
use core::outcome::{NO_INDEX, Rejection as CoreRejection};
use core::state as rows;
use core::{HolderId, OperationId, ReservationId, ResourceId, ResourceIds, Slot, State};

use crate::model::{
    Action, Admission, Applied, Bounds, Code, Command, Lookup, Outcome, Rejection, Reservation,
    ReservationState, Resource, ResourceState, Verdict,
};
use crate::workload::View;

/// A bundle in the core's form; the memory of one serves for any number of commands.
pub type BundleBytes = Vec<[u8; 16]>;

/// A configuration with these bounds.
#[must_use]
pub fn config(bounds: &Bounds, database_id: u128, hash_seed: u64) -> core::Config {
    core::Config {
        database_id,
        shard_id: bounds.shard_id,
        hash_seed,
        slot_duration_ms: 1000,
        max_ttl_slots: bounds.max_ttl_slots,
        operation_window_slots: bounds.operation_window_slots,
        history_window_slots: bounds.history_window_slots,
        max_resources: bounds.max_resources,
        max_reservations: bounds.max_reservations,
        max_operations: bounds.max_operations,
        max_bundle_len: bounds.max_bundle_len,
        max_expiration_bucket_len: bounds.max_expiration_bucket_len,
        max_expirations_per_tick: bounds.max_expirations_per_tick,
    }
}

/// What of a configuration the model lives by.
#[must_use]
pub fn bounds(config: &core::Config) -> Bounds {
    Bounds {
        shard_id: config.shard_id,
        max_ttl_slots: config.max_ttl_slots,
        operation_window_slots: config.operation_window_slots,
        history_window_slots: config.history_window_slots,
        max_resources: config.max_resources,
        max_reservations: config.max_reservations,
        max_operations: config.max_operations,
        max_bundle_len: config.max_bundle_len,
        max_expiration_bucket_len: config.max_expiration_bucket_len,
        max_expirations_per_tick: config.max_expirations_per_tick,
    }
}

/// The core's form of a command, its bundle in `bundle`.
pub fn command<'a>(command: &Command, bundle: &'a mut BundleBytes) -> core::Command<'a> {
    core::Command {
        operation_id: OperationId(command.operation_id),
        valid_until_slot: Slot(command.valid_until_slot),
        action: action(&command.action, bundle),
    }
}

fn action<'a>(action: &Action, bundle: &'a mut BundleBytes) -> core::Action<'a> {
    match *action {
        Action::CreateResource { resource_id } => core::Action::CreateResource {
            resource_id: ResourceId(resource_id),
        },
        Action::DeleteResource { resource_id } => core::Action::DeleteResource {
            resource_id: ResourceId(resource_id),
        },
        Action::Reserve {
            ref resource_ids,
            holder_id,
            ttl_slots,
        } => {
            bundle.clear();
            bundle.extend(resource_ids.iter().map(|id| id.to_le_bytes()));
            core::Action::Reserve {
                resource_ids: ResourceIds::new(bundle),
                holder_id: HolderId(holder_id),
                ttl_slots,
            }
        }
        Action::Confirm {
            reservation_id,
            holder_id,
        } => core::Action::Confirm {
            reservation_id: ReservationId(reservation_id),
            holder_id: HolderId(holder_id),
        },
        Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        } => core::Action::Extend {
            reservation_id: ReservationId(reservation_id),
            holder_id: HolderId(holder_id),
            ttl_slots,
        },
        Action::Release {
            reservation_id,
            holder_id,
        } => core::Action::Release {
            reservation_id: ReservationId(reservation_id),
            holder_id: HolderId(holder_id),
        },
        Action::Revoke { reservation_id } => core::Action::Revoke {
            reservation_id: ReservationId(reservation_id),
        },
        Action::Reclaim { reservation_id } => core::Action::Reclaim {
            reservation_id: ReservationId(reservation_id),
        },
        Action::ExpireDue { limit } => core::Action::ExpireDue { limit },
    }
}

/// A command of the core, as one that a log holds, in the model's words.
#[must_use]
pub fn command_of(command: &core::Command<'_>) -> Command {
    let action = match command.action {
        core::Action::CreateResource { resource_id } => Action::CreateResource {
            resource_id: resource_id.0,
        },
        core::Action::DeleteResource { resource_id } => Action::DeleteResource {
            resource_id: resource_id.0,
        },
        core::Action::Reserve {
            resource_ids,
            holder_id,
            ttl_slots,
        } => Action::Reserve {
            resource_ids: resource_ids.iter().map(|id| id.0).collect(),
            holder_id: holder_id.0,
            ttl_slots,
        },
        core::Action::Confirm {
            reservation_id,
            holder_id,
        } => Action::Confirm {
            reservation_id: reservation_id.0,
            holder_id: holder_id.0,
        },
        core::Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        } => Action::Extend {
            reservation_id: reservation_id.0,
            holder_id: holder_id.0,
            ttl_slots,
        },
        core::Action::Release {
            reservation_id,
            holder_id,
        } => Action::Release {
            reservation_id: reservation_id.0,
            holder_id: holder_id.0,
        },
        core::Action::Revoke { reservation_id } => Action::Revoke {
            reservation_id: reservation_id.0,
        },
        core::Action::Reclaim { reservation_id } => Action::Reclaim {
            reservation_id: reservation_id.0,
        },
        core::Action::ExpireDue { limit } => Action::ExpireDue { limit },
    };
    Command {
        operation_id: command.operation_id.0,
        valid_until_slot: command.valid_until_slot.0,
        action,
    }
}

/// What applying did.
#[must_use]
pub fn applied(applied: &core::Applied) -> Applied {
    Applied {
        lsn: applied.lsn.0,
        verdict: match applied.verdict {
            core::Verdict::Outcome(said) => Verdict::Outcome(outcome(&said)),
            core::Verdict::Expired { count } => Verdict::Expired { count },
            core::Verdict::Rejected(said) => Verdict::Rejected(rejection(&said)),
        },
    }
}

/// A result.
#[must_use]
pub fn outcome(outcome: &core::Outcome) -> Outcome {
    let index = outcome.failed_index;
    Outcome {
        lsn: outcome.lsn.0,
        code: code(outcome.code),
        reservation_id: outcome.reservation_id.0,
        deadline_slot: outcome.deadline_slot.0,
        failed_index: (index != NO_INDEX).then_some(index),
        from_retry_cache: outcome.from_retry_cache,
    }
}

/// What state decided.
#[must_use]
pub fn code(code: core::ResultCode) -> Code {
    use core::ResultCode as C;
    match code {
        C::Done => Code::Done,
        C::ResourceExists => Code::ResourceExists,
        C::ResourceTableFull => Code::ResourceTableFull,
        C::ResourceNotFound => Code::ResourceNotFound,
        C::ResourceBusy => Code::ResourceBusy,
        C::ReservationTableFull => Code::ReservationTableFull,
        C::ExpirationIndexFull => Code::ExpirationIndexFull,
        C::ReservationNotFound => Code::ReservationNotFound,
        C::ReservationRetired => Code::ReservationRetired,
        C::HolderMismatch => Code::HolderMismatch,
        C::InvalidState => Code::InvalidState,
    }
}

/// A refusal with all that it tells.
#[must_use]
pub fn rejection(rejection: &CoreRejection) -> Rejection {
    use CoreRejection as C;
    match *rejection {
        C::Malformed { field } => Rejection::Malformed { field },
        C::BundleTooLarge { len, bound } => Rejection::BundleTooLarge { len, bound },
        C::DuplicateResource { resource_id } => Rejection::DuplicateResource {
            resource_id: resource_id.0,
        },
        C::TtlOutOfRange { ttl_slots, bound } => Rejection::TtlOutOfRange { ttl_slots, bound },
        C::SlotOverflow { slot, bound } => Rejection::SlotOverflow {
            slot: slot.0,
            bound: bound.0,
        },
        C::OperationExpired {
            slot,
            valid_until_slot,
        } => Rejection::OperationExpired {
            slot: slot.0,
            valid_until_slot: valid_until_slot.0,
        },
        C::ValidUntilOutOfRange {
            valid_until_slot,
            bound,
        } => Rejection::ValidUntilOutOfRange {
            valid_until_slot: valid_until_slot.0,
            bound: bound.0,
        },
        C::OperationConflict { lsn } => Rejection::OperationConflict { lsn: lsn.0 },
        C::OperationTableFull {
            capacity,
            window_slots,
        } => Rejection::OperationTableFull {
            capacity,
            window_slots,
        },
        C::PlacementExceeded { table } => Rejection::Overloaded {
            table: table.name(),
        },
        C::LsnExhausted => Rejection::LsnExhausted,
        other => unreachable!("a rejection that the rules do not know: {other:?}"),
    }
}

/// What acceptance said.
#[must_use]
pub fn admission(admission: &rows::Admission) -> Admission {
    match *admission {
        rows::Admission::New { lsn } => Admission::New { lsn: lsn.0 },
        rows::Admission::Retry(said) => Admission::Retry(outcome(&said)),
        rows::Admission::RetryOf { tag } => Admission::RetryOf { tag },
        rows::Admission::Rejected(said) => Admission::Rejected(rejection(&said)),
    }
}

/// A resource's row.
#[must_use]
pub fn resource(row: &rows::Resource) -> Resource {
    Resource {
        resource_id: row.resource_id.0,
        state: resource_state(row.state),
        reservation_id: row.reservation_id.0,
        holder_id: row.holder_id.0,
        version: row.version,
    }
}

/// R7.
#[must_use]
pub fn resource_state(state: rows::ResourceState) -> ResourceState {
    match state {
        rows::ResourceState::Available => ResourceState::Available,
        rows::ResourceState::Reserved => ResourceState::Reserved,
        rows::ResourceState::Confirmed => ResourceState::Confirmed,
        rows::ResourceState::Revoking => ResourceState::Revoking,
    }
}

/// R9.
#[must_use]
pub fn reservation_state(state: rows::ReservationState) -> ReservationState {
    match state {
        rows::ReservationState::Reserved => ReservationState::Reserved,
        rows::ReservationState::Confirmed => ReservationState::Confirmed,
        rows::ReservationState::Revoking => ReservationState::Revoking,
        rows::ReservationState::Released => ReservationState::Released,
        rows::ReservationState::Expired => ReservationState::Expired,
        rows::ReservationState::Revoked => ReservationState::Revoked,
    }
}

/// A reservation's row.
#[must_use]
pub fn reservation(row: &rows::Reservation) -> Reservation {
    Reservation {
        reservation_id: row.reservation_id.0,
        holder_id: row.holder_id.0,
        state: reservation_state(row.state),
        resource_count: row.resource_count,
        first_resource_id: row.first_resource_id.0,
        created_lsn: row.created_lsn.0,
        deadline_slot: row.deadline_slot.0,
        ended_lsn: row.ended_lsn.0,
        retire_after_slot: row.retire_after_slot.0,
    }
}

/// What a lookup found.
#[must_use]
pub fn lookup(lookup: &rows::Lookup<rows::Reservation>) -> Lookup {
    match lookup {
        rows::Lookup::Found(row) => Lookup::Found(reservation(row)),
        rows::Lookup::NotFound => Lookup::NotFound,
        rows::Lookup::Retired => Lookup::Retired,
    }
}

/// A state that no model stands beside, as one read from a snapshot, shows itself.
impl View for State {
    fn last_lsn(&self) -> u64 {
        State::last_lsn(self).0
    }

    fn resource_state(&self, id: u128) -> Option<ResourceState> {
        let row = self.resource(ResourceId(id))?;
        Some(resource_state(row.state))
    }

    fn reservation_state(&self, id: u128) -> Option<ReservationState> {
        match self.reservation(ReservationId(id)) {
            rows::Lookup::Found(row) => Some(reservation_state(row.state)),
            rows::Lookup::NotFound | rows::Lookup::Retired => None,
        }
    }
}
