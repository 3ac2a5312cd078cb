//! The exact answer at every configured bound, and nothing else changed.

use super::*;
use crate::hash::HashKey;
use crate::table::PLACEMENT_BOUND;

/// R38, R86.
#[test]
fn one_resource_too_many() {
    let mut fixture = Fixture::with_resources(config(), 16);
    let before = fixture.visible();
    assert_eq!(fixture.create(17).code, ResultCode::ResourceTableFull);
    assert_eq!(
        fixture.create(1).code,
        ResultCode::ResourceExists,
        "the order of checks"
    );
    assert_eq!(fixture.visible(), before);
    fixture.delete(16);
    assert_eq!(fixture.create(17).code, ResultCode::Done);
}

/// R43: full tables are told after busy resources, full buckets after full tables.
#[test]
fn one_reservation_too_many() {
    let config = Config {
        max_reservations: 2,
        max_expiration_bucket_len: 1,
        ..config()
    };
    let mut fixture = Fixture::with_resources(config, 4);
    fixture.hold(&[1], 10);
    let before = fixture.visible();
    assert_eq!(
        fixture.reserve(&[2], ALICE, 10).code,
        ResultCode::ExpirationIndexFull
    );
    assert_eq!(fixture.visible(), before);
    fixture.hold(&[2], 11);
    let before = fixture.visible();
    assert_eq!(
        fixture.reserve(&[3], ALICE, 10).code,
        ResultCode::ReservationTableFull
    );
    let outcome = fixture.reserve(&[3, 1], ALICE, 10);
    assert_eq!(
        (outcome.code, outcome.failed_index),
        (ResultCode::ResourceBusy, 1)
    );
    assert_eq!(fixture.visible(), before);
}

/// R49, R58.
#[test]
fn a_bucket_is_bounded_and_the_due_list_is_not() {
    let config = Config {
        max_expiration_bucket_len: 2,
        ..config()
    };
    let mut fixture = Fixture::with_resources(config, 8);
    let first = fixture.hold(&[1], 10);
    fixture.hold(&[2], 10);
    let other = fixture.hold(&[3], 20);
    fixture.hold(&[4], 20);
    let before = fixture.visible();
    assert_eq!(
        fixture.extend(first, 20).code,
        ResultCode::ExpirationIndexFull
    );
    assert_eq!(
        fixture.reserve(&[5], ALICE, 20).code,
        ResultCode::ExpirationIndexFull
    );
    assert_eq!(fixture.visible(), before);
    // To its own deadline there is nothing to move.
    assert_eq!(fixture.extend(other, 20).code, ResultCode::Done);
    fixture.slot += 30;
    fixture.hold(&[5], 10);
    assert_eq!(fixture.state.wheel.due().len, 4, "two buckets of two");
    assert_eq!(
        fixture.extend(first, 10).code,
        ResultCode::Done,
        "from due into a bucket"
    );
    assert_eq!(
        fixture.extend(other, 10).code,
        ResultCode::ExpirationIndexFull
    );
}

/// R25, R26, R27, R1, R24: form, also where a log ordered elsewhere carries it.
#[test]
fn what_the_form_rules_out_is_rejected_by_apply_too() {
    let mut fixture = Fixture::with_resources(config(), 4);
    let before = fixture.visible();
    let five: Vec<[u8; 16]> = (1..=5u128).map(u128::to_le_bytes).collect();
    let twice = [five[0], five[1], five[0]];
    let zero = [[0; 16]];
    let reserve = |ids, ttl_slots| {
        let resource_ids = ResourceIds::new(ids);
        Action::Reserve {
            resource_ids,
            holder_id: ALICE,
            ttl_slots,
        }
    };
    let rows = [
        (
            reserve(&five, 1),
            Rejection::BundleTooLarge { len: 5, bound: 4 },
        ),
        (
            reserve(&twice, 1),
            Rejection::DuplicateResource {
                resource_id: ResourceId(1),
            },
        ),
        (
            reserve(&zero, 1),
            Rejection::Malformed {
                field: "resource_id",
            },
        ),
        (
            reserve(&[], 1),
            Rejection::Malformed {
                field: "resource_ids",
            },
        ),
        (
            reserve(&five[..1], 0),
            Rejection::TtlOutOfRange {
                ttl_slots: 0,
                bound: 100,
            },
        ),
        (
            reserve(&five[..1], 101),
            Rejection::TtlOutOfRange {
                ttl_slots: 101,
                bound: 100,
            },
        ),
    ];
    for (action, rejection) in rows {
        assert_eq!(fixture.apply(action), Verdict::Rejected(rejection));
        assert_eq!(fixture.visible(), before);
    }
}

/// Ids whose homes are the same cell of a table with this many cells.
fn colliding(seed: u64, cells: u64, count: usize) -> Vec<u128> {
    let key = HashKey::new(seed);
    let home = |id: &u128| (u64::from(key.id(*id)) * cells) >> 32;
    (1..).filter(|id| home(id) == 5).take(count).collect()
}

/// R32, R94.
#[test]
fn a_key_beyond_the_placement_bound_is_refused_by_apply_and_changes_nothing() {
    let config = Config {
        max_resources: 256,
        max_operations: 1024,
        ..config()
    };
    let mut fixture = Fixture::new(config);
    let bound = PLACEMENT_BOUND as usize;
    let ids = colliding(config.hash_seed, 512, bound + 2);
    for &id in &ids[..=bound] {
        assert_eq!(fixture.create(id).code, ResultCode::Done);
    }
    let before = fixture.visible();
    let one_more = Action::CreateResource {
        resource_id: ResourceId(ids[bound + 1]),
    };
    let refused = Rejection::PlacementExceeded {
        table: crate::outcome::Table::Resources,
    };
    assert_eq!(fixture.apply(one_more), Verdict::Rejected(refused));
    assert_eq!(fixture.visible(), before);
    // One that is there is found however far it lies, and its removal makes room.
    assert_eq!(fixture.create(ids[bound]).code, ResultCode::ResourceExists);
    assert_eq!(fixture.delete(ids[0]).code, ResultCode::Done);
    assert_eq!(fixture.run(one_more).code, ResultCode::Done);
    assert_eq!(
        fixture.state.usage(Slot(0)).resources.probe_len_max,
        PLACEMENT_BOUND + 1
    );
}

/// R32: counted within one commit, before anything is applied.
#[test]
fn acceptance_counts_the_cells_that_the_commit_itself_will_take() {
    let config = Config {
        max_resources: 256,
        max_operations: 1024,
        ..config()
    };
    let fixture = Fixture::new(config);
    let bound = PLACEMENT_BOUND as usize;
    let ids = colliding(config.hash_seed, 512, bound + 2);
    let mut acceptance = Acceptance::new(1024).expect("memory");
    acceptance.begin(&fixture.state, Slot(1), false);
    for (tag, &id) in (0..).zip(&ids) {
        let command = Command {
            operation_id: OperationId(1_000_000 + u128::from(tag)),
            valid_until_slot: Slot(0),
            action: Action::CreateResource {
                resource_id: ResourceId(id),
            },
        };
        let said = acceptance.admit(&fixture.state, &command, tag);
        if (tag as usize) <= bound {
            assert_eq!(
                said,
                Admission::New {
                    lsn: Lsn(u64::from(tag) + 1)
                }
            );
        } else {
            let table = crate::outcome::Table::Resources;
            assert_eq!(
                said,
                Admission::Rejected(Rejection::PlacementExceeded { table })
            );
        }
    }
}

/// R31, R62: room is counted over the commit.
#[test]
fn acceptance_counts_room_retries_and_conflicts_within_the_commit() {
    let config = Config {
        max_operations: 3,
        ..config()
    };
    let mut fixture = Fixture::new(config);
    fixture.create(1);
    let slot = Slot(fixture.slot);
    let image = fixture.image();
    let mut acceptance = Acceptance::new(8).expect("memory");
    acceptance.begin(&fixture.state, slot, true);
    let mut admit = |operation: u128, id: u128, tag: u32| {
        let action = Action::CreateResource {
            resource_id: ResourceId(id),
        };
        let operation_id = OperationId(operation);
        let command = Command {
            operation_id,
            valid_until_slot: Slot(0),
            action,
        };
        acceptance.admit(&fixture.state, &command, tag)
    };
    // The expire_due in front has position 2.
    assert_eq!(admit(20, 2, 0), Admission::New { lsn: Lsn(3) });
    assert_eq!(admit(20, 2, 1), Admission::RetryOf { tag: 0 });
    let conflict = Rejection::OperationConflict { lsn: Lsn(3) };
    assert_eq!(admit(20, 3, 2), Admission::Rejected(conflict));
    assert_eq!(admit(21, 3, 3), Admission::New { lsn: Lsn(4) });
    let full = Rejection::OperationTableFull {
        capacity: 3,
        window_slots: 50,
    };
    assert_eq!(admit(22, 4, 4), Admission::Rejected(full));
    assert_eq!(
        admit(21, 3, 5),
        Admission::RetryOf { tag: 3 },
        "a retry needs no room"
    );
    let Admission::Retry(outcome) = admit(1, 1, 6) else {
        panic!("a remembered operation")
    };
    assert!(outcome.from_retry_cache);
    assert_eq!(acceptance.new_count(), 2);
    assert_eq!(fixture.image(), image, "R66: a pure read");
}

/// R24: the internal command is not the client's to send.
#[test]
fn acceptance_takes_no_internal_command() {
    let fixture = Fixture::new(config());
    let mut acceptance = Acceptance::new(1).expect("memory");
    acceptance.begin(&fixture.state, Slot(1), false);
    let command = Command {
        operation_id: OperationId(0),
        valid_until_slot: Slot(0),
        action: Action::ExpireDue { limit: 1 },
    };
    let malformed = Admission::Rejected(Rejection::Malformed { field: "kind" });
    assert_eq!(acceptance.admit(&fixture.state, &command, 0), malformed);
}

/// R91: memory is a pure function, told before anything is reserved.
#[test]
fn memory_is_known_beforehand_and_an_invalid_configuration_gets_none() {
    let small = State::memory_bytes(&config());
    let double = State::memory_bytes(&Config {
        max_resources: 32,
        ..config()
    });
    // A record, its two cells, and what a snapshot in slices keeps of it: a place and a copy.
    assert_eq!(double - small, 16 * (32 + 16 + 4 + (32 + 4)));
    let error = State::new(Config {
        max_resources: 0,
        ..config()
    })
    .expect_err("no resources");
    assert!(matches!(
        error,
        StateError::Config(ConfigError {
            field: "max_resources",
            ..
        })
    ));
    let huge = Config {
        max_resources: crate::config::CAPACITY_MAX,
        max_reservations: crate::config::CAPACITY_MAX,
        max_operations: crate::config::CAPACITY_MAX,
        ..config()
    };
    assert!(State::memory_bytes(&huge) > 50 << 30);
    // What an allocator counts, to the byte; `allocdb-node` has one that does (core_allocation).
    assert_eq!(State::memory_bytes(&config()), 46_480);
    assert_eq!(Acceptance::memory_bytes(7), 720);
}
