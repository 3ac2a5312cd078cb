//! The state machine's laws, one command at a time: every transition, legal and illegal, every
//! result code, every rejection, every bound. Random histories against a model are in the crate's
//! `tests` folder.

mod before_images;
mod bounds;
mod dedupe;
mod expiry;
mod invariants;
mod look_ahead;
mod reads;
mod retirement;
mod transitions;

use super::*;
use crate::command::ResourceIds;
use crate::ids::{HolderId, OperationId};
use crate::snapshot;

/// Roomy enough that nothing is full unless a test makes it so.
pub(super) fn config() -> Config {
    Config {
        database_id: 0xDB,
        shard_id: 3,
        hash_seed: 0x5EED,
        slot_duration_ms: 100,
        max_ttl_slots: 100,
        operation_window_slots: 50,
        history_window_slots: 20,
        max_resources: 16,
        max_reservations: 16,
        max_operations: 256,
        max_bundle_len: 4,
        max_expiration_bucket_len: 16,
        max_expirations_per_tick: 8,
    }
}

/// A state with a clock and a supply of operation ids.
pub(super) struct Fixture {
    pub(super) state: State,
    pub(super) slot: u64,
    pub(super) next_operation: u128,
}

pub(super) const ALICE: HolderId = HolderId(0xA11CE);
pub(super) const BOB: HolderId = HolderId(0xB0B);

impl Fixture {
    pub(super) fn new(config: Config) -> Self {
        let state = State::new(config).expect("a valid configuration");
        Self {
            state,
            slot: 1000,
            next_operation: 1,
        }
    }

    /// With resources 1 to `count`.
    pub(super) fn with_resources(config: Config, count: u128) -> Self {
        let mut fixture = Self::new(config);
        for id in 1..=count {
            assert_eq!(fixture.create(id).code, ResultCode::Done);
        }
        fixture
    }

    /// Applies an action under a fresh operation id.
    pub(super) fn run(&mut self, action: Action<'_>) -> Outcome {
        match self.apply(action) {
            Verdict::Outcome(outcome) => outcome,
            other => panic!("{action:?} was answered {other:?}"),
        }
    }

    pub(super) fn apply(&mut self, action: Action<'_>) -> Verdict {
        let operation_id = OperationId(self.next_operation);
        self.next_operation += 1;
        self.apply_command(Command {
            operation_id,
            valid_until_slot: Slot(0),
            action,
        })
    }

    pub(super) fn apply_command(&mut self, command: Command<'_>) -> Verdict {
        let before = self.state.last_lsn();
        let applied = self.state.apply(Slot(self.slot), &command);
        // R3: dense positions.
        assert_eq!(applied.lsn.0, before.0 + 1);
        self.state
            .check_invariants()
            .expect("every invariant holds after every command");
        applied.verdict
    }

    pub(super) fn create(&mut self, id: u128) -> Outcome {
        self.run(Action::CreateResource {
            resource_id: ResourceId(id),
        })
    }

    pub(super) fn delete(&mut self, id: u128) -> Outcome {
        self.run(Action::DeleteResource {
            resource_id: ResourceId(id),
        })
    }

    pub(super) fn reserve(&mut self, ids: &[u128], holder_id: HolderId, ttl_slots: u64) -> Outcome {
        let bytes: Vec<[u8; 16]> = ids.iter().map(|id| id.to_le_bytes()).collect();
        let resource_ids = ResourceIds::new(&bytes);
        self.run(Action::Reserve {
            resource_ids,
            holder_id,
            ttl_slots,
        })
    }

    /// Reserves for Alice and expects to get it.
    pub(super) fn hold(&mut self, ids: &[u128], ttl_slots: u64) -> ReservationId {
        let outcome = self.reserve(ids, ALICE, ttl_slots);
        assert_eq!(outcome.code, ResultCode::Done);
        outcome.reservation_id
    }

    pub(super) fn confirm(&mut self, reservation_id: ReservationId) -> Outcome {
        self.run(Action::Confirm {
            reservation_id,
            holder_id: ALICE,
        })
    }

    pub(super) fn release(&mut self, reservation_id: ReservationId) -> Outcome {
        self.run(Action::Release {
            reservation_id,
            holder_id: ALICE,
        })
    }

    pub(super) fn extend(&mut self, reservation_id: ReservationId, ttl_slots: u64) -> Outcome {
        self.run(Action::Extend {
            reservation_id,
            holder_id: ALICE,
            ttl_slots,
        })
    }

    pub(super) fn revoke(&mut self, reservation_id: ReservationId) -> Outcome {
        self.run(Action::Revoke { reservation_id })
    }

    pub(super) fn reclaim(&mut self, reservation_id: ReservationId) -> Outcome {
        self.run(Action::Reclaim { reservation_id })
    }

    /// Expires up to `limit`; returns how many.
    pub(super) fn expire(&mut self, limit: u32) -> u32 {
        let action = Action::ExpireDue { limit };
        let (operation_id, valid_until_slot) = (OperationId(0), Slot(0));
        match self.apply_command(Command {
            operation_id,
            valid_until_slot,
            action,
        }) {
            Verdict::Expired { count } => count,
            other => panic!("expire_due was answered {other:?}"),
        }
    }

    pub(super) fn resource(&self, id: u128) -> Resource {
        self.state
            .resource(ResourceId(id))
            .expect("the resource is there")
    }

    pub(super) fn found(&self, id: ReservationId) -> Reservation {
        match self.state.reservation(id) {
            Lookup::Found(reservation) => reservation,
            other => panic!("{id:?} is {other:?}"),
        }
    }

    /// Everything a caller can see but for operations, LSN and slot.
    pub(super) fn visible(&self) -> (Vec<Resource>, Vec<Reservation>) {
        let (mut resources, mut reservations) = (Vec::new(), Vec::new());
        let all = Filter::default();
        let rows = usize::MAX;
        assert_eq!(
            self.state
                .list_resources(&all, 0, rows, |row| resources.push(row)),
            0
        );
        assert_eq!(
            self.state
                .list_reservations(&all, 0, rows, |row| reservations.push(row)),
            0
        );
        (resources, reservations)
    }

    pub(super) fn image(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match snapshot::encode(&self.state, &mut bytes) {
            Ok(info) => assert_eq!(info.bytes, bytes.len() as u64),
        }
        bytes
    }
}
