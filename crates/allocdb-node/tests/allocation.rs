//! R87: after open no call allocates. A counting allocator sees every call of every thread here.
//!
//! One test in a file of its own, since the allocator is the whole program's. What a new thread
//! costs before its first call is the standard library's, and is left out.

mod counting;

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use allocdb_core::state::Filter;
use allocdb_core::{
    Action, Command, HolderId, Lsn, OperationId, Outcome, ReservationId, ResourceId, ResourceIds,
    ResultCode, Slot,
};
use allocdb_node::batch::{Many, Single};
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::wire::request::{self, Body, Request};
use allocdb_node::{Clock, CommandResult, Diagnostics, Engine, Level, Options};
use counting::counted;

fn operation(id: u128, action: Action<'_>) -> Command<'_> {
    Command {
        operation_id: OperationId(id),
        valid_until_slot: Slot(0),
        action,
    }
}

fn submit(engine: &Engine<FileStorage>, slot: u64, command: Command<'_>) -> Outcome {
    let mut batch = Single::new(command);
    engine
        .submit(Some(Slot(slot)), &mut batch)
        .expect("submitted");
    batch
        .result()
        .copied()
        .expect("settled")
        .expect("not rejected")
}

/// Reserve, read, confirm or walk away, retry; every kind of command and of read.
fn one_round(engine: &Engine<FileStorage>, slot: u64, base: u128, seat: u128) {
    let ids = [seat.to_le_bytes()];
    let (holder_id, resource_id) = (HolderId(base), ResourceId(seat));
    let action = Action::Reserve {
        resource_ids: ResourceIds::new(&ids),
        holder_id,
        ttl_slots: 3,
    };
    let held = submit(engine, slot, operation(base, action));
    assert!(submit(engine, slot, operation(base, action)).from_retry_cache);
    let reservation_id = held.reservation_id;
    assert!(engine.resource(held.lsn, resource_id).is_ok());
    assert!(engine.operation(held.lsn, OperationId(base)).is_ok());
    let missing = engine.resource(Lsn(u64::MAX), resource_id);
    assert!(missing.is_err());
    if held.code != ResultCode::Done {
        return;
    }
    let mut seen = 0;
    let row = engine.reservation(held.lsn, reservation_id, |_| seen += 1);
    assert!(row.is_ok() && seen == 1);
    let extend = Action::Extend {
        reservation_id,
        holder_id,
        ttl_slots: 4,
    };
    submit(engine, slot, operation(base + 1, extend));
    if base.is_multiple_of(3) {
        return;
    }
    let confirm = Action::Confirm {
        reservation_id,
        holder_id,
    };
    submit(engine, slot, operation(base + 2, confirm));
    let (revoke, reclaim) = (
        Action::Revoke { reservation_id },
        Action::Reclaim { reservation_id },
    );
    submit(engine, slot, operation(base + 3, revoke));
    submit(engine, slot, operation(base + 4, reclaim));
    let release = Action::Release {
        reservation_id: ReservationId(reservation_id.0 + 1_000_000),
        holder_id,
    };
    submit(engine, slot, operation(base + 5, release));
}

fn batch_round(engine: &Engine<FileStorage>, slot: u64, base: u128) {
    let command = |index: u128| {
        let resource_id = ResourceId(10_000 + index);
        operation(base + index, Action::CreateResource { resource_id })
    };
    let commands: [Command<'_>; 100] = std::array::from_fn(|index| command(index as u128));
    let mut results: [Option<CommandResult>; 100] = [None; 100];
    let mut batch = Many::new(&commands, &mut results);
    engine
        .submit(Some(Slot(slot)), &mut batch)
        .expect("submitted");
    assert!(results.iter().all(Option::is_some));
}

fn upkeep_round(engine: &Engine<FileStorage>, slot: u64) {
    engine.tick(Some(Slot(slot)), 0).expect("ticked");
    let mut rows = 0;
    let filter = Filter::default();
    let cursor = engine.list_resources(Lsn(0), &filter, 0, 50, |_| rows += 1);
    assert!(cursor.is_ok() && rows > 0);
    engine
        .list_reservations(Lsn(0), &filter, 0, 50, |_| rows += 1)
        .expect("listed");
    assert!(engine.health(None).accepting_writes);
    let mut text = [0; 4096];
    engine
        .diagnostics()
        .log(Level::Warning, format_args!("slot {slot}"));
    engine.diagnostics().read(&mut text);
}

/// The byte API, with a request made before counting.
fn call_round(engine: &Engine<FileStorage>, slot: u64, base: u128, buffers: &mut [Vec<u8>; 2]) {
    let [bytes, response] = buffers;
    let resource_id = ResourceId(20_000 + base % 100);
    let command = operation(base, Action::CreateResource { resource_id });
    let body = Body::Command {
        slot: Slot(slot),
        command,
    };
    let request = Request { tag: 7, body };
    let len = request::encode(&request, bytes).expect("it fits");
    let needed = engine.response_bound(&bytes[..len]).expect("well-formed");
    assert!(needed <= response.len());
    engine.call(&bytes[..len], response).expect("called");
}

#[test]
fn no_call_allocates_in_steady_state_also_from_new_threads() {
    const THREADS: u64 = 8;
    // A counter that cannot count proves nothing.
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(0u64)))).1, 2);
    let allocations = AtomicU64::new(0);
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options {
        clock: Clock::Host,
        max_resources: 1_000,
        operation_window_slots: 5,
        history_window_slots: 5,
        // Small, so that growth and checkpoints happen while counting.
        wal_prealloc_bytes: 256 << 10,
        checkpoint_wal_bytes: 512 << 10,
        sync: allocdb_node::SyncMode::Os,
        ..Options::default()
    };
    let storage = FileStorage::open(directory.path(), DirectoryOptions::default());
    let diagnostics = Diagnostics::new(Level::Info, 64 << 10, None);
    let engine = Engine::open(storage.expect("opened"), &options, diagnostics).expect("opened");
    for seat in 1..=50 {
        let resource_id = ResourceId(seat);
        let create = Action::CreateResource { resource_id };
        submit(&engine, 1, operation(seat, create));
    }
    for slot in 2..12 {
        let barrier = Barrier::new(usize::try_from(THREADS).expect("few"));
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (engine, barrier, allocations) = (&engine, &barrier, &allocations);
                // New threads in every round: nothing may be cached in a thread's first call.
                scope.spawn(move || {
                    let mut buffers = [vec![0; 4096], vec![0; 4096]];
                    barrier.wait();
                    let ((), calls) = counted(|| {
                        for round in 0..20u64 {
                            let base = u128::from(slot * 1_000_000 + number * 100_000);
                            let base = base + u128::from(round) * 1_000;
                            one_round(engine, slot, base, u128::from(round) + 1);
                            batch_round(engine, slot, base + 100);
                            upkeep_round(engine, slot);
                            call_round(engine, slot, base + 300, &mut buffers);
                        }
                    });
                    allocations.fetch_add(calls, Ordering::Relaxed);
                });
            }
        });
    }
    let health = engine.health(None);
    assert!(health.checkpoints > 0, "checkpoints were among the calls");
    assert!(health.expirations > 0, "so was expiry");
    assert!(health.retries > 0 && health.records > 20_000);
    assert_eq!(allocations.into_inner(), 0);
}
