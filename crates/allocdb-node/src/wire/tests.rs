//! What the tests of the byte API share: made-up requests, and an engine of a few lines.
//!
//! [`Plain`] is a [`Target`] over the core's state without storage, threads or time: it commits at
//! once, counts commits, and fails where a test tells it to. So failures in the middle of a call
//! are exact and repeatable; the same calls over the real engine stand with the engine's tests.

mod calls;
mod damage;
mod engine;
mod golden;
mod group;
mod round_trip;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use allocdb_core::codec::{decode_record, encode_record};
use allocdb_core::command::{Action, Command, ResourceIds};
use allocdb_core::config::Config;
use allocdb_core::ids::{HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot};
use allocdb_core::outcome::{Outcome, Rejection, Verdict};
use allocdb_core::state::{Acceptance, Admission, State};

use super::execute::{Target, call};
use super::failure::CallError;
use super::message::Kind;
use super::request::{self, Body, Listing, Request};
use super::response::{self, Bounds};
use crate::batch::Batch;
use crate::error::{CheckpointError, ReadError, SubmitError};
use crate::halt::HaltReason;
use crate::health::Health;
use crate::report::{CheckpointReport, RecoveryReport, TickResult};

/// A small database.
pub(super) fn small_config() -> Config {
    Config {
        database_id: 0x00a1_10cd_b000,
        shard_id: 7,
        hash_seed: 42,
        slot_duration_ms: 100,
        max_ttl_slots: 1000,
        operation_window_slots: 50,
        history_window_slots: 50,
        max_resources: 64,
        max_reservations: 64,
        max_operations: 256,
        max_bundle_len: 4,
        max_expiration_bucket_len: 64,
        max_expirations_per_tick: 16,
    }
}

/// The bounds of [`Plain`] unless a test narrows them.
pub(super) fn small_bounds() -> Bounds {
    Bounds {
        config: small_config(),
        max_batch_commands: 100,
        max_queue: 10,
        max_batch_bytes: 32 << 10,
    }
}

/// An engine without a world.
pub(super) struct Plain {
    pub(super) bounds: Bounds,
    pub(super) state: RefCell<State>,
    /// Answers of the next submissions; `None` and the end of the list carry out.
    pub(super) script: RefCell<VecDeque<Option<SubmitError>>>,
    /// The slot of every commit so far.
    pub(super) commits: RefCell<Vec<Slot>>,
    pub(super) slot_now: Slot,
    /// A submission with a later slot leaps.
    pub(super) slot_leap_bound: Slot,
    pub(super) halted: Cell<Option<HaltReason>>,
}

impl Plain {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: RefCell::new(State::new(bounds.config).expect("a small configuration")),
            script: RefCell::default(),
            commits: RefCell::default(),
            slot_now: Slot(1000),
            slot_leap_bound: Slot(u64::MAX),
            halted: Cell::new(None),
        }
    }

    /// A call with a buffer of just the size that is needed.
    pub(super) fn call(&self, request: &[u8]) -> Result<Vec<u8>, CallError> {
        let needed = super::execute::response_bound(&self.bounds.config, request)?;
        let mut out = vec![0xEE; needed];
        let len = call(self, request, &mut out)?;
        assert!(len <= needed);
        out.truncate(len);
        Ok(out)
    }

    fn carry_out(&self, slot: Slot, batch: &mut dyn Batch) {
        let mut state = self.state.borrow_mut();
        let slot = slot.max(state.last_slot());
        let count = u32::try_from(batch.len()).expect("bounded");
        let mut acceptance = Acceptance::new(count).expect("memory");
        acceptance.begin(&state, slot, false);
        let mut record = vec![0; allocdb_core::codec::RECORD_BYTES_MAX];
        let (mut log, mut settled) = (Vec::new(), Vec::<Option<Outcome>>::new());
        for tag in 0..count {
            let command = batch.command(tag as usize).expect("checked by the call");
            match acceptance.admit(&state, &command, tag) {
                Admission::New { .. } => {
                    let len = encode_record(&command, &mut record).expect("room");
                    log.push((tag, record[..len].to_vec()));
                }
                Admission::Retry(outcome) => batch.settle(tag as usize, Ok(outcome)),
                Admission::RetryOf { tag: first } => {
                    log.push((tag, vec![u8::try_from(first).expect("a small batch")]));
                }
                Admission::Rejected(rejection) => batch.settle(tag as usize, Err(rejection)),
            }
            settled.push(None);
        }
        for (tag, bytes) in &log {
            let outcome = match decode_record(bytes) {
                Some((command, _)) => match state.apply(slot, &command).verdict {
                    Verdict::Outcome(outcome) => outcome,
                    other => panic!("admitted, then {other:?}"),
                },
                None => Outcome {
                    from_retry_cache: true,
                    ..settled[usize::from(bytes[0])].expect("earlier")
                },
            };
            settled[*tag as usize] = Some(outcome);
            batch.settle(*tag as usize, Ok(outcome));
        }
        if acceptance.new_count() > 0 {
            self.commits.borrow_mut().push(slot);
        }
    }
}

impl Target for Plain {
    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn slot_now(&self) -> Slot {
        self.slot_now
    }

    fn submit(&self, slot: Option<Slot>, batch: &mut dyn Batch) -> Result<(), SubmitError> {
        assert!(batch.len() <= self.bounds.max_batch_commands as usize);
        if let Some(reason) = self.halted.get() {
            return Err(SubmitError::Halted { reason });
        }
        if let Some(error) = self.script.borrow_mut().pop_front().flatten() {
            if let SubmitError::StorageFailure { error } = error {
                self.halted.set(Some(HaltReason::Storage(error)));
            }
            return Err(error);
        }
        let slot = slot.unwrap_or(self.slot_now);
        if slot > self.slot_leap_bound {
            return Err(SubmitError::SlotLeap {
                slot,
                bound: self.slot_leap_bound,
            });
        }
        self.carry_out(slot, batch);
        Ok(())
    }

    fn tick(&self, slot: Option<Slot>, limit: u32) -> Result<TickResult, SubmitError> {
        if let Some(reason) = self.halted.get() {
            return Err(SubmitError::Halted { reason });
        }
        let mut state = self.state.borrow_mut();
        let slot = slot.unwrap_or(self.slot_now).max(state.last_slot());
        let bound = self.bounds.config.max_expirations_per_tick;
        let limit = if limit == 0 { bound } else { limit.min(bound) };
        if !state.is_due(slot) {
            return Ok(TickResult {
                slot: state.last_slot(),
                ..TickResult::default()
            });
        }
        let command = Command {
            operation_id: OperationId(0),
            valid_until_slot: Slot(0),
            action: Action::ExpireDue { limit },
        };
        let applied = state.apply(slot, &command);
        let Verdict::Expired { count } = applied.verdict else {
            panic!("an expire_due expires");
        };
        let due_count = state.usage(slot).expiration_backlog.into();
        Ok(TickResult {
            lsn: applied.lsn,
            slot,
            expired_count: count,
            due_count,
        })
    }

    fn read<R>(&self, required_lsn: Lsn, look: impl FnOnce(&State) -> R) -> Result<R, ReadError> {
        let state = self.state.borrow();
        let applied = state.last_lsn();
        match self.halted.get() {
            Some(reason) => Err(ReadError::Halted { reason }),
            None if applied < required_lsn => Err(ReadError::FenceNotApplied {
                required: required_lsn,
                applied,
            }),
            None => Ok(look(&state)),
        }
    }

    fn health(&self, slot: Option<Slot>) -> Health {
        let state = self.state.borrow();
        Health {
            accepting_writes: self.halted.get().is_none(),
            halt: self.halted.get(),
            last_lsn: state.last_lsn(),
            logical_slot_lag: slot.map_or(0, |slot| slot.0.saturating_sub(state.last_slot().0)),
            commits: self.commits.borrow().len() as u64,
            ..Health::default()
        }
    }

    fn recovery_report(&self) -> RecoveryReport {
        RecoveryReport::default()
    }

    fn checkpoint(&self) -> Result<CheckpointReport, CheckpointError> {
        match self.halted.get() {
            Some(reason) => Err(CheckpointError::Halted { reason }),
            None => Ok(CheckpointReport {
                anchor_lsn: self.state.borrow().last_lsn(),
                written: true,
                ..CheckpointReport::default()
            }),
        }
    }
}

/// The bytes of one request.
pub(super) fn bytes_of(request: &Request<'_>) -> Vec<u8> {
    let mut out = vec![0xEE; request::encoded_len(request)];
    let len = request::encode(request, &mut out).expect("a request that can be encoded");
    assert!(len == out.len());
    out
}

/// The bytes of a call.
pub(super) fn call_of(requests: &[Request<'_>]) -> Vec<u8> {
    requests.iter().flat_map(bytes_of).collect()
}

/// A command request with the tag of its operation.
pub(super) fn command(slot: u64, operation_id: u128, action: Action<'_>) -> Request<'_> {
    let command = Command {
        operation_id: OperationId(operation_id),
        valid_until_slot: Slot(0),
        action,
    };
    let tag = u64::try_from(operation_id).expect("a small number");
    Request {
        tag,
        body: Body::Command {
            slot: Slot(slot),
            command,
        },
    }
}

/// A create_resource.
pub(super) fn create(slot: u64, operation_id: u128, resource_id: u128) -> Request<'static> {
    let resource_id = ResourceId(resource_id);
    command(slot, operation_id, Action::CreateResource { resource_id })
}

/// A reserve by holder 9 for 10 slots.
pub(super) fn reserve(slot: u64, operation_id: u128, ids: &[[u8; 16]]) -> Request<'_> {
    let resource_ids = ResourceIds::new(ids);
    let (holder_id, ttl_slots) = (HolderId(9), 10);
    command(
        slot,
        operation_id,
        Action::Reserve {
            resource_ids,
            holder_id,
            ttl_slots,
        },
    )
}

/// A read that names nothing but what it reads.
pub(super) fn read(tag: u64, body: Body<'_>) -> Request<'_> {
    Request { tag, body }
}

/// A get_resource without a fence.
pub(super) fn get(tag: u64, resource_id: u128) -> Request<'static> {
    let body = Body::GetResource {
        required_lsn: Lsn(0),
        resource_id: ResourceId(resource_id),
    };
    read(tag, body)
}

/// All responses in `bytes`.
pub(super) fn responses(mut bytes: &[u8]) -> Vec<response::Response<'_>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (response, len) = response::decode(bytes).expect("the responses are whole");
        all.push(response);
        bytes = &bytes[len..];
    }
    all
}

/// Numbers from which a request of any kind can be made.
#[derive(Clone, Debug)]
pub(super) struct Material {
    pub(super) kind: Kind,
    pub(super) words: [u64; 4],
    pub(super) wide: [u128; 3],
    pub(super) small: [u32; 2],
    pub(super) ids: Vec<[u8; 16]>,
}

impl Material {
    fn action(&self) -> Action<'_> {
        let [_, _, _, ttl_slots] = self.words;
        let [_, target, holder] = self.wide;
        let (resource_id, reservation_id) = (ResourceId(target), ReservationId(target));
        let holder_id = HolderId(holder);
        match self.kind {
            Kind::CreateResource => Action::CreateResource { resource_id },
            Kind::DeleteResource => Action::DeleteResource { resource_id },
            Kind::Reserve => {
                let resource_ids = ResourceIds::new(&self.ids);
                Action::Reserve {
                    resource_ids,
                    holder_id,
                    ttl_slots,
                }
            }
            Kind::Confirm => Action::Confirm {
                reservation_id,
                holder_id,
            },
            Kind::Extend => Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            },
            Kind::Release => Action::Release {
                reservation_id,
                holder_id,
            },
            Kind::Revoke => Action::Revoke { reservation_id },
            _ => Action::Reclaim { reservation_id },
        }
    }

    /// The request that these numbers make; valid in form if the ids are not zero.
    pub(super) fn request(&self) -> Request<'_> {
        let [tag, slot, valid_until_slot, _] = self.words;
        let [operation_id, target, holder] = self.wide;
        let (resource_id, reservation_id) = (ResourceId(target), ReservationId(target));
        let (holder_id, required_lsn) = (HolderId(holder), Lsn(slot));
        let [small, narrow] = self.small;
        let listing = |bits| Listing {
            required_lsn,
            cursor: valid_until_slot,
            holder_id,
            state_mask: small & bits,
            row_count_max: narrow % (request::LIST_ROWS_MAX + 1),
        };
        let body = match self.kind {
            Kind::Tick => Body::Tick {
                slot: Slot(slot),
                limit: small,
            },
            Kind::GetResource => Body::GetResource {
                required_lsn,
                resource_id,
            },
            Kind::GetReservation => {
                let capacity = narrow % (request::ID_COUNT_MAX + 1);
                Body::GetReservation {
                    required_lsn,
                    reservation_id,
                    capacity,
                }
            }
            Kind::GetOperation => {
                let operation_id = OperationId(operation_id);
                Body::GetOperation {
                    required_lsn,
                    operation_id,
                }
            }
            Kind::ListResources => Body::ListResources(listing(request::RESOURCE_STATE_BITS)),
            Kind::ListReservations => {
                Body::ListReservations(listing(request::RESERVATION_STATE_BITS))
            }
            Kind::Health => Body::Health { slot: Slot(slot) },
            Kind::Configuration => Body::Configuration,
            Kind::RecoveryReport => Body::RecoveryReport,
            Kind::Checkpoint => Body::Checkpoint,
            _ => {
                let valid_until_slot = Slot(valid_until_slot);
                let operation_id = OperationId(operation_id);
                let action = self.action();
                let command = Command {
                    operation_id,
                    valid_until_slot,
                    action,
                };
                Body::Command {
                    slot: Slot(slot),
                    command,
                }
            }
        };
        Request { tag, body }
    }
}

/// Material of every kind with values that tell fields apart.
pub(super) fn distinct_material() -> Vec<Material> {
    let material = |kind: Kind| Material {
        kind,
        words: [0xA1A2_A3A4_A5A6_A7A8, 1001, 1040, 30],
        wide: [
            0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
            0x1112_1314_1516_1718_191a_1b1c_1d1e_1f20,
            0x2122_2324_2526_2728_292a_2b2c_2d2e_2f30,
        ],
        small: [6, 3],
        ids: vec![[0x41; 16], [0x42; 16], [0x43; 16]],
    };
    Kind::ALL.iter().map(|&kind| material(kind)).collect()
}
