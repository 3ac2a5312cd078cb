//! What the form of a command and the configuration alone decide.

use super::*;
use crate::config::tests::sample;

fn ids(count: u16) -> Vec<[u8; 16]> {
    (1..=count).map(|n| u128::from(n).to_le_bytes()).collect()
}

fn command(action: Action<'_>) -> Command<'_> {
    Command {
        operation_id: OperationId(1),
        valid_until_slot: Slot(0),
        action,
    }
}

fn reserve(ids: &[[u8; 16]], holder: u128, ttl_slots: u64) -> Command<'_> {
    let resource_ids = ResourceIds::new(ids);
    command(Action::Reserve {
        resource_ids,
        holder_id: HolderId(holder),
        ttl_slots,
    })
}

fn malformed(field: &'static str) -> Result<(), Rejection> {
    Err(Rejection::Malformed { field })
}

#[test]
fn zero_ids_are_malformed_and_the_field_is_named() {
    let config = sample();
    let one = ids(1);
    let zero = [[0; 16]];
    let (reservation_id, holder_id) = (ReservationId(1), HolderId(1));
    let (no_reservation, nobody) = (ReservationId(0), HolderId(0));
    let rows = [
        (
            Action::CreateResource {
                resource_id: ResourceId(0),
            },
            "resource_id",
        ),
        (
            Action::DeleteResource {
                resource_id: ResourceId(0),
            },
            "resource_id",
        ),
        (reserve(&one, 0, 1).action, "holder_id"),
        (reserve(&zero, 1, 1).action, "resource_id"),
        (reserve(&[], 1, 1).action, "resource_ids"),
        (
            Action::Confirm {
                reservation_id: no_reservation,
                holder_id,
            },
            "reservation_id",
        ),
        (
            Action::Confirm {
                reservation_id,
                holder_id: nobody,
            },
            "holder_id",
        ),
        (
            Action::Release {
                reservation_id: no_reservation,
                holder_id,
            },
            "reservation_id",
        ),
        (
            Action::Release {
                reservation_id,
                holder_id: nobody,
            },
            "holder_id",
        ),
        (
            Action::Extend {
                reservation_id: no_reservation,
                holder_id,
                ttl_slots: 1,
            },
            "reservation_id",
        ),
        (
            Action::Extend {
                reservation_id,
                holder_id: nobody,
                ttl_slots: 1,
            },
            "holder_id",
        ),
        (
            Action::Revoke {
                reservation_id: no_reservation,
            },
            "reservation_id",
        ),
        (
            Action::Reclaim {
                reservation_id: no_reservation,
            },
            "reservation_id",
        ),
    ];
    for (action, field) in rows {
        assert_eq!(
            command(action).check(&config),
            malformed(field),
            "{action:?}"
        );
        let nameless = Command {
            operation_id: OperationId(0),
            ..command(action)
        };
        assert_eq!(nameless.check(&config), malformed("operation_id"));
    }
}

#[test]
fn an_internal_command_has_no_operation_and_a_bounded_limit() {
    let config = sample();
    let tick = |operation: u128, limit: u32| {
        let action = Action::ExpireDue { limit };
        let operation_id = OperationId(operation);
        Command {
            operation_id,
            valid_until_slot: Slot(0),
            action,
        }
        .check(&config)
    };
    assert_eq!(tick(0, 1), Ok(()));
    assert_eq!(tick(0, config.max_expirations_per_tick), Ok(()));
    assert_eq!(tick(0, 0), malformed("limit"));
    assert_eq!(
        tick(0, config.max_expirations_per_tick + 1),
        malformed("limit")
    );
    assert_eq!(tick(1, 1), malformed("operation_id"));
}

#[test]
fn no_place_of_a_bundle_is_free_of_the_rule_about_zero() {
    let config = sample();
    for count in 1..=4 {
        for place in 0..usize::from(count) {
            let mut bundle = ids(count);
            assert_eq!(
                ResourceIds::new(&bundle).as_bytes(),
                bundle.as_flattened(),
                "the byte form is that of the ids in turn"
            );
            bundle[place] = [0; 16];
            let answer = reserve(&bundle, 1, 1).check(&config);
            assert_eq!(answer, malformed("resource_id"), "{place} of {count}");
        }
    }
}

#[test]
fn a_bundle_is_bounded_by_the_configuration() {
    let config = sample();
    assert_eq!(reserve(&ids(4), 1, 1).check(&config), Ok(()));
    let too_large = Rejection::BundleTooLarge { len: 5, bound: 4 };
    assert_eq!(reserve(&ids(5), 1, 1).check(&config), Err(too_large));
}

#[test]
fn a_resource_twice_in_a_bundle_is_found_at_every_length_and_place() {
    let config = Config {
        max_bundle_len: BUNDLE_LEN_MAX,
        ..sample()
    };
    for count in [2, 24, 25, 100, 1024] {
        let mut bundle = ids(count);
        assert_eq!(reserve(&bundle, 1, 1).check(&config), Ok(()));
        let last = bundle.len() - 1;
        for (from, to) in [(0, last), (last, 0), (last / 2, last)] {
            if from == to {
                continue;
            }
            let kept = bundle[to];
            bundle[to] = bundle[from];
            let resource_id = ResourceId(u128::from_le_bytes(bundle[from]));
            let rejection = Rejection::DuplicateResource { resource_id };
            assert_eq!(reserve(&bundle, 1, 1).check(&config), Err(rejection));
            bundle[to] = kept;
        }
    }
}

#[test]
fn a_ttl_is_at_least_one_and_at_most_the_bound() {
    let config = sample();
    let one = ids(1);
    let bound = config.max_ttl_slots;
    for (ttl_slots, allowed) in [(0, false), (1, true), (bound, true), (bound + 1, false)] {
        let extend = Action::Extend {
            reservation_id: ReservationId(1),
            holder_id: HolderId(1),
            ttl_slots,
        };
        for command in [reserve(&one, 1, ttl_slots), command(extend)] {
            let rejection = Rejection::TtlOutOfRange { ttl_slots, bound };
            let expected = if allowed { Ok(()) } else { Err(rejection) };
            assert_eq!(command.check(&config), expected);
        }
    }
}

#[test]
fn a_fingerprint_tells_every_argument_apart() {
    let (one, two) = (ids(1), ids(2));
    let (reservation_id, holder_id) = (ReservationId(1), HolderId(1));
    let actions = [
        Action::CreateResource {
            resource_id: ResourceId(1),
        },
        Action::CreateResource {
            resource_id: ResourceId(2),
        },
        Action::DeleteResource {
            resource_id: ResourceId(1),
        },
        reserve(&one, 1, 1).action,
        reserve(&one, 2, 1).action,
        reserve(&one, 1, 2).action,
        reserve(&two, 1, 1).action,
        Action::Confirm {
            reservation_id,
            holder_id,
        },
        Action::Confirm {
            reservation_id,
            holder_id: HolderId(2),
        },
        Action::Release {
            reservation_id,
            holder_id,
        },
        Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots: 1,
        },
        Action::Extend {
            reservation_id,
            holder_id,
            ttl_slots: 2,
        },
        Action::Revoke { reservation_id },
        Action::Reclaim { reservation_id },
        Action::Reclaim {
            reservation_id: ReservationId(2),
        },
    ];
    for (index, action) in actions.iter().enumerate() {
        let hash = action.fingerprint(5);
        assert_eq!(hash, action.fingerprint(5));
        assert_ne!(hash, action.fingerprint(6), "the seed is part of it");
        assert!(
            actions[..index]
                .iter()
                .all(|earlier| earlier.fingerprint(5) != hash)
        );
    }
}

#[test]
fn of_several_repeated_resources_the_answer_is_always_the_same_one() {
    let config = Config {
        max_bundle_len: BUNDLE_LEN_MAX,
        ..sample()
    };
    // A short bundle names what repeats first, a long one the least id.
    for (count, named) in [(24, 9u128), (25, 1)] {
        let mut bundle = ids(count);
        let twice = [9u128, 9, 1, 1].map(u128::to_le_bytes);
        for (place, id) in bundle.iter_mut().enumerate() {
            *id = (1_000 + place as u128).to_le_bytes();
        }
        bundle[..4].copy_from_slice(&twice);
        let resource_id = ResourceId(named);
        let rejection = Rejection::DuplicateResource { resource_id };
        assert_eq!(reserve(&bundle, 1, 1).check(&config), Err(rejection));
    }
}

#[test]
fn a_list_of_ids_knows_whether_it_is_empty() {
    assert!(
        ResourceIds::from_bytes(&[])
            .expect("no id at all")
            .is_empty()
    );
    assert!(
        !ResourceIds::from_bytes(&[1; 16])
            .expect("one id")
            .is_empty()
    );
}
