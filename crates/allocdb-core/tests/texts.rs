//! What is said to people: names as the documentation spells them, and errors that tell the field,
//! the value and the bound.

use allocdb_core::command::CommandKind;
use allocdb_core::log::{CorruptReason, Corruption};
use allocdb_core::outcome::Table;
use allocdb_core::snapshot::SnapshotError;
use allocdb_core::state::{Broken, ReservationState, ResourceState, StateError};
use allocdb_core::{ConfigError, Lsn, Rejection, ResourceId, ResultCode, Slot};

#[test]
fn every_kind_state_and_code_has_the_documented_name() {
    let kinds = CommandKind::ALL.map(CommandKind::name);
    assert_eq!(
        kinds,
        [
            "create_resource",
            "delete_resource",
            "reserve",
            "confirm",
            "extend",
            "release",
            "revoke",
            "reclaim",
            "expire_due",
        ]
    );
    let codes = ResultCode::ALL.map(ResultCode::name);
    assert_eq!(
        codes,
        [
            "done",
            "resource_exists",
            "resource_table_full",
            "resource_not_found",
            "resource_busy",
            "reservation_table_full",
            "expiration_index_full",
            "reservation_not_found",
            "reservation_retired",
            "holder_mismatch",
            "invalid_state",
        ]
    );
    let states = [
        ResourceState::Available,
        ResourceState::Reserved,
        ResourceState::Confirmed,
        ResourceState::Revoking,
    ];
    assert_eq!(
        states.map(ResourceState::name),
        ["available", "reserved", "confirmed", "revoking"]
    );
    let states = [
        ReservationState::Reserved,
        ReservationState::Confirmed,
        ReservationState::Revoking,
        ReservationState::Released,
        ReservationState::Expired,
        ReservationState::Revoked,
    ];
    assert_eq!(
        states.map(ReservationState::name),
        [
            "reserved",
            "confirmed",
            "revoking",
            "released",
            "expired",
            "revoked"
        ]
    );
}

#[test]
fn a_configuration_error_names_the_field_the_value_and_the_bounds() {
    let error = ConfigError {
        field: "max_resources",
        value: 0,
        least: 1,
        greatest: 7,
    };
    assert_eq!(error.to_string(), "max_resources is 0, must be 1 to 7");
}

#[test]
fn corruption_names_the_place_the_reason_and_what_cannot_be_read() {
    let corruption = |newest| Corruption {
        offset: 4096,
        expected_lsn: Lsn(5),
        newest_lsn: Lsn(newest),
        reason: CorruptReason::FileCut { file_bytes: 4608 },
    };
    let head = "at offset 4096: the file was cut at 4608 bytes; ";
    assert_eq!(
        corruption(4).to_string(),
        format!("{head}LSN 5 and later cannot be read")
    );
    for newest in [5, 9] {
        assert_eq!(
            corruption(newest).to_string(),
            format!("{head}LSN 5 to {newest} were written and cannot be read")
        );
    }
}

#[test]
fn every_rejection_has_its_number_and_names_the_field_the_value_and_the_bound() {
    let slot = Slot(70);
    let rows = [
        (
            Rejection::Malformed { field: "holder_id" },
            100,
            "holder_id has a value that is never valid",
        ),
        (
            Rejection::BundleTooLarge { len: 9, bound: 8 },
            102,
            "9 resources in one reserve, max_bundle_len is 8",
        ),
        (
            Rejection::DuplicateResource {
                resource_id: ResourceId(0xAB),
            },
            103,
            "resource 0x000000000000000000000000000000ab is named twice in one reserve",
        ),
        (
            Rejection::TtlOutOfRange {
                ttl_slots: 0,
                bound: 5,
            },
            104,
            "ttl_slots is 0, must be 1 to max_ttl_slots = 5",
        ),
        (
            Rejection::SlotOverflow {
                slot,
                bound: Slot(60),
            },
            105,
            "slot is 70, must be at most 60",
        ),
        (
            Rejection::OperationExpired {
                slot,
                valid_until_slot: Slot(69),
            },
            107,
            "valid_until_slot is 69, the commit's slot is 70: this submission did nothing and \
             never will",
        ),
        (
            Rejection::ValidUntilOutOfRange {
                valid_until_slot: Slot(99),
                bound: Slot(80),
            },
            108,
            "valid_until_slot is 99, must be at most 80 (the commit's slot + \
             operation_window_slots)",
        ),
        (
            Rejection::OperationConflict { lsn: Lsn(4) },
            109,
            "operation_id was used for another command at LSN 4; a new command needs a new \
             operation_id",
        ),
        (
            Rejection::OperationTableFull {
                capacity: 100,
                window_slots: 9,
            },
            110,
            "all 100 places for operations are remembered: max_operations sustains 10 a slot \
             over operation_window_slots = 9; raise max_operations",
        ),
        (
            Rejection::PlacementExceeded {
                table: Table::Reservations,
            },
            111,
            "a new id would lie beyond the placement bound of the reservations table; retry later",
        ),
        (
            Rejection::LsnExhausted,
            112,
            "the last log position has been given away",
        ),
    ];
    for (rejection, status, text) in rows {
        assert_eq!(rejection.status(), status, "{rejection:?}");
        assert_eq!(rejection.to_string(), text);
    }
    let tables = [Table::Resources, Table::Reservations, Table::Operations];
    let names = ["resources", "reservations", "operations"];
    assert_eq!(tables.map(Table::name), names);
}

#[test]
fn every_reason_for_corruption_names_what_was_found() {
    let (lsn, found) = (Lsn(7), Lsn(9));
    let rows = [
        (
            CorruptReason::BelowSynced { synced_bytes: 5120 },
            "the frame does not check, below 5120 bytes that were synced",
        ),
        (
            CorruptReason::ProvenByFrame { offset: 4608 },
            "the frame does not check, and the frame at 4608 proves it was durable",
        ),
        (
            CorruptReason::ProvenBySnapshot { snapshot_lsn: lsn },
            "the log ends here, and a snapshot is named after LSN 7",
        ),
        (
            CorruptReason::KnownDurable { durable_lsn: lsn },
            "the frame does not check, and LSN 7 was durable",
        ),
        (CorruptReason::HeaderDamaged, "the frame header is damaged"),
        (
            CorruptReason::ContentDamaged,
            "the frame was changed after it was written",
        ),
        (
            CorruptReason::HeaderUnknown,
            "the frame header is of no known form",
        ),
        (
            CorruptReason::ForeignDatabase { found: 0xF0 },
            "the frame is of database 0xf0",
        ),
        (
            CorruptReason::LsnDoesNotFollow { found },
            "the frame begins with LSN 9",
        ),
        (
            CorruptReason::ChainBroken,
            "the frame does not chain to the one before",
        ),
        (
            CorruptReason::SlotWentBack {
                found: Slot(3),
                last_slot: Slot(4),
            },
            "slot 3 comes after slot 4",
        ),
        (
            CorruptReason::DurableLsnAhead { found },
            "the frame calls LSN 9 durable before it",
        ),
        (
            CorruptReason::RecordMalformed { lsn },
            "the record of LSN 7 is none",
        ),
        (
            CorruptReason::MarkerAhead { anchor_lsn: lsn },
            "a marker names LSN 7 ahead of its log",
        ),
        (
            CorruptReason::OperationRepeated { lsn },
            "LSN 7 repeats a remembered operation",
        ),
        (
            CorruptReason::CommandNotAcceptable { lsn },
            "LSN 7 is a command that is never accepted",
        ),
    ];
    for (reason, text) in rows {
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn a_refused_snapshot_says_why() {
    let no_memory = StateError::NoMemory { bytes: 12 };
    let config = ConfigError {
        field: "max_operations",
        value: 0,
        least: 1,
        greatest: 2,
    };
    let broken = Broken {
        law: "a law",
        handle: 3,
    };
    let rows = [
        (SnapshotError::Source("gone"), "gone".to_owned()),
        (
            SnapshotError::NotASnapshot,
            "not an AllocDB snapshot".to_owned(),
        ),
        (
            SnapshotError::Version { version: 9 },
            "snapshot version is 9, this is version 1".to_owned(),
        ),
        (
            SnapshotError::Damaged {
                what: "a checksum does not hold",
                offset: 64,
            },
            "a checksum does not hold at offset 64".to_owned(),
        ),
        (
            SnapshotError::State(no_memory),
            "the configuration needs 12 bytes of memory".to_owned(),
        ),
        (
            SnapshotError::State(StateError::Config(config)),
            config.to_string(),
        ),
        (
            SnapshotError::Broken(broken),
            format!("broken invariant: {broken}"),
        ),
    ];
    for (error, text) in rows {
        assert_eq!(error.to_string(), text);
    }
    assert!(broken.to_string().contains("a law"));
}
