//! Golden files: the bytes that format version 1 has, for ever.
//!
//! A fixed history leads to a state with a bit of everything: bundles, holds that wait and holds
//! that are due, all ends that a reservation can have, free places in every table, an operation id
//! in its second life. Its snapshot, and its configuration, must be the committed bytes. A change
//! here is a new format version, with a new file beside the old. `ALLOCDB_GOLDEN=write` writes the
//! files anew, for the day when there is one.

mod common;

use allocdb_core::codec::encode_record;
use allocdb_core::{Applied, Config, HolderId, ReservationId, Slot, State, Verdict};
use allocdb_core::{Outcome, ResultCode};
use common::generator::resource_id;
use common::{OwnedAction, OwnedCommand, bundle, image, restored, section_offsets};

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

/// A state under construction: operation ids count up.
struct Story {
    state: State,
    slot: u64,
    next_operation: u128,
    records: Vec<u8>,
}

impl Story {
    fn tell(&mut self, action: OwnedAction) -> Outcome {
        let operation_id = self.next_operation;
        self.next_operation += 1;
        self.tell_as(operation_id, action)
    }

    fn tell_as(&mut self, operation_id: u128, action: OwnedAction) -> Outcome {
        let command = OwnedCommand::new(operation_id, action).until(self.slot + 3);
        match self.apply(&command).verdict {
            Verdict::Outcome(outcome) => outcome,
            other => panic!("{command:?} got {other:?}"),
        }
    }

    fn apply(&mut self, command: &OwnedCommand) -> Applied {
        let mut record = [0; 256];
        let len = encode_record(&command.borrow(), &mut record).expect("a short record");
        self.records.extend_from_slice(&record[..len]);
        self.state.apply(Slot(self.slot), &command.borrow())
    }

    fn reserve(&mut self, numbers: &[u64], holder: u128, ttl: u64) -> ReservationId {
        let ids: Vec<u128> = numbers
            .iter()
            .map(|&number| resource_id(number).0)
            .collect();
        let action = OwnedAction::Reserve(bundle(&ids), HolderId(holder), ttl);
        let outcome = self.tell(action);
        assert_eq!(outcome.code, ResultCode::Done);
        outcome.reservation_id
    }

    fn done(&mut self, action: OwnedAction) {
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
        story.done(OwnedAction::Create(resource_id(number)));
    }
    // Three that end at once, and are taken back below: the watermark, free places.
    let early: Vec<_> = (1..=3)
        .map(|number| story.reserve(&[number], 7, 20))
        .collect();
    for id in [early[1], early[0], early[2]] {
        story.done(OwnedAction::Release(id, HolderId(7)));
    }
    story.slot = 12;
    story.done(OwnedAction::Delete(resource_id(11)));
    story.done(OwnedAction::Delete(resource_id(10)));
    let bundle_of_three = story.reserve(&[3, 1, 2], 8, 5);
    let confirmed = story.reserve(&[4, 5], 9, 4);
    story.done(OwnedAction::Confirm(confirmed, HolderId(9)));
    let revoking = story.reserve(&[6], 10, 4);
    story.done(OwnedAction::Confirm(revoking, HolderId(10)));
    story.done(OwnedAction::Revoke(revoking));
    let revoked = story.reserve(&[7], 10, 4);
    story.done(OwnedAction::Confirm(revoked, HolderId(10)));
    story.done(OwnedAction::Revoke(revoked));
    story.done(OwnedAction::Reclaim(revoked));
    story.slot = 13;
    let expiring = story.reserve(&[8], 8, 1);
    let again = story.next_operation;
    story.reserve(&[9], 8, 2);
    story.reserve(&[7], 8, 2);
    story.slot = 14;
    let expired = story.apply(&OwnedCommand::expire(3));
    assert_eq!(expired.verdict, Verdict::Expired { count: 1 });
    story.tell(OwnedAction::Confirm(expiring, HolderId(8)));
    // Two with one deadline, in the other order than they were made: an extend, then a reserve.
    let first = story.reserve(&[8], 11, 3);
    let last = story.reserve(&[12], 12, 12);
    story.done(OwnedAction::Extend(first, HolderId(11), 12));
    story.done(OwnedAction::Extend(bundle_of_three, HolderId(8), 12));
    // Failures are remembered: busy with its index, not found, another's.
    let ids = bundle(&[resource_id(12).0, 99]);
    story.tell(OwnedAction::Reserve(ids, HolderId(1), 1));
    story.tell(OwnedAction::Release(last, HolderId(1)));
    story.tell(OwnedAction::Reclaim(early[1]));
    // All ends that are still remembered.
    story.slot = 22;
    story.done(OwnedAction::Release(last, HolderId(12)));
    story.done(OwnedAction::Reclaim(revoking));
    let expired = story.apply(&OwnedCommand::expire(1));
    assert_eq!(expired.verdict, Verdict::Expired { count: 1 });
    // An id in its second life, while its first record waits to be taken back; and free places,
    // since this command takes back what is gone.
    story.slot = 24;
    story.tell_as(again, OwnedAction::Create(resource_id(12)));
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

// R85, R71: equal histories have had these bytes since version 1.
#[test]
fn the_snapshot_of_a_fixed_history_is_the_committed_file() {
    let story = story();
    story.state.check_invariants().expect("sound");
    let bytes = image(&story.state);
    golden("snapshot-v1.bin", &bytes);
    let state = restored(&bytes);
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
    let operations = section_offsets(&bytes)[3] + 16;
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
