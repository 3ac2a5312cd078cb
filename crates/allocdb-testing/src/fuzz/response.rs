//! Responses of the byte API: the decoder for callers in Rust, against a reading of the documented
//! table that shares no code with it.
//!
//! The laws: `decode` does not panic; what it accepts lies whole within the bytes, is refused when
//! one byte is missing, decodes to the same when it stands alone, and every field has the value
//! that stands at its documented offset. Here each field is written back to that offset over the
//! input, and nothing may change: reserved bytes, which readers do not look at, stay as they were.
//! Health figures of any value become a `Health` without a panic.
//!
//! In every second input the length field is the input's length, and in every fourth the input is
//! filled up with zeros to the least length of its kind: a health response has 1,048 bytes, which a
//! fuzzer would have to carry along otherwise.

use std::cell::RefCell;

use allocdb_core::Config;
use allocdb_core::canary::Canary;
use allocdb_node::Health;
use allocdb_node::wire::Bounds;
use allocdb_node::wire::message::{Kind, VERSION};
use allocdb_node::wire::response::{self, Body, ReservationRow, ResourceRow, Response};

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "response",
    len_max: 256,
    allocation_bytes_max: 0,
    run,
    seeds,
    canary: Canary::ResponseLengthUnchecked,
};

const HEADER_BYTES: usize = 16;
const INPUT_BYTES_MAX: usize = 2048;

thread_local! {
    static SCRATCH: RefCell<[Vec<u8>; 2]> =
        RefCell::new([vec![0; INPUT_BYTES_MAX], vec![0; INPUT_BYTES_MAX]]);
}

/// Tries one input: a byte that says what is put right, then the messages.
pub fn run(data: &[u8]) {
    let Some((&mode, bytes)) = data.split_first() else {
        return;
    };
    SCRATCH.with_borrow_mut(|[input, written]| {
        let mut len = bytes.len().min(INPUT_BYTES_MAX);
        input[..len].copy_from_slice(&bytes[..len]);
        if len >= HEADER_BYTES {
            if mode & 2 != 0 {
                let kind = Kind::from_number(input[5] & 0x7F);
                let least = kind.map_or(len, response::len_least);
                if least > len {
                    input[len..least].fill(0);
                    len = least;
                }
            }
            if mode & 1 != 0 {
                let len = u32::try_from(len).expect("short");
                input[..4].copy_from_slice(&len.to_le_bytes());
            }
        }
        let mut rest = &input[..len];
        while let Some(len) = check(rest, written) {
            rest = &rest[len..];
        }
    });
}

fn check(bytes: &[u8], written: &mut [u8]) -> Option<usize> {
    let (response, len) = match response::decode(bytes) {
        Ok(accepted) => accepted,
        Err(fault) => {
            assert!(fault.offset < INPUT_BYTES_MAX, "{fault:?}");
            return None;
        }
    };
    assert!(len >= HEADER_BYTES + 8, "a response of {len} bytes");
    let message = &bytes[..len];
    let written = &mut written[..len];
    written.copy_from_slice(message);
    write_back(
        &response,
        &mut Field {
            out: written,
            at: 0,
        },
    );
    assert_eq!(written, message, "{response:?}");
    assert_eq!(response::decode(message), Ok((response, len)));
    assert!(
        response::decode(&message[..len - 1]).is_err(),
        "a cut response was accepted: {response:?}"
    );
    Some(len)
}

/// Where the next field goes.
struct Field<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Field<'_> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.skip(bytes.len())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn u128(&mut self, value: u128) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn skip(&mut self, len: usize) -> &mut Self {
        self.at += len;
        self
    }

    /// The word that stands here, unchanged, which is all that is left of it once it is a `bool`.
    fn truth(&mut self, value: bool) -> &mut Self {
        let word: [u8; 4] = self.out[self.at..self.at + 4].try_into().expect("four");
        assert_eq!(word != [0; 4], value, "a flag at {}", self.at);
        self.skip(4)
    }
}

fn write_back(response: &Response<'_>, field: &mut Field<'_>) {
    let len = u32::try_from(field.out.len()).expect("short");
    field
        .u32(len)
        .put(&[VERSION, response.kind.number() | 0x80]);
    field.put(&[0, 0]).u64(response.tag);
    let Body::Failed(failure) = response.body else {
        field.u32(0).skip(4);
        write_body(&response.body, field);
        return;
    };
    field.u32(failure.status.into());
    field.put(&failure.os_errno.to_le_bytes());
    for word in failure.detail {
        field.u64(word);
    }
}

fn write_body(body: &Body<'_>, field: &mut Field<'_>) {
    match *body {
        Body::Failed(_) => unreachable!("written above"),
        Body::Outcome(outcome) => {
            field.u64(outcome.lsn.0).u128(outcome.reservation_id.0);
            field.u64(outcome.deadline_slot.0).u32(outcome.code as u32);
            field.u32(outcome.failed_index);
            field.u32(outcome.from_retry_cache.into());
        }
        Body::Tick(tick) => {
            field.u64(tick.lsn.0).u64(tick.slot.0);
            field.u64(tick.due_count).u32(tick.expired_count);
        }
        Body::Resource(row) => write_resource(&row, field),
        Body::Reservation { row, resource_ids } => {
            write_reservation(&row, field);
            let count = u32::try_from(resource_ids.len()).expect("few");
            field.u32(count).skip(4).put(resource_ids.as_bytes());
        }
        Body::Resources {
            next_cursor,
            applied_lsn,
            rows,
        } => {
            let count = u32::try_from(rows.resources().count()).expect("few");
            field.u64(next_cursor).u64(applied_lsn.0);
            field.u32(count).skip(12);
            rows.resources().for_each(|row| write_resource(&row, field));
        }
        Body::Reservations {
            next_cursor,
            applied_lsn,
            rows,
        } => {
            let count = u32::try_from(rows.reservations().count()).expect("few");
            field.u64(next_cursor).u64(applied_lsn.0);
            field.u32(count).skip(12);
            rows.reservations()
                .for_each(|row| write_reservation(&row, field));
        }
        Body::Health(figures) => {
            figures.0.iter().for_each(|&word| {
                field.u64(word);
            });
            let health = Health::from(&figures);
            assert_eq!(health.last_lsn.0, figures.0[5]);
        }
        Body::Configuration(bounds) => write_bounds(&bounds, field),
        Body::RecoveryReport(report) => {
            field.u32(report.kind as u32).skip(4);
            field.u64(report.snapshot_lsn.0).u64(report.frames_replayed);
            field.u64(report.records_replayed).u64(report.last_lsn.0);
            field.u64(report.last_slot.0).u64(report.torn_bytes);
            field.u64(report.rewritten_bytes).u64(report.duration_ns);
        }
        Body::Checkpoint(report) => {
            field.u64(report.anchor_lsn.0).u64(report.snapshot_bytes);
            field.u64(report.log_bytes_before);
            field.u64(report.log_bytes_after);
            field.u64(report.duration_ns).u64(report.stall_ns);
            field.truth(report.written);
        }
    }
}

fn write_resource(row: &ResourceRow, field: &mut Field<'_>) {
    field.u128(row.resource_id.0).u128(row.reservation_id.0);
    field.u128(row.holder_id.0).u64(row.version);
    field.u32(row.state).skip(4);
}

fn write_reservation(row: &ReservationRow, field: &mut Field<'_>) {
    field.u128(row.reservation_id.0).u128(row.holder_id.0);
    field.u128(row.first_resource_id.0).u64(row.created_lsn.0);
    field.u64(row.deadline_slot.0).u64(row.ended_lsn.0);
    field.u64(row.retire_after_slot.0).u32(row.state);
    field.u32(row.resource_count).skip(8);
}

fn write_bounds(bounds: &Bounds, field: &mut Field<'_>) {
    let Config {
        database_id,
        shard_id,
        hash_seed,
        slot_duration_ms,
        max_ttl_slots,
        operation_window_slots,
        history_window_slots,
        max_resources,
        max_reservations,
        max_operations,
        max_bundle_len,
        max_expiration_bucket_len,
        max_expirations_per_tick,
    } = bounds.config;
    assert_eq!(hash_seed, 0, "the seed is not sent");
    field.u128(database_id).u64(shard_id).u64(slot_duration_ms);
    field.u64(max_ttl_slots).u64(operation_window_slots);
    field.u64(history_window_slots).u32(max_resources);
    field.u32(max_reservations).u32(max_operations);
    field.u32(max_bundle_len).u32(max_expiration_bucket_len);
    field.u32(max_expirations_per_tick);
    field.u32(bounds.max_batch_commands).u32(bounds.max_queue);
    field.u64(bounds.max_batch_bytes);
}

/// Every kind of response, as short as it may be, with one row or id, and failed.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in Kind::ALL {
        let least = response::len_least(kind).min(TARGET.len_max - 1);
        for (extra, status) in [(0, 0), (16, 0), (64, 0), (96, 0), (0, 7)] {
            let mut message = vec![0; least + extra];
            message[4] = VERSION;
            message[5] = kind.response_number();
            message[16] = status;
            for at in (HEADER_BYTES + 8..message.len()).step_by(8) {
                message[at] = 1;
            }
            for count_at in [40, 120] {
                if message.len() > count_at {
                    message[count_at] = u8::from(extra > 0);
                }
            }
            message.truncate(TARGET.len_max - 1);
            seeds.push([&[3], message.as_slice()].concat());
        }
    }
    assert!(seeds.iter().all(|seed| seed.len() <= TARGET.len_max));
    seeds
}
