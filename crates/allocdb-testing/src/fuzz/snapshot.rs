//! Snapshots: whatever its bytes, one is refused, or it is a state that can be lived with.
//!
//! The bytes are the file itself, or the fields of a small one, each in a byte or two, which are
//! laid out with right lengths and checksums, so that the checks behind them are reached; wide
//! values are patched into the image and sealed as well. In front of it stand commands.
//!
//! The laws, where a snapshot is accepted: `verify` says the same of it; its state keeps every
//! invariant and writes the very same bytes again, with the host's position in them; driven with
//! the commands, through acceptance, it still keeps every invariant, and its snapshot reads back.
//! Nothing panics, and nothing is allocated but the tables that a checked configuration asks for.

use std::cell::RefCell;

use allocdb_core::canary::Canary;
use allocdb_core::config::Config;
use allocdb_core::ids::Slot;
use allocdb_core::snapshot::{self, HOST_POSITION_BYTES_MAX};
use allocdb_core::state::{Acceptance, State};

use super::Target;
use super::material::{BUNDLE_LEN_MAX, Material};
use crate::image::seal;

/// The target.
pub const TARGET: Target = Target {
    name: "snapshot",
    len_max: 1024,
    allocation_bytes_max: TABLES_BYTES_MAX,
    run,
    seeds,
    canary: Canary::SnapshotInvariantsUnchecked,
};

/// A configuration may ask for gigabytes, and would get them.
const TABLES_BYTES_MAX: usize = 64 << 10;
const COMMANDS_MAX: u8 = 16;
/// A narrow field that stands for "none".
const NONE: u8 = 0xFF;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        image: Vec::with_capacity(TABLES_BYTES_MAX),
        again: Vec::with_capacity(TABLES_BYTES_MAX),
        host_position: [0; HOST_POSITION_BYTES_MAX as usize],
        acceptance: Acceptance::new(4).expect("memory"),
    });
}

struct Scratch {
    image: Vec<u8>,
    again: Vec<u8>,
    host_position: [u8; HOST_POSITION_BYTES_MAX as usize],
    acceptance: Acceptance,
}

/// Tries one input.
pub fn run(data: &[u8]) {
    let mut material = Material::new(data);
    let mode = material.u8();
    let count = usize::from(material.u8() % COMMANDS_MAX);
    let commands = material.slice(count * 6);
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.image.clear();
        match mode % 4 {
            0 => scratch.image.extend_from_slice(material.rest()),
            1 => lay_out(&mut scratch.image, &mut material, None),
            _ => {
                let patch = (usize::from(material.u16()), material.array());
                lay_out(&mut scratch.image, &mut material, Some(patch));
            }
        }
        check(scratch, Material::new(commands));
    });
}

fn check(scratch: &mut Scratch, commands: Material<'_>) {
    let Scratch {
        image,
        again,
        host_position,
        acceptance,
    } = scratch;
    let Ok(verified) = snapshot::verify(&mut image.as_slice()) else {
        assert!(snapshot::decode(&mut image.as_slice()).is_err());
        return;
    };
    if State::memory_bytes(&verified.config) > TABLES_BYTES_MAX as u64 {
        return;
    }
    let Ok((mut state, info)) = snapshot::decode(&mut image.as_slice()) else {
        return;
    };
    assert_eq!(info, verified, "one snapshot, one story");
    let invariants = state.check_invariants();
    assert_eq!(invariants, Ok(()), "an accepted snapshot is sound");
    let len = snapshot::host_position(&mut image.as_slice(), host_position);
    let len = len.expect("a verified snapshot");
    again.clear();
    let written =
        snapshot::encode_with_host_position(&state, &host_position[..len], again).expect("memory");
    assert_eq!(written, info, "what was read is what is written");
    assert_eq!(again, image, "what was read is what is written");
    if commands.is_over() {
        return;
    }
    drive(&mut state, acceptance, commands);
    assert_eq!(state.check_invariants(), Ok(()), "driven into a fault");
    again.clear();
    let written = snapshot::encode(&state, again).expect("memory");
    let (restored, info) = snapshot::decode(&mut again.as_slice()).expect("our own snapshot");
    assert_eq!(written, info);
    assert_eq!(restored.digest(), state.digest());
}

/// Lets commands of every kind at the state, as commits of one.
fn drive(state: &mut State, acceptance: &mut Acceptance, mut commands: Material<'_>) {
    let shard_id = state.config().shard_id;
    let mut ids = [[0; 16]; BUNDLE_LEN_MAX];
    while !commands.is_over() {
        let slot = state.last_slot().0.saturating_add(commands.below(8).into());
        let position = (shard_id, state.last_lsn().0, state.last_slot().0);
        let command = commands.command(position, &mut ids);
        acceptance.begin(state, Slot(slot), false);
        let _ = acceptance.admit(state, &command, 0);
        let before = state.last_lsn();
        let applied = state.apply(Slot(slot), &command);
        assert!(applied.lsn >= before, "log positions grow");
        let _ = state.usage(state.last_slot());
    }
}

// ---- fields as a snapshot

/// Lays out a small snapshot from narrow fields, patched and sealed.
fn lay_out(image: &mut Vec<u8>, material: &mut Material<'_>, patch: Option<(usize, [u8; 8])>) {
    let counts = Counts::read(image, material);
    let mut places = [0; 8];
    let bodies: [fn(&mut Vec<u8>, &mut Material<'_>, &Counts); 6] = [
        |out, material, counts| out.extend((0..counts.host).map(|_| material.u8())),
        |out, material, counts| (0..counts.used[0]).for_each(|_| resource(out, material)),
        |out, material, counts| (0..counts.used[1]).for_each(|_| reservation(out, material)),
        |out, material, counts| (0..counts.used[2]).for_each(|_| operation(out, material)),
        |out, material, counts| {
            let free: u8 = (0..3).map(|i| counts.fresh[i] - counts.used[i]).sum();
            (0..free).for_each(|_| handle(out, material));
        },
        |out, material, counts| {
            (0..counts.queue + counts.used[2]).for_each(|_| handle(out, material));
        },
    ];
    for (kind, body) in (1u32..).zip(bodies) {
        let start = image.len();
        places[kind as usize - 1] = start;
        image.extend_from_slice(&kind.to_le_bytes());
        image.extend_from_slice(&[0; 12]);
        body(image, material, &counts);
        let body_len = (image.len() - start - 16) as u64;
        image[start + 8..start + 16].copy_from_slice(&body_len.to_le_bytes());
        image.extend_from_slice(&[0; 8]);
    }
    places[6] = image.len();
    image.extend_from_slice(b"ALLOCEND");
    let file_len = (image.len() + 16) as u64;
    image.extend_from_slice(&file_len.to_le_bytes());
    image.extend_from_slice(&[0; 8]);
    places[7] = image.len();
    if let Some((at, bytes)) = patch {
        let at = at % (image.len() - bytes.len());
        image[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    seal(image, &places);
}

/// How many of what.
struct Counts {
    used: [u8; 3],
    fresh: [u8; 3],
    queue: u8,
    host: u8,
}

impl Counts {
    /// Lays out the header.
    fn read(image: &mut Vec<u8>, material: &mut Material<'_>) -> Self {
        let capacities: [u8; 3] = material.array().map(|byte| 1 + byte % 16);
        let [ttl, operation_window, history_window] = material.array().map(|byte| byte.max(1));
        let [bundle, bucket, expirations] = material.array().map(|byte: u8| byte.max(1));
        let config = Config {
            max_ttl_slots: ttl.into(),
            operation_window_slots: operation_window.into(),
            history_window_slots: history_window.into(),
            max_resources: capacities[0].into(),
            max_reservations: capacities[1].into(),
            max_operations: capacities[2].into(),
            max_bundle_len: bundle.into(),
            max_expiration_bucket_len: bucket.min(capacities[1]).into(),
            max_expirations_per_tick: expirations.into(),
            ..CONFIG
        };
        let marks = [material.u16(), material.u16(), material.u16()];
        let fresh: [u8; 3] = material.array();
        let fresh = [0, 1, 2].map(|i| fresh[i].min(capacities[i]));
        let used: [u8; 3] = material.array();
        let used = [0, 1, 2].map(|i| used[i].min(fresh[i]));
        let counts = Self {
            used,
            fresh,
            queue: material.u8().min(used[1]),
            host: material.below(8),
        };
        image.extend_from_slice(b"ALLOCSNP\x01\0\0\0\0\0\0\0");
        image.extend_from_slice(&config.encode());
        for mark in marks {
            wide(image, mark.into());
        }
        image.extend_from_slice(&[0; 16]);
        for count in used.into_iter().chain(fresh) {
            narrow(image, count.into());
        }
        narrow(image, counts.queue.into());
        narrow(image, counts.host.into());
        image.resize(512, 0);
        counts
    }
}

/// What narrow fields leave open.
const CONFIG: Config = Config {
    database_id: 0xDB,
    shard_id: 3,
    hash_seed: 0x5EED,
    slot_duration_ms: 100,
    max_ttl_slots: 7,
    operation_window_slots: 9,
    history_window_slots: 5,
    max_resources: 8,
    max_reservations: 8,
    max_operations: 12,
    max_bundle_len: 8,
    max_expiration_bucket_len: 8,
    max_expirations_per_tick: 8,
};

fn narrow(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn wide(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn id(out: &mut Vec<u8>, material: &mut Material<'_>) {
    out.extend_from_slice(&u128::from(material.u8()).to_le_bytes());
}

fn handle(out: &mut Vec<u8>, material: &mut Material<'_>) {
    let number = material.u8();
    narrow(
        out,
        if number == NONE {
            u32::MAX
        } else {
            number.into()
        },
    );
}

fn resource(out: &mut Vec<u8>, material: &mut Material<'_>) {
    (0..3).for_each(|_| handle(out, material));
    narrow(out, 0);
    id(out, material);
    wide(out, material.u8().into());
}

fn reservation(out: &mut Vec<u8>, material: &mut Material<'_>) {
    (0..4).for_each(|_| handle(out, material));
    out.extend_from_slice(&[material.u8(), 0, material.u8(), 0, 0, 0, 0, 0]);
    (0..2).for_each(|_| id(out, material));
    (0..4).for_each(|_| wide(out, material.u16().into()));
}

fn operation(out: &mut Vec<u8>, material: &mut Material<'_>) {
    handle(out, material);
    let index = material.u8();
    let index = if index == NONE {
        u16::MAX
    } else {
        index.into()
    };
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(&[material.u8(), 0]);
    id(out, material);
    out.extend_from_slice(&material.array::<8>());
    (0..4).for_each(|_| wide(out, material.u16().into()));
}

// ---- a snapshot as fields

/// The narrow fields of a snapshot of [`CONFIG`] whose positions and slots are small.
fn fields_of(image: &[u8]) -> Vec<u8> {
    let mut out = vec![7, 7, 11, 7, 9, 5, 8, 8, 8];
    let byte = |at: usize| image[at];
    for at in [144, 152, 160] {
        out.extend_from_slice(&image[at..at + 2]);
    }
    out.extend([196, 200, 204, 184, 188, 192, 208, 212].map(byte));
    let mut at = 512;
    // For each section, the bytes of a record that are kept; the rest follows from them.
    let resource: &[usize] = &[0, 4, 8, 16, 32];
    let reservation: &[usize] = &[0, 4, 8, 12, 16, 18, 24, 40, 56, 57, 64, 65, 72, 73, 80, 81];
    let operation: &[usize] = &[
        0, 4, 6, 8, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 40, 41, 48, 49, 56, 57,
    ];
    let kept = [
        (&[0][..], 1),
        (resource, 40),
        (reservation, 88),
        (operation, 64),
    ];
    for (places, record_bytes) in kept.into_iter().chain([(&[0][..], 4), (&[0][..], 4)]) {
        let len = image[at + 8..at + 16].try_into().map(u64::from_le_bytes);
        let len = usize::try_from(len.expect("eight bytes")).expect("short");
        for record in image[at + 16..at + 16 + len].chunks(record_bytes) {
            out.extend(places.iter().map(|&place| record[place]));
        }
        at += len + 24;
    }
    out
}

/// Snapshots of histories of several lengths; one as it is; nothing.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![]];
    let mut acceptance = Acceptance::new(4).expect("memory");
    for len in [0, 3, 6, 12, 20, 40, 80] {
        let mut state = State::new(CONFIG).expect("memory");
        // Creates, then reserves, holders' commands and slots, by a fixed rule.
        let commands: Vec<u8> = (0..len)
            .flat_map(|step: u8| {
                let kind = [0, 2, 3, 5, 0, 2, 8, 2, 10, 3][usize::from(step) % 10];
                let slot = u8::from(step.is_multiple_of(3));
                [
                    slot,
                    kind,
                    step % 60 + 1,
                    step.wrapping_mul(37) | 0x40,
                    0x3D,
                ]
            })
            .collect();
        drive(&mut state, &mut acceptance, Material::new(&commands));
        let mut image = Vec::new();
        let written = snapshot::encode(&state, &mut image).expect("memory");
        assert!(written.last_lsn.0 < 1 << 16);
        let drive_on = [1, 4].iter().chain(&commands).copied();
        let drive_on: Vec<u8> = drive_on.chain([0; 24]).take(2 + 24).collect();
        seeds.push([drive_on.as_slice(), &fields_of(&image)].concat());
        if len == 3 {
            seeds.push([&[0, 0], image.as_slice()].concat());
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lay_out_the_snapshot_that_they_were_taken_of() {
        let mut laid_out = 0;
        for seed in seeds().iter().filter(|seed| seed.first() == Some(&1)) {
            let mut image = Vec::new();
            lay_out(&mut image, &mut Material::new(&seed[26..]), None);
            let (state, _) = snapshot::decode(&mut image.as_slice()).expect("a sound snapshot");
            laid_out += u32::from(state.last_lsn().0 > 2);
        }
        assert!(laid_out >= 5, "{laid_out} histories");
    }
}
