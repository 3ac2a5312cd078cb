//! The calls that the golden vectors are made of: bad ones, and a transcript.

use super::super::*;

const PAIR: [[u8; 16]; 2] = [1u128.to_le_bytes(), 2u128.to_le_bytes()];
const TWICE: [[u8; 16]; 3] = [PAIR[0], PAIR[1], PAIR[0]];
const FIVE: [[u8; 16]; 5] = [
    PAIR[0],
    PAIR[1],
    3u128.to_le_bytes(),
    4u128.to_le_bytes(),
    5u128.to_le_bytes(),
];
const ONE: [[u8; 16]; 1] = [PAIR[0]];
const THREE: [[u8; 16]; 1] = [FIVE[2]];
const MISSING: [[u8; 16]; 2] = [FIVE[2], 99u128.to_le_bytes()];

/// A name, a good request, where four of its bytes are replaced, and by what.
type Bad = (&'static str, Request<'static>, usize, u32);

/// Names and bytes of bad calls: a good message with four bytes replaced, behind a good one.
pub(super) fn bad_calls() -> Vec<(String, Vec<u8>)> {
    let front = bytes_of(&create(1, 1, 1));
    let rows = bad_forms()
        .into_iter()
        .chain(bad_values())
        .chain(ruled_out());
    let calls = rows.map(|(name, request, place, value)| {
        let mut bytes = bytes_of(&request);
        bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
        (name.to_string(), [front.clone(), bytes].concat())
    });
    let mut calls: Vec<_> = calls.collect();
    calls.push(("a single byte".to_string(), vec![16]));
    calls.push(("one byte too few".to_string(), front[..63].to_vec()));
    calls.push(("one byte too many".to_string(), [front, vec![0]].concat()));
    calls
}

fn tick(tag: u64, slot: u64) -> Request<'static> {
    read(
        tag,
        Body::Tick {
            slot: Slot(slot),
            limit: 0,
        },
    )
}

fn lookup(tag: u64, reservation_id: ReservationId, capacity: u32) -> Request<'static> {
    read(
        tag,
        Body::GetReservation {
            required_lsn: Lsn(0),
            reservation_id,
            capacity,
        },
    )
}

fn operation(tag: u64, operation_id: u128) -> Request<'static> {
    let operation_id = OperationId(operation_id);
    read(
        tag,
        Body::GetOperation {
            required_lsn: Lsn(0),
            operation_id,
        },
    )
}

fn listing(holder_id: HolderId, state_mask: u32) -> Listing {
    Listing {
        required_lsn: Lsn(1),
        cursor: 0,
        holder_id,
        state_mask,
        row_count_max: 10,
    }
}

fn bad_forms() -> Vec<Bad> {
    vec![
        ("len below the header", get(2, 1), 0, 15),
        ("len below the kind's", get(2, 1), 0, 39),
        ("len beyond the call", get(2, 1), 0, 41),
        ("unknown version", get(2, 1), 4, 0x2002),
        ("kind 0", get(2, 1), 4, 0x0001),
        ("kind of expire_due", get(2, 1), 4, 0x0901),
        ("kind of a response", get(2, 1), 4, 0xA001),
        ("kind of a connection", get(2, 1), 4, 0xF001),
        ("a flag", get(2, 1), 4, 0x0001_2001),
        ("count over the message's", reserve(1, 2, &ONE), 72, 2),
        ("count over the bound", reserve(1, 2, &ONE), 72, 1025),
        ("reserved word of reserve", reserve(1, 2, &ONE), 76, 1),
        ("reserved word of tick", tick(2, 1), 28, 1 << 31),
        (
            "reserved word of get_reservation",
            lookup(2, ReservationId(1), 1),
            44,
            1,
        ),
        (
            "capacity over the bound",
            lookup(2, ReservationId(1), 1),
            40,
            1025,
        ),
    ]
}

fn bad_values() -> Vec<Bad> {
    let resources = read(2, Body::ListResources(listing(HolderId(0), 0)));
    let reservations = read(2, Body::ListReservations(listing(HolderId(0), 0)));
    vec![
        ("rows over the bound", resources, 52, 8193),
        ("state of no resource", resources, 48, 1 << 5),
        ("state of no reservation", reservations, 48, 1 << 7),
        ("zero operation_id", create(1, 2, 2), 24, 0),
        ("zero resource_id", create(1, 2, 2), 48, 0),
        ("zero holder_id", reserve(1, 2, &ONE), 48, 0),
        ("zero resource_id in a bundle", reserve(1, 2, &PAIR), 96, 0),
        ("empty bundle", reserve(1, 2, &[]), 72, 0),
        ("zero id in a read", get(2, 1), 24, 0),
    ]
}

fn ruled_out() -> Vec<Bad> {
    let extend = Action::Extend {
        reservation_id: ReservationId(1),
        holder_id: HolderId(1),
        ttl_slots: 5,
    };
    vec![
        // The replaced bytes are the kind's own: the fault is in the message already.
        ("bundle_too_large", reserve(1, 2, &FIVE), 4, 0x0301),
        ("duplicate_resource", reserve(1, 2, &TWICE), 4, 0x0301),
        ("ttl_slots of 0", reserve(1, 2, &ONE), 64, 0),
        ("ttl_slots over the bound", command(1, 2, extend), 80, 1001),
        ("slot_overflow", create(u64::MAX - 1, 2, 2), 4, 0x0101),
    ]
}

// The shard is 7, and the reserves of the transcript are applied at LSN 5 and 8.
const FIRST: ReservationId = ReservationId(7 << 64 | 5);
const SECOND: ReservationId = ReservationId(7 << 64 | 8);
const HOLDER: HolderId = HolderId(9);

/// Calls on a new database: the same requests give the same responses on every machine.
pub(in crate::wire::tests) fn transcript_calls() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "create, reserve a bundle, collide, retry, conflict",
            first_call(),
        ),
        ("confirm, extend, reads between commands", second_call()),
        ("release, revoke, reclaim, delete, expire", third_call()),
    ]
}

fn first_call() -> Vec<u8> {
    call_of(&[
        create(100, 1, 1),
        create(100, 2, 2),
        create(100, 3, 3),
        create(100, 4, 1),
        reserve(100, 5, &PAIR),
        reserve(100, 6, &ONE),
        reserve(100, 7, &MISSING),
        reserve(100, 8, &THREE),
        create(100, 1, 1),
        create(100, 2, 50),
        get(9, 1),
        lookup(10, FIRST, 4),
        lookup(11, FIRST, 1),
    ])
}

fn second_call() -> Vec<u8> {
    let confirm = |holder_id| Action::Confirm {
        reservation_id: FIRST,
        holder_id,
    };
    let extend = Action::Extend {
        reservation_id: SECOND,
        holder_id: HOLDER,
        ttl_slots: 20,
    };
    let fenced = Body::GetResource {
        required_lsn: Lsn(1000),
        resource_id: ResourceId(1),
    };
    call_of(&[
        command(101, 20, confirm(HolderId(10))),
        command(102, 21, confirm(HOLDER)),
        command(103, 22, extend),
        get(23, 3),
        get(24, 404),
        lookup(25, ReservationId(FIRST.0 + 399), 0),
        operation(26, 5),
        operation(27, 404),
        read(28, fenced),
        read(29, Body::ListResources(listing(HolderId(0), 0))),
        read(30, Body::ListResources(listing(HOLDER, 1 << 2))),
        read(31, Body::ListReservations(listing(HolderId(0), 1 << 1))),
    ])
}

fn third_call() -> Vec<u8> {
    let release = Action::Release {
        reservation_id: SECOND,
        holder_id: HOLDER,
    };
    let revoke = Action::Revoke {
        reservation_id: FIRST,
    };
    let reclaim = Action::Reclaim {
        reservation_id: FIRST,
    };
    let delete = Action::DeleteResource {
        resource_id: ResourceId(3),
    };
    call_of(&[
        command(104, 40, release),
        command(104, 41, revoke),
        get(42, 1),
        command(104, 43, reclaim),
        command(104, 44, delete),
        reserve(104, 45, &ONE),
        tick(46, 113),
        tick(47, 114),
        get(48, 1),
        read(49, Body::ListReservations(listing(HolderId(0), 0))),
    ])
}
