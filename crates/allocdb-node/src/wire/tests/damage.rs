//! Whatever the bytes are, the answer is a response or a fault with its place, never a panic.

use super::*;
use crate::wire::execute::response_bound;
use crate::wire::message::Reason;

/// A generator of repeatable noise.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}

/// A call of every kind of request.
fn whole_call() -> (Vec<u8>, Vec<usize>) {
    let material = distinct_material();
    let mut ends = Vec::new();
    let mut bytes = Vec::new();
    for material in &material {
        bytes.extend(bytes_of(&material.request()));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn call_fault(config: &Config, bytes: &[u8]) -> (u64, usize, Reason) {
    match response_bound(config, bytes) {
        Err(CallError::Malformed { index, fault }) => (index, fault.offset, fault.reason),
        other => panic!("expected a malformed call, got {other:?}"),
    }
}

#[test]
fn every_truncation_names_the_message_that_is_cut() {
    let (bytes, ends) = whole_call();
    let plain = Plain::new(small_bounds());
    for len in 0..bytes.len() {
        let cut = &bytes[..len];
        if len == 0 || ends.contains(&len) {
            assert!(response_bound(&small_config(), cut).is_ok());
            continue;
        }
        let index = ends.iter().filter(|&&end| end < len).count();
        let start = if index == 0 { 0 } else { ends[index - 1] };
        let expected = (index as u64, start, Reason::Short);
        assert_eq!(call_fault(&small_config(), cut), expected);
        assert!(plain.call(cut).is_err());
    }
    assert_eq!(
        plain.state.borrow().last_lsn(),
        Lsn(0),
        "nothing was sequenced"
    );
}

#[test]
fn every_flipped_bit_is_malformed_or_another_message() {
    let (bytes, _) = whole_call();
    let (mut refused, mut other) = (0, 0);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match response_bound(&small_config(), &flipped) {
            Ok(_) => other += 1,
            Err(error) => {
                let detail = error.detail();
                assert!(
                    detail[0] < 18 && detail[1] < bytes.len() as u64,
                    "{error:?}"
                );
                refused += 1;
            }
        }
        // What decodes encodes to the same bytes again: no two messages mean the same.
        let mut rest = &flipped[..];
        while let Ok((request, len)) = request::decode(rest) {
            assert_eq!(bytes_of(&request), &rest[..len]);
            rest = &rest[len..];
        }
    }
    assert!(
        refused > 1000 && other > 1000,
        "{refused} refused, {other} other messages"
    );
}

#[test]
fn every_flipped_bit_of_a_response_is_read_without_a_panic() {
    let plain = Plain::new(small_bounds());
    let requests: Vec<_> = [create(1, 1, 5), create(1, 2, 6)]
        .into_iter()
        .chain([get(3, 5), get(4, 99)])
        .chain([read(5, Body::Configuration), read(6, Body::RecoveryReport)])
        .chain([
            read(7, Body::Checkpoint),
            read(
                8,
                Body::Tick {
                    slot: Slot(9),
                    limit: 0,
                },
            ),
        ])
        .collect();
    let bytes = plain.call(&call_of(&requests)).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut rest = &flipped[..];
        while let Ok((_, len)) = response::decode(rest) {
            rest = &rest[len..];
        }
    }
    for len in 0..bytes.len() {
        let mut rest = &bytes[..len];
        while let Ok((_, len)) = response::decode(rest) {
            rest = &rest[len..];
        }
    }
}

#[test]
fn a_million_random_calls_never_panic() {
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let (valid, ends) = whole_call();
    let config = small_config();
    let mut accepted = 0;
    for round in 0..1_000_000_u64 {
        let mut bytes = [0u8; 96];
        let message = (noise.next() % 18) as usize;
        let start = if message == 0 { 0 } else { ends[message - 1] };
        let len = match round % 4 {
            // Plain noise.
            0 => {
                bytes.chunks_exact_mut(8).for_each(|chunk| {
                    chunk.copy_from_slice(&noise.next().to_le_bytes());
                });
                (noise.next() % 97) as usize
            }
            // Noise behind a good header, and a message with some bytes replaced.
            kind => {
                let message = &valid[start..ends[message]];
                let len = message.len().min(bytes.len());
                bytes[..len].copy_from_slice(&message[..len]);
                let changes = if kind == 1 { 16 } else { noise.next() % 4 };
                for _ in 0..changes {
                    let place = noise.below(len);
                    let place = if kind == 1 { place.max(16) } else { place };
                    bytes[place.min(len - 1)] = noise.next().to_le_bytes()[0];
                }
                len
            }
        };
        let bytes = &bytes[..len];
        let _ = response::decode(bytes);
        accepted += u32::from(response_bound(&config, bytes).is_ok());
    }
    assert!(
        accepted > 100_000,
        "only {accepted} calls were accepted: the noise is too strong"
    );
}

/// A few requests that agree often enough to have an effect on each other. The reservations that
/// they name are among those made last.
pub(super) fn plausible_calls(noise: &mut Noise, slot: u64, last_lsn: Lsn) -> Vec<Material> {
    let ids: Vec<[u8; 16]> = (1..=8u128).map(u128::to_le_bytes).collect();
    let count = noise.next() % 6;
    let mut material = || {
        let kind = Kind::ALL[(noise.next() % 18) as usize];
        let names_reservation = (Kind::Confirm..=Kind::Reclaim).contains(&kind);
        let target = if names_reservation || kind == Kind::GetReservation {
            let lsn = last_lsn.0.saturating_sub(noise.next() % 6).max(1);
            ReservationId::new(small_config().shard_id, Lsn(lsn)).0
        } else {
            u128::from(1 + noise.next() % 8)
        };
        let operation_id = u128::from(1 + noise.next() % 50_000);
        let holder_id = u128::from(1 + noise.next() % 2);
        Material {
            kind,
            words: [noise.next(), slot, 0, 1 + noise.next() % 20],
            wide: [operation_id, target, holder_id],
            small: [(noise.next() % 16) as u32, (noise.next() % 20) as u32],
            ids: ids[..=noise.below(3)].to_vec(),
        }
    };
    (0..count).map(|_| material()).collect()
}

#[test]
fn random_valid_calls_run_without_a_panic_and_within_their_bound() {
    let mut noise = Noise(77);
    let plain = Plain::new(small_bounds());
    for round in 0..20_000 {
        let last_lsn = plain.state.borrow().last_lsn();
        let material = plausible_calls(&mut noise, 1000 + round / 2, last_lsn);
        let requests: Vec<_> = material.iter().map(Material::request).collect();
        let out = plain.call(&call_of(&requests)).unwrap();
        let responses = responses(&out);
        assert_eq!(responses.len(), requests.len());
        for (request, response) in requests.iter().zip(&responses) {
            assert_eq!(request.tag, response.tag);
            assert_eq!(request.body.kind(), response.kind);
        }
    }
    assert!(plain.commits.borrow().len() > 5_000);
    plain.state.borrow().check_invariants().unwrap();
}

const IDS: [[u8; 16]; 1] = [[1; 16]];

/// A valid message, where four of its bytes are changed, into what, and the fault that this is.
fn faults() -> Vec<(Request<'static>, usize, u32, usize, Reason)> {
    let tick = read(
        1,
        Body::Tick {
            slot: Slot(1),
            limit: 1,
        },
    );
    let lookup = Body::GetReservation {
        required_lsn: Lsn(0),
        reservation_id: ReservationId(1),
        capacity: 1,
    };
    let listing = Listing {
        required_lsn: Lsn(0),
        cursor: 0,
        holder_id: HolderId(0),
        state_mask: 0,
        row_count_max: 1,
    };
    vec![
        (get(1, 1), 0, 15, 0, Reason::Length),
        (get(1, 1), 0, 39, 0, Reason::Length),
        (get(1, 1), 0, u32::MAX, 0, Reason::Short),
        (get(1, 1), 4, 0x2002, 4, Reason::Version),
        (get(1, 1), 4, 0xF001, 5, Reason::Kind),
        (get(1, 1), 4, 0x0901, 5, Reason::Kind),
        (get(1, 1), 4, 0xA001, 5, Reason::Kind),
        (get(1, 1), 4, 0x0001_2001, 6, Reason::Flags),
        (get(1, 1), 24, 0, 24, Reason::Value),
        (reserve(1, 1, &IDS), 72, 1025, 72, Reason::Count),
        (reserve(1, 1, &IDS), 72, 2, 0, Reason::Length),
        (reserve(1, 1, &IDS), 76, 1, 76, Reason::Reserved),
        (tick, 28, 1, 28, Reason::Reserved),
        (read(1, lookup), 40, 1025, 40, Reason::Count),
        (read(1, lookup), 44, 1, 44, Reason::Reserved),
        (
            read(1, Body::ListResources(listing)),
            52,
            8193,
            52,
            Reason::Count,
        ),
        (
            read(1, Body::ListResources(listing)),
            48,
            0b10_0000,
            48,
            Reason::Value,
        ),
        (
            read(1, Body::ListReservations(listing)),
            48,
            1,
            48,
            Reason::Value,
        ),
        (create(1, 1, 1), 24, 0, 24, Reason::Value),
        (create(1, 1, 1), 48, 0, 48, Reason::Value),
        (reserve(1, 1, &IDS), 48, 0, 48, Reason::Value),
    ]
}

#[test]
fn each_fault_names_its_reason_and_offset() {
    for (request, place, value, offset, reason) in &faults() {
        let mut bytes = bytes_of(request);
        bytes[*place..place + 4].copy_from_slice(&value.to_le_bytes());
        let fault = call_fault(&small_config(), &bytes);
        assert_eq!(
            fault,
            (0, *offset, *reason),
            "{request:?} with {value} at {place}"
        );
        // The same behind another message: the index and the offset move.
        let front = bytes_of(&create(1, 9, 9));
        let behind = [front.clone(), bytes].concat();
        let fault = call_fault(&small_config(), &behind);
        assert_eq!(fault, (1, offset + front.len(), *reason));
    }
}
