//! R87, R91: the memory bound is what opening and ten million commands take: never more, and at
//! least four fifths of it.
//!
//! A file of its own, since the resident size is the whole process's.

use std::fs;

use allocdb_core::{
    Action, Command, HolderId, OperationId, ReservationId, ResourceId, ResourceIds, ResultCode,
    Slot,
};
use allocdb_node::batch::Many;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{Clock, CommandResult, Diagnostics, Engine, Level, Options, SyncMode};

const COMMANDS: u64 = 10_000_000;
const RESOURCES: u128 = 2_000_000;
/// Reserves in one batch, and releases in the next.
const HALF: usize = 8_000;

fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("a resident size");
    let kilobytes = line.split_whitespace().nth(1).expect("a number");
    kilobytes.parse::<u64>().expect("a number") * 1024
}

fn operation(id: u128, action: Action<'_>) -> Command<'_> {
    Command {
        operation_id: OperationId(id),
        valid_until_slot: Slot(0),
        action,
    }
}

#[test]
fn resident_memory_stays_within_the_bound_and_uses_most_of_it() {
    let options = Options {
        clock: Clock::Host,
        sync: SyncMode::Os,
        max_resources: 2_000_000,
        max_reservations: 1_620_000,
        max_operations: 3_240_000,
        max_ttl_slots: 4_000,
        operation_window_slots: 200,
        history_window_slots: 200,
        checkpoint_wal_bytes: 1 << 40,
        max_batch_bytes: 2 << 20,
        ..Options::default()
    };
    let bound = options.memory_bound().expect("valid");
    assert!(bound >= 256 << 20, "{bound}");

    // The test's own memory first.
    let mut results: Vec<Option<CommandResult>> = vec![None; HALF];
    let mut ids: Vec<[[u8; 16]; 1]> = vec![[[0xFF; 16]]; HALF];
    let mut held: Vec<(ReservationId, HolderId)> = vec![(ReservationId(1), HolderId(1)); HALF];
    let mut commands: Vec<Command<'_>> = Vec::with_capacity(HALF);
    let filler = Action::Revoke {
        reservation_id: ReservationId(1),
    };
    commands.resize(HALF, operation(1, filler));
    drop(commands);
    let directory = tempfile::tempdir().expect("a directory");
    let before = resident_bytes();

    let storage = FileStorage::open(directory.path(), DirectoryOptions::default());
    let diagnostics = Diagnostics::new(Level::Warning, 64 << 10, None);
    let engine = Engine::open(storage.expect("opened"), &options, diagnostics).expect("opened");
    let mut operation_id = 0;
    let mut next = || {
        operation_id += 1;
        operation_id
    };
    let mut sent = 0;
    for first in (1..=RESOURCES).step_by(HALF) {
        let commands: Vec<_> = (first..first + HALF as u128)
            .map(|id| {
                let resource_id = ResourceId(id);
                operation(next(), Action::CreateResource { resource_id })
            })
            .collect();
        let slot = Slot(1 + u64::try_from(first).expect("small") / 16_000);
        let mut batch = Many::new(&commands, &mut results);
        engine.submit(Some(slot), &mut batch).expect("committed");
        sent += commands.len() as u64;
    }
    let mut slot = 200;
    while sent < COMMANDS {
        slot += 1;
        for (index, id) in ids.iter_mut().enumerate() {
            let seat = (u128::from(slot) * 7_919 + index as u128) % RESOURCES + 1;
            *id = [seat.to_le_bytes()];
        }
        let reserves: Vec<_> = ids
            .iter()
            .map(|ids| {
                let action = Action::Reserve {
                    resource_ids: ResourceIds::new(ids),
                    holder_id: HolderId(7),
                    ttl_slots: 5,
                };
                operation(next(), action)
            })
            .collect();
        let mut batch = Many::new(&reserves, &mut results);
        engine
            .submit(Some(Slot(slot)), &mut batch)
            .expect("committed");
        for (place, result) in held.iter_mut().zip(&results) {
            let outcome = result.expect("settled").expect("no table is full");
            assert_eq!(outcome.code, ResultCode::Done);
            place.0 = outcome.reservation_id;
            place.1 = HolderId(7);
        }
        let releases: Vec<_> = held
            .iter()
            .map(|&(reservation_id, holder_id)| {
                let action = Action::Release {
                    reservation_id,
                    holder_id,
                };
                operation(next(), action)
            })
            .collect();
        let mut batch = Many::new(&releases, &mut results);
        engine
            .submit(Some(Slot(slot)), &mut batch)
            .expect("committed");
        assert!(results.iter().all(|result| matches!(result, Some(Ok(_)))));
        sent += 2 * HALF as u64;
    }
    let growth = resident_bytes().saturating_sub(before);
    let health = engine.health(None);
    println!(
        "memory bound {bound}, resident growth {growth}, commands {}",
        health.records
    );
    assert!(health.records >= COMMANDS);
    assert!(growth <= bound, "{growth} is more than the bound {bound}");
    assert!(
        growth >= bound / 5 * 4,
        "{growth} is far less than the bound {bound}"
    );
}
