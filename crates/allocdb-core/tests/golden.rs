//! Golden files: the bytes that format version 1 has, for ever.
//!
//! A fixed history leads to a state with a bit of everything: bundles, holds that wait and holds
//! that are due, all ends that a reservation can have, free places in every table, an operation id
//! in its second life. Its snapshot, and its configuration, must be the committed bytes. A change
//! here is a new format version, with a new file beside the old. `ALLOCDB_GOLDEN=write` writes the
//! files anew, for the day when there is one.

use allocdb_core::codec::encode_record;
use allocdb_core::{
    Action, Applied, Command, Config, HolderId, OperationId, Outcome, ReservationId, ResourceId,
    ResourceIds, ResultCode, Slot, State, Verdict,
};

/// Values that differ in every byte that a wrong offset or order would mix up.
fn config() -> Config {
    Config {
        database_id: 0x0F1E_2D3C_4B5A_6978_8796_A5B4_C3D2_E1F0,
        shard_id: 0x0102_0304_0506_0708,
        hash_seed: 0x1122_3344_5566_7788,
        slot_duration_ms: 1000,
        max_ttl_slots: 20,
        operation_window_slots: 10,
        history_window_slots: 6,
        max_resources: 12,
        max_reservations: 14,
        max_operations: 40,
        max_bundle_len: 4,
        max_expiration_bucket_len: 5,
        max_expirations_per_tick: 3,
    }
}

/// The id of the resource with this number: spread over both halves, as a UUID is.
fn resource_id(number: u64) -> ResourceId {
    let number = u128::from(number);
    ResourceId((number << 64) | ((number * 0x9E37_79B9) & 0xFFFF_FFFF))
}

fn create(number: u64) -> Action<'static> {
    let resource_id = resource_id(number);
    Action::CreateResource { resource_id }
}

fn delete(number: u64) -> Action<'static> {
    let resource_id = resource_id(number);
    Action::DeleteResource { resource_id }
}

fn confirm(reservation_id: ReservationId, holder: u128) -> Action<'static> {
    Action::Confirm {
        reservation_id,
        holder_id: HolderId(holder),
    }
}

fn extend(reservation_id: ReservationId, holder: u128, ttl_slots: u64) -> Action<'static> {
    Action::Extend {
        reservation_id,
        holder_id: HolderId(holder),
        ttl_slots,
    }
}

fn release(reservation_id: ReservationId, holder: u128) -> Action<'static> {
    Action::Release {
        reservation_id,
        holder_id: HolderId(holder),
    }
}

fn revoke(reservation_id: ReservationId) -> Action<'static> {
    Action::Revoke { reservation_id }
}

fn reclaim(reservation_id: ReservationId) -> Action<'static> {
    Action::Reclaim { reservation_id }
}

/// A state under construction: operation ids count up.
struct Story {
    state: State,
    slot: u64,
    next_operation: u128,
    records: Vec<u8>,
}

impl Story {
    fn tell(&mut self, action: Action<'_>) -> Outcome {
        let operation_id = self.next_operation;
        self.next_operation += 1;
        self.tell_as(operation_id, action)
    }

    fn tell_as(&mut self, operation_id: u128, action: Action<'_>) -> Outcome {
        let command = Command {
            operation_id: OperationId(operation_id),
            valid_until_slot: Slot(self.slot + 3),
            action,
        };
        match self.apply(&command).verdict {
            Verdict::Outcome(outcome) => outcome,
            other => panic!("{command:?} got {other:?}"),
        }
    }

    fn apply(&mut self, command: &Command<'_>) -> Applied {
        let mut record = [0; 256];
        let len = encode_record(command, &mut record).expect("a short record");
        self.records.extend_from_slice(&record[..len]);
        self.state.apply(Slot(self.slot), command)
    }

    fn reserve(&mut self, numbers: &[u64], holder: u128, ttl: u64) -> ReservationId {
        let ids: Vec<u128> = numbers.iter().map(|&n| resource_id(n).0).collect();
        let outcome = self.try_reserve(&ids, holder, ttl);
        assert_eq!(outcome.code, ResultCode::Done);
        outcome.reservation_id
    }

    fn try_reserve(&mut self, ids: &[u128], holder: u128, ttl_slots: u64) -> Outcome {
        let ids: Vec<[u8; 16]> = ids.iter().map(|id| id.to_le_bytes()).collect();
        self.tell(Action::Reserve {
            resource_ids: ResourceIds::new(&ids),
            holder_id: HolderId(holder),
            ttl_slots,
        })
    }

    fn expire(&mut self, limit: u32) -> Verdict {
        let command = Command {
            operation_id: OperationId(0),
            valid_until_slot: Slot(0),
            action: Action::ExpireDue { limit },
        };
        self.apply(&command).verdict
    }

    fn done(&mut self, action: Action<'_>) {
        assert_eq!(self.tell(action).code, ResultCode::Done);
    }
}

/// The history. Never changed: it is what the committed bytes mean.
fn story() -> Story {
    let mut story = Story {
        state: State::new(config()).expect("a valid configuration"),
        slot: 0,
        next_operation: 1,
        records: Vec::new(),
    };
    for number in 1..=12 {
        story.done(create(number));
    }
    // Three that end at once, and are taken back below: the watermark, free places.
    let early: Vec<_> = (1..=3)
        .map(|number| story.reserve(&[number], 7, 20))
        .collect();
    for id in [early[1], early[0], early[2]] {
        story.done(release(id, 7));
    }
    story.slot = 12;
    story.done(delete(11));
    story.done(delete(10));
    let bundle_of_three = story.reserve(&[3, 1, 2], 8, 5);
    let confirmed = story.reserve(&[4, 5], 9, 4);
    story.done(confirm(confirmed, 9));
    let revoking = story.reserve(&[6], 10, 4);
    story.done(confirm(revoking, 10));
    story.done(revoke(revoking));
    let revoked = story.reserve(&[7], 10, 4);
    story.done(confirm(revoked, 10));
    story.done(revoke(revoked));
    story.done(reclaim(revoked));
    story.slot = 13;
    let expiring = story.reserve(&[8], 8, 1);
    let again = story.next_operation;
    story.reserve(&[9], 8, 2);
    story.reserve(&[7], 8, 2);
    story.slot = 14;
    let expired = story.expire(3);
    assert_eq!(expired, Verdict::Expired { count: 1 });
    story.tell(confirm(expiring, 8));
    // Two with one deadline, in the other order than they were made: an extend, then a reserve.
    let first = story.reserve(&[8], 11, 3);
    let last = story.reserve(&[12], 12, 12);
    story.done(extend(first, 11, 12));
    story.done(extend(bundle_of_three, 8, 12));
    // Failures are remembered: busy with its index, not found, another's.
    story.try_reserve(&[resource_id(12).0, 99], 1, 1);
    story.tell(release(last, 1));
    story.tell(reclaim(early[1]));
    // All ends that are still remembered.
    story.slot = 22;
    story.done(release(last, 12));
    story.done(reclaim(revoking));
    let expired = story.expire(1);
    assert_eq!(expired, Verdict::Expired { count: 1 });
    // An id in its second life, while its first record waits to be taken back; and free places,
    // since this command takes back what is gone.
    story.slot = 24;
    story.tell_as(again, create(12));
    assert!(
        story.state.is_due(Slot(24)),
        "one hold is due and not expired"
    );
    story
}

fn golden(name: &str, bytes: &[u8]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");
    let path = format!("{path}{name}");
    if std::env::var("ALLOCDB_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::write(&path, bytes).expect("the golden file is written");
    }
    let committed = std::fs::read(&path).expect("the golden file is there");
    let differs = committed
        .iter()
        .zip(bytes)
        .position(|(left, right)| left != right);
    assert_eq!(differs, None, "{name}: the first byte that differs");
    assert_eq!(committed.len(), bytes.len(), "{name}: the length");
}

/// The snapshot's bytes.
fn image(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = allocdb_core::snapshot::encode(state, &mut bytes);
    let info = written.unwrap_or_else(|never| match never {});
    assert_eq!(info.bytes, bytes.len() as u64, "the length is told");
    bytes
}

/// Where the records of a snapshot's section begin, counted from zero.
fn records_at(bytes: &[u8], section: usize) -> usize {
    let mut at = 512;
    for _ in 0..section {
        let len = bytes[at + 8..at + 16].try_into().expect("eight bytes");
        at += 16 + usize::try_from(u64::from_le_bytes(len)).expect("our own snapshot") + 8;
    }
    at + 16
}

// R85, R71: equal histories have had these bytes since version 1.
#[test]
fn the_snapshot_of_a_fixed_history_is_the_committed_file() {
    let story = story();
    story.state.check_invariants().expect("sound");
    let bytes = image(&story.state);
    golden("snapshot-v1.bin", &bytes);
    let decoded = allocdb_core::snapshot::decode(&mut &bytes[..]);
    let (state, _) = decoded.expect("our own snapshot");
    assert_eq!(state.digest(), story.state.digest());
    assert_eq!(image(&state), bytes);
    // What it is meant to show: free places, a due hold among others, a name in a second life.
    let usage = state.usage(Slot(24));
    assert_eq!([usage.expiring, usage.expiration_backlog], [3, 1]);
    assert_eq!(usage.reservations.past, 0);
    let count = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    for table in 0..3 {
        let (used, ever_used) = (count(184 + 4 * table), count(196 + 4 * table));
        assert!(
            0 < used && used < ever_used,
            "table {table} has used and free places"
        );
    }
    let operations = records_at(&bytes, 3);
    let ids = (0..count(192) as usize).map(|i| &bytes[operations + 64 * i + 8..][..16]);
    let nameless = ids.filter(|id| **id == [0; 16]).count();
    assert_eq!(count(208), 3, "three ends are remembered");
    assert_eq!(nameless, 1, "R20: one record has given its name away");
}

// R12: the records that recovery reads have had these bytes since version 1.
#[test]
fn the_records_of_a_fixed_history_are_the_committed_file() {
    golden("records-v1.bin", &story().records);
}

// R90: the stored configuration.
#[test]
fn the_stored_configuration_is_the_committed_file() {
    golden("config-v1.bin", &config().encode());
    assert_eq!(Config::decode(&config().encode()), Some(config()));
}
