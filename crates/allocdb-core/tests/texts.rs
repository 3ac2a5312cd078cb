//! What is said to people: names as the documentation spells them, and errors that tell the field,
//! the value and the bound.

use allocdb_core::command::CommandKind;
use allocdb_core::log::{CorruptReason, Corruption};
use allocdb_core::state::{ReservationState, ResourceState};
use allocdb_core::{ConfigError, Lsn, ResultCode};

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
