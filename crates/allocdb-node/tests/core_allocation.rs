//! After start-up the core allocates nothing: a counting allocator under every call.
//!
//! It stands here and not beside the core's other tests because an allocator takes `unsafe`, and
//! nothing in the core's folder may. The allocator counts for each thread apart, so that the test
//! runner's own threads do not matter, and the tests look at the difference around the one call
//! they measure. What a state allocates when it is made is counted in bytes, and must be exactly
//! what the configuration said.

mod counting;

use std::convert::Infallible;

use allocdb_core::codec::{RECORD_BYTES_MAX, decode_record, encode_record};
use allocdb_core::log::{
    FRAME_BYTES_MAX, FrameBuilder, FrameMeta, LogHeader, LogKey, SECTOR_BYTES, scan,
};
use allocdb_core::state::{Acceptance, Filter};
use allocdb_core::stream::ByteSink;
use allocdb_core::{
    Action, Command, Config, HolderId, Lsn, OperationId, ReservationId, ResourceId, ResourceIds,
    ResultCode, Slot, State, Verdict, snapshot,
};
use counting::{bytes_asked_for, counted};

/// The answer of a call that must not allocate.
fn steady<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let (answer, calls) = counted(call);
    assert_eq!(calls, 0, "{what} allocated");
    answer
}

/// A sink with room for all.
struct Fixed {
    bytes: Box<[u8]>,
    len: usize,
}

impl ByteSink for Fixed {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }
}

fn config(seed: u64) -> Config {
    Config {
        database_id: 1,
        shard_id: 3,
        hash_seed: seed,
        slot_duration_ms: 1000,
        max_ttl_slots: 1 + seed % 100,
        operation_window_slots: 2 + seed % 7,
        history_window_slots: 1 + seed % 5,
        max_resources: 12,
        max_reservations: 10,
        max_operations: 64,
        max_bundle_len: 4,
        max_expiration_bucket_len: 3,
        max_expirations_per_tick: 5,
    }
}

/// Steps a counter and mixes it.
fn draw(random: &mut u64, bound: u64) -> u64 {
    *random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*random ^ (*random >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 29)) % bound
}

/// Some command about the few resources and the reservations of late.
fn action<'a>(
    random: &mut u64,
    state: &State,
    recent: &[ReservationId; 4],
    ids: &'a mut [[u8; 16]; 4],
) -> Action<'a> {
    let resource_id = ResourceId(u128::from(draw(random, 14)) + 1);
    let reservation_id = recent[usize::try_from(draw(random, 4)).expect("small")];
    let holder_id = HolderId(1 + u128::from(draw(random, 8) / 7));
    let ttl_slots = 1 + draw(random, state.config().max_ttl_slots);
    match draw(random, 20) {
        0..4 => Action::CreateResource { resource_id },
        4 => Action::DeleteResource { resource_id },
        5..11 => {
            for (place, id) in ids.iter_mut().zip(resource_id.0..) {
                *place = id.to_le_bytes();
            }
            let len = usize::try_from(1 + draw(random, 5) / 3).expect("small");
            Action::Reserve {
                resource_ids: ResourceIds::new(&ids[..len]),
                holder_id,
                ttl_slots,
            }
        }
        11..14 => Action::Confirm {
            reservation_id,
            holder_id,
        },
        14..16 => Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots,
        },
        16 => Action::Release {
            reservation_id,
            holder_id,
        },
        17 => Action::Revoke { reservation_id },
        18 => Action::Reclaim { reservation_id },
        _ => Action::ExpireDue { limit: 3 },
    }
}

fn read_everything(state: &State, slot: Slot, operation_id: OperationId, lsn: Lsn) {
    let id = ReservationId::new(state.config().shard_id, lsn);
    steady("a read of an operation", || state.operation(operation_id));
    steady("a read of a reservation", || state.reservation(id));
    steady("a read of a bundle", || {
        state.reservation_resources(id).count()
    });
    steady("a read of a resource", || state.resource(ResourceId(3)));
    steady("the figures", || state.usage(slot));
    let mut rows = 0;
    steady("a listing", || {
        state.list_resources(&Filter::default(), 0, 100, |_| rows += 1);
        state.list_reservations(&Filter::default(), 0, 100, |_| rows += 1);
    });
    steady("the digest", || state.digest());
}

// R87: apply, acceptance, reads, records and snapshots.
#[test]
fn nothing_allocates_after_start() {
    let mut sink = Fixed {
        bytes: vec![0; 1 << 20].into_boxed_slice(),
        len: 0,
    };
    let mut record = vec![0; RECORD_BYTES_MAX];
    let mut done_count = 0;
    for seed in 0..40_u64 {
        let mut random = seed;
        let mut state = State::new(config(seed)).expect("a valid configuration");
        let mut acceptance = Acceptance::new(16).expect("memory");
        let mut recent = [ReservationId(1); 4];
        for round in 0..500_u64 {
            let slot = Slot(state.last_slot().0 + draw(&mut random, 8) / 5);
            let mut ids = [[0; 16]; 4];
            let action = action(&mut random, &state, &recent, &mut ids);
            let is_internal = matches!(action, Action::ExpireDue { .. });
            // Every ninth one is a retry or a conflict.
            let number = if is_internal {
                0
            } else {
                1 + round - u64::from(round % 9 == 8)
            };
            let command = Command {
                operation_id: OperationId(number.into()),
                valid_until_slot: Slot(slot.0 + round % 2),
                action,
            };
            let due = steady("is_due", || state.is_due(slot));
            steady("begin", || acceptance.begin(&state, slot, due));
            steady("admit", || acceptance.admit(&state, &command, 0));
            let len = steady("encode_record", || encode_record(&command, &mut record));
            let len = len.expect("a record's room");
            let decoded = steady("decode_record", || decode_record(&record[..len]));
            let (decoded, _) = decoded.expect("our own record");
            let applied = steady("apply", || state.apply(slot, &decoded));
            if let Verdict::Outcome(outcome) = applied.verdict
                && outcome.code == ResultCode::Done
            {
                done_count += 1;
                if outcome.deadline_slot != Slot(0) {
                    recent.rotate_left(1);
                    recent[3] = outcome.reservation_id;
                }
            }
            read_everything(&state, slot, command.operation_id, applied.lsn);
            if round % 50 == 0 {
                sink.len = 0;
                steady("a snapshot", || {
                    snapshot::encode(&state, &mut sink).expect("room")
                });
                let mut written = &sink.bytes[..sink.len];
                steady("a snapshot's check", || {
                    snapshot::verify(&mut written).expect("ours")
                });
            }
        }
    }
    assert!(done_count > 3_000, "{done_count} commands took effect");
}

// R87: frames are built in the caller's buffer and scanned through the caller's buffer.
#[test]
fn the_log_allocates_nothing() {
    let config = config(7);
    let key = LogKey::new(&config);
    let header = LogHeader::fresh(config);
    let mut file = header.encode().to_vec();
    let mut frame = vec![0; 1 << 16];
    let (mut chain, mut last_lsn) = (header.chain_start, Lsn(0));
    for number in 1..=50_u64 {
        let encoded = steady("a frame", || {
            let mut builder = FrameBuilder::new(&mut frame);
            for _ in 0..number {
                let command = Command {
                    operation_id: OperationId(number.into()),
                    valid_until_slot: Slot(0),
                    action: Action::Revoke {
                        reservation_id: ReservationId(9),
                    },
                };
                assert!(builder.push(&command), "there is room");
            }
            let meta = FrameMeta {
                is_synced: true,
                first_lsn: Lsn(last_lsn.0 + 1),
                request_slot: Slot(number),
                durable_lsn: last_lsn,
                chain,
            };
            builder.finish(&key, &meta)
        });
        (chain, last_lsn) = (encoded.chain, encoded.last_lsn);
        file.extend_from_slice(&frame[..encoded.len]);
    }
    file.resize(file.len() + SECTOR_BYTES, 0);
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    let mut records = 0;
    let end = steady("a scan", || {
        scan(&mut &*file, &header, None, &mut buffer, |frame| {
            records += frame.commands().count();
            Ok(())
        })
    });
    assert_eq!(end.expect("our own log").last_lsn, last_lsn);
    assert_eq!(records, 50 * 51 / 2);
}

// R91: what a state takes is what its configuration said.
#[test]
fn a_state_takes_the_memory_that_its_configuration_says() {
    for seed in 0..200 {
        let mut config = config(seed);
        config.max_resources = 1 + u32::try_from(seed % 90).expect("small");
        config.max_operations = 1 + u32::try_from(seed * 3).expect("small");
        let before = bytes_asked_for();
        let state = State::new(config).expect("a valid configuration");
        assert_eq!(
            bytes_asked_for() - before,
            State::memory_bytes(&config),
            "{config:?}"
        );
        drop(state);
        let before = bytes_asked_for();
        let acceptance = Acceptance::new(config.max_operations).expect("memory");
        let told = Acceptance::memory_bytes(config.max_operations);
        assert_eq!(bytes_asked_for() - before, told, "{config:?}");
        drop(acceptance);
    }
}

// The harness can fail: the allocator counts what does allocate.
#[test]
fn canary_an_allocation_is_counted() {
    let (boxed, calls) = counted(|| Box::new(config(1)));
    assert_eq!(calls, 1, "{boxed:?}");
    let (text, calls) = counted(|| format!("{boxed:?}"));
    assert!(calls > 0, "{text}");
}
