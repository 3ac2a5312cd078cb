//! Runs of commands, and requests that a host changes behind the check.

use super::*;
use crate::wire::group::{Group, Run};
use crate::wire::message::Reason;

const IDS: [[u8; 16]; 2] = [[1; 16], [2; 16]];

fn confirm(operation_id: u128) -> Request<'static> {
    let action = Action::Confirm {
        reservation_id: ReservationId(5),
        holder_id: HolderId(9),
    };
    command(1, operation_id, action)
}

#[test]
fn a_run_ends_at_a_read_and_at_either_bound() {
    let requests = [
        create(1, 1, 1),
        reserve(1, 2, &IDS),
        confirm(3),
        get(4, 1),
        create(1, 5, 5),
    ];
    let bytes = call_of(&requests);
    let ends: Vec<_> = (0..=requests.len())
        .map(|count| call_of(&requests[..count]).len())
        .collect();
    // What stands in the frame: 45 bytes, 87, and 61.
    for (max_batch_commands, max_batch_bytes, count) in [
        (100, 4096, 3),
        (3, 45 + 87 + 61, 3),
        (2, 4096, 2),
        (100, 45 + 87 + 60, 2),
        (100, 45 + 86, 1),
        (1, 4096, 1),
        // The first always goes: the engine has its own answer for one that is too large.
        (100, 1, 1),
    ] {
        let bounds = Bounds {
            max_batch_commands,
            max_batch_bytes,
            ..small_bounds()
        };
        let run = Run::at_front_of(&bytes, &bounds);
        assert_eq!(
            (run.count, run.message_bytes),
            (count, ends[count]),
            "{bounds:?}"
        );
    }
    let behind = Run::at_front_of(&bytes[ends[3]..], &small_bounds());
    assert_eq!(
        (behind.count, behind.message_bytes),
        (0, 0),
        "a read is no command"
    );
    let behind = Run::at_front_of(&bytes[ends[4]..], &small_bounds());
    assert_eq!((behind.count, behind.message_bytes), (1, 64));
    let nothing = Run::at_front_of(&[], &small_bounds());
    assert_eq!((nothing.count, nothing.message_bytes), (0, 0));
}

#[test]
fn a_request_that_is_changed_meanwhile_is_bounded_where_it_is_read() {
    let requests = [create(1, 1, 1), reserve(1, 2, &IDS), confirm(3)];
    let bytes = call_of(&requests);
    let run = Run::at_front_of(&bytes, &small_bounds());
    let changed = Rejection::Malformed { field: "message" };
    let (mut refused, mut others) = (0, 0);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut room = [0xEE; 4 * response::OUTCOME_BYTES];
        let Some(group) = Group::begin(run, &flipped, &mut room) else {
            refused += 1;
            continue;
        };
        for index in 0..run.count {
            match group.command(index) {
                Ok(_) => others += 1,
                Err(rejection) => assert_eq!(rejection, changed),
            }
        }
        let behind = &room[run.count * response::OUTCOME_BYTES..];
        assert!(behind.iter().all(|&byte| byte == 0xEE));
    }
    assert!(refused > 50 && others > 1000, "{refused}, {others}");
    let mut small = [0; 3 * response::OUTCOME_BYTES - 1];
    assert!(Group::begin(run, &bytes, &mut small).is_none());
    assert!(Group::begin(run, &bytes[1..], &mut [0; 1024]).is_none());
}

#[test]
fn a_reserve_too_short_for_its_ids_is_judged_by_its_count_first() {
    let mut bytes = bytes_of(&reserve(1, 2, &IDS));
    for (len, count, offset, reason) in [
        (79u8, request::ID_COUNT_MAX + 1, 72, Reason::Count),
        (79, request::ID_COUNT_MAX, 0, Reason::Length),
        (75, request::ID_COUNT_MAX + 1, 0, Reason::Length),
        (112, 1, 0, Reason::Length),
        (112, 3, 0, Reason::Length),
        (111, 2, 0, Reason::Length),
    ] {
        bytes[0] = len;
        bytes[72..76].copy_from_slice(&count.to_le_bytes());
        let fault = request::decode(&bytes).expect_err("no reserve");
        assert_eq!((fault.offset, fault.reason), (offset, reason), "{len}");
    }
    bytes[0] = 112;
    bytes[72..80].copy_from_slice(&[2, 0, 0, 0, 0, 1, 0, 0]);
    let fault = request::decode(&bytes).expect_err("no reserve");
    assert_eq!((fault.offset, fault.reason), (76, Reason::Reserved));
}
