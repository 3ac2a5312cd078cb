//! The configuration's bounds and its stored form.

#![allow(clippy::cast_possible_truncation, reason = "test values fit")]

use super::*;

pub(crate) fn sample() -> Config {
    Config {
        database_id: 0xD0,
        shard_id: 7,
        hash_seed: 0x5EED,
        slot_duration_ms: 100,
        max_ttl_slots: 1000,
        operation_window_slots: 300,
        history_window_slots: 200,
        max_resources: 10,
        max_reservations: 20,
        max_operations: 30,
        max_bundle_len: 4,
        max_expiration_bucket_len: 18,
        max_expirations_per_tick: 5,
    }
}

#[test]
fn stored_form_reads_back() {
    assert_eq!(Config::decode(&sample().encode()), Some(sample()));
}

#[test]
fn reserved_bytes_must_be_zero() {
    let mut bytes = sample().encode();
    bytes[CONFIG_BYTES - 1] = 1;
    assert_eq!(Config::decode(&bytes), None);
}

#[test]
fn every_field_has_bounds_and_the_error_names_it() {
    type Set = fn(&mut Config, u64);
    let fields: [(&str, Set, u64); 10] = [
        (
            "slot_duration_ms",
            |c, v| c.slot_duration_ms = v,
            SLOT_DURATION_MS_MAX,
        ),
        ("max_ttl_slots", |c, v| c.max_ttl_slots = v, TTL_SLOTS_MAX),
        (
            "operation_window_slots",
            |c, v| c.operation_window_slots = v,
            WINDOW_SLOTS_MAX,
        ),
        (
            "history_window_slots",
            |c, v| c.history_window_slots = v,
            WINDOW_SLOTS_MAX,
        ),
        (
            "max_resources",
            |c, v| c.max_resources = v as u32,
            CAPACITY_MAX.into(),
        ),
        (
            "max_reservations",
            |c, v| c.max_reservations = v as u32,
            CAPACITY_MAX.into(),
        ),
        (
            "max_operations",
            |c, v| c.max_operations = v as u32,
            CAPACITY_MAX.into(),
        ),
        (
            "max_bundle_len",
            |c, v| c.max_bundle_len = v as u32,
            BUNDLE_LEN_MAX.into(),
        ),
        (
            "max_expiration_bucket_len",
            |c, v| c.max_expiration_bucket_len = v as u32,
            20,
        ),
        (
            "max_expirations_per_tick",
            |c, v| c.max_expirations_per_tick = v as u32,
            1 << 28,
        ),
    ];
    for (field, set, greatest) in fields {
        for (value, allowed) in [
            (0, false),
            (1, true),
            (greatest, true),
            (greatest + 1, false),
        ] {
            let mut config = sample();
            set(&mut config, value);
            if field == "max_reservations" {
                config.max_expiration_bucket_len = 1;
            }
            let said = config.validate();
            if allowed {
                assert_eq!(said, Ok(()), "{field} = {value}");
            } else {
                let error = said.expect_err(field);
                assert_eq!((error.field, error.value), (field, u128::from(value)));
                assert_eq!((error.least, error.greatest), (1, greatest));
            }
        }
    }
    let config = Config {
        database_id: 0,
        ..sample()
    };
    assert_eq!(config.validate().expect_err("zero id").field, "database_id");
}

#[test]
fn first_difference_names_each_field() {
    let mut bytes = sample().encode();
    let offsets = [
        (0, "database_id"),
        (16, "shard_id"),
        (24, "hash_seed"),
        (32, "slot_duration_ms"),
        (40, "max_ttl_slots"),
        (48, "operation_window_slots"),
        (56, "history_window_slots"),
        (64, "max_resources"),
        (68, "max_reservations"),
        (72, "max_operations"),
        (76, "max_bundle_len"),
        (80, "max_expiration_bucket_len"),
        (84, "max_expirations_per_tick"),
    ];
    for (offset, field) in offsets {
        bytes[offset] ^= 1;
        let other = Config::decode(&bytes).expect("still within bounds");
        assert_eq!(
            sample().first_difference(&other).map(|(name, _, _)| name),
            Some(field)
        );
        bytes[offset] ^= 1;
    }
    assert_eq!(sample().first_difference(&sample()), None);
}

#[test]
fn slot_max_leaves_room_for_the_largest_window() {
    assert_eq!(sample().slot_max(), Slot(u64::MAX - 1000));
}

/// R91: what the format and the documentation promise of the greatest values.
#[test]
fn the_greatest_values_are_the_documented_ones() {
    assert_eq!(CAPACITY_MAX, 268_435_456);
    assert_eq!(BUNDLE_LEN_MAX, 1_024);
    assert_eq!(TTL_SLOTS_MAX, 268_435_455);
    assert_eq!(WINDOW_SLOTS_MAX, 1_099_511_627_776);
    assert_eq!(SLOT_DURATION_MS_MAX, 86_400_000);
}

/// R92, R95: a growth keeps what is equal, takes what is greater, and nothing else.
#[test]
fn a_growth_is_kept_from_shrinking_and_from_changing_anything_else() {
    let stored = sample();
    assert_eq!(stored.growth_obstacle(&stored), None);
    let grown = Config {
        max_resources: stored.max_resources + 1,
        ..stored
    };
    assert_eq!(stored.growth_obstacle(&grown), None);
    let (before, after) = (grown.max_resources.into(), stored.max_resources.into());
    let shrunk = Some(("max_resources", before, after));
    assert_eq!(grown.growth_obstacle(&stored), shrunk);
    let other = Config {
        max_ttl_slots: stored.max_ttl_slots + 1,
        ..stored
    };
    let field = stored.growth_obstacle(&other).map(|(field, _, _)| field);
    assert_eq!(field, Some("max_ttl_slots"));
}
