//! The scratch sets against plain ones, and the exact bounds of a slot.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::command::Action;
use crate::ids::OperationId;

fn draw(random: &mut u64, bound: u64) -> u64 {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*random >> 33) % bound
}

fn pending(operation_id: u128, tag: u32) -> PendingOperation {
    PendingOperation {
        operation_id: OperationId(operation_id),
        fingerprint: u64::from(tag) << 32,
        lsn: Lsn(u64::from(tag) + 1),
        tag,
    }
}

#[test]
fn pending_operations_are_found_by_their_id_until_the_commit_is_over() {
    let mut random = 7;
    for count_max in [1, 2, 3, 8, 100] {
        let mut set = PendingOperations::new(count_max).expect("memory");
        // Hashes that collide at the end of the cells and wrap round, and ones that spread.
        for hash_bound in [1, 3, 1 << 20] {
            for _ in 0..20 {
                set.clear(count_max);
                let mut model = BTreeMap::new();
                for tag in 0..u32::try_from(count_max).expect("small") {
                    let id = u128::from(draw(&mut random, 1 << 30)) << 8 | u128::from(tag);
                    let hash =
                        u32::MAX - u32::try_from(draw(&mut random, hash_bound)).expect("u32");
                    let vacant = set
                        .search(OperationId(id), hash)
                        .expect_err("not there yet");
                    set.insert(pending(id, tag), vacant);
                    model.insert(id, (hash, tag));
                    let other = OperationId(id ^ 1 << 127);
                    assert!(set.search(other, hash).is_err());
                }
                for (&id, &(hash, tag)) in &model {
                    let found = set.search(OperationId(id), hash).expect("inserted");
                    assert_eq!((found.tag, found.lsn), (tag, Lsn(u64::from(tag) + 1)));
                }
            }
        }
    }
    let sizes = [(1, 2), (3, 8), (100, 256), (8192, 16384)];
    for (count_max, cells) in sizes {
        assert_eq!(PendingOperations::cell_count(count_max), cells);
    }
}

#[test]
fn taken_cells_are_those_of_this_commit_in_their_own_table() {
    let tables = [Table::Resources, Table::Reservations, Table::Operations];
    let mut random = 9;
    for count_max in [1, 2, 5, 64] {
        let mut set = TakenCells::new(count_max).expect("memory");
        for cell_bound in [4, 1000, 1 << 30] {
            for _ in 0..20 {
                set.clear(count_max);
                let mut model = BTreeSet::new();
                for _ in 0..2 * count_max {
                    let number = usize::try_from(draw(&mut random, 3)).expect("small");
                    let cell = u32::try_from(draw(&mut random, cell_bound)).expect("small");
                    let taken = TakenCell {
                        table: tables[number],
                        cell,
                    };
                    assert_eq!(set.contains(taken), model.contains(&(number, cell)));
                    if model.len() < set.cells.len() / 2 && model.insert((number, cell)) {
                        set.insert(taken);
                    }
                    assert!(set.contains(taken) == model.contains(&(number, cell)));
                }
            }
        }
    }
}

/// Searches end because half of the cells in use stay empty: one more key than that is a mistake.
#[test]
#[should_panic(expected = "a commit's new keys are bounded")]
fn no_commit_takes_more_than_half_of_the_cells() {
    let mut cells = TakenCells::new(8).expect("memory");
    cells.clear(2);
    // Two commands use eight cells, and may take four of them.
    for cell in 0..5 {
        let table = Table::Resources;
        cells.insert(TakenCell { table, cell });
    }
}

/// After the last stamp comes the first: what a commit that long ago left behind is not believed.
#[test]
fn stamps_come_round_and_nothing_comes_back() {
    let mut operations = PendingOperations::new(4).expect("memory");
    let mut cells = TakenCells::new(4).expect("memory");
    let taken = TakenCell {
        table: Table::Operations,
        cell: 9,
    };
    for _ in 0..2 {
        // The first commit of all, and the first after the last stamp.
        assert_eq!((operations.stamp, cells.stamp), (1, 1));
        let vacant = operations.search(OperationId(7), 3);
        operations.insert(pending(7, 0), vacant.expect_err("a new commit"));
        assert!(!cells.contains(taken));
        cells.insert(taken);
        assert!(operations.search(OperationId(7), 3).is_ok() && cells.contains(taken));
        (operations.stamp, cells.stamp) = (u32::MAX - 1, scratch::STAMP_MAX - 1);
        for _ in 0..2 {
            operations.clear(4);
            cells.clear(4);
            assert!(operations.search(OperationId(7), 3).is_err() && !cells.contains(taken));
            if operations.stamp == u32::MAX {
                assert_eq!(cells.stamp, scratch::STAMP_MAX);
                let vacant = operations.search(OperationId(8), 3);
                operations.insert(pending(8, 0), vacant.expect_err("a new commit"));
                let other = TakenCell { cell: 10, ..taken };
                cells.insert(other);
                assert!(operations.search(OperationId(8), 3).is_ok() && cells.contains(other));
            }
        }
    }
}

/// What is asked about lies side by side; searches would be long if it stayed so.
#[test]
fn neighbouring_cells_lie_apart() {
    let set = TakenCells::new(2048).expect("memory");
    let tables = [Table::Resources, Table::Reservations, Table::Operations];
    let homes: BTreeSet<usize> = (0..500)
        .flat_map(|cell| tables.map(|table| set.home(TakenCell { table, cell })))
        .collect();
    assert!(homes.len() > 1300, "{} homes of 1500 cells", homes.len());
    assert!(homes.iter().all(|&home| home < set.cells.len()));
}

/// R6: the last slot from which every window can be counted is accepted, and no later one.
#[test]
fn the_last_slot_is_accepted_and_the_next_is_not() {
    let config = crate::config::tests::sample();
    let state = State::new(config).expect("a valid configuration");
    let mut acceptance = Acceptance::new(1).expect("memory");
    let command = Command {
        operation_id: OperationId(1),
        valid_until_slot: Slot(0),
        action: Action::CreateResource {
            resource_id: crate::ids::ResourceId(1),
        },
    };
    let bound = config.slot_max();
    acceptance.begin(&state, bound, false);
    let said = acceptance.admit(&state, &command, 0);
    assert_eq!(said, Admission::New { lsn: Lsn(1) });
    let slot = Slot(bound.0 + 1);
    acceptance.begin(&state, slot, false);
    let said = acceptance.admit(&state, &command, 0);
    assert_eq!(
        said,
        Admission::Rejected(Rejection::SlotOverflow { slot, bound })
    );
}
