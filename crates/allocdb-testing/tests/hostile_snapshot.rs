//! Snapshots that were changed and then given right checksums: nothing that a checksum can catch.
//!
//! Whatever such an image says, it is refused, or it describes a state that keeps every invariant,
//! writes the very same bytes again, and can be driven with any commands without a panic. So the
//! whole-state check is what it claims to be: enough to rely on. Every byte of the golden snapshot
//! is set to several values, and then fields of snapshots of random histories, several at a time,
//! to values that are likely to deceive: other handles, other counts, the ends of every range.

use std::panic::{AssertUnwindSafe, catch_unwind};

use allocdb_core::canary::{Canary, plant};
use allocdb_core::snapshot::{self, SnapshotError};
use allocdb_core::state::{Acceptance, Filter};
use allocdb_core::{Slot, State};
use allocdb_testing::bridge::{self, BundleBytes};
use allocdb_testing::image::{self, SECTION_CRC_BYTES, SECTION_HEADER_BYTES, places, written};
use allocdb_testing::model::Command;
use allocdb_testing::random::Rng;
use allocdb_testing::trial::{scale, seed};
use allocdb_testing::workload::{Mix, RECENT_LEN, Shape, Workload};

const GOLDEN: &[u8] = include_bytes!("../../allocdb-core/tests/golden/snapshot-v1.bin");
/// A changed configuration may ask for gigabytes, and would get them: not in a test.
const MEMORY_BYTES_MAX: u64 = 32 << 20;
const HISTORIES: u64 = 120;
const IMAGES: u64 = 1000;

#[derive(Debug, Default)]
struct Tally {
    images: u64,
    refused: u64,
    broken: u64,
    driven: u64,
    commands: u64,
}

fn mix() -> Mix {
    Mix {
        create: 3,
        delete: 2,
        reserve: 10,
        confirm: 5,
        extend: 6,
        release: 5,
        revoke: 3,
        reclaim: 3,
        retry: 2,
        conflict: 1,
        reuse: 2,
        malformed: 0,
        slot_moves: 40,
    }
}

/// Drives a state with commands of every kind, through acceptance and without.
fn drive(state: &mut State, seed: u64, commands: u64) -> u64 {
    let shape = Shape {
        bounds: bridge::bounds(state.config()),
        mix: mix(),
        resource_ids: 14,
        holders: 12,
        is_late: false,
        commit_len_max: 4,
        commands,
        seed,
    };
    let mut workload = Workload::new(&shape);
    let mut reservations = Vec::new();
    state.list_reservations(&Filter::default(), 0, RECENT_LEN, |row| {
        reservations.push((row.reservation_id.0, row.holder_id.0));
    });
    workload.adopt(state.last_slot().0, reservations.into_iter());
    let mut bundle = BundleBytes::new();
    let mut acceptance = Acceptance::new(4).expect("memory");
    for _ in 0..commands {
        let slot = Slot(workload.next_slot());
        let command = if workload.rng.chance(15) {
            Command::expire(workload.expire_limit())
        } else {
            workload.next_command(state)
        };
        let asked = bridge::command(&command, &mut bundle);
        acceptance.begin(state, state.last_slot().max(slot), false);
        let _ = acceptance.admit(state, &asked, 0);
        let applied = state.apply(slot, &asked);
        workload.observe(&command, &bridge::applied(&applied));
        let _ = state.usage(slot);
    }
    commands
}

/// What one image leads to; an error is a flaw of ours.
fn try_image(bytes: &[u8], seed: u64, tally: &mut Tally) -> Result<(), String> {
    tally.images += 1;
    match snapshot::verify(&mut &*bytes) {
        Ok(info) if State::memory_bytes(&info.config) > MEMORY_BYTES_MAX => return Ok(()),
        Ok(_) => {}
        Err(_) => {
            tally.refused += 1;
            return Ok(());
        }
    }
    let mut state = match snapshot::decode(&mut &*bytes) {
        Ok((state, _)) => state,
        Err(error) => {
            tally.refused += 1;
            tally.broken += u64::from(matches!(error, SnapshotError::Broken(_)));
            return Ok(());
        }
    };
    // At once, since a state that is broken may keep a command busy for ever.
    if let Err(broken) = state.check_invariants() {
        return Err(format!("read as {broken}"));
    }
    if written(&state) != bytes {
        return Err("what was read is not what is written".into());
    }
    tally.driven += 1;
    tally.commands += drive(&mut state, seed, 60);
    let broken = state.check_invariants().err();
    broken.map_or(Ok(()), |broken| Err(format!("driven into {broken}")))
}

fn try_caught(bytes: &[u8], seed: u64, tally: &mut Tally) -> Result<(), String> {
    let attempt = AssertUnwindSafe(|| try_image(bytes, seed, tally));
    catch_unwind(attempt).unwrap_or_else(|_| Err("a panic".into()))
}

// R85, R79, R81: every byte of a snapshot with every part, set to several other values.
#[test]
fn a_changed_byte_under_right_checksums_is_refused_or_harmless() {
    let seed = seed("hostile bytes");
    let places = places(GOLDEN);
    let mut tally = Tally::default();
    let mut flaws = Vec::new();
    for at in 0..GOLDEN.len() {
        let old = GOLDEN[at];
        for new in [
            old ^ 1,
            old ^ 0x80,
            0,
            1,
            0xFF,
            old.wrapping_add(1),
            old.wrapping_sub(1),
        ] {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] = new;
            image::seal(&mut bytes, &places);
            let seed = seed.wrapping_add(at as u64);
            if let Err(why) = try_caught(&bytes, seed, &mut tally) {
                flaws.push(format!("byte {at}: {old} became {new}: {why}"));
            }
        }
    }
    println!("{tally:?}");
    assert!(
        flaws.is_empty(),
        "ALLOCDB_SEED={seed}: {} flaws: {flaws:#?}",
        flaws.len()
    );
    assert!(tally.broken > 1000 && tally.driven > 1000, "{tally:?}");
}

/// A value that some field might be taken in by.
fn deceptive(rng: &mut Rng, old: u64, state: &State) -> u64 {
    match rng.below(12) {
        0 => 0,
        1 => u64::from(u32::MAX),
        2 => u64::MAX,
        3 => old.wrapping_add(1),
        4 => old.wrapping_sub(1),
        5 => state.last_lsn().0,
        6 => state.last_slot().0,
        7 => state.last_slot().0.wrapping_add(1),
        8 => state.config().slot_max().0,
        _ => rng.below(24),
    }
}

/// Changes one aligned field of a section, or copies one over another.
fn deceive(rng: &mut Rng, bytes: &mut [u8], places: &[usize; 8], state: &State) {
    let section = rng.index(6);
    let start = places[section] + SECTION_HEADER_BYTES;
    let end = places[section + 1] - SECTION_CRC_BYTES;
    // Now and then the header's numbers, but not its lengths.
    let (start, end) = if end - start < 8 || rng.chance(8) {
        (144, 184)
    } else {
        (start, end)
    };
    let at = start + rng.index((end - start) / 4) * 4;
    let width = if rng.chance(50) { 4 } else { 8 };
    let width = width.min(end - at);
    let mut field = [0; 8];
    if rng.chance(30) {
        let from = start + rng.index((end - start) / 4) * 4;
        let width = width.min(end - from);
        bytes.copy_within(from..from + width, at);
        return;
    }
    field[..width].copy_from_slice(&bytes[at..at + width]);
    let value = deceptive(rng, u64::from_le_bytes(field), state);
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    if rng.chance(10) {
        bytes[at + rng.index(width)] = u8::try_from(rng.below(8)).expect("small");
    }
}

/// Tries images of this many histories; returns the flaws that they show.
fn deceptive_images(seed: u64, histories: u64, tally: &mut Tally) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let mut flaws = Vec::new();
    for history in 0..histories {
        let shape = Shape::draw(rng.draw(), 300);
        let config = bridge::config(&shape.bounds, 1, shape.hash_seed());
        let mut state = State::new(config).expect("a valid configuration");
        drive(&mut state, shape.seed, shape.commands);
        let original = written(&state);
        let places = places(&original);
        for number in 0..IMAGES {
            let mut bytes = original.clone();
            for _ in 0..rng.between(1, 4) {
                deceive(&mut rng, &mut bytes, &places, &state);
            }
            image::seal(&mut bytes, &places);
            if let Err(why) = try_caught(&bytes, rng.draw(), tally) {
                flaws.push(format!("history {history}, image {number}: {why}"));
            }
        }
    }
    flaws
}

// R85, R79, R81: several fields at a time, in snapshots of random histories.
#[test]
fn deceptive_snapshots_are_refused_or_harmless() {
    let seed = seed("hostile fields");
    let mut tally = Tally::default();
    let flaws = deceptive_images(seed, HISTORIES * scale(), &mut tally);
    println!("{tally:?}");
    assert!(
        flaws.is_empty(),
        "ALLOCDB_SEED={seed}: {} flaws: {flaws:#?}",
        flaws.len()
    );
    assert!(tally.broken > 1000 && tally.driven > 1000, "{tally:?}");
}

// The harness can fail: a snapshot that is believed for its checksums shows itself.
#[test]
fn canary_snapshot_invariants_unchecked_is_caught() {
    let seed = seed("hostile canary");
    let _planted = plant(Canary::SnapshotInvariantsUnchecked);
    let flaws = deceptive_images(seed, 1, &mut Tally::default());
    println!("{} flaws", flaws.len());
    assert!(flaws.len() > 100, "broken states are noticed: {flaws:#?}");
}
